"""A checkpoint folder: config.json, model.safetensors, renderer.safetensors, tokenizer files, labels.json, README.md.

Loading is strict both ways: a missing or an unknown tensor is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.tiny import SIZES, TinyConfig, TinySkeletonLM
from skeletonllm_core.render.renderer import SkeletonRenderer


@dataclass(frozen=True)
class Calibration:
    """How log-likelihoods become scores; fitted on the validation split.

    Attributes:
        temperature: the log-likelihoods are divided by it.
        threshold: a best score below it is "unknown".
    """

    temperature: float = 1.0
    threshold: float = 0.35


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model: renderer, language model, tokenizer, the labels it learned and their calibration."""

    model: TinySkeletonLM
    renderer: SkeletonRenderer
    tokenizer: PreTrainedTokenizerBase
    labels: tuple[str, ...]
    calibration: Calibration = field(default_factory=Calibration)


_FILES = (
    "config.json",
    "model.safetensors",
    "renderer.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "labels.json",
)


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint; the folder is replaced as a whole, so it is never half written. A card in it is kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    sizes = {name: getattr(checkpoint.model.config, name) for name in SIZES}
    (partial / "config.json").write_text(json.dumps({"model_type": TinyConfig.model_type, **sizes}, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in checkpoint.model.state_dict().items()}, partial / "model.safetensors")
    save_file(
        {k: v.contiguous() for k, v in checkpoint.renderer.state_dict().items()}, partial / "renderer.safetensors"
    )
    checkpoint.tokenizer.save_pretrained(partial)
    values = {
        "labels": list(checkpoint.labels),
        "temperature": checkpoint.calibration.temperature,
        "threshold": checkpoint.calibration.threshold,
    }
    (partial / "labels.json").write_text(json.dumps(values, indent=1) + "\n")
    if (folder / "README.md").is_file():
        shutil.copy(folder / "README.md", partial / "README.md")
    partial.chmod(0o755)
    for file in partial.iterdir():
        file.chmod(0o644)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
        os.replace(folder, old / folder.name)
        os.replace(partial, folder)
        shutil.rmtree(old)
    else:
        os.replace(partial, folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        SkeletonLLMError: a file is missing or damaged, or the tensors are not exactly those of the model.
    """
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise SkeletonLLMError(f"{folder}: no SkeletonLLM checkpoint, {missing[0]} is missing")
    try:
        sizes = json.loads((folder / "config.json").read_text())
        config = TinyConfig(**{name: sizes[name] for name in SIZES})
        values = json.loads((folder / "labels.json").read_text())
        calibration = Calibration(float(values["temperature"]), float(values["threshold"]))
        labels = tuple(values["labels"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as problem:
        raise SkeletonLLMError(f"{folder}: damaged checkpoint, config.json or labels.json: {problem}") from problem
    model = TinySkeletonLM(config).eval()
    renderer = SkeletonRenderer(config.image_size).eval()
    for module, name in ((model, "model.safetensors"), (renderer, "renderer.safetensors")):
        try:
            module.load_state_dict(load_file(folder / name), strict=True)
        except (SafetensorError, RuntimeError) as problem:
            raise SkeletonLLMError(f"{folder / name}: does not fit this version: {str(problem)[:300]}") from problem
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    return Checkpoint(model.requires_grad_(False), renderer, tokenizer, labels, calibration)


def checkpoint_sha256(folder: Path) -> str:
    """One hash over every file that decides what the model answers."""
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()
