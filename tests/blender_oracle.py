"""Where Blender's own importers put the bones of a file: ``python -I blender_oracle.py FILE OUT.npz FPS [meshes]``, with bpy.

OUT: ``names``, and per action its (T, J, 3) bone heads in metres, Y up. With a fourth word, ``meshes``, also that: the (T, 2, 3)
box of all meshes in every frame of the last action.
"""

import sys

import bpy
import numpy as np


def y_up(places):
    return places[..., [0, 2, 1]] * (1.0, 1.0, -1.0)


def main(path, target, fps, *more):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = round(float(fps))
    if path.lower().endswith(".fbx"):
        bpy.ops.import_scene.fbx(filepath=path)
    else:
        bpy.ops.import_scene.gltf(filepath=path, guess_original_bind_pose=False)
    (armature,) = (one for one in bpy.data.objects if one.type == "ARMATURE")
    meshes = [one for one in bpy.data.objects if more and one.type == "MESH" and one.find_armature() == armature]
    for track in armature.animation_data.nla_tracks:
        track.mute = True
    bones = armature.pose.bones
    found = {"names": [bone.name for bone in bones]}
    for action in bpy.data.actions:
        armature.animation_data.action = action
        for bone in bones:  # else a bone without curves keeps the pose of the action before
            bone.matrix_basis.identity()
        first, last = action.frame_range
        places, boxes = [], []
        for frame in range(round(last - first) + 1):
            moment = first + frame
            scene.frame_set(int(np.floor(moment)), subframe=float(moment - np.floor(moment)))
            places.append([(armature.matrix_world @ bone.matrix).translation[:] for bone in bones])
            graph = bpy.context.evaluated_depsgraph_get()
            points = [
                one.matrix_world @ vertex.co for one in meshes for vertex in one.evaluated_get(graph).to_mesh().vertices
            ]
            if points:
                boxes.append(y_up(np.array([point[:] for point in points])))
        found[action.name] = y_up(np.array(places))
    if boxes:
        found["meshes"] = np.array([(box.min(0), box.max(0)) for box in boxes])
    np.savez(target, **found)


main(*sys.argv[1:])
