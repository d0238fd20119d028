"""The same motion at another frame rate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.motion import Keypoints, Person
from skeletonllm_core.motion.rotation import normalize


def resampled(person: Person, fps: float) -> Person:
    """The motion at `fps` frames a second: linear between positions, the shorter way between rotations.

    The first frame stays; frames follow 1 / fps apart up to the last moment of the source. Between two positions of
    which one is missing (NaN) the result is missing.

    Args:
        person: Motion or Keypoints.
        fps: frames a second of the result.

    Raises:
        TopologyError: fps is no positive number.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise TopologyError(f"fps must be a positive number, got {fps}")
    if len(person) == 0:
        return replace(person, fps=fps)
    last = len(person) - 1
    # The small share lets 30 fps end on the last frame of 120 fps although 1/120 is no exact binary number.
    count = math.floor(last / person.fps * fps + 1e-6) + 1
    asked = np.minimum(np.arange(count) * (person.fps / fps), last)
    below = np.floor(asked + 1e-9).astype(np.int64)
    above = np.minimum(below + 1, last)
    weight = np.clip(asked - below, 0, 1)

    def mixed(values: np.ndarray) -> np.ndarray:
        share = weight.reshape(-1, *[1] * (values.ndim - 1))
        return np.where(share == 0, values[below], values[below] * (1 - share) + values[above] * share)

    if isinstance(person, Keypoints):
        return replace(person, positions=mixed(person.positions), fps=fps)
    return replace(
        person,
        rotations=_slerp(person.rotations[below], person.rotations[above], weight[:, None]),
        root_translation=mixed(person.root_translation),
        fps=fps,
        local_translations=None if person.local_translations is None else mixed(person.local_translations),
    )


def _slerp(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(..., 4) rotations at `share` (...,) of the shorter way from start to end.

    K. Shoemake, "Animating Rotation with Quaternion Curves", SIGGRAPH 1985.
    """
    cosine = (start * end).sum(-1)
    end = np.where(cosine[..., None] < 0, -end, end)
    angle = np.arccos(np.clip(np.abs(cosine), 0, 1))
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1, sine)
    first = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
    second = np.where(near, share, np.sin(share * angle) / safe)
    return normalize(first[..., None] * start + second[..., None] * end)
