"""The verbs against a worker: the same answers as in process, and one sentence with a cure for every way to have none."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import skeletonllm_core as sk
from skeletonllm_core.describe import describe
from skeletonllm_core.errors import WorkerError
from skeletonllm_core.media import to_bytes
from skeletonllm_core.pipeline import load_model
from skeletonllm_core.remote import wire
from skeletonllm_core.remote.client import Client, token_path
from tests.clips import bvh, squat, wave
from tests.worker import Worker


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    started = Worker(tmp_path_factory.mktemp("worker"), "--model", model)
    yield started
    assert started.stop() == 0


@pytest.fixture
def persons(tmp_path: Path) -> list[sk.Motion]:
    (tmp_path / "wave.bvh").write_text(bvh(wave, 1.0))
    return sk.read(tmp_path / "wave.bvh")


def test_every_verb_answers_as_the_model_does(
    worker: Worker, persons: list[sk.Motion], model: str, tmp_path: Path
) -> None:
    client, local = Client(worker.address, worker.token), load_model(model)
    (person,) = persons
    # What the wire rounds away changes no word, and no score by more than 0.001.
    expected = local.label(person, top=2, explain=True)
    found = client.label(person, top=2, explain=True)
    assert found.score == pytest.approx(expected.score, abs=1e-3)
    scores = [one.score for one in expected.alternatives]
    assert [one.score for one in found.alternatives] == pytest.approx(scores, abs=1e-3)
    assert replace(found, score=0.0, alternatives=()) == replace(expected, score=0.0, alternatives=())
    assert client.label(persons, ["walk", "wave"]).text == "wave"
    (tmp_path / "squat.bvh").write_text(bvh(squat, 1.0))
    (other,) = sk.read(tmp_path / "squat.bvh")
    once, often = (local.label(other, quick=quick).score for quick in (True, False))
    looked_once = client.label(other, quick=True)
    assert abs(looked_once.score - once) < 1e-3 and abs(looked_once.score - once) < abs(once - often) / 2
    assert client.caption(persons) == local.caption(person)
    assert client.ask(person, "Which hand is raised?") == local.ask(person, "Which hand is raised?")
    (part,) = client.segment(sk.Clip("clip", list(persons)), ["wave", "walk"])
    (same,) = local.segment(person, ["wave", "walk"])
    assert replace(part, score=0.0) == replace(same, score=0.0)
    assert part.score == pytest.approx(same.score, abs=1e-3)
    info = client.info(sk.Clip("clip", list(persons)))
    assert info["persons"] == describe(sk.Clip("clip", list(persons)), ["clip"])["persons"]
    assert (info["format"], info["clips"], info["frames"]) == ("json", ["clip"], 30)
    pictures = client.render(person, size=32, frame_indices=[0, 29])
    frames = to_bytes(local.render(person, size=32, frame_indices=[0, 29]).detach().numpy().transpose(0, 2, 3, 1))
    for file, frame in zip(pictures, frames, strict=True):
        with Image.open(BytesIO(file)) as image:
            assert np.abs(np.asarray(image).astype(int) - frame).max() <= 1
    assert client.health()["status"] == "ok"
    assert client.models()["loaded"]["labels"] == list(local.labels)


def test_the_token_is_found_by_its_port(worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(worker.token_file.parent.parent))
    assert token_path(worker.port) == worker.token_file
    assert Client(worker.address).health()["status"] == "ok"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    refused(lambda: Client(worker.address), "gone", "keeps a token for", "skeletonllm serve")
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert token_path(1) == tmp_path / ".local" / "state" / "skeletonllm" / "worker-1.token"


def refused(call: Callable[[], object], reason: str, *told: str) -> WorkerError:
    """The error that a call ends with: this reason, and one sentence with these words."""
    with pytest.raises(WorkerError) as problem:
        call()
    assert problem.value.reason == reason, problem.value
    for words in told:
        assert words in str(problem.value)
    assert "\n" not in str(problem.value)
    return problem.value


def test_what_the_worker_refuses_is_its_sentence(worker: Worker, persons: list[sk.Motion]) -> None:
    client = Client(worker.address, worker.token)
    refused(lambda: Client(worker.address, "wrong").health(), "refused", "the token is wrong")
    refused(lambda: Client(worker.address, "wrong").label(persons), "refused", "the token is wrong")
    refused(lambda: client.label(persons, []), "refused", "no candidate label")
    refused(lambda: client.ask(persons, ""), "refused", "the question is empty")
    refused(lambda: client.label(persons, top=0), "refused", '"top" must lie in')
    refused(lambda: client.label([]), "refused", '"persons" is empty')
    joints = 3000
    chain = sk.Keypoints.from_arrays(np.ones((1, joints, 3)), ["a"] * joints, [-1, *range(joints - 1)], 30)
    refused(lambda: client.label(chain), "refused", "3000 joints; more than 2000 are refused")


def test_a_clip_that_is_too_long_is_not_even_sent(monkeypatch: pytest.MonkeyPatch, persons: list[sk.Motion]) -> None:
    monkeypatch.setattr(wire, "MAX_BODY", 1000)
    refused(lambda: Client(token="token").label(persons), "refused", "too long for one request", "cut it")


def test_a_token_that_cannot_be_a_header_is_refused() -> None:
    refused(lambda: Client(token="a\r\nX-Other: b"), "refused", "copy it as the worker printed it")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8765", "https://127.0.0.1", "http://", "http://a:b", "http://a/v1", "x"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(sk.SkeletonLLMError, match="is no address of a worker"):
        Client(address, "token")


def test_nobody_there_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", "token")
    refused(client.health, "gone", f"no worker answers at http://127.0.0.1:{port}", "skeletonllm serve")
    refused(Client("http://no-such-host.invalid", "token").health, "gone", "cannot be reached")


@contextmanager
def answering(content: bytes, *, silent: bool = False) -> Iterator[Client]:
    """A client of a server that takes one request and sends these bytes; a silent one keeps the connection open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(content)
                if silent:
                    over.wait(timeout=30)

        server = threading.Thread(target=serve)
        server.start()
        yield Client(f"http://127.0.0.1:{listener.getsockname()[1]}", "token", timeout=1.0 if silent else 30.0)
        over.set()
        server.join(timeout=30)


