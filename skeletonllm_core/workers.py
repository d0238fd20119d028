"""Jobs spread over processes, where a process that dies costs the job it was at and nothing else."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from skeletonllm_core.errors import SkeletonLLMError

J = TypeVar("J")
R = TypeVar("R")

_READY = "ready"


@dataclass(frozen=True)
class Died:
    """In place of a result: the process ended while it was at this job.

    Attributes:
        exit_code: negative for a signal (-9: killed, for example for want of memory; -11: a crash).
    """

    exit_code: int | None


@dataclass(eq=False)
class _Worker(Generic[J]):
    process: SpawnProcess
    line: Connection
    ready: bool = False
    job: J | None = None


def run_jobs(make: Callable[[], Callable[[J], R]], jobs: Iterable[J], processes: int) -> Iterator[tuple[J, R | Died]]:
    """Do every job in one of several processes; yields each job with its result, in the order in which they end.

    Args:
        make: called once in each process, gives the function that does a job; must be picklable, as jobs and results.
            That function must not raise.
        jobs: what is to be done.
        processes: how many.

    Raises:
        SkeletonLLMError: a process cannot start.
    """
    context = multiprocessing.get_context("spawn")

    def start() -> _Worker[J]:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, make), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    waiting = iter(jobs)
    crew: list[_Worker[J]] = []
    try:
        while True:
            for worker in [*crew]:
                if worker.ready and worker.job is None:
                    worker.job = next(waiting, None)
                    if worker.job is None:
                        _end(worker)
                        crew.remove(worker)
                    else:
                        _send(worker)
            # A process is only started for a job that waits for it.
            while len(crew) < processes and (job := next(waiting, None)) is not None:
                worker = start()
                worker.job = job
                crew.append(worker)
            if not crew:
                return
            by_line = {worker.line: worker for worker in crew}
            for line in wait(list(by_line)):
                worker = by_line[line]  # type: ignore[index]
                try:
                    message = worker.line.recv()
                except (EOFError, OSError):
                    crew.remove(worker)
                    worker.process.join()
                    worker.line.close()
                    if not worker.ready:
                        raise SkeletonLLMError(
                            f"a worker process ended while it started (exit code {worker.process.exitcode})"
                        ) from None
                    if worker.job is not None:
                        yield worker.job, Died(worker.process.exitcode)
                    continue
                if not worker.ready:
                    assert message == _READY
                    worker.ready = True
                    _send(worker)
                    continue
                job, worker.job = worker.job, None
                assert job is not None
                yield job, message
    finally:
        for worker in crew:
            worker.process.terminate()
            worker.process.join()
            worker.line.close()


def _send(worker: _Worker[J]) -> None:
    # A process that has just died is noticed by the next `recv`, which reads its end of file.
    try:
        worker.line.send(worker.job)
    except BrokenPipeError:
        return


def _end(worker: _Worker[J]) -> None:
    worker.line.close()
    worker.process.join()


def _work(line: Connection, make: Callable[[], Callable[[J], R]]) -> None:
    """The life of one process; it ends when the other side of the line is closed, also by the death of its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    do = make()
    try:
        line.send(_READY)
        while True:
            line.send(do(line.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
