"""A publisher process for tests: replays joint values of an .npz over DDS, again and again, until it is ended.

    python -m tests.plugins.ros2_publisher DOMAIN FILE.npz [FILE.npz …]

Each file: joint_states (topic), urdf_topic, urdf, names (D,), values (T, D) at 30 frames a second, root_link, pose (T, 7),
rate (messages a second of the stamps), speed (seconds of the stamps in a second), member ("" or "_", which ends the names of
the members as those of ROS's C code generator do).
"""

# No `from __future__ import annotations` here: cyclonedds reads the annotations as types.
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import float64, sequence
from cyclonedds.pub import DataWriter
from cyclonedds.topic import Topic

from skeletonllm_ros2 import dds_messages as msg
from skeletonllm_ros2.dds_node import topic_qos


@dataclass
class OtherJointState(IdlStruct, typename="sensor_msgs::msg::dds_::JointState_"):
    header_: msg.Header = field(default_factory=msg.Header)
    name_: sequence[str] = field(default_factory=list)
    position_: sequence[float64] = field(default_factory=list)
    velocity_: sequence[float64] = field(default_factory=list)
    effort_: sequence[float64] = field(default_factory=list)


def main(domain: int, files: list[str]) -> None:
    participant = DomainParticipant(domain)

    def writer(topic: str, kind: Any, *, kept: bool = False, depth: int = 100) -> DataWriter:
        qos = topic_qos(kind, reliable=True, kept=kept, depth=depth)
        return DataWriter(participant, Topic(participant, f"rt{topic}", kind), qos)

    tf = writer("/tf", msg.TFMessage, depth=1000)
    streams = []
    for file in files:
        loaded = dict(np.load(file))
        described = writer(str(loaded["urdf_topic"]), msg.String, kept=True, depth=1)
        described.write(msg.String(str(loaded["urdf"])))
        kind = OtherJointState if str(loaded["member"]) else msg.JointState
        streams.append((loaded, kind, writer(str(loaded["joint_states"]), kind), described))
    began, stamps = time.monotonic(), time.time_ns()
    sent = [0] * len(streams)
    print("publishing", flush=True)
    while True:
        now = time.monotonic() - began
        for number, (loaded, kind, states, _) in enumerate(streams):
            rate, speed = float(loaded["rate"]), float(loaded["speed"])
            while sent[number] <= now * speed * rate:
                # The data has 30 frames a second, whatever the rate of the messages.
                place = int(sent[number] / rate * 30) % len(loaded["values"])
                stamp = stamps + round(sent[number] / rate * 10**9)
                header = msg.Header(msg.Time(*divmod(stamp, 10**9)), "map")
                values = loaded["values"][place].tolist()
                states.write(kind(header, loaded["names"].tolist(), values, [], []))
                x, y, z, *turn = loaded["pose"][place].tolist()
                moved = msg.Transform(msg.Vector3(x, y, z), msg.Quaternion(*turn))
                tf.write(msg.TFMessage([msg.TransformStamped(header, str(loaded["root_link"]), moved)]))
                sent[number] += 1
        time.sleep(0.002)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
