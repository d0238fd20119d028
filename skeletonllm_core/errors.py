"""The errors that reach a user: one clear sentence each, naming the file, the place and the cure."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


class SkeletonLLMError(Exception):
    """Base of every error that SkeletonLLM raises on purpose; its text is fit to be shown to a user."""


class MotionFormatError(SkeletonLLMError):
    """A motion file cannot be read or written.

    Text: ``walk.bvh:212: expected 96 channels, found 93 (format 'bvh')``; the line number is left out
    where a format has no lines.
    """

    def __init__(self, path: str | Path, problem: str, *, format: str, line: int | None = None) -> None:
        place = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {problem} (format {format!r})")
        self.path = Path(path)
        self.problem = problem
        self.line = line
        self.format = format


class TopologyError(SkeletonLLMError):
    """A joint hierarchy is not a tree, does not fit its arrays, or lacks what was asked of it."""


class PluginError(SkeletonLLMError):
    """A plugin is broken, missing an extra, or two plugins claim the same file."""


class WorkerError(SkeletonLLMError):
    """The local worker refused or could not answer.

    Attributes:
        reason: "gone" (nobody answers, or no longer), "refused" (token, version, or the message itself), "busy" (its
            queue is full or it is stopping: the same request can be tried again) or "failed" (anything else).
        retry_after: after how many seconds a busy worker can be asked again; None where it did not say.
    """

    def __init__(
        self, problem: str, reason: Literal["gone", "refused", "busy", "failed"], retry_after: float | None = None
    ) -> None:
        super().__init__(problem)
        self.reason = reason
        self.retry_after = retry_after
