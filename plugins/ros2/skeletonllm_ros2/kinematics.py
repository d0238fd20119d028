"""Values on topics → motions: joint values through a URDF, or frames as /tf gives them. ROS is Z up, we are Y up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.kinematics import forward_kinematics
from skeletonllm_core.motion.motion import Keypoints, Motion, Person
from skeletonllm_core.motion.orientation import reoriented, to_y_up
from skeletonllm_core.motion.skeleton import Skeleton, Topology, ordered
from skeletonllm_core.motion.urdf import Robot, robot_of_text

ROOT_VALUES = tuple(f"/tf {value}" for value in ("x", "y", "z", "qx", "qy", "qz", "qw"))
"""Names under which the pose of the root link joins the joint values of a body; no joint can be called so."""

_SAME_PLACE = 1e-9


class JointSource:
    """Joint values of a robot, or of a human after REP-155, whose URDF is known.

    Args:
        text: the URDF.
        name: where it came from, for the errors.

    Raises:
        MotionFormatError: it is no URDF.
    """

    angles = True

    def __init__(self, text: str, name: str) -> None:
        self.robot: Robot = robot_of_text(text, name, MAX_JOINTS).with_ends_at_masses()
        self._joints = frozenset(self.robot.dofs)
        # Drivers often publish mimicking and fixed joints too: known, but their value follows from the others.
        self._known = (frozenset(self.robot.joints) - {""}) | set(ROOT_VALUES)

    @property
    def root(self) -> str:
        """The root link, whose transform on /tf moves the body as a whole."""
        return self.robot.links[0]

    def knows(self, name: str) -> bool:
        return name in self._known

    def shows(self, names: Sequence[str]) -> bool:
        """The pose of the root alone says nothing: every joint would seem to be at zero."""
        return any(name not in ROOT_VALUES for name in names)

    def limited(self, names: Sequence[str], values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """The values held within the limits of their joints.

        Args:
            names: of D values.
            values: (T, D), no NaN.

        Returns:
            (T, D) values, and the names of those that had to be held.
        """
        held, beyond = values.copy(), []
        for column, name in enumerate(names):
            if name in self._joints:
                held[:, column], was_beyond = self.robot.within_limits(name, values[:, column])
                if was_beyond:
                    beyond.append(name)
        return held, tuple(beyond)

    def person(self, names: Sequence[str], values: np.ndarray, fps: float, name: str) -> Motion:
        """The motion in Y up; joints that are not named stay at zero, and so does the root without `ROOT_VALUES`.

        Args:
            names: of D joints, and of values of the root.
            values: (T, D) [rad or m], no NaN.
            fps: frames a second.
            name: of the motion.
        """
        frames = len(values)
        given = {joint: values[:, column] for column, joint in enumerate(names) if joint in self._joints}
        place = {value: column for column, value in enumerate(names)}
        root = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], (frames, 1))
        if all(value in place for value in ROOT_VALUES):
            root = values[:, [place[value] for value in ROOT_VALUES]]
        motion = self.robot.motion(given, root[:, :3], root[:, [6, 3, 4, 5]], fps, name)
        turned = reoriented(ball_joints(motion), to_y_up("z"), 1.0)
        assert isinstance(turned, Motion)
        return turned


def ball_joints(motion: Motion) -> Motion:
    """Three revolutes at one place become one ball joint.

    A joint is merged into its parent where it is the only child, lies at the same place in every frame, and something
    hangs from it; the lowest of such a chain gives its name (REP-155: `l_shoulder` of y_, p_ and r_).
    """
    parents, offsets = motion.skeleton.parents, motion.skeleton.rest_offsets
    children = motion.topology.children()
    moved = motion.local_translations
    merged = [
        joint > 0
        and parents[joint] >= 0
        and len(children[parents[joint]]) == 1
        and bool(children[joint])
        and float(np.abs(offsets[joint] if moved is None else moved[:, joint]).max()) < _SAME_PLACE
        for joint in range(len(parents))
    ]
    if not any(merged):
        return motion
    rotations = motion.rotations.copy()
    names = list(motion.topology.names)
    home = np.arange(len(parents))
    for joint in np.flatnonzero(merged):
        home[joint] = home[parents[joint]]
        top = home[joint]
        rotations[:, top] = rotation.multiply(rotations[:, top], motion.rotations[:, joint])
        names[top] = motion.topology.names[joint]
    kept = np.flatnonzero(~np.array(merged))
    place = np.full(len(parents), -1)
    place[kept] = np.arange(len(kept))
    above = [-1 if parents[joint] < 0 else int(place[home[parents[joint]]]) for joint in kept]
    topology = Topology(motion.topology.name, tuple(names[joint] for joint in kept), np.array(above))
    return Motion(
        Skeleton(topology, offsets[kept]),
        rotations[:, kept],
        motion.root_translation,
        motion.fps,
        motion.name,
        None if moved is None else moved[:, kept],
    )


def revolute_values(rotations: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """One ball joint as three revolutes in a row: their values.

    Args:
        rotations: (T, 4) unit quaternions (w, x, y, z).
        axes: (3, 3), one axis a row, from the parent down: each along ±x, ±y or ±z, neighbours different.

    Returns:
        (T, 3) [rad]; turning by them about the axes one after the other gives the rotation.

    Raises:
        TopologyError: the axes are not of that kind.
    """
    axes = np.asarray(axes, dtype=np.float64)
    which = np.abs(axes).argmax(-1)
    signs = np.sign(axes[np.arange(3), which])
    if not np.allclose(np.abs(axes), np.eye(3)[which]) or which[0] == which[1] or which[1] == which[2]:
        raise TopologyError("three revolutes make a ball joint where their axes are x, y or z, neighbours different")
    if which[0] != which[2]:
        return rotation.to_euler(rotations, "".join("XYZ"[axis] for axis in which)) * signs
    # Proper Euler angles about first, middle, first axis, from the rotation matrix:
    # K. Shoemake, "Euler Angle Conversion", Graphics Gems IV, 1994.
    first, middle = int(which[0]), int(which[1])
    third = 3 - first - middle
    parity = 1.0 if (middle - first) % 3 == 1 else -1.0
    matrix = rotation.to_matrix(rotations)
    angle = np.arctan2(np.hypot(matrix[:, first, middle], matrix[:, first, third]), matrix[:, first, first])
    begin = np.arctan2(matrix[:, middle, first], -parity * matrix[:, third, first])
    # Where the middle angle is zero only the sum of the outer ones is known: the first takes none of it.
    begin = np.where(np.abs(np.sin(angle)) < 1e-9, 0.0, begin)
    unit = np.eye(3)
    turned = rotation.multiply(
        rotation.from_axis_angle(unit[first], begin), rotation.from_axis_angle(unit[middle], angle)
    )
    rest = rotation.multiply(rotation.conjugate(turned), rotations)
    end = 2 * np.arctan2(rest[:, 1 + first], rest[:, 0])
    end = (end + np.pi) % (2 * np.pi) - np.pi
    return np.stack([begin, angle, end], -1) * signs


class FrameSource:
    """The frames below one frame of /tf: a body without joint values. Each value of a frame is x, y, z, qx, qy, qz, qw.

    Args:
        root: the frame of the body's root; what lies above it moves the body as a whole.
    """

    angles = False

    def __init__(self, root: str) -> None:
        self.root = root
        self._parents: dict[str, str] = {}
        self._signs = Signs()

    def attach(self, child: str, parent: str, transform: np.ndarray) -> np.ndarray:
        """Takes in one transform.

        Args:
            child, parent: its frames.
            transform: (7,) translation [m] and rotation (x, y, z, w).

        Returns:
            (7,) the same transform, its quaternion with the sign that is nearer to the last one of this frame.
        """
        self._parents[child] = parent
        return self._signs.aligned(child, transform)

    def knows(self, name: str) -> bool:
        """Whether a frame is the root, above it, or below it."""
        return name in self._line(self.root) or self.root in self._line(name)

    def shows(self, names: Sequence[str]) -> bool:
        return any(name != self.root and self.root in self._line(name) for name in names)

    def limited(self, names: Sequence[str], values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Frames have no limits."""
        return values, ()

    def person(self, names: Sequence[str], values: np.ndarray, fps: float, name: str) -> Person:
        """Where the frames were, Y up.

        Args:
            names: of D frames.
            values: (T, D, 7) translation [m] and rotation (x, y, z, w) of each frame in its parent, no NaN.
            fps: frames a second.
            name: of the motion.

        Raises:
            TopologyError: fewer than two frames hang from the root, or the frames form a cycle.
        """
        column = {frame: place for place, frame in enumerate(names)}
        # A frame counts where every transform between it and the root was seen.
        listed = [self.root]
        for frame in names:
            line = self._line(frame)
            if frame != self.root and self.root in line and column.keys() >= set(line[: line.index(self.root)]):
                listed.append(frame)
        if len(listed) < 2:
            raise TopologyError(f"no frame below {self.root!r} was seen on /tf: name the root of the body")
        above = [frame for frame in reversed(self._line(self.root)[1:]) if frame in column]
        frames = [*above, *listed]
        number = {frame: place for place, frame in enumerate(frames)}
        parents = np.array([number.get(self._parents.get(frame, ""), -1) for frame in frames])
        order = ordered(parents)
        back = np.append(np.argsort(order), -1)
        parents = back[parents[order]]
        moves = np.zeros((len(values), len(frames), 7))
        moves[..., 6] = 1.0
        for place, index in enumerate(order):
            if frames[index] in column:
                moves[:, place] = values[:, column[frames[index]]]
        turns = rotation.normalize(moves[..., [6, 3, 4, 5]])
        places, _ = forward_kinematics(parents, moves[..., :3], turns, moves[:, 0, :3])
        kept = [back[number[frame]] for frame in listed]
        body = {frame: place for place, frame in enumerate(listed)}
        hung = [-1 if frame == self.root else body[self._parents[frame]] for frame in listed]
        found = Keypoints.from_arrays(places[:, kept], listed, hung, fps, name)
        return reoriented(found, to_y_up("z"), 1.0)

    def _line(self, frame: str) -> list[str]:
        """The frame and all above it, upwards."""
        line = [frame]
        while line[-1] in self._parents and self._parents[line[-1]] not in line:
            line.append(self._parents[line[-1]])
        return line


class Signs:
    """A quaternion and its negative are one rotation; between two of unlike sign nothing can be interpolated."""

    def __init__(self) -> None:
        self._last: dict[str, np.ndarray] = {}

    def aligned(self, name: str, transform: np.ndarray) -> np.ndarray:
        """The (7,) transform with the quaternion's sign nearer to the last one of that name; NaN where it is zero."""
        turn = transform[3:]
        if not np.linalg.norm(turn) > 1e-6:
            return np.full(7, np.nan)
        last = self._last.get(name)
        if last is not None and float(last @ turn) < 0:
            turn = -turn
        self._last[name] = turn
        return np.concatenate([transform[:3], turn])
