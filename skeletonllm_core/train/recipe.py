"""A training run as values: `recipes/*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.checkpoint import EMBEDDED
from skeletonllm_core.train.appearances import APPEARANCES, LEARNED
from skeletonllm_core.train.stages import PARTS, PUBLISHED, TASKS, Lora, Stage


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        out: where checkpoint, log and resume states go.
        data: folder of clips, of any kind that `train.corpus` reads; None trains on procedural clips alone.
        corpus: which kind it is, where that cannot be told from what is in it.
        start: the model to go on from ("default", "free", a folder, "hf:ORG/NAME"); None makes the embedded model
            from nothing, which is stage 0.
        stages: what follows, in this order.
        unseen: labels that nothing may be learned about.
        negatives: where the hard negatives of stage 2 come from: "confusions" (the model's own, on training clips),
            "text" (labels that share words) or a JSON file (label → list of labels).
        teacher: who writes the rationales of stage 3; see `train.teacher`.
        steps, batch, learning_rate, renderer_learning_rate, warm_up, weight_decay, smoothing, average: of stage 0, as in
            `Stage`, but that `warm_up` counts steps.
        auxiliary: weighs the classifier that helps the frame encoder start in stage 0, and is thrown away.
        mix: source → share of a batch; sources that are not named share "other", or are left out where that is not named
            either.
        procedural: number of procedural clips.
        hold_out: keep the validation part out of training, to choose by it.
        dropout, width, vision_layers, text_layers, channels, frames, image_size: of the model that stage 0 makes.
        appearance: how the model that stage 0 makes is drawn, and what of it is learned; see `train.appearances`.
        temperature, threshold: calibration of the label scores (see `model.checkpoint.Calibration`); fitted on the
            validation part when None, which needs `hold_out`.
        facts: share of the clips whose prompts tell the measured facts; above 0, the model is told them in use too. None:
            half for a model that is, 0 for one that is not.
        seed: of weights, order and augmentation.
        bfloat16: multiply matrices in bfloat16, weights and losses stay float32; faster where the processor has it.
        gradient_checkpointing: compute the language model's activations twice instead of keeping them.
        accumulate: parts in which each process works through its share of a batch; the result is the same.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads.
        workers: processes that draw and vary clips ahead; 0 draws between the steps.
        save_every: steps between resume states.
        log_every: steps between lines of the log.
        tensorboard: also log for TensorBoard.
    """

    out: Path
    data: Path | None = None
    corpus: str | None = None
    start: str | None = None
    stages: tuple[Stage, ...] = ()
    unseen: tuple[str, ...] = ()
    negatives: str | Path = "confusions"
    teacher: str = "kinematic"
    steps: int = 4000
    batch: int = 28
    mix: Mapping[str, float] = field(default_factory=lambda: {"procedural": 1.0})
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
    appearance: str = "learned"
    facts: float | None = None
    temperature: float | None = None
    threshold: float | None = None
    seed: int = 0
    bfloat16: bool = False
    gradient_checkpointing: bool = False
    accumulate: int = 1
    device: str = "auto"
    threads: int = 1
    workers: int = 0
    save_every: int = 250
    log_every: int = 50
    tensorboard: bool = False

    def all_stages(self) -> tuple[Stage, ...]:
        """The stages in order, with stage 0 where the model is made from nothing."""
        if self.start is not None:
            return self.stages
        pretrain = Stage(
            "pretrain",
            0,
            ("vision", "projector", "language", "renderer"),
            {"label": 1.0, "caption": 0.5, "question": 0.5},
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            renderer_learning_rate=self.renderer_learning_rate,
            warm_up=self.warm_up / max(self.steps, 1),
            weight_decay=self.weight_decay,
            smoothing=self.smoothing,
            average=self.average,
            second_moment=0.98,
        )
        return (pretrain, *self.stages)


# fmt: off
_WITHOUT_EFFECT = frozenset([
    "out", "data", "temperature", "threshold", "threads", "workers", "save_every", "log_every", "tensorboard", "device",
    "accumulate", "gradient_checkpointing",
])
# fmt: on


