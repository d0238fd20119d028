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

from .problems import Problem

VERSION = 1  # of the messages
LONGEST_QUESTION = 32 * 2**20
_LONGEST_ANSWER = 8 * 2**20
_CHUNK = 2**16


class WorkerProblem(Problem):
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
            told = "{address!r} is no address of a worker: it looks like http://127.0.0.1:8765"
            raise WorkerProblem(told, address=address)
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
        replies: receives ("health", answer), (verb, answer) each, then ("done", None). Or at last ("refused", Refused),
            where the worker cannot make anything of this motion, or ("problem", WorkerProblem), where none answers.
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
            self._replies.put(("health", self._request("GET", "health", None)))
            clip = self._motion.message().encode("ascii")
            for verb, options in self._questions:
                if self._cancelled.is_set():
                    return
                more = (", " + json.dumps(options)[1:-1] if options else "").encode("ascii")
                body = b'{"version": %d, %b%b}' % (VERSION, clip, more)
                self._replies.put((verb, self._request("POST", verb, body)))
        except Refused as problem:
            self._replies.put(("refused", problem))
        except WorkerProblem as problem:
            self._replies.put(("problem", problem))
        else:
            self._replies.put(("done", None))

    def _request(self, method, path, body):
        if body is not None and len(body) > LONGEST_QUESTION:
            raise Refused(
                "the motion is too long for one request ({size:.0f} MiB of at most {most}): read fewer frames, or with a "
                "larger frame step",
                size=len(body) / 2**20,
                most=LONGEST_QUESTION >> 20,
            )
        worker, deadline = self._worker, time.monotonic() + self._worker.timeout
        self._connection = connection = http.client.HTTPConnection(worker.host, worker.port, timeout=worker.timeout)
        headers = {"Authorization": f"Bearer {worker.token}", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, f"/v1/{path}", body, headers)
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
            told = "the worker at {address} did not answer within {seconds:g} s: wait longer (preferences), or send fewer frames"
            raise WorkerProblem(told, address=worker.address, seconds=worker.timeout) from None
        except ConnectionRefusedError:
            told = "no worker answers at {address}: start it in the preferences"
            raise WorkerProblem(told, address=worker.address) from None
        except ConnectionError:
            raise self._gone() from None
        except http.client.HTTPException:
            raise self._stranger() from None
        except OSError as problem:
            told = (problem.strerror or str(problem)).lower()
            cannot = "the worker at {address} cannot be reached: {problem}"
            raise WorkerProblem(cannot, address=worker.address, problem=told) from problem
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
            raise (Refused if status == 422 else WorkerProblem)("{sentence}", sentence=sentence)
        version = value.get("version")
        if version != VERSION:
            raise WorkerProblem(
                "the worker at {address} speaks version {version!r}, and this add-on version {ours}: update the older of the "
                "two",
                address=self._worker.address,
                version=version,
                ours=VERSION,
            )
        return value

    def _gone(self):
        told = "the worker at {address} went away before it answered: see its log, and start it again"
        return WorkerProblem(told, address=self._worker.address)

    def _stranger(self):
        told = "what listens at {address} is no SkeletonLLM worker: check the port"
        return WorkerProblem(told, address=self._worker.address)


def _kept_token(port, address):
    """The token in the file that the worker of a port keeps in the user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or ""
    home = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    path = home / "skeletonllm" / f"worker-{port}.token"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        told = "no worker keeps a token for {address}: start one in the preferences of this add-on, or give its token there"
        raise WorkerProblem(told, address=address) from None
    except (OSError, ValueError) as problem:
        raise WorkerProblem(
            "{path}: the worker's token cannot be read: {problem}", path=path, problem=problem
        ) from problem