def reply(body: bytes, status: str = "200 OK", head: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


@pytest.mark.parametrize(
    ("content", "reason", "told"),
    [
        (b"", "gone", "went away before it answered"),
        (reply(b'{"version": 1}')[:-3], "gone", "went away in the middle of its answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "failed", "is no SkeletonLLM worker: check the port"),
        (reply(b"<html>"), "failed", "is no SkeletonLLM worker"),
        (reply(b"\xff\xfe"), "failed", "is no SkeletonLLM worker"),
        (reply(b"Not found", "404 Not Found"), "failed", "is no SkeletonLLM worker"),
        (reply(b'{"detail": 1}', "404 Not Found"), "failed", "is no SkeletonLLM worker"),
        (reply(b"[]"), "refused", "must be an object"),
        (reply(b'{"version": 2}'), "refused", "update the older of the two sides"),
        (reply(b'{"error": "boom"}', "500 Internal Server Error"), "failed", "boom"),
        (reply(b'{"error": "full"}', "503 Service Unavailable"), "busy", "full"),
    ],
)
def test_other_ends_are_one_sentence(content: bytes, reason: str, told: str) -> None:
    with answering(content) as client:
        error = refused(client.health, reason, told)
    assert error.retry_after is None


def test_a_busy_worker_says_when_to_come_back() -> None:
    full = reply(b'{"error": "the worker is busy"}', "503 Service Unavailable", "Retry-After: 7\r\n")
    with answering(full) as client:
        assert refused(client.health, "busy", "the worker is busy").retry_after == 7


def test_an_answer_that_makes_no_sense_is_one_sentence(persons: list[sk.Motion]) -> None:
    with answering(reply(b'{"version": 1, "label": "walk", "alternatives": []}')) as client:
        refused(lambda: client.label(persons), "failed", "makes no sense", '"label" must be an object')


@pytest.mark.parametrize("content", [b"", reply(b"{}")[:-20], reply(b"x" * 1000)[:-500]])
def test_a_worker_that_falls_silent_is_left(content: bytes) -> None:
    with answering(content, silent=True) as client:
        refused(client.health, "gone", "did not answer within 1 s")


def test_a_worker_that_is_killed_at_work_is_gone(
    tmp_path: Path, persons: list[sk.Motion], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path / "state", "--model", model)
    client = Client(worker.address, worker.token)
    long = replace(
        persons[0],
        rotations=np.tile(persons[0].rotations, (60, 1, 1)),
        root_translation=np.tile(persons[0].root_translation, (60, 1)),
    )
    wait = http.client.HTTPConnection.getresponse

    def killed_meanwhile(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        worker.process.kill()
        return wait(connection)

    # The whole request has been sent by then, and the answer takes seconds.
    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", killed_meanwhile)
    refused(lambda: client.segment(long), "gone", "see its log, and start it again")
    worker.process.wait(timeout=30)
    refused(client.health, "gone", "no worker answers")
    # What it left behind does not keep the next one from starting there.
    assert worker.token_file.exists()


def test_the_client_needs_no_torch_and_no_server() -> None:
    code = (
        "import sys\nfrom skeletonllm_core.remote import client\n"
        "heavy = {'torch', 'warp', 'transformers', 'fastapi', 'uvicorn', 'pydantic', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
