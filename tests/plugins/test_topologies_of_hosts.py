"""The topologies that the Blender and ROS 2 plugins offer, against what the rig mapping says of their names."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core import plugins
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart, Topology


@pytest.mark.parametrize(
    ("name", "joints", "head", "left_hand"),
    [("rigify", 25, "spine.006", "hand.L"), ("ros_human", 27, "r_head", "l_wrist")],
)
def test_named_topologies(name: str, joints: int, head: str, left_hand: str) -> None:
    topology = plugins.topology(name)
    assert len(topology) == joints
    assert topology.names[topology.parts.index(BodyPart.HEAD)] == head
    assert topology.names[topology.parts.index(BodyPart.LEFT_HAND)] == left_hand
    # By the names alone the rig mapping finds the same joints.
    bare = Topology("bare", topology.names, topology.parents)
    places = np.random.default_rng(0).normal(size=(1, joints, 3))
    found = map_rig(bare, places).primary()
    for part in (BodyPart.LEFT_HAND, BodyPart.RIGHT_FOOT, BodyPart.LEFT_SHIN, BodyPart.RIGHT_FOREARM, BodyPart.PELVIS):
        assert topology.names[found[part]] == topology.names[topology.parts.index(part)]
