"""LabelledClip → Item: what is worked out once before training, so that a step only has to draw and vary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from skeletonllm_core.motion.canonical import Prepared, prepare
from skeletonllm_core.motion.facts import Facts, measure
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.repair import repaired
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import Topology
from skeletonllm_core.train.augment import loose_rig
from skeletonllm_core.train.corpus import TRAIN, LabelledClip
from skeletonllm_core.train.procedural import ACTIONS, RIGS, generate
from skeletonllm_core.train.tasks import learned_label

LONGEST_WINDOW = 8.0
"""Longer clips are shown a window at a time [s]; sixteen frames do not hold more."""

PROCEDURAL_SEEDS = 500_000
"""Training draws seeds below this; examples and tests use seeds above."""


@dataclass(frozen=True, eq=False)
class View:
    """A part of a clip in view [s], and what was measured in it."""

    start: float
    end: float
    facts: Facts


@dataclass(frozen=True, eq=False)
class Item:
    """A clip ready to be drawn.

    Attributes:
        body: the person.
        views: the parts that training shows.
        label: the wording that is learned, or None.
        source: where it came from; the mix of a batch is set by source.
        name: of the clip.
    """

    body: Prepared
    views: tuple[View, ...]
    label: str | None
    source: str
    name: str


def windows(seconds: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """The whole clip and a random part of it; of a long clip, windows that cover it."""
    if seconds <= LONGEST_WINDOW:
        part = seconds * rng.uniform(0.6, 0.9)
        start = rng.uniform(0, seconds - part)
        return [(0.0, seconds), (start, start + part)]
    count = int(np.ceil(seconds / (LONGEST_WINDOW / 2)))
    starts = np.linspace(0, seconds - LONGEST_WINDOW / 2, count)
    return [(float(start), float(start + LONGEST_WINDOW / 2)) for start in starts]


def item_of(clip: LabelledClip, rig: RigMap | None, rng: np.random.Generator) -> Item:
    """Prepare one clip and measure its views."""
    person = repaired(clip.person)
    rig = rig or map_rig(person.topology, person.joint_positions())
    views = tuple(View(start, end, measure(person, rig, start, end)) for start, end in windows(person.seconds, rng))
    return Item(prepare([person], [rig])[0], views, learned_label(clip.label), clip.source, clip.name)


def facts_of(body: Prepared, start: float, end: float) -> Facts:
    """What is measured of a body whose joints were changed after it was prepared, between two times [s]."""
    rig = loose_rig(body)
    topology = Topology("prepared", tuple(map(str, range(len(body.parts)))), rig.parents)
    return measure(Keypoints(topology, body.positions / body.scale, body.fps), rig, start, end)


def items_of(clips: Iterable[LabelledClip], seed: int) -> list[Item]:
    """Prepare the clips, in order."""
    rng = np.random.default_rng([seed, 1])
    return [item_of(clip, None, rng) for clip in clips]


def procedural_clips(count: int, seed: int) -> Iterable[LabelledClip]:
    """Clips that the project makes itself: every action and rig in turn, each from its own seed."""
    actions = sorted(ACTIONS)
    for index in range(count):
        action, rig = actions[index % len(actions)], RIGS[(index // len(actions)) % len(RIGS)]
        own = np.random.default_rng([seed, int(np.random.default_rng([seed, index]).integers(PROCEDURAL_SEEDS))])
        yield LabelledClip(f"{action}-{index}", "procedural", TRAIN, action, (), generate(action, rig, own))
