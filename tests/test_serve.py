"""The worker, over real HTTP: its answers, its refusals, and what other clients can do to it."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.openapi.models import OpenAPI
from PIL import Image

import skeletonllm_core as sk
from skeletonllm_core.answers import segments_json
from skeletonllm_core.describe import describe
from skeletonllm_core.media import to_bytes
from skeletonllm_core.pipeline import SkeletonLLM, load_model
from skeletonllm_core.remote import wire
from skeletonllm_core.serve.app import Gate
from tests.clips import bvh, squat, wave
from tests.test_docs import fenced
from tests.test_wire import DROPPED, WRONG, message, rotating
from tests.worker import Reply, Worker, read_reply

VERBS = tuple(f"/v1/{verb}" for verb in wire.VERBS)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    started = Worker(tmp_path_factory.mktemp("worker"), "--max-queue", "2", "--model", model)
    yield started
    assert started.process.poll() is None, f"the worker died:\n{started.log}"
    assert started.stop() == 0
    assert started.more_output() == ""
    assert "Traceback" not in started.log, started.log


@pytest.fixture(scope="module")
def loaded(model: str) -> SkeletonLLM:
    return load_model(model)


def clip_of(tmp_path: Path, motion: Any = wave, seconds: float = 1.5) -> list[sk.Motion]:
    (tmp_path / "clip.bvh").write_text(bvh(motion, seconds))
    return sk.read(tmp_path / "clip.bvh")


def long_message() -> dict[str, Any]:
    """A short message about a clip so long that its timeline takes minutes."""
    frames = 500 * np.ones((1, 1, 1)) * np.array([[[0, 0.5 * joint, 0.0] for joint in range(3)]])
    moving = np.repeat(frames / 500, 1200, axis=0)
    moving[:, 2, 0] = np.sin(np.arange(1200))
    return message(**{"~fps": 2, "~positions": moving.round(3).tolist()})


# ---- answers


def test_every_verb_answers_as_the_model_does(worker: Worker, loaded: SkeletonLLM, tmp_path: Path) -> None:
    pair = [*clip_of(tmp_path), *clip_of(tmp_path, squat, 1.0)]
    for persons in (pair[:1], [pair[0].keypoints(), pair[1]]):
        given = wire.question_to_json(persons)
        clip = wire.question_from_json("info", wire.parse(json.dumps(given).encode())).clip
        people, labels = clip.persons, ["squat", "wave", "walk"]
        assert worker.ask("/v1/info", given).json == {"version": 1, **describe(clip, [clip.name])}
        found = worker.ask("/v1/label", {**given, "top": 4, "explain": True}).json
        assert found == {"version": 1, **loaded.label(people, top=4, explain=True).as_json()}
        found = worker.ask("/v1/label", {**given, "labels": labels}).json
        assert found == {"version": 1, **loaded.label(people, labels).as_json()}
        assert worker.ask("/v1/caption", given).json == {"version": 1, **loaded.caption(people).as_json()}
        question = "Which hand is raised?"
        found = worker.ask("/v1/ask", {**given, "question": question}).json
        assert found == {"version": 1, "answer": loaded.ask(people, question)}
        found = worker.ask("/v1/segment", {**given, "labels": labels}).json
        assert found == {"version": 1, **segments_json(loaded.segment(people, labels))}


def test_what_is_asked_over_http_is_what_a_file_gives(worker: Worker, loaded: SkeletonLLM, tmp_path: Path) -> None:
    """Rounding on the wire changes no label, and no score by more than 0.001."""
    persons = clip_of(tmp_path)
    found = worker.ask("/v1/label", wire.question_to_json(persons)).json["label"]
    expected = loaded.label(persons)
    assert (found["text"], found["known"]) == (expected.text, expected.known)
    assert found["score"] == pytest.approx(expected.score, abs=1e-3)


def test_render_gives_a_png_file_a_frame(worker: Worker, loaded: SkeletonLLM, tmp_path: Path) -> None:
    given = wire.question_to_json(clip_of(tmp_path))
    people = wire.question_from_json("info", given).clip.persons
    for options in ({"size": 48, "frames": 5}, {"size": 48, "frame_indices": [0, 44]}, {}):
        images = worker.ask("/v1/render", {**given, **options}).json["images"]
        expected = to_bytes(loaded.render(people, **options).detach().numpy().transpose(0, 2, 3, 1))
        assert len(images) == len(expected)
        for text, frame in zip(images, expected, strict=True):
            with Image.open(BytesIO(base64.b64decode(text))) as image:
                assert image.format == "PNG"
                np.testing.assert_array_equal(np.asarray(image), frame)


def test_two_clients_at_once_get_their_own_answers(worker: Worker, loaded: SkeletonLLM, tmp_path: Path) -> None:
    clips = [wire.question_to_json(clip_of(tmp_path, motion)) for motion in (wave, squat)]
    expected = [loaded.label(wire.question_from_json("info", given).clip.persons).as_json()["label"] for given in clips]
    assert expected[0]["text"] != expected[1]["text"]
    with ThreadPoolExecutor(2) as clients:
        for _ in range(2):
            replies = list(clients.map(lambda given: worker.ask("/v1/label", given), clips))
            assert [reply.json["label"] for reply in replies] == expected


def test_health_and_models(worker: Worker, loaded: SkeletonLLM) -> None:
    found = worker.ask("/v1/health").json
    assert found["status"] == "ok"
    assert found["skeletonllm"] == sk.__version__
    assert found["model"] == {"id": loaded.id, "sha256": loaded.sha256}
    assert found["queue"] == {"waiting": 0, "limit": 2}
    found = worker.ask("/v1/models").json
    assert found["models"][0]["name"] == "default"
    assert found["loaded"] == {"id": loaded.id, "sha256": loaded.sha256, "labels": list(loaded.labels)}


# ---- refusals


def refused(reply: Reply, status: int, told: str) -> None:
    """The reply is one sentence as JSON, with this status."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json) == ["error"]
    assert told in reply.json["error"]
    assert "\n" not in reply.json["error"]


