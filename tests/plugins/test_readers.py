"""The reader matrix: one row a format. Every format must give the right persons, and one sentence for every bad file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core import plugins
from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Keypoints, Motion
from tests.clips import RIG, bvh, walk

FRAMES = 6
FPS = {"bvh": 25.0, "ntu": 30.0, "humanml3d": 20.0, "npz": 48.0}


def body(joints: int, seed: int = 0) -> np.ndarray:
    """(FRAMES, joints, 3) [m] places that no two joints share."""
    return np.random.default_rng(seed).uniform(-1, 1, (FRAMES, joints, 3)) + np.array([0.0, 1.0, 3.0])


def ntu(positions: np.ndarray, frames: int | None = None) -> bytes:
    """A .skeleton file of one body from (T, J, 3) places in file order."""
    lines = [str(len(positions) if frames is None else frames)]
    for frame in positions:
        lines += ["1", "72057594037927936 0 1 1 1 1 0 0.02 -0.2 2", str(len(frame))]
        lines += [" ".join([*(f"{x:.6g}" for x in joint), "0 0 0 0 0 0 0 0 2"]) for joint in frame]
    return ("\n".join(lines) + "\n").encode()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**changes: np.ndarray | None) -> bytes:
    """An own file of two persons with three joints; a change of None leaves an array out."""
    arrays: dict[str, np.ndarray | None] = {
        "names": np.array(["hips", "chest", "head"]),
        "parents": np.array([-1, 0, 1]),
        "rest_offsets": np.array([[0, 0, 0], [0, 0.4, 0], [0, 0.3, 0]]),
        "fps": np.array(FPS["npz"]),
        "positions": np.stack([body(3, 1), body(3, 2)]),
    }
    file = io.BytesIO()
    np.savez(file, **{key: array for key, array in (arrays | changes).items() if array is not None})  # type: ignore[arg-type]
    return file.getvalue()


def changed(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[2, 1, 0] = value
    return array


BVH = bvh(walk, FRAMES / 25, 25.0).encode()
BVH_WIDTH = 6 + 3 * (len(RIG) - 1)


def bvh_value(text: bytes) -> bytes:
    """The file with the first value of the third frame replaced."""
    head, _, rows = BVH.partition(b"Frame Time: 0.04000000\n")
    lines = rows.splitlines()
    lines[2] = text + lines[2][lines[2].index(b" ") :]
    return head + b"Frame Time: 0.04000000\n" + b"\n".join(lines)


@dataclass(frozen=True)
class Row:
    """What a sample of a format holds, and its malformed variants: what the message must say about each."""

    suffix: str
    sample: bytes
    kind: type
    persons: int
    joints: int
    place: tuple[int, int, str, tuple[float, float, float]]  # person, frame, joint, where [m]
    bad: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    lines: bool = False


MATRIX = {
    "bvh": Row(
        ".bvh",
        BVH,
        Motion,
        1,
        len(RIG),
        (0, 5, "Hips", (0.0, 0.92, 0.24)),
        {
            "truncated": (BVH[:-60], "the file ends"),
            "truncated in the header": (BVH[:400], "the file ends where|expected"),
            "wrong number of values": (bvh_value(b"1 2"), rf"expected {BVH_WIDTH} channels, found {BVH_WIDTH + 1}"),
            "too few frames declared": (BVH.replace(b"Frames: 6", b"Frames: 5"), "5 frames are declared, but more"),
            "too many frames declared": (BVH.replace(b"Frames: 6", b"Frames: 7"), "ends after 6 of 7 frames"),
            "NaN": (bvh_value(b"nan"), "Hips Xposition is nan, which is no plausible value"),
            "1e30": (bvh_value(b"1e30"), r"Hips Xposition is 1e\+30, which is no plausible value"),
            "no number": (bvh_value(b"left"), "expected a number, found 'left'"),
            "0 frames": (BVH.replace(b"Frames: 6", b"Frames: 0"), "the clip has 0 frames"),
        },
        lines=True,
    ),
    "ntu": Row(
        ".skeleton",
        ntu(body(25)),
        Keypoints,
        1,
        25,
        (0, 4, "Head", tuple(body(25)[4, 3])),
        {
            "truncated": (ntu(body(25))[:-300], "the file ends where a joint should be|expected a joint of 12 values"),
            "wrong count": (ntu(body(24)), "expected 25 joints, found 24"),
            "too few frames declared": (ntu(body(25), 5), "5 frames are declared, but more follow"),
            "too many frames declared": (ntu(body(25), 7), "the file ends where the number of bodies in frame 7 of 7"),
            "NaN everywhere": (ntu(body(25) * np.nan), "no body is tracked"),
            "1e30": (ntu(changed(body(25), 1e30)), "joint 2 is at no plausible place"),
            "infinite": (ntu(changed(body(25), np.inf)), "joint 2 is at no plausible place"),
            "no number": (ntu(body(25)).replace(b" 2\n", b" two\n"), "holds something that is no number"),
            "0 frames": (b"0\n", "the clip has 0 frames"),
        },
        lines=True,
    ),
    "humanml3d": Row(
        ".npy",
        npy(body(22)),
        Keypoints,
        1,
        22,
        (0, 4, "head", tuple(body(22)[4, 15])),
        {
            "truncated": (npy(body(22))[:-5], "cut short"),
            "wrong count": (npy(body(21)), r"expected floats of shape \(T, 22, 3\), found float64 \(6, 21, 3\)"),
            "NaN everywhere": (npy(body(22) * np.nan), "no joint is known in any frame"),
            "1e30": (npy(changed(body(22), 1e30)), "no plausible place in frame 2"),
            "infinite": (npy(changed(body(22), np.inf)), "no plausible place in frame 2"),
            "0 frames": (npy(body(22)[:0]), "the clip has 0 frames"),
        },
    ),
    "npz": Row(
        ".npz",
        npz(),
        Keypoints,
        2,
        3,
        (1, 4, "head", tuple(body(3, 2)[4, 2])),
        {
            "truncated": (npz()[:-90], "no whole .npz file"),
            "wrong count": (npz(parents=np.array([-1, 0])), r"'parents' has shape \(2,\), expected \(3\)"),
            "NaN everywhere": (npz(positions=np.full((2, 6, 3, 3), np.nan)), "no joint is known in any frame"),
            "1e30": (npz(positions=changed(body(3), 1e30)[None]), "joint 'chest' is at no plausible place in frame 2"),
            "0 frames": (npz(positions=np.zeros((2, 0, 3, 3))), "the clip has 0 frames"),
            "0 persons": (npz(positions=np.zeros((0, 6, 3, 3))), "nobody is in it"),
            "no rate": (npz(fps=np.array(0.0)), "fps must be a positive number"),
            "rate out of this world": (npz(fps=np.array(1e-30)), "no plausible frame rate"),
        },
    ),
}

NOISE = np.random.default_rng(7).integers(0, 256, 3000, dtype=np.uint8).tobytes()


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / f"sample{MATRIX[name].suffix}"
    path.write_bytes(data)
    return path


def refusal(path: Path) -> MotionFormatError:
    """The error of a bad file, checked to be one sentence that names the file and is not made of its bytes."""
    with pytest.raises(MotionFormatError) as caught:
        plugins.read_clips(path)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text and text.isprintable() and len(text) < len(str(path)) + 300
    return caught.value


def test_every_installed_format_has_a_row() -> None:
    ours = {one.name for one in plugins.readers() if _home(one.read) == "skeletonllm_mocap_io"}
    assert ours == set(MATRIX)


def _home(function: Callable) -> str:
    return function.__module__.partition(".")[0]


@pytest.mark.parametrize("name", MATRIX)
def test_a_sample_is_read(name: str, tmp_path: Path) -> None:
    row = MATRIX[name]
    (clip,) = plugins.read_clips(written(tmp_path, name, row.sample))
    assert clip.origin is not None and clip.origin.format == name and clip.origin.up_axis == "y"
    assert clip.origin.unit == ("cm" if name == "bvh" else "m")
    assert len(clip.persons) == len(clip.person_ids) == row.persons
    for person in clip.persons:
        assert isinstance(person, row.kind) and len(person.topology) == row.joints
        assert len(person) == FRAMES and person.fps == pytest.approx(FPS[name], rel=1e-9)
    person, frame, joint, place = row.place
    one = clip.persons[person]
    np.testing.assert_allclose(one.joint_positions()[frame, one.topology.names.index(joint)], place, atol=2e-6)


@pytest.mark.parametrize("name", MATRIX)
def test_a_suffix_in_capitals_is_known_and_format_overrides_another(name: str, tmp_path: Path) -> None:
    row = MATRIX[name]
    loud = tmp_path / f"LOUD{row.suffix.upper()}"
    other = tmp_path / "motion.dat"
    for path in (loud, other):
        path.write_bytes(row.sample)
    assert len(plugins.read(loud)) == len(plugins.read(other, format=name)) == row.persons


@pytest.mark.parametrize(("name", "variant"), [(name, bad) for name, row in MATRIX.items() for bad in row.bad])
def test_a_malformed_file_is_refused_with_its_place(name: str, variant: str, tmp_path: Path) -> None:
    row = MATRIX[name]
    data, expected = row.bad[variant]
    error = refusal(written(tmp_path, name, data))
    assert re.search(expected, error.problem), error
    assert error.format == name
    whole_file = error.problem.startswith("no body is tracked")
    assert (error.line is not None) == (row.lines and not whole_file)
    if error.line is not None:
        assert 1 <= error.line <= data.count(b"\n") + 1


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\0", NOISE, b"\xff\xfe" + NOISE], ids=["empty", "line", "0", "noise", "utf16"]
)
def test_what_is_no_motion_at_all_is_refused(name: str, data: bytes, tmp_path: Path) -> None:
    error = refusal(written(tmp_path, name, data))
    if not data:
        assert error.problem == "the file is empty"


@pytest.mark.parametrize("name", MATRIX)
def test_a_damaged_sample_is_read_or_refused_but_nothing_else(name: str, tmp_path: Path) -> None:
    """200 samples with a few bytes changed or a piece cut out: Clips or MotionFormatError."""
    rng = np.random.default_rng(11)
    sample = MATRIX[name].sample
    for _ in range(200):
        data = bytearray(sample)
        if rng.random() < 0.3:
            start = int(rng.integers(len(data)))
            del data[start : start + int(rng.integers(1, 400))]
        for place in rng.integers(0, max(1, len(data)), int(rng.integers(0, 5))):
            if place < len(data):
                data[place] = int(rng.integers(256))
        path = written(tmp_path, name, bytes(data))
        try:
            clips = plugins.read_clips(path)
        except MotionFormatError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            assert len(clips[0].persons) >= 1


@pytest.mark.parametrize("name", MATRIX)
def test_damage_to_the_first_and_last_bytes_is_read_or_refused(name: str, tmp_path: Path) -> None:
    """Headers and directories of archives lie there, so every byte of them is tried once."""
    sample = MATRIX[name].sample
    for place in [*range(128), *range(len(sample) - 160, len(sample))]:
        data = bytearray(sample)
        data[place] ^= 0x95
        path = written(tmp_path, name, bytes(data))
        try:
            plugins.read_clips(path)
        except MotionFormatError as error:
            assert str(error).startswith(str(path))
