"""A node, publishers and a listener on the real DDS wire, over loopback; for tests and benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_ros2.human import human_urdf, human_values
from tests.worker import Worker

LOOPBACK = (
    "<CycloneDDS><Domain><General><Interfaces><NetworkInterface name='lo' multicast='false'/></Interfaces>"
    "<AllowMulticast>false</AllowMulticast></General>"
    "<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>20</MaxAutoParticipantIndex>"
    "<Peers><Peer address='127.0.0.1'/></Peers></Discovery></Domain></CycloneDDS>"
)


@contextmanager
def own_domain() -> Iterator[int]:
    """A domain of our own on loopback, also for this process."""
    before = os.environ.get("CYCLONEDDS_URI")
    os.environ["CYCLONEDDS_URI"] = LOOPBACK
    try:
        yield 20 + os.getpid() % 200
    finally:
        os.environ.pop("CYCLONEDDS_URI")
        if before is not None:
            os.environ["CYCLONEDDS_URI"] = before


class Listener:
    """What a subscriber with the QoS of `ros2 topic echo` receives."""

    def __init__(self, domain: int) -> None:
        from cyclonedds.domain import DomainParticipant

        self.participant = DomainParticipant(domain)
        self.readers: dict[str, Any] = {}
        self.got: dict[str, list[Any]] = {}
        self.calls = 0

    def listen(self, topic: str, kind: Any, *, kept: bool = False) -> None:
        from cyclonedds.sub import DataReader
        from cyclonedds.topic import Topic

        from skeletonllm_ros2.dds_node import topic_qos

        qos = topic_qos(kind, reliable=True, kept=kept, depth=100)
        self.readers[topic] = DataReader(self.participant, Topic(self.participant, f"rt{topic}", kind), qos)
        self.got[topic] = []

    def until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            self.take()
            time.sleep(0.02)

    def take(self) -> None:
        from cyclonedds.internal import InvalidSample

        for topic, reader in self.readers.items():
            # What is not valid tells that a writer went.
            self.got[topic] += [one for one in reader.take(1000) if not isinstance(one, InvalidSample)]

    def call(self, service: str, text: str, seconds: float = 20.0) -> tuple[bool, str]:
        """Asks a service as a client of rmw_cyclonedds does; its reply."""
        from cyclonedds.pub import DataWriter
        from cyclonedds.sub import DataReader
        from cyclonedds.topic import Topic

        from skeletonllm_ros2 import dds_messages as msg
        from skeletonllm_ros2.dds_services import service_qos

        qos = service_qos("clientid", self.participant.guid.bytes[:12] + b"\0\0\0\7")
        requests = Topic(self.participant, f"rq{service}Request", msg.AddDiagnosticsRequest)
        replies = Topic(self.participant, f"rr{service}Reply", msg.AddDiagnosticsReply)
        writer, reader = DataWriter(self.participant, requests, qos), DataReader(self.participant, replies, qos)
        deadline = time.monotonic() + seconds
        while not (writer.get_matched_subscriptions() and reader.get_matched_publications()):
            assert time.monotonic() < deadline, f"{service} is not there"
            time.sleep(0.01)
        guid = writer.instance_handle % 2**64
        self.calls += 1
        writer.write(msg.AddDiagnosticsRequest(guid, self.calls, text))
        while True:
            for reply in reader.take(10):
                if isinstance(reply, msg.AddDiagnosticsReply) and (reply.guid, reply.seq) == (guid, self.calls):
                    return reply.success, reply.message
            assert time.monotonic() < deadline, f"{service} does not answer"
            time.sleep(0.01)

    def status(self, body: str) -> dict[str, str]:
        """The latest diagnosis of a body."""
        for array in reversed(self.got["/diagnostics"]):
            for one in array.status:
                if one.name == f"skeletonllm: {body}":
                    return {"level": one.level, "message": one.message, **{pair.key: pair.value for pair in one.values}}
        return {}


def start_node(worker: Worker, domain: int, log: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "skeletonllm_core", "ros2", "run", "--worker-url", worker.address, *options]
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(worker.token_file.parent.parent),
        "ROS_DOMAIN_ID": str(domain),
    }
    with log.open("wb") as opened:
        return subprocess.Popen(command, stderr=opened, env=environment)


def start_publisher(root: Path, domain: int, *files: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.plugins.ros2_publisher", str(domain), *map(str, files)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)


def human_stream(path: Path, person: Any, body: str, rate: float, *, speed: float = 1.0, member: str = "") -> Path:
    """A file for `ros2_publisher`: a person as a human after REP-155."""
    names, values, pose = human_values(person, body)
    topic = f"/humans/bodies/{body}"
    np.savez(path, joint_states=f"{topic}/joint_states", urdf_topic=f"{topic}/urdf", urdf=human_urdf(body), names=names,
             values=values, pose=pose, root_link=f"body_{body}", rate=rate, speed=speed, member=member)  # fmt: skip
    return path
