"""Joints that hang from the root of a rig although they belong to a limb: where they hang in the body.

Game rigs that are posed by inverse kinematics keep feet, and sometimes hands, beside the body, where their targets were;
key points of a table have no tree at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.motion.rig_draft import lineage
from skeletonllm_core.motion.rig_shape import Measures
from skeletonllm_core.motion.skeleton import BodyPart

_LOOSEST = 0.15
"""A target of inverse kinematics is the end of a limb while its distance mostly changes by less than this share of itself."""

_LONGEST = 3.0
"""And while it is no further off than this many lengths of the bone before."""

_NEAREST = 0.5
"""A loose joint without a part belongs to the body if it stays within this share of the body's size."""

_MIDDLE_ABOVE: dict[str, tuple[str, ...]] = {
    "spine": ("pelvis",),
    "chest": ("spine", "pelvis"),
    "neck": ("chest", "spine", "pelvis"),
    "head": ("neck", "chest", "spine", "pelvis"),
}
_LIMB_ABOVE: dict[str, tuple[str, ...]] = {
    "clavicle": ("chest", "neck", "spine", "pelvis"),
    "upper_arm": ("@clavicle", "chest", "neck", "spine", "head", "pelvis"),
    "forearm": ("@upper_arm", "@clavicle"),
    "hand": ("@forearm", "@upper_arm"),
    "fingers": ("@hand", "@forearm"),
    "thigh": ("pelvis", "spine", "chest", "@upper_arm"),
    "shin": ("@thigh",),
    "foot": ("@shin", "@thigh"),
    "toes": ("@foot", "@shin"),
}


def parts_above(part: BodyPart) -> list[BodyPart]:
    """What a part hangs from in a body, the nearest first."""
    if part.side is None:
        return [BodyPart(name) for name in _MIDDLE_ABOVE.get(part.value, ())]
    limb = part.value.removeprefix(f"{part.side}_")
    return [BodyPart(name.replace("@", f"{part.side}_")) for name in _LIMB_ABOVE[limb]]


def adopt_targets(
    parts: list[BodyPart | None],
    drawn: np.ndarray,
    rig: Measures,
    parents: tuple[int, ...],
    targets: Sequence[BodyPart | None],
    names: tuple[str, ...],
) -> list[str]:
    """Where a limb ends without a hand or foot, the target of its inverse kinematics is taken for it; a sentence for each.

    Args:
        parts: part of each joint, changed in place.
        drawn: (J,) bool, changed in place.
        rig: measures of the same joints.
        parents: parent of each joint.
        targets: the part that a joint is the target of by its name, else None.
        names: joint names.
    """
    said: list[str] = []
    if not len(rig.frames):
        return said
    for end in (BodyPart.LEFT_FOOT, BodyPart.RIGHT_FOOT, BodyPart.LEFT_HAND, BodyPart.RIGHT_HAND):
        above = parts_above(end)[0]
        bones = [joint for joint, part in enumerate(parts) if part is above and drawn[joint]]
        if end in parts or not bones:
            continue
        bone = bones[-1]
        found = []
        for joint, target in enumerate(targets):
            if target is end and bone not in lineage(joint, parents):
                distance, change = _apart(rig.frames, joint, bone)
                if change <= _LOOSEST * distance and distance <= _LONGEST * float(rig.lengths[bone]):
                    found.append((change / max(distance, 1e-12), joint))
        if found:
            joint = min(found)[1]
            parts[joint], drawn[joint] = end, True
            said.append(
                f"{names[joint]} moves the end of {names[bone]} and is taken for the {end.value.replace('_', ' ')}."
            )
    return said


