"""Binds the port, keeps the token file, says when it is ready, and ends cleanly on SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import uvicorn

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Motion
from skeletonllm_core.motion.standard_body import standard_skeleton
from skeletonllm_core.motion.topologies import TOPOLOGIES
from skeletonllm_core.remote.client import token_path
from skeletonllm_core.serve import needs_serve
from skeletonllm_core.serve.connections import BACKLOG, BoundedConnection, allow_descriptors
from skeletonllm_core.serve.jobs import Jobs
from skeletonllm_core.serve.token import token_file

if TYPE_CHECKING:
    from skeletonllm_core.pipeline import SkeletonLLM

GRACE = 5.0
"""How long the request at work may go on after the worker was told to stop [s]."""


def serve(
    *,
    port: int,
    host: str,
    allow_remote: bool,
    model: str,
    device: str,
    seed: int,
    max_queue: int,
    timeout: float,
    keep_token_in: Path | None,
) -> None:
    """Answer until SIGINT or SIGTERM.

    Prints two lines on stdout: ``token: …`` and, when requests are answered, ``ready: http://…``; logs to stderr.

    Args:
        port: 0 picks a free one.
        host: address to listen on; another one than that of this machine alone needs `allow_remote`.
        model, device, seed: as for `load_model`.
        max_queue: how many requests may wait while one is worked on.
        timeout: how long a request may wait and be worked on [s].
        keep_token_in: file of the token; None for the user's state folder.

    Raises:
        SkeletonLLMError: the port is in use, the host needs `allow_remote`, no such model, or no place for the token.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("skeletonllm.serve").setLevel(logging.INFO)
    remote = not _is_loopback(host)
    if remote and not allow_remote:
        raise SkeletonLLMError(
            f"--host {host} would let other machines ask: add --allow-remote if that is meant; the token and the motions "
            "travel unencrypted"
        )
    for number in (signal.SIGINT, signal.SIGTERM):  # A shell starts what is in its background deaf to SIGINT.
        signal.signal(number, signal.default_int_handler)
    allow_descriptors()
    try:
        with _listening(host, port) as listener:
            path = keep_token_in or token_path(listener.getsockname()[1])
            with token_file(path) as token:
                if remote:
                    told = "other machines can reach this worker; the token and the motions travel unencrypted"
                    print(f"warning: {told}", file=sys.stderr, flush=True)
                with needs_serve():  # Heavy, so only when the port and the token file are ours.
                    from skeletonllm_core.pipeline import load_model
                    from skeletonllm_core.serve.app import make_app
                loaded = load_model(model, device=device, seed=seed)
                _warm(loaded)
                jobs = Jobs(max_queue)
                # Every look at a clip passes the renderer, so a request that nobody waits for ends there.
                loaded.renderer.register_forward_pre_hook(lambda *_: jobs.checkpoint())
                print(f"token: {token} (kept in {path})", flush=True)
                config = uvicorn.Config(
                    make_app(loaded, jobs, token, host=host, remote=remote, seconds=timeout),
                    loop="asyncio",
                    http=BoundedConnection,
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    backlog=BACKLOG,
                    timeout_graceful_shutdown=round(GRACE) + 5,
                )
                try:
                    _Server(config, jobs, _address(listener)).run(sockets=[listener])
                finally:
                    jobs.close()
    except KeyboardInterrupt:
        pass


def _warm(model: SkeletonLLM) -> None:
    """Look at a person who stands still: the first look compiles kernels and fills caches, for which nobody shall wait."""
    from skeletonllm_core.model.openai_server import ChatServer

    skeleton = standard_skeleton(TOPOLOGIES["humanml3d22"])
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (2, len(skeleton), 1))
    person = Motion(skeleton, turns, np.zeros((2, 3)), fps=1.0)
    if isinstance(model.model, ChatServer):  # where a question costs, none is asked
        model.render(person)
    else:
        model.label(person, ["stand", "walk"])


class _Server(uvicorn.Server):
    """uvicorn's server that says when it is ready, and empties the queue before it waits for its connections."""

    def __init__(self, config: uvicorn.Config, jobs: Jobs, address: str) -> None:
        super().__init__(config)
        self._jobs = jobs
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"ready: {self._address}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._jobs.cancel_waiting()
        asyncio.get_running_loop().call_later(GRACE, self._jobs.stop)
        await super().shutdown(sockets)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens; from now on the port is ours."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as problem:
        told = (problem.strerror or str(problem)).lower()
        cure = "choose another --port, or 0 for a free one"
        raise SkeletonLLMError(f"cannot listen on {host} port {port}: {told}; {cure}") from problem
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
