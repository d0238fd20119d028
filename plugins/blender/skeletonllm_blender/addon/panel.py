# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the sidebar of the 3D viewport."""

import bpy

from . import jobs, preferences, settings


class SKELETONLLM_UL_results(bpy.types.UIList):
    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        armature, action = settings.owners(item)
        owner = action or armature
        row = layout.row(align=True)
        row.prop(item, "chosen", text="")
        row.label(text=owner.name if owner else "(gone)", translate=False)
        if item.problem:
            row.label(text=item.problem, icon="ERROR", translate=False)
        elif item.label:
            row.label(text=settings.told(item), translate=False)
            row.label(text=f"{item.score:.2f}", translate=False)


class _Panel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "SkeletonLLM"


class SKELETONLLM_PT_ask(_Panel, bpy.types.Panel):
    bl_label = "SkeletonLLM"

    def draw(self, context):
        layout, chosen = self.layout, context.scene.skeletonllm
        if preferences.started is None or preferences.started.state == "ended":
            layout.operator("skeletonllm.start_worker")
        elif preferences.started.state == "starting":
            layout.label(text="The worker is starting")
        layout.prop(chosen, "labels")
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
            layout.progress(factor=job.progress, text=job.status)
            layout.operator("skeletonllm.cancel")
        elif job is not None:
            layout.label(text=job.status, icon="ERROR" if job.problem or job.failed else "CHECKMARK", translate=False)
            if job.unanswered:
                layout.operator("skeletonllm.retry")


class SKELETONLLM_PT_reading(_Panel, bpy.types.Panel):
    bl_label = "Reading"
    bl_parent_id = "SKELETONLLM_PT_ask"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, chosen = self.layout, context.scene.skeletonllm
        layout.use_property_split = True
        for name in ("frames", "frame_step", "deform_only"):
            layout.prop(chosen, name)


class SKELETONLLM_PT_answers(_Panel, bpy.types.Panel):
    bl_label = "Answers"
    bl_parent_id = "SKELETONLLM_PT_ask"

    def draw(self, context):
        layout, results = self.layout, context.window_manager.skeletonllm
        layout.template_list("SKELETONLLM_UL_results", "", results, "rows", results, "active")
        if 0 <= results.active < len(results.rows):
            self._draw_row(layout.box(), results.rows[results.active])
        layout.operator("skeletonllm.clear")

    @staticmethod
    def _draw_row(box, row):
        if row.problem:
            box.label(text=row.problem, icon="ERROR", translate=False)
        if row.label:
            box.progress(factor=row.score, text=f"{settings.told(row)} {row.score:.2f}")
            if row.alternatives:
                box.label(text=row.alternatives, translate=False)
        if row.caption:
            box.label(text=row.caption, translate=False)
        if row.answer:
            box.label(text=row.question, icon="QUESTION", translate=False)
            box.label(text=row.answer, translate=False)
        for part in row.segments:
            box.label(text=f"{part.start} – {part.end}  {part.label} {part.score:.2f}", translate=False)


class SKELETONLLM_PT_write(_Panel, bpy.types.Panel):
    bl_label = "Writing"
    bl_parent_id = "SKELETONLLM_PT_ask"

    def draw(self, context):
        layout, chosen = self.layout, context.scene.skeletonllm
        layout.use_property_split = True
        for name in ("rename", "custom_properties", "pose_markers", "timeline_markers", "nla_strips", "asset"):
            layout.prop(chosen, name)
        layout.operator("skeletonllm.write_back")
