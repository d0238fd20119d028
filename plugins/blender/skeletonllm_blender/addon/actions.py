# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions, with slots (Blender 4.4 and newer) and without: what they animate, and showing one for a moment."""

import re
from array import array
from contextlib import contextmanager

import bpy
from mathutils import Matrix

_FITS = 0.5  # share of the bones an action moves that an armature must have
_CHANNELS = (
    ("location", 3),
    ("rotation_quaternion", 4),
    ("rotation_euler", 3),
    ("rotation_axis_angle", 4),
    ("scale", 3),
)


def curve_sets(action):
    """(slot or None, F-curves) of an action: one of old Blenders, one a slot since 4.4."""
    if hasattr(action, "slots") and len(action.slots):
        for slot in action.slots:
            bags = [bag for layer in action.layers for strip in layer.strips if (bag := strip.channelbag(slot))]
            yield slot, [curve for bag in bags for curve in bag.fcurves]
    elif hasattr(action, "fcurves"):
        yield None, list(action.fcurves)


def fitting_slots(action, armature):
    """(slot or None, F-curves) of an action that move mostly bones that the armature has."""
    for slot, curves in curve_sets(action):
        found = (re.match(r'pose\.bones\["(.+?)"\]', curve.data_path) for curve in curves)
        names = {bpy.utils.unescape_identifier(match.group(1)) for match in found if match}
        known = sum(name in armature.data.bones for name in names)
        if names and known >= _FITS * len(names):
            yield slot, curves


def fitting_slot(action, armature):
    """The first of `fitting_slots`; None where there is none."""
    return next(fitting_slots(action, armature), None)


def fitting(armature):
    """The actions that fit an armature, by name."""
    ordered = sorted(bpy.data.actions, key=lambda one: one.name)
    return [action for action in ordered if fitting_slot(action, armature) is not None]


def new_action(name, armature):
    """(action, slot or None, a function that makes an F-curve of a path, an index and a group) for an armature."""
    action = bpy.data.actions.new(name)
    if not hasattr(action, "slots"):
        return action, None, lambda path, index, group: action.fcurves.new(path, index=index, action_group=group)
    slot = action.slots.new(id_type="OBJECT", name=armature.name)
    bag = action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    return action, slot, lambda path, index, group: bag.fcurves.new(path, index=index, group_name=group)


@contextmanager
def shown_alone(armature, action):
    """Show one action from the rest pose, without the NLA; afterwards all is as it was, what the action moved too."""
    slot, curves = fitting_slot(action, armature)
    had_data = armature.animation_data is not None
    data = armature.animation_data or armature.animation_data_create()
    before = data.action, data.action_slot if hasattr(data, "action_slot") else None, data.use_nla
    values = _values(armature, {curve.data_path for curve in curves})
    bones = armature.pose.bones
    channels = [(name, array("f", bytes(4 * width * len(bones)))) for name, width in _CHANNELS]
    for name, numbers in channels:
        bones.foreach_get(name, numbers)
    try:
        data.use_nla = False
        data.action = action
        if slot is not None:
            data.action_slot = slot
        for bone in bones:  # a bone without curves must not keep the pose of another action
            bone.matrix_basis = Matrix()
        yield
    finally:
        data.action = before[0]
        if before[0] is not None and hasattr(data, "action_slot"):
            data.action_slot = before[1]
        data.use_nla = before[2]
        for owner, key, is_item, value in values:
            if is_item:
                owner[key] = value
            else:
                setattr(owner, key, value)
        for name, numbers in channels:
            bones.foreach_set(name, numbers)
        if not had_data:
            armature.animation_data_clear()
        armature.update_tag()


def _values(owner, paths):
    """(owner, key, whether it is a custom property, value) of everything that paths name, as far as it exists."""
    found = []
    for path in paths:
        is_item = path.endswith('"]')
        above, _, key = path[:-2].rpartition('["') if is_item else path.rpartition(".")
        try:
            holder = owner.path_resolve(above) if above else owner
            value = owner.path_resolve(path)
        except ValueError:  # a curve of something that this rig lacks moves nothing
            continue
        is_many = hasattr(value, "__len__") and not isinstance(value, str)
        key = bpy.utils.unescape_identifier(key) if is_item else key
        found.append((holder, key, is_item, tuple(value) if is_many else value))
    return found
