"""The model behind the nodes: a local worker (`skeletonllm serve`) that is already there, or one of our own. No torch here."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import skeletonllm_core as sk
from skeletonllm_core.answers import Caption, Label
from skeletonllm_core.errors import WorkerError
from skeletonllm_core.motion.motion import Person

T = TypeVar("T")


class Worker:
    """A worker that may be restarted at any time: each start has a new token, which is then read again.

    Args:
        address: of the worker, as it prints it.
        token: of the worker; None reads the file that a worker on this machine keeps.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self._address = address
        self._token = token
        self._client: sk.Client | None = None

    def label(
        self, persons: Person, labels: Sequence[str] | None = None, *, top: int = 3, quick: bool = False
    ) -> Label:
        return self._asked(lambda client: client.label(persons, labels, top=top, quick=quick))

    def caption(self, persons: Person) -> Caption:
        return self._asked(lambda client: client.caption(persons))

    def ask(self, persons: Person, question: str) -> str:
        return self._asked(lambda client: client.ask(persons, question))

    def model(self) -> dict[str, Any]:
        """Id and SHA-256 of the model that answers."""
        health = self._asked(lambda client: client.health())
        return {key: health["model"][key] for key in ("id", "sha256")}

    def _asked(self, ask: Callable[[sk.Client], T]) -> T:
        """The answer; a client that fails is dropped, and tried once more where the token may have changed."""
        fresh = self._client is None
        try:
            return ask(self._connected())
        except WorkerError as problem:
            self._client = None
            if fresh or problem.reason != "refused":
                raise
        return ask(self._connected())

    def _connected(self) -> sk.Client:
        if self._client is None:
            self._client = sk.Client(self._address, self._token)
        return self._client


@contextmanager
def worker_at(address: str | None, model: str = "default", device: str = "auto") -> Iterator[Worker]:
    """A worker at an address, or where there is none given, one that lives as long as the block.

    Args:
        address: of a running worker, None to start one.
        model, device: of the one that is started, as in `skeletonllm serve`.

    Raises:
        WorkerError: the one that is started does not get ready.
    """
    if address is not None:
        yield Worker(address)
        return
    command = [sys.executable, "-m", "skeletonllm_core", "serve", "--port", "0", "--model", model, "--device", device]
    # Its log goes to a file: a pipe that nobody reads would stop it in the end.
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            token = re.match(r"token: (\S+)", process.stdout.readline())
            ready = re.match(r"ready: (\S+)", process.stdout.readline())
            if token is None or ready is None:
                process.wait()
                log.seek(0)
                said = log.read().strip().splitlines() or ["it ended without a word"]
                raise WorkerError(f"the worker did not start: {said[-1]}", "failed")
            yield Worker(ready[1], token[1])
        finally:
            process.terminate()
            process.communicate()
