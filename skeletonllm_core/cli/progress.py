"""How far a long job is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skeletonllm_core.cli.output import complain

if TYPE_CHECKING:
    from skeletonllm_core.annotate import Progress


@contextmanager
def annotate_progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, a line every few seconds in a log; both on stderr."""
    if not sys.stderr.isatty():
        last = 0.0

        def line(now: Progress) -> None:
            nonlocal last
            if now.seconds - last >= 5 or now.done == now.total:
                last = now.seconds
                left = now.seconds / now.done * (now.total - now.done)
                told = f"{now.done}/{now.total} files, {now.clips} clips, {now.failed} failed"
                complain(f"{told}, {now.seconds:.0f} s gone, about {left:.0f} s left")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("annotate"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("annotate", total=None, failed="")

        def move(now: Progress) -> None:
            failed = f"{now.failed} failed" if now.failed else ""
            bars.update(bar, total=now.total, completed=now.done, failed=failed)

        yield move


@contextmanager
def fit_progress() -> Iterator[Callable[[int, int, float], None]]:
    """A bar on a terminal, a line every few seconds in a log; both on stderr."""
    if not sys.stderr.isatty():
        last = time.monotonic()

        def line(done: int, steps: int, error: float) -> None:
            nonlocal last
            if time.monotonic() - last >= 5 or done == steps:
                last = time.monotonic()
                complain(f"{done}/{steps} steps, mean joint error {100 * error:.1f} cm")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("fit"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[error]}"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("fit", total=None, error="")

        def move(done: int, steps: int, error: float) -> None:
            bars.update(bar, total=steps, completed=done, error=f"{100 * error:.1f} cm")

        yield move
