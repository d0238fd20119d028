"""Streams of poses → labels, captions and segments. No ROS in here: both nodes and the bag tool drive it.

    add(message) → History of the body → a window every hop → step(): the model is asked → Answer

`add` is quick and may be called from a transport's thread; `step` waits for the model and belongs in another one. Windows
that the model cannot keep up with are dropped, the oldest first. Nothing here grows with time.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from skeletonllm_core.answers import Candidate, Caption, Label
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion.motion import Person
from skeletonllm_ros2.history import SECOND, History
from skeletonllm_ros2.smoothing import Smoother, TimedSegment

_LATE = SECOND // 2
"""A message may come this late behind a newer one [ns]; further back, the clock has jumped."""

_GAP = SECOND
"""A longer silence [ns] ends what was seen before it."""

_MOST_BODIES = 64


class Model(Protocol):
    """What is asked: `skeletonllm_core.Client` (the worker) and what `skeletonllm_core.load_model` returns both fit."""

    def label(self, persons: Person, labels: Sequence[str] | None = None, *, top: int = 3) -> Label: ...

    def caption(self, persons: Person) -> Caption: ...


class Source(Protocol):
    """What turns the values of a body into a motion.

    Attributes:
        angles: the values are angles.
    """

    angles: bool

    def knows(self, name: str) -> bool: ...

    def shows(self, names: Sequence[str]) -> bool:
        """Whether known values of these names say anything about the body's pose."""
        ...

    def person(self, names: Sequence[str], values: np.ndarray, fps: float, name: str) -> Person: ...


