"""One table of what every method still gets right under several conditions, on the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm_core.train.baselines.description import Description
from skeletonllm_core.train.baselines.standard import fitted_baselines
from skeletonllm_core.train.corpus import LabelledClip
from skeletonllm_core.train.evaluation.clips import Exam, Request
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.scores import scores_of
from skeletonllm_core.train.evaluation.statistics import Figure, share
from skeletonllm_core.train.evaluation.tables import Table


@dataclass(frozen=True, eq=False)
class Condition:
    """The clips of an exam under one condition.

    Attributes:
        name, level: what was done to them, and how much.
        draws: the clips, once a draw.
    """

    name: str
    level: str
    draws: list[list[LabelledClip]]


def under_conditions(request: Request, exam: Exam, title: str, conditions: Sequence[Condition]) -> Table:
    """Top-1 of the model and of every baseline, fitted on whole clips; the first row is the clips as they are."""
    known = [Description(clip.person) for clip in exam.known]
    baselines = fitted_baselines(known, [clip.label for clip in exam.known], request.seed, request.say)
    table = Table(
        title,
        ("change", "level", "model", "model keeps", *(one.name for one in baselines), "clips × draws"),
        notes=[
            "Everybody sees the same changed clips and was fitted on whole ones; candidates are the source's own "
            "labels. Keeps: share of the accuracy in the first row."
        ],
    )
    whole: Figure | None = None
    rows = [Condition("none", "–", [list(exam.asked)]), *conditions]
    for row in counted(exam.source, rows, len(rows), request.say):
        clips = [clip for draw in row.draws for clip in draw if clip.label in exam.labels]
        described = [Description(clip.person) for clip in clips]
        truth = np.array([clip.label for clip in clips])
        model = share(np.array([_said(request, exam, clip) for clip in clips]) == truth)
        whole = whole or model
        others = [share(baseline.predict(described) == truth) for baseline in baselines]
        kept = model.value / whole.value if whole.value else float("nan")
        table.add(row.name, row.level, model, kept, *others, f"{len(clips) // len(row.draws)} × {len(row.draws)}")
    return table


def _said(request: Request, exam: Exam, clip: LabelledClip) -> str:
    return exam.labels[int(scores_of(request.model, clip.person, [exam.labels])[0].argmax())]
