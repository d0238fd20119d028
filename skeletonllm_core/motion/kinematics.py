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
    # Components first and all joints of one depth at once: few, long, contiguous operations.
    local = np.ascontiguousarray(np.asarray(rotations, dtype=np.float64).transpose(2, 1, 0))
    steps = np.asarray(offsets, dtype=np.float64)
    steps = np.ascontiguousarray((steps if steps.ndim == 3 else steps[None]).transpose(2, 1, 0))
    positions, world = np.empty((3, joints, frames)), np.empty((4, joints, frames))
    for level in _levels(parents):
        above = parents[level]
        if above[0] < 0:
            positions[:, level] = steps[:, level]
            positions[:, 0] = np.asarray(root_translation).T
            world[:, level] = local[:, level]
            continue
        w, x, y, z = world[:, above]
        a, b, c, d = local[:, level]
        world[0, level] = w * a - x * b - y * c - z * d
        world[1, level] = w * b + x * a + y * d - z * c
        world[2, level] = w * c - x * d + y * a + z * b
        world[3, level] = w * d + x * c - y * b + z * a
        i, j, k = steps[:, level]
        # v + 2 (w (u × v) + u × (u × v)) of the quaternion (w, u).
        p, q, r = 2 * (y * k - z * j), 2 * (z * i - x * k), 2 * (x * j - y * i)
        positions[0, level] = positions[0, above] + i + w * p + y * r - z * q
        positions[1, level] = positions[1, above] + j + w * q + z * p - x * r
        positions[2, level] = positions[2, above] + k + w * r + x * q - y * p
    return np.ascontiguousarray(positions.transpose(2, 1, 0)), np.ascontiguousarray(world.transpose(2, 1, 0))


def _levels(parents: np.ndarray) -> list[np.ndarray]:
    """The joints of each depth, from the roots down."""
    depth = np.zeros(len(parents), dtype=np.int64)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            depth[joint] = depth[parent] + 1
    return [np.flatnonzero(depth == level) for level in range(depth.max(initial=-1) + 1)]


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
