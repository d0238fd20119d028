"""Gaits that were made in place: animators keep the hips over one spot and let the feet slide back, as on a treadmill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.tracks import RATE, Tracks

SLOWEST = 0.25
"""Slowest slide [body heights a second] that counts: feet that stand may slip a little."""

STANDING = 0.03
"""A foot that is not higher than this [body heights] stands."""

ALIKE = 0.7
"""Share of the time that feet stand in which they must slide at least half as fast, the same way."""

EACH_FOOT = 0.2
"""Smallest share of that time for which each foot must stand."""


def belt(body: Tracks) -> np.ndarray | None:
    """(2,) [m/s] over the ground (x, z), how fast and which way the hips would go if the feet that stand did not slide; None
    where they do not slide, or the hips leave their spot.
    """
    left, right = body.clearance("left"), body.clearance("right")
    if left is None or right is None or body.hips is None or len(body) < 4:
        return None
    if np.ptp(body.hips[:, ::2], axis=0).max() > 0.3 * body.height:
        return None
    slides = {
        part: np.gradient(body.at[part][:, ::2], 1 / RATE, axis=0) for part in (BodyPart.LEFT_FOOT, BodyPart.RIGHT_FOOT)
    }
    stands = np.minimum(left, right) < STANDING * body.height
    on_left = (left < right)[stands]
    slide = np.where((left < right)[:, None], *slides.values())[stands]
    if len(slide) < 4 or not EACH_FOOT < on_left.mean() < 1 - EACH_FOOT:
        return None
    pace = -np.median(slide, axis=0)
    speed = float(np.hypot(*pace))
    if speed < SLOWEST * body.height or (slide @ pace < -0.5 * speed**2).mean() < ALIKE:
        return None
    return pace


def carried(body: Tracks, pace: np.ndarray) -> Tracks:
    """The body on the path that was taken from it: (2,) [m/s] over the ground (x, z)."""
    seconds = np.arange(len(body))[:, None] / RATE
    path = seconds * np.array([pace[0], 0.0, pace[1]])
    return replace(body, at={part: places + path for part, places in body.at.items()})
