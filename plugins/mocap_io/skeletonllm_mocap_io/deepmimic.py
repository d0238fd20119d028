"""DeepMimic humanoid motions: JSON in a ``.txt``, each frame its duration, the root and the local rotations of 12 joints.

A frame has 44 values: seconds, root position [m], root rotation, then in this order chest, neck, right hip, right knee (one
angle), right ankle, right shoulder, right elbow (one angle), and the same on the left; quaternions (w, x, y, z), angles [rad]
about z. Y is up, the body faces +X. Wrists are fixed. The skeleton is the one of `humanoid3d.txt`.

Source: X. B. Peng et al., "DeepMimic", SIGGRAPH 2018; repository xbpeng/DeepMimic (MIT), `data/characters/humanoid3d.txt`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Motion, Origin
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton, Topology
from skeletonllm_mocap_io.json_text import load_json, numbers
from skeletonllm_mocap_io.number_text import head_of

FORMAT = "deepmimic"

_P = BodyPart
_UPPER = (-0.02405, 0.2435, 0.18311)

# joint: parent, attachment [m], values in a frame (4 a quaternion, 1 an angle about z, 0 fixed), body part
_JOINTS: tuple[tuple[str, int, tuple[float, float, float], int, BodyPart], ...] = (
    ("root", -1, (0, 0, 0), 4, _P.PELVIS),
    ("chest", 0, (0, 0.236151, 0), 4, _P.CHEST),
    ("neck", 1, (0, 0.223894, 0), 4, _P.NECK),
    ("right_hip", 0, (0, 0, 0.084887), 4, _P.RIGHT_THIGH),
    ("right_knee", 3, (0, -0.421546, 0), 1, _P.RIGHT_SHIN),
    ("right_ankle", 4, (0, -0.40987, 0), 4, _P.RIGHT_FOOT),
    ("right_shoulder", 1, _UPPER, 4, _P.RIGHT_UPPER_ARM),
    ("right_elbow", 6, (0, -0.274788, 0), 1, _P.RIGHT_FOREARM),
    ("right_wrist", 7, (0, -0.258947, 0), 0, _P.RIGHT_HAND),
    ("left_hip", 0, (0, 0, -0.084887), 4, _P.LEFT_THIGH),
    ("left_knee", 9, (0, -0.421546, 0), 1, _P.LEFT_SHIN),
    ("left_ankle", 10, (0, -0.40987, 0), 4, _P.LEFT_FOOT),
    ("left_shoulder", 1, (_UPPER[0], _UPPER[1], -_UPPER[2]), 4, _P.LEFT_UPPER_ARM),
    ("left_elbow", 12, (0, -0.274788, 0), 1, _P.LEFT_FOREARM),
    ("left_wrist", 13, (0, -0.258947, 0), 0, _P.LEFT_HAND),
)
# The far ends of the head's sphere and of the feet's boxes.
_TIPS = {"neck": (0, 0.2775, 0), "right_ankle": (0.1335, -0.0225, 0), "left_ankle": (0.1335, -0.0225, 0)}

_VALUES = 44
_LONGEST_FRAME = 10.0  # seconds
_MOST_FILLED = 100  # times as many frames may an even rate need
_IMPLAUSIBLE = 1e6


def sniff(path: Path) -> bool:
    """Whether the file starts like JSON."""
    return head_of(path).lstrip().startswith(b"{")


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Motion at a steady frame rate.

    Raises:
        MotionFormatError: it is no such JSON, or a DeepMimic character, which holds no motion.
    """
    frames = _frames(load_json(path, FORMAT), path)
    durations = frames[:-1, 0]
    notes = []
    step = float(np.median(durations)) if len(durations) else float(frames[0, 0])
    if step <= 0:
        raise MotionFormatError(path, "the frames last no time", format=FORMAT)
    if len(durations) and np.ptp(durations) > 0.01 * step:
        if durations.sum() > _MOST_FILLED * len(frames) * step:
            raise MotionFormatError(path, "frames last too differently to be put on an even rate", format=FORMAT)
        frames = _steady(frames, step)
        notes.append("Frames last differently long; the motion was put on an even rate.")
    rotations = np.zeros((len(frames), len(_JOINTS), 4))
    rotations[..., 0] = 1.0
    column = 4
    for joint, (_, _, _, values, _) in enumerate(_JOINTS):
        if values == 4:
            rotations[:, joint] = rotation.normalize(frames[:, column : column + 4])
        elif values == 1:
            rotations[:, joint] = rotation.from_axis_angle(np.array([0.0, 0.0, 1.0]), frames[:, column])
        column += values
    motion = Motion(_skeleton(), rotations, frames[:, 1:4], _rate(step), path.stem)
    return [Clip("", [motion], Origin(FORMAT, warnings=tuple(notes)))]


