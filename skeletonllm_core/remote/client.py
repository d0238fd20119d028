"""The verbs against a local worker (`skeletonllm serve`): standard library and numpy only, no torch."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from skeletonllm_core.answers import Caption, Label, Segment
from skeletonllm_core.errors import SkeletonLLMError, WorkerError
from skeletonllm_core.motion.motion import Clip, Person
from skeletonllm_core.remote import wire

DEFAULT_PORT = 8765
DEFAULT_ADDRESS = f"http://127.0.0.1:{DEFAULT_PORT}"

_LONGEST_ANSWER = 128 * 2**20
_CHUNK = 2**16

T = TypeVar("T")
Persons = Clip | Person | Sequence[Person]


def token_path(port: int) -> Path:
    """Where the worker of a port keeps its token: the user's state folder (XDG_STATE_HOME)."""
    state = os.environ.get("XDG_STATE_HOME") or ""
    home = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return home / "skeletonllm" / f"worker-{port}.token"


class Client:
    """A worker that is asked over HTTP; one connection a request, safe to use from several threads.

    Every method raises a WorkerError where the worker is gone, refuses, is busy or fails.

    Args:
        address: of the worker, as it prints it.
        token: of the worker; None reads the file that a worker on this machine keeps.
        timeout: how long to wait for an answer [s].

    Raises:
        SkeletonLLMError: the address is no http address.
        WorkerError: there is no token to be read.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, token: str | None = None, *, timeout: float = 120.0) -> None:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            host = None
        if not host or parts.scheme != "http" or parts.path.strip("/") or parts.query:
            raise SkeletonLLMError(f"{address!r} is no address of a worker: it looks like {DEFAULT_ADDRESS}")
        self.address = address.rstrip("/")
        self.timeout = timeout
        self._host, self._port = host, port
        self._token = _read_token(token_path(port), self.address) if token is None else token.strip()
        if not (self._token.isascii() and self._token.isprintable()):
            raise WorkerError("the token is no line of plain letters: copy it as the worker printed it", "refused")

    def health(self) -> dict[str, Any]:
        """Versions, the model in memory, and how full the queue is."""
        return self._get("health")

    def models(self) -> dict[str, Any]:
        """The rows of `skeletonllm models --json`, and under ``loaded`` the model that answers, with its labels."""
        return self._get("models")

    def info(self, persons: Persons) -> dict[str, Any]:
        """The object of `skeletonllm info --json`."""
        return self._ask(dict, "info", persons)

    def label(
        self,
        persons: Persons,
        labels: Sequence[str] | None = None,
        *,
        top: int = 3,
        explain: bool = False,
        quick: bool = False,
    ) -> Label:
        """The action, as `SkeletonLLM.label`; scores have 4 decimals."""
        listed = None if labels is None else list(labels)
        options = {"labels": listed, "top": top, "explain": explain, "quick": quick}
        return self._ask(wire.label_from_json, "label", persons, **options)

    def caption(self, persons: Persons) -> Caption:
        """A sentence on the motion, and the facts that were measured."""
        return self._ask(wire.caption_from_json, "caption", persons)

    def ask(self, persons: Persons, question: str) -> str:
        """The answer to a question about the motion."""
        return self._ask(wire.answer_text_from_json, "ask", persons, question=question)

    def segment(self, persons: Persons, labels: Sequence[str] | None = None) -> list[Segment]:
        """The timeline: where which action happens."""
        options = {"labels": None if labels is None else list(labels)}
        return self._ask(wire.segments_from_json, "segment", persons, **options)

    def render(
        self,
        persons: Persons,
        *,
        size: int | None = None,
        frames: int | None = None,
        frame_indices: Sequence[int] | None = None,
    ) -> list[bytes]:
        """What the model sees: a PNG file a frame, `size` pixels wide and high."""
        indices = None if frame_indices is None else [int(index) for index in frame_indices]
        options = {"size": size, "frames": frames, "frame_indices": indices}
        return self._ask(wire.images_from_json, "render", persons, **options)

    def _ask(self, read: Callable[[dict[str, Any]], T], verb: str, persons: Persons, **options: Any) -> T:
        """The answer to a verb, made from its JSON by `read`."""
        message = json.dumps(wire.question_to_json(persons, **options), separators=(",", ":"), allow_nan=False)
        body = message.encode("ascii")
        if len(body) > wire.MAX_BODY:
            raise WorkerError(
                f"the clip is too long for one request ({len(body) / 2**20:.0f} MiB of at most "
                f"{wire.MAX_BODY / 2**20:.0f}): cut it, or lower its frame rate",
                "refused",
            )
        answer = self._request("POST", verb, body)
        try:
            return read(answer)
        except wire.MessageError as problem:
            raise WorkerError(
                f"the answer of the worker at {self.address} makes no sense: {problem}", "failed"
            ) from problem

    def _get(self, what: str) -> dict[str, Any]:
        return self._request("GET", what, None)

    def _request(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        deadline = time.monotonic() + self.timeout
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self.timeout)
        headers = {"Authorization": f"Bearer {self._token}", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, f"/v1/{path}", body, headers)
            socket = connection.sock
            response = connection.getresponse()
            content = b""
            while len(content) <= _LONGEST_ANSWER:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                socket.settimeout(left)
                chunk = response.read1(_CHUNK)
                if not chunk:
                    break
                content += chunk
            complete = response.length in (0, None)
        except TimeoutError:
            told = f"did not answer within {self.timeout:g} s: wait longer, send a shorter clip, or restart it"
            raise WorkerError(f"the worker at {self.address} {told}", "gone") from None
        except ConnectionRefusedError:
            told = "start one with `skeletonllm serve`"
            raise WorkerError(f"no worker answers at {self.address}: {told}", "gone") from None
        except (http.client.RemoteDisconnected, ConnectionError):
            told = "went away before it answered: see its log, and start it again with `skeletonllm serve`"
            raise WorkerError(f"the worker at {self.address} {told}", "gone") from None
        except http.client.HTTPException:
            raise self._stranger() from None
        except OSError as problem:
            told = (problem.strerror or str(problem)).lower()
            raise WorkerError(f"the worker at {self.address} cannot be reached: {told}", "gone") from problem
        finally:
            connection.close()
        if not complete:
            told = "went away in the middle of its answer: see its log, and start it again with `skeletonllm serve`"
            raise WorkerError(f"the worker at {self.address} {told}", "gone")
        return self._answer(response, content)

    def _answer(self, response: http.client.HTTPResponse, content: bytes) -> dict[str, Any]:
        try:
            value = wire.parse(content)
        except wire.NotJSON:
            raise self._stranger() from None
        if response.status == 200:
            try:
                return wire.answer_from_json(value)
            except wire.MessageError as problem:
                raise WorkerError(f"the worker at {self.address}: {problem}", "refused") from problem
        sentence = value.get("error") if isinstance(value, dict) else None
        if not isinstance(sentence, str):
            raise self._stranger()
        self._refuse(response, sentence)

    def _refuse(self, response: http.client.HTTPResponse, sentence: str) -> NoReturn:
        if response.status == 503:
            given = response.headers.get("Retry-After", "")
            raise WorkerError(sentence, "busy", float(given) if given.isdecimal() else None)
        raise WorkerError(sentence, "refused" if response.status < 500 else "failed")

    def _stranger(self) -> WorkerError:
        return WorkerError(f"what listens at {self.address} is no SkeletonLLM worker: check the port", "failed")


def _read_token(path: Path, address: str) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        cure = "start one with `skeletonllm serve`, or give its token"
        raise WorkerError(f"no worker of this user keeps a token for {address} ({path}): {cure}", "gone") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise WorkerError(f"{path}: the worker's token cannot be read: {problem}", "refused") from problem
