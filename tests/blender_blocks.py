"""How long the add-on keeps Blender's interface waiting, measured in a real window while a large armature is labelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.blender_window import blender_window
from tests.worker import Worker

FRAMES, BONES = 5000, 65
_ROUNDS = 20

_MEASURING = """
import math, random
from array import array

def rig(addon, frames, bones):
    data = bpy.data.armatures.new("Large")
    large = bpy.data.objects.new("Large", data)
    bpy.context.scene.collection.objects.link(large)
    bpy.context.view_layer.objects.active = large
    bpy.ops.object.mode_set(mode="EDIT")
    for number in range(bones):  # five chains from one root
        parent = data.edit_bones[max(0, number - 5)] if number else None
        bone = data.edit_bones.new(f"bone.{number:03}")
        bone.head = parent.tail if parent else (0, 0, 1)
        side = number % 5 * math.tau / 5
        bone.tail = bone.head + type(bone.head)((0.1 * math.cos(side), 0.1 * math.sin(side), 0.05))
        bone.parent = parent
    bpy.ops.object.mode_set(mode="OBJECT")
    action, slot, curve_of = addon.actions.new_action("Large", large)
    numbers = random.Random(0)
    for number in range(bones):
        beat, size = numbers.uniform(0.01, 0.1), numbers.uniform(0.1, 0.4)
        turns = [size * math.sin(beat * frame) / 2 for frame in range(frames)]
        for index, values in enumerate([[math.cos(turn) for turn in turns], [math.sin(turn) for turn in turns]]):
            points = curve_of(f'pose.bones["bone.{number:03}"].rotation_quaternion', index, large.name).keyframe_points
            points.add(frames)
            points.foreach_set("co", array("f", [v for pair in zip(range(1, frames + 1), values) for v in pair]))
    large.animation_data_create().action = action
    if slot is not None:
        large.animation_data.action_slot = slot

def timed(call, took):
    def run(*given):
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return call(*given)
        finally:
            took.append([time.perf_counter() - wall, time.thread_time() - cpu])
    return run

# Blender counts the arguments that a method takes.
def drawn(call):
    return lambda self, context: call(self, context)

def pressed(call):
    return lambda self, context, event: call(self, context, event)

def main(addon):
    jobs, pictures = addon.jobs, addon.pictures
    if ARGS["plain"]:
        bpy.context.preferences.system.viewport_aa = "OFF"
        view = viewport()[1].spaces.active
        view.overlay.show_overlays, view.shading.type = False, "WIREFRAME"
        for area in bpy.context.window_manager.windows[0].screen.areas:
            area.type = "VIEW_3D" if area.type == "VIEW_3D" else "INFO"
    rig(addon, ARGS["frames"], ARGS["bones"])
    show_sidebar()
    found = {"press": [], "timer": [], "drawing": [], "loop": [], "loop without": []}
    label = next(one for one in addon.classes if one.__name__ == "SKELETONLLM_OT_label")
    label.invoke = pressed(timed(label.invoke, found["press"]))
    jobs.tick, pictures.tick = timed(jobs.tick, found["timer"]), timed(pictures.tick, found["timer"])
    for one in addon.classes:
        if issubclass(one, bpy.types.Panel):
            one.draw = drawn(timed(one.draw, found["drawing"]))
    last = [None, None]
    def beat():
        now, job = time.perf_counter(), jobs.last
        kind = None if job is None else "loop without" if job.finished else "loop"
        if kind is not None and last[1] == kind:
            found[kind].append([now - last[0], 0.0])
        last[:] = now, kind
        if kind == "loop without":
            bpy.context.scene.frame_set(bpy.context.scene.frame_current)
            if len(found[kind]) == ARGS["rounds"]:
                tell("blocks", {**found, "status": job.status, "problem": bool(job.problem or job.failed)})
                return None
        return 0.0
    bpy.app.timers.register(beat, first_interval=1.0)
"""


def blocks(folder: Path, frames: int = FRAMES, plain: bool = False) -> dict[str, Any]:
    """[wall-clock, CPU] seconds of every time that Blender waited for the add-on while it labelled an armature.

    Args:
        folder: a place to work in.
        frames: of the motion that is labelled.
        plain: with an almost empty viewport alone, for Blender draws all of its window again after every frame that is
            set: by software, with 650,000 keys in the timeline, this takes much longer than the reading.

    Returns:
        "press": the button; "timer": its timers; "drawing": its panels and list; "loop": from one round of Blender's main
        loop to the next, with all that Blender does itself, drawing by software included; "loop without": the same
        afterwards, when a frame is set in every round.
    """
    worker = Worker(folder / "worker")
    window_folder = folder / "window"
    window_folder.mkdir()
    try:
        with blender_window(
            window_folder,
            _MEASURING,
            address=worker.address,
            token=worker.token,
            frames=frames,
            bones=BONES,
            rounds=1 if plain else _ROUNDS,
            plain=plain,
        ) as window:
            window.press_label(window.open_tab())
            found = window.told("blocks", seconds=600)
    finally:
        worker.stop()
    assert not found["problem"], found["status"]
    return found
