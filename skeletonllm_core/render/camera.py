"""Where the picture is taken from: a right-handed camera in front of the person, looking slightly down.

Camera frame: x to the right of the image, y up in the image, c towards the camera, origin at the point looked at,
(0, TARGET_HEIGHT, 0). The person faces the camera and +X is their left, so their left hand is on the image's right.
"""

from __future__ import annotations

import math

import numpy as np

PITCH = math.radians(15)
"""How far the camera looks down [rad]."""

DISTANCE = 4.0
"""From the camera to the point it looks at [m], before `zoom`."""

TARGET_HEIGHT = 1.0
"""Height of the point looked at [m]."""

HALF_FIELD = 1.2
"""Half the width and height that are seen at `DISTANCE` [m]: a 1.7 m body, arms raised; it steps back for a jump."""

NEAR = 0.3
"""Nothing nearer to the camera than this is drawn [m]."""

MARGIN = 0.97
"""Share of the half field that a body may fill before the camera steps back."""

FARTHEST = 8.0
"""The camera steps back to at most this many times `DISTANCE`."""

COS, SIN = math.cos(PITCH), math.sin(PITCH)


def focal_length(size: int) -> float:
    """Focal length [px] of an image of `size` × `size` pixels."""
    return 0.5 * size * DISTANCE / HALF_FIELD


def fitting_zoom(points: np.ndarray) -> np.ndarray:
    """How far the camera must step back, so that each point lies inside the field.

    Solves |x| f / (DISTANCE zoom - c) ≤ MARGIN · half the image, and the same for y.

    Args:
        points: (N, 3) [m] canonical; not finite = asks for nothing.

    Returns:
        (N,) float32 in 1..FARTHEST, to be multiplied with `DISTANCE`.
    """
    points = np.clip(points, -1e3, 1e3)
    up = points[:, 1] - TARGET_HEIGHT
    away = np.maximum(np.abs(points[:, 0]), np.abs(up * COS - points[:, 2] * SIN))
    zoom = (up * SIN + points[:, 2] * COS) / DISTANCE + away / (MARGIN * HALF_FIELD)
    return np.clip(np.nan_to_num(zoom, nan=1.0), 1.0, FARTHEST).astype(np.float32)
