"""Which trained labels a user's words mean."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.model.lexicon import BROADER, NARROWER, SHARED, SYNONYM, asked_action, candidate_scores, match


@pytest.mark.parametrize(
    ("candidate", "label", "expected"),
    [
        ("walking", "walk", 1.0),
        ("a person is walking", "walk", 1.0),
        ("jog", "jogging", 1.0),
        ("jog", "run", SYNONYM),
        ("wave", "high arm wave", BROADER),
        ("pick up", "pick up and throw", BROADER),
        ("lifting the left arm", "raise up left hand", 1.0),
        ("two hand wave", "wave both hands", 1.0),
        ("leap", "jump", 1.0),
        ("kick a ball", "kick", NARROWER),
        ("side kick", "forward kick", SHARED),
        ("wave left hand", "wave right hand", 0.0),
        ("swim", "walk", 0.0),
        ("xyzzy", "walk", 0.0),
        ("left hand", "wave left hand", 0.0),
        ("stand up", "stand", 0.0),
        ("", "walk", 0.0),
    ],
)
def test_match(candidate: str, label: str, expected: float) -> None:
    assert match(candidate, label) == pytest.approx(expected)


def test_each_label_counts_for_its_best_candidate_only() -> None:
    labels = ["walk", "walk turn left", "jogging"]
    scores = candidate_scores(np.array([0.5, 0.3, 0.2]), labels, ["walk", "walk turn left", "run", "swim"])
    np.testing.assert_allclose(scores, [0.5, 0.3, 0.2 * SYNONYM, 0.0])


def test_scores_never_exceed_the_probability_there_is() -> None:
    labels = ["walk", "run", "wave left hand"]
    probabilities = np.array([0.2, 0.3, 0.5])
    scores = candidate_scores(probabilities, labels, ["walk", "walking", "run", "wave", "waving left"])
    assert scores.sum() <= 1 + 1e-12
    assert (scores >= 0).all()


@pytest.mark.parametrize(
    ("question", "action"),
    [
        ("Is this the action walk?", "walk"),
        ("is it a jump", "jump"),
        ("Is the person walking?", "walking"),
        ("Is she waving the left hand?", "waving the left hand"),
        ("Is the person walking or running?", None),
        ("Is the person moving fast?", None),
        ("Does the person turn?", None),
        ("Which hand is raised?", None),
    ],
)
def test_asked_action(question: str, action: str | None) -> None:
    assert asked_action(question) == action
