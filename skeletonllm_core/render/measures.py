"""How much of a motion, and of which body part is which, a renderer's pictures show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.canonical import CanonicalFrames
from skeletonllm_core.render.appearance import Appearance
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import BoneBatch, bone_batch

MOVING = 1.0
"""A bone moves when the mean speed of its two ends is above this [m/s]."""

SEEN = 8 / 255
"""A pixel belongs to a limb that, drawn alone, changes it by more than this."""


@torch.no_grad()
def motion_visibility(
    renderer: SkeletonRenderer, frames: CanonicalFrames | Sequence[CanonicalFrames], size: int | None = None
) -> float:
    """Mean absolute change of the moving limbs' pixels when velocities and accelerations are set to zero.

    The pixels are those that the moving bones and balls (`MOVING`) cover when they are drawn alone.

    Args:
        renderer: with its learned appearance.
        frames: one clip or several.
        size: of the images [px]; the renderer's own when None.

    Returns:
        the mean over pixels, colours and frames, in 0..255.

    Raises:
        SkeletonLLMError: nothing moves.
    """
    batch = bone_batch(frames, renderer.appearance.colour.device)
    still = replace(batch, **{name: torch.zeros_like(getattr(batch, name)) for name in _MOTION})
    speed = (batch.start_velocity.norm(dim=-1) + batch.end_velocity.norm(dim=-1)) / 2
    moving = replace(
        still,
        visible=batch.visible & (speed > MOVING),
        ball_visible=batch.ball_visible & (batch.ball_velocity.norm(dim=-1) > MOVING),
    )
    limb = (renderer(moving, size) - renderer(_nobody(moving), size)).abs().amax(1) > SEEN
    if not limb.any():
        raise SkeletonLLMError(f"nothing in these clips is faster than {MOVING} m/s, so no motion can be seen")
    change = (renderer(batch, size) - renderer(still, size)).abs().mean(1)
    return float(255 * change[limb].mean())


_MOTION = (
    "start_velocity",
    "end_velocity",
    "start_acceleration",
    "end_acceleration",
    "ball_velocity",
    "ball_acceleration",
)


def _nobody(batch: BoneBatch) -> BoneBatch:
    return replace(batch, visible=torch.zeros_like(batch.visible), ball_visible=torch.zeros_like(batch.ball_visible))


@torch.no_grad()
def colour_spread(appearance: Appearance) -> float:
    """Standard deviation of the colours at rest across body parts, the mean of red, green and blue; in 0..1."""
    return float(torch.sigmoid(appearance.colour).std(0, correction=0).mean())
