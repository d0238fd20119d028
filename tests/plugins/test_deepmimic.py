"""DeepMimic: the published skeleton and files, angles about z, frames of different length."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_mocap_io import deepmimic
from tests.plugins import made_files

FALL = np.stack([0.1 * np.arange(5), np.full(5, 0.85), np.zeros(5)], axis=1)


def motion(folder: Path, data: bytes) -> tuple[sk.Motion, sk.Clip]:
    path = folder / "humanoid3d_made.txt"
    path.write_bytes(data)
    (clip,) = sk.read_clips(path)
    (person,) = clip.persons
    assert isinstance(person, sk.Motion)
    return person, clip


def test_the_skeleton_is_the_published_one(shared_data: Path, tmp_path: Path) -> None:
    character = json.loads((shared_data / "original" / "deepmimic_txt" / "humanoid3d.txt").read_text())
    person, _ = motion(tmp_path, made_files.deepmimic(FALL))
    joints = character["Skeleton"]["Joints"]
    assert person.topology.names == tuple(joint["Name"] for joint in joints)
    assert person.topology.parents.tolist() == [joint["Parent"] for joint in joints]
    offsets = [[joint[f"Attach{axis}"] for axis in "XYZ"] for joint in joints]
    np.testing.assert_array_equal(person.skeleton.rest_offsets, offsets)
    values = {"none": 4, "spherical": 4, "revolute": 1, "fixed": 0}
    assert [row[3] for row in deepmimic._JOINTS] == [values[joint["Type"]] for joint in joints]


def test_real_files_agree_with_the_pack(shared_data: Path) -> None:
    sys.path.insert(0, str(shared_data))
    try:
        import load_pack
    finally:
        sys.path.remove(str(shared_data))
    for name in ("walk", "run", "jump", "kick", "cartwheel", "backflip"):
        path = shared_data / "original" / "deepmimic_txt" / f"humanoid3d_{name}.txt"
        (person,) = sk.read(path)
        rig = map_rig(person.topology, person.joint_positions())
        assert not rig.warnings and any("confirmed by" in line for line in rig.report), name
        packed, names, _, about = load_pack.load(str(shared_data), f"deepmimic_humanoid3d_{name}")
        assert person.fps == pytest.approx(about["native_fps"], rel=1e-3)
        # The pack is at 30 frames a second; compare at the nearest times of the slower of the two.
        for moment in np.arange(0, 0.9 * min(person.seconds, len(packed) / 30), 0.1):
            ours, theirs = moment * person.fps, moment * 30
            if abs(ours - round(ours)) < 1e-6 and abs(theirs - round(theirs)) < 1e-6:
                a = person.joint_positions()[round(ours)]
                b = packed[round(theirs)][[names.index(joint) for joint in person.topology.names]]
                assert np.linalg.norm((a - a[0]) - (b - b[0]), axis=-1).max() < 0.02, (name, moment)


def test_a_character_is_no_motion(shared_data: Path) -> None:
    with pytest.raises(sk.MotionFormatError, match="is a DeepMimic character, which holds no motion"):
        sk.read(shared_data / "original" / "deepmimic_txt" / "humanoid3d.txt")


def test_one_angle_bends_a_knee_about_z(tmp_path: Path) -> None:
    value = json.loads(made_files.deepmimic(FALL))
    for frame in value["Frames"]:
        frame[20] = -np.pi / 2
    person, _ = motion(tmp_path, json.dumps(value).encode())
    place = dict(zip(person.topology.names, person.joint_positions()[0], strict=True))
    shin = place["right_ankle"] - place["right_knee"]
    np.testing.assert_allclose(shin / np.linalg.norm(shin), [-1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(place["left_ankle"][:2], place["left_hip"][:2] - [0, 0.421546 + 0.40987], atol=1e-9)


@pytest.mark.parametrize(("seconds", "fps"), [(0.0333333, 30), (0.016666, 60), (0.0625, 16), (0.0166660007, 60)])
def test_rates_are_the_whole_ones_that_were_meant(seconds: float, fps: float, tmp_path: Path) -> None:
    assert motion(tmp_path, made_files.deepmimic(FALL, seconds))[0].fps == fps


def test_frames_of_different_length_are_put_on_an_even_rate(tmp_path: Path) -> None:
    value = json.loads(made_files.deepmimic(FALL))
    durations = [0.1, 0.1, 0.3, 0.1, 0.0]
    for frame, seconds in zip(value["Frames"], durations, strict=True):
        frame[0] = seconds
    value["Frames"][3][4:8] = [-1.0, 0.0, 0.0, 0.0]  # the same rotation with the other sign
    person, clip = motion(tmp_path, json.dumps(value).encode())
    for frame, seconds in zip(value["Frames"], [1e-9, 1e-9, 1e-9, 9.0, 0.0], strict=True):
        frame[0] = seconds
    with pytest.raises(sk.MotionFormatError, match="too differently to be put on an even rate"):
        motion(tmp_path, json.dumps(value).encode())
    assert person.fps == 10.0 and clip.origin is not None and "even rate" in clip.origin.warnings[0]
    np.testing.assert_allclose(person.root_translation[:, 0], [0, 0.1, 0.2, 0.2333333, 0.2666667, 0.3, 0.4], atol=1e-6)
    np.testing.assert_allclose(np.abs(person.rotations[..., 0]), 1.0)
