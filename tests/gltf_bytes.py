"""glTF files that tests write for themselves: of the skeleton in `tests.clips`, and of nodes, skins and samplers at will."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skeletonllm_core.motion import rotation
from tests.clips import RIG, Pose, walk

_CODES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
_KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class Builder:
    """A glTF document that grows; `root` is its JSON, to be spoilt at will."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.root: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "nodes": [],
            "animations": [],
            "accessors": [],
            "bufferViews": [],
        }

    def view(self, data: bytes) -> int:
        self.root["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        self.data += data + bytes(-len(data) % 4)
        return len(self.root["bufferViews"]) - 1

    def accessor(self, values: Any, dtype: str = "f4", **more: Any) -> int:
        """Rows of numbers as they are stored."""
        array = np.asarray(values, dtype="<" + dtype)
        width = 1 if array.ndim == 1 else array.shape[1]
        entry = {"componentType": _CODES[dtype], "count": len(array), "type": _KINDS[width]}
        self.root["accessors"].append({"bufferView": self.view(array.tobytes()), **entry, **more})
        return len(self.root["accessors"]) - 1

    def node(self, name: str, children: Sequence[int] = (), **more: Any) -> int:
        self.root["nodes"].append({"name": name, **({"children": list(children)} if children else {}), **more})
        return len(self.root["nodes"]) - 1

    def animation(self, name: str) -> dict[str, Any]:
        self.root["animations"].append({"name": name, "channels": [], "samplers": []})
        return self.root["animations"][-1]

    def channel(
        self, animation: dict[str, Any], node: int, part: str, times: Any, values: Any, mode: str | None = None
    ) -> None:
        """Key frames of a node; `times` and `values` are arrays, or the index of an accessor."""
        times, values = (one if isinstance(one, int) else self.accessor(one) for one in (times, values))
        sampler = {"input": times, "output": values, **({"interpolation": mode} if mode else {})}
        animation["samplers"].append(sampler)
        animation["channels"].append(
            {"sampler": len(animation["samplers"]) - 1, "target": {"node": node, "path": part}}
        )

    def json(self, **buffer: Any) -> bytes:
        """The text of a .gltf whose only buffer is said to lie elsewhere."""
        return json.dumps(self.root | {"buffers": [{"byteLength": len(self.data), **buffer}]}).encode()

    def glb(self) -> bytes:
        text = self.json()
        text += b" " * (-len(text) % 4)
        return (
            struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(self.data))
            + struct.pack("<I4s", len(text), b"JSON")
            + text
            + struct.pack("<I4s", len(self.data), b"BIN\0")
            + bytes(self.data)
        )


def xyzw(pose: tuple[float, float, float]) -> np.ndarray:
    """(4,) of rotations about Z, X, Y [degrees]."""
    return np.roll(rotation.from_euler(np.radians(pose), "ZXY"), -1)


def person(builder: Builder, prefix: str = "", scale: float = 1.0, skin: bool = True) -> dict[str, int]:
    """Nodes of the skeleton, children before parents, under a node that scales them, and its skin; joint → node."""
    nodes: dict[str, int] = {}
    rest: dict[str, np.ndarray] = {}
    for name, (parent, offset, _) in RIG.items():
        rest[name] = np.array(offset) / 100 / scale + (rest[parent] if parent is not None else 0.0)
    for name in reversed(RIG):
        children = [nodes[child] for child, (parent, _, _) in RIG.items() if parent == name]
        nodes[name] = builder.node(prefix + name, children, translation=[x / 100 / scale for x in RIG[name][1]])
    builder.node("Armature" + prefix, [nodes["Hips"]], scale=[scale] * 3)
    if skin:
        inverse = np.tile(np.eye(4), (len(RIG), 1, 1))
        inverse[:, 3, :3] = [-rest[name] for name in nodes]
        builder.root.setdefault("skins", []).append(
            {"joints": list(nodes.values()), "inverseBindMatrices": builder.accessor(inverse.reshape(-1, 16))}
        )
    return nodes


def animate(
    builder: Builder,
    nodes: dict[str, int],
    name: str = "Walk",
    motion: Callable[[float], Pose] = walk,
    frames: int = 6,
    fps: float = 25.0,
    scale: float = 1.0,
) -> dict[str, Any]:
    """An animation with a key in every frame."""
    animation = builder.animation(name)
    poses = [motion(frame / fps) for frame in range(frames)]
    times = builder.accessor(np.arange(frames) / fps)
    for joint, node in nodes.items():
        values = np.array([xyzw(pose.get(joint, (0.0, 0.0, 0.0))) for pose in poses])
        builder.channel(animation, node, "rotation", times, builder.accessor(values))
    hips = np.array([pose["at"] for pose in poses]) / 100 / scale
    builder.channel(animation, nodes["Hips"], "translation", times, builder.accessor(hips))
    return animation


def walker() -> Builder:
    """The person that walks six frames at 25 a second."""
    builder = Builder()
    animate(builder, person(builder))
    return builder
