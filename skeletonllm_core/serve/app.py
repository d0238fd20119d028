"""The routes: who may ask, what a request may be, and how each ends."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skeletonllm_core import __version__
from skeletonllm_core.answers import segments_json
from skeletonllm_core.describe import describe
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.media import to_bytes
from skeletonllm_core.pipeline import SkeletonLLM, available_models
from skeletonllm_core.remote import wire
from skeletonllm_core.serve import schema
from skeletonllm_core.serve.jobs import Job, Jobs, QueueFull, Stopped

BODY_SECONDS = 15.0
"""How long the body of a request may take to arrive [s]."""

MAX_BODIES = 16
"""How many bodies may be on their way at the same time."""

_CLOSED = 499
"""Logged where the client went away before its answer; nobody receives it."""

log = logging.getLogger("skeletonllm.serve")


class Gate:
    """Refuses requests that name another host (DNS rebinding), and logs one line a request; never a body or a token.

    Args:
        app: what is behind it.
        host: the address that the worker was told to listen on.
        remote: whether it listens to other machines; then any IP address may be named, for none can be rebound.
    """

    def __init__(self, app: ASGIApp, host: str, remote: bool) -> None:
        self.app = app
        self.names = {"localhost", "127.0.0.1", "::1", host.lower()}
        self.remote = remote

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        try:
            if len(hosts) == 1 and self.is_ours(hosts[0]):
                await self.app(scope, receive, noted)
            else:
                told = f"this worker is not called that; ask it as http://127.0.0.1:{scope['server'][1]}"
                await _error(400, told)(scope, receive, noted)
        finally:
            path = scope["raw_path"].decode("ascii")[:100]
            log.info("%s %s %d %.2f s", scope["method"], path, status or 500, time.monotonic() - began)

    def is_ours(self, header: str) -> bool:
        """Whether the value of a Host header names this worker."""
        name = header.lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        if name in self.names:
            return True
        if not self.remote:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def make_app(model: SkeletonLLM, jobs: Jobs, token: str, *, host: str, remote: bool, seconds: float) -> FastAPI:
    """The worker's routes.

    Args:
        model: what answers.
        jobs: where its work is queued.
        token: what a request must bear.
        host, remote: see `Gate`.
        seconds: how long a request may wait and be worked on.
    """
    bearer = HTTPBearer(auto_error=False, description="The token that the worker printed at its start.")

    def authorised(given: HTTPAuthorizationCredentials | None = Depends(bearer)) -> None:  # noqa: B008
        if given is None:
            told = 'the token is missing: send the header "Authorization: Bearer …" with the one the worker printed'
        elif not hmac.compare_digest(given.credentials.encode(), token.encode()):
            told = "the token is wrong: a worker makes a new one at every start, and prints where it is kept"
        else:
            return
        raise HTTPException(401, told, {"WWW-Authenticate": "Bearer"})

    app = FastAPI(
        title="SkeletonLLM worker",
        version=__version__,
        description="Skeleton motion in; labels, captions, answers, a timeline and pictures out.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Gate, host=host, remote=remote)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _internal_error)
    bodies = asyncio.Semaphore(MAX_BODIES)
    parsing = asyncio.Lock()

    async def asked(verb: str, request: Request) -> wire.Question:
        """The question of a request, read and checked."""
        jobs.check_room()
        if bodies.locked():
            raise QueueFull
        async with bodies:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await _body(request)
            except TimeoutError:
                raise HTTPException(408, f"the body did not arrive within {BODY_SECONDS:g} s") from None
            async with parsing:  # One at a time bounds the memory that nested lists take.
                return await asyncio.to_thread(lambda: wire.question_from_json(verb, wire.parse(body)))

    async def answer(verb: str, request: Request) -> Response:
        try:
            question = await asked(verb, request)
            job = jobs.submit(partial(_ANSWERS[verb], model, question))
        except QueueFull:
            told = f"the worker is busy: {jobs.limit} requests wait already; ask again later"
            return _error(503, told, {"Retry-After": str(jobs.retry_after())})
        except wire.NotJSON as problem:
            return _error(400, str(problem))
        except wire.MessageError as problem:
            return _error(422, str(problem))
        except ClientDisconnect:
            return Response(status_code=_CLOSED)
        try:
            return await _result(job, request, seconds)
        finally:
            job.stop()

    for verb in wire.VERBS:
        app.add_api_route(
            f"/v1/{verb}",
            _endpoint(answer, verb),
            methods=["POST"],
            operation_id=verb,
            summary=schema.SUMMARIES[verb],
            dependencies=[Depends(authorised)],
            response_model=None,
            responses=schema.responses(verb),
            openapi_extra=schema.request(verb),
        )

    @app.get(
        "/v1/health",
        operation_id="health",
        dependencies=[Depends(authorised)],
        response_model=None,
        responses=schema.responses("health"),
        summary=schema.SUMMARIES["health"],
    )
    async def health() -> dict[str, Any]:
        return wire.answer_to_json(
            {
                "status": "ok",
                "skeletonllm": __version__,
                "model": {"id": model.id, "sha256": model.sha256},
                "queue": {"waiting": jobs.waiting, "limit": jobs.limit},
            }
        )

    @app.get(
        "/v1/models",
        operation_id="models",
        dependencies=[Depends(authorised)],
        response_model=None,
        responses=schema.responses("models"),
        summary=schema.SUMMARIES["models"],
    )
    async def models() -> dict[str, Any]:
        loaded = {"id": model.id, "sha256": model.sha256, "labels": list(model.labels)}
        return wire.answer_to_json({"models": available_models(), "loaded": loaded})

    document = app.openapi()
    document.setdefault("components", {})["schemas"] = schema.COMPONENTS
    return app


def _endpoint(answer: Callable[[str, Request], Awaitable[Response]], verb: str) -> Callable[..., Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answer(verb, request)

    return endpoint


async def _body(request: Request) -> bytes:
    """The body of a request, no longer than it may be."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, 'a message is JSON: send it with the header "Content-Type: application/json"')
    too_large = f"the body is larger than {wire.MAX_BODY // 2**20} MiB: send a shorter clip, or fewer frames a second"
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > wire.MAX_BODY:
        raise HTTPException(413, too_large)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > wire.MAX_BODY:
            raise HTTPException(413, too_large)
    return bytes(body)


