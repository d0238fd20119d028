# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion → armature and action: the numbers a few frames at a time, then all bones and keys at once.

The inverse of `sampling`: a bone has the rotation of its joint from the rest pose, and stands where the joint is.
"""

import time
from array import array
from contextlib import nullcontext

import bpy
from mathutils import Euler, Matrix, Quaternion, Vector

from .actions import new_action
from .identity import by_uid, uid_of
from .problems import Problem
from .sampling import turn_of

_SHORTEST = 1e-3  # Blender removes bones without length [m]
_STUB = 0.02  # length of a bone that ends nowhere [m]
_STILL = 1e-5  # a bone whose place changes by less, within the size of the body, gets one key for it
_ALIKE = 1e-3  # share of its size by which the rest pose of a rig may differ from the motion's
_LINEAR = 1  # as Blender counts kinds of interpolation


class Poser:
    """A motion on its way onto an armature.

    Args:
        motion: as `sampling.Motion`.
        scene: where it goes.
        armature: the rig that it is for, with bones of the same names, parents and rest pose; None makes a new one.
        first: frame of the scene at which it begins.

    Raises:
        Problem: the rig cannot be posed, or has other bones or another rest pose.
    """

    def __init__(self, motion, scene, armature, first):
        self._motion, self._first = motion, first
        self._scene_uid, self._uid = uid_of(scene), uid_of(armature) if armature else None
        unit = scene.unit_settings.scale_length if scene.unit_settings.system != "NONE" else 1.0
        self._scale = motion.unit / unit
        self._unit = unit
        self._rate = scene.render.fps / scene.render.fps_base / motion.fps
        self._done = 0
        count = len(motion.names)
        if armature is None:
            self._modes = ["QUATERNION"] * count
            self._ends, self._rest = self._new_rest()
            self._to_armature = Matrix()
        else:
            refuse(armature)
            bones = self._bones(armature)
            self._modes = [armature.pose.bones[bone.name].rotation_mode for bone in bones]
            self._rest = [bone.matrix_local.copy() for bone in bones]
            self._to_armature = armature.matrix_world.inverted_safe()
            self._compare_rest(armature)
        placed = turn_of(self._to_armature).conjugated()
        self._unplaced = placed.conjugated()
        self._rest_turns = [placed @ turn_of(rest) for rest in self._rest]
        self._frames = [self._between(joint) for joint in range(count)]
        self._turns = [array("f") for _ in range(count)]
        self._places = [array("f") for _ in range(count)]
        self._before = [Quaternion() for _ in range(count)]

    @property
    def progress(self):
        """Share of the frames that were worked out."""
        return self._done / len(self._motion.frames)

    def work(self, seconds):
        """Work frames out for so long, at least one; whether all were.

        Raises:
            Problem: the rig went away or changed.
        """
        bones = None if self._uid is None else self._bones(self._armature())
        end = time.perf_counter() + seconds
        while self._done < len(self._motion.frames):
            rotations, offsets = self._motion.frames[self._done]
            self._pose(rotations, offsets, bones)
            self._done += 1
            if time.perf_counter() >= end:
                break
        return self._done == len(self._motion.frames)

    @property
    def held(self):
        """How many of the rig's bones have constraints, which come after their keys."""
        if self._uid is None:
            return 0
        bones = (self._armature().pose.bones[name] for name in self._motion.names)
        return sum(any(not one.mute and one.influence for one in bone.constraints) for bone in bones)

    def finish(self):
        """(armature, action, slot or None): all of the motion is in the action, which nothing shows yet (see `show`).

        Raises:
            Problem: the rig or the scene went away, or cannot be changed now.
        """
        scene = by_uid(bpy.data.scenes, self._scene_uid)
        if scene is None:
            raise Problem("the scene is no longer in the file")
        armature = self._new_armature(scene) if self._uid is None else self._armature()
        refuse(armature)
        names = self._motion.names if self._uid else self._names
        action, slot, curve = new_action(self._motion.name, armature)
        count = len(self._motion.frames)
        times = array("f", (self._first + self._rate * frame for frame in range(count)))
        size = max((abs(value) for rest in self._rest for value in rest.translation), default=1.0)
        for name, mode, turns, places in zip(names, self._modes, self._turns, self._places, strict=True):
            bone = f'pose.bones["{bpy.utils.escape_identifier(name)}"]'
            part, width = _channel(mode)
            _fill(curve, f"{bone}.{part}", name, turns, width, times)
            still = all(max(row) - min(row) <= _STILL * size for row in (places[axis::3] for axis in range(3)))
            _fill(curve, f"{bone}.location", name, places[:3] if still else places, 3, times)
            _fill(curve, f"{bone}.scale", name, array("f", (1.0, 1.0, 1.0)), 3, times)
        return armature, action, slot

    def _armature(self):
        armature = by_uid(bpy.data.objects, self._uid)
        if armature is None:
            raise Problem("the armature is no longer in the file")
        return armature

    def _bones(self, armature):
        """The bones of the motion's joints."""
        found = []
        for name, parent in zip(self._motion.names, self._motion.parents, strict=True):
            bone = armature.data.bones.get(name)
            above = None if bone is None or bone.parent is None else bone.parent.name
            if bone is None or above != (self._motion.names[parent] if parent >= 0 else None):
                told = "{armature} has no bone {bone!r} that hangs as in the motion: make a new armature instead"
                raise Problem(told, armature=armature.name, bone=name)
            found.append(bone)
        return found

    def _compare_rest(self, armature):
        """Bones that are joined cannot be longer or shorter than they are."""
        motion = self._motion
        heads = [armature.matrix_world @ rest.translation for rest in self._rest]
        size = max((abs(value) for head in heads for value in head - heads[0]), default=0.0)
        for joint, parent in enumerate(motion.parents):
            offset = Vector(motion.rest_offsets[joint]) * self._scale
            if parent >= 0 and (heads[joint] - heads[parent] - offset).length > _ALIKE * size:
                raise Problem(
                    "{armature} has another rest pose than the motion (bone {bone!r}): make a new armature instead",
                    armature=armature.name,
                    bone=motion.names[joint],
                )

    def _new_rest(self):
        """Ends and rest matrices of the bones of a new armature, which stands at the origin of the scene."""
        motion, scale = self._motion, self._scale
        heads: list = []
        after: list = [[] for _ in motion.names]
        for joint, parent in enumerate(motion.parents):
            head = Vector(motion.rest_offsets[joint]) * scale
            if parent >= 0:
                head = heads[parent] + head
                after[parent].append(head)
            heads.append(head)
        for joint, offset in motion.tips:
            after[joint].append(heads[joint] + Vector(offset) * scale)
        ends, rest = [], []
        for head, targets in zip(heads, after, strict=True):
            end = sum(targets, Vector()) / len(targets) if targets else head
            if (end - head).length * self._unit < _SHORTEST:
                end = head + Vector((0.0, 0.0, _STUB / self._unit))
            matrix = bpy.types.Bone.MatrixFromAxisRoll(end - head, 0.0).to_4x4()
            matrix.translation = head
            ends.append((head, end))
            rest.append(matrix)
        return ends, rest

    def _between(self, joint):
        """Inverse of the rest pose of a joint as its parent sees it."""
        parent, rest = self._motion.parents[joint], self._rest
        return rest[joint].inverted() @ rest[parent] if parent >= 0 else rest[joint].inverted()

    def _pose(self, rotations, offsets, bones):
        motion, scale = self._motion, self._scale
        turned: list = []
        places: list = []
        posed: list = []
        for joint, parent in enumerate(motion.parents):
            turn = Quaternion(rotations[4 * joint : 4 * joint + 4])
            place = Vector(offsets[3 * joint : 3 * joint + 3]) * scale
            if parent >= 0:
                place = places[parent] + turned[parent] @ place
                turn = turned[parent] @ turn
            turned.append(turn)
            places.append(place)
            pose = Matrix.LocRotScale(self._to_armature @ place, self._unplaced @ turn @ self._rest_turns[joint], None)
            posed.append(pose)
            if bones is None:
                basis = self._frames[joint] @ (posed[parent].inverted() @ pose if parent >= 0 else pose)
            elif parent >= 0:  # a bone may leave out what its parent does
                above = bones[parent].matrix_local
                basis = bones[joint].convert_local_to_pose(
                    pose, bones[joint].matrix_local, parent_matrix=posed[parent], parent_matrix_local=above, invert=True
                )
            else:
                basis = bones[joint].convert_local_to_pose(pose, bones[joint].matrix_local, invert=True)
            self._keep(joint, basis)

    def _keep(self, joint, basis):
        turn, mode, turns = basis.to_quaternion(), self._modes[joint], self._turns[joint]
        turn.make_compatible(self._before[joint])
        self._before[joint] = turn
        if mode == "QUATERNION":
            turns.extend(turn)
        elif mode == "AXIS_ANGLE":
            axis, angle = turn.to_axis_angle()
            turns.extend((angle, *axis))
        else:
            turns.extend(turn.to_euler(mode, Euler(turns[-3:], mode)) if turns else turn.to_euler(mode))
        self._places[joint].extend(basis.translation)

    def _new_armature(self, scene):
        layer = next((one for one in (bpy.context.view_layer,) if one.name in scene.view_layers), scene.view_layers[0])
        if layer.objects.active is not None and layer.objects.active.mode != "OBJECT":
            raise Problem("leave {mode} Mode first", mode=layer.objects.active.mode.title())
        data = bpy.data.armatures.new(self._motion.name)
        armature = bpy.data.objects.new(self._motion.name, data)
        scene.collection.objects.link(armature)
        layer.objects.active = armature
        window = next((one for one in bpy.context.window_manager.windows if one.scene == scene), None)
        with bpy.context.temp_override(window=window) if window else nullcontext():
            bpy.ops.object.mode_set(mode="EDIT")
            self._names = []
            for name, parent, (head, end) in zip(self._motion.names, self._motion.parents, self._ends, strict=True):
                bone = data.edit_bones.new(name)
                bone.head, bone.tail, bone.roll = head, end, 0.0
                self._names.append(bone.name)
                if parent >= 0:
                    bone.parent = data.edit_bones[self._names[parent]]
            bpy.ops.object.mode_set(mode="OBJECT")
        for one in layer.objects:
            one.select_set(one == armature, view_layer=layer)
        for name in self._names:
            armature.pose.bones[name].rotation_mode = "QUATERNION"
        return armature


