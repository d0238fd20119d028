"""The worker behind the nodes: one of our own, and one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

import skeletonllm_core as sk
from skeletonllm_ros2.worker import Worker, worker_at


@pytest.mark.slow
def test_a_worker_of_our_own_lives_as_long_as_the_block(root: Path, model: str) -> None:
    pytest.importorskip("uvicorn")
    walk = sk.read(root / "examples" / "clips" / "walk.mixamo.bvh")[0]
    with worker_at(None, model) as worker:
        assert worker.label(walk, ["walk", "sit down"], top=2).text == "walk"
        assert set(worker.model()) == {"id", "sha256"}
    with pytest.raises(sk.WorkerError, match="no worker answers"):
        worker.caption(walk)


def test_a_worker_that_does_not_start(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    with (
        pytest.raises(sk.WorkerError, match=r"the worker did not start: .*nowhere"),
        worker_at(None, f"{tmp_path}/nowhere"),
    ):
        pass


def test_an_address_that_is_none() -> None:
    with pytest.raises(sk.SkeletonLLMError, match="is no address of a worker"):
        Worker("ftp://x", "token").model()
