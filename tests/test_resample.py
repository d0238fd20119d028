"""Frame rates: what is exact must stay exact, and what lies between must lie on the way."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.motion import Keypoints, Motion
from skeletonllm_core.motion.resample import resampled
from skeletonllm_core.motion.rotation import from_axis_angle
from skeletonllm_core.motion.skeleton import Skeleton, Topology

ARM = Topology("arm", ("shoulder", "elbow"), np.array([-1, 0]))


def swing(frames: int, fps: float, speed: float = 1.0) -> Motion:
    """An arm that turns about X at `speed` [rad/s] while its root moves along Z at 1 m/s."""
    times = np.arange(frames) / fps
    turn = from_axis_angle(np.array([1.0, 0, 0]), times * speed)
    rotations = np.stack([turn, np.broadcast_to([1.0, 0, 0, 0], turn.shape)], 1)
    root = np.stack([np.zeros(frames), np.zeros(frames), times], -1)
    return Motion(Skeleton(ARM, np.array([[0.0, 0, 0], [0, -0.3, 0]])), rotations, root, fps)


@pytest.mark.parametrize(("source", "wanted"), [(120, 30), (30, 120), (24, 60), (29.97, 30)])
def test_equals_the_same_movement_taken_at_the_other_rate(source: float, wanted: float) -> None:
    given = swing(61, source)
    result = resampled(given, wanted)
    assert result.fps == wanted
    expected = swing(len(result), wanted)
    np.testing.assert_allclose(result.joint_positions(), expected.joint_positions(), atol=1e-9)
    assert -1e-9 <= given.seconds - 1 / source - (len(result) - 1) / wanted < 1 / wanted - 1e-9


def test_takes_the_shorter_way_between_rotations_of_opposite_sign() -> None:
    given = swing(2, 1.0, speed=0.8)
    rotations = given.rotations.copy()
    rotations[1] *= -1
    flipped = Motion(given.skeleton, rotations, given.root_translation, 1.0)
    np.testing.assert_allclose(
        resampled(flipped, 2.0).joint_positions(), swing(3, 2.0, 0.8).joint_positions(), atol=1e-9
    )


def test_missing_joints_stay_missing_and_known_frames_stay_known() -> None:
    positions = np.arange(8 * 2 * 3, dtype=float).reshape(8, 2, 3)
    positions[3, 1] = np.nan
    result = resampled(Keypoints(ARM, positions, 30.0), 60.0)
    assert np.isnan(result.joint_positions()[5:8, 1]).all()
    np.testing.assert_array_equal(result.joint_positions()[4], positions[2])
    assert np.isfinite(result.joint_positions()[:, 0]).all()


def test_one_frame_and_no_frame() -> None:
    assert len(resampled(swing(1, 30.0), 120.0)) == 1
    assert len(resampled(Keypoints(ARM, np.zeros((0, 2, 3)), 30.0), 60.0)) == 0


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_a_rate_that_is_none(fps: float) -> None:
    with pytest.raises(TopologyError, match="positive"):
        resampled(swing(3, 30.0), fps)
