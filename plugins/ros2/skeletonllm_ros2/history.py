"""What a body did in the last seconds: named values with irregular stamps, read out at even steps."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SECOND = 1_000_000_000
"""Stamps are whole nanoseconds, as ROS counts them."""

MOST_ROWS = 16_384
"""Messages that are kept of one body at most, whatever their rate."""


class _Row(NamedTuple):
    stamp: int
    names: tuple[str, ...]
    values: np.ndarray


class History:
    """The latest values of one body, oldest first.

    Args:
        seconds: how far back it reaches [s].
    """

    def __init__(self, seconds: float) -> None:
        self._reach = int(seconds * SECOND)
        self._rows: deque[_Row] = deque(maxlen=MOST_ROWS)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def newest(self) -> int | None:
        """The latest stamp [ns], None where there is nothing."""
        return self._rows[-1].stamp if self._rows else None

    @property
    def rate(self) -> float:
        """Messages a second."""
        span = self._rows[-1].stamp - self._rows[0].stamp if self._rows else 0
        return (len(self._rows) - 1) * SECOND / span if span else 0.0

    def clear(self) -> None:
        self._rows.clear()

    def add(self, stamp: int, names: Sequence[str], values: np.ndarray) -> None:
        """Adds one message, in the place of its stamp; what is older than the reach is let go.

        Args:
            stamp: [ns].
            names: of the D values; different messages may name different ones.
            values: (D,) or (D, W); NaN = missing.
        """
        row = _Row(stamp, tuple(names), values)
        if self._rows and stamp < self._rows[-1].stamp:
            rows = list(self._rows)
            insort(rows, row, key=lambda one: one.stamp)
            self._rows = deque(rows, maxlen=MOST_ROWS)
        else:
            self._rows.append(row)
        oldest = self._rows[-1].stamp - self._reach
        while self._rows[0].stamp < oldest:
            self._rows.popleft()

    def window(self, start: int, end: int, fps: float, *, angles: bool) -> tuple[tuple[str, ...], np.ndarray]:
        """The values at even steps, linear between messages; before its first and after its last one a value is held.

        Args:
            start, end: first and last moment [ns].
            fps: steps a second.
            angles: values are angles, and the shorter way is taken from one to the next (a jump over ±π is none).

        Returns:
            names of the D values seen between start and end, and (T, D) or (T, D, W) values without NaN.
        """
        found: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {}
        groups: dict[tuple[str, ...], list[_Row]] = {}
        for row in self._rows:
            if start <= row.stamp <= end:
                groups.setdefault(row.names, []).append(row)
        for names, rows in groups.items():
            stamps = np.array([row.stamp - start for row in rows], dtype=np.float64)
            stacked = np.stack([row.values for row in rows])
            for column, name in enumerate(names):
                values = stacked[:, column]
                seen = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(-1)
                if seen.any():
                    times, parts = found.setdefault(name, ([], []))
                    times.append(stamps[seen])
                    parts.append(values[seen])
        count = round((end - start) / SECOND * fps) + 1
        steps = np.linspace(0, end - start, count)
        if not found:
            return (), np.zeros((count, 0))
        return tuple(found), np.stack([_even(*parts, steps, angles) for parts in found.values()], 1)


def _even(times: list[np.ndarray], parts: list[np.ndarray], steps: np.ndarray, angles: bool) -> np.ndarray:
    """(T,) or (T, W) values at `steps` of one name."""
    stamps, values = np.concatenate(times), np.concatenate(parts)
    if len(times) > 1:
        order = np.argsort(stamps, kind="stable")
        stamps, values = stamps[order], values[order]
    if values.ndim == 1:
        return np.interp(steps, stamps, np.unwrap(values) if angles else values)
    return np.stack([np.interp(steps, stamps, column) for column in values.T], -1)
