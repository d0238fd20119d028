"""OpenSim joint angles (``.mot``, ``.sto``): columns of coordinates by name, put onto a body of 1.7 m.

The model (.osim) is not in the file, so its bones are not known. The coordinates of gait2392 and of the full-body model of
Rajagopal and others are; they turn about the axes of those models' joints, with the oblique axes of knee, ankle and elbow
taken as the mediolateral one. OpenSim's frame is x forward, y up, z to the right. Knee flexion is negative in gait2392 and
positive in Rajagopal's model; it is told by the sign of the larger angles. Angles that only turn a foot or a hand about
themselves (subtalar, toes, forearm twist, wrist) are passed over and said to be.

Source: S. Delp et al., "OpenSim", IEEE Trans. Biomedical Engineering 54 (2007); A. Rajagopal et al., "Full-Body Musculoskeletal
Model for Muscle-Driven Simulation of Human Gait", IEEE Trans. Biomedical Engineering 63 (2016).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Motion
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton, Topology
from skeletonllm_core.motion.standard_body import standard_skeleton
from skeletonllm_mocap_io.number_text import Row, number_table, rows_of, shown
from skeletonllm_mocap_io.placing import placed

FORMAT = "mot"

_P = BodyPart

# joint: parent, part
_JOINTS: tuple[tuple[str, str | None, BodyPart], ...] = (
    ("pelvis", None, _P.PELVIS),
    ("torso", "pelvis", _P.SPINE),
    ("thorax", "torso", _P.CHEST),
    ("head", "thorax", _P.HEAD),
    *(
        row
        for side, turn in (("r", True), ("l", False))
        for row in (
            (f"humerus_{side}", "thorax", _P.RIGHT_UPPER_ARM if turn else _P.LEFT_UPPER_ARM),
            (f"ulna_{side}", f"humerus_{side}", _P.RIGHT_FOREARM if turn else _P.LEFT_FOREARM),
            (f"hand_{side}", f"ulna_{side}", _P.RIGHT_HAND if turn else _P.LEFT_HAND),
            (f"femur_{side}", "pelvis", _P.RIGHT_THIGH if turn else _P.LEFT_THIGH),
            (f"tibia_{side}", f"femur_{side}", _P.RIGHT_SHIN if turn else _P.LEFT_SHIN),
            (f"foot_{side}", f"tibia_{side}", _P.RIGHT_FOOT if turn else _P.LEFT_FOOT),
            (f"toes_{side}", f"foot_{side}", _P.RIGHT_TOES if turn else _P.LEFT_TOES),
        )
    ),
)

# joint: its coordinates with their axes, in the order in which they turn (about moving axes)
_TURNS: dict[str, tuple[tuple[str, str], ...]] = {
    "pelvis": (("pelvis_tilt", "z"), ("pelvis_list", "x"), ("pelvis_rotation", "y")),
    "torso": (("lumbar_extension", "z"), ("lumbar_bending", "x"), ("lumbar_rotation", "y")),
}
for _side, _sign in (("r", ""), ("l", "-")):  # adduction and inner rotation turn the other way on the left
    _TURNS |= {
        f"femur_{_side}": (
            (f"hip_flexion_{_side}", "z"),
            (f"hip_adduction_{_side}", f"{_sign}x"),
            (f"hip_rotation_{_side}", f"{_sign}y"),
        ),
        f"tibia_{_side}": ((f"knee_angle_{_side}", "z"),),
        f"foot_{_side}": ((f"ankle_angle_{_side}", "z"),),
        f"humerus_{_side}": (
            (f"arm_flex_{_side}", "z"),
            (f"arm_add_{_side}", f"{_sign}x"),
            (f"arm_rot_{_side}", f"{_sign}y"),
        ),
        f"ulna_{_side}": ((f"elbow_flex_{_side}", "z"),),
    }
_PLACE = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
_KNOWN = {name for turns in _TURNS.values() for name, _ in turns} | set(_PLACE)
_NEEDED = ("hip_flexion_r", "hip_flexion_l", "knee_angle_r", "knee_angle_l")
_PASSED_OVER = re.compile(r"(subtalar_angle|mtp_angle|pro_sup|wrist_flex|wrist_dev|knee_angle)_[rl](_beta)?$")
_FORCES = re.compile(r"force|moment|torque|_[vp][xyz]$")

_LOWEST_RATE, _MOST_FRAMES = 0.1, 5_000_000


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Motion.

    Raises:
        MotionFormatError: the header or a line is bad, or the columns are not those of a known model's coordinates.
    """
    rows = rows_of(path, FORMAT)
    end = next((place for place, (_, text) in enumerate(rows) if text.strip(" ,\t").lower() == "endheader"), None)
    if end is None or end + 1 >= len(rows):
        raise MotionFormatError(path, "there is no line 'endheader' with names of columns below it", format=FORMAT)
    notes: list[str] = []
    degrees = _degrees(rows[:end], notes)
    title_line, titles = rows[end + 1]
    separator = "," if "," in titles else None
    names = [_coordinate(one.strip()) for one in titles.strip(" ,\t").split(separator)]
    _check_columns(names, path, title_line, notes)
    table = number_table(
        rows[end + 2 :], len(names), path=path, format=FORMAT, separator=separator, names=[shown(one) for one in names]
    )
    if not len(table):
        raise MotionFormatError(path, "the clip has 0 frames", format=FORMAT)
    table, fps = _even(table, rows[end + 2 :], path, notes)
    columns = {name: table[:, index] for index, name in enumerate(names)}
    notes.append("The file has joint angles only; they are put onto a body of 1.7 m.")
    return [
        placed([_motion(columns, degrees, fps, path.stem)], format=FORMAT, unit=("m", 1.0), up_axis="y", warnings=notes)
    ]