def body_parents(
    parts: Sequence[BodyPart | None],
    drawn: np.ndarray,
    rig: Measures,
    parents: tuple[int, ...],
    names: tuple[str, ...],
) -> tuple[np.ndarray, list[str]]:
    """The joint that each joint hangs from in the body, and a sentence for each that hangs elsewhere in the tree.

    It is the parent in the tree, except for a drawn joint with no drawn joint above it: that one is hung from the part
    of the body that it belongs to by its own part, else from the drawn joint that it stays closest to.

    Args:
        parts: part of each joint.
        drawn: (J,) bool.
        rig: measures of the same joints.
        parents: parent of each joint.
        names: joint names.

    Returns:
        (J,) int64, -1 at roots; a joint may come before the one it hangs from.
    """
    hung = np.array(parents, dtype=np.int64)
    covered = [False] * len(parents)
    for joint, parent in enumerate(parents):
        covered[joint] = parent >= 0 and (covered[parent] or bool(drawn[parent]))
    tops = [joint for joint in np.flatnonzero(drawn).tolist() if not covered[joint]]
    said: list[str] = []
    if len(tops) < 2:
        return hung, said
    top_of = {joint: top for top in tops for joint in _below(top, rig.children) if drawn[joint]}

    def weight(top: int) -> tuple[bool, int, int]:
        """The body is what has a pelvis, else most parts, else most joints."""
        mine = [joint for joint, other in top_of.items() if other == top]
        known = {parts[joint] for joint in mine} - {None}
        return BodyPart.PELVIS in known, len(known), len(mine)

    size = _size(rig.frames, drawn)
    flat = len(tops) > len(top_of) / 2
    for top in sorted(tops, key=weight, reverse=True)[1:]:
        home = _home(top, parts, drawn, hung)
        part = parts[top]
        if not flat and (part is None or part.side is None):
            # Not into its own branch, and a part of the trunk only onto the trunk.
            others = [joint for joint in top_of if top not in _above(joint, hung)]
            if home is not None:
                others = [joint for joint in others if (other := parts[joint]) is not None and other.side is None]
            nearest = _companion(top, others, rig.frames, size)
            home = home if nearest is None else nearest
        if home is None:
            continue
        hung[top] = home
        if not flat:
            said.append(f"{names[top]} hangs beside the body and is joined to {names[home]}.")
    if flat:
        said.append("The tree says little; joints are joined by body part.")
    return hung, said


def _below(top: int, children: list[list[int]]) -> list[int]:
    found, stack = [], [top]
    while stack:
        joint = stack.pop()
        found.append(joint)
        stack += children[joint]
    return found


def _above(joint: int, hung: np.ndarray) -> set[int]:
    """The joint and all above it in the body."""
    found: set[int] = set()
    while joint >= 0 and joint not in found:
        found.add(joint)
        joint = int(hung[joint])
    return found


def _home(top: int, parts: Sequence[BodyPart | None], drawn: np.ndarray, hung: np.ndarray) -> int | None:
    """The drawn joint that this one hangs from by its part: the last of the nearest part above that is there."""
    part = parts[top]
    if part is None:
        return None
    before = [joint for joint in range(top) if parts[joint] is part and drawn[joint] and top not in _above(joint, hung)]
    if before:
        return before[-1]
    for above in parts_above(part):
        found = [
            joint
            for joint, other in enumerate(parts)
            if other is above and drawn[joint] and top not in _above(joint, hung)
        ]
        if found:
            return found[-1]
    return None


def _companion(top: int, others: list[int], frames: np.ndarray, size: float) -> int | None:
    """The joint whose distance is small and changes little over the motion."""
    best: tuple[float, int] | None = None
    for joint in others if len(frames) else ():
        distance, change = _apart(frames, top, joint)
        cost = distance + 4 * change
        if cost <= _NEAREST * size and (best is None or cost < best[0]):
            best = (cost, joint)
    return None if best is None else best[1]


def _apart(frames: np.ndarray, a: int, b: int) -> tuple[float, float]:
    """Median distance of two joints and its median deviation; infinite where they are never both known."""
    span = np.linalg.norm(frames[:, a] - frames[:, b], axis=-1)
    span = span[np.isfinite(span)]
    if not len(span):
        return np.inf, np.inf
    middle = float(np.median(span))
    return middle, float(np.median(np.abs(span - middle)))


def _size(frames: np.ndarray, drawn: np.ndarray) -> float:
    """Longest side of the box around the drawn joints, median over the frames; 0 without frames."""
    body = frames[:, drawn]
    body = body[np.isfinite(body).all((1, 2))] if len(body) else body
    return float(np.median(np.ptp(body, axis=1).max(-1))) if len(body) else 0.0
