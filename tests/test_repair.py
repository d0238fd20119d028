"""Short gaps are bridged before a clip is looked at; long ones stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.repair import bridged, repaired
from skeletonllm_core.motion.steadying import noise_of, steadied
from skeletonllm_core.motion.tracks import MAX_GAP_S
from skeletonllm_core.pipeline import SkeletonLLM
from skeletonllm_core.train.procedural import make_motion


def clip(action: str = "wave left hand") -> Keypoints:
    return make_motion(action, "cmu", seed=910_000).keypoints()


def with_gaps(person: Keypoints, share: float, *, frames: bool = False) -> Keypoints:
    """A share of all places is missing; of whole frames, the first and the last one aside, with `frames`."""
    positions = person.positions.copy()
    gone = np.random.default_rng(0).random(positions.shape[: 1 if frames else 2]) < share
    if frames:
        gone[[0, -1]] = False
    positions[gone] = np.nan
    return replace(person, positions=positions)


def test_what_has_no_gaps_stays_as_it_is() -> None:
    motion = make_motion("walk", "cmu", seed=910_000)
    assert bridged(motion) is motion and repaired(motion) is motion
    person = motion.keypoints()
    assert bridged(person) is person and repaired(person) is person


def test_a_gap_becomes_a_straight_line() -> None:
    person = clip()
    positions = person.positions.copy()
    positions[10:13, 4] = np.nan
    gappy = replace(person, positions=positions)
    filled = bridged(gappy)
    expected = np.linspace(positions[9, 4], positions[13, 4], 5)[1:-1]
    np.testing.assert_allclose(filled.positions[10:13, 4], expected)
    whole = np.isfinite(positions)
    np.testing.assert_array_equal(filled.positions[whole], positions[whole])
    assert (filled.topology, filled.fps, filled.name) == (gappy.topology, gappy.fps, gappy.name)
    assert np.isnan(gappy.positions[10:13, 4]).all(), "what was given is not changed"


@pytest.mark.parametrize("fps", [15.0, 30.0, 120.0])
def test_long_gaps_and_gaps_at_the_ends_stay(fps: float) -> None:
    longest = round(MAX_GAP_S * fps)
    positions = np.random.default_rng(0).normal(size=(4 * longest + 20, 5, 3))
    positions[5 : 5 + longest, 0] = np.nan
    positions[5 : 6 + longest, 1] = np.nan
    positions[:2, 2] = np.nan
    positions[-2:, 3] = np.nan
    positions[:, 4] = np.nan
    person = Keypoints.from_arrays(positions, list("abcde"), [-1, 0, 1, 2, 3], fps)
    filled = bridged(person).positions
    assert np.isfinite(filled[:, 0]).all()
    assert np.array_equal(np.isnan(filled[:, 1:]), np.isnan(positions[:, 1:]))


def test_jitter_is_measured_before_gaps_are_bridged() -> None:
    person = clip()
    noisy = replace(
        person, positions=person.positions + np.random.default_rng(1).normal(0, 0.05, person.positions.shape)
    )
    gappy = with_gaps(noisy, 0.3)
    assert noise_of(bridged(gappy).positions) < 0.8 * noise_of(gappy.positions), "bridges do not jitter"
    mended = repaired(gappy)
    assert np.isfinite(mended.positions[1:-1]).mean() > 0.99
    np.testing.assert_array_equal(mended.positions, bridged(steadied(gappy)).positions)


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize("action", ["walk", "run", "wave left hand", "jump", "kick"])
def test_half_of_the_places_missing_now_and_then_changes_little(action: str, frames: bool) -> None:
    whole = clip(action)
    mended = repaired(with_gaps(whole, 0.5, frames=frames))
    known = np.isfinite(mended.positions)
    assert known.mean() > 0.95
    assert np.sqrt(np.mean((mended.positions[known] - whole.positions[known]) ** 2)) < 0.02
    kinds = [{fact.split()[0] for fact in measure(person).sentences()} for person in (whole, mended)]
    assert len(kinds[0] & kinds[1]) >= 0.6 * len(kinds[0] | kinds[1])


def test_a_flickering_clip_is_still_understood() -> None:
    model: SkeletonLLM = sk.load_model()
    for action in ("wave left hand", "walk", "squat"):
        whole, gappy = clip(action), with_gaps(clip(action), 0.5)
        assert model.label(whole).text == model.label(gappy).text == action
        np.testing.assert_array_equal(
            model.render(gappy).detach().numpy(), model.render(repaired(gappy)).detach().numpy()
        )
