# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion files → armatures and actions: the chosen Python reads any format that SkeletonLLM knows, on a thread.

file ─`skeletonllm blender motion`→ lines of JSON ─Reading→ motions ─Poser→ armature, action
"""

import json
import queue
import subprocess
import threading
from array import array
from pathlib import Path
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from . import posing, process
from .connection import VERSION
from .identity import by_uid, uid_of
from .problems import Problem
from .sampling import Motion
from .wording import sentence

_PATIENCE = 10  # how long a process may take to end [s]


def upright(message):
    """A `Motion` in metres, Z up, of the only person in a message.

    Raises:
        KeyError, TypeError, ValueError: it is no such message, or that of a person without rotations.
    """
    (person,) = message["persons"]
    if message["version"] != VERSION or person["up_axis"] != "y" or person["unit"] != "m":
        raise ValueError("another version")
    skeleton, local = person["skeleton"], person.get("local_translations")
    motion = Motion(message["name"], float(person["fps"]), 1.0)
    motion.names, motion.parents = list(skeleton["names"]), list(skeleton["parents"])
    if any(parent >= joint for joint, parent in enumerate(motion.parents)):
        raise ValueError("a parent after its child")
    motion.rest_offsets = [_standing(offset) for offset in skeleton["rest_offsets"]]
    ends = zip(skeleton.get("tip_joints", ()), skeleton.get("tip_offsets", ()), strict=True)
    motion.tips = [(joint, _standing(offset)) for joint, offset in ends]
    for frame, (turns, place) in enumerate(zip(person["rotations"], person["root"], strict=True)):
        offsets = [place, *(skeleton["rest_offsets"] if local is None else local[frame])[1:]]
        motion.frames.append(
            (
                array("d", (value for w, x, y, z in turns for value in (w, x, -z, y))),
                array("d", (value for offset in offsets for value in _standing(offset))),
            )
        )
    return motion


def _standing(offset):
    """Y up → Z up."""
    x, y, z = offset
    return (x, -z, y)


class Reading(threading.Thread):
    """Has a file read, on a thread of its own.

    Args:
        python: the program of a Python that has SkeletonLLM.
        path: the file.
        rig: a message about a motion of the rig that it is for; None leaves the skeletons as they are.
        replies: receives ("motion", (clip, motion)) each and ("note", sentence) each, at last ("done", None) or
            ("problem", Problem).
    """

    def __init__(self, python, path, rig, replies):
        super().__init__(name="skeletonllm-reading", daemon=True)
        command = ["blender", "motion", *(["--onto", "-"] if rig else []), "--", path]
        self._process = process.started(python, command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self._path, self._rig, self._replies = path, rig, replies
        self._said: list[str] = []

    def cancel(self):
        """End the process; returns at once."""
        self._process.kill()

    def run(self):
        listener = threading.Thread(target=self._listen, daemon=True)
        listener.start()
        try:
            self._process.stdin.write(self._rig or b"")
            self._process.stdin.close()
        except OSError:
            pass  # it ended before it read that, and says why
        motion: Any = None
        place: Any = None
        try:
            for line in self._process.stdout:
                message = json.loads(line)
                part, here = upright(message), (message["clip"], message["persons"][0]["id"])
                if here == place:
                    motion.frames += part.frames
                    continue
                if motion is not None:
                    self._replies.put(("motion", (place[0], motion)))
                motion, place = part, here
        except (KeyError, TypeError, ValueError):
            self._process.kill()
            told = "what the chosen Python says of {path} makes no sense: check the version of SkeletonLLM there"
            self._replies.put(("problem", Problem(told, path=self._path)))
            return
        code = self._process.wait()
        listener.join(_PATIENCE)
        if code != 0 or motion is None:
            told = self._said[-1] if self._said else f"{self._path}: cannot be read"
            self._replies.put(("problem", Problem("{sentence}", sentence=told)))
            return
        self._replies.put(("motion", (place[0], motion)))
        for told in self._said:
            self._replies.put(("note", told))
        self._replies.put(("done", None))

    def _listen(self):
        for line in self._process.stderr:
            self._said.append(line.decode("utf-8", "replace").rstrip("\n"))


class Import:
    """A file on its way into the scene; run like a job that asks (`jobs.Job`).

    Args:
        python, path, rig: as for `Reading`.
        scene: where it goes.
        armature: the rig of `rig`; None makes new armatures.

    Attributes:
        status: what it does now, in words.
        progress: share that is done.
        problem: a sentence on why it stopped early; "" otherwise.
        answered: motions that are in the scene.
        notes: sentences of the process that read the file.

    Raises:
        Problem: there is no such Python.
    """

    unanswered: tuple = ()  # nothing can be asked again
    failed: tuple = ()

    def __init__(self, python, path, rig, scene, armature):
        self._name, self._scene_uid = Path(path).name, uid_of(scene)
        self._uid = None if armature is None else uid_of(armature)
        self._first = scene.frame_start
        self._replies: queue.Queue = queue.Queue()
        self.problem, self.finished = "", False
        self.answered, self.notes = 0, []
        self._made: list = []
        self._waiting: list = []
        self._poser: Any = None
        self._read = False
        self._clip = None
        self._shown: set = set()  # armatures that show a motion of the file
        self._used: set = set()  # armatures with a person of this clip
        self._reading = Reading(python, path, rig, self._replies)
        self._reading.start()

    @property
    def status(self):
        if self.problem:
            return self.problem
        if self.finished:
            return iface_("{name}: {count} imported").format(count=self.answered, name=self._name)
        return iface_("posing {name}" if self._poser else "reading {name}").format(name=self._name)

    @property
    def progress(self):
        return 1.0 if self.finished else 0.0 if self._poser is None else self._poser.progress

    def step(self, bite, wait):
        """Work for `bite` seconds, or wait so long for the file; whether all is done."""
        if self.finished:
            return True
        try:
            if self._poser is not None:
                if self._poser.work(bite):
                    self._show()
            elif not self._read:  # the scene stays as it is until all of the file could be read
                self._listen(wait)
            elif self._waiting:
                self._begin(*self._waiting.pop(0))
            else:
                self.finished = True
                self.close()
        except Problem as problem:
            self.cancel(sentence(problem))
            self.close()
        return self.finished

    def cancel(self, reason):
        """Stop, and keep what is in the scene."""
        self._reading.cancel()
        self.problem, self.finished = reason, True

    def close(self):
        """Make one step to undo of what is in the scene."""
        if self.answered:
            bpy.ops.ed.undo_push(message="Import Motion")

    def _listen(self, wait):
        try:
            kind, reply = self._replies.get(timeout=wait) if wait else self._replies.get_nowait()
        except queue.Empty:
            return
        if kind == "problem":
            raise reply
        if kind == "note":
            self.notes.append(reply)
        elif kind == "motion":
            self._waiting.append(reply)
        else:
            self._read = True

    def _begin(self, clip, motion):
        scene = by_uid(bpy.data.scenes, self._scene_uid)
        if scene is None:
            raise Problem("the scene is no longer in the file")
        if clip != self._clip:
            self._clip, self._used = clip, set()
        uid = self._uid
        if uid is not None and uid in self._used:
            self.notes.append(iface_("only the first person of {clip} is carried over").format(clip=motion.name))
            return
        if uid is None:  # clips of one skeleton become actions of one armature
            about = motion.names, motion.parents, motion.rest_offsets
            uid = next((one for made, one in self._made if made == about and one not in self._used), None)
        armature = None if uid is None else by_uid(bpy.data.objects, uid)
        if uid is not None and armature is None:
            raise Problem("the armature is no longer in the file")
        self._motion = motion
        self._poser = posing.Poser(motion, scene, armature, self._first)
        if self._poser.held:
            told = iface_("{clip}: bones with constraints, which may not follow: {count}")
            self.notes.append(told.format(count=self._poser.held, clip=motion.name))

    def _show(self):
        armature, action, slot = self._poser.finish()
        uid, motion, self._poser = uid_of(armature), self._motion, None
        if uid not in self._shown:
            posing.show(armature, action, slot)
            self._shown.add(uid)
            # Blender cuts long names and numbers double ones; such an armature cannot be found again by its bones.
            if self._uid is None and sorted(bone.name for bone in armature.data.bones) == sorted(motion.names):
                self._made.append(((motion.names, motion.parents, motion.rest_offsets), uid))
        else:
            action.use_fake_user = True
        self._used.add(uid)
        self.answered += 1
