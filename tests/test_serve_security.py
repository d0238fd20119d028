"""What another program on this machine can do to the worker: nothing but be refused, while it serves and stays small."""

from __future__ import annotations

import re
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from skeletonllm_core.serve.connections import BACKLOG, DESCRIPTORS, MAX_CONNECTIONS
from tests.test_wire import message
from tests.worker import Reply, Worker, read_reply

GIGABYTE = 2**30
BLOCK = 2**20


def peak_mib(worker: Worker) -> int:
    """The most memory that the worker has had."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from /proc, which this system does not have")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # as macOS has it; the worker starts with it, too
    try:
        started = Worker(tmp_path_factory.mktemp("worker"), "--model", model)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE)[0] == DESCRIPTORS
    assert started.ask("/v1/label", message()).status == 200
    before = peak_mib(started)
    yield started
    assert started.process.poll() is None, f"the worker died:\n{started.log}"
    grown = peak_mib(started) - before
    assert started.stop() == 0
    assert "Traceback" not in started.log, started.log
    assert grown < 400


@pytest.fixture(autouse=True)
def _still_serving(worker: Worker) -> Iterator[None]:
    yield
    assert worker.ask("/v1/label", message()).status == 200


def test_it_listens_on_this_machine_only(worker: Worker) -> None:
    listening = {
        row.split()[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if row.split()[3] == "0A" and int(row.split()[1].partition(":")[2], 16) == worker.port
    }
    assert listening == {socket.inet_aton("127.0.0.1")[::-1].hex().upper() if sys.byteorder == "little" else "7F000001"}


# ---- a gigabyte


def sent(connection: socket.socket, blocks: Iterator[bytes]) -> int:
    """How much of a body was sent before the worker hung up, at most all of it."""
    done = 0
    with suppress(OSError):
        for block in blocks:
            connection.sendall(block)
            done += len(block)
    return done


def chunked(size: int) -> Iterator[bytes]:
    for _ in range(size // BLOCK):
        yield b"%x\r\n" % BLOCK + b" " * BLOCK + b"\r\n"
    yield b"0\r\n\r\n"


def whole(size: int) -> Iterator[bytes]:
    for _ in range(size // BLOCK):
        yield b" " * BLOCK


@pytest.mark.parametrize("stays", [False, True], ids=["connection: close", "connection: keep-alive"])
@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize(
    ("spoilt", "status"),
    [({}, 413), ({"Authorization": ""}, 401), ({"Host": "evil.example"}, 400)],
    ids=["right", "without a token", "another host"],
)
def test_a_gigabyte_is_refused_before_it_has_arrived(
    worker: Worker, spoilt: dict[str, str], status: int, announced: bool, stays: bool
) -> None:
    """The refusal comes while the body is being sent, and nothing of the rest of the body is kept."""
    before = peak_mib(worker)
    length = {"Content_Length": str(GIGABYTE)} if announced else {"Transfer_Encoding": "chunked"}
    head = worker.head("POST", "/v1/label", **{"Content_Type": "application/json", **length, **spoilt})
    if stays:
        head = head.replace(b"Connection: close\r\n", b"")
    replies: list[Reply] = []
    with worker.connect() as connection:
        connection.sendall(head)
        reading = threading.Thread(target=lambda: replies.append(read_reply(connection)))
        reading.start()
        body = whole(GIGABYTE) if announced else chunked(GIGABYTE)
        first = sent(connection, (next(body) for _ in range(64)))
        reading.join(timeout=20)
        assert [one.status for one in replies] == [status]
        assert list(replies[0].json) == ["error"]
        rest = sent(connection, body)
    assert worker.ask("/v1/health").status == 200
    if not stays:
        assert first + rest < 100 * BLOCK
    assert peak_mib(worker) - before < 150


def test_a_head_without_an_end_is_refused(worker: Worker) -> None:
    before = peak_mib(worker)
    with worker.connect() as connection:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\n")
        replies: list[Reply] = []
        reading = threading.Thread(target=lambda: replies.append(read_reply(connection)))
        reading.start()
        done = sent(connection, (b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(100_000)))
        reading.join(timeout=20)
    assert [one.status for one in replies] == [400] and done < 10 * 2**20
    assert peak_mib(worker) - before < 50


# ---- ten thousand connections


def asked_in_time(worker: Worker) -> None:
    """A request is answered soon, whatever else goes on."""
    began = time.monotonic()
    assert worker.ask("/v1/health").status == 200
    assert time.monotonic() - began < 10


def test_ten_thousand_connections_one_after_the_other(worker: Worker) -> None:
    for number in range(10_000):
        with worker.connect() as connection:
            match number % 4:
                case 1:
                    connection.sendall(b"GET /v1/hea")
                case 2:
                    connection.sendall(b"\x00" * 10)
                case 3:
                    connection.sendall(worker.head("GET", "/v1/health", Authorization="Bearer wrong"))
        if number % BACKLOG == 0:  # else the system makes the client wait, a second at a time
            asked_in_time(worker)
    assert open_files(worker) < DESCRIPTORS


def open_files(worker: Worker) -> int:
    return len(list(Path(f"/proc/{worker.process.pid}/fd").iterdir()))


def test_ten_thousand_connections_at_once(worker: Worker) -> None:
    """As many as this system lets one process hold, up to ten thousand, each with a part of a request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[socket.socket] = []
    try:
        for number in range(min(10_000, hard - 500)):
            connection = worker.connect()
            held.append(connection)
            if number % 2:
                with suppress(OSError):  # closed already, to make room
                    connection.sendall(b"POST /v1/label HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            if number % BACKLOG == 0:
                asked_in_time(worker)
        assert len(held) > 2 * MAX_CONNECTIONS
        assert open_files(worker) <= DESCRIPTORS
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_files(worker) <= DESCRIPTORS


def test_a_thousand_clients_that_send_a_letter_at_a_time(worker: Worker) -> None:
    """Heads that never end (slow loris): there are never more of them than the worker lets be, and others are answered."""
    head = worker.head("POST", "/v1/label", Content_Type="application/json", Content_Length="10")
    with selectors.DefaultSelector() as all_of_them:
        held = [worker.connect() for _ in range(1000)]
        for connection in held:
            connection.setblocking(False)
            all_of_them.register(connection, selectors.EVENT_READ)
        for turn in range(40):
            asked_in_time(worker)
            for key, _ in all_of_them.select(0):  # an end is all that can be read
                all_of_them.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
            alive = [key.fileobj for key in all_of_them.get_map().values()]
            for connection in alive:
                with suppress(OSError):  # closed since
                    connection.send(head[turn : turn + 1])  # type: ignore[union-attr]
        assert len(alive) <= MAX_CONNECTIONS
        for connection in held:
            connection.close()


# ---- whatever the document allows, and what it does not


def run_schemathesis(worker: Worker, folder: Path, *options: str) -> str:
    """What schemathesis prints; it sends what the worker's /openapi.json describes, and what that forbids.

    Left out is the check that whatever has the form of a message is accepted: that there are as many positions as names of
    joints, and parents before their children, is no matter of form.
    """
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            f"{worker.address}/openapi.json",
            *("--header", f"Authorization: Bearer {worker.token}"),
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            *("--generation-database", "none", "--no-shrink", "--continue-on-failure", "--no-color"),
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


def test_requests_made_from_the_document(worker: Worker, tmp_path: Path) -> None:
    told = run_schemathesis(worker, tmp_path, "--seed", "6", "--max-examples", "5")
    assert re.search(r"Tested: 8\b", told)
    (made, passed) = re.findall(r"(\d+) generated, (\d+) passed", told)[0]
    assert int(made) > 1000 and passed == made, told


# ---- the start


@pytest.mark.slow
def test_the_first_to_ask_waits_for_no_compiler(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is compiled yet, all that questions need is compiled before the worker says that it is ready."""
    kept = tmp_path / "kernels"
    monkeypatch.setenv("WARP_CACHE_PATH", str(kept))
    fresh = Worker(tmp_path / "state", "--model", model)
    compiled = {path for path in kept.rglob("*") if path.is_file()}
    assert compiled
    for verb in ("label", "caption", "segment", "render"):
        assert fresh.ask(f"/v1/{verb}", message()).status == 200
    assert {path for path in kept.rglob("*") if path.is_file()} == compiled
    assert fresh.stop() == 0


def test_a_model_that_costs_is_asked_nothing_at_the_start(tmp_path: Path) -> None:
    """The worker starts although nobody listens at the address of its model; only a question finds that out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        address = f"openai:http://127.0.0.1:{taken.getsockname()[1]}/v1#tiny"
        fresh = Worker(tmp_path / "state", "--model", address, "--timeout", "60")
        reply = fresh.ask("/v1/label", message(labels=["walk", "wave"]))
    assert reply.status == 422 and list(reply.json) == ["error"], reply
    assert fresh.stop() == 0 and "Traceback" not in fresh.log
