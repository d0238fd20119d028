"""The node on the real DDS wire, over loopback: bytes, types, QoS, and labels from a process to a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_ros2.human import human_urdf, human_values
from tests.worker import Worker

pytest.importorskip("cyclonedds", reason='needs pip install "skeletonllm[ros2]"')

LOOPBACK = (
    "<CycloneDDS><Domain><General><Interfaces><NetworkInterface name='lo' multicast='false'/></Interfaces>"
    "<AllowMulticast>false</AllowMulticast></General>"
    "<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>20</MaxAutoParticipantIndex>"
    "<Peers><Peer address='127.0.0.1'/></Peers></Discovery></Domain></CycloneDDS>"
)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    pytest.importorskip("uvicorn")
    running = Worker(tmp_path_factory.mktemp("worker"), "--model", model)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    """A domain of our own on loopback, also for this process."""
    before = os.environ.get("CYCLONEDDS_URI")
    os.environ["CYCLONEDDS_URI"] = LOOPBACK
    yield 20 + os.getpid() % 200
    os.environ.pop("CYCLONEDDS_URI")
    if before is not None:
        os.environ["CYCLONEDDS_URI"] = before


# --- bytes


def test_bytes_and_type_hashes_are_those_of_ros() -> None:
    pytest.importorskip("rosbags")
    from skeletonllm_ros2 import dds_messages as msg
    from skeletonllm_ros2.bag_files import message_types

    store = message_types()
    for name, known in msg.TYPE_HASHES.items():
        ros = name.replace("::dds_", "").replace("::", "/").removesuffix("_")
        assert store.hash_rihs01(ros) == f"RIHS01_{known}"
    types = store.types
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](-3, 999_999_999), "bäse")
    ours = msg.Header(msg.Time(-3, 999_999_999), "bäse")
    values = np.array([0.1, -2.5e-300, np.nan, 1e9])
    pairs: list[tuple[Any, str, Any]] = [
        (
            msg.JointState(ours, ["a", "", "ccc"], values.tolist(), [1.0], []),
            "sensor_msgs/msg/JointState",
            types["sensor_msgs/msg/JointState"](header, ["a", "", "ccc"], values, np.ones(1), np.zeros(0)),
        ),
        (
            msg.Classification(ours, [msg.ObjectHypothesis("walk", 0.75), msg.ObjectHypothesis("no", 0.1)]),
            "vision_msgs/msg/Classification",
            types["vision_msgs/msg/Classification"](
                header, [types["vision_msgs/msg/ObjectHypothesis"](*one) for one in (("walk", 0.75), ("no", 0.1))]
            ),
        ),
        (msg.String("ü"), "std_msgs/msg/String", types["std_msgs/msg/String"]("ü")),
        (
            msg.TFMessage(
                [msg.TransformStamped(ours, "x", msg.Transform(msg.Vector3(1, 2, 3), msg.Quaternion(0, 0, 0, 1)))]
            ),
            "tf2_msgs/msg/TFMessage",
            types["tf2_msgs/msg/TFMessage"](
                [
                    types["geometry_msgs/msg/TransformStamped"](
                        header,
                        "x",
                        types["geometry_msgs/msg/Transform"](
                            types["geometry_msgs/msg/Vector3"](1.0, 2.0, 3.0),
                            types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0),
                        ),
                    )
                ]
            ),
        ),
        (
            msg.DiagnosticArray(ours, [msg.DiagnosticStatus(2, "n", "m", "", [msg.KeyValue("k", "v")])]),
            "diagnostic_msgs/msg/DiagnosticArray",
            types["diagnostic_msgs/msg/DiagnosticArray"](
                header,
                [
                    types["diagnostic_msgs/msg/DiagnosticStatus"](
                        2, "n", "m", "", [types["diagnostic_msgs/msg/KeyValue"]("k", "v")]
                    )
                ],
            ),
        ),
    ]
    for mine, name, theirs in pairs:
        assert mine.serialize() == bytes(store.serialize_cdr(theirs, name)), name


def test_the_domain_is_that_of_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    from skeletonllm_ros2.dds_node import ros_domain

    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    assert ros_domain() == 42
    monkeypatch.delenv("ROS_DOMAIN_ID")
    assert ros_domain() == 0
    monkeypatch.setenv("ROS_DOMAIN_ID", "many")
    with pytest.raises(sk.SkeletonLLMError, match="ROS_DOMAIN_ID='many'"):
        ros_domain()


# --- processes


class Listener:
    """What a subscriber with the QoS of `ros2 topic echo` receives."""

    def __init__(self, domain: int) -> None:
        from cyclonedds.domain import DomainParticipant

        self.participant = DomainParticipant(domain)
        self.readers: dict[str, Any] = {}
        self.got: dict[str, list[Any]] = {}

    def listen(self, topic: str, kind: Any) -> None:
        from cyclonedds.sub import DataReader
        from cyclonedds.topic import Topic

        from skeletonllm_ros2.dds_node import topic_qos

        qos = topic_qos(kind, reliable=True, kept=False, depth=100)
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

    def status(self, body: str) -> dict[str, str]:
        """The latest diagnosis of a body."""
        for array in reversed(self.got["/diagnostics"]):
            for one in array.status:
                if one.name == f"skeletonllm: {body}":
                    return {"level": one.level, "message": one.message, **{pair.key: pair.value for pair in one.values}}
        return {}


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        process.kill()
        process.wait()


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


def human_stream(path: Path, person: Any, body: str, rate: float) -> Path:
    names, values, pose = human_values(person, body)
    topic = f"/humans/bodies/{body}"
    np.savez(path, joint_states=f"{topic}/joint_states", urdf_topic=f"{topic}/urdf", urdf=human_urdf(body), names=names,
             values=values, pose=pose, root_link=f"body_{body}", rate=rate)  # fmt: skip
    return path


def squat(root: Path) -> Any:
    from skeletonllm_core.motion.resample import resampled

    return resampled(sk.read(root / "examples" / "clips" / "squat.minimal.bvh")[0], 30.0)


@pytest.mark.slow
def test_labels_come_back_over_the_wire(
    root: Path, worker: Worker, domain: int, processes: list, tmp_path: Path
) -> None:
    from skeletonllm_ros2 import dds_messages as msg

    action = "/humans/bodies/a1/action"
    listener = Listener(domain)
    for topic, kind in (
        (action, msg.Classification),
        ("/skeletonllm/segments", msg.String),
        ("/diagnostics", msg.DiagnosticArray),
    ):
        listener.listen(topic, kind)
    node = start_node(worker, domain, tmp_path / "log.txt", "--hop", "1", "--no-captions")
    processes.append(node)
    stream = human_stream(tmp_path / "a1.npz", squat(root), "a1", 100.0)
    publisher = start_publisher(root, domain, stream)
    processes.append(publisher)
    listener.until(lambda: len(listener.got[action]) >= 4, 90, "labels" + (tmp_path / "log.txt").read_text())
    said = [message.results[0].class_id for message in listener.got[action]]
    assert said.count("squat") > len(said) / 2, said
    listener.until(lambda: listener.status("a1").get("message") == "squat", 30, "a diagnosis")
    assert float(listener.status("a1")["rate [1/s]"]) > 100, "with the transforms of the root"
    assert listener.status("a1")["malformed"] == "0"

    # The publisher dies and returns: what was seen ends, and labels resume.
    publisher.kill()
    publisher.wait()
    listener.until(lambda: listener.status("a1").get("level") == 3, 30, "a stale body")
    processes.append(start_publisher(root, domain, stream))
    before = len(listener.got[action])
    listener.until(lambda: len(listener.got[action]) >= before + 2, 60, "labels after the return")
    segments = [json.loads(message.data) for message in listener.got["/skeletonllm/segments"]]
    assert [one["label"] for one in segments][:1] == ["squat"] and segments[0]["body"] == "a1"

    # Each label that was given arrived, and each window has a stamp of its own.
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in listener.got[action]]
    assert len(set(stamps)) == len(stamps) and stamps == sorted(stamps)
    node.send_signal(signal.SIGINT)
    assert node.wait(30) == 0, (tmp_path / "log.txt").read_text()


@pytest.mark.slow
def test_a_late_subscriber_a_bad_stream_and_a_worker_that_restarts(
    root: Path, domain: int, model: str, processes: list, tmp_path: Path
) -> None:
    pytest.importorskip("uvicorn")
    from cyclonedds.pub import DataWriter
    from cyclonedds.topic import Topic

    from skeletonllm_ros2 import dds_messages as msg
    from skeletonllm_ros2.dds_node import topic_qos

    listener = Listener(domain)
    listener.listen("/diagnostics", msg.DiagnosticArray)
    qos = topic_qos(msg.JointState, reliable=True, kept=False, depth=100)
    bad = DataWriter(listener.participant, Topic(listener.participant, "rt/bad/joint_states", msg.JointState), qos)
    urdf_qos = topic_qos(msg.String, reliable=True, kept=True, depth=1)
    described = DataWriter(
        listener.participant, Topic(listener.participant, "rt/bad/robot_description", msg.String), urdf_qos
    )
    described.write(msg.String("<robot"))
    first = Worker(tmp_path / "worker", "--model", model)
    node = start_node(first, domain, tmp_path / "log.txt", "--hop", "0.5", "--no-captions")
    processes += [node, start_publisher(root, domain, human_stream(tmp_path / "b2.npz", squat(root), "b2", 30.0))]
    # A label is kept for who comes late.
    listener.until(
        lambda: listener.status("b2").get("windows", "0") != "0", 90, "a label " + (tmp_path / "log.txt").read_text()
    )
    late = Listener(domain)
    from cyclonedds.sub import DataReader

    action = Topic(late.participant, "rt/humans/bodies/b2/action", msg.Classification)
    late.readers["action"] = DataReader(
        late.participant, action, topic_qos(msg.Classification, reliable=True, kept=True, depth=100)
    )
    late.got["action"] = []
    # Streams of nonsense harm nobody and are told of.
    nan = float("nan")
    for index in range(50):
        stamp = msg.Time(1000 - 20 * index, 0)
        bad.write(msg.JointState(msg.Header(stamp), ["a", "b"], [nan, 1.0], [], []))
        bad.write(msg.JointState(msg.Header(stamp), ["a"], [], [], []))
        bad.write(msg.JointState(msg.Header(stamp), [], [], [], []))
        bad.write(msg.JointState(msg.Header(stamp), [f"j{one}" for one in range(500)], [0.0] * 500, [], []))
    listener.until(lambda: int(listener.status("bad").get("jumps", "0")) > 10, 30, "jumps of the clock")
    status = listener.status("bad")
    assert int(status["malformed"]) > 0 and int(status["empty"]) > 0 and status["message"] == "waits for its URDF"
    late.until(lambda: bool(late.got["action"]), 10, "a label that was given before")

    # The worker is killed and started again at the same place, with a new token.
    port = str(first.port)
    first.stop(signal.SIGKILL)
    listener.until(lambda: listener.status("model").get("level") == 2, 30, "the model is gone")
    before = int(listener.status("b2")["windows"])
    second = Worker(tmp_path / "worker", "--model", model, "--port", port)
    try:
        began = time.monotonic()
        listener.until(lambda: int(listener.status("b2")["windows"]) > before, 30, "labels after the restart")
        print(f"labels resumed after {time.monotonic() - began:.1f} s")
    finally:
        second.stop()
    log = (tmp_path / "log.txt").read_text()
    assert "/bad/robot_description: is no whole XML" in log or "/bad/robot_description:1: is no whole XML" in log
    assert "Traceback" not in log and node.poll() is None


@pytest.mark.slow
def test_the_real_g1_on_the_wire(
    root: Path, shared_data: Path, worker: Worker, domain: int, processes: list, tmp_path: Path
) -> None:
    from skeletonllm_ros2 import dds_messages as msg

    pack = np.load(shared_data / "motion" / "g1_robot.npz")
    urdf = (shared_data / "original" / "g1_pkl" / "g1_29dof_anneal_23dof.urdf").read_text()
    pose = np.concatenate([pack["root_pos_zup"], pack["root_quat_xyzw"]], -1)
    processes.append(start_node(worker, domain, tmp_path / "log.txt", "--hop", "0.5", "--no-captions"))
    listener = Listener(domain)
    listener.listen("/diagnostics", msg.DiagnosticArray)
    right = 0
    # The last take of each action: those of the test split. One after the other, each a robot of its own.
    for take, label in {4: "jump forward", 7: "kick", 10: "squat", 14: "walk"}.items():
        span = slice(int(pack["clip_offsets"][take]), int(pack["clip_offsets"][take + 1]))
        file, action = tmp_path / f"{take}.npz", f"/g1_{take}/skeletonllm/action"
        np.savez(
            file,
            joint_states=f"/g1_{take}/joint_states",
            urdf_topic=f"/g1_{take}/robot_description",
            urdf=urdf,
            names=pack["dof_names"],
            values=pack["dof"][span],
            pose=pose[span],
            root_link="pelvis",
            rate=100.0,
        )
        listener.listen(action, msg.Classification)
        publisher = start_publisher(root, domain, file)
        processes.append(publisher)
        listener.until(lambda action=action: len(listener.got[action]) >= 5, 90, f"labels of {label}")  # type: ignore[misc]
        publisher.kill()
        publisher.wait()
        listener.until(lambda body=f"g1_{take}": listener.status(body).get("level") == 3, 30, "a stale body")  # type: ignore[misc]
        said = [message.results[0].class_id for message in listener.got[action]]
        right += max(set(said), key=said.count) == label
        # No label that the node gave was lost on the way.
        assert len(said) == int(listener.status(f"g1_{take}")["windows"])
    assert right >= 3
