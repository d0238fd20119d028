"""How much of the accuracy is left when recordings are damaged."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.train.corpus import LabelledClip
from skeletonllm_core.train.evaluation.clips import Request, material
from skeletonllm_core.train.evaluation.conditions import Condition, under_conditions
from skeletonllm_core.train.evaluation.corruptions import CORRUPTIONS, Corruption
from skeletonllm_core.train.evaluation.tables import Table

DEFAULT_LIMIT: int | None = 30

DRAWS = 3
"""Of the damage, where it depends on chance."""


def tables(request: Request) -> tuple[list[Table], str]:
    """A table for each source, and the hash of the data."""
    found = material(request)
    made = []
    for exam in found.exams:
        conditions = [Condition(one.name, one.level, damaged(one, exam.asked, request.seed)) for one in CORRUPTIONS]
        made.append(under_conditions(request, exam, f"{exam.source}: top-1 on damaged clips", conditions))
    return made, found.data


def damaged(corruption: Corruption, clips: list[LabelledClip], seed: int) -> list[list[LabelledClip]]:
    """The damaged clips of each draw."""
    return [
        [corruption.applied(clip, np.random.default_rng([seed, draw, index])) for index, clip in enumerate(clips)]
        for draw in range(DRAWS if corruption.by_chance else 1)
    ]
