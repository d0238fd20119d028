"""A publisher process for tests: replays joint values of an .npz over DDS, again and again, until it is ended.

    python -m tests.plugins.ros2_publisher DOMAIN FILE.npz [FILE.npz …]

Each file: joint_states (topic), urdf_topic, urdf, names (D,), values (T, D), root_link, pose (T, 7), rate.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.topic import Topic

from skeletonllm_ros2 import dds_messages as msg
from skeletonllm_ros2.dds_node import topic_qos


def main(domain: int, files: list[str]) -> None:
    participant = DomainParticipant(domain)

    def writer(topic: str, kind: Any, *, kept: bool = False, depth: int = 100) -> DataWriter:
        qos = topic_qos(kind, reliable=True, kept=kept, depth=depth)
        return DataWriter(participant, Topic(participant, f"rt{topic}", kind), qos)

    tf = writer("/tf", msg.TFMessage)
    streams = []
    for file in files:
        loaded = dict(np.load(file))
        described = writer(str(loaded["urdf_topic"]), msg.String, kept=True, depth=1)
        described.write(msg.String(str(loaded["urdf"])))
        streams.append((loaded, writer(str(loaded["joint_states"]), msg.JointState), described))
    began = time.monotonic()
    sent = [0] * len(streams)
    print("publishing", flush=True)
    while True:
        now = time.monotonic() - began
        for number, (loaded, states, _) in enumerate(streams):
            rate = float(loaded["rate"])
            while sent[number] <= now * rate:
                # The data has 30 frames a second, whatever the rate of the messages.
                place = int(sent[number] / rate * 30) % len(loaded["values"])
                header = msg.Header(msg.Time(*divmod(time.time_ns(), 10**9)), "map")
                values = loaded["values"][place].tolist()
                states.write(msg.JointState(header, loaded["names"].tolist(), values, [], []))
                x, y, z, *turn = loaded["pose"][place].tolist()
                moved = msg.Transform(msg.Vector3(x, y, z), msg.Quaternion(*turn))
                tf.write(msg.TFMessage([msg.TransformStamped(header, str(loaded["root_link"]), moved)]))
                sent[number] += 1
        time.sleep(0.002)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
