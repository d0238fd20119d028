"""Which patches of the frames the body is on, known before drawing: all that a vision encoder needs to look at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from skeletonllm_core.motion.canonical import CanonicalFrames
from skeletonllm_core.render.kernels_cpu import CUTOFF
from skeletonllm_core.render.patches import touched_patches
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import FLOOR_DOTS

FAINTEST = 0.2
"""A patch counts where a Gaussian of the body stops at least this share of the light. The rasteriser draws far fainter
fringes, which reach over more than half of all patches and hold 3 % of the light (`benchmarks/sparsification.py`)."""


@torch.no_grad()
def foreground_patches(renderer: SkeletonRenderer, frames: Sequence[CanonicalFrames], size: int, patch: int) -> Tensor:
    """The patches that the renderer draws a body on; the dots on the ground are not counted.

    Args:
        renderer: what draws.
        frames: the clips.
        size: edge of the images [pixels].
        patch: edge of the patches [pixels].

    Returns:
        (F, size / patch, size / patch) bool, the frames of all clips one after the other.
    """
    params, depth = renderer.gaussians(frames, size)
    params, depth = params.to(torch.float32), depth.to(torch.float32)
    bodies = depth.shape[1] - FLOOR_DOTS**2
    # An ellipse ends where its share of the light falls to the rasteriser's cut-off: this much fainter, it ends earlier.
    fainter = torch.cat([params[:5], params[5:6] * (CUTOFF / FAINTEST), params[6:]])
    return touched_patches(fainter[..., :bodies], depth[:, :bodies], size, size, patch)
