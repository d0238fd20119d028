"""BVH: every way to write the same file reads alike; what is written reads back; real files agree with their packs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import skeletonllm_core as sk
from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.orientation import body_height, to_y_up
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_mocap_io import bvh
from tests import clips

TEXT = clips.bvh(clips.walk, 0.4)


def read_text(folder: Path, text: str | bytes, name: str = "clip.bvh") -> sk.Clip:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (clip,) = sk.read_clips(path)
    return clip


def person(folder: Path, text: str | bytes) -> sk.Motion:
    (only,) = read_text(folder, text).persons
    assert isinstance(only, sk.Motion)
    return only


def after(text: str, word: str) -> tuple[str, str]:
    """The text up to the end of the line that starts with a word, and the rest."""
    at = text.index("\n", text.index(word)) + 1
    return text[:at], text[at:]


def with_table(text: str, change: str) -> str:
    head, table = after(text, "Frame Time")
    numbers = table.split()
    return (
        head
        + {
            "all on one line": " ".join(numbers),
            "a value a line": "\n".join(numbers) + "\n",
            "seven a line": "\n".join(" ".join(numbers[i : i + 7]) for i in range(0, len(numbers), 7)),
            "tabs": table.replace(" ", "\t"),
            "many blanks": table.replace(" ", "    "),
            "blank lines": table.replace("\n", "\n\n \n"),
            "trailing blanks": table.replace("\n", " \t\n"),
            "exponents": "\n".join(" ".join(f"{float(v):.10e}" for v in line.split()) for line in table.splitlines()),
        }[change]
    )


@pytest.mark.parametrize(
    "change",
    [
        "all on one line",
        "a value a line",
        "seven a line",
        "tabs",
        "many blanks",
        "blank lines",
        "trailing blanks",
        "exponents",
    ],
)
def test_layout_of_the_values_does_not_matter(change: str, tmp_path: Path) -> None:
    plain, other = person(tmp_path, TEXT), person(tmp_path, with_table(TEXT, change))
    np.testing.assert_allclose(other.joint_positions(), plain.joint_positions(), atol=1e-12)


@pytest.mark.parametrize(
    "change",
    {
        "CRLF": lambda t: t.replace("\n", "\r\n"),
        "CR": lambda t: t.replace("\n", "\r"),
        "byte order mark": lambda t: "\ufeff" + t,
        "no last newline": lambda t: t.rstrip("\n"),
        "no indentation": lambda t: "\n".join(line.strip() for line in t.splitlines()),
        "tabs": lambda t: t.replace("  ", "\t"),
        "brace on the line": lambda t: t.replace("Spine\n  {", "Spine {"),
        "hierarchy on one line": lambda t: t.replace("\n  JOINT Spine\n  {\n    OFFSET", "\n  JOINT Spine { OFFSET"),
        "small letters": lambda t: (
            t.replace("HIERARCHY", "hierarchy").replace("OFFSET", "offset").replace("MOTION", "Motion")
        ),
        "tab after the colon": lambda t: t.replace("Frame Time: ", "Frame Time:\t").replace("Frames: ", "Frames:\t"),
        "no blank after the colon": lambda t: t.replace("Frames: ", "Frames:").replace("Frame Time: ", "Frame Time:"),
        "blank before the colon": lambda t: t.replace("Frames: ", "Frames : "),
        "two blanks in Frame Time": lambda t: t.replace("Frame Time: ", "Frame  Time:  "),
        "named end": lambda t: t.replace("End Site", "End Site LeftHandEnd"),
        "channels in small letters": lambda t: t.replace("rotation", "ROTATION").replace("position", "POSITION"),
    }.items(),
    ids=lambda item: item[0],
)
def test_ways_to_write_the_same_file(change: tuple[str, object], tmp_path: Path) -> None:
    plain, other = person(tmp_path, TEXT), person(tmp_path, change[1](TEXT))  # type: ignore[operator]
    assert other.topology.names == plain.topology.names and other.fps == plain.fps == 30.0
    np.testing.assert_array_equal(other.skeleton.tip_offsets, plain.skeleton.tip_offsets)
    np.testing.assert_allclose(other.joint_positions(), plain.joint_positions(), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("Left Arm", "ascii"), ("mixamorig:LeftArm", "ascii"), ("左腕", "utf-8"), ("左腕", "cp932"), ("センター", "cp932"),
     ("Hüfte", "latin-1"), ("Épaule", "latin-1"), ("손목", "utf-8"), ("MOTION", "ascii"), ("End", "ascii")],
)  # fmt: skip
def test_joint_names(name: str, encoding: str, tmp_path: Path) -> None:
    motion = person(tmp_path, TEXT.replace("JOINT LeftArm", f"JOINT {name}").encode(encoding))
    assert name in motion.topology.names


@pytest.mark.parametrize(
    ("text", "fps"),
    [("0.0333333", 30), (".0083333", 120), ("0.008333", 120), ("0.016667", 60), ("0.016666", 60), ("0.0333", 30),
     ("0.008342", 119.8753), ("0.033367", 29.9697), ("0.04", 25), ("1", 1), ("3.33333e-2", 30), ("0.0416667", 24)],
)  # fmt: skip
def test_frame_rate(text: str, fps: float, tmp_path: Path) -> None:
    assert person(tmp_path, TEXT.replace("0.03333333", text)).fps == pytest.approx(fps, abs=1e-4)
    if fps == int(fps):
        assert person(tmp_path, TEXT.replace("0.03333333", text)).fps == fps


def arm(
    channels: str, values: str, offset: str = "0 10 0", root_channels: str = "3 Xposition Yposition Zposition"
) -> str:
    """A root, a joint with the channels, a leaf 10 above it; one frame."""
    return f"""HIERARCHY
