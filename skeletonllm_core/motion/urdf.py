"""Robots: the links and joints of a URDF, and where the links are for given joint values.

Source: the URDF specification, https://wiki.ros.org/urdf/XML (joint, link, mimic).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

import numpy as np

from skeletonllm_core.errors import MotionFormatError, TopologyError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Motion
from skeletonllm_core.motion.skeleton import Skeleton, Topology, ordered

FORMAT = "urdf"

_MOST_BYTES = 64 << 20
_DEEPEST = 100
_IMPLAUSIBLE = 1e6
_BEYOND = 1e-6
"""A value this little beyond a limit [rad or m] is one that was rounded."""

_MOVING = ("revolute", "continuous", "prismatic")
_STILL = ("fixed", "floating")
"""A floating joint is moved with the root, so nothing is left for it to do."""


@dataclass(frozen=True)
class Mimic:
    """A joint whose value is ``multiplier * value of joint + offset``."""

    joint: str
    multiplier: float
    offset: float


@dataclass(frozen=True, eq=False)
class Robot:
    """The tree of a URDF, one row a link; a parent comes before its children.

    Attributes:
        name: of the robot.
        links: names of the L links.
        parents: (L,) int64, the link that each hangs from, -1 at the root.
        joints: name of the joint above each link, "" at the root.
        kinds: its type: "revolute", "continuous", "prismatic", "fixed" or "floating"; "" at the root.
        origins: (L, 3) [m], where the joint is in the parent link's frame.
        turns: (L, 4) unit quaternions (w, x, y, z), the joint's frame in that of the parent link.
        axes: (L, 3) unit vectors in the joint's frame.
        mimics: joints that follow another one.
        masses: (L, 3) [m], centre of mass in the link's frame, NaN where the file gives none.
        limits: (L, 2) least and greatest value of each joint [rad or m], infinite where it has none.
    """

    name: str
    links: tuple[str, ...]
    parents: np.ndarray
    joints: tuple[str, ...]
    kinds: tuple[str, ...]
    origins: np.ndarray
    turns: np.ndarray
    axes: np.ndarray
    mimics: Mapping[str, Mimic]
    masses: np.ndarray
    limits: np.ndarray

    @property
    def dofs(self) -> tuple[str, ...]:
        """Names of the joints that take a value, in tree order: those that move and follow no other."""
        return tuple(
            joint
            for joint, kind in zip(self.joints, self.kinds, strict=True)
            if kind in _MOVING and joint not in self.mimics
        )

    def with_ends_at_masses(self) -> Robot:
        """The robot with each fixed link at a tree's end moved to its centre of mass, where that is known.

        Nothing turns there, so the place of such a frame is arbitrary: that of a head often lies in the trunk.
        """
        inner = set(self.parents.tolist())
        origins = self.origins.copy()
        for link, kind in enumerate(self.kinds):
            if kind == "fixed" and link not in inner and np.isfinite(self.masses[link]).all():
                origins[link] += rotation.rotate(self.turns[link], self.masses[link])
        return replace(self, origins=origins)

    def motion(
        self,
        values: Mapping[str, np.ndarray],
        root_translation: np.ndarray,
        root_rotation: np.ndarray,
        fps: float,
        name: str = "",
    ) -> Motion:
        """Forward kinematics: one joint a link, whose rest pose is the robot at zero.

        Args:
            values: (T,) of each joint in `dofs` [rad or m]; one that is missing stays at 0. Limits are not applied.
            root_translation: (T, 3) [m] of the root link.
            root_rotation: (T, 4) unit quaternions (w, x, y, z) of the root link.
            fps: frames a second.
            name: name of the take.

        Returns:
            Motion in the axes of the URDF (Z up); `joint_positions` are the origins of the links' frames.

        Raises:
            TopologyError: a value is given for a joint that takes none.
        """
        stray = sorted(set(values) - set(self.dofs))
        if stray:
            raise TopologyError(f"the robot {self.name!r} has no moving joint {stray[0]!r}")
        frames = len(root_translation)
        offsets, axes = self._at_zero
        local = np.zeros((frames, len(self.links), 4))
        local[..., 0] = 1.0
        moved = None
        for link, kind in enumerate(self.kinds):
            if self.parents[link] < 0:
                local[:, link] = rotation.normalize(root_rotation)
            elif kind in _MOVING:
                value = self._value(self.joints[link], values, frames)
                if kind != "prismatic":
                    local[:, link] = rotation.from_axis_angle(axes[link], value)
                elif value.any():
                    moved = np.broadcast_to(offsets, (frames, *offsets.shape)).copy() if moved is None else moved
                    moved[:, link] += value[:, None] * axes[link]
        skeleton = Skeleton(Topology(self.name, self.links, self.parents), offsets)
        return Motion(skeleton, local, np.asarray(root_translation, dtype=np.float64), fps, name, moved)

    def within_limits(self, joint: str, values: np.ndarray) -> tuple[np.ndarray, bool]:
        """The values of a joint, held between its limits.

        Args:
            joint: its name.
            values: (T,) [rad or m].

        Returns:
            (T,) values, and whether any had to be held. An angle is first turned by whole turns, where that brings it
            between the limits.
        """
        place = self.joints.index(joint)
        low, high = self.limits[place]
        outside = (values < low) | (values > high)
        if not outside.any():
            return values, False
        if self.kinds[place] == "revolute":
            middle = (low + high) / 2
            values = np.where(outside, middle + (values - middle + np.pi) % (2 * np.pi) - np.pi, values)
        held = np.clip(values, low, high)
        return held, bool((np.abs(held - values) > _BEYOND).any())

    @cached_property
    def _at_zero(self) -> tuple[np.ndarray, np.ndarray]:
        """(L, 3) offsets and (L, 3) axes of the joints in the root's axes, with the robot at zero.

        Frames are turned so that all of them agree with the root's at zero: rest rotations are then identity.
        """
        rest = np.tile([1.0, 0.0, 0.0, 0.0], (len(self.links), 1))
        offsets, axes = np.zeros((len(self.links), 3)), np.zeros((len(self.links), 3))
        for link, parent in enumerate(self.parents):
            if parent >= 0:
                rest[link] = rotation.normalize(rotation.multiply(rest[parent], self.turns[link]))
                offsets[link] = rotation.rotate(rest[parent], self.origins[link])
                axes[link] = rotation.rotate(rest[link], self.axes[link])
        return offsets, axes

    def _value(self, joint: str, values: Mapping[str, np.ndarray], frames: int) -> np.ndarray:
        """(T,) value of one joint, through what it mimics."""
        scale, shift = 1.0, 0.0
        while joint in self.mimics:
            mimic = self.mimics[joint]
            shift += scale * mimic.offset
            scale *= mimic.multiplier
            joint = mimic.joint
        return scale * np.asarray(values.get(joint, np.zeros(frames)), dtype=np.float64) + shift


def read_robot(path: Path, most_links: int) -> Robot:
    """The robot of a URDF file.

    Args:
        path: the file.
        most_links: robots of more links are refused.

    Raises:
        MotionFormatError: it is no URDF, holds a document type or entities, or its joints do not make one tree.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise MotionFormatError(path, f"is larger than {_MOST_BYTES >> 20} MB", format=FORMAT)
    return _Reader(path, path.read_bytes(), most_links).robot()


