"""The main job: what it writes, what it leaves alone, and what it survives."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import skeletonllm_core as sk
from skeletonllm_core.annotate import Progress, Result, annotate
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.rig_file import rig_text
from tests.clips import bvh, squat, walk, write_library
from tests.plugin_on_disk import install_plugin

Run = Callable[..., Result]


@pytest.fixture
def run(model: str) -> Run:
    """`annotate` in this process, with the model under test."""

    def start(paths: Path | Sequence[Path], out: Path | None = None, **options: Any) -> Result:
        return annotate([paths] if isinstance(paths, Path) else paths, out, model=model, **options)

    return start


def files_below(folder: Path) -> dict[str, bytes]:
    """Everything in a folder by its path below it; pictures of the cache too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def manifest(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "annotations.jsonl").read_text(encoding="utf-8").splitlines()]


def sidecar(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


# ---- what is written


def test_sidecars_manifest_and_report_keep_to_the_contract(run: Run, tmp_path: Path) -> None:
    clip = tmp_path / "walk.bvh"
    clip.write_text(bvh(walk, 1.3, fps=120))
    result = run(tmp_path)
    document = sidecar(tmp_path / "walk.bvh.skel.json")
    assert list(document) == ["schema", "source", "model", "options", "persons", "locked"]
    assert document["schema"] == "skeletonllm/annotation@1"
    assert document["source"] == {
        "path": "walk.bvh",
        "sha256": hashlib.sha256(clip.read_bytes()).hexdigest(),
        "format": "bvh",
        "clip": None,
        "fps": 120.0,
        "frames": 156,
        "seconds": 1.3,
    }
    assert list(document["source"]) == ["path", "sha256", "format", "clip", "fps", "frames", "seconds"]
    assert len(document["model"]["sha256"]) == 64
    assert document["options"] == {"tasks": ["label", "caption", "segments"], "labels": None, "seed": 0}
    assert document["locked"] is False
    (person,) = document["persons"]
    assert list(person) == ["id", "joints", "label", "alternatives", "caption", "segments", "facts", "warnings"]
    assert (person["id"], person["joints"]) == (0, 17)
    assert list(person["label"]) == ["text", "score", "known"]
    assert isinstance(person["label"]["known"], bool)
    scores = [person["label"]["score"], *(other["score"] for other in person["alternatives"])]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 and score == round(score, 4) for score in scores)
    assert person["segments"][0]["start_s"] == 0
    assert person["segments"][-1]["end_s"] == 1.3
    assert person["segments"][-1]["end_frame"] == 156
    keys = ["start_s", "end_s", "start_frame", "end_frame", "label", "score", "caption"]
    assert all(list(part) == keys for part in person["segments"])
    assert person["facts"]
    assert manifest(tmp_path) == [
        {
            "path": "walk.bvh",
            "status": "ok",
            "error": None,
            "label": person["label"]["text"],
            "score": person["label"]["score"],
            "caption": person["caption"],
            "sidecar": "walk.bvh.skel.json",
        }
    ]
    assert result.manifest == tmp_path / "annotations.jsonl"
    assert result.report.read_text(encoding="utf-8").count("data:image/webp;base64,") == 2


