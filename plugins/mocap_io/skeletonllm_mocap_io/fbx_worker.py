"""One FBX file → one .npz, by ufbx, in a process of its own: ``python -I fbx_worker.py IN OUT MEGABYTES``.

ufbx 0.0.5 frees memory that its Python objects still use, and crashes on some files. So every object stays referenced
until the process ends without cleaning up, and no other process ever imports ufbx.

Written are the nodes in file order and, of every stack of animation curves, their local transforms a frame:
``about`` (JSON: names, parents, kinds, helpers, stacks, fps, unit, axes), ``local`` (N, 10) of the file itself,
``bound`` (N,) with ``bind`` (N, 3, 4), ``stack0`` (T, N, 10), ``stack1`` …; a row of 10 is translation, rotation
(w, x, y, z) and scale.
"""

from __future__ import annotations

import json
import os
import sys

_REFUSED = 3
_MAX_NODES = 20_000
_FEWEST_POSES = 600_000  # frames × nodes that any file may have; beyond, it must be long enough to hold them
_SLOWEST, _FASTEST = 1e-3, 1e5

_KEPT: list = []


def refuse(problem: str) -> None:
    print(problem, file=sys.stderr, flush=True)
    os._exit(_REFUSED)


def kept(value):
    _KEPT.append(value)
    return value


def limit_memory(megabytes: int) -> None:
    import resource

    most, allowed = megabytes << 20, resource.getrlimit(resource.RLIMIT_AS)[1]
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (most, allowed))


def main(source: str, target: str) -> None:
    import numpy as np
    import ufbx

    try:
        scene = kept(
            ufbx.load_file(
                source,
                ignore_geometry=False,  # skins hold bind poses
                ignore_embedded=True,
                load_external_files=False,
                node_depth_limit=2500,
                inherit_mode_handling=ufbx.InheritModeHandling.HELPER_NODES,
            )
        )
    except ufbx.UfbxError as problem:
        refuse(f"is no readable FBX file: {str(problem).strip().rstrip('.') or type(problem).__name__}")
    nodes = kept(list(scene.nodes))
    if len(nodes) > _MAX_NODES:
        refuse(f"holds {len(nodes)} nodes; more than {_MAX_NODES} are refused")
    above = kept([node.parent for node in nodes])
    ids = [int(node.typed_id) for node in nodes]
    place = {identity: index for index, identity in enumerate(ids)}

    def row(transform) -> tuple[float, ...]:
        t, r, s = transform
        return (t.x, t.y, t.z, r.w, r.x, r.y, r.z, s.x, s.y, s.z)

    bound = np.zeros(len(nodes), dtype=bool)
    bind = np.zeros((len(nodes), 3, 4))

    def bind_at(node, matrix) -> None:
        index = place[int(kept(node).typed_id)]
        columns = kept(matrix)
        bound[index] = True
        bind[index] = np.array([(c.x, c.y, c.z) for c in (columns.c0, columns.c1, columns.c2, columns.c3)]).T

    for cluster in kept(list(scene.skin_clusters)):
        if kept(cluster.bone_node) is not None:
            bind_at(cluster.bone_node, cluster.bind_to_world)
    for pose in kept(list(scene.poses)):
        if pose.is_bind_pose:
            for one in kept(list(kept(pose.bone_poses))):
                bind_at(one.bone_node, one.bone_to_world)

    settings = kept(scene.settings)
    fps = float(settings.frames_per_second)
    if not _SLOWEST <= fps <= _FASTEST:
        refuse(f"{fps:g} frames a second is no plausible frame rate")
    most = max(_FEWEST_POSES, os.path.getsize(source)) // len(nodes)
    arrays: dict = {}
    stacks = []
    takes = kept(list(scene.anim_stacks))
    curves = kept(list(scene.anim_curves))
    for number, stack in enumerate(takes):
        animation = kept(stack.anim)
        begin, end = float(stack.time_begin), float(stack.time_end)
        if end <= begin and len(takes) == 1 and curves:  # some tools leave the span out
            begin, end = min(float(curve.min_time) for curve in curves), max(float(curve.max_time) for curve in curves)
        if not (abs(begin) < 1e9 and abs(end) < 1e9):
            refuse(f"take {stack.name!r} lasts from {begin:g} to {end:g} seconds, which is not plausible")
        frames = max(0, int((end - begin) * fps + 0.01)) + 1  # none after the end
        if frames > most:
            refuse(f"take {stack.name!r} claims {frames} frames, more than a file of this size can hold")
        most -= frames
        values = np.empty((frames, len(nodes), 10))
        for frame in range(frames):
            time = begin + frame / fps
            for index, node in enumerate(nodes):
                values[frame, index] = row(ufbx.evaluate_transform(animation, node, time))
        arrays[f"stack{number}"] = values
        stacks.append(str(stack.name))
    axes = settings.axes
    about = {
        "names": [str(node.name)[:500] for node in nodes],
        "parents": [-1 if node is None else place[int(node.typed_id)] for node in above],
        "kinds": [ufbx.ElementType(node.attrib_type).name for node in nodes],
        "helpers": [bool(node.is_scale_helper) for node in nodes],
        "stacks": stacks,
        "fps": fps,
        "unit": float(settings.unit_meters),
        "axes": [int(axes.right), int(axes.up), int(axes.front)],
    }
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    local = np.array([row(node.local_transform) for node in nodes])
    with open(target, "wb") as file:
        np.savez(file, local=local, bound=bound, bind=bind, **arrays)


if __name__ == "__main__":
    limit_memory(int(sys.argv[3]))
    try:
        main(sys.argv[1], sys.argv[2])
    except MemoryError:
        refuse(f"needs more than {sys.argv[3]} MB of memory to be read")
    os._exit(0)
