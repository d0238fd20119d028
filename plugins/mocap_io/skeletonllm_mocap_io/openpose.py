"""OpenPose JSON (``--write_json``): one picture a file, or a list of such pictures in one file.

    {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, confidence, …]}, …]}
    [{"people": …}, {"people": …}, …]

BODY_25 (25 points), COCO (18) and MPI (15) are known; ``pose_keypoints_3d`` (x, y, z, confidence) is taken where it is
filled. Faces and hands are passed over. The files of a folder are joined with ``jq -s . FOLDER/*_keypoints.json > clip.json``.

Source: CMU Perceptual Computing Lab, openpose/doc/02_output.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Clip
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_mocap_io.image_keypoints import Found, Rows, dialect, masked, people_clip, topology_of
from skeletonllm_mocap_io.json_text import load_json, numbers

FORMAT = "openpose"

_P = BodyPart
_ARMS: Rows = (
    ("RShoulder", "Neck", _P.RIGHT_UPPER_ARM),
    ("RElbow", "RShoulder", _P.RIGHT_FOREARM),
    ("RWrist", "RElbow", _P.RIGHT_HAND),
    ("LShoulder", "Neck", _P.LEFT_UPPER_ARM),
    ("LElbow", "LShoulder", _P.LEFT_FOREARM),
    ("LWrist", "LElbow", _P.LEFT_HAND),
)


def _legs(trunk: str) -> Rows:
    return (
        ("RHip", trunk, _P.RIGHT_THIGH),
        ("RKnee", "RHip", _P.RIGHT_SHIN),
        ("RAnkle", "RKnee", _P.RIGHT_FOOT),
        ("LHip", trunk, _P.LEFT_THIGH),
        ("LKnee", "LHip", _P.LEFT_SHIN),
        ("LAnkle", "LKnee", _P.LEFT_FOOT),
    )


_FACE: Rows = (("REye", "Nose", None), ("LEye", "Nose", None), ("REar", "REye", None), ("LEar", "LEye", None))
_LAYOUTS: dict[int, tuple[str, Rows]] = {
    25: (
        "openpose_body25",
        (
            ("Nose", "Neck", _P.HEAD),
            ("Neck", "MidHip", _P.CHEST),
            *_ARMS,
            ("MidHip", None, _P.PELVIS),
            *_legs("MidHip"),
            *_FACE,
            ("LBigToe", "LAnkle", _P.LEFT_TOES),
            ("LSmallToe", "LAnkle", None),
            ("LHeel", "LAnkle", None),
            ("RBigToe", "RAnkle", _P.RIGHT_TOES),
            ("RSmallToe", "RAnkle", None),
            ("RHeel", "RAnkle", None),
        ),
    ),
    18: ("openpose_coco18", (("Nose", "Neck", _P.HEAD), ("Neck", None, _P.CHEST), *_ARMS, *_legs("Neck"), *_FACE)),
    15: (
        "openpose_mpi15",
        (("Head", "Neck", _P.HEAD), ("Neck", "Chest", _P.NECK), *_ARMS, *_legs("Chest"), ("Chest", None, _P.CHEST)),
    ),
}


def sniff(path: Path) -> bool:
    """Whether the file speaks of OpenPose's people."""
    return dialect(path) == FORMAT


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints a person.

    Raises:
        MotionFormatError: it is no such JSON, or nobody is in it.
    """
    value = load_json(path, FORMAT)
    pictures = value if isinstance(value, list) else [value]
    if not pictures:
        raise MotionFormatError(path, "the clip has 0 frames", format=FORMAT)
    layouts: set[int] = set()
    spaces: set[int] = set()
    frames = []
    for number, picture in enumerate(pictures, start=1):
        people = picture.get("people") if isinstance(picture, dict) else None
        if not isinstance(people, list):
            raise MotionFormatError(path, f"frame {number}: there is no list called 'people'", format=FORMAT)
        found = [_person(one, path, number) for one in people]
        layouts |= {len(one.points) for one in found}
        spaces |= {one.points.shape[1] for one in found}
        frames.append([one for one in found if np.isfinite(one.points).any()])
    if not any(frames):
        raise MotionFormatError(path, "nobody is in it: no point is certain enough in any frame", format=FORMAT)
    if len(layouts) > 1 or len(spaces) > 1:
        raise MotionFormatError(path, "people have different numbers of points or dimensions", format=FORMAT)
    topology, order = topology_of(*_LAYOUTS[layouts.pop()])
    notes = []
    if len(frames) == 1:
        notes.append("The file holds one frame; join the frames of a folder: jq -s . FOLDER/*.json > clip.json")
    return [people_clip(frames, topology, order, path=path, format=FORMAT, fps=None, notes=notes)]


def _person(person: Any, path: Path, frame: int) -> Found:
    """The points of a person; in space where the file has them there."""
    if not isinstance(person, dict):
        raise MotionFormatError(path, f"frame {frame}: a person is no JSON object", format=FORMAT)
    for key, size in (("pose_keypoints_3d", 4), ("pose_keypoints_2d", 3), ("pose_keypoints", 3)):
        if not person.get(key):
            continue
        values = numbers(person[key])
        if values is None or values.ndim != 1:
            raise MotionFormatError(path, f"frame {frame}: {key!r} is no list of numbers", format=FORMAT)
        if len(values) % size or len(values) // size not in _LAYOUTS:
            known = ", ".join(str(size * count) for count in sorted(_LAYOUTS))
            problem = f"frame {frame}: {key!r} has {len(values)} values, expected one of {known}"
            raise MotionFormatError(path, problem, format=FORMAT)
        table = values.reshape(-1, size)
        ids = person.get("person_id")
        track = ids[0] if isinstance(ids, list) and ids and isinstance(ids[0], int) and ids[0] >= 0 else None
        return Found(masked(table[:, :-1], table[:, -1]), track)
    raise MotionFormatError(path, f"frame {frame}: a person has no 'pose_keypoints_2d'", format=FORMAT)
