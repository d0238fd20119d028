"""A worker process for tests, and plain HTTP to talk to it."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

START_SECONDS = 240


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Worker:
    """`skeletonllm serve` in a process of its own, on a free port; `state` is the folder of its token and log."""

    def __init__(self, state: Path, *options: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.log_path = state / "log.txt"
        command = [sys.executable, "-m", "skeletonllm_core", "serve", "--port", "0", *options]
        environment = {**os.environ, "XDG_STATE_HOME": str(state)}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, bufsize=1
            )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        told = self._lines.get(timeout=START_SECONDS)
        found = re.fullmatch(r"token: (\S{43}) \(kept in (.+)\)\n", told)
        assert found is not None, told + self.log
        self.token, self.token_file = found[1], Path(found[2])
        ready = self._lines.get(timeout=START_SECONDS)
        found = re.fullmatch(r"ready: (http://127\.0\.0\.1:(\d+))\n", ready)
        assert found is not None, ready + self.log
        self.address, self.port = found[1], int(found[2])

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def more_output(self) -> str:
        """Everything else that the worker printed, once it has ended."""
        lines = []
        while line := self._lines.get(timeout=START_SECONDS):
            lines.append(line)
        return "".join(lines)

    def connect(self, timeout: float = 60) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """The head of a request; `headers` replace the usual ones, "" leaves one out."""
        usual = {"Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token}"}
        given = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value)]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")

    def ask(self, path: str, message: Any = None, method: str | None = None, **headers: str) -> Reply:
        """One request over a connection of its own; a message is sent as JSON, bytes as they are."""
        body = message if isinstance(message, bytes) else b"" if message is None else json.dumps(message).encode()
        if message is not None:
            headers = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
        with self.connect() as connection:
            connection.sendall(self.head(method or ("GET" if message is None else "POST"), path, **headers) + body)
            return read_reply(connection)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the worker; its exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout=60)


def read_reply(connection: socket.socket) -> Reply:
    """The reply on a connection that is closed after it, or whose length is known."""
    content = b""
    while b"\r\n\r\n" not in content:
        chunk = connection.recv(65536)
        assert chunk, f"the connection ended in the head of the reply: {content!r}"
        content += chunk
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        chunk = connection.recv(65536)
        assert chunk, "the connection ended in the body of the reply"
        body += chunk
    return Reply(int(first.split()[1]), headers, body)