@dataclass(frozen=True)
class Settings:
    """How streams are cut and what is asked.

    Attributes:
        window_s: length of what a label is about [s].
        hop_s: from one window to the next [s].
        labels: candidates, None for the model's own.
        min_score: a label under it is none.
        top: candidates to return, the best included.
        captions: ask for a caption whenever the label changes.
        fps: frames a second that the model is shown.
        steady: windows in a row that it takes to change the label.
        stale_s: a body that was not heard of for so long is stale [s].
        queue: windows of a body that may wait for the model.

    Raises:
        SkeletonLLMError: a value is out of range.
    """

    window_s: float = 3.0
    hop_s: float = 0.5
    labels: tuple[str, ...] | None = None
    min_score: float = 0.0
    top: int = 3
    captions: bool = True
    fps: float = 30.0
    steady: int = 2
    stale_s: float = 2.0
    queue: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (("window_s", 0.2, 60.0), ("hop_s", 0.02, 60.0), ("min_score", 0.0, 1.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SkeletonLLMError(f"{name} must lie between {low:g} and {high:g}, got {value:g}")
        if self.labels is not None and not any(label.strip() for label in self.labels):
            raise SkeletonLLMError("labels holds no candidate: leave it out for the model's own")


@dataclass(frozen=True)
class Answer:
    """What the model said about one window.

    Attributes:
        body: whose.
        start, end: stamps of the window [ns].
        label: best candidate and runners-up.
        shown: the steady label; None where there is none.
        changed: the steady label is another one than before.
        caption: where it changed and captions are asked for, else None.
        segment: the stretch that ended with this window.
        took: from the end of the window's last message to this answer [s].
    """

    body: str
    start: int
    end: int
    label: Label
    shown: str | None
    changed: bool
    caption: str | None
    segment: TimedSegment | None
    took: float

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The best one and the runners-up."""
        return (Candidate(self.label.text, self.label.score), *self.label.alternatives)


@dataclass
class Counts:
    """What happened to the messages and windows of a body so far."""

    messages: int = 0
    malformed: int = 0
    empty: int = 0
    jumps: int = 0
    gaps: int = 0
    windows: int = 0
    dropped: int = 0
    failed: int = 0


@dataclass(frozen=True)
class BodyStatus:
    """One body in `diagnostics`.

    Attributes:
        body: its id.
        stale: it was not heard of for a while.
        waits_for_model: its kinematics are not known yet.
        rate: messages a second, lately.
        latency: `Answer.took` of the latest answer [s], None before the first.
        waiting: windows that wait for the model.
        label: the steady label.
        unknown_joints: names that its kinematics do not know, sorted.
        counts: since the body appeared.
    """

    body: str
    stale: bool
    waits_for_model: bool
    rate: float
    latency: float | None
    waiting: int
    label: str | None
    unknown_joints: tuple[str, ...]
    counts: Counts


@dataclass(frozen=True)
class _Window:
    start: int
    end: int
    names: tuple[str, ...]
    values: np.ndarray
    since: float


@dataclass
class _Body:
    history: History
    smoother: Smoother
    source: Source | None = None
    heard: float = 0.0
    next_end: int | None = None
    latency: float | None = None
    epoch: int = 0
    waiting: deque[_Window] = field(default_factory=deque)
    ended: list[TimedSegment] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    counts: Counts = field(default_factory=Counts)


class Labeler:
    """Labels any number of bodies with one model.

    Args:
        model: what is asked.
        settings: how.
        clock: seconds that never go back, to measure staleness and latency.
    """

    def __init__(self, model: Model, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.problem: str | None = None
        self._model = model
        self._clock = clock
        self._bodies: dict[str, _Body] = {}
        self._turns: deque[str] = deque()
        self._lock = threading.Lock()

    # --- what comes in

    def set_source(self, body: str, source: Source) -> None:
        """Says how the values of a body become a motion; windows are only made once this is known."""
        with self._lock:
            self._body(body).source = source

    def has_source(self, body: str) -> bool:
        with self._lock:
            return body in self._bodies and self._bodies[body].source is not None

    def add(self, body: str, stamp: int, names: Sequence[str], values: Sequence[float] | np.ndarray) -> None:
        """Takes in one message.

        Args:
            body: whose.
            stamp: when it was measured [ns].
            names: of the D values.
            values: (D,) or (D, W), NaN = missing. A message with as many values as names is kept; others are counted.
        """
        array = np.asarray(values, dtype=np.float64)
        with self._lock:
            known = self._body(body)
            if known.source is None or known.source.shows(names):
                # A root that still moves does not make up for joints that nobody publishes any more.
                known.heard = self._clock()
            known.counts.messages += 1
            if not len(names) and not len(array):
                known.counts.empty += 1
                return
            if len(names) != len(array) or len(names) > MAX_JOINTS:
                known.counts.malformed += 1
                return
            # Infinity is no measurement either.
            array = np.where(np.isfinite(array), array, np.nan)
            newest = known.history.newest
            if newest is not None:
                back, ahead = stamp < newest - _LATE, stamp > newest + _GAP
                known.counts.jumps += back
                known.counts.gaps += ahead
                if back or ahead:
                    self._restart(known, newest)
            known.history.add(stamp, names, array)
            if known.source is not None:
                known.unknown.update(
                    name for name in names if len(known.unknown) < MAX_JOINTS and not known.source.knows(name)
                )
            self._cut(body, known, stamp)

    def forget(self, body: str) -> list[TimedSegment]:
        """Lets a body go; the segments that this ends."""
        with self._lock:
            known = self._bodies.pop(body, None)
            if known is None:
                return []
            if body in self._turns:
                self._turns.remove(body)
            self._end(known)
            return known.ended

    def silent(self, seconds: float) -> list[str]:
        """The bodies that were not heard of for so long."""
        with self._lock:
            now = self._clock()
            return [body for body, known in self._bodies.items() if known.heard and now - known.heard > seconds]

    def finish(self) -> list[TimedSegment]:
        """Ends every running segment at the latest stamp of its body, as where a recording ends."""
        with self._lock:
            for known in self._bodies.values():
                self._end(known)
        return self.ended()

    def ended(self) -> list[TimedSegment]:
        """The segments that ended without a window (a gap, a jump of the clock) since this was last asked."""
        with self._lock:
            ended = [one for known in self._bodies.values() for one in known.ended]
            for known in self._bodies.values():
                known.ended = []
            return ended

    # --- what goes out

    @property
    def pending(self) -> int:
        """Windows that wait for the model."""
        with self._lock:
            return sum(len(known.waiting) for known in self._bodies.values())

    def step(self) -> Answer | None:
        """Asks the model about the window that has waited longest; bodies take turns.

        Returns:
            None where no window waits, or where its body restarted in the meantime.

        Raises:
            SkeletonLLMError: the model cannot answer; the window is lost, the next one can be tried.
        """
        with self._lock:
            taken = self._next()
        if taken is None:
            return None
        body, known, window, epoch = taken
        assert known.source is not None
        settings = self.settings
        caption = None
        try:
            person = known.source.person(window.names, window.values, settings.fps, body)
            label = self._model.label(person, settings.labels, top=settings.top)
            with self._lock:
                if known.epoch != epoch:
                    return None
                before = known.smoother.current
                segment = known.smoother.update(window.start, window.end, label)
                shown = known.smoother.current
            if settings.captions and shown is not None and shown != before:
                caption = self._model.caption(person).caption
        except SkeletonLLMError as problem:
            with self._lock:
                known.counts.failed += 1
                self.problem = str(problem)
            raise
        with self._lock:
            known.counts.windows += 1
            known.latency = self._clock() - window.since
            self.problem = None
        return Answer(body, window.start, window.end, label, shown, shown != before, caption, segment, known.latency)

    def status(self) -> list[BodyStatus]:
        """Every body, in the order in which they appeared."""
        with self._lock:
            now = self._clock()
            return [
                BodyStatus(
                    body,
                    now - known.heard > self.settings.stale_s,
                    known.source is None,
                    known.history.rate,
                    known.latency,
                    len(known.waiting),
                    known.smoother.current,
                    tuple(sorted(known.unknown)),
                    Counts(**vars(known.counts)),
                )
                for body, known in self._bodies.items()
            ]

    # --- with the lock held

    def _body(self, body: str) -> _Body:
        if body not in self._bodies:
            if len(self._bodies) >= _MOST_BODIES:
                # Ids of trackers come and go; the one that was silent longest makes room.
                oldest = min(self._bodies, key=lambda one: self._bodies[one].heard)
                del self._bodies[oldest]
                self._turns = deque(one for one in self._turns if one != oldest)
            # A window may end up to a gap before the message that completes it.
            reach = self.settings.window_s + _GAP / SECOND
            smoother = Smoother(body, self.settings.min_score, self.settings.steady)
            self._bodies[body] = _Body(History(reach), smoother)
        return self._bodies[body]

    def _cut(self, body: str, known: _Body, stamp: int) -> None:
        """Makes the windows that a message completes."""
        window, hop = int(self.settings.window_s * SECOND), int(self.settings.hop_s * SECOND)
        if known.next_end is None:
            known.next_end = stamp + window
        while stamp >= known.next_end:
            end = known.next_end
            known.next_end += hop
            if known.source is None:
                continue
            names, values = known.history.window(end - window, end, self.settings.fps, angles=known.source.angles)
            places = [place for place, name in enumerate(names) if known.source.knows(name)]
            named = tuple(names[place] for place in places)
            if not known.source.shows(named):
                known.counts.failed += 1
                self.problem = f"{body}: none of its values belongs to a joint of its kinematics"
                continue
            if len(known.waiting) >= self.settings.queue:
                known.waiting.popleft()
                known.counts.dropped += 1
            known.waiting.append(_Window(end - window, end, named, values[:, places], self._clock()))
            if body not in self._turns:
                self._turns.append(body)

    def _next(self) -> tuple[str, _Body, _Window, int] | None:
        while self._turns:
            body = self._turns.popleft()
            known = self._bodies[body]
            if known.waiting:
                window = known.waiting.popleft()
                if known.waiting:
                    self._turns.append(body)
                return body, known, window, known.epoch
        return None

    def _restart(self, known: _Body, end: int) -> None:
        """Forgets what was seen, where time does not go on from it; the running segment ends at `end`."""
        segment = known.smoother.close(end)
        if segment is not None:
            known.ended.append(segment)
        known.history.clear()
        known.next_end = None
        known.waiting.clear()
        known.epoch += 1

    def _end(self, known: _Body) -> None:
        if known.history.newest is not None:
            self._restart(known, known.history.newest)
