"""Curves over time: keyframes, steps, oscillations and slow noise, all evaluated for every frame at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def keyframes(times: Sequence[float] | np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Smooth curves through keyframes that never overshoot; constant before the first and after the last key.

    Source: F. N. Fritsch and R. E. Carlson, "Monotone piecewise cubic interpolation", SIAM J. Numer. Anal. 17 (1980),
    with the harmonic-mean slopes of Fritsch and Butland (1984): a key that is an extreme is passed at rest.

    Args:
        times: (K,) s, increasing, K ≥ 1.
        values: (K, C) values at the keys.
        at: (T,) s.

    Returns:
        (T, C).
    """
    times = np.asarray(times, dtype=np.float64)
    if len(times) == 1:
        return np.broadcast_to(values[0], (len(at), values.shape[1])).copy()
    widths = np.maximum(np.diff(times), 1e-6)[:, None]
    secants = np.diff(values, axis=0) / widths
    slopes = np.zeros_like(values)
    if len(times) > 2:
        before, after = secants[:-1], secants[1:]
        both = before * after
        first, second = 2 * widths[1:] + widths[:-1], widths[1:] + 2 * widths[:-1]
        safe = both > 0
        slopes[1:-1] = np.where(
            safe, (first + second) * both / np.where(safe, first * after + second * before, 1.0), 0.0
        )
    spot = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    width = widths[spot]
    u = np.clip((at - times[spot])[:, None] / width, 0.0, 1.0)
    rise = u * u * (3 - 2 * u)
    return (
        values[spot]
        + rise * (values[spot + 1] - values[spot])
        + width * (u * (1 - u) ** 2 * slopes[spot] - u * u * (1 - u) * slopes[spot + 1])
    )


def window(start: float, end: float, at: np.ndarray, fade: float = 0.25) -> np.ndarray:
    """(T,) 0 → 1 → 0: on from `start` to `end` [s], with smooth edges of `fade` seconds inside the interval."""
    fade = max(min(fade, 0.5 * (end - start)), 1e-6)
    u = np.clip(np.minimum(at - start, end - at) / fade, 0.0, 1.0)
    return u * u * (3 - 2 * u)


def smoothstep(u: np.ndarray) -> np.ndarray:
    """0 → 1 with no slope at either end; clipped outside 0..1."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * (3 - 2 * u)


def wander(rng: np.random.Generator, at: np.ndarray, amplitudes: np.ndarray, low: float = 0.1, high: float = 0.9):
    """(T, C) slow aperiodic drift of standard deviation `amplitudes` (C,): three sines a channel, `low`–`high` Hz."""
    count = len(amplitudes)
    hertz = rng.uniform(low, high, (3, count))
    phase = rng.uniform(0, 2 * np.pi, (3, count))
    weights = np.array([1.0, 0.7, 0.5])[:, None] / np.sqrt(1.74 / 2)
    waves = np.sin(2 * np.pi * hertz[:, None] * at[None, :, None] + phase[:, None])
    return (weights[:, None] * waves).sum(axis=0) * amplitudes


def smoothed(values: np.ndarray, frames: float) -> np.ndarray:
    """(T, ...) values blurred along time by a Gaussian of `frames` standard deviation; the ends are held."""
    reach = int(np.ceil(2.5 * frames))
    if reach < 1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    kernel /= kernel.sum()
    flat = values.reshape(len(values), -1)
    padded = np.concatenate([np.repeat(flat[:1], reach, 0), flat, np.repeat(flat[-1:], reach, 0)])
    columns = [np.convolve(padded[:, column], kernel, mode="valid") for column in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(values.shape)


def dilated(values: np.ndarray, frames: int) -> np.ndarray:
    """(T,) the largest value within `frames` frames before and after."""
    if frames < 1:
        return values
    padded = np.pad(values, frames, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * frames + 1).max(axis=-1)
