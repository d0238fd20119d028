"""glTF 2.0, .glb and .gltf: every animation is a clip; skins, or where there are none the nodes that move, are persons.

Joints are placed by the world transforms of their nodes, so it does not matter how a rig hangs together or what scales lie
above it. The rest pose is the bind pose of the skin below its topmost joints, and the nodes' own pose otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip
from skeletonllm_mocap_io.declared import placed_together
from skeletonllm_mocap_io.gltf_file import FORMAT, Document
from skeletonllm_mocap_io.gltf_sampling import INTERPOLATIONS, OTHERWISE, baked_rate, sampled, sparse_rate
from skeletonllm_mocap_io.gltf_write import write
from skeletonllm_mocap_io.nodes import TIP, bodies, with_ancestors
from skeletonllm_mocap_io.transforms import composed, turns, world_matrices

__all__ = ["read", "write"]

_FEWEST_POSES = 2_000_000  # frames × nodes that any file may have; beyond, it must be long enough to hold them
_PARTS = {"translation": (0, 3, "VEC3"), "rotation": (3, 7, "VEC4"), "scale": (7, 10, "VEC3")}


@dataclass(frozen=True)
class _Channel:
    """Key frames of one part of one node; quaternions as (w, x, y, z)."""

    node: int
    part: str
    times: np.ndarray
    values: np.ndarray
    interpolation: str


def read(path: Path) -> list[Clip]:
    """The clips of a glTF file, in metres, Y up.

    Raises:
        MotionFormatError: it is no glTF 2.0, is damaged, or holds no animation of a skeleton.
    """
    file = Document(path)
    parents = _parents(file)
    animations = file.objects(file.root, "animations", "animations")
    if not animations:
        file.fail("there is no animation in it")
    takes = [_channels(file, animation, f"animations[{number}]") for number, animation in enumerate(animations)]
    skins = file.objects(file.root, "skins", "skins")
    families = [
        file.indices(skin, "joints", len(file.nodes), f"skins[{number}].joints") for number, skin in enumerate(skins)
    ]
    try:
        joints = sorted({joint for family in families for joint in family}) or _moving(parents, takes)
        order = with_ancestors(parents, joints)
    except TopologyError as problem:
        file.fail(str(problem))
    if len(joints) > MAX_JOINTS or len(order) > 2 * MAX_JOINTS:
        file.fail(f"there are {len(joints)} joints in it; more than {MAX_JOINTS} are refused")
    if not joints:
        file.fail("there is no skeleton in it, and nothing that moves")
    below = np.flatnonzero(np.isin(parents, joints) & ~np.isin(np.arange(len(parents)), order))
    ends = [node for node in below.tolist() if file.text(file.nodes[node], "name").endswith(TIP)]
    order = np.concatenate([order, np.array(ends, dtype=np.int64)])
    place = {int(node): index for index, node in enumerate(order)}
    above = np.array([place.get(parent, -1) for parent in parents[order].tolist()], dtype=np.int64)
    names = [file.text(file.nodes[node], "name") or f"node{node}" for node in order]
    found, alone = bodies(
        names,
        above,
        [place[joint] for joint in joints],
        [[place[one] for one in family] for family in families],
        FORMAT,
    )
    posed = np.array([_posed(file, int(node)) for node in order])
    rest = world_matrices(above, _matrices(posed), _bind_poses(file, skins, families, parents, place))

    rates = [rate for channels in takes if channels and (rate := baked_rate([channel.times for channel in channels]))]
    lineages = [set(with_ancestors(above, body.nodes.tolist()).tolist()) for body in found]
    clips, warnings = [], []
    room = max(_FEWEST_POSES, file.size) // len(order)
    for number, channels in enumerate(takes):
        name = file.text(animations[number], "name")
        channels = [channel for channel in channels if channel.node in place]
        moved = {place[channel.node] for channel in channels}
        persons = [body for body, lineage in zip(found, lineages, strict=True) if moved & lineage]
        if not persons:
            warnings.append(f"The animation {name!r} moves no skeleton and was left out.")
            continue
        times = [channel.times for channel in channels]
        fps = baked_rate(times) or sparse_rate(times, sorted(set(rates), key=rates.count)[-1:])
        if fps is None:
            fps = OTHERWISE
            warnings.append(
                f"The keys of the animation {name!r} follow no frame rate; it was sampled at {fps:g} a second."
            )
        begin = min(channel.times[0] for channel in channels)
        frames = round((max(channel.times[-1] for channel in channels) - begin) * fps) + 1
        if frames > room:
            file.fail(f"the animation {name!r} claims {frames} frames, more than a file of this size can hold")
        room -= frames
        world = world_matrices(above, _matrices(_rows(posed, channels, place, begin + np.arange(frames) / fps)))
        clips.append((name, [body.motion(rest, world, fps, name) for body in persons]))
    if not clips:
        file.fail("none of its animations moves a skeleton")
    if alone:
        warnings.append(f"Joints that stand alone were left out: {', '.join(alone[:10])}.")
    return placed_together(clips, format=FORMAT, metres=1.0, up_axis="y", warnings=warnings)


def _parents(file: Document) -> np.ndarray:
    """(N,) the parent of each node, -1 at roots."""
    parents = np.full(len(file.nodes), -1, dtype=np.int64)
    for number, node in enumerate(file.nodes):
        for child in file.indices(node, "children", len(file.nodes), f"nodes[{number}].children"):
            if parents[child] >= 0:
                file.fail(f"nodes[{child}] has two parents, so the nodes are no tree")
            parents[child] = number
    return parents


def _channels(file: Document, animation: dict, where: str) -> list[_Channel]:
    """The channels that move, turn or scale nodes."""
    samplers = file.objects(animation, "samplers", f"{where}.samplers")
    found = []
    for number, channel in enumerate(file.objects(animation, "channels", f"{where}.channels")):
        place = f"{where}.channels[{number}]"
        target = file.mapping(channel, "target", f"{place}.target")
        part = target.get("path")
        if not isinstance(part, str) or part not in _PARTS or "node" not in target:
            continue  # morph weights, or what an extension animates
        node = file.index(target["node"], len(file.nodes), f"{place}.target.node")
        which = file.index(channel.get("sampler"), len(samplers), f"{place}.sampler")
        sampler, place = samplers[which], f"{where}.samplers[{which}]"
        interpolation = sampler.get("interpolation", "LINEAR")
        if interpolation not in INTERPOLATIONS:
            file.fail(f"{place}.interpolation is none of {', '.join(INTERPOLATIONS)}")
        times = file.accessor(sampler.get("input"), "SCALAR", f"{place}.input")[:, 0]
        values = file.accessor(sampler.get("output"), _PARTS[part][2], f"{place}.output")
        expected = len(times) * (3 if interpolation == "CUBICSPLINE" else 1)
        if not len(times) or len(values) != expected:
            file.fail(f"{place} has {len(times)} times and {len(values)} values, which do not fit together")
        if (np.diff(times) < 0).any():
            file.fail(f"{place} has key times that go back")
        if part == "rotation":
            values = np.roll(values, 1, axis=-1)
        found.append(_Channel(node, part, times, values, interpolation))
    return found


def _moving(parents: np.ndarray, takes: list[list[_Channel]]) -> list[int]:
    """Without a skin: the nodes that move and all that hang from them, and what holds several of them together."""
    moved = {channel.node for channels in takes for channel in channels}
    wanted = np.zeros(len(parents), dtype=bool)
    order = with_ancestors(parents, range(len(parents)))
    below = np.zeros(len(parents), dtype=np.int64)  # branches that move, at or below each node
    for node in order[::-1].tolist():
        below[node] += node in moved
        if parents[node] >= 0:
            below[parents[node]] += below[node] > 0
    for node in order.tolist():
        parent = int(parents[node])
        wanted[node] = node in moved or below[node] > 1 or (parent >= 0 and wanted[parent])
    return np.flatnonzero(wanted).tolist()


def _posed(file: Document, number: int) -> np.ndarray:
    """(10,) translation, rotation (w, x, y, z) and scale of a node as it stands in the file."""
    node, where = file.nodes[number], f"nodes[{number}]"
    if "matrix" in node:
        matrix = np.array(file.numbers(node, "matrix", [0.0] * 16, f"{where}.matrix")).reshape(4, 4).T
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        if np.linalg.det(matrix[:3, :3]) < 0:
            scale = -scale
        return np.concatenate([matrix[:3, 3], turns(matrix[:3, :3]), scale])
    x, y, z, w = file.numbers(node, "rotation", [0.0, 0.0, 0.0, 1.0], f"{where}.rotation")
    return np.concatenate(
        [
            file.numbers(node, "translation", [0.0] * 3, f"{where}.translation"),
            rotation.normalize(np.array([w, x, y, z])),
            file.numbers(node, "scale", [1.0] * 3, f"{where}.scale"),
        ]
    )


def _rows(posed: np.ndarray, channels: list[_Channel], place: dict[int, int], moments: np.ndarray) -> np.ndarray:
    """(T, N, 10) the nodes at (T,) moments: (N, 10) as they stand, and moved by the channels."""
    rows = np.broadcast_to(posed, (len(moments), *posed.shape)).copy()
    for channel in channels:
        first, last, _ = _PARTS[channel.part]
        rows[:, place[channel.node], first:last] = sampled(
            channel.times, channel.values, channel.interpolation, moments, channel.part == "rotation"
        )
    return rows


def _bind_poses(
    file: Document, skins: list[dict], families: list[list[int]], parents: np.ndarray, place: dict[int, int]
) -> dict[int, tuple[int, np.ndarray]]:
    """Where the skins put each joint below another joint of theirs: (place of that joint, (4, 4) matrix in its frame)."""
    hung: dict[int, tuple[int, np.ndarray]] = {}
    for number, (skin, joints) in enumerate(zip(skins, families, strict=True)):
        if "inverseBindMatrices" not in skin:
            continue
        where = f"skins[{number}].inverseBindMatrices"
        inverse = file.accessor(skin["inverseBindMatrices"], "MAT4", where)
        if len(inverse) < len(joints):
            file.fail(f"{where} has {len(inverse)} matrices for {len(joints)} joints")
        matrices = dict(zip(joints, inverse.reshape(-1, 4, 4).swapaxes(1, 2), strict=False))
        for joint, matrix in matrices.items():
            holder = int(parents[joint])
            while holder >= 0 and holder not in matrices:
                holder = int(parents[holder])
            if holder >= 0 and place[joint] not in hung and abs(np.linalg.det(matrix)) > 1e-12:
                hung[place[joint]] = (place[holder], matrices[holder] @ np.linalg.inv(matrix))
    return hung


def _matrices(rows: np.ndarray) -> np.ndarray:
    """(..., 4, 4) of (..., 10) translation, rotation, scale."""
    return composed(rows[..., :3], rows[..., 3:7], rows[..., 7:])
