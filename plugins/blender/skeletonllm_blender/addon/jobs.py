# SPDX-License-Identifier: GPL-3.0-or-later
"""One job at a time: read an armature in small bites, ask the worker on a thread, keep the answers; then the next one.

A job never changes the file. In Blender's window it runs on a timer, so that the interface stays awake; operators that
are called from a script run it to its end.
"""

import json
import queue
from dataclasses import dataclass
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from . import pictures, settings, sidecars
from .actions import fitting
from .connection import Asking
from .identity import by_uid, uid_of
from .sampling import CannotSample, Sampler
from .wording import sentence

BITE = 0.025  # how long the interface waits for a bite of frames, with all that belongs to it [s]
_PAUSE = 0.01
_WAIT = 0.1

current: Any = None  # the Job that runs
last: Any = None  # the Job that ran last; what it did not finish can be tried again


@dataclass(frozen=True)
class Take:
    """What to read: an armature in some frames, alone with an action or (None) as the scene shows it.

    `about_uid` is the action that the answers are about, None for the armature.
    """

    name: str
    armature_uid: str
    action_uid: str | None
    about_uid: str | None
    frames: tuple


@dataclass(frozen=True)
class Plan:
    """How to read, and what to ask: (verb, options) each."""

    scene_uid: str
    layer: str
    step: int
    deform_only: bool
    questions: tuple


class Job:
    """Takes that are read and asked about, one after the other.

    Attributes:
        status: what it does now, in words.
        progress: share that is done.
        problem: a sentence on why it stopped early; "" otherwise.
        failed: (take, sentence) of takes without an answer.
        left: takes that were not tried, in order.
        answered: how many were.
        notes: sentences beside the status; an import has some.
    """

    notes: tuple = ()

    def __init__(self, worker, takes, plan):
        self.worker, self.plan = worker, plan
        self.left, self.failed = list(takes), []
        self.answered, self.problem = 0, ""
        self.finished = False
        self._total = len(self.left)
        self._sampler: Any = None
        self._asking: Any = None
        self._answers: dict = {}
        self._replies: queue.Queue = queue.Queue()

    @property
    def unanswered(self):
        """The takes without an answer."""
        return [take for take, _ in self.failed] + self.left

    @property
    def status(self):
        if self.problem:
            return self.problem
        if self.finished:
            if not self.failed:
                return iface_("{count} answered").format(count=self.answered)
            take, told = self.failed[0]
            return iface_("{count} answered, {failed} not; {name}: {problem}").format(
                count=self.answered, failed=len(self.failed), name=take.name, problem=told
            )
        doing = "asking about {name} ({number} of {count})" if self._asking else "reading {name} ({number} of {count})"
        number = self._total - len(self.left) + 1
        return iface_(doing).format(name=self.left[0].name, number=number, count=self._total)

    @property
    def progress(self):
        within = 0.0 if self.finished or self._sampler is None else 0.5 * self._sampler.progress
        return (self._total - len(self.left) + within) / self._total

    def step(self, bite, wait):
        """Read frames for `bite` seconds, or wait so long for an answer; whether all is done."""
        if self.finished:
            return True
        try:
            if self._asking is None:
                self._read(bite)
            else:
                self._listen(wait)
        except CannotSample as problem:
            self._give_up_take(sentence(problem))
        if not self.left:
            self.finished = True
        return self.finished

    def cancel(self, reason):
        """Stop, and keep what was answered."""
        if self._asking is not None:
            self._asking.cancel()
        self.problem, self.finished = reason, True

    def close(self):
        """Nothing to undo: asking changes nothing."""

    def _read(self, bite):
        take, plan = self.left[0], self.plan
        if self._sampler is None:
            scene, armature = by_uid(bpy.data.scenes, plan.scene_uid), by_uid(bpy.data.objects, take.armature_uid)
            action = None if take.action_uid is None else by_uid(bpy.data.actions, take.action_uid)
            layer = scene.view_layers.get(plan.layer) if scene else None
            if armature is None or layer is None or (take.action_uid is not None and action is None):
                raise CannotSample("it is no longer in the file")
            self._sampler = Sampler(scene, layer, armature, action, take.frames, plan.step, plan.deform_only)
        if self._sampler.work(bite):
            self._answers, self._replies = {}, queue.Queue()
            self._asking = Asking(self.worker, self._sampler.motion, plan.questions, self._replies)
            self._asking.start()

    def _listen(self, wait):
        try:
            verb, answer = self._replies.get(timeout=wait) if wait else self._replies.get_nowait()
        except queue.Empty:
            return
        if verb == "problem":
            self.cancel(sentence(answer))
        elif verb == "refused":
            self._give_up_take(sentence(answer))
        elif verb != "done":
            self._answers[verb] = answer
        else:
            try:
                self._keep(self.left[0])
            except (KeyError, TypeError, ValueError, AttributeError):
                told = iface_("the answer of the worker at {address} makes no sense: check its version")
                self.cancel(told.format(address=self.worker.address))
                return
            self.answered += 1
            self._next()

    def _keep(self, take):
        """The answers in the row of the take; read as a whole before the row is touched."""
        label, caption, answer = (self._answers.get(verb) for verb in ("label", "caption", "ask"))
        fields: dict[str, Any] = {"problem": ""}
        if label is not None:
            best = label["label"]
            others = ", ".join(f"{one['text']} {float(one['score']):.2f}" for one in label["alternatives"])
            fields |= {"label": str(best["text"]), "score": float(best["score"]), "known": bool(best["known"])}
            fields["alternatives"] = others
        if caption is not None:
            fields["caption"] = str(caption["caption"])
        if answer is not None:
            fields |= {"answer": str(answer["answer"]), "question": dict(self.plan.questions)["ask"]["question"]}
        parts = None
        if "segment" in self._answers:
            first, step = self._sampler.first, self._sampler.step
            parts = [
                {
                    "start": first + step * int(one["start_frame"]),
                    "end": first + step * int(one["end_frame"]),
                    "label": str(one["label"]),
                    "score": float(one["score"]),
                    "caption": str(one["caption"]),
                }
                for one in self._answers["segment"]["segments"]
            ]
        fields["warnings"] = "\n".join(str(one) for one in self._answers["info"]["warnings"])
        about = self._about()
        images = pictures.decoded(self._answers["render"]["images"]) if "render" in self._answers else None
        row = settings.result_of(take.armature_uid, take.about_uid, take.name)
        if images is not None:
            pictures.keep((row.armature_uid, row.action_uid), images)
        row.record = json.dumps(_joined(row.record, about))
        for key, value in fields.items():
            setattr(row, key, value)
        if parts is not None:
            row.segments.clear()
            for part in parts:
                added = row.segments.add()
                for key, value in part.items():
                    setattr(added, key, value)

    def _about(self):
        """What a sidecar says of the take."""
        motion, model = self._sampler.motion, self._answers["health"]["model"]
        labels = [options["labels"] for _, options in self.plan.questions if "labels" in options]
        return {
            "model": {"id": str(model["id"]), "sha256": str(model["sha256"])},
            "fps": motion.fps,
            "frames": len(motion.frames),
            "joints": len(motion.names),
            **({"labels": labels[0]} if labels else {}),
            "answers": {
                verb: sidecars.person_of(verb, answer)
                for verb, answer in self._answers.items()
                if verb in ("info", "label", "caption", "segment")
            },
        }

    def _give_up_take(self, told):
        take = self.left[0]
        self.failed.append((take, told))
        settings.result_of(take.armature_uid, take.about_uid, take.name).problem = told
        self._next()

    def _next(self):
        self.left.pop(0)
        self._sampler = self._asking = None


