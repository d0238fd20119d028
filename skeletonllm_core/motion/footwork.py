"""What the feet do: steps, flights off the ground, gait, kicks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.tracks import RATE, Tracks, runs, smoothed, speed, turning_points

SIDES = ("left", "right")
GRAVITY = 9.81

STRIDE = 0.25
"""What changes more slowly than this (Gaussian) is not part of a stride [s]."""


@dataclass(frozen=True)
class Jump:
    """Both feet off the ground with the hips raised: start and end [s], greatest distance of the lowest part
    of the body from the ground [m]."""

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
        swinging: share of the time in which both feet move at once, in [0, 1]: small in a walk, large in a run.
        striding: the feet pass each other to the front and back by turns.
        bounce: whether the hips are high when the feet are far apart (1), as in a run, or when they pass each other (-1),
            as in a walk, whose standing leg is stretched; None where that cannot be told.
        on_the_spot: the steps go up and down by turns and lead nowhere.
    """

    plants: tuple[Plant, ...] | None = None
    jumps: tuple[Jump, ...] | None = None
    flight: float | None = None
    cadence: float | None = None
    swinging: float | None = None
    striding: bool = False
    bounce: float | None = None
    on_the_spot: bool = False


def _jumps(body: Tracks, left: np.ndarray, right: np.ndarray) -> tuple[tuple[Jump, ...], np.ndarray]:
    """Jumps, and (n,) whether both feet are in the air; `left` and `right` are the feet's clearances (n,) [m].

    In a jump the hips rise well over a stretched leg, or the feet are equally high; in the flights of a run one foot
    trails high.
    """
    height = body.height
    lower = np.minimum(left, right)
    toes = BodyPart.LEFT_TOES in body.at and BodyPart.RIGHT_TOES in body.at
    off = lower > (0.02 if toes else 0.045) * height
    ground = body.ankle_floor or 0.0
    rest = [part for part in body.at if not part.value.endswith(("foot", "toes"))]
    others = np.min([body.at[part][:, 1] for part in rest], axis=0) - ground
    off &= others > 0.12 * height
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
        apart = (body.at[BodyPart.LEFT_FOOT] - body.at[BodyPart.RIGHT_FOOT])[start:end]
        spread = float(np.hypot(apart[:, 0], apart[:, 2]).mean())
        together = float(np.abs(apart[:, 1]).mean()) < 0.07 * height and spread < 0.28 * height
        raised = rise > 0.055 * height or clear > 0.15 * height
        least = (0.05 if toes or together else 0.07) * height
        if (end - start) / RATE >= 0.12 and clear > least and (together or raised):
            # A somersault lifts the feet higher than the body: what counts is the lowest part of all.
            found.append(Jump(start / RATE, end / RATE, float(np.minimum(lower, others)[start:end].max())))
    return tuple(found), flying


def _moving(body: Tracks, side: str) -> np.ndarray:
    """(n,) whether the foot of a side swings rather than stands."""
    pace = speed(smoothed(body.at[BodyPart(f"{side}_foot")], 0.03 * RATE))
    return pace > max(0.25 * body.height, 0.2 * float(np.percentile(pace, 90)))


def _share(jump: Jump, start_s: float, end_s: float) -> float:
    """How much of a jump and the time between two moments [s] is common, as a share of the shorter one."""
    common = min(end_s, jump.end_s) - max(start_s, jump.start_s)
    return common / min(jump.end_s - jump.start_s, end_s - start_s)


def _plants(body: Tracks, side: str, moving: np.ndarray, jumps: tuple[Jump, ...]) -> list[Plant]:
    foot = body.at[BodyPart(f"{side}_foot")]
    clear = foot[:, 1] - (body.ankle_floor or 0.0)
    plants = []
    for start, end in runs(moving, least=3, bridge=1):
        if end >= len(foot):
            continue
        if any(_share(jump, start / RATE, end / RATE) > 0.4 for jump in jumps):
            continue
        last = max(start - 1, 0)
        distance = float(np.hypot(*(foot[end, ::2] - foot[last, ::2])))
        reach = float(np.hypot(*(foot[start:end, ::2] - foot[last, ::2]).T).max())
        lift = float(clear[start:end].max())
        down = clear[end] < 0.1 * body.height
        tread = 0.03 * body.height < lift < 0.4 * body.height and reach < 0.2 * body.height
        if down and (distance > 0.08 * body.height or tread):
            plants.append(Plant(side, end / RATE, distance))
    return plants


