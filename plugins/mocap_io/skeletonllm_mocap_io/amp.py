"""AMP motions (``.npy`` of Isaac Gym's pose library, `SkeletonMotion.to_file`): a pickled dictionary, never unpickled.

The file is an array of one Python object, so numpy would have to execute its pickle; `plain_pickle` decodes it instead.
It holds rotations (x, y, z, w), local or global, the root's translation [m], the skeleton and the frame rate; Z is up.

Source: NVIDIA IsaacGymEnvs (BSD-3), `isaacgymenvs/tasks/amp/poselib`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_core.errors import MotionFormatError, TopologyError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Motion
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from skeletonllm_mocap_io.arrays import array_header
from skeletonllm_mocap_io.placing import placed
from skeletonllm_mocap_io.plain_pickle import decode_pickle

FORMAT = "amp"


def sniff(path: Path) -> bool:
    """Whether the file is an array of one Python object."""
    header = array_header(path)
    return header is not None and header[0] == () and header[1].hasobject


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Motion.

    Raises:
        MotionFormatError: it is no such file, is damaged, or holds anything but plain values and arrays.
    """
    if not sniff(path):
        raise MotionFormatError(path, "is no AMP motion: expected a numpy file of one dictionary", format=FORMAT)
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            np.lib.format.read_array_header_1_0(file)
        else:
            np.lib.format.read_array_header_2_0(file)
        value = decode_pickle(file.read(), path, FORMAT)
    return [placed([_motion(value, path)], format=FORMAT, unit=("m", 1.0), up_axis="z")]


def _motion(value: Any, path: Path) -> Motion:
    def fail(problem: str) -> MotionFormatError:
        return MotionFormatError(path, problem, format=FORMAT)

    def array(holder: Any, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """A tensor, which the pose library wraps into a dictionary with the key "arr"."""
        found = holder.get(name)
        found = found.get("arr") if isinstance(found, dict) else found
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf":
            raise fail(f"is no AMP motion: there is no array called {name!r}")
        if len(found.shape) != len(shape) or any(b not in (None, a) for a, b in zip(found.shape, shape, strict=True)):
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise fail(f"{name!r} has shape {found.shape}, expected ({wanted})")
        if not np.isfinite(found).all():
            raise fail(f"{name!r} holds something that is no number")
        return found

    if not isinstance(value, dict):
        raise fail("is no AMP motion: expected a dictionary")
    tree = value.get("skeleton_tree")
    names = tree.get("node_names") if isinstance(tree, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise fail("is no AMP motion: there is no skeleton_tree with node_names")
    if len(names) > MAX_JOINTS:
        raise fail(f"the skeleton has {len(names)} joints; more than {MAX_JOINTS} are refused")
    parents = array(tree, "parent_indices", (len(names),))
    offsets = array(tree, "local_translation", (len(names), 3))
    turns = array(value, "rotation", (None, len(names), 4)).astype(np.float64)
    root = array(value, "root_translation", (len(turns), 3))
    fps = value.get("fps")
    fps = float(fps) if isinstance(fps, int | float) or (isinstance(fps, np.ndarray) and fps.size == 1) else 0.0
    if not fps > 0:
        raise fail("fps must be a positive number")
    turns = rotation.normalize(turns[..., [3, 0, 1, 2]])
    try:
        skeleton = Skeleton(Topology(FORMAT, tuple(names), parents), offsets)
    except TopologyError as problem:
        raise fail(str(problem)) from problem
    if not value.get("is_local", True):
        above = np.maximum(skeleton.parents, 0)
        local = rotation.multiply(rotation.conjugate(turns[:, above]), turns)
        turns = np.where((skeleton.parents < 0)[:, None], turns, local)
    return Motion(skeleton, turns, root, fps, path.stem)
