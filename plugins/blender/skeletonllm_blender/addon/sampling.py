# SPDX-License-Identifier: GPL-3.0-or-later
"""Armature → motion: the pose that Blender evaluates (constraints, drivers and NLA included), a few frames at a time.

The scene is left as it was after every few frames, so that nothing is lost whatever happens between them. The message
says that it is Z up and how long Blender's unit is; the worker converts both.
"""

import json
import math
import time
from array import array
from contextlib import contextmanager, nullcontext

import bpy
from mathutils import Vector

from .actions import shown_alone
from .bones import body
from .identity import by_uid, uid_of
from .problems import Problem

MOST_PLACES = 2_000_000  # frames times bones that the worker takes
MOST_SECONDS = 3600
_STILL = 1e-5  # a bone that keeps its offset within this share of the body's size; Blender's matrices have 7 digits
_ORTHOGONAL = 1e-6
_ITERATIONS = 12  # each doubles the digits
_DECIMALS = 6
_LEAVING = 0.02  # what putting everything back may take, until it was measured [s]


class CannotSample(Problem):
    """One sentence on why an armature cannot be read now, and what to do."""


class Motion:
    """A sampled motion.

    Attributes:
        name: of the clip.
        fps: sampled frames a second.
        unit: length of Blender's unit [m].
        names: J bones.
        parents: J indices, -1 at a root.
        rest_offsets: J offsets from the parent in the rest pose.
        tips: (bone, offset) of the ends of bones without children.
        frames: a frame each: 4 J numbers, rotations (w, x, y, z) from the rest pose, relative to the parent, and 3 J
            numbers, offsets. Arrays, because millions of objects would make Python's garbage collector stop Blender.
    """

    def __init__(self, name, fps, unit):
        self.name, self.fps, self.unit = name, fps, unit
        self.names, self.parents, self.rest_offsets, self.tips, self.frames = [], [], [], [], []

    def message(self):
        """The keys "name" and "persons" of a question to the worker, as JSON without the outer braces.

        Written frame by frame: one long call would keep every other thread, and so Blender, waiting.
        """
        size = max((abs(c) for j, v in enumerate(self.rest_offsets) if self.parents[j] >= 0 for c in v), default=0.0)
        still = [
            joint == 0
            or all(_apart(offsets[3 * joint : 3 * joint + 3], rest) <= _STILL * size for _, offsets in self.frames)
            for joint, rest in enumerate(self.rest_offsets)
        ]
        skeleton = {
            "names": self.names,
            "parents": self.parents,
            "rest_offsets": _rounded(self.rest_offsets),
            "tip_joints": [joint for joint, _ in self.tips],
            "tip_offsets": _rounded([offset for _, offset in self.tips]),
        }
        parts = [
            f'"fps": {self.fps!r}, "up_axis": "z", "unit": {self.unit!r}',
            f'"skeleton": {json.dumps(skeleton)}',
            '"root": [' + ",".join(json.dumps(_rounded([offsets[:3]])[0]) for _, offsets in self.frames) + "]",
            '"rotations": ['
            + ",".join(json.dumps(_rounded(_rows(rotations, 4))) for rotations, _ in self.frames)
            + "]",
        ]
        if not all(still):
            rows = (
                [self.rest_offsets[j] if still[j] else offset for j, offset in enumerate(_rows(offsets, 3))]
                for _, offsets in self.frames
            )
            parts.append('"local_translations": [' + ",".join(json.dumps(_rounded(row)) for row in rows) + "]")
        return f'"name": {json.dumps(self.name[:200])}, "persons": [{{{", ".join(parts)}}}]'


