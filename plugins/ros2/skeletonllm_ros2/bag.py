"""Recorded bags → sidecars, and a copy of the bag with the topics that the node would have published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skeletonllm_core.atomic import write_whole
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.sidecar import is_locked, read_sidecar
from skeletonllm_ros2 import bag_files
from skeletonllm_ros2.bodies import Bodies, Transform
from skeletonllm_ros2.history import SECOND
from skeletonllm_ros2.labeler import Answer, BodyStatus, Labeler, Settings
from skeletonllm_ros2.records import BodyRecord
from skeletonllm_ros2.smoothing import TimedSegment
from skeletonllm_ros2.topics import SEGMENTS, TF, TF_STATIC, BodyTopics, body_topics, frame_topics
from skeletonllm_ros2.worker import Worker

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore

Progress = Callable[[int, int], None]
"""Called with the messages done and those in all."""


def annotate_bag(
    path: Path,
    worker: Worker,
    settings: Settings,
    *,
    out: Path | None = None,
    sidecars: Path | None = None,
    urdf: Path | None = None,
    tf_root: str | None = None,
    progress: Progress = lambda done, total: None,
) -> list[tuple[BodyRecord, Path]]:
    """Labels every body of a bag and writes a sidecar for each.

    Args:
        path: the bag.
        worker: the model.
        settings: how it is cut; no window is dropped.
        out: a new bag: all that is in this one, and what the node would have published.
        sidecars: folder of the sidecars; None puts them beside the bag.
        urdf: of the robot on /joint_states, where the bag holds no /robot_description.
        tf_root: also make a body of the frames below this one.
        progress: called now and then.

    Returns:
        the bodies that were labelled, with their sidecars, in the order in which they appeared.

    Raises:
        SkeletonLLMError: the bag or the URDF is bad, there is nobody in it, or the worker cannot answer.
    """
    with bag_files.opened_bag(path) as reader, _output(out) as output:
        run = _Run(path, reader, worker, settings, tf_root, output, progress)
        run.describe(urdf)
        run.go()
    model = worker.model()
    source = {"path": path.name, "sha256": bag_files.sha256_of_bag(path)}
    folder = sidecars if sidecars is not None else path.parent
    written = []
    for record in run.records.values():
        if not record.answers:
            continue
        place = folder / f"{path.name}#{record.body.replace('/', '.')}.skel.json"
        there = read_sidecar(place)
        if there is None or not is_locked(there):
            document = record.sidecar(source, model, settings)
            text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
            try:
                write_whole(place, text.encode("utf-8", "backslashreplace"))
            except OSError as problem:
                raise SkeletonLLMError(f"{place}: cannot be written: {problem.strerror}") from problem
        written.append((record, place))
    return written


class _Run:
    def __init__(
        self,
        path: Path,
        reader: Any,
        worker: Worker,
        settings: Settings,
        tf_root: str | None,
        output: LabelTopics | None,
        progress: Progress,
    ) -> None:
        self.path, self.reader, self.output, self.progress = path, reader, output, progress
        self.labeler = Labeler(worker, settings)
        self.bodies = Bodies(self.labeler, tf_root)
        self.records: dict[str, BodyRecord] = {}
        self.topics: dict[str, BodyTopics] = {}
        for connection in reader.connections:
            topics = body_topics(connection.topic) if connection.msgtype == bag_files.JOINT_STATE else None
            if topics is not None:
                self.topics[connection.topic] = topics
        if tf_root is not None:
            self.topics[TF] = frame_topics(tf_root)
        if not self.topics:
            listed = ", ".join(sorted({one.topic for one in reader.connections})) or "none"
            bag_files.fail(
                path,
                f"holds no sensor_msgs/JointState on a topic …/joint_states; its topics: {listed} (for /tf: --tf-root)",
            )

    def describe(self, urdf: Path | None) -> None:
        """Looks for the URDF of each body before anything is labelled: a recording may begin before it came."""
        of_topic = {topics.urdf: topics.body for topics in self.topics.values() if topics.urdf}
        wanted = [one for one in self.reader.connections if one.topic in of_topic and one.msgtype == bag_files.STRING]
        for connection, stamp, data in self.reader.messages(wanted) if wanted else ():
            message = bag_files.decoded(self.reader, self.path, connection, stamp, data)
            self.bodies.describe(of_topic[connection.topic], message.data, f"{self.path}:{connection.topic}")
        if urdf is not None:
            try:
                text = urdf.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as problem:
                raise SkeletonLLMError(f"{urdf}: the URDF cannot be read: {problem}") from problem
            for topics in self.topics.values():
                if not topics.human and topics.joint_states != TF and not self.labeler.has_source(topics.body):
                    self.bodies.describe(topics.body, text, str(urdf))
        for topics in self.topics.values():
            if not topics.human and not self.labeler.has_source(topics.body):
                bag_files.fail(
                    self.path,
                    f"{topics.joint_states} is there, but no URDF on {topics.urdf}: give it with --urdf FILE",
                )

    def go(self) -> None:
        total = sum(connection.msgcount for connection in self.reader.connections)
        copied = {}
        if self.output is not None:
            copied = {
                one.id: self.output.like(one, self.reader.typestore, self.path) for one in self.reader.connections
            }
        stamp = 0
        for done, (connection, stamp, data) in enumerate(self.reader.messages()):
            if self.output is not None:
                self.output.writer.write(copied[connection.id], stamp, data)
            self._take(connection, stamp, data)
            while self.labeler.pending:
                answer = self.labeler.step()
                if answer is not None:
                    self._say(answer, stamp)
            for segment in self.labeler.ended():
                self._end(segment, stamp)
            self.progress(done + 1, total)
        for segment in self.labeler.finish():
            self._end(segment, stamp)
        for status in self.labeler.status():
            record = self.records.get(status.body)
            if record is not None:
                record.warnings += _warnings(status)
        if not any(record.answers for record in self.records.values()):
            window = self.labeler.settings.window_s
            raise SkeletonLLMError(
                f"{self.path}: no body is there for {window:g} s without a break, so there is nothing to label: "
                "give a shorter --window" + (f" ({self.labeler.problem})" if self.labeler.problem else "")
            )

    def _take(self, connection: Connection, logged: int, data: bytes) -> None:
        if connection.topic in (TF, TF_STATIC) and connection.msgtype == bag_files.TF_MESSAGE:
            message = bag_files.decoded(self.reader, self.path, connection, logged, data)
            rows = [_transform(one, logged) for one in message.transforms]
            self.bodies.transforms(rows, static=connection.topic == TF_STATIC)
            if TF in self.topics and connection.topic == TF and rows:
                self._saw(self.topics[TF], rows[0].stamp, len(rows))
        elif connection.topic in self.topics and connection.topic != TF:
            topics = self.topics[connection.topic]
            message = bag_files.decoded(self.reader, self.path, connection, logged, data)
            stamp = _stamp(message.header.stamp) or logged
            self.bodies.joint_state(topics, stamp, message.name, message.position)
            self._saw(topics, stamp, len(message.name))

    def _saw(self, topics: BodyTopics, stamp: int, joints: int) -> None:
        record = self.records.setdefault(topics.body, BodyRecord(topics.body, topics.joint_states, stamp, stamp))
        record.saw(stamp)
        record.joints = max(record.joints, joints)

    def _say(self, answer: Answer, stamp: int) -> None:
        self.records[answer.body].answered(answer)
        if self.output is not None:
            topics = next(one for one in self.topics.values() if one.body == answer.body)
            self.output.answer(topics, answer, stamp)

    def _end(self, segment: TimedSegment, stamp: int) -> None:
        self.records[segment.body].ended(segment)
        if self.output is not None:
            self.output.segment(segment, stamp)


class LabelTopics:
    """The topics of the node in a bag that is being written; the time of a message is when its window was complete."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._store = bag_files.message_types()
        self._connections: dict[tuple[str, str], Connection] = {}

    def like(self, connection: Connection, store: Typestore, path: Path) -> Connection:
        """A connection as the bag `path` has it; several publishers of one topic share one."""
        key = (connection.topic, connection.msgtype)
        if connection.msgtype not in store.fielddefs:
            bag_files.fail(path, f"does not say what a {connection.msgtype} is, so {connection.topic} cannot be copied")
        if key not in self._connections:
            qos = connection.ext.offered_qos_profiles  # type: ignore[union-attr]
            self._connections[key] = self.writer.add_connection(*key, typestore=store, offered_qos_profiles=qos)
        return self._connections[key]

    def answer(self, topics: BodyTopics, answer: Answer, stamp: int) -> None:
        """A label, with the caption and the segment that came with it."""
        types = self._store.types
        time = types["builtin_interfaces/msg/Time"](sec=answer.end // SECOND, nanosec=answer.end % SECOND)
        header = types["std_msgs/msg/Header"](stamp=time, frame_id=answer.body)
        hypothesis = types["vision_msgs/msg/ObjectHypothesis"]
        rows = [hypothesis(class_id=one.text, score=one.score) for one in answer.candidates]
        self._write(topics.action, bag_files.CLASSIFICATION, types[bag_files.CLASSIFICATION](header, rows), stamp)
        if answer.caption is not None:
            self.text(topics.caption, answer.caption, stamp)
        if answer.segment is not None:
            self.segment(answer.segment, stamp)

    def segment(self, segment: TimedSegment, stamp: int) -> None:
        self.text(SEGMENTS, json.dumps(segment.as_json(), ensure_ascii=False), stamp)

    def text(self, topic: str, text: str, stamp: int) -> None:
        self._write(topic, bag_files.STRING, self._store.types[bag_files.STRING](data=text), stamp)

    def _write(self, topic: str, kind: str, message: object, stamp: int) -> None:
        key = (topic, kind)
        if key not in self._connections:
            qos = bag_files.kept_for_latecomers()
            self._connections[key] = self.writer.add_connection(*key, typestore=self._store, offered_qos_profiles=qos)
        self.writer.write(self._connections[key], stamp, self._store.serialize_cdr(message, kind))


@contextmanager
def _output(out: Path | None) -> Iterator[LabelTopics | None]:
    with bag_files.new_bag(out) if out is not None else nullcontext() as writer:
        yield None if writer is None else LabelTopics(writer)


def _stamp(time: Any) -> int:
    return int(time.sec) * SECOND + int(time.nanosec)


def _transform(message: Any, logged: int) -> Transform:
    move, turn = message.transform.translation, message.transform.rotation
    values = (move.x, move.y, move.z, turn.x, turn.y, turn.z, turn.w)
    # Frame names of old recordings begin with a slash.
    frames = (message.header.frame_id.lstrip("/"), message.child_frame_id.lstrip("/"))
    return Transform(_stamp(message.header.stamp) or logged, *frames, values)


def _warnings(status: BodyStatus) -> list[str]:
    told, counts = [], vars(status.counts)
    for names, text in (
        (status.unknown_joints, "names are no joints of its URDF and were left out"),
        (status.beyond_limits, "joints went beyond their limits and were held there"),
    ):
        if names:
            shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
            told.append(f"{len(names)} {text}: {shown}.")
    for key, text in (
        ("malformed", "messages had not one position for each name and were left out"),
        ("empty", "messages were empty"),
        ("incomplete", "messages held what is no number, which was bridged"),
        ("jumps", "times the clock jumped back"),
        ("gaps", "times nothing came for more than a second"),
    ):
        if counts[key]:
            told.append(f"{counts[key]} {text}.")
    return told
