"""What each part of the method is worth: runs that differ in one thing, over several seeds, at equal steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.train import trainer
from skeletonllm_core.train.appearances import FIXED, LEARNED, NO_MOTION, STICK_FIGURE
from skeletonllm_core.train.evaluation.clips import Material, Request, material
from skeletonllm_core.train.evaluation.runs import folder_and_recipe, hits, is_finished, loaded
from skeletonllm_core.train.evaluation.statistics import Figure, mean_over_runs
from skeletonllm_core.train.evaluation.tables import Table
from skeletonllm_core.train.recipe import Recipe
from skeletonllm_core.train.stages import Stage

DEFAULT_LIMIT: int | None = 100

WHOLE = "DrAction"


@dataclass(frozen=True)
class Variant:
    """A run to compare.

    Attributes:
        name: in tables; its folder is named after it.
        appearance: how the renderer starts and what of it is learned.
        stages: numbers of the recipe's stages that follow on the finished run of `WHOLE`; none: a run of stage 0.
    """

    name: str
    appearance: str = LEARNED
    stages: tuple[int, ...] = ()

    def folder(self, runs: Path, seed: int) -> Path:
        """Where its run of a seed is."""
        return runs / f"{self.name.lower().replace(' ', '-').replace(',', '')}-{seed}"


RENDERERS = (
    Variant(WHOLE),
    Variant("DrAction without motion", NO_MOTION),
    Variant("fixed 3D and velocity", FIXED),
    Variant("stick figure", STICK_FIGURE),
)
STAGES = tuple(
    Variant(f"stages {', '.join(map(str, numbers))}", stages=numbers)
    for numbers in ((1, 4), (1, 2, 4), (1, 3, 4), (1, 2, 3, 4))
)


def tables(request: Request) -> tuple[list[Table], str]:
    """The tables, and the hash of the data.

    Raises:
        SkeletonLLMError: no folder of runs was named, or it holds none of them and none is to be trained.
    """
    runs, recipe = folder_and_recipe(request)
    found = material(request)
    numbers = {stage.number for stage in recipe.stages}
    staged = [variant for variant in STAGES if set(variant.stages) <= numbers]
    _train_missing(request, recipe, runs, [*RENDERERS, *staged])
    right = _accuracies(request, runs, found, [*RENDERERS, *staged])
    if not right:
        raise SkeletonLLMError(f"{runs}: holds no run of this comparison; train them with --steps N")
    made = [_differences(request, recipe, found, right, RENDERERS, "How it is drawn, against the learned renderer")]
    if staged:
        title = "Which stages follow, against stage 0 alone; they go on from the same run"
        made.append(_differences(request, recipe, found, right, (Variant(WHOLE), *staged), title))
    return made, found.data


def _train_missing(request: Request, recipe: Recipe, runs: Path, variants: Sequence[Variant]) -> None:
    """Train every run that is not finished, where steps were asked for."""
    missing = [
        (variant, seed)
        for seed in range(request.seeds)
        for variant in variants
        if not is_finished(variant.folder(runs, seed))
    ]
    if request.steps is None or not missing:
        return
    items = trainer.load_items(recipe)
    for variant, seed in missing:
        own = replace(recipe, out=variant.folder(runs, seed), seed=seed, appearance=variant.appearance)
        if variant.stages:
            start = Variant(WHOLE).folder(runs, seed) / "checkpoint"
            own = replace(own, start=str(start), stages=_stages(recipe, variant.stages))
        else:
            own = replace(own, stages=())
        request.say(f"training: {variant.name}, seed {seed}")
        trainer.train(own, request.say, clips=items)


def _stages(recipe: Recipe, numbers: Sequence[int]) -> tuple[Stage, ...]:
    return tuple(stage for stage in recipe.stages if stage.number in numbers)


Accuracies = dict[tuple[str, str], dict[int, float]]
"""(variant, source) → seed → top-1."""


def _accuracies(request: Request, runs: Path, found: Material, variants: Sequence[Variant]) -> Accuracies:
    right: Accuracies = {}
    for variant in variants:
        for seed in range(request.seeds):
            model = loaded(request, variant.folder(runs, seed))
            if model is None:
                continue
            for exam in found.exams:
                what = f"{variant.name}, seed {seed}, {exam.source}"
                share = float(hits(request, model, exam.asked, exam.labels, what).mean())
                right.setdefault((variant.name, exam.source), {})[seed] = share
    return right


def _differences(
    request: Request, recipe: Recipe, found: Material, right: Accuracies, variants: Sequence[Variant], title: str
) -> Table:
    table = Table(
        title,
        ("data", "run", "top-1", f"difference from {WHOLE}", "seeds", "clips"),
        notes=[
            f"{recipe.steps} steps of stage 0 each. Means over seeds with Student's interval; differences are taken seed "
            "by seed."
        ],
    )
    for exam in found.exams:
        base = right.get((WHOLE, exam.source), {})
        for variant in variants:
            own = right.get((variant.name, exam.source), {})
            if not own:
                table.notes.append(f"No run of {variant.name!r} was found.")
                continue
            shared = sorted(set(own) & set(base))
            gain: Figure | None = None
            if variant.name != WHOLE and shared:
                gain = mean_over_runs([own[seed] - base[seed] for seed in shared])
            table.add(exam.source, variant.name, mean_over_runs(list(own.values())), gain, len(own), len(exam.asked))
    table.notes = list(dict.fromkeys(table.notes))
    return table
