"""From the labels of overlapping windows to one steady label, and to segments with a start and an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skeletonllm_core.answers import Label
from skeletonllm_ros2.history import SECOND


@dataclass(frozen=True)
class TimedSegment:
    """A stretch of one action.

    Attributes:
        body: whose.
        start, end: stamps [ns].
        label: of the action.
        score: mean over its windows, 0 to 1.
    """

    body: str
    start: int
    end: int
    label: str
    score: float

    def as_json(self) -> dict[str, Any]:
        """What is published: stamps in seconds, with 3 decimals."""
        return {
            "body": self.body,
            "start_s": round(self.start / SECOND, 3),
            "end_s": round(self.end / SECOND, 3),
            "label": self.label,
            "score": round(self.score, 4),
        }


class Smoother:
    """Hysteresis: another label is taken over only after it was the best of several windows in a row.

    Windows whose best label is not known, or under the least score, count for "no label" (None).

    Args:
        body: whose labels.
        min_score: least score of a label.
        windows: how many in a row it takes to change; the first label of all is taken at once.
    """

    def __init__(self, body: str, min_score: float, windows: int) -> None:
        self.body = body
        self.current: str | None = None
        self._min_score = min_score
        self._windows = windows
        self._begun: int | None = None
        self._first = True
        self._scores: list[float] = []
        self._rival: str | None = None
        self._rival_begun = 0
        self._rival_scores: list[float] = []

    def update(self, start: int, end: int, label: Label) -> TimedSegment | None:
        """Takes in the label of a window [ns]; the segment that ends with it, if one does."""
        seen = label.text if label.known and label.score >= self._min_score else None
        if self._first:
            self._first = False
            self._take(seen, start, [label.score])
            return None
        if seen == self.current:
            self._scores.append(label.score)
            self._rival_scores = []
            return None
        if seen != self._rival or not self._rival_scores:
            # A change shows once the new action fills most of a window, so it began about the middle of it.
            self._rival, self._rival_begun, self._rival_scores = seen, (start + end) // 2, []
        self._rival_scores.append(label.score)
        if len(self._rival_scores) < self._windows:
            return None
        scores = self._rival_scores
        ended = self.close(self._rival_begun)
        self._first = False
        self._take(self._rival, self._rival_begun, scores)
        return ended

    def close(self, end: int) -> TimedSegment | None:
        """Ends the running segment at a stamp [ns], and starts afresh; None where there was no label."""
        ended = None
        if self.current is not None and self._begun is not None and end > self._begun:
            score = sum(self._scores) / len(self._scores)
            ended = TimedSegment(self.body, self._begun, end, self.current, score)
        self.current, self._begun, self._first, self._scores = None, None, True, []
        self._rival_scores = []
        return ended

    def _take(self, label: str | None, begun: int, scores: list[float]) -> None:
        self.current, self._begun, self._scores, self._rival_scores = label, begun, scores, []
