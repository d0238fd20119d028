"""BVH (Biovision hierarchy), read and write.

What the format leaves open, and what is done here (as in common tools, checked against Bandai-Namco's published files):
position channels replace a joint's OFFSET, at the root and below it; rotations are intrinsic, in the order of the channels;
every ROOT is a person; unit and up axis are inferred from the body.

Source: J. Thingvold, "Biovision BVH Format" (1999); M. Meredith and S. Maddock, "Motion Capture File Formats Explained" (2001).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.from_keypoints import fitted_motion
from skeletonllm_core.motion.motion import Clip, Keypoints, Motion
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from skeletonllm_mocap_io.decimals import parsed
from skeletonllm_mocap_io.placing import placed

FORMAT = "bvh"

_CHUNK_BYTES = 1 << 20
_NUMBER_BYTES = 1 << 16  # numbers are read fastest while all that is made of them fits into the processor's cache
_MAX_HEADER_BYTES = 16 << 20  # two thousand joints nested in each other, indented by tabs, take half of it
_LONGEST_START = 4096  # bytes from MOTION to the frame time
_IMPLAUSIBLE = 1e7
_MOST_POSES = 100_000_000  # frames × joints: 3.2 GB of rotations, or 7 hours of 31 joints at 120 frames a second
_MOTION_START = re.compile(rb"\bMOTION\s+Frames\s*:\s*\S+\s+Frame\s*Time\s*:[ \t]*\S+", re.IGNORECASE)
_WORD = re.compile(r"[{}]|[^\s{}]+")
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)


@dataclass
class _Joint:
    name: str
    parent: int
    root: int
    offset: tuple[float, float, float] | None = None
    positions: list[tuple[int, int]] = field(default_factory=list)  # (axis, column)
    rotations: list[tuple[str, int]] = field(default_factory=list)  # (axis letter, column), in file order
    tips: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass
class _Header:
    joints: list[_Joint]
    columns: list[str]  # "Hips Xposition", one per channel
    frames: int
    fps: float
    line: int  # of the frame time
    length: int = 0  # bytes up to the end of the frame time


def read(path: Path) -> list[Clip]:
    """The one clip of a BVH file, a Motion a ROOT, in metres, Y up.

    Raises:
        MotionFormatError: the file is no BVH, is cut short, or holds values that make no sense.
    """
    with path.open("rb") as file:
        header = _read_header(file, path)
        file.seek(header.length)
        builders = [_PersonBuilder(header, root) for root in sorted({joint.root for joint in header.joints})]
        _read_frames(file, path, header, builders)
    return [placed([builder.motion(path.stem) for builder in builders], format=FORMAT)]


# --- header -----------------------------------------------------------------------------------------------------------


def _read_header(file: BinaryIO, path: Path) -> _Header:
    data = bytearray()
    while True:
        block = file.read(_CHUNK_BYTES)
        data += block
        found = _MOTION_START.search(data, max(0, len(data) - len(block) - _LONGEST_START))
        if not block or (found and found.end() < len(data)):
            break
        if len(data) > _MAX_HEADER_BYTES:
            raise MotionFormatError(
                path, f"there is no MOTION section in the first {_MAX_HEADER_BYTES >> 20} MB", format=FORMAT
            )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MotionFormatError(path, "the text is UTF-16; save it as UTF-8", format=FORMAT, line=1)
    length = found.end() if found else len(data)
    header = _HeaderParser(_decoded(bytes(data[:length])), path).parse()
    header.length = length
    return header


def _decoded(data: bytes) -> str:
    """Text of bytes whose encoding a BVH file never says: UTF-8, else Shift-JIS, else Latin-1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Kana and most kanji of Shift-JIS start with a byte in 0x81..0x9f, which is no letter in Latin-1.
        if any(0x81 <= byte <= 0x9F for byte in data):
            try:
                return data.decode("cp932")
            except UnicodeDecodeError:
                pass
        return data.decode("latin-1")


