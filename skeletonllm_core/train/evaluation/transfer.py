"""Rigs and makers that a method did not learn from, and rigs with fewer joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skeletonllm_core.train.baselines.description import Description
from skeletonllm_core.train.baselines.standard import fitted_baselines
from skeletonllm_core.train.corpus import TEST, LabelledClip
from skeletonllm_core.train.evaluation.clips import (
    PROCEDURAL_KNOWN,
    Exam,
    Material,
    Request,
    animation_clips,
    material,
    procedural_asked,
    stated_labels,
    subsample,
)
from skeletonllm_core.train.evaluation.conditions import Condition, under_conditions
from skeletonllm_core.train.evaluation.corruptions import REDUCTIONS, on_fewer_joints
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.scores import scores_of
from skeletonllm_core.train.evaluation.statistics import share
from skeletonllm_core.train.evaluation.tables import Table
from skeletonllm_core.train.items import procedural_clips
from skeletonllm_core.train.procedural import ACTIONS, RIGS
from skeletonllm_core.train.tasks import learned_label

DEFAULT_LIMIT: int | None = 40

LEAST_SHARED = 4
"""Clips with a shared label that a pair of sources needs for a row."""


def tables(request: Request) -> tuple[list[Table], str]:
    """The tables, and the hash of the data."""
    found = material(request)
    pairs = _rigs(request) if request.data is None else _sources(request, found)
    made = [_matrix(request, pairs)]
    for exam in found.exams:
        conditions = [
            Condition("joints", f"{count}", [[_on_fewer(clip, kinds) for clip in exam.asked]])
            for count, kinds in REDUCTIONS.items()
        ]
        made.append(under_conditions(request, exam, f"{exam.source}: top-1 on rigs with fewer joints", conditions))
    return made, found.data


def _rigs(request: Request) -> list[Exam]:
    """Procedural clips: learned from every rig but one, asked about on that one; each rig in turn."""
    known = [_reworded(clip) for clip in procedural_clips(PROCEDURAL_KNOWN, request.seed)]
    rig_of = {clip.name: RIGS[(index // len(ACTIONS)) % len(RIGS)] for index, clip in enumerate(known)}
    asked = procedural_asked(len(RIGS) * (request.limit or len(ACTIONS)), request.seed)
    return [
        Exam(
            f"other rigs → {rig}",
            [clip for clip in known if rig_of[clip.name] != rig],
            [clip for clip in asked if clip.style == rig],
            tuple(sorted(ACTIONS)),
        )
        for rig in RIGS
    ]


def _sources(request: Request, found: Material) -> list[Exam]:
    """Each large source and our own clips as what is learned from, every other source as what is asked about."""
    held_out = list(found.held_out)
    if request.data is not None and request.split == TEST:
        held_out += animation_clips(request.data)
    by_source: dict[str, list[LabelledClip]] = {}
    for clip in held_out:
        if learned_label(clip.label) is not None:
            by_source.setdefault(clip.source, []).append(_reworded(clip))
    learned = {exam.source: [_reworded(clip) for clip in exam.known] for exam in found.exams}
    learned["procedural"] = [_reworded(clip) for clip in procedural_clips(PROCEDURAL_KNOWN, request.seed)]
    pairs = []
    for source, known in learned.items():
        words = {clip.label for clip in known}
        for target, clips in by_source.items():
            shared = [clip for clip in clips if clip.label in words]
            labels = stated_labels(shared)
            if target != source and len(shared) >= LEAST_SHARED and len(labels) >= 2:
                chosen = [clip for clip in known if clip.label in labels]
                asked = subsample(shared, request.limit, request.seed)
                pairs.append(Exam(f"{source} → {target}", chosen, asked, labels))
    return pairs


def _matrix(request: Request, pairs: Sequence[Exam]) -> Table:
    table = Table(
        "Learned from one, asked about the other",
        ("pair", "method", "top-1", "candidates", "clips"),
        notes=[
            "Candidates are the labels that both have. The baselines learned from the left side alone. The model is the "
            "same in every row: what it has learned from stands in its card.",
        ],
    )
    for pair in counted("pairs", pairs, len(pairs), request.say):
        truth = np.array([clip.label for clip in pair.asked])
        said = [
            pair.labels[int(scores_of(request.model, clip.person, [pair.labels])[0].argmax())] for clip in pair.asked
        ]
        sizes = len(pair.labels), len(pair.asked)
        table.add(pair.source, "model", share(np.array(said) == truth), *sizes)
        known = [Description(clip.person) for clip in pair.known]
        asked = [Description(clip.person) for clip in pair.asked]
        for one in fitted_baselines(known, [clip.label for clip in pair.known], request.seed, request.say):
            table.add(pair.source, one.name, share(one.predict(asked) == truth), *sizes)
        table.add(pair.source, "chance", 1 / len(pair.labels), *sizes)
    return table


def _reworded(clip: LabelledClip) -> LabelledClip:
    return replace(clip, label=learned_label(clip.label) or clip.label)


def _on_fewer(clip: LabelledClip, kinds: tuple[str, ...]) -> LabelledClip:
    return replace(clip, person=on_fewer_joints(clip.person, kinds))
