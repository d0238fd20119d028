"""A motion file → a bag, as if its persons had been tracked by a robot: humans after REP-155."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skeletonllm_core.motion.motion import Person
from skeletonllm_core.motion.resample import resampled
from skeletonllm_ros2 import bag_files
from skeletonllm_ros2.history import SECOND
from skeletonllm_ros2.human import human_urdf, human_values
from skeletonllm_ros2.topics import TF, body_topics

START = 1_700_000_000 * SECOND
"""Stamp of the first message [ns]: a fixed one, so that the same clip gives the same messages."""


def make_bag(persons: Sequence[Person], out: Path, rate: float = 30.0) -> list[str]:
    """Writes /humans/bodies/<id>/joint_states, …/urdf and /tf of each person.

    Args:
        persons: of one clip.
        out: the new bag.
        rate: messages a second.

    Returns:
        the ids of the bodies: person0, person1, …

    Raises:
        TopologyError: a body cannot be put onto the human of REP-155.
        MotionFormatError: the bag cannot be written.
    """
    ids = [f"person{number}" for number in range(len(persons))]
    moved = [human_values(resampled(person, rate), body) for person, body in zip(persons, ids, strict=True)]
    with bag_files.new_bag(out) as writer:
        store = bag_files.message_types()
        types = store.types
        string = types[bag_files.STRING]
        latched = bag_files.kept_for_latecomers()
        tf = writer.add_connection(TF, bag_files.TF_MESSAGE, typestore=store)
        states = []
        for body in ids:
            topics = body_topics(f"/humans/bodies/{body}/joint_states")
            assert topics is not None
            urdf = writer.add_connection(topics.urdf, bag_files.STRING, typestore=store, offered_qos_profiles=latched)
            writer.write(urdf, START, store.serialize_cdr(string(human_urdf(body)), bag_files.STRING))
            states.append(writer.add_connection(topics.joint_states, bag_files.JOINT_STATE, typestore=store))
        for frame in range(max(len(values) for _, values, _ in moved)):
            stamp = START + round(frame * SECOND / rate)
            time = types["builtin_interfaces/msg/Time"](stamp // SECOND, stamp % SECOND)
            for body, state, (names, values, pose) in zip(ids, states, moved, strict=True):
                if frame >= len(values):
                    continue
                header = types["std_msgs/msg/Header"](time, "map")
                transform = types["geometry_msgs/msg/Transform"](
                    types["geometry_msgs/msg/Vector3"](*pose[frame, :3]),
                    types["geometry_msgs/msg/Quaternion"](*pose[frame, 3:]),
                )
                row = types["geometry_msgs/msg/TransformStamped"](header, f"body_{body}", transform)
                message = types[bag_files.TF_MESSAGE]([row])
                writer.write(tf, stamp, store.serialize_cdr(message, bag_files.TF_MESSAGE))
                none = np.zeros(0)
                joints = types[bag_files.JOINT_STATE](header, list(names), values[frame], none, none)
                writer.write(state, stamp, store.serialize_cdr(joints, bag_files.JOINT_STATE))
    return ids
