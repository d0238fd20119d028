"""Trajectories of body parts fit to be measured: gaps bridged, noise smoothed, one time step, the body's directions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Person
from skeletonllm_core.motion.skeleton import BodyPart

if TYPE_CHECKING:
    from skeletonllm_core.motion.rig import RigMap

RATE = 30.0
"""Time steps a second of every measurement, whatever the clip's own rate: the same thresholds hold for all clips."""

SMOOTHING_S = 0.04
"""Standard deviation of the Gaussian against jitter: a wave of 3 Hz keeps three quarters of its amplitude."""

MAX_GAP_S = 0.5
"""A body part that is missing for longer than this at a stretch is not measured at all."""

MOST_GONE = 2 / 3
"""Nor is one that is missing in a larger share of the frames."""

FAR_M = 1e5
"""A coordinate beyond this is a broken value, no place."""

MEASURED = (
    BodyPart.PELVIS,
    BodyPart.CHEST,
    BodyPart.NECK,
    BodyPart.HEAD,
    BodyPart.LEFT_UPPER_ARM,
    BodyPart.LEFT_FOREARM,
    BodyPart.LEFT_HAND,
    BodyPart.RIGHT_UPPER_ARM,
    BodyPart.RIGHT_FOREARM,
    BodyPart.RIGHT_HAND,
    BodyPart.LEFT_THIGH,
    BodyPart.LEFT_SHIN,
    BodyPart.LEFT_FOOT,
    BodyPart.LEFT_TOES,
    BodyPart.RIGHT_THIGH,
    BodyPart.RIGHT_SHIN,
    BodyPart.RIGHT_FOOT,
    BodyPart.RIGHT_TOES,
)


def smoothed(values: np.ndarray, sigma: float) -> np.ndarray:
    """(n, ...) values smoothed along the first axis by a Gaussian of `sigma` samples; the ends are held."""
    if sigma < 0.3 or len(values) < 2:
        return values
    reach = min(int(np.ceil(3 * sigma)), len(values) - 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.concatenate([np.repeat(values[:1], reach, 0), values, np.repeat(values[-1:], reach, 0)])
    result = weights[reach] * values
    count = len(values)
    for tap in range(reach):
        result += weights[tap] * (padded[tap : tap + count] + padded[2 * reach - tap : 2 * reach - tap + count])
    return result


def runs(mask: np.ndarray, *, least: int = 1, bridge: int = 0) -> list[tuple[int, int]]:
    """Stretches of True in a (n,) mask as [start, end), those shorter than `least` left out.

    Gaps of at most `bridge` samples between two stretches are bridged first.
    """
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).tolist()
    found: list[tuple[int, int]] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if found and start - found[-1][1] <= bridge:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return [(start, end) for start, end in found if end - start >= least]


def turning_points(signal: np.ndarray, amplitude: float) -> list[int]:
    """Samples at which a (n,) signal changes direction, counting only swings of at least `amplitude`.

    The first sample of the first swing and the last sample of the last one are among them.
    """
    values = signal.tolist()
    points: list[int] = []
    low = high = 0
    heading = 0
    for place, value in enumerate(values):
        if heading >= 0 and value > values[high]:
            high = place
        if heading <= 0 and value < values[low]:
            low = place
        if heading >= 0 and values[high] - value >= amplitude and (heading > 0 or high < place):
            points.append(high)
            heading, low = -1, place
        elif heading <= 0 and value - values[low] >= amplitude:
            points.append(low)
            heading, high = 1, place
    if heading:
        points.append(high if heading > 0 else low)
    return points


