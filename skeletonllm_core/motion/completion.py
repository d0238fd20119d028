"""Joints that a recording names but never holds, placed where they most likely were while the rest of the body did what it did.

A small network, taught by `train/completion.py`, says where they are at each moment, from the known joints then and up to a
second earlier and later. Labels are judged by pictures with them, too; nothing is measured on them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.canonical import BODY_HEIGHT
from skeletonllm_core.motion.motion import Keypoints, Person
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.rig_drawn import primary_joints
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.tracks import across_gaps

WEIGHTS = Path(__file__).with_name("completion.npz")
"""Learned from the project's own clips alone; a checkpoint may bring others."""

PARTS = tuple(BodyPart)
"""The columns of what the network sees and says."""

LAYERS = ("first", "second", "third", "last")

Network = Callable[[np.ndarray], np.ndarray]

MOMENTS = (0.0, -1 / 15, 1 / 15, -0.2, 0.2, -0.5, 0.5, -1.0, 1.0)
"""What the network sees of a clip to place the joints of one moment [s from it]; beyond the ends the last pose is held."""

_ACROSS = tuple(
    (PARTS.index(left), PARTS.index(left.mirrored)) for left in (BodyPart.LEFT_THIGH, BodyPart.LEFT_UPPER_ARM)
)

_OTHER_SIDE = [PARTS.index(part.mirrored) for part in PARTS]


def completed(person: Person, weights: Path = WEIGHTS) -> Person:
    """The person with every joint that is a body part and has no position in any frame; itself where there is none.

    Nothing is guessed of a body that is not human, or of which fewer than two parts are known.

    Args:
        person: Y up, metres.
        weights: of the network.
    """
    held, lacking = _held_and_lacking(person)
    if not lacking:
        return person
    world = person.joint_positions()
    scale = BODY_HEIGHT / body_height(world, map_rig(person.topology, world))
    origin = world[np.isfinite(world).all(-1)][0]
    told = (world[:, list(held.values())] - origin) * scale
    guessed = guessed_places(told.astype(np.float32), tuple(held), tuple(lacking), person.fps, weights)
    positions = world.copy()
    positions[:, list(lacking.values())] = guessed / scale + origin
    return Keypoints(person.topology, positions, person.fps, person.name)


def guessed_joints(person: Person) -> tuple[str, ...]:
    """Names of the joints that `completed` puts in place."""
    return tuple(person.topology.names[joint] for joint in _held_and_lacking(person)[1].values())


def _held_and_lacking(person: Person) -> tuple[dict[BodyPart, int], dict[BodyPart, int]]:
    """The joint of each part that some frame holds, and of each that is to be guessed."""
    if not isinstance(person, Keypoints):
        return {}, {}
    world = person.positions
    known = np.isfinite(world).all(-1).any(0)
    if known.all():
        return {}, {}
    rig = map_rig(person.topology, world)
    seen = rig.drawn & known
    held = {part: joint for part, joint in primary_joints(rig.parts, seen).items() if seen[joint]}
    height = body_height(world, rig)
    if len(held) < 2 or not rig.human or not (np.isfinite(height) and height > 1e-9):
        return held, {}
    return held, {part: joint for part, joint in rig.primary().items() if rig.drawn[joint] and part not in held}


def guessed_places(
    positions: np.ndarray,
    parts: tuple[BodyPart, ...],
    lacking: tuple[BodyPart, ...],
    fps: float,
    weights: Path = WEIGHTS,
) -> np.ndarray:
    """(n, L, 3) float32 [m] where the lacking parts most likely are.

    Args:
        positions: (n, K, 3) float32 [m of a 1.7 m body] of the known parts, each known in some frame; Y up.
        parts: K of them.
        lacking: L others.
        fps: frames a second.
        weights: of the network.
    """
    frames = len(positions)
    poses = np.zeros((frames, len(PARTS), 3), np.float32)
    known = np.zeros(len(PARTS), bool)
    for column, part in enumerate(parts):
        path = positions[:, column]
        there = np.isfinite(path).all(-1)
        poses[:, PARTS.index(part)] = path if there.all() else across_gaps(path, there)
        known[PARTS.index(part)] = True
    # The mirror image gets the mirrored guess.
    network = read_network(weights)
    mirrored = _mirrored(_places(network, _mirrored(poses), known[_OTHER_SIDE], fps))
    places = (_places(network, poses, known, fps) + mirrored) / 2
    return places[:, [PARTS.index(part) for part in lacking]]


