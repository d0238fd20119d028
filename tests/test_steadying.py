"""Jitter is measured and smoothed away; what does not jitter stays as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import savgol_filter

import skeletonllm_core as sk
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.steadying import WINDOWS, noise_of, steadied
from skeletonllm_core.pipeline import SkeletonLLM
from skeletonllm_core.train.procedural import ACTIONS, make_motion

EXAMPLES = sorted((Path(__file__).parent.parent / "examples" / "clips").glob("*.bvh"))


def clip(action: str = "wave left hand") -> Keypoints:
    return make_motion(action, "cmu", seed=910_000).keypoints()


def jittering(person: Keypoints, sigma: float, seed: int = 0) -> Keypoints:
    moved = person.positions + np.random.default_rng(seed).normal(0, sigma, person.positions.shape)
    return replace(person, positions=moved)


def error(one: sk.Keypoints, other: sk.Keypoints) -> float:
    return float(np.sqrt(np.nanmean((one.positions - other.positions) ** 2)))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_clean_movements_stay_as_they_are(action: str) -> None:
    motion = make_motion(action, "mixamo", seed=910_001)
    assert steadied(motion) is motion


def test_clean_files_stay_as_they_are() -> None:
    assert EXAMPLES
    for path in EXAMPLES:
        (person,) = sk.read(path)
        assert steadied(person) is person, path.name


@pytest.mark.parametrize("sigma", [0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("action", ["walk", "jump", "hand clap", "cartwheel"])
def test_jitter_is_measured_and_mostly_gone(action: str, sigma: float) -> None:
    still = clip(action)
    noisy = jittering(still, sigma)
    assert noise_of(noisy.positions) == pytest.approx(sigma, rel=0.06)
    smooth = steadied(noisy)
    assert error(smooth, still) < 0.6 * sigma
    assert (smooth.topology, smooth.fps, smooth.name) == (noisy.topology, noisy.fps, noisy.name)


def window_of(slowness: float) -> int:
    """The window that a body gets that swings as a whole; checks that it is smoothed as published."""
    start, frames = clip().positions[0], 90
    away = np.random.default_rng(2).normal(size=start.shape)
    turning = np.sin(np.arange(frames) / slowness)
    noisy = jittering(replace(clip(), positions=start + turning[:, None, None] * away), 0.05)
    flat, smooth = (person.positions.reshape(frames, -1) for person in (noisy, steadied(noisy)))
    smooth = smooth - smooth.mean(0)
    assert np.linalg.matrix_rank(smooth, tol=1e-6) == 1, "one movement, and no noise beside it"
    times, sizes, poses = np.linalg.svd(flat - flat.mean(0))
    course = smooth @ poses[0]
    filtered = {window: savgol_filter(times[:, 0] * sizes[0], window, 3, mode="interp") for window in WINDOWS}
    found = max(filtered, key=lambda window: np.corrcoef(course, filtered[window])[0, 1])
    best = filtered[found]
    # Gavish and Donoho's equation for squared error: of y = size / (noise · √longer side), √((y² - β - 1)² - 4β) / y is left.
    beta, y = frames / flat.shape[1], sizes[0] / (noise_of(noisy.positions) * np.sqrt(flat.shape[1]))
    left = np.sqrt((y**2 - beta - 1) ** 2 - 4 * beta) / y**2
    np.testing.assert_allclose(course, (best - best.mean()) * left, atol=1e-9)
    return found


def test_a_movement_is_shrunk_and_smoothed_as_published_the_less_the_faster_it_is() -> None:
    assert window_of(2) < window_of(6) < window_of(18)


def test_noise_about_a_body_that_does_not_move_is_gone() -> None:
    still = replace(clip(), positions=np.repeat(clip().positions[:1], 100, axis=0))
    smooth = steadied(jittering(still, 0.05))
    assert np.ptp(smooth.positions, axis=0).max() < 1e-9
    assert error(smooth, still) < 1.5 * 0.05 / np.sqrt(100)


def test_gaps_stay_gaps() -> None:
    noisy = jittering(clip(), 0.03)
    positions = noisy.positions.copy()
    positions[np.random.default_rng(1).random(positions.shape[:2]) < 0.2] = np.nan
    positions[40:50] = np.nan
    positions[:, 3] = np.nan
    gappy = replace(noisy, positions=positions)
    smooth = steadied(gappy)
    assert np.array_equal(np.isnan(smooth.positions), np.isnan(positions))
    assert error(smooth, clip()) < 0.6 * 0.03


@pytest.mark.parametrize("frames", [1, 4, 5, 8])
def test_clips_of_a_few_frames(frames: int) -> None:
    noisy = jittering(clip(), 0.05)
    short = replace(noisy, positions=noisy.positions[:frames])
    smooth = steadied(short)
    assert smooth.positions.shape == short.positions.shape and np.isfinite(smooth.positions).all()
    assert (smooth is short) == (frames < 5), "fewer than five frames do not tell noise from movement"


def test_a_clip_without_any_position_is_left_alone() -> None:
    person = clip()
    empty = replace(person, positions=np.full_like(person.positions, np.nan))
    assert steadied(empty) is empty and np.isnan(noise_of(empty.positions))


def test_the_size_of_the_world_does_not_matter() -> None:
    noisy = jittering(clip(), 0.03)
    large = replace(noisy, positions=noisy.positions * 100)
    np.testing.assert_allclose(steadied(large).positions, 100 * steadied(noisy).positions, rtol=1e-9)


def test_a_jittering_clip_is_still_understood() -> None:
    model: SkeletonLLM = sk.load_model()
    still, noisy = clip(), jittering(clip(), 0.05)
    assert model.label(still).text == model.label(noisy).text == "wave left hand"
    assert any("left hand" in fact for fact in model.caption(noisy).facts)
    np.testing.assert_array_equal(model.render(noisy).detach().numpy(), model.render(steadied(noisy)).detach().numpy())
