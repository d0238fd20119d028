"""Classifiers on the measured facts: as numbers, and as the sentences that `caption` prints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skeletonllm_core.motion.facts import Facts
from skeletonllm_core.train.baselines.description import Baseline, Description

TREES = 500
"""Of the forest."""


class FactsForest(Baseline):
    """A random forest on the numbers of the facts."""

    name = "random forest on facts"

    def fit(self, known: Sequence[Description], labels: Sequence[str], seed: int) -> None:
        forest = RandomForestClassifier(TREES, random_state=seed, n_jobs=1)
        self._fitted: ClassifierMixin = forest.fit(_table(known), list(labels))
        self.classes = tuple(str(label) for label in forest.classes_)

    def probabilities(self, asked: Sequence[Description]) -> np.ndarray:
        return self._fitted.predict_proba(_table(asked))


class FactsNeighbour(Baseline):
    """The label of the clip whose facts are nearest, each number in standard deviations."""

    name = "1-NN on facts"

    def fit(self, known: Sequence[Description], labels: Sequence[str], seed: int) -> None:
        self._fitted = make_pipeline(StandardScaler(), KNeighborsClassifier(1)).fit(_table(known), list(labels))
        self.classes = tuple(str(label) for label in self._fitted.classes_)

    def probabilities(self, asked: Sequence[Description]) -> np.ndarray:
        return self._fitted.predict_proba(_table(asked))


class FactsSentences(Baseline):
    """Logistic regression on the words and pairs of words of the facts as sentences; numbers are left out."""

    name = "logistic regression on the facts as sentences"

    def fit(self, known: Sequence[Description], labels: Sequence[str], seed: int) -> None:
        words = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"(?u)\b[a-z]+\b")
        model = LogisticRegression(C=4.0, max_iter=2000, random_state=seed)
        self._fitted = make_pipeline(words, model).fit([_text(one) for one in known], list(labels))
        self.classes = tuple(str(label) for label in self._fitted.classes_)

    def probabilities(self, asked: Sequence[Description]) -> np.ndarray:
        return self._fitted.predict_proba([_text(one) for one in asked])


def _text(one: Description) -> str:
    return " . ".join(one.facts.sentences()) or "nothing measured"


def _table(described: Sequence[Description]) -> np.ndarray:
    return np.stack([features(one.facts) for one in described])


def features(facts: Facts) -> np.ndarray:
    """(F,) float64: every measured number of the facts in a fixed order, -1 where unknown; lists count their length."""
    values: list[float] = []
    _collect(facts.as_dict(), values)
    return np.asarray(values)


_LEANS = ("forward", "backward", "left", "right")


def _collect(value: object, values: list[float]) -> None:
    if isinstance(value, dict):
        for key in sorted(value):
            if key == "lean":  # holds only the directions that occur; every clip needs the same places
                values.extend(float(value[key][side]["degrees"]) if side in value[key] else -1.0 for side in _LEANS)
            else:
                _collect(value[key], values)
    elif isinstance(value, bool | int | float):
        values.append(float(value))
    elif value is None:
        values.append(-1.0)
    elif isinstance(value, list | tuple):
        values.append(float(len(value)))
    elif isinstance(value, str):
        values.append(float(sum(value.encode()) % 97))
