"""Feet that stand stay where they stand: when a foot is in contact, and the leg that reaches it (two-bone IK)."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.tracks import runs, smoothed

STILL = 0.2
"""A joint stands while it moves slower than this many leg lengths a second."""

_SHORTEST = 0.1
"""Rests shorter than this [s] are turning points of a swing."""

_BLEND = 0.2
"""A correction comes and goes within this time [s] beside the contact."""

_STRETCH = 1 - 1e-6
"""A knee is never stretched further than this share of the leg, which keeps its plane known."""


def contacts(track: np.ndarray, fps: float, leg: float) -> np.ndarray:
    """(T,) bool: whether a joint stands.

    Args:
        track: (T, 3) [m].
        fps: frames a second.
        leg: length of the leg [m].
    """
    if len(track) < 2:
        return np.ones(len(track), bool)
    pace = np.linalg.norm(np.gradient(smoothed(track, 0.02 * fps), axis=0), axis=-1) * fps
    standing = np.zeros(len(track), bool)
    for start, end in runs(pace < STILL * leg, least=max(2, round(_SHORTEST * fps))):
        standing[start:end] = True
    return standing


def correction(drifts: list[np.ndarray], standing: list[np.ndarray], fps: float) -> np.ndarray:
    """(T, 3) [m] what a foot must be moved by, so that whichever of its joints stands keeps to its path.

    Args:
        drifts: of each joint of the foot (ankle, toes) the (T, 3) [m] by which it is off its path, up to a constant.
        standing: (T,) bool of each, the first that stands is kept.
        fps: frames a second.
    """
    frames = len(drifts[0])
    result = np.zeros((frames, 3))
    anchored = np.zeros(frames, bool)
    for start, end in runs(np.any(standing, axis=0)):
        # Heel first, then toes: each joint is held while it stands, and hands over where it is.
        steps = np.zeros((end - start, 3))
        for drift, one in zip(drifts[::-1], standing[::-1], strict=True):
            held = one[start : end - 1] & one[start + 1 : end]
            steps[1:][held] = np.diff(drift[start:end], axis=0)[held]
        walked = np.cumsum(steps, axis=0)
        result[start:end] = np.median(walked, axis=0) - walked
        anchored[start:end] = True
    if not anchored.any() or not np.abs(result).max() > 0:
        return result
    blend = max(1, round(_BLEND * fps))
    index = np.flatnonzero(anchored)
    for gap_start, gap_end in runs(~anchored):
        before = result[gap_start - 1] if gap_start > index[0] else np.zeros(3)
        after = result[gap_end] if gap_end < frames else np.zeros(3)
        place = np.arange(gap_start, gap_end)
        result[gap_start:gap_end] = (
            _fade((place - gap_start + 1) / blend)[:, None] * before + _fade((gap_end - place) / blend)[:, None] * after
        )
    return result


def _fade(share: np.ndarray) -> np.ndarray:
    """1 at 0, 0 from 1 on, smooth at both."""
    share = np.clip(share, 0, 1)
    return 1 - share * share * (3 - 2 * share)


def two_bone_turns(
    hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, goal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """World rotations to put in front of a thigh's and a shin's, so that the ankle comes to the goal.

    The knee bends by the law of cosines, in the plane in which it bends already; a goal out of reach is reached for.

    Args:
        hip, knee, ankle: (T, 3) [m] joints as they are.
        goal: (T, 3) [m] where the ankle should be.

    Returns:
        (T, 4) for the thigh and (T, 4) for the shin.
    """
    thigh, shin = np.linalg.norm(knee - hip, axis=-1), np.linalg.norm(ankle - knee, axis=-1)
    reach = np.linalg.norm(goal - hip, axis=-1)
    reach = np.clip(reach, np.abs(thigh - shin) + 1e-6, np.maximum(_STRETCH * (thigh + shin), 2e-6))
    towards = _unit(goal - hip)
    swing = rotation.between(ankle - hip, towards)
    bend = rotation.rotate(swing, knee - hip)
    bend = bend - (bend * towards).sum(-1, keepdims=True) * towards
    bend = _known_plane(bend, thigh, towards)
    cosine = np.clip((thigh**2 + reach**2 - shin**2) / np.maximum(2 * thigh * reach, 1e-12), -1, 1)
    sine = np.sqrt(1 - cosine**2)
    new_knee = hip + thigh[:, None] * (cosine[:, None] * towards + sine[:, None] * bend)
    first = rotation.between(knee - hip, new_knee - hip)
    lower = rotation.rotate(first, ankle - knee)
    second = rotation.between(lower, hip + reach[:, None] * towards - new_knee)
    return first, rotation.multiply(second, first)


def _known_plane(bend: np.ndarray, thigh: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """(T, 3) unit directions in which the knee leaves the leg's line; of a straight leg that of the nearest bent frame."""
    size = np.linalg.norm(bend, axis=-1)
    known = np.flatnonzero(size > 1e-3 * thigh)
    if not len(known):
        known = np.array([int(np.argmax(size))])
    frames = np.arange(len(bend))
    after = np.minimum(np.searchsorted(known, frames), len(known) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(frames - known[before] < np.abs(known[after] - frames), known[before], known[after])
    found = bend[nearest]
    found = found - (found * towards).sum(-1, keepdims=True) * towards
    helper = np.where(np.abs(towards[:, :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    spare = np.cross(towards, helper)
    return _unit(np.where(np.linalg.norm(found, axis=-1, keepdims=True) > 1e-9, found, spare))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
