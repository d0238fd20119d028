"""NTU .skeleton: bodies that come and go, tracking states, and which side is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.handedness import is_mirrored
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.standard_body import standard_skeleton
from skeletonllm_core.motion.topologies import FILE_ORDERS, TOPOLOGIES

NAMES = FILE_ORDERS["ntu25"]
FIRST, SECOND, THIRD = 72057594037931101, 72057594037931368, 7


def body(number: int, joints: np.ndarray, state: int | list[int] = 2) -> list[str]:
    """The lines of one body in one frame; `joints` (25, 3) in the order of the file."""
    states = [state] * 25 if isinstance(state, int) else state
    rows = [
        f"{x!r} {y!r} {z!r} 277.4 191.8 1036.2 519.1 -0.21 0.02 0.97 -0.02 {s}"
        for (x, y, z), s in zip(joints.tolist(), states, strict=True)
    ]
    return [f"{number} 0 1 1 1 1 0 0.028 -0.251 2", "25", *rows]


def file(folder: Path, frames: list[list[list[str]]], newline: str = "\r\n") -> Path:
    lines = [str(len(frames))]
    for bodies in frames:
        lines += [str(len(bodies)), *(line for one in bodies for line in one)]
    path = folder / "S001C001P001R001A001.skeleton"
    path.write_bytes(newline.join([*lines, ""]).encode())
    return path


def standing() -> np.ndarray:
    """(25, 3) in file order: a person facing the camera from 3 m, as a Kinect sees one; x grows to the camera's left."""
    topology = TOPOLOGIES["ntu25"]
    skeleton = standard_skeleton(topology)
    rest = skeleton.rest_offsets.copy()
    for joint, parent in enumerate(topology.parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    # Turned by half about Y, the person looks along -Z, towards the camera.
    seen = rest * [-1, 1, -1] + [0.2, -1.0, 3.0]
    return np.stack([seen[topology.names.index(name)] for name in NAMES])


def test_bodies_come_and_go(tmp_path: Path) -> None:
    here = standing()
    frames = [
        [body(FIRST, here)],
        [body(SECOND, here + 1), body(FIRST, here)],
        [],
        [body(SECOND, here + 1), body(THIRD, here + 2)],
    ]
    (clip,) = sk.read_clips(file(tmp_path, frames))
    assert clip.person_ids == (FIRST, SECOND, THIRD)
    seen = [np.isfinite(person.joint_positions()).all((1, 2)).tolist() for person in clip.persons]
    assert seen == [[True, True, False, False], [False, True, False, True], [False, False, False, True]]
    first, second, _ = (person.joint_positions() for person in clip.persons)
    np.testing.assert_allclose(second[1], first[1] + 1)
    names = clip.persons[0].topology.names
    assert set(names) == set(NAMES)
    for index, name in enumerate(NAMES):
        np.testing.assert_array_equal(first[0, names.index(name)], here[index])


def test_untracked_joints_are_missing_and_inferred_ones_are_kept(tmp_path: Path) -> None:
    here = standing()
    states = [2] * 25
    states[NAMES.index("HandLeft")], states[NAMES.index("FootRight")] = 0, 1
    (person,) = sk.read(file(tmp_path, [[body(FIRST, here, states)]]))
    missing = np.isnan(person.joint_positions()[0]).any(-1)
    assert [name for name, gone in zip(person.topology.names, missing, strict=True) if gone] == ["HandLeft"]


def test_zeros_are_missing_and_a_body_of_nothing_is_left_out(tmp_path: Path) -> None:
    here = standing()
    (clip,) = sk.read_clips(file(tmp_path, [[body(FIRST, here), body(SECOND, here * 0)]]))
    assert clip.person_ids == (FIRST,)
    assert clip.origin is not None
    assert clip.origin.warnings == (f"Body {SECOND} was left out: no joint of it is ever tracked.",)
    assert (clip.origin.unit, clip.origin.unit_inferred, clip.origin.up_axis_inferred) == ("m", False, False)


def test_left_is_up_times_forward(tmp_path: Path) -> None:
    (person,) = sk.read(file(tmp_path, [[body(FIRST, standing())]] * 3))
    at = {name: person.joint_positions()[0, index] for index, name in enumerate(person.topology.names)}
    forward = at["FootLeft"] + at["FootRight"] - at["AnkleLeft"] - at["AnkleRight"]
    left = np.cross([0, 1, 0], forward)
    for joint in ("Shoulder", "Hip", "Hand", "Knee"):
        assert left @ (at[f"{joint}Left"] - at[f"{joint}Right"]) > 0, joint
    positions = person.joint_positions()
    assert not is_mirrored(positions, map_rig(person.topology, positions))


def test_line_ends_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = file(tmp_path, [[body(FIRST, standing())]] * 2)
    plain = sk.read(path)[0].joint_positions()
    text = path.read_bytes()
    for other in (
        text.replace(b"\r\n", b"\n"),
        text.replace(b"\r\n", b"\r"),
        text.replace(b"\r\n", b" \r\n\r\n"),
        b"\xef\xbb\xbf" + text,
        text.rstrip(),
    ):
        path.write_bytes(other)
        np.testing.assert_array_equal(sk.read(path)[0].joint_positions(), plain)


def changed(path: Path, line: int, new: str) -> Path:
    lines = path.read_text().splitlines()
    lines[line - 1] = new
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "new", "expected"),
    [
        (1, "many", ":1: expected the number of frames, found 'many'"),
        (1, "1000000000", r":\d+: the file ends where the number of bodies in frame 3 of 1000000000 should be"),
        (2, "-1", ":2: expected the number of bodies in frame 1 of 2, found '-1'"),
        (3, "7 0 1", ":3: expected a body of 10 values that start with its id, found 3"),
        (3, "x 0 1 1 1 1 0 0 0 2", ":3: expected a body of 10 values that start with its id"),
        (4, "20", ":4: expected 25 joints, found 20"),
        (6, "0 0 0", ":6: expected a joint of 12 values, found 3"),
        (6, "a 0 0 0 0 0 0 0 0 0 0 2", ":6: a joint holds something that is no number"),
        (6, "1e9 0 1 0 0 0 0 0 0 0 0 2", ":6: joint 2 is at no plausible place"),
    ],
)
def test_bad_lines_are_told_by_number(line: int, new: str, expected: str, tmp_path: Path) -> None:
    path = changed(file(tmp_path, [[body(FIRST, standing())]] * 2), line, new)
    with pytest.raises(sk.MotionFormatError, match=expected):
        sk.read(path)


def test_a_body_that_is_there_twice_in_one_frame_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, [[body(FIRST, standing()), body(FIRST, standing() + 1)]])
    with pytest.raises(sk.MotionFormatError, match=rf":56: body {FIRST} is there twice in frame 1"):
        sk.read(path)


def test_an_implausible_joint_that_is_not_tracked_is_only_missing(tmp_path: Path) -> None:
    path = changed(file(tmp_path, [[body(FIRST, standing())]] * 2), 6, "1e30 0 1 0 0 0 0 0 0 0 0 0")
    (person,) = sk.read(path)
    assert np.isnan(person.joint_positions()[0]).any(-1).sum() == 1
