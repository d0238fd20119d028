"""Scores of sliding windows → segments with one label each."""

from __future__ import annotations

import numpy as np

SWITCH_COST = 2.5
"""What a change of label costs, in nats, so that a single doubtful window does not cut a segment in two."""


def window_starts(length: float, window: float, hop: float = 0.5) -> tuple[np.ndarray, float]:
    """Starts [s] of windows that cover a clip, evenly spread about `hop` apart; one window for a short clip."""
    if length <= window * 1.25:
        return np.zeros(1), length
    count = int(np.ceil((length - window) / hop)) + 1
    starts = np.linspace(0.0, length - window, count)
    return starts, float(starts[1] - starts[0])


def merged_segments(
    scores: np.ndarray, starts: np.ndarray, hop: float, window: float, length: float
) -> list[tuple[float, float, int, float]]:
    """The most likely sequence of labels with few changes (Viterbi), as segments.

    Source: A. Viterbi, "Error bounds for convolutional codes", IEEE Trans. Inf. Theory 13 (1967).

    Args:
        scores: (W, C) score of each candidate in each window, 0 to 1.
        starts: (W,) [s], `hop` [s] apart.
        window: length of a window [s].
        length: of the clip [s].

    Returns:
        (start [s], end [s], candidate, mean score), in order, without gaps.
    """
    emission = np.log(np.clip(scores, 1e-4, 1.0))
    best = emission[0].copy()
    cames = []
    for row in emission[1:]:
        stay, change = best, best.max() - SWITCH_COST
        came = np.where(stay >= change, np.arange(len(best)), int(best.argmax()))
        best = np.maximum(stay, change) + row
        cames.append(came)
    path = [int(best.argmax())]
    for came in reversed(cames):
        path.append(int(came[path[-1]]))
    path.reverse()
    segments = []
    first = 0
    for index in range(1, len(path) + 1):
        if index == len(path) or path[index] != path[first]:
            # Two windows of different labels meet halfway between their centres.
            start = 0.0 if first == 0 else float(starts[first] + window / 2 - hop / 2)
            end = length if index == len(path) else float(starts[index] + window / 2 - hop / 2)
            segments.append((start, end, path[first], float(scores[first:index, path[first]].mean())))
            first = index
    return segments
