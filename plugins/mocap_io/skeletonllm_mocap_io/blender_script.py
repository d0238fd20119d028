"""What is done inside Blender, in a process of its own: ``python -I blender_script.py VERB …`` with a Python that has bpy.

Verbs: ``read_blend IN.blend OUT.npz`` and ``write_fbx IN.npz OUT.fbx``. Runs under bpy 4.2 (actions without slots) to
5.x (with slots). Needs bpy, numpy and the standard library; never runs scripts that are in a file.

The .npz of `read_blend`: ``about`` (JSON: fps, unit, notes, clips: name, joints, parents, tips), and a clip k
``rest{k}`` (J, 4, 4), ``world{k}`` (T, J, 4, 4), ``tips{k}`` (K, 3): world matrices of the bones of the body and ends
of those without children, in Blender's units, Z up. That of `write_fbx`: ``about`` (JSON: fps, name, persons: joints,
parents, tip_joints), and a person k ``rest{k}`` (J, 3), ``tips{k}`` (K, 3), ``places{k}`` (T, J, 3), ``turns{k}``
(T, J, 3, 3): metres, Z up, rotation matrices of the world told from the rest pose.
"""

from __future__ import annotations

import json
import os
import re
import sys
from itertools import pairwise

_REFUSED = 3
_MOST_FRAMES = 100_000
_MOST_BYTES = 8 << 30  # of addresses; Blender itself takes some of them
_FITS = 0.5  # share of the bones an action moves that an armature must have


def refuse(problem):
    print("\n" + problem, file=sys.stderr, flush=True)
    os._exit(_REFUSED)


try:
    import bpy
    import numpy as np
    from mathutils import Matrix
except ImportError as missing:
    refuse(f"needs Blender as a Python module, and {sys.executable} has none: {missing}")


# --- actions, with and without slots


def curve_sets(action):
    """(slot or None, F-curves) of an action: one of old Blenders, one a slot since 4.4."""
    if hasattr(action, "slots") and len(action.slots):
        for slot in action.slots:
            bags = [bag for layer in action.layers for strip in layer.strips if (bag := strip.channelbag(slot))]
            yield slot, [curve for bag in bags for curve in bag.fcurves]
    elif hasattr(action, "fcurves"):
        yield None, list(action.fcurves)


def new_curves(action, owner):
    """The place for F-curves in a new action that is assigned to its owner."""
    owner.animation_data_create().action = action
    if not hasattr(action, "slots"):
        return action.fcurves
    slot = action.slots.new(id_type="OBJECT", name=owner.name)
    owner.animation_data.action_slot = slot
    return action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True).fcurves


# --- reading


def read_blend(source, target):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    try:
        bpy.ops.wm.open_mainfile(filepath=source, load_ui=False, use_scripts=False)
    except RuntimeError:
        saved, here = saved_by(source), bpy.app.version[:2]
        if saved and saved > here:
            refuse(
                f"was saved by Blender {saved[0]}.{saved[1]}, and here is {here[0]}.{here[1]}, which cannot read it; name a "
                "Python with a newer bpy in SKELETONLLM_BLENDER_PYTHON"
            )
        refuse(f"is no whole .blend file that Blender {here[0]}.{here[1]} can open")
    scene = bpy.context.scene
    armatures = sorted((one for one in bpy.data.objects if one.type == "ARMATURE"), key=lambda one: one.name)
    if not armatures:
        refuse("there is no armature in it")
    for one in bpy.data.objects:
        if one.type == "MESH":
            for modifier in one.modifiers:  # nobody looks at the skin
                modifier.show_viewport = False
    for armature in armatures:
        if armature.name not in scene.collection.objects:
            scene.collection.objects.link(armature)
        armature.hide_viewport = False
        armature.data.pose_position = "POSE"
    notes = []
    if bpy.app.autoexec_fail:
        notes.append("Scripts in the file are never run; what they drive stands still.")
    clips: list = []
    arrays: dict = {}
    for action in sorted(bpy.data.actions, key=lambda one: one.name):
        fitting = [(armature, slot) for armature in armatures for slot in fits(action, armature)]
        for armature, slot in fitting:
            number = len(clips)
            world, rest, tips = posed(scene, armature, action, slot)
            bones = [bone.bone for bone in armature.pose.bones]
            kept, parents = body(bones)
            ends = [joint for joint in range(len(kept)) if joint not in parents]
            clips.append(
                {
                    "name": action.name if len(fitting) == 1 else f"{action.name} ({armature.name})",
                    "joints": [bones[index].name for index in kept],
                    "parents": parents,
                    "tips": ends,
                }
            )
            arrays |= {
                f"rest{number}": rest[kept],
                f"world{number}": world[:, kept],
                f"tips{number}": tips[kept][ends],
            }
    if not clips:
        refuse("there is no action in it that moves one of its armatures")
    about = {
        "fps": scene.render.fps / scene.render.fps_base,
        "unit": scene.unit_settings.scale_length if scene.unit_settings.system != "NONE" else 1.0,
        "notes": notes,
        "clips": clips,
    }
    save(target, about, arrays)


