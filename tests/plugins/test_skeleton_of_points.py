"""Bones for points without any: trees that are as short as can be, and the hierarchies of known names."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.topologies import TOPOLOGIES
from skeletonllm_mocap_io.skeleton_of_points import known_parents, spanning_tree


def length(parents: np.ndarray, points: np.ndarray) -> float:
    return sum(float(np.linalg.norm(points[a] - points[b])) for a, b in enumerate(parents) if b >= 0)


def test_a_chain_hangs_from_its_middle() -> None:
    points = np.zeros((1, 5, 3))
    points[0, :, 0] = [0, 3, 1, 4, 2]
    assert spanning_tree(points).tolist() == [2, 4, 4, 1, -1]


@given(st.integers(2, 12), st.integers(0, 1000))
def test_the_tree_is_as_short_as_kruskals(count: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    parents = spanning_tree(points[None])
    assert (parents < 0).sum() == 1
    group = list(range(count))
    total = 0.0
    edges = sorted((float(np.linalg.norm(points[a] - points[b])), a, b) for a in range(count) for b in range(a))
    for span, a, b in edges:
        if group[a] != group[b]:
            total += span
            group = [group[b] if one == group[a] else one for one in group]
    assert length(parents, points) == pytest.approx(total)
    Keypoints.from_arrays(points[None], [str(one) for one in range(count)], parents, 30.0)  # raises for a cycle


def test_distances_are_those_of_most_frames_and_gaps_do_not_count() -> None:
    points = np.zeros((9, 4, 3))
    points[:, :, 0] = [0, 1, 2, 3]
    points[4, 1] = 50.0  # a jump
    points[:3, 2] = np.nan
    parents = spanning_tree(points)
    assert {frozenset((a, int(b))) for a, b in enumerate(parents) if b >= 0} == {
        frozenset(pair) for pair in pairwise(range(4))
    }


def test_points_that_pass_each_other_are_not_joined() -> None:
    points = np.zeros((20, 3, 3))
    points[:, 1] = [0.0, -1.0, 0.0]
    points[:, 2] = [0.2, -1.0, 0.0]  # near the second point, but sliding along it
    points[:, 2, 2] = np.linspace(-0.9, 0.9, 20)
    rigid = points.copy()
    rigid[:, 2, 2] = 0.0
    assert spanning_tree(rigid)[2] == 1 or spanning_tree(rigid)[1] == 2
    bones = {frozenset((a, int(b))) for a, b in enumerate(spanning_tree(points)) if b >= 0}
    assert frozenset((1, 2)) not in bones


def test_known_bones_and_a_known_root_are_kept() -> None:
    points = np.zeros((1, 5, 3))
    points[0, :, 0] = [0, 3, 1, 4, 2]
    parents = spanning_tree(points, [(0, 3), (3, 4)], 0)
    assert parents[0] == -1 and parents[3] == 0 and parents[4] == 3 and sorted(parents[[1, 2]].tolist()) == [0, 3]


def test_points_that_are_never_seen_hang_from_the_root() -> None:
    points = np.zeros((2, 4, 3))
    points[:, :, 0] = [0, 1, 2, 3]
    points[:, 0] = np.nan
    assert spanning_tree(points).tolist() == [2, 2, -1, 2]
    assert sorted(spanning_tree(points * np.nan).tolist()) == [-1, 0, 0, 0]


def test_points_never_seen_together_are_joined_by_the_root() -> None:
    points = np.full((2, 4, 3), np.nan)
    points[0, :2] = [[0, 0, 0], [1, 0, 0]]
    points[1, 2:] = [[0, 0, 0], [1, 0, 0]]
    parents = spanning_tree(points)
    assert (parents < 0).sum() == 1
    Keypoints.from_arrays(points, list("abcd"), parents, 30.0)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_known_names_give_the_known_hierarchy(name: str) -> None:
    topology = TOPOLOGIES[name]
    mixed = np.random.default_rng(1).permutation(len(topology))
    names = [topology.names[joint].upper().replace("_", " ") for joint in mixed]
    parents = known_parents(names)
    assert parents is not None
    for place, joint in enumerate(mixed):
        above = topology.parents[joint]
        assert parents[place] == (-1 if above < 0 else list(mixed).index(above))


def test_a_missing_joint_is_bridged_and_other_names_are_unknown() -> None:
    names = [name for name in TOPOLOGIES["kinect20"].names if name != "Spine"]
    parents = known_parents(names)
    assert parents is not None and names[parents[names.index("ShoulderCenter")]] == "HipCenter"
    assert known_parents(["hip", "knee"]) is None
    assert known_parents(["left_hip", "left_knee"]) is None  # too few of them to be sure