def test_the_token_is_needed(worker: Worker) -> None:
    for path, given in [("/v1/health", None), ("/v1/models", None), *((path, message()) for path in VERBS)]:
        for header in ("", "Basic dXNlcjpwYXNz"):
            reply = worker.ask(path, given, Authorization=header)
            refused(reply, 401, "the token is missing")
            assert reply.headers["www-authenticate"] == "Bearer"
        for wrong in ("x", worker.token[:-1], worker.token + "x", "\xff" * 43):
            refused(worker.ask(path, given, Authorization=f"Bearer {wrong}"), 401, "the token is wrong")
    # Refused before the body is looked at.
    refused(worker.ask("/v1/label", b"[" * 100_000, Authorization=""), 401, "the token is missing")


def test_another_host_is_refused(worker: Worker) -> None:
    for host in (
        "evil.example",
        f"evil.example:{worker.port}",
        "127.0.0.1.evil.example",
        "192.0.2.1",
        "[::2]:80",
        "a:b:c",
    ):
        for path in ("/v1/health", "/openapi.json", "/nothing"):
            refused(worker.ask(path, Host=host), 400, "not called that")
    for host in (f"localhost:{worker.port}", "LOCALHOST", "[::1]", f"[::1]:{worker.port}", "127.0.0.1"):
        assert worker.ask("/v1/health", Host=host).status == 200
    refused(worker.ask("/v1/health", Host=""), 400, "")


def test_wrong_paths_and_methods(worker: Worker) -> None:
    for path in ("/", "/v1", "/v1/generate", "/v1/label/", "/docs", "/redoc", "/v1/../label", "/v1/%0a"):
        refused(worker.ask(path), 404, "/openapi.json lists what there is")
    for path in VERBS:
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            reply = worker.ask(path, method=method)
            refused(reply, 405, f"does not take {method}")
            assert reply.headers["allow"] == "POST"
    refused(worker.ask("/v1/health", message()), 405, "does not take POST")


def test_what_is_no_message_is_refused(worker: Worker) -> None:
    refused(worker.ask("/v1/label", b""), 400, "not JSON")
    refused(worker.ask("/v1/label", b'{"version": 1,'), 400, "not JSON")
    refused(worker.ask("/v1/label", b"[" * 1_000_000), 400, "nested too deep")
    refused(worker.ask("/v1/label", b'{"version": 1, "persons": NaN}'), 400, "holds NaN")
    refused(worker.ask("/v1/label", b"[" + b"{}," * 2_600_000 + b"{}]"), 400, "more than 2,500,000 lists")
    refused(worker.ask("/v1/label", message(), Content_Type="text/plain"), 415, "Content-Type: application/json")
    with worker.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x02 this is no HTTP\r\n\r\n")
        refused(read_reply(connection), 400, "no HTTP request")


