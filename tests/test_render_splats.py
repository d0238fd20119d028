"""Which Gaussians lie where, for any rig."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.render.splats import FASTEST, FLOOR_SPACING, HARDEST, PARTS, bone_batch, dots
from tests.figures import BODY, JOINTS, body, clip, person


def part_of_bone(batch, child: str) -> str:
    children = [name for name, (_, parent, _) in BODY.items() if parent is not None]
    return PARTS[int(batch.part[0, children.index(child)])]


def test_a_bone_is_what_its_first_joint_moves() -> None:
    batch = bone_batch(clip())
    assert part_of_bone(batch, "left knee") == "left_thigh"
    assert part_of_bone(batch, "right wrist") == "right_forearm"
    assert part_of_bone(batch, "head") == "neck"


def test_bones_from_the_middle_to_a_side_are_shoulders_and_hips() -> None:
    batch = bone_batch(clip())
    assert part_of_bone(batch, "left shoulder") == "left_clavicle"
    assert part_of_bone(batch, "right shoulder") == "right_clavicle"
    assert part_of_bone(batch, "left hip") == "pelvis"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, "other"),
        (None, BodyPart.HEAD, "head"),
        (BodyPart.HEAD, None, "head"),
        (BodyPart.PELVIS, BodyPart.LEFT_SHIN, "left_shin"),
        (BodyPart.LEFT_HAND, BodyPart.LEFT_FINGERS, "left_hand"),
    ],
)
def test_parts_of_rare_bones(start: BodyPart | None, end: BodyPart | None, expected: str) -> None:
    batch = bone_batch(clip(person(np.zeros((1, 2, 3)), [(0, 1)], [start, end])))
    assert PARTS[int(batch.part[0, 0])] == expected


def test_balls_are_at_the_head_the_hands_and_where_the_tree_ends() -> None:
    batch = bone_batch(clip())
    names = {"head", "left_hand", "right_hand", "left_foot", "right_foot"}
    assert {PARTS[int(part)] for part in batch.ball_part[0]} == names
    fingers = person(
        np.zeros((1, 3, 3)), [(0, 1), (1, 2)], [BodyPart.LEFT_FOREARM, BodyPart.LEFT_HAND, BodyPart.LEFT_FINGERS]
    )
    assert [PARTS[int(part)] for part in bone_batch(clip(fingers)).ball_part[0]] == ["left_hand", "left_fingers"]


def test_clips_come_one_after_the_other_and_persons_side_by_side() -> None:
    one, two = clip(body(2, seed=1)), clip(body(3, seed=2), person(np.ones((3, 1, 3))))
    batch = bone_batch([one, two])
    bones = len(one.persons[0].bones)
    assert len(batch) == 5 and batch.start.shape == (5, bones, 3) and batch.ball.shape == (5, 6, 3)
    for clip_frames, rows in ((one, slice(0, 2)), (two, slice(2, 5))):
        who = clip_frames.persons[0]
        np.testing.assert_array_equal(batch.start[rows], who.positions[:, who.bones[:, 0]])
        np.testing.assert_array_equal(batch.end[rows], who.positions[:, who.bones[:, 1]])
        np.testing.assert_array_equal(batch.end_velocity[rows], who.velocities[:, who.bones[:, 1]])
        np.testing.assert_array_equal(batch.start_acceleration[rows], who.accelerations[:, who.bones[:, 0]])
    np.testing.assert_array_equal(batch.ball_visible[:, 5], [False, False, True, True, True])
    np.testing.assert_array_equal(batch.ball[2:, 5], np.ones((3, 3)))


def test_the_camera_steps_back_for_one_clip_and_not_for_its_neighbour() -> None:
    batch = bone_batch([clip(body(2)), clip(body(2), body(2, shift=(2.5, 0, 0)))])
    assert (batch.zoom[:2] == 1).all() and batch.zoom[2] > 1 and batch.zoom[2] == batch.zoom[3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30, -1e30])
def test_a_joint_that_is_no_place_hides_its_bones_only(bad: float) -> None:
    who = body()
    who.positions[0, JOINTS.index("left wrist")] = bad
    who.velocities[0, JOINTS.index("left knee")] = bad
    who.accelerations[0, JOINTS.index("head")] = bad
    batch = bone_batch(clip(who))
    assert int((~batch.visible).sum()) == 1 and int((~batch.ball_visible).sum()) == 1
    assert torch.isfinite(batch.end).all() and batch.end_velocity.abs().max() <= FASTEST
    assert batch.ball_acceleration.abs().max() <= HARDEST
    assert batch.zoom[0] == 1


def test_missing_joints_are_masked() -> None:
    who = body(2)
    who.visible[1, JOINTS.index("head")] = False
    batch = bone_batch(clip(who))
    assert batch.visible[0].all() and int((~batch.visible[1]).sum()) == 1


def test_given_positions_take_gradients() -> None:
    who = body(2, seed=3)
    positions = torch.tensor(who.positions, requires_grad=True)
    velocities = torch.tensor(who.velocities, requires_grad=True)
    accelerations = torch.tensor(who.accelerations, requires_grad=True)
    batch = bone_batch(clip(who), positions=[positions], velocities=[velocities], accelerations=[accelerations])
    (batch.start.sum() + 2 * batch.ball_velocity.sum() + 3 * batch.end_acceleration.sum()).backward()
    children = np.bincount(who.bones[:, 0], minlength=len(JOINTS))
    np.testing.assert_array_equal(positions.grad[0, :, 0], children)
    assert accelerations.grad[:, 1:].eq(3).all() and accelerations.grad[:, 0].eq(0).all()
    assert velocities.grad[:, JOINTS.index("head")].eq(2).all() and velocities.grad[:, 0].eq(0).all()


def test_one_joint_and_no_person_and_no_bones() -> None:
    batch = bone_batch([clip(person(np.ones((2, 1, 3)))), clip(person(np.zeros((1, 0, 3))))])
    assert batch.start.shape == (3, 0, 3) and batch.ball.shape == (3, 1, 3)
    assert batch.ball_visible[:, 0].tolist() == [True, True, False]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SkeletonLLMError, match="no clip"):
        bone_batch([])
    with pytest.raises(SkeletonLLMError, match="one \\(T, J, 3\\) tensor for each person"):
        bone_batch(clip(), positions=[torch.zeros(1, 2, 3)])
    with pytest.raises(SkeletonLLMError, match="2 frames in a clip of 1"):
        bone_batch(clip(body(1), body(2)))


def test_dots_stay_on_the_ground_while_the_body_moves() -> None:
    step = 0.3
    x, z, seen = dots(torch.tensor([[0.0, 0.0], [step, 0.0], [2 * FLOOR_SPACING, 0.0]]))
    np.testing.assert_allclose(np.unique((x[1] + step).round(decimals=4)), np.unique(x[0].round(decimals=4)), atol=1e-4)
    assert z[0].tolist() == z[1].tolist()
    torch.testing.assert_close(seen[2], seen[0], msg="the pattern repeats every two dots")
    assert seen.min() >= 0 and seen.max() <= 1


def test_no_dot_appears_at_once() -> None:
    floor = torch.linspace(0, 2 * FLOOR_SPACING, 400)
    x, z, seen = dots(torch.stack([floor, floor / 3], 1))
    place = torch.stack([x + floor[:, None], z + floor[:, None] / 3], -1)
    for frame in range(399):
        gone = (torch.cdist(place[frame], place[frame + 1]).min(1).values > 1e-3) & (seen[frame] > 0.02)
        assert not gone.any()
