"""What a model answers: labels, captions and segments, and the JSON layout that commands and the worker share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A label and its score, 0 to 1."""

    text: str
    score: float


@dataclass(frozen=True)
class Label:
    """The best label; `known` is false where its score is under the reject threshold."""

    text: str
    score: float
    known: bool
    alternatives: tuple[Candidate, ...]
    explanation: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The object that `label --json` prints; scores with 4 decimals."""
        return {
            "label": {"text": self.text, "score": round(self.score, 4), "known": bool(self.known)},
            "alternatives": [{"text": one.text, "score": round(one.score, 4)} for one in self.alternatives],
            "explanation": self.explanation,
        }


@dataclass(frozen=True)
class Caption:
    """A sentence of the model, and what was measured."""

    caption: str
    facts: tuple[str, ...]

    def __str__(self) -> str:
        return self.caption

    def as_json(self) -> dict[str, Any]:
        """The object that `caption --json` prints."""
        return {"caption": self.caption, "facts": list(self.facts)}


@dataclass(frozen=True)
class Segment:
    """A part of a clip with one label; `end_frame` is the first frame after it."""

    start_s: float
    end_s: float
    start_frame: int
    end_frame: int
    label: str
    score: float
    caption: str

    def as_json(self) -> dict[str, Any]:
        """One row of `segment --json`; seconds with 3 decimals, the score with 4."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "start_frame": int(self.start_frame),
            "end_frame": int(self.end_frame),
            "label": self.label,
            "score": round(self.score, 4),
            "caption": self.caption,
        }


def segments_json(segments: Sequence[Segment]) -> dict[str, Any]:
    """The object that `segment --json` prints."""
    return {"segments": [part.as_json() for part in segments]}


@dataclass(frozen=True)
class Cost:
    """What a model on a server was asked.

    Attributes:
        model: its name there.
        requests: how many were answered.
        tokens_in, tokens_out: as far as the server says.
    """

    model: str
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, more: Cost) -> Cost:
        return Cost(
            self.model,
            self.requests + more.requests,
            self.tokens_in + more.tokens_in,
            self.tokens_out + more.tokens_out,
        )

    def since(self, before: Cost) -> Cost:
        """What has come to an earlier cost."""
        return self + Cost(self.model, -before.requests, -before.tokens_in, -before.tokens_out)

    def __str__(self) -> str:
        many = f"{self.requests} request{'' if self.requests == 1 else 's'}"
        return f"{self.model}: {many}, {self.tokens_in} tokens in, {self.tokens_out} tokens out"
