"""Bags for tests, written with rosbags: joint states of the real G1 or of an arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skeletonllm_ros2 import bag_files

BEGIN = 1_700_000_000.0


def write_states(
    path: Path,
    urdf: str | None,
    names: Sequence[str],
    takes: Sequence[np.ndarray],
    rate: float = 30.0,
    pause: float = 2.0,
    *,
    sqlite3: bool = False,
    root: Sequence[np.ndarray] = (),
    root_link: str = "pelvis",
    stamped: bool = True,
) -> list[float]:
    """A bag of /joint_states: takes (T, D) with pauses between them; the start of each take [s]."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    store = bag_files.message_types()
    types = store.types
    plugin = StoragePlugin.SQLITE3 if sqlite3 else StoragePlugin.MCAP
    starts = []
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        states = writer.add_connection("/joint_states", bag_files.JOINT_STATE, typestore=store)
        tf = writer.add_connection("/tf", bag_files.TF_MESSAGE, typestore=store)
        if urdf is not None:
            described = writer.add_connection("/robot_description", bag_files.STRING, typestore=store)
            # It comes late, as from a latched topic that was recorded after the robot had begun to move.
            late = round((BEGIN + 1) * 1e9)
        now = BEGIN
        for number, take in enumerate(takes):
            starts.append(now)
            for frame, values in enumerate(take):
                stamp = round((now + frame / rate) * 1e9)
                time = types["builtin_interfaces/msg/Time"](*(divmod(stamp, 10**9) if stamped else (0, 0)))
                header = types["std_msgs/msg/Header"](time, "")
                none = np.zeros(0)
                message = types[bag_files.JOINT_STATE](header, list(names), values.astype(float), none, none)
                writer.write(states, stamp + 500, store.serialize_cdr(message, bag_files.JOINT_STATE))
                if root:
                    pose = [float(value) for value in root[number][frame]]
                    transform = types["geometry_msgs/msg/Transform"](
                        types["geometry_msgs/msg/Vector3"](*pose[:3]), types["geometry_msgs/msg/Quaternion"](*pose[3:])
                    )
                    row = types["geometry_msgs/msg/TransformStamped"](header, root_link, transform)
                    sent = types[bag_files.TF_MESSAGE]([row])
                    writer.write(tf, stamp + 500, store.serialize_cdr(sent, bag_files.TF_MESSAGE))
            now += len(take) / rate + pause
        if urdf is not None:
            text = types[bag_files.STRING](urdf)
            writer.write(described, late, store.serialize_cdr(text, bag_files.STRING))
    return starts


def messages(path: Path, topic: str) -> list[tuple[int, object]]:
    """(log time [ns], message) of a topic, in order."""
    with bag_files.opened_bag(path) as reader:
        wanted = [one for one in reader.connections if one.topic == topic]
        return [(stamp, reader.deserialize(data, one.msgtype)) for one, stamp, data in reader.messages(wanted)]
