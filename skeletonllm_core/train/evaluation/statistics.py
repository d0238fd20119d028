"""Figures with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

RESAMPLES = 1000
"""Of a bootstrap."""

BINS = 15
"""Of the calibration error."""


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval and how many clips (or draws, or seeds) it rests on."""

    value: float
    low: float
    high: float
    count: int


def share(right: Sequence[bool] | np.ndarray) -> Figure:
    """The share of True, with the Wilson interval.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    z, count = 1.959964, len(right)
    value = float(np.mean(right))
    centre = (value + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(value * (1 - value) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    # Rounding may push a bound past the value, or past 0 or 1.
    low, high = max(float(centre - half), 0.0), min(float(centre + half), 1.0)
    return Figure(value, min(low, value), max(high, value), count)


def mean_over_runs(values: Sequence[float]) -> Figure:
    """The mean of independent runs (seeds, draws), with Student's interval; one run alone has none (NaN)."""
    given = np.asarray(values, dtype=np.float64)
    if len(given) < 2:
        return Figure(float(given.mean()), float("nan"), float("nan"), len(given))
    half = float(student.ppf(0.975, len(given) - 1) * given.std(ddof=1) / np.sqrt(len(given)))
    return Figure(float(given.mean()), float(given.mean()) - half, float(given.mean()) + half, len(given))


def bootstrapped(measure: Callable[[np.ndarray], float], count: int, seed: int, resamples: int = RESAMPLES) -> Figure:
    """A measure of clips, with the percentile interval of the bootstrap over clips.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979).

    Args:
        measure: of the clips with these numbers; NaN where they do not tell.
        count: of clips.
        seed: of the draws.
        resamples: how many draws.
    """
    chance = np.random.default_rng([seed, count])
    drawn = np.array([measure(chance.integers(count, size=count)) for _ in range(resamples)])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Figure(float(measure(np.arange(count))), float(low), float(high), count)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error in 15 equal bins: |accuracy - confidence|, weighted by the clips of a bin.

    Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for one in np.unique(bins):
        inside = bins == one
        error += inside.mean() * abs(float(right[inside].mean()) - float(confidence[inside].mean()))
    return float(error)


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """How often a known clip scores above an unknown one; 0.5 is chance, NaN where one kind is missing.

    Source: H. B. Mann, D. R. Whitney, "On a test of whether one of two random variables is stochastically larger than the
    other", Annals of Mathematical Statistics 18 (1947).
    """
    if not len(known) or not len(unknown):
        return float("nan")
    ranks = rankdata(np.concatenate([known, unknown]))[: len(known)]
    return float((ranks.sum() - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown)))


def accuracy_at(coverage: float, confidence: np.ndarray, right: np.ndarray) -> float:
    """Accuracy on the given share of clips, the surest first."""
    kept = max(1, round(coverage * len(right)))
    return float(right[np.argsort(-confidence, kind="stable")][:kept].mean())


def area_under_risk(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean share of errors over all coverages, the surest clips first; lower is better.

    Source: Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017.
    """
    wrong = ~right[np.argsort(-confidence, kind="stable")]
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())
