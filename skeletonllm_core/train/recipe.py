"""A training run as values: `recipes/*.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from skeletonllm_core.errors import SkeletonLLMError


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        data: folder of packs (`index.jsonl`, `motion/`); None trains on procedural clips alone.
        out: where checkpoint, log and resume state go.
        steps: optimiser steps.
        batch: clips a step.
        mix: source → share of a batch; sources that are not named share "other".
        procedural: number of procedural clips.
        hold_out: keep the validation part out of training, to choose by it.
        learning_rate, renderer_learning_rate: peaks of the cosine schedule.
        warm_up: steps of linear warm-up.
        weight_decay, dropout, smoothing, auxiliary: regularisation; `auxiliary` weighs the classifier that helps the
            frame encoder start, and is thrown away.
        average: decay of the running average of the weights, which is what is saved.
        width, vision_layers, text_layers, channels, frames, image_size: size of the model.
        temperature, threshold: calibration of the label scores (see `model.checkpoint.Calibration`); fitted on the
            validation part when None, which needs `hold_out`.
        seed: of weights, order and augmentation.
        bfloat16: multiply matrices in bfloat16, weights and losses stay float32; faster where the processor has it.
        threads: CPU threads.
        save_every: steps between resume states.
    """

    out: Path
    data: Path | None = None
    steps: int = 4000
    batch: int = 28
    mix: dict[str, float] = field(default_factory=lambda: {"procedural": 1.0})
    procedural: int = 4000
    hold_out: bool = True
    learning_rate: float = 1.2e-3
    renderer_learning_rate: float = 1e-2
    warm_up: int = 100
    weight_decay: float = 0.05
    dropout: float = 0.1
    smoothing: float = 0.05
    auxiliary: float = 0.5
    average: float = 0.998
    width: int = 256
    vision_layers: int = 3
    text_layers: int = 3
    channels: tuple[int, int, int] = (48, 96, 160)
    frames: int = 16
    image_size: int = 64
    temperature: float | None = None
    threshold: float | None = None
    seed: int = 0
    bfloat16: bool = False
    threads: int = 1
    save_every: int = 250


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Paths in it are relative to the recipe's folder.

    Raises:
        SkeletonLLMError: the file is missing, is no YAML mapping, or has an unknown or missing key.
    """
    if not path.is_file():
        raise SkeletonLLMError(f"{path}: there is no such recipe")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as problem:
        raise SkeletonLLMError(f"{path}: not a YAML file: {problem}") from problem
    if not isinstance(values, dict):
        raise SkeletonLLMError(f"{path}: a recipe is a list of `key: value` lines")
    known = {one.name for one in fields(Recipe)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise SkeletonLLMError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    if "out" not in values:
        raise SkeletonLLMError(f"{path}: the key 'out' (folder for the result) is missing")
    for key in ("out", "data"):
        if values.get(key) is not None:
            values[key] = (path.parent / values[key]).resolve()
    if "channels" in values:
        values["channels"] = tuple(values["channels"])
    return Recipe(**values)
