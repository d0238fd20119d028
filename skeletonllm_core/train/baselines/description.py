"""A clip as the baselines see it: standard joints in the canonical frame, and the measured facts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skeletonllm_core.motion.canonical import moments, place, prepare, sample
from skeletonllm_core.motion.facts import Facts, measure
from skeletonllm_core.motion.motion import Person
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import BodyPart

MOMENTS = 24
"""A clip is looked at in so many moments, evenly spread."""

# The joints that any rig of a human body has; where one is missing, the other stands in.
JOINTS: tuple[tuple[BodyPart, BodyPart], ...] = (
    (BodyPart.PELVIS, BodyPart.SPINE),
    (BodyPart.CHEST, BodyPart.NECK),
    (BodyPart.HEAD, BodyPart.NECK),
    (BodyPart.LEFT_UPPER_ARM, BodyPart.LEFT_CLAVICLE),
    (BodyPart.LEFT_FOREARM, BodyPart.LEFT_FOREARM),
    (BodyPart.LEFT_HAND, BodyPart.LEFT_FINGERS),
    (BodyPart.RIGHT_UPPER_ARM, BodyPart.RIGHT_CLAVICLE),
    (BodyPart.RIGHT_FOREARM, BodyPart.RIGHT_FOREARM),
    (BodyPart.RIGHT_HAND, BodyPart.RIGHT_FINGERS),
    (BodyPart.LEFT_THIGH, BodyPart.LEFT_THIGH),
    (BodyPart.LEFT_SHIN, BodyPart.LEFT_SHIN),
    (BodyPart.LEFT_FOOT, BodyPart.LEFT_TOES),
    (BodyPart.RIGHT_THIGH, BodyPart.RIGHT_THIGH),
    (BodyPart.RIGHT_SHIN, BodyPart.RIGHT_SHIN),
    (BodyPart.RIGHT_FOOT, BodyPart.RIGHT_TOES),
)
BONES = (
    (0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (1, 6), (6, 7), (7, 8),
    (0, 9), (9, 10), (10, 11), (0, 12), (12, 13), (13, 14),
)  # fmt: skip
"""Pairs of `JOINTS`, the one nearer to the pelvis first."""


@dataclass(frozen=True, eq=False)
class Joints:
    """`JOINTS` at `MOMENTS` moments, facing +Z at the start, a body 1.7 m tall.

    Attributes:
        positions: (MOMENTS, 15, 3) float32 [m], over the ground; 0 where missing.
        velocities: (MOMENTS, 15, 3) float32 [m/s]; 0 where missing.
        visible: (MOMENTS, 15) bool.
    """

    positions: np.ndarray
    velocities: np.ndarray
    visible: np.ndarray


class Description:
    """One person of one clip; what is asked for is worked out once."""

    def __init__(self, person: Person) -> None:
        self.person = person

    @cached_property
    def rig(self) -> RigMap:
        return map_rig(self.person.topology, self.person.joint_positions())

    @cached_property
    def facts(self) -> Facts:
        return measure(self.person, self.rig)

    @cached_property
    def joints(self) -> Joints:
        body = prepare([self.person], [self.rig])[0]
        times = moments(len(body), body.fps, MOMENTS)
        seen = place([sample(body, times)], [body], self.person.seconds).persons[0]
        columns = [_column(seen.parts, *choice) for choice in JOINTS]
        known = np.array([column is not None for column in columns])
        taken = np.array([column or 0 for column in columns])
        visible = seen.visible[:, taken] & known
        return Joints(
            np.where(visible[..., None], seen.positions[:, taken], 0),
            np.where(visible[..., None], seen.velocities[:, taken], 0),
            visible,
        )


def _column(parts: Sequence[BodyPart | None], wanted: BodyPart, instead: BodyPart) -> int | None:
    return next((parts.index(part) for part in (wanted, instead) if part in parts), None)


class Baseline(ABC):
    """A classifier that is fitted on clips with labels.

    Attributes:
        name: in tables.
        classes: labels it can say, in the order of `probabilities`; known after `fit`.
    """

    name: str
    classes: tuple[str, ...]

    @abstractmethod
    def fit(self, known: Sequence[Description], labels: Sequence[str], seed: int) -> None:
        """Learn from clips and their labels."""

    @abstractmethod
    def probabilities(self, asked: Sequence[Description]) -> np.ndarray:
        """(N, number of classes), each row summing to 1; a nearest neighbour is always sure."""

    def predict(self, asked: Sequence[Description]) -> np.ndarray:
        """(N,) the most probable label of each clip."""
        return np.array(self.classes)[self.probabilities(asked).argmax(1)]
