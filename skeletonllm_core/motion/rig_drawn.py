"""Which joints of a rig are drawn: the line of the body, without anchors, helpers and second joints at one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.motion.rig_draft import core_count, lineage
from skeletonllm_core.motion.rig_shape import Measures
from skeletonllm_core.motion.skeleton import BodyPart

HUMAN_CORE = 9
"""So many of the 12 limb parts and the head make a rig a human body."""

_SMALL_BRANCH = 0.6
"""A branch without a known part that is shorter than this share of a leg is a helper (face, cloth, twist)."""


def primary_joints(parts: Sequence[BodyPart | None], drawn: np.ndarray) -> dict[BodyPart, int]:
    """The joint that stands for each part: the first along its chain that is drawn, else the first."""
    found: dict[BodyPart, int] = {}
    for only_drawn in (True, False):
        for joint, part in enumerate(parts):
            if part is not None and (drawn[joint] or not only_drawn):
                found.setdefault(part, joint)
    return found


def hide_duplicates(parts: list[BodyPart | None], drawn: np.ndarray, rig: Measures, parents: tuple[int, ...]) -> None:
    """Of several joints at one place the uppermost of the body is drawn.

    A duplicate that stands for a part which goes on below it (the "Neck" of CMU conversions at the chest) hands the
    part to the joint below and goes with its parent.
    """
    for joint in np.flatnonzero(rig.near).tolist():
        part, parent = parts[joint], parents[joint]
        if part is None:
            drawn[joint] = False
            continue
        above = parts[parent]
        if above is None:
            # The parent is a joint without a part (a centre of mass, a reference) and gives way.
            drawn[parent] = False
            continue
        was_drawn = bool(drawn[joint])
        drawn[joint] = False
        if part is above:
            continue
        below = [
            other
            for other in range(joint + 1, len(parts))
            if parts[other] is part and not rig.near[other] and joint in lineage(other, parents)
        ]
        if below:
            parts[joint] = above
            # Of fingers and toes only the first joint is drawn: now it is this one.
            drawn[below[0]] |= was_drawn


def is_anchor(root: int, child: int, rig: Measures) -> bool:
    """Does the body hang from this root by a bone that changes its length by far, as from the origin of the world?"""
    span = np.sqrt(((rig.frames[:, child] - rig.frames[:, root]) ** 2).sum(-1))
    span = span[np.isfinite(span)]
    real = rig.lengths[rig.lengths > 0]
    if len(span) < 2 or not len(real):
        return False
    scale = float(np.percentile(real, 75))
    return bool(span.max() - span.min() > 0.1 * scale and span.max() > scale)


def hide_anchors(
    parts: list[BodyPart | None],
    drawn: np.ndarray,
    rig: Measures,
    parents: tuple[int, ...],
    names: tuple[str, ...],
    roots: tuple[bool, ...],
) -> list[str]:
    """Joints above the body are not drawn; a sentence for each that is an anchor in the world.

    Args:
        parts: part of each joint.
        drawn: (J,) bool, changed in place.
        rig: measures of the same joints.
        parents: parent of each joint.
        names: joint names.
        roots: joints that are called roots and nothing else, with nothing but such joints above them.
    """
    pelvis = [joint for joint, part in enumerate(parts) if part is BodyPart.PELVIS]
    if pelvis:
        above = [joint for joint in lineage(pelvis[0], parents)[1:] if parts[joint] is None]
        below = dict(zip(lineage(pelvis[0], parents)[1:], lineage(pelvis[0], parents), strict=False))
    else:
        above = [
            joint
            for joint, parent in enumerate(parents)
            if parent < 0 and parts[joint] is None and len(rig.children[joint]) == 1
        ]
        below = {joint: rig.children[joint][0] for joint in above}
        if any(drawn & ~np.array(roots)):
            drawn &= ~np.array(roots)
    said: list[str] = []
    for joint in above:
        anchor = is_anchor(joint, below[joint], rig)
        if pelvis or anchor:
            drawn[joint] = False
        if anchor:
            said.append(f"{names[joint]} is an anchor in the world and is not drawn.")
    return said


def hide_side_branches(
    parts: list[BodyPart | None], drawn: np.ndarray, rig: Measures, parents: tuple[int, ...], beyond: tuple[bool, ...]
) -> None:
    """In a human body a small branch without a part is a helper; a large one (tail, wing, tool) is drawn.

    Args:
        parts: part of each joint.
        drawn: (J,) bool, changed in place.
        rig: measures of the same joints.
        parents: parent of each joint.
        beyond: joints that are limbs by their name although people do not have them.
    """
    if core_count(parts) < HUMAN_CORE:
        return
    primary = primary_joints(parts, drawn)
    leg = sum(float(rig.lengths[primary[part]]) for part in (BodyPart.LEFT_SHIN, BodyPart.LEFT_FOOT) if part in primary)
    joints = len(parts)
    reach = [0.0] * joints
    keeps = [part is not None or beyond[joint] for joint, part in enumerate(parts)]
    for joint in range(joints - 1, -1, -1):
        parent = parents[joint]
        if parent >= 0:
            reach[parent] = max(reach[parent], reach[joint] + float(rig.lengths[joint]))
            keeps[parent] |= keeps[joint]
    for joint, parent in enumerate(parents):
        if keeps[joint] or not drawn[joint]:
            continue
        in_hidden_branch = parent >= 0 and not drawn[parent] and not keeps[parent]
        in_drawn_branch = parent >= 0 and drawn[parent] and not keeps[parent]
        small = float(rig.lengths[joint]) + reach[joint] < _SMALL_BRANCH * leg or leg == 0
        if parent < 0 or in_hidden_branch or (small and not in_drawn_branch):
            drawn[joint] = False