ROOT a
{{
  OFFSET 5 6 7
  CHANNELS {root_channels}
  JOINT b
  {{
    OFFSET {offset}
    CHANNELS {channels}
    JOINT c
    {{
      OFFSET 0 0 10
      End Site
      {{
        OFFSET 0 0 0
      }}
    }}
  }}
}}
MOTION
Frames: 1
Frame Time: 0.1
{values}
"""


def raw_positions(folder: Path, text: str) -> np.ndarray:
    """(J, 3) of the first frame in the file's own unit, without the scale that was inferred."""
    motion = person(folder, text)
    positions = motion.joint_positions()[0]
    return positions / np.linalg.norm(positions[2] - positions[1]) * 10


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_every_channel_order_is_a_product_of_matrices(order: str, tmp_path: Path) -> None:
    degrees = {"X": 30.0, "Y": -50.0, "Z": 70.0}
    text = arm(
        "3 " + " ".join(f"{letter}rotation" for letter in order),
        "0 0 0 " + " ".join(str(degrees[letter]) for letter in order),
    )
    matrix = np.eye(3)
    for letter in order:
        c, s = np.cos(np.radians(degrees[letter])), np.sin(np.radians(degrees[letter]))
        i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[letter]
        step = np.eye(3)
        step[i, i], step[i, j], step[j, i], step[j, j] = c, -s, s, c
        matrix = matrix @ step
    clip = read_text(tmp_path, text)
    assert clip.origin is not None and clip.origin.up_axis == "y"
    found = raw_positions(tmp_path, text)
    np.testing.assert_allclose(found[2] - found[1], matrix @ [0, 0, 10], atol=1e-9)


@pytest.mark.parametrize(
    ("channels", "values", "expected"),
    [
        ("1 Xrotation", "90", [0, -10, 0]),
        ("2 Yrotation Xrotation", "90 90", [0, -10, 0]),
        ("1 Yrotation", "90", [10, 0, 0]),
        ("0", "", [0, 0, 10]),
        ("4 Xrotation Yrotation Xrotation Zrotation", "45 0 45 0", [0, -10, 0]),
        ("3 Xrotation Yrotation Xrotation", "30 0 60", [0, -10, 0]),
    ],
)
def test_other_numbers_of_rotation_channels(channels: str, values: str, expected: list[float], tmp_path: Path) -> None:
    found = raw_positions(tmp_path, arm(channels, "0 0 0 " + values))
    np.testing.assert_allclose(found[2] - found[1], expected, atol=1e-9)