def _treads(body: Tracks) -> list[Plant]:
    """Steps on the spot: left and right foot go up by turns; each is put down half-way to the other's highest place."""
    left, right = body.at[BodyPart.LEFT_FOOT][:, 1], body.at[BodyPart.RIGHT_FOOT][:, 1]
    higher = left - right
    points = turning_points(higher, 0.05 * body.height)
    middle = float(np.median(higher))
    plants = []
    for point, following in pairwise(points):
        if abs(higher[point] - middle) > 0.02 * body.height:
            plants.append(Plant("left" if higher[point] > middle else "right", (point + following) / 2 / RATE, 0.0))
    return plants


def _cadence(plants: list[Plant]) -> float | None:
    """Steps a minute, None with fewer than three steps."""
    if len(plants) < 3 or plants[-1].at_s <= plants[0].at_s:
        return None
    return 60.0 * (len(plants) - 1) / (plants[-1].at_s - plants[0].at_s)


def _bounce(body: Tracks, ahead: np.ndarray) -> float | None:
    """Correlation of the height of the hips with how far the feet are apart to the front and back, both without what is
    slower than a stride.

    It tells the bouncing gaits from the vaulting one also where a run never leaves the ground (Cavagna, Heglund and Taylor
    1977, "Mechanical work in terrestrial locomotion").

    Args:
        ahead: (n,) how far the left foot is before the right one [m].
    """
    if body.hips is None:
        return None
    apart, high = (values - smoothed(values, STRIDE * RATE) for values in (np.abs(ahead), body.hips[:, 1]))
    spread = float(np.sqrt((apart**2).mean() * (high**2).mean()))
    return float((apart * high).mean()) / spread if spread > 1e-6 * body.height**2 else None


def footwork(body: Tracks) -> Footwork:
    """Steps and flights of both feet; all None without both feet or from a single frame."""
    clear = {side: body.clearance(side) for side in SIDES}
    left, right = clear["left"], clear["right"]
    if left is None or right is None or len(body) < 2:
        return Footwork()
    jumps, flying = _jumps(body, left, right)
    on_the_spot = False
    moving = {side: _moving(body, side) for side in SIDES}
    plants = [plant for side in SIDES for plant in _plants(body, side, moving[side], jumps)]
    plants.sort(key=lambda one: one.at_s)
    if not jumps and body.hips is not None and np.ptp(body.hips[:, ::2], axis=0).max() < 0.3 * body.height:
        treads = _treads(body)
        on_the_spot = len(treads) >= 4 and (_cadence(treads) or 0.0) > 90
        plants = treads if on_the_spot else plants
    striding, bounce = False, None
    if body.axes is not None:
        ahead = ((body.at[BodyPart.LEFT_FOOT] - body.at[BodyPart.RIGHT_FOOT]) * body.axes[1]).sum(1)
        striding = len(turning_points(ahead, 0.2 * body.height)) >= 2 and ahead.min() < 0 < ahead.max()
        bounce = _bounce(body, ahead)
    swinging = float((moving["left"] & moving["right"]).mean())
    flight = float(flying.mean())
    return Footwork(tuple(plants), jumps, flight, _cadence(plants), swinging, striding, bounce, on_the_spot)


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
    levels = {"knee": 0.55 * body.leg + 0.1 * body.height, "hip": 1.12 * body.leg, "chest": 0.75 * body.height}
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
        name = next((name for name, most in levels.items() if height < most), "head")
        found.append(Kick(far / RATE, direction, height, name))
    return tuple(found)
