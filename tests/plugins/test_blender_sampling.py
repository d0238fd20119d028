"""Armature → motion in the add-on: what is read is what the .blend reader reads, and the scene stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.remote.motion_json import clip_from_json
from tests.blender_addon import in_blender, needs_blender

# A body with a control that the head copies, a driven spine, a bone that is stretched, and one below it that is sheared;
# a custom property that an action moves; the object stands elsewhere, turned and scaled, in a scene of half metres.
RIG = """
scene.render.fps, scene.render.fps_base = 30, 1.001
scene.unit_settings.scale_length = 0.5
man = armature("Man", [("root", None, (0, 0, 1), (0, 0, 1.5)), ("spine", "root", (0, 0, 1.5), (0, 0, 2)),
                       ("head", "spine", (0, 0, 2), (0, 0, 2.25)), ("arm.L", "spine", (0.2, 0, 1.9), (0.8, 0, 1.8)),
                       ("hand.L", "arm.L", (0.8, 0, 1.8), (1.0, 0.1, 1.8)), ("control", None, (1, 0, 0), (1, 0, 1))])
man.location, man.rotation_euler, man.scale = (1, 2, 0), (0, 0, 0.5), (1.5, 1.5, 1.5)
man.data.bones["control"].use_deform = False
copy = man.pose.bones["head"].constraints.new("COPY_ROTATION")
copy.target, copy.subtarget = man, "control"
copy.target_space = copy.owner_space = "LOCAL"
bow = keyed(man, "Bow", "root", "rotation_euler", [(math.radians(a), 0, a / 90) for a in (0, 30, 60, 90)], start=3)
nod = keyed(man, "Nod", "control", "rotation_euler", [(math.radians(a), 0, 0) for a in (0, 45, 400)])
stretch = keyed(man, "Stretch", "arm.L", "scale", [(1, 1, 1), (1, 2, 1), (1, 3, 0.5)])
man.pose.bones["hand.L"].rotation_mode = "XYZ"
for frame in (1, 3):
    man.pose.bones["hand.L"].rotation_euler = (0, 0, frame / 2)
    man.pose.bones["hand.L"].keyframe_insert("rotation_euler", frame=frame)
man["mood"] = 0.25
man.keyframe_insert('["mood"]', frame=1)
man["mood"] = 2.0
man.keyframe_insert('["mood"]', frame=3)
for bone in man.pose.bones:  # the file that the reader sees has no pose of its own
    bone.location, bone.rotation_euler, bone.scale = (0, 0, 0), (0, 0, 0), (1, 1, 1)
man.animation_data.action = bow
scene.frame_set(5)
"""

READ = """
def state():
    bones = [[*b.location, *b.rotation_euler, *b.rotation_quaternion, *b.scale] for b in man.pose.bones]
    data = man.animation_data
    slot = data.action_slot.identifier if hasattr(data, "action_slot") and data.action_slot else None
    return [scene.frame_current, scene.frame_subframe, data.action.name, slot, data.use_nla, man["mood"], bones,
            block_counts(), [len(a.users_id) if hasattr(a, "users_id") else a.users for a in bpy.data.actions]]

def read(take, bites=1, step=1, deform_only=True):
    action = sampling.by_uid(bpy.data.actions, take.action_uid) if take.action_uid else None
    sampler = sampling.Sampler(scene, bpy.context.view_layer, man, action, take.frames, step, deform_only)
    count = 1
    while not sampler.work(0.0 if bites > 1 else 1e9):
        assert state() == before, "the scene changed between two bites"
        count += 1
    assert (count > 1) == (bites > 1)
    return "{" + sampler.motion.message() + "}"

