"""Which way is up, how tall a body is, in what unit a file measures; and the change of basis that settles all three."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Keypoints, Motion, Person
from skeletonllm_core.motion.rig import RigMap
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton

UNITS: tuple[tuple[str, float], ...] = (
    ("m", 1.0),
    ("cm", 0.01),
    ("mm", 0.001),
    ("cmu", 0.0254 / 0.45),
    ("in", 0.0254),
    ("ft", 0.3048),
    ("dm", 0.1),
)
"""Units of length [m]; common ones first. ``cmu`` is that of the CMU motion capture database: 1/0.45 inch."""

STANDING_HEIGHT = 1.7
"""The height that a body of unknown unit is taken to have [m]."""

_SHORTEST, _TALLEST = 1.0, 2.4
_COMMON = ("m", "cm", "mm", "cmu")

# D. A. Winter, "Biomechanics and Motor Control of Human Movement", figure 4.1 (after Drillis and Contini):
# lengths as shares of the standing height.
_THIGH_SHARE, _SHIN_SHARE, _TRUNK_SHARE = 0.245, 0.246, 0.288
_UPPER_ARM_SHARE, _FOREARM_SHARE = 0.186, 0.146

_AXES: dict[str, tuple[float, float, float]] = {
    "y": (0, 1, 0),
    "z": (0, 0, 1),
    "x": (1, 0, 0),
    "-y": (0, -1, 0),
    "-z": (0, 0, -1),
    "-x": (-1, 0, 0),
}
_REST_WEIGHT = 1.5
"""A rest pose that stands outweighs a clip in which the body only lies (1.3), not one in which it walks (2.2)."""

_PRIOR = {"y": 0.08, "z": 0.05}


def to_y_up(axis: str) -> np.ndarray:
    """(4,) quaternion (w, x, y, z) that turns an axis onto +Y; Z up becomes (x, y, z) → (x, z, -y).

    Args:
        axis: "x", "y" or "z", with a leading "-" for the opposite direction.

    Raises:
        ValueError: another name.
    """
    half = np.sqrt(0.5)
    turns = {
        "y": (1.0, 0.0, 0.0, 0.0),
        "-y": (0.0, 1.0, 0.0, 0.0),
        "z": (half, -half, 0.0, 0.0),
        "-z": (half, half, 0.0, 0.0),
        "x": (half, 0.0, 0.0, half),
        "-x": (half, 0.0, 0.0, -half),
    }
    if axis not in turns:
        raise ValueError(f"unknown axis {axis!r}; choose from {', '.join(turns)}")
    return np.array(turns[axis])


def _mid(points: np.ndarray, primary: dict[BodyPart, int], *parts: BodyPart) -> np.ndarray | None:
    """(..., 3) mean place of the parts, None unless all are known. `points` is (..., J, 3)."""
    if not all(part in primary for part in parts):
        return None
    return np.mean([points[..., primary[part], :] for part in parts], axis=0)


def _top(points: np.ndarray, primary: dict[BodyPart, int]) -> np.ndarray | None:
    """The head, or what is nearest to it."""
    for parts in (
        (BodyPart.HEAD,),
        (BodyPart.NECK,),
        (BodyPart.LEFT_UPPER_ARM, BodyPart.RIGHT_UPPER_ARM),
        (BodyPart.CHEST,),
    ):
        found = _mid(points, primary, *parts)
        if found is not None:
            return found
    return None


def _bottom(points: np.ndarray, primary: dict[BodyPart, int]) -> np.ndarray | None:
    """The middle of the feet, or of what is nearest to them."""
    for part in (BodyPart.LEFT_FOOT, BodyPart.LEFT_SHIN, BodyPart.LEFT_THIGH):
        found = _mid(points, primary, part, part.mirrored)
        if found is not None:
            return found
    return _mid(points, primary, BodyPart.PELVIS)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _standing_direction(rest: np.ndarray, primary: dict[BodyPart, int]) -> np.ndarray | None:
    """(3,) feet → head of a rest pose that looks like a standing body, else None."""
    top, hips = _top(rest, primary), _mid(rest, primary, BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH)
    feet = [
        rest[primary[part]]
        for part in (BodyPart.LEFT_FOOT, BodyPart.RIGHT_FOOT, BodyPart.LEFT_SHIN, BodyPart.RIGHT_SHIN)
        if part in primary
    ][:2]
    if top is None or hips is None or len(feet) < 2:
        return None
    trunk = _unit(top - hips)
    legs = [_unit(hips - foot) for foot in feet]
    if not np.isfinite(trunk).all() or min(float(trunk @ leg) for leg in legs) < 0.8:
        return None
    return _unit(top - (feet[0] + feet[1]) / 2)


def infer_up_axis(positions: np.ndarray, rest: np.ndarray | None, rig: RigMap) -> str:
    """The world axis that points up: "y", "z", "x", "-y", "-z" or "-x".

    Several pieces of evidence are added up for each axis: where the head lies from the feet in a rest pose that stands,
    the same on average over the clip, whether the trunk is above the hands and feet, whether the lowest point of the
    body stays at one height, and whether what touches that floor stands still.

    Args:
        positions: (T, J, 3) any unit, NaN = missing.
        rest: (J, 3) world positions of the rest pose, or None.
        rig: which joint is which part.
    """
    primary = rig.primary()
    scores = dict(_PRIOR)
    for axis in _AXES:
        scores.setdefault(axis, 0.0)
    if rest is not None:
        stands = _standing_direction(np.asarray(rest, dtype=np.float64), primary)
        if stands is not None:
            for axis, up in _AXES.items():
                scores[axis] += _REST_WEIGHT * max(0.0, float(stands @ np.array(up)))
    positions = np.asarray(positions)
    if len(positions) > 200:
        positions = positions[np.linspace(0, len(positions) - 1, 200).astype(np.int64)]
    frames = np.asarray(positions, dtype=np.float64)
    if len(frames) and rig.drawn.any():
        for axis, share in _motion_evidence(frames, rig, primary).items():
            scores[axis] += share
    return max(_AXES, key=lambda axis: scores[axis])


def _without_gaps(frames: np.ndarray, rig: RigMap) -> tuple[np.ndarray, np.ndarray]:
    """Frames, and their drawn joints, in which every joint that is known often enough is known."""
    known = np.isfinite(frames).all(-1)
    usual = rig.drawn & (known.mean(0) > 0.5 * known.any(1).mean())
    full = known[:, usual].all(1) & usual.any()
    return frames[full], frames[full][:, usual]


def _motion_evidence(frames: np.ndarray, rig: RigMap, primary: dict[BodyPart, int]) -> dict[str, float]:
    """How much the clip itself speaks for each axis."""
    scores = dict.fromkeys(_AXES, 0.0)
    frames, body = _without_gaps(frames, rig)
    if not len(frames):
        return scores
    size = float(np.median(np.linalg.norm(body.max(1) - body.min(1), axis=-1)))
    if size <= 0:
        return scores
    top, bottom = _top(frames, primary), _bottom(frames, primary)
    if top is not None and bottom is not None:
        for axis, up in _AXES.items():
            scores[axis] += float(np.mean(_unit(top - bottom) @ np.array(up, dtype=np.float64)))
    ends = [
        frames[:, primary[part]]
        for part in (BodyPart.LEFT_FOOT, BodyPart.RIGHT_FOOT, BodyPart.LEFT_HAND, BodyPart.RIGHT_HAND)
        if part in primary
    ]
    trunk = _mid(frames, primary, BodyPart.PELVIS)
    if len(ends) == 4 and trunk is not None:
        rise = (trunk - np.mean(ends, axis=0)).mean(0) / size
        for axis, up in _AXES.items():
            scores[axis] += float(rise @ np.array(up)) * 1.5
    if len(body) > 3:
        speed = np.linalg.norm(np.diff(body, axis=0), axis=-1)
        usual = float(speed.mean())
        for axis, up in _AXES.items():
            height = body @ np.array(up, dtype=np.float64)
            low, high = np.percentile(height.min(1), (10, 90))
            scores[axis] += 0.5 * (1 - min(1.0, float(high - low) / (0.3 * size)))
            if usual > 1e-4 * size:
                touching = speed[np.arange(len(speed)), height[:-1].argmin(1)]
                scores[axis] += 0.5 * (1 - min(1.0, float(np.median(touching)) / usual))
    return scores


def _median_length(positions: np.ndarray, a: int, b: int) -> float:
    step = positions[:, a] - positions[:, b]
    span = np.sqrt((step * step).sum(-1))
    span = span[np.isfinite(span)]
    return float(np.median(span)) if len(span) else float("nan")


def body_height(positions: np.ndarray, rig: RigMap) -> float:
    """Standing height of a body, whatever its pose, in the unit of the positions.

    Lengths of thigh and shin and the distance from hips to shoulders are compared with the shares of the standing
    height that the table of Winter gives, as far as they are known. Without any of them the arms are used; of a rig
    without arms its extent.

    Args:
        positions: (T, J, 3), NaN = missing.
        rig: which joint is which part.

    Returns:
        The height; 0.0 where no joint is ever known.
    """
    positions = np.asarray(positions)
    if len(positions) > 100:
        positions = positions[np.linspace(0, len(positions) - 1, 100).astype(np.int64)]
    positions = np.asarray(positions, dtype=np.float64)
    primary = rig.primary()

    def segment(start: BodyPart, end: BodyPart) -> float:
        """Length of a bone of the left side, of its mirror image, or the mean of both; 0.0 where neither is known."""
        sides = ((start, end), (start.mirrored, end.mirrored))
        found = [_median_length(positions, primary[a], primary[b]) for a, b in sides if a in primary and b in primary]
        known = [length for length in found if np.isfinite(length) and length > 0]
        return float(np.mean(known)) if known else 0.0

    def limb(
        upper: tuple[BodyPart, BodyPart, float], lower: tuple[BodyPart, BodyPart, float]
    ) -> list[tuple[float, float]]:
        """(length, share of the standing height) of its two halves, as far as they are known."""
        known = [(segment(start, end), share) for start, end, share in (upper, lower)]
        known = [one for one in known if one[0]]
        # Half a limb of a spider says nothing about its size.
        return known if rig.human or len(known) == 2 else []

    leg = limb(
        (BodyPart.LEFT_THIGH, BodyPart.LEFT_SHIN, _THIGH_SHARE), (BodyPart.LEFT_SHIN, BodyPart.LEFT_FOOT, _SHIN_SHARE)
    )
    arm = limb(
        (BodyPart.LEFT_UPPER_ARM, BodyPart.LEFT_FOREARM, _UPPER_ARM_SHARE),
        (BodyPart.LEFT_FOREARM, BodyPart.LEFT_HAND, _FOREARM_SHARE),
    )
    trunk = _trunk_length(positions, primary)
    segments = [*leg, (trunk, _TRUNK_SHARE)] if trunk else leg or arm
    if not segments:
        return _extent(positions, rig)
    return sum(length for length, _ in segments) / sum(share for _, share in segments)


def _trunk_length(positions: np.ndarray, primary: dict[BodyPart, int]) -> float:
    """From the middle of the hips to the middle of the shoulders, as in an upright body."""
    hips = _mid(positions, primary, BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH)
    shoulders = _mid(positions, primary, BodyPart.LEFT_UPPER_ARM, BodyPart.RIGHT_UPPER_ARM)
    if hips is None or shoulders is None:
        return 0.0
    span = np.sqrt(((shoulders - hips) ** 2).sum(-1))
    span = span[np.isfinite(span)]
    # A bent spine brings hips and shoulders closer; the upper quartile is the straightened body.
    return float(np.percentile(span, 75)) if len(span) else 0.0


def _extent(positions: np.ndarray, rig: RigMap) -> float:
    """The longest side of the box around the drawn joints, median over the frames."""
    body = positions[:, rig.drawn] if rig.drawn.any() else positions
    body = np.where(np.abs(body) < 1e12, body, np.nan)
    body = body[np.isfinite(body).all(-1).any(-1)]
    if not len(body):
        return 0.0
    return float(np.median((np.nanmax(body, axis=1) - np.nanmin(body, axis=1)).max(-1)))


def infer_unit(height: float) -> tuple[str, float]:
    """The unit in which a body of this height was measured.

    Args:
        height: standing height in the unknown unit.

    Returns:
        Name and metres per unit: that which makes the body nearest to 1.7 m among those that make it 1.0 to 2.4 m tall,
        the common ones first; ("unknown", 1.7 / height) where none does.
    """
    if not (np.isfinite(height) and height > 0):
        return "unknown", 1.0
    fitting = [
        (abs(np.log(height * size / STANDING_HEIGHT)) + (0.0 if name in _COMMON else 0.25), name, size)
        for name, size in UNITS
        if _SHORTEST <= height * size <= _TALLEST
    ]
    if not fitting:
        return "unknown", STANDING_HEIGHT / float(height)
    _, name, size = min(fitting)
    return name, size


def reoriented(person: Person, turn: np.ndarray, scale: float) -> Person:
    """The same motion in a turned and scaled world: every joint position p becomes scale · turn(p).

    Rest pose, tips, rotations and translations change together, so that the rest pose stays a pose of the same body.

    Args:
        person: Motion or Keypoints.
        turn: (4,) unit quaternion (w, x, y, z).
        scale: factor on all lengths.
    """
    turn = rotation.normalize(np.asarray(turn, dtype=np.float64))
    same = bool(np.abs(turn[1:]).max() < 1e-15)

    def moved(vectors: np.ndarray) -> np.ndarray:
        return vectors * scale if same else rotation.rotate(turn, vectors) * scale

    if isinstance(person, Keypoints):
        return Keypoints(person.topology, moved(person.positions), person.fps, person.name)
    skeleton = Skeleton(
        person.skeleton.topology,
        moved(person.skeleton.rest_offsets),
        person.skeleton.tip_joints,
        moved(person.skeleton.tip_offsets) if person.skeleton.tip_offsets is not None else None,
    )
    rotations = person.rotations
    if not same:
        # The axis of each rotation turns with the world, the angle stays.
        rotations = rotations.copy()
        rotations[..., 1:] = rotations[..., 1:] @ rotation.to_matrix(turn).T
    return Motion(
        skeleton,
        rotations,
        moved(person.root_translation),
        person.fps,
        person.name,
        None if person.local_translations is None else moved(person.local_translations),
    )
