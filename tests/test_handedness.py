"""When a body counts as a mirror image, and when nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.motion.handedness import is_mirrored, mirrored_world, unmirrored
from skeletonllm_core.motion.motion import Keypoints, Motion
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.rotation import from_axis_angle
from skeletonllm_core.motion.skeleton import Skeleton, Topology

# Hips, then each side's thigh, shin, ankle and toes; the person looks along +Z, so its left is +X.
NAMES = ("Hips", *(f"{side}{part}" for side in ("Left", "Right") for part in ("UpLeg", "Leg", "Foot", "ToeBase")))
TOPOLOGY = Topology("legs", NAMES, np.array([-1, 0, 1, 2, 3, 0, 5, 6, 7]))
OFFSETS = np.array(
    [
        [0, 1, 0],
        *([x, y, z] for s in (1, -1) for x, y, z in ((0.1 * s, 0, 0), (0, -0.45, 0), (0, -0.45, 0), (0, -0.05, 0.15))),
    ]
)


def standing(heading: float = 0.0, frames: int = 5) -> Motion:
    turns = np.tile([1.0, 0, 0, 0], (frames, len(NAMES), 1))
    turns[:, 0] = from_axis_angle(np.array([0.0, 1, 0]), np.full(frames, heading))
    root = np.broadcast_to([0.3, 1.0, -2.0], (frames, 3))
    tips = (np.array([4, 8]), np.array([[0.02, 0, 0.05], [-0.02, 0, 0.05]]))
    return Motion(Skeleton(TOPOLOGY, OFFSETS, *tips), turns, root, 30.0)


@pytest.mark.parametrize("heading", [0.0, 1.0, 2.5, -2.0])
@pytest.mark.parametrize("bare", [False, True])
def test_a_mirror_image_is_found_and_undone_whatever_its_heading(heading: float, bare: bool) -> None:
    motion = standing(heading)
    person = motion.keypoints() if bare else motion
    wrong = mirrored_world(person)
    np.testing.assert_allclose(wrong.joint_positions(), person.joint_positions() * [-1, 1, 1], atol=1e-12)
    assert unmirrored(person) is person
    np.testing.assert_allclose(unmirrored(wrong).joint_positions(), person.joint_positions(), atol=1e-12)


def test_tips_and_moving_offsets_are_reflected_too() -> None:
    motion = standing(0.7)
    local = np.broadcast_to(OFFSETS, (5, *OFFSETS.shape)) + np.linspace(0, 0.1, 5)[:, None, None]
    moved = Motion(motion.skeleton, motion.rotations, motion.root_translation, 30.0, "", local)
    wrong = mirrored_world(moved)
    assert isinstance(wrong, Motion)
    np.testing.assert_allclose(wrong.joint_positions(), moved.joint_positions() * [-1, 1, 1], atol=1e-12)
    np.testing.assert_array_equal(wrong.skeleton.tip_offsets, np.asarray(motion.skeleton.tip_offsets) * [-1, 1, 1])
    np.testing.assert_allclose(mirrored_world(wrong).joint_positions(), moved.joint_positions(), atol=1e-12)


def test_missing_frames_do_not_hide_a_mirror_image() -> None:
    positions = mirrored_world(standing()).joint_positions().copy()
    rig = map_rig(TOPOLOGY, positions)
    positions[1:4, 1] = np.nan
    positions[0, 4] = np.nan
    assert is_mirrored(positions, rig)
    positions[:, 1] = np.nan
    assert not is_mirrored(positions, rig)


def test_without_toes_or_with_hips_in_one_place_nothing_can_be_said() -> None:
    wrong = mirrored_world(standing()).joint_positions()
    kept = [index for index, name in enumerate(NAMES) if "Toe" not in name]
    parents = np.array([-1, 0, 1, 2, 0, 4, 5])
    bare = Keypoints(Topology("legs", tuple(NAMES[index] for index in kept), parents), wrong[:, kept], 30.0)
    assert unmirrored(bare) is bare
    narrow = wrong.copy()
    narrow[:, 5] = narrow[:, 1]
    assert not is_mirrored(narrow, map_rig(TOPOLOGY, wrong))


def test_feet_turned_out_to_the_sides_are_no_mirror_image() -> None:
    motion = standing()
    turns = motion.rotations.copy()
    for ankle, angle in ((3, 1.5), (7, -1.5)):
        turns[:, ankle] = from_axis_angle(np.array([0.0, 1, 0]), np.full(5, angle))
    person = Motion(motion.skeleton, turns, motion.root_translation, 30.0)
    assert unmirrored(person) is person
