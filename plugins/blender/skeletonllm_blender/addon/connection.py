# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker over HTTP: one question at a time on a thread of its own, answers through a queue. Knows no Blender."""

import http.client
import ipaddress
import json
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

VERSION = 1  # of the messages
LONGEST_QUESTION = 32 * 2**20
_LONGEST_ANSWER = 8 * 2**20
_CHUNK = 2**16


class WorkerProblem(Exception):
    """One sentence on why there is no answer, and what to do."""


class Refused(WorkerProblem):
    """The worker answers, but not about this motion."""


class Worker:
    """Where a worker is, and the token that it asks for.

    Args:
        address: such as http://127.0.0.1:8765.
        token: "" reads the file that a worker on this machine keeps.
        timeout: how long to wait for an answer [s].

    Raises:
        WorkerProblem: that is no address, or there is no token.
    """

    def __init__(self, address, token, timeout):
        try:
            parts = urlsplit(address)
            self.host, self.port = parts.hostname, parts.port or 80
        except ValueError:
            self.host = None
        if not self.host or parts.scheme != "http" or parts.path.strip("/") or parts.query:
            raise WorkerProblem(f"{address!r} is no address of a worker: it looks like http://127.0.0.1:8765")
        self.address, self.timeout = address.rstrip("/"), timeout
        self.token = token.strip() or _kept_token(self.port, self.address)
        if not (self.token.isascii() and self.token.isprintable()):
            raise WorkerProblem("the token is no line of plain letters: copy it as the worker printed it")

    @property
    def is_local(self):
        """Whether it is on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Asking(threading.Thread):
    """Asks a worker some questions about one motion.

    Args:
        worker: who is asked.
        motion: has `message()`.
        questions: (verb, options) each.
        replies: receives (verb, answer) each, then ("done", None). Or at last ("refused", sentence), where the worker
            cannot make anything of this motion, or ("problem", sentence), where there is no worker that answers.
    """

    def __init__(self, worker, motion, questions, replies):
        super().__init__(name="skeletonllm-asking", daemon=True)
        self._worker, self._motion, self._questions, self._replies = worker, motion, questions, replies
        self._connection = None
        self._cancelled = threading.Event()

    def cancel(self):
        """Close the connection, which tells the worker that nobody waits any more; returns at once."""
        self._cancelled.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already
                return

    def run(self):
        try:
            clip = self._motion.message()
            for verb, options in self._questions:
                if self._cancelled.is_set():
                    return
                body = f'{{"version": {VERSION}, {clip}, {json.dumps(options)[1:-1]}'.rstrip(", ") + "}"
                self._replies.put((verb, self._ask(verb, body.encode("ascii"))))
        except Refused as problem:
            self._replies.put(("refused", str(problem)))
        except WorkerProblem as problem:
            self._replies.put(("problem", str(problem)))
        else:
            self._replies.put(("done", None))

    def _ask(self, verb, body):
        if len(body) > LONGEST_QUESTION:
            raise Refused(
                f"the motion is too long for one request ({len(body) / 2**20:.0f} MiB of at most "
                f"{LONGEST_QUESTION >> 20}): read fewer frames, or with a larger frame step"
            )
        worker, deadline = self._worker, time.monotonic() + self._worker.timeout
        self._connection = connection = http.client.HTTPConnection(worker.host, worker.port, timeout=worker.timeout)
        headers = {"Authorization": f"Bearer {worker.token}", "Content-Type": "application/json", "Connection": "close"}
        try:
            connection.request("POST", f"/v1/{verb}", body, headers)
            line = connection.sock
            response = connection.getresponse()
            content = b""
            while len(content) <= _LONGEST_ANSWER:
                line.settimeout(max(1e-3, deadline - time.monotonic()))
                chunk = response.read1(_CHUNK)
                if not chunk:
                    break
                content += chunk
            complete = response.length in (0, None)
        except TimeoutError:
            told = f"did not answer within {worker.timeout:g} s: wait longer (preferences), or send fewer frames"
            raise WorkerProblem(f"the worker at {worker.address} {told}") from None
        except ConnectionRefusedError:
            raise WorkerProblem(f"no worker answers at {worker.address}: start it in the preferences") from None
        except ConnectionError:
            raise self._gone() from None
        except http.client.HTTPException:
            raise self._stranger() from None
        except OSError as problem:
            told = (problem.strerror or str(problem)).lower()
            raise WorkerProblem(f"the worker at {worker.address} cannot be reached: {told}") from problem
        finally:
            connection.close()
        if not complete:
            raise self._gone()
        return self._answer(response.status, content)

    def _answer(self, status, content):
        try:
            value = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError):
            raise self._stranger() from None
        if not isinstance(value, dict):
            raise self._stranger()
        if status != 200:
            sentence = value.get("error")
            if not isinstance(sentence, str):
                raise self._stranger()
            raise Refused(sentence) if status == 422 else WorkerProblem(sentence)
        version = value.get("version")
        if version != VERSION:
            told = f"speaks version {version!r}, and this add-on version {VERSION}: update the older of the two"
            raise WorkerProblem(f"the worker at {self._worker.address} {told}")
        return value

    def _gone(self):
        told = "went away before it answered: see its log, and start it again"
        return WorkerProblem(f"the worker at {self._worker.address} {told}")

    def _stranger(self):
        return WorkerProblem(f"what listens at {self._worker.address} is no SkeletonLLM worker: check the port")


def _kept_token(port, address):
    """The token in the file that the worker of a port keeps in the user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or ""
    home = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    path = home / "skeletonllm" / f"worker-{port}.token"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        cure = "start one in the preferences of this add-on, or give its token there"
        raise WorkerProblem(f"no worker keeps a token for {address}: {cure}") from None
    except (OSError, ValueError) as problem:
        raise WorkerProblem(f"{path}: the worker's token cannot be read: {problem}") from problem
