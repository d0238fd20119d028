"""The verb of the local worker: serve."""

from __future__ import annotations

import os
from pathlib import Path

import click

from skeletonllm_core.cli.options import PATH, with_model


@click.command()
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Let --host be an address that other machines can reach.")
@click.option("--max-queue", default=8, show_default=True, type=click.IntRange(1, 1000), help="Requests that may wait.")
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(1), help="Of a request [s].")
@click.option("--token-file", type=PATH, help="Where the token is kept; default: the user's state folder.")
@with_model
def serve(
    port: int,
    host: str,
    allow_remote: bool,
    max_queue: int,
    timeout: float,
    token_file: Path | None,
    model: str,
    device: str,
    seed: int,
) -> None:
    """The local worker that Blender and ROS 2 talk to; docs/serve.md says how it is asked."""
    # Threads that wait for work must not keep the cores busy: Blender, a node or a robot need them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from skeletonllm_core.serve import needs_serve

    with needs_serve():
        from skeletonllm_core.serve.server import serve as run
    run(
        port=port,
        host=host,
        allow_remote=allow_remote,
        model=model,
        device=device,
        seed=seed,
        max_queue=max_queue,
        timeout=timeout,
        keep_token_in=token_file,
    )
