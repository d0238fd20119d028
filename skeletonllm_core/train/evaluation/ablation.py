"""What each part of the method is worth: runs that differ in one thing, over several seeds, at equal steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.pipeline import SkeletonLLM, load_model
from skeletonllm_core.train import trainer
from skeletonllm_core.train.appearances import FIXED, LEARNED, NO_MOTION, STICK_FIGURE
from skeletonllm_core.train.baselines.description import Description
from skeletonllm_core.train.baselines.standard import fitted_baselines
from skeletonllm_core.train.corpus import VALIDATION, LabelledClip
from skeletonllm_core.train.evaluation.clips import Exam, Material, Request, material, stated_labels
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.scores import scores_of
from skeletonllm_core.train.evaluation.statistics import Figure, mean_over_runs, share
from skeletonllm_core.train.evaluation.tables import Table
from skeletonllm_core.train.items import Item
from skeletonllm_core.train.recipe import Recipe, read_recipe
from skeletonllm_core.train.stages import Stage
from skeletonllm_core.train.tasks import learned_label

DEFAULT_LIMIT: int | None = 100

WHOLE = "DrAction"


@dataclass(frozen=True)
class Variant:
    """A run to compare.

    Attributes:
        name: in tables; its folder is named after it.
        appearance: how the renderer starts and what of it is learned.
        stages: numbers of the recipe's stages that follow on the finished run of `WHOLE`; none: a run of stage 0.
        without: source that nothing is learned from.
    """

    name: str
    appearance: str = LEARNED
    stages: tuple[int, ...] = ()
    without: str | None = None

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
    if request.runs is None or request.recipe is None:
        raise SkeletonLLMError(
            "the ablation compares runs: name their folder with --runs and their recipe with --recipe; "
            "--steps N also trains those that are missing"
        )
    found = material(request)
    recipe = _recipe(request)
    numbers = {stage.number for stage in recipe.stages}
    staged = [variant for variant in STAGES if set(variant.stages) <= numbers]
    held_out = [Variant(f"without {exam.source}", without=exam.source) for exam in found.exams if request.data]
    _train_missing(request, recipe, [*RENDERERS, *staged, *held_out])
    right = _accuracies(request, found, [*RENDERERS, *staged])
    if not right:
        raise SkeletonLLMError(f"{request.runs}: holds no run of this comparison; train them with --steps N")
    made = [_differences(request, recipe, found, right, RENDERERS, "How it is drawn, against the learned renderer")]
    if staged:
        title = "Which stages follow, against stage 0 alone; they go on from the same run"
        made.append(_differences(request, recipe, found, right, (Variant(WHOLE), *staged), title))
    if held_out:
        made.append(_held_out(request, found, held_out))
    return made, found.data


def _recipe(request: Request) -> Recipe:
    assert request.recipe is not None
    recipe = read_recipe(request.recipe)
    steps = recipe.steps if request.steps is None else request.steps
    # What is chosen by the validation part must not have learned from it.
    hold_out = request.split == VALIDATION or recipe.hold_out
    return replace(recipe, data=request.data, steps=steps, hold_out=hold_out, temperature=1.0, threshold=0.5)


def _train_missing(request: Request, recipe: Recipe, variants: Sequence[Variant]) -> None:
    """Train every run that is not finished, where steps were asked for."""
    missing = [
        (variant, seed)
        for seed in range(request.seeds)
        for variant in variants
        if request.runs and not (variant.folder(request.runs, seed) / "checkpoint").is_dir()
    ]
    if request.steps is None or request.runs is None or not missing:
        return
    items = trainer.load_items(recipe)
    for variant, seed in missing:
        own = replace(recipe, out=variant.folder(request.runs, seed), seed=seed, appearance=variant.appearance)
        if variant.stages:
            start = Variant(WHOLE).folder(request.runs, seed) / "checkpoint"
            own = replace(own, start=str(start), stages=_stages(recipe, variant.stages))
        else:
            own = replace(own, stages=())
        learned, held = items
        if variant.without:
            learned = [item for item in learned if item.source != variant.without]
            own = replace(own, mix=_mix(recipe, learned, variant.without))
        request.say(f"training: {variant.name}, seed {seed}")
        trainer.train(own, request.say, clips=(learned, held))


def _stages(recipe: Recipe, numbers: Sequence[int]) -> tuple[Stage, ...]:
    return tuple(stage for stage in recipe.stages if stage.number in numbers)


def _mix(recipe: Recipe, items: Sequence[Item], without: str) -> dict[str, float]:
    """The mix without a source, and without shares that no clip is left for."""
    mix = {source: part for source, part in recipe.mix.items() if source != without}
    there = {item.source if item.source in mix else "other" for item in items}
    return {source: part for source, part in mix.items() if source in there}


def _loaded(request: Request, variant: Variant) -> list[tuple[int, SkeletonLLM]]:
    """(seed, model) of every finished run of a variant."""
    assert request.runs is not None
    found = []
    for seed in range(request.seeds):
        folder = variant.folder(request.runs, seed) / "checkpoint"
        if folder.is_dir():
            found.append((seed, load_model(str(folder), device=str(request.model.device))))
    return found


Accuracies = dict[tuple[str, str], dict[int, float]]
"""(variant, source) → seed → top-1."""


def _accuracies(request: Request, found: Material, variants: Sequence[Variant]) -> Accuracies:
    right: Accuracies = {}
    for variant in variants:
        for seed, model in _loaded(request, variant):
            for exam in found.exams:
                hits = _hits(request, model, exam.asked, exam.labels, f"{variant.name}, seed {seed}, {exam.source}")
                right.setdefault((variant.name, exam.source), {})[seed] = float(hits.mean())
    return right


def _hits(
    request: Request, model: SkeletonLLM, clips: Sequence[LabelledClip], labels: Sequence[str], what: str
) -> np.ndarray:
    return np.array(
        [
            labels[int(scores_of(model, clip.person, [labels])[0].argmax())] == clip.label
            for clip in counted(what, clips, len(clips), request.say)
        ]
    )


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


def _held_out(request: Request, found: Material, variants: Sequence[Variant]) -> Table:
    """Each rig family in turn is left out of the learning, of the model's and of the baselines'."""
    table = Table(
        "A rig family held out: nobody learned from it",
        ("held out", "method", "top-1", "candidates", "clips"),
        notes=[
            "Candidates are the labels that the others have too. Baselines learned from the other sources and ours."
        ],
    )
    for variant, exam in zip(variants, found.exams, strict=True):
        models = _loaded(request, variant)
        if not models:
            table.notes.append(f"No run {variant.name!r} was found.")
            continue
        known = [clip for other in _known(request, found) if other.source != exam.source for clip in other.known]
        words = {learned_label(clip.label) for clip in known} - {None}
        asked = [replace(clip, label=learned_label(clip.label) or "") for clip in exam.asked]
        asked = [clip for clip in asked if clip.label in words]
        labels = stated_labels(asked)
        if len(labels) < 2:
            table.notes.append(f"{exam.source} shares fewer than two labels with the others.")
            continue
        hits = [_hits(request, model, asked, labels, variant.name) for _, model in models]
        for (seed, _), right in zip(models, hits, strict=True):
            table.add(exam.source, f"model, seed {seed}", share(right), len(labels), len(asked))
        chosen = [(clip, learned_label(clip.label)) for clip in known if learned_label(clip.label) in labels]
        described = [Description(clip.person) for clip, _ in chosen]
        told = [str(text) for _, text in chosen]
        truth = np.array([clip.label for clip in asked])
        for one in fitted_baselines(described, told, request.seed, request.say):
            said = one.predict([Description(clip.person) for clip in asked])
            table.add(exam.source, one.name, share(said == truth), len(labels), len(asked))
        table.add(exam.source, "chance", 1 / len(labels), len(labels), len(asked))
    return table


def _known(request: Request, found: Material) -> list[Exam]:
    """The sources with what is learned from them, and our own clips."""
    own = material(replace(request, data=None, limit=1)).exams[0]
    return [*found.exams, own]
