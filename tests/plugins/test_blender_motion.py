"""Motion → armature in the add-on: back and forth within a millimetre, and files of any format onto any rig."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.retarget import retarget
from skeletonllm_core.remote.motion_json import clip_from_json
from tests.blender_addon import in_blender, needs_blender
from tests.blender_window import blender_window, missing
from tests.clips import bvh, walk, wave

pytestmark = needs_blender


def sent(text: str) -> sk.Motion:
    """The motion of a message."""
    message = json.loads(text)
    (motion,) = clip_from_json(message["name"], message["persons"]).persons
    assert isinstance(motion, sk.Motion)
    return motion


def write_takes(motion: sk.Motion, path: Path) -> None:
    """A GLB with two animations of one skeleton: the motion twice, under two names."""
    sk.write(motion, path)
    data = path.read_bytes()
    (size,) = struct.unpack("<I", data[12:16])
    root = json.loads(data[20 : 20 + size])
    (animation,) = root["animations"]
    root["animations"] = [{**animation, "name": name} for name in ("One", "Two")]
    text = json.dumps(root).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + size :]
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest)) + struct.pack("<I4s", len(text), b"JSON")
    path.write_bytes(head + text + rest)


READ = """
posing, importing = addon.posing, addon.importing
prefs.python = ARGS.get("python", "")

def read(armature, first=None, last=None):
    first, last = (scene.frame_start if first is None else first), (scene.frame_end if last is None else last)
    sampler = sampling.Sampler(scene, bpy.context.view_layer, armature, None, (first, last), 1, False)
    while not sampler.work(1e9):
        pass
    return sampler.motion

def text(motion):
    return "{" + motion.message() + "}"

def posed(motion, armature=None, first=1, bites=1):
    poser, count = posing.Poser(motion, scene, armature, first), 1
    while not poser.work(0.0 if bites > 1 else 1e9):
        count += 1
    assert (count > 1) == (bites > 1)
    made, action, slot = poser.finish()
    posing.show(made, action, slot)
    return made

def again(armature):  # a copy that shows nothing
    twin = bpy.data.objects.new("Twin", armature.data.copy())
    scene.collection.objects.link(twin)
    bpy.context.view_layer.update()
    return twin
"""

BACK_AND_FORTH = """
if ARGS["clip"]:
    bpy.ops.import_anim.bvh(filepath=ARGS["clip"], update_scene_fps=True, update_scene_duration=True,
                            global_scale=ARGS["scale"], rotate_mode=ARGS["mode"])
    man = bpy.context.object
    scene.frame_end = min(scene.frame_end, 120)
source = read(man)
told["source"] = text(source)
counts = block_counts()
new = posed(source, bites=2)
changed = {name: count - counts[name] for name, count in block_counts().items() if count != counts[name]}
assert changed == {"objects": 1, "armatures": 1, "actions": 1}, changed
told["new"] = text(read(new))
# Onto a rig whose object stands elsewhere, turned and smaller, and its bones leave out parts of their parents' poses.
twin = again(man)
twin.location, twin.rotation_euler, twin.scale = (3, -2, 0.5), (0.3, 0.2, 2.0), (0.5, 0.5, 0.5)
bpy.context.view_layer.update()
try:
    posing.Poser(source, scene, twin, 1)
except addon.problems.Problem as problem:
    told["other rest"] = str(problem)
twin.data.transform(twin.matrix_world.inverted() @ man.matrix_world)
for number, bone in enumerate(twin.data.bones):
    bone.use_inherit_rotation, bone.use_local_location = number % 3 != 1, number % 4 != 2
for number, bone in enumerate(twin.pose.bones):
    bone.rotation_mode = ("QUATERNION", "XYZ", "AXIS_ANGLE", "ZYX")[number % 4]
    bone.scale, bone.location = (1, 2, 1), (0, 0.5, 0)  # of another action, in the way of this one
bpy.context.view_layer.update()
old = bpy.data.actions.new("Old")
twin.animation_data_create().action = old
assert posed(source, twin, first=scene.frame_start) == twin and old.use_fake_user
told["onto"] = text(read(twin))
told["names"] = [new.animation_data.action.name, twin.animation_data.action.name]
"""

MADE = """
scene.render.fps, scene.frame_end = 25, 4
scene.unit_settings.scale_length = 0.01
man = armature("Man", [("root", None, (0, 0, 100), (0, 0, 150)), ("spine", "root", (0, 0, 150), (0, 0, 200)),
                       ("head", "spine", (0, 0, 200), (0, 0, 225)), ("prop", None, (100, 0, 0), (100, 0, 100))])
