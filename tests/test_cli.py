"""The commands: what they print, what they write, how they end, and what they say about bad input."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skeletonllm_core import cli
from tests.clips import bvh, squat, walk, wave
from tests.plugin_on_disk import install_plugin


class Answer:
    """How a command ended: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Ask = Callable[..., Answer]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command in this process, through the same function as the program."""

    def run(*arguments: str | Path) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Answer(end.value.code, out, err)

    return run


def program(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program itself, in a process of its own."""
    command = [sys.executable, "-m", "skeletonllm_core", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "wave.bvh"
    path.write_text(bvh(wave, 1.5))
    return path


# ---- info and convert


def test_info_says_what_is_in_a_file(ask: Ask, clip: Path) -> None:
    found = ask("info", clip, "--json").json
    assert list(found) == [
        "format",
        "clips",
        "persons",
        "fps",
        "frames",
        "seconds",
        "unit",
        "up_axis",
        "facing",
        "warnings",
    ]
    assert (found["format"], found["frames"], found["fps"], found["seconds"]) == ("bvh", 45, 30.0, 1.5)
    assert len(found["clips"]) == 1
    assert found["unit"] == {"value": "cm", "inferred": True}
    assert found["up_axis"] == {"value": "y", "inferred": True}
    assert found["facing"]["value"] == pytest.approx(0, abs=3)
    (person,) = found["persons"]
    assert (person["id"], person["joints"]) == (0, 17)
    assert person["parts"]["left_hand"] == "LeftHand"
    assert person["parts"]["right_thigh"] == "RightUpLeg"
    told = ask("info", clip)
    assert told.code == 0
    assert "45 frames at 30 fps" in told.out
    assert re.search(r"right_hand +RightHand\n", told.out)


def test_info_of_a_turned_clip_gives_its_heading(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "turned.bvh").write_text(bvh(walk, 1.0, turn=90))
    assert ask("info", tmp_path / "turned.bvh", "--json").json["facing"]["value"] == pytest.approx(90, abs=5)


@pytest.mark.parametrize("suffix", [".bvh", ".npz"])
def test_convert_keeps_the_motion(ask: Ask, clip: Path, tmp_path: Path, suffix: str) -> None:
    import skeletonllm_core as sk

    out = tmp_path / f"out{suffix}"
    answer = ask("convert", clip, out)
    assert (answer.code, answer.out.strip()) == (0, str(out))
    (given,), (result,) = sk.read(clip), sk.read(out)
    np.testing.assert_allclose(result.joint_positions(), given.joint_positions(), atol=1e-4)
    assert ask("convert", clip, tmp_path / f"slow{suffix}", "--fps", "10", "--json").json == {
        "written": str(tmp_path / f"slow{suffix}")
    }
    (slow,) = sk.read(tmp_path / f"slow{suffix}")
    assert slow.fps == pytest.approx(10)
    np.testing.assert_allclose(slow.joint_positions(), given.joint_positions()[::3], atol=1e-4)


def test_convert_onto_the_skeleton_of_a_file(ask: Ask, clip: Path, tmp_path: Path) -> None:
    import skeletonllm_core as sk

    taller = re.sub(r"OFFSET 0 -4([12]) 0", r"OFFSET 0 -6\1 0", bvh(squat, 0.5))
    (tmp_path / "tall.bvh").write_text(taller)
    answer = ask("convert", clip, tmp_path / "onto.bvh", "--onto", tmp_path / "tall.bvh")
    assert answer.code == 0, answer.err
    (target,), (result,) = sk.read(tmp_path / "tall.bvh"), sk.read(tmp_path / "onto.bvh")
    assert result.skeleton.names == target.skeleton.names
    np.testing.assert_allclose(result.skeleton.rest_offsets[1:], target.skeleton.rest_offsets[1:], atol=1e-4)
    assert len(result) == 45


def test_convert_onto_says_which_joints_were_not_mapped(ask: Ask, clip: Path, tmp_path: Path) -> None:
    answer = ask("convert", clip, tmp_path / "onto.bvh", "--onto", "smpl24", "--json")
    assert answer.code == 0
    assert answer.json["written"].endswith("onto.bvh")
    assert "resting, the source has no such joint: " in answer.err
    assert "left_collar" in answer.err
    assert ask("convert", clip, tmp_path / "same.bvh", "--onto", clip).err == ""


def test_a_rig_is_written_corrected_and_used(ask: Ask, clip: Path, tmp_path: Path) -> None:
    rig = tmp_path / "map.json"
    told = ask("info", clip, "--write-rig", rig, "--json")
    assert told.code == 0 and "--rig" in told.err
    found = told.json["persons"][0]
    given = json.loads(rig.read_text())
    assert given["parts"]["left_hand"] == ["LeftHand"]
    assert any("read by name" in sentence for sentence in found["report"])
    rig.write_text(rig.read_text().replace("left_", "x_").replace("right_", "left_").replace("x_", "right_"))
    corrected = ask("info", clip, "--rig", rig, "--json").json["persons"][0]
    assert corrected["parts"]["left_hand"] == "RightHand"
    assert ask("render", clip, "-o", tmp_path / "a.npz", "--frames", "2", "--size", "32").code == 0
    assert ask("render", clip, "-o", tmp_path / "b.npz", "--frames", "2", "--size", "32", "--rig", rig).code == 0
    straight, swapped = (np.load(tmp_path / name)["frames"] for name in ("a.npz", "b.npz"))
    assert np.abs(straight.astype(float) - swapped).max() > 0.1
    rig.write_text(rig.read_text().replace('"LeftHand"', '"LeftHnd"'))
    for verb in (["info", clip], ["convert", clip, tmp_path / "c.npz"]):
        answer = ask(*verb, "--rig", rig)
        assert answer.code == 2
        assert answer.err.strip() == f"{rig}: the skeleton has no joint 'LeftHnd'; is 'LeftHand' meant?"
    assert not (tmp_path / "c.npz").exists()


def test_convert_one_person_of_several(ask: Ask, clip: Path, tmp_path: Path) -> None:
    import skeletonllm_core as sk

    (one,) = sk.read(clip)
    sk.write([one.keypoints(), one.keypoints()], tmp_path / "two.npz")
    assert [person["id"] for person in ask("info", tmp_path / "two.npz", "--json").json["persons"]] == [0, 1]
    assert ask("convert", tmp_path / "two.npz", tmp_path / "one.npz", "--person", "1").code == 0
    assert len(sk.read(tmp_path / "one.npz")) == 1
    answer = ask("convert", tmp_path / "two.npz", tmp_path / "none.npz", "--person", "7")
    assert answer.code == 2
    assert "there is no person 7; the ids are: 0, 1" in answer.err


def test_several_clips_are_listed_and_one_is_picked(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "hero.several").write_text("Walk=wave.bvh\nRun\x1b[31m=wave.bvh\n")
    environment = {**os.environ, "PYTHONPATH": str(install_plugin(tmp_path / "plugins"))}
    for verb in (["info"], ["caption"], ["convert"]):
        out = [tmp_path / "x.npz"] if verb == ["convert"] else []
        done = program(*verb, tmp_path / "hero.several", *out, env=environment)
        assert done.returncode == 2, verb
        assert "holds 2 clips, choose one with --clip: Walk, Run\\x1b[31m" in done.stderr
    done = program("info", tmp_path / "hero.several", "--clip", "Walk", "--json", env=environment)
    assert json.loads(done.stdout)["clips"] == ["Walk", "Run\x1b[31m"]
    done = program("info", tmp_path / "hero.several", "--clip", "Fly", env=environment)
    assert done.returncode == 2
    assert "no clip 'Fly'" in done.stderr


# ---- render


def test_render_writes_what_the_suffix_says(ask: Ask, clip: Path, tmp_path: Path, model: str) -> None:
    for suffix, form in ((".gif", "GIF"), (".webp", "WEBP"), (".png", "PNG")):
        answer = ask("render", clip, "-o", tmp_path / f"out{suffix}", "--size", "64", "--frames", "5", "--model", model)
        assert answer.code == 0, answer.err
        with Image.open(tmp_path / f"out{suffix}") as image:
            assert image.format == form
            assert image.size == ((192, 128) if form == "PNG" else (64, 64))
    assert ask("render", clip, "-o", tmp_path / "out.npz", "--size", "64", "--model", model).code == 0
    frames = np.load(tmp_path / "out.npz")["frames"]
    assert frames.shape == (12, 64, 64, 3)
    assert frames.dtype == np.float32
    assert 0 <= frames.min() < frames.max() <= 1
    answer = ask(
        "render", clip, "-o", tmp_path / "three.npz", "--size", "64", "--frame-indices", "0,22,44", "--model", model
    )
    assert answer.code == 0
    three = np.load(tmp_path / "three.npz")["frames"]
    assert three.shape == (3, 64, 64, 3)
    for wrong in ("0,x", "0,45", "-1"):
        answer = ask("render", clip, "-o", tmp_path / "no.npz", f"--frame-indices={wrong}", "--model", model)
        assert answer.code == 2
        assert len(answer.err.strip().splitlines()) == 1
    answer = ask("render", clip, "-o", tmp_path / "out.tiff", "--model", model)
    assert answer.code == 2
    assert ".png" in answer.err


def test_render_takes_other_weights_or_says_why_not(ask: Ask, clip: Path, tmp_path: Path, model: str) -> None:
    from safetensors.torch import save_file

    from skeletonllm_core.pipeline import load_model

    weights = {name: value.clone() * 0 for name, value in load_model(model).renderer.state_dict().items()}
    save_file(weights, tmp_path / "zero.safetensors")
    arguments = ("render", clip, "--size", "48", "--frames", "2", "--model", model)
    assert ask(*arguments, "-o", tmp_path / "usual.npz").code == 0
    assert ask(*arguments, "-o", tmp_path / "other.npz", "--weights", tmp_path / "zero.safetensors").code == 0
    usual, other = (np.load(tmp_path / name)["frames"] for name in ("usual.npz", "other.npz"))
    assert np.abs(usual - other).max() > 0.05
    save_file({"nonsense": weights.popitem()[1]}, tmp_path / "wrong.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    for name in ("wrong.safetensors", "text.safetensors", "missing.safetensors"):
        answer = ask(*arguments, "-o", tmp_path / "no.npz", "--weights", tmp_path / name)
        assert answer.code == 2, name
        assert name in answer.err
        assert len(answer.err.strip().splitlines()) == 1


# ---- understanding


def test_label_prints_the_best_and_the_runners_up(ask: Ask, clip: Path, model: str) -> None:
    found = ask("label", clip, "--json", "--model", model, "--explain").json
    assert list(found) == ["label", "alternatives", "explanation"]
    assert list(found["label"]) == ["text", "score", "known"]
    assert len(found["alternatives"]) == 2
    assert found["explanation"]
    scores = [found["label"]["score"], *(one["score"] for one in found["alternatives"])]
    assert scores == sorted(scores, reverse=True)
    told = ask("label", clip, "--model", model, "--top", "2")
    lines = told.out.splitlines()
    best = f"{found['label']['text']} {found['label']['score']:.2f}"
    assert lines[0] == (best if found["label"]["known"] else f"unknown ({best})")
    assert len(lines) == 2


def test_candidates_come_from_the_line_and_from_a_file(ask: Ask, clip: Path, tmp_path: Path, model: str) -> None:
    (tmp_path / "labels.txt").write_text("\ufeffwave\n\n  squat \nwave\n", encoding="utf-8")
    given = ("label", clip, "--json", "--model", model, "--top", "9")
    found = ask(*given, "--labels-file", tmp_path / "labels.txt", "--labels", "walk, squat,").json
    texts = {found["label"]["text"], *(one["text"] for one in found["alternatives"])}
    assert texts == {"walk", "squat", "wave"}
    (tmp_path / "none.txt").write_text(" \n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for arguments, told in (
        (["--labels", " , "], "no candidate label"),
        (["--labels-file", tmp_path / "none.txt"], "no candidate label"),
        (["--labels-file", tmp_path / "binary.txt"], "UTF-8"),
        (["--labels-file", tmp_path / "missing.txt"], "missing.txt: no such file"),
    ):
        answer = ask(*given, *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert told in answer.err


def test_caption_ask_and_segment(ask: Ask, clip: Path, model: str) -> None:
    found = ask("caption", clip, "--json", "--model", model).json
    assert list(found) == ["caption", "facts"]
    assert ask("caption", clip, "--model", model).out.strip() == found["caption"]
    answer = ask("ask", clip, "Which hand is raised?", "--json", "--model", model).json
    assert list(answer) == ["answer"]
    assert ask("ask", clip, "Which hand is raised?", "--model", model).out.strip() == answer["answer"]
    assert ask("ask", clip, " ", "--model", model).code == 2
    segments = ask("segment", clip, "--json", "--model", model).json["segments"]
    assert segments[0]["start_frame"] == 0
    assert segments[-1]["end_frame"] == 45
    assert all(a["end_frame"] <= b["start_frame"] for a, b in pairwise(segments))
    assert len(ask("segment", clip, "--model", model).out.splitlines()) == len(segments)


def test_an_unknown_model_or_device_is_one_sentence(ask: Ask, clip: Path, tmp_path: Path, model: str) -> None:
    for arguments in (["--model", tmp_path], ["--model", "nowhere"], ["--model", model, "--device", "abacus"]):
        answer = ask("label", clip, *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert len(answer.err.strip().splitlines()) == 1


# ---- what there is


def test_models_and_plugins_are_listed(ask: Ask) -> None:
    assert {"default", "free"} < {row["name"] for row in ask("models", "--json").json["models"]}
    assert ask("models").out.startswith("default: ")
    found = ask("plugins", "--json").json
    assert {row["name"]: row["error"] for row in found["plugins"]} == {"blender": None, "mocap_io": None, "ros2": None}
    assert {"name": "bvh", "suffixes": [".bvh"]} in found["readers"]
    assert "bvh (.bvh)" in ask("plugins").out


def test_a_plugin_adds_commands_and_replaces_none(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(install_plugin(tmp_path / "plugins"))}
    assert program("dance", env=environment).stdout == "dancing\n"
    told = program("--help", env=environment).stdout
    assert re.search(r"^  dance", told, re.MULTILINE)
    assert re.search(r"^  info +What is in a motion file", told, re.MULTILINE)
    assert program("info", env=environment).returncode == 2


def test_a_broken_plugin_stops_nobody(tmp_path: Path, clip: Path) -> None:
    folder = install_plugin(tmp_path / "plugins")
    (folder / "test_plugin_module.py").write_text("raise ImportError('no such host')")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    assert program("info", clip, env=environment).returncode == 0
    done = program("plugins", env=environment)
    assert done.returncode == 0
    assert "test_plugin 1.0: broken: ImportError: no such host" in done.stdout
    strict = program("plugins", env={**environment, "SKELETONLLM_STRICT_PLUGINS": "1"})
    assert strict.returncode == 2
    assert "no such host" in strict.stderr


# ---- how it ends


def test_wrong_arguments_end_with_2(ask: Ask, clip: Path) -> None:
    for arguments in (["nothing"], ["info"], ["label", clip, "--top", "0"], ["render", clip], ["annotate"]):
        assert ask(*arguments).code == 2
    answer = ask()
    assert "Usage" in answer.out + answer.err


def test_a_reader_of_the_output_that_goes_away_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "wave.bvh"
    path.write_text(bvh())
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "skeletonllm_core", "info", str(path)]
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 141
    assert done.stderr == ""


def test_names_cannot_steer_the_terminal(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "evil\x1b]0;title\x07.bvh"
    path.write_text(bvh())
    told = ask("info", path)
    assert told.code == 0
    assert "\x1b" not in told.out
    assert "\\x1b]0;title\\x07.bvh" in told.out


def test_progress_is_a_bar_on_a_terminal_and_lines_in_a_log(tmp_path: Path, clip: Path, model: str) -> None:
    command = [sys.executable, "-m", "skeletonllm_core", "annotate", str(clip), "--json", "--tasks", "label"]
    command += ["--model", model]
    log = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert json.loads(log.stdout)["clips"] == 1
    assert re.fullmatch(r"1/1 files, 1 clips, 0 failed, \d+ s gone, about 0 s left\n", log.stderr)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    out, _ = running.communicate(timeout=60)
    assert json.loads(out)["kept"] == 1
    assert b"annotate" in shown
    assert b"1/1" in shown


# ---- bad input


def one_joint() -> str:
    frames = "\n".join(f"{x} 90 0 0 0 0" for x in range(5))
    return (
        "HIERARCHY\nROOT Hips\n{\n  OFFSET 0 0 0\n"
        "  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
        f"}}\nMOTION\nFrames: 5\nFrame Time: 0.0333333\n{frames}\n"
    )


def many_joints(nested: bool) -> str:
    count = 10_000
    head = "HIERARCHY\nROOT j0\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n"
    middle, tail = [], []
    for index in range(1, count):
        middle.append(f"JOINT j{index}\n{{\nOFFSET 0 1 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n")
        (tail if nested else middle).append("}\n")
    values = " ".join(["0"] * (3 * count))
    return head + "".join(middle) + "".join(tail) + f"}}\nMOTION\nFrames: 1\nFrame Time: 0.0333333\n{values}\n"


def last_value(text: str, value: str) -> str:
    lines = text.rstrip("\n").split("\n")
    lines[-3] = " ".join([*lines[-3].split()[:-1], value])
    return "\n".join(lines) + "\n"


GOOD = bvh(walk, 0.5)
BAD: dict[str, tuple[str, str | bytes | None]] = {
    "empty file": ("empty.bvh", ""),
    "binary noise": ("noise.bvh", bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8))),
    "truncated": ("truncated.bvh", GOOD[: len(GOOD) * 2 // 3]),
    "truncated hierarchy": ("cut.bvh", GOOD[:300]),
    "channel count": ("channels.bvh", last_value(GOOD, "1.0 2.0 3.0")),
    "NaN": ("nan.bvh", last_value(GOOD, "nan")),
    "1e30": ("huge.bvh", last_value(GOOD, "1e30").replace("\n0.00000 92", "\n1e30 92")),
    "no frames": ("none.bvh", GOOD.split("Frames:")[0] + "Frames: 0\nFrame Time: 0.0333333\n"),
    "one joint": ("joint.bvh", one_joint()),
    "10,000 joints in a row": ("chain.bvh", many_joints(nested=True)),
    "10,000 joints side by side": ("star.bvh", many_joints(nested=False)),
    "a folder": ("folder.bvh", None),
    "missing": ("missing.bvh", None),
    "wrong suffix": ("walk.docx", GOOD),
    "no suffix": ("walk", GOOD),
    "npz that is none": ("text.npz", "no zip"),
    "npy that is none": ("text.npy", "no array"),
}


def bad_file(folder: Path, kind: str) -> Path:
    name, content = BAD[kind]
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    elif kind == "a folder":
        path.mkdir()
    return path


def is_one_sentence(text: str, path: Path) -> bool:
    return len(text.strip().splitlines()) == 1 and path.name in text and "internal" not in text and len(text) < 400


@pytest.mark.parametrize("kind", list(BAD))
def test_a_bad_file_is_one_sentence_and_exit_code_2(ask: Ask, tmp_path: Path, model: str, kind: str) -> None:
    path = bad_file(tmp_path, kind)
    for verb in ("info", "label", "segment"):
        answer = ask(verb, path, *([] if verb == "info" else ["--model", model]))
        assert (answer.code, answer.out) == (2, ""), verb
        assert is_one_sentence(answer.err, path) or kind == "one joint", answer.err
    if kind != "one joint":
        answer = ask("convert", path, tmp_path / "out.npz")
        assert answer.code == 2
        assert not (tmp_path / "out.npz").exists()


def test_one_joint_is_drawn_but_not_understood(ask: Ask, tmp_path: Path, model: str) -> None:
    path = bad_file(tmp_path, "one joint")
    for verb in ("info", "label", "caption"):
        answer = ask(verb, path, *([] if verb == "info" else ["--model", model]))
        assert answer.code == 2
        assert "only one joint" in answer.err
        assert len(answer.err.strip().splitlines()) == 1
    assert ask("render", path, "-o", tmp_path / "joint.png", "--size", "32", "--model", model).code == 0


def test_one_frame_is_valid(ask: Ask, tmp_path: Path, model: str) -> None:
    path = tmp_path / "pose.bvh"
    path.write_text(bvh(wave, seconds=1 / 30))
    assert ask("info", path, "--json").json["frames"] == 1
    for verb in ("label", "caption", "segment"):
        answer = ask(verb, path, "--model", model)
        assert answer.code == 0, answer.err
    assert ask("annotate", path, "--model", model).code == 0


def test_all_bad_files_at_once_cost_a_record_each(ask: Ask, tmp_path: Path, model: str) -> None:
    library = tmp_path / "library"
    library.mkdir()
    paths = [bad_file(library, kind) for kind in BAD if kind != "a folder"]
    (library / "good.bvh").write_text(GOOD)
    (library / "pose.bvh").write_text(bvh(wave, seconds=1 / 30))
    named = [library / "missing.bvh", library / "walk.docx", library / "walk"]
    answer = ask("annotate", library, *named, "-o", tmp_path / "out", "--model", model)
    assert answer.code == 1, answer.err
    assert "Traceback" not in answer.err
    rows = [json.loads(line) for line in (tmp_path / "out" / "annotations.jsonl").read_text().splitlines()]
    # What shares its suffix with other things and is no motion is left out of a folder.
    expected = {path.name for path in paths} - {"text.npz", "text.npy"}
    assert {row["path"] for row in rows if row["status"] == "failed"} == expected
    assert {row["path"] for row in rows if row["status"] == "ok"} == {"good.bvh", "pose.bvh"}
    for row in rows:
        if row["status"] == "failed":
            assert is_one_sentence(row["error"], library / row["path"]), row["error"]
            assert row["error"] in answer.err


def test_a_file_that_may_not_be_read(clip: Path) -> None:
    from tests.test_annotate import as_a_user

    clip.chmod(0)
    command = [*as_a_user(), sys.executable, "-m", "skeletonllm_core", "info", str(clip)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert is_one_sentence(done.stderr, clip)
    assert "permission denied" in done.stderr
