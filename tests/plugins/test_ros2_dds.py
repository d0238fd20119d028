"""The node on the real DDS wire, over loopback: bytes, types, QoS, and labels from a process to a process."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_ros2.services import ASK, SET_LABELS
from tests.plugins.ros2_wire import Listener, human_stream, own_domain, start_node, start_publisher
from tests.worker import Worker

pytest.importorskip("cyclonedds", reason='needs pip install "skeletonllm[ros2]"')


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    pytest.importorskip("uvicorn")
    running = Worker(tmp_path_factory.mktemp("worker"), "--model", model)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    with own_domain() as number:
        yield number


# --- bytes


def test_bytes_and_type_hashes_are_those_of_ros() -> None:
    pytest.importorskip("rosbags")
    from rosbags.typesys import get_types_from_msg

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
    # Services: the header of rmw_cyclonedds, then what the service's own file says.
    for name, fields in (("Request", "string load_namespace\n"), ("Response", "bool success\nstring message\n")):
        given = f"uint64 guid\nint64 seq\n{fields}"
        store.register(get_types_from_msg(given, f"diagnostic_msgs/msg/AddDiagnostics{name}"))
    pairs += [
        (
            msg.AddDiagnosticsRequest(2**63 + 5, -7, "wävë"),
            "diagnostic_msgs/msg/AddDiagnosticsRequest",
            types["diagnostic_msgs/msg/AddDiagnosticsRequest"](2**63 + 5, -7, "wävë"),
        ),
        (
            msg.AddDiagnosticsReply(1, 2, True, "yes"),
            "diagnostic_msgs/msg/AddDiagnosticsResponse",
            types["diagnostic_msgs/msg/AddDiagnosticsResponse"](1, 2, True, "yes"),
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


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        process.kill()
        process.wait()


def squat(root: Path) -> Any:
    from skeletonllm_core.motion.resample import resampled

    return resampled(sk.read(root / "examples" / "clips" / "squat.minimal.bvh")[0], 30.0)


def stamps_of(listener: Listener, topic: str) -> list[int]:
    """Stamps [ns] of the labels that arrived."""
    return [one.header.stamp.sec * 10**9 + one.header.stamp.nanosec for one in listener.got[topic]]


@pytest.mark.slow
def test_labels_come_back_over_the_wire(
    root: Path, worker: Worker, domain: int, processes: list, tmp_path: Path
) -> None:
    from cyclonedds.pub import DataWriter
    from cyclonedds.topic import Topic

    from skeletonllm_ros2 import dds_messages as msg
    from skeletonllm_ros2.dds_node import topic_qos

    action, other = "/humans/bodies/a1/action", "/humans/bodies/c3/action"
    listener = Listener(domain)
    for topic, kind in (
        (action, msg.Classification),
        (other, msg.Classification),
        ("/humans/bodies/a1/caption", msg.String),
        ("/skeletonllm/segments", msg.String),
        ("/diagnostics", msg.DiagnosticArray),
    ):
        listener.listen(topic, kind)
    node = start_node(worker, domain, tmp_path / "log.txt", "--hop", "1")
    processes.append(node)
    # The second one names its members as ROS's C code generator does: name_, position_.
    streams = [
        human_stream(tmp_path / "a1.npz", squat(root), "a1", 100.0),
        human_stream(tmp_path / "c3.npz", squat(root), "c3", 30.0, member="_"),
    ]
    publisher = start_publisher(root, domain, *streams)
    processes.append(publisher)
    # A robot whose description is none.
    bad = [
        DataWriter(
            listener.participant,
            Topic(listener.participant, f"rt/bad/{name}", kind),
            topic_qos(kind, reliable=True, kept=True, depth=1),
        )
        for name, kind in (("robot_description", msg.String), ("joint_states", msg.JointState))
    ]
    bad[0].write(msg.String("<robot"))
    listener.until(lambda: bool(listener.got[action]), 90, "labels" + (tmp_path / "log.txt").read_text())
    bad[1].write(msg.JointState(msg.Header(msg.Time(5, 0)), ["a"], [1.0], [], []))
    listener.until(lambda: listener.status("bad").get("message") == "waits for its URDF", 20, "a body without URDF")
    began = stamps_of(listener, action)[0]
    listener.until(lambda: stamps_of(listener, action)[-1] >= began + 20 * 10**9, 60, "labels for 20 s")
    said = [message.results[0].class_id for message in listener.got[action]]
    assert said.count("squat") > len(said) / 2, said
    assert [message.results[0].class_id for message in listener.got[other]].count("squat") >= 5
    assert float(listener.status("a1")["rate [1/s]"]) > 100, "with the transforms of the root"
    assert listener.status("a1")["malformed"] == "0" and listener.status("a1")["publishers"] == "1"
    # The first one is of half a window, in which a squat may only go down.
    captions = listener.got["/humans/bodies/a1/caption"]
    listener.until(lambda: "squat" in captions[-1].data.lower(), 20, "the caption of a whole window")

    # Labels are kept for who comes late.
    late = Listener(domain)
    late.listen(action, msg.Classification, kept=True)
    late.until(lambda: bool(late.got[action]), 10, "labels that were given before")
    assert stamps_of(late, action)[0] == began

    # Services, as a client of rmw_cyclonedds calls them.
    assert listener.call(ASK, "a1: Is the person squatting?") == (True, "Yes")
    assert listener.call(ASK, "c3: Is the person walking?") == (True, "No")
    assert listener.call(ASK, "  ") == (False, "the question is empty")
    assert listener.call(SET_LABELS, "jump, squat") == (True, "labels: jump, squat")
    before = len(listener.got[action])
    listener.until(lambda: len(listener.got[action]) >= before + 3, 30, "labels after others were set")
    latest = {one.class_id for one in listener.got[action][-1].results}
    assert latest == {"jump", "squat"}

    # The publisher dies: what was seen ends. No label that was given was lost, and each window has a stamp of its own.
    publisher.kill()
    publisher.wait()
    listener.until(lambda: listener.status("a1").get("level") == 3, 30, "a stale body")
    stamps = stamps_of(listener, action)
    assert len(stamps) == int(listener.status("a1")["windows"])
    assert len(set(stamps)) == len(stamps) and stamps == sorted(stamps)
    node.send_signal(signal.SIGINT)
    assert node.wait(30) == 0, (tmp_path / "log.txt").read_text()
    log = (tmp_path / "log.txt").read_text()
    assert "/bad/robot_description: is no whole XML" in log or "/bad/robot_description:1: is no whole XML" in log
    listener.take()
    segments = [json.loads(message.data) for message in listener.got["/skeletonllm/segments"]]
    assert {("squat", "a1"), ("squat", "c3")} <= {(one["label"], one["body"]) for one in segments}


@pytest.mark.slow
def test_the_real_g1_on_the_wire(
    root: Path, shared_data: Path, worker: Worker, domain: int, processes: list, tmp_path: Path
) -> None:
    from skeletonllm_ros2 import dds_messages as msg

    pack = np.load(shared_data / "motion" / "g1_robot.npz")
    urdf = (shared_data / "original" / "g1_pkl" / "g1_29dof_anneal_23dof.urdf").read_text()
    pose = np.concatenate([pack["root_pos_zup"], pack["root_quat_xyzw"]], -1)
    # The last take of each action: those of the test split. Four robots at once, of one URDF, at 100 Hz.
    takes = {4: "jump forward", 7: "kick", 10: "squat", 14: "walk"}
    processes.append(start_node(worker, domain, tmp_path / "log.txt", "--hop", "1", "--no-captions"))
    listener = Listener(domain)
    listener.listen("/diagnostics", msg.DiagnosticArray)
    for take in takes:
        span = slice(int(pack["clip_offsets"][take]), int(pack["clip_offsets"][take + 1]))
        np.savez(
            tmp_path / f"{take}.npz",
            joint_states=f"/g1_{take}/joint_states",
            urdf_topic=f"/g1_{take}/robot_description",
            urdf=urdf,
            names=pack["dof_names"],
            values=pack["dof"][span],
            pose=pose[span],
            root_link=f"g1_{take}/pelvis",
            rate=100.0,
            speed=1.0,
            member="",
        )
        listener.listen(f"/g1_{take}/skeletonllm/action", msg.Classification)
    publisher = start_publisher(root, domain, *(tmp_path / f"{take}.npz" for take in takes))
    processes.append(publisher)
    topics = [f"/g1_{take}/skeletonllm/action" for take in takes]
    listener.until(lambda: all(listener.got[topic] for topic in topics), 90, "labels of each")
    began = min(stamps_of(listener, topic)[0] for topic in topics)
    listener.until(
        lambda: all(stamps_of(listener, topic)[-1] >= began + 20 * 10**9 for topic in topics), 60, "labels for 20 s"
    )
    publisher.kill()
    publisher.wait()
    listener.until(lambda: all(listener.status(f"g1_{take}").get("level") == 3 for take in takes), 30, "stale bodies")
    right = {}
    for (take, label), topic in zip(takes.items(), topics, strict=True):
        said = [message.results[0].class_id for message in listener.got[topic]]
        right[label] = max(set(said), key=said.count) == label
        # No label that the node gave was lost on the way.
        assert len(said) == int(listener.status(f"g1_{take}")["windows"])
        assert listener.status(f"g1_{take}")["beyond their limits"] == ""
    assert sum(right.values()) >= 3, right
