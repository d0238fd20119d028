"""Trees of nodes → bodies: what belongs together, what stands alone, what is only the end of a bone."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.errors import TopologyError
from skeletonllm_mocap_io.nodes import bodies, with_ancestors

# scene ─ armature ─ hips ─ mesh ─ chest ─ head ─ head_end      scene ─ foot ─ toe      scene ─ lamp
NAMES = ["scene", "armature", "hips", "mesh", "chest", "head", "head_end", "foot", "toe", "lamp"]
PARENTS = np.array([-1, 0, 1, 2, 3, 4, 5, 0, 7, 0])
BODY, FOOT = [2, 4, 5, 6], [7, 8]


def test_joints_hang_together_through_nodes_that_are_none_and_an_end_becomes_a_tip() -> None:
    (body,), alone = bodies(NAMES, PARENTS, BODY, [], "t")
    assert body.topology.names == ("hips", "chest", "head") and body.topology.parents.tolist() == [-1, 0, 1]
    assert body.nodes.tolist() == [2, 4, 5] and body.tips == ((2, 6),) and alone == []


def test_trees_are_bodies_unless_they_share_a_family() -> None:
    two, _ = bodies(NAMES, PARENTS, BODY + FOOT, [], "t")
    assert [body.topology.names[0] for body in two] == ["hips", "foot"]
    (one,), _ = bodies(NAMES, PARENTS, BODY + FOOT, [[5, 8]], "t")
    assert one.topology.names == ("hips", "chest", "head", "foot", "toe")
    assert one.topology.parents.tolist() == [-1, 0, 1, -1, 3]


def test_a_joint_that_stands_alone_is_left_out_and_named_unless_there_is_nothing_else() -> None:
    found, alone = bodies(NAMES, PARENTS, [*BODY, 9], [], "t")
    assert len(found) == 1 and alone == ["lamp"]
    found, alone = bodies(NAMES, PARENTS, [9], [], "t")
    assert found[0].topology.names == ("lamp",) and alone == []
    found, alone = bodies(NAMES, PARENTS, [7, 9], [], "t")
    assert len(found) == 2 and alone == []


def test_ancestors_come_first_in_any_order_of_nodes() -> None:
    order = with_ancestors(np.array([2, 0, -1, 2]), [1]).tolist()
    assert order == [2, 0, 1]
    with pytest.raises(TopologyError, match="cycle"):
        with_ancestors(np.array([1, 0]), [1])


def test_a_chain_of_a_hundred_thousand_is_no_problem() -> None:
    assert len(with_ancestors(np.arange(-1, 99_999), [99_999])) == 100_000
