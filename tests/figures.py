"""Small hand-made CanonicalFrames for the renderer's tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.motion.canonical import CanonicalFrames, CanonicalPerson
from skeletonllm_core.motion.skeleton import BodyPart

# name → (part, parent, place of a standing body [m], +X its left)
BODY: dict[str, tuple[BodyPart, str | None, tuple[float, float, float]]] = {
    "pelvis": (BodyPart.PELVIS, None, (0, 0.95, 0)),
    "chest": (BodyPart.CHEST, "pelvis", (0, 1.25, 0)),
    "neck": (BodyPart.NECK, "chest", (0, 1.45, 0)),
    "head": (BodyPart.HEAD, "neck", (0, 1.6, 0)),
    "left shoulder": (BodyPart.LEFT_UPPER_ARM, "chest", (0.18, 1.4, 0)),
    "left elbow": (BodyPart.LEFT_FOREARM, "left shoulder", (0.42, 1.3, 0)),
    "left wrist": (BodyPart.LEFT_HAND, "left elbow", (0.62, 1.2, 0.05)),
    "right shoulder": (BodyPart.RIGHT_UPPER_ARM, "chest", (-0.18, 1.4, 0)),
    "right elbow": (BodyPart.RIGHT_FOREARM, "right shoulder", (-0.42, 1.3, 0)),
    "right wrist": (BodyPart.RIGHT_HAND, "right elbow", (-0.62, 1.2, 0.05)),
    "left hip": (BodyPart.LEFT_THIGH, "pelvis", (0.1, 0.92, 0)),
    "left knee": (BodyPart.LEFT_SHIN, "left hip", (0.12, 0.5, 0.03)),
    "left ankle": (BodyPart.LEFT_FOOT, "left knee", (0.12, 0.08, 0)),
    "right hip": (BodyPart.RIGHT_THIGH, "pelvis", (-0.1, 0.92, 0)),
    "right knee": (BodyPart.RIGHT_SHIN, "right hip", (-0.12, 0.5, 0.03)),
    "right ankle": (BodyPart.RIGHT_FOOT, "right knee", (-0.12, 0.08, 0)),
}
JOINTS = tuple(BODY)


def person(
    positions: np.ndarray,
    bones: Sequence[tuple[int, int]] = (),
    parts: Sequence[BodyPart | None] | None = None,
    velocities: np.ndarray | None = None,
    visible: np.ndarray | None = None,
    accelerations: np.ndarray | None = None,
) -> CanonicalPerson:
    """A person of any joints; positions (T, J, 3)."""
    positions = np.asarray(positions, np.float32)
    return CanonicalPerson(
        positions=positions,
        velocities=np.zeros_like(positions) if velocities is None else np.asarray(velocities, np.float32),
        accelerations=np.zeros_like(positions) if accelerations is None else np.asarray(accelerations, np.float32),
        visible=np.ones(positions.shape[:2], bool) if visible is None else visible,
        bones=np.asarray(bones, np.int64).reshape(-1, 2),
        parts=tuple(parts) if parts is not None else (None,) * positions.shape[1],
    )


def body(frames: int = 1, seed: int | None = None, shift: tuple[float, float, float] = (0, 0, 0)) -> CanonicalPerson:
    """The standing body; with a seed, each joint is moved a little and has a velocity and an acceleration."""
    places = np.asarray([place for _, _, place in BODY.values()]) + np.asarray(shift)
    positions = np.repeat(places[None], frames, 0)
    velocities, accelerations = np.zeros_like(positions), np.zeros_like(positions)
    if seed is not None:
        random = np.random.default_rng(seed)
        positions = positions + random.normal(0, 0.08, positions.shape)
        velocities = random.normal(0, 1.5, positions.shape)
        accelerations = random.normal(0, 10, positions.shape)
    bones = [(JOINTS.index(up), joint) for joint, (_, up, _) in enumerate(BODY.values()) if up is not None]
    return person(positions, bones, [part for part, _, _ in BODY.values()], velocities, accelerations=accelerations)


def clip(*persons: CanonicalPerson, ground: np.ndarray | None = None) -> CanonicalFrames:
    """A clip of those persons (or of the standing body) with the origin at `ground` (T, 2)."""
    persons = persons or (body(),)
    frames = len(persons[0].positions)
    return CanonicalFrames(
        persons=tuple(persons),
        ground=np.zeros((frames, 2), np.float32) if ground is None else np.asarray(ground, np.float32),
        times=np.arange(frames, dtype=np.float32) / 10,
        seconds=frames / 10,
    )