class Sampler:
    """Reads one armature, alone with an action or as the scene shows it.

    Args:
        scene, view_layer: where it is evaluated.
        armature: the object.
        action: show this one alone; None: as the scene shows it.
        frames: (first, last) of the scene.
        step: every so many frames.
        deform_only: bones that move the skin, and those they hang from; all where none does.

    Raises:
        CannotSample: the armature is hidden, edited or in its rest position, or there is too much to read.
    """

    def __init__(self, scene, view_layer, armature, action, frames, step, deform_only):
        self._refuse(armature, view_layer)
        self._uids = uid_of(scene), uid_of(armature), uid_of(action) if action else None
        self._layer = view_layer.name
        self.first, self.step = frames[0], step
        self._frames = range(frames[0], frames[1] + 1, step)
        self._done = 0
        self._leaving = _LEAVING
        bones = [bone.bone for bone in armature.pose.bones]
        if not bones:
            raise CannotSample("{armature} has no bones", armature=armature.name)
        self._kept, self._parents = body(bones, deform_only)
        if len(self._frames) * len(self._kept) > MOST_PLACES:
            raise CannotSample(
                "{frames} frames of {bones} bones are more than a worker takes ({most:,} places): read fewer frames, or "
                "with a larger frame step",
                frames=len(self._frames),
                bones=len(self._kept),
                most=MOST_PLACES,
            )
        unit = scene.unit_settings.scale_length if scene.unit_settings.system != "NONE" else 1.0
        fps = scene.render.fps / scene.render.fps_base / step
        if len(self._frames) / fps > MOST_SECONDS:
            raise CannotSample("the motion lasts longer than {most} s: read fewer frames of it", most=MOST_SECONDS)
        self.motion = Motion(action.name if action else armature.name, fps, unit)

    @property
    def progress(self):
        """Share of the frames that were read."""
        return self._done / len(self._frames)

    def work(self, seconds):
        """Read at least one frame, and as many as fit with the rest of the work into so long; whether all were read.

        How long a frame takes depends on the rig, so it is measured: the next one is begun only if one as slow as the
        slowest would leave time to put everything back.

        Raises:
            CannotSample: what is read went away, or cannot be read any more.
        """
        end = time.perf_counter() + seconds
        scene_uid, armature_uid, action_uid = self._uids
        scene, armature = by_uid(bpy.data.scenes, scene_uid), by_uid(bpy.data.objects, armature_uid)
        action = None if action_uid is None else by_uid(bpy.data.actions, action_uid)
        layer = scene.view_layers.get(self._layer) if scene else None
        if armature is None or layer is None or (action_uid is not None and action is None):
            raise CannotSample("what was being read is no longer in the file")
        self._refuse(armature, layer)
        if action and armature.animation_data and armature.animation_data.use_tweak_mode:
            raise CannotSample("{armature} is in the tweak mode of the NLA: leave it", armature=armature.name)
        slowest, now = 0.0, time.perf_counter()
        with _frame_kept(scene), shown_alone(armature, action) if action else nullcontext():
            while self._done < len(self._frames):
                scene.frame_set(self._frames[self._done])
                self._read(armature.evaluated_get(layer.depsgraph))
                self._done += 1
                before, now = now, time.perf_counter()
                slowest = max(slowest, now - before)
                if now + slowest + self._leaving > end:
                    break
        self._leaving = time.perf_counter() - now
        return self._done == len(self._frames)

    @staticmethod
    def _refuse(armature, layer):
        name = armature.name
        if armature.mode == "EDIT":
            raise CannotSample("{armature} is being edited: leave Edit Mode", armature=name)
        if armature.data.pose_position == "REST":
            told = "{armature} is in its rest position: choose Pose Position in the armature's data"
            raise CannotSample(told, armature=name)
        if not armature.visible_get(view_layer=layer):
            raise CannotSample("{armature} is hidden, so Blender does not pose it: show it", armature=name)

    def _read(self, shown):
        world, motion = shown.matrix_world, self.motion
        if not motion.frames:
            self._read_rest(shown)
        bones = shown.pose.bones
        if max(self._kept) >= len(bones) or any(
            bones[index].name != name for index, name in zip(self._kept, motion.names, strict=True)
        ):
            raise CannotSample("the bones of the armature changed while it was read: ask again")
        turned, places, rotations, offsets = [], [], array("d"), array("d")
        for joint, index in enumerate(self._kept):
            matrix = world @ bones[index].matrix
            turn, place = turn_of(matrix) @ self._unturned[joint], matrix.translation
            parent = motion.parents[joint]
            turned.append(turn)
            places.append(place)
            if parent < 0:
                rotations.extend(turn)
                offsets.extend(place)
            else:
                back = turned[parent].conjugated()
                rotations.extend(back @ turn)
                offsets.extend(back @ (place - places[parent]))
        if not math.isfinite(sum(rotations) + sum(offsets)):
            told = "a bone of {armature} is at no place that is a number: mend the rig"
            raise CannotSample(told, armature=shown.name)
        motion.frames.append((rotations, offsets))

    def _read_rest(self, shown):
        """The skeleton, as the armature stands in the first frame."""
        world, motion = shown.matrix_world, self.motion
        bones = [shown.pose.bones[index].bone for index in self._kept]
        rest = [world @ bone.matrix_local for bone in bones]
        self._unturned = [turn_of(matrix).conjugated() for matrix in rest]
        motion.names = [bone.name for bone in bones]
        motion.parents = self._parents
        for joint, parent in enumerate(motion.parents):
            above = rest[parent].translation if parent >= 0 else Vector()
            motion.rest_offsets.append(tuple(rest[joint].translation - above))
            if joint not in motion.parents:
                end = world @ bones[joint].tail_local
                motion.tips.append((joint, tuple(end - rest[joint].translation)))


@contextmanager
def _frame_kept(scene):
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=subframe)


def turn_of(matrix):
    """The rotation in a matrix that may scale, shear or mirror too: the nearest one.

    Source: N. Higham, "Computing the polar decomposition", SIAM J. Sci. Stat. Comput. 7 (1986).
    """
    linear = matrix.to_3x3()
    turn = linear.normalized()
    x, y, z = turn.col
    size = abs(linear.determinant()) ** (1 / 3)
    if max(abs(x @ y), abs(y @ z), abs(z @ x)) > _ORTHOGONAL and size > _ORTHOGONAL:
        turn = linear * (1 / size)
        for _ in range(_ITERATIONS):
            turn = (turn + turn.inverted().transposed()) * 0.5
    if turn.determinant() < 0:
        turn = turn * -1.0
    return turn.to_quaternion()


def _apart(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _rows(numbers, width):
    return [numbers[start : start + width] for start in range(0, len(numbers), width)]


def _rounded(rows):
    return [[round(value, _DECIMALS) for value in row] for row in rows]
