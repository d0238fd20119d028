"""The add-on in a real Blender: a process with bpy that installs the package and runs a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from skeletonllm_blender.package import write_package
from skeletonllm_mocap_io.blender import PYTHON

BLENDER = os.environ.get(PYTHON, sys.executable)
"""A Python that has bpy; `make test-blender5` names another one."""

needs_blender = pytest.mark.skipif(
    PYTHON not in os.environ and find_spec("bpy") is None, reason="Blender is not installed (extra blender)"
)

NAME = "bl_ext.user_default.skeletonllm"

ARMATURES = """
def armature(name, bones):
    data = bpy.data.armatures.new(name)
    found = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(found)
    bpy.context.view_layer.objects.active = found
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, parent, head, tail in bones:
        made = data.edit_bones.new(bone)
        made.head, made.tail = head, tail
        made.parent = data.edit_bones[parent] if parent else None
    bpy.ops.object.mode_set(mode="OBJECT")
    return found

def keyed(owner, name, bone, part, values, start=1):
    action = bpy.data.actions.new(name)
    action.use_fake_user = True
    owner.animation_data_create().action = action
    target = owner.pose.bones[bone]
    target.rotation_mode = "XYZ"
    for frame, value in enumerate(values):
        setattr(target, part, value)
        target.keyframe_insert(part, frame=start + frame)
    return action
"""
"""Python for a process with bpy: an armature of bones (name, parent, head, tail), and an action with a key a frame."""

_PRELUDE = f"""
import faulthandler, importlib, json, math, os, sys, time, types
import bpy
faulthandler.dump_traceback_later(240, exit=True)
ARGS = json.loads(sys.argv[1])
bpy.ops.wm.read_factory_settings(use_empty=True)
assert bpy.ops.extensions.package_install_files(filepath=ARGS["package"], repo="user_default", enable_on_install=True) \\
    == {{"FINISHED"}}
addon = importlib.import_module("{NAME}")
jobs, preferences, sampling, settings = addon.jobs, addon.preferences, addon.sampling, addon.settings
scene, ops = bpy.context.scene, bpy.ops.skeletonllm
prefs = bpy.context.preferences.addons["{NAME}"].preferences
prefs.address, prefs.token = ARGS.get("address", "http://127.0.0.1:9"), ARGS.get("token", "none")
results = bpy.context.window_manager.skeletonllm

{ARMATURES}
def block_counts():
    return {{name: len(getattr(bpy.data, name)) for name in dir(bpy.data)
            if isinstance(getattr(bpy.data, name), bpy.types.bpy_prop_collection)}}

def tick_until(done, seconds=200):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, jobs.last and jobs.last.status
        time.sleep(jobs.tick() or 0.01)

def failing(call):
    try:
        call()
    except RuntimeError as problem:
        return str(problem)
    return ""

told = {{}}
"""
_CODA = """
with open(ARGS["told"], "w") as file:
    json.dump(told, file)
faulthandler.cancel_dump_traceback_later()
if not ARGS.get("quit"):  # the other way round Blender closes as it does for a person
    preferences.stop()
    sys.stdout.flush()
    os._exit(0)
"""


def in_blender(folder: Path, code: str, **given: Any) -> dict[str, Any]:
    """What a script put into `told`. It finds `given` in ARGS, and the names that the prelude defines."""
    package, told, script = folder / "skeletonllm.zip", folder / "told.json", folder / "script.py"
    write_package(package)
    (folder / "resources").mkdir(exist_ok=True)
    script.write_text(_PRELUDE + code + _CODA, encoding="utf-8")
    arguments = json.dumps({"package": str(package), "told": str(told), **given})
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(folder / "resources")}
    done = subprocess.run(
        [BLENDER, "-I", script, arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return json.loads(told.read_text())
