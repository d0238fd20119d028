# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that ask. They change nothing in the file; answers are shown in the panel until they are written."""

import bpy

from . import jobs, preferences, settings
from .connection import WorkerProblem

_NO_ARMATURE = "Select an armature"


class _Asks:
    """Ask on a timer when a person presses the button; wait for the answer when a script calls the operator."""

    @classmethod
    def poll(cls, context):
        if context.object is None or context.object.type != "ARMATURE":
            cls.poll_message_set(_NO_ARMATURE)
            return False
        if jobs.current is not None:
            cls.poll_message_set("Something is being asked already")
            return False
        return True

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
            self.report({"ERROR"}, f"no action moves the bones of {context.object.name}")
            return {"CANCELLED"}
        return begin(self, context, takes, jobs.plan(context, self.verbs(context)), wait=wait)


def begin(operator, context, takes, plan, *, wait):
    """Run a job and report how it went; what an operator returns."""
    try:
        job = jobs.begin(preferences.worker(context), takes, plan, wait=wait)
    except WorkerProblem as problem:
        operator.report({"ERROR"}, str(problem))
        return {"CANCELLED"}
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
        return begin(self, context, jobs.last.unanswered, jobs.last.plan, wait=False)

    def execute(self, context):
        return begin(self, context, jobs.last.unanswered, jobs.last.plan, wait=True)


class SKELETONLLM_OT_cancel(bpy.types.Operator):
    """Stop asking, and keep what was answered"""

    bl_idname = "skeletonllm.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context):
        return jobs.current is not None

    def execute(self, context):
        jobs.cancel("cancelled")
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
        return {"FINISHED"}
