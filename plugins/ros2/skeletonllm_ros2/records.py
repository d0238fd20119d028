"""What was said about each body of a recording, gathered into the sidecar of `annotate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from skeletonllm_core.sidecar import SCHEMA
from skeletonllm_ros2.history import SECOND
from skeletonllm_ros2.labeler import Answer, Settings
from skeletonllm_ros2.smoothing import TimedSegment


@dataclass
class BodyRecord:
    """One body of a bag.

    Attributes:
        body: its id.
        topic: where its values came from.
        first, last: stamps of its first and last message [ns].
        joints: how many joints it has.
        segments: in order, each with the caption of its beginning.
        answers: what was said about each window.
        facts: what was measured in the windows that a caption was written about, with their seconds.
        warnings: whole sentences.
    """

    body: str
    topic: str
    first: int
    last: int
    joints: int = 0
    segments: list[tuple[TimedSegment, str]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _caption: str = field(default="", init=False)

    def saw(self, stamp: int) -> None:
        """A message with this stamp [ns]."""
        self.first, self.last = min(self.first, stamp), max(self.last, stamp)

    def answered(self, answer: Answer) -> None:
        """An answer, in order; the segment that it ended is told first."""
        if answer.segment is not None:
            self.ended(answer.segment)
        if answer.changed or answer.caption is not None:
            self._caption = answer.caption or ""
            begin, end = ((stamp - self.first) / SECOND for stamp in (answer.start, answer.end))
            self.facts += [f"{max(begin, 0):.1f}–{end:.1f} s: {fact}" for fact in answer.facts]
        self.answers.append(answer)

    def ended(self, segment: TimedSegment) -> None:
        self.segments.append((segment, self._caption))
        self._caption = ""

    @property
    def label(self) -> tuple[str, float, bool]:
        """The action that lasted longest, its mean score, and whether it is known; of short ones the last answer."""
        spans: dict[str, float] = {}
        weighted: dict[str, float] = {}
        for segment, _ in self.segments:
            spans[segment.label] = spans.get(segment.label, 0.0) + segment.end - segment.start
            weighted[segment.label] = weighted.get(segment.label, 0.0) + segment.score * (segment.end - segment.start)
        if spans:
            best = max(spans, key=lambda label: spans[label])
            return best, weighted[best] / spans[best], True
        last = self.answers[-1].label
        return last.text, last.score, False

    def sidecar(self, source: dict[str, Any], model: dict[str, Any], settings: Settings) -> dict[str, Any]:
        """The document, in the layout of `skeletonllm annotate`; seconds and frames count from the first message.

        Args:
            source: ``path`` and ``sha256`` of the bag.
            model: ``id`` and ``sha256``.
            settings: how it was cut.
        """
        seconds = (self.last - self.first) / SECOND
        document: dict[str, Any] = {"id": 0, "joints": self.joints}
        if self.answers:
            text, score, known = self.label
            others = {one.label: one.score for one, _ in self.segments if one.label != text}
            document["label"] = {"text": text, "score": round(score, 4), "known": known}
            document["alternatives"] = [{"text": one, "score": round(others[one], 4)} for one in others]
            document["caption"] = " ".join(dict.fromkeys(caption for _, caption in self.segments if caption))
        document["segments"] = [self._segment(one, caption, settings.fps) for one, caption in self.segments]
        return {
            "schema": SCHEMA,
            "source": {
                **source,
                "format": "ros2-bag",
                "clip": self.body,
                "fps": settings.fps,
                "frames": round(seconds * settings.fps) + 1,
                "seconds": round(seconds, 3),
                "topic": self.topic,
                "start_stamp_ns": self.first,
            },
            "model": model,
            "options": {
                "tasks": ["label", *(["caption"] if settings.captions else []), "segments"],
                "labels": None if settings.labels is None else list(settings.labels),
                "window_s": settings.window_s,
                "hop_s": settings.hop_s,
                "min_score": settings.min_score,
            },
            "persons": [{**document, "facts": self.facts, "warnings": self.warnings}],
            "locked": False,
        }

    def _segment(self, segment: TimedSegment, caption: str, fps: float) -> dict[str, Any]:
        start, end = (max(stamp - self.first, 0) / SECOND for stamp in (segment.start, segment.end))
        return {
            "start_s": round(start, 3),
            "end_s": round(end, 3),
            "start_frame": round(start * fps),
            "end_frame": round(end * fps),
            "label": segment.label,
            "score": round(segment.score, 4),
            "caption": caption,
        }
