"""HumanML3D features: a .npy of shape (T, 263), 20 frames a second, one person.

A frame holds: the change of heading to the next frame (half the angle, negative turn about Y), the root's step to the next
frame along x and z of the heading, the root's height; the 21 other joints relative to the place below the root, turned to
the heading; their rotations as 6D; the steps of all 22 joints to the next frame; and four flags for feet that stand.
They say neither where the clip starts nor which way it faces: it starts at the origin and faces +Z.

The published code turns the body to its heading with the two hips exchanged, smooths that heading over 20 frames and puts
the first one to zero. All of it is repeated here, for files must mean the same to the models trained on them.

Source: C. Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022, section 3 and its supplement;
conventions checked against published features and joints of the same clip.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Keypoints, Origin
from skeletonllm_core.motion.topologies import TOPOLOGIES, file_order
from skeletonllm_mocap_io.arrays import array_header, load_array
from skeletonllm_mocap_io.humanml3d import FPS, joints_of

FORMAT = "humanml3d263"

BLOCKS = {
    "turn": slice(0, 1),
    "step": slice(1, 3),
    "height": slice(3, 4),
    "joints": slice(4, 67),
    "rotations": slice(67, 193),
    "velocities": slice(193, 259),
    "contacts": slice(259, 263),
}
"""Where each part of a frame lies."""

_WIDTH = 263
_STANDING = 0.002
"""A foot joint whose squared step is below this stands [m² a frame]."""
_FEET = (7, 10, 8, 11)
_SMOOTHING = 20.0
_LEFT_HIP, _RIGHT_HIP, _LEFT_SHOULDER, _RIGHT_SHOULDER = 1, 2, 16, 17

# Chains from the root, and the direction of the bone to each joint in the rest pose.
_CHAINS = ((0, 2, 5, 8, 11), (0, 1, 4, 7, 10), (0, 3, 6, 9, 12, 15), (9, 14, 17, 19, 21), (9, 13, 16, 18, 20))
_X, _Y, _Z = np.eye(3)
_DIRECTIONS = (
    0 * _X, _X, -_X, _Y, -_Y, -_Y, _Y, -_Y, -_Y, _Y, _Z, _Z, _Y, _X, -_X, _Z, -_Y, -_Y, -_Y, -_Y, -_Y, -_Y,
)  # fmt: skip

_NORMALISED = 0.3
"""Bones of real features keep their length; above this coefficient of variation the features are no lengths."""
_AGREEING = 0.05


def sniff(path: Path) -> bool:
    """Whether the array has the shape (T, 263)."""
    header = array_header(path)
    return header is not None and _is_float(header[1]) and len(header[0]) == 2 and header[0][1] == _WIDTH


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" and dtype.itemsize <= 8


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints.

    Raises:
        MotionFormatError: it is no array of that shape, or holds no plausible numbers.
    """
    features = load_array(path, FORMAT)
    if not _is_float(features.dtype) or features.ndim != 2 or features.shape[1] != _WIDTH:
        raise MotionFormatError(
            path, f"expected floats of shape (T, {_WIDTH}), found {features.dtype} {features.shape}", format=FORMAT
        )
    features = features.astype(np.float64)
    bad = ~(np.abs(features) < 1e6).all(1)
    if bad.any():
        raise MotionFormatError(path, f"frame {np.argmax(bad)} holds no plausible numbers", format=FORMAT)
    positions = joints(features)
    person = Keypoints(TOPOLOGIES["humanml3d22"], positions[:, file_order("humanml3d22")], FPS, path.stem)
    return [Clip("", [person], Origin(FORMAT, warnings=_doubts(features, positions)))]


def _doubts(features: np.ndarray, positions: np.ndarray) -> tuple[str, ...]:
    if not len(positions):
        return ()
    lengths = _bone_lengths(positions)
    varied = float(np.median(lengths.std(0) / np.maximum(lengths.mean(0), 1e-9)))
    if varied > _NORMALISED:
        return (
            "Bones change their length from frame to frame: these may be features as a model puts them out, which must "
            "first be multiplied by the data set's Std and added to its Mean.",
        )
    apart = float(np.median(np.linalg.norm(joints_by_rotations(features) - positions, axis=-1)))
    if apart > _AGREEING:
        return (
            f"The rotations in the file put joints {100 * apart:.0f} cm (median) from its positions; the positions were used.",
        )
    return ()


def write(clip: Clip, path: Path) -> None:
    """Writes one person as float32; a motion of another rate is resampled, one of other joints is retargeted.

    Raises:
        MotionFormatError: there are several persons.
        TopologyError: the joints cannot be told apart, or one is missing throughout.
    """
    features = features_of(joints_of(clip, path, FORMAT)).astype(np.float32)
    with path.open("wb") as file:
        np.save(file, features)


# --- features → joints


def joints(features: np.ndarray) -> np.ndarray:
    """(T, 22, 3) [m], joints in file order from the positions in (T, 263) features."""
    back = rotation.conjugate(_headings(features))
    root = _root(features, back)
    others = rotation.rotate(back[:, None], features[:, BLOCKS["joints"]].reshape(-1, 21, 3))
    others[..., [0, 2]] += root[:, None, [0, 2]]
    return np.concatenate([root[:, None], others], axis=1)


