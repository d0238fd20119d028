"""What rigs do in Blender: NLA, IK, drivers; rigs of Rigify, Auto-Rig Pro and Mixamo; linked and overridden ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.remote.motion_json import clip_from_json
from tests.blender_addon import in_blender, needs_blender

pytestmark = needs_blender

READ = """
def read(armature, frames, deform_only=True):
    sampler = sampling.Sampler(scene, bpy.context.view_layer, armature, None, frames, 1, deform_only)
    while not sampler.work(1e9):
        pass
    return "{" + sampler.motion.message() + "}"
"""


def sent(text: str) -> sk.Motion:
    message = json.loads(text)
    (motion,) = clip_from_json(message["name"], message["persons"]).persons
    assert isinstance(motion, sk.Motion)
    return motion


def path_of(motion: sk.Motion, joint: str) -> np.ndarray:
    return motion.joint_positions()[:, motion.topology.names.index(joint)]


def parts(motion: sk.Motion) -> dict[str, str]:
    """Body part → bone."""
    rig = map_rig(motion.topology, motion.joint_positions())
    return {part.value: motion.topology.names[joint] for part, joint in rig.primary().items()}


EVALUATED = """
man = armature("Man", [("root", None, (0, 0, 1), (0, 0, 1.2)), ("upper", "root", (0, 0, 2), (0.5, -0.1, 2)),
                       ("lower", "upper", (0.5, -0.1, 2), (1, 0, 2)), ("hand", "lower", (1, 0, 2), (1.1, 0, 2)),
                       ("control", None, (1, 0, 2), (1, 0, 2.2)), ("driven", "root", (0, 0, 1.2), (0, 0, 1.4))])
man.data.bones["control"].use_deform = False
ik = man.pose.bones["lower"].constraints.new("IK")
ik.target, ik.subtarget, ik.chain_count = man, "control", 2
curve = man.pose.bones["driven"].driver_add("location", 1).driver
curve.type, curve.expression = "SCRIPTED", "frame / 10"
keyed(man, "Reach", "control", "location", [(0, 0, 0), (-0.1, 0.1, 0), (-0.2, 0.2, 0), (-0.3, 0.3, 0)])
told["ik"] = read(man, (1, 4))
# Two strips on the NLA and no action: the second one is played at half its speed.
one, two = (keyed(man, name, "root", "location", [(0, 0, z) for z in heights])
            for name, heights in (("Up", (0, 0.1, 0.2)), ("Higher", (1, 2, 3))))
man.animation_data.action = None
track = man.animation_data.nla_tracks.new()
for action, start, scale in ((one, 1, 1), (two, 10, 2)):
    strip = track.strips.new(action.name, start, action)
    if hasattr(strip, "action_slot"):
        strip.action_slot = action.slots[0]
    strip.scale = scale
scene.frame_start, scene.frame_end = 1, 14
take = jobs.as_shown(bpy.context)
told["take"] = [take.name, take.about_uid, list(take.frames)]
told["nla"] = read(man, take.frames)
told["tracks"] = [man.animation_data.action is None, man.animation_data.use_nla, len(track.strips)]
"""


def test_ik_drivers_and_the_nla_are_evaluated(tmp_path: Path) -> None:
    told = in_blender(tmp_path, READ + EVALUATED)
    motion = sent(told["ik"])
    assert "control" not in motion.topology.names
    # The hand is where the control pulls it: from (1, 0, 2) by steps along -X and +Z of the bone (which stands upright).
    expected = np.array([[1 - 0.1 * frame, 2 + 0.1 * frame, 0] for frame in range(4)])
    np.testing.assert_allclose(path_of(motion, "hand"), expected, atol=1e-3)
    lengths = np.linalg.norm(path_of(motion, "lower") - path_of(motion, "upper"), axis=-1)
    np.testing.assert_allclose(lengths, lengths[0], atol=1e-5)  # the arm bends, it does not stretch
    np.testing.assert_allclose(path_of(motion, "driven")[:, 1], 1.2 + np.arange(1, 5) / 10, atol=1e-5)
    assert told["take"] == ["Man", None, [1, 14]] and told["tracks"] == [True, True, 2]
    heights = path_of(sent(told["nla"]), "root")
    rise = heights @ [0, 0, -1]  # the bone's Z is -Y of Blender, Z here
    np.testing.assert_allclose(np.abs(rise[[0, 1, 2]]), [0, 0.1, 0.2], atol=1e-5)
    np.testing.assert_allclose(np.abs(rise[[9, 11, 13]]), [1, 2, 3], atol=1e-5)


RIGIFY = """
bpy.ops.preferences.addon_enable(module="rigify")
bpy.ops.object.armature_basic_human_metarig_add()
bpy.ops.pose.rigify_generate()
man = bpy.context.object
assert len(man.data.bones) > 200
controls = [("hand_ik.R", (0, 0, 0.5)), ("torso", (0, -0.2, 0))]
for bone, way in controls:
    for frame, share in ((1, 0), (5, 1)):
        man.pose.bones[bone].location = [share * part for part in way]
        man.pose.bones[bone].keyframe_insert("location", frame=frame)
