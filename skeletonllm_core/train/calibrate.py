"""Choose the temperature of the label scores and the reject threshold, on the validation split alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.model.checkpoint import Calibration
from skeletonllm_core.model.lexicon import candidate_scores, match
from skeletonllm_core.motion.canonical import prepare
from skeletonllm_core.pipeline import SkeletonLLM, label_probabilities
from skeletonllm_core.train.corpus import LabelledClip

TEMPERATURES = np.round(np.geomspace(0.5, 4.0, 25), 3)


def calibrate(model: SkeletonLLM, clips: Sequence[LabelledClip]) -> Calibration:
    """Fit the calibration.

    Temperature: the one under which the true labels are likeliest, among each source's own labels.
    Threshold: the best score of a clip whose true label is among the candidates should lie above it, that of a clip
    whose label was taken away (with everything that matches it) below; both errors count alike.

    Args:
        model: judged as in use, through its own likelihoods.
        clips: of the validation split.
    """
    own = {
        source: sorted({clip.label for clip in clips if clip.source == source}) for source in {c.source for c in clips}
    }
    likelihoods = [model.likelihoods(prepare([clip.person])[0]) for clip in clips]
    best, least = 1.0, np.inf
    for temperature in TEMPERATURES:
        loss = 0.0
        for clip, likely in zip(clips, likelihoods, strict=True):
            scores = candidate_scores(label_probabilities(likely, temperature), model.trained_labels, own[clip.source])
            loss -= np.log(max(float(scores[own[clip.source].index(clip.label)]), 1e-6))
        if loss < least:
            best, least = float(temperature), loss
    with_truth, without = [], []
    for clip, likely in zip(clips, likelihoods, strict=True):
        probabilities = label_probabilities(likely, best)
        candidates = own[clip.source]
        with_truth.append(candidate_scores(probabilities, model.trained_labels, candidates).max())
        others = [label for label in candidates if match(label, clip.label) == 0]
        if others:
            without.append(candidate_scores(probabilities, model.trained_labels, others).max())
    grid = np.round(np.arange(0.05, 0.96, 0.01), 2)
    errors = [np.mean(np.array(with_truth) < at) + np.mean(np.array(without) >= at) for at in grid]
    return Calibration(best, float(grid[int(np.argmin(errors))]))
