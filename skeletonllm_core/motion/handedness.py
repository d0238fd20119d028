"""Left-handed recordings: depth cameras and some exporters mirror the world, so that toes point out behind a body."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Keypoints, Motion, Person
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import BodyPart

BACKWARD = -0.15
"""Feet of which, summed over a clip, a smaller share of their length on the ground lies along the facing point backward."""


def is_mirrored(positions: np.ndarray, rig: RigMap) -> bool:
    """Whether a body is a mirror image: by its own left and right it faces one way, and both feet point the other.

    Args:
        positions: (T, J, 3) [m], Y up, NaN = missing.
        rig: names the hips, ankles and toes; without them the answer is False.
    """
    left, right = rig.joint_of(BodyPart.LEFT_THIGH), rig.joint_of(BodyPart.RIGHT_THIGH)
    feet = [
        (rig.joint_of(BodyPart(f"{side}_foot")), rig.joint_of(BodyPart(f"{side}_toes"))) for side in ("left", "right")
    ]
    if left is None or right is None or any(ankle is None or toes is None for ankle, toes in feet):
        return False
    across = positions[:, left] - positions[:, right]
    forward = np.stack([-across[:, 2], across[:, 0]], -1)
    along, length = 0.0, 0.0
    for ankle, toes in feet:
        foot = (positions[:, toes] - positions[:, ankle])[:, [0, 2]]
        facing = np.linalg.norm(forward, axis=-1)
        share = (foot * forward).sum(-1) / np.where(facing > 1e-9, facing, np.nan)
        along += float(np.nansum(share))
        length += float(np.nansum(np.where(np.isfinite(share), np.linalg.norm(foot, axis=-1), 0.0)))
    return along < BACKWARD * length


def mirrored_world(person: Person) -> Person:
    """The person in a world whose x axis points the other way: joints keep their names, their motion is reflected."""
    flip = np.array([-1.0, 1.0, 1.0])
    if isinstance(person, Keypoints):
        return Keypoints(person.topology, person.positions * flip, person.fps, person.name)
    skeleton = type(person.skeleton)(
        person.topology,
        person.skeleton.rest_offsets * flip,
        person.skeleton.tip_joints,
        person.skeleton.tip_offsets * flip,
    )
    local = None if person.local_translations is None else person.local_translations * flip
    # A reflection in x turns a rotation about (x, y, z) into one about (x, -y, -z).
    rotations = rotation.normalize(person.rotations * np.array([1.0, 1.0, -1.0, -1.0]))
    return Motion(skeleton, rotations, person.root_translation * flip, person.fps, person.name, local)


def unmirrored(person: Person, rig: RigMap | None = None) -> Person:
    """The person with the left side on the left: itself, or reflected where it is a mirror image."""
    positions = person.joint_positions()
    rig = rig or map_rig(person.topology, positions)
    return mirrored_world(person) if is_mirrored(positions, rig) else person
