"""Writing .glb: a skeleton with one animation, and a skinned capsule a bone, so that any viewer shows something."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError, PluginError
from skeletonllm_core.motion.from_keypoints import fitted_motion
from skeletonllm_core.motion.motion import Clip, Keypoints, Motion
from skeletonllm_core.motion.rig import map_rig

_FORMAT = "gltf"
_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_THICKNESS = 0.12  # radius of a capsule as a share of its length
_THINNEST, _THICKEST = 0.004, 0.045  # [m]
_STILL = 1e-7  # [m], as in the BVH writer


def write(clip: Clip, path: Path) -> None:
    """Writes one animation, metres, Y up; Keypoints get rotations that follow them.

    Only what the rig mapping draws gets capsules. Bones that end in no joint end in a node called like their joint
    with ``_end``.

    Args:
        clip: persons with the same frames and rate.
        path: the file.

    Raises:
        MotionFormatError: the persons differ in frames or frame rate.
        PluginError: trimesh is not installed.
        TopologyError: a joint of Keypoints is missing throughout.
    """
    if find_spec("trimesh") is None:
        raise PluginError('writing .glb needs: pip install "skeletonllm[mesh]"')
    motions = [fitted_motion(one) if isinstance(one, Keypoints) else one for one in clip.persons]
    if len({(len(motion), motion.fps) for motion in motions}) != 1:
        raise MotionFormatError(
            path, "the persons differ in frames or frame rate; choose one with --person", format=_FORMAT
        )
    file = _Glb(clip.name or motions[0].name)
    file.times = file.accessor(np.arange(len(motions[0])) / motions[0].fps, "SCALAR", _FLOAT, bounds=True)
    for number, motion in enumerate(motions):
        file.add(motion, f"person{number}")
    path.write_bytes(file.bytes())


class _Glb:
    """A file that grows person by person."""

    def __init__(self, name: str) -> None:
        self.data = bytearray()
        self.times = 0
        self.animation: dict = {"name": name, "channels": [], "samplers": []}
        self.root: dict = {
            "asset": {"version": "2.0", "generator": "SkeletonLLM"},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
            "meshes": [],
            "skins": [],
            "animations": [self.animation],
            "accessors": [],
            "bufferViews": [],
        }

    def accessor(self, values: np.ndarray, kind: str, component: int, bounds: bool = False) -> int:
        """Appends an array; the index of its accessor."""
        values = np.ascontiguousarray(values, {_FLOAT: "<f4", _USHORT: "<u2", _UINT: "<u4"}[component])
        self.root["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes})
        self.data += values.tobytes() + bytes(-values.nbytes % 4)
        entry: dict = {
            "bufferView": len(self.root["bufferViews"]) - 1,
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if bounds:
            rows = values.reshape(len(values), -1)
            entry |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        self.root["accessors"].append(entry)
        return len(self.root["accessors"]) - 1

    def node(self, entry: dict) -> int:
        self.root["nodes"].append(entry)
        return len(self.root["nodes"]) - 1

    def add(self, motion: Motion, name: str) -> None:
        """Appends the nodes, the mesh and the animation of a person."""
        skeleton = motion.skeleton
        joints = [
            self.node({"name": joint, "translation": offset})
            for joint, offset in zip(skeleton.names, skeleton.rest_offsets.tolist(), strict=True)
        ]
        held = [
            (joints[joint], self.node({"name": f"{skeleton.names[joint]}_end", "translation": offset.tolist()}))
            for joint, offset in zip(
                np.asarray(skeleton.tip_joints).tolist(), np.asarray(skeleton.tip_offsets), strict=True
            )
        ]
        held += [(joints[parent], joints[joint]) for joint, parent in enumerate(skeleton.parents) if parent >= 0]
        for parent, child in sorted(held):
            self.root["nodes"][parent].setdefault("children", []).append(child)
        under = [joints[root] for root in np.flatnonzero(skeleton.parents < 0)]
        mesh = self.mesh(motion)
        if mesh is not None:
            rest = np.zeros((len(joints), 3))
            for joint, parent in enumerate(skeleton.parents):
                rest[joint] = skeleton.rest_offsets[joint] + (rest[parent] if parent >= 0 else 0.0)
            inverse = np.tile(np.eye(4), (len(joints), 1, 1))
            inverse[:, 3, :3] = -rest  # columns lie one after the other
            self.root["skins"].append(
                {"joints": joints, "inverseBindMatrices": self.accessor(inverse.reshape(-1, 16), "MAT4", _FLOAT)}
            )
            # Outside the tree of joints, as the specification advises: the skin alone says where a skinned mesh is.
            skinned = {"name": f"{name}_mesh", "mesh": mesh, "skin": len(self.root["skins"]) - 1}
            self.root["scenes"][0]["nodes"].append(self.node(skinned))
        self.root["scenes"][0]["nodes"].append(self.node({"name": name, "children": under}))

        for joint, node in enumerate(joints):
            self.channel(node, "rotation", np.roll(motion.rotations[:, joint], -1, axis=-1), "VEC4")
            if joint == 0:
                self.channel(node, "translation", motion.root_translation, "VEC3")
            elif motion.local_translations is not None:
                moved = motion.local_translations[:, joint]
                if np.abs(moved - skeleton.rest_offsets[joint]).max() > _STILL:
                    self.channel(node, "translation", moved, "VEC3")

    def channel(self, node: int, part: str, values: np.ndarray, kind: str) -> None:
        samplers = self.animation["samplers"]
        samplers.append({"input": self.times, "output": self.accessor(values, kind, _FLOAT), "interpolation": "LINEAR"})
        self.animation["channels"].append({"sampler": len(samplers) - 1, "target": {"node": node, "path": part}})

    def mesh(self, motion: Motion) -> int | None:
        """Appends the capsules of a person; the index of the mesh, None where no bone has a length."""
        shapes = [shape for bone in _bones(motion) if (shape := _capsule(*bone)) is not None]
        if not shapes:
            return None
        count = np.cumsum([0, *(len(points) for points, _, _, _ in shapes)])
        points, normals, joints = (np.concatenate([shape[part] for shape in shapes]) for part in range(3))
        faces = np.concatenate([shape[3] + start for shape, start in zip(shapes, count[:-1], strict=True)])
        weights = np.zeros((len(points), 4))
        weights[:, 0] = 1.0
        self.root["meshes"].append(
            {
                "primitives": [
                    {
                        "attributes": {
                            "POSITION": self.accessor(points, "VEC3", _FLOAT, bounds=True),
                            "NORMAL": self.accessor(normals, "VEC3", _FLOAT),
                            "JOINTS_0": self.accessor(np.pad(joints[:, None], ((0, 0), (0, 3))), "VEC4", _USHORT),
                            "WEIGHTS_0": self.accessor(weights, "VEC4", _FLOAT),
                        },
                        "indices": self.accessor(faces.reshape(-1), "SCALAR", _UINT),
                    }
                ]
            }
        )
        return len(self.root["meshes"]) - 1

    def bytes(self) -> bytes:
        self.root["buffers"] = [{"byteLength": len(self.data)}]
        root = {key: value for key, value in self.root.items() if value != []}
        text = json.dumps(root, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 4)
        length = 12 + 8 + len(text) + 8 + len(self.data)
        return b"".join(
            [
                struct.pack("<4sII", b"glTF", 2, length),
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", len(self.data), b"BIN\0"),
                bytes(self.data),
            ]
        )


def _bones(motion: Motion) -> Sequence[tuple[np.ndarray, np.ndarray, int, int]]:
    """Rest position of both ends of every bone that is drawn, and the joints that they follow."""
    skeleton = motion.skeleton
    rest = skeleton.rest_offsets.copy()
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    rig = map_rig(motion.topology, motion.joint_positions())
    bones = []
    for joint, parent in enumerate(skeleton.parents.tolist()):
        above = int(rig.parents[joint])
        # A joint that hangs beside the body moves its end of the bone itself; any other is carried by its parent.
        end = parent if above == parent else joint
        while above >= 0 and not rig.drawn[above]:
            above = int(rig.parents[above])
        if above >= 0 and rig.drawn[joint]:
            bones.append((rest[above], rest[joint], above, end))
    for joint, offset in zip(np.asarray(skeleton.tip_joints).tolist(), np.asarray(skeleton.tip_offsets), strict=True):
        if rig.drawn[joint]:
            bones.append((rest[joint], rest[joint] + offset, joint, joint))
    return bones


def _capsule(
    start: np.ndarray, end: np.ndarray, first: int, second: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Points, normals, joint of each point and faces of a capsule between two places; None for one without length."""
    from trimesh.creation import capsule
    from trimesh.geometry import align_vectors

    length = float(np.linalg.norm(end - start))
    if length < 1e-6:
        return None
    radius = float(np.clip(_THICKNESS * length, _THINNEST, _THICKEST))
    shape = capsule(height=length, radius=radius, count=(8, 8))  # along Z
    points = shape.vertices - shape.bounds.mean(axis=0)
    turn = align_vectors([0.0, 0.0, 1.0], (end - start) / length)[:3, :3]
    joints = np.where(points[:, 2] < 0, first, second)
    return points @ turn.T + (start + end) / 2, shape.vertex_normals @ turn.T, joints, shape.faces
