# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the sidebar of the 3D viewport."""

import textwrap

import bpy
from bpy.app.translations import pgettext_iface as iface_

from . import jobs, pictures, preferences, settings

_LETTER = 7  # width of a letter of the interface at its usual size [pixels]
_NARROW = 280  # width of a sidebar, where there is none to be asked [pixels]
_PICTURE = 7  # height of the preview [rows of the interface]


def _bar(layout, share, text):
    if hasattr(layout, "progress"):
        layout.progress(factor=share, text=text)
    else:  # Blender before 4.0
        layout.label(text=text, translate=False)


def _text(context, layout, text, icon="NONE"):
    """A text in as many lines as the sidebar needs for it."""
    width = context.region.width if context.region else _NARROW
    scale = context.preferences.system.ui_scale or 1.0  # 0 without a window
    letters = max(20, int(width / (_LETTER * scale)) - 4)
    for line in textwrap.wrap(text, letters):
        layout.label(text=line, icon=icon, translate=False)
        icon = "BLANK1" if icon != "NONE" else icon


class SKELETONLLM_UL_results(bpy.types.UIList):
    by_score: bpy.props.BoolProperty(name="By Score", description="The least sure ones first")

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        armature, action = settings.owners(item)
        owner = action or armature
        row = layout.row(align=True)
        row.prop(item, "chosen", text="")
        row.label(text=owner.name if owner else iface_("(gone)"), translate=False)
        if item.problem:
            row.label(text=item.problem, icon="ERROR", translate=False)
        elif item.label:
            row.label(text=settings.told(item), translate=False)
            row.label(text=f"{item.score:.2f}", translate=False)

    def draw_filter(self, context, layout):
        row = layout.row(align=True)
        row.prop(self, "filter_name", text="")
        row.prop(self, "by_score")

    def filter_items(self, context, data, property):
        rows, helper = getattr(data, property), bpy.types.UI_UL_list
        shown = []
        if self.filter_name:
            shown = helper.filter_items_by_name(self.filter_name, self.bitflag_filter_item, rows, "name")
        order = []
        if self.by_score:
            order = helper.sort_items_helper([(index, row.score) for index, row in enumerate(rows)], lambda one: one[1])
        return shown, order


class _Panel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "SkeletonLLM"


class SKELETONLLM_PT_ask(_Panel, bpy.types.Panel):
    bl_label = "SkeletonLLM"

    def draw(self, context):
        layout, chosen = self.layout, context.scene.skeletonllm
        if preferences.started is None or preferences.started.state == "ended":
            row = layout.row(align=True)
            row.prop(preferences.of(context), "model", text="")
            row.operator("skeletonllm.start_worker")
        elif preferences.started.state == "starting":
            layout.label(text="The worker is starting")
        else:
            layout.label(text=iface_("Model: {name}").format(name=preferences.started.model), translate=False)
        layout.prop(chosen, "labels")
        layout.prop(chosen, "label_set")
        row = layout.row(align=True)
        row.operator("skeletonllm.label")
        row.operator("skeletonllm.caption")
        row.operator("skeletonllm.segment")
        row = layout.row(align=True)
        row.prop(chosen, "question", text="")
        row.operator("skeletonllm.ask")
        row = layout.row(align=True)
        row.prop(chosen, "tasks")
        layout.operator("skeletonllm.annotate_actions")
        job = jobs.current or jobs.last
        if jobs.current is not None:
            _bar(layout, job.progress, job.status)
            layout.operator("skeletonllm.cancel")
        elif job is not None:
            _text(context, layout, job.status, icon="ERROR" if job.problem or job.failed else "CHECKMARK")
            for note in job.notes:
                _text(context, layout, note, icon="INFO")
            if job.unanswered:
                layout.operator("skeletonllm.retry")


class SKELETONLLM_PT_reading(_Panel, bpy.types.Panel):
    bl_label = "Reading"
    bl_parent_id = "SKELETONLLM_PT_ask"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, chosen = self.layout, context.scene.skeletonllm
        layout.use_property_split = True
        for name in ("frames", "frame_step", "deform_only", "preview"):
            layout.prop(chosen, name)


class SKELETONLLM_PT_answers(_Panel, bpy.types.Panel):
    bl_label = "Answers"
    bl_parent_id = "SKELETONLLM_PT_ask"

    def draw(self, context):
        layout, results = self.layout, context.window_manager.skeletonllm
        layout.template_list("SKELETONLLM_UL_results", "", results, "rows", results, "active")
        row = layout.row(align=True)
        row.operator("skeletonllm.tick").on = True
        row.operator("skeletonllm.tick", text="Tick None").on = False
        row.operator("skeletonllm.clear")
        if 0 <= results.active < len(results.rows):
            self._draw_row(context, layout.box(), results.rows[results.active])
            layout.operator("skeletonllm.copy")

    @staticmethod
    def _draw_row(context, box, row):
        if row.problem:
            _text(context, box, row.problem, icon="ERROR")
        picture = pictures.of((row.armature_uid, row.action_uid))
        if picture is not None:
            box.template_icon(icon_value=picture.icon_id, scale=_PICTURE)
        if row.label:
            _bar(box, row.score, f"{settings.told(row)} {row.score:.2f}")
            if row.alternatives:
                _text(context, box, row.alternatives)
        if row.caption:
            _text(context, box, row.caption)
        if row.answer:
            _text(context, box, row.question, icon="QUESTION")
            _text(context, box, row.answer)
        for part in row.segments:
            box.label(text=f"{part.start} – {part.end}  {part.label} {part.score:.2f}", translate=False)
        for warning in row.warnings.splitlines():
            _text(context, box, warning, icon="INFO")


class SKELETONLLM_PT_write(_Panel, bpy.types.Panel):
    bl_label = "Writing"
    bl_parent_id = "SKELETONLLM_PT_ask"

    def draw(self, context):
        layout, chosen = self.layout, context.scene.skeletonllm
        layout.use_property_split = True
        for name in ("rename", "custom_properties", "pose_markers", "timeline_markers", "nla_strips", "asset"):
            layout.prop(chosen, name)
        if chosen.asset:
            layout.prop(chosen, "catalog")
        layout.prop(chosen, "sidecar")
        layout.operator("skeletonllm.write_back")


class SKELETONLLM_PT_motion(_Panel, bpy.types.Panel):
    """Motions that come into the scene. What makes one from a text belongs here too: it goes where `onto` says."""

    bl_label = "Motion"
    bl_parent_id = "SKELETONLLM_PT_ask"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, chosen = self.layout, context.scene.skeletonllm
        layout.use_property_split = True
        layout.prop(chosen, "onto")
        layout.operator("skeletonllm.import_motion")
