"""The lifecycle node, where ROS is installed."""

from __future__ import annotations

import pytest


def test_transitions_parameters_and_ends() -> None:
    rclpy = pytest.importorskip("rclpy", reason="rclpy comes with ROS 2 only")
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

    from skeletonllm_ros2.ros_node import PARAMETERS, LabelerNode, kept_qos

    rclpy.init()
    node = LabelerNode()
    try:
        for name, default in PARAMETERS:
            assert node.get_parameter(name).value == default
        # A worker that is not there is no reason not to start: it may come later.
        node.set_parameters([rclpy.Parameter("worker_url", value="http://127.0.0.1:9")])
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        assert {name for name, _ in node.get_topic_names_and_types()} >= {"/tf", "/tf_static"}
        services = {name for name, _ in node.get_service_names_and_types()}
        assert services >= {"/skeletonllm/set_labels", "/skeletonllm/ask"}
        (tf,) = node.get_subscriptions_info_by_topic("/tf")
        assert tf.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        assert kept_qos(1).durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        node.set_parameters([rclpy.Parameter("window_s", value=0.0)])
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    finally:
        node.destroy_node()
        rclpy.shutdown()
