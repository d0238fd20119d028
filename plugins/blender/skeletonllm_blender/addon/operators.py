# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that ask and import. Asking changes nothing in the file; answers are shown until they are written."""

import bpy
from bpy.app.translations import pgettext_iface as iface_

from . import importing, jobs, pictures, posing, preferences, sampling, settings
from .problems import Problem
from .wording import sentence


def _is_free(cls):
    if jobs.current is not None:
        cls.poll_message_set("Something is being asked already")
    return jobs.current is None


class _Asks:
    """Ask on a timer when a person presses the button; wait for the answer when a script calls the operator."""

    @classmethod
    def poll(cls, context):
        if context.object is None or context.object.type != "ARMATURE":
            cls.poll_message_set("Select an armature")
            return False
        return _is_free(cls)

    def invoke(self, context, event):
        return self._begin(context, wait=False)

    def execute(self, context):
        return self._begin(context, wait=True)

    def takes(self, context):
        """What to read."""
        return [jobs.as_shown(context)]

    def _begin(self, context, *, wait):
        takes = self.takes(context)
        if not takes:
            told = iface_("no action moves the bones of {armature}").format(armature=context.object.name)
            self.report({"ERROR"}, told)
            return {"CANCELLED"}
        return ask(self, context, takes, jobs.plan(context, self.verbs(context)), wait=wait)


def ask(operator, context, takes, plan, *, wait):
    """Ask about takes and report how it went; what an operator returns."""
    try:
        worker = preferences.worker(context)
    except Problem as problem:
        operator.report({"ERROR"}, sentence(problem))
        return {"CANCELLED"}
    return _run(operator, jobs.Job(worker, takes, plan), wait=wait)


def _run(operator, job, *, wait):
    jobs.run(job, wait=wait)
    if wait:
        bad = job.problem or job.failed
        operator.report({"INFO"} if not bad else {"WARNING"} if job.answered else {"ERROR"}, job.status)
        if bad and not job.answered:
            return {"CANCELLED"}
    return {"FINISHED"}


class SKELETONLLM_OT_label(_Asks, bpy.types.Operator):
    """Name the action of the selected armature"""

    bl_idname = "skeletonllm.label"
    bl_label = "Label"

    def verbs(self, context):
        return ["label"]


class SKELETONLLM_OT_caption(_Asks, bpy.types.Operator):
    """Describe the motion of the selected armature in a sentence"""

    bl_idname = "skeletonllm.caption"
    bl_label = "Caption"

    def verbs(self, context):
        return ["caption"]


class SKELETONLLM_OT_ask(_Asks, bpy.types.Operator):
    """Ask the question about the motion of the selected armature"""

    bl_idname = "skeletonllm.ask"
    bl_label = "Ask"

    def verbs(self, context):
        return ["ask"]


class SKELETONLLM_OT_segment(_Asks, bpy.types.Operator):
    """Find which action happens when in the motion of the selected armature"""

    bl_idname = "skeletonllm.segment"
    bl_label = "Segment"

    def verbs(self, context):
        return ["segment"]


class SKELETONLLM_OT_annotate_actions(_Asks, bpy.types.Operator):
    """Ask about every action in the file that moves the bones of the selected armature, each from its rest pose"""

    bl_idname = "skeletonllm.annotate_actions"
    bl_label = "Annotate All Actions"

    def verbs(self, context):
        return [task.lower() for task, _, _ in settings.TASKS if task in context.scene.skeletonllm.tasks]

    def takes(self, context):
        return jobs.all_actions(context)

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if context.object.library is not None:
            cls.poll_message_set("The armature is linked: make a library override first")
            return False
        if not context.scene.skeletonllm.tasks:
            cls.poll_message_set("Choose what to ask for")
            return False
        return True