class _HeaderParser:
    """Hierarchy and frame count, word by word; needs no particular line breaks or indentation."""

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self.words = self._split(text)
        self.line = 1
        self.ahead: tuple[int, str] | None = next(self.words, None)

    @staticmethod
    def _split(text: str) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
            for found in _WORD.finditer(line):
                yield number, found.group()

    def fail(self, problem: str) -> NoReturn:
        raise MotionFormatError(self.path, problem, format=FORMAT, line=self.line)

    def next(self, expected: str) -> str:
        if self.ahead is None:
            self.fail(f"the file ends where {expected} should be")
        self.line, word = self.ahead
        self.ahead = next(self.words, None)
        return word

    def rest_of_line(self) -> str:
        """The words up to the end of the line or a brace: a name may hold spaces."""
        words: list[str] = []
        line = self.line
        while self.ahead is not None and self.ahead[0] == line and self.ahead[1] not in "{}":
            words.append(self.next("a name"))
        return " ".join(words)

    def number(self, what: str) -> float:
        word = self.next(what)
        try:
            value = float(word)
        except ValueError:
            self.fail(f"expected {what}, found {_shown(word)}")
        if not abs(value) <= _IMPLAUSIBLE:
            self.fail(f"{what} is {word}, which is no plausible value")
        return value

    def parse(self) -> _Header:
        joints: list[_Joint] = []
        columns: list[str] = []
        stack: list[_Joint | None] = []  # None is an End Site
        current = -1
        word = self.next("HIERARCHY")
        if word.upper() != "HIERARCHY":
            self.fail(f"expected HIERARCHY, found {_shown(word)}")
        indices: list[int] = []
        while True:
            word = self.next("the rest of the hierarchy")
            keyword = word.upper()
            if keyword in ("ROOT", "JOINT"):
                if keyword == "ROOT" and stack:
                    self.fail("a ROOT stands inside another joint")
                if keyword == "JOINT" and (not stack or stack[-1] is None):
                    self.fail("a JOINT stands outside any ROOT or inside an End Site")
                name = self.rest_of_line() or f"joint{len(joints)}"
                parent = indices[-1] if stack else -1
                root = joints[parent].root if parent >= 0 else len(joints)
                if len(joints) == MAX_JOINTS:
                    self.fail(f"the skeleton has more than {MAX_JOINTS} joints")
                joints.append(_Joint(name, parent, root))
                current = len(joints) - 1
                self._brace(f"joint {name!r}")
                stack.append(joints[-1])
                indices.append(current)
            elif keyword == "END":
                if not stack or stack[-1] is None:
                    self.fail("an End Site stands outside any joint")
                self.rest_of_line()
                self._brace("End Site")
                stack.append(None)
                indices.append(current)
            elif keyword == "OFFSET":
                if not stack:
                    self.fail("an OFFSET stands outside any joint")
                x, y, z = (self.number("an OFFSET value") for _ in range(3))
                owner = stack[-1]
                if owner is None:
                    joints[indices[-1]].tips.append((x, y, z))
                else:
                    owner.offset = (x, y, z)
            elif keyword == "CHANNELS":
                if not stack or stack[-1] is None:
                    self.fail("CHANNELS stand outside any joint")
                self._channels(stack[-1], columns)
            elif word == "}":
                if not stack:
                    self.fail("a '}' closes nothing")
                closed = stack.pop()
                indices.pop()
                if closed is not None and closed.offset is None:
                    self.fail(f"joint {closed.name!r} has no OFFSET")
                current = indices[-1] if indices else -1
            elif keyword == "MOTION":
                break
            else:
                self.fail(f"expected a JOINT, CHANNELS, OFFSET, End Site or '}}', found {_shown(word)}")
        if stack:
            self.fail(f"the hierarchy is not closed: {len(stack)} '}}' missing before MOTION")
        if not joints:
            self.fail("the hierarchy has no ROOT")
        if not columns:
            self.fail("no joint has channels, so nothing can move")
        frames, fps = self._motion_start()
        return _Header(joints, columns, frames, fps, self.line)

    def _brace(self, what: str) -> None:
        word = self.next(f"the '{{' of {what}")
        if word != "{":
            self.fail(f"expected the '{{' of {what}, found {_shown(word)}")

    def _channels(self, joint: _Joint, columns: list[str]) -> None:
        word = self.next("the number of channels")
        if not word.isdecimal() or len(word) > 9:
            self.fail(f"expected the number of channels of {joint.name!r}, found {_shown(word)}")
        if joint.positions or joint.rotations:
            self.fail(f"joint {joint.name!r} has CHANNELS twice")
        for _ in range(int(word)):
            name = self.next(f"a channel of {joint.name!r}")
            found = _CHANNEL.fullmatch(name)
            if found is None:
                self.fail(f"expected {word} channels of {joint.name!r} such as Xrotation, found {_shown(name)}")
            letter, kind = found.group(1).upper(), found.group(2).lower()
            if kind == "position":
                joint.positions.append(("XYZ".index(letter), len(columns)))
            else:
                joint.rotations.append((letter, len(columns)))
            columns.append(f"{joint.name} {letter}{kind}")

    def _motion_start(self) -> tuple[int, float]:
        self._keyword("FRAMES")
        word = self.next("the number of frames")
        try:
            frames = int(word)
        except ValueError:
            self.fail(f"expected the number of frames, found {_shown(word)}")
        if frames <= 0:
            self.fail(f"the clip has {frames} frames")
        if self.next("'Frame Time:'").upper() != "FRAMETIME:":
            self._keyword("TIME", after="Frame")
        line = self.line
        word = self.next("the frame time")
        if self.line != line:
            self.line = line
            self.fail("the frame time is missing")
        try:
            frame_time = float(word)
        except ValueError:
            self.fail(f"expected the frame time in seconds, found {_shown(word)}")
        if not (frame_time > 0 and np.isfinite(frame_time) and np.isfinite(1 / frame_time)):
            self.fail(f"the frame time must be a positive number of seconds, found {word}")
        return frames, _frame_rate(word, frame_time)

    def _keyword(self, keyword: str, after: str = "") -> None:
        shown = f"{after} {keyword.title()}:".strip()
        word = self.next(f"'{shown}'")
        if word.upper() == keyword and self.ahead is not None and self.ahead[1].startswith(":"):
            word += self.next("':'")
        if not word.upper().startswith(f"{keyword}:"):
            self.fail(f"expected '{shown}', found {_shown(word)}")
        value = word[len(keyword) + 1 :]
        if value:  # "Frames:12" without a blank
            self.words = chain([self.ahead] if self.ahead is not None else [], self.words)
            self.ahead = (self.line, value)


