"""CanonicalFrames → images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.canonical import CanonicalFrames
from skeletonllm_core.render import camera, patches, reference, splats
from skeletonllm_core.render.appearance import LARGEST, Appearance, features
from skeletonllm_core.render.rasterize import rasterize
from skeletonllm_core.render.splats import BoneBatch, bone_batch

LOW_PASS = 0.3
"""Added to every ellipse's variance [px²], so that a limb thinner than a pixel does not vanish."""

FLOOR_RADIUS = 0.035
"""Standard deviation of a dot on the ground [m]."""

FLOOR_OPACITY = 0.55
FLOOR_GREY = 0.5


class SkeletonRenderer(nn.Module):
    """Draws skeletons; differentiable in joint positions, velocities, accelerations and the appearance.

    Args:
        size: width and height of the images [px] where `forward` is not told.
    """

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        self.size = size
        self.appearance = Appearance()

    def forward(
        self, frames: CanonicalFrames | Sequence[CanonicalFrames] | BoneBatch, size: int | None = None
    ) -> torch.Tensor:
        """Images of all frames of all clips, one after the other.

        Returns:
            (F, 3, size, size) float32 in [0, 1], red, green, blue, on black.
        """
        size = size or self.size
        params, depth = self.gaussians(frames, size)
        return rasterize(params.to(torch.float32), depth.to(torch.float32), size, size)

    def render_reference(
        self, frames: CanonicalFrames | Sequence[CanonicalFrames] | BoneBatch, size: int | None = None
    ) -> torch.Tensor:
        """What `forward` returns, in plain torch, by `reference.composite`: slow, in the type of the inputs."""
        size = size or self.size
        return reference.composite(*self.gaussians_reference(self._batch(frames), size), size, size)

    def touched_patches(
        self, frames: CanonicalFrames | Sequence[CanonicalFrames] | BoneBatch, size: int, patch: int
    ) -> torch.Tensor:
        """Which patches `forward` draws on, without drawing; (F, rows, columns) bool, see `patches.touched_patches`."""
        with torch.no_grad():
            params, depth = self.gaussians(frames, size)
        return patches.touched_patches(params.to(torch.float32), depth.to(torch.float32), size, size, patch)

    def gaussians(
        self, frames: CanonicalFrames | Sequence[CanonicalFrames] | BoneBatch, size: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What there is to composite: params (9, F, N) and depth (F, N), as `rasterize` takes them."""
        batch = self._batch(frames)
        if batch.is_float32 and self.appearance.colour.dtype == torch.float32:
            from skeletonllm_core.render import head  # its kernels take the constants above

            return head.gaussians(batch, self.appearance, size)
        return self.gaussians_reference(batch, size)

    def _batch(self, frames: CanonicalFrames | Sequence[CanonicalFrames] | BoneBatch) -> BoneBatch:
        device = self.appearance.colour.device
        batch = frames if isinstance(frames, BoneBatch) else bone_batch(frames, device)
        if batch.start.device != device:
            raise SkeletonLLMError(
                f"the bones are on {batch.start.device} and the renderer is on {device}: give bone_batch(..., device=...)"
            )
        return batch

    def gaussians_reference(self, batch: BoneBatch, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What `gaussians` returns, in plain torch, in the type of the inputs."""
        start, end = _to_camera(batch.start), _to_camera(batch.end)
        place = (torch.arange(splats.ALONG, device=start.device, dtype=start.dtype) + 0.5) / splats.ALONG

        bone = end - start
        squared = bone.square().sum(0)
        spread = squared * (splats.SPREAD / splats.ALONG) ** 2
        variance = spread + splats.BLUR**2
        axis = bone * torch.rsqrt(squared + 1e-8)
        share = torch.sqrt(spread / variance + 1e-12)
        first, last = self.appearance.bones(
            batch.part,
            features(batch.start_velocity, batch.start_acceleration),
            features(batch.end_velocity, batch.end_acceleration),
        )
        first, last = first.movedim(-1, 0), last.movedim(-1, 0)
        balls = self.appearance.balls(batch.ball_part, features(batch.ball_velocity, batch.ball_acceleration))
        balls = balls.movedim(-1, 0)
        ball = _to_camera(batch.ball)

        with torch.no_grad():
            x, z, seen = splats.dots(batch.floor.to(start.dtype))
            dot = _to_camera(torch.stack([x, torch.zeros_like(x), z], -1))
            upright = _to_camera(start.new_tensor([0.0, 1.0 + camera.TARGET_HEIGHT, 0.0]))
            upright = upright[:, None, None].expand_as(dot)

        def joined(bones: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
            """(..., F, B, ALONG) and (..., F, n) in one (..., F, N)."""
            return torch.cat([bones.flatten(-2), *others], -1)

        def every(value: torch.Tensor) -> torch.Tensor:
            return value[..., None].expand(*value.shape, splats.ALONG)

        centre = joined(torch.lerp(start[..., None], end[..., None], place), ball, dot)
        axis = joined(every(axis), torch.zeros_like(ball), upright)
        logits = torch.sigmoid(joined(torch.lerp(first[..., None], last[..., None], place), balls))
        across = (LARGEST * logits[4]).square()
        across = torch.cat([across, torch.full_like(x, FLOOR_RADIUS**2)], -1)
        along = joined(every(variance), torch.zeros_like(ball[0]), torch.full_like(x, 1e-6))
        opacity = logits[3] * joined(every(share), torch.ones_like(ball[0]))
        opacity = torch.cat([opacity, FLOOR_OPACITY * seen], -1)
        colour = torch.cat([logits[:3], torch.full_like(dot, FLOOR_GREY)], -1)
        visible = joined(every(batch.visible), batch.ball_visible, seen > 0)

        ellipse, depth = _project(centre, axis, across, along, batch.zoom.to(start.dtype), size)
        depth = torch.where(visible & (depth > camera.NEAR), depth, depth.new_full((), torch.inf)).detach()
        return torch.cat([ellipse, opacity[None], colour]), depth


def _to_camera(points: torch.Tensor) -> torch.Tensor:
    """(..., 3) canonical → (3, ...) in the camera frame: right, up, towards the camera [m]."""
    x, y, z = points.unbind(-1)
    y = y - camera.TARGET_HEIGHT
    return torch.stack([x, y * camera.COS - z * camera.SIN, y * camera.SIN + z * camera.COS])


def _project(
    centre: torch.Tensor, axis: torch.Tensor, across: torch.Tensor, along: torch.Tensor, zoom: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gaussians in space → ellipses in the image (EWA: the perspective map, linear at each centre).

    Σ = across I + (along - across) axis axisᵀ,  Σ2D = J Σ Jᵀ + LOW_PASS I.

    Args:
        centre, axis: (3, F, N) in the camera frame; axis of length 1, or 0 for a ball.
        across, along: (F, N) variances [m²].
        zoom: (F,).

    Returns:
        (5, F, N): u, v [px], inverse covariance a, b, c [1/px²]; and (F, N) depth [m].
    """
    depth = camera.DISTANCE * zoom[:, None] - centre[2]
    scale = camera.focal_length(size) / depth.clamp(min=camera.NEAR)
    u, v = 0.5 * size + scale * centre[0], 0.5 * size - scale * centre[1]
    # Slopes of the ray; held near the field, because the linear map is of no use far outside of it.
    widest = 1.5 * camera.HALF_FIELD / camera.DISTANCE
    inverse = 1 / depth.clamp(min=camera.NEAR)
    right = (centre[0] * inverse).clamp(-widest, widest)
    up = (centre[1] * inverse).clamp(-widest, widest)
    squared = scale.square()
    axis_u = axis[0] + right * axis[2]
    axis_v = -(axis[1] + up * axis[2])
    round_part, long_part = squared * across, squared * (along - across)
    uu = round_part * (1 + right.square()) + long_part * axis_u.square() + LOW_PASS
    uv = long_part * axis_u * axis_v - round_part * right * up
    vv = round_part * (1 + up.square()) + long_part * axis_v.square() + LOW_PASS
    determinant = uu * vv - uv.square()
    return torch.stack([u, v, vv / determinant, -uv / determinant, uu / determinant]), depth
