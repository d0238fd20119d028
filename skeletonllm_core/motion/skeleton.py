"""Joint hierarchies: body parts, topologies and skeletons. Arrays, not an object per joint."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from skeletonllm_core.errors import TopologyError


class BodyPart(StrEnum):
    """What a joint moves: the joint named LEFT_FOREARM is the left elbow, LEFT_HAND the left wrist, LEFT_SHIN the left knee."""

    PELVIS = "pelvis"
    SPINE = "spine"
    CHEST = "chest"
    NECK = "neck"
    HEAD = "head"
    LEFT_CLAVICLE = "left_clavicle"
    LEFT_UPPER_ARM = "left_upper_arm"
    LEFT_FOREARM = "left_forearm"
    LEFT_HAND = "left_hand"
    LEFT_FINGERS = "left_fingers"
    RIGHT_CLAVICLE = "right_clavicle"
    RIGHT_UPPER_ARM = "right_upper_arm"
    RIGHT_FOREARM = "right_forearm"
    RIGHT_HAND = "right_hand"
    RIGHT_FINGERS = "right_fingers"
    LEFT_THIGH = "left_thigh"
    LEFT_SHIN = "left_shin"
    LEFT_FOOT = "left_foot"
    LEFT_TOES = "left_toes"
    RIGHT_THIGH = "right_thigh"
    RIGHT_SHIN = "right_shin"
    RIGHT_FOOT = "right_foot"
    RIGHT_TOES = "right_toes"

    @property
    def side(self) -> str | None:
        """`"left"`, `"right"`, or None on the middle line."""
        head, _, _ = self.value.partition("_")
        return head if head in ("left", "right") else None

    @property
    def mirrored(self) -> BodyPart:
        """The same part on the other side; a middle part is its own mirror."""
        if self.side == "left":
            return BodyPart("right" + self.value[4:])
        if self.side == "right":
            return BodyPart("left" + self.value[5:])
        return self


@dataclass(frozen=True, eq=False)
class Topology:
    """A named joint hierarchy.

    Attributes:
        name: what the hierarchy is called, for example ``"ntu25"``.
        names: one name per joint, J of them.
        parents: (J,) int64, index of each joint's parent, -1 at a root; a parent comes before its children.
        parts: the body part of each joint where it is known beforehand, else None for the whole topology
            (then `motion.rig` works it out); a single None marks a joint that is no body part.
        drawn: where parts are given, whether each joint is drawn; None draws those that are a part.

    Raises:
        TopologyError: names, parents and parts differ in length, a parent is out of range, or joints form a cycle.
    """

    name: str
    names: tuple[str, ...]
    parents: np.ndarray
    parts: tuple[BodyPart | None, ...] | None = None
    drawn: tuple[bool, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        parents = np.asarray(self.parents, dtype=np.int64).reshape(-1)
        object.__setattr__(self, "parents", parents)
        if len(self.names) != len(parents):
            raise TopologyError(f"topology {self.name!r} has {len(self.names)} names but {len(parents)} parents")
        if len(parents) == 0:
            raise TopologyError(f"topology {self.name!r} has no joints")
        late = np.flatnonzero(parents >= np.arange(len(parents)))
        if len(late) or (parents < -1).any():
            raise TopologyError(
                f"topology {self.name!r}: every parent must come before its child and roots have parent -1; "
                f"use motion.skeleton.ordered() to sort joints of another order"
            )
        if self.parts is not None and len(self.parts) != len(self.names):
            raise TopologyError(f"topology {self.name!r} has {len(self.names)} names but {len(self.parts)} parts")
        if self.drawn is not None and (self.parts is None or len(self.drawn) != len(self.names)):
            raise TopologyError(f"topology {self.name!r}: `drawn` goes with `parts`, one value a joint")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def bones(self) -> np.ndarray:
        """(B, 2) int64: parent and child joint of every bone, in child order."""
        children = np.flatnonzero(self.parents >= 0)
        return np.stack([self.parents[children], children], axis=1)

    def children(self) -> list[list[int]]:
        """The children of each joint, in joint order."""
        found: list[list[int]] = [[] for _ in self.names]
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(joint)
        return found


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A topology with a rest pose.

    Attributes:
        topology: names, parents, parts.
        rest_offsets: (J, 3) float64 [m], each joint's position relative to its parent in the rest pose
            (all local rotations identity); a root's row is its rest position and motion does not use it.
        tip_joints: (K,) int64, joints that carry a bone ending in no joint (BVH "End Site").
        tip_offsets: (K, 3) float64 [m], where those bones end, relative to their joint.
    """

    topology: Topology
    rest_offsets: np.ndarray
    tip_joints: np.ndarray | None = None
    tip_offsets: np.ndarray | None = None

    def __post_init__(self) -> None:
        offsets = np.asarray(self.rest_offsets, dtype=np.float64)
        if offsets.shape != (len(self.topology), 3):
            raise TopologyError(f"rest offsets have shape {offsets.shape}, expected {(len(self.topology), 3)}")
        object.__setattr__(self, "rest_offsets", offsets)
        joints = np.zeros(0, np.int64) if self.tip_joints is None else np.asarray(self.tip_joints, dtype=np.int64)
        tips = np.zeros((0, 3)) if self.tip_offsets is None else np.asarray(self.tip_offsets, dtype=np.float64)
        if tips.shape != (len(joints), 3):
            raise TopologyError(f"tip offsets have shape {tips.shape}, expected {(len(joints), 3)}")
        object.__setattr__(self, "tip_joints", joints)
        object.__setattr__(self, "tip_offsets", tips)

    def __len__(self) -> int:
        return len(self.topology)

    @property
    def names(self) -> tuple[str, ...]:
        return self.topology.names

    @property
    def parents(self) -> np.ndarray:
        return self.topology.parents


def ordered(parents: np.ndarray) -> np.ndarray:
    """An order of joints in which every parent comes before its children.

    Args:
        parents: (J,) int, -1 at roots, any order.

    Returns:
        (J,) int64 permutation; ties keep the given order, and joints already in order stay as they are.

    Raises:
        TopologyError: a parent is out of range or joints form a cycle.
    """
    parents = np.asarray(parents, dtype=np.int64)
    count = len(parents)
    if ((parents >= count) | (parents < -1)).any():
        raise TopologyError(f"a parent index lies outside 0..{count - 1}")
    if (parents < np.arange(count)).all():
        return np.arange(count)
    children: list[list[int]] = [[] for _ in range(count)]
    for joint, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(joint)
    order: list[int] = []
    stack = [joint for joint in range(count - 1, -1, -1) if parents[joint] < 0]
    while stack:
        joint = stack.pop()
        order.append(joint)
        stack.extend(reversed(children[joint]))
    if len(order) != count:
        raise TopologyError("the joints form a cycle, so they are no tree")
    return np.asarray(order, dtype=np.int64)