def _shown(word: str) -> str:
    """A word of the file, fit for a message: printable and short."""
    return ascii(word if len(word) <= 24 else word[:24] + "…")[:80]


def _frame_rate(word: str, frame_time: float) -> float:
    """Frames a second; a frame time that is a whole rate's up to its last printed digit (0.0333333) means that rate."""
    mantissa, _, exponent = word.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    rate = round(1 / frame_time)
    if rate > 0 and abs(frame_time - 1 / rate) <= min(10.0**-digits * 1.01, 0.0015 / rate):
        return float(rate)
    return 1 / frame_time


# --- frames -----------------------------------------------------------------------------------------------------------


class _PersonBuilder:
    """Collects the frames of one ROOT, block by block, so that the table of channels never exists as a whole."""

    def __init__(self, header: _Header, root: int) -> None:
        self.fps = header.fps
        self.first = root
        self.joints = [joint for joint in header.joints if joint.root == root]
        self.offsets = np.array([joint.offset for joint in self.joints], dtype=np.float64)
        self.frames = header.frames
        self.rotations = np.empty((0, 0, 4))
        self.root = np.empty((0, 3))
        self.moved = np.empty((0, 0, 3))
        by_order: dict[str, list[int]] = {}
        for index, joint in enumerate(self.joints):
            by_order.setdefault("".join(letter for letter, _ in joint.rotations), []).append(index)
        self.groups = [
            (order, _slice_or_array(group), np.array([[c for _, c in self.joints[j].rotations] for j in group]).T)
            for order, group in by_order.items()
            if order
        ]
        self.movers = [index for index, joint in enumerate(self.joints) if joint.positions and index > 0]

    def reserve(self) -> None:
        """Makes room for the declared frames."""
        count = len(self.joints)
        self.rotations = np.empty((self.frames, count, 4))
        covered = {index for order, _, _ in self.groups for index in self._members(order)}
        for index in set(range(count)) - covered:
            self.rotations[:, index] = (1.0, 0.0, 0.0, 0.0)
        self.root = np.empty((self.frames, 3))
        self.moved = np.empty((self.frames, len(self.movers), 3))

    def _members(self, order: str) -> list[int]:
        return [i for i, joint in enumerate(self.joints) if "".join(letter for letter, _ in joint.rotations) == order]

    def add(self, start: int, rows: np.ndarray) -> None:
        """Takes (n, C) channel values of the frames from `start` on."""
        stop = start + len(rows)
        for order, members, columns in self.groups:
            self.rotations[start:stop, members] = _quaternions(rows[:, columns], order)
        for target, index in [(self.root, 0), *((self.moved[:, k], j) for k, j in enumerate(self.movers))]:
            target[start:stop] = self.offsets[index]
            for axis, column in self.joints[index].positions:
                target[start:stop, axis] = rows[:, column]

    def motion(self, name: str) -> Motion:
        topology = Topology(
            FORMAT,
            tuple(joint.name for joint in self.joints),
            np.array([joint.parent - self.first if joint.parent >= 0 else -1 for joint in self.joints]),
        )
        tips = [(i, tip) for i, joint in enumerate(self.joints) for tip in joint.tips if np.any(np.abs(tip) > 0)]
        skeleton = Skeleton(
            topology,
            self.offsets,
            np.array([joint for joint, _ in tips], dtype=np.int64),
            np.array([tip for _, tip in tips], dtype=np.float64).reshape(-1, 3),
        )
        size = float(np.abs(self.offsets).max(initial=0.0))
        still = np.all(np.abs(self.moved - self.offsets[self.movers]) <= 1e-6 * size)
        local = None
        if not still:
            local = np.broadcast_to(self.offsets, (self.frames, *self.offsets.shape)).copy()
            local[:, self.movers] = self.moved
        return Motion(skeleton, self.rotations, self.root, self.fps, name, local)


