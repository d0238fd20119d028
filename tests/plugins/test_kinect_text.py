"""MSR-Action3D and UTKinect text: orders of joints, gaps, frame numbers and rates; told apart by their first line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.topologies import FILE_ORDERS
from skeletonllm_mocap_io import deepmimic, expmap, msr_action3d, utkinect
from tests.plugins import made_files

PLACES = np.random.default_rng(5).uniform(-1, 1, (6, 20, 3)) + np.array([0, 0, 3])


def clip(folder: Path, data: bytes) -> sk.Clip:
    path = folder / "clip.txt"
    path.write_bytes(data)
    (only,) = sk.read_clips(path)
    return only


def test_every_real_text_file_is_claimed_by_one_reader(shared_data: Path) -> None:
    folder = shared_data / "original"
    readers = (msr_action3d, utkinect, deepmimic, expmap)
    for name, reader in (("msr_action3d_txt", msr_action3d), ("deepmimic_txt", deepmimic), ("cmu_expmap_txt", expmap)):
        files = sorted((folder / name).glob("*.txt"))
        assert files
        for path in files:
            assert [one for one in readers if one.sniff(path)] == [reader], path


def test_real_msr_files_are_right_way_round_and_agree_with_the_pack(shared_data: Path) -> None:
    sys.path.insert(0, str(shared_data))
    try:
        import load_pack
    finally:
        sys.path.remove(str(shared_data))
    confirmed = 0
    files = sorted((shared_data / "original" / "msr_action3d_txt").glob("*.txt"))
    for path in files:
        (person,) = sk.read(path)
        assert person.fps == 15.0 and len(person) == sum(1 for _ in path.open()) // 20
        rig = map_rig(person.topology, person.joint_positions())
        confirmed += any("confirmed by" in line for line in rig.report)
    assert confirmed > 0.9 * len(files)
    path = files[0]
    packed, names, _, about = load_pack.load(str(shared_data), path.name[:11])
    (person,) = sk.read(path)
    assert about["native_fps"] == person.fps
    # The pack has twice the rate and calls left right.
    for joint, name in enumerate(person.topology.names):
        other = name.replace("Left", "?").replace("Right", "Left").replace("?", "Right")
        ours, theirs = person.joint_positions()[:, joint], packed[::2, names.index(other)]
        assert np.linalg.norm(ours - theirs[: len(ours)], axis=-1).max() < 0.01, name


def test_joints_of_msr_come_in_its_own_order_and_the_origin_is_a_gap(tmp_path: Path) -> None:
    places = PLACES.copy()
    places[2, 19] = 0.0
    (person,) = clip(tmp_path, made_files.msr(places)).persons
    for index, name in enumerate(FILE_ORDERS["msr_action3d"]):
        expected = places[:, index].copy()
        if name == "Head":
            expected[2] = np.nan
        found = person.joint_positions()[:, person.topology.names.index(name)]
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("stride", "fps"), [(1, 30.0), (2, 15.0), (3, 10.0)])
def test_joints_of_utkinect_and_its_rate(stride: int, fps: float, tmp_path: Path) -> None:
    found = clip(tmp_path, made_files.utkinect(PLACES, 252, stride))
    (person,) = found.persons
    assert person.fps == fps and len(person) == 6 and found.origin is not None and found.origin.warnings == ()
    for index, name in enumerate(FILE_ORDERS["kinect20"]):
        place = person.joint_positions()[:, person.topology.names.index(name)]
        np.testing.assert_allclose(place, PLACES[:, index], atol=1e-6)


def test_frames_that_are_left_out_or_there_twice(tmp_path: Path) -> None:
    lines = made_files.utkinect(PLACES, 10, 2).splitlines(keepends=True)
    for line in (lines[1], b"12" + lines[2][2:]):
        data = b"".join([lines[0], lines[1], line, *lines[3:]])
        found = clip(tmp_path, data)
        (person,) = found.persons
        assert len(person) == 6 and person.fps == 15.0
        assert np.isnan(person.joint_positions()).all((1, 2)).tolist() == [False, False, True, False, False, False]
        assert found.origin is not None and found.origin.warnings == (
            "1 frames are there twice; the last of each was kept.",
            "1 of 6 frames have no body, because the file leaves them out.",
        )
    kept = person.joint_positions()[1, person.topology.names.index("HipCenter")]
    np.testing.assert_allclose(kept, PLACES[2, 0], atol=1e-6)


def test_frame_numbers_that_cannot_be_one_take_are_refused_at_once(tmp_path: Path) -> None:
    sparse = made_files.utkinect(PLACES, 0, 2900).replace(b"14500 ", b"14501 ")
    with pytest.raises(sk.MotionFormatError, match="only 6 of 14502 frames are there"):
        clip(tmp_path, sparse)
    with pytest.raises(sk.MotionFormatError, match=r"clip\.txt:2: frame 5000 cannot follow frame 0"):
        clip(tmp_path, made_files.utkinect(PLACES, 0, 5000))
    with pytest.raises(sk.MotionFormatError, match=r"clip\.txt:1: expected a frame number, found 0\.5"):
        utkinect.read(_written(tmp_path, made_files.utkinect(PLACES).replace(b"252 ", b"0.5 ", 1)))


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "clip.txt"
    path.write_bytes(data)
    return path
