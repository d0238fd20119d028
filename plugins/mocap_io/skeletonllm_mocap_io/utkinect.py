"""UTKinect-Action text: Kinect v1 bodies; a line a frame: its number, then x, y, z [m] of 20 joints.

Joints come in the order of the Kinect SDK. The number of a frame counts pictures of the camera, 30 a second, of which only
those with a body were kept: numbers that are left out become frames without joints, and where only every second (third, …)
number is used the frame rate is a half (a third, …) of it. Where a number comes twice, its last line counts.

Source: L. Xia et al., "View Invariant Human Action Recognition Using Histograms of 3D Joints", CVPR workshops 2012.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Clip, Origin
from skeletonllm_mocap_io.kinect_text import JOINTS, kinect_person
from skeletonllm_mocap_io.number_text import first_numbers, number_table, rows_of

FORMAT = "utkinect"
CAMERA_FPS = 30.0

_VALUES = 1 + 3 * JOINTS
_LONGEST_GAP = 3000  # frames: what is left out for 100 seconds is another take
_FARTHEST = 20.0  # metres; the sensor sees four


def sniff(path: Path) -> bool:
    """Whether the first line holds a whole number and about 20 joints."""
    rows = first_numbers(path)
    return bool(rows) and 55 < len(rows[0]) < 67 and rows[0][0].is_integer()


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints, NaN in frames that were left out.

    Raises:
        MotionFormatError: a line has another number of values, or the numbers of the frames do not grow.
    """
    rows = rows_of(path, FORMAT)
    names = ("the frame number", *(f"{axis} of joint {joint}" for joint in range(1, JOINTS + 1) for axis in "xyz"))
    table = number_table(rows, _VALUES, path=path, format=FORMAT, names=names)
    if not len(table):
        raise MotionFormatError(path, "the clip has 0 frames", format=FORMAT)

    def fail(row: int, problem: str) -> NoReturn:
        raise MotionFormatError(path, problem, format=FORMAT, line=rows[row][0])

    numbers = table[:, 0]
    for row in np.flatnonzero(numbers != np.floor(numbers))[:1]:
        fail(row, f"expected a frame number, found {numbers[row]:g}")
    steps = np.diff(numbers).astype(np.int64)
    for row in np.flatnonzero((steps < 0) | (steps > _LONGEST_GAP))[:1]:
        fail(row + 1, f"frame {numbers[row + 1]:g} cannot follow frame {numbers[row]:g}")
    for row in np.flatnonzero((np.abs(table[:, 1:]) > _FARTHEST).any(-1))[:1]:
        fail(row, "a joint is at no plausible place")
    notes = []
    if (steps == 0).any():
        notes.append(f"{int((steps == 0).sum())} frames are there twice; the last of each was kept.")
    stride = max(1, int(np.gcd.reduce(steps))) if len(steps) else 1
    places = ((numbers - numbers[0]) // stride).astype(np.int64)
    if places[-1] > _LONGEST_GAP + 20 * len(places):
        fail(len(places) - 1, f"only {len(places)} of {places[-1] + 1} frames are there, too few to be one take")
    positions = np.zeros((places[-1] + 1, JOINTS, 3))
    positions[places] = table[:, 1:].reshape(-1, JOINTS, 3)
    left_out = len(positions) - len(np.unique(places))
    if left_out:
        notes.append(f"{left_out} of {len(positions)} frames have no body, because the file leaves them out.")
    person = kinect_person(positions, "kinect20", CAMERA_FPS / stride, path.stem)
    return [Clip("", [person], Origin(FORMAT, warnings=tuple(notes)))]