class SKELETONLLM_OT_retry(bpy.types.Operator):
    """Ask again about what has no answer yet"""

    bl_idname = "skeletonllm.retry"
    bl_label = "Retry"

    @classmethod
    def poll(cls, context):
        return jobs.current is None and jobs.last is not None and bool(jobs.last.unanswered)

    def invoke(self, context, event):
        return ask(self, context, jobs.last.unanswered, jobs.last.plan, wait=False)

    def execute(self, context):
        return ask(self, context, jobs.last.unanswered, jobs.last.plan, wait=True)


class SKELETONLLM_OT_cancel(bpy.types.Operator):
    """Stop, and keep what was done"""

    bl_idname = "skeletonllm.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context):
        return jobs.current is not None

    def execute(self, context):
        job = jobs.current
        jobs.cancel(iface_("cancelled"))
        job.close()
        return {"FINISHED"}


class SKELETONLLM_OT_clear(bpy.types.Operator):
    """Forget the answers in the list; what was written stays"""

    bl_idname = "skeletonllm.clear"
    bl_label = "Clear List"

    @classmethod
    def poll(cls, context):
        return jobs.current is None and bool(context.window_manager.skeletonllm.rows)

    def execute(self, context):
        context.window_manager.skeletonllm.rows.clear()
        pictures.forget()
        return {"FINISHED"}


class SKELETONLLM_OT_tick(bpy.types.Operator):
    """Tick or untick all answers in the list"""

    bl_idname = "skeletonllm.tick"
    bl_label = "Tick All"

    on: bpy.props.BoolProperty(name="On", description="Tick them", default=True, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        return bool(context.window_manager.skeletonllm.rows)

    def execute(self, context):
        for row in context.window_manager.skeletonllm.rows:
            row.chosen = self.on
        return {"FINISHED"}


class SKELETONLLM_OT_copy(bpy.types.Operator):
    """Copy the answers that are shown, as text"""

    bl_idname = "skeletonllm.copy"
    bl_label = "Copy"

    @classmethod
    def poll(cls, context):
        results = context.window_manager.skeletonllm
        return 0 <= results.active < len(results.rows)

    def execute(self, context):
        results = context.window_manager.skeletonllm
        context.window_manager.clipboard = settings.copied(results.rows[results.active])
        return {"FINISHED"}


class SKELETONLLM_OT_import_motion(bpy.types.Operator):
    """Read a motion file of any format that SkeletonLLM knows, with the Python of the preferences"""

    bl_idname = "skeletonllm.import_motion"
    bl_label = "Import Motion…"

    filepath: bpy.props.StringProperty(
        name="File", description="The motion file", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    by_hand: bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if not _is_free(cls):
            return False
        active = context.object
        if context.scene.skeletonllm.onto == "SELECTED":
            if active is None or active.type != "ARMATURE":
                cls.poll_message_set("Select an armature")
                return False
        elif active is not None and active.mode != "OBJECT":
            cls.poll_message_set("Leave the mode that changes an object")
            return False
        return True

    def invoke(self, context, event):
        self.by_hand = True
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        scene = context.scene
        armature = context.object if scene.skeletonllm.onto == "SELECTED" else None
        try:
            rig = None if armature is None else self._rig(context, armature)
            path = bpy.path.abspath(self.filepath)
            job = importing.Import(preferences.python_of(context), path, rig, scene, armature)
        except Problem as problem:
            self.report({"ERROR"}, sentence(problem))
            return {"CANCELLED"}
        done = _run(self, job, wait=not self.by_hand)
        for note in job.notes:
            self.report({"INFO"}, note)
        return done

    @staticmethod
    def _rig(context, armature):
        """The rest pose of a rig, as a message."""
        posing.refuse(armature)
        scene = context.scene
        frames = scene.frame_current, scene.frame_current
        deform_only = scene.skeletonllm.deform_only
        sampler = sampling.Sampler(scene, context.view_layer, armature, None, frames, 1, deform_only)
        while not sampler.work(1.0):
            pass
        return f'{{"version": {importing.VERSION}, {sampler.motion.message()}}}'.encode("ascii")
