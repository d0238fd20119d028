"""Every kind of corpus, read from small files in the shape of the originals; what is half there is refused by name."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core import plugins
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.topologies import TOPOLOGIES
from skeletonllm_core.train.corpora.ntu_protocol import NTU60, NTU120
from skeletonllm_core.train.corpus import (
    TEST,
    TRAIN,
    VALIDATION,
    LabelledClip,
    kind_of,
    read_corpus,
    unseen_labels,
    without_leaks,
)
from skeletonllm_core.train.procedural import make_motion
from tests.clips import squat
from tests.gltf_bytes import Builder, animate, person

# --- NTU RGB+D


def write_sample(path: Path, bodies: int = 1, frames: int = 2) -> None:
    """A `.skeleton` file in the layout of the data set; no two of different names are alike."""
    shift = zlib.crc32(path.stem.encode()) / 2**32
    lines = [str(frames)]
    for frame in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"7205759403792{body} 0 1 1 1 1 0 0.1 0.1 2", "25"]
            for joint in range(25):
                place = f"{0.1 * joint + shift:.9f} {0.05 * joint:.4f} {3 + body + 0.1 * frame:.4f}"
                lines.append(place + " 250 200 900 500 0.2 0 0.9 0 2")
    path.write_text("\n".join(lines) + "\n")


def sample_names(setups: int, subjects: int, actions: int, takes: int) -> Iterator[str]:
    for take in range(takes):
        for camera in (1, 2, 3):
            place = f"S{take % setups + 1:03d}C{camera:03d}P{take % subjects + 1:03d}"
            yield f"{place}R{take // actions + 1:03d}A{take % actions + 1:03d}"


@pytest.fixture(scope="module")
def ntu60(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every setup, subject and action of NTU RGB+D 60, in 120 performances that three cameras saw."""
    folder = tmp_path_factory.mktemp("ntu") / "nturgb+d_skeletons"
    folder.mkdir()
    for name in sample_names(17, 40, 60, 120):
        write_sample(folder / f"{name}.skeleton", bodies=3 if int(name[-3:]) >= 50 else 1)
    return folder.parent


def test_ntu_is_split_by_the_published_subjects(ntu60: Path) -> None:
    clips = list(read_corpus(ntu60))
    assert kind_of(ntu60) == "ntu60" and len(clips) == 360 and {clip.source for clip in clips} == {"ntu60"}
    subjects = {
        split: {int(clip.subject) for clip in clips if clip.split == split} for split in (TRAIN, VALIDATION, TEST)
    }
    assert subjects[TRAIN] | subjects[VALIDATION] == NTU60.training and subjects[VALIDATION] == NTU60.validation
    assert subjects[TEST] == set(range(1, 41)) - NTU60.training
    by_name = {clip.name: clip for clip in clips}
    first = by_name["S001C001P001R001A001"]
    assert first.label == "drink water" and first.person.topology == TOPOLOGIES["ntu25"] and not first.others
    assert by_name["S015C002P009R001A049"].label.startswith("use a fan")
    pair = by_name["S016C001P010R001A050"]
    assert pair.label == "punching/slapping other person" and len(pair.others) == 1
    assert first.take == by_name["S001C003P001R001A001"].take


@pytest.mark.parametrize("split", NTU60.unseen)
def test_unseen_classes_are_never_trained_on(ntu60: Path, split: str) -> None:
    kind = f"ntu60:{split}"
    unseen = set(unseen_labels(kind))
    assert len(unseen) == int(split.split("/")[1]) and len(unseen) + int(split.split("/")[0]) == 60
    clips = list(read_corpus(ntu60, kind))
    trained = {clip.label for clip in clips if clip.split != TEST}
    tested = {clip.label for clip in clips if clip.split == TEST}
    assert trained and trained.isdisjoint(unseen) and unseen & tested


def test_the_splits_of_ntu_are_whole() -> None:
    assert len(NTU60.actions) == len(set(NTU60.actions)) == 60 and len(set(NTU120.actions)) == 120
    assert len(NTU60.training) == 20 and len(NTU120.training) == 53 and NTU60.training < NTU120.training
    for protocol in (NTU60, NTU120):
        assert protocol.training <= set(range(1, protocol.subjects + 1)) and protocol.validation < protocol.training
        for name, unseen in protocol.unseen.items():
            seen, held_out = map(int, name.split("/"))
            assert len(unseen) == held_out and seen + held_out == len(protocol.actions)
            assert unseen <= set(range(1, len(protocol.actions) + 1))
    assert set(unseen_labels("ntu60:55/5")) == {
        "reading", "writing", "put on a hat/cap", "jump up", "touch other person's pocket",
    }  # fmt: skip


