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
from dataclasses import dataclass, field, replace
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

    def label(
        self, persons: Person, labels: Sequence[str] | None = None, *, top: int = 3, quick: bool = False
    ) -> Label: ...

    def caption(self, persons: Person) -> Caption: ...

    def ask(self, persons: Person, question: str) -> str: ...


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

    def limited(self, names: Sequence[str], values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """The values within what the body can do, and the names of those that were not."""
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
        captions: ask for a caption whenever the label changes, and again once the window is whole.
        fps: frames a second that the model is shown.
        steady: windows in a row that it takes to change the label.
        stale_s: a body that was not heard of for so long is stale [s].
        queue: windows of a body that may wait for the model.
        live: answers are wanted at once: the model looks once at a window, and the first window after a start or a break
            is only half as long.

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
    live: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (("window_s", 0.2, 60.0), ("hop_s", 0.02, 60.0), ("min_score", 0.0, 1.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SkeletonLLMError(f"{name} must lie between {low:g} and {high:g}, got {value:g}")
        if self.labels is not None and not any(label.strip() for label in self.labels):
            raise SkeletonLLMError("labels holds no candidate: leave it out for the model's own")

    @property
    def first_s(self) -> float:
        """Length of the first window [s]."""
        return self.window_s / 2 if self.live else self.window_s


@dataclass(frozen=True)
class Answer:
    """What the model said about one window.

    Attributes:
        body: whose.
        start, end: stamps of the window [ns].
        label: best candidate and runners-up.
        shown: the steady label; None where there is none.
        changed: the steady label is another one than before.
        caption: where it changed, or its last one was about less than a window, and captions are asked for; else None.
        facts: what was measured in the window, beside the caption.
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
    facts: tuple[str, ...]
    segment: TimedSegment | None
    took: float

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The best one and the runners-up."""
        return (Candidate(self.label.text, self.label.score), *self.label.alternatives)


@dataclass
class Counts:
    """What happened to the messages and windows of a body so far.

    Attributes:
        messages: all that came.
        malformed: not as many positions as names, or too many; left out.
        empty: neither; left out.
        incomplete: some value is no number; it is bridged.
        renamed: other names, or in another order, than the message before.
        jumps: the stamps went back, so the body starts afresh.
        gaps: nothing came for more than a second, so the body starts afresh.
        windows: answered.
        beyond: values were held at the limits of their joints.
        dropped: the model was busy until a newer window came.
        failed: the model, or the kinematics, could not answer.
    """

    messages: int = 0
    malformed: int = 0
    empty: int = 0
    incomplete: int = 0
    renamed: int = 0
    jumps: int = 0
    gaps: int = 0
    windows: int = 0
    beyond: int = 0
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
        beyond_limits: joints whose values had to be held at their limits, sorted.
        publishers: how many send its values; 0 where nobody counted.
        problem: why its latest window could not be looked at, None where it could.
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
    beyond_limits: tuple[str, ...]
    publishers: int
    problem: str | None
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
    begun: int = 0
    next_end: int | None = None
    latency: float | None = None
    publishers: int = 0
    problem: str | None = None
    epoch: int = 0
    brief: bool = False
    """Whether the last caption is about less than a whole window."""
    waiting: deque[_Window] = field(default_factory=deque)
    ended: list[TimedSegment] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    beyond: set[str] = field(default_factory=set)
    names: tuple[str, ...] = ()
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
            known = self._body(body)
            known.source, known.names = source, ()
            known.unknown.clear()
            known.beyond.clear()

    def has_source(self, body: str) -> bool:
        with self._lock:
            return body in self._bodies and self._bodies[body].source is not None

    def set_publishers(self, body: str, count: int) -> None:
        """How many send the values of a body, for `status`; a body that was never heard of has none."""
        with self._lock:
            if body in self._bodies:
                self._bodies[body].publishers = count

    def set_labels(self, labels: Sequence[str] | None) -> None:
        """Other candidates from the next window on; None for the model's own.

        Raises:
            SkeletonLLMError: there is no candidate.
        """
        with self._lock:
            self.settings = replace(self.settings, labels=None if labels is None else tuple(labels))

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
            seen = np.isfinite(array)
            if not seen.all():
                known.counts.incomplete += 1
                array = np.where(seen, array, np.nan)
            newest = known.history.newest
            if newest is not None:
                back, ahead = stamp < newest - _LATE, stamp > newest + _GAP
                known.counts.jumps += back
                known.counts.gaps += ahead
                if back or ahead:
                    self._restart(known, newest)
            known.history.add(stamp, names, array)
            if known.source is not None and known.source.shows(names):
                self._look_at_names(known, tuple(names))
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

    def ask(self, body: str, question: str) -> str:
        """The model's answer to a question about what a body did in the last window's length.

        Args:
            body: whose; "" for the one that was heard of last.
            question: open text.

        Raises:
            SkeletonLLMError: there is no such body, nothing is known of its pose, or the model cannot answer.
        """
        with self._lock:
            heard = {one: known for one, known in self._bodies.items() if known.history.newest is not None}
            if not body and heard:
                body = max(heard, key=lambda one: heard[one].heard)
            if body not in heard:
                there = ", ".join(heard) or "none"
                raise SkeletonLLMError(f"nobody called {body!r} is there: the bodies are {there}")
            known = heard[body]
            if known.source is None:
                raise SkeletonLLMError(f"{body} waits for its URDF")
            source, newest = known.source, known.history.newest
            assert newest is not None
            start = max(newest - int(self.settings.window_s * SECOND), known.begun)
            window = self._cut_out(known, source, start, newest)
        if window is None:
            raise SkeletonLLMError(f"{body}: {known.problem}")
        values, _ = source.limited(window.names, window.values)
        return self._model.ask(source.person(window.names, values, self.settings.fps, body), question)

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
            values, beyond = known.source.limited(window.names, window.values)
            person = known.source.person(window.names, values, settings.fps, body)
            label = self._model.label(person, settings.labels, top=settings.top, quick=settings.live)
            with self._lock:
                if known.epoch != epoch:
                    return None
                before = known.smoother.current
                segment = known.smoother.update(window.start, window.end, label)
                shown = known.smoother.current
            whole = window.end - window.start >= int(settings.window_s * SECOND)
            if settings.captions and shown is not None and (shown != before or (known.brief and whole)):
                caption = self._model.caption(person)
                known.brief = not whole
        except SkeletonLLMError as problem:
            with self._lock:
                known.counts.failed += 1
                self.problem = str(problem)
            raise
        with self._lock:
            known.counts.windows += 1
            known.counts.beyond += bool(beyond)
            known.beyond.update(beyond)
            known.latency = self._clock() - window.since
            self.problem = None
        return Answer(
            body,
            window.start,
            window.end,
            label,
            shown,
            shown != before,
            None if caption is None else caption.caption,
            () if caption is None else caption.facts,
            segment,
            known.latency,
        )

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
                    tuple(sorted(known.beyond)),
                    known.publishers,
                    known.problem,
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
            known.begun, known.next_end = stamp, stamp + int(self.settings.first_s * SECOND)
        while stamp >= known.next_end:
            end = known.next_end
            known.next_end += hop
            if known.source is None:
                continue
            start = max(end - window, known.begun)
            taken = self._cut_out(known, known.source, start, end)
            if taken is None:
                known.counts.failed += 1
                continue
            if len(known.waiting) >= self.settings.queue:
                known.waiting.popleft()
                known.counts.dropped += 1
            known.waiting.append(taken)
            if body not in self._turns:
                self._turns.append(body)

    def _cut_out(self, known: _Body, source: Source, start: int, end: int) -> _Window | None:
        """What a body did between two stamps [ns]; None where nothing is known of its pose, which `problem` then says."""
        names, values = known.history.window(start, end, self.settings.fps, angles=source.angles)
        places = [place for place, name in enumerate(names) if source.knows(name)]
        named = tuple(names[place] for place in places)
        known.problem = None if source.shows(named) else "none of its values belongs to a joint of its kinematics"
        return None if known.problem else _Window(start, end, named, values[:, places], self._clock())

    def _look_at_names(self, known: _Body, names: tuple[str, ...]) -> None:
        """Counts where names change, and collects those that the kinematics do not know."""
        if names == known.names:
            return
        known.counts.renamed += bool(known.names)
        known.names = names
        assert known.source is not None
        room = MAX_JOINTS - len(known.unknown)
        known.unknown.update([name for name in names if not known.source.knows(name)][: max(room, 0)])

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
