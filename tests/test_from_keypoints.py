"""Rotations for keypoints: the joints stay where they are, gaps are bridged, stretching bones are averaged."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.from_keypoints import filled_positions, fitted_motion, rest_skeleton
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.skeleton import Topology
from tests.stick_figure import walking

WALK = walking(4).clip(2.5)


def with_gaps(frames: slice, joint: int, clip: Keypoints = WALK) -> Keypoints:
    positions = clip.positions.copy()
    positions[frames, joint] = np.nan
    return Keypoints(clip.topology, positions, clip.fps, "gaps")


def test_rigid_bodies_are_followed_exactly() -> None:
    motion = fitted_motion(WALK)
    assert (len(motion), motion.fps, motion.topology) == (len(WALK), WALK.fps, WALK.topology)
    assert motion.local_translations is None
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-12)
    # The feet of the figure are no rigid part of its legs' plane, and a pelvis with three bones is fitted, not solved.
    assert np.abs(motion.joint_positions() - WALK.positions).max() < 0.01
    np.testing.assert_array_equal(motion.root_translation, WALK.positions[:, 0])


def test_gaps_are_bridged_in_a_straight_line_and_held_at_the_ends() -> None:
    joint = 7
    filled = filled_positions(with_gaps(slice(10, 13), joint))
    before, after = WALK.positions[9, joint], WALK.positions[13, joint]
    np.testing.assert_allclose(filled[11, joint], (before + after) / 2)
    np.testing.assert_array_equal(np.delete(filled, range(10, 13), 0), np.delete(WALK.positions, range(10, 13), 0))
    np.testing.assert_array_equal(
        filled_positions(with_gaps(slice(0, 5), joint))[:5, joint], [WALK.positions[5, joint]] * 5
    )
    np.testing.assert_array_equal(
        filled_positions(with_gaps(slice(70, None), joint))[70:, joint][-1], WALK.positions[69, joint]
    )
    assert np.isfinite(fitted_motion(with_gaps(slice(10, 13), joint)).joint_positions()).all()


def test_bones_get_their_median_length() -> None:
    positions = np.zeros((5, 3, 3))
    positions[:, 1, 1] = [1.0, 1.1, 0.9, 1.0, 3.0]
    positions[:, 2] = positions[:, 1] + [[0.5, 0, 0], [0, 0, 0.5], [0, 0, 0.5], [0, 0.5, 0], [0, 0, 9]]
    points = Keypoints(Topology("t", ("a", "b", "c"), np.array([-1, 0, 1])), positions, 10.0)
    rest = rest_skeleton(points, positions)
    np.testing.assert_allclose(rest.rest_offsets, [[0, 0, 0], [0, 1, 0], [0.5, 0, 0]])
    found = fitted_motion(points).joint_positions()
    np.testing.assert_allclose(found[:4, 2] - found[:4, 1], positions[:4, 2] - positions[:4, 1], atol=1e-12)


def test_directions_come_from_the_fullest_frame_and_lengths_from_seen_bones() -> None:
    positions = np.zeros((4, 2, 3))
    positions[:, 1] = [[np.nan] * 3, [0, 2, 0], [2, 0, 0], [np.nan] * 3]
    points = Keypoints(Topology("t", ("a", "b"), np.array([-1, 0])), positions, 10.0)
    np.testing.assert_allclose(rest_skeleton(points, filled_positions(points)).rest_offsets[1], [0, 2, 0])


def test_further_roots_follow_their_keypoints() -> None:
    positions = np.random.default_rng(0).normal(size=(6, 4, 3))
    points = Keypoints(Topology("markers", tuple("abcd"), np.array([-1, -1, 1, -1])), positions, 10.0)
    found = fitted_motion(points).joint_positions()
    np.testing.assert_allclose(found[:, [0, 1, 3]], positions[:, [0, 1, 3]], atol=1e-12)
    bones = positions[:, 2] - positions[:, 1]
    along = (found[:, 2] - found[:, 1]) / np.linalg.norm(found[:, 2] - found[:, 1], axis=-1, keepdims=True)
    np.testing.assert_allclose(along, bones / np.linalg.norm(bones, axis=-1, keepdims=True), atol=1e-9)


def test_joints_that_coincide() -> None:
    positions = np.ones((3, 2, 3))
    points = Keypoints(Topology("t", ("a", "b"), np.array([-1, 0])), positions, 10.0)
    np.testing.assert_array_equal(fitted_motion(points).joint_positions(), positions)


def test_a_joint_that_is_never_seen_and_a_clip_without_frames_are_refused() -> None:
    with pytest.raises(TopologyError, match="joint 'LeftHand' is missing in every frame"):
        fitted_motion(with_gaps(slice(None), WALK.topology.names.index("LeftHand")))
    with pytest.raises(TopologyError, match="no frames"):
        fitted_motion(Keypoints(WALK.topology, WALK.positions[:0], 30.0))
