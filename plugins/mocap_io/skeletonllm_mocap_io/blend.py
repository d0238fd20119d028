""".blend files, through Blender in a process of its own: every action that moves an armature is a clip.

What is read is what Blender shows: constraints and drivers are evaluated, frame by frame, for the bones that move the skin
and those they hang from; the controls of a rig are left out. Scripts in a file are never run.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion.motion import Clip
from skeletonllm_core.motion.skeleton import Topology, ordered
from skeletonllm_mocap_io.arrays import load_arrays
from skeletonllm_mocap_io.blender import run_in_blender
from skeletonllm_mocap_io.declared import placed_together
from skeletonllm_mocap_io.transforms import motion_from_transforms

FORMAT = "blend"

_STARTS = (b"BLENDER", b"\x28\xb5\x2f\xfd", b"\x1f\x8b")  # plain, zstd, gzip


def read(path: Path) -> list[Clip]:
    """The clips of a .blend file, in metres, Y up.

    Raises:
        MotionFormatError: it is no .blend, holds no armature or no action that moves one, or Blender cannot read it.
        PluginError: there is no Blender.
    """
    with path.open("rb") as file:
        if not file.read(8).startswith(_STARTS):
            raise MotionFormatError(path, "is no .blend file", format=FORMAT)
    with TemporaryDirectory(prefix="skeletonllm-") as folder:
        result = Path(folder) / "scene.npz"
        run_in_blender("read_blend", path, result, path, format=FORMAT, doing="reading .blend")
        arrays = load_arrays(result, FORMAT)
    about = json.loads(arrays["about"].tobytes())
    takes = []
    for number, clip in enumerate(about["clips"]):
        rest, world, tips = (arrays[f"{key}{number}"] for key in ("rest", "world", "tips"))
        if len(rest) > MAX_JOINTS:
            problem = f"there are {len(rest)} bones in it; more than {MAX_JOINTS} are refused"
            raise MotionFormatError(path, problem, format=FORMAT)
        if not (np.isfinite(rest).all() and np.isfinite(world).all()):
            raise MotionFormatError(path, "a bone in it is at no place that is a number", format=FORMAT)
        parents = np.array(clip["parents"])
        order = ordered(parents)
        place = np.append(np.argsort(order), -1)
        topology = Topology(FORMAT, tuple(clip["joints"][bone] for bone in order), place[parents[order]])
        ends = [(int(place[bone]), tip) for bone, tip in zip(clip["tips"], tips, strict=True)]
        motion = motion_from_transforms(topology, rest[order], world[:, order], about["fps"], clip["name"], ends)
        takes.append((clip["name"], [motion]))
    return placed_together(takes, format=FORMAT, metres=about["unit"], up_axis="z", warnings=about["notes"])