def saved_by(source):
    """(major, minor) of the Blender that wrote a file, where it is not compressed; else None."""
    with open(source, "rb") as file:
        found = re.match(rb"BLENDER(?:\d\d-\d\dv|[-_][vV])(\d{3,4})", file.read(24))
    return divmod(int(found.group(1)), 100) if found else None


def fits(action, armature):
    """The slots of an action whose curves move mostly bones that the armature has."""
    for slot, curves in curve_sets(action):
        names = {m.group(1) for curve in curves if (m := re.match(r'pose\.bones\["(.+?)"\]', curve.data_path))}
        known = sum(name in armature.data.bones for name in names)
        if names and known >= _FITS * len(names):
            yield slot


def body(bones):
    """(indices of the bones of the body, parents before children; the place there of the parent of each, -1 at a root).

    The bones that move the skin, and those they hang from; all where none does. The others are controls. Rigify hangs its
    DEF- bones from ORG- bones of the same name, and those from controls: there a DEF- bone hangs from the next one above.
    """
    number = {bone.name: index for index, bone in enumerate(bones)}
    hangs = [number[bone.parent.name] if bone.parent else -1 for bone in bones]
    kept = set(range(len(bones)))
    deforming = {bone.name: bone for bone in bones if bone.use_deform}
    if deforming:
        above = [above_of(bone, deforming) for bone in bones]
        rehung = [-1 if one is None else number[one.name] for one in above]
        hangs = rehung if all(chain(index, rehung) for index in range(len(bones))) else hangs
        kept = {one for name in deforming for one in chain(number[name], hangs)}
    order = sorted(kept, key=lambda index: (len(chain(index, hangs)), index))
    place = {index: joint for joint, index in enumerate(order)}
    return order, [place[hangs[index]] if hangs[index] >= 0 else -1 for index in order]


def above_of(bone, deforming):
    """What a bone hangs from."""
    nearest, parent = None, bone.parent
    while parent is not None and not parent.use_deform:
        twin = deforming.get("DEF-" + parent.name[4:]) if parent.name.startswith("ORG-") else None
        if twin is not None and twin != bone:
            return twin
        if twin is None:
            nearest = nearest or parent
        parent = parent.parent
    return nearest or parent


def chain(index, hangs):
    """A bone and all that it hangs from; empty where they hang from each other in a circle."""
    found = []
    while index >= 0:
        found.append(index)
        index = hangs[index]
        if len(found) > len(hangs):
            return []
    return found


def posed(scene, armature, action, slot):
    """(T, J, 4, 4) world matrices of all bones in every frame of an action, (J, 4, 4) in the rest pose, (J, 3) ends there."""
    data = armature.animation_data_create()
    data.use_nla = False
    data.action = action
    if slot is not None:
        data.action_slot = slot
    for bone in armature.pose.bones:  # a bone without curves must not keep the pose of another action
        bone.matrix_basis = Matrix()
    first, last = (int(edge) for edge in np.round(action.frame_range))
    if last - first >= _MOST_FRAMES:
        refuse(f"action {action.name!r} has {last - first + 1} frames; more than {_MOST_FRAMES} are refused")
    bones = armature.pose.bones
    flat = np.empty(16 * len(bones), dtype=np.float32)
    world = np.empty((last - first + 1, len(bones), 4, 4))
    for frame in range(first, last + 1):
        scene.frame_set(frame)
        shown = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        shown.pose.bones.foreach_get("matrix", flat)
        world[frame - first] = np.array(shown.matrix_world) @ flat.reshape(-1, 4, 4).swapaxes(1, 2)
        if frame == first:
            placed = np.array(shown.matrix_world)
    rest = placed @ np.array([bone.bone.matrix_local for bone in bones])
    tails = np.array([(*bone.bone.tail_local, 1.0) for bone in bones])
    return world, rest, (tails @ placed.T)[:, :3]


