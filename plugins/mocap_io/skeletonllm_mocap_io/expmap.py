"""Exponential-map text of motion prediction papers: 117 values a line (CMU) or 99 (Human3.6M), comma-separated.

A line holds the root's translation, then three values for each of 38 (CMU) or 32 (Human3.6M) joints: the rotation vector
of the joint relative to its parent. Points are row vectors in the data's own code, x·R, so a vector v turns here by -v.
Of the joints those that only mark the end of a bone become tips.

Rate, unit and skeleton are not in the file: CMU is 120 frames a second in the database's unit (1/0.45 inch), Human3.6M 50
frames a second in millimetres, each with the skeleton that the code published with the data uses for everybody.

Source: A. Jain et al., "Structural-RNN", CVPR 2016, and J. Martinez et al., "On Human Motion Prediction Using Recurrent
Neural Networks", CVPR 2017 (Human3.6M); C. Li et al., "Convolutional Sequence to Sequence Model for Human Dynamics",
CVPR 2018 (CMU); all with code under MIT.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Motion
from skeletonllm_core.motion.orientation import UNITS
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from skeletonllm_mocap_io.number_text import first_numbers, number_table, rows_of
from skeletonllm_mocap_io.placing import placed

FORMAT = "expmap"

Bone = tuple[str, str, tuple[float, float, float]]
"""Joint ("" marks the end of its parent's bone), its parent ("" at the root), its offset from there."""


@dataclass(frozen=True)
class _Body:
    name: str
    fps: float
    unit: tuple[str, float]
    up_axis: str | None
    bones: tuple[Bone, ...]

    @property
    def values(self) -> int:
        """Values in a line."""
        return 3 + 3 * len(self.bones)


# In the order of the files.
_CMU: tuple[Bone, ...] = (
    ("Hips", "", (0, 0, 0)),
    ("LHipJoint", "Hips", (0, 0, 0)),
    ("LeftUpLeg", "LHipJoint", (1.65674, -1.80282, 0.62477)),
    ("LeftLeg", "LeftUpLeg", (2.5972, -7.13576, 0)),
    ("LeftFoot", "LeftLeg", (2.49236, -6.8477, 0)),
    ("LeftToeBase", "LeftFoot", (0.19704, -0.54136, 2.14581)),
    ("", "LeftToeBase", (0, 0, 1.11249)),
    ("RHipJoint", "Hips", (0, 0, 0)),
    ("RightUpLeg", "RHipJoint", (-1.6107, -1.80282, 0.62476)),
    ("RightLeg", "RightUpLeg", (-2.59502, -7.12977, 0)),
    ("RightFoot", "RightLeg", (-2.4678, -6.78024, 0)),
    ("RightToeBase", "RightFoot", (-0.23024, -0.63258, 2.13368)),
    ("", "RightToeBase", (0, 0, 1.11569)),
    ("LowerBack", "Hips", (0, 0, 0)),
    ("Spine", "LowerBack", (0.01961, 2.0545, -0.14112)),
    ("Spine1", "Spine", (0.01021, 2.06436, -0.05921)),
    ("Neck", "Spine1", (0, 0, 0)),
    ("Neck1", "Neck", (0.00713, 1.56711, 0.14968)),
    ("Head", "Neck1", (0.03429, 1.56041, -0.10006)),
    ("", "Head", (0.01305, 1.6256, -0.05265)),
    ("LeftShoulder", "Spine1", (0, 0, 0)),
    ("LeftArm", "LeftShoulder", (3.54205, 0.90436, -0.17364)),
    ("LeftForeArm", "LeftArm", (4.86513, 0, 0)),
    ("LeftHand", "LeftForeArm", (3.35554, 0, 0)),
    ("LeftFingerBase", "LeftHand", (0, 0, 0)),
    ("LeftHandIndex1", "LeftFingerBase", (0.66117, 0, 0)),
    ("", "LeftHandIndex1", (0.53306, 0, 0)),
    ("LThumb", "LeftHand", (0, 0, 0)),
    ("", "LThumb", (0.5412, 0, 0.5412)),
    ("RightShoulder", "Spine1", (0, 0, 0)),
    ("RightArm", "RightShoulder", (-3.49802, 0.75994, -0.32616)),
    ("RightForeArm", "RightArm", (-5.02649, 0, 0)),
    ("RightHand", "RightForeArm", (-3.36431, 0, 0)),
    ("RightFingerBase", "RightHand", (0, 0, 0)),
    ("RightHandIndex1", "RightFingerBase", (-0.73041, 0, 0)),
    ("", "RightHandIndex1", (-0.58887, 0, 0)),
    ("RThumb", "RightHand", (0, 0, 0)),
    ("", "RThumb", (-0.59786, 0, 0.59786)),
)

_H36M: tuple[Bone, ...] = (
    ("Hips", "", (0, 0, 0)),
    ("RightUpLeg", "Hips", (-132.948591, 0, 0)),
    ("RightLeg", "RightUpLeg", (0, -442.894612, 0)),
    ("RightFoot", "RightLeg", (0, -454.206447, 0)),
    ("RightToeBase", "RightFoot", (0, 0, 162.767078)),
    ("", "RightToeBase", (0, 0, 74.999437)),
    ("LeftUpLeg", "Hips", (132.948826, 0, 0)),
    ("LeftLeg", "LeftUpLeg", (0, -442.894413, 0)),
    ("LeftFoot", "LeftLeg", (0, -454.20659, 0)),
    ("LeftToeBase", "LeftFoot", (0, 0, 162.767426)),
    ("", "LeftToeBase", (0, 0, 74.999948)),
    ("Spine", "Hips", (0, 0.1, 0)),
    ("Spine1", "Spine", (0, 233.383263, 0)),
    ("Neck", "Spine1", (0, 257.077681, 0)),
    ("Head", "Neck", (0, 121.134938, 0)),
    ("", "Head", (0, 115.002227, 0)),
    ("LeftShoulder", "Spine1", (0, 257.077681, 0)),
    ("LeftArm", "LeftShoulder", (0, 151.034226, 0)),
    ("LeftForeArm", "LeftArm", (0, 278.882773, 0)),
    ("LeftHand", "LeftForeArm", (0, 251.733451, 0)),
    ("LeftHandThumb", "LeftHand", (0, 0, 0)),
    ("", "LeftHandThumb", (0, 0, 99.999627)),
    ("LeftHandIndex1", "LeftHand", (0, 100.000188, 0)),
    ("", "LeftHandIndex1", (0, 0, 0)),
    ("RightShoulder", "Spine1", (0, 257.077681, 0)),
    ("RightArm", "RightShoulder", (0, 151.031437, 0)),
    ("RightForeArm", "RightArm", (0, 278.892924, 0)),
    ("RightHand", "RightForeArm", (0, 251.72868, 0)),
    ("RightHandThumb", "RightHand", (0, 0, 0)),
    ("", "RightHandThumb", (0, 0, 99.999888)),
    ("RightHandIndex1", "RightHand", (0, 137.499922, 0)),
    ("", "RightHandIndex1", (0, 0, 0)),
)

_BODIES = (
    _Body("CMU", 120.0, ("cmu", dict(UNITS)["cmu"]), "y", _CMU),
    _Body("Human3.6M", 50.0, ("mm", dict(UNITS)["mm"]), None, _H36M),
)


def sniff(path: Path) -> bool:
    """Whether the first line holds about as many numbers as one of the two bodies needs."""
    rows = first_numbers(path)
    return bool(rows) and any(abs(len(rows[0]) - body.values) <= 2 for body in _BODIES)


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Motion.

    Raises:
        MotionFormatError: lines have no 117 or 99 values, or hold something implausible.
    """
    rows = rows_of(path, FORMAT)
    if not rows:
        raise MotionFormatError(path, "the clip has 0 frames", format=FORMAT)
    found = rows[0][1].rstrip(" ,").count(",") + 1
    body = next((body for body in _BODIES if body.values == found), None)
    if body is None:
        known = " or ".join(f"{body.values} values ({body.name})" for body in _BODIES)
        raise MotionFormatError(path, f"expected {known}, found {found}", format=FORMAT, line=rows[0][0])
    table = number_table(rows, body.values, path=path, format=FORMAT, separator=",")
    note = (
        f"The file names neither rate, unit nor skeleton: {body.fps:g} frames a second, "
        f"{body.unit[0]} and the bone lengths of the {body.name} release are taken."
    )
    person = _motion(body, table, path.stem)
    return [placed([person], format=FORMAT, unit=body.unit, up_axis=body.up_axis, warnings=[note])]


def _motion(body: _Body, table: np.ndarray, name: str) -> Motion:
    joints = [index for index, bone in enumerate(body.bones) if bone[0]]
    names = [body.bones[index][0] for index in joints]
    parents = [names.index(body.bones[index][1]) if body.bones[index][1] else -1 for index in joints]
    ends = [(names.index(parent), offset) for joint, parent, offset in body.bones if not joint and any(offset)]
    skeleton = Skeleton(
        Topology(FORMAT, tuple(names), np.array(parents)),
        np.array([body.bones[index][2] for index in joints], dtype=np.float64),
        np.array([joint for joint, _ in ends]),
        np.array([offset for _, offset in ends], dtype=np.float64),
    )
    vectors = table[:, 3:].reshape(len(table), -1, 3)[:, joints]
    return Motion(skeleton, rotation.from_rotation_vector(-vectors), table[:, :3], body.fps, name)
