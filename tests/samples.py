"""A valid small file of every format that can be read, made by the tests; what a format needs beside it lies beside it.

A .blend is among them where Blender is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tests.plugins.test_blend import BOW, saved
from tests.plugins.test_readers import MATRIX


def samples(folder: Path) -> dict[str, Path]:
    """Write one file a format, each in a folder of its own.

    Returns:
        format → its file.
    """
    written = {}
    for name, row in MATRIX.items():
        path = folder / name / f"sample{row.suffix}"
        path.parent.mkdir(parents=True)
        path.write_bytes(row.sample)
        for other, content in row.beside.items():
            (path.parent / other).write_bytes(content)
        written[name] = path
    if find_spec("bpy") is not None:
        (folder / "blend").mkdir()
        written["blend"] = saved(folder / "blend", BOW, name="sample.blend")
    return written