keyed(man, "Roll", "root", "rotation_euler", [(a, 0, 2 * a) for a in (0.0, 2.0, 4.0, 8.0)])
for bone, way in (("prop", (0, 0, 5)), ("head", (1, 0, 0))):
    for frame in range(4):
        man.pose.bones[bone].location = [frame * part for part in way]
        man.pose.bones[bone].keyframe_insert("location", frame=1 + frame)
man.location = (30, 20, 10)
"""


def check_back_and_forth(told: dict[str, Any], millimetres: float = 1.0) -> None:
    source = sent(told["source"])
    for one in ("new", "onto"):
        found = sent(told[one])
        assert found.topology.names == source.topology.names and found.fps == pytest.approx(source.fps)
        assert found.topology.parents.tolist() == source.topology.parents.tolist()
        apart = np.linalg.norm(found.joint_positions() - source.joint_positions(), axis=-1).max()
        assert apart <= millimetres / 1000, one
    assert "has another rest pose than the motion" in told["other rest"]
    # A new armature has the rest pose too, and the same rotations from it.
    new = sent(told["new"])
    np.testing.assert_allclose(new.skeleton.rest_offsets, source.skeleton.rest_offsets, atol=1e-4)
    np.testing.assert_allclose(np.abs((new.rotations * source.rotations).sum(-1)), 1.0, atol=1e-5)


@pytest.mark.parametrize("mode", ["NATIVE", "QUATERNION"])
def test_armature_to_motion_to_armature_within_a_millimetre(mode: str, tmp_path: Path) -> None:
    clip = tmp_path / "walk.bvh"
    clip.write_text(bvh(walk, 0.5))
    told = in_blender(tmp_path, READ + BACK_AND_FORTH, clip=str(clip), scale=0.01, mode=mode)
    check_back_and_forth(told)
    assert told["names"] == ["walk.001", "walk.002"]


def test_units_several_roots_and_bones_that_slide_survive(tmp_path: Path) -> None:
    told = in_blender(tmp_path, READ + MADE + BACK_AND_FORTH, clip="")
    source = sent(told["source"])
    assert source.local_translations is not None and source.topology.parents.tolist().count(-1) == 2
    np.testing.assert_allclose(source.joint_positions()[0, 0], [0.3, 1.1, -0.2], atol=1e-6)
    check_back_and_forth(told)


def test_real_motion_survives(shared_data: Path, tmp_path: Path) -> None:
    clip = sorted((shared_data / "original/cmu_mb_bvh").glob("*.bvh"))[0]
    told = in_blender(tmp_path, READ + BACK_AND_FORTH, clip=str(clip), scale=0.056444, mode="NATIVE")
    assert len(sent(told["source"])) == 120
    check_back_and_forth(told)


IMPORTING = """
chosen = scene.skeletonllm
scene.render.fps = 24
def imported(path):
    before = block_counts()
    found = failing(lambda: ops.import_motion(filepath=path))
    return found or {name: count - before[name] for name, count in block_counts().items() if count != before[name]}

chosen.onto = "NEW"
bpy.ops.ed.undo_push(message="before")
counts = block_counts()
told["new"] = imported(ARGS["clip"])
man = bpy.context.object
told["clip"], told["frames"] = text(read(man, 1, 25)), [*man.animation_data.action.frame_range]
told["pose"] = [bone.rotation_mode for bone in man.pose.bones][:2]
assert man.select_get() and jobs.last.status == "walk.bvh: 1 imported", jobs.last.status
assert bpy.ops.ed.undo() == {"FINISHED"} and block_counts() == counts
assert bpy.ops.ed.redo() == {"FINISHED"}
scene = bpy.context.scene
man = bpy.data.objects["walk"]

# Two animations of one skeleton are two actions of one armature; two persons are two armatures.
before = block_counts()  # on the timer, as in the window
job = jobs.run(importing.Import(prefs.python, ARGS["takes"], None, scene, None), wait=False)
assert bpy.app.timers.is_registered(jobs.tick) and not ops.import_motion.poll()
tick_until(lambda: jobs.current is None)
assert job.answered == 2 and not job.problem and not ops.retry.poll()
told["takes"] = {name: count - before[name] for name, count in block_counts().items() if count != before[name]}
told["actions"] = sorted([one.name, one.users] for one in bpy.data.actions)
told["persons"] = imported(ARGS["persons"])
for path in ("broken", "missing"):
    told[path] = imported(ARGS[path])