def _slice_or_array(indices: list[int]) -> slice | np.ndarray:
    """Consecutive indices as a slice, which numpy assigns to without a copy."""
    if indices == list(range(indices[0], indices[0] + len(indices))):
        return slice(indices[0], indices[0] + len(indices))
    return np.array(indices)


def _quaternions(degrees: np.ndarray, order: str) -> np.ndarray:
    """(n, J, 4) quaternions of (n, len(order), J) Euler angles [degree] about moving axes.

    Three different axes i, j, k, ε = ±1 their parity: the product of the three half-angle quaternions, written out
    (J. Diebel, "Representing Attitude", 2006, section 8); other orders go through `rotation.from_euler`.
    """
    if len(order) != 3 or len(set(order)) != 3:
        return rotation.from_euler(np.moveaxis(np.radians(degrees), 1, -1), order)
    half = degrees * (np.pi / 360.0)
    ci, cj, ck = np.moveaxis(np.cos(half), 1, 0)
    si, sj, sk = np.moveaxis(np.sin(half), 1, 0)
    i, j, k = ("XYZ".index(letter) + 1 for letter in order)
    parity = 1.0 if order in ("XYZ", "YZX", "ZXY") else -1.0
    cc, cs, sc, ss = ci * cj, ci * sj, si * cj, parity * (si * sj)
    cs_parity, sc_parity = parity * cs, parity * sc
    result = np.empty((degrees.shape[0], degrees.shape[2], 4))
    result[..., 0] = cc * ck - ss * sk
    result[..., i] = sc * ck + cs_parity * sk
    result[..., j] = cs * ck - sc_parity * sk
    result[..., k] = cc * sk + ss * ck
    return result


def _read_frames(file: BinaryIO, path: Path, header: _Header, builders: list[_PersonBuilder]) -> None:
    width = len(header.columns)
    left = path.stat().st_size - header.length
    if header.frames > left // (2 * width) + 1:  # a value takes two bytes at least: the declared number cannot be there
        _explain(file, path, header)
    if header.frames * len(header.joints) > _MOST_POSES:  # joints without channels cost the file nothing
        raise MotionFormatError(
            path,
            f"{header.frames} frames of {len(header.joints)} joints are more than can be held in memory",
            format=FORMAT,
            line=header.line,
        )
    for builder in builders:
        builder.reserve()
    pending = np.empty(0)
    done = 0
    for values in _values(file):
        if values is None:
            _explain(file, path, header)
        if not np.abs(values).max() <= _IMPLAUSIBLE:  # also true for NaN
            place = int(np.flatnonzero(~(np.abs(values) <= _IMPLAUSIBLE))[0])
            _explain_value(file, path, header, done * width + len(pending) + place, values[place])
        values = np.concatenate([pending, values])
        whole = len(values) // width
        if done + whole > header.frames:
            _explain(file, path, header)
        rows, pending = values[: whole * width].reshape(whole, width), values[whole * width :]
        for builder in builders:
            builder.add(done, rows)
        done += whole
    if done != header.frames or len(pending):
        _explain(file, path, header)


