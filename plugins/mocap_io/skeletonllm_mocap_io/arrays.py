"""numpy files from strangers: nothing is unpickled, and sizes that lie are refused before memory is taken."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np

from skeletonllm_core.errors import MotionFormatError

_MOST_BYTES = 512 << 20
"""Arrays together may be this large when unpacked, or four times their file if that is more."""

# numpy reads the header as a Python literal, and a damaged one can fail in any of these ways.
_BAD_ARRAY = (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, OverflowError)

_BAD_ARCHIVE = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError,
)  # fmt: skip


def array_header(path: Path) -> tuple[tuple[int, ...], np.dtype] | None:
    """Shape and type that a .npy file declares; None where it is no such file."""
    with path.open("rb") as file:
        try:
            return _header(file)
        except _BAD_ARRAY:
            return None


def array_names(path: Path) -> set[str]:
    """Names of the arrays of an .npz file; none where it is no such file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (*_BAD_ARCHIVE, OSError):  # A damaged directory can point anywhere, also before the file.
        return set()


def load_array(path: Path, format: str) -> np.ndarray:
    """The array of a .npy file.

    Raises:
        MotionFormatError: it is no such file, it is cut short, or it holds Python objects.
    """
    with path.open("rb") as file:
        return _array(file, path.stat().st_size, path, format)


def load_arrays(path: Path, format: str, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name.

    Args:
        path: the file.
        format: name of the reader.
        names: which arrays are wanted, where the file may hold others that are none of its business; None for all.

    Raises:
        MotionFormatError: it is no such file, it is damaged, it unpacks to an unlikely size, or it holds Python objects.
    """
    limit = max(_MOST_BYTES, 4 * path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [
                entry for entry in archive.infolist() if names is None or entry.filename.removesuffix(".npy") in names
            ]
            total = sum(entry.file_size for entry in entries)
            if total > limit:
                raise MotionFormatError(path, f"unpacks to {total >> 20} MB, which is refused", format=format)
            arrays = {}
            for entry in entries:
                with archive.open(entry) as file:
                    name = entry.filename.removesuffix(".npy")
                    arrays[name] = _array(file, entry.file_size, path, format, name)  # type: ignore[arg-type]
            return arrays
    except _BAD_ARCHIVE as problem:
        raise MotionFormatError(path, "is no whole .npz file", format=format) from problem


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _array(file: BinaryIO, size: int, path: Path, format: str, name: str = "") -> np.ndarray:
    what = f"array {name!r}" if name else "the array"
    try:
        shape, dtype = _header(file)
        if any(length < 0 for length in shape):
            raise MotionFormatError(path, f"{what} has the impossible shape {shape}", format=format)
        if dtype.hasobject:
            raise MotionFormatError(path, f"{what} holds Python objects, which are never loaded", format=format)
        if dtype.itemsize * math.prod(shape) > size - file.tell():
            raise MotionFormatError(path, f"{what} is cut short: its header promises shape {shape}", format=format)
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    except _BAD_ARRAY as problem:
        raise MotionFormatError(path, f"{what} is no whole numpy array", format=format) from problem