def robot_of_text(text: str, name: str, most_links: int) -> Robot:
    """The robot of URDF text that came without a file, as on the ROS topic /robot_description.

    Args:
        text: the URDF.
        name: where it came from, for the errors.
        most_links: robots of more links are refused.

    Raises:
        MotionFormatError: as `read_robot`.
    """
    data = text.encode("utf-8", "replace")
    if len(data) > _MOST_BYTES:
        raise MotionFormatError(name, f"is larger than {_MOST_BYTES >> 20} MB", format=FORMAT)
    return _Reader(Path(name), data, most_links).robot()


class _Reader:
    def __init__(self, path: Path, data: bytes, most_links: int) -> None:
        self.path = path
        self.data = data
        self.most_links = most_links
        self.lines: dict[ET.Element, int] = {}

    def fail(self, problem: str, element: ET.Element | None = None, line: int | None = None) -> NoReturn:
        place = line if element is None else self.lines[element]
        raise MotionFormatError(self.path, problem, format=FORMAT, line=place)

    def document(self) -> ET.Element:
        """The root element; nothing outside the file is ever looked at."""
        builder, parser, depth = ET.TreeBuilder(), expat.ParserCreate(), 0

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > _DEEPEST:
                self.fail(f"elements are nested deeper than {_DEEPEST}", line=parser.CurrentLineNumber)
            self.lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

        def end(tag: str) -> None:
            nonlocal depth
            depth -= 1
            builder.end(tag)

        def doctype(*_: object) -> None:
            self.fail("a document type (DOCTYPE, entities) is not accepted: remove it", line=parser.CurrentLineNumber)

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.StartDoctypeDeclHandler = doctype
        try:
            parser.Parse(self.data, True)
        except expat.ExpatError as problem:
            self.fail(f"is no whole XML: {expat.ErrorString(problem.code)}", line=problem.lineno)
        return builder.close()

    def robot(self) -> Robot:
        root = self.document()
        if root.tag != "robot":
            self.fail(f"expected <robot>, found <{root.tag[:40]}>", root)
        if any(element.tag.startswith("xacro:") for element in root):
            self.fail("is a xacro template: expand it first (`xacro FILE -o robot.urdf`)", root)
        links: dict[str, ET.Element] = {}
        for element in root.findall("link"):
            name = self.text(element, "name")
            if name in links:
                self.fail(f"there are two links {name!r}", element)
            links[name] = element
        if not links:
            self.fail("the robot has no link", root)
        if len(links) > self.most_links:
            self.fail(f"the robot has {len(links)} links; more than {self.most_links} are refused", root)
        above: dict[str, ET.Element] = {}
        names: set[str] = set()
        for element in root.findall("joint"):
            name = self.text(element, "name")
            if name in names:
                self.fail(f"there are two joints {name!r}", element)
            names.add(name)
            ends = [self.text(self.child(element, end), "link") for end in ("parent", "child")]
            for end in ends:
                if end not in links:
                    self.fail(f"joint {name!r} speaks of a link {end!r} that there is not", element)
            if ends[1] in above:
                self.fail(f"link {ends[1]!r} hangs from two joints", element)
            above[ends[1]] = element
        free = [name for name in links if name not in above]
        if len(free) > 1:
            self.fail(
                f"{len(free)} links hang from no joint ({', '.join(map(repr, free[:3]))}); a robot has one root", root
            )
        return self.tree(root.get("name") or self.path.stem, links, above)

    def tree(self, name: str, links: dict[str, ET.Element], above: dict[str, ET.Element]) -> Robot:
        listed = list(links)
        place = {link: index for index, link in enumerate(listed)}
        parents = np.array(
            [place[self.text(self.child(above[link], "parent"), "link")] if link in above else -1 for link in listed]
        )
        try:
            order = ordered(parents)
        except TopologyError as problem:
            raise MotionFormatError(
                self.path, "the joints form a cycle, so they are no tree", format=FORMAT
            ) from problem
        back = np.append(np.argsort(order), -1)
        count = len(listed)
        origins, masses = np.zeros((count, 3)), np.full((count, 3), np.nan)
        turns, axes = np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)), np.tile([1.0, 0.0, 0.0], (count, 1))
        joints, kinds = [""] * count, [""] * count
        limits = np.tile([-np.inf, np.inf], (count, 1))
        mimics: dict[str, Mimic] = {}
        for row, index in enumerate(order):
            link = listed[index]
            inertial = links[link].find("inertial")
            if inertial is not None:
                centre = inertial.find("origin")
                masses[row] = 0.0 if centre is None else self.triple(centre, "xyz", (0.0, 0.0, 0.0))
            if link not in above:
                continue
            joint = above[link]
            joints[row], kinds[row] = self.text(joint, "name"), self.text(joint, "type")
            if kinds[row] not in (*_MOVING, *_STILL):
                known = ", ".join((*_MOVING, *_STILL))
                self.fail(f"joint {joints[row]!r} is {kinds[row][:40]!r}; those that can be read: {known}", joint)
            origin = joint.find("origin")
            if origin is not None:
                origins[row] = self.triple(origin, "xyz", (0.0, 0.0, 0.0))
                roll, pitch, yaw = self.triple(origin, "rpy", (0.0, 0.0, 0.0))
                # Fixed axes X, Y, Z are moving axes Z, Y, X.
                turns[row] = rotation.from_euler(np.array([yaw, pitch, roll]), "ZYX")
            axis = joint.find("axis")
            if axis is not None:
                found = np.array(self.triple(axis, "xyz", (1.0, 0.0, 0.0)))
                length = float(np.linalg.norm(found))
                if length < 1e-9 and kinds[row] in _MOVING:
                    self.fail(f"the axis of joint {joints[row]!r} has no direction", axis)
                axes[row] = found / max(length, 1e-9)
            limit = joint.find("limit")
            if limit is not None and kinds[row] in ("revolute", "prismatic"):
                low, high = self.number(limit, "lower", 0.0), self.number(limit, "upper", 0.0)
                # Both are zero by default, and then they say nothing.
                if low < high:
                    limits[row] = low, high
            mimic = joint.find("mimic")
            if mimic is not None:
                mimics[joints[row]] = Mimic(
                    self.text(mimic, "joint"), self.number(mimic, "multiplier", 1.0), self.number(mimic, "offset", 0.0)
                )
        for first in mimics:
            seen = first
            for _ in range(len(mimics)):
                seen = mimics[seen].joint if seen in mimics else seen
            if seen in mimics or seen not in joints:
                self.fail(f"joint {first!r} mimics {mimics[first].joint!r}, which takes no value of its own")
        return Robot(
            name,
            tuple(listed[index] for index in order),
            back[parents[order]],
            tuple(joints),
            tuple(kinds),
            origins,
            turns,
            axes,
            mimics,
            masses,
            limits,
        )

    def child(self, element: ET.Element, tag: str) -> ET.Element:
        found = element.find(tag)
        if found is None:
            self.fail(f"<{element.tag}> {element.get('name', '')!r} has no <{tag}>", element)
        return found

    def text(self, element: ET.Element, key: str) -> str:
        found = element.get(key)
        if not found:
            self.fail(f"<{element.tag}> has no {key!r}", element)
        return found

    def number(self, element: ET.Element, key: str, default: float) -> float:
        return self.numbers(element, key, element.get(key, str(default)), 1)[0]

    def triple(self, element: ET.Element, key: str, default: tuple[float, float, float]) -> list[float]:
        found = element.get(key)
        return list(default) if found is None else self.numbers(element, key, found, 3)

    def numbers(self, element: ET.Element, key: str, text: str, count: int) -> list[float]:
        try:
            found = [float(word) for word in text.split()]
        except ValueError:
            found = []
        if len(found) != count or not all(abs(value) <= _IMPLAUSIBLE for value in found):
            wanted = "a plausible number" if count == 1 else f"{count} plausible numbers"
            self.fail(f"{key}={text[:40]!a} of <{element.tag}> should be {wanted}", element)
        return found
