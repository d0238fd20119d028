"""Exponential maps: the published code's kinematics, the pack, both bodies."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_mocap_io import expmap
from tests.plugins import made_files


def matrix(vector: np.ndarray) -> np.ndarray:
    """Rotation matrix of a rotation vector by Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@pytest.mark.parametrize("body", expmap._BODIES, ids=lambda body: body.name)
def test_places_are_those_of_row_vectors(body: expmap._Body, tmp_path: Path) -> None:
    """A child lies at offset · R(parent) from it, and R(child) = R · R(parent), as in the code published with the data."""
    rng = np.random.default_rng(2)
    row = np.concatenate([[3.0, 20.0, -7.0], rng.normal(0, 0.4, 3 * len(body.bones))])
    path = tmp_path / "clip.txt"
    path.write_text(made_files.numbers(np.stack([row, row]), ","))
    (clip,) = sk.read_clips(path)
    (person,) = clip.persons
    assert person.fps == body.fps and clip.origin is not None and clip.origin.unit == body.unit[0]
    names = [bone[0] for bone in body.bones]
    places: dict[str, np.ndarray] = {}
    turns: dict[str, np.ndarray] = {}
    for index, (name, parent, offset) in enumerate(body.bones):
        turn = matrix(row[3 + 3 * index : 6 + 3 * index])
        places[name] = row[:3] if not parent else places[parent] + np.array(offset) @ turns[parent]
        turns[name] = turn if not parent else turn @ turns[parent]
    found = person.joint_positions()[0] / body.unit[1]
    expected = np.array([places[name] for name in names if name])
    if clip.origin.up_axis != "y":  # a random pose may look as if it stood on its head
        found, expected = (np.linalg.norm(one[:, None] - one[None], axis=-1) for one in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


def test_real_files_agree_with_the_pack(shared_data: Path) -> None:
    sys.path.insert(0, str(shared_data))
    try:
        import load_pack
    finally:
        sys.path.remove(str(shared_data))
    for name in ("jumping_1", "soccer_1"):
        (person,) = sk.read(shared_data / "original" / "cmu_expmap_txt" / f"{name}.txt")
        rig = map_rig(person.topology, person.joint_positions())
        assert not rig.warnings and any("confirmed by" in line for line in rig.report)
        packed, _, _, _ = load_pack.load(str(shared_data), f"s2s_{name}")
        place = [index for index, bone in enumerate(expmap._CMU) if bone[0]]
        # Every fourth frame; the pack gave all its bodies one height.
        ours, theirs = person.joint_positions()[::4], packed[:, place]
        count = min(len(ours), len(theirs))
        ours, theirs = (one[:count] - one[:count, :1] for one in (ours, theirs))
        scale = float(np.linalg.norm(theirs) / np.linalg.norm(ours))
        assert 1.05 < scale < 1.2
        assert np.linalg.norm(ours * scale - theirs, axis=-1).max() < 0.002


def test_what_the_file_does_not_say_is_said(tmp_path: Path) -> None:
    path = tmp_path / "clip.txt"
    path.write_bytes(made_files.expmap(np.zeros((3, 3))))
    (clip,) = sk.read_clips(path)
    assert clip.origin is not None and "bone lengths of the CMU release" in clip.origin.warnings[0]
    path.write_text("1,2,3,4\n")
    with pytest.raises(
        sk.MotionFormatError, match=r"clip.txt:1: expected 117 values \(CMU\) or 99 values \(Human3.6M\)"
    ):
        sk.read_clips(path, "expmap")
