"""World transforms → Motion: whatever axes, scales and mirrors a file has, every joint comes out where it was."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.skeleton import Topology
from skeletonllm_mocap_io.transforms import composed, motion_from_transforms, turns, world_matrices

RNG = np.random.default_rng(3)
PARENTS = np.array([-1, 0, 1, 1, 0, -1])
TOPOLOGY = Topology("t", tuple("abcdef"), PARENTS)


def quaternions(*shape: int) -> np.ndarray:
    return rotation.normalize(RNG.normal(size=(*shape, 4)))


def test_composed_is_scale_then_turn_then_place() -> None:
    q, point = quaternions(1)[0], np.array([1.0, 2.0, 3.0])
    matrix = composed(np.array([4.0, 5.0, 6.0]), q, np.array([2.0, -1.0, 0.5]))
    expected = rotation.rotate(q, point * [2.0, -1.0, 0.5]) + np.array([4.0, 5.0, 6.0])
    np.testing.assert_allclose((matrix @ [*point, 1.0])[:3], expected, atol=1e-12)


def test_world_matrices_multiply_along_the_tree_and_hung_nodes_go_their_own_way() -> None:
    local = composed(RNG.normal(size=(2, 6, 3)), quaternions(2, 6), np.ones((2, 6, 3)))
    world = world_matrices(PARENTS, local)
    np.testing.assert_allclose(world[:, 3], local[:, 0] @ local[:, 1] @ local[:, 3], atol=1e-12)
    np.testing.assert_array_equal(world[:, 5], local[:, 5])
    step = composed(np.ones(3), quaternions(1)[0], np.ones(3))
    hung = world_matrices(PARENTS, local, {3: (0, step), 4: (-1, step)})
    np.testing.assert_allclose(hung[:, 3], local[:, 0] @ step, atol=1e-12)
    np.testing.assert_allclose(hung[:, 4], np.broadcast_to(step, (2, 4, 4)))


@pytest.mark.parametrize("scale", [(1, 1, 1), (100, 100, 100), (1e-4, 1e-4, 1e-4), (2, 3, 0.5), (-1, -1, -1)])
def test_turns_see_through_scale_and_mirrors(scale: tuple[float, ...]) -> None:
    q = quaternions(50)
    found = turns(rotation.to_matrix(q) * np.array(scale))
    np.testing.assert_allclose(np.abs((found * q).sum(-1)), 1.0, atol=1e-9)


def test_turns_of_sheared_and_flat_matrices_are_the_nearest_rotations() -> None:
    q = quaternions(20)
    stretch = np.array([[1.0, 0.2, 0.0], [0.2, 1.3, -0.1], [0.0, -0.1, 0.8]])  # symmetric and positive: no rotation
    found = turns(rotation.to_matrix(q) @ stretch)
    np.testing.assert_allclose(np.abs((found * q).sum(-1)), 1.0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(turns(np.zeros((2, 3, 3))), axis=-1), 1.0)


@pytest.mark.parametrize("armature", [1.0, 100.0, -1.0])
def test_every_joint_is_where_its_matrix_puts_it_and_the_rest_pose_has_no_rotation(armature: float) -> None:
    offsets = RNG.normal(size=(6, 3))
    rest_turns, frames = quaternions(6), 5
    holder = np.diag([armature, armature, armature, 1.0])
    rest = holder @ world_matrices(PARENTS, composed(offsets, rest_turns, np.ones((6, 3))))
    placed = np.broadcast_to(offsets, (frames, 6, 3)).copy()
    placed[:, [0, 5]] += RNG.normal(size=(frames, 2, 3))
    world = holder @ world_matrices(PARENTS, composed(placed, quaternions(frames, 6), np.ones((frames, 6, 3))))
    tip = (2, rest[2, :3, 3] + [0.0, 1.0, 0.0])
    motion = motion_from_transforms(TOPOLOGY, rest, world, 30.0, "take", [tip])
    np.testing.assert_allclose(motion.joint_positions(), world[..., :3, 3], atol=1e-9 * abs(armature))
    np.testing.assert_allclose(motion.skeleton.tip_offsets, [[0.0, 1.0, 0.0]], atol=1e-12)
    still = motion_from_transforms(TOPOLOGY, rest, rest[None], 30.0, "", [])
    np.testing.assert_allclose(still.rotations[0, :, 0], 1.0, atol=1e-12)
    # Bones are rigid here, so only the second root moves against its offset.
    assert motion.local_translations is not None
    apart = np.abs(motion.local_translations - motion.skeleton.rest_offsets).max(axis=(0, 2))
    assert apart[[1, 2, 3, 4]].max() == 0.0 and apart[5] > 0.0


def test_bones_that_stretch_keep_their_joints_in_place() -> None:
    rest = world_matrices(PARENTS, composed(RNG.normal(size=(6, 3)), quaternions(6), np.ones((6, 3))))
    scales = RNG.uniform(0.5, 2.0, size=(4, 6, 3))
    world = world_matrices(PARENTS, composed(RNG.normal(size=(4, 6, 3)), quaternions(4, 6), scales))
    motion = motion_from_transforms(TOPOLOGY, rest, world, 30.0, "", [])
    np.testing.assert_allclose(motion.joint_positions(), world[..., :3, 3], atol=1e-9)