def joints_by_rotations(features: np.ndarray) -> np.ndarray:
    """(T, 22, 3) [m], joints in file order from the rotations in (T, 263) features, with the median bone lengths."""
    headings = _headings(features)
    turns = rotation.from_6d(_away_from_zero(features[:, BLOCKS["rotations"]].reshape(-1, 21, 6)))
    lengths = np.median(_bone_lengths(joints(features)), axis=0)
    positions = np.zeros((len(features), 22, 3))
    positions[:, 0] = _root(features, rotation.conjugate(headings))
    for chain in _CHAINS:
        world = headings
        for parent, joint in pairwise(chain):
            world = rotation.multiply(world, turns[:, joint - 1])
            bone = _DIRECTIONS[joint] * lengths[joint - 1]
            positions[:, joint] = positions[:, parent] + rotation.rotate(world, bone)
    return positions


def _away_from_zero(sixes: np.ndarray) -> np.ndarray:
    """6D rotations in which the two columns are no zero vectors and not parallel, which no rotation is."""
    crossed = np.linalg.norm(np.cross(sixes[..., :3], sixes[..., 3:]), axis=-1, keepdims=True)
    return np.where(crossed > 1e-9, sixes, np.array([1.0, 0, 0, 0, 1, 0]))


def _headings(features: np.ndarray) -> np.ndarray:
    """(T, 4) turns about Y that bring the world into the heading of each frame."""
    half = np.zeros(len(features))
    half[1:] = np.cumsum(features[:-1, 0])
    return np.stack([np.cos(half), 0 * half, np.sin(half), 0 * half], axis=-1)


def _root(features: np.ndarray, back: np.ndarray) -> np.ndarray:
    """(T, 3) [m], the root, from its steps and the turns out of the headings."""
    steps = np.zeros((len(features), 3))
    steps[1:, [0, 2]] = features[:-1, BLOCKS["step"]]
    root = np.cumsum(rotation.rotate(back, steps), axis=0)
    root[:, 1] = features[:, 3]
    return root


def _bone_lengths(positions: np.ndarray) -> np.ndarray:
    """(T, 21) [m], the bone to each joint but the root."""
    found = np.zeros((len(positions), 21))
    for chain in _CHAINS:
        for parent, joint in pairwise(chain):
            found[:, joint - 1] = np.linalg.norm(positions[:, joint] - positions[:, parent], axis=-1)
    return found


# --- joints → features


def features_of(positions: np.ndarray) -> np.ndarray:
    """(T, 263) features of (T, 22, 3) joints [m] in file order, 20 frames a second, Y up.

    The clip is moved to the origin and onto the ground, and turned so that its first frame faces +Z. Steps lead to the
    next frame, so the published code loses the last one; here its step is repeated and no frame is lost.
    """
    positions = positions - np.array([positions[0, 0, 0], positions[..., 1].min(), positions[0, 0, 2]])
    first = _forward(positions[:1], _RIGHT_HIP, _LEFT_HIP)
    positions = rotation.rotate(rotation.between(first, _Z)[:, None], positions)
    last_step = positions[-1] - positions[-min(2, len(positions))]
    positions = np.concatenate([positions, (positions[-1] + last_step)[None]])
    headings = rotation.between(_smoothed(_forward(positions, _LEFT_HIP, _RIGHT_HIP)), _Z)
    headings[0] = (1.0, 0.0, 0.0, 0.0)

    turns = rotation.multiply(headings[1:], rotation.conjugate(headings[:-1]))
    steps = rotation.rotate(headings[1:], np.diff(positions[:, 0], axis=0))
    local = positions.copy()
    local[..., [0, 2]] -= positions[:, :1, [0, 2]]
    local = rotation.rotate(headings[:, None], local)
    moves = np.diff(positions, axis=0)
    contacts = (moves[:, _FEET] ** 2).sum(-1) < _STANDING
    count = len(positions) - 1
    return np.concatenate(
        [
            np.arcsin(np.clip(turns[:, 2:3], -1, 1)),
            steps[:, [0, 2]],
            positions[:-1, 0, 1:2],
            local[:-1, 1:].reshape(count, -1),
            rotation.to_6d(_bone_rotations(positions, headings)[:-1]).reshape(count, -1),
            rotation.rotate(headings[:-1, None], moves).reshape(count, -1),
            contacts,
        ],
        axis=1,
    )


def _forward(positions: np.ndarray, right_hip: int, left_hip: int) -> np.ndarray:
    """(T, 3) horizontal directions that hips and shoulders face; not of unit length where these are tilted."""
    across = positions[:, right_hip] - positions[:, left_hip]
    across = across + positions[:, _RIGHT_SHOULDER] - positions[:, _LEFT_SHOULDER]
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    return np.cross(_Y, across)


def _smoothed(vectors: np.ndarray) -> np.ndarray:
    """(T, 3) vectors under a Gaussian of 20 frames that is cut at four times that; the ends are held."""
    reach = int(4 * _SMOOTHING + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTHING) ** 2)
    kernel /= kernel.sum()
    held = np.pad(vectors, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, mode="valid") for column in held.T], axis=-1)


def _bone_rotations(positions: np.ndarray, headings: np.ndarray) -> np.ndarray:
    """(T, 21, 4) rotations of each bone but the root, relative to the bone before it in its chain."""
    turns = np.zeros((len(positions), 21, 4))
    for chain in _CHAINS:
        before = headings
        for parent, joint in pairwise(chain):
            world = rotation.between(_DIRECTIONS[joint], positions[:, joint] - positions[:, parent])
            turns[:, joint - 1] = rotation.multiply(rotation.conjugate(before), world)
            before = world
    return turns