def as_shown(context):
    """The take of the active armature as the scene shows it."""
    armature, scene = context.object, context.scene
    action = armature.animation_data.action if armature.animation_data else None
    frames = scene.frame_start, scene.frame_end
    if action is not None and scene.skeletonllm.frames == "ACTION":
        frames = _frames(action)
    uid = uid_of(action) if action else None
    return Take(action.name if action else armature.name, uid_of(armature), None, uid, frames)


def all_actions(context):
    """A take for every action that fits the active armature."""
    armature = context.object
    return [Take(one.name, uid_of(armature), uid_of(one), uid_of(one), _frames(one)) for one in fitting(armature)]


def plan(context, verbs):
    """The plan that the settings of the scene make of some verbs."""
    chosen = context.scene.skeletonllm
    labels = settings.candidates(chosen)
    options = {
        "label": {"labels": labels, "top": 3},
        "caption": {},
        "ask": {"question": chosen.question},
        "segment": {"labels": labels},
    }
    questions = (
        ("info", {}),
        *((verb, options[verb]) for verb in verbs),
        *((("render", {}),) if chosen.preview else ()),
    )
    layer = context.view_layer.name
    return Plan(uid_of(context.scene), layer, chosen.frame_step, chosen.deform_only, questions)


def run(job, *, wait):
    """Run a job to its end (`wait`), or on a timer; the job."""
    global current, last
    current = last = job
    if wait:
        while not job.step(_WAIT, _WAIT):
            pass
        current = None
    else:
        bpy.app.timers.register(tick, first_interval=0.0, persistent=True)
    return job


def tick():
    """Called by Blender's timer: a bite of work, and when to call again."""
    global current
    job = current
    if job is None:
        return None
    before = job.status, job.progress
    finished = job.step(BITE, 0)
    if finished or (job.status, job.progress) != before:
        pictures.redraw_sidebars()
    if not finished:
        return _PAUSE
    current = None
    return None


def cancel(reason):
    """Stop the job that runs, if one does."""
    global current
    if current is not None:
        current.cancel(reason)
        current = None


def _joined(before, about):
    """What is known of a take: the answers of before, as far as they are about the same motion, and the new ones."""
    old = json.loads(before or "{}")
    if any(old.get(key) != about[key] for key in ("model", "fps", "frames", "joints")):
        old = {"answers": {}}
    kept = old["answers"]
    if "labels" in about and about["labels"] != old.get("labels"):  # a sidecar has one set of candidates
        kept = {verb: answer for verb, answer in kept.items() if verb not in ("label", "segment")}
    return {"labels": None, **old, **about, "answers": {**kept, **about["answers"]}}


def _frames(action):
    first, last_frame = (round(edge) for edge in action.frame_range)
    return first, last_frame
