"""Forward kinematics against a joint-by-joint matrix product; positions → rotations against forward kinematics."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.kinematics import forward_kinematics, rotations_from_positions

PARENTS = np.array([-1, 0, 1, 1, 0, 4])
OFFSETS = np.array([[0, 0, 0], [0, 0.5, 0], [0.3, 0.1, 0], [-0.3, 0.1, 0], [0.1, -0.5, 0], [0, -0.4, 0.1]])


def random_motion(frames: int = 7) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(3)
    return rotation.normalize(chance.normal(size=(frames, 6, 4))), chance.normal(size=(frames, 3))


def by_matrices(offsets: np.ndarray, rotations: np.ndarray, root: np.ndarray) -> np.ndarray:
    result = np.zeros((len(root), 6, 3))
    for frame in range(len(root)):
        world = [np.eye(4)] * 6
        for joint in range(6):
            local = np.eye(4)
            local[:3, :3] = rotation.to_matrix(rotations[frame, joint])
            local[:3, 3] = root[frame] if joint == 0 else np.broadcast_to(offsets, (len(root), 6, 3))[frame, joint]
            world[joint] = local if joint == 0 else world[PARENTS[joint]] @ local
            result[frame, joint] = world[joint][:3, 3]
    return result


def test_forward_kinematics_is_the_matrix_product() -> None:
    rotations, root = random_motion()
    positions, _ = forward_kinematics(PARENTS, OFFSETS, rotations, root)
    np.testing.assert_allclose(positions, by_matrices(OFFSETS, rotations, root), atol=1e-12)


def test_offsets_may_change_from_frame_to_frame() -> None:
    rotations, root = random_motion()
    moving = OFFSETS + np.random.default_rng(5).normal(size=(7, 6, 3)) * 0.1
    positions, _ = forward_kinematics(PARENTS, moving, rotations, root)
    np.testing.assert_allclose(positions, by_matrices(moving, rotations, root), atol=1e-12)


def test_positions_to_rotations_and_back() -> None:
    rotations, root = random_motion(40)
    positions, _ = forward_kinematics(PARENTS, OFFSETS, rotations, root)
    found, found_root = rotations_from_positions(PARENTS, OFFSETS, positions)
    again, _ = forward_kinematics(PARENTS, OFFSETS, found, found_root)
    np.testing.assert_allclose(again, positions, atol=1e-9)
