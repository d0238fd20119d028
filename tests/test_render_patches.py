"""Touched patches against every Gaussian over every pixel."""

from __future__ import annotations

import math

import pytest
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.render.kernels_cpu import CUTOFF
from skeletonllm_core.render.patches import touched_patches
from skeletonllm_core.render.published import PublishedRenderer
from skeletonllm_core.render.rasterize import rasterize
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import bone_batch
from tests.figures import body, clip
from tests.published_files import motion, tensors
from tests.test_render_rasterize import gaussians


def dense(params: torch.Tensor, depth: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(F, H, W) bool: pixels at which some Gaussian stops at least CUTOFF of the light."""
    params = params.detach().double()
    x, y = torch.arange(width) + 0.5, (torch.arange(height) + 0.5)[:, None]
    drawn = torch.zeros(*depth.shape[:1], height, width, dtype=torch.bool)
    for frame in range(len(depth)):
        for k in torch.nonzero(torch.isfinite(depth[frame])).flatten().tolist():
            u, v, a, b, c, opacity = params[:6, frame, k]
            dx, dy = x - u, y - v
            q = opacity * torch.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy))
            drawn[frame] |= q >= CUTOFF
    return drawn


def by_patch(pixels: torch.Tensor, patch: int) -> torch.Tensor:
    """(F, rows, columns) the largest value in each patch of (F, H, W)."""
    frames, height, width = pixels.shape
    rows, columns = math.ceil(height / patch), math.ceil(width / patch)
    padded = torch.zeros(frames, rows * patch, columns * patch, dtype=pixels.dtype)
    padded[:, :height, :width] = pixels
    return padded.view(frames, rows, patch, columns, patch).amax((2, 4))


def assert_exact(touched: torch.Tensor, image: torch.Tensor, drawn: torch.Tensor, patch: int) -> None:
    needed = by_patch(drawn, patch)
    assert touched.dtype == torch.bool and touched.shape == needed.shape
    assert not (needed & ~touched).any(), "a patch was missed"
    assert needed.any() and touched.sum() <= 1.1 * needed.sum()
    assert not (by_patch(image.detach().amax(1) != 0, patch) & ~touched).any(), "something was drawn elsewhere"


@pytest.mark.parametrize("size", [64, 100, 224])
def test_patches_of_our_renderer(size: int) -> None:
    renderer, frames = SkeletonRenderer(size), clip(body(2, seed=3), body(2, seed=4, shift=(0.6, 0, 0.2)))
    batch = bone_batch(frames)
    params, depth = renderer.gaussians(batch, size)
    image, drawn = renderer(batch), dense(params, depth, size, size)
    for patch in (8, 13, 14, 16, 28, 32):
        assert_exact(renderer.touched_patches(frames, size, patch), image, drawn, patch)


@pytest.mark.parametrize(("size", "persons"), [(112, 2), (224, 1)])
def test_patches_of_the_published_renderer(size: int, persons: int) -> None:
    renderer = PublishedRenderer()
    renderer.load_state_dict(tensors())
    where, moved = motion(2, persons)
    where[0, 0, 3] = torch.nan
    params, depth = renderer.gaussians(where, moved, size=size)
    image, drawn = renderer.render(where, moved, size=size).permute(0, 3, 1, 2), dense(params, depth, size, size)
    for patch in (8, 13, 14, 16, 28, 32):
        assert_exact(renderer.touched_patches(where, moved, patch, size=size), image, drawn, patch)


@pytest.mark.parametrize("patch", range(8, 33, 4))
@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 87), (7, 200)])
def test_ellipses_of_any_kind_in_images_of_any_size(patch: int, height: int, width: int) -> None:
    params, depth = gaussians(3, 6, height, width, seed=patch)
    params[5] *= torch.logspace(0, -6, 6)  # down to and below the cut-off
    depth[0, 0] = torch.inf
    touched = touched_patches(params, depth, height, width, patch)
    assert_exact(touched, rasterize(params, depth, height, width), dense(params, depth, height, width), patch)


@pytest.mark.parametrize("row", range(9))
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf, 1e30, -1e30])
def test_what_is_not_drawn_touches_nothing(row: int, bad: float) -> None:
    params, depth = gaussians(1, 2, 40, 40)
    params[row, 0, 0] = bad
    if row < 6 or not math.isfinite(bad):
        assert torch.equal(
            touched_patches(params, depth, 40, 40, 8), touched_patches(params[:, :, 1:], depth[:, 1:], 40, 40, 8)
        )


def test_nothing_touches_nothing() -> None:
    assert touched_patches(torch.zeros(9, 2, 0), torch.zeros(2, 0), 20, 30, 8).tolist() == [[[False] * 4] * 3] * 2
    assert touched_patches(torch.zeros(9, 0, 4), torch.zeros(0, 4), 8, 8, 8).shape == (0, 1, 1)


@pytest.mark.parametrize(
    ("params", "depth", "patch", "says"),
    [
        (torch.zeros(8, 1, 1), torch.zeros(1, 1), 8, r"params \(9, F, N\)"),
        (torch.zeros(9, 1, 1), torch.zeros(1, 2), 8, r"depth \(F, N\)"),
        (torch.zeros(9, 1, 1, dtype=torch.float64), torch.zeros(1, 1), 8, "float32"),
        (torch.zeros(9, 1, 1), torch.zeros(1, 1), 0, "no patches of 0 pixels"),
    ],
)
def test_wrong_input_is_said(params: torch.Tensor, depth: torch.Tensor, patch: int, says: str) -> None:
    with pytest.raises(SkeletonLLMError, match=says):
        touched_patches(params, depth, 16, 16, patch)
