"""The rest pose of topologies that have none."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core import plugins
from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart, Topology
from skeletonllm_core.motion.standard_body import standard_skeleton

P = BodyPart


def rest(topology: Topology) -> np.ndarray:
    places = standard_skeleton(topology).rest_offsets.copy()
    for joint, parent in enumerate(topology.parents):
        if parent >= 0:
            places[joint] += places[parent]
    return places


@pytest.mark.parametrize(
    "name", ["coco17", "humanml3d22", "kinect20", "ntu25", "rigify", "ros_human", "smpl24", "smplh52", "smplx55"]
)
def test_every_named_topology_stands(name: str) -> None:
    topology = plugins.topology(name)
    places = rest(topology)
    at = map_rig(topology, places[None]).primary()
    assert places[at[P.HEAD], 1] > 1.5 > places[at[P.LEFT_UPPER_ARM], 1] > places[at[P.LEFT_THIGH], 1] > 0.8
    assert places[at[P.LEFT_HAND], 0] > places[at[P.LEFT_FOREARM], 0] > 0.4 > places[at[P.LEFT_FOOT], 0] > 0
    for part in (P.LEFT_HAND, P.LEFT_THIGH, P.LEFT_FOOT):
        np.testing.assert_allclose(places[at[part]] * [-1, 1, 1], places[at[part.mirrored]], atol=1e-12)
    assert places[:, 1].min() >= 0 and places[:, 1].max() < 1.8


def test_lines_share_a_part_and_fingers_lie_side_by_side() -> None:
    topology = Topology(
        "t",
        ("pelvis", "s1", "s2", "s3", "chest", "hand", "f1", "f1b", "f2", "f2b", "extra"),
        np.array([-1, 0, 1, 2, 3, 4, 5, 6, 5, 8, 5]),
        (P.PELVIS, P.SPINE, P.SPINE, P.SPINE, P.CHEST, P.LEFT_HAND, *[P.LEFT_FINGERS] * 4, None),
    )
    places = rest(topology)
    steps = np.diff(places[1:5, 1])
    np.testing.assert_allclose(steps, steps[0])
    assert places[6, 2] - places[8, 2] == pytest.approx(0.02) == places[7, 2] - places[9, 2]
    assert places[7, 0] > places[6, 0]
    assert 0 < np.linalg.norm(places[10] - places[5]) < 0.05


def test_a_topology_without_parts_is_refused() -> None:
    with pytest.raises(TopologyError, match="'t' does not say which joint is which body part"):
        standard_skeleton(Topology("t", ("a", "b"), np.array([-1, 0])))
