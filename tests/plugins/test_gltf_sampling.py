"""Key frames: rates that were meant, and all three interpolations against what they are by definition."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.motion import rotation
from skeletonllm_mocap_io.gltf_sampling import baked_rate, sampled, sparse_rate


def keys(frames: object, rate: float, start: float = 0.0) -> np.ndarray:
    """Key times as a file holds them: float32."""
    return (start + np.asarray(frames) / rate).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("rate", [10.0, 12.0, 20.0, 24.0, 25.0, 29.5, 30.0, 30000 / 1001, 60.0, 119.8753, 120.0, 240.0])
@pytest.mark.parametrize("count", [2, 5, 30, 5000])
@pytest.mark.parametrize("start", [0.0, 1 / 24, 3.5])
def test_a_key_on_every_frame_tells_the_rate(rate: float, count: int, start: float) -> None:
    found = baked_rate([keys(np.arange(count), rate, start)])
    assert found == pytest.approx(rate, rel=2e-5)
    if rate == round(rate) and start == 0.0:
        assert found == rate


def test_keys_of_several_joints_together_make_the_frames() -> None:
    assert baked_rate([keys([0, 3, 4], 30), keys([0, 1, 2, 4], 30)]) == 30.0
    assert baked_rate([keys([0, 10], 30), keys([0, 4, 10], 30)]) is None


@pytest.mark.parametrize(
    ("frames", "rate", "first", "expected"),
    [
        ([0, 12, 31], 24, [], 24.0),
        ([0, 7, 31], 25, [], 25.0),
        ([0, 7, 31], 60, [], 60.0),
        ([0, 30], 30, [], 30.0),
        ([0, 30], 30, [24.0], 24.0),
        ([0, 5], 24, [24.0], 24.0),
        ([0, 1.37, 2.99, 7.61], 10, [24.0], None),
        ([3], 24, [], 30.0),
    ],
)
def test_keys_where_poses_change_lie_on_a_usual_rate(
    frames: list[float], rate: float, first: list[float], expected: float | None
) -> None:
    assert sparse_rate([keys(frames, rate)], first) == expected


def test_linear_values_move_in_straight_lines_and_hold_at_the_ends() -> None:
    moments = np.array([-1.0, 0.0, 0.25, 1.0, 2.0, 3.0, 9.0])
    found = sampled(np.array([0.0, 1.0, 3.0]), np.array([[0.0], [4.0], [0.0]]), "LINEAR", moments, False)
    np.testing.assert_allclose(found[:, 0], [0, 0, 1, 4, 2, 0, 0])


def test_linear_turns_go_the_shortest_way_at_even_speed() -> None:
    ends = rotation.from_euler(np.radians([[0.0], [170.0]]), "Z")
    ends[1] *= -1  # the same turn; going there directly would lead the long way
    found = sampled(np.array([0.0, 1.0]), ends, "LINEAR", np.array([0.0, 0.1, 0.5, 0.9]), True)
    expected = rotation.from_euler(np.radians([[0.0], [17.0], [85.0], [153.0]]), "Z")
    np.testing.assert_allclose(np.abs((found * expected).sum(-1)), 1.0, atol=1e-12)
    same = sampled(np.array([0.0, 1.0]), np.repeat(ends[:1], 2, 0), "LINEAR", np.array([0.3]), True)
    np.testing.assert_allclose(same, ends[:1], atol=1e-12)


def test_steps_hold_until_the_next_key_and_float32_does_not_delay_them() -> None:
    rate = 30.0
    times = keys([0, 7, 11], rate)
    times[1] += 3e-8
    found = sampled(times, np.array([[1.0], [2.0], [3.0]]), "STEP", np.arange(13) / rate, False)
    np.testing.assert_array_equal(found[:, 0], [1] * 7 + [2] * 4 + [3] * 2)


def test_cubic_splines_reproduce_cubics() -> None:
    times = np.array([0.0, 0.5, 2.0])

    def value(t: np.ndarray) -> np.ndarray:
        return 2 * t**3 - 3 * t**2 + t - 5

    slope = 6 * times**2 - 6 * times + 1
    rows = np.stack([slope, value(times), slope], axis=1).reshape(-1, 1)
    moments = np.linspace(0, 2, 41)
    np.testing.assert_allclose(sampled(times, rows, "CUBICSPLINE", moments, False)[:, 0], value(moments), atol=1e-12)


def test_cubic_turns_come_out_with_unit_length_and_pass_through_their_keys() -> None:
    rng = np.random.default_rng(2)
    turns = rotation.normalize(rng.normal(size=(4, 4)))
    rows = np.stack([rng.normal(size=(4, 4)), turns, rng.normal(size=(4, 4))], axis=1).reshape(-1, 4)
    found = sampled(np.arange(4.0), rows, "CUBICSPLINE", np.linspace(0, 3, 31), True)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1.0, atol=1e-12)
    np.testing.assert_allclose(found[::10], turns, atol=1e-12)
    np.testing.assert_allclose(
        sampled(np.zeros(1), rows[:3], "CUBICSPLINE", np.zeros(2), True), turns[[0, 0]], atol=1e-12
    )
