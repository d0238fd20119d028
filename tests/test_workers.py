"""Processes that do jobs, and die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.workers import Died, run_jobs


def squarer(folder: Path) -> Callable[[int], int]:
    """A process that notes its start, squares numbers, and dies at 13."""
    (folder / str(os.getpid())).touch()

    def square(number: int) -> int:
        if number == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 14:
            os._exit(3)
        return number * number

    return square


def unable(folder: Path) -> Callable[[int], int]:
    raise RuntimeError("cannot start")


def test_every_job_is_done_once_by_no_more_processes_than_asked(tmp_path: Path) -> None:
    done = dict(run_jobs(partial(squarer, tmp_path), range(10), 2))
    assert done == {number: number * number for number in range(10)}
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_a_process_that_dies_costs_its_job_only(tmp_path: Path) -> None:
    done = dict(run_jobs(partial(squarer, tmp_path), [1, 13, 2, 14, 3, 13 + 1, 4], 2))
    assert done == {1: 1, 2: 4, 3: 9, 4: 16, 13: Died(-9), 14: Died(3)}


def test_a_process_that_cannot_start_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SkeletonLLMError, match="ended while it started"):
        dict(run_jobs(partial(unable, tmp_path), range(3), 2))
    assert "cannot start" in capfd.readouterr().err


def test_no_process_is_left_when_the_jobs_are_given_up(tmp_path: Path) -> None:
    running: Iterator[tuple[int, int | Died]] = run_jobs(partial(squarer, tmp_path), range(100), 2)
    next(running)
    running.close()  # type: ignore[attr-defined]
    pids = [int(path.name) for path in tmp_path.iterdir()]
    until = time.monotonic() + 60
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.02)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_no_jobs_start_no_process(tmp_path: Path) -> None:
    assert list(run_jobs(partial(squarer, tmp_path), [], 2)) == []
    assert list(tmp_path.iterdir()) == []
