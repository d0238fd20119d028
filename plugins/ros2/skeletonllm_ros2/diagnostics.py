"""The state of the labeler in the words of /diagnostics, for every transport."""

from __future__ import annotations

from typing import NamedTuple

from skeletonllm_ros2.labeler import BodyStatus, Labeler

OK, WARN, ERROR, STALE = range(4)
"""Levels of diagnostic_msgs/DiagnosticStatus."""


class Diagnosis(NamedTuple):
    """One row of /diagnostics: level, name, message, and keys with their values."""

    level: int
    name: str
    message: str
    values: dict[str, str]


def diagnoses(labeler: Labeler) -> list[Diagnosis]:
    """The model first, then each body."""
    problem = labeler.problem
    model = Diagnosis(ERROR if problem else OK, "skeletonllm: model", problem or "answers", {})
    return [model, *(_of_body(status) for status in labeler.status())]


def _of_body(status: BodyStatus) -> Diagnosis:
    if status.stale:
        level, message = STALE, "nothing heard"
    elif status.waits_for_model:
        level, message = WARN, "waits for its URDF"
    elif status.problem:
        level, message = ERROR, status.problem
    elif status.publishers > 1:
        level, message = WARN, f"{status.publishers} publishers send its joint states: their values are mixed"
    elif status.unknown_joints:
        level, message = WARN, f"{len(status.unknown_joints)} names are no joints of its URDF"
    else:
        level, message = OK, status.label or "no label"
    counts = vars(status.counts)
    values = {
        "rate [1/s]": f"{status.rate:.1f}",
        "latency [s]": "" if status.latency is None else f"{status.latency:.3f}",
        "queue": f"{status.waiting}",
        "label": status.label or "",
        "publishers": f"{status.publishers or ''}",
        **{key: f"{counts[key]}" for key in counts},
        "unknown joints": ", ".join(status.unknown_joints[:20]),
        "beyond their limits": ", ".join(status.beyond_limits[:20]),
    }
    return Diagnosis(level, f"skeletonllm: {status.body}", message, values)
