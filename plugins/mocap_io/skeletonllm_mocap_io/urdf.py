"""Robots: a URDF with a table of joint values, or a URDF alone (one frame at zero).

The entry is the table, which finds its robot: the file that it names, else the .urdf of the same stem, else the only .urdf
in its folder. Lengths in metres, angles in radians, Z up (REP 103), as recorded: limits are not applied.

- ``.csv``: one column a joint, named as in the URDF; ``root_x root_y root_z`` and ``root_qx root_qy root_qz root_qw``; the
  rate as a column ``time`` [s], or as a comment before the header. Comments: ``# urdf=robot.urdf``, ``# fps=30``.
- ``.npz``: ``dof`` (T, D) and ``dof_names`` (D,), ``fps``; ``root_pos`` (T, 3), ``root_quat_xyzw`` or ``root_quat_wxyz``
  (T, 4); ``urdf`` (a name); ``clip_offsets`` (C + 1,), where each of several clips starts. Names as in ASAP and in our
  packs are understood too (`_ROOT_KEYS`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError, TopologyError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion.motion import Clip
from skeletonllm_core.motion.urdf import FORMAT, read_robot
from skeletonllm_mocap_io.arrays import array_names, load_arrays
from skeletonllm_mocap_io.number_text import head_of, number_table, rows_of
from skeletonllm_mocap_io.placing import placed

_ALONE_FPS = 30.0
_POSITION = ("root_x", "root_y", "root_z")
_QUATERNION = ("root_qw", "root_qx", "root_qy", "root_qz")
_OWN = ("time", "frame", *_POSITION, *_QUATERNION)
_TURN_KEYS = {
    "root_quat_xyzw": (3, 0, 1, 2),
    "root_quat_wxyz": (0, 1, 2, 3),
    "root_rot": (3, 0, 1, 2),
}
_ROOT_KEYS = ("root_pos", "root_pos_zup", "root_trans_offset")
_COMMENT = re.compile(r"#\s*(urdf|fps)\s*[=:]\s*(.+?)\s*$", re.IGNORECASE)


@dataclass
class _Table:
    """Joint values as read: (T, D) of the named joints, (T, 3) and (T, 4) (w, x, y, z) of the root, [s] rate."""

    names: list[str]
    values: np.ndarray
    position: np.ndarray
    turn: np.ndarray
    fps: float
    urdf: str | None
    offsets: list[int]


def sniff(path: Path) -> bool:
    """Whether it is a .urdf, or a table of joint values: its columns are joints of the robot beside it."""
    kind = _kind(path)
    if kind == "robot":
        return path.suffix.lower() == ".urdf"
    if kind == "arrays":
        return array_names(path).issuperset(("dof", "dof_names"))
    comments, header = _header(head_of(path, 65536).decode("utf-8", "replace").splitlines())
    if "joint" in (column.lower() for column in header):
        return False  # A line a joint: the reader `csv` takes it.
    if "urdf" in comments:
        return True
    columns = [column for column in header if column not in _OWN]
    if not columns:
        return False
    if sum(column.endswith("_joint") for column in columns) * 2 > len(columns):
        return True
    beside = _beside(path)
    if beside is None:
        return False
    try:
        known = set(read_robot(beside, MAX_JOINTS).dofs)
    except MotionFormatError:
        return False
    return any(column in known for column in columns)


def read(path: Path) -> list[Clip]:
    """The clips of a joint table, or the robot of a .urdf standing at zero.

    Raises:
        MotionFormatError: the table or its robot is bad, or the robot is not there.
    """
    kind = _kind(path)
    if kind == "robot":
        robot = read_robot(path, MAX_JOINTS).with_ends_at_masses()
        still = robot.motion({}, np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0, 0.0]]), _ALONE_FPS, path.stem)
        notes = ["A URDF alone has no motion: this is one frame with every joint at zero."]
        return [placed([still], format=FORMAT, unit=("m", 1.0), up_axis="z", warnings=notes)]
    table = _arrays(path) if kind == "arrays" else _text(path)
    robot = read_robot(_robot_of(path, table.urdf), MAX_JOINTS).with_ends_at_masses()
    notes = []
    missing = [joint for joint in robot.dofs if joint not in table.names]
    if missing:
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        notes.append(f"{len(missing)} joints of the robot are not in the table and stay at 0: {shown}.")
    clips = []
    several = len(table.offsets) > 2
    for number, (start, stop) in enumerate(zip(table.offsets, table.offsets[1:], strict=False)):
        values = {name: table.values[start:stop, column] for column, name in enumerate(table.names)}
        name = f"{number}" if several else ""
        try:
            motion = robot.motion(
                values, table.position[start:stop], table.turn[start:stop], table.fps, name or path.stem
            )
        except TopologyError as problem:
            raise MotionFormatError(path, str(problem), format=FORMAT) from problem
        clips.append(placed([motion], format=FORMAT, name=name, unit=("m", 1.0), up_axis="z", warnings=notes))
    return clips


def _kind(path: Path) -> str:
    """ "robot", "arrays" or "text", by the first bytes: a format that is asked for by name may have any suffix."""
    head = head_of(path, 256)
    if head.startswith(b"PK") or path.suffix.lower() == ".npz":
        return "arrays"
    return "robot" if head.lstrip().startswith(b"<") or path.suffix.lower() == ".urdf" else "text"


# --- which robot


def _beside(path: Path) -> Path | None:
    """The URDF of the same stem, else the only one in the folder."""
    same = path.with_suffix(".urdf")
    if same.is_file():
        return same
    found = sorted(one for one in path.parent.glob("*.urdf") if one.is_file())
    return found[0] if len(found) == 1 else None


def _robot_of(path: Path, named: str | None) -> Path:
    if named is None:
        found = _beside(path)
        if found is None:
            _fail(
                path,
                f"the robot is not known: put its URDF beside the table as {path.stem}.urdf, or name it "
                "(`# urdf=robot.urdf` in a .csv, the array `urdf` in an .npz)",
            )
        return found
    robot = path.parent / named
    if not robot.resolve().is_relative_to(path.parent.resolve()):
        _fail(path, f"the robot {named[:80]!a} lies outside the table's folder, where nothing is looked for")
    if not robot.is_file():
        _fail(path, f"the robot {named[:80]!a} that it names is not there")
    return robot


def _fail(path: Path, problem: str, line: int | None = None) -> NoReturn:
    raise MotionFormatError(path, problem, format=FORMAT, line=line)


# --- .csv


def _header(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """The comments before the header, and the names of the columns."""
    comments: dict[str, str] = {}
    for line in lines:
        found = _COMMENT.match(line)
        if found:
            comments[found.group(1).lower()] = found.group(2)
        elif line.strip() and not line.lstrip().startswith("#"):
            return comments, [column.strip().strip('"') for column in line.split(",")]
    return comments, []


def _text(path: Path) -> _Table:
    rows = rows_of(path, FORMAT)
    comments, columns = _header([text for _, text in rows])
    plain = [(line, text) for line, text in rows if not text.lstrip().startswith("#")]
    if len(plain) < 2:
        _fail(path, "there are no joint values: a header and a line a frame are needed", rows[-1][0] if rows else None)
    twice = next((name for place, name in enumerate(columns) if name in columns[:place]), None)
    if twice is not None:
        _fail(path, f"the column {twice[:60]!a} is there twice", plain[0][0])
    table = number_table(plain[1:], len(columns), path=path, format=FORMAT, separator=",", names=columns)
    column = {name: table[:, place] for place, name in enumerate(columns)}

    def group(names: tuple[str, ...], default: tuple[float, ...]) -> np.ndarray:
        there = [name for name in names if name in column]
        if there and len(there) < len(names):
            missing = next(name for name in names if name not in column)
            _fail(path, f"the column {missing!r} is missing, though {there[0]!r} is there", plain[0][0])
        return np.stack([column[name] for name in names], 1) if there else np.tile(default, (len(table), 1))

    joints = [name for name in columns if name not in _OWN]
    position, turn = group(_POSITION, (0.0, 0.0, 0.0)), group(_QUATERNION, (1.0, 0.0, 0.0, 0.0))
    fps = _rate(path, comments.get("fps"), column.get("time"))
    values = np.stack([column[name] for name in joints], 1) if joints else np.zeros((len(table), 0))
    return _Table(joints, values, position, turn, fps, comments.get("urdf"), [0, len(table)])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _rate(path: Path, comment: str | None, time: np.ndarray | None) -> float:
    if comment is not None:
        if not _is_number(comment) or not float(comment) > 0:
            _fail(path, f"the frame rate {comment[:24]!a} is no positive number")
        return float(comment)
    if time is None:
        _fail(path, "the frame rate is missing: add a line `# fps=30` before the header, or a column `time` [s]")
    steps = np.diff(time)
    if not len(steps):
        return _ALONE_FPS
    step = float(np.median(steps))
    if not step > 0 or np.abs(steps - step).max() > 0.5 * step:
        _fail(path, "the column 'time' does not rise in even steps")
    # A rate that is whole but for the digits that a table has.
    rate = 1 / step
    return float(round(rate)) if abs(rate - round(rate)) < 2e-3 * rate and rate >= 1 else rate


# --- .npz


def _arrays(path: Path) -> _Table:
    arrays = load_arrays(path, FORMAT)

    def numbers(key: str, *shape: int | str) -> np.ndarray:
        found = arrays[key]
        fits = found.dtype.kind in "fiu" and found.ndim == len(shape)
        fits = fits and all(isinstance(a, str) or a == b for a, b in zip(shape, found.shape, strict=True))
        if not fits:
            wanted = ", ".join(map(str, shape))
            _fail(path, f"{key!r} must be numbers of shape ({wanted}), found {found.dtype} {found.shape}")
        values = found.astype(np.float64)
        if not np.isfinite(values).all():
            _fail(path, f"{key!r} holds a value that is no finite number")
        return values

    for key in ("dof", "dof_names", "fps"):
        if key not in arrays:
            _fail(path, f"the array {key!r} is missing")
    names = [str(name) for name in arrays["dof_names"].reshape(-1)]
    values = numbers("dof", "T", len(names))
    frames = len(values)
    if not frames:
        _fail(path, "the clip has 0 frames")
    positions = [key for key in _ROOT_KEYS if key in arrays]
    turns = [key for key in _TURN_KEYS if key in arrays]
    position = numbers(positions[0], frames, 3) if positions else np.zeros((frames, 3))
    turn = numbers(turns[0], frames, 4)[:, _TURN_KEYS[turns[0]]] if turns else np.tile([1.0, 0, 0, 0], (frames, 1))
    rate = arrays["fps"]
    if rate.size != 1 or rate.dtype.kind not in "fiu" or not rate.item() > 0:
        _fail(path, "'fps' must be one positive number")
    offsets = [0, frames]
    if "clip_offsets" in arrays:
        listed = numbers("clip_offsets", "C")
        whole = len(listed) > 1 and (listed == np.round(listed)).all() and (np.diff(listed) > 0).all()
        if not (whole and listed[0] >= 0 and listed[-1] <= frames):
            _fail(path, f"'clip_offsets' must rise from 0 to {frames}")
        offsets = [int(value) for value in listed]
    named = str(arrays["urdf"]) if "urdf" in arrays and arrays["urdf"].ndim == 0 else None
    return _Table(names, values, position, turn, float(rate.item()), named, offsets)