def test_position_channels_replace_the_offset(tmp_path: Path) -> None:
    found = raw_positions(
        tmp_path, arm("6 Zrotation Xposition Xrotation Yposition Yrotation Zposition", "1 2 3 0 4 0 5 0 6")
    )
    np.testing.assert_allclose(found, [[1, 2, 3], [5, 7, 9], [5, 7, 19]], atol=1e-9)
    found = raw_positions(tmp_path, arm("1 Yposition", "1 2 3 4"))
    np.testing.assert_allclose(found[1], [1, 6, 3], atol=1e-9)
    found = raw_positions(tmp_path, arm("1 Yrotation", "0 90", root_channels="1 Xrotation"))
    np.testing.assert_allclose(found[:2], [[5, 6, 7], [5, 16, 7]], atol=1e-9)


def test_position_channels_that_say_the_offset_are_not_kept(tmp_path: Path) -> None:
    three = "3 Xposition Yposition Zposition"
    assert person(tmp_path, arm(three, "1 2 3 0 10 0.000001")).local_translations is None
    assert person(tmp_path, arm(three, "1 2 3 0 10 1")).local_translations is not None


def test_every_root_is_a_person(tmp_path: Path) -> None:
    head, table = after(TEXT, "Frame Time")
    body, motion = head.split("MOTION")
    second = body.replace("HIERARCHY\n", "").replace("Hips", "Hips2")
    rows = [line + " 100" + line[line.index(" ") :] for line in table.splitlines()]
    clip = read_text(tmp_path, body + second + "MOTION" + motion + "\n".join(rows))
    one, two = clip.persons
    assert clip.person_ids == (0, 1)
    assert len(one.topology) == len(two.topology) == 17 and (two.topology.names[0], two.topology.parents[0]) == (
        "Hips2",
        -1,
    )
    apart = two.joint_positions() - one.joint_positions()
    np.testing.assert_allclose(apart, np.broadcast_to([1.0, 0, 0], apart.shape), atol=1e-9)


def test_end_sites_become_tips_except_those_without_length(tmp_path: Path) -> None:
    motion = person(tmp_path, TEXT.replace("OFFSET 9 0 0", "OFFSET 0 0 0"))
    tips = np.asarray(motion.skeleton.tip_joints)
    assert [motion.topology.names[joint] for joint in tips] == ["Head", "RightHand", "LeftFoot", "RightFoot"]
    np.testing.assert_allclose(np.asarray(motion.skeleton.tip_offsets)[0], [0, 0.16, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("cm", 1.0), ("m", 0.01), ("mm", 10.0), ("cmu", 0.01 / 0.0564444), ("unknown", 0.0027), ("in", 1 / 2.54)],
)
def test_unit_and_up_axis_are_inferred(unit: str, scale: float, tmp_path: Path) -> None:
    plain = person(tmp_path, TEXT)
    sk.write(plain, tmp_path / "plain.bvh")
    lines = (tmp_path / "plain.bvh").read_text().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("Frame Time"))
    for index, line in enumerate(lines):
        words = line.split()
        if words and words[0] == "OFFSET":
            lines[index] = "OFFSET " + " ".join(f"{float(word) * scale:.9f}" for word in words[1:])
        elif index > start:
            lines[index] = " ".join([f"{float(word) * scale:.9f}" for word in words[:3]] + words[3:])
    clip = read_text(tmp_path, "\n".join(lines))
    assert clip.origin is not None
    assert (clip.origin.unit, clip.origin.unit_inferred, clip.origin.up_axis) == (unit, True, "y")
    assert bool(clip.origin.warnings) == (unit == "unknown")
    if unit != "unknown":
        np.testing.assert_allclose(clip.persons[0].joint_positions(), plain.joint_positions(), atol=1e-5)


def test_a_skeleton_without_size_is_read_and_warned_about(tmp_path: Path) -> None:
    joint = "ROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n}\n"
    text = f"HIERARCHY\n{joint}MOTION\nFrames: 1\nFrame Time: 1\n0 2 0\n"
    clip = read_text(tmp_path, text)
    np.testing.assert_array_equal(clip.persons[0].joint_positions(), [[[0, 2, 0]]])
    assert clip.origin is not None and "no size" in clip.origin.warnings[0]


def deep(joints: int) -> str:
    """A chain of joints, without indentation."""
    blocks = "".join(f"JOINT j{index}\n{{\nOFFSET 0 1 0\nCHANNELS 1 Xrotation\n" for index in range(1, joints))
    zeros = " ".join(["0"] * joints)
    root = "ROOT j0\n{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n"
    return f"HIERARCHY\n{root}{blocks}{'}' * joints}\nMOTION\nFrames: 1\nFrame Time: 1\n{zeros}\n"