@dataclass(frozen=True, eq=False)
class Tracks:
    """Trajectories of the body parts of one person at `RATE` time steps a second.

    Attributes:
        seconds: length of the measured stretch [s].
        height: standing height of the body [m].
        at: (n, 3) [m] for every part that is known throughout; Y up.
    """

    seconds: float
    height: float
    at: dict[BodyPart, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.at.values()))) if self.at else 0

    def middle(self, *parts: BodyPart) -> np.ndarray | None:
        """(n, 3) mean of the parts, None unless all are known."""
        found = [self.at[part] for part in parts if part in self.at]
        return sum(found[1:], found[0]) / len(found) if len(found) == len(parts) else None

    @cached_property
    def hips(self) -> np.ndarray | None:
        """(n, 3) middle of the hip joints, else the pelvis."""
        middle = self.middle(BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH)
        return middle if middle is not None else self.at.get(BodyPart.PELVIS)

    @cached_property
    def shoulders(self) -> np.ndarray | None:
        """(n, 3) middle of the shoulder joints, else the neck, else the chest."""
        middle = self.middle(BodyPart.LEFT_UPPER_ARM, BodyPart.RIGHT_UPPER_ARM)
        if middle is not None:
            return middle
        return self.at.get(BodyPart.NECK, self.at.get(BodyPart.CHEST))

    @cached_property
    def trunk(self) -> np.ndarray | None:
        """(n, 3) unit direction from the hips to the shoulders."""
        if self.hips is None or self.shoulders is None:
            return None
        trunk = self.shoulders - self.hips
        length = np.sqrt((trunk * trunk).sum(1))
        return None if length.min() < 0.05 * self.height else trunk / length[:, None]

    @cached_property
    def upright(self) -> np.ndarray | None:
        """(n,) cosine of the angle between the trunk and the vertical."""
        return None if self.trunk is None else self.trunk[:, 1]

    @cached_property
    def yaw(self) -> np.ndarray | None:
        """(n,) heading of the body's front [rad], 0 at +Z, growing towards +X (a turn to the left), without jumps.

        From the lines through both hips and both shoulders; where they say nothing (trunk level or upside down) the
        heading is interpolated. None where less than a third of the time says something.
        """
        across = np.zeros((len(self), 3))
        found = False
        for left, right in (
            (BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH),
            (BodyPart.LEFT_UPPER_ARM, BodyPart.RIGHT_UPPER_ARM),
        ):
            if left in self.at and right in self.at:
                line = self.at[left] - self.at[right]
                across += line / np.maximum(np.sqrt((line * line).sum(1)), 1e-9)[:, None]
                found = True
        if not found:
            return None
        level = np.hypot(across[:, 0], across[:, 2])
        good = level > 0.35
        if self.upright is not None:
            good &= self.upright > 0.3
        if good.sum() * 3 < len(good):
            return None
        across = smoothed(across[:, ::2] / np.maximum(level, 1e-9)[:, None] * good[:, None], 0.1 * RATE)
        known = np.flatnonzero(good)
        yaw = np.unwrap(np.arctan2(-across[known, 1], across[known, 0]))
        return yaw if len(known) == len(good) else np.interp(np.arange(len(good)), known, yaw)

    @cached_property
    def axes(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(n, 3) unit directions to the person's left and to the front, level with the ground.

        The front is where left and up put it, unless the toes point the other way: then the clip is a mirror image
        (or its sides have wrong names), and forward still is where the toes point.
        """
        if self.yaw is None:
            return None
        sine, cosine, zero = np.sin(self.yaw), np.cos(self.yaw), np.zeros(len(self))
        front = np.stack([sine, zero, cosine], 1)
        ahead = []
        for side in ("left", "right"):
            toes, ankle = self.at.get(BodyPart(f"{side}_toes")), self.at.get(BodyPart(f"{side}_foot"))
            if toes is not None and ankle is not None:
                ahead.append(float(((toes - ankle) * front).sum(1).mean()))
        mirrored = bool(ahead) and max(ahead) < -0.015 * self.height
        return np.stack([cosine, zero, -sine], 1), -front if mirrored else front

    @cached_property
    def turned(self) -> np.ndarray | None:
        """(n,) how far the body has turned to its own left since the first moment [degrees]."""
        if self.yaw is None or self.axes is None:
            return None
        left, front = self.axes
        sense = left[0, 2] * front[0, 0] - left[0, 0] * front[0, 2]
        return np.degrees(self.yaw - self.yaw[0]) * -np.sign(sense)

    def seen(self, vectors: np.ndarray) -> np.ndarray:
        """(n, 3) world vectors as the person has them: left, up, front; in the world's axes without a heading."""
        if self.axes is None:
            return vectors
        left, front = self.axes
        return np.stack([(vectors * left).sum(1), vectors[:, 1], (vectors * front).sum(1)], 1)

    @cached_property
    def leg(self) -> float | None:
        """Length of a leg from hip joint to ankle [m]."""
        lengths = []
        for side in ("left", "right"):
            parts = [BodyPart(f"{side}_{name}") for name in ("thigh", "shin", "foot")]
            if all(part in self.at for part in parts):
                hip, knee, ankle = (self.at[part] for part in parts)
                lengths.append(np.median(_length(knee - hip) + _length(ankle - knee)))
        return float(np.mean(lengths)) if lengths else None

    @cached_property
    def ankle_floor(self) -> float | None:
        """Height of an ankle that stands on the ground [m]."""
        feet = [self.at[part] for part in (BodyPart.LEFT_FOOT, BodyPart.RIGHT_FOOT) if part in self.at]
        return min(float(np.percentile(foot[:, 1], 5)) for foot in feet) if feet else None

    def clearance(self, side: str) -> np.ndarray | None:
        """(n,) how far the foot of a side is off the ground [m]: ankle or, where known, toes, whichever is closer."""
        foot, toes = self.at.get(BodyPart(f"{side}_foot")), self.at.get(BodyPart(f"{side}_toes"))
        if foot is None or self.ankle_floor is None:
            return None
        clear = foot[:, 1] - self.ankle_floor
        if toes is None:
            return clear
        both = [self.at[part][:, 1] for part in (BodyPart.LEFT_TOES, BodyPart.RIGHT_TOES) if part in self.at]
        return np.minimum(clear, toes[:, 1] - min(float(np.percentile(one, 5)) for one in both))


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt((vectors * vectors).sum(-1))


def speed(points: np.ndarray) -> np.ndarray:
    """(n,) speed [m/s] of (n, d) points at `RATE`; zero for a single point."""
    if len(points) < 2:
        return np.zeros(len(points))
    step = np.empty_like(points)
    step[1:-1] = (points[2:] - points[:-2]) / 2
    step[0], step[-1] = points[1] - points[0], points[-1] - points[-2]
    return _length(step) * RATE


def path(points: np.ndarray) -> float:
    """Length [m] of the line through (n, d) points."""
    return float(_length(np.diff(points, axis=0)).sum())


def across_gaps(path: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n, 3) positions of a joint with straight lines across its gaps, the first and the last known place held at the ends.

    Args:
        path: (n, 3).
        known: (n,) bool, some of them True.
    """
    frames = np.arange(len(path))
    return np.stack([np.interp(frames, frames[known], path[known, axis]) for axis in range(3)], -1)


def _bridged(positions: np.ndarray, missing: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions with short gaps filled linearly, and (P,) which parts are then known."""
    known = np.ones(positions.shape[1], dtype=bool)
    longest_gap = max(1, round(MAX_GAP_S * fps)) if len(positions) > 1 else 0
    for part in np.flatnonzero(missing.any(axis=0)):
        gone = missing[:, part]
        longest = max(end - start for start, end in runs(gone))
        if longest > longest_gap or gone.mean() > MOST_GONE:
            known[part] = False
            continue
        positions[gone, part] = across_gaps(positions[:, part], ~gone)[gone]
    return positions, known


def tracks(person: Person, rig: RigMap, height: float, start: float = 0.0, end: float | None = None) -> Tracks:
    """Trajectories of the body parts between two times.

    Args:
        person: the clip [m], Y up; NaN = missing.
        rig: which joint is which part.
        height: standing height [m].
        start: first moment [s].
        end: last moment [s], not included; None = the end of the clip.

    Raises:
        SkeletonLLMError: no frame lies between start and end.
    """
    first = max(0, int(np.ceil(start * person.fps - 1e-6)))
    last = len(person) if end is None else min(len(person), int(np.ceil(end * person.fps - 1e-6)))
    if first >= last:
        until = person.seconds if end is None else end
        raise SkeletonLLMError(f"no frame of this clip of {person.seconds:.3f} s lies from {start:g} s to {until:g} s")
    primary = rig.primary()
    parts = [part for part in MEASURED if part in primary]
    world = person.joint_positions()[first:last]
    positions = np.array(world[:, [primary[part] for part in parts]], dtype=np.float64)
    if not {BodyPart.PELVIS, BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH} & {*parts} and rig.drawn.any():
        # A body without hips (a snake, a robot arm) is where all its joints are on average.
        parts.append(BodyPart.PELVIS)
        positions = np.concatenate([positions, world[:, rig.drawn].mean(1, keepdims=True)], axis=1)
    frames = last - first
    seconds = frames / person.fps
    if not parts:
        return Tracks(seconds, height, {})
    with np.errstate(invalid="ignore"):
        missing = np.logical_not((np.abs(positions) < FAR_M).all(axis=2))
    known = np.ones(len(parts), dtype=bool)
    if missing.any():
        positions, known = _bridged(positions, missing, person.fps)
        positions = np.where(known[:, None], positions, 0.0)
    positions = smoothed(positions, SMOOTHING_S * person.fps)
    if abs(person.fps - RATE) > 1e-6:
        place = np.arange(int((frames - 1) / person.fps * RATE + 1e-6) + 1) * (person.fps / RATE)
        before = np.minimum(place.astype(np.int64), max(frames - 2, 0))
        share = (place - before)[:, None, None]
        positions = positions[before] * (1 - share) + positions[np.minimum(before + 1, frames - 1)] * share
    return Tracks(
        seconds,
        height,
        {part: np.ascontiguousarray(positions[:, column]) for column, part in enumerate(parts) if known[column]},
    )
