"""MSR-Action3D text, the real-world variant (``…_skeleton3D.txt``): Kinect v1 bodies, 15 frames a second.

Twenty lines a frame, without header: x, y, z [m] in the camera's frame (Y up, z away from the camera) and a confidence.
The order of the joints is the data set's own (`FILE_ORDERS["msr_action3d"]`). Confidences only tell joints that were seen
from those that were inferred, so every joint is kept; one exactly at the camera is missing. The variant in screen
coordinates (pixels) is refused: it says neither unit nor camera.

Source: W. Li et al., "Action Recognition Based on a Bag of 3D Points", CVPR workshops 2010.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Clip, Origin
from skeletonllm_mocap_io.kinect_text import JOINTS, kinect_person
from skeletonllm_mocap_io.number_text import first_numbers, number_table, rows_of

FORMAT = "msr_action3d"
FPS = 15.0

_VALUES = 4
_FARTHEST = 20.0  # metres; the sensor sees four


def sniff(path: Path) -> bool:
    """Whether the first lines hold four numbers each."""
    rows = first_numbers(path)
    return bool(rows) and len(rows[0]) == _VALUES


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints.

    Raises:
        MotionFormatError: lines and counts do not fit, or the file holds screen coordinates.
    """
    rows = rows_of(path, FORMAT)
    table = number_table(rows, _VALUES, path=path, format=FORMAT, names=("x", "y", "z", "the confidence"))
    if not len(table):
        raise MotionFormatError(path, "the clip has 0 frames", format=FORMAT)
    if len(table) % JOINTS:
        frames, left = divmod(len(table), JOINTS)
        raise MotionFormatError(
            path,
            f"the file ends inside frame {frames + 1}: expected {JOINTS} joints, found {left}",
            format=FORMAT,
            line=rows[-1][0],
        )
    far = np.flatnonzero((np.abs(table[:, :3]) > _FARTHEST).any(-1))
    if len(far):
        screen = len(far) > len(table) / 2
        problem = (
            "holds screen coordinates (pixels); read the real-world variant, whose name ends in skeleton3D.txt"
            if screen
            else "a joint is at no plausible place"
        )
        raise MotionFormatError(path, problem, format=FORMAT, line=rows[far[0]][0])
    person = kinect_person(table[:, :3].reshape(-1, JOINTS, 3), "msr_action3d", FPS, path.stem)
    return [Clip("", [person], Origin(FORMAT))]
