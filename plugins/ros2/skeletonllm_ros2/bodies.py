"""Messages, whatever carried them, → the labeler: which body a topic belongs to, what it looks like, where it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skeletonllm_ros2.human import human_urdf
from skeletonllm_ros2.kinematics import ROOT_VALUES, FrameSource, JointSource, Signs
from skeletonllm_ros2.labeler import Labeler, Source
from skeletonllm_ros2.topics import BodyTopics, frame_topics

FORGET_S = 10.0
"""A body that nothing was heard of for so long is forgotten by the nodes, which ends its segment [s]."""


class Transform(NamedTuple):
    """One row of /tf.

    Attributes:
        stamp: [ns].
        parent, child: frames.
        values: x, y, z [m] and rotation (x, y, z, w) of the child in its parent.
    """

    stamp: int
    parent: str
    child: str
    values: tuple[float, float, float, float, float, float, float]


class Bodies:
    """Feeds a labeler.

    Args:
        labeler: what is fed.
        tf_root: also make a body of the frames below this one; None for joint states only.
    """

    def __init__(self, labeler: Labeler, tf_root: str | None = None) -> None:
        self.labeler = labeler
        self._frames = FrameSource(tf_root) if tf_root is not None else None
        self._still: dict[str, np.ndarray] = {}
        self._signs = Signs()
        self._root_of: dict[str, str] = {}
        self._sources: dict[str, Source] = {}
        if self._frames is not None:
            self._frames_body = frame_topics(self._frames.root).body
            self._sources[self._frames_body] = self._frames
            labeler.set_source(self._frames_body, self._frames)

    def describe(self, body: str, urdf: str, origin: str) -> None:
        """Takes in the URDF of a body.

        Raises:
            MotionFormatError: it is none; `origin` names it.
        """
        source = JointSource(urdf, origin)
        self._sources[body] = source
        self.labeler.set_source(body, source)
        self._root_of[body] = source.root

    def release(self, body: str) -> None:
        """Forgets the URDF of a body that has gone."""
        self._sources.pop(body, None)
        self._root_of.pop(body, None)

    def joint_state(self, topics: BodyTopics, stamp: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Takes in joint values of a body; a human that nobody described is one of 1.7 m."""
        if topics.human and topics.body not in self._sources and re.fullmatch(r"\w+", topics.body, re.ASCII):
            self.describe(topics.body, human_urdf(topics.body), "the human of REP-155")
        self._add(topics.body, stamp, names, positions)

    def transforms(self, rows: Sequence[Transform], *, static: bool) -> None:
        """Takes in a message of /tf or /tf_static."""
        frames: dict[int, tuple[list[str], list[np.ndarray]]] = {}
        for row in rows:
            values = np.array(row.values, dtype=np.float64)
            body = self._body_of(row.child)
            if body is not None and not static:
                self._add(body, row.stamp, ROOT_VALUES, self._signs.aligned(row.child, values))
            if self._frames is None:
                continue
            values = self._frames.attach(row.child, row.parent, values)
            if static:
                self._still[row.child] = values
            else:
                names, listed = frames.setdefault(row.stamp, (list(self._still), list(self._still.values())))
                names.append(row.child)
                listed.append(values)
        if self._frames is None:
            return
        for stamp, (names, listed) in frames.items():
            kept = [place for place, name in enumerate(names) if self._frames.knows(name)]
            if kept:
                values = np.stack([listed[place] for place in kept])
                self._add(self._frames_body, stamp, [names[place] for place in kept], values)

    def _body_of(self, frame: str) -> str | None:
        """The body whose root link a frame is.

        Robots with one URDF have one name for their roots: then a frame says whose it is by the namespace before it, as
        robot_state_publisher's `frame_prefix` puts it; without one it is nobody's.
        """
        owners = [body for body, root in self._root_of.items() if frame == root]
        if len(owners) == 1:
            return owners[0]
        return next((body for body, root in self._root_of.items() if frame == f"{body}/{root}"), None)

    def _add(self, body: str, stamp: int, names: Sequence[str], values: Sequence[float] | np.ndarray) -> None:
        # The labeler forgets bodies that are silent; one that speaks again is still described.
        if body in self._sources and not self.labeler.has_source(body):
            self.labeler.set_source(body, self._sources[body])
        self.labeler.add(body, stamp, names, values)
