"""What the feet do: steps, flights off the ground, gait, kicks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.tracks import RATE, Tracks, runs, smoothed, speed, turning_points

SIDES = ("left", "right")
GRAVITY = 9.81


@dataclass(frozen=True)
class Jump:
    """Both feet off the ground with the hips raised: start and end [s], greatest distance of the lower foot from the ground [m]."""

    start_s: float
    end_s: float
    height: float


@dataclass(frozen=True)
class Kick:
    """A fast swing of a stretched leg off the ground.

    Attributes:
        at_s: moment of the farthest reach [s].
        direction: "forward", "backward" or "sideways", as seen from the hips.
        height: of the ankle above the ground at its highest [m].
        level: "knee", "hip", "chest" or "head" height of the standing body.
    """

    at_s: float
    direction: str
    height: float
    level: str


@dataclass(frozen=True)
class Plant:
    """A foot put down after a swing: side, moment [s], how far the swing carried it over the ground [m]."""

    side: str
    at_s: float
    distance: float


@dataclass(frozen=True)
class Footwork:
    """What both feet do together.

    Attributes:
        plants: in order of time; None without both feet.
        jumps: in order of time; None without both feet.
        flight: share of the time with both feet off the ground, in [0, 1]; None without both feet.
        cadence: steps a minute, None with fewer than three steps.
    """

    plants: tuple[Plant, ...] | None = None
    jumps: tuple[Jump, ...] | None = None
    flight: float | None = None
    cadence: float | None = None


def _jumps(body: Tracks, lower: np.ndarray) -> tuple[tuple[Jump, ...], np.ndarray]:
    """Jumps, and (n,) whether both feet are in the air; `lower` is the clearance (n,) [m] of the lower foot."""
    height = body.height
    toes = BodyPart.LEFT_TOES in body.at and BodyPart.RIGHT_TOES in body.at
    off = lower > (0.02 if toes else 0.045) * height
    ground = body.ankle_floor or 0.0
    for part in (BodyPart.PELVIS, BodyPart.HEAD, BodyPart.LEFT_HAND, BodyPart.RIGHT_HAND, BodyPart.NECK):
        if part in body.at:
            off &= body.at[part][:, 1] - ground > 0.12 * height
    hips = body.hips
    if hips is None or body.leg is None:
        return (), off
    found = []
    flying = np.zeros_like(off)
    for start, end in runs(off, least=2):
        if end - start > 1.5 * RATE:
            continue
        rise = float(hips[start:end, 1].max()) - ground - body.leg
        level = hips[max(start - 2, 0) : end + 2, 1]
        falls = np.diff(level, 2).mean() * RATE**2 if len(level) > 2 else 0.0
        if falls > -0.25 * GRAVITY:
            continue
        flying[start:end] = True
        clear = float(lower[start:end].max())
        long_enough = (end - start) / RATE >= 0.13
        if long_enough and clear > (0.05 if toes else 0.07) * height and (rise > 0.055 * height or clear > 0.15 * height):
            found.append(Jump(start / RATE, end / RATE, clear))
    return tuple(found), flying


def _plants(body: Tracks, side: str, jumps: tuple[Jump, ...]) -> list[Plant]:
    foot = body.at[BodyPart(f"{side}_foot")]
    clear = foot[:, 1] - (body.ankle_floor or 0.0)
    pace = speed(smoothed(foot, 0.03 * RATE))
    moving = pace > max(0.25 * body.height, 0.2 * float(np.percentile(pace, 90)))
    plants = []
    for start, end in runs(moving, least=3, bridge=1):
        if end >= len(foot):
            continue
        if any(min(end / RATE, jump.end_s) - max(start / RATE, jump.start_s) > 0.4 * (jump.end_s - jump.start_s) for jump in jumps):
            continue
        last = max(start - 1, 0)
        distance = float(np.hypot(*(foot[end, ::2] - foot[last, ::2])))
        reach = float(np.hypot(*(foot[start:end, ::2] - foot[last, ::2]).T).max())
        lift = float(clear[start:end].max())
        down = clear[end] < 0.1 * body.height
        if down and (distance > 0.08 * body.height or (0.03 * body.height < lift < 0.4 * body.height and reach < 0.2 * body.height)):
            plants.append(Plant(side, end / RATE, distance))
    return plants


def _treads(body: Tracks) -> list[Plant]:
    """Steps on the spot: left and right foot go up by turns; each is put down half-way to the other's highest place."""
    left, right = body.at[BodyPart.LEFT_FOOT][:, 1], body.at[BodyPart.RIGHT_FOOT][:, 1]
    higher = left - right
    points = turning_points(higher, 0.04 * body.height)
    middle = float(np.median(higher))
    plants = []
    for point, following in zip(points, points[1:], strict=False):
        if abs(higher[point] - middle) > 0.02 * body.height:
            plants.append(Plant("left" if higher[point] > middle else "right", (point + following) / 2 / RATE, 0.0))
    return plants