def test_tasks_that_were_not_asked_for_are_left_out(run: Run, tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text(bvh(walk))
    run(tmp_path, tasks=["segments", "label"], labels=["walk", "run"])
    document = sidecar(tmp_path / "walk.bvh.skel.json")
    assert document["options"] == {"tasks": ["label", "segments"], "labels": ["walk", "run"], "seed": 0}
    assert list(document["persons"][0]) == ["id", "joints", "label", "alternatives", "segments", "facts", "warnings"]
    assert {document["persons"][0]["label"]["text"], *(s["label"] for s in document["persons"][0]["segments"])} <= {
        "walk",
        "run",
    }
    run(tmp_path, tasks=["caption"])
    document = sidecar(tmp_path / "walk.bvh.skel.json")
    assert list(document["persons"][0]) == ["id", "joints", "caption", "facts", "warnings"]
    assert manifest(tmp_path)[0]["label"] is None


def test_two_runs_and_two_jobs_write_the_same_bytes(run: Run, tmp_path: Path) -> None:
    write_library(tmp_path / "library", 5)
    (tmp_path / "library" / "broken.bvh").write_text("HIERARCHY\nROOT")
    for name, jobs in (("first", 1), ("again", 1), ("two", 2)):
        run(tmp_path / "library", tmp_path / name, jobs=jobs)
    first = files_below(tmp_path / "first")
    assert len([name for name in first if name.endswith(".skel.json")]) == 5
    assert files_below(tmp_path / "again") == first
    assert files_below(tmp_path / "two") == first
    run(tmp_path / "library", tmp_path / "first", resume=False, jobs=2)
    assert files_below(tmp_path / "first") == first


def test_results_lie_beside_the_clips_or_mirrored_under_out(run: Run, tmp_path: Path) -> None:
    library = tmp_path / "library"
    for name in ("a/walk.bvh", "a/b/walk.bvh", "c/walk.bvh"):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_text(bvh(walk, 0.4))
    run(library, tmp_path / "out")
    assert not list(library.rglob("*.json*"))
    expected = ["a/b/walk.bvh", "a/walk.bvh", "c/walk.bvh"]
    assert [row["path"] for row in manifest(tmp_path / "out")] == expected
    assert all((tmp_path / "out" / f"{name}.skel.json").is_file() for name in expected)
    # Several paths of equal names do not meet under -o, and the same clip named twice is done once.
    run([library / "c", library / "a", library / "a" / "walk.bvh"], tmp_path / "both")
    assert [row["path"] for row in manifest(tmp_path / "both")] == expected
    run([library / "a", library / "c" / "walk.bvh"])
    assert [row["path"] for row in manifest(library / "a")] == expected
    assert [row["sidecar"] for row in manifest(library / "a")] == [
        "b/walk.bvh.skel.json",
        "walk.bvh.skel.json",
        "../c/walk.bvh.skel.json",
    ]
    assert (library / "c" / "walk.bvh.skel.json").is_file()


def test_of_a_file_with_several_clips_each_is_a_clip_of_its_own(model: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "one.bvh").write_text(bvh(walk, 0.4))
    names = ["Walk", "walk", "Walk/Fast", "../up", "", "a" * 400]
    (library / "hero.several").write_text("".join(f"{name}=one.bvh\n" for name in names))
    (library / "alone.several").write_text("Walk=one.bvh\n")
    done = command(library, model, tmp_path, "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    paths = [row["path"] for row in manifest(tmp_path / "out")]
    expected = ["Walk", "walk (2)", "Walk/Fast", "../up", "5", "a" * 400]
    assert paths == sorted(["alone.several", "one.bvh", *(f"hero.several#{name}" for name in expected)])
    sidecars = sorted(path.name for path in (tmp_path / "out").rglob("*.skel.json"))
    assert len(sidecars) == 8
    assert {"hero.several#Walk.skel.json", "hero.several#Walk%2FFast.skel.json"} < set(sidecars)
    assert "alone.several.skel.json" in sidecars
    assert all(path.parent == tmp_path / "out" for path in (tmp_path / "out").rglob("*.skel.json"))
    assert sidecar(tmp_path / "out" / "hero.several#Walk.skel.json")["source"]["clip"] == "Walk"
    before = files_below(tmp_path / "out")
    assert "8 up to date" in command(library, model, tmp_path, "-o", str(tmp_path / "out")).stdout
    assert files_below(tmp_path / "out") == before


@pytest.mark.slow
def test_real_bvh_files_go_through(run: Run, shared_data: Path, tmp_path: Path) -> None:
    """Every third; tests/test_original_files.py reads them all."""
    files = sorted((shared_data / "original").rglob("*.bvh"))[::3]
    result = run(files, tmp_path, tasks=["label", "caption"])
    rows = manifest(tmp_path)
    assert len(rows) == len(files) >= 12
    assert [row["error"] for row in rows if row["status"] == "failed"] == []
    assert all(row["label"] and row["caption"] for row in rows)
    assert result.report.stat().st_size < 20_000 * len(result.records) + 100_000


# ---- what is left alone


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.skel.json")}


def redone(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name.removesuffix(".bvh.skel.json") for name in after if after[name] != before.get(name)}


def test_only_what_changed_is_done_again(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.bvh").write_text(bvh(walk, 0.5, turn=len(name)))
    run(tmp_path)
    first = stamps(tmp_path)
    result = run(tmp_path)
    assert redone(first, stamps(tmp_path)) == set()
    assert all(record.kept for record in result.records)
    (tmp_path / "two.bvh").write_text(bvh(squat, 0.5))
    (tmp_path / "four.bvh").write_text(bvh(squat, 0.4))
    run(tmp_path)
    second = stamps(tmp_path)
    assert redone(first, second) == {"two", "four"}
    # A clip that only has another name or date is not another clip; other options ask another question.
    os.utime(tmp_path / "one.bvh")
    run(tmp_path)
    assert redone(second, stamps(tmp_path)) == set()
    run(tmp_path, labels=["walk", "squat"])
    third = stamps(tmp_path)
    assert redone(second, third) == {"one", "two", "three", "four"}
    run(tmp_path, labels=["walk", "squat"], resume=False)
    assert redone(third, stamps(tmp_path)) == {"one", "two", "three", "four"}
    assert (
        sidecar(tmp_path / "two.bvh.skel.json")["source"]["sha256"]
        == hashlib.sha256((tmp_path / "two.bvh").read_bytes()).hexdigest()
    )


def test_another_model_is_another_answer(run: Run, tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text(bvh(walk, 0.5))
    run(tmp_path)
    path = tmp_path / "walk.bvh.skel.json"
    document = sidecar(path)
    path.write_text(json.dumps({**document, "model": {**document["model"], "sha256": "0" * 64}}))
    run(tmp_path)
    assert sidecar(path) == document


@pytest.mark.parametrize("changed", [False, True], ids=["same clip", "changed clip"])
def test_a_locked_sidecar_is_never_overwritten(run: Run, tmp_path: Path, changed: bool) -> None:
    clip = tmp_path / "walk.bvh"
    clip.write_text(bvh(walk, 0.5))
    run(tmp_path)
    path = tmp_path / "walk.bvh.skel.json"
    document = sidecar(path)
    document["persons"][0]["label"] = {"text": "march & <b>", "score": 1.0, "known": True}
    document["locked"] = True
    path.write_text(json.dumps(document))
    corrected = path.read_bytes()
    if changed:
        clip.write_text(bvh(squat, 0.5))
    for options in ({}, {"resume": False}, {"resume": False, "labels": ["run"]}):
        run(tmp_path, **options)
        assert path.read_bytes() == corrected
    (row,) = manifest(tmp_path)
    assert (row["status"], row["label"], row["score"]) == ("ok", "march & <b>", 1.0)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'data-status="locked"' in page
    assert "march &amp; &lt;b&gt;" in page


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        "\x00\xff",
        "[" * 100_000,
        '{"schema": "skeletonllm/annotation@1", "source": 5}',
        '{"schema": "another/one", "persons": []}',
    ],
)
def test_a_broken_sidecar_is_made_again(run: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "walk.bvh").write_text(bvh(walk, 0.5))
    path = tmp_path / "walk.bvh.skel.json"
    path.write_text(content, encoding="latin-1")
    assert not run(tmp_path, tasks=["label"]).failed
    assert sidecar(path)["schema"] == "skeletonllm/annotation@1"


def test_a_sidecar_with_another_schema_is_made_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text(bvh(walk, 0.5))
    run(tmp_path)
    path = tmp_path / "walk.bvh.skel.json"
    document = sidecar(path)
    path.write_text(json.dumps({**document, "schema": "skeletonllm/annotation@0"}))
    run(tmp_path)
    assert sidecar(path) == document


def test_a_locked_sidecar_with_a_slip_of_the_pen_is_not_lost(run: Run, tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text(bvh(walk, 0.5))
    path = tmp_path / "walk.bvh.skel.json"
    path.write_text('{"persons": [{"caption": "my words",}], "locked": true}')
    before = path.read_bytes()
    (record,) = run(tmp_path, resume=False).records
    assert record.status == "failed"
    assert "walk.bvh.skel.json is locked but no valid JSON" in str(record.error)
    assert path.read_bytes() == before


# ---- what goes wrong with a clip


def test_a_bad_clip_costs_one_record_and_is_tried_again(run: Run, tmp_path: Path) -> None:
    write_library(tmp_path, 2)
    broken = tmp_path / "more" / "broken.bvh"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text(bvh(walk, 0.5)[:-400])
    result = run(tmp_path)
    rows = {row["path"]: row for row in manifest(tmp_path)}
    assert [record.path for record in result.failed] == ["more/broken.bvh"]
    row = rows["more/broken.bvh"]
    assert row["status"] == "failed"
    assert row["error"].startswith("more/broken.bvh")
    assert str(tmp_path) not in row["error"]
    assert [row[key] for key in ("label", "score", "caption", "sidecar")] == [None] * 4
    assert len(rows) == 3
    assert list(rows) == sorted(rows)
    broken.write_text(bvh(walk, 0.5))
    assert not run(tmp_path).failed
    assert sidecar(tmp_path / "more" / "broken.bvh.skel.json")["source"]["frames"] == 15


def test_only_motion_is_taken_and_every_folder_once(run: Run, tmp_path: Path) -> None:
    library = tmp_path / "library"
    write_library(library, 1, seconds=0.4)
    (library / "notes.md").write_text("nothing")
    (library / "weights.npz").write_bytes(b"PK\x03\x04 no motion")
    (library / ".hidden").mkdir()
    (library / ".hidden" / "walk.bvh").write_text("never looked at")
    (library / "loop").symlink_to(library, target_is_directory=True)
    (library / "gone").symlink_to(library / "nowhere")
    (library / "gone.bvh").symlink_to(library / "nowhere.bvh")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "linked.bvh").write_text(bvh(walk, 0.4))
    (library / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    result = run(library, tmp_path / "out")
    assert [(record.path, record.status) for record in result.records] == [
        ("gone.bvh", "failed"),
        ("link/linked.bvh", "ok"),
        ("wave_000.bvh", "ok"),
    ]
    assert [Path(path).name for path in result.ignored] == ["weights.npz"]


def test_files_that_were_named_are_recorded_whatever_they_are(run: Run, tmp_path: Path) -> None:
    good = write_library(tmp_path, 1)[0]
    (tmp_path / "walk.txt").write_text(bvh(walk))
    (tmp_path / "no-motion.npz").write_bytes(b"PK\x03\x04 no motion")
    named = [good, tmp_path / "walk.txt", tmp_path / "no-motion.npz", tmp_path / "missing.bvh"]
    result = run(named, tmp_path / "out")
    assert [(record.path, record.status) for record in result.records] == [
        ("missing.bvh", "failed"),
        ("no-motion.npz", "failed"),
        ("walk.txt", "failed"),
        ("wave_000.bvh", "ok"),
    ]
    assert "no such file" in str(result.records[0].error)


def test_names_that_are_no_text_do_not_stop_the_run(run: Run, tmp_path: Path) -> None:
    name = os.fsdecode(b"wa\xfflk.bvh")
    try:
        (tmp_path / name).write_text(bvh(walk, 0.4))
    except OSError:
        pytest.skip("this file system takes only names that are text")
    (tmp_path / "跳ぶ.bvh").write_text(bvh(squat, 0.4))
    result = run(tmp_path, tasks=["label"])
    assert [record.path for record in result.records] == ["wa\\xfflk.bvh", "跳ぶ.bvh"]
    assert not result.failed
    assert (tmp_path / (name + ".skel.json")).is_file()


def test_what_may_not_be_read_is_recorded(model: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    write_library(library, 1, seconds=0.4)
    for name in ("secret/walk.bvh", "private.bvh", "private.npz"):
        (library / name).parent.mkdir(exist_ok=True)
        (library / name).write_text(bvh(walk))
        (library / name).chmod(0)
    (library / "secret").chmod(0)
    try:
        done = command(library, model, tmp_path, "-o", str(tmp_path / "out"), before=as_a_user())
    finally:
        (library / "secret").chmod(0o755)
    assert done.returncode == 1, done.stderr
    rows = {row["path"]: row for row in manifest(tmp_path / "out")}
    assert [(path, row["status"]) for path, row in rows.items()] == [
        ("private.bvh", "failed"),
        ("private.npz", "failed"),
        ("secret", "failed"),
        ("wave_000.bvh", "ok"),
    ]
    assert all("permission denied" in rows[path]["error"] for path in ("private.bvh", "private.npz", "secret"))


# ---- what goes wrong with a run


def test_a_rig_file_holds_for_every_clip_and_is_part_of_the_options(run: Run, tmp_path: Path) -> None:
    library, rig = tmp_path / "library", tmp_path / "map.json"
    library.mkdir()
    (library / "walk.bvh").write_text(bvh(walk, 1.0))
    run(library, tasks=["caption"])
    before = sidecar(library / "walk.bvh.skel.json")
    body = sk.read(library / "walk.bvh")[0]
    found = map_rig(body.topology, body.joint_positions())
    rig.write_text(rig_text(body.topology, found).replace('"left_hand": ["LeftHand"]', '"left_fingers": ["LeftHand"]'))
    assert run(library, tasks=["caption"], rig=rig).records[0].kept is False
    after = sidecar(library / "walk.bvh.skel.json")
    assert after["options"]["rig"] == hashlib.sha256(rig.read_bytes()).hexdigest()
    assert "rig" not in before["options"]
    assert after["persons"][0]["facts"] != before["persons"][0]["facts"]
    assert run(library, tasks=["caption"], rig=rig).records[0].kept is True
    rig.write_text(rig.read_text().replace('"Head"', '"Haed"'))
    (record,) = run(library, tasks=["caption"], rig=rig).records
    assert record.status == "failed"
    assert "the skeleton has no joint 'Haed'; is 'Head' meant?" in str(record.error)


def test_nothing_to_do_and_wrong_options_are_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SkeletonLLMError, match=r"no motion clip under .*empty \(readable: .*\.bvh"):
        run(tmp_path / "empty")
    clip = write_library(tmp_path, 1)[0]
    for options, told in (
        ({"tasks": ["label", "lable"]}, "lable"),
        ({"tasks": []}, "choose from"),
        ({"jobs": 0}, "jobs"),
    ):
        with pytest.raises(SkeletonLLMError, match=told):
            run(clip, **options)
    with pytest.raises(SkeletonLLMError, match="no model"):
        annotate([clip], model=str(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("")
    with pytest.raises(SkeletonLLMError, match="cannot be written"):
        run(clip, tmp_path / "file" / "out")


def test_two_runs_do_not_work_in_one_folder(run: Run, tmp_path: Path) -> None:
    clips = write_library(tmp_path / "library", 2)

    def meddle(progress: Progress) -> None:
        with pytest.raises(SkeletonLLMError, match="another annotate is at work"):
            run(clips[0], tmp_path / "out")

    assert not run(tmp_path / "library", tmp_path / "out", progress=meddle).failed
    assert not run(tmp_path / "library", tmp_path / "out").failed


def test_progress_counts_files(run: Run, tmp_path: Path) -> None:
    write_library(tmp_path, 3, seconds=0.4)
    (tmp_path / "a.bvh").write_text("")
    seen: list[Progress] = []
    run(tmp_path, progress=seen.append, tasks=["label"])
    assert [(one.done, one.total, one.clips) for one in seen] == [(n, 4, n) for n in (1, 2, 3, 4)]
    assert seen[-1].failed == 1


def test_leftovers_of_a_killed_run_are_removed(run: Run, tmp_path: Path) -> None:
    clip = write_library(tmp_path / "library", 4)[3]
    run(tmp_path / "library", tmp_path / "out")
    whole = files_below(tmp_path / "out")
    left = [
        tmp_path / "out" / ".0123456789abcdef.skeletonllm-tmp",
        tmp_path / "out" / clip.parent.name / ".fedcba9876543210.skeletonllm-tmp",
        tmp_path / "out" / ".skeletonllm-cache" / ".aaaaaaaaaaaaaaaa.skeletonllm-tmp",
    ]
    for path in left:
        path.write_text("half")
    run(tmp_path / "library", tmp_path / "out")
    assert files_below(tmp_path / "out") == whole


# ---- in a process of its own


def command(
    paths: Path | Sequence[Path],
    model: str,
    tmp_path: Path,
    *options: str,
    start: bool = False,
    marker: str = "",
    before: Sequence[str] = (),
) -> Any:
    """`skeletonllm annotate` as a process with the plugin of `plugin_on_disk`; run to its end, or just started."""
    plugins = tmp_path / "plugins"
    if not plugins.exists():
        install_plugin(plugins)
    listed = [paths] if isinstance(paths, Path) else paths
    program = [*before, sys.executable, "-m", "skeletonllm_core", "annotate", *map(str, listed), *options]
    program += ["--model", model]
    environment = {**os.environ, "PYTHONPATH": str(plugins), "SKELETONLLM_TEST_MARKER": marker}
    if start:
        # A test run in the background of a shell inherits that Ctrl-C is ignored; a user's terminal does not.
        return subprocess.Popen(
            program,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=300)


def as_a_user() -> list[str]:
    """What to put before a command so that file modes count for it, which they do not for root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and setpriv is not here to change that")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


def processes_with(marker: str) -> list[int]:
    """Processes that have the marker in their environment (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"SKELETONLLM_TEST_MARKER={marker}\0".encode() in text:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_reader_with_a_mistake_costs_one_record(model: str, tmp_path: Path, jobs: str) -> None:
    library = tmp_path / "library"
    write_library(library, 2, seconds=0.4)
    (library / "a.mistaken").write_text("x")
    done = command(library, model, tmp_path, "-o", str(tmp_path / "out"), "--jobs", jobs)
    assert done.returncode == 1
    rows = manifest(tmp_path / "out")
    assert [row["status"] for row in rows] == ["failed", "ok", "ok"]
    assert rows[0]["error"] == "a.mistaken: internal error: IndexError: list index out of range"
    assert rows[0]["error"] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_that_dies_costs_one_record(model: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    write_library(library, 6, seconds=0.4)
    for name in ("a.deadly", "squat_x.deadly", "z.deadly"):
        (library / name).write_text("x")
    done = command(library, model, tmp_path, "-o", str(tmp_path / "out"), "--jobs", "2", marker=str(tmp_path))
    assert done.returncode == 1, done.stderr
    rows = manifest(tmp_path / "out")
    assert len(rows) == 9
    failed = [row for row in rows if row["status"] == "failed"]
    assert [row["path"] for row in failed] == ["a.deadly", "squat_x.deadly", "z.deadly"]
    assert all("died (exit code -9)" in row["error"] for row in failed)
    assert processes_with(str(tmp_path)) == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_done(model: str, tmp_path: Path, jobs: str) -> None:
    library = tmp_path / "library"
    clips = write_library(library, 3, seconds=0.4)
    (library / "z.slow").write_text("x")
    (library / "z2.slow").write_text("x")
    running = command(library, model, tmp_path, "--jobs", jobs, start=True, marker=str(tmp_path))
    until = time.monotonic() + 120
    while len(list(library.rglob("*.skel.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "stopped; what is done is kept" in told
    assert "Traceback" not in told
    assert processes_with(str(tmp_path)) == []
    assert sorted(library.rglob("*.skel.json")) == sorted(path.with_name(path.name + ".skel.json") for path in clips)


def kill_and_resume(model: str, tmp_path: Path, clips: int, kills: int, seed: int, jobs: str) -> list[int]:
    """Kill -9 at random moments, then resume: every clip once, nothing half written, no process left.

    Returns:
        How many clips were done after each kill.
    """
    library, out = tmp_path / "library", tmp_path / "out"
    paths = write_library(library, clips, seconds=0.5)
    chance = random.Random(seed)
    done_after = []
    options = ("-o", str(out), "--jobs", jobs)
    for _ in range(kills):
        running = command(library, model, tmp_path, *options, start=True, marker=str(tmp_path))
        before = len(list(out.rglob("*.skel.json")))
        until = time.monotonic() + 60
        # Wait for a first new sidecar, or the kill would mostly hit the loading of torch.
        while running.poll() is None and time.monotonic() < until:
            if len(list(out.rglob("*.skel.json"))) > before:
                break
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        running.kill()
        running.communicate()
        for path in out.rglob("*.skel.json"):
            assert sidecar(path)["schema"] == "skeletonllm/annotation@1"
        for path in out.glob("annotations.jsonl"):
            assert len(manifest(out)) == clips, path
        done_after.append(len(list(out.rglob("*.skel.json"))))
    # Workers end by themselves once the line to their parent is cut.
    until = time.monotonic() + 30
    while processes_with(str(tmp_path)) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_with(str(tmp_path)) == []
    stamped = stamps(out)
    done = command(library, model, tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert [row["path"] for row in manifest(out)] == sorted(str(path.relative_to(library)) for path in paths)
    assert all(row["status"] == "ok" for row in manifest(out))
    assert {name: stamps(out)[name] for name in stamped} == stamped, "a clip that was done was done again"
    assert not [name for name in files_below(out) if "tmp" in name]
    clean = tmp_path / "clean"
    assert command(library, model, tmp_path, "-o", str(clean)).returncode == 0
    assert files_below(out) == files_below(clean)
    return done_after


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "kills"), [("1", 2), ("2", 1)])
def test_killed_at_any_moment_a_second_run_finishes_the_job(model: str, tmp_path: Path, jobs: str, kills: int) -> None:
    done_after = kill_and_resume(model, tmp_path, clips=16, kills=kills, seed=int(jobs), jobs=jobs)
    assert min(done_after) < 16, "no kill hit the work"
