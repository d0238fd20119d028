"""Named joint hierarchies whose body parts are known beforehand."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion.skeleton import BodyPart, Topology, ordered

_P = BodyPart


def _topology(name: str, rows: list[tuple[str, str | None, BodyPart | None]]) -> Topology:
    """A topology from rows of joint, parent and part in the order of the joint files; parents are moved forward."""
    names = [row[0] for row in rows]
    parents = np.array([-1 if row[1] is None else names.index(row[1]) for row in rows])
    order = ordered(parents)
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.arange(len(rows))
    moved = np.array([-1 if parents[joint] < 0 else place[parents[joint]] for joint in order])
    return Topology(name, tuple(names[joint] for joint in order), moved, tuple(rows[joint][2] for joint in order))


def _by_name(name: str, rows: list[tuple[str, str | None, BodyPart | None]]) -> Topology:
    """The same without body parts, which `motion.rig` then reads from the names."""
    found = _topology(name, rows)
    return Topology(name, found.names, found.parents)


_NTU25: list[tuple[str, str | None, BodyPart | None]] = [
    ("SpineBase", None, _P.PELVIS),
    ("SpineMid", "SpineBase", _P.SPINE),
    ("Neck", "SpineShoulder", _P.NECK),
    ("Head", "Neck", _P.HEAD),
    ("ShoulderLeft", "SpineShoulder", _P.LEFT_UPPER_ARM),
    ("ElbowLeft", "ShoulderLeft", _P.LEFT_FOREARM),
    ("WristLeft", "ElbowLeft", _P.LEFT_HAND),
    ("HandLeft", "WristLeft", _P.LEFT_HAND),
    ("ShoulderRight", "SpineShoulder", _P.RIGHT_UPPER_ARM),
    ("ElbowRight", "ShoulderRight", _P.RIGHT_FOREARM),
    ("WristRight", "ElbowRight", _P.RIGHT_HAND),
    ("HandRight", "WristRight", _P.RIGHT_HAND),
    ("HipLeft", "SpineBase", _P.LEFT_THIGH),
    ("KneeLeft", "HipLeft", _P.LEFT_SHIN),
    ("AnkleLeft", "KneeLeft", _P.LEFT_FOOT),
    ("FootLeft", "AnkleLeft", _P.LEFT_TOES),
    ("HipRight", "SpineBase", _P.RIGHT_THIGH),
    ("KneeRight", "HipRight", _P.RIGHT_SHIN),
    ("AnkleRight", "KneeRight", _P.RIGHT_FOOT),
    ("FootRight", "AnkleRight", _P.RIGHT_TOES),
    ("SpineShoulder", "SpineMid", _P.CHEST),
    ("HandTipLeft", "HandLeft", _P.LEFT_FINGERS),
    ("ThumbLeft", "HandLeft", None),
    ("HandTipRight", "HandRight", _P.RIGHT_FINGERS),
    ("ThumbRight", "HandRight", None),
]

_KINECT20: list[tuple[str, str | None, BodyPart | None]] = [
    ("HipCenter", None, _P.PELVIS),
    ("Spine", "HipCenter", _P.SPINE),
    ("ShoulderCenter", "Spine", _P.CHEST),
    ("Head", "ShoulderCenter", _P.HEAD),
    ("ShoulderLeft", "ShoulderCenter", _P.LEFT_UPPER_ARM),
    ("ElbowLeft", "ShoulderLeft", _P.LEFT_FOREARM),
    ("WristLeft", "ElbowLeft", _P.LEFT_HAND),
    ("HandLeft", "WristLeft", _P.LEFT_FINGERS),
    ("ShoulderRight", "ShoulderCenter", _P.RIGHT_UPPER_ARM),
    ("ElbowRight", "ShoulderRight", _P.RIGHT_FOREARM),
    ("WristRight", "ElbowRight", _P.RIGHT_HAND),
    ("HandRight", "WristRight", _P.RIGHT_FINGERS),
    ("HipLeft", "HipCenter", _P.LEFT_THIGH),
    ("KneeLeft", "HipLeft", _P.LEFT_SHIN),
    ("AnkleLeft", "KneeLeft", _P.LEFT_FOOT),
    ("FootLeft", "AnkleLeft", _P.LEFT_TOES),
    ("HipRight", "HipCenter", _P.RIGHT_THIGH),
    ("KneeRight", "HipRight", _P.RIGHT_SHIN),
    ("AnkleRight", "KneeRight", _P.RIGHT_FOOT),
    ("FootRight", "AnkleRight", _P.RIGHT_TOES),
]

_SMPL24: list[tuple[str, str | None, BodyPart | None]] = [
    ("pelvis", None, _P.PELVIS),
    ("left_hip", "pelvis", _P.LEFT_THIGH),
    ("right_hip", "pelvis", _P.RIGHT_THIGH),
    ("spine1", "pelvis", _P.SPINE),
    ("left_knee", "left_hip", _P.LEFT_SHIN),
    ("right_knee", "right_hip", _P.RIGHT_SHIN),
    ("spine2", "spine1", _P.SPINE),
    ("left_ankle", "left_knee", _P.LEFT_FOOT),
    ("right_ankle", "right_knee", _P.RIGHT_FOOT),
    ("spine3", "spine2", _P.CHEST),
    ("left_foot", "left_ankle", _P.LEFT_TOES),
    ("right_foot", "right_ankle", _P.RIGHT_TOES),
    ("neck", "spine3", _P.NECK),
    ("left_collar", "spine3", _P.LEFT_CLAVICLE),
    ("right_collar", "spine3", _P.RIGHT_CLAVICLE),
    ("head", "neck", _P.HEAD),
    ("left_shoulder", "left_collar", _P.LEFT_UPPER_ARM),
    ("right_shoulder", "right_collar", _P.RIGHT_UPPER_ARM),
    ("left_elbow", "left_shoulder", _P.LEFT_FOREARM),
    ("right_elbow", "right_shoulder", _P.RIGHT_FOREARM),
    ("left_wrist", "left_elbow", _P.LEFT_HAND),
    ("right_wrist", "right_elbow", _P.RIGHT_HAND),
    ("left_hand", "left_wrist", _P.LEFT_FINGERS),
    ("right_hand", "right_wrist", _P.RIGHT_FINGERS),
]

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")


def _hand(side: str) -> list[tuple[str, str | None, BodyPart | None]]:
    """The fifteen finger joints of SMPL-H and SMPL-X."""
    return [
        (f"{side}_{finger}{joint}", f"{side}_{finger}{joint - 1}" if joint > 1 else f"{side}_wrist", None)
        for finger in _FINGERS
        for joint in (1, 2, 3)
    ]


_SMPLH52 = [*_SMPL24[:22], *_hand("left"), *_hand("right")]
_FACE: list[tuple[str, str | None, BodyPart | None]] = [
    (name, "head", None) for name in ("jaw", "left_eye_smplhf", "right_eye_smplhf")
]
_SMPLX55 = [*_SMPL24[:22], *_FACE, *_hand("left"), *_hand("right")]

# COCO has no pelvis and no neck: the trunk is drawn along both flanks, from the nose through shoulders to hips.
_COCO17: list[tuple[str, str | None, BodyPart | None]] = [
    ("nose", None, _P.HEAD),
    ("left_eye", "nose", None),
    ("right_eye", "nose", None),
    ("left_ear", "left_eye", None),
    ("right_ear", "right_eye", None),
    ("left_shoulder", "nose", _P.LEFT_UPPER_ARM),
    ("right_shoulder", "nose", _P.RIGHT_UPPER_ARM),
    ("left_elbow", "left_shoulder", _P.LEFT_FOREARM),
    ("right_elbow", "right_shoulder", _P.RIGHT_FOREARM),
    ("left_wrist", "left_elbow", _P.LEFT_HAND),
    ("right_wrist", "right_elbow", _P.RIGHT_HAND),
    ("left_hip", "left_shoulder", _P.LEFT_THIGH),
    ("right_hip", "right_shoulder", _P.RIGHT_THIGH),
    ("left_knee", "left_hip", _P.LEFT_SHIN),
    ("right_knee", "right_hip", _P.RIGHT_SHIN),
    ("left_ankle", "left_knee", _P.LEFT_FOOT),
    ("right_ankle", "right_knee", _P.RIGHT_FOOT),
]

# MSR-Action3D comes in another order than the Kinect SDK, and without names. Lists on the web call the first joint the
# right shoulder; knees, toes and the hand that people prefer all say that it is the left one.
_MSR_ORDER = (
    "ShoulderLeft", "ShoulderRight", "ShoulderCenter", "Spine", "HipLeft", "HipRight", "HipCenter", "ElbowLeft",
    "ElbowRight", "WristLeft", "WristRight", "HandLeft", "HandRight", "KneeLeft", "KneeRight", "AnkleLeft",
    "AnkleRight", "FootLeft", "FootRight", "Head",
)  # fmt: skip

TOPOLOGIES: dict[str, Topology] = {
    "ntu25": _topology("ntu25", _NTU25),
    "kinect20": _topology("kinect20", _KINECT20),
    "humanml3d22": _topology("humanml3d22", _SMPL24[:22]),
    "smpl24": _topology("smpl24", _SMPL24),
    "smplh52": _by_name("smplh52", _SMPLH52),
    "smplx55": _by_name("smplx55", _SMPLX55),
    "coco17": _topology("coco17", _COCO17),
}
"""Topologies by name. Parents come before children, so `ntu25` is not in the order of NTU files: see `FILE_ORDERS`.

`smplh52` and `smplx55` are in the order of their files, and leave it to the joints' names which finger is drawn.
"""

FILE_ORDERS: dict[str, tuple[str, ...]] = {
    "ntu25": tuple(row[0] for row in _NTU25),
    "kinect20": tuple(row[0] for row in _KINECT20),
    "msr_action3d": _MSR_ORDER,
    "humanml3d22": tuple(row[0] for row in _SMPL24[:22]),
    "smpl24": tuple(row[0] for row in _SMPL24),
    "coco17": tuple(row[0] for row in _COCO17),
}
"""Joint names in the order of files; ``msr_action3d`` is the `kinect20` hierarchy in that data set's order."""


def file_order(topology: str, files: str | None = None) -> np.ndarray:
    """(J,) int64: for each joint of a topology its place in the files, so that ``positions[:, file_order(...)]`` fits.

    Args:
        topology: key of `TOPOLOGIES`.
        files: key of `FILE_ORDERS` where it differs from the topology's name.
    """
    listed = FILE_ORDERS[files or topology]
    return np.array([listed.index(name) for name in TOPOLOGIES[topology].names])
