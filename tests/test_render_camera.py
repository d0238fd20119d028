"""The camera: what is left of what, and what fits into the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skeletonllm_core.render import camera
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import bone_batch
from tests.figures import clip, person


def pixel(point: tuple[float, float, float], size: int = 100, zoom: float | None = None) -> tuple[float, float]:
    """Where the ball at `point` is centred in the image."""
    batch = bone_batch(clip(person([[point]])))
    if zoom is not None:
        batch.zoom.fill_(zoom)
    params, _ = SkeletonRenderer().requires_grad_(False).gaussians(batch, size)
    return float(params[0, 0, 0]), float(params[1, 0, 0])


def test_the_point_looked_at_is_the_middle_of_the_image() -> None:
    assert pixel((0, camera.TARGET_HEIGHT, 0)) == pytest.approx((50, 50))


def test_plus_x_is_right_plus_y_is_up_and_plus_z_is_nearer_and_lower() -> None:
    assert pixel((0.5, 1, 0))[0] > 50 > pixel((-0.5, 1, 0))[0]
    assert pixel((0, 1.5, 0))[1] < pixel((0, 0.5, 0))[1]
    assert pixel((0, 0, 0.5))[1] > pixel((0, 0, -0.5))[1], "the camera looks down on the ground"
    assert pixel((0.5, 1, 0.5))[0] > pixel((0.5, 1, -0.5))[0], "what is nearer is larger"


def test_the_picture_does_not_depend_on_its_size() -> None:
    small, large = pixel((0.3, 1.7, 0.2), 64), pixel((0.3, 1.7, 0.2), 448)
    np.testing.assert_allclose(np.divide(small, 64), np.divide(large, 448), atol=1e-6)


@pytest.mark.parametrize("point", [(0, 2.1, 0), (1, 1.4, 0.1), (-1, 1.4, 0.1), (0, 0, 0.4), (0, 0, -0.6), (0.5, 0, 0)])
def test_raised_arms_spread_arms_and_a_step_need_no_stepping_back(point: tuple) -> None:
    assert camera.fitting_zoom(np.asarray([point]))[0] == 1
    assert all(0 < at < 100 for at in pixel(point))


@pytest.mark.parametrize("point", [(2, 1, 0), (-3, 1, 1), (0, 4, 0), (0, 0, 2.5), (5, 0, -4)])
def test_stepping_back_brings_a_far_point_to_the_margin(point: tuple) -> None:
    zoom = float(camera.fitting_zoom(np.asarray([point]))[0])
    assert 1 < zoom < camera.FARTHEST
    off = max(abs(at - 50) for at in pixel(point, zoom=zoom))
    assert off == pytest.approx(50 * camera.MARGIN, rel=1e-4)


def test_stepping_back_has_an_end_and_missing_points_ask_for_nothing() -> None:
    zoom = camera.fitting_zoom(np.asarray([[1e30, 0, 0], [np.nan, 0, 0], [0, -np.inf, 0]]))
    np.testing.assert_array_equal(zoom, [camera.FARTHEST, 1, camera.FARTHEST])


def test_what_is_behind_the_camera_is_not_drawn() -> None:
    batch = bone_batch(clip(person([[(0, 1, 6.0)]])))
    batch.zoom.fill_(1.0)
    _, depth = SkeletonRenderer().gaussians(batch, 64)
    assert torch.isinf(depth[0, 0])
