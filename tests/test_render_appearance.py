"""What parts look like before anything is learned."""

from __future__ import annotations

import colorsys
import itertools

import torch

from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.render.appearance import FEATURES, LARGEST, Appearance, features
from skeletonllm_core.render.splats import PARTS


def at_rest(part: str) -> torch.Tensor:
    index, still = torch.tensor([[PARTS.index(part)]]), torch.zeros(1, 1, FEATURES)
    return torch.sigmoid(Appearance().bones(index, still, still)[0][0, 0]).detach()


def hue(part: str) -> float:
    return colorsys.rgb_to_hsv(*at_rest(part)[:3].tolist())[0]


def test_every_part_has_a_row() -> None:
    assert (*(part.value for part in BodyPart), "other") == PARTS
    assert all(len(values) == len(PARTS) for values in Appearance().parameters())


def test_sides_and_limbs_have_hues_of_their_own() -> None:
    limbs = ["left_forearm", "right_forearm", "left_shin", "right_shin", "chest"]
    for one, other in itertools.combinations(limbs, 2):
        apart = abs(hue(one) - hue(other))
        assert min(apart, 1 - apart) > 0.07, (one, other)
    assert all((at_rest(part) - at_rest("head")).abs().max() > 0.2 for part in limbs)


def test_values_are_bounded_whatever_is_learned() -> None:
    appearance = Appearance()
    with torch.no_grad():
        for values in appearance.parameters():
            values.mul_(50)
    part = torch.arange(len(PARTS))[None]
    fast = torch.full((1, len(PARTS), 3), 50.0)
    fast = features(fast, 10 * fast)
    assert fast.abs().max() <= 1
    for logits in (*appearance.bones(part, fast, -fast), appearance.balls(part, fast)):
        values = torch.sigmoid(logits)
        assert torch.isfinite(logits).all() and (values >= 0).all() and (values <= 1).all()


def test_the_body_is_drawn_about_as_thick_as_it_is() -> None:
    radius = {part: float(at_rest(part)[4]) * LARGEST for part in PARTS}
    assert radius["chest"] > radius["left_thigh"] > radius["left_forearm"] > radius["left_fingers"] > 0.01
    assert all(radius[part.value] == radius[part.mirrored.value] for part in BodyPart)


def test_the_slope_runs_from_one_end_to_the_other() -> None:
    appearance = Appearance()
    with torch.no_grad():
        appearance.slope.fill_(2.0)
    part, still = torch.tensor([[0]]), torch.zeros(1, 1, FEATURES)
    start, end = appearance.bones(part, still, still)
    torch.testing.assert_close(end - start, torch.full((1, 1, 5), 2.0), atol=1e-5, rtol=0)


def test_faster_is_brighter_and_direction_changes_the_colour() -> None:
    appearance, part = Appearance(), torch.tensor([[PARTS.index("left_hand")]])

    def colour(*velocity: float) -> torch.Tensor:
        motion = features(torch.tensor([[velocity]]), torch.zeros(1, 1, 3))
        return torch.sigmoid(appearance.balls(part, motion)[0, 0, :3]).detach()

    still, walk, run = colour(0, 0, 0), colour(0, 0, 1.4), colour(0, 0, 4.0)
    assert still.sum() + 0.2 < walk.sum() and walk.sum() + 0.1 < run.sum()
    assert (colour(1.5, 0, 0) - colour(-1.5, 0, 0)).abs().max() > 0.05
    assert (colour(0, 1.5, 0) - colour(0, 0, 1.5)).abs().max() > 0.05


def test_speeding_up_and_braking_have_signs_that_no_mirror_changes() -> None:
    velocity, push = torch.tensor([1.2, -0.4, 0.8]), torch.tensor([8.0, -1.0, 3.0])
    flip = torch.tensor([-1.0, 1, 1])
    faster, braking = features(velocity, push), features(velocity, -push)
    assert faster[5] > 0.1 and torch.equal(faster[5], -braking[5]) and torch.equal(faster[:5], braking[:5])
    mirrored = features(velocity * flip, push * flip)
    torch.testing.assert_close(mirrored, faster * torch.tensor([1.0, -1, 1, 1, 1, 1]))
    assert features(torch.zeros(3), torch.zeros(3)).abs().max() < 1e-3
