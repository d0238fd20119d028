# SPDX-License-Identifier: GPL-3.0-or-later
"""`skeletonllm` in a process of its own, and a worker that this Blender started. Knows no Blender."""

import collections
import subprocess
import threading

from .problems import Problem

_LINES = 200
_PATIENCE = 10  # how long a worker may take to end [s]


def started(python, command, **streams):
    """A `skeletonllm` command in a process of its own.

    Args:
        python: the program of a Python that has SkeletonLLM.
        command: verb and arguments.
        streams: as for `subprocess.Popen`; what it prints is always piped.

    Raises:
        Problem: there is no such program.
    """
    try:
        return subprocess.Popen([python, "-I", "-m", "skeletonllm_core", *command], stdout=subprocess.PIPE, **streams)
    except OSError as problem:
        told = (problem.strerror or str(problem)).lower()
        cure = "{python}: cannot be started: {problem}; choose another Python in the preferences"
        raise Problem(cure, python=python, problem=told) from problem


class WorkerProcess:
    """Runs until it is stopped.

    Args:
        python: the program of a Python that has SkeletonLLM.
        model: as for `skeletonllm serve --model`.

    Attributes:
        log: the last lines that it wrote.
        model: what it was started with.
        address, token: what it said of itself; "" until then.

    Raises:
        Problem: there is no such program.
    """

    def __init__(self, python, model):
        self.log: collections.deque[str] = collections.deque(maxlen=_LINES)
        self.model, self.address, self.token = model, "", ""
        command = ["serve", "--port", "0", "--model", model]
        self._process = started(
            python,
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        threading.Thread(
            target=self._listen, args=(self._process.stdout,), name="skeletonllm-worker", daemon=True
        ).start()

    @property
    def state(self):
        """ "starting", "ready" or "ended"."""
        if self._process.poll() is not None:
            return "ended"
        return "ready" if self.address else "starting"

    def stop(self):
        """End it, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self, lines):
        for line in lines:
            if line.startswith("token: "):
                self.token = line.split()[1]
                continue  # a log is shown and copied; a token is not
            if line.startswith("ready: "):
                self.address = line.split()[1]
            self.log.append(line.rstrip("\n"))