def test_ntu_120_knows_its_own_subjects_and_classes(tmp_path: Path) -> None:
    for name in sample_names(32, 106, 120, 120):
        write_sample(tmp_path / f"{name}.skeleton")
    assert kind_of(tmp_path) == "ntu120"
    clips = list(read_corpus(tmp_path, "ntu120:96/24"))
    subjects = {split: {int(clip.subject) for clip in clips if clip.split == split} for split in (TRAIN, TEST)}
    assert len(subjects[TRAIN]) > 20 and subjects[TRAIN] <= NTU120.training - NTU120.validation
    assert len(subjects[TEST]) > 20 and subjects[TEST].isdisjoint(NTU120.training)
    assert {clip.label for clip in clips if clip.split == TRAIN}.isdisjoint(unseen_labels("ntu120:96/24"))
    for path in tmp_path.glob("S03*"):
        path.unlink()
    with pytest.raises(SkeletonLLMError, match="ntu120 is not whole: missing setups 030, 031, 032"):
        next(read_corpus(tmp_path, "ntu120"))


def test_half_of_ntu_is_refused(ntu60: Path, tmp_path: Path) -> None:
    for path in ntu60.rglob("*.skeleton"):
        if "P040" not in path.name and "A060" not in path.name and path.stem != "S003C002P003R001A003":
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(SkeletonLLMError, match=r"missing subjects 040; actions 060; samples S003C002P003R001A003$"):
        next(read_corpus(tmp_path))
    (tmp_path / "take1.skeleton").write_text("1\n0\n")
    with pytest.raises(SkeletonLLMError, match=r"take1\.skeleton: not named SsssCcccPpppRrrrAaaa"):
        next(read_corpus(tmp_path, "ntu60"))


def test_samples_without_a_body_are_named_or_refused(ntu60: Path, tmp_path: Path) -> None:
    for path in ntu60.rglob("*.skeleton"):
        (tmp_path / path.name).symlink_to(path)
    name = "S001C002P001R001A001"
    (tmp_path / f"{name}.skeleton").unlink()
    (tmp_path / f"{name}.skeleton").write_text("1\n0\n")
    with pytest.raises(SkeletonLLMError, match=rf"{name}.*no body.*missing_skeletons\.txt"):
        list(read_corpus(tmp_path, "ntu60"))
    (tmp_path / "NTU_RGBD_samples_with_missing_skeletons.txt").write_text(f"{name}\nS001C002P006R001A008\n")
    names = [clip.name for clip in read_corpus(tmp_path, "ntu60")]
    assert len(names) == 359 and name not in names


# --- HumanML3D


@pytest.fixture
def humanml3d(tmp_path: Path) -> Path:
    """Five motions and their mirrored copies, captions as the data set has them."""
    (tmp_path / "new_joints").mkdir()
    (tmp_path / "texts").mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        for mirrored in ("", "M"):
            np.save(tmp_path / "new_joints" / f"{mirrored}00000{number}.npy", rng.normal(size=(60, 22, 3)).astype("f4"))
            (tmp_path / "texts" / f"{mirrored}00000{number}.txt").write_text(
                f"a person kicks with the {'right' if mirrored else 'left'} leg.#a/DET person/NOUN kick/VERB#0.0#0.0\n"
                "someone kicks twice#someone/PRON kick/VERB#nan#nan\n"
                "he steps back#he/PRON step/VERB#1.0#2.5\n"
            )
    (tmp_path / "train.txt").write_text("000000\n000001\nM000000\nM000001\n000002\n")
    (tmp_path / "val.txt").write_text("000003\nM000003\n")
    (tmp_path / "test.txt").write_text("000004\n")
    return tmp_path


def test_humanml3d(humanml3d: Path) -> None:
    clips = {clip.name: clip for clip in read_corpus(humanml3d)}
    assert Counter(clip.split for clip in clips.values()) == {TRAIN: 10, VALIDATION: 4, TEST: 2}
    whole, part = clips["M000001"], clips["M000001@1-2.5"]
    assert whole.captions == ("a person kicks with the right leg.", "someone kicks twice")
    assert part.captions == ("he steps back",) and len(whole.person) == 60 and len(part.person) == 30
    assert whole.person.fps == 20.0 and whole.label == "" and whole.take == part.take == "000001"
    np.testing.assert_array_equal(part.person.positions, whole.person.positions[20:50])


