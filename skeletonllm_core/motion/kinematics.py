"""Forward kinematics, and positions → rotations."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion import rotation


def forward_kinematics(
    parents: np.ndarray, offsets: np.ndarray, rotations: np.ndarray, root_translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """World positions and rotations of all joints.

    Args:
        parents: (J,) int, parents before children, -1 at roots.
        offsets: (J, 3) or (T, J, 3) [m], each joint relative to its parent; row 0 is not used.
        rotations: (T, J, 4) unit quaternions (w, x, y, z), relative to the parent.
        root_translation: (T, 3) [m], world position of joint 0; a further root sits at its own offset from the world origin.

    Returns:
        positions (T, J, 3) [m] and world rotations (T, J, 4).
    """
    frames, joints = rotations.shape[:2]
    positions = np.empty((joints, frames, 3))
    world = np.empty((joints, frames, 4))
    local = np.ascontiguousarray(np.moveaxis(rotations, 1, 0))
    steps = np.moveaxis(np.broadcast_to(offsets, (frames, joints, 3)), 1, 0)
    for joint, parent in enumerate(parents):
        if parent < 0:
            positions[joint] = root_translation if joint == 0 else steps[joint]
            world[joint] = local[joint]
        else:
            positions[joint] = positions[parent] + rotation.rotate(world[parent], steps[joint])
            world[joint] = rotation.multiply(world[parent], local[joint])
    return np.ascontiguousarray(np.moveaxis(positions, 0, 1)), np.ascontiguousarray(np.moveaxis(world, 0, 1))


def rotations_from_positions(
    parents: np.ndarray, rest_offsets: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations that carry a rest pose onto given joint positions.

    A joint with one child gets the shortest rotation of that bone from its parent's frame; a joint with several gets the
    rotation that fits all of them best (Kabsch, "A solution for the best rotation to relate two sets of vectors",
    Acta Cryst. A32, 1976); a leaf keeps its parent's rotation. Bone lengths are those of the rest pose.

    Args:
        parents: (J,) int, parents before children, -1 at roots.
        rest_offsets: (J, 3) [m].
        positions: (T, J, 3) [m], no NaN.

    Returns:
        rotations (T, J, 4) and root translation (T, 3) [m].
    """
    frames, joints = positions.shape[:2]
    children: list[list[int]] = [[] for _ in range(joints)]
    for joint, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(joint)
    identity = np.zeros((frames, 4))
    identity[:, 0] = 1.0
    world = np.empty((joints, frames, 4))
    local = np.empty((frames, joints, 4))
    for joint, parent in enumerate(parents):
        base = identity if parent < 0 else world[parent]
        bones = [child for child in children[joint] if np.linalg.norm(rest_offsets[child]) > 1e-9]
        if not bones:
            turn = identity
        else:
            rest = rest_offsets[bones]
            target = positions[:, bones] - positions[:, joint, None]
            target = rotation.rotate(rotation.conjugate(base)[:, None], target)
            if len(bones) == 1:
                turn = rotation.between(np.broadcast_to(rest[0], (frames, 3)), target[:, 0])
            else:
                turn = _best_rotation(rest, target)
        local[:, joint] = turn
        world[joint] = rotation.multiply(base, turn)
    return local, positions[:, 0].copy()


def _best_rotation(rest: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(T, 4) rotations that turn (n, 3) rest bones onto (T, n, 3) target bones in the least-squares sense."""
    covariance = np.einsum("ni,tnj->tij", rest, target)
    u, _, vt = np.linalg.svd(covariance)
    flip = np.sign(np.linalg.det(np.swapaxes(vt, -1, -2) @ np.swapaxes(u, -1, -2)))
    vt[:, 2] *= np.where(flip == 0, 1.0, flip)[:, None]
    return rotation.from_matrix(np.swapaxes(vt, -1, -2) @ np.swapaxes(u, -1, -2))
