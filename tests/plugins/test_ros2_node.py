"""The lifecycle node, where ROS is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def test_the_document_lists_every_parameter(root: Path) -> None:
    source = (root / "plugins/ros2/skeletonllm_ros2/ros_node.py").read_text()
    block = source[source.index("PARAMETERS:") : source.index('"""Names and defaults')]
    declared = set(re.findall(r'^    \("(\w+)"', block, re.MULTILINE))
    text = (root / "docs/ros2.md").read_text()
    rows = [
        line.split("|")[1] for line in text.split("| parameter |")[1].split("## Topics")[0].splitlines() if "|" in line
    ]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert declared == told and len(declared) >= 10
    launched = (root / "plugins/ros2/launch/labeler_launch.py").read_text()
    assert set(re.findall(r'^    \("(\w+)", ', launched, re.MULTILINE)) <= declared


def test_transitions() -> None:
    rclpy = pytest.importorskip("rclpy", reason="rclpy comes with ROS 2 only")
    from rclpy.lifecycle import TransitionCallbackReturn

    from skeletonllm_ros2.ros_node import LabelerNode

    rclpy.init()
    node = LabelerNode()
    try:
        # A worker that is not there is no reason not to start: it may come later.
        node.set_parameters([rclpy.Parameter("worker_url", value="http://127.0.0.1:9")])
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        assert {name for name, _ in node.get_topic_names_and_types()} >= {"/tf", "/tf_static"}
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        node.set_parameters([rclpy.Parameter("window_s", value=0.0)])
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    finally:
        node.destroy_node()
        rclpy.shutdown()