async def _result(job: Job, request: Request, seconds: float) -> Response:
    """What a job came to, or what to tell a client whose time is over; nothing where it has gone."""
    result = asyncio.wrap_future(job.result)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({result, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if result.cancelled():
            raise Stopped
        if not result.done():
            if gone.done():
                return Response(status_code=_CLOSED)
            return _error(504, f"this took longer than {seconds:g} s: send a shorter clip, or start with --timeout")
        return JSONResponse(wire.answer_to_json(result.result()))
    except Stopped:
        return _error(503, "the worker is stopping; start it again and ask again", {"Retry-After": "10"})
    except SkeletonLLMError as problem:
        return _error(422, str(problem))
    finally:
        gone.cancel()
        # Where nobody waits any more, how the job ends is nobody's business.
        result.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


async def _gone(request: Request) -> None:
    """Returns when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, StarletteHTTPException)
    told = problem.detail
    if problem.status_code in (404, 405) and told == HTTPStatus(problem.status_code).phrase:
        told = {
            404: "there is nothing at this path; /openapi.json lists what there is",
            405: f"this path does not take {request.method}; /openapi.json lists what it takes",
        }[problem.status_code]
    return _error(problem.status_code, told, problem.headers)


async def _internal_error(request: Request, problem: Exception) -> Response:
    return _error(500, f"the worker failed ({type(problem).__name__}): see its log, and report it")


def _error(status: int, sentence: str, headers: Any = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


# ---- the verbs; each runs in the thread of the model


def _info(model: SkeletonLLM, question: wire.Question) -> dict[str, Any]:
    return describe(question.clip, [question.clip.name])


def _label(model: SkeletonLLM, question: wire.Question) -> dict[str, Any]:
    found = model.label(
        question.clip.persons, question.labels, top=question.top, explain=question.explain, quick=question.quick
    )
    return found.as_json()


def _caption(model: SkeletonLLM, question: wire.Question) -> dict[str, Any]:
    return model.caption(question.clip.persons).as_json()


def _ask(model: SkeletonLLM, question: wire.Question) -> dict[str, Any]:
    return {"answer": model.ask(question.clip.persons, question.question)}


def _segment(model: SkeletonLLM, question: wire.Question) -> dict[str, Any]:
    return segments_json(model.segment(question.clip.persons, question.labels))


def _render(model: SkeletonLLM, question: wire.Question) -> dict[str, Any]:
    import torch
    from PIL import Image

    with torch.no_grad():
        images = model.render(
            question.clip.persons,
            size=question.size,
            frames=question.frames,
            frame_indices=question.frame_indices,
        )
    files = []
    for frame in to_bytes(images.cpu().numpy().transpose(0, 2, 3, 1)):
        file = BytesIO()
        Image.fromarray(frame).save(file, "PNG")
        files.append(file.getvalue())
    return wire.images_to_json(files)


_ANSWERS: dict[str, Callable[[SkeletonLLM, wire.Question], dict[str, Any]]] = {
    "info": _info,
    "label": _label,
    "caption": _caption,
    "ask": _ask,
    "segment": _segment,
    "render": _render,
}
