"""The model's scores of candidate texts, and which texts are new to it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from skeletonllm_core.model.lexicon import candidate_scores, match
from skeletonllm_core.motion.motion import Person
from skeletonllm_core.pipeline import SkeletonLLM, label_probabilities
from skeletonllm_core.train.tasks import learned_label


def scores_of(model: SkeletonLLM, person: Person, lists: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """(number of candidates,) scores for each list of candidates, as `label` gives them; the clip is looked at once."""
    if model.model.open_text:
        return [_labelled(model, person, candidates) for candidates in lists]
    likelihoods = model.likelihoods(model.subject(person))
    probabilities = label_probabilities(likelihoods, model.calibration.temperature)
    return [candidate_scores(probabilities, model.trained_labels, candidates) for candidates in lists]


def pictures_alone(model: SkeletonLLM) -> SkeletonLLM:
    """The same model, asked without the measured facts."""
    alone = copy(model)
    alone.facts = False
    return alone


def _labelled(model: SkeletonLLM, person: Person, candidates: Sequence[str]) -> np.ndarray:
    answer = model.label(person, list(candidates), top=len(candidates))
    found = {answer.text: answer.score, **{one.text: one.score for one in answer.alternatives}}
    return np.array([found[text] for text in candidates])


def closeness(model: SkeletonLLM, label: str) -> float:
    """How near the nearest label that the model has learned comes to this one, 0 to 1; 1: the same but for wording."""
    learned = learned_label(label) or label
    return max((match(text, trained) for text in (label, learned) for trained in model.trained_labels), default=0.0)


def is_trained(model: SkeletonLLM, label: str) -> bool:
    """Whether the model has learned this label, in this or in other words for it."""
    return closeness(model, label) == 1.0
