"""Written .glb: it reads back, Blender reads it too, and its capsules go where the joints go."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from tests import clips

pytestmark = pytest.mark.skipif(find_spec("trimesh") is None, reason="trimesh is not installed (extra mesh)")


def motion(folder: Path, pose: object = clips.walk, fps: float = 30.0, seconds: float = 0.4) -> sk.Motion:
    (folder / "clip.bvh").write_text(clips.bvh(pose, seconds, fps))  # type: ignore[arg-type]
    (person,) = sk.read(folder / "clip.bvh")
    assert isinstance(person, sk.Motion)
    return person


def root_of(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


@pytest.mark.parametrize("fps", [20.0, 29.97, 30.0, 120.0])
def test_bvh_to_glb_to_bvh(fps: float, tmp_path: Path) -> None:
    first = motion(tmp_path, fps=fps)
    sk.write(sk.Clip("Walk", [first]), tmp_path / "a.glb")
    (clip,) = sk.read_clips(tmp_path / "a.glb")
    (middle,) = clip.persons
    sk.write(clip, tmp_path / "b.bvh")
    (last,) = sk.read(tmp_path / "b.bvh")
    assert clip.name == "Walk" and clip.origin is not None and not clip.origin.warnings
    for other in (middle, last):
        assert isinstance(other, sk.Motion)
        assert other.topology.names == first.topology.names and len(other) == len(first)
        np.testing.assert_array_equal(other.topology.parents, first.topology.parents)
        assert other.fps == pytest.approx(first.fps, rel=1e-6)
        np.testing.assert_array_equal(np.asarray(other.skeleton.tip_joints), np.asarray(first.skeleton.tip_joints))
        np.testing.assert_allclose(other.skeleton.tip_offsets, np.asarray(first.skeleton.tip_offsets), atol=1e-5)
    np.testing.assert_allclose(middle.joint_positions(), first.joint_positions(), atol=1e-5)
    np.testing.assert_allclose(last.joint_positions(), first.joint_positions(), atol=1e-3)


def test_several_persons_roots_and_moving_offsets(tmp_path: Path) -> None:
    one, two = motion(tmp_path), motion(tmp_path, clips.squat)
    local = np.broadcast_to(two.skeleton.rest_offsets, (len(two), len(two.topology), 3)).copy()
    local[:, 3] *= np.linspace(1, 2, len(two))[:, None]
    two = sk.Motion(two.skeleton, two.rotations, two.root_translation, two.fps, "s", local)
    sk.write(sk.Clip("", [one, two]), tmp_path / "two.glb")
    for found, given in zip(sk.read(tmp_path / "two.glb"), (one, two), strict=True):
        np.testing.assert_allclose(found.joint_positions(), given.joint_positions(), atol=1e-5)
    topology = sk.Topology("t", ("hips", "head", "ball", "string"), np.array([-1, 0, -1, 2]))
    offsets = np.array([[0, 1, 0], [0, 0.5, 0], [2, 0, 0], [0, 0.1, 0]])
    turns = np.tile([1.0, 0, 0, 0], (12, 4, 1))
    moving = np.broadcast_to(offsets, (12, 4, 3)).copy()
    moving[:, 2, 0] = np.linspace(0, 1, 12)
    rooted = sk.Motion(sk.Skeleton(topology, offsets), turns, np.zeros((12, 3)), 25.0, "", moving)
    sk.write(rooted, tmp_path / "roots.glb")
    (found,) = sk.read(tmp_path / "roots.glb")
    np.testing.assert_allclose(found.joint_positions(), rooted.joint_positions(), atol=1e-6)


def test_keypoints_are_followed(tmp_path: Path) -> None:
    given = motion(tmp_path)
    sk.write(given.keypoints(), tmp_path / "k.glb")
    np.testing.assert_allclose(sk.read(tmp_path / "k.glb")[0].joint_positions(), given.joint_positions(), atol=1e-4)


def test_the_same_clip_gives_the_same_bytes_and_a_document_without_gaps(tmp_path: Path) -> None:
    given = motion(tmp_path)
    for name in ("a.glb", "b.glb"):
        sk.write(sk.Clip("x", [given]), tmp_path / name)
    data = (tmp_path / "a.glb").read_bytes()
    assert data == (tmp_path / "b.glb").read_bytes() and len(data) % 4 == 0
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))
    root = root_of(tmp_path / "a.glb")
    times = root["accessors"][root["animations"][0]["samplers"][0]["input"]]
    assert times["min"] == [0.0] and times["max"] == pytest.approx([(len(given) - 1) / 30], rel=1e-6)
    reached = [child for node in root["nodes"] for child in node.get("children", [])] + root["scenes"][0]["nodes"]
    assert sorted(reached) == list(range(len(root["nodes"])))
    for view in root["bufferViews"]:
        assert (
            view["byteOffset"] % 4 == 0 and view["byteOffset"] + view["byteLength"] <= root["buffers"][0]["byteLength"]
        )


def test_bones_without_length_give_no_mesh_and_are_still_read(tmp_path: Path) -> None:
    topology = sk.Topology("t", ("a", "b"), np.array([-1, 0]))
    turns = np.tile([1.0, 0, 0, 0], (12, 2, 1))
    point = sk.Motion(sk.Skeleton(topology, np.zeros((2, 3))), turns, np.arange(36.0).reshape(12, 3) / 40, 25.0)
    sk.write(point, tmp_path / "p.glb")
    assert "meshes" not in root_of(tmp_path / "p.glb")
    np.testing.assert_allclose(sk.read(tmp_path / "p.glb")[0].joint_positions(), point.joint_positions(), atol=1e-6)


def test_persons_of_different_length_are_refused(tmp_path: Path) -> None:
    clip = sk.Clip("", [motion(tmp_path), motion(tmp_path, seconds=0.2)])
    with pytest.raises(sk.MotionFormatError, match=r"no\.glb: the persons differ in frames or frame rate"):
        sk.write(clip, tmp_path / "no.glb")
    assert not (tmp_path / "no.glb").exists()


def test_without_trimesh_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = motion(tmp_path)
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(sk.PluginError, match=r'^writing \.glb needs: pip install "skeletonllm\[mesh\]"$'):
        sk.write(given, tmp_path / "a.glb")
    assert not (tmp_path / "a.glb").exists()


@pytest.mark.skipif(find_spec("bpy") is None, reason="Blender is not installed (extra blender)")
def test_blender_puts_joints_and_capsules_where_they_belong(root: Path, tmp_path: Path) -> None:
    given = motion(tmp_path, clips.squat, seconds=1.0)
    sk.write(sk.Clip("Down", [given]), tmp_path / "a.glb")
    target = tmp_path / "oracle.npz"
    subprocess.run(
        [sys.executable, "-I", root / "tests" / "blender_oracle.py", tmp_path / "a.glb", target, "30", "meshes"],
        check=True,
        capture_output=True,
    )
    with np.load(target) as found:
        names, boxes = found["names"].tolist(), found["meshes"]
        (action,) = (found[key] for key in found.files if key not in ("names", "meshes"))
    order = [names.index(name) for name in given.topology.names]
    places = given.joint_positions()
    assert len(action) == len(given)
    np.testing.assert_allclose(action[:, order], places, atol=1e-4)
    # The skin reaches every joint, and no farther than the tips (head 16 cm, feet 15 cm) and its own thickness.
    assert (boxes[:, 0] <= places.min(axis=1) + 1e-3).all() and (boxes[:, 1] >= places.max(axis=1) - 1e-3).all()
    assert (boxes[:, 0] >= places.min(axis=1) - 0.22).all() and (boxes[:, 1] <= places.max(axis=1) + 0.22).all()
    assert np.ptp(boxes[:, 1, 1]) > 0.1  # it goes down with the body