@pytest.mark.parametrize(("verb", "given", "told"), WRONG[::4], ids=[told[:60] for _, _, told in WRONG[::4]])
def test_a_malformed_message_is_refused_with_its_sentence(
    worker: Worker, verb: str, given: dict[str, Any], told: str
) -> None:
    refused(worker.ask(f"/v1/{verb}", given), 422, told)


def test_a_clip_that_cannot_be_understood_is_refused(worker: Worker) -> None:
    one = message(**{"~skeleton": {"names": ["a"], "parents": [-1]}, "~positions": [[[0, 0, 0]]] * 3})
    for path in VERBS[:5]:
        given = {**one, "question": "Which hand?"} if path.endswith("ask") else one
        refused(worker.ask(path, given), 422, "only one joint")
    refused(worker.ask("/v1/label", message(labels=[" "])), 422, "no candidate label")
    refused(worker.ask("/v1/ask", message(question=" ")), 422, "the question is empty")


def test_a_large_body_is_refused_at_once(worker: Worker) -> None:
    began = time.monotonic()
    with worker.connect() as connection:  # A gigabyte that is only announced.
        connection.sendall(worker.head("POST", "/v1/label", Content_Type="application/json", Content_Length=str(2**30)))
        refused(read_reply(connection), 413, "larger than 32 MiB")
    with worker.connect() as connection:  # One that is sent without saying so.
        head = worker.head("POST", "/v1/label", Content_Type="application/json", Transfer_Encoding="chunked")
        connection.sendall(head)
        chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
        for _ in range(33):
            connection.sendall(chunk)
        refused(read_reply(connection), 413, "larger than 32 MiB")
    assert time.monotonic() - began < 20
    assert worker.ask("/v1/health").status == 200


