"""FBX: ours against BVH and against Blender's own importer; written files read back; crashes stay in their process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import skeletonllm_core as sk
from skeletonllm_core import cli
from skeletonllm_mocap_io import fbx as module
from tests import clips
from tests.clips import RIG
from tests.fbx_text import Y_UP, Z_UP, fbx, fbx6100
from tests.plugins.test_amc import BONES, LIMBS

needs_blender = pytest.mark.skipif(find_spec("bpy") is None, reason="Blender is not installed (extra blender)")
pytestmark = pytest.mark.skipif(find_spec("ufbx") is None, reason="ufbx is not installed (extra mocap)")


def read(folder: Path, data: bytes) -> list[sk.Clip]:
    (folder / "clip.fbx").write_bytes(data)
    return sk.read_clips(folder / "clip.fbx")


def truth(folder: Path, motion: object = clips.walk, frames: int = 6) -> sk.Motion:
    """What the files of `tests.fbx_text` hold, by way of BVH."""
    (folder / "truth.bvh").write_text(clips.bvh(motion, frames / 25, 25.0))  # type: ignore[arg-type]
    (person,) = sk.read(folder / "truth.bvh")
    assert isinstance(person, sk.Motion)
    return person


def apart(one: sk.Motion | sk.Keypoints, other: sk.Motion | sk.Keypoints, prefix: str = "") -> float:
    """The largest distance [m] of joints of the same name."""
    names = [prefix + name for name in other.topology.names]
    joints = [one.topology.names.index(name) for name in names]
    return float(np.linalg.norm(one.joint_positions()[:, joints] - other.joint_positions(), axis=-1).max())


@pytest.mark.parametrize(
    "data",
    [fbx(), fbx6100(), fbx(kind="Null"), fbx(scale=100.0, unit=0.01), fbx(unit=1.0, scale=100.0)],
    ids=["7400", "6100", "empty nodes for joints", "scaled armature", "unit that ignores the armature"],
)
def test_all_ways_to_write_the_same_walk(data: bytes, tmp_path: Path) -> None:
    (clip,) = read(tmp_path, data)
    (person,) = clip.persons
    assert clip.name == "Walk" and person.fps == 25.0 and len(person) == 6
    assert set(person.topology.names) - {"Armature"} == set(RIG)
    assert apart(person, truth(tmp_path)) < 1e-6


def test_units_and_axes_are_honoured(tmp_path: Path) -> None:
    plain = truth(tmp_path).joint_positions()
    for unit in (0.5, 2.54, 10.0):
        (clip,) = read(tmp_path, fbx(unit=unit))
        order = [clip.persons[0].topology.names.index(name) for name in RIG]
        np.testing.assert_allclose(clip.persons[0].joint_positions()[:, order], plain * unit, atol=1e-6)
        assert clip.origin is not None and not clip.origin.unit_inferred
    x, y, z = np.moveaxis(plain, -1, 0)
    mirrored = {**Y_UP, "CoordAxisSign": -1}
    odd = {"UpAxis": 0, "UpAxisSign": 1, "FrontAxis": 2, "FrontAxisSign": 1, "CoordAxis": 1, "CoordAxisSign": -1}
    for axes, up, expected in (
        (Z_UP, "z", (x, z, -y)),
        (mirrored, "y", (-x, y, z)),
        (odd, "x", (-y, x, z)),
        ({**Y_UP, "UpAxisSign": -1, "FrontAxisSign": -1}, "-y", (x, -y, -z)),
    ):
        (clip,) = read(tmp_path, fbx(axes=axes))
        order = [clip.persons[0].topology.names.index(name) for name in RIG]
        np.testing.assert_allclose(clip.persons[0].joint_positions()[:, order], np.stack(expected, -1), atol=1e-6)
        assert clip.origin is not None and clip.origin.up_axis == up


def test_takes_are_clips_and_armatures_are_persons(tmp_path: Path) -> None:
    takes = [("Walk", clips.walk, 6), ("Down", clips.squat, 9)]
    found = read(tmp_path, fbx(takes, armatures=("A_", "B_")))
    assert [(clip.name, len(clip.persons)) for clip in found] == [("Walk", 2), ("Down", 2)]
    for clip, (_, motion, frames) in zip(found, takes, strict=True):
        for person, prefix in zip(clip.persons, ("A_", "B_"), strict=True):
            assert apart(person, truth(tmp_path, motion, frames), prefix) < 1e-6
    (one, two) = sk.read(tmp_path / "clip.fbx", clip="Down")
    assert len(one) == len(two) == 9
    with pytest.raises(sk.MotionFormatError, match="holds 2 clips, name one of them: 'Walk', 'Down'"):
        sk.read(tmp_path / "clip.fbx")
    for option in ("--clip", "--take"):
        done = CliRunner().invoke(cli.cli, ["info", str(tmp_path / "clip.fbx"), option, "Down"])
        assert done.exit_code == 0 and "9 frames at 25 fps" in done.stdout


def test_joints_under_the_scene_are_a_person_a_tree_and_one_alone_is_left_out(tmp_path: Path) -> None:
    text = fbx(armatures=("A_", "B_")).decode()
    for holder in re.findall(r'Model: (\d+), "Model::Armature', text):
        text = re.sub(rf'(C: "OO",\d+),{holder}\n', r"\1,0\n", text)
    lamp = 'Model: 9001, "Model::Lamp", "LimbNode" {\n}\nNodeAttribute: 9002, "NodeAttribute::", "LimbNode" {\n}\n'
    text = text.replace("Objects: {\n", f"Objects: {{\n{lamp}")
    text = text.replace("Connections: {\n", 'Connections: {\nC: "OO",9001,0\nC: "OO",9002,9001\n')
    (clip,) = read(tmp_path, text.encode())
    assert [person.topology.names[0] for person in clip.persons] == ["A_Hips", "B_Hips"]
    assert [len(person.topology) for person in clip.persons] == [17, 17]
    assert clip.origin is not None and clip.origin.warnings == ("Bones that stand alone were left out: Lamp.",)


def test_a_take_without_its_span_is_as_long_as_its_curves(tmp_path: Path) -> None:
    (clip,) = read(tmp_path, fbx().replace(b'"LocalStart"', b'"Nothing1"').replace(b'"LocalStop"', b'"Nothing2"'))
    assert len(clip.persons[0]) == 6 and apart(clip.persons[0], truth(tmp_path)) < 1e-6


def test_rest_pose_has_no_rotation_and_the_lengths_of_the_file(tmp_path: Path) -> None:
    (clip,) = read(tmp_path, fbx())
    person = clip.persons[0]
    assert isinstance(person, sk.Motion) and person.local_translations is None
    for name, offset in zip(person.topology.names, person.skeleton.rest_offsets, strict=True):
        np.testing.assert_allclose(offset, np.array(RIG[name][1]) / 100, atol=1e-9)


def test_the_bind_pose_is_the_rest_pose_even_where_the_nodes_stand_otherwise(tmp_path: Path) -> None:
    text = fbx().decode()
    numbers = {name: number for number, name in re.findall(r'Model: (\d+), "Model::(\w+)", "LimbNode"', text)}
    # Every joint but the hips stands turned when nothing moves it; the curves replace that.
    still = '  P: "Lcl Rotation", "Lcl Rotation", "", "A",40,0,0\n  P: "Lcl Translation"'
    head, *joints = text.split('  P: "Lcl Translation"')
    text = head + '  P: "Lcl Translation"' + still.join(joints)
    poses = ""
    for name, number in numbers.items():
        place, above = np.zeros(3), name
        while above is not None:
            place, above = place + RIG[above][1], RIG[above][0]  # type: ignore[assignment]
        rows = np.eye(4)
        rows[3, :3] = place
        poses += f"PoseNode: {{\n Node: {number}\n Matrix: *16 {{\n  a: {','.join(map(str, rows.ravel()))}\n }}\n}}\n"
    pose = f'Pose: 8001, "Pose::Bind", "BindPose" {{\n Type: "BindPose"\n NbPoseNodes: {len(numbers)}\n{poses}}}\n'
    for data, bound in ((text, False), (text.replace("Objects: {\n", "Objects: {\n" + pose), True)):
        (clip,) = read(tmp_path, data.encode())
        (person,) = clip.persons
        assert isinstance(person, sk.Motion) and apart(person, truth(tmp_path)) < 1e-6
        wanted = np.array([RIG[name][1] for name in person.topology.names]) / 100
        assert np.allclose(person.skeleton.rest_offsets, wanted, atol=1e-6) == bound


def test_too_many_joints_are_refused(tmp_path: Path) -> None:
    text = fbx().decode()
    objects = "".join(
        f'Model: {n}, "Model::j{n}", "LimbNode" {{\n}}\nNodeAttribute: {n + 9000}, "NodeAttribute::", "LimbNode" {{\n}}\n'
        for n in range(3000, 5000)
    )
    links = "".join(f'C: "OO",{n},{n - 1 if n % 50 else 0}\nC: "OO",{n + 9000},{n}\n' for n in range(3000, 5000))
    text = text.replace("Objects: {\n", f"Objects: {{\n{objects}").replace(
        "Connections: {\n", f"Connections: {{\n{links}"
    )
    with pytest.raises(sk.MotionFormatError, match="there are 2017 joints in it; more than 2000 are refused"):
        read(tmp_path, text.encode())


def test_without_ufbx_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ufbx", None)
    with pytest.raises(sk.PluginError, match=r'^reading \.fbx needs: pip install "skeletonllm\[mocap\]"$'):
        read(tmp_path, fbx())


def test_ufbx_never_runs_in_this_process(tmp_path: Path) -> None:
    code = (
        "import sys, skeletonllm_core as sk\nsk.read_clips(sys.argv[1])\n"
        "assert not {'ufbx', 'bpy'} & set(sys.modules), 'imported'"
    )
    (tmp_path / "clip.fbx").write_bytes(fbx())
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "clip.fbx")], check=True)


def test_memory_of_the_worker_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEGABYTES", 60)
    with pytest.raises(sk.MotionFormatError) as caught:
        read(tmp_path, fbx())
    assert re.search("failed on it: .*memory|needs more than 60 MB", caught.value.problem, re.IGNORECASE)


# --- writing


def two_people(folder: Path) -> sk.Clip:
    one = truth(folder)
    return sk.Clip("Two", [one, truth(folder, clips.squat)])


@needs_blender
def test_bvh_to_fbx_to_bvh(tmp_path: Path) -> None:
    for name, motion, fps in (("walk", clips.walk, 30.0), ("squat", clips.squat, 29.97), ("wave", clips.wave, 120.0)):
        (tmp_path / "a.bvh").write_text(clips.bvh(motion, 24 / fps, fps))
        (first,) = sk.read(tmp_path / "a.bvh")
        sk.write(sk.Clip(name, [first]), tmp_path / "a.fbx")
        (clip,) = sk.read_clips(tmp_path / "a.fbx")
        sk.write(clip, tmp_path / "b.bvh")
        (last,) = sk.read(tmp_path / "b.bvh")
        assert clip.name == name and len(last) == len(first) and last.fps == pytest.approx(first.fps, rel=1e-6)
        assert sorted(last.topology.names) == sorted(first.topology.names)
        assert apart(clip.persons[0], first) < 1e-5 and apart(last, first) < 1e-3
        assert isinstance(first, sk.Motion) and isinstance(last, sk.Motion)
        assert len(np.asarray(last.skeleton.tip_joints)) == len(np.asarray(first.skeleton.tip_joints)) == 5


@needs_blender
def test_several_persons_keypoints_and_moving_offsets_are_written(tmp_path: Path) -> None:
    people = two_people(tmp_path)
    sk.write(people, tmp_path / "two.fbx")
    for found, given in zip(sk.read(tmp_path / "two.fbx"), people.persons, strict=True):
        assert len(found) == len(given) and apart(found, given) < 1e-5
    walk = people.persons[0]
    assert isinstance(walk, sk.Motion)
    sk.write(walk.keypoints(), tmp_path / "points.fbx")
    assert apart(sk.read(tmp_path / "points.fbx")[0], walk) < 1e-4
    local = np.broadcast_to(walk.skeleton.rest_offsets, (len(walk), len(walk.topology), 3)).copy()
    local[:, 3] *= np.linspace(1, 2, len(walk))[:, None]
    stretched = sk.Motion(walk.skeleton, walk.rotations, walk.root_translation, walk.fps, "s", local)
    sk.write(stretched, tmp_path / "s.fbx")
    assert apart(sk.read(tmp_path / "s.fbx")[0], stretched) < 1e-5


@needs_blender
def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(sk.MotionFormatError, match=r"none/a\.fbx: cannot be written: no such file or directory"):
        sk.write(truth(tmp_path), tmp_path / "none" / "a.fbx")


def test_persons_of_different_length_are_refused(tmp_path: Path) -> None:
    clip = sk.Clip("", [truth(tmp_path), truth(tmp_path, frames=4)])
    with pytest.raises(sk.MotionFormatError, match="differ in frames or frame rate; choose one with --person"):
        sk.write(clip, tmp_path / "no.fbx")
    assert not (tmp_path / "no.fbx").exists()


def test_without_blender_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bpy", None)
    monkeypatch.delenv("SKELETONLLM_BLENDER_PYTHON", raising=False)
    with pytest.raises(sk.PluginError, match=r'^writing \.fbx needs: pip install "skeletonllm\[blender\]"'):
        sk.write(truth(tmp_path), tmp_path / "a.fbx")
    assert not (tmp_path / "a.fbx").exists()


# --- real files


def run_script(script: Path, path: Path, folder: Path, *more: str) -> dict[str, np.ndarray]:
    """The arrays that a script with bpy writes about a file."""
    target = folder / f"{script.stem}.npz"
    done = subprocess.run([sys.executable, "-I", script, path, target, *more], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(target) as found:
        return {name: found[name] for name in found.files}


def oracle(root: Path, path: Path, folder: Path, fps: float) -> dict[str, np.ndarray]:
    """Bone heads as Blender's importer puts them."""
    return run_script(root / "tests" / "blender_oracle.py", path, folder, str(fps))


