# SPDX-License-Identifier: GPL-3.0-or-later
"""One job at a time: read an armature in small bites, ask the worker on a thread, keep the answers; then the next one.

A job never changes the file. In Blender's window it runs on a timer, so that the interface stays awake; operators that
are called from a script run it to its end.
"""

import queue
from dataclasses import dataclass
from typing import Any

import bpy

from . import settings
from .actions import fitting
from .connection import Asking
from .sampling import CannotSample, Sampler, by_uid

BITE = 0.01  # how long the interface waits for a bite of frames [s]
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
    armature_uid: int
    action_uid: int | None
    about_uid: int | None
    frames: tuple


@dataclass(frozen=True)
class Plan:
    """How to read, and what to ask: (verb, options) each."""

    scene_uid: int
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
    """

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
                return f"{self.answered} answered"
            take, sentence = self.failed[0]
            return f"{self.answered} answered, {len(self.failed)} not; {take.name}: {sentence}"
        doing = "asking about" if self._asking else "reading"
        return f"{doing} {self.left[0].name} ({self._total - len(self.left) + 1} of {self._total})"

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
            self._give_up_take(str(problem))
        if not self.left:
            self.finished = True
        return self.finished

    def cancel(self, reason):
        """Stop, and keep what was answered."""
        if self._asking is not None:
            self._asking.cancel()
        self.problem, self.finished = reason, True

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
            self.cancel(answer)
        elif verb == "refused":
            self._give_up_take(answer)
        elif verb != "done":
            self._answers[verb] = answer
        else:
            try:
                self._keep(self.left[0])
            except (KeyError, TypeError, ValueError, AttributeError):
                self.cancel(f"the answer of the worker at {self.worker.address} makes no sense: check its version")
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
        row = settings.result_of(take.armature_uid, take.about_uid or 0)
        for key, value in fields.items():
            setattr(row, key, value)
        if parts is not None:
            row.segments.clear()
            for part in parts:
                added = row.segments.add()
                for key, value in part.items():
                    setattr(added, key, value)

    def _give_up_take(self, sentence):
        take = self.left[0]
        self.failed.append((take, sentence))
        settings.result_of(take.armature_uid, take.about_uid or 0).problem = sentence
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
    uid = action.session_uid if action else None
    return Take(action.name if action else armature.name, armature.session_uid, None, uid, frames)


def all_actions(context):
    """A take for every action that fits the active armature."""
    armature = context.object
    return [
        Take(one.name, armature.session_uid, one.session_uid, one.session_uid, _frames(one))
        for one in fitting(armature)
    ]


def plan(context, verbs):
    """The plan that the settings of the scene make of some verbs."""
    chosen = context.scene.skeletonllm
    labels = [one.strip() for one in chosen.labels.split(",") if one.strip()] or None
    options = {
        "label": {"labels": labels, "top": 3},
        "caption": {},
        "ask": {"question": chosen.question},
        "segment": {"labels": labels},
    }
    questions = tuple((verb, options[verb]) for verb in verbs)
    layer = context.view_layer.name
    return Plan(context.scene.session_uid, layer, chosen.frame_step, chosen.deform_only, questions)


def begin(worker, takes, how, *, wait):
    """Run a job to its end (`wait`), or on a timer; the job."""
    global current, last
    job = current = last = Job(worker, takes, how)
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
    finished = job.step(BITE, 0)
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
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


def _frames(action):
    first, last_frame = (round(edge) for edge in action.frame_range)
    return first, last_frame
