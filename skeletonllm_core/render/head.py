"""`SkeletonRenderer.gaussians` in one kernel, for the GPU and the CPU, as a differentiable torch function."""

from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable

from skeletonllm_core.render import kernels_cpu
from skeletonllm_core.render import kernels_head as kernels
from skeletonllm_core.render.appearance import Appearance
from skeletonllm_core.render.rasterize_cuda import array, current_stream
from skeletonllm_core.render.splats import ALONG, FLOOR_DOTS, BoneBatch


def gaussians(batch: BoneBatch, appearance: Appearance, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What there is to composite: params (9, F, N) and depth (F, N) float32, as `rasterize` takes them.

    Args:
        batch: of float32.
        appearance: of float32, on the same device.
        size: width and height of the images [px].

    Raises:
        SkeletonLLMError: the compiled kernels cannot be stored.
    """
    return _Gaussians.apply(
        size,
        batch.start,
        batch.end,
        batch.start_velocity,
        batch.end_velocity,
        batch.start_acceleration,
        batch.end_acceleration,
        batch.ball,
        batch.ball_velocity,
        batch.ball_acceleration,
        appearance.colour,
        appearance.opacity,
        appearance.radius,
        appearance.ball,
        appearance.slope,
        appearance.motion,
        batch.part,
        batch.ball_part,
        batch.zoom,
        batch.visible,
        batch.ball_visible,
        batch.floor,
    )


_BONES, _BALLS, _LOOKS = slice(0, 6), slice(6, 9), slice(9, 15)


class _Gaussians(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, size: int, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        tensors = tuple(tensor.detach().contiguous() for tensor in tensors)
        part, ball_part, zoom, visible, ball_visible, floor = tensors[15:]
        device = zoom.device
        frames, bones = part.shape
        count = ALONG * bones + ball_part.shape[1] + FLOOR_DOTS**2
        params, depth = zoom.new_empty(9, frames, count), zoom.new_empty(frames, count)
        kernels_cpu.load(kernels.place, str(device))
        kernels.forward(
            [array(tensor, wp.vec3) for tensor in tensors[_BONES]],
            [array(tensor, wp.vec3) for tensor in tensors[_BALLS]],
            [array(tensor) for tensor in tensors[_LOOKS]],
            [array(part), array(visible)],
            [array(ball_part), array(ball_visible)],
            array(floor, wp.vec2),
            array(zoom),
            size,
            array(params),
            array(depth),
            threads=depth.numel(),
            device=str(device),
            stream=current_stream(device),
        )
        ctx.save_for_backward(params, *tensors[:18])
        ctx.size = size
        ctx.mark_non_differentiable(depth)
        ctx.set_materialize_grads(False)
        return params, depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor | None, _depth: None) -> tuple[torch.Tensor | None, ...]:
        params, *tensors = ctx.saved_tensors
        if gradient is None:
            return (None,) * 22
        part, ball_part, zoom = tensors[15:]
        frames, bones = part.shape
        balls = ball_part.shape[1]
        to_bone = params.new_empty(6, frames, bones, 3)
        to_ball = params.new_empty(3, frames, balls, 3)
        shares = params.new_empty(kernels.SHARES, frames, bones + balls)
        looks = tensors[_LOOKS]
        zeros = params.new_zeros(sum(tensor.numel() for tensor in looks)).split([tensor.numel() for tensor in looks])
        to_looks = [zero.view_as(tensor) for zero, tensor in zip(zeros, looks, strict=True)]
        gradient = gradient.contiguous()
        kernels.backward(
            [array(tensor, wp.vec3) for tensor in tensors[_BONES]],
            [array(tensor, wp.vec3) for tensor in tensors[_BALLS]],
            [array(tensor) for tensor in tensors[_LOOKS]],
            array(part),
            array(ball_part),
            array(zoom),
            ctx.size,
            array(params),
            array(gradient),
            array(to_bone, wp.vec3),
            array(to_ball, wp.vec3),
            array(shares),
            [array(tensor) for tensor in to_looks],
            threads=frames * (bones + balls),
            parts=len(to_looks[0]),
            device=str(params.device),
            stream=current_stream(params.device),
        )
        found = [*to_bone, *to_ball, *to_looks]
        wanted = [one if needed else None for one, needed in zip(found, ctx.needs_input_grad[1:16], strict=True)]
        return (None, *wanted, *(None,) * 6)
