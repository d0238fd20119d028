"""NTU RGB+D ``.skeleton`` text: Kinect v2 bodies, 30 frames a second.

The camera frame is metres, Y up, z away from the camera, and x towards the camera's own left, as Microsoft's Kinect for
Windows SDK 2.0 defines camera space; that is right-handed, so nothing is mirrored here: for a person facing the camera,
up × forward is -x, where the joints named left are. (Pictures of the data set look mirrored because the sensor delivers
mirrored images.)

Source: A. Shahroudy et al., "NTU RGB+D", CVPR 2016; layout as in the data set's own `read_skeleton_file.m`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Clip, Keypoints, Origin
from skeletonllm_core.motion.topologies import TOPOLOGIES, file_order

FORMAT = "ntu"
FPS = 30.0

_JOINTS = 25
_BODY_VALUES = 10
_JOINT_VALUES = 12
_NOT_TRACKED = 0
_IMPLAUSIBLE = 1e6


def read(path: Path) -> list[Clip]:
    """The one clip of a file: a Keypoints for every body that is seen, NaN in frames without it.

    Joints that the sensor did not track, and joints exactly at the camera, are NaN; inferred ones are kept.

    Raises:
        MotionFormatError: counts and lines do not fit together.
    """
    frames = list(_Parser(path).frames())
    ids = list(dict.fromkeys(body for bodies in frames for body in bodies))
    topology, order = TOPOLOGIES["ntu25"], file_order("ntu25")
    persons, kept, notes = [], [], []
    for body in ids:
        positions = np.full((len(frames), _JOINTS, 3), np.nan)
        for frame, bodies in enumerate(frames):
            if body in bodies:
                positions[frame] = bodies[body]
        if np.isfinite(positions).any():
            persons.append(Keypoints(topology, positions[:, order], FPS, path.stem))
            kept.append(body)
        else:
            notes.append(f"Body {body} was left out: no joint of it is ever tracked.")
    if not persons:
        raise MotionFormatError(path, "no body is tracked in any frame", format=FORMAT)
    return [Clip("", list(persons), Origin(FORMAT, warnings=tuple(notes)), tuple(kept))]


class _Parser:
    """The counts of the file, line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
        self.lines = iter([(number, line) for number, line in enumerate(lines, start=1) if line.strip()])

    def fail(self, problem: str) -> NoReturn:
        raise MotionFormatError(self.path, problem, format=FORMAT, line=self.line)

    def next(self, expected: str) -> bytes:
        found = next(self.lines, None)
        if found is None:
            self.fail(f"the file ends where {expected} should be")
        self.line, line = found
        return line

    def count(self, what: str) -> int:
        line = self.next(what).strip()
        if not line.isdigit():
            self.fail(f"expected {what}, found {line[:24].decode('latin-1')!a}")
        return int(line[:12])

    def values(self, what: str, count: int) -> np.ndarray:
        words = self.next(what).split()
        if len(words) != count:
            self.fail(f"expected {what} of {count} values, found {len(words)}")
        try:
            return np.array([float(word) for word in words])
        except ValueError:
            self.fail(f"{what} holds something that is no number")

    def frames(self) -> Iterator[dict[int, np.ndarray]]:
        """Body id → (25, 3) positions [m] in file order, of every frame."""
        declared = self.count("the number of frames")
        if declared == 0:
            self.fail("the clip has 0 frames")
        for frame in range(declared):
            bodies: dict[int, np.ndarray] = {}
            for _ in range(self.count(f"the number of bodies in frame {frame + 1} of {declared}")):
                number, positions = self._body()
                if number in bodies:
                    self.fail(f"body {number} is there twice in frame {frame + 1}")
                bodies[number] = positions
            yield bodies
        extra = next(self.lines, None)
        if extra is not None:
            self.line = extra[0]
            self.fail(f"{declared} frames are declared, but more follow")

    def _body(self) -> tuple[int, np.ndarray]:
        words = self.next("a body").split()
        if len(words) != _BODY_VALUES or not words[0].isdigit() or len(words[0]) > 18:
            self.fail(f"expected a body of {_BODY_VALUES} values that start with its id, found {len(words)}")
        joints = self.count("the number of joints")
        if joints != _JOINTS:
            self.fail(f"expected {_JOINTS} joints, found {joints}")
        positions = np.empty((_JOINTS, 3))
        for joint in range(_JOINTS):
            row = self.values("a joint", _JOINT_VALUES)
            if not (np.abs(row[:3]) < _IMPLAUSIBLE).all() and row[-1] != _NOT_TRACKED and not np.isnan(row[:3]).any():
                self.fail(f"joint {joint + 1} is at no plausible place")
            missing = row[-1] == _NOT_TRACKED or not row[:3].any()
            positions[joint] = np.nan if missing else row[:3]
        return int(words[0]), positions
