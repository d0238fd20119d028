# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the worker is, and starting one."""

import bpy
from bpy.app.translations import pgettext_iface as iface_

from . import connection, process
from .problems import Problem
from .wording import sentence

started = None  # the WorkerProcess of this session


class SKELETONLLM_preferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    python: bpy.props.StringProperty(
        name="Python",
        description="The program of a Python that has SkeletonLLM, such as .venv/bin/python; Start Worker runs it",
        subtype="FILE_PATH",
    )
    model: bpy.props.StringProperty(
        name="Model", description='As for "skeletonllm serve --model": default, or a folder', default="default"
    )
    address: bpy.props.StringProperty(
        name="Address", description="Of a worker that was started elsewhere", default="http://127.0.0.1:8765"
    )
    token: bpy.props.StringProperty(
        name="Token",
        description="Of a worker that was started elsewhere; empty: read from the file that it keeps on this machine",
        subtype="PASSWORD",
    )
    timeout: bpy.props.FloatProperty(
        name="Timeout", description="How long to wait for an answer [s]", default=120.0, min=1.0, max=3600.0
    )

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        box = layout.box()
        box.label(text="A worker of this Blender")
        box.prop(self, "python")
        box.prop(self, "model")
        row = box.row()
        row.operator("skeletonllm.start_worker")
        row.operator("skeletonllm.stop_worker")
        if started is not None:
            box.label(text=iface_("State: {state}").format(state=iface_(started.state)), translate=False)
            for line in list(started.log)[-8:]:
                box.label(text=line, translate=False)
        box = layout.box()
        box.label(text="A worker that was started elsewhere")
        box.prop(self, "address")
        box.prop(self, "token")
        layout.prop(self, "timeout")


def of(context):
    """The preferences of this add-on."""
    return context.preferences.addons[__package__].preferences


def python_of(context):
    """The Python that has SkeletonLLM.

    Raises:
        Problem: none is chosen.
    """
    python = bpy.path.abspath(of(context).python)
    if not python:
        raise Problem("choose the Python that has SkeletonLLM, in the preferences of this add-on")
    return python


def worker(context):
    """The worker to ask: the one that this Blender started while it runs, else that of the preferences.

    Raises:
        WorkerProblem: there is none, it is still starting, or it is on another machine and Blender is to stay offline.
    """
    chosen = of(context)
    if started is not None and started.state == "ready":
        return connection.Worker(started.address, started.token, chosen.timeout)
    if started is not None and started.state == "starting":
        raise connection.WorkerProblem("the worker is still starting: wait a moment")
    if started is not None:
        said = f" ({started.log[-1]})" if started.log else ""
        told = "the worker has ended{said}: start it again, or stop it to use another one"
        raise connection.WorkerProblem(told, said=said)
    found = connection.Worker(chosen.address, chosen.token, chosen.timeout)
    if not found.is_local and not getattr(bpy.app, "online_access", True):  # Blender before 4.2 has no such choice
        raise connection.WorkerProblem(
            "{address} is on another machine, and Blender is to stay offline: allow online access in the preferences, System",
            address=found.address,
        )
    return found


class SKELETONLLM_OT_start_worker(bpy.types.Operator):
    """Start a worker with the chosen Python; it ends with Blender"""

    bl_idname = "skeletonllm.start_worker"
    bl_label = "Start Worker"

    @classmethod
    def poll(cls, context):
        return started is None or started.state == "ended"

    def execute(self, context):
        global started
        chosen = of(context)
        try:
            started = process.WorkerProcess(python_of(context), chosen.model)
        except Problem as problem:
            self.report({"ERROR"}, sentence(problem))
            return {"CANCELLED"}
        return {"FINISHED"}


class SKELETONLLM_OT_stop_worker(bpy.types.Operator):
    """Stop the worker that this Blender started"""

    bl_idname = "skeletonllm.stop_worker"
    bl_label = "Stop Worker"

    @classmethod
    def poll(cls, context):
        return started is not None

    def execute(self, context):
        stop()
        return {"FINISHED"}


def stop():
    """Stop the worker of this session, if there is one."""
    global started
    if started is not None:
        started.stop()
        started = None
