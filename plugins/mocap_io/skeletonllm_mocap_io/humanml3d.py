"""HumanML3D joints: a .npy of shape (T, 22, 3), metres, Y up, 20 frames a second, one person.

Source: C. Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022 (folder `new_joints`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.from_keypoints import filled_positions
from skeletonllm_core.motion.motion import Clip, Keypoints, Origin
from skeletonllm_core.motion.resample import resampled
from skeletonllm_core.motion.retarget import retarget
from skeletonllm_core.motion.topologies import FILE_ORDERS, TOPOLOGIES, file_order
from skeletonllm_mocap_io.arrays import array_header, load_array

FORMAT = "humanml3d"
FPS = 20.0

_JOINTS = len(FILE_ORDERS["humanml3d22"])


def sniff(path: Path) -> bool:
    """Whether the array has the shape (T, 22, 3)."""
    header = array_header(path)
    return header is not None and _is_float(header[1]) and len(header[0]) == 3 and header[0][1:] == (_JOINTS, 3)


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" and dtype.itemsize <= 8


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints.

    Raises:
        MotionFormatError: it is no array of that shape.
    """
    positions = load_array(path, FORMAT)
    if not _is_float(positions.dtype) or positions.ndim != 3 or positions.shape[1:] != (_JOINTS, 3):
        raise MotionFormatError(
            path,
            f"expected floats of shape (T, {_JOINTS}, 3), found {positions.dtype} {positions.shape}",
            format=FORMAT,
        )
    person = Keypoints(TOPOLOGIES["humanml3d22"], positions[:, file_order("humanml3d22")], FPS, path.stem)
    return [Clip("", [person], Origin(FORMAT))]


def write(clip: Clip, path: Path) -> None:
    """Writes one person as float32; a motion of another rate is resampled, one of other joints is retargeted.

    Raises:
        MotionFormatError: there are several persons.
        TopologyError: the joints cannot be told apart, or one is missing throughout.
    """
    joints = joints_of(clip, path, FORMAT).astype(np.float32)
    with path.open("wb") as file:
        np.save(file, joints)


def joints_of(clip: Clip, path: Path, format: str) -> np.ndarray:
    """(T, 22, 3) [m], the joints of the one person of a clip in file order, 20 frames a second, without gaps.

    Raises:
        MotionFormatError: there are several persons.
        TopologyError: the joints cannot be told apart, or one is missing throughout.
    """
    if len(clip.persons) != 1:
        raise MotionFormatError(
            path, f"the format holds one person, not {len(clip.persons)}; choose one with --person", format=format
        )
    person = clip.persons[0]
    topology = TOPOLOGIES["humanml3d22"]
    if abs(person.fps - FPS) > 1e-6:
        person = resampled(person, FPS)
    if set(person.topology.names) != set(topology.names):
        person = retarget(person, topology)
    by_name = [person.topology.names.index(name) for name in FILE_ORDERS["humanml3d22"]]
    points = person if isinstance(person, Keypoints) else person.keypoints()
    return filled_positions(points)[:, by_name]