told["motion"] = read(man, (1, 5))
scene.frame_set(5)
told["hand"] = list(man.matrix_world @ man.pose.bones["hand_ik.R"].head)
told["deforming"] = [bone.name for bone in man.data.bones if bone.use_deform]
told["controls"] = read(man, (1, 1), deform_only=False)
"""


def test_a_rig_that_rigify_generated(tmp_path: Path) -> None:
    told = in_blender(tmp_path, READ + RIGIFY)
    motion = sent(told["motion"])
    assert len(sent(told["controls"]).topology) > 200
    assert set(motion.topology.names) == {"root", *told["deforming"]}  # no control between them
    found = parts(motion)
    expected = {
        "pelvis": "DEF-spine",
        "head": "DEF-spine.006",
        **{
            f"{side}_{part}": f"DEF-{bone}.{letter}"
            for side, letter in (("left", "L"), ("right", "R"))
            for part, bone in (
                ("upper_arm", "upper_arm"),
                ("forearm", "forearm"),
                ("hand", "hand"),
                ("thigh", "thigh"),
                ("shin", "shin"),
                ("foot", "foot"),
            )
        },
    }
    assert {part: found.get(part) for part in expected} == expected
    x, y, z = told["hand"]
    np.testing.assert_allclose(path_of(motion, "DEF-hand.R")[-1], [x, z, -y], atol=1e-3)
    assert path_of(motion, "DEF-hand.R")[-1, 1] > path_of(motion, "DEF-hand.R")[0, 1] + 0.1
    assert path_of(motion, "DEF-hand.L")[-1, 1] == pytest.approx(path_of(motion, "DEF-hand.L")[0, 1], abs=0.02)


# Deform bones as exporters of Auto-Rig Pro and Mixamo call them: part, bone of one side.
NAMES = {
    "auto-rig pro": {
        "trunk": ("root.x", "spine_01.x", "spine_02.x", "neck.x", "head.x"),
        "arm": ("shoulder{}", "arm_stretch{}", "forearm_stretch{}", "hand{}"),
        "leg": ("thigh_stretch{}", "leg_stretch{}", "foot{}", "toes_01{}"),
        "sides": (".l", ".r"),
    },
    "mixamo": {
        "trunk": ("mixamorig:Hips", "mixamorig:Spine", "mixamorig:Spine1", "mixamorig:Neck", "mixamorig:Head"),
        "arm": ("mixamorig:{}Shoulder", "mixamorig:{}Arm", "mixamorig:{}ForeArm", "mixamorig:{}Hand"),
        "leg": ("mixamorig:{}UpLeg", "mixamorig:{}Leg", "mixamorig:{}Foot", "mixamorig:{}ToeBase"),
        "sides": ("Left", "Right"),
    },
}

NAMED = """
for kind, names in ARGS["names"].items():
    trunk, rows = names["trunk"], []
    heights = (1.0, 1.1, 1.25, 1.5, 1.6, 1.8)
    for number, bone in enumerate(trunk):
        rows.append((bone, trunk[number - 1] if number else None, (0, 0, heights[number]), (0, 0, heights[number + 1])))
    for side, sign in zip(names["sides"], (1, -1)):
        places = [(x * sign, 0, 1.45) for x in (0.03, 0.18, 0.45, 0.7, 0.8)]
        legs = [(0.1 * sign, y, z) for y, z in ((0, 0.95), (0, 0.5), (0, 0.08), (-0.12, 0.02), (-0.18, 0.02))]
        for limb, points, above in (("arm", places, trunk[2]), ("leg", legs, trunk[0])):
            for number, bone in enumerate(names[limb]):
                rows.append((bone.format(side), above, points[number], points[number + 1]))
                above = bone.format(side)
    rows.append(("c_control", None, (0, 1, 0), (0, 1, 1)))
    man = armature(kind, rows)
    man.data.bones["c_control"].use_deform = False
    told[kind] = read(man, (1, 1))
