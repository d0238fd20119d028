"""Key frames of glTF animations → values at evenly spaced moments.

Source: Khronos Group, "glTF 2.0 Specification", section 3.11 and appendix C (interpolation modes).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.motion import rotation

INTERPOLATIONS = ("LINEAR", "STEP", "CUBICSPLINE")

_SLOWEST_BAKED = 9.99
"""Keys at an even distance are frames, one by one, from so many a second on; slower ones are poses to move between."""

_USUAL = (30.0, 24.0, 25.0, 60.0, 50.0, 48.0, 120.0, 100.0, 240.0)
_BROADCAST = (24000 / 1001, 30000 / 1001, 60000 / 1001, 120000 / 1001)
OTHERWISE = 60.0
"""The rate at which keys are sampled that lie on the frames of no usual rate."""

_OFF_GRID = 0.02
"""So much of a frame may a key lie beside its grid: times are float32, and tools round them."""


def baked_rate(times: Sequence[np.ndarray]) -> float | None:
    """Frames a second of an animation with a key on every frame; None of one with keys only where poses change.

    Args:
        times: ascending key times [s] of each sampler.
    """
    keys = _keys(times)
    if len(keys) < 2:
        return None
    rate = (len(keys) - 1) / float(keys[-1] - keys[0])
    return _rounded(rate) if rate >= _SLOWEST_BAKED and _on_frames(keys, rate) else None


def sparse_rate(times: Sequence[np.ndarray], first: Sequence[float]) -> float | None:
    """The usual rate on whose frames the keys of an animation lie; None where there is none.

    Args:
        times: ascending key times [s] of each sampler.
        first: rates to be tried before the others.
    """
    keys = _keys(times)
    return next((rate for rate in (*first, *_USUAL) if _on_frames(keys, rate)), None)


def _keys(times: Sequence[np.ndarray]) -> np.ndarray:
    """All key times, once each; those that differ by float32 rounding alone are one."""
    keys = np.unique(np.concatenate(times))
    return keys[np.concatenate([[True], np.diff(keys) > max(1e-6, 1e-6 * float(keys[-1]))])]


def _on_frames(keys: np.ndarray, rate: float) -> bool:
    frames = (keys - keys[0]) * rate
    rounding = rate * float(np.spacing(np.float32(np.abs(keys).max())))
    return bool(np.abs(frames - frames.round()).max() < _OFF_GRID + rounding)


def _rounded(rate: float) -> float:
    """A rate without the rounding of float32 times."""
    for usual in (float(round(rate)), *_BROADCAST):
        if abs(rate / usual - 1) < 2e-5:
            return usual
    return rate


def sampled(times: np.ndarray, values: np.ndarray, interpolation: str, moments: np.ndarray, turns: bool) -> np.ndarray:
    """(T, C) values at (T,) moments [s]; before the first key and after the last they hold.

    Args:
        times: (K,) ascending [s], K ≥ 1.
        values: (K, C), or for CUBICSPLINE (3K, C): in-tangent, value, out-tangent of each key.
        interpolation: one of `INTERPOLATIONS`.
        moments: ascending.
        turns: the values are quaternions: they take the shortest way, at even speed, and come out with unit length.
    """
    step = float(moments[1] - moments[0]) if len(moments) > 1 else 0.0
    # A key that float32 has put just after its moment counts as reached.
    left = np.clip(np.searchsorted(times, moments + _OFF_GRID * step, side="right") - 1, 0, len(times) - 1)
    right = np.minimum(left + 1, len(times) - 1)
    if interpolation == "STEP" or len(times) == 1:
        found = values[3 * left + 1] if interpolation == "CUBICSPLINE" else values[left]
        return rotation.normalize(found) if turns else found
    length = times[right] - times[left]
    share = np.clip((moments - times[left]) / np.where(length > 0, length, 1.0), 0.0, 1.0)[:, None]
    if interpolation == "CUBICSPLINE":
        u, span = share, length[:, None]
        found = (
            (2 * u**3 - 3 * u**2 + 1) * values[3 * left + 1]
            + span * (u**3 - 2 * u**2 + u) * values[3 * left + 2]
            + (3 * u**2 - 2 * u**3) * values[3 * right + 1]
            + span * (u**3 - u**2) * values[3 * right]
        )
        return rotation.normalize(found) if turns else found
    if turns:
        return _slerp(rotation.normalize(values[left]), rotation.normalize(values[right]), share)
    return values[left] * (1 - share) + values[right] * share


def _slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(T, 4) between unit quaternions (K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985)."""
    cosine = (a * b).sum(-1, keepdims=True)
    b = np.where(cosine < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    first = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
    second = np.where(near, share, np.sin(share * angle) / safe)
    return rotation.normalize(first * a + second * b)
