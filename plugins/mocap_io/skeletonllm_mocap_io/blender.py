"""Blender, in a process of its own: this package never imports bpy."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from skeletonllm_core.errors import PluginError
from skeletonllm_mocap_io.child import run_script

PYTHON = "SKELETONLLM_BLENDER_PYTHON"
"""Environment variable: a Python that has bpy, where this one has none or one that is too old."""

_SCRIPT = Path(__file__).with_name("blender_script.py")
_SECONDS = 600.0


def run_in_blender(verb: str, source: Path, target: Path, path: Path, *, format: str, doing: str) -> None:
    """Run a verb of `blender_script`.

    Args:
        verb: "read_blend" or "write_fbx".
        source: the file it reads.
        target: the file it writes.
        path: the motion file, for the error.
        format: its format, for the error.
        doing: what needs Blender, for the error, such as "reading .blend".

    Raises:
        MotionFormatError: Blender refused the file, crashed or took too long.
        PluginError: there is no Blender.
    """
    python = os.environ.get(PYTHON)
    if python is None and find_spec("bpy") is None:
        raise PluginError(
            f'{doing} needs: pip install "skeletonllm[blender]" (Python 3.11), or a Python with bpy named in {PYTHON}'
        )
    # Blender reads a user's preferences and add-ons from this folder; here there are none.
    with TemporaryDirectory(prefix="skeletonllm-") as folder:
        run_script(
            _SCRIPT,
            [verb, source.absolute(), target.absolute()],
            path,
            format=format,
            seconds=_SECONDS,
            python=python or sys.executable,
            variables={"BLENDER_USER_RESOURCES": folder},
        )
