"""Keypoints → Motion: a rest pose and local rotations for joints of which only positions are known."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.kinematics import rotations_from_positions
from skeletonllm_core.motion.motion import Keypoints, Motion
from skeletonllm_core.motion.skeleton import Skeleton


def filled_positions(keypoints: Keypoints) -> np.ndarray:
    """(T, J, 3) [m], the positions with every gap bridged in a straight line, and held at the ends of the clip.

    Raises:
        TopologyError: there are no frames, or a joint is missing in all of them.
    """
    positions = keypoints.positions.copy()
    if not len(positions):
        raise TopologyError("the clip has no frames")
    known = np.isfinite(positions).all(-1)
    if known.all():
        return positions
    frames = np.arange(len(positions))
    for joint, seen in enumerate(known.T):
        if not seen.any():
            raise TopologyError(f"joint {keypoints.topology.names[joint]!r} is missing in every frame")
        if not seen.all():
            for axis in range(3):
                positions[~seen, joint, axis] = np.interp(frames[~seen], frames[seen], positions[seen, joint, axis])
    return positions


def rest_skeleton(keypoints: Keypoints, positions: np.ndarray) -> Skeleton:
    """The skeleton whose bones have their median length over the clip and point as in the fullest frame.

    Args:
        keypoints: tells which joints were really seen.
        positions: (T, J, 3) [m], the same without gaps.

    Returns:
        Skeleton of the same topology; a root's rest offset is its place in the frame that gave the directions.
    """
    parents = keypoints.topology.parents
    seen = np.isfinite(keypoints.positions).all(-1)
    pose = positions[int(np.argmax(seen.sum(-1)))]
    offsets = pose.copy()
    for joint, parent in enumerate(parents):
        if parent < 0:
            continue
        both = seen[:, joint] & seen[:, parent]
        bones = positions[:, joint] - positions[:, parent]
        length = float(np.median(np.linalg.norm(bones[both] if both.any() else bones, axis=-1)))
        direction = pose[joint] - pose[parent]
        norm = float(np.linalg.norm(direction))
        offsets[joint] = direction * (length / norm) if norm > 1e-12 else (0.0, 0.0, 0.0)
    return Skeleton(keypoints.topology, offsets)


def fitted_motion(keypoints: Keypoints) -> Motion:
    """The motion of a rigid skeleton that follows the keypoints.

    Bones keep their median length, so joints come out where the keypoints are up to the stretch of the bones; gaps are
    bridged. The root and every further root follow their keypoint exactly.

    Raises:
        TopologyError: there are no frames, or a joint is missing in all of them.
    """
    positions = filled_positions(keypoints)
    skeleton = rest_skeleton(keypoints, positions)
    rotations, root = rotations_from_positions(skeleton.parents, skeleton.rest_offsets, positions)
    roots = np.flatnonzero(skeleton.parents < 0)
    local = None
    if len(roots) > 1:
        local = np.broadcast_to(skeleton.rest_offsets, positions.shape).copy()
        local[:, roots] = positions[:, roots]
    return Motion(skeleton, rotations, root, keypoints.fps, keypoints.name, local)