# Onto a rig of other names, proportions and place.
rig = armature("Rig", [tuple(row) for row in ARGS["rig"]])
rig.location = (2, 1, 0)
bpy.context.view_layer.update()
for one in scene.objects:
    one.select_set(one == rig)
scene.skeletonllm.onto = "SELECTED"
keyed(rig, "Mine", rig.pose.bones[0].name, "location", [(0, 0, 0), (0, 0, 1)]).use_fake_user = False
told["rest"] = text(read(rig, 1, 1))
told["carried"] = imported(ARGS["clip"])
told["onto"], told["mine"] = text(read(rig, 1, 25)), bpy.data.actions["Mine"].users
told["notes"] = jobs.last.notes
rig.data.bones[0].name = "renamed"
for bone in rig.pose.bones[:2]:
    bone.constraints.new("LIMIT_ROTATION")
rig.pose.bones[0].constraints[0].mute = True
told["several"] = imported(ARGS["persons"])
told["notes of several"] = jobs.last.notes
stick = armature("Stick", [("a", None, (0, 0, 0), (0, 0, 1)), ("b", "a", (0, 0, 1), (0, 0, 2))])
told["stick"] = imported(ARGS["clip"])
bpy.ops.object.mode_set(mode="EDIT")
told["edited"] = imported(ARGS["clip"])
scene.skeletonllm.onto = "NEW"
told["in edit mode"] = ops.import_motion.poll()
bpy.ops.object.mode_set(mode="OBJECT")

# Stopped while the file is read, and while it is posed.
for stage in ("_waiting", "_poser"):
    before = block_counts()
    job = jobs.run(importing.Import(prefs.python, ARGS["clip"], None, scene, None), wait=False)
    if stage == "_waiting":
        tick_until(lambda: job._waiting)
    else:
        usual, jobs.BITE = jobs.BITE, 0.0
        tick_until(lambda: job._poser is not None and 0 < job.progress < 1)
        jobs.BITE = usual
    assert ops.cancel() == {"FINISHED"} and block_counts() == before and job.problem == "cancelled"
    assert job._reading._process.wait(20) is not None
