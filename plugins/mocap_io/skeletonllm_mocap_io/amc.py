"""ASF/AMC (Acclaim skeleton and motion), as in the CMU motion capture database; read only.

The skeleton lies in an .asf file beside the .amc: the one whose name starts the motion's name (``01.asf`` for ``01_01.amc``),
or the only one in the folder. A bone turns about its own start by C·M·C⁻¹, where C is its axis and M its degrees of freedom,
both products of turns about fixed axes in the order of the file (x first). Limits are not applied, because measured motion
passes them. A joint here has the name of the bone that starts at it. The unit is the database's 1/0.45 inch where the file
says ``length 0.45``, else inferred. The frame rate is not in the file; it is 120 in the database.

Source: M. Schafer, "The Acclaim Motion Capture Format" (ASF/AMC file specification), University of Wisconsin, 1994.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Motion
from skeletonllm_core.motion.orientation import UNITS
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from skeletonllm_mocap_io.number_text import MOST, Row, number_table, rows_of, shown
from skeletonllm_mocap_io.placing import placed

FORMAT = "amc"
FPS = 120.0

_CMU_LENGTH = 0.45
_MOST_POSES = 100_000_000  # frames × joints, as in BVH
_ROTATIONS = ("rx", "ry", "rz")
_TRANSLATIONS = ("tx", "ty", "tz")


@dataclass
class _Bone:
    name: str
    parent: int = -1
    direction: np.ndarray = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis: np.ndarray = field(default_factory=lambda: np.zeros(3))
    axis_order: str = "XYZ"
    freedom: tuple[str, ...] = ()


@dataclass
class _Body:
    bones: list[_Bone]  # the root first, parents before children
    position: np.ndarray
    degrees: bool
    length: float | None


def read(path: Path) -> list[Clip]:
    """The one clip of an .amc file, one Motion.

    Raises:
        MotionFormatError: the .asf is missing, or one of the two files is bad.
    """
    if path.suffix.lower() == ".asf":
        raise MotionFormatError(path, "is a skeleton without motion; read an .amc file beside it", format=FORMAT)
    skeleton_path = _skeleton_beside(path)
    body = _SkeletonParser(skeleton_path).parse()
    values, degrees, notes = _motion_values(path, body, skeleton_path)
    notes.append(f"The file has no frame rate; {FPS:g} frames a second are taken, as in the CMU database.")
    motion = _motion(body, values, degrees, path.stem)
    cmu = body.length is not None and abs(body.length - _CMU_LENGTH) < 1e-6
    unit = ("cmu", dict(UNITS)["cmu"]) if cmu else None
    return [placed([motion], format=FORMAT, unit=unit, up_axis="y" if cmu else None, warnings=notes)]


def sniff(path: Path) -> bool:
    """Whether a file is a motion: an .asf is not, and a folder with both is searched for motions."""
    return path.suffix.lower() != ".asf"


def _skeleton_beside(path: Path) -> Path:
    beside = sorted(one for one in path.parent.iterdir() if one.suffix.lower() == ".asf" and one.is_file())
    own = [one for one in beside if one.stem == path.stem or path.stem.startswith((f"{one.stem}_", f"{one.stem}-"))]
    if own:
        return max(own, key=lambda one: len(one.stem))
    if len(beside) == 1:
        return beside[0]
    wanted = f"{path.stem.partition('_')[0]}.asf"
    if beside:
        problem = f"none of the {len(beside)} .asf files beside it belongs to it; put its skeleton there as {wanted}"
    else:
        problem = f"its skeleton is missing: put {wanted} into the same folder"
    raise MotionFormatError(path, problem, format=FORMAT)


# --- skeleton ---------------------------------------------------------------------------------------------------------


class _SkeletonParser:
    """An .asf file, section by section."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 1
        self.sections: dict[str, list[Row]] = {}
        for number, text in rows_of(path, FORMAT):
            text = text.partition("#")[0].strip()
            if text.startswith(":"):
                word, _, rest = text[1:].partition(" ")
                name = word.strip().lower()
                self.sections[name] = [(number, rest)] if rest.strip() else []
            elif text and self.sections:
                self.sections[name].append((number, text))

    def fail(self, problem: str) -> NoReturn:
        raise MotionFormatError(self.path, problem, format=FORMAT, line=self.line)

    def rows(self, section: str) -> Iterator[list[str]]:
        if section not in self.sections:
            raise MotionFormatError(self.path, f"there is no :{section} section", format=FORMAT)
        for line, text in self.sections[section]:
            self.line = line
            yield text.split()

    def numbers(self, words: list[str], count: int) -> np.ndarray:
        if len(words) < count + 1:
            self.fail(f"expected {count} values of {words[0]!r}, found {len(words) - 1}")
        try:
            values = np.array([float(word) for word in words[1 : count + 1]])
        except ValueError:
            self.fail(f"expected {count} numbers of {words[0]!r}, found {shown(' '.join(words[1:]))}")
        if not (np.abs(values) < MOST).all():
            self.fail(f"{words[0]!r} holds no plausible value")
        return values

    def parse(self) -> _Body:
        length, degrees = None, True
        for words in self.rows("units") if "units" in self.sections else ():
            keyword = words[0].lower()
            if keyword == "length":
                length = float(self.numbers(words, 1)[0])
            elif keyword == "angle":
                degrees = not (len(words) > 1 and words[1].lower().startswith("rad"))
        root = _Bone("root")
        position = np.zeros(3)
        for words in self.rows("root"):
            keyword = words[0].lower()
            if keyword == "order":
                root.freedom = self._freedom(words[1:], _TRANSLATIONS + _ROTATIONS)
            elif keyword == "axis":
                root.axis_order = self._order(words[1:])
            elif keyword == "position":
                position = self.numbers(words, 3)
            elif keyword == "orientation":
                root.axis = self.numbers(words, 3)
        return _Body(self._hierarchy([root, *self._bones()]), position, degrees, length)

    def _freedom(self, words: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(word.lower() for word in words)
        for word in found:
            if word not in known:
                self.fail(f"the degree of freedom {shown(word)} cannot be read; known: {' '.join(known)}")
        if len(set(found)) != len(found):
            self.fail("a degree of freedom is there twice")
        return found

    def _order(self, words: list[str]) -> str:
        order = "".join(words).upper()
        if sorted(order) != ["X", "Y", "Z"]:
            self.fail(f"expected an axis order such as XYZ, found {shown(order)}")
        return order

    def _bones(self) -> list[_Bone]:
        bones: list[_Bone] = []
        bone: _Bone | None = None
        for words in self.rows("bonedata"):
            keyword = words[0].lower()
            if keyword == "begin":
                bone = _Bone("")
                if len(bones) >= MAX_JOINTS:
                    self.fail(f"the skeleton has more than {MAX_JOINTS} bones")
                bones.append(bone)
            elif bone is None:
                self.fail(f"expected 'begin', found {shown(words[0])}")
            elif keyword == "end":
                if not bone.name:
                    self.fail("a bone has no name")
                bone = None
            elif keyword == "name":
                bone.name = " ".join(words[1:])
            elif keyword == "direction":
                direction = self.numbers(words, 3)
                norm = float(np.linalg.norm(direction))
                bone.direction = direction / norm if norm > 0 else direction
            elif keyword == "length":
                bone.length = float(self.numbers(words, 1)[0])
            elif keyword == "axis":
                bone.axis = self.numbers(words, 3)
                bone.axis_order = self._order(words[4:]) if len(words) > 4 else "XYZ"
            elif keyword == "dof":
                bone.freedom = self._freedom(words[1:], _ROTATIONS)
        if bone is not None:
            self.fail("the last bone has no 'end'")
        return bones

    def _hierarchy(self, bones: list[_Bone]) -> list[_Bone]:
        by_name = {bone.name: bone for bone in bones}
        if len(by_name) != len(bones):
            self.fail("two bones have the same name")
        ordered = [bones[0]]
        places = {"root": 0}
        for words in self.rows("hierarchy"):
            if words[0].lower() in ("begin", "end"):
                continue
            if words[0] not in places:
                self.fail(f"bone {shown(words[0])} has children but no parent above it")
            for name in words[1:]:
                if name not in by_name:
                    self.fail(f"bone {shown(name)} is not in :bonedata")
                if name in places:
                    self.fail(f"bone {shown(name)} has two parents")
                by_name[name].parent = places[words[0]]
                places[name] = len(ordered)
                ordered.append(by_name[name])
        for bone in bones:
            if bone.name not in places:
                self.fail(f"bone {shown(bone.name)} is not in :hierarchy")
        return ordered


# --- motion -----------------------------------------------------------------------------------------------------------


def _motion_values(path: Path, body: _Body, skeleton_path: Path) -> tuple[dict[str, np.ndarray], bool, list[str]]:
    """Bone name → (T, degrees of freedom) values, whether they are degrees, and notes."""
    degrees = body.degrees
    widths = {bone.name: len(bone.freedom) for bone in body.bones}
    rows: dict[str, list[Row]] = {name: [] for name, width in widths.items() if width}
    starts: list[int] = []  # lines that start a frame
    for number, text in rows_of(path, FORMAT):
        text = text.partition("#")[0].strip()
        if not text:
            continue
        if text.startswith(":"):
            if text[1:].strip().upper() in ("RADIANS", "DEGREES"):
                degrees = text[1:].strip().upper() == "DEGREES"
            continue
        name, _, rest = text.partition(" ")
        if name.isdigit() and not rest:
            _check_frame(path, starts, rows)
            starts.append(number)
        elif not starts:
            problem = f"expected the number of the first frame, found {shown(text)}"
            raise MotionFormatError(path, problem, format=FORMAT, line=number)
        elif name not in rows:
            problem = f"bone {shown(name)} does not move in {skeleton_path.name}, or is not there"
            raise MotionFormatError(path, problem, format=FORMAT, line=number)
        else:
            rows[name].append((number, rest))
    if not starts:
        raise MotionFormatError(path, "the clip has 0 frames", format=FORMAT)
    _check_frame(path, starts, rows)
    if len(starts) * len(body.bones) > _MOST_POSES:
        raise MotionFormatError(path, "holds more poses than fit into memory", format=FORMAT)
    still = [name for name, lines in rows.items() if not lines]
    notes = [f"Bones without values stay at rest: {', '.join(still[:8])}."] if still else []
    values = {
        name: number_table(lines, widths[name], path=path, format=FORMAT) for name, lines in rows.items() if lines
    }
    return values, degrees, notes


def _check_frame(path: Path, starts: list[int], rows: dict[str, list[Row]]) -> None:
    """The frame that ends here must have every bone once, as the first frame has."""
    for name, lines in rows.items():
        if lines and len(lines) != len(starts):
            line = lines[-1][0] if len(lines) > len(starts) else starts[-1]
            problem = f"frame {len(starts)}: expected bone {shown(name)} once, as in the other frames"
            raise MotionFormatError(path, problem, format=FORMAT, line=line)


def _motion(body: _Body, values: dict[str, np.ndarray], degrees: bool, name: str) -> Motion:
    frames = max(len(table) for table in values.values()) if values else 1
    scale = np.pi / 180 if degrees else 1.0
    axis_scale = np.pi / 180 if body.degrees else 1.0
    rotations = np.zeros((frames, len(body.bones), 4))
    rotations[..., 0] = 1.0
    root = np.tile(body.position, (frames, 1))
    for joint, bone in enumerate(body.bones):
        last_first = bone.axis_order[::-1]
        angles = bone.axis[["XYZ".index(letter) for letter in last_first]]  # the file has x, y, z in any order of turns
        axis = rotation.from_euler(angles * axis_scale, last_first)
        local = np.array([1.0, 0.0, 0.0, 0.0])
        if bone.name in values:
            table = values[bone.name]
            turning = [column for column, freedom in enumerate(bone.freedom) if freedom in _ROTATIONS]
            order = "".join(bone.freedom[column][1] for column in turning)
            local = rotation.from_euler(table[:, turning[::-1]] * scale, order[::-1])
            for column, freedom in enumerate(bone.freedom):
                if freedom in _TRANSLATIONS:
                    root[:, _TRANSLATIONS.index(freedom)] += table[:, column]
        rotations[:, joint] = rotation.multiply(rotation.multiply(axis, local), rotation.conjugate(axis))
    ends = np.array([bone.direction * bone.length for bone in body.bones])
    parents = np.array([bone.parent for bone in body.bones])
    offsets = np.where((parents > 0)[:, None], ends[np.maximum(parents, 0)], 0.0)
    leaves = np.setdiff1d(np.arange(1, len(body.bones)), parents)
    topology = Topology(FORMAT, tuple(bone.name for bone in body.bones), parents)
    return Motion(Skeleton(topology, offsets, leaves, ends[leaves]), rotations, root, FPS, name)
