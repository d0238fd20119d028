"""Recordings that jitter: the noise of a sensor is measured, and smoothed away as far as the movement allows."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skeletonllm_core.motion.motion import Keypoints, Person
from skeletonllm_core.motion.tracks import across_gaps

LEAST = 0.004
"""Noise from which a clip is smoothed [lengths of the box around the body]: 0.8 cm of a standing body. Motion capture and
depth cameras that smooth by themselves measured up to 0.3 cm."""

WINDOWS = (5, 7, 9, 13, 17, 23, 31)
"""Frames that a local cubic is fitted to."""


def steadied(person: Person) -> Person:
    """The person without jitter: itself, or its movement smoothed where its joints jump from frame to frame.

    Joints move together, noise does not: the movement is split into principal components; those that noise explains are
    left out, the others shrunk and smoothed, each over the window of the least expected error. Gaps stay gaps.

    Source: M. Gavish, D. L. Donoho, "Optimal shrinkage of singular values", IEEE Transactions on Information Theory 63
    (2017), for squared error; A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least
    squares procedures", Analytical Chemistry 36 (1964); C. Stein, "Estimation of the mean of a multivariate normal
    distribution", Annals of Statistics 9 (1981), for the expected error.
    """
    positions = person.joint_positions()
    sigma = noise_of(positions)
    box = np.linalg.norm(np.nanmax(positions, 1, initial=-np.inf) - np.nanmin(positions, 1, initial=np.inf), axis=-1)
    size = np.median(box[np.isfinite(box)]) if np.isfinite(box).any() else np.inf
    if not sigma > LEAST * size:
        return person
    return Keypoints(person.topology, _smoothed(positions, sigma), person.fps, person.name)


def noise_of(positions: np.ndarray) -> float:
    """Standard deviation [units of the positions] of noise that is independent in every frame; NaN where none can be known.

    From the fourth differences, in which movements vanish and noise of variance 1 has 70; the median minds no rare jumps.

    Args:
        positions: (n, J, 3), NaN = missing.
    """
    differences = np.abs(np.diff(positions, n=4, axis=0))
    known = differences[np.isfinite(differences)]
    return float(np.median(known) / 0.6745 / np.sqrt(70)) if len(known) else float("nan")


def _smoothed(positions: np.ndarray, sigma: float) -> np.ndarray:
    """(n, J, 3) positions without noise of standard deviation `sigma`."""
    known = np.isfinite(positions).all(-1)
    there = known.any(0)
    paths = np.stack([across_gaps(positions[:, joint], known[:, joint]) for joint in np.flatnonzero(there)], axis=1)
    flat = paths.reshape(len(paths), -1)
    mean = flat.mean(0)
    times, sizes, poses = np.linalg.svd(flat - mean, full_matrices=False)
    left = _shrunk(sizes, flat.shape, sigma)
    moved = left > 0
    courses = [_steady_course(course, sigma) for course in (times * sizes)[:, moved].T]
    steady = np.reshape(courses, (len(courses), len(flat))).T * (left / sizes)[moved] @ poses[moved]
    smooth = np.full_like(positions, np.nan)
    smooth[:, there] = (mean + steady).reshape(paths.shape)
    smooth[~known] = np.nan
    return smooth


def _shrunk(sizes: np.ndarray, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Singular values of a matrix of this shape without what noise adds to them; 0 where noise explains them."""
    aspect, unit = min(shape) / max(shape), sigma * np.sqrt(max(shape))
    found = np.maximum(sizes / unit, 1 + np.sqrt(aspect))
    own = np.sqrt(np.maximum((found**2 - aspect - 1) ** 2 - 4 * aspect, 0)) / found
    return np.where(sizes > unit * (1 + np.sqrt(aspect)), unit * own, 0.0)


def _steady_course(course: np.ndarray, sigma: float) -> np.ndarray:
    """(n,) values over time, smoothed over the best window or left as they are."""
    best, least = course, 2 * sigma**2
    for window in WINDOWS:
        if window > len(course):
            break
        hat = _hat(window)
        smooth = _fitted(course, hat)
        error = float(np.mean((smooth - course) ** 2)) + 2 * sigma**2 * hat[window // 2, window // 2]
        if error < least:
            best, least = smooth, error
    return best


@cache
def _hat(window: int) -> np.ndarray:
    """(window, window) values → their least-squares cubic at the same places."""
    powers = np.vander(np.linspace(-1, 1, window), 4)
    return powers @ np.linalg.pinv(powers)


def _fitted(values: np.ndarray, hat: np.ndarray) -> np.ndarray:
    """(n,) each value replaced by the cubic around it; at the ends by the first and the last cubic."""
    half = len(hat) // 2
    inside = sliding_window_view(values, len(hat)) @ hat[half]
    return np.concatenate([hat[:half] @ values[: len(hat)], inside, hat[half + 1 :] @ values[-len(hat) :]])