def test_memory_stays_bounded_whatever_is_sent(worker: Worker) -> None:
    if not Path(f"/proc/{worker.process.pid}/status").exists():
        pytest.skip("the peak of a process's memory is read from /proc, which this system does not have")

    def peak_mib() -> int:
        status = Path(f"/proc/{worker.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024

    worker.ask("/v1/label", message())
    before = peak_mib()
    numbers = b"[" + b"0.5," * (wire.MAX_BODY // 4 - 10) + b"0]"
    with ThreadPoolExecutor(3) as clients:
        replies = list(clients.map(lambda _: worker.ask("/v1/label", numbers), range(3)))
    for reply in replies:
        assert reply.status in (422, 503)
    assert peak_mib() - before < 1200


# ---- fuzzing


def some_values(dice: random.Random) -> Any:
    """A value that may be anything."""
    choices: list[Any] = [
        None,
        True,
        False,
        0,
        -1,
        1,
        2.5,
        1e308,
        -1e-308,
        10**30,
        "",
        "x",
        "\ud800",
        "\x00",
        [],
        {},
        [[]],
    ]
    choices += [[None], [[0, 0, 0]], {"version": 1}, ["a"] * 50, [0] * 50, "y" * 2000, float(dice.randint(-9, 9))]
    return dice.choice(choices)


def mutated(value: Any, dice: random.Random) -> Any:
    """The value with one thing in it changed, left out or doubled."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        key = dice.choice(list(value))
        if dice.random() < 0.15:
            return {name: one for name, one in value.items() if name != key}
        if dice.random() < 0.1:
            return {**value, dice.choice(["extra", "root", "tip_joints", "parts", "drawn"]): some_values(dice)}
        return {**value, key: mutated(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        index = dice.randrange(len(value))
        if dice.random() < 0.1:
            return value[:index] + value[index + 1 :]
        if dice.random() < 0.1:
            return [*value, value[index]]
        return [*value[:index], mutated(value[index], dice), *value[index + 1 :]]
    return some_values(dice)


def test_random_messages_never_make_it_fail(worker: Worker) -> None:
    dice = random.Random(20)
    seen: dict[int, int] = {}
    for turn in range(400):
        path = dice.choice(VERBS)
        given = dice.choice([message, rotating])()
        if path.endswith("ask"):
            given["question"] = "Which hand is raised?"
        for _ in range(dice.choice([1, 1, 1, 2, 5])):
            given = mutated(given, dice)
        reply = worker.ask(path, json.dumps(given).encode())
        assert reply.status in (200, 400, 422), (turn, path, given, reply)
        if reply.status != 200:
            refused(reply, reply.status, "")
        seen[reply.status] = seen.get(reply.status, 0) + 1
    assert min(seen[200], seen[422]) >= 20, seen


def test_random_bytes_never_make_it_fail(worker: Worker) -> None:
    dice = random.Random(21)
    good = json.dumps(message()).encode()
    for _ in range(150):
        body = bytearray(good)
        for _ in range(dice.choice([1, 2, 8, 60])):
            body[dice.randrange(len(body))] = dice.randrange(256)
        reply = worker.ask("/v1/info", bytes(body))
        assert reply.status in (200, 400, 422), (bytes(body), reply)


@pytest.mark.parametrize(
    "positions",
    [
        [[[0, 0, 0]] * 3] * 4,
        [[[1e6, 1e6, 1e6]] * 3],
        [[[0, 0, 0], [0, 1e-9, 0], [None] * 3]],
        [[[None] * 3, [0, 1, 0], [0, 2, 0]], [[0, 0, 0], [None] * 3, [0, 2, 0]]],
        [[[0, None, 0]] * 3, [[0, 1, 0]] * 3],
    ],
    ids=["one place", "far away", "tiny", "gaps", "half known"],
)
def test_strange_bodies_are_answered_or_refused(worker: Worker, positions: Any) -> None:
    for path in VERBS:
        given = message(**{"~positions": positions})
        if path.endswith("ask"):
            given["question"] = "Which limb moves most?"
        assert worker.ask(path, given).status in (200, 422)


# ---- OpenAPI


def test_openapi_is_valid_and_lists_every_route(worker: Worker) -> None:
    reply = worker.ask("/openapi.json", Authorization="")
    assert reply.status == 200
    OpenAPI.model_validate(reply.json)
    assert set(reply.json["paths"]) == {*VERBS, "/v1/health", "/v1/models"}
    (scheme,) = reply.json["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for operations in reply.json["paths"].values():
        for operation in operations.values():
            assert operation["security"]
            assert {"200", "400", "401"} <= set(operation["responses"])
            for response in operation["responses"].values():
                jsonschema.Draft202012Validator.check_schema(response["content"]["application/json"]["schema"])


def test_openapi_describes_the_messages_that_travel(worker: Worker, tmp_path: Path) -> None:
    document = worker.ask("/openapi.json").json
    clip = wire.question_to_json(clip_of(tmp_path))
    options = {
        "/v1/label": {"labels": ["walk"], "top": 2, "explain": True, "quick": True},
        "/v1/ask": {"question": "Which hand is raised?"},
        "/v1/segment": {"labels": None},
        "/v1/render": {"size": 32, "frames": 2},
    }

    def schema_of(part: dict[str, Any]) -> jsonschema.Draft202012Validator:
        schema = part["content"]["application/json"]["schema"]
        return jsonschema.Draft202012Validator({**schema, "components": document["components"]})

    for path in VERBS:
        operation = document["paths"][path]["post"]
        given = {**clip, **options.get(path, {})}
        schema_of(operation["requestBody"]).validate(given)
        schema_of(operation["responses"]["200"]).validate(worker.ask(path, given).json)
    for path in ("/v1/health", "/v1/models"):
        schema_of(document["paths"][path]["get"]["responses"]["200"]).validate(worker.ask(path).json)
    # Wrong in form, not only in meaning: the document says so too.
    for verb, given in (
        ("label", message(persons=[])),
        ("label", message(labels="walk")),
        ("label", message(**{"~fps": DROPPED})),
        ("label", message(**{"~positions.0.0": [0, 0]})),
        ("label", message(**{"~root": [[0, 0, 0]] * 4})),
        ("info", message(extra=1)),
        ("info", rotating(**{"~root": DROPPED})),
        ("ask", message()),
    ):
        assert not schema_of(document["paths"][f"/v1/{verb}"]["post"]["requestBody"]).is_valid(given), given
        assert worker.ask(f"/v1/{verb}", given).status == 422


# ---- other clients


def waiting(worker: Worker) -> int:
    return worker.ask("/v1/health").json["queue"]["waiting"]


def until(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def begun(worker: Worker, given: dict[str, Any], path: str = "/v1/segment") -> socket.socket:
    """A connection on which a request was sent and no reply read."""
    body = json.dumps(given).encode()
    connection = worker.connect()
    headers = {"Content_Type": "application/json", "Content_Length": str(len(body))}
    connection.sendall(worker.head("POST", path, **headers) + body)
    return connection


def test_a_full_queue_is_503_and_who_goes_away_makes_room(worker: Worker) -> None:
    until(lambda: waiting(worker) == 0)
    slow = begun(worker, long_message())
    time.sleep(3)  # It is taken from the queue.
    until(lambda: waiting(worker) == 0)
    queued = [begun(worker, message(), "/v1/label") for _ in range(2)]
    until(lambda: waiting(worker) == 2)
    began = time.monotonic()
    reply = worker.ask("/v1/label", message())
    refused(reply, 503, "busy: 2 requests wait already")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    # Also before a body of 30 MB is sent.
    with worker.connect() as connection:
        headers = {"Content_Type": "application/json", "Content_Length": "30000000"}
        connection.sendall(worker.head("POST", "/v1/label", **headers))
        refused(read_reply(connection), 503, "busy")
    assert time.monotonic() - began < 30
    queued.pop().close()
    until(lambda: waiting(worker) == 1)
    # The one at work goes away: the next one does not wait for the minutes that it would have taken.
    slow.close()
    with queued.pop() as connection:
        connection.settimeout(120)
        assert read_reply(connection).status == 200
    until(lambda: waiting(worker) == 0)


def test_half_open_and_slow_clients_block_nobody(worker: Worker) -> None:
    silent = [worker.connect() for _ in range(20)]
    partial = worker.connect()
    partial.sendall(worker.head("POST", "/v1/label", Content_Type="application/json", Content_Length="1000")[:-10])
    slow = [worker.connect() for _ in range(5)]
    for connection in slow:
        head = worker.head("POST", "/v1/label", Content_Type="application/json", Content_Length="1000")
        connection.sendall(head + b'{"version"')
    assert worker.ask("/v1/info", message()).status == 200
    assert worker.ask("/v1/label", message()).status == 200
    for connection in (*silent, partial, *slow):
        connection.close()


@pytest.mark.slow
def test_silence_and_slowness_end(worker: Worker) -> None:
    silent, dripping, slow = worker.connect(), worker.connect(), worker.connect()
    head = worker.head("POST", "/v1/label", Content_Type="application/json", Content_Length="1000")
    slow.sendall(head)
    ended = threading.Event()

    def drip() -> None:
        for letter in head[:-4] * 3:
            try:
                dripping.sendall(bytes([letter]))
            except OSError:
                ended.set()
                return
            time.sleep(0.2)

    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    refused(read_reply(slow), 408, "did not arrive within 15 s")
    with pytest.raises(OSError):
        while silent.recv(100):
            pass
        raise ConnectionResetError
    assert time.monotonic() - began < 30
    assert ended.wait(timeout=30)
    for connection in (silent, dripping, slow):
        connection.close()


# ---- start and end


def test_the_token_is_kept_where_only_its_user_can_read_it(worker: Worker) -> None:
    assert worker.token_file.name == f"worker-{worker.port}.token"
    assert stat.S_IMODE(worker.token_file.stat().st_mode) == 0o600
    assert worker.token_file.read_text() == worker.token + "\n"
    assert worker.token not in worker.log


def test_neither_bodies_nor_tokens_are_logged(worker: Worker) -> None:
    worker.ask("/v1/ask?secret=query", {**message(name="secret-name"), "question": "Is the secret-word raised?"})
    worker.ask("/v1/label", b'"secret-body"')
    until(lambda: "/v1/ask" in worker.log)
    assert "secret" not in worker.log
    assert re.search(r"POST /v1/ask 200 \d+\.\d\d s", worker.log)


def program(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skeletonllm_core", "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})


def test_a_port_in_use_is_one_sentence(worker: Worker) -> None:
    done = program("--port", str(worker.port))
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.strip().splitlines()
    assert f"port {worker.port}: address already in use; choose another --port" in sentence
    assert worker.token_file.exists()


def test_other_machines_need_a_second_flag() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.7", "some-host"):
        done = program("--port", "0", "--host", host)
        assert (done.returncode, done.stdout) == (2, "")
        assert "add --allow-remote" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_worker_for_other_machines_takes_any_address_but_no_other_name() -> None:
    local, remote = Gate(FastAPI(), "127.0.0.1", False), Gate(FastAPI(), "0.0.0.0", True)
    for host in ("192.0.2.7", "192.0.2.7:8765", "[2001:db8::1]:8765"):
        assert remote.is_ours(host) and not local.is_ours(host)
    for host in ("evil.example", "evil.example:8765", "192.0.2.7.evil.example", ""):
        assert not remote.is_ours(host)
    assert Gate(FastAPI(), "studio.example", True).is_ours("Studio.example:8765")


def test_a_missing_extra_is_one_sentence() -> None:
    for name in ("fastapi", "uvicorn", "torch"):
        code = f"import sys; sys.modules[{name!r}] = None; from skeletonllm_core.cli import main; main(['serve'])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == 'serve needs: pip install "skeletonllm[serve]"\n'


def test_a_token_file_that_is_something_else_stays(tmp_path: Path, model: str) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("thesis.txt")
    for name in ("thesis.txt", "folder", "link"):
        done = program("--port", "0", "--token-file", str(tmp_path / name), "--model", model)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{name}: this file is no token of a worker" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_request_is_given_up_after_the_timeout(tmp_path: Path, model: str) -> None:
    kept = tmp_path / "kept.token"
    kept.write_text("a" * 43 + "\n")  # As a killed worker leaves it.
    worker = Worker(tmp_path, "--timeout", "4", "--token-file", str(kept), "--host", "127.0.0.1", "--model", model)
    assert worker.token_file == kept
    assert kept.read_text() == worker.token + "\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    refused(worker.ask("/v1/segment", long_message()), 504, "took longer than 4 s")
    # What was given up does not go on: the worker is free for the next.
    until(lambda: worker.ask("/v1/info", message()).status == 200)
    assert worker.stop(signal.SIGINT) == 0
    assert not kept.exists()


def test_it_ends_cleanly_during_a_request(tmp_path: Path, model: str) -> None:
    worker = Worker(tmp_path, "--model", model)
    # Either may be taken first; each takes minutes.
    requests = [begun(worker, long_message()) for _ in range(2)]
    half_open = worker.connect()
    until(lambda: waiting(worker) == 1)
    worker.process.send_signal(signal.SIGTERM)
    for request in requests:
        refused(read_reply(request), 503, "the worker is stopping")
    assert worker.process.wait(timeout=60) == 0
    assert list(tmp_path.rglob("*.token")) == []
    assert "Traceback" not in worker.log
    with pytest.raises(ConnectionRefusedError):
        worker.connect()
    for connection in (*requests, half_open):
        connection.close()


def test_ctrl_c_ends_it_before_it_is_ready(tmp_path: Path, model: str) -> None:
    state = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "skeletonllm_core", "serve", "--port", "0", "--model", model]
    early = subprocess.Popen(command, env=state, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: list(tmp_path.rglob("*.token")) != [], 60)
    early.send_signal(signal.SIGINT)
    out, err = early.communicate(timeout=60)
    assert (early.returncode, out, err) == (0, "", "")
    assert list(tmp_path.rglob("*.token")) == []


# ---- the document


def test_the_examples_of_the_document_work(worker: Worker, root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "serve.md").read_text(encoding="utf-8").replace("8765", str(worker.port))
    (script,), (shown,), (python,) = (fenced(text, language) for language in ("sh", "json", "python"))
    state = {**os.environ, "XDG_STATE_HOME": str(worker.token_file.parent.parent)}
    (tmp_path / "walk.bvh").write_text(bvh(wave, 1.0))
    done = subprocess.run(
        [sys.executable, "-c", python], cwd=tmp_path, env=state, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in worker.ask("/v1/models").json["loaded"]["labels"]
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, so the example that uses it was not run")
    done = subprocess.run(["bash", "-ec", script], env=state, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found, expected = json.loads(done.stdout), json.loads(shown)
    assert found["label"]["text"] == expected["label"]["text"]

    def layout(value: Any) -> Any:
        return {key: layout(one) for key, one in value.items()} if isinstance(value, dict) else None

    assert layout(found) == layout(expected)
    assert list(map(layout, found["alternatives"])) == list(map(layout, expected["alternatives"]))


def test_the_document_lists_every_endpoint(root: Path) -> None:
    text = (root / "docs" / "serve.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(?:POST|GET) (/\S+)`", text)) == {*VERBS, "/v1/health", "/v1/models"}
    for verb, options in wire.VERBS.items():
        (row,) = re.findall(rf"^\| `POST /v1/{verb}` \|(.*?)\|", text, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", row)) == set(options)