"""


def test_rigs_named_as_auto_rig_pro_and_mixamo_do(tmp_path: Path) -> None:
    told = in_blender(tmp_path, READ + NAMED, names=NAMES)
    for kind, names in NAMES.items():
        motion = sent(told[kind])
        assert "c_control" not in motion.topology.names
        found = parts(motion)
        assert found["pelvis"] == names["trunk"][0] and found["head"] == names["trunk"][-1], kind
        for side, letters in zip(("left", "right"), names["sides"], strict=True):
            limbs = zip(("clavicle", "upper_arm", "forearm", "hand"), names["arm"], strict=True)
            legs = zip(("thigh", "shin", "foot", "toes"), names["leg"], strict=True)
            for part, bone in (*limbs, *legs):
                assert found.get(f"{side}_{part}") == bone.format(letters), (kind, part)


OVERRIDDEN = """
rig = armature("Rig", [("root", None, (0, 0, 1), (0, 0, 2)), ("top", "root", (0, 0, 2), (0, 0, 3))])
keyed(rig, "Shared", "root", "location", [(0, 0, 0), (0, 1, 0)])
path = os.path.join(os.path.dirname(ARGS["told"]), "library.blend")
bpy.ops.wm.save_as_mainfile(filepath=path)
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.preferences.addon_enable(module=addon.__name__)
scene, results = bpy.context.scene, bpy.context.window_manager.skeletonllm
with bpy.data.libraries.load(path, link=True) as (source, target):
    target.objects = ["Rig"]
linked = bpy.data.objects["Rig"]
scene.collection.objects.link(linked)
rig = linked.override_hierarchy_create(scene, bpy.context.view_layer)
rig = rig if rig.type == "ARMATURE" else next(one for one in bpy.data.objects if one.override_library)
bpy.context.view_layer.objects.active = rig
assert rig.override_library is not None and rig.library is None
own, slot, curve = addon.actions.new_action("Own", rig)
points = curve('pose.bones["root"].location', 1, "root").keyframe_points
for frame in (1, 2):
    points.insert(frame, 2.0 * (frame - 1))
addon.posing.show(rig, own, slot)
scene.frame_set(1)

def overrides():
    rig.override_library.operations_update() if hasattr(rig.override_library, "operations_update") else None
    return sorted(one.rna_path for one in rig.override_library.properties)

def state():
    return [block_counts(), list(rig.keys()), len(rig.animation_data.nla_tracks), rig.animation_data.action.name]

before, told["overrides"] = state(), [overrides()]
assert ops.annotate_actions.poll()
for take in [jobs.as_shown(bpy.context), *jobs.all_actions(bpy.context)]:
    action = sampling.by_uid(bpy.data.actions, take.action_uid) if take.action_uid else None
    sampler = sampling.Sampler(scene, bpy.context.view_layer, rig, action, take.frames, 1, True)
    while not sampler.work(0.0):
        pass
    told.setdefault("roots", {})[take.name] = [offsets[2] for _, offsets in sampler.motion.frames]
assert state() == before
told["overrides"].append(overrides())
# Its own action may be written to; the rig itself and linked actions are left alone.
chosen = scene.skeletonllm
chosen.nla_strips = chosen.pose_markers = True
for uid in (addon.identity.uid_of(own), ""):
    row = settings.result_of(addon.identity.uid_of(rig), uid, "row")
    row.label, row.known, row.score = "jump", True, 0.75
    part = row.segments.add()
    part.start, part.end, part.label = 1, 2, "jump"
assert ops.write_back() == {"FINISHED"}
assert state() == before
told["kept"] = [sentence for row in results.rows for sentence in addon.write_back.Changes(row, scene).kept]
told["own"] = [own["skeletonllm_label"], [marker.name for marker in own.pose_markers]]
try:
    addon.posing.refuse(rig)
except addon.problems.Problem as problem:
    told["refused"] = str(problem)
"""


def test_an_overridden_rig_is_only_read(tmp_path: Path) -> None:
    told = in_blender(tmp_path, OVERRIDDEN)
    assert told["roots"] == {"Own": [1.0, 3.0], "Shared": [1.0, 2.0]}
    before, after = told["overrides"]
    assert before == after
    assert told["kept"] == [
        "Own: no NLA strips, as the armature is linked, an override or gone",
        "Rig: a library override, which is only read",
    ]
    assert told["own"] == ["jump", ["jump"]]
    assert told["refused"] == "Rig is linked from another file, so it is only read: make a new armature"
