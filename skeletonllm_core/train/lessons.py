"""Labelled clips → what a teacher is asked about them; see `train.teacher`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from skeletonllm_core.motion.canonical import CanonicalFrames, moments, place, sample
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.items import Item, View
from skeletonllm_core.train.teacher import FRAMES, Lesson

SIZE = 448
"""Edge of the frames that a teacher sees [pixels], as published."""


def lessons_of(items: Sequence[Item], renderer: SkeletonRenderer) -> Iterator[Lesson]:
    """A lesson for every view of every labelled clip.

    Args:
        items: training clips.
        renderer: as stage 2 left it; it draws what the teacher sees, as the student will see it.
    """
    for item in items:
        if item.label:
            for number, view in enumerate(item.views):
                draw = partial(_drawn, renderer, item, view)
                yield Lesson(item.name, number, (view.start, view.end), item.label, view.facts, draw)


def plain_scene(item: Item, view: View, frames: int) -> CanonicalFrames:
    """A view of a clip as it is, without any variation."""
    times = moments(len(item.body), item.body.fps, frames, view.start, view.end)
    return place([sample(item.body, times, start=view.start)], [item.body], view.end - view.start)


@torch.inference_mode()
def _drawn(renderer: SkeletonRenderer, item: Item, view: View) -> Tensor:
    return renderer([plain_scene(item, view, FRAMES)], size=SIZE)