def _degrees(header: list[Row], notes: list[str]) -> bool:
    for _, text in header:
        key, _, value = text.partition("=")
        if key.strip().lower() == "indegrees":
            return value.strip(" ,\t").lower() in ("yes", "true", "1")
    notes.append("The header does not say inDegrees; degrees are taken.")
    return True


def _coordinate(title: str) -> str:
    """The coordinate's name; OpenSim 4 writes ``/jointset/hip_r/hip_flexion_r/value``."""
    parts = title.split("/")
    return parts[-2] if len(parts) > 2 and parts[-1] == "value" else title


def _check_columns(names: list[str], path: Path, line: int, notes: list[str]) -> None:
    """The first column must be the time, and both legs must be there."""
    if names[0] != "time":
        raise MotionFormatError(
            path, f"expected the column 'time' first, found {shown(names[0])}", format=FORMAT, line=line
        )
    if len(set(names)) != len(names):
        raise MotionFormatError(path, "two columns have the same name", format=FORMAT, line=line)
    others = [one for one in names[1:] if one not in _KNOWN]
    unknown = [one for one in others if not _PASSED_OVER.fullmatch(one)]
    if not set(_NEEDED) <= set(names):
        listed = ", ".join(shown(one)[1:-1] for one in unknown[:6]) + (", …" if len(unknown) > 6 else "")
        if sum(bool(_FORCES.search(one)) for one in names) > len(names) / 2:
            problem = f"holds forces and moments ({listed}), no joint angles"
        else:
            problem = (
                "its columns are not the coordinates of gait2392 or Rajagopal's model, so no body is known for them; "
                f"unknown: {listed or 'none, but both hips and knees must be there'}"
            )
        raise MotionFormatError(path, problem, format=FORMAT, line=line)
    if others:
        listed = ", ".join(shown(one)[1:-1] for one in others[:8]) + (", …" if len(others) > 8 else "")
        notes.append(f"Columns that were passed over: {listed}.")


def _even(table: np.ndarray, rows: list[Row], path: Path, notes: list[str]) -> tuple[np.ndarray, float]:
    """The table at even times, and its frame rate."""
    times = table[:, 0]
    steps = np.diff(times)
    for place in np.flatnonzero(steps <= 0)[:1]:
        raise MotionFormatError(path, "the times must grow from line to line", format=FORMAT, line=rows[place + 1][0])
    step = float(np.median(steps)) if len(steps) else 1 / 30
    whole = round(1 / step)
    if whole and abs(step * whole - 1) < 2e-3:
        step = 1 / whole
    if len(steps) and np.abs(times - times[0] - np.arange(len(times)) * step).max() > 0.5 * step:
        count = (times[-1] - times[0]) / step + 1
        if count > _MOST_FRAMES or count > 1000 * len(times) or step > 1 / _LOWEST_RATE:
            raise MotionFormatError(path, "the times are too uneven to be put on an even rate", format=FORMAT)
        even = times[0] + np.arange(int(count + 1e-6)) * step
        table = np.stack([np.interp(even, times, column) for column in table.T], axis=1)
        notes.append("The times are uneven; the motion was put on an even rate.")
    return table, 1 / step


def _motion(columns: dict[str, np.ndarray], degrees: bool, fps: float, name: str) -> Motion:
    names = [row[0] for row in _JOINTS]
    parents = np.array([names.index(row[1]) if row[1] else -1 for row in _JOINTS])
    topology = Topology("opensim", tuple(names), parents, tuple(row[2] for row in _JOINTS))
    skeleton = _hanging_arms(standard_skeleton(topology))
    frames = len(columns["time"])
    rotations = np.zeros((frames, len(names), 4))
    rotations[..., 0] = 1.0
    scale = np.pi / 180 if degrees else 1.0
    for joint, turns in _TURNS.items():
        angles = np.zeros((frames, len(turns)))
        for place, (coordinate, axis) in enumerate(turns):
            if coordinate in columns:
                angles[:, place] = columns[coordinate] * (-scale if axis.startswith("-") else scale)
        if joint.startswith("tibia"):
            angles *= _backward(columns)
        rotations[:, names.index(joint)] = rotation.from_euler(angles, "".join(axis[-1] for _, axis in turns))
    root = np.stack([columns.get(axis, np.zeros(frames)) for axis in _PLACE], axis=-1)
    if "pelvis_ty" not in columns:
        root[:, 1] = skeleton.rest_offsets[0, 1]
    return Motion(skeleton, rotations, root, fps, name)


def _backward(columns: dict[str, np.ndarray]) -> float:
    """1 where knees bend by negative angles about z, as in gait2392, -1 where by positive ones."""
    knees = np.concatenate([columns["knee_angle_r"], columns["knee_angle_l"]])
    return -1.0 if knees.max() > -knees.min() else 1.0


def _hanging_arms(standing: Skeleton) -> Skeleton:
    """The standard body with its arms at its sides, in OpenSim's frame: x forward, y up, z to the right."""
    left, up, forward = standing.rest_offsets.T
    offsets = np.stack([forward, up, -left], axis=-1)
    for joint, name in enumerate(standing.names):
        if name.startswith(("ulna", "hand")):
            offsets[joint] = (0.0, -float(np.linalg.norm(offsets[joint])), 0.0)
    return Skeleton(standing.topology, offsets)
