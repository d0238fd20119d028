"""CSV of joint positions, the lowest common denominator: a line a joint and frame, in any order.

    # fps=25
    frame,joint,x,y,z
    0,hips,0.01,0.93,0.0

The first line is the header; the columns ``frame``, ``joint``, ``x``, ``y``, ``z`` are needed, in any order and in any
capitals; ``person`` (a number or a name), ``parent`` (a joint's name, empty at a root) and ``time`` [s] or ``fps`` may be
there. Cells are separated by commas, semicolons or tabs. Joints come in the order of their first lines; a missing line, an
empty cell or "nan" is a gap. Without a column ``parent`` the bones are those of a known topology with these names, else
they follow from the body parts that the names tell, else joints are joined where they are nearest to each other. Unit and
up axis are inferred. The frame rate is that of a comment ``# fps=``, of the column ``fps`` or of the times, else 30.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError, TopologyError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion.motion import Clip, Keypoints
from skeletonllm_mocap_io.number_text import MOST, Row, head_of, parsed, rows_of, shown
from skeletonllm_mocap_io.placing import placed
from skeletonllm_mocap_io.skeleton_of_points import parents_by_name, spanning_tree

FORMAT = "csv"
DEFAULT_FPS = 30.0

_NEEDED = ("frame", "joint", "x", "y", "z")
_RATE = re.compile(r"#\s*fps\s*[=:]\s*(\S+)", re.IGNORECASE)
_NEXUS = "Trajectories"
_MOST_EMPTY = 20  # times as many poses as there are lines may be gaps


def sniff(path: Path) -> bool:
    """Whether the header names joints, or is that of Vicon's own tables, for which `read` has a sentence."""
    for line in head_of(path).decode("latin-1").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            return "joint" in _titles(line) or line.startswith(_NEXUS)
    return False


def _titles(line: str) -> list[str]:
    """The names of the columns in small letters."""
    return [cell.strip().strip('"').strip().lower() for cell in line.split(_separator(line))]


