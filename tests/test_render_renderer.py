"""The whole renderer: CanonicalFrames in, images out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import bone_batch
from tests.figures import JOINTS, body, clip, person


@pytest.fixture
def threads() -> Iterator[None]:
    kept = torch.get_num_threads()
    yield
    torch.set_num_threads(kept)


def draw(frames, size: int = 64) -> torch.Tensor:
    with torch.no_grad():
        return SkeletonRenderer()(frames, size)


def without_floor(image: torch.Tensor) -> torch.Tensor:
    """(F, size, size) bool: pixels that something other than the grey dots is seen at."""
    return (image.amax(1) - image.amin(1)) > 8 / 255


@pytest.mark.parametrize("size", [30, 64, 100, 448])
def test_the_image_agrees_with_the_twin(size: int) -> None:
    frames = clip(body(1 if size > 100 else 2, seed=size))
    renderer = SkeletonRenderer(size)
    with torch.no_grad():
        image, twin = renderer(frames), renderer.render_reference(frames)
    assert image.shape == (len(frames.ground), 3, size, size) and image.dtype == torch.float32
    assert image.min() >= 0 and image.max() <= 1 + 1e-6 and image.max() > 0.5
    assert (image - twin).abs().max() < 1e-4


def test_gradients_agree_with_the_twin() -> None:
    who = body(2, seed=5)
    positions = torch.tensor(who.positions, requires_grad=True)
    velocities = torch.tensor(who.velocities, requires_grad=True)
    accelerations = torch.tensor(who.accelerations, requires_grad=True)
    renderer = SkeletonRenderer(48)
    batch = bone_batch(clip(who), positions=[positions], velocities=[velocities], accelerations=[accelerations])
    upstream = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    joints = {"positions": positions, "velocities": velocities, "accelerations": accelerations}
    inputs = {**joints, **dict(renderer.named_parameters())}
    given, wanted = (
        torch.autograd.grad(route(batch), inputs.values(), upstream, retain_graph=True)
        for route in (renderer.forward, renderer.render_reference)
    )
    for name, one, other in zip(inputs, given, wanted, strict=True):
        assert other.norm() > 0, name
        assert (one - other).norm() <= 1e-3 * other.norm(), name


@pytest.mark.slow
def test_the_twin_agrees_with_finite_differences() -> None:
    renderer = SkeletonRenderer(9).double()
    who = person(
        [[(0.1, 1.2, 0.1), (0.6, 1.5, 0.3), (-0.5, 0.8, 0.2)]], [(0, 1), (0, 2)],
        [BodyPart.CHEST, BodyPart.LEFT_HAND, BodyPart.RIGHT_FOOT],
    )  # fmt: skip
    names = [name for name, _ in renderer.named_parameters()]

    def image(
        positions: torch.Tensor, velocities: torch.Tensor, accelerations: torch.Tensor, *values: torch.Tensor
    ) -> torch.Tensor:
        batch = bone_batch(clip(who), positions=[positions], velocities=[velocities], accelerations=[accelerations])
        return torch.func.functional_call(
            _Twin(renderer), {f"inner.{n}": v for n, v in zip(names, values, strict=True)}, batch
        )

    positions = torch.tensor(who.positions, dtype=torch.float64, requires_grad=True)
    velocities, accelerations = torch.full_like(positions, 0.7), torch.full_like(positions, -6.0)
    velocities, accelerations = velocities.requires_grad_(), accelerations.requires_grad_()
    values = [value.detach().clone().requires_grad_() for value in renderer.parameters()]
    assert torch.autograd.gradcheck(image, (positions, velocities, accelerations, *values), fast_mode=True)
    assert torch.autograd.gradcheck(lambda at: image(at, velocities, accelerations, *values), (positions,))


class _Twin(torch.nn.Module):
    def __init__(self, inner: SkeletonRenderer) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, batch) -> torch.Tensor:
        return self.inner.render_reference(batch)


def test_the_left_hand_is_on_the_right_of_the_image() -> None:
    who = body()
    left_only = dataclasses.replace(who, visible=np.zeros_like(who.visible))
    left_only.visible[0, [JOINTS.index("left elbow"), JOINTS.index("left wrist")]] = True
    columns = torch.nonzero(without_floor(draw(clip(left_only))))[:, 2]
    assert columns.min() > 32
    mirrored = dataclasses.replace(left_only, positions=left_only.positions * np.float32([-1, 1, 1]))
    assert torch.nonzero(without_floor(draw(clip(mirrored))))[:, 2].max() < 32


def test_left_and_right_differ_in_colour_and_not_in_shape() -> None:
    image = draw(clip())
    seen, mirrored = without_floor(image), image.flip(3)
    assert (seen != seen.flip(2)).float().mean() < 0.005
    assert (image - mirrored).abs().amax(1)[seen].mean() > 0.1


def test_persons_are_composited_together_by_depth() -> None:
    parts = [BodyPart.LEFT_FOREARM, BodyPart.LEFT_HAND]
    left = person([[(-0.3, 1.0, 0.5), (0.3, 1.0, 0.5)]], [(0, 1)], parts)
    right = person([[(0, 0.7, 0), (0, 1.3, 0)]], [(0, 1)], [part.mirrored for part in parts])
    behind = dataclasses.replace(right, positions=right.positions - np.float32([0, 0, 0.5]))
    before = dataclasses.replace(right, positions=right.positions + np.float32([0, 0, 1.0]))
    blue_front, orange_front = draw(clip(left, behind))[0], draw(clip(left, before))[0]

    def middle(image: torch.Tensor, alone: torch.Tensor) -> torch.Tensor:
        row, column = divmod(int(alone[0].sum(0).argmax()), 64)
        return image[:, row, column]

    crossing = draw(clip(dataclasses.replace(left, positions=left.positions * np.float32([0.1, 1, 1]))))
    assert middle(blue_front, crossing)[2] > middle(blue_front, crossing)[0]
    assert middle(orange_front, crossing)[0] > middle(orange_front, crossing)[2]
    torch.testing.assert_close(draw(clip(behind, left))[0], blue_front, atol=1e-6, rtol=0)


def test_missing_joints_are_not_drawn_and_have_no_gradient() -> None:
    who = body(2, seed=7)
    wrist = JOINTS.index("left wrist")
    who.visible[:, wrist] = False
    gone = dataclasses.replace(who, positions=who.positions.copy())
    gone.positions[:, wrist] = np.nan
    assert torch.equal(draw(clip(who)), draw(clip(gone)))
    positions = torch.tensor(gone.positions, requires_grad=True)
    renderer = SkeletonRenderer()
    renderer(bone_batch(clip(gone), positions=[positions])).square().sum().backward()
    assert torch.isfinite(positions.grad).all()
    assert positions.grad[:, wrist].eq(0).all() and positions.grad[:, 0].norm() > 0
    assert all(torch.isfinite(value.grad).all() for value in renderer.parameters())
    nobody = dataclasses.replace(who, visible=np.zeros_like(who.visible))
    assert not without_floor(draw(clip(nobody))).any()


@pytest.mark.parametrize(
    "who",
    [
        person([[(0, 1, 0)]]),
        person(np.ones((1, 5, 3)), [(0, 1), (1, 2), (2, 3), (3, 4)]),
        person([[(0, 1, 0), (0, 1, 0), (0, 1, 0)]], [(0, 1), (0, 2)], [BodyPart.PELVIS, BodyPart.HEAD, None]),
    ],
    ids=["one joint", "all joints in one place", "zero bones"],
)
def test_what_has_no_length_is_a_ball_and_has_finite_gradients(who) -> None:
    image = draw(clip(who))
    assert image.amax() > 0.2
    positions = torch.tensor(who.positions, requires_grad=True)
    SkeletonRenderer()(bone_batch(clip(who), positions=[positions])).square().sum().backward()
    assert torch.isfinite(positions.grad).all() and positions.grad.abs().max() < 1e6


@pytest.mark.parametrize("bad", [1e30, -1e30, np.inf, np.nan, 99.0])
def test_wild_positions_and_velocities_stay_finite(bad: float) -> None:
    who = body(2, seed=9)
    who.positions[0, 3] = bad
    who.velocities[1, 5] = who.accelerations[1, 7] = bad
    joints = [torch.tensor(one, requires_grad=True) for one in (who.positions, who.velocities, who.accelerations)]
    positions, velocities, accelerations = ([one] for one in joints)
    renderer = SkeletonRenderer()
    batch = bone_batch(clip(who), positions=positions, velocities=velocities, accelerations=accelerations)
    image = renderer(batch)
    image.square().sum().backward()
    values = [image, *(value.grad for value in (*joints, *renderer.parameters()))]
    assert all(torch.isfinite(value).all() for value in values)


def test_joints_behind_the_camera_are_culled_and_have_no_gradient() -> None:
    who, alone = body(1, seed=3), body(1, seed=3)
    wrist = JOINTS.index("left wrist")
    who.positions[0, wrist] = [0.3, 1.2, 6.0]  # the camera is 4 m away
    alone.visible[0, wrist] = False
    behind = torch.tensor(who.positions, requires_grad=True)
    renderer, batch = SkeletonRenderer(), bone_batch(clip(who), positions=[torch.tensor(who.positions)])
    assert torch.isfinite(renderer(batch)).all()
    batch = dataclasses.replace(
        bone_batch(clip(who), positions=[behind]), zoom=torch.ones(1), visible=bone_batch(clip(alone)).visible
    )
    image = renderer(batch)
    torch.testing.assert_close(image.detach(), draw(bone_batch(clip(alone))), atol=1e-6, rtol=0)
    image.square().sum().backward()
    assert behind.grad[0, wrist].eq(0).all() and behind.grad[0, 0].norm() > 0


def test_a_moving_limb_differs_from_a_still_one() -> None:
    still, moving = body(), body()
    arm = [JOINTS.index(name) for name in ("left elbow", "left wrist")]
    moving.velocities[:, arm] = [0, 1.5, 0]
    only_arm = dataclasses.replace(still, visible=np.zeros_like(still.visible))
    only_arm.visible[0, arm] = True
    on_arm = without_floor(draw(clip(only_arm)))
    change = (draw(clip(moving)) - draw(clip(still))).abs().mean(1)
    assert change[on_arm].mean() >= 8 / 255


def test_pace_shows_walk_from_run() -> None:
    def at(speed: float) -> torch.Tensor:
        who = body()
        who.velocities[:] = [0, 0, speed]
        return draw(clip(who))

    where = without_floor(at(0))
    assert (at(3.5) - at(1.3)).abs().mean(1)[where].mean() >= 8 / 255


def test_the_ground_shows_where_the_body_goes() -> None:
    still, gone = draw(clip(body(), ground=[[0, 0]])), draw(clip(body(), ground=[[0, 0.35]]))
    assert (still - gone).abs().max() > 8 / 255
    one, other = (without_floor(image) for image in (still, gone))
    assert (one == other).float().mean() > 0.99


def test_a_bone_cut_in_two_looks_the_same() -> None:
    parts = [BodyPart.LEFT_THIGH, BodyPart.LEFT_THIGH, BodyPart.LEFT_SHIN]
    whole = person([[(0, 1.3, 0), (0.1, 0.6, 0)]], [(0, 1)], [parts[0], parts[2]])
    halves = person([[(0, 1.3, 0), (0.05, 0.95, 0), (0.1, 0.6, 0)]], [(0, 1), (1, 2)], parts)
    difference = draw(clip(whole)) - draw(clip(halves))
    assert 10 * torch.log10(1 / difference.square().mean()) > 35  # dB


def test_thin_limbs_do_not_vanish_in_small_images() -> None:
    renderer = SkeletonRenderer()
    with torch.no_grad():
        renderer.appearance.radius.fill_(-6.0)  # 0.6 mm
        assert renderer(clip(), 64).amax() > 0.1


def test_clips_do_not_touch_each_other() -> None:
    one, two = clip(body(3, seed=1)), clip(body(2, seed=2), body(2, seed=3, shift=(0.8, 0, -0.5)))
    together = draw([one, two])
    assert torch.equal(together, torch.cat([draw(one), draw(two)]))


def test_the_same_bits_every_time_and_for_any_number_of_threads(threads: None) -> None:
    frames = [clip(body(4, seed=seed)) for seed in range(3)]
    images, gradients = [], []
    for count in (1, 2, 2):
        torch.set_num_threads(count)
        renderer = SkeletonRenderer()
        image = renderer(frames)
        image.square().sum().backward()
        images.append(image.detach())
        gradients.append(torch.cat([value.grad.flatten() for value in renderer.parameters()]))
    assert torch.equal(images[0], images[1]) and torch.equal(images[1], images[2])
    assert torch.equal(gradients[1], gradients[2])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-4)


def test_a_frozen_appearance_still_gives_gradients_to_the_joints() -> None:
    renderer = SkeletonRenderer().requires_grad_(False)
    assert not renderer(clip()).requires_grad
    who = body()
    positions = torch.tensor(who.positions, requires_grad=True)
    renderer(bone_batch(clip(who), positions=[positions])).sum().backward()
    assert positions.grad.norm() > 0


def test_the_state_is_small_and_strict() -> None:
    renderer = SkeletonRenderer()
    state = renderer.state_dict()
    assert sum(value.numel() for value in state.values()) < 1000
    SkeletonRenderer(112).load_state_dict(state, strict=True)
    with pytest.raises(RuntimeError):
        renderer.load_state_dict({**state, "appearance.extra": torch.zeros(1)}, strict=True)


def test_real_motion_of_several_rigs_is_drawn_inside_the_picture(shared_data) -> None:
    from skeletonllm_core.motion.canonical import canonical_frames
    from skeletonllm_core.motion.motion import Keypoints

    for name in ("bandai2", "msr_action3d", "s2s_cmu", "deepmimic_humanoid3d"):
        with np.load(shared_data / "motion" / f"{name}.npz") as pack:
            begin, end = pack["clip_offsets"][:2]
            positions = pack["pos_rel"][begin:end].astype(np.float64) + pack["root"][begin:end, None]
            take = Keypoints.from_arrays(positions, [str(joint) for joint in pack["names"]], pack["parents"], 30.0)
        image = draw(canonical_frames([take], 12))
        seen = without_floor(image)
        assert (seen.sum((1, 2)) > 100).all(), name
        rim = torch.cat([seen[:, 0], seen[:, -1], seen[:, :, 0], seen[:, :, -1]], 1)
        assert rim.float().mean() < 0.05, name