bpy.ops.wm.save_as_mainfile(filepath=ARGS["blend"], copy=True)
man.pose.bones["control"].rotation_euler = (0, 0.3, 7.5)  # nobody keyed this, and it must not be lost
man["mood"] = 0.75
before = state()
told["actions"] = [read(take, bites=2) for take in jobs.all_actions(bpy.context)]
assert state() == before
told["whole"] = [read(take) for take in jobs.all_actions(bpy.context)]
assert state() == before
take = jobs.as_shown(bpy.context)
told["all bones"], told["second"] = read(take, deform_only=False), read(take, step=2)
assert state() == before
scene.skeletonllm.frames = "SCENE"
scene.frame_start, scene.frame_end = 4, 5
told["scene"] = read(jobs.as_shown(bpy.context))
"""


@needs_blender
def test_what_is_read_is_what_the_blend_reader_reads(tmp_path: Path) -> None:
    told = in_blender(tmp_path, RIG + READ, blend=str(tmp_path / "rig.blend"))
    expected = sk.read_clips(tmp_path / "rig.blend")
    assert [clip.name for clip in expected] == ["Bow", "Nod", "Stretch"]
    # Read a frame at a time or in one go: the same numbers.
    assert told["actions"] == told["whole"]
    for text, clip in zip(told["actions"], expected, strict=True):
        message = json.loads(text)
        found = clip_from_json(message["name"], message["persons"])
        assert found.name == clip.name
        (one,), (other,) = found.persons, clip.persons
        assert isinstance(one, sk.Motion) and isinstance(other, sk.Motion)
        assert one.fps == pytest.approx(other.fps, rel=1e-9)
        assert one.topology.names == other.topology.names == ("root", "spine", "head", "arm.L", "hand.L")
        assert one.topology.parents.tolist() == other.topology.parents.tolist()
        np.testing.assert_allclose(one.joint_positions(), other.joint_positions(), atol=2e-5)
        np.testing.assert_allclose(one.skeleton.rest_offsets, other.skeleton.rest_offsets, atol=2e-6)
        np.testing.assert_allclose(one.skeleton.tip_offsets, other.skeleton.tip_offsets, atol=2e-6)
        same = np.abs((one.rotations * other.rotations).sum(-1))
        np.testing.assert_allclose(same, 1.0, atol=1e-6)
        assert (one.local_translations is None) == (other.local_translations is None) == (clip.name != "Stretch")
    # Unkeyed poses count where the scene is read as it is shown.
    shown = json.loads(told["all bones"])["persons"][0]
    assert len(shown["skeleton"]["names"]) == 6 and len(shown["rotations"]) == 4
    control = np.array(shown["rotations"])[:, shown["skeleton"]["names"].index("control")]
    turn = np.array([np.cos(0.15) * np.cos(3.75), -np.sin(0.15) * np.sin(3.75)])
    assert (np.abs(control[:, 0]) < 1).all() and np.isclose(abs(control[0, 0]), abs(turn[0]), atol=1e-5)
    half = json.loads(told["second"])["persons"][0]
    assert len(half["rotations"]) == 2 and half["fps"] == pytest.approx(30 / 1.001 / 2)
    ranged = json.loads(told["scene"])["persons"][0]
    assert ranged["skeleton"]["names"][:2] == ["root", "spine"] and len(ranged["rotations"]) == 2
    whole = json.loads(told["whole"][0])["persons"][0]["rotations"]
    np.testing.assert_allclose(np.array(ranged["rotations"])[:, :2], np.array(whole)[1:3, :2], atol=2e-6)


REFUSED = """
def refused(**changes):
    options = {"frames": (1, 3), "step": 1, "deform_only": True, **changes}
    try:
        sampling.Sampler(scene, bpy.context.view_layer, man, None, **options)
    except sampling.CannotSample as problem:
        return str(problem)

told["good"] = refused()
man.data.pose_position = "REST"
told["rest"] = refused()
man.data.pose_position = "POSE"
man.hide_set(True)
told["hidden"] = refused()
man.hide_set(False)
bpy.ops.object.mode_set(mode="EDIT")
told["edited"] = refused()
bpy.ops.object.mode_set(mode="OBJECT")
told["long"] = refused(frames=(1, 500000))
told["slow"] = refused(frames=(1, 120000))
man.pose.bones["spine"].scale = (0, 0, 0)  # a part that is scaled away is a point, and that is no fault
sampler = sampling.Sampler(scene, bpy.context.view_layer, man, None, (5, 6), 1, True)
sampler.work(1e9)
told["scaled away"] = "{" + sampler.motion.message() + "}"
man.pose.bones["spine"].scale = (1, 1, 1)
man.location[0] = float("nan")
sampler = sampling.Sampler(scene, bpy.context.view_layer, man, None, (5, 6), 1, True)
try:
    sampler.work(0.0)
except sampling.CannotSample as problem:
    told["nowhere"] = str(problem)
man.location = (0, 0, 0)
sampler = sampling.Sampler(scene, bpy.context.view_layer, man, None, (1, 3), 1, True)
sampler.work(0.0)
bpy.data.objects.remove(man)
try:
    sampler.work(0.0)
except sampling.CannotSample as problem:
    told["gone"] = str(problem)
"""


@needs_blender
def test_what_cannot_be_read_costs_a_sentence(tmp_path: Path) -> None:
    told = in_blender(tmp_path, RIG + REFUSED)
    message = json.loads(told.pop("scaled away"))
    (motion,) = clip_from_json(message["name"], message["persons"]).persons
    places = motion.joint_positions()
    np.testing.assert_allclose(places[:, 2:], np.repeat(places[:, 1:2], 3, axis=1), atol=1e-4)
    assert told == {
        "good": None,
        "rest": "Man is in its rest position: choose Pose Position in the armature's data",
        "hidden": "Man is hidden, so Blender does not pose it: show it",
        "edited": "Man is being edited: leave Edit Mode",
        "long": "500000 frames of 5 bones are more than a worker takes (2,000,000 places): read fewer frames, or with a "
        "larger frame step",
        "slow": "the motion lasts longer than 3600 s: read fewer frames of it",
        "nowhere": "a bone of Man is at no place that is a number: mend the rig",
        "gone": "what was being read is no longer in the file",
    }
