"""The local worker that Blender and ROS 2 talk to: one model in memory, asked over HTTP.

    connection ─connections→ request ─app→ Question ─jobs→ one thread with the model → answer

`server` binds the port, keeps the token file, and ends cleanly; `schema` is what /openapi.json says of the messages,
which `skeletonllm_core.remote.wire` reads and checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from skeletonllm_core.errors import SkeletonLLMError


@contextmanager
def needs_serve() -> Iterator[None]:
    """Around imports: say what to install where the libraries of the worker or of its model are missing."""
    try:
        yield
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.partition(".")[0] == "skeletonllm_core":
            raise
        raise SkeletonLLMError('serve needs: pip install "skeletonllm[serve]"') from problem