def test_humanml3d_with_zipped_texts(humanml3d: Path) -> None:
    plain = [(clip.name, clip.captions) for clip in read_corpus(humanml3d)]
    with zipfile.ZipFile(humanml3d / "texts.zip", "w") as packed:
        for path in (humanml3d / "texts").iterdir():
            packed.write(path, f"texts/{path.name}")
    shutil.rmtree(humanml3d / "texts")
    assert [(clip.name, clip.captions) for clip in read_corpus(humanml3d)] == plain
    (humanml3d / "texts.zip").write_bytes((humanml3d / "texts.zip").read_bytes()[:300])
    with pytest.raises(SkeletonLLMError, match="not a whole zip"):
        next(read_corpus(humanml3d))


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (["texts"], "missing texts or texts.zip"),
        (["val.txt", "test.txt"], "missing val.txt, test.txt"),
        (["new_joints"], "missing new_joints"),
        (["new_joints/000001.npy", "texts/M000003.txt"], "missing new_joints/000001.npy, texts/M000003.txt"),
    ],
)
def test_half_of_humanml3d_is_refused(humanml3d: Path, gone: list[str], says: str) -> None:
    for name in gone:
        shutil.rmtree(humanml3d / name) if (humanml3d / name).is_dir() else (humanml3d / name).unlink()
    with pytest.raises(SkeletonLLMError, match=says):
        next(read_corpus(humanml3d))


@pytest.mark.parametrize("line", ["no tags", "a#b#1.0", "a#b#2.0#1.0", "#b#0#0", "a#b#x#0", "a#b#1#inf"])
def test_bad_caption_lines_are_named(humanml3d: Path, line: str) -> None:
    (humanml3d / "texts" / "000000.txt").write_text("fine#fine/ADJ#0.0#0.0\n" + line + "\n")
    with pytest.raises(SkeletonLLMError, match=r"000000\.txt:2: expected `caption#"):
        list(read_corpus(humanml3d))


def test_a_part_outside_the_motion_is_refused(humanml3d: Path) -> None:
    (humanml3d / "texts" / "000000.txt").write_text("late#late/ADV#4.0#6.0\n")
    with pytest.raises(SkeletonLLMError, match="from 4 to 6 s is not in the motion, which lasts 3 s"):
        list(read_corpus(humanml3d))


def test_a_mirrored_copy_in_another_split_is_a_leak(humanml3d: Path) -> None:
    (humanml3d / "test.txt").write_text("000004\nM000002\n")
    with pytest.raises(SkeletonLLMError, match=r"000002 \(train\) and M000002 \(test\) have the same take '000002'"):
        list(read_corpus(humanml3d))


def test_the_published_splits_keep_mirrored_copies_together(shared_data: Path) -> None:
    homes: dict[str, set[str]] = {}
    for split in ("train", "val", "test"):
        for name in (shared_data / "text" / f"humanml3d_{split}.txt").read_text().split():
            homes.setdefault(name.removeprefix("M"), set()).add(split)
    assert len(homes) > 14_000 and all(len(splits) == 1 for splits in homes.values())


# --- folders of clips with a table


