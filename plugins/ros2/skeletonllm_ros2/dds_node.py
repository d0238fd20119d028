"""The node for machines without ROS: the same topics on the DDS wire, through cyclonedds."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Collection
from typing import Any

from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication
from cyclonedds.builtin_types import DcpsEndpoint
from cyclonedds.core import DDSException, InstanceState, ReadCondition, SampleState, ViewState, WaitSet
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

from skeletonllm_core.errors import MotionFormatError, SkeletonLLMError
from skeletonllm_ros2 import dds_messages as msg
from skeletonllm_ros2 import topics as names
from skeletonllm_ros2.bodies import FORGET_S, Bodies, Transform
from skeletonllm_ros2.dds_services import DdsServices
from skeletonllm_ros2.diagnostics import diagnoses
from skeletonllm_ros2.history import SECOND
from skeletonllm_ros2.kinematics import JointSource
from skeletonllm_ros2.labeler import Answer, Labeler
from skeletonllm_ros2.services import ASK, SET_LABELS, answered
from skeletonllm_ros2.smoothing import TimedSegment

_log = logging.getLogger("skeletonllm.ros2")

_LOOK_S = 0.25
_TELL_S = 1.0
_RETRY_S = 0.5
_BATCH = 512


def ros_domain() -> int:
    """The domain in ROS_DOMAIN_ID, 0 where there is none.

    Raises:
        SkeletonLLMError: it is no number that DDS can use.
    """
    given = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not (given.isdecimal() and int(given) <= 232):
        raise SkeletonLLMError(f"ROS_DOMAIN_ID={given!r}: a domain is a whole number from 0 to 232")
    return int(given)


def topic_qos(kind: Any, *, reliable: bool, kept: bool, depth: int) -> Qos:
    """The QoS of a topic's end.

    Args:
        kind: the message class; its type hash travels in the user data, as rmw_cyclonedds sends it.
        reliable: samples are sent again until they arrive; a best-effort reader fits both kinds of writer.
        kept: transient-local, so that the last samples reach who comes late.
        depth: samples that are kept.
    """
    hash_of = msg.TYPE_HASHES[kind.__idl_typename__.replace(".", "::")]
    qos = Qos(
        Policy.Reliability.Reliable(duration(milliseconds=100)) if reliable else Policy.Reliability.BestEffort,
        Policy.Durability.TransientLocal if kept else Policy.Durability.Volatile,
        Policy.History.KeepLast(depth),
        Policy.Userdata(f"typehash=RIHS01_{hash_of};".encode()),
    )
    if kept:
        # How many of them a latecomer gets is said apart.
        qos += Qos(Policy.DurabilityService(0, Policy.History.KeepLast(depth), -1, -1, -1))
    return qos


class DdsNode:
    """Subscribes to every …/joint_states that somebody publishes, and publishes what the labeler says.

    Args:
        labeler: with its model.
        domain: of DDS, see `ros_domain`.
        bodies: only these (see `topics.body_topics`); None for all.
        urdf: of robots that publish no robot_description.
        tf_root: also make a body of the frames below this one of /tf.

    Raises:
        SkeletonLLMError: DDS does not start.
        MotionFormatError: the URDF is none.
    """

    def __init__(
        self,
        labeler: Labeler,
        domain: int,
        *,
        bodies: Collection[str] | None = None,
        urdf: str | None = None,
        tf_root: str | None = None,
    ) -> None:
        self.labeler = labeler
        self._wanted = bodies
        self._urdf = urdf
        if urdf is not None:
            JointSource(urdf, "--urdf")  # What is wrong with it is said now, not when a robot appears.
        self._bodies = Bodies(labeler, tf_root)
        self._topics: dict[str, names.BodyTopics] = {}
        if tf_root is not None:
            topics = names.frame_topics(tf_root)
            self._topics[topics.body] = topics
        self._readers: dict[str, tuple[DataReader, ReadCondition]] = {}
        self._writers: dict[str, DataWriter] = {}
        self._writing = threading.Lock()
        self._told: set[str] = set()
        try:
            self._participant = DomainParticipant(domain)
        except DDSException as problem:
            raise SkeletonLLMError(f"DDS does not start in domain {domain}: {problem}") from problem
        self._published = BuiltinDataReader(self._participant, BuiltinTopicDcpsPublication)
        self._wait = WaitSet(self._participant)
        self._services = DdsServices(
            self._participant, (SET_LABELS, ASK), lambda service, text: answered(labeler, service, text)
        )
        for reader in self._services.readers:
            self._wait.attach(_condition(reader))
        self._read(names.TF, msg.TFMessage, reliable=False, kept=False)
        self._read(names.TF_STATIC, msg.TFMessage, reliable=True, kept=True)

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        asking = threading.Thread(target=self._ask, args=(stop,), name="model", daemon=True)
        asking.start()
        serving = threading.Thread(target=self._services.run, args=(stop,), name="services", daemon=True)
        serving.start()
        looked = told = 0.0
        while not stop.is_set():
            now = time.monotonic()
            if now - looked >= _LOOK_S:
                looked = now
                self._discover()
            if now - told >= _TELL_S:
                told = now
                self._housekeep()
            if not (asking.is_alive() and serving.is_alive()):
                raise SkeletonLLMError("a thread of the node ended, see above: start it again")
            self._wait.wait(duration(milliseconds=100))
            self._take()
            self._services.take()
        for thread in (asking, serving):
            thread.join(timeout=5)
        for segment in self.labeler.finish():
            self._say_segment(segment)

    # --- in

    def _discover(self) -> None:
        """Finds the topics that somebody publishes; a topic that was found once stays subscribed."""
        for endpoint in self._published.take(_BATCH):
            # An endpoint that has gone comes without a name.
            name = endpoint.topic_name if isinstance(endpoint, DcpsEndpoint) and endpoint.topic_name else ""
            if not name.startswith("rt/") or endpoint.type_name != "sensor_msgs::msg::dds_::JointState_":
                continue
            topics = names.body_topics(name[2:])
            if topics is None or topics.joint_states in self._readers:
                continue
            if self._wanted is not None and topics.body not in self._wanted:
                continue
            _log.info("%s: %s", topics.joint_states, topics.body)
            self._topics[topics.body] = topics
            self._read(topics.joint_states, msg.JointState, reliable=False, kept=False)
            self._read(topics.urdf, msg.String, reliable=True, kept=True)
            if self._urdf is not None and not topics.human:
                self._bodies.describe(topics.body, self._urdf, "--urdf")

    def _read(self, topic: str, kind: Any, *, reliable: bool, kept: bool) -> None:
        qos = topic_qos(kind, reliable=reliable, kept=kept, depth=1 if kept and kind is msg.String else 200)
        # Some peers name members with a final underscore; what counts is their order.
        qos += Qos(Policy.TypeConsistency.AllowTypeCoercion(ignore_member_names=True))
        reader = DataReader(self._participant, Topic(self._participant, f"rt{topic}", kind), qos)
        condition = _condition(reader)
        self._wait.attach(condition)
        self._readers[topic] = (reader, condition)

    def _take(self) -> None:
        for topic, (reader, _) in list(self._readers.items()):
            try:
                samples = reader.take(_BATCH)
            except (DDSException, ValueError) as problem:
                self._warn(f"{topic}: a message cannot be read: {problem}")
                continue
            for sample in samples:
                if isinstance(sample, msg.JointState):
                    body = names.body_topics(topic)
                    assert body is not None
                    self._bodies.joint_state(body, _stamp(sample.header), sample.name, sample.position)
                elif isinstance(sample, msg.TFMessage):
                    rows = [_transform(one) for one in sample.transforms]
                    self._bodies.transforms(rows, static=topic == names.TF_STATIC)
                elif isinstance(sample, msg.String):
                    self._describe(topic, sample.data)

    def _describe(self, topic: str, urdf: str) -> None:
        for topics in self._topics.values():
            if topics.urdf == topic:
                try:
                    self._bodies.describe(topics.body, urdf, topic)
                except MotionFormatError as problem:
                    self._warn(str(problem))

    def _warn(self, sentence: str) -> None:
        """Says a sentence once."""
        if sentence not in self._told and len(self._told) < 1000:
            self._told.add(sentence)
            _log.warning("%s", sentence)

    # --- out

    def _ask(self, stop: threading.Event) -> None:
        """Asks the model about one window after the other."""
        while not stop.is_set():
            try:
                answer = self.labeler.step()
            except SkeletonLLMError as problem:
                self._warn(str(problem))
                stop.wait(_RETRY_S)
                continue
            if answer is None:
                stop.wait(0.005)
            else:
                self._say(answer)

    def _say(self, answer: Answer) -> None:
        topics = self._topics.get(answer.body)
        if topics is None:
            return  # It has gone meanwhile.
        rows = [msg.ObjectHypothesis(one.text, one.score) for one in answer.candidates]
        header = msg.Header(msg.Time(*divmod(answer.end, SECOND)), answer.body)
        self._write(topics.action, msg.Classification(header, rows), depth=100)
        if answer.caption is not None:
            self._write(topics.caption, msg.String(answer.caption), depth=1)
        if answer.segment is not None:
            self._say_segment(answer.segment)

    def _say_segment(self, segment: TimedSegment) -> None:
        self._write(names.SEGMENTS, msg.String(json.dumps(segment.as_json(), ensure_ascii=False)), depth=100)

    def _housekeep(self) -> None:
        """Tells how things are, and lets go of bodies that have gone."""
        for body in self.labeler.silent(FORGET_S):
            for segment in self.labeler.forget(body):
                self._say_segment(segment)
            self._release(body)
        for segment in self.labeler.ended():
            self._say_segment(segment)
        for body, topics in self._topics.items():
            if topics.joint_states != names.TF:
                self.labeler.set_publishers(body, len(self._readers[topics.joint_states][0].get_matched_publications()))
        rows = []
        for level, name, message, values in diagnoses(self.labeler):
            pairs = [msg.KeyValue(key, value) for key, value in values.items()]
            rows.append(msg.DiagnosticStatus(level, name, message, "", pairs))
        header = msg.Header(msg.Time(*divmod(time.time_ns(), SECOND)))
        self._write(names.DIAGNOSTICS, msg.DiagnosticArray(header, rows), depth=1)

    def _release(self, body: str) -> None:
        """Lets go of the topics of a body whose publisher has gone; ids of trackers come and go for ever."""
        topics = self._topics.get(body)
        if topics is None or topics.joint_states == names.TF:
            return
        if self._readers[topics.joint_states][0].get_matched_publications():
            return
        for topic in (topics.joint_states, topics.urdf):
            self._wait.detach(self._readers.pop(topic)[1])
        with self._writing:
            for topic in (topics.action, topics.caption):
                self._writers.pop(topic, None)
        del self._topics[body]
        self._bodies.release(body)

    def _write(self, topic: str, message: Any, *, depth: int) -> None:
        with self._writing:
            if topic not in self._writers:
                kept = topic != names.DIAGNOSTICS
                qos = topic_qos(type(message), reliable=True, kept=kept, depth=depth)
                topic_ = Topic(self._participant, f"rt{topic}", type(message))
                self._writers[topic] = DataWriter(self._participant, topic_, qos)
            self._writers[topic].write(message)


def _condition(reader: DataReader) -> ReadCondition:
    return ReadCondition(reader, ViewState.Any | InstanceState.Any | SampleState.NotRead)


def _stamp(header: msg.Header) -> int:
    """When it was measured [ns]; a message without a stamp was measured now."""
    return header.stamp.sec * SECOND + header.stamp.nanosec or time.time_ns()


def _transform(sent: msg.TransformStamped) -> Transform:
    move, turn = sent.transform.translation, sent.transform.rotation
    values = (move.x, move.y, move.z, turn.x, turn.y, turn.z, turn.w)
    return Transform(_stamp(sent.header), sent.header.frame_id, sent.child_frame_id, values)