def _values(file: BinaryIO) -> Iterator[np.ndarray | None]:
    """The numbers of the file from here on, block by block; None where something is no number."""
    carry = b""
    while True:
        block = file.read(_NUMBER_BYTES)
        text = carry + block
        carry = b""
        if block:
            cut = max(text.rfind(space) for space in (b"\n", b"\r", b" ", b"\t")) + 1
            text, carry = text[:cut], text[cut:]
        if text.strip():
            yield parsed(text)
        if not block:
            return


def _lines(file: BinaryIO, header: _Header) -> Iterator[tuple[int, list[bytes]]]:
    """Line number and words of every line with words after the frame time."""
    file.seek(header.length)
    number, carry = header.line, b""
    while True:
        block = file.read(_CHUNK_BYTES)
        if block.endswith(b"\r"):
            block += file.read(1)
        lines = (carry + block).splitlines(keepends=True)
        carry = lines.pop() if block and lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        for line in lines:
            words = line.split()
            if words:
                yield number, words
            number += 1
        if not block:
            return


def _explain(file: BinaryIO, path: Path, header: _Header) -> NoReturn:
    """Says what is wrong with the frames, which are known not to be the declared number of whole rows of numbers."""
    width, declared = len(header.columns), header.frames
    rows, line = 0, header.line
    uneven: tuple[int, int] | None = None

    def fail(line: int, problem: str) -> NoReturn:
        raise MotionFormatError(path, problem, format=FORMAT, line=line)

    for line, words in _lines(file, header):
        if uneven is not None:
            fail(uneven[0], f"expected {width} channels, found {uneven[1]}")
        for word in words:
            try:
                if b"_" in word:  # 1_000 is a number to Python only.
                    raise ValueError
                float(word)
            except ValueError:
                fail(line, f"expected a number, found {_shown(word.decode('latin-1'))}")
        if rows == declared:
            fail(line, f"{declared} frames are declared, but more follow")
        if len(words) != width:
            uneven = (line, len(words))
        else:
            rows += 1
    if uneven is not None and (uneven[1] > width or rows >= declared):
        fail(uneven[0], f"expected {width} channels, found {uneven[1]}")
    if uneven is not None:
        fail(line, f"the file ends inside frame {rows + 1} of {declared}: expected {width} channels, found {uneven[1]}")
    fail(line, f"the file ends after {rows} of {declared} frames")


def _explain_value(file: BinaryIO, path: Path, header: _Header, place: int, value: float) -> NoReturn:
    """Names line and joint of the value number `place` of the table, which makes no sense."""
    name = header.columns[place % len(header.columns)]
    seen = 0
    for line, words in _lines(file, header):
        seen += len(words)
        if seen > place:
            raise MotionFormatError(path, f"{name} is {value:g}, which is no plausible value", format=FORMAT, line=line)
    raise AssertionError(f"value {place} is not in {path}")


# --- writing ----------------------------------------------------------------------------------------------------------

_CENTIMETRES = 100.0


def write(clip: Clip, path: Path, order: str = "ZXY") -> None:
    """Writes centimetres, Y up, one ROOT a person; Keypoints get rotations that follow them.

    Joints below the root get position channels only where the motion moves them; bones that end in no joint become End
    Sites. Names are made unique and free of spaces. A skeleton with several roots gets the first as its only one.

    Args:
        clip: persons with the same frames and rate.
        path: the file.
        order: the rotation channels of every joint, three different axes.

    Raises:
        MotionFormatError: the persons differ in frames or frame rate.
        TopologyError: a joint of Keypoints is missing throughout.
    """
    motions = [_one_rooted(fitted_motion(one) if isinstance(one, Keypoints) else one) for one in clip.persons]
    if len({(len(motion), motion.fps) for motion in motions}) != 1:
        raise MotionFormatError(
            path, "the persons differ in frames or frame rate; choose one with --person", format=FORMAT
        )
    lines = ["HIERARCHY"]
    tables = []
    taken: set[str] = set()
    for motion in motions:
        moved = _moved_joints(motion)
        _write_hierarchy(motion, _unique_names(motion.topology.names, taken), moved, order, lines)
        tables.append(_channel_table(motion, moved, order))
    lines += ["MOTION", f"Frames: {len(motions[0])}", f"Frame Time: {1 / motions[0].fps:.12g}"]
    # Rounded here, because a tiny negative value would be printed as -0.00000, or not, by the sign of its noise.
    table = np.round(np.concatenate(tables, axis=1), 5) + 0.0
    row = " ".join(["%.5f"] * table.shape[1])
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
        file.writelines(row % tuple(values) + "\n" for values in table.tolist())