def refuse(armature):
    """Raise a Problem where an armature cannot be posed."""
    name = armature.name
    if armature.library is not None or armature.override_library is not None:
        raise Problem("{armature} is linked from another file, so it is only read: make a new armature", armature=name)
    if armature.mode == "EDIT":
        raise Problem("{armature} is being edited: leave Edit Mode", armature=name)
    if armature.animation_data is not None and armature.animation_data.use_tweak_mode:
        raise Problem("{armature} is in the tweak mode of the NLA: leave it", armature=name)


def show(armature, action, slot):
    """Make an armature show an action; the one that it showed stays in the file."""
    data = armature.animation_data_create()
    before = data.action
    data.action = action
    if slot is not None:
        data.action_slot = slot
    if before is not None and before != action and before.users == 0:
        before.use_fake_user = True


def _channel(mode):
    return {"QUATERNION": ("rotation_quaternion", 4), "AXIS_ANGLE": ("rotation_axis_angle", 4)}.get(
        mode, ("rotation_euler", 3)
    )


def _fill(curve, path, group, values, width, times):
    """Curves of a path from rows of values; one row is one key."""
    count = len(values) // width
    for index in range(width):
        made = curve(path, index, group)
        made.keyframe_points.add(count)
        pairs = array("f", bytes(8 * count))
        pairs[0::2], pairs[1::2] = times[:count], values[index::width]
        made.keyframe_points.foreach_set("co", pairs)
        made.keyframe_points.foreach_set("interpolation", [_LINEAR] * count)
        made.update()
