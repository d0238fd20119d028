"""The kernels as a differentiable torch function."""

from __future__ import annotations

import math
from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.render import kernels_cpu as kernels
from skeletonllm_core.render import rasterize_cuda


def rasterize(params: torch.Tensor, depth: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Composite Gaussians front to back over black.

    Differentiable in `params`; not in `depth`, which only sorts.

    Args:
        params: (9, F, N) float32, on the CPU or a CUDA device: centre u, v [px, pixel (0, 0) is centred at (.5, .5)],
            inverse covariance a, b, c [1/px²], opacity, red, green, blue. A Gaussian is not drawn where one of them is
            not finite, the inverse covariance is not positive definite, or the opacity is not in 0..1.
        depth: (F, N) float32 [m] in front of the camera; not finite = not drawn.
        height, width: of the image [px].

    Returns:
        (F, 3, H, W) float32 in [0, 1].

    Raises:
        SkeletonLLMError: other shapes, type or device, or the compiled kernels cannot be stored.
    """
    if params.ndim != 3 or params.shape[0] != 9 or depth.shape != params.shape[1:]:
        raise SkeletonLLMError(
            f"rasterize needs params (9, F, N) and depth (F, N), got {tuple(params.shape)} and {tuple(depth.shape)}"
        )
    if params.dtype != torch.float32 or params.device.type not in ("cpu", "cuda") or depth.device != params.device:
        raise SkeletonLLMError(
            f"rasterize needs float32 params and depth on the CPU or one CUDA device, "
            f"got {params.dtype} on {params.device} and depth on {depth.device}"
        )
    if height < 1 or width < 1:
        raise SkeletonLLMError(f"an image needs at least one pixel, got {height} × {width}")
    if params.device.type == "cuda":
        return rasterize_cuda.rasterize(params, depth, height, width)
    return _Rasterize.apply(params, depth, height, width)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, params: torch.Tensor, depth: torch.Tensor, height: int, width: int) -> torch.Tensor:
        kernels.load()
        params = params.detach().contiguous()
        frames, count = depth.shape
        order = torch.argsort(depth.detach(), dim=1, stable=True).to(torch.int32)
        reach = 2 * torch.log(params[5] / kernels.CUTOFF)
        drawn = torch.isfinite(params[6:].sum(0)) & torch.isfinite(depth.detach()) & (params[5] <= 1)
        reach = torch.where(drawn & torch.isfinite(reach), reach, reach.new_zeros(()))
        rows, columns = (
            math.ceil(side / tile) * tile for side, tile in ((height, kernels.ROWS), (width, kernels.LANES))
        )
        image = torch.empty(frames, 3, rows, columns)
        if frames and count:
            kernels.forward(
                _wrap(params),
                _wrap(reach),
                _wrap(order),
                _wrap(image),
                height=height,
                width=width,
                workers=torch.get_num_threads(),
            )
        else:
            image.zero_()
        ctx.save_for_backward(params, reach, order, image)
        whole = (rows, columns) == (height, width)
        return image.view_as(image) if whole else image[..., :height, :width].contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, None, None, None]:
        params, reach, order, image = ctx.saved_tensors
        gradient = torch.zeros_like(params)
        if gradient.numel() == 0:
            return gradient, None, None, None
        upstream = upstream.to(torch.float32)
        kernels.backward(
            _wrap(params),
            _wrap(reach),
            _wrap(order),
            _wrap(image),
            _wrap(upstream),
            _wrap(gradient),
            height=upstream.shape[2],
            width=upstream.shape[3],
            workers=torch.get_num_threads(),
        )
        return gradient, None, None, None


def _wrap(tensor: torch.Tensor) -> wp.array:
    return wp.from_torch(tensor, requires_grad=False)
