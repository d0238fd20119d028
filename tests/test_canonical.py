"""Canonical frames: the same body whatever the file's scale, rate, heading and rig."""

from __future__ import annotations

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.canonical import (
    BODY_HEIGHT,
    canonical_frames,
    drawn_bones,
    moments,
    place,
    prepare,
    sample,
)
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.topologies import TOPOLOGIES
from skeletonllm_core.train.procedural import make_motion


def walker(action: str = "walk", rig: str = "cmu", seed: int = 700_000) -> sk.Keypoints:
    return make_motion(action, rig, seed=seed).keypoints()


def changed(person: sk.Keypoints, positions: np.ndarray, fps: float | None = None) -> sk.Keypoints:
    return sk.Keypoints(person.topology, positions, fps or person.fps, person.name)


def at(frames, part: BodyPart) -> np.ndarray:
    person = frames.persons[0]
    return person.positions[:, person.parts.index(part)]


def test_moments_are_centres_of_equal_segments() -> None:
    np.testing.assert_allclose(moments(121, 30.0, 4), [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(moments(121, 30.0, 2, start=1.0, end=2.0), [1.25, 1.75])
    np.testing.assert_allclose(moments(1, 30.0, 3), [0, 0, 0])


def test_exactly_so_many_frames_whatever_the_length() -> None:
    person = walker()
    for count in (1, 2, 5, len(person)):
        short = changed(person, person.positions[:count])
        assert canonical_frames([short], 12).persons[0].positions.shape[0] == 12


def test_the_body_stands_on_the_ground_at_one_height() -> None:
    frames = canonical_frames([walker("stand")])
    positions = frames.persons[0].positions
    assert -0.05 < positions[..., 1].min() < 0.05
    assert 0.75 * BODY_HEIGHT < positions[..., 1].max() < 1.1 * BODY_HEIGHT


def test_the_person_faces_the_camera_with_the_left_hand_at_plus_x() -> None:
    person = walker("stand")
    for yaw in (0.0, 1.0, np.pi):
        cos, sin = np.cos(yaw), np.sin(yaw)
        turned = person.positions @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
        frames = canonical_frames([changed(person, turned)])
        assert (at(frames, BodyPart.LEFT_HAND)[:, 0] > at(frames, BodyPart.RIGHT_HAND)[:, 0]).all()
        toes, ankle = at(frames, BodyPart.LEFT_TOES), at(frames, BodyPart.LEFT_FOOT)
        assert (toes[:, 2] > ankle[:, 2]).all(), "the toes point towards the camera"


@pytest.mark.parametrize("change", ["scale", "yaw", "far away", "30 fps"])
def test_invariance(change: str) -> None:
    person = walker(seed=700_004)
    if person.fps != 120:
        from skeletonllm_core.motion.resample import resampled

        person = resampled(person, 120.0)
    before = canonical_frames([person], 12).persons[0]
    if change == "scale":
        other = changed(person, person.positions * 100)
    elif change == "yaw":
        other = changed(person, person.positions @ np.array([[0, 0, -1.0], [0, 1, 0], [1, 0, 0]]))
    elif change == "far away":
        other = changed(person, person.positions + np.array([5000.0, 0, -3000]))
    else:
        other = changed(person, person.positions[::4], 30.0)
    after = canonical_frames([other], 12).persons[0]
    # A quarter of the frames end up to three source frames earlier: 25 ms of a fast hand.
    tolerance = 0.08 if change == "30 fps" else 2e-3
    np.testing.assert_allclose(after.positions, before.positions, atol=tolerance)
    np.testing.assert_allclose(after.velocities, before.velocities, atol=1.0 if change == "30 fps" else 0.02)
    off = np.abs(after.accelerations - before.accelerations)
    assert off.max() < (12.0 if change == "30 fps" else 0.2) and off.mean() < 0.7


def test_velocity_is_in_metres_per_second_over_the_ground() -> None:
    person = walker("stand")
    drift = np.arange(len(person))[:, None, None] / person.fps * np.array([0.0, 0.0, 2.0])
    moving = changed(person, person.positions[:1] + drift)
    scale = prepare([moving])[0].scale
    frames = canonical_frames([moving])
    speed = np.linalg.norm(frames.persons[0].velocities, axis=-1)
    np.testing.assert_allclose(speed, 2.0 * scale, rtol=1e-3)
    travelled = np.linalg.norm(np.diff(frames.ground, axis=0), axis=-1).sum()
    assert travelled == pytest.approx(2.0 * scale * (frames.times[-1] - frames.times[0]), rel=1e-3)


def swinging(fps: float, noise: float = 0.0) -> sk.Keypoints:
    """A standing body whose left hand swings ±0.3 m along its up axis, once in two seconds."""
    person = walker("stand")
    times = np.arange(int(3 * fps)) / fps
    positions = np.repeat(person.positions[:1], len(times), 0)
    hand = person.topology.names.index("LeftHand")
    positions[:, hand, 1] += 0.3 * np.sin(np.pi * times)
    positions += np.random.default_rng(0).normal(0, noise, positions.shape)
    return changed(person, positions, fps)


@pytest.mark.parametrize("fps", [30.0, 50.0, 120.0])
def test_acceleration_is_in_metres_per_second_squared_whatever_the_frame_rate(fps: float) -> None:
    person = swinging(fps)
    frames, scale = canonical_frames([person], 12), prepare([person])[0].scale
    one = frames.persons[0]
    hand = one.accelerations[:, one.parts.index(BodyPart.LEFT_HAND)]
    inner = slice(1, -1)  # the outer moments take the nearest one that has room on both sides
    wanted = -0.3 * scale * np.pi**2 * np.sin(np.pi * frames.times)
    np.testing.assert_allclose(hand[inner, 1], wanted[inner], atol=0.15)
    assert np.abs(hand[:, 1]).max() < 0.3 * scale * np.pi**2 * 1.05
    assert np.abs(one.accelerations[:, one.parts.index(BodyPart.RIGHT_HAND)]).max() < 0.01


def test_noise_of_a_depth_sensor_does_not_look_like_acceleration() -> None:
    quiet, noisy = (canonical_frames([swinging(30.0, noise)], 12).persons[0] for noise in (0.0, 0.01))
    for part in (BodyPart.LEFT_HAND, BodyPart.RIGHT_HAND, BodyPart.HEAD):
        one, other = (who.accelerations[:, who.parts.index(part)] for who in (quiet, noisy))
        assert np.sqrt(np.mean((one - other) ** 2)) < 2.0


def test_a_tempo_twice_as_fast_has_four_times_the_acceleration() -> None:
    (one,) = prepare([swinging(120.0)])
    times = moments(len(one), one.fps, 12)[3:-3]
    plain, fast = (
        place([sample(one, times, pace=pace)], [one], 3.0)
        .persons[0]
        .accelerations[:, one.parts.index(BodyPart.LEFT_HAND)]
        for pace in (1.0, 2.0)
    )
    np.testing.assert_allclose(fast, 4 * plain, atol=0.05 * np.abs(4 * plain).max())


def test_a_clip_too_short_to_bend_has_no_acceleration() -> None:
    person = swinging(30.0)
    for count in (1, 2, 4):
        short = canonical_frames([changed(person, person.positions[:count])], 3).persons[0]
        assert not short.accelerations.any()
    assert canonical_frames([changed(person, person.positions[:9])], 3).persons[0].accelerations.any()


def test_missing_joints_are_not_visible_and_not_nan() -> None:
    person = walker()
    positions = person.positions.copy()
    hand = person.topology.names.index("LeftHand")
    positions[:, hand] = np.nan
    positions[: len(positions) // 2, person.topology.names.index("RightHand")] = np.nan
    frames = canonical_frames([changed(person, positions)])
    one = frames.persons[0]
    assert np.isfinite(one.positions).all() and np.isfinite(one.velocities).all()
    assert np.isfinite(one.accelerations).all() and (one.accelerations[~one.visible] == 0).all()
    right = one.visible[:, one.parts.index(BodyPart.RIGHT_HAND)]
    assert not right[0] and right[-1]


def test_bones_bridge_joints_that_are_not_drawn() -> None:
    parents = np.array([-1, 0, 1, 2, 2])
    assert drawn_bones(parents, np.array([0, 2, 4])).tolist() == [[0, 1], [1, 2]]
    assert drawn_bones(parents, np.array([1, 2])).tolist() == [[0, 1]]


def test_two_persons_keep_their_distance_and_stand_side_by_side() -> None:
    one = walker("stand", seed=700_001)
    other = changed(one, one.positions + np.array([0.0, 0, 2.0]))
    frames = canonical_frames([one, other])
    scale = prepare([one])[0].scale
    pelvis = [person.positions[0, person.parts.index(BodyPart.PELVIS)] for person in frames.persons]
    step = pelvis[1] - pelvis[0]
    assert abs(step[0]) == pytest.approx(2.0 * scale, rel=0.02)
    assert abs(step[2]) < 0.05


def test_frame_indices_take_those_frames() -> None:
    person = walker()
    frames = canonical_frames([person], frame_indices=[0, 3])
    assert frames.persons[0].positions.shape[0] == 2
    np.testing.assert_allclose(frames.times, [0, 3 / person.fps], rtol=1e-6)
    with pytest.raises(sk.TopologyError, match="frame indices"):
        canonical_frames([person], frame_indices=[len(person)])


def test_what_cannot_be_drawn_is_refused() -> None:
    topology = TOPOLOGIES["humanml3d22"]
    with pytest.raises(sk.TopologyError, match="no person"):
        canonical_frames([])
    with pytest.raises(sk.TopologyError, match="no frames"):
        canonical_frames([sk.Keypoints(topology, np.zeros((0, 22, 3)), 20)])
    with pytest.raises(sk.TopologyError, match="no joint"):
        canonical_frames([sk.Keypoints(topology, np.full((3, 22, 3), np.nan), 20)])
