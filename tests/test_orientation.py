"""Up axis, body height, unit, and the change of basis that settles them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Keypoints, Motion
from skeletonllm_core.motion.orientation import body_height, infer_unit, infer_up_axis, reoriented, to_y_up
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from tests.rigs import BODIES, BODY, anonymous, assembled, tree, walker
from tests.test_rig import BVH_FAMILIES, PACKS, pack_clips, read_bvh

AXES = {
    "y": (0, 1, 0), "z": (0, 0, 1), "x": (1, 0, 0), "-y": (0, -1, 0), "-z": (0, 0, -1), "-x": (-1, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("axis", AXES)
def test_to_y_up_turns_the_axis_onto_y(axis: str) -> None:
    np.testing.assert_allclose(rotation.rotate(to_y_up(axis), np.array(AXES[axis], float)), [0, 1, 0], atol=1e-12)


def test_z_up_becomes_x_z_minus_y() -> None:
    np.testing.assert_allclose(rotation.rotate(to_y_up("z"), np.array([1.0, 2.0, 3.0])), [1, 3, -2], atol=1e-12)


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown axis 'w'"):
        to_y_up("w")


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("body", ["22 joints", "15 joints"])
def test_up_axis_of_a_walker(axis: str, body: str) -> None:
    topology, positions = assembled(BODIES[body], walker())
    turned = rotation.rotate(rotation.conjugate(to_y_up(axis)), positions) * 39.37
    rig = map_rig(topology, turned)
    assert infer_up_axis(turned, None, rig) == axis
    assert infer_up_axis(turned, turned[0], rig) == axis
    turned[::3, 2] = np.nan
    assert infer_up_axis(turned, None, rig) == axis


def test_a_standing_rest_pose_tells_the_axis_of_a_body_that_lies_still() -> None:
    topology, positions = assembled(BODY, walker())
    rig = map_rig(topology, positions)
    rest = positions[0]
    lying = np.repeat(rotation.rotate(to_y_up("z"), positions[:1]), 20, axis=0)
    assert infer_up_axis(lying, rest, rig) == "y"


@pytest.mark.parametrize("rest_axis", ["z", "x", "-z"])
def test_a_walk_outweighs_a_rest_pose_of_another_axis(rest_axis: str) -> None:
    """Exporters leave the rest pose in one world and turn the root into another."""
    topology, positions = assembled(BODY, walker())
    rest = rotation.rotate(rotation.conjugate(to_y_up(rest_axis)), positions[0])
    assert infer_up_axis(positions, rest, map_rig(topology, positions)) == "y"


def test_a_rest_pose_that_does_not_stand_is_not_believed() -> None:
    """Bandai's rest pose has every bone along +X, trunk and legs alike."""
    topology, positions = assembled(BODY, walker())
    rig = map_rig(topology, positions)
    along = np.zeros((len(topology), 3))
    for joint, parent in enumerate(topology.parents):
        along[joint] = along[parent] + [1, 0, 0] if parent >= 0 else 0
    assert infer_up_axis(positions, along, rig) == "y"


def test_up_axis_without_evidence_is_y() -> None:
    topology = tree("a > b > c")
    rig = map_rig(topology, np.zeros((2, 3, 3)))
    assert infer_up_axis(np.zeros((0, 3, 3)), None, rig) == "y"
    assert infer_up_axis(np.zeros((2, 3, 3)), np.zeros((3, 3)), rig) == "y"
    assert infer_up_axis(np.full((2, 3, 3), np.nan), None, rig) == "y"


@pytest.mark.parametrize("pack", PACKS)
def test_up_axis_of_the_packs(shared_data: Path, pack: str) -> None:
    """All packs are Y up; crawling, rolling and getting up are among them."""
    for clip in pack_clips(shared_data, pack, most=30):
        rig = map_rig(clip.topology, clip.positions)
        for axis in ("y", "z", "-y", "x"):
            turned = rotation.rotate(rotation.conjugate(to_y_up(axis)), clip.positions)
            assert infer_up_axis(turned, None, rig) == axis, clip.name


