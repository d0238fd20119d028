"""Where the nodes of a .glb are, by the text of glTF 2.0 alone and in 64 bits: a reference that shares no code with ours."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def node_positions(path: Path, animation: str, fps: float) -> dict[str, np.ndarray]:
    """The (T, 3) places of every node with a name, sampled from the first key to the last.

    For files with floats as keys, interpolated in steps or linearly.
    """
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    root, buffer = json.loads(data[20 : 20 + length]), data[28 + length :]

    def values(index: int) -> np.ndarray:
        accessor = root["accessors"][index]
        view, width = root["bufferViews"][accessor["bufferView"]], _WIDTHS[accessor["type"]]
        assert "byteStride" not in view and "sparse" not in accessor
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        found = np.frombuffer(buffer, _TYPES[accessor["componentType"]], accessor["count"] * width, start)
        return found.reshape(-1, width).astype(np.float64)

    (chosen,) = (one for one in root["animations"] if one["name"] == animation)
    tracks = {}
    for channel in chosen["channels"]:
        sampler = chosen["samplers"][channel["sampler"]]
        mode = sampler.get("interpolation", "LINEAR")
        assert mode in ("STEP", "LINEAR")
        target = channel["target"]
        tracks[target["node"], target["path"]] = (values(sampler["input"])[:, 0], values(sampler["output"]), mode)
    first = min(times[0] for times, _, _ in tracks.values())
    last = max(times[-1] for times, _, _ in tracks.values())
    moments = first + np.arange(round((last - first) * fps) + 1) / fps
    parents = {child: index for index, node in enumerate(root["nodes"]) for child in node.get("children", ())}
    known: dict[int, np.ndarray] = {}

    def world(index: int) -> np.ndarray:
        if index not in known:
            node = root["nodes"][index]
            assert "matrix" not in node
            parts = []
            for part, usual in (("translation", [0, 0, 0]), ("rotation", [0, 0, 0, 1]), ("scale", [1, 1, 1])):
                track = tracks.get((index, part))
                still = np.tile(np.array(node.get(part, usual), dtype=np.float64), (len(moments), 1))
                parts.append(still if track is None else _sampled(*track, moments, turning=part == "rotation"))
            known[index] = _matrices(*parts)
            if index in parents:
                known[index] = world(parents[index]) @ known[index]
        return known[index]

    return {node["name"]: world(index)[:, :3, 3] for index, node in enumerate(root["nodes"]) if "name" in node}


def _sampled(times: np.ndarray, keys: np.ndarray, mode: str, moments: np.ndarray, turning: bool) -> np.ndarray:
    after = np.clip(np.searchsorted(times, moments, side="right"), 1, max(len(times) - 1, 1))
    if len(times) == 1:
        return np.repeat(keys, len(moments), axis=0)
    share = np.clip((moments - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)[:, None]
    a, b = keys[after - 1], keys[after]
    if mode == "STEP":
        return np.where(share < 1, a, b)
    if not turning:
        return (1 - share) * a + share * b
    cosine = (a * b).sum(1, keepdims=True)
    b, angle = np.where(cosine < 0, -b, b), np.arccos(np.clip(np.abs(cosine), 0, 1))
    sine = np.where(angle < 1e-9, 1, np.sin(angle))
    linear = angle < 1e-9
    turned = np.where(linear, 1 - share, np.sin((1 - share) * angle) / sine) * a
    turned += np.where(linear, share, np.sin(share * angle) / sine) * b
    return turned / np.linalg.norm(turned, axis=1, keepdims=True)


def _matrices(translation: np.ndarray, rotation: np.ndarray, scale: np.ndarray) -> np.ndarray:
    x, y, z, w = (rotation / np.linalg.norm(rotation, axis=1, keepdims=True)).T
    turned = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    found = np.tile(np.eye(4), (len(x), 1, 1))
    found[:, :3, :3] = np.moveaxis(np.array(turned), 2, 0) * scale[:, None]
    found[:, :3, 3] = translation
    return found