def _separator(header: str) -> str:
    return max(",;\t", key=header.count)


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints a person.

    Raises:
        MotionFormatError: the header or a line is bad, or joints have no consistent parents.
    """
    return [_Table(path).clip()]


class _Table:
    """The columns of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fps: float | None = None
        rows = []
        for row in rows_of(path, FORMAT):
            if row[1].lstrip().startswith("#"):
                self._comment(*row)
            else:
                rows.append(row)
        if not rows:
            raise MotionFormatError(path, "there is no header such as frame,joint,x,y,z", format=FORMAT)
        if rows[0][1].startswith(_NEXUS):
            self.fail(rows[0][0], "is a table of markers as Vicon Nexus writes it; export the trial as .c3d or .trc")
        self.separator = _separator(rows[0][1])
        self.titles = _titles(rows[0][1])
        missing = [title for title in _NEEDED if title not in self.titles]
        if missing:
            self.fail(
                rows[0][0],
                f"the first line must name the columns frame, joint, x, y and z; {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} missing",
            )
        if len(set(self.titles)) != len(self.titles):
            self.fail(rows[0][0], "two columns have the same name")
        self.lines = [number for number, _ in rows[1:]]
        self.columns = self._columns(rows)
        if not self.lines:
            raise MotionFormatError(path, "the clip has 0 frames", format=FORMAT)

    def fail(self, line: int, problem: str) -> NoReturn:
        raise MotionFormatError(self.path, problem, format=FORMAT, line=line)

    def _comment(self, line: int, text: str) -> None:
        found = _RATE.search(text)
        if found:
            rate = parsed(found.group(1), " ")
            if rate is None or len(rate) != 1 or not 0 < rate[0] < MOST:
                self.fail(line, f"expected a frame rate, found {shown(found.group(1))}")
            self.fps = float(rate[0])

    def _columns(self, rows: Sequence[Row]) -> dict[str, list[str]]:
        texts = [text for _, text in rows[1:]]
        if any('"' in text for text in texts):
            try:
                cells = list(csv.reader(texts, delimiter=self.separator))
            except csv.Error as problem:
                raise MotionFormatError(self.path, f"is no CSV: {problem}", format=FORMAT) from problem
            if len(cells) != len(texts):
                self.fail(rows[-1][0], "a quoted cell does not end in its line")
        else:
            cells = [text.split(self.separator) for text in texts]
        for line, row in zip(self.lines, cells, strict=True):
            if len(row) != len(self.titles):
                self.fail(line, f"expected {len(self.titles)} cells, found {len(row)}")
        return {
            title: [cell.strip() for cell in column]
            for title, column in zip(self.titles, zip(*cells, strict=True), strict=False)
        }

    def numbers(self, title: str) -> np.ndarray:
        """(n,) values of a column, NaN in empty cells."""
        column = self.columns[title]
        if self.separator == ";":
            column = [cell.replace(",", ".") for cell in column]
        values = parsed(",".join(cell or "nan" for cell in column), ",")
        if values is None or len(values) != len(column):
            for line, cell in zip(self.lines, column, strict=True):
                one = parsed(cell or "nan", ",")
                if one is None or len(one) != 1:
                    self.fail(line, f"{title}: expected a number, found {shown(cell)}")
            self.fail(self.lines[0], f"{title}: the numbers cannot be told apart")
        bad = np.flatnonzero(~(np.abs(values) < MOST) & ~np.isnan(values))
        if len(bad):
            self.fail(self.lines[bad[0]], f"{title} is {values[bad[0]]:g}, which is no plausible value")
        return values

    def clip(self) -> Clip:
        frames = self.numbers("frame")
        for place in np.flatnonzero(~(frames == np.floor(frames)))[:1]:
            self.fail(self.lines[place], f"expected a frame number, found {shown(self.columns['frame'][place])}")
        frames = frames.astype(np.int64) - int(frames.min())
        joints, names = _numbered(self.columns["joint"])
        if len(names) > MAX_JOINTS:
            self.fail(self.lines[0], f"there are {len(names)} joints; more than {MAX_JOINTS} are refused")
        persons, people = _numbered(self.columns.get("person", [""] * len(frames)))
        shape = (len(people), int(frames.max()) + 1, len(names))
        if np.prod(shape, dtype=np.float64) > 1000 + _MOST_EMPTY * len(frames):
            raise MotionFormatError(
                self.path,
                f"{len(frames)} lines are too few for {shape[1]} frames, {shape[2]} joints and {shape[0]} persons",
                format=FORMAT,
            )
        keys = (persons * shape[1] + frames) * shape[2] + joints
        order = np.argsort(keys, kind="stable")
        for place in np.flatnonzero(np.diff(keys[order]) == 0)[:1]:
            second = order[place + 1]
            self.fail(self.lines[second], f"joint {shown(names[joints[second]])} is there twice in this frame")
        positions = np.full((*shape, 3), np.nan)
        positions[persons, frames, joints] = np.stack([self.numbers(axis) for axis in "xyz"], axis=-1)
        positions[np.isnan(positions).any(-1)] = np.nan
        notes: list[str] = []
        fps = self._rate(frames, notes)
        parents = self._parents(names, positions, notes)
        try:
            bodies = [Keypoints.from_arrays(one, names, parents, fps, self.path.stem) for one in positions]
        except TopologyError as problem:
            raise MotionFormatError(self.path, f"column 'parent': {problem}", format=FORMAT) from problem
        ids = [
            int(one) if one.isascii() and one.isdigit() and len(one) < 18 else index for index, one in enumerate(people)
        ]
        ids = ids if len(set(ids)) == len(ids) else list(range(len(people)))
        return placed(bodies, format=FORMAT, person_ids=ids, warnings=notes)

    def _rate(self, frames: np.ndarray, notes: list[str]) -> float:
        """Frames a second."""
        if self.fps is not None:
            return self.fps
        if "fps" in self.columns:
            rates = self.numbers("fps")
            rates = rates[np.isfinite(rates)]
            if not len(rates) or not rates[0] > 0 or np.ptp(rates) > 1e-6:
                self.fail(self.lines[0], "the column 'fps' must hold one positive number")
            return float(rates[0])
        if "time" in self.columns:
            times = self.numbers("time")
            order = np.argsort(frames, kind="stable")
            steps, spans = np.diff(frames[order]), np.diff(times[order])
            known = (steps > 0) & np.isfinite(spans)
            if known.any():
                step = float(np.median(spans[known] / steps[known]))
                if not step > 0:
                    self.fail(self.lines[0], "the times must grow with the frames")
                whole = round(1 / step)
                return float(whole) if whole and abs(step * whole - 1) < 2e-3 else 1 / step
        notes.append(
            f"The file has no frame rate; {DEFAULT_FPS:g} frames a second are taken. A line '# fps=25' tells it."
        )
        return DEFAULT_FPS

    def _parents(self, names: list[str], positions: np.ndarray, notes: list[str]) -> np.ndarray:
        """(J,) parent of every joint, -1 at roots."""
        if "parent" in self.columns:
            places = {name: index for index, name in enumerate(names)}
            parents = np.full(len(names), -1)
            told: dict[str, str] = {}
            for line, joint, parent in zip(self.lines, self.columns["joint"], self.columns["parent"], strict=True):
                if told.setdefault(joint, parent) != parent:
                    self.fail(line, f"joint {shown(joint)} has two parents, {shown(told[joint])} and {shown(parent)}")
                if parent and parent not in places:
                    self.fail(line, f"there is no joint {shown(parent)}, the parent of {shown(joint)}")
                parents[places[joint]] = places[parent] if parent else -1
            return parents
        together = positions.reshape(-1, len(names), 3)
        named = parents_by_name(names, together)
        if named is not None:
            return named
        notes.append(
            "The file names no parents and no known joints: they were joined where they are nearest to each other."
        )
        return spanning_tree(together)


def _numbered(column: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """For each cell the number of its text, in the order in which texts appear; and the texts."""
    places: dict[str, int] = {}
    numbers = np.fromiter((places.setdefault(cell, len(places)) for cell in column), np.int64, len(column))
    return numbers, list(places)
