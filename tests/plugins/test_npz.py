"""Our own .npz: everything comes back exactly; strangers' archives are not taken for it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_mocap_io import npz
from tests import clips


@pytest.fixture
def walk(tmp_path: Path) -> sk.Motion:
    (tmp_path / "walk.bvh").write_text(clips.bvh(clips.walk, 0.4))
    (motion,) = sk.read(tmp_path / "walk.bvh")
    assert isinstance(motion, sk.Motion)
    return motion


def shifted(motion: sk.Motion, x: float) -> sk.Motion:
    return sk.Motion(
        motion.skeleton, motion.rotations, motion.root_translation + np.array([x, 0, 0]), motion.fps, motion.name
    )


def assert_same(a: sk.Motion, b: object) -> None:
    assert isinstance(b, sk.Motion)
    assert (a.topology.names, a.fps, a.name) == (b.topology.names, b.fps, b.name)
    np.testing.assert_array_equal(a.topology.parents, b.topology.parents)
    np.testing.assert_array_equal(a.skeleton.rest_offsets, b.skeleton.rest_offsets)
    np.testing.assert_array_equal(np.asarray(a.skeleton.tip_joints), np.asarray(b.skeleton.tip_joints))
    np.testing.assert_array_equal(np.asarray(a.skeleton.tip_offsets), np.asarray(b.skeleton.tip_offsets))
    np.testing.assert_allclose(a.rotations, b.rotations, atol=1e-15)
    np.testing.assert_array_equal(a.root_translation, b.root_translation)
    assert (a.local_translations is None) == (b.local_translations is None)
    if a.local_translations is not None:
        np.testing.assert_array_equal(a.local_translations, np.asarray(b.local_translations))


def test_motions_come_back_exactly(walk: sk.Motion, tmp_path: Path) -> None:
    sk.write(sk.Clip("", [walk, shifted(walk, 1)], person_ids=(4, 9)), tmp_path / "two.npz")
    (clip,) = sk.read_clips(tmp_path / "two.npz")
    assert clip.person_ids == (4, 9)
    assert_same(walk, clip.persons[0])
    assert_same(shifted(walk, 1), clip.persons[1])


def test_the_keys_are_those_of_the_contract(walk: sk.Motion, tmp_path: Path) -> None:
    sk.write(walk, tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz", allow_pickle=False) as found:
        shapes = {key: found[key].shape for key in found}
    frames, joints = len(walk), len(walk.topology)
    assert shapes["names"] == shapes["parents"] == (joints,)
    assert (shapes["rest_offsets"], shapes["fps"]) == ((joints, 3), ())
    assert (shapes["rotations"], shapes["root"]) == ((1, frames, joints, 4), (1, frames, 3))
    sk.write(walk.keypoints(), tmp_path / "points.npz")
    with np.load(tmp_path / "points.npz", allow_pickle=False) as found:
        assert found["positions"].shape == (1, frames, joints, 3)
        assert found["rest_offsets"].shape == (joints, 3) and "rotations" not in found


def test_moving_offsets_and_bodies_of_two_sizes(walk: sk.Motion, tmp_path: Path) -> None:
    local = np.broadcast_to(walk.skeleton.rest_offsets, (len(walk), 17, 3)).copy()
    local[:, 4] *= 1.2
    stretched = sk.Motion(walk.skeleton, walk.rotations, walk.root_translation, walk.fps, walk.name, local)
    small = sk.Skeleton(
        walk.topology,
        walk.skeleton.rest_offsets * 0.5,
        walk.skeleton.tip_joints,
        np.asarray(walk.skeleton.tip_offsets) * 0.5,
    )
    child = sk.Motion(small, walk.rotations, walk.root_translation, walk.fps, walk.name)
    sk.write([stretched, child], tmp_path / "two.npz")
    first, second = sk.read(tmp_path / "two.npz")
    assert_same(stretched, first)
    np.testing.assert_allclose(second.joint_positions(), child.joint_positions(), atol=1e-12)
    np.testing.assert_array_equal(second.skeleton.tip_offsets, child.skeleton.tip_offsets)  # type: ignore[union-attr]


def test_keypoints_keep_their_gaps(walk: sk.Motion, tmp_path: Path) -> None:
    positions = walk.joint_positions()
    positions[2:5, 3] = np.nan
    points = sk.Keypoints(walk.topology, positions, 29.97, "gaps")
    sk.write(points, tmp_path / "p.npz")
    (back,) = sk.read(tmp_path / "p.npz")
    assert isinstance(back, sk.Keypoints) and (back.fps, back.name) == (29.97, "gaps")
    np.testing.assert_array_equal(back.positions, positions)


def test_a_motion_beside_keypoints_is_written_as_positions(walk: sk.Motion, tmp_path: Path) -> None:
    sk.write([walk, walk.keypoints()], tmp_path / "mixed.npz")
    one, two = sk.read(tmp_path / "mixed.npz")
    assert isinstance(one, sk.Keypoints)
    np.testing.assert_array_equal(one.positions, two.joint_positions())


def test_joints_of_any_order_are_sorted(tmp_path: Path) -> None:
    file = tmp_path / "f.npz"
    positions = np.arange(2 * 3 * 3, dtype=float).reshape(1, 2, 3, 3)
    np.savez(
        file,
        names=["hand", "hips", "head"],
        parents=[2, -1, 1],
        rest_offsets=np.zeros((3, 3)),
        fps=10,
        positions=positions,
    )
    (back,) = sk.read(file)
    assert back.topology.names == ("hips", "head", "hand") and back.topology.parents.tolist() == [-1, 0, 1]
    np.testing.assert_array_equal(back.joint_positions(), positions[0][:, [1, 2, 0]])


def test_persons_that_do_not_fit_together_are_refused(walk: sk.Motion, tmp_path: Path) -> None:
    short = sk.Motion(walk.skeleton, walk.rotations[:3], walk.root_translation[:3], walk.fps)
    with pytest.raises(sk.MotionFormatError, match=r"no\.npz: persons that differ .*--person"):
        sk.write([walk, short], tmp_path / "no.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk.bvh"]


def test_sniffing(walk: sk.Motion, tmp_path: Path) -> None:
    sk.write(walk, tmp_path / "ours.npz")
    np.savez(tmp_path / "other.npz", poses=np.zeros((3, 156)), trans=np.zeros((3, 3)))
    (tmp_path / "noise.npz").write_bytes(b"PK\x03\x04 nothing")
    assert [npz.sniff(tmp_path / name) for name in ("ours.npz", "other.npz", "noise.npz")] == [True, False, False]


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("names.npy", "w", force_zip64=True) as file,
    ):
        for _ in range(600):
            file.write(bytes(1 << 20))
    assert (tmp_path / "bomb.npz").stat().st_size < 2 << 20
    with pytest.raises(sk.MotionFormatError, match="unpacks to 600 MB, which is refused"):
        sk.read(tmp_path / "bomb.npz", format="npz")


def test_a_damaged_archive_of_any_compression_is_read_or_refused(walk: sk.Motion, tmp_path: Path) -> None:
    sk.write(walk, tmp_path / "ours.npz")
    rng = np.random.default_rng(5)
    for compression in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        path = tmp_path / f"method{compression}.npz"
        with zipfile.ZipFile(tmp_path / "ours.npz") as given, zipfile.ZipFile(path, "w", compression) as archive:
            for name in given.namelist():
                archive.writestr(name, given.read(name))
        assert_same(walk, sk.read(path)[0])
        whole, refused = path.read_bytes(), 0
        for _ in range(60):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 4):
                data[place] ^= int(rng.integers(1, 256))
            path.write_bytes(data)
            try:
                sk.read(path)
            except sk.MotionFormatError:
                refused += 1
        assert refused > 30


GOOD = {
    "names": ["hips", "head", "hand"],
    "parents": [-1, 0, 1],
    "rest_offsets": np.eye(3),
    "fps": 25.0,
    "rotations": np.tile([1.0, 0, 0, 0], (2, 6, 3, 1)),
    "root": np.zeros((2, 6, 3)),
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"names": None}, "the array 'names' is missing"),
        ({"rotations": None}, "the array 'positions' is missing"),
        ({"root": None}, "the array 'root' is missing"),
        ({"rest_offsets": None}, "the array 'rest_offsets' is missing"),
        ({"fps": np.array({}, object)}, "array 'fps' holds Python objects, which are never loaded"),
        ({"fps": "fast"}, "'fps' must hold numbers"),
        ({"fps": [25.0, 30.0]}, r"'fps' has shape \(2,\), expected \(1\)"),
        ({"fps": -1.0}, "fps must be a positive number"),
        ({"parents": [-1, 0, 0.5]}, "'parents' must be whole numbers"),
        ({"parents": [-1, 2, 1]}, "form a cycle"),
        ({"parents": [-1, 0, 7]}, r"lies outside 0\.\.2"),
        ({"root": np.zeros((2, 5, 3))}, r"'root' has shape \(2, 5, 3\), expected \(2, 6, 3\)"),
        ({"rotations": np.zeros((2, 6, 3, 4))}, r"'rotations' must be unit quaternions \(w, x, y, z\)"),
        ({"root": np.full((2, 6, 3), np.nan)}, "no number or no plausible one"),
        ({"tip_joints": [9], "tip_offsets": np.zeros((1, 3))}, r"a tip joint lies outside 0\.\.2"),
        ({"tip_joints": [1], "tip_offsets": np.full((1, 3), np.nan)}, "no number or no plausible one"),
        ({"parents": [-1, 0, 1e30]}, "'parents' must be whole numbers"),
        ({"ids": [1e300, 2]}, "'ids' must be 2 whole numbers"),
        ({"tip_joints": [1]}, "the array 'tip_offsets' is missing"),
        ({"local_translations": np.zeros((2, 6, 3))}, "'local_translations' has shape"),
        ({"ids": [1, 2, 3]}, "'ids' must be 2 whole numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_told_by_name(changes: dict, expected: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", **{key: value for key, value in (GOOD | changes).items() if value is not None})
    with pytest.raises(sk.MotionFormatError, match=expected):
        sk.read(tmp_path / "f.npz", format="npz")


def test_a_rate_in_an_array_of_one_and_tips_once_for_all(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", **GOOD | {"fps": [25.0], "tip_joints": [2], "tip_offsets": [[0, 0.1, 0]]})
    for person in sk.read(tmp_path / "f.npz"):
        assert isinstance(person, sk.Motion) and person.fps == 25.0 and len(person) == 6
        np.testing.assert_array_equal(np.asarray(person.skeleton.tip_offsets), [[0, 0.1, 0]])
