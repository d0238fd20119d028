"""Simple classifiers on the measured facts, for comparison in every table: nearest neighbour and random forest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skeletonllm_core.motion.facts import Facts


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


def predictions(
    train: Sequence[Facts], labels: Sequence[str], test: Sequence[Facts], seed: int
) -> dict[str, np.ndarray]:
    """What each baseline says of the test clips.

    Returns:
        "1-NN on facts" and "random forest on facts" → (number of test clips,) labels.
    """
    known, asked = np.stack([features(one) for one in train]), np.stack([features(one) for one in test])
    nearest = make_pipeline(StandardScaler(), KNeighborsClassifier(1)).fit(known, labels)
    forest = RandomForestClassifier(500, random_state=seed, n_jobs=1).fit(known, labels)
    return {"1-NN on facts": nearest.predict(asked), "random forest on facts": forest.predict(asked)}