def test_two_thousand_joints_are_read_and_more_refused_at_once(tmp_path: Path) -> None:
    assert len(person(tmp_path, deep(2000)).topology) == 2000
    for joints in (2001, 10_000, 100_000):
        (tmp_path / "deep.bvh").write_text(deep(joints))
        began = time.process_time()
        with pytest.raises(sk.MotionFormatError, match="more than 2000 joints"):
            sk.read(tmp_path / "deep.bvh")
        assert time.process_time() - began < 5


def test_a_file_larger_than_one_block_with_an_error_late(tmp_path: Path) -> None:
    head, table = after(TEXT, "Frame Time")
    rows = table.splitlines() * 500
    text = head.replace("Frames: 12", f"Frames: {len(rows)}")
    good = person(tmp_path, text + "\n".join(rows) + "\n")
    assert len(good) == 6000 and (tmp_path / "clip.bvh").stat().st_size > 2 << 20
    np.testing.assert_allclose(good.joint_positions()[-12:], good.joint_positions()[:12], atol=1e-12)
    line = head.count("\n") + 5990
    rows[5989] = rows[5989].rsplit(" ", 2)[0] + " 1e30 0"
    with pytest.raises(sk.MotionFormatError, match=rf"clip.bvh:{line}: RightFoot Xrotation is 1e\+30"):
        person(tmp_path, text.replace("\n", "\r\n") + "\r\n".join(rows) + "\r\n")
    rows[5989] = rows[5989].rsplit(" ", 3)[0]
    with pytest.raises(sk.MotionFormatError, match=rf"clip.bvh:{line}: expected 54 channels, found 51"):
        person(tmp_path, text + "\n".join(rows) + "\n")


def test_reading_is_fast_and_holds_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    head, table = after(TEXT, "Frame Time")
    rows = table.splitlines() * 417
    path = tmp_path / "long.bvh"
    path.write_text(head.replace("Frames: 12", f"Frames: {len(rows)}") + "\n".join(rows))
    took = []
    for _ in range(3):
        began = time.process_time()
        (motion,) = sk.read(path)
        took.append(time.process_time() - began)
    # 5,004 frames of 17 joints take 0.04 s on a quiet machine; the benchmark measures, this finds a slow path.
    assert min(took) < 0.5
    del motion
    tracemalloc.start()
    (motion,) = sk.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(motion, sk.Motion)
    assert peak < 3 * (motion.rotations.nbytes + motion.root_translation.nbytes) + (8 << 20)


def cut(word: str, new: str = "") -> str:
    assert word in TEXT
    return TEXT.replace(word, new, 1)


def with_value(place: int, value: str | None) -> str:
    """One value of the third frame replaced, or left out."""
    head, table = after(TEXT, "Frame Time")
    rows = [line.split() for line in table.splitlines()]
    rows[2][place : place + 1] = [] if value is None else [value]
    return head + "\n".join(" ".join(row) for row in rows) + "\n"