# --- writing


def write_fbx(source, target):
    arrays = np.load(source, allow_pickle=False)
    about = json.loads(arrays["about"].tobytes())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.name = about["name"][:60] or "Take"
    scene.render.fps = max(1, int(np.ceil(about["fps"] - 1e-6)))
    scene.render.fps_base = scene.render.fps / about["fps"]
    for number, person in enumerate(about["persons"]):
        parts = [arrays[f"{key}{number}"] for key in ("rest", "tips", "places", "turns")]
        build(f"person{number}", person, *parts)
    scene.frame_start, scene.frame_end = 1, len(parts[2])
    bpy.ops.export_scene.fbx(
        filepath=target,
        object_types={"ARMATURE"},
        add_leaf_bones=False,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_simplify_factor=0.0,
    )


def build(name, person, rest, tips, places, turns):
    """An armature with the rest pose and an action that poses it."""
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    parents, names = person["parents"], []
    ends: list = [[] for _ in parents]
    for joint, parent in enumerate(parents):
        if parent >= 0:
            ends[parent].append(rest[joint])
    for joint, tip in zip(person["tip_joints"], tips, strict=True):
        ends[joint].append(tip)
    for joint, parent in enumerate(parents):
        bone = armature.data.edit_bones.new(person["joints"][joint])
        names.append(bone.name)
        bone.head = rest[joint]
        # Blender removes bones without length, so every bone gets one.
        end = np.mean(ends[joint], axis=0) if ends[joint] else rest[joint]
        bone.tail = end if np.linalg.norm(end - rest[joint]) > 1e-3 else rest[joint] + (0.0, 0.0, 0.02)
        if parent >= 0:
            bone.parent = armature.data.edit_bones[names[parent]]
    for joint, tip in zip(person["tip_joints"], tips, strict=True):
        bone = armature.data.edit_bones.new(names[joint] + "_end")
        bone.head, bone.tail = tip, np.add(tip, (0.0, 0.0, 0.02))
        bone.parent = armature.data.edit_bones[names[joint]]
    bpy.ops.object.mode_set(mode="OBJECT")

    bones = np.array([armature.data.bones[one].matrix_local for one in names])
    pose = np.zeros((*places.shape[:2], 4, 4))
    pose[..., :3, :3] = turns @ bones[:, :3, :3]
    pose[..., :3, 3] = places
    pose[..., 3, 3] = 1.0
    curves = new_curves(bpy.data.actions.new(name), armature)
    frames = np.arange(1.0, len(places) + 1)
    for joint, parent in enumerate(parents):
        if parent < 0:
            local, frame = pose[:, joint], bones[joint]
        else:
            local = np.linalg.inv(pose[:, parent]) @ pose[:, joint]
            frame = np.linalg.inv(bones[parent]) @ bones[joint]
        local = np.linalg.inv(frame) @ local
        posed = armature.pose.bones[names[joint]]
        posed.rotation_mode = "QUATERNION"
        quaternions = [Matrix(one).to_quaternion() for one in local]
        for before, after in pairwise(quaternions):
            after.make_compatible(before)
        path = f'pose.bones["{bpy.utils.escape_identifier(names[joint])}"].'
        for part, values in (("rotation_quaternion", np.array(quaternions)), ("location", local[:, :3, 3])):
            for index, column in enumerate(values.T):
                curve = curves.new(path + part, index=index)
                curve.keyframe_points.add(len(frames))
                curve.keyframe_points.foreach_set("co", np.stack([frames, column], axis=1).ravel())
                curve.keyframe_points.foreach_set("interpolation", [1] * len(frames))  # linear
                curve.update()


def save(target, about, arrays):
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with open(target, "wb") as file:
        np.savez(file, **arrays)


def limit_memory():
    import resource

    most, allowed = _MOST_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (most, allowed))


if __name__ == "__main__":
    limit_memory()
    {"read_blend": read_blend, "write_fbx": write_fbx}[sys.argv[1]](*sys.argv[2:])
    sys.stderr.flush()
    os._exit(0)