@pytest.mark.parametrize("family", BVH_FAMILIES)
def test_up_axis_and_height_of_the_bvh_files(shared_data: Path, family: str) -> None:
    for path in sorted((shared_data / "original").glob(family)):
        topology, positions, rest = read_bvh(path)
        rig = map_rig(topology, positions)
        assert infer_up_axis(positions, rest, rig) == ("z" if path.stem in ("dab", "jumping") else "y"), path.name
        height = body_height(positions, rig)
        name, metres = infer_unit(height)
        if path.stem not in ("dab", "jumping"):
            expected = {"bandai_bvh": "cm", "cmu_cc_bvh": "cm", "cmu_mb_bvh": "cmu", "bvh_misc": "cmu"}[
                path.parent.name
            ]
            assert name == ("m" if path.stem.startswith("scaled") else expected)
            assert 1.4 < height * metres < 2.0


def test_height_of_a_body_in_many_topologies() -> None:
    """One body, 1.7 m tall, seen through each of the hierarchies: within 8 % of one another, whatever the unit."""
    heights = []
    for body in BODIES.values():
        topology, positions = assembled(body, walker())
        for one in (topology, anonymous(topology)):
            heights.append(body_height(positions * 100, map_rig(one, positions)) / 100)
    assert max(heights) / min(heights) < 1.08
    assert 1.55 < min(heights) <= max(heights) < 1.85


def test_height_does_not_depend_on_the_pose() -> None:
    tracks = walker()
    topology, positions = assembled(BODY, tracks)
    rig = map_rig(topology, positions)
    standing = body_height(positions, rig)
    crouched = {name: track.copy() for name, track in tracks.items()}
    # Fold the legs: the knees come up to the chest, bone lengths stay.
    for side in "lr":
        crouched[f"{side}_shin"] = crouched[f"{side}_thigh"] + [0, 0, 0.42]
        crouched[f"{side}_foot"] = crouched[f"{side}_shin"] - [0, 0.42, 0]
    folded = assembled(BODY, crouched)[1]
    assert body_height(folded, rig) == pytest.approx(standing, rel=0.01)


def test_height_of_real_bodies_is_the_same_in_every_clip(shared_data: Path) -> None:
    for pack in ("bandai2", "deepmimic_humanoid3d", "s2s_cmu"):
        heights = [
            body_height(clip.positions, map_rig(clip.topology, clip.positions))
            for clip in pack_clips(shared_data, pack, most=30)
        ]
        assert max(heights) / min(heights) < 1.05


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("pelvis\n  l_thigh > l_shin > l_foot\n  r_thigh > r_shin > r_foot", 1.6, 1.8),
        ("chest\n  l_upper_arm > l_forearm > l_hand\n  r_upper_arm > r_forearm > r_hand\n  head", 1.5, 1.8),
        ("pelvis\n  l_thigh\n  r_thigh\n  chest\n    l_upper_arm\n    r_upper_arm", 1.5, 1.9),
        ("spine1 > spine2 > neck > head_top", 0.6, 0.7),
    ],
)
def test_height_without_legs_or_arms(text: str, low: float, high: float) -> None:
    """The limb that is there is scaled up; a rig without known limbs has its extent for a height."""
    topology, positions = assembled(text, walker())
    assert low < body_height(positions, map_rig(topology, positions)) < high


