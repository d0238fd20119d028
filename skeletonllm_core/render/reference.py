"""The image in plain torch, every Gaussian over every pixel: slow and obvious; the oracle of the kernels."""

from __future__ import annotations

import torch


def composite(params: torch.Tensor, depth: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """What `rasterize.rasterize` computes, without its cut-off and in any floating point type.

    Args:
        params: (9, F, N): u, v [px], a, b, c [1/px²], opacity, red, green, blue.
        depth: (F, N) [m] in front of the camera; not finite = not drawn.

    Returns:
        (F, 3, H, W) in [0, 1].
    """
    x = torch.arange(width, dtype=params.dtype, device=params.device) + 0.5
    y = torch.arange(height, dtype=params.dtype, device=params.device) + 0.5
    images = []
    for frame in range(params.shape[1]):
        passed = params.new_ones(height, width)
        image = params.new_zeros(3, height, width)
        for k in torch.argsort(depth[frame], stable=True).tolist():
            u, v, a, b, c, opacity = params[:6, frame, k]
            if not torch.isfinite(depth[frame, k]) or not 0 < opacity <= 1:
                continue
            dx, dy = (x - u)[None, :], (y - v)[:, None]
            q = opacity * torch.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy))
            after = passed * torch.exp(-q)
            image = image + params[6:, frame, k, None, None] * (passed - after)
            passed = after
        images.append(image)
    return torch.stack(images) if images else params.new_zeros(0, 3, height, width)
