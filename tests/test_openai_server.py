"""A model on a server: against a real process that speaks the protocol, decodes the images and answers from them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import skeletonllm_core as sk
from skeletonllm_core.cli import cli
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.openai_server import ATTEMPTS, ChatServer
from skeletonllm_core.train.procedural import make_motion


class Running:
    """The server of `tests/chat_server.py`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen([sys.executable, str(Path(__file__).parent / "chat_server.py"), str(folder)])
        end = time.monotonic() + 60
        while not (folder / "port").exists():
            assert self.process.poll() is None and time.monotonic() < end, "the server did not start"
            time.sleep(0.05)
        self.address = f"http://127.0.0.1:{(folder / 'port').read_text()}/v1"

    def asked(self) -> list[dict]:
        """The requests since the last call."""
        file = self.folder / "requests.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        file.write_text("")
        return rows

    def fails(self, *faults: str) -> None:
        (self.folder / "faults").write_text("\n".join(faults))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("server"))
    yield running
    running.process.terminate()
    running.process.wait(20)


@pytest.fixture
def server(process: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    process.asked()
    process.fails()
    return process


def model(server: Running, timeout: float = 30.0) -> ChatServer:
    return ChatServer(f"{server.address}#tiny", timeout=timeout, first_wait=0.01)


def frames(bright: str) -> torch.Tensor:
    clip = torch.zeros(1, 3, 3, 8, 8)
    clip[..., 4:] = 1.0 if bright == "right" else 0.0
    clip[..., :4] = 1.0 if bright == "left" else 0.0
    return clip


def test_the_server_sees_the_frames(server: Running) -> None:
    asked = model(server)
    clip = frames("left")
    clip[0, 1] = 0.5
    assert asked.write(clip, "what ?", limit=7) == "3 images of 8 x 8, brighter on the left"
    (request,) = server.asked()
    assert request["path"] == "/v1/chat/completions" and request["model"] == "tiny"
    assert request["key"] == "Bearer secret" and "expert in video" in request["system"]
    assert request["text"] == "what?" and request["temperature"] == 0 and request["max_tokens"] == 7
    assert request["brightness"] == pytest.approx([127.5, 128, 127.5])
    assert str(asked.cost) == "tiny: 1 request, 31 tokens in, 10 tokens out"


def test_a_choice_is_one_of_the_candidates_or_none(server: Running) -> None:
    asked = model(server)
    labels = ["raise the right hand", "raise the left hand", "walk"]
    clips = torch.cat([frames("left"), frames("right")])
    assert asked.log_likelihoods(clips, "which ?", labels).exp().tolist() == [[0, 1, 0], [1, 0, 0]]
    assert asked.write(clips[:1], "which ?", choices=["jump", "walk"]) == ""
    server.fails("raise the left hand, or walk")
    assert asked.write(clips[:1], "which ?", choices=labels) == "", "not letter by letter"
    server.fails('"WALK"')
    assert asked.write(clips[:1], "which ?", choices=labels) == "walk"
    assert len(server.asked()) == 5 and asked.cost.requests == 5


def test_label_caption_ask_and_segment(server: Running) -> None:
    loaded = sk.load_model(f"openai:{server.address}#tiny")
    motion = make_motion("raise up left hand", "cmu", seed=800_001)
    assert loaded.render(motion).shape == (12, 3, 448, 448)
    assert server.asked() == [], "nothing is sent before a question is asked"
    # The left hand is on the right of the picture.
    found = loaded.label(motion, ["left of the picture", "right of the picture"])
    assert found.text == "right of the picture" and found.known and found.score == 1
    assert [one.score for one in found.alternatives] == [0]
    (request,) = server.asked()
    assert request["images"] == 12 and min(request["brightness"]) > 0
    unknown = loaded.label(motion, ["swim", "fly"])
    assert not unknown.known and unknown.score == 0
    assert str(loaded.caption(motion)) == "12 images of 448 x 448, brighter on the right"
    assert loaded.ask(motion, "Is this the action walk?").startswith("12 images")
    assert server.asked()[-1]["text"].endswith("Is this the action walk?")
    segments = loaded.segment(motion, ["left", "right"])
    assert segments[0].start_frame == 0 and segments[-1].end_frame == len(motion)
    assert {part.label for part in segments} <= {"left", "right"}


def test_without_a_key_none_is_sent(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    model(server).write(frames("left"), "what ?")
    assert server.asked()[0]["key"] is None


@pytest.mark.parametrize("faults", [["429"], ["500"], ["garbage"], ["cut"], ["429", "503", "garbage"]])
def test_what_may_pass_is_tried_again(server: Running, faults: list[str]) -> None:
    server.fails(*faults)
    asked = model(server)
    assert asked.write(frames("left"), "what ?").startswith("3 images")
    assert len(server.asked()) == len(faults) + 1 and asked.cost.requests == 1


@pytest.mark.parametrize(
    ("fault", "says", "attempts"),
    [
        ("500", "500 .*not now.*given up after 4 attempts", ATTEMPTS),
        ("garbage", "not one of the chat completions protocol: '<html>", ATTEMPTS),
        ("400", "400 Bad Request: .*not now", 1),
        ("401", "set OPENAI_API_KEY", 1),
    ],
)
def test_what_does_not_pass_is_told(server: Running, fault: str, says: str, attempts: int) -> None:
    server.fails(*[fault] * ATTEMPTS)
    with pytest.raises(SkeletonLLMError, match=f"^{server.address}: .*{says}"):
        model(server).write(frames("left"), "what ?")
    assert len(server.asked()) == attempts


def test_a_slow_server_is_asked_again(server: Running) -> None:
    server.fails("slow")
    assert model(server, timeout=2.5).write(frames("left"), "what ?").startswith("3 images")
    server.fails(*["slow"] * ATTEMPTS)
    with pytest.raises(SkeletonLLMError, match=r"no answer within 0\.05 s"):
        model(server, timeout=0.05).write(frames("left"), "what ?")


def test_nobody_there_and_wrong_addresses() -> None:
    with pytest.raises(SkeletonLLMError, match="nobody answers there"):
        ChatServer("http://127.0.0.1:9/v1#tiny", first_wait=0.01).write(frames("left"), "what ?")
    for name in ("openai:127.0.0.1:8000#tiny", "openai:http://127.0.0.1:8000/v1", "openai:"):
        with pytest.raises(SkeletonLLMError, match="give the address and the model's name"):
            sk.load_model(name)


def test_a_server_is_asked_and_not_trained(server: Running, tmp_path: Path) -> None:
    asked = model(server)
    for use in (asked.parts, lambda: asked.language, lambda: asked.save(tmp_path)):
        with pytest.raises(SkeletonLLMError, match="not trained or saved"):
            use()
    with pytest.raises(SkeletonLLMError, match="not trained or saved"):
        asked.answer_losses(frames("left"), [(0, "what ?", "walk")])


def test_the_command_line_tells_the_cost(server: Running, tmp_path: Path) -> None:
    sk.write(make_motion("walk", "cmu", seed=800_001), tmp_path / "walk.bvh")
    arguments = [
        "label",
        str(tmp_path / "walk.bvh"),
        "--labels",
        "left,right",
        "--model",
        f"openai:{server.address}#tiny",
    ]
    found = CliRunner().invoke(cli, [*arguments, "--json"])
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["label"]["text"] in ("left", "right")
    assert "tiny: 1 request, 1" in found.stderr and "tokens in, 1 tokens out" in found.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_annotate_tells_the_cost_of_all_processes(server: Running, tmp_path: Path, jobs: str) -> None:
    (tmp_path / "clips").mkdir()
    for action in ("walk", "jump"):
        sk.write(make_motion(action, "cmu", seed=800_001), tmp_path / "clips" / f"{action}.bvh")
    command = [sys.executable, "-m", "skeletonllm_core", "annotate", tmp_path / "clips", "--jobs", jobs]
    command += ["--tasks", "label,caption", "--labels", "left,right", "--model", f"openai:{server.address}#tiny"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(server.asked()) == 4 and "tiny: 4 requests, " in done.stderr
    again = subprocess.run(command, capture_output=True, text=True)
    assert "2 up to date" in again.stdout and "request" not in again.stderr
