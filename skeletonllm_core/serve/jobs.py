"""One thread that works for the model, a bounded queue before it, and jobs that can be stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class QueueFull(Exception):
    """No more jobs wait than the queue may hold."""


class Stopped(Exception):
    """The job was told to stop while it ran."""


class Job:
    """One piece of work; `result` is done when it is, or is cancelled where it never began."""

    result: Future[Any]

    def __init__(self) -> None:
        self._stop = threading.Event()

    def stop(self) -> None:
        """Take the job out of the queue, or make it end at its next `Jobs.checkpoint`."""
        self._stop.set()
        self.result.cancel()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()


class Jobs:
    """Works on one job at a time, in the order in which they came.

    Args:
        limit: how many jobs may wait while one is worked on.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._open: list[Job] = []
        self._lock = threading.Lock()
        self._running: Job | None = None
        self._usual_seconds = 1.0

    @property
    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        with self._lock:
            return self._waiting()

    def retry_after(self) -> int:
        """After how many seconds a place in a full queue is likely to be free; 1 to 60."""
        return min(max(round(self._usual_seconds), 1), 60)

    def check_room(self) -> None:
        """Raise QueueFull where `submit` would."""
        with self._lock:
            self._check_room()

    def submit(self, work: Callable[[], Any]) -> Job:
        """Queue a piece of work.

        Raises:
            QueueFull: too many jobs wait.
        """
        job = Job()
        with self._lock:
            self._check_room()
            job.result = self._thread.submit(self._work, job, work)
            self._open.append(job)
        job.result.add_done_callback(lambda _: self._forget(job))
        return job

    def checkpoint(self) -> None:
        """Called by the work itself, often: raises Stopped where nobody waits for the running job any more."""
        if self._running is not None and self._running.stopping:
            raise Stopped

    def cancel_waiting(self) -> None:
        """Take every job out of the queue that has not begun."""
        with self._lock:
            jobs = [job for job in self._open if job is not self._running]
        for job in jobs:
            job.result.cancel()

    def stop(self) -> None:
        """Stop what waits and what is being worked on."""
        with self._lock:
            jobs = list(self._open)
        for job in jobs:
            job.stop()

    def close(self) -> None:
        """Stop everything, and return when the thread has ended."""
        self.stop()
        self._thread.shutdown()

    def _work(self, job: Job, work: Callable[[], Any]) -> Any:
        self._running = job
        began = time.monotonic()
        try:
            return work()
        finally:
            self._running = None
            self._usual_seconds = 0.7 * self._usual_seconds + 0.3 * (time.monotonic() - began)

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._open.remove(job)

    def _waiting(self) -> int:
        return sum(job is not self._running for job in self._open)

    def _check_room(self) -> None:
        if self._waiting() >= self.limit + (self._running is None):
            raise QueueFull