prefs.python = ""
told["no python"] = imported(ARGS["clip"])
prefs.python = "/nowhere/python"
told["bad python"] = imported(ARGS["clip"])
"""

# A body of Mixamo's names in a T-pose, larger than that of the clips; Z up.
_SIDE = [("Arm", 0.2), ("ForeArm", 0.5), ("Hand", 0.8)]
_MIXAMO = [
    ("mixamorig:Hips", None, (0, 0, 1.1), (0, 0, 1.2)),
    ("mixamorig:Spine", "mixamorig:Hips", (0, 0, 1.2), (0, 0, 1.5)),
    ("mixamorig:Neck", "mixamorig:Spine", (0, 0, 1.6), (0, 0, 1.7)),
    ("mixamorig:Head", "mixamorig:Neck", (0, 0, 1.7), (0, 0, 1.95)),
    *(
        row
        for side, sign in (("Left", 1), ("Right", -1))
        for row in (
            (f"mixamorig:{side}Arm", "mixamorig:Spine", (0.2 * sign, 0, 1.5), (0.5 * sign, 0, 1.5)),
            (f"mixamorig:{side}ForeArm", f"mixamorig:{side}Arm", (0.5 * sign, 0, 1.5), (0.8 * sign, 0, 1.5)),
            (f"mixamorig:{side}Hand", f"mixamorig:{side}ForeArm", (0.8 * sign, 0, 1.5), (0.9 * sign, 0, 1.5)),
            (f"mixamorig:{side}UpLeg", "mixamorig:Hips", (0.1 * sign, 0, 1.05), (0.1 * sign, 0, 0.55)),
            (f"mixamorig:{side}Leg", f"mixamorig:{side}UpLeg", (0.1 * sign, 0, 0.55), (0.1 * sign, 0, 0.08)),
            (f"mixamorig:{side}Foot", f"mixamorig:{side}Leg", (0.1 * sign, 0, 0.08), (0.1 * sign, -0.15, 0.02)),
        )
    ),
]


def test_files_of_any_format_come_in_as_new_armatures_or_onto_a_rig(tmp_path: Path) -> None:
    clip, takes, persons, broken = (tmp_path / name for name in ("walk.bvh", "takes.glb", "two.npz", "broken.bvh"))
    clip.write_text(bvh(walk, 0.8))
    broken.write_text(bvh(wave, 0.2)[:-40])
    walking = sk.read_clips(clip)[0].persons[0]
    assert isinstance(walking, sk.Motion)
    write_takes(walking, takes)
    sk.write([walking, walking.keypoints()], persons)
    told = in_blender(
        tmp_path,
        READ + IMPORTING,
        python=sys.executable,
        clip=str(clip),
        takes=str(takes),
        persons=str(persons),
        broken=str(broken),
        missing=str(tmp_path / "none.bvh"),
        rig=_MIXAMO,
    )
    one = {"objects": 1, "armatures": 1, "actions": 1}
    assert told["new"] == one
    # The clip has 30 frames a second and the scene 24: the keys stand in time, not frame by frame.
    first, last = told["frames"]
    assert first == 1 and last == pytest.approx(1 + 23 * 24 / 30, abs=1e-4)
    found = sent(told["clip"])
    assert sorted(found.topology.names) == sorted(walking.topology.names) and found.fps == 24
    place = [walking.topology.names.index(name) for name in found.topology.names]
    moments = np.arange(19) / 24 * 30
    below = moments.astype(int)
    share = (moments - below)[:, None, None]
    world = walking.joint_positions()[:, place]
    between = world[below] * (1 - share) + world[np.minimum(below + 1, 23)] * share
    np.testing.assert_allclose(found.joint_positions()[:19], between, atol=2e-3)  # quaternions bow between keys
    assert told["pose"] == ["QUATERNION", "QUATERNION"]
    assert told["takes"] == {"objects": 1, "armatures": 1, "actions": 2}
    assert told["persons"] == {"objects": 2, "armatures": 2, "actions": 2}
    assert "broken.bvh" in told["broken"] and "expected" in told["broken"]
    assert "none.bvh: there is no such file" in told["missing"]
    # Onto the rig: what the library makes of it, in the rig's place.
    assert told["carried"] == {"actions": 1} and told["mine"] == 1
    rig, onto = sent(told["rest"]), sent(told["onto"])
    assert onto.topology.names == rig.topology.names and len(rig.topology) == len(_MIXAMO)
    expected = retarget(walking, rig.skeleton)
    np.testing.assert_allclose(onto.joint_positions()[0], expected.joint_positions()[0], atol=1e-3)
    np.testing.assert_allclose(onto.joint_positions()[4], expected.joint_positions()[5], atol=1e-3)
    assert np.ptp(onto.joint_positions()[:, 0, 2]) > 0.5  # it walks
    assert any(note.startswith("not carried over") for note in told["notes"])
    assert told["several"] == {"actions": 1} and any(
        note.startswith("only the first person of") for note in told["notes of several"]
    )
    assert "two: bones with constraints, which may not follow: 1" in told["notes of several"]
    assert "no body part in common" in told["stick"]
    assert "Stick is being edited: leave Edit Mode" in told["edited"] and told["in edit mode"] is False
    assert "choose the Python that has SkeletonLLM" in told["no python"]
    assert "/nowhere/python: cannot be started: no such file or directory" in told["bad python"]


IN_WINDOW = """
def main(addon):
    jobs = addon.jobs
    bpy.context.preferences.addons[NAME].preferences.python = ARGS["python"]
    counts = lambda: {name: len(getattr(bpy.data, name)) for name in ("objects", "actions", "armatures")}
    bpy.ops.ed.undo_push(message="before")
    scene, before = bpy.context.scene, counts()
    job = jobs.run(addon.importing.Import(ARGS["python"], ARGS["clip"], None, scene, None), wait=False)
    def look():
        if jobs.current is not None:
            return 0.1
        man = next((one for one in bpy.data.objects if one.type == "ARMATURE"), None)
        told = [job.problem, job.answered, man and [man.mode, man.select_get(), len(man.data.bones)], before, counts()]
        window, area, regions = viewport()
        with bpy.context.temp_override(window=window, area=area, region=regions["WINDOW"]):
            bpy.ops.ed.undo()
        tell("imported", [*told, counts()])
        return None
    bpy.app.timers.register(look, first_interval=0.2)
"""


@pytest.mark.skipif(missing() != "", reason=f"a window needs {missing()} (apt-get install)")
def test_an_import_in_a_window_is_one_step_to_undo(tmp_path: Path) -> None:
    clip = tmp_path / "walk.bvh"
    clip.write_text(bvh(walk, 0.5))
    folder = tmp_path / "blender"
    folder.mkdir()
    with blender_window(folder, IN_WINDOW, python=sys.executable, clip=str(clip)) as window:
        problem, answered, man, before, after, undone = window.told("imported")
    assert (problem, answered, man) == ("", 1, ["OBJECT", True, 17])
    assert after == {name: count + 1 for name, count in before.items()} and undone == before
