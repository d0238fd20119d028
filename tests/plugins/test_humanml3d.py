"""HumanML3D joints: order, rate and sides; motions of other skeletons are carried over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.topologies import FILE_ORDERS
from skeletonllm_mocap_io import humanml3d
from tests import clips

NAMES = FILE_ORDERS["humanml3d22"]


def sample() -> np.ndarray:
    """(7, 22, 3) float32 in file order, every joint somewhere else."""
    return np.random.default_rng(3).normal(size=(7, 22, 3)).astype(np.float32)


def test_joints_are_found_by_name(tmp_path: Path) -> None:
    joints = sample()
    np.save(tmp_path / "a.npy", joints)
    (person,) = sk.read(tmp_path / "a.npy")
    assert (person.fps, len(person)) == (20.0, 7)
    for index, name in enumerate(NAMES):
        np.testing.assert_array_equal(
            person.joint_positions()[:, person.topology.names.index(name)].astype(np.float32), joints[:, index]
        )


def test_written_as_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", sample())
    sk.write(sk.read(tmp_path / "a.npy"), tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()


def test_another_skeleton_at_another_rate(tmp_path: Path) -> None:
    (tmp_path / "wave.bvh").write_text(clips.bvh(clips.wave, 1.0, 60.0))
    (motion,) = sk.read(tmp_path / "wave.bvh")
    sk.write(motion, tmp_path / "wave.npy")
    joints = np.load(tmp_path / "wave.npy")
    assert joints.shape == (20, 22, 3) and joints.dtype == np.float32
    (back,) = sk.read(tmp_path / "wave.npy")
    a, b = motion.joint_positions()[::3], back.joint_positions()
    parts, other = map_rig(motion.topology, a).primary(), map_rig(back.topology, b).primary()
    for upper, lower in (
        ("right_upper_arm", "right_forearm"),
        ("right_forearm", "right_hand"),
        ("left_thigh", "left_shin"),
    ):
        bones = []
        for positions, at in ((a, parts), (b, other)):
            bone = positions[:, at[sk.BodyPart(lower)]] - positions[:, at[sk.BodyPart(upper)]]
            bones.append(bone / np.linalg.norm(bone, axis=-1, keepdims=True))
        np.testing.assert_allclose(bones[0], bones[1], atol=1e-4)
    assert b[:, other[sk.BodyPart.RIGHT_HAND], 1].min() > b[:, other[sk.BodyPart.HEAD], 1].max()


def test_two_persons_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", sample())
    (person,) = sk.read(tmp_path / "a.npy")
    with pytest.raises(sk.MotionFormatError, match=r"b\.npy: the format holds one person, not 2; .* --person"):
        sk.write([person, person], tmp_path / "b.npy")


def test_sniffing(tmp_path: Path) -> None:
    arrays = {"ours": sample(), "features": np.zeros((7, 263), np.float32), "whole": np.zeros((7, 22, 3), int)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "noise.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': [[[[[[ ")
    assert [humanml3d.sniff(tmp_path / f"{name}.npy") for name in (*arrays, "noise")] == [True, False, False, False]


def test_a_real_file_stands_upright_on_its_left_and_right(shared_data: Path) -> None:
    (person,) = sk.read(shared_data / "original" / "humanml3d_npy" / "012314.npy")
    positions = person.joint_positions()
    at = {name: positions[:, index] for index, name in enumerate(person.topology.names)}
    assert np.median(at["head"][:, 1] - at["left_foot"][:, 1]) > 1.1
    forward = at["left_foot"] - at["left_ankle"] + at["right_foot"] - at["right_ankle"]
    left = np.cross([0, 1, 0], forward)
    assert np.mean((left * (at["left_hip"] - at["right_hip"])).sum(-1) > 0) > 0.9
