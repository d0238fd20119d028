"""How much the pictures show."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.render.measures import colour_spread, motion_visibility
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.procedural import make_motion
from tests.figures import JOINTS, body, clip


def waving(speed: float, push: float = 0.0):
    who = body()
    arm = [JOINTS.index(name) for name in ("left elbow", "left wrist")]
    who.velocities[:, arm] = [0, speed, 0]
    who.accelerations[:, arm] = [0, push, 0]
    return clip(who)


def test_motion_that_the_appearance_ignores_is_not_visible() -> None:
    renderer = SkeletonRenderer()
    assert motion_visibility(renderer, waving(1.5)) >= 8
    with torch.no_grad():
        renderer.appearance.motion.zero_()
    assert motion_visibility(renderer, waving(1.5)) == 0


def test_the_measure_is_the_mean_over_the_moving_limb_only() -> None:
    """The same arm beside a body that is still, and beside nothing at all."""
    renderer, arm_alone = SkeletonRenderer(), waving(1.5).persons[0]
    arm_alone = replace(arm_alone, visible=np.zeros_like(arm_alone.visible))
    arm_alone.visible[:, [JOINTS.index("left elbow"), JOINTS.index("left wrist")]] = True
    both = motion_visibility(renderer, waving(1.5)), motion_visibility(renderer, clip(arm_alone))
    assert both[0] == pytest.approx(both[1], rel=0.15)


def test_who_speeds_up_looks_different_from_who_brakes() -> None:
    renderer = SkeletonRenderer()
    with torch.no_grad():
        even, faster, slower = (renderer(waving(1.5, push)) for push in (0.0, 20.0, -20.0))
    on_arm = (faster - slower).abs().amax(1) > 1 / 255
    assert (faster - slower).abs().mean(1)[on_arm].mean() > 2 / 255
    assert (even - faster).abs().amax() > 4 / 255


def test_where_nothing_moves_there_is_nothing_to_measure() -> None:
    with pytest.raises(SkeletonLLMError, match="faster than"):
        motion_visibility(SkeletonRenderer(), clip())


def test_the_spread_of_one_colour_is_zero() -> None:
    renderer = SkeletonRenderer()
    assert 0.1 < colour_spread(renderer.appearance) < 0.5
    with torch.no_grad():
        renderer.appearance.colour.fill_(0.3)
    assert colour_spread(renderer.appearance) == pytest.approx(0, abs=1e-6)


def test_the_shipped_weights_show_motion_and_tell_body_parts_apart() -> None:
    renderer = SkeletonRenderer(64)
    shipped = resources.files("skeletonllm_core") / "model" / "default" / "renderer.safetensors"
    renderer.load_state_dict(load_file(str(shipped)))
    clips = [
        canonical_frames([make_motion(action, "cmu", seed=0)], 12) for action in ("walk", "run", "wave right hand")
    ]
    assert motion_visibility(renderer, clips) >= 8
    assert colour_spread(renderer.appearance) >= 0.05
