"""Recordings that jitter: the noise of a sensor is measured, and smoothed away as far as the movement of each joint allows."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skeletonllm_core.motion.motion import Keypoints, Person

LEAST = 0.004
"""Noise from which a clip is smoothed [lengths of the box around the body]: 0.8 cm of a standing body. Motion capture and
depth cameras that smooth by themselves measured up to 0.3 cm."""

WINDOWS = (5, 7, 9, 13, 17, 23, 31)
"""Frames that a local cubic is fitted to."""


def steadied(person: Person) -> Person:
    """The person without jitter: itself, or its joints smoothed where they jump from frame to frame.

    Every joint gets the window of the least expected error under the measured noise. Gaps stay gaps.

    Source: A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least squares procedures",
    Analytical Chemistry 36 (1964); C. Stein, "Estimation of the mean of a multivariate normal distribution", Annals of
    Statistics 9 (1981), for the expected error.
    """
    positions = person.joint_positions()
    sigma = noise_of(positions)
    box = np.linalg.norm(np.nanmax(positions, 1, initial=-np.inf) - np.nanmin(positions, 1, initial=np.inf), axis=-1)
    size = np.median(box[np.isfinite(box)]) if np.isfinite(box).any() else np.inf
    if not sigma > LEAST * size:
        return person
    smooth = np.stack([_smoothed(positions[:, joint], sigma) for joint in range(positions.shape[1])], axis=1)
    return Keypoints(person.topology, smooth, person.fps, person.name)


def noise_of(positions: np.ndarray) -> float:
    """Standard deviation [units of the positions] of noise that is independent in every frame; NaN where none can be known.

    From the fourth differences, in which movements vanish and noise of variance 1 has 70; the median minds no rare jumps.

    Args:
        positions: (n, J, 3), NaN = missing.
    """
    differences = np.abs(np.diff(positions, n=4, axis=0))
    known = differences[np.isfinite(differences)]
    return float(np.median(known) / 0.6745 / np.sqrt(70)) if len(known) else float("nan")


def _smoothed(path: np.ndarray, sigma: float) -> np.ndarray:
    """(n, 3) positions of one joint, smoothed."""
    known = np.isfinite(path).all(-1)
    if not known.any():
        return path
    frames = np.arange(len(path))
    whole = np.stack([np.interp(frames, frames[known], path[known, axis]) for axis in range(3)], -1)
    best, least = whole, 2 * sigma**2
    for window in WINDOWS:
        if window > len(path):
            break
        hat = _hat(window)
        smooth = _fitted(whole, hat)
        error = float(np.mean((smooth - whole)[known] ** 2)) + 2 * sigma**2 * hat[window // 2, window // 2]
        if error < least:
            best, least = smooth, error
    return np.where(known[:, None], best, np.nan)


@cache
def _hat(window: int) -> np.ndarray:
    """(window, window) values → their least-squares cubic at the same places."""
    powers = np.vander(np.linspace(-1, 1, window), 4)
    return powers @ np.linalg.pinv(powers)


def _fitted(whole: np.ndarray, hat: np.ndarray) -> np.ndarray:
    """(n, 3) each value replaced by the cubic around it; at the ends by the first and the last cubic."""
    half = len(hat) // 2
    inside = sliding_window_view(whole, len(hat), axis=0) @ hat[half]
    return np.concatenate([hat[:half] @ whole[: len(hat)], inside, hat[half + 1 :] @ whole[-len(hat) :]])