def _places(network: Network, poses: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
    """(n, P, 3) float32 [m] where all parts most likely are, of a clip of which some are (P,) known."""
    frames = len(poses)
    around = np.clip(np.rint(np.arange(frames)[:, None] + np.array(MOMENTS) * fps), 0, frames - 1).astype(np.int64)
    seen, centre, yaw = features(poses[around], np.broadcast_to(known, (frames, len(PARTS))))
    said = network(seen).reshape(frames, len(PARTS), 3)
    return (turned(said, yaw) + centre[:, None]).astype(np.float32)


def _mirrored(poses: np.ndarray) -> np.ndarray:
    """(n, P, 3) poses as a mirror shows them: +X becomes -X and every left part a right part."""
    return poses[:, _OTHER_SIDE] * np.array([-1, 1, 1], np.float32)


def features(poses: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the network sees, and the frame it speaks in: around the mean of the known joints, facing +Z.

    Args:
        poses: (n, M, P, 3) [m] at the `MOMENTS` around each of n moments; anything where a part is not known.
        known: (n, P) bool.

    Returns:
        (n, M · P · 3 + P) float32: places, and which are known; (n, 3) [m] and (n,) [rad] of the frame.
    """
    poses = np.where(known[:, None, :, None], poses, 0)
    now = poses[:, 0]
    centre = now.sum(1) / np.maximum(known.sum(1), 1)[:, None]
    across = np.zeros_like(centre)
    for left, right in _ACROSS:
        both = known[:, left] & known[:, right]
        line = np.where(both[:, None], now[:, left] - now[:, right], 0)
        across += line / np.maximum(np.sqrt((line * line).sum(-1, keepdims=True)), 1e-6)
    yaw = np.where(np.hypot(across[:, 0], across[:, 2]) < 1e-3, 0.0, np.arctan2(-across[:, 2], across[:, 0]))
    count = poses.shape[1] * poses.shape[2]
    placed = turned((poses - centre[:, None, None]).reshape(len(poses), count, 3), -yaw).reshape(poses.shape)
    placed = np.where(known[:, None, :, None], placed, 0)
    return np.concatenate([placed.reshape(len(poses), -1), known], 1).astype(np.float32), centre, yaw


def turned(vectors: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """(n, k, 3) vectors, each of the n turned by its own yaw [rad] about Y, from +Z towards +X."""
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], -1)


@cache
def read_network(weights: Path) -> Network:
    """(n, F) features → (n, P · 3) places. In float64: the last digit of a product depends on how many threads share it, and
    places are told in float32.

    Raises:
        SkeletonLLMError: the file is damaged or of another version.
    """
    try:
        with np.load(weights) as file:
            values = {name: file[name].astype(np.float64) for name in file.files}
        matrices = [(values[f"{name}.weight"].T, values[f"{name}.bias"]) for name in LAYERS]
    except (OSError, ValueError, KeyError, BadZipFile) as problem:
        raise SkeletonLLMError(f"{weights}: damaged, or of another version: {problem}") from problem

    def places(seen: np.ndarray) -> np.ndarray:
        (first, bias), *between, (last, last_bias) = matrices
        hidden = np.maximum(seen @ first + bias, 0)
        for matrix, its_bias in between:
            hidden = hidden + np.maximum(hidden @ matrix + its_bias, 0)
        return hidden @ last + last_bias

    return places