ROW = TEXT[: TEXT.index("Frame Time")].count("\n") + 1 + 3
BAD = [
    ("frame,joint,x\n1,2,3\n", r":1: expected HIERARCHY, found 'frame,joint,x'"),
    (TEXT[:300], r":\d+: the file ends where .* should be"),
    (TEXT[:-90], r":\d+: the file ends inside frame 12 of 12: expected 54 channels, found"),
    (with_value(3, None), rf":{ROW}: expected 54 channels, found 53"),
    (with_value(3, "1 2"), rf":{ROW}: expected 54 channels, found 55"),
    (with_value(7, "1,5"), rf":{ROW}: expected a number, found '1,5'"),
    (with_value(6, "nan"), rf":{ROW}: Spine Zrotation is nan, which is no plausible value"),
    (with_value(9, "-inf"), rf":{ROW}: Chest Zrotation is -inf"),
    (TEXT + "1 2 3\n", r":\d+: 12 frames are declared, but more follow"),
    (cut("Frames: 12", "Frames: 1000000000000"), r":\d+: the file ends after 12 of 1000000000000 frames"),
    (cut("Frames: 12", "Frames: many"), r"expected the number of frames, found 'many'"),
    (cut("Frames: 12", "Frames: -3"), r"the clip has -3 frames"),
    (cut("Frames:", "Number:"), r"expected 'Frames:', found 'Number:'"),
    (cut("Frame Time:", "Frame Rate:"), r"expected 'Frame Time:', found 'Rate:'"),
    (cut("0.03333333"), r": the frame time is missing"),
    (cut("0.03333333", "0"), r"the frame time must be a positive number of seconds, found 0"),
    (cut("0.03333333", "-0.1"), r"a positive number of seconds, found -0.1"),
    (cut("0.03333333", "nan"), r"a positive number of seconds, found nan"),
    (cut("0.03333333", "1e-310"), r"a positive number of seconds, found 1e-310"),
    (cut("0.03333333", "1e-9"), r"no plausible frame rate"),
    (cut("0.03333333", "fast"), r"expected the frame time in seconds, found 'fast'"),
    (cut("MOTION", "MOTIONS"), r"or '}', found 'MOTIONS'"),
    (cut("Zrotation", "Wrotation"), r"expected 6 channels of 'Hips' such as Xrotation, found 'Wrotation'"),
    (with_value(7, "1_5"), rf":{ROW}: expected a number, found '1_5'"),
    (cut("CHANNELS 6", "CHANNELS " + "9" * 5000), r"expected the number of channels of 'Hips', found '9{24}"),
    (cut("CHANNELS 6", "CHANNELS six"), r"expected the number of channels of 'Hips', found 'six'"),
    (cut("    CHANNELS 3", "    CHANNELS 1 Xrotation\n    CHANNELS 3"), r"joint 'Spine' has CHANNELS twice"),
    ("HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n}\nMOTION\nFrames: 1\nFrame Time: 1\n", r"no joint has channels"),
    ("HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 1\n0\n", r":2: the hierarchy has no ROOT"),
    (cut("OFFSET 0 12 0"), r"joint 'Spine' has no OFFSET"),
    (cut("OFFSET 0 12 0", "OFFSET 0 up 0"), r"expected an OFFSET value, found 'up'"),
    (cut("OFFSET 0 12 0", "OFFSET 0 1e30 0"), r"an OFFSET value is 1e30, which is no plausible value"),
    (cut("}\nMOTION", "MOTION"), r"the hierarchy is not closed: 1 '}' missing before MOTION"),
    (cut("}\nMOTION", "}\n}\nMOTION"), r"a '}' closes nothing"),
    (cut("JOINT Spine\n  {", "JOINT Spine\n"), r"expected the '{' of joint 'Spine', found 'OFFSET'"),
    (TEXT[: TEXT.index("End Site")] + "End Site OFFSET\nOFFSET 0 0 0\n", r"expected the '{' of End Site"),
    (cut("JOINT Spine", "ROOT Spine"), r"a ROOT stands inside another joint"),
    (cut("ROOT Hips", "JOINT Hips"), r"a JOINT stands outside any ROOT"),
    (cut("ROOT Hips", "End Site"), r"an End Site stands outside any joint"),
    (cut("HIERARCHY", "HIERARCHY\nOFFSET 1 2 3"), r"an OFFSET stands outside any joint"),
    (cut("HIERARCHY", "HIERARCHY\nCHANNELS 1 Xrotation"), r"CHANNELS stand outside any joint"),
    (TEXT.encode("utf-16"), r":1: the text is UTF-16; save it as UTF-8"),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[expected for _, expected in BAD])
def test_bad_files_are_told_with_their_line(text: str | bytes, expected: str, tmp_path: Path) -> None:
    with pytest.raises(sk.MotionFormatError, match=expected) as caught:
        read_text(tmp_path, text)
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()


def test_joints_without_channels_cannot_fill_the_memory(tmp_path: Path) -> None:
    chain = deep(2000).replace("\nCHANNELS 1 Xrotation", "", 1).replace("\nCHANNELS 1 Xrotation", "", 1998)
    head, _ = after(chain.replace("Frames: 1", "Frames: 50001"), "Frame Time")
    (tmp_path / "wide.bvh").write_text(head + "0\n" * 50_001)
    with pytest.raises(sk.MotionFormatError, match=r":\d+: 50001 frames of 2000 joints are more than can be held"):
        sk.read(tmp_path / "wide.bvh")


