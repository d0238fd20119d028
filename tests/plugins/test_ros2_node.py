"""What the document and the launch file say of the lifecycle node; the node itself is tested in plugins/ros2/test."""

from __future__ import annotations

import re
from pathlib import Path


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
