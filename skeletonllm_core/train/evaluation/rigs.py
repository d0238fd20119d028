"""Rig families held out: of each large source in turn nothing is learned, neither by a model nor by the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.train import trainer
from skeletonllm_core.train.baselines.description import Description
from skeletonllm_core.train.baselines.standard import fitted_baselines
from skeletonllm_core.train.evaluation.clips import Exam, Material, Request, material, stated_labels
from skeletonllm_core.train.evaluation.runs import folder_and_recipe, hits, is_finished, loaded
from skeletonllm_core.train.evaluation.scores import pictures_alone
from skeletonllm_core.train.evaluation.statistics import share
from skeletonllm_core.train.evaluation.tables import Table
from skeletonllm_core.train.items import Item
from skeletonllm_core.train.recipe import Recipe
from skeletonllm_core.train.tasks import learned_label

DEFAULT_LIMIT: int | None = 100


def tables(request: Request) -> tuple[list[Table], str]:
    """The table, and the hash of the data.

    Raises:
        SkeletonLLMError: no data or no folder of runs was named, or it holds none of them and none is to be trained.
    """
    runs, recipe = folder_and_recipe(request)
    if request.data is None:
        raise SkeletonLLMError("this suite holds sources out: name the folder of their clips with --data")
    found = material(request)
    _train_missing(request, recipe, runs, [exam.source for exam in found.exams])
    table = Table(
        "A rig family held out: nobody learned from it",
        ("held out", "method", "top-1", "candidates", "clips"),
        notes=[
            "Candidates are the labels that the others have too. Baselines learned from the other sources and our own clips, "
            f"the models too, in {recipe.steps} steps of stage 0."
        ],
    )
    for exam in found.exams:
        _rows(request, runs, found, exam, table)
    if not any(row[1].startswith("model") for row in table.rows if isinstance(row[1], str)):
        raise SkeletonLLMError(f"{runs}: holds no run of this comparison; train them with --steps N")
    return [table], found.data


def _run(runs: Path, source: str, seed: int) -> Path:
    return runs / f"without-{source}-{seed}"


def _train_missing(request: Request, recipe: Recipe, runs: Path, sources: Sequence[str]) -> None:
    """Train every run that is not finished, where steps were asked for."""
    missing = [
        (source, seed)
        for seed in range(request.seeds)
        for source in sources
        if not is_finished(_run(runs, source, seed))
    ]
    if request.steps is None or not missing:
        return
    learned, held = trainer.load_items(recipe)
    for source, seed in missing:
        kept = [item for item in learned if item.source != source]
        own = replace(recipe, out=_run(runs, source, seed), seed=seed, mix=_mix(recipe, kept, source))
        request.say(f"training: without {source}, seed {seed}")
        trainer.train(own, request.say, clips=(kept, held))


def _mix(recipe: Recipe, items: Sequence[Item], without: str) -> dict[str, float]:
    """The mix without a source, and without shares that no clip is left for."""
    mix = {source: part for source, part in recipe.mix.items() if source != without}
    there = {item.source if item.source in mix else "other" for item in items}
    return {source: part for source, part in mix.items() if source in there}


def _rows(request: Request, runs: Path, found: Material, exam: Exam, table: Table) -> None:
    known = [clip for other in _others(request, found, exam) for clip in other.known]
    words = {learned_label(clip.label) for clip in known} - {None}
    asked = [replace(clip, label=learned_label(clip.label) or "") for clip in exam.asked]
    asked = [clip for clip in asked if clip.label in words]
    labels = stated_labels(asked)
    if len(labels) < 2:
        table.notes.append(f"{exam.source} shares fewer than two labels with the others.")
        return
    sizes = len(labels), len(asked)
    for seed in range(request.seeds):
        model = loaded(request, _run(runs, exam.source, seed))
        if model is not None:
            named = f"model, seed {seed}"
            table.add(exam.source, named, share(hits(request, model, asked, labels, f"{exam.source}, {named}")), *sizes)
            if model.facts:
                alone = hits(request, pictures_alone(model), asked, labels, f"{exam.source}, {named}, pictures alone")
                table.add(exam.source, f"{named}, pictures alone", share(alone), *sizes)
    reworded = [replace(clip, label=learned_label(clip.label) or "") for clip in known]
    chosen = [clip for clip in reworded if clip.label in labels]
    truth = np.array([clip.label for clip in asked])
    described = [Description(clip.person) for clip in asked]
    learned = [Description(clip.person) for clip in chosen]
    for one in fitted_baselines(learned, [clip.label for clip in chosen], request.seed, request.say):
        table.add(exam.source, one.name, share(one.predict(described) == truth), *sizes)
    table.add(exam.source, "chance", 1 / len(labels), *sizes)


def _others(request: Request, found: Material, exam: Exam) -> list[Exam]:
    """Every other source with what is learned from it, and our own clips."""
    own = material(replace(request, data=None, limit=1)).exams[0]
    return [*(other for other in found.exams if other.source != exam.source), own]
