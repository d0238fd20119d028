"""A valid small file of every format that can be read, made by the tests; what a format needs beside it lies beside it."""

from __future__ import annotations

from pathlib import Path

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
    return written
