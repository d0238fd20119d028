"""The glTF 2.0 container: JSON, buffers, accessors. Nothing in it is believed before it has been checked.

Source: Khronos Group, "glTF 2.0 Specification", sections 3.6 (buffers, accessors) and 4 (GLB).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

import numpy as np

from skeletonllm_core.errors import MotionFormatError

FORMAT = "gltf"

_MAGIC = b"glTF"
_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_MOST_ZEROS = 1 << 22  # rows of an accessor that no buffer backs
_DATA_URI = re.compile(r"data:[^,]*;base64,")


class Document:
    """A glTF file; every method raises MotionFormatError where the file does not hold what it claims."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        self.size = len(data)
        self._binary: bytes | None = None
        text = self._chunks(data) if data.startswith(_MAGIC) else data
        try:
            self.root: Any = json.loads(text.decode("utf-8-sig"))
        except (ValueError, RecursionError) as problem:
            raise MotionFormatError(path, "is no glTF: its JSON part cannot be read", format=FORMAT) from problem
        if not isinstance(self.root, dict) or not isinstance(self.root.get("asset"), dict):
            self.fail("is no glTF: 'asset' is missing")
        version = str(self.root["asset"].get("version"))
        if version.partition(".")[0] != "2":
            self.fail(f"is glTF of version {_shown(version)}; only version 2 is read")
        self._buffers: dict[int, bytes] = {}

    def fail(self, problem: str) -> NoReturn:
        raise MotionFormatError(self.path, problem, format=FORMAT)

    def _chunks(self, data: bytes) -> bytes:
        """The JSON of a GLB; its binary part is kept."""
        if len(data) < 20:
            self.fail("is cut short: the GLB header is not whole")
        version, length = struct.unpack_from("<II", data, 4)
        if version != 2:
            self.fail(f"is GLB of version {version}; only version 2 is read")
        if length > len(data):
            self.fail(f"is cut short: its header promises {length} bytes, there are {len(data)}")
        text, at = None, 12
        while at + 8 <= length:
            size, kind = struct.unpack_from("<II", data, at)
            if size > length - at - 8:
                self.fail(f"is damaged: a chunk at byte {at} promises {size} bytes, {length - at - 8} are left")
            chunk = data[at + 8 : at + 8 + size]
            if kind == _JSON and text is None:
                text = chunk
            elif kind == _BINARY and self._binary is None:
                self._binary = chunk
            at += 8 + size
        if text is None:
            self.fail("is damaged: there is no JSON chunk")
        return text

    # --- JSON

    @cached_property
    def nodes(self) -> list[dict]:
        return self.objects(self.root, "nodes", "nodes")

    def objects(self, owner: dict, key: str, where: str) -> list[dict]:
        """The list of JSON objects under a key; empty where there is none."""
        found = owner.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            self.fail(f"{where} is no list of objects")
        return found

    def mapping(self, owner: dict, key: str, where: str) -> dict:
        """The JSON object under a key; empty where there is none."""
        found = owner.get(key, {})
        if not isinstance(found, dict):
            self.fail(f"{where} is no object")
        return found

    def index(self, value: object, count: int, where: str) -> int:
        """A number that must be the index of one of so many things."""
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
            self.fail(f"{where} is {_shown(value)}, which is no index below {count}")
        return value

    def indices(self, owner: dict, key: str, count: int, where: str) -> list[int]:
        found = owner.get(key, [])
        if not isinstance(found, list):
            self.fail(f"{where} is no list")
        return [self.index(one, count, where) for one in found]

    def numbers(self, owner: dict, key: str, default: list[float], where: str) -> list[float]:
        """So many finite numbers as the default has."""
        found = owner.get(key, default)
        fits = isinstance(found, list) and len(found) == len(default)
        if not fits or not all(isinstance(one, int | float) and abs(one) < 1e30 for one in found):
            self.fail(f"{where} is not made of {len(default)} plausible numbers")
        return [float(one) for one in found]

    def text(self, owner: dict, key: str) -> str:
        """A name; "" where there is none."""
        found = owner.get(key, "")
        return found if isinstance(found, str) else ""

    def size_of(self, owner: dict, key: str, where: str, default: int | None = None) -> int:
        found = owner.get(key, default)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 40:
            self.fail(f"{where} is {_shown(found)}, which is no size")
        return found

    # --- arrays

    def accessor(self, value: object, kind: str, where: str) -> np.ndarray:
        """(count, width) float64 values of an accessor, normalized integers as the fractions that they stand for.

        Args:
            value: its index, as the file says.
            kind: "SCALAR", "VEC3", "VEC4" or "MAT4", which it must be.
            where: what refers to it, for the error.
        """
        accessors = self.objects(self.root, "accessors", "accessors")
        number = self.index(value, len(accessors), where)
        accessor, where = accessors[number], f"accessors[{number}]"
        if accessor.get("type") != kind:
            self.fail(f"{where} is {_shown(accessor.get('type'))}, expected {kind}")
        count, width = self.size_of(accessor, "count", f"{where}.count"), _WIDTHS[kind]
        dtype = self._dtype(accessor, where)
        offset = self.size_of(accessor, "byteOffset", f"{where}.byteOffset", 0)
        if "bufferView" in accessor:
            values = self._rows(accessor["bufferView"], offset, dtype, count, width, where)
        elif count > _MOST_ZEROS:
            self.fail(f"{where}.count is {count}, which nothing in the file backs")
        else:
            values = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            values = self._with_sparse(values.copy(), self.mapping(accessor, "sparse", where), dtype, f"{where}.sparse")
        if dtype.kind == "f" and not (np.abs(values) < 1e30).all():
            self.fail(f"{where} holds something that is no plausible number")
        numbers = values.astype(np.float64)
        if accessor.get("normalized") is True and dtype.kind != "f":
            numbers = np.maximum(numbers / np.iinfo(dtype).max, -1.0)
        return numbers

    def _dtype(self, owner: dict, where: str) -> np.dtype:
        name = owner.get("componentType")
        if not isinstance(name, int) or name not in _TYPES:
            self.fail(f"{where}.componentType is {_shown(name)}, which is none of glTF's")
        return np.dtype(_TYPES[name])

    def _with_sparse(self, values: np.ndarray, sparse: dict, dtype: np.dtype, where: str) -> np.ndarray:
        count = self.size_of(sparse, "count", f"{where}.count")
        index, new = self.mapping(sparse, "indices", where), self.mapping(sparse, "values", where)
        at = self.size_of(index, "byteOffset", where, 0)
        rows = self._rows(index.get("bufferView"), at, self._dtype(index, where), count, 1, where)[:, 0]
        if rows.dtype.kind != "u" or (rows >= len(values)).any():
            self.fail(f"{where} replaces rows that are not there")
        at = self.size_of(new, "byteOffset", where, 0)
        values[rows] = self._rows(new.get("bufferView"), at, dtype, count, values.shape[1], where)
        return values

    def _rows(self, view: object, offset: int, dtype: np.dtype, count: int, width: int, where: str) -> np.ndarray:
        """(count, width) of the bytes behind a buffer view."""
        views = self.objects(self.root, "bufferViews", "bufferViews")
        number = self.index(view, len(views), f"{where}.bufferView")
        chosen, place = views[number], f"bufferViews[{number}]"
        for extension in self.mapping(chosen, "extensions", place):
            if "meshopt" in extension:
                self.fail(f"{place} is compressed ({_shown(extension)}); save the file without compression")
        buffer = self._buffer(chosen.get("buffer"), f"{place}.buffer")
        start = self.size_of(chosen, "byteOffset", f"{place}.byteOffset", 0)
        length = self.size_of(chosen, "byteLength", f"{place}.byteLength")
        if start + length > len(buffer):
            self.fail(f"{place} ends at byte {start + length} of a buffer of {len(buffer)}")
        row = dtype.itemsize * width
        stride = self.size_of(chosen, "byteStride", f"{place}.byteStride", row)
        if count and (stride < row or offset + stride * (count - 1) + row > length):
            self.fail(f"{where} needs {offset + stride * (count - 1) + row} bytes of {place}, which has {length}")
        part = buffer[start + offset : start + length]
        return (
            np.ndarray((count, width), dtype, part, strides=(stride, dtype.itemsize)) if count else np.zeros((0, width))
        )

    def _buffer(self, value: object, where: str) -> bytes:
        buffers = self.objects(self.root, "buffers", "buffers")
        number = self.index(value, len(buffers), where)
        if number not in self._buffers:
            self._buffers[number] = self._loaded(buffers[number], f"buffers[{number}]", number == 0)
        return self._buffers[number]

    def _loaded(self, buffer: dict, where: str, first: bool) -> bytes:
        length = self.size_of(buffer, "byteLength", f"{where}.byteLength")
        uri = buffer.get("uri")
        if uri is None:
            if not first or self._binary is None:
                self.fail(f"{where} has no data")
            data = self._binary
        elif not isinstance(uri, str):
            self.fail(f"{where}.uri is no text")
        elif uri.startswith("data:"):
            head = _DATA_URI.match(uri)
            if head is None:
                self.fail(f"{where}.uri is a data URI without base64")
            try:
                data = base64.b64decode(uri[head.end() :], validate=True)
            except (binascii.Error, ValueError):
                self.fail(f"{where}.uri holds damaged base64")
        else:
            data = self._beside(uri, where, length)
        if len(data) < length:
            self.fail(f"{where} promises {length} bytes, there are {len(data)}")
        self.size += 0 if data is self._binary else len(data)
        return data

    def _beside(self, uri: str, where: str, length: int) -> bytes:
        """The bytes of a file in the same folder or below it; a URI that leads elsewhere is refused."""
        name = unquote(uri)
        folder = self.path.parent.resolve()
        if re.search(r"[:\\\0]", name) or name.startswith("/") or ".." in name.split("/"):
            self.fail(f"{where}.uri {_shown(uri)} leads out of the folder of the file, which is refused")
        beside = folder / name
        if folder not in beside.resolve().parents:
            self.fail(f"{where}.uri {_shown(uri)} leads out of the folder of the file, which is refused")
        if not beside.is_file():
            self.fail(f"{where} lies in {_shown(uri)}, which is not there; keep it beside the file")
        with beside.open("rb") as file:
            return file.read(min(length, beside.stat().st_size))


def _shown(value: object) -> str:
    """Something from the file, fit for a message: printable and short."""
    text = ascii(value)
    return text if len(text) <= 48 else text[:48] + "…"
