# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model saw: small pictures, shown one after the other in the panel. They are in no file."""

import base64
import tempfile
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

PERIOD = 0.2  # how long one is shown [s]
_PNG = b"\x89PNG\r\n\x1a\n"

_files: dict = {}  # (armature_uid, action_uid) → PNG files
_loaded: Any = None  # the pictures of `_key` as Blender's icons
_key: Any = None
_turn = 0


def decoded(texts):
    """The PNG files of an answer.

    Raises:
        ValueError: they are none.
    """
    files = [base64.b64decode(text, validate=True) for text in texts]
    if not files or not all(file.startswith(_PNG) for file in files):
        raise ValueError("no PNG files")
    return files


def keep(key, files):
    """Remember the pictures of a row, and start to show them."""
    _files[key] = files
    if key == _key:
        _unload()
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=PERIOD, persistent=True)


def forget():
    """Forget all pictures, and stop."""
    _files.clear()
    _unload()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def of(key):
    """The picture of a row whose turn it is, as Blender's preview; None where there is none."""
    if key not in _files:
        return None
    if key != _key:
        _load(key)
    return _loaded[str(_turn % len(_files[key]))]


def tick():
    """Called by Blender's timer: the next picture, as long as there are some."""
    global _turn
    if not _files:
        return None
    _turn += 1
    redraw_sidebars()
    return PERIOD


def redraw_sidebars():
    """Have Blender draw the sidebars again, but not the scene beside them."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def _load(key):
    global _loaded, _key
    _unload()
    _loaded, _key = bpy.utils.previews.new(), key
    with tempfile.TemporaryDirectory(prefix="skeletonllm-") as folder:
        for number, file in enumerate(_files[key]):
            path = Path(folder) / f"{number}.png"
            path.write_bytes(file)
            # Asking for the size makes Blender read the file now, before it is gone.
            tuple(_loaded.load(str(number), str(path), "IMAGE").image_size)


def _unload():
    global _loaded, _key
    if _loaded is not None:
        bpy.utils.previews.remove(_loaded)
    _loaded = _key = None