def test_a_header_without_end_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "endless.bvh"
    with path.open("wb") as file:
        for _ in range(18):
            file.write(b"HIERARCHY " * 110_000)
    with pytest.raises(sk.MotionFormatError, match="there is no MOTION section in the first 16 MB"):
        sk.read(path)


# --- writing


def round_trip(folder: Path, motion: sk.Motion, order: str = "ZXY") -> sk.Motion:
    bvh.write(sk.Clip("", [motion]), folder / "out.bvh", order)
    (back,) = sk.read(folder / "out.bvh")
    assert isinstance(back, sk.Motion)
    return back


@pytest.mark.parametrize("order", ["ZXY", "ZYX", "XYZ", "YXZ"])
def test_round_trip(order: str, tmp_path: Path) -> None:
    motion = person(tmp_path, TEXT)
    back = round_trip(tmp_path, motion, order)
    assert (len(back), back.fps, back.topology.names) == (len(motion), motion.fps, motion.topology.names)
    np.testing.assert_array_equal(back.topology.parents, motion.topology.parents)
    np.testing.assert_array_equal(np.asarray(back.skeleton.tip_joints), np.asarray(motion.skeleton.tip_joints))
    np.testing.assert_allclose(back.joint_positions(), motion.joint_positions(), atol=1e-6)


RIG = sk.Skeleton(
    sk.Topology("arm", ("hips", "left leg", "left foot", "chest", "head"), np.array([-1, 0, 1, 0, 3])),
    np.array([[0, 0.9, 0], [0.1, -0.45, 0], [0, -0.45, 0], [0, 0.45, 0], [0, 0.3, 0.02]]),
    np.array([4]),
    np.array([[0, 0.2, 0]]),
)
angles = st.floats(-180, 180)
frames = st.lists(st.lists(angles, min_size=15, max_size=15), min_size=1, max_size=4)