@needs_blender
@pytest.mark.parametrize(
    ("name", "frames", "joints"),
    [
        ("cmu_fbx/07_01_cmu.fbx", 317, 31),
        ("cmu_fbx/91_50.fbx", 166, 43),
        ("fbx_ufbx/maya_human_ik_7400_binary.fbx", 120, 62),
    ],
)
def test_real_files_agree_with_blender(
    name: str, frames: int, joints: int, root: Path, shared_data: Path, tmp_path: Path
) -> None:
    path = shared_data / "original" / name
    (clip,) = sk.read_clips(path)
    (person,) = clip.persons
    assert clip.origin is not None and len(person) == frames and len(person.topology) == joints
    theirs = oracle(root, path, tmp_path, person.fps)
    (places,) = (theirs[key] for key in theirs if key not in ("names", "meshes"))
    order = [theirs["names"].tolist().index(joint) for joint in person.topology.names]
    # Blender believes the unit; where the file is scaled by another, so are its places.
    scale = {"cmu": 0.0254 / 0.45, "cm": 0.01, "m": 1.0}[clip.origin.unit]
    mine = person.joint_positions()[: len(places)]
    assert np.linalg.norm(mine - scale * places[:, order], axis=-1).max() < 1e-4


def test_every_real_file_is_read_or_refused(shared_data: Path) -> None:
    read_ones = {}
    for path in sorted((shared_data / "original").glob("*fbx*/*.fbx")):
        try:
            (clip,) = sk.read_clips(path)
        except sk.MotionFormatError as error:
            assert path.name == "motionbuilder_thumbnail_7700_ascii.fbx" and "no skeleton in it" in error.problem
            continue
        read_ones[path.name] = clip.persons[0]
        assert clip.origin is not None and clip.origin.up_axis == "y"
        height = clip.persons[0].joint_positions()
        assert 1.2 < np.ptp(height[0, :, 1]) < 2.0
    assert len(read_ones) == 14
    assert {person.fps for person in read_ones.values()} == {24.0, 30.0, 120.0}


