# SPDX-License-Identifier: GPL-3.0-or-later
"""SkeletonLLM in Blender: names, captions, answers and timelines for the motion of armatures.

The model runs in a process of its own, the worker (`skeletonllm serve`); this add-on needs Blender and the standard
library only.

    armature ─sampling→ motion ─connection→ worker → answers (settings) ─write_back→ the file
    motion file ─importing→ motion ─posing→ armature, action
"""

import bpy
from bpy.app.handlers import persistent
from bpy.app.translations import pgettext_iface as iface_

from . import jobs, operators, panel, pictures, preferences, settings, write_back

bl_info = {
    "name": "SkeletonLLM",
    "description": "Names, captions and timelines for the motion of armatures",
    "author": "The SkeletonLLM project",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D Viewport > Sidebar > SkeletonLLM",
    "category": "Animation",
}

classes = (
    settings.SKELETONLLM_PG_settings,
    settings.SKELETONLLM_PG_segment,
    settings.SKELETONLLM_PG_result,
    settings.SKELETONLLM_PG_results,
    preferences.SKELETONLLM_preferences,
    preferences.SKELETONLLM_OT_start_worker,
    preferences.SKELETONLLM_OT_stop_worker,
    operators.SKELETONLLM_OT_label,
    operators.SKELETONLLM_OT_caption,
    operators.SKELETONLLM_OT_ask,
    operators.SKELETONLLM_OT_segment,
    operators.SKELETONLLM_OT_annotate_actions,
    operators.SKELETONLLM_OT_retry,
    operators.SKELETONLLM_OT_cancel,
    operators.SKELETONLLM_OT_clear,
    operators.SKELETONLLM_OT_tick,
    operators.SKELETONLLM_OT_copy,
    operators.SKELETONLLM_OT_import_motion,
    write_back.SKELETONLLM_OT_write_back,
    panel.SKELETONLLM_UL_results,
    panel.SKELETONLLM_PT_ask,
    panel.SKELETONLLM_PT_reading,
    panel.SKELETONLLM_PT_answers,
    panel.SKELETONLLM_PT_write,
    panel.SKELETONLLM_PT_motion,
)


@persistent
def _before_another_file(*_):
    jobs.cancel(iface_("another file was opened"))
    jobs.last = None
    pictures.forget()
    bpy.context.window_manager.skeletonllm.rows.clear()


def register():
    for one in classes:
        bpy.utils.register_class(one)
    bpy.types.Scene.skeletonllm = bpy.props.PointerProperty(type=settings.SKELETONLLM_PG_settings)
    bpy.types.WindowManager.skeletonllm = bpy.props.PointerProperty(type=settings.SKELETONLLM_PG_results)
    bpy.app.handlers.load_pre.append(_before_another_file)


def unregister():
    jobs.cancel(iface_("the add-on was switched off"))
    jobs.last = None
    pictures.forget()
    if bpy.app.timers.is_registered(jobs.tick):
        bpy.app.timers.unregister(jobs.tick)
    preferences.stop()
    bpy.app.handlers.load_pre.remove(_before_another_file)
    del bpy.types.WindowManager.skeletonllm
    del bpy.types.Scene.skeletonllm
    for one in reversed(classes):
        bpy.utils.unregister_class(one)