@pytest.fixture(scope="module")
def motions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve BVH files, in a folder of their own."""
    folder = tmp_path_factory.mktemp("motions")
    for number in range(12):
        action = ("walk", "kick", "hand clap")[number % 3]
        plugins.write(make_motion(action, "cmu", seed=1000 + number, fps=24.0), folder / f"{number:02d}.bvh")
    return folder


@pytest.fixture
def clips_folder(motions: Path, tmp_path: Path) -> Path:
    (tmp_path / "bvh").symlink_to(motions)
    return tmp_path


def write_table(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def row(number: int, **more: str) -> dict[str, str]:
    return {"path": f"bvh/{number:02d}.bvh", "label": ("walk", "kick", "hand clap")[number % 3], **more}


def test_a_table_of_labels(clips_folder: Path) -> None:
    split = {0: TRAIN, 1: VALIDATION, 2: TEST}
    write_table(clips_folder, [row(n, caption="a, b", split=split[n // 4], subject=str(n // 2)) for n in range(12)])
    clips = list(read_corpus(clips_folder))
    assert [clip.split for clip in clips] == [split[n // 4] for n in range(12)]
    assert clips[4].label == "kick" and clips[4].captions == ("a, b",) and clips[4].subject == "2"
    assert len(clips[4].person) == len(plugins.read(clips_folder / "bvh" / "04.bvh")[0])


def test_a_table_without_splits_is_dealt_out_by_subject(clips_folder: Path) -> None:
    write_table(clips_folder, [row(n, subject=f"s{n // 2}") for n in range(12)])
    clips = list(read_corpus(clips_folder))
    homes: dict[str, set[str]] = {}
    for clip in clips:
        homes.setdefault(clip.subject, set()).add(clip.split)
    assert all(len(splits) == 1 for splits in homes.values())
    assert Counter(clip.split for clip in clips) == {TRAIN: 8, VALIDATION: 2, TEST: 2}
    assert [clip.split for clip in clips] == [clip.split for clip in read_corpus(clips_folder)]
    write_table(clips_folder, [row(n, take="one" if n < 6 else "two") for n in range(12)])
    assert {clip.split for clip in read_corpus(clips_folder)} == {TRAIN}


def test_json_lines_with_several_captions(clips_folder: Path) -> None:
    rows = [{"path": "bvh/01.bvh", "caption": ["he kicks", "a kick"]}, {"path": "bvh/02.bvh", "label": "hand clap"}]
    (clips_folder / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    first, second = read_corpus(clips_folder)
    assert first.captions == ("he kicks", "a kick") and first.label == "" and second.label == "hand clap"


def test_one_of_several_clips_of_a_file(tmp_path: Path) -> None:
    builder = Builder()
    nodes = person(builder)
    animate(builder, nodes, "Walk", frames=6)
    animate(builder, nodes, "Sit", motion=squat, frames=9)
    (tmp_path / "hero.glb").write_bytes(builder.glb())
    (tmp_path / "labels.csv").write_text("path,label\nhero.glb#Walk,walk\nhero.glb#Sit,sit down\n")
    assert [(clip.label, len(clip.person)) for clip in read_corpus(tmp_path)] == [("walk", 6), ("sit down", 9)]
    (tmp_path / "labels.csv").write_text("path,label\nhero.glb,walk\n")
    with pytest.raises(SkeletonLLMError, match=r"several clips; name one of hero.glb#Walk, hero.glb#Sit"):
        list(read_corpus(tmp_path))
    (tmp_path / "labels.csv").write_text("path,label\nhero.glb#Run,run\n")
    with pytest.raises(SkeletonLLMError, match=r"no clip 'Run'; name one of hero.glb#Walk"):
        list(read_corpus(tmp_path))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("path,label\nbvh/00.bvh,walk\nbvh/77.bvh,walk\nbvh/88.bvh,run\n", r"missing bvh/77\.bvh, bvh/88\.bvh"),
        ("file,label\nbvh/00.bvh,walk\n", "labels.csv:1: the columns are path, label"),
        ("path,label\nbvh/00.bvh\n", "labels.csv:2: expected 2 columns"),
        ("path,label\nbvh/00.bvh,\n", "labels.csv:2: bvh/00.bvh has neither a label nor a caption"),
        ("path,label\nbvh/00.bvh,a\nbvh/00.bvh,b\n", "labels.csv:3: bvh/00.bvh is there twice"),
        ("path,label,split\nbvh/00.bvh,a,dev\n", "unknown split 'dev'; there are train, validation, test"),
        ("path,label,split\nbvh/00.bvh,a,train\nbvh/01.bvh,b,\n", r"no split for bvh/01\.bvh"),
        ("path,label\n../x.bvh,a\n", "expected a path below the folder"),
        ("path,label\n", "there is no clip in it"),
    ],
)
def test_mistakes_in_a_table_are_named(clips_folder: Path, table: str, says: str) -> None:
    (clips_folder / "labels.csv").write_text(table)
    with pytest.raises(SkeletonLLMError, match=says):
        list(read_corpus(clips_folder))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("{", "labels.jsonl:1: not a JSON object"),
        ('{"path": "x", "lable": "a"}', "found lable"),
        ("[1]", "an object of"),
        ('{"path": "x", "caption": 3}', "a list of captions, found 3"),
    ],
)
def test_mistakes_in_json_lines_are_named(clips_folder: Path, lines: str, says: str) -> None:
    (clips_folder / "labels.jsonl").write_text(lines)
    with pytest.raises(SkeletonLLMError, match=says):
        list(read_corpus(clips_folder))


# --- packs


def test_a_pack_that_lacks_a_clip_of_its_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "motion").mkdir()
    np.savez(
        tmp_path / "motion" / "few.npz",
        pos_rel=np.zeros((4, 3, 3), np.float16),
        root=np.ones((4, 3), np.float32),
        clip_offsets=np.array([0, 4]),
        names=np.array(["a", "b", "c"]),
        parents=np.array([-1, 0, 1]),
    )
    line = {"id": "one", "npz": "few", "index": 0, "split": "train", "label": "walk", "captions": [], "fps": 30.0}
    index = tmp_path / "index.jsonl"
    index.write_text(json.dumps(line))
    assert [clip.name for clip in read_corpus(tmp_path)] == ["one"]
    index.write_text(json.dumps({**line, "index": 1}))
    with pytest.raises(SkeletonLLMError, match=r"few\.npz: clip one is not in it"):
        list(read_corpus(tmp_path))
    index.write_text(json.dumps({key: value for key, value in line.items() if key != "fps"}))
    with pytest.raises(SkeletonLLMError, match=r"index\.jsonl:1: the clip has no fps"):
        list(read_corpus(tmp_path))
    index.write_text(json.dumps(line))
    (tmp_path / "motion" / "few.npz").write_bytes(b"PK")
    with pytest.raises(SkeletonLLMError, match="not a whole pack"):
        list(read_corpus(tmp_path))


def test_the_shared_packs_do_not_leak(shared_data: Path) -> None:
    clips = list(read_corpus(shared_data))
    assert len(clips) > 3500
    subjects = {clip.subject for clip in clips if clip.source == "msr_action3d" and clip.split == TEST}
    assert subjects == {"2", "4", "6", "8", "10"}


# --- leaks, and which corpus it is


def clip_of(name: str, split: str, shift: float, **more: str) -> LabelledClip:
    positions = np.zeros((3, 25, 3)) + shift
    return LabelledClip(name, "made", split, "walk", (), Keypoints(TOPOLOGIES["ntu25"], positions, 30.0), **more)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({"shift": 1.0}, {"shift": 1.0}, "a (train) and b (test) have the same motion"),
        ({"shift": 1.0, "subject": "7"}, {"shift": 2.0, "subject": "7"}, "the same subject '7'"),
        ({"shift": 1.0, "take": "t"}, {"shift": 2.0, "take": "t"}, "the same take 't'"),
    ],
)
def test_leaks_fail_the_run(first: dict, second: dict, says: str) -> None:
    with pytest.raises(SkeletonLLMError) as raised:
        list(without_leaks([clip_of("a", TRAIN, **first), clip_of("b", TEST, **second)]))
    assert says in str(raised.value)
    together = [clip_of("a", TRAIN, **first), clip_of("b", TRAIN, **second)]
    assert list(without_leaks(together)) == together


def test_what_is_not_promised_is_no_leak() -> None:
    clips = [clip_of("a", TRAIN, 1.0, subject="1"), clip_of("b", TEST, 2.0), clip_of("c", VALIDATION, 3.0, subject="2")]
    assert list(without_leaks(clips)) == clips


def test_a_motion_in_two_splits_is_found_whatever_its_kind() -> None:
    motion = make_motion("walk", "cmu", seed=3)
    again = make_motion("walk", "cmu", seed=3)
    clips = [LabelledClip("a", "x", TRAIN, "", (), motion), LabelledClip("b", "y", TEST, "", (), again)]
    with pytest.raises(SkeletonLLMError, match="the same motion"):
        list(without_leaks(clips))


def test_a_leak_in_a_table_fails(clips_folder: Path) -> None:
    shutil.copy(clips_folder / "bvh" / "00.bvh", clips_folder / "copy.bvh")
    write_table(clips_folder, [row(0, split=TRAIN), {"path": "copy.bvh", "label": "walk", "split": TEST}])
    with pytest.raises(SkeletonLLMError, match=r"bvh/00\.bvh \(train\) and copy\.bvh \(test\) have the same motion"):
        list(read_corpus(clips_folder))


def test_an_unclear_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SkeletonLLMError, match="there is no such folder"):
        read_corpus(tmp_path / "none")
    with pytest.raises(SkeletonLLMError, match=r"none of index\.jsonl, labels\.csv"):
        read_corpus(tmp_path)
    (tmp_path / "index.jsonl").write_text("")
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(SkeletonLLMError, match="looks like packs and folder; name it with `corpus:`"):
        read_corpus(tmp_path)
    with pytest.raises(SkeletonLLMError, match="no corpus 'kinetics'; known are packs, folder"):
        read_corpus(tmp_path, "kinetics")
    with pytest.raises(SkeletonLLMError, match="no corpus 'ntu60:59/1'; known are ntu60, ntu60:55/5"):
        read_corpus(tmp_path, "ntu60:59/1")
