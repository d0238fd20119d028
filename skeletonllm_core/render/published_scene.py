"""Persons of a clip → what the published renderer draws: frames, velocities, joint order and placement as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Person
from skeletonllm_core.motion.topologies import FILE_ORDERS
from skeletonllm_core.render.published import HUMANML3D_BONES

MOST_PERSONS = 2
"""The first so many persons of a file are drawn."""

AHEAD = 4
"""A velocity looks this many frames ahead, at `RATE` frames a second."""

RATE = 30.0
"""Frame rate of NTU, which clips other than NTU's and HumanML3D's are taken at [1/s]."""

DISTANCE = 2.5
"""Where bodies that were not recorded by a depth camera are put, in front of the camera [m]."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What `PublishedRenderer.render` takes.

    Attributes:
        positions: (T, P, J, 3) float32 [m] in the camera frame; a person that is not in a frame is all zeros.
        velocities: (T, P, J, 3) float32 [m].
        bones: pairs of joints; None for NTU's.
        notes: what was chosen for the clip, in whole sentences.
    """

    positions: torch.Tensor
    velocities: torch.Tensor
    bones: tuple[tuple[int, int], ...] | None
    notes: tuple[str, ...]


def published_scene(
    persons: Sequence[Person],
    frames: int = 12,
    *,
    frame_indices: Sequence[int] | None = None,
    seed: int | None = None,
) -> Scene:
    """Arrange a clip as the published code does.

    Args:
        persons: of one clip, with the same joints; Y up, metres, as their reader gives them.
        frames: T; the middle frame of each of T equal parts of the clip.
        frame_indices: these frames instead.
        seed: a random frame of each part instead, as published.

    Raises:
        SkeletonLLMError: no person or frame, persons of different joints, or a frame that is not there.
    """
    people = list(persons)[:MOST_PERSONS]
    if not people or not max(len(person) for person in people):
        raise SkeletonLLMError("there is no person to draw in this clip")
    names = people[0].topology.names
    if any(person.topology.names != names for person in people):
        raise SkeletonLLMError("published weights draw persons of the same joints only; choose one with --person")
    notes = []
    if len(persons) > MOST_PERSONS:
        notes.append(f"Published weights draw the first {MOST_PERSONS} of the {len(persons)} persons.")

    ntu = set(names) == set(FILE_ORDERS["ntu25"])
    humanml3d = set(names) == set(FILE_ORDERS["humanml3d22"])
    ahead = AHEAD if ntu or humanml3d else max(1, round(AHEAD * people[0].fps / RATE))
    order = list(range(len(names)))
    bones: tuple[tuple[int, int], ...] | None = None
    if ntu or humanml3d:
        order = [names.index(name) for name in FILE_ORDERS["ntu25" if ntu else "humanml3d22"]]
    if humanml3d:
        bones = HUMANML3D_BONES
    elif not ntu:
        bones = tuple((int(start), int(end)) for start, end in people[0].topology.bones)
        notes.append(
            f"The published weights were not made for these {len(names)} joints: their features are spread over them, the "
            f"middle of the body is put {DISTANCE:g} m in front of the camera, and velocities look {ahead} frames ahead."
        )

    length = max(len(person) for person in people)
    world = np.full((length, len(people), len(names), 3), np.nan)
    for index, person in enumerate(people):
        world[: len(person), index] = person.joint_positions()[:, order]
    world[~np.isfinite(world).all(-1)] = np.nan
    seen = np.isfinite(world).all(-1)
    world[~seen.any(-1)] = 0.0

    later = np.minimum(np.arange(length) + ahead, length - 1)
    chosen = _chosen(length, frames, frame_indices, seed)
    velocities = np.nan_to_num(world[later[chosen]] - world[chosen])
    positions, seen = world[chosen], seen[chosen]
    if not seen.any():
        raise SkeletonLLMError("there is no person in the frames that were chosen")
    shift = _shift(positions[seen], ntu=ntu, humanml3d=humanml3d)
    positions = np.where(seen[..., None], positions + shift, positions)
    return Scene(
        torch.from_numpy(positions.astype(np.float32)),
        torch.from_numpy(velocities.astype(np.float32)),
        bones,
        tuple(notes),
    )


def _shift(points: np.ndarray, *, ntu: bool, humanml3d: bool) -> np.ndarray:
    """(3,) [m] how bodies are moved into view, from all their joints (n, 3); medians are the lower ones, as torch's."""
    middle = np.sort(points, axis=0)[(len(points) - 1) // 2]
    if ntu:
        return np.array([0.0, 0.0, 1.0 if abs(middle[2]) < 0.5 else 0.0])
    # HumanML3D's bodies start at x = 0; others may be anywhere.
    return np.array([0.0 if humanml3d else -middle[0], -middle[1], DISTANCE - middle[2]])


def _chosen(length: int, frames: int, frame_indices: Sequence[int] | None, seed: int | None) -> np.ndarray:
    """(T,) frames of the clip."""
    if frame_indices is not None:
        if not frame_indices or min(frame_indices) < 0 or max(frame_indices) >= length:
            raise SkeletonLLMError(f"frame indices must lie in 0..{length - 1}, got {list(frame_indices)}")
        return np.asarray(frame_indices)
    if seed is None:
        return ((np.arange(frames) + 0.5) * length / frames).astype(int)
    random = torch.Generator().manual_seed(seed)
    if length < frames:
        return np.sort(torch.randint(length, (frames,), generator=random).numpy())
    edges = [part * length // frames for part in range(frames + 1)]
    return np.array([torch.randint(low, high, (1,), generator=random).item() for low, high in pairwise(edges)])