def test_height_where_half_of_the_joints_are_lacking() -> None:
    """Whatever segments are left tell it; most bodies keep one."""
    topology, positions = assembled(BODY, walker())
    rig = map_rig(topology, positions)
    whole = body_height(positions, rig)
    found = []
    for seed in range(40):
        poorer = positions.copy()
        poorer[:, np.random.default_rng(seed).permutation(len(topology))[: len(topology) // 2]] = np.nan
        found.append(body_height(poorer, rig) / whole)
    assert np.mean(np.abs(np.log(found)) < np.log(1.15)) > 0.8


def test_height_of_nothing_is_zero() -> None:
    topology = tree("a > b")
    positions = np.full((4, 2, 3), np.nan)
    assert body_height(positions, map_rig(topology, positions)) == 0.0
    assert body_height(positions, RigMap((None, None), np.zeros(2, bool), topology.parents)) == 0.0


def test_height_with_gaps_and_one_leg() -> None:
    topology, positions = assembled("pelvis\n  l_thigh > l_shin > l_foot\n  spine1 > chest", walker())
    positions[::2] = np.nan
    rig = map_rig(topology, positions)
    assert body_height(positions, rig) == pytest.approx(0.84 / 0.491, rel=0.01)


@pytest.mark.parametrize(
    ("height", "name"),
    [
        (1.7, "m"), (170, "cm"), (1700, "mm"), (28.2, "cmu"), (67, "in"), (5.6, "ft"), (17, "dm"), (1.2, "m"),
        (2.2, "m"), (110, "cm"), (30, "cmu"), (0.3, "unknown"), (1e9, "unknown"),
    ],
)  # fmt: skip
def test_unit(height: float, name: str) -> None:
    found, metres = infer_unit(height)
    assert found == name
    assert 1.0 <= height * metres <= 2.4
    if name == "unknown":
        assert height * metres == pytest.approx(1.7)


@pytest.mark.parametrize("height", [0.0, -1.0, float("nan"), float("inf")])
def test_unit_of_no_height(height: float) -> None:
    assert infer_unit(height) == ("unknown", 1.0)


def test_cmu_unit_is_an_inch_over_045() -> None:
    assert infer_unit(30.0)[1] == pytest.approx(0.056444, abs=1e-6)


quaternions = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)


def some_motion(seed: int, joints: int = 7, frames: int = 5, moving: bool = False) -> Motion:
    dice = np.random.default_rng(seed)
    parents = np.array([-1] + [int(dice.integers(0, joint)) for joint in range(1, joints)])
    skeleton = Skeleton(
        Topology("random", tuple(f"j{joint}" for joint in range(joints)), parents),
        dice.normal(size=(joints, 3)),
        np.array([joints - 1]),
        dice.normal(size=(1, 3)),
    )
    turns = rotation.normalize(dice.normal(size=(frames, joints, 4)))
    local = dice.normal(size=(frames, joints, 3)) if moving else None
    return Motion(skeleton, turns, dice.normal(size=(frames, 3)), 30, "random", local)


@settings(max_examples=40, deadline=None)
@given(turn=quaternions, scale=st.floats(0.001, 1000), seed=st.integers(0, 99), moving=st.booleans())
def test_reoriented_moves_every_joint_alike(turn: list[float], scale: float, seed: int, moving: bool) -> None:
    motion = some_motion(seed, moving=moving)
    unit = rotation.normalize(np.array(turn))
    moved = reoriented(motion, np.array(turn), scale)
    assert isinstance(moved, Motion)
    expected = rotation.rotate(unit, motion.joint_positions()) * scale
    np.testing.assert_allclose(moved.joint_positions(), expected, atol=1e-9 * scale, rtol=1e-9)
    np.testing.assert_allclose(moved.skeleton.tip_offsets, rotation.rotate(unit, motion.skeleton.tip_offsets) * scale)
    points = reoriented(motion.keypoints(), np.array(turn), scale)
    assert isinstance(points, Keypoints)
    np.testing.assert_allclose(points.positions, expected, atol=1e-9 * scale, rtol=1e-9)


def test_reoriented_takes_the_rest_pose_along() -> None:
    """The identity pose of the moved skeleton is the moved rest pose, so writing it out again gives the same body."""
    motion = some_motion(1)
    still = np.zeros_like(motion.rotations)
    still[..., 0] = 1
    rest = Motion(motion.skeleton, still, motion.root_translation, 30)
    moved = reoriented(rest, to_y_up("z"), 0.01)
    assert isinstance(moved, Motion)
    np.testing.assert_allclose(moved.rotations, still, atol=1e-12)
    expected = rotation.rotate(to_y_up("z"), rest.joint_positions()) * 0.01
    np.testing.assert_allclose(moved.joint_positions(), expected, atol=1e-12)


def test_scaling_alone_leaves_rotations_untouched() -> None:
    motion = some_motion(2)
    moved = reoriented(motion, to_y_up("y"), 0.01)
    assert isinstance(moved, Motion)
    assert moved.rotations is motion.rotations
    np.testing.assert_allclose(moved.joint_positions(), motion.joint_positions() * 0.01, atol=1e-12)


def test_reoriented_keeps_gaps() -> None:
    points = Keypoints(tree("a > b"), np.array([[[0, 1, 2], [np.nan] * 3]]), 30, "gap")
    moved = reoriented(points, to_y_up("z"), 2.0)
    assert isinstance(moved, Keypoints)
    np.testing.assert_allclose(moved.positions[0, 0], [0, 4, -2], atol=1e-12)
    assert np.isnan(moved.positions[0, 1]).all()
    assert moved.name == "gap"
