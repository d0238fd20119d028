"""MediaPipe Pose JSON: 33 landmarks a person; the library has no file format of its own, so these shapes are read.

    {"fps": 30, "width": 1280, "height": 720, "frames": [FRAME, …]}        or a list of FRAMEs, or one FRAME

A FRAME is an object with "pose_world_landmarks", "pose_landmarks" or "landmarks" (camelCase works, too), or the landmarks
themselves: a list of 33 of ``{"x": …, "y": …, "z": …, "visibility": …}`` or ``[x, y, z, visibility]``, or a list of such
lists where there are several people; an empty list where there is nobody.

World landmarks are metres around the middle of the hips, x to the right, y down, z away from the camera, so the place in
the room is not known. The others are shares of the picture's width and height; their z is a guess and is not used.

Source: Google, "Pose landmark detection guide", ai.google.dev/edge/mediapipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Clip
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_mocap_io.image_keypoints import Found, Rows, dialect, masked, people_clip, topology_of
from skeletonllm_mocap_io.json_text import load_json, numbers

FORMAT = "mediapipe"

_P = BodyPart
_WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks")
_PICTURE = ("pose_landmarks", "poseLandmarks", "landmarks")


def _both(rows: Rows) -> Rows:
    """Each row for the left ("?" in its names), then for the right."""
    return tuple(
        (
            name.replace("?", side),
            parent and parent.replace("?", side),
            part and (part if side == "left" else part.mirrored),
        )
        for name, parent, part in rows
        for side in ("left", "right")
    )


# There is no pelvis and no neck: the trunk is drawn along both flanks, as for COCO.
_ROWS: Rows = (
    ("nose", None, _P.HEAD),
    ("left_eye_inner", "nose", None),
    ("left_eye", "left_eye_inner", None),
    ("left_eye_outer", "left_eye", None),
    ("right_eye_inner", "nose", None),
    ("right_eye", "right_eye_inner", None),
    ("right_eye_outer", "right_eye", None),
    ("left_ear", "left_eye_outer", None),
    ("right_ear", "right_eye_outer", None),
    ("mouth_left", "nose", None),
    ("mouth_right", "nose", None),
    *_both(
        (
            ("?_shoulder", "nose", _P.LEFT_UPPER_ARM),
            ("?_elbow", "?_shoulder", _P.LEFT_FOREARM),
            ("?_wrist", "?_elbow", _P.LEFT_HAND),
            ("?_pinky", "?_wrist", None),
            ("?_index", "?_wrist", _P.LEFT_FINGERS),
            ("?_thumb", "?_wrist", None),
            ("?_hip", "?_shoulder", _P.LEFT_THIGH),
            ("?_knee", "?_hip", _P.LEFT_SHIN),
            ("?_ankle", "?_knee", _P.LEFT_FOOT),
            ("?_heel", "?_ankle", None),
            ("?_foot_index", "?_ankle", _P.LEFT_TOES),
        )
    ),
)
_JOINTS = len(_ROWS)


def sniff(path: Path) -> bool:
    """Whether the file speaks of MediaPipe's landmarks."""
    return dialect(path) == FORMAT


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints a person.

    Raises:
        MotionFormatError: it is none of these shapes, or nobody is in it.
    """
    value = load_json(path, FORMAT)
    about = value if isinstance(value, dict) else {}
    reader = _Reader(path, about)
    frames = reader.frames(value)
    if not any(frames):
        raise MotionFormatError(path, "nobody is in it: no landmark is certain enough in any frame", format=FORMAT)
    if len({one.points.shape[1] for people in frames for one in people}) > 1:
        raise MotionFormatError(path, "some frames have world landmarks and others have not", format=FORMAT)
    fps = about.get("fps")
    rate = float(fps) if isinstance(fps, int | float) and not isinstance(fps, bool) and 0 < fps < 1e5 else None
    topology, order = topology_of("mediapipe33", _ROWS)
    return [
        people_clip(
            frames,
            topology,
            order,
            path=path,
            format=FORMAT,
            fps=rate,
            unit=("m", 1.0),
            up_axis="-y",
            notes=reader.notes,
        )
    ]


class _Reader:
    """The frames of one file."""

    def __init__(self, path: Path, about: dict) -> None:
        self.path = path
        self.notes: list[str] = []
        size = numbers([about.get("width"), about.get("height")])
        self.size = size if size is not None and (size > 0).all() else None

    def fail(self, problem: str) -> NoReturn:
        raise MotionFormatError(self.path, problem, format=FORMAT)

    def frames(self, value: Any) -> list[list[Found]]:
        """The people of every picture."""
        if isinstance(value, dict):
            value = value.get("frames", [value])
        if not isinstance(value, list):
            self.fail("is no MediaPipe file: there is no list of frames")
        if not value:
            self.fail("the clip has 0 frames")
        if len(value) == _JOINTS and not self._is_frame(value[0]):
            value = [value]  # One frame, one person.
        return [self._people(frame, number) for number, frame in enumerate(value, start=1)]

    @staticmethod
    def _is_frame(value: Any) -> bool:
        """Whether this is what a frame looks like, and not a landmark."""
        if isinstance(value, dict):
            return "x" not in value
        return isinstance(value, list) and (not value or isinstance(value[0], list | dict))

    def _people(self, frame: Any, number: int) -> list[Found]:
        world, listed = False, frame
        if isinstance(frame, dict):
            key = next((key for key in (*_WORLD, *_PICTURE) if frame.get(key) is not None), None)
            if key is None:
                self.fail(f"frame {number}: there are no landmarks called {_WORLD[0]!r} or {_PICTURE[0]!r}")
            world, listed = key in _WORLD, frame[key]
        if not isinstance(listed, list):
            self.fail(f"frame {number}: the landmarks are no list")
        if not listed:
            return []
        people = (
            listed if isinstance(listed[0], list) and listed[0] and isinstance(listed[0][0], list | dict) else [listed]
        )
        found = [self._person(one, number, world) for one in people]
        return [one for one in found if np.isfinite(one.points).any()]

    def _person(self, landmarks: Any, frame: int, world: bool) -> Found:
        if not isinstance(landmarks, list) or len(landmarks) != _JOINTS:
            count = len(landmarks) if isinstance(landmarks, list) else "none"
            self.fail(f"frame {frame}: expected {_JOINTS} landmarks, found {count}")
        rows = [
            [one.get("x"), one.get("y"), one.get("z"), one.get("visibility", 1.0)] if isinstance(one, dict) else one
            for one in landmarks
        ]
        values = numbers(rows)
        if values is None or values.ndim != 2 or values.shape[1] not in (3, 4):
            self.fail(f"frame {frame}: a landmark is no x, y, z, visibility")
        seen = values[:, 3] if values.shape[1] == 4 else np.ones(_JOINTS)
        if world:
            self._note("World landmarks lie around the middle of the hips: where the body goes is not known.")
            # x right, y down, z away: turned about x by the up axis "-y", which the caller names.
            return Found(masked(values[:, :3], seen))
        if self.size is None:
            self._note(
                'The file does not say how wide and high the picture is; add "width" and "height". 1:1 is taken.'
            )
        return Found(masked(values[:, :2], seen) * (1000.0 if self.size is None else self.size))

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