def _frames(value: Any, path: Path) -> np.ndarray:
    """(T, 44) the frames of a motion file."""

    def fail(problem: str) -> MotionFormatError:
        return MotionFormatError(path, problem, format=FORMAT)

    if isinstance(value, dict) and "Skeleton" in value and "Frames" not in value:
        raise fail("is a DeepMimic character, which holds no motion; read a motion file, which has 'Frames'")
    listed = value.get("Frames") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise fail("is no DeepMimic motion: there is no list called 'Frames'")
    if not listed:
        raise fail("the clip has 0 frames")
    for number, frame in enumerate(listed, start=1):
        if not isinstance(frame, list) or len(frame) != _VALUES:
            found = len(frame) if isinstance(frame, list) else "none"
            raise fail(f"frame {number}: expected {_VALUES} values (a humanoid3d motion), found {found}")
    frames = numbers(listed)
    if frames is None:
        raise fail("'Frames' holds something that is no number")
    bad = np.argwhere(~(np.abs(frames) < _IMPLAUSIBLE))
    if len(bad):
        frame, place = bad[0]
        raise fail(f"frame {frame + 1}: value {place + 1} is {frames[frame, place]:g}, which is no plausible value")
    if (frames[:, 0] < 0).any() or (frames[:, 0] > _LONGEST_FRAME).any():
        raise fail("a frame lasts less than no time or more than ten seconds")
    return frames


def _steady(frames: np.ndarray, step: float) -> np.ndarray:
    """The frames at times that lie one step apart, blended from those before and after."""
    times = np.concatenate([[0.0], np.cumsum(frames[:-1, 0])])
    wanted = np.arange(int(times[-1] / step + 1e-6) + 1) * step
    after = np.clip(np.searchsorted(times, wanted, side="right"), 1, len(times) - 1)
    before = after - 1
    span = times[after] - times[before]
    share = np.where(span > 0, (wanted - times[before]) / np.where(span > 0, span, 1.0), 1.0)[:, None]
    first, second = frames[before], frames[after].copy()
    column = 4
    for _, _, _, values, _ in _JOINTS:
        if values == 4:  # The same rotation has two quaternions; blend the nearer ones.
            part = slice(column, column + 4)
            flip = (first[:, part] * second[:, part]).sum(-1) < 0
            second[flip, part] *= -1
        column += values
    return first + (second - first) * np.clip(share, 0.0, 1.0)


def _rate(step: float) -> float:
    """Frames a second; a whole number where the duration is that to the digits the files print."""
    whole = round(1 / step)
    return float(whole) if whole and abs(step * whole - 1) < 2e-3 else 1 / step


def _skeleton() -> Skeleton:
    names, parents, offsets, _, parts = zip(*_JOINTS, strict=True)
    topology = Topology("deepmimic", names, np.array(parents), parts)
    tips = [names.index(name) for name in _TIPS]
    return Skeleton(topology, np.array(offsets, dtype=np.float64), np.array(tips), np.array(list(_TIPS.values())))