def test_fbx_and_bvh_of_the_same_cmu_take(shared_data: Path) -> None:
    """The first frame is left out: there the BVH has a pose that its conversion added."""
    (a,) = sk.read(shared_data / "original/cmu_fbx/01_01_cmu.fbx")
    (b,) = sk.read(shared_data / "original/cmu_mb_bvh/01_01.bvh")
    assert (
        isinstance(a, sk.Motion) and isinstance(b, sk.Motion) and len(a) == len(b) == 2752 and a.fps == b.fps == 120.0
    )
    common = [name for name in a.topology.names if name in b.topology.names]
    ia, ib = ([one.topology.names.index(name) for name in common] for one in (a, b))
    lengths = [np.linalg.norm(one.skeleton.rest_offsets[which], axis=-1)[1:] for one, which in ((a, ia), (b, ib))]
    assert len(common) == 29 and np.abs(lengths[0] - lengths[1]).max() < 1e-3
    distance = np.linalg.norm(a.joint_positions()[1:, ia] - b.joint_positions()[1:, ib], axis=-1).max(axis=0)
    assert distance.max() < 0.01, json.dumps(dict(zip(common, distance.round(4).tolist(), strict=True)))


@needs_blender
def test_fbx_and_amc_of_the_same_cmu_take(root: Path, shared_data: Path, tmp_path: Path) -> None:
    """Limb chains agree to 1 mm in every frame in which the FBX has keys for all that turns them.

    The program that wrote the FBX left out keys that differed little from the one before, and between the keys that are left
    a curve is a line: there it is a few millimetres from the take, and Blender puts the bones where we put them.
    """
    path = shared_data / "original/cmu_fbx/01_01_cmu.fbx"
    (take,) = sk.read(shared_data / "original/cmu_asf_amc/01_01.amc")
    (motion,) = sk.read(path)
    assert len(motion) == len(take) + 1 and motion.fps == take.fps  # the FBX begins with a T-pose of its own
    theirs = oracle(root, path, tmp_path, motion.fps)
    (places,) = (theirs[key] for key in theirs if key != "names")
    order = [theirs["names"].tolist().index(joint) for joint in motion.topology.names]
    assert np.linalg.norm(motion.joint_positions() - 0.0254 / 0.45 * places[:, order], axis=-1).max() < 1e-5

    keys = run_script(root / "tests" / "fbx_keys.py", path, tmp_path)
    assert all(
        np.allclose(one[:, 0] * motion.fps, np.rint(one[:, 0] * motion.fps), rtol=0, atol=1e-3) for one in keys.values()
    )
    keyed = {
        joint: np.all(
            [
                np.isin(np.arange(len(motion)), np.rint(one[:, 0] * motion.fps))
                | (np.ptp(one[:, 1]) < 1e-3)  # or stands still
                for one in (keys[f"{joint}|{axis}"] for axis in "XYZ")
            ],
            axis=0,
        )[1:]
        for joint in motion.topology.names
    }
    ours, right = motion.joint_positions()[1:], take.joint_positions()
    names, parents = motion.topology.names, motion.topology.parents
    worst = 0.0
    for first, *others in LIMBS:
        for bone in others:
            joint = names.index(BONES[bone])
            limb = ours[:, joint] - ours[:, names.index(BONES[first])]
            same = right[:, take.topology.names.index(bone)] - right[:, take.topology.names.index(first)]
            apart = np.linalg.norm(limb - same, axis=-1)
            complete = np.ones(len(take), dtype=bool)
            while (joint := parents[joint]) >= 0:
                complete &= keyed[names[joint]]
            assert complete.sum() > 200
            assert apart[complete].max() < 1e-5
            worst = max(worst, apart[~complete].max())
    assert 0.001 < worst < 0.005
