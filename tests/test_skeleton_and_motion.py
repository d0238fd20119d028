"""The types refuse what does not fit together, and say why."""

from __future__ import annotations

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.skeleton import BodyPart, ordered


def chain(joints: int = 3) -> sk.Topology:
    return sk.Topology("chain", tuple("abc"[:joints]), np.arange(joints) - 1)


def test_bones_and_children() -> None:
    topology = sk.Topology("fork", ("hips", "left", "right", "toe"), np.array([-1, 0, 0, 1]))
    assert topology.bones.tolist() == [[0, 1], [0, 2], [1, 3]]
    assert topology.children() == [[1, 2], [3], [], []]


@pytest.mark.parametrize(
    ("names", "parents", "says"),
    [
        (("a", "b"), [-1], "2 names but 1 parents"),
        ((), [], "no joints"),
        (("a", "b"), [1, -1], "every parent must come before its child"),
        (("a", "b"), [-1, -5], "every parent must come before its child"),
    ],
)
def test_a_topology_that_is_no_tree(names: tuple[str, ...], parents: list[int], says: str) -> None:
    with pytest.raises(sk.TopologyError, match=says):
        sk.Topology("bad", names, np.array(parents, dtype=int))


def test_ordered_sorts_parents_first_and_finds_cycles() -> None:
    parents = np.array([2, 0, -1, 1])
    order = ordered(parents)
    place = np.argsort(order)
    assert all(parents[joint] < 0 or place[parents[joint]] < place[joint] for joint in range(4))
    with pytest.raises(sk.TopologyError, match="cycle"):
        ordered(np.array([1, 0, -1]))
    with pytest.raises(sk.TopologyError, match=r"outside 0\.\.1"):
        ordered(np.array([-1, 7]))


def test_mirrored_parts() -> None:
    assert BodyPart.LEFT_HAND.mirrored is BodyPart.RIGHT_HAND
    assert BodyPart.RIGHT_TOES.mirrored is BodyPart.LEFT_TOES
    assert BodyPart.HEAD.mirrored is BodyPart.HEAD
    assert BodyPart.HEAD.side is None and BodyPart.LEFT_FOOT.side == "left"


def test_keypoints_take_joints_in_any_order() -> None:
    xyz = np.arange(2 * 3 * 3, dtype=float).reshape(2, 3, 3)
    points = sk.Keypoints.from_arrays(xyz, ["hand", "root", "elbow"], [2, -1, 1], 30)
    assert points.topology.names == ("root", "elbow", "hand")
    assert points.topology.parents.tolist() == [-1, 0, 1]
    np.testing.assert_array_equal(points.positions[:, 2], xyz[:, 0])


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_fps_must_be_positive(fps: float) -> None:
    with pytest.raises(sk.TopologyError, match="fps"):
        sk.Keypoints(chain(), np.zeros((1, 3, 3)), fps)


def test_arrays_must_fit() -> None:
    skeleton = sk.Skeleton(chain(), np.zeros((3, 3)))
    with pytest.raises(sk.TopologyError, match="rotations have shape"):
        sk.Motion(skeleton, np.zeros((2, 2, 4)), np.zeros((2, 3)), 30)
    with pytest.raises(sk.TopologyError, match="root translation"):
        sk.Motion(skeleton, np.zeros((2, 3, 4)), np.zeros((1, 3)), 30)
    with pytest.raises(sk.TopologyError, match="local translations"):
        sk.Motion(skeleton, np.zeros((2, 3, 4)), np.zeros((2, 3)), 30, local_translations=np.zeros((2, 3)))
    with pytest.raises(sk.TopologyError, match="rest offsets"):
        sk.Skeleton(chain(), np.zeros((2, 3)))
    with pytest.raises(sk.TopologyError, match="tip offsets"):
        sk.Skeleton(chain(), np.zeros((3, 3)), np.array([2]), np.zeros((2, 3)))


def test_local_translations_move_joints() -> None:
    skeleton = sk.Skeleton(chain(), np.array([[0, 0, 0], [0, 1.0, 0], [0, 1.0, 0]]))
    still = np.tile([1.0, 0, 0, 0], (2, 3, 1))
    local = np.zeros((2, 3, 3))
    local[:, 1:, 0] = [[1, 1], [2, 2]]
    motion = sk.Motion(skeleton, still, np.zeros((2, 3)), 30, local_translations=local)
    assert motion.joint_positions()[:, 2, 0].tolist() == [2, 4]
    assert motion.keypoints().positions.shape == (2, 3, 3)
    assert motion.seconds == pytest.approx(2 / 30)
