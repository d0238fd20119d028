"""Libraries that may crash, hang or eat memory run in a process of their own, one file each; it costs that file alone."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from skeletonllm_core.errors import MotionFormatError

REFUSED = 3
"""Exit code of a script that says in one sentence, its last line on stderr, why it refuses."""

_KEPT = 4000  # bytes at the end of stderr that may hold the sentence


def run_script(
    script: Path,
    arguments: Sequence[str | Path],
    path: Path,
    *,
    format: str,
    seconds: float,
    python: str = sys.executable,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a script of this package in a process of its own.

    The script sees the installed packages, but not this package's folder, whose modules have names of libraries.

    Args:
        script: the file; it ends with 0, or says why not (see `REFUSED`).
        arguments: its command line.
        path: the motion file, for the error.
        format: its format, for the error.
        seconds: it is stopped after so long.
        python: the interpreter.
        variables: what it finds in its environment besides this process's own.

    Raises:
        MotionFormatError: the script refused, crashed, took too long, or could not be started.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **(variables or {})}
    with TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                [python, "-I", "-X", "utf8", script, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the other
            )
        except OSError as problem:
            raise MotionFormatError(
                path,
                f"the Python {python!r} cannot be started: {(problem.strerror or str(problem)).lower()}",
                format=format,
            ) from problem
        if sys.platform == "linux":
            # Should this process be killed, the other one still ends some day.
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_CPU, (2 * math.ceil(seconds),) * 2)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise MotionFormatError(
                path, f"took more than {seconds:g} seconds and was stopped", format=format
            ) from None
        finally:
            process.kill()
            process.wait()
        if code == 0:
            return
        said.seek(max(0, said.seek(0, os.SEEK_END) - _KEPT))
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    raise MotionFormatError(path, _ending(code, lines[-1].strip() if lines else ""), format=format)


def _ending(code: int, last: str) -> str:
    """Why a process ended, in one sentence."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in last)[:200]
    if code == REFUSED:
        return shown
    if code in (-signal.SIGPROF, -signal.SIGXCPU):
        return "took too much computing time and was stopped"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"the library that reads or writes this format crashed on it ({name})"
    return f"the library that reads or writes this format failed on it: {shown or f'exit code {code}'}"
