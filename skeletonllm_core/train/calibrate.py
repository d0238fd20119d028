"""Choose the temperature of the label scores and the reject threshold, on the validation split alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.model.checkpoint import Calibration
from skeletonllm_core.model.lexicon import candidate_scores, match
from skeletonllm_core.pipeline import SkeletonLLM, label_probabilities
from skeletonllm_core.train.corpus import LabelledClip

TEMPERATURES = np.round(np.geomspace(0.5, 4.0, 25), 3)


def calibrate(model: SkeletonLLM, clips: Sequence[LabelledClip]) -> Calibration:
    """Fit the calibration.

    Temperature: the one under which the true labels are likeliest, among each source's own labels. Threshold: the best
    score of a clip whose true label is among the candidates should lie above it, that of a clip whose label was taken
    away (with everything that matches it) below; both errors count alike. So does each source, however many clips it has:
    a large and easy one would make the model too sure of every other.

    Args:
        model: judged as in use, through its own likelihoods.
        clips: of the validation split.
    """
    own = {
        source: sorted({clip.label for clip in clips if clip.source == source}) for source in {c.source for c in clips}
    }
    likelihoods = [
        model.likelihoods(model.subject(clip.person), own[clip.source] if model.model.open_text else None)
        for clip in clips
    ]
    sources = np.array([clip.source for clip in clips])
    best, least = 1.0, np.inf
    for temperature in TEMPERATURES:
        losses = np.empty(len(clips))
        for index, (clip, likely) in enumerate(zip(clips, likelihoods, strict=True)):
            scores = _scores(model, likely, own[clip.source], own[clip.source], temperature)
            losses[index] = -np.log(max(float(scores[own[clip.source].index(clip.label)]), 1e-6))
        loss = _mean(losses, sources)
        if loss < least:
            best, least = float(temperature), loss
    with_truth, without, robbed = [], [], []
    for clip, likely in zip(clips, likelihoods, strict=True):
        candidates = own[clip.source]
        with_truth.append(_scores(model, likely, candidates, candidates, best).max())
        others = [label for label in candidates if match(label, clip.label) == 0]
        if others:
            without.append(_scores(model, likely, candidates, others, best).max())
            robbed.append(clip.source)
    grid = np.round(np.arange(0.05, 0.96, 0.01), 2)
    errors = [
        _mean(np.array(with_truth) < at, sources) + _mean(np.array(without) >= at, np.array(robbed)) for at in grid
    ]
    return Calibration(best, float(grid[int(np.argmin(errors))]))


def _mean(values: np.ndarray, sources: np.ndarray) -> float:
    """The mean over sources of each one's mean; 0 without any value."""
    return float(np.mean([values[sources == source].mean() for source in np.unique(sources)])) if len(values) else 0.0


def _scores(
    model: SkeletonLLM, likelihoods: np.ndarray, known: Sequence[str], candidates: Sequence[str], temperature: float
) -> np.ndarray:
    """(C,) scores of some of the known texts; a model of open text has the likelihoods of the known texts themselves."""
    if model.model.open_text:
        return label_probabilities(likelihoods[:, [known.index(text) for text in candidates]], temperature)
    return candidate_scores(label_probabilities(likelihoods, temperature), model.trained_labels, candidates)
