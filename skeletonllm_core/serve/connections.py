"""How many connections there may be and how long they may be silent: a client that says nothing costs nobody else."""

from __future__ import annotations

import asyncio
import json
import sys

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 400
"""More than three times the backlog, so that no connection is dropped before what it sent was looked at."""

BACKLOG = 100

DESCRIPTORS = 1024
"""Files that the worker may have open: all connections, a backlog that is accepted at once, and what it needs itself."""

SILENCE = 10.0
"""A connection that has no request at work for so long, or twice as long, is closed [s]."""


def allow_descriptors() -> None:
    """Raise the soft limit of open files to `DESCRIPTORS` where it is lower; on some systems it is less than the connections."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class BoundedConnection(H11Protocol):
    """uvicorn's protocol with two bounds: where there are too many connections, the one that has been idle longest is
    closed; and one that stays idle, however slowly it sends a header, is closed too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._opened = self.loop.time()
        self._idle_with: object = "busy"
        self._watch = self.loop.call_later(SILENCE, self._look)
        if len(self.connections) > MAX_CONNECTIONS:
            idle = [one for one in self.connections if isinstance(one, BoundedConnection) and one.idle]
            oldest = min(idle, key=lambda one: one._opened)
            self.connections.discard(oldest)
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Whether no request is at work."""
        return self.cycle is None or self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, which speaks plain text."""
        body = json.dumps({"error": "this is no HTTP request that the worker understands"}).encode()
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _look(self) -> None:
        if self.idle and self._idle_with is self.cycle:
            self.transport.abort()
            return
        self._idle_with = self.cycle if self.idle else "busy"
        self._watch = self.loop.call_later(SILENCE, self._look)