def decisive(recipe: Recipe) -> dict[str, Any]:
    """The values that decide what is learned; a run is only gone on with under the same ones."""
    values = asdict(replace(recipe, stages=(), mix=dict(recipe.mix)))
    kept = {key: str(value) for key, value in values.items() if key not in _WITHOUT_EFFECT}
    for stage in recipe.stages:
        kept[f"stage {stage.name}"] = str(replace(stage, tasks=dict(stage.tasks)))
    return kept


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Paths in it are relative to the recipe's folder.

    Raises:
        SkeletonLLMError: the file is missing, is no YAML mapping, or has an unknown or missing key or a wrong value.
    """
    if not path.is_file():
        raise SkeletonLLMError(f"{path}: there is no such recipe")
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise SkeletonLLMError(f"{path}: not a YAML file: {problem}") from problem
    if not isinstance(values, dict):
        raise SkeletonLLMError(f"{path}: a recipe is a list of `key: value` lines")
    _check_keys(values, {one.name for one in fields(Recipe)}, str(path))
    if "out" not in values:
        raise SkeletonLLMError(f"{path}: the key 'out' (folder for the result) is missing")
    for key in ("out", "data"):
        if values.get(key) is not None:
            values[key] = (path.parent / str(values[key])).resolve()
    if str(values.get("negatives", "")).endswith(".json"):
        values["negatives"] = (path.parent / values["negatives"]).resolve()
    start = values.get("start")
    if start is not None and start not in EMBEDDED and not str(start).startswith("hf:"):
        values["start"] = str((path.parent / str(start)).resolve())
    stages = values.pop("stages", None) or []
    if not isinstance(stages, list):
        raise SkeletonLLMError(f"{path}: 'stages' is a list, each entry with a key 'stage'")
    recipe = Recipe(**_typed(values, Recipe, str(path)), stages=tuple(_stage(one, f"{path}, stages") for one in stages))
    _check(recipe, path)
    return recipe


def _check(recipe: Recipe, path: Path) -> None:
    if recipe.start is not None and not recipe.stages:
        raise SkeletonLLMError(f"{path}: a recipe with 'start' needs 'stages': there is nothing to do")
    numbers = [stage.number for stage in recipe.stages]
    if numbers != sorted(set(numbers)):
        raise SkeletonLLMError(f"{path}: 'stages' stand once each, in the order {', '.join(PUBLISHED)}")
    if recipe.corpus is not None and recipe.data is None:
        raise SkeletonLLMError(f"{path}: 'corpus' says what kind of folder 'data' is, and there is no 'data'")
    if isinstance(recipe.negatives, str) and recipe.negatives not in ("confusions", "text"):
        raise SkeletonLLMError(f"{path}: 'negatives' is confusions, text or a .json file, not {recipe.negatives!r}")
    for facts in (recipe.facts, *(stage.facts for stage in recipe.stages)):
        if not 0 <= (facts or 0) <= 1:
            raise SkeletonLLMError(f"{path}: 'facts' is a share, 0 to 1, not {facts}")
    if recipe.appearance not in APPEARANCES:
        raise SkeletonLLMError(f"{path}: 'appearance' is one of {', '.join(APPEARANCES)}, not {recipe.appearance!r}")
    if recipe.appearance != LEARNED and recipe.start is not None:
        raise SkeletonLLMError(f"{path}: 'appearance' is for a model made from nothing, so it does not go with 'start'")
    if recipe.device not in ("auto", "cpu", "cuda"):
        raise SkeletonLLMError(f"{path}: 'device' is auto, cpu or cuda, not {recipe.device!r}")
    for stage in recipe.all_stages():
        if stage.batch < 1 or (stage.steps is not None and stage.steps < 1):
            raise SkeletonLLMError(f"{path}: 'steps' and 'batch' of the stage {stage.name!r} must be 1 or more")
    if min(recipe.accumulate, recipe.save_every, recipe.log_every, recipe.threads) < 1 or recipe.workers < 0:
        raise SkeletonLLMError(f"{path}: 'accumulate', 'save_every', 'log_every' and 'threads' must be 1 or more")


def _stage(values: Any, place: str) -> Stage:
    if not isinstance(values, dict) or values.get("stage") not in PUBLISHED:
        raise SkeletonLLMError(f"{place}: each entry has a key 'stage', one of {', '.join(PUBLISHED)}")
    published = PUBLISHED[values["stage"]]
    place = f"{place}, {published.name}"
    own = {key: value for key, value in values.items() if key != "stage"}
    _check_keys(own, {one.name for one in fields(Stage)} - {"name", "number"}, place)
    lora = own.pop("lora", None) or {}
    if not isinstance(lora, dict):
        raise SkeletonLLMError(f"{place}: 'lora' is a mapping of {', '.join(one.name for one in fields(Lora))}")
    _check_keys(lora, {one.name for one in fields(Lora)}, f"{place}, lora")
    stage = replace(
        published, **_typed(own, Stage, place), lora=replace(published.lora, **_typed(lora, Lora, f"{place}, lora"))
    )
    for key, named, known in (("trains", stage.trains, PARTS), ("tasks", tuple(stage.tasks), TASKS)):
        unknown = [one for one in named if one not in known]
        if unknown or not named:
            raise SkeletonLLMError(f"{place}: '{key}' names some of {', '.join(known)}, not {unknown or 'nothing'}")
    return stage


def _check_keys(values: dict, known: set[str], place: str) -> None:
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        raise SkeletonLLMError(f"{place}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")


def _typed(values: dict[str, Any], kind: type, place: str) -> dict[str, Any]:
    """The values in the types that the fields of a dataclass have; YAML reads 2e-5 as a text, for one."""
    hints = get_type_hints(kind)
    return {key: _converted(value, hints[key], f"{place}: {key!r}") for key, value in values.items()}


def _converted(value: Any, hint: Any, place: str) -> Any:
    options = get_args(hint)
    if value is None and type(None) in options:
        return None
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or (options[-1] is not Ellipsis and len(value) != len(options)):
            raise SkeletonLLMError(f"{place} is a list, not {value!r}")
        return tuple(_converted(one, options[0], place) for one in value)
    if get_origin(hint) is Mapping:
        if not isinstance(value, dict) or not value:
            raise SkeletonLLMError(f"{place} is a mapping of names to numbers, not {value!r}")
        return {str(key): _converted(one, options[1], place) for key, one in value.items()}
    kinds = [one for one in (options or (hint,)) if one is not type(None)]
    if bool in kinds:
        if not isinstance(value, bool):
            raise SkeletonLLMError(f"{place} is true or false, not {value!r}")
        return value
    if float in kinds or int in kinds:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if isinstance(value, bool) or not abs(number) < float("inf") or (int in kinds and number != int(number)):
            raise SkeletonLLMError(f"{place} is a {'whole ' if int in kinds else ''}number, not {value!r}")
        return int(number) if int in kinds else number
    if not isinstance(value, str | Path):
        raise SkeletonLLMError(f"{place} is a text, not {value!r}")
    return value
