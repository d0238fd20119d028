"""`openai:BASE_URL#NAME`: any server that speaks the chat completions protocol (vLLM, llama.cpp, and the paid ones).

The frames of a clip go to it as PNG images. Nothing is sent before a question is asked.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from skeletonllm_core.answers import Cost
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.chat import SYSTEM, plain, with_choices
from skeletonllm_core.model.multimodal import WHOLE, MultimodalModel

KEY = "OPENAI_API_KEY"
"""The environment variable with the key of a server that wants one."""

TIMEOUT = 120.0
"""How long a server may take to answer [s]."""

ATTEMPTS = 4
"""How often a request is sent before it is given up."""

FIRST_WAIT = 1.0
"""How long to wait before the second attempt [s]; twice as long before each further one, or as the server says."""

LONGEST_WAIT = 60.0
"""A server that asks for more patience than this is given up [s]."""

_TRY_AGAIN = (408, 409, 429, 500, 502, 503, 504)


class ChatServer(MultimodalModel):
    """A model that answers questions on images elsewhere. It says which answer it chooses, not how likely each one is.

    Args:
        address: BASE_URL#NAME, for example http://127.0.0.1:8000/v1#OpenGVLab/InternVL3-8B-hf.
        timeout: see `TIMEOUT`.
        first_wait: see `FIRST_WAIT`.
        temperature: 0 writes the most likely token each time.

    Attributes:
        cost: of the answers so far.

    Raises:
        SkeletonLLMError: no such address.
    """

    views = (WHOLE,)
    open_text = True
    facts = False
    patch = None
    longest = 256
    image_size = 448
    frames = 12

    def __init__(
        self, address: str, *, timeout: float = TIMEOUT, first_wait: float = FIRST_WAIT, temperature: float = 0.0
    ) -> None:
        super().__init__()
        base, _, name = address.partition("#")
        if not base.startswith(("http://", "https://")) or not name:
            raise SkeletonLLMError(
                f"openai:{address}: give the address and the model's name, openai:http://127.0.0.1:8000/v1#NAME"
            )
        self.base, self.name = base.rstrip("/"), name
        self.timeout, self.first_wait, self.temperature = timeout, first_wait, temperature
        self.cost = Cost(name)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def write(
        self,
        images: Tensor,
        prompt: str,
        *,
        mirrored: tuple[Tensor, str] | None = None,
        choices: Sequence[str] | None = None,
        limit: int | None = None,
        touched: Tensor | None = None,
    ) -> str:
        asked = plain(prompt) if choices is None else with_choices(plain(prompt), choices)
        content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in _urls(images[0])]
        request = {
            "model": self.name,
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": [*content, {"type": "text", "text": asked}]},
            ],
            "temperature": self.temperature,
            "max_tokens": limit or self.longest,
        }
        answer = self._answer(json.dumps(request).encode())
        return answer if choices is None else _chosen(answer, choices)

    def log_likelihoods(
        self, images: Tensor, prompt: str, answers: Sequence[str], touched: Tensor | None = None
    ) -> Tensor:
        """0 for the answer that the server chose and -inf for the others; -inf for all where it chose none of them."""
        rows = [self.write(view[None], prompt, choices=answers) for view in images]
        right = torch.tensor([[answer == row for answer in answers] for row in rows])
        return torch.where(right, 0.0, -torch.inf)

    def _answer(self, body: bytes) -> str:
        """The text that the server answers; attempts that may succeed later are repeated."""
        wait = self.first_wait
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._text(self._sent(body))
            except _TryAgain as problem:
                if attempt == ATTEMPTS:
                    raise SkeletonLLMError(f"{self.base}: {problem}; given up after {ATTEMPTS} attempts") from problem
                pause = problem.after if problem.after is not None else wait
                if pause > LONGEST_WAIT:
                    raise SkeletonLLMError(f"{self.base}: {problem}; it asks to wait {pause:.0f} s") from problem
                time.sleep(pause)
                wait *= 2
        raise AssertionError("unreachable")

    def _sent(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {os.environ[KEY]}"
        request = urllib.request.Request(f"{self.base}/chat/completions", body, headers)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=self.timeout) as reply:
                return bytes(reply.read())
        except urllib.error.HTTPError as problem:
            self._refused(problem)
        except TimeoutError as problem:
            raise _TryAgain(f"no answer within {self.timeout:g} s") from problem
        except urllib.error.URLError as problem:
            if isinstance(problem.reason, TimeoutError):
                raise _TryAgain(f"no answer within {self.timeout:g} s") from problem
            raise _TryAgain(f"nobody answers there: {problem.reason}") from problem
        except (http.client.HTTPException, ConnectionError) as problem:
            raise _TryAgain(f"the connection broke: {problem}") from problem

    def _refused(self, problem: urllib.error.HTTPError) -> NoReturn:
        said = problem.read(2000).decode("utf-8", "replace").strip()
        told = f"the server says {problem.code} {problem.reason}" + (f": {said[:300]}" if said else "")
        if problem.code in _TRY_AGAIN:
            after = problem.headers.get("Retry-After", "")
            raise _TryAgain(told, float(after) if after.isdigit() else None) from problem
        cure = f"; set {KEY} to the key of this server" if problem.code in (401, 403) else ""
        raise SkeletonLLMError(f"{self.base}: {told}{cure}") from problem

    def _text(self, reply: bytes) -> str:
        try:
            answer = json.loads(reply)
            text = answer["choices"][0]["message"]["content"]
            usage = answer.get("usage") or {}
            tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
            if not isinstance(text, str):
                raise TypeError("its text is no text")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as problem:
            start = reply[:80].decode("utf-8", "replace")
            raise _TryAgain(f"the answer is not one of the chat completions protocol: {start!r}") from problem
        self.cost += Cost(self.name, 1, *tokens)
        return text.strip()

    @property
    def language(self) -> nn.Module:
        self._only_asked()

    def parts(self) -> dict[str, list[nn.Parameter]]:
        self._only_asked()

    def answer_losses(
        self,
        images: Tensor,
        samples: Sequence[tuple[int, str, str]],
        smoothing: float = 0.0,
        touched: Tensor | None = None,
    ) -> Tensor:
        self._only_asked()

    def save(self, folder: Path) -> None:
        self._only_asked()

    def _only_asked(self) -> NoReturn:
        raise SkeletonLLMError(
            f"openai:{self.base}#{self.name}: a model on a server can be asked, not trained or saved"
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error, so that the key goes to no other address."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


class _TryAgain(Exception):
    """A request failed that may succeed later; `after` so many seconds, where the server said so."""

    def __init__(self, problem: str, after: float | None = None) -> None:
        super().__init__(problem)
        self.after = after


def _urls(frames: Tensor) -> list[str]:
    """(T, 3, S, S) in [0, 1] → a PNG data URL each."""
    urls = []
    for frame in (frames.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(frame)).save(file, "png")
        urls.append("data:image/png;base64," + base64.b64encode(file.getvalue()).decode())
    return urls


def _chosen(answer: str, choices: Sequence[str]) -> str:
    """The choice that the answer is, letter by letter but for case, quotes and a full stop; "" for any other answer."""
    said = answer.strip().strip("-\"'`*.").strip().lower()
    return next((choice for choice in choices if choice.strip().lower() == said), "")
