""".blend: files that Blender saves for the test, and real ones where a Blender is new enough for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_mocap_io.blender import PYTHON
from tests.blender_addon import ARMATURES, BLENDER, needs_blender

# Makes a file with bpy. Armature "Man": root - spine - head, a control that head copies, a bone that never moves.
MAKE = f"""
import sys, math, bpy
from mathutils import Matrix
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.fps, scene.render.fps_base = 25, 1.0
scene.frame_start, scene.frame_end = 1, 5
{ARMATURES}
def action(owner, name, bone, part, values, start=1):
    made = keyed(owner, name, bone, part, values, start)
    setattr(owner.pose.bones[bone], part, (0, 0, 0))
    return made

man = armature("Man", [("root", None, (0, 0, 1), (0, 0, 1.5)), ("spine", "root", (0, 0, 1.5), (0, 0, 2)),
                       ("head", "spine", (0, 0, 2), (0, 0, 2.25)), ("control", None, (1, 0, 0), (1, 0, 1))])
man.data.bones["control"].use_deform = False
"""

BOW = 'action(man, "Bow", "root", "rotation_euler", [(math.radians(a), 0, 0) for a in (0, 30, 60, 90)], start=3)\n'
SAVE = "\nbpy.ops.wm.save_as_mainfile(filepath=sys.argv[1], compress=len(sys.argv) > 2)\nimport os; os._exit(0)\n"


def saved(folder: Path, code: str, *more: str, name: str = "clip.blend") -> Path:
    """A file that a process with bpy makes."""
    done = subprocess.run(
        [BLENDER, "-I", "-c", MAKE + code + SAVE, folder / name, *more],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / name


def joint(motion: sk.Motion | sk.Keypoints, name: str) -> np.ndarray:
    return motion.joint_positions()[:, motion.topology.names.index(name)]


@needs_blender
def test_actions_are_clips_evaluated_frame_by_frame(tmp_path: Path) -> None:
    code = BOW + (
        'action(man, "Nod", "control", "rotation_euler", [(math.radians(a), 0, 0) for a in (0, 45)])\n'
        'copy = man.pose.bones["head"].constraints.new("COPY_ROTATION")\n'
        'copy.target, copy.subtarget = man, "control"\n'
        'copy.target_space = copy.owner_space = "LOCAL"\n'
        'bpy.data.actions.new("Lamp").fcurves.new("energy").keyframe_points.insert(1, 2) '
        'if hasattr(bpy.types.Action, "fcurves") else None\n'
    )
    bow, nod = sk.read_clips(saved(tmp_path, code))
    assert (bow.name, nod.name) == ("Bow", "Nod") and bow.origin is not None
    assert (bow.origin.format, bow.origin.unit, bow.origin.up_axis, bow.origin.unit_inferred) == (
        "blend",
        "m",
        "z",
        False,
    )
    (motion,) = bow.persons
    assert isinstance(motion, sk.Motion) and motion.fps == 25.0 and len(motion) == 4
    assert motion.topology.names == ("root", "spine", "head") and motion.topology.parents.tolist() == [-1, 0, 1]
    # Blender is Z up: +Z becomes +Y, and a bow about X towards -Y becomes one towards +Z.
    angles = np.radians([0, 30, 60, 90])
    away = np.stack([0 * angles, np.cos(angles), np.sin(angles)], -1)
    np.testing.assert_allclose(joint(motion, "root"), np.tile([0, 1.0, 0], (4, 1)), atol=1e-6)
    np.testing.assert_allclose(joint(motion, "head"), away + np.array([0, 1.0, 0]), atol=1e-6)
    np.testing.assert_allclose(motion.skeleton.tip_offsets, [[0, 0.25, 0]], atol=1e-6)
    # The other action leaves the body upright and turns the head by way of the constraint.
    (nodding,) = nod.persons
    assert isinstance(nodding, sk.Motion) and len(nodding) == 2
    np.testing.assert_allclose(joint(nodding, "head"), np.tile([0, 2.0, 0], (2, 1)), atol=1e-6)
    turned = 2 * np.degrees(np.arccos(np.abs(nodding.rotations[:, 2, 0])))
    np.testing.assert_allclose(turned, [0, 45], atol=1e-3)


@needs_blender
def test_bones_that_rigify_hangs_from_controls_hang_from_each_other(tmp_path: Path) -> None:
    code = (
        'rows = [("root", None), ("ORG-hip", "root"), ("DEF-hip", "ORG-hip"), ("control", "ORG-hip"), ("ORG-leg", "control"),\n'
        '        ("DEF-leg", "ORG-leg"), ("toe", "DEF-leg")]\n'
        'rig = armature("Rig", [(n, p, (0, 0, 2 - i / 9), (0, 0, 2.1 - i / 9)) for i, (n, p) in enumerate(rows)])\n'
        "for bone in rig.data.bones:\n"
        '    bone.use_deform = bone.name.startswith("DEF-") or bone.name == "toe"\n'
        "bpy.data.objects.remove(man)\n"
        'action(rig, "Step", "control", "rotation_euler", [(0, 0, 0), (1, 0, 0)])\n'
    )
    (clip,) = sk.read_clips(saved(tmp_path, code))
    (motion,) = clip.persons
    assert motion.topology.names == ("root", "DEF-hip", "DEF-leg", "toe")
    assert motion.topology.parents.tolist() == [-1, 0, 1, 2]
    # The control between hip and leg still moves the leg.
    assert (
        np.ptp(joint(motion, "DEF-leg"), axis=0).max() > 0.05 and np.ptp(joint(motion, "DEF-hip"), axis=0).max() < 1e-6
    )


@needs_blender
def test_units_rates_and_compressed_files(tmp_path: Path) -> None:
    code = BOW + "scene.unit_settings.scale_length = 0.5\nscene.render.fps, scene.render.fps_base = 30, 1.001\n"
    (clip,) = sk.read_clips(saved(tmp_path, code, "compress"))
    assert clip.persons[0].fps == pytest.approx(30 / 1.001, rel=1e-6)
    np.testing.assert_allclose(joint(clip.persons[0], "head")[0], [0, 1.0, 0], atol=1e-6)


@needs_blender
def test_an_action_that_fits_two_armatures_is_two_clips_and_objects_may_move(tmp_path: Path) -> None:
    code = BOW + (
        'other = armature("Twin", [("root", None, (0, 0, 1), (0, 0, 2)), ("top", "root", (0, 0, 2), (0, 0, 3))])\n'
        "other.location, other.scale = (3, 0, 0), (2, 2, 2)\n"
        'armature("Stick", [("a", None, (0, 0, 0), (0, 0, 1)), ("b", "a", (0, 0, 1), (0, 0, 2))])\n'
    )
    one, two = sk.read_clips(saved(tmp_path, code))
    assert (one.name, two.name) == ("Bow (Man)", "Bow (Twin)")
    np.testing.assert_allclose(joint(two.persons[0], "top")[0], [3, 4, 0], atol=1e-6)


@needs_blender
def test_scripts_in_a_file_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    write = f"open({str(trace)!r}, 'w').close()"
    touch = f"__import__('pathlib').Path({str(trace)!r}).touch() or 1"
    code = BOW + (
        'text = bpy.data.texts.new("run.py")\n'
        f"text.write({write!r})\n"
        "text.use_module = True\n"
        "bpy.context.preferences.filepaths.use_scripts_auto_execute = True\n"
        'driver = man.pose.bones["spine"].driver_add("location", 0).driver\n'
        f'driver.type, driver.expression = "SCRIPTED", {touch!r}\n'
    )
    path = saved(tmp_path, code)
    trace.unlink(missing_ok=True)
    (clip,) = sk.read_clips(path)
    assert not trace.exists() and len(clip.persons[0]) == 4
    assert clip.origin is not None
    assert clip.origin.warnings == ("Scripts in the file are never run; what they drive stands still.",)


@needs_blender
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "there is no action in it that moves one of its armatures"),
        ("bpy.data.objects.remove(man)", "there is no armature"),
    ],
)
def test_a_file_without_motion_is_refused(code: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(sk.MotionFormatError, match=rf"clip\.blend: {said}"):
        sk.read_clips(saved(tmp_path, code))


@needs_blender
def test_damaged_files_cost_a_sentence(tmp_path: Path) -> None:
    whole = saved(tmp_path, BOW).read_bytes()
    bad = tmp_path / "bad.blend"
    rng = np.random.default_rng(1)
    spoilt = bytearray(whole)
    for place in rng.integers(1000, len(whole), 3000):
        spoilt[place] = int(rng.integers(256))
    for data in (whole[: len(whole) // 3], whole[:40], b"BLENDER-v402" + rng.bytes(5000), bytes(spoilt)):
        bad.write_bytes(data)
        try:
            sk.read_clips(bad)
        except sk.MotionFormatError as error:
            assert str(error).startswith(str(bad)) and "\n" not in str(error) and "Traceback" not in str(error)
    bad.write_bytes(b"BLENDER-v402" + rng.bytes(5000))
    with pytest.raises(sk.MotionFormatError, match=r"is no whole \.blend file that Blender"):
        sk.read_clips(bad)


@needs_blender
def test_a_file_of_a_newer_blender_says_so(tmp_path: Path) -> None:
    (tmp_path / "new.blend").write_bytes(b"BLENDER17-01v9900REND" + bytes(500))
    with pytest.raises(sk.MotionFormatError, match=rf"was saved by Blender 99\.0, and here is .*{PYTHON}"):
        sk.read_clips(tmp_path / "new.blend")


def test_what_is_no_blend_file_starts_no_blender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, str(tmp_path / "none"))
    (tmp_path / "noise.blend").write_bytes(b"something else")
    with pytest.raises(sk.MotionFormatError, match=r"is no \.blend file"):
        sk.read_clips(tmp_path / "noise.blend")
    (tmp_path / "start.blend").write_bytes(b"BLENDER-v402")
    with pytest.raises(sk.MotionFormatError, match=r"the Python '.*none' cannot be started: no such file"):
        sk.read_clips(tmp_path / "start.blend")


def test_without_blender_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.blend").write_bytes(b"BLENDER-v402")
    monkeypatch.setitem(sys.modules, "bpy", None)
    monkeypatch.delenv(PYTHON, raising=False)
    with pytest.raises(
        sk.PluginError, match=rf'^reading \.blend needs: pip install "skeletonllm\[blender\]".*{PYTHON}'
    ):
        sk.read_clips(tmp_path / "a.blend")
    # A Python without packages stands for one that has no Blender.
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv(PYTHON, str(bare))
    with pytest.raises(sk.MotionFormatError, match=r"a\.blend: needs Blender as a Python module, and .* has none"):
        sk.read_clips(tmp_path / "a.blend")


@needs_blender
def test_real_files_are_read_or_refused_with_the_cure(shared_data: Path) -> None:
    """They were saved by Blender 5.0; with a Python that has bpy 5 in the environment variable they are read."""
    files = sorted((shared_data / "original/cc0_blend").glob("*.blend"))
    assert len(files) == 4
    try:
        found = [sk.read_clips(path)[0] for path in files]
    except sk.MotionFormatError as error:
        assert error.problem.startswith("was saved by Blender 5.0, and here is 4.2, which cannot read it")
        pytest.skip(f"{error.problem}")
    assert [clip.name for clip in found] == ["Bow", "Fighting Right Jab", "Jumping Jacks", "Throw Object"]
    assert [len(clip.persons[0]) for clip in found] == [90, 22, 31, 45]
    for clip in found:
        (motion,) = clip.persons
        assert motion.fps == 24.0 and len(motion.topology) == 66 and motion.topology.names[0] == "root"
        height = motion.joint_positions()[0]
        assert 1.2 < np.ptp(height[:, 1]) < 2.3
    hands = found[2].persons[0].joint_positions()[:, found[2].persons[0].topology.names.index("hand_l"), 1]
    assert hands.max() > 1.8 and hands.min() < 1.0  # jumping jacks
