"""The lifecycle node for machines with ROS: parameters, subscriptions and publishers; all thinking is in the labeler.

Imported only where rclpy is there. `configure` reads the parameters and finds the worker, `activate` starts to listen and to
label, `deactivate` stops, `cleanup` lets everything go.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from diagnostic_msgs.srv import AddDiagnostics
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Classification, ObjectHypothesis

from skeletonllm_core.errors import MotionFormatError, SkeletonLLMError
from skeletonllm_ros2 import topics as names
from skeletonllm_ros2.bodies import FORGET_S, Bodies, Transform
from skeletonllm_ros2.diagnostics import diagnoses
from skeletonllm_ros2.history import SECOND
from skeletonllm_ros2.labeler import Answer, Labeler, Settings
from skeletonllm_ros2.services import ASK, SET_LABELS, answered
from skeletonllm_ros2.smoothing import TimedSegment
from skeletonllm_ros2.worker import worker_at

_LOOK_S = 0.5
_TELL_S = 1.0
_RETRY_S = 0.5

PARAMETERS: tuple[tuple[str, Any], ...] = (
    ("window_s", 3.0),
    ("hop_s", 0.5),
    ("min_score", 0.0),
    ("captions", True),
    # An empty list has no type in rclpy; one empty string stands for "all".
    ("labels", [""]),
    ("bodies", [""]),
    ("robot_description", ""),
    ("tf_root", ""),
    ("worker_url", ""),
    ("device", "auto"),
)
"""Names and defaults; "" stands for what is not given."""


def kept_qos(depth: int) -> QoSProfile:
    """Reliable and transient-local: the last messages reach who comes late."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class LabelerNode(LifecycleNode):
    """Subscribes to every …/joint_states and publishes labels, captions, segments and diagnostics."""

    def __init__(self) -> None:
        super().__init__("skeletonllm")
        self.declare_parameters("", list(PARAMETERS))
        self._resources = ExitStack()
        self._publishing = threading.Lock()
        self._stop = threading.Event()
        self._asking: threading.Thread | None = None
        self._labeler: Labeler | None = None
        self._bodies: Bodies | None = None
        self._topics: dict[str, names.BodyTopics] = {}
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._ticks: list[Any] = []
        self._services: list[Any] = []

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    # --- transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            labels = tuple(one for one in self._value("labels") if one)
            settings = Settings(
                self._value("window_s"),
                self._value("hop_s"),
                labels or None,
                self._value("min_score"),
                captions=self._value("captions"),
                live=True,
            )
            worker = self._resources.enter_context(
                worker_at(self._value("worker_url") or None, device=self._value("device"))
            )
            self._labeler = Labeler(worker, settings)
            self._bodies = Bodies(self._labeler, self._value("tf_root") or None)
        except SkeletonLLMError as problem:
            self.get_logger().error(str(problem))
            self._resources.close()
            return TransitionCallbackReturn.FAILURE
        if self._value("tf_root"):
            topics = names.frame_topics(self._value("tf_root"))
            self._topics[topics.body] = topics
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop.clear()
        for topic, qos in ((names.TF, qos_profile_sensor_data), (names.TF_STATIC, kept_qos(100))):
            self._inputs[topic] = self.create_subscription(TFMessage, topic, self._on_transforms(topic), qos)
        self._ticks = [self.create_timer(_LOOK_S, self._discover), self.create_timer(_TELL_S, self._housekeep)]
        # A question takes as long as the model needs, so services have a thread of their own.
        apart = MutuallyExclusiveCallbackGroup()
        self._services = [
            self.create_service(AddDiagnostics, service, self._on_request(service), callback_group=apart)
            for service in (SET_LABELS, ASK)
        ]
        self._asking = threading.Thread(target=self._ask, name="model", daemon=True)
        self._asking.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._silence()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._silence()
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Ends what a transition would end, where ROS itself is already gone."""
        self._stop_asking()
        self._resources.close()

    def _stop_asking(self) -> None:
        self._stop.set()
        if self._asking is not None:
            self._asking.join()
            self._asking = None

    def _silence(self) -> None:
        self._stop_asking()
        for timer in self._ticks:
            self.destroy_timer(timer)
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        for service in self._services:
            self.destroy_service(service)
        self._ticks, self._inputs, self._services = [], {}, []
        # What /joint_states said is heard anew after the next activation; its URDF too, as that is kept for latecomers.
        self._topics = {body: topics for body, topics in self._topics.items() if topics.joint_states == names.TF}
        if self._labeler is not None:
            for segment in self._labeler.finish():
                self._say_segment(segment)

    def _let_go(self) -> None:
        for publisher in self._outputs.values():
            self.destroy_publisher(publisher)
        self._outputs = {}
        self._topics = {}
        self._labeler = self._bodies = None
        self._resources.close()

    # --- in

    def _discover(self) -> None:
        """Subscribes to what somebody publishes: bodies come and go."""
        assert self._bodies is not None
        wanted = [one for one in self._value("bodies") if one]
        for topic, types in self.get_topic_names_and_types():
            topics = names.body_topics(topic) if "sensor_msgs/msg/JointState" in types else None
            if topics is None or topics.body in self._topics or (wanted and topics.body not in wanted):
                continue
            self.get_logger().info(f"{topic}: {topics.body}")
            self._topics[topics.body] = topics
            taken = self._on_joints(topics)
            self._inputs[topic] = self.create_subscription(JointState, topic, taken, qos_profile_sensor_data)
            described = self._on_urdf(topics)
            self._inputs[topics.urdf] = self.create_subscription(String, topics.urdf, described, kept_qos(1))
            if self._value("robot_description") and not topics.human:
                self._describe(topics.body, self._value("robot_description"), "the parameter robot_description")

    def _on_joints(self, topics: names.BodyTopics) -> Any:
        def take(message: JointState) -> None:
            assert self._bodies is not None
            self._bodies.joint_state(topics, self._stamp(message.header), message.name, message.position)

        return take

    def _on_urdf(self, topics: names.BodyTopics) -> Any:
        def take(message: String) -> None:
            self._describe(topics.body, message.data, topics.urdf)

        return take

    def _on_transforms(self, topic: str) -> Any:
        def take(message: TFMessage) -> None:
            assert self._bodies is not None
            rows = []
            for sent in message.transforms:
                move, turn = sent.transform.translation, sent.transform.rotation
                values = (move.x, move.y, move.z, turn.x, turn.y, turn.z, turn.w)
                rows.append(Transform(self._stamp(sent.header), sent.header.frame_id, sent.child_frame_id, values))
            self._bodies.transforms(rows, static=topic == names.TF_STATIC)

        return take

    def _on_request(self, service: str) -> Any:
        def answer(request: AddDiagnostics.Request, response: AddDiagnostics.Response) -> AddDiagnostics.Response:
            assert self._labeler is not None
            response.success, response.message = answered(self._labeler, service, request.load_namespace)
            return response

        return answer

    def _describe(self, body: str, urdf: str, origin: str) -> None:
        assert self._bodies is not None
        try:
            self._bodies.describe(body, urdf, origin)
        except MotionFormatError as problem:
            self.get_logger().warning(str(problem))

    def _stamp(self, header: Any) -> int:
        return header.stamp.sec * SECOND + header.stamp.nanosec or self.get_clock().now().nanoseconds

    # --- out

    def _ask(self) -> None:
        assert self._labeler is not None
        while not self._stop.is_set():
            try:
                answer = self._labeler.step()
            except SkeletonLLMError as problem:
                self.get_logger().warning(str(problem), throttle_duration_sec=10.0)
                self._stop.wait(_RETRY_S)
                continue
            if answer is None:
                self._stop.wait(0.005)
            elif rclpy.ok():
                self._say(answer)

    def _say(self, answer: Answer) -> None:
        topics = self._topics.get(answer.body)
        if topics is None:
            return  # It has gone meanwhile.
        message = Classification()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(answer.end, SECOND)
        message.header.frame_id = answer.body
        for one in answer.candidates:
            message.results.append(ObjectHypothesis(class_id=one.text, score=one.score))
        self._publish(topics.action, message, 100)
        if answer.caption is not None:
            self._publish(topics.caption, String(data=answer.caption), 1)
        if answer.segment is not None:
            self._say_segment(answer.segment)

    def _say_segment(self, segment: TimedSegment) -> None:
        self._publish(names.SEGMENTS, String(data=json.dumps(segment.as_json(), ensure_ascii=False)), 100)

    def _housekeep(self) -> None:
        assert self._labeler is not None
        for body in self._labeler.silent(FORGET_S):
            for segment in self._labeler.forget(body):
                self._say_segment(segment)
            self._release(body)
        for segment in self._labeler.ended():
            self._say_segment(segment)
        for body, topics in self._topics.items():
            if topics.joint_states != names.TF:
                self._labeler.set_publishers(body, self.count_publishers(topics.joint_states))
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        for level, name, text, values in diagnoses(self._labeler):
            pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
            message.status.append(DiagnosticStatus(level=bytes([level]), name=name, message=text, values=pairs))
        self._publish(names.DIAGNOSTICS, message, 1)

    def _release(self, body: str) -> None:
        """Lets go of the topics of a body whose publisher has gone; ids of trackers come and go for ever."""
        topics = self._topics.get(body)
        if topics is None or topics.joint_states == names.TF or self.count_publishers(topics.joint_states):
            return
        for topic in (topics.joint_states, topics.urdf):
            self.destroy_subscription(self._inputs.pop(topic))
        with self._publishing:
            for topic in (topics.action, topics.caption):
                if topic in self._outputs:
                    self.destroy_publisher(self._outputs.pop(topic))
        del self._topics[body]
        assert self._bodies is not None
        self._bodies.release(body)

    def _publish(self, topic: str, message: Any, depth: int) -> None:
        with self._publishing:
            if topic not in self._outputs:
                qos = QoSProfile(depth=10) if topic == names.DIAGNOSTICS else kept_qos(depth)
                self._outputs[topic] = self.create_publisher(type(message), topic, qos)
            self._outputs[topic].publish(message)


def main() -> None:
    """Runs the node until it is told to stop; `ros2 lifecycle set /skeletonllm configure` and `activate` start it."""
    rclpy.init()
    node = LabelerNode()
    try:
        rclpy.spin(node, MultiThreadedExecutor(2))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        node.destroy_node()
        rclpy.try_shutdown()