@given(frames, st.sampled_from(["ZXY", "XYZ", "YZX"]), st.sampled_from([24.0, 29.97, 30.0, 59.94, 119.88, 120.0, 7.3]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_pose_survives(tmp_path: Path, degrees: list[list[float]], order: str, fps: float) -> None:
    euler = np.radians(np.array(degrees)).reshape(len(degrees), 5, 3)
    root = np.stack([np.linspace(0, 3, len(degrees)), np.full(len(degrees), 0.9), np.zeros(len(degrees))], -1)
    motion = sk.Motion(RIG, rotation.from_euler(euler, "XYZ"), root, fps)
    bvh.write(sk.Clip("", [motion]), tmp_path / "out.bvh", order)
    lines = (tmp_path / "out.bvh").read_text().splitlines()
    # Read without inference: of an arbitrary pose neither unit nor up axis can be told.
    with (tmp_path / "out.bvh").open("rb") as file:
        header = bvh._read_header(file, tmp_path / "out.bvh")
        file.seek(header.length)
        builder = bvh._PersonBuilder(header, 0)
        bvh._read_frames(file, tmp_path / "out.bvh", header, [builder])
    back = builder.motion("")
    assert back.fps == pytest.approx(fps, rel=1e-9) and len(back) == len(motion)
    assert f"Frames: {len(degrees)}" in lines
    np.testing.assert_allclose(back.joint_positions() / 100, motion.joint_positions(), atol=1e-5)


def test_moving_offsets_are_written_as_position_channels(tmp_path: Path) -> None:
    motion = person(tmp_path, TEXT)
    local = np.broadcast_to(motion.skeleton.rest_offsets, (len(motion), 17, 3)).copy()
    local[:, 4, 1] += np.linspace(0, 0.05, len(motion))
    moved = sk.Motion(motion.skeleton, motion.rotations, motion.root_translation, motion.fps, "", local)
    back = round_trip(tmp_path, moved)
    np.testing.assert_allclose(back.joint_positions(), moved.joint_positions(), atol=1e-6)
    assert (tmp_path / "out.bvh").read_text().count("CHANNELS 6") == 2


def test_names_are_made_fit_and_unique(tmp_path: Path) -> None:
    motion = person(tmp_path, TEXT)
    names = ["a b", "a_b", "x{y}", "", "Ärm", *motion.topology.names[5:]]
    topology = sk.Topology("odd", tuple(names), motion.topology.parents)
    odd = sk.Motion(
        sk.Skeleton(topology, motion.skeleton.rest_offsets), motion.rotations, motion.root_translation, 30.0
    )
    assert round_trip(tmp_path, odd).topology.names[:5] == ("a_b", "a_b_2", "x_y_", "joint", "Ärm")


def test_several_persons(tmp_path: Path) -> None:
    motion = person(tmp_path, TEXT)
    other = sk.Motion(motion.skeleton, motion.rotations, motion.root_translation + np.array([1, 0, 0]), motion.fps)
    sk.write([motion, other], tmp_path / "two.bvh")
    one, two = sk.read(tmp_path / "two.bvh")
    np.testing.assert_allclose(one.joint_positions(), motion.joint_positions(), atol=1e-6)
    np.testing.assert_allclose(two.joint_positions(), other.joint_positions(), atol=1e-6)
    assert not set(one.topology.names) & set(two.topology.names)
    short = sk.Motion(motion.skeleton, motion.rotations[:3], motion.root_translation[:3], motion.fps)
    with pytest.raises(sk.MotionFormatError, match="--person"):
        sk.write([motion, short], tmp_path / "no.bvh")
    assert not (tmp_path / "no.bvh").exists() and not list(tmp_path.glob(".*"))


def test_keypoints_get_rotations(tmp_path: Path) -> None:
    motion = person(tmp_path, TEXT)
    points = motion.keypoints()
    sk.write(points, tmp_path / "points.bvh")
    (back,) = sk.read(tmp_path / "points.bvh")
    np.testing.assert_allclose(back.joint_positions(), points.positions, atol=1e-4)
    gone = points.positions.copy()
    gone[:, 3] = np.nan
    with pytest.raises(TopologyError, match="joint 'Neck' is missing in every frame"):
        sk.write(sk.Keypoints(points.topology, gone, 30.0), tmp_path / "gone.bvh")


def test_a_skeleton_of_several_roots_is_hung_under_the_first(tmp_path: Path) -> None:
    plain = person(tmp_path, TEXT)
    positions = np.concatenate([plain.joint_positions(), plain.joint_positions()[:, :1] + [0.5, 0.1, 0]], axis=1)
    topology = sk.Topology("two", (*plain.topology.names, "ball"), np.append(plain.topology.parents, -1))
    points = sk.Keypoints(topology, positions, 30.0)
    sk.write(points, tmp_path / "two.bvh")
    (back,) = sk.read(tmp_path / "two.bvh")
    order = [back.topology.names.index(name) for name in topology.names]
    np.testing.assert_allclose(back.joint_positions()[:, order], positions, atol=1e-4)


# --- real files

FAMILIES = ("bandai_bvh", "cmu_cc_bvh", "cmu_mb_bvh", "bvh_misc")


def real_files(shared_data: Path, family: str) -> list[Path]:
    return sorted((shared_data / "original" / family).glob("*.bvh"))


@pytest.mark.parametrize("family", FAMILIES)
def test_real_files_come_out_standing_and_of_human_size(shared_data: Path, family: str) -> None:
    files = real_files(shared_data, family)
    assert files
    for path in files:
        (motion,) = sk.read(path)
        positions = motion.joint_positions()
        rig = map_rig(motion.topology, positions)
        assert 1.4 < body_height(positions, rig) < 2.1, path.name
        parts = rig.primary()
        up = positions[:, parts[sk.BodyPart.HEAD]] - positions[:, parts[sk.BodyPart.LEFT_FOOT]]
        assert np.median(up[:, 1]) > 0.9, path.name


@pytest.mark.parametrize("family", FAMILIES)
def test_real_files_survive_a_round_trip(shared_data: Path, family: str, tmp_path: Path) -> None:
    for path in real_files(shared_data, family):
        (motion,) = sk.read(path)
        assert isinstance(motion, sk.Motion)
        back = round_trip(tmp_path, motion)
        assert (len(back), back.fps) == (len(motion), motion.fps)
        worst = np.abs(back.joint_positions() - motion.joint_positions()).max()
        assert worst < 1e-5, (path.name, worst)


def assert_agrees_with_bvhio(path: Path) -> None:
    """Ten poses, joint by joint, beside another implementation of the format, to 0.1 mm of a body 1.7 m tall."""
    other = pytest.importorskip("bvhio").readAsHierarchy(str(path))
    (clip,) = sk.read_clips(path)
    (motion,) = clip.persons
    assert isinstance(motion, sk.Motion) and clip.origin is not None
    positions = motion.joint_positions()
    names = [joint.Name for joint, _, _ in other.layout()]
    assert sorted(names) == sorted(motion.topology.names)
    order = [names.index(name) for name in motion.topology.names]
    parents = motion.topology.parents

    def size(points: np.ndarray) -> float:
        return float(np.linalg.norm(points[1:] - points[parents[1:]], axis=-1).sum())

    for frame in np.linspace(0, len(motion) - 1, 10).astype(int):
        other.loadPose(int(frame))
        theirs = np.array([list(joint.PositionWorld) for joint, _, _ in other.layout()])[order]
        # The unit and the axes of the file are bvhio's; ours are metres, Y up.
        theirs = rotation.rotate(to_y_up(clip.origin.up_axis), theirs * (size(positions[frame]) / size(theirs)))
        assert np.abs(theirs - positions[frame]).max() < 1e-4


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YZX"])
def test_forward_kinematics_agrees_with_bvhio(tmp_path: Path, order: str) -> None:
    path = tmp_path / "walk.bvh"
    motion = person(tmp_path, clips.bvh(clips.walk, 1.0, turn=40))
    bvh.write(sk.Clip("", [motion]), path, order)
    assert_agrees_with_bvhio(path)


@pytest.mark.parametrize(
    "file",
    ["bandai_bvh/dataset-2_run_normal_001.bvh", "bvh_misc/131_01.bvh", "bvh_misc/dab.bvh", "cmu_cc_bvh/002_03.bvh"],
)
def test_real_files_agree_with_bvhio(shared_data: Path, file: str) -> None:
    assert_agrees_with_bvhio(shared_data / "original" / file)


def packed(shared_data: Path, name: str) -> tuple[np.ndarray, list[str]]:
    """(T, J, 3) positions [m] at 30 frames a second of a clip of the packs, and the names of its joints."""
    with (shared_data / "index.jsonl").open(encoding="utf-8") as lines:
        entry = next(row for row in map(json.loads, lines) if row["id"] == name)
    pack = np.load(shared_data / "motion" / f"{entry['npz']}.npz")
    start, stop = pack["clip_offsets"][entry["index"] : entry["index"] + 2]
    positions = pack["pos_rel"][start:stop].astype(np.float64) + pack["root"][start:stop, None]
    return positions, [str(one) for one in pack["names"]]


@pytest.mark.parametrize(
    ("file", "name", "scaled", "shift"),
    [
        ("bandai_bvh/dataset-2_walk_active_001.bvh", "dataset-2_walk_active_001", False, 0),
        ("bandai_bvh/dataset-2_raise-up-left-hand_normal_001.bvh", "dataset-2_raise-up-left-hand_normal_001", False, 0),
        ("cmu_cc_bvh/001_01.bvh", "cmu_01_01", False, 1),
        ("cmu_cc_bvh/007_12.bvh", "cmu_07_12", False, 1),
        # These packs were scaled to one body height, so only shape and path are compared.
        ("bvh_misc/131_01.bvh", "bvh_131_01", True, 1),
        ("bvh_misc/dab.bvh", "bvh_dab", True, 1),
        ("cmu_mb_bvh/01_03.bvh", "bvh_01_03", True, 1),
    ],
)
def test_real_files_agree_with_the_packs(shared_data: Path, file: str, name: str, scaled: bool, shift: int) -> None:
    (motion,) = sk.read(shared_data / "original" / file)
    expected, names = packed(shared_data, name)
    joints = [motion.topology.names.index(one) for one in names if one in motion.topology.names]
    assert len(joints) == len(names) or len(joints) >= 20
    expected = expected[:, [index for index, one in enumerate(names) if one in motion.topology.names]]
    # The packs leave out a first frame that is a T-pose in most of these files.
    step = round(motion.fps / 30)
    found = motion.joint_positions()[shift * (step > 1 or scaled) :: step][:, joints]
    count = min(len(found), len(expected)) - 1
    found, expected = found[:count], expected[:count]
    if scaled:
        found, expected = found - found.mean((0, 1)), expected - expected.mean((0, 1))
        found = found * (found * expected).sum() / (found * found).sum()
    assert np.linalg.norm(found - expected, axis=-1).mean() < 1e-3
