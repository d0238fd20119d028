# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that this Blender started: `skeletonllm serve` in a process of its own. Knows no Blender."""

import collections
import subprocess
import threading

_LINES = 200
_PATIENCE = 10  # how long a worker may take to end [s]


class WorkerProcess:
    """Runs until it is stopped.

    Args:
        python: the program of a Python that has SkeletonLLM.
        model: as for `skeletonllm serve --model`.

    Attributes:
        log: the last lines that it wrote.
        address, token: what it said of itself; "" until then.

    Raises:
        OSError: there is no such program.
    """

    def __init__(self, python, model):
        self.log: collections.deque[str] = collections.deque(maxlen=_LINES)
        self.address = self.token = ""
        command = [python, "-I", "-m", "skeletonllm_core", "serve", "--port", "0", "--model", model]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
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