def _one_rooted(motion: Motion) -> Motion:
    """The same motion with further roots hung under the first, since in the file a ROOT is a person."""
    parents = motion.skeleton.parents
    further = np.flatnonzero(parents[1:] < 0) + 1
    if not len(further):
        return motion
    offsets = motion.skeleton.rest_offsets
    free = np.broadcast_to(offsets, (*motion.rotations.shape[:2], 3)).copy()
    if motion.local_translations is not None:
        free[:] = motion.local_translations
    rotations = motion.rotations.copy()
    back = rotation.conjugate(motion.rotations[:, :1])
    free[:, further] = rotation.rotate(back, free[:, further] - motion.root_translation[:, None])
    rotations[:, further] = rotation.multiply(back, rotations[:, further])
    hung, moved_offsets = parents.copy(), offsets.copy()
    hung[further] = 0
    moved_offsets[further] -= offsets[0]
    skeleton = Skeleton(
        Topology(motion.topology.name, motion.topology.names, hung, motion.topology.parts),
        moved_offsets,
        motion.skeleton.tip_joints,
        motion.skeleton.tip_offsets,
    )
    return Motion(skeleton, rotations, motion.root_translation, motion.fps, motion.name, free)


def _unique_names(names: tuple[str, ...], taken: set[str]) -> list[str]:
    unique = []
    for name in names:
        plain = re.sub(r"[\s{}]+", "_", name.strip()) or "joint"
        chosen, number = plain, 2
        while chosen in taken:
            chosen, number = f"{plain}_{number}", number + 1
        taken.add(chosen)
        unique.append(chosen)
    return unique


def _moved_joints(motion: Motion) -> set[int]:
    """Joints below the root whose offset is not that of the rest pose in every frame."""
    if motion.local_translations is None:
        return set()
    apart = np.abs(motion.local_translations - motion.skeleton.rest_offsets).max(axis=(0, 2)) > 1e-7
    return {int(joint) for joint in np.flatnonzero(apart) if joint > 0}


def _write_hierarchy(motion: Motion, names: list[str], moved: set[int], order: str, lines: list[str]) -> None:
    """Appends the blocks of all joints; without recursion, so that a deep chain needs no deep Python stack."""
    children = motion.topology.children()
    skeleton = motion.skeleton
    tips: dict[int, list[np.ndarray]] = {}
    for joint, tip in zip(np.asarray(skeleton.tip_joints), np.asarray(skeleton.tip_offsets), strict=True):
        tips.setdefault(int(joint), []).append(tip)
    stack: list[tuple[int, int] | str] = [(0, 0)]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            lines.append(top)
            continue
        joint, depth = top
        pad = "\t" * depth
        lines.append(f"{pad}{'JOINT' if joint else 'ROOT'} {names[joint]}")
        lines.append(pad + "{")
        offset = skeleton.rest_offsets[joint] if joint else np.zeros(3)
        lines.append(f"{pad}\tOFFSET {_triple(offset)}")
        positions = "Xposition Yposition Zposition " if joint == 0 or joint in moved else ""
        rotations = " ".join(f"{letter}rotation" for letter in order)
        lines.append(f"{pad}\tCHANNELS {6 if positions else 3} {positions}{rotations}")
        ends = tips.get(joint, [] if children[joint] else [np.zeros(3)])
        for tip in ends:
            lines += [f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET {_triple(tip)}", pad + "\t}"]
        stack.append(pad + "}")
        stack.extend((child, depth + 1) for child in reversed(children[joint]))


def _triple(offset: np.ndarray) -> str:
    return " ".join(f"{value * _CENTIMETRES:.6f}" for value in offset)


def _channel_table(motion: Motion, moved: set[int], order: str) -> np.ndarray:
    """(T, C) channel values of one person, in the order in which its joints are written (depth first)."""
    children = motion.topology.children()
    degrees = np.unwrap(np.degrees(rotation.to_euler(motion.rotations, order)), axis=0, period=360.0)
    columns = []
    stack = [0]
    while stack:
        joint = stack.pop()
        if joint == 0:
            columns.append(motion.root_translation * _CENTIMETRES)
        elif joint in moved and motion.local_translations is not None:
            columns.append(motion.local_translations[:, joint] * _CENTIMETRES)
        columns.append(degrees[:, joint])
        stack.extend(reversed(children[joint]))
    return np.concatenate(columns, axis=1)