def footwork(body: Tracks) -> Footwork:
    """Steps and flights of both feet; all None without both feet or from a single frame."""
    clear = {side: body.clearance(side) for side in SIDES}
    left, right = clear["left"], clear["right"]
    if left is None or right is None or len(body) < 2:
        return Footwork()
    jumps, flying = _jumps(body, np.minimum(left, right))
    plants = sorted((plant for side in SIDES for plant in _plants(body, side, jumps)), key=lambda one: one.at_s)
    if not jumps and body.hips is not None and np.ptp(body.hips[:, ::2], axis=0).max() < 0.3 * body.height:
        treads = _treads(body)
        plants = treads if len(treads) >= 4 else plants
    cadence = None
    if len(plants) >= 3 and plants[-1].at_s > plants[0].at_s:
        cadence = 60.0 * (len(plants) - 1) / (plants[-1].at_s - plants[0].at_s)
    return Footwork(tuple(plants), jumps, float(flying.mean()), cadence)


def kicks(body: Tracks, side: str) -> tuple[Kick, ...] | None:
    """Kicks of the foot of a side; None where the legs or the heading are not known."""
    foot, hip = body.at.get(BodyPart(f"{side}_foot")), body.at.get(BodyPart(f"{side}_thigh"))
    if foot is None or hip is None or body.leg is None or body.yaw is None or body.ankle_floor is None:
        return None
    reach = body.seen(foot - hip)
    clear = foot[:, 1] - body.ankle_floor
    level = np.hypot(reach[:, 0], reach[:, 2])
    stretched = np.sqrt((reach**2).sum(1)) > 0.72 * body.leg
    out = stretched & (clear > 0.16 * body.height) & (level > 0.42 * body.leg)
    if body.upright is not None:
        out &= body.upright > 0.3
    pace = speed(reach)
    going = speed(smoothed(hip[:, ::2], 0.1 * RATE))
    knee = body.leg * 0.55
    found = []
    for start, end in runs(out, least=2, bridge=4):
        near = slice(max(start - round(0.35 * RATE), 0), end)
        if float(pace[near].max()) < 1.2 * body.height or end - start > 1.2 * RATE:
            continue
        top = start + int(clear[start:end].argmax())
        far = start + int(level[start:end].argmax())
        aside, ahead = float(reach[far, 0]), float(reach[far, 2])
        direction = "sideways" if abs(aside) > abs(ahead) else "forward" if ahead > 0 else "backward"
        if direction == "backward" and float(going[start:end].mean()) > 0.4 * body.height:
            continue  # the trailing leg of a run
        height = float(clear[top])
        name = "knee" if height < knee + 0.1 * body.height else "hip" if height < body.leg * 1.12 else "chest" if height < 0.75 * body.height else "head"
        found.append(Kick(far / RATE, direction, height, name))
    return tuple(found)
