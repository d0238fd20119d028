"""Which patches of an image anything is drawn on, known before drawing: what a vision encoder needs to look at."""

# Warp reads array types as calls in annotations, and unpacks what it calls an integer.
# mypy: disable-error-code="valid-type, misc"

from __future__ import annotations

import math

import torch
import warp as wp

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.render import kernels_cpu

SLACK = 1e-3
"""Ellipses are widened by this for rounding, so that no pixel that is drawn is missed [px]."""

wp.set_module_options({"enable_backward": False})


@wp.func
def _first_at(edge: float, limit: int):
    """The first of `limit` pixels that is centred at or after an edge."""
    return int(wp.ceil(wp.clamp(edge - 0.5 - wp.static(SLACK), 0.0, float(limit))))


@wp.func
def _last_at(edge: float, limit: int):
    """The last of `limit` pixels that is centred at or before an edge."""
    return int(wp.floor(wp.clamp(edge - 0.5 + wp.static(SLACK), -1.0, float(limit - 1))))


@wp.kernel
def _mark(
    params: wp.array3d(dtype=wp.float32),
    depth: wp.array2d(dtype=wp.float32),
    height: int,
    width: int,
    patch: int,
    touched: wp.array3d(dtype=wp.bool),
):
    """The pixels of each row of each ellipse, as `kernels_cpu` draws them; several threads may write the same True."""
    frame, k = wp.tid()
    u, v = params[0, frame, k], params[1, frame, k]
    a, b, c = params[2, frame, k], params[3, frame, k], params[4, frame, k]
    opacity = params[5, frame, k]
    colour = params[6, frame, k] + params[7, frame, k] + params[8, frame, k]
    det = a * c - b * b
    # Comparisons with NaN are false.
    if not (opacity > wp.static(kernels_cpu.CUTOFF) and opacity <= 1.0 and wp.isfinite(colour)):
        return
    if not (wp.isfinite(depth[frame, k]) and a > 1.0e-12 and c > 1.0e-12 and a < 1.0e6):
        return
    if not (det > 0.0 and det < 1.0e12 and wp.abs(u) < 1.0e6 and wp.abs(v) < 1.0e6):
        return
    limit = 2.0 * wp.log(opacity / wp.static(kernels_cpu.CUTOFF))
    tall = wp.sqrt(limit * a / det)
    flat, curve, slope, patches = limit / a, det / (a * a), -b / a, 1.0 / float(patch)
    y = _first_at(v - tall, height)
    bottom = _last_at(v + tall, height)
    while y <= bottom:
        dy = float(y) + 0.5 - v
        wide = wp.sqrt(wp.max(flat - dy * dy * curve, 0.0))
        middle = u + slope * dy
        first, last = _first_at(middle - wide, width), _last_at(middle + wide, width)
        if first <= last:
            # A half added, so that rounding cannot put a pixel into its neighbour's patch.
            row = int((float(y) + 0.5) * patches)
            column, end = int((float(first) + 0.5) * patches), int((float(last) + 0.5) * patches)
            while column <= end:
                touched[frame, row, column] = True
                column += 1
        y += 1


def touched_patches(params: torch.Tensor, depth: torch.Tensor, height: int, width: int, patch: int) -> torch.Tensor:
    """Which patches of its image `rasterize` draws on, exactly: all that the ellipses reach at the rasteriser's cut-off.

    Args:
        params: (9, F, N) float32 as `rasterize` takes them; on a GPU they are copied to the CPU.
        depth: (F, N) float32 likewise.
        height, width: of the image [px].
        patch: edge of a patch [px]; patches at the right and lower edge may be cut.

    Returns:
        (F, ceil(height / patch), ceil(width / patch)) bool on the device of `params`; where it is False the image is black.

    Raises:
        SkeletonLLMError: other shapes or type, a patch without a pixel, or the compiled kernels cannot be stored.
    """
    if params.ndim != 3 or params.shape[0] != 9 or depth.shape != params.shape[1:]:
        raise SkeletonLLMError(
            f"touched_patches needs params (9, F, N) and depth (F, N), got {tuple(params.shape)} and {tuple(depth.shape)}"
        )
    if params.dtype != torch.float32:
        raise SkeletonLLMError(f"touched_patches needs float32, got {params.dtype}")
    if min(height, width, patch) < 1:
        raise SkeletonLLMError(f"there are no patches of {patch} pixels in an image of {height} × {width}")
    touched = torch.zeros(depth.shape[0], math.ceil(height / patch), math.ceil(width / patch), dtype=torch.bool)
    if depth.numel():
        kernels_cpu.load(_mark)
        whole, far = params.detach().cpu().contiguous(), depth.detach().cpu().contiguous()
        given = [wp.from_torch(tensor, requires_grad=False) for tensor in (whole, far)]
        marked = wp.from_torch(touched, requires_grad=False)
        wp.launch(_mark, dim=depth.shape, inputs=[*given, height, width, patch, marked], device="cpu")
    return touched.to(params.device)
