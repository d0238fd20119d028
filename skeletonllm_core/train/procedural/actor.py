"""Who acts, and how: a body with a style, and the movements that actions share (idling, stepping, walking)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm_core.train.procedural.body import Body, random_body
from skeletonllm_core.train.procedural.curves import smoothstep, wander
from skeletonllm_core.train.procedural.take import SIDES, Step, Take

SIGN = {"l": 1.0, "r": -1.0}
OTHER = {"l": "r", "r": "l"}

# tempo, size of movements, trunk lean [degrees], elbow bend [degrees], restlessness
_MOODS = {
    "normal": (1.0, 1.0, 0.0, 16.0, 1.0),
    "energetic": (1.25, 1.12, -1.0, 22.0, 1.4),
    "tired": (0.78, 0.86, 10.0, 12.0, 0.8),
    "proud": (0.95, 1.08, -3.0, 16.0, 0.8),
    "small": (1.05, 0.78, 2.0, 20.0, 0.8),
    "old": (0.75, 0.82, 15.0, 28.0, 1.3),
    "relaxed": (0.9, 0.95, 3.0, 10.0, 1.2),
}
_MOOD_SHARES = (0.34, 0.17, 0.12, 0.1, 0.1, 0.07, 0.1)


@dataclass(frozen=True, eq=False)
class Actor:
    """A body, a style and the random numbers of one take.

    Attributes:
        tempo: speed of movements, 1 = average. size: extent of movements, 1 = average.
        stoop: forward lean of the trunk [degrees]. elbow: bend of a hanging arm [degrees].
        unrest: strength of idle noise, 1 = average.
    """

    body: Body
    rng: np.random.Generator
    fps: float
    tempo: float
    size: float
    stoop: float
    elbow: float
    unrest: float

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def side(self) -> str:
        return "l" if self.chance(0.5) else "r"

    def reps(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def times(self, *phases: float, spread: float = 0.2) -> np.ndarray:
        """Ends of consecutive phases [s], from phases of average length [s], each varied and divided by the tempo.

        The result starts with 0, so it has one more entry than there are phases; it lasts 1–6 s.
        """
        lengths = np.array(phases) * self.rng.uniform(1 - spread, 1 + spread, len(phases)) / self.tempo
        total = lengths.sum()
        lengths *= np.clip(total, 1.0, 6.0) / total
        return np.concatenate([[0.0], np.cumsum(lengths)])

    def rest(self) -> float:
        """A pause before or after the action [s]; often none, as clips are cut."""
        return 0.06 if self.chance(0.35) else self.between(0.1, 0.6)

    def take(self, seconds: float, *, idle: float = 1.0, stance: float | None = None) -> Take:
        """A take of somebody standing; `idle` scales breathing, swaying and looking about."""
        rng, body = self.rng, self.body
        width = self.between(0.95, 1.5) if stance is None else stance
        take = Take(body, seconds, self.fps, stance=width, toe_out=(self.between(3, 14), self.between(3, 14)))
        for foot in take.feet.values():
            foot.z += self.between(-0.025, 0.025)
        t = take.t
        noise = idle * self.unrest
        names = ("spine", "bend", "twist", "nod", "tilt", "look", "pitch", "roll", "yaw")
        drift = wander(rng, t, noise * np.array([0.8, 0.7, 1.3, 2.0, 1.2, 4.0, 0.5, 0.5, 0.8]))
        for column, name in enumerate(names):
            take.add(name, drift[:, column])
        sway = wander(rng, t, noise * np.array([0.007, 0.008]), 0.1, 0.5)
        take.add("x", sway[:, 0])
        take.add("z", sway[:, 1])
        breath = np.sin(2 * np.pi * (self.between(0.2, 0.35) * t + rng.random()))
        take.add("spine", -0.7 * breath + 0.75 * self.stoop)
        take.add("pitch", 0.25 * self.stoop + self.between(-2, 2))
        take.add("nod", self.between(-4, 8) - 0.5 * self.stoop)
        take.add("y", -body.leg * self.between(0.0, 0.01))
        abd, flex, rot, pron = self.between(5, 12), self.between(-2, 9), self.between(-18, 6), self.between(10, 35)
        for side in SIDES:
            small = wander(rng, t, noise * np.array([1.2, 0.9, 1.5, 1.8]), 0.1, 1.2)
            take.add(f"{side}_flex", small[:, 0] + flex + self.between(-3, 3) + 0.5 * self.stoop)
            take.add(f"{side}_abd", small[:, 1] + abd + self.between(-2, 2))
            take.add(f"{side}_rot", small[:, 2] + rot + self.between(-4, 4))
            take.add(f"{side}_elbow", small[:, 3] + self.elbow + self.between(-5, 5))
            take.add(f"{side}_pron", pron + self.between(-8, 8))
            take.add(f"{side}_shrug", 0.8 * breath)
            take.curl[side] = self.between(8, 28)
        return take


def random_actor(rng: np.random.Generator, fps: float) -> Actor:
    """Somebody with random proportions and one of a few moods, each varied."""
    body = random_body(rng)
    tempo, size, stoop, elbow, unrest = _MOODS[str(rng.choice(list(_MOODS), p=_MOOD_SHARES))]
    vary = rng.normal(0.0, 1.0, 5)
    return Actor(
        body=body,
        rng=rng,
        fps=fps,
        tempo=tempo * float(np.exp(np.clip(0.12 * vary[0], -0.3, 0.3))),
        size=float(np.clip(size * np.exp(0.08 * vary[1]), 0.68, 1.3)),
        stoop=float(np.clip(stoop + 2.5 * vary[2], -6, 26)),
        elbow=float(np.clip(elbow + 4.0 * vary[3], 5, 45)),
        unrest=float(np.clip(unrest * np.exp(0.3 * vary[4]), 0.3, 2.2)),
    )


def stand_at(take: Take, side: str, x: float, z: float, heading: float) -> tuple[float, float, float]:
    """Where a foot stands (x, z [m], yaw [degrees]) under a body at (x, z) [m] that faces `heading` [degrees]."""
    foot = take.feet[side]
    across = SIGN[side] * take.half_stance
    angle = np.radians(heading)
    return x + across * np.cos(angle), z - across * np.sin(angle), heading + foot.yaw


@dataclass(frozen=True)
class Gait:
    """How somebody walks or runs.

    Attributes:
        speed: along the path [m/s]; negative walks backward.
        cadence: steps a second. duty: share of a stride for which a foot is on the ground.
        lift: height of the swinging ankle [m]. off, strike: heel rise and toe rise [degrees].
        bob: vertical swing of the pelvis [m]; positive: highest over the standing foot (walking), negative: lowest.
        sink: how much lower the pelvis is than in standing [m].
        arms: swing of the upper arm [degrees]. elbows: bend of the elbow [degrees]. lean: trunk [degrees].
        hips: turn of the pelvis [degrees]. width: distance of the foot's track from the path, in half hip widths.
    """

    speed: float
    cadence: float
    duty: float
    lift: float
    off: float
    strike: float
    bob: float
    sink: float
    arms: float
    elbows: float
    lean: float
    hips: float
    width: float = 0.75


def go(actor: Actor, take: Take, gait: Gait, turn: np.ndarray | None = None) -> np.ndarray:
    """Walk or run through the whole take; returns the stride phase (T,), 0 = left foot lands.

    Args:
        turn: heading (T,) [degrees, left positive] of the path, or None for straight ahead.
    """
    rng, body, t = actor.rng, actor.body, take.t
    rate, duty = gait.cadence / 2, gait.duty
    start = float(rng.random())
    margin = 2.0 / rate
    grid = np.arange(t[0] - margin, t[-1] + margin, 1 / 60)
    surge = wander(rng, grid, np.array([0.03]), 0.08, 0.3)[:, 0]
    phase_at = start + rate * np.cumsum((1 + surge) / 60)
    phase_at -= np.interp(0.0, grid, phase_at) - start
    heading_at = np.zeros(len(grid)) if turn is None else np.interp(grid, t, turn)
    heading_at = heading_at + wander(rng, grid, np.array([1.2]), 0.05, 0.25)[:, 0]
    course = np.radians(heading_at)
    pace = gait.speed * (1 + surge) / 60
    x_at, z_at = np.cumsum(pace * np.sin(course)), np.cumsum(pace * np.cos(course))
    x_at -= np.interp(0.0, grid, x_at)
    z_at -= np.interp(0.0, grid, z_at)
    phase = np.interp(t, grid, phase_at)
    take.path = np.stack([np.interp(t, grid, x_at), np.interp(t, grid, z_at)], axis=1)
    take.heading = np.interp(t, grid, heading_at)

    out = actor.between(2, 11)
    swing = 1 - duty
    limp = actor.between(-0.02, 0.02)
    for side, offset in (("l", 0.0), ("r", 0.5 + limp)):
        foot = take.feet[side]
        first = int(np.floor(phase_at[0] - offset)) + 1
        last = int(np.ceil(phase_at[-1] - offset)) - 2
        for number in range(first, last + 1):
            landing = number + offset
            land = float(np.interp(landing, phase_at, grid))
            middle = float(np.interp(landing + 0.46 * duty, phase_at, grid))
            facing = float(np.interp(middle, grid, heading_at))
            across = SIGN[side] * gait.width * body.hip_width
            x = (
                float(np.interp(middle, grid, x_at))
                + across * np.cos(np.radians(facing))
                + actor.between(-1, 1) * 0.008
            )
            z = float(np.interp(middle, grid, z_at)) - across * np.sin(np.radians(facing)) + actor.between(-1, 1) * 0.01
            yaw = facing + SIGN[side] * out
            if number == first:
                foot.x, foot.z, foot.yaw = x, z, yaw
                continue
            lift = float(np.interp(landing - swing, phase_at, grid))
            height = gait.lift * (1 + actor.between(-0.1, 0.1))
            foot.steps.append(Step(lift, land, x, z, yaw, height, gait.off, gait.strike))

    # Left heel strike at phase 0; the left foot is under the body at duty / 2, where the pelvis is highest in walking.
    turns = 2 * np.pi * phase
    under = turns - np.pi * duty
    swing_arm = np.cos(turns - 0.15)
    take.add("y", -gait.sink + gait.bob * np.cos(2 * under))
    sway = 0.016 * actor.size * np.cos(under) * (1.0 if duty > 0.5 else 0.4)
    facing_at = np.radians(take.heading)
    take.add("x", sway * np.cos(facing_at))
    take.add("z", -sway * np.sin(facing_at))
    forward = 1.0 if gait.speed >= 0 else -0.6
    take.add("yaw", -forward * gait.hips * np.cos(turns))
    take.add("twist", 1.7 * forward * gait.hips * np.cos(turns - 0.1))
    take.add("look", -0.7 * forward * gait.hips * np.cos(turns - 0.1))
    drop = 3.0 * actor.size
    take.add("roll", -drop * np.cos(under))
    take.add("bend", 1.3 * drop * np.cos(under))
    take.add("pitch", 0.35 * gait.lean + 1.0 * np.cos(2 * under + 0.6))
    take.add("spine", 0.65 * gait.lean - 1.2 * np.cos(2 * under + 0.3))
    take.add("nod", -0.6 * gait.lean + 0.6 * np.cos(2 * under + 0.3))
    for side in SIDES:
        part = -forward * SIGN[side] * swing_arm
        late = -forward * SIGN[side] * np.cos(turns - 0.55)
        amount = gait.arms * (1 + actor.between(-0.12, 0.12))
        bend = gait.elbows * (1 + actor.between(-0.08, 0.08))
        take.add(f"{side}_flex", amount * (part + 0.08) - 0.12 * bend)
        take.add(f"{side}_elbow", bend + (0.35 * amount + 0.04 * bend) * late)
        take.add(f"{side}_hor", -0.35 * np.maximum(amount * part, 0.0))
        take.add(f"{side}_rot", -0.18 * bend)
        take.add(f"{side}_abd", 0.04 * bend)
        if bend > 45:
            take.curl[side] = actor.between(35, 70)
    return phase


def pace_about(
    actor: Actor, take: Take, marks: Sequence[tuple[float, float, float, float]], first: str, height: float
) -> None:
    """Alternate steps: each mark is (landing time [s], x, z [m] of the body, heading [degrees]) for the next foot."""
    side = first
    before = {"l": -1.0, "r": -1.0}
    last = marks[0][0] - 0.5 if marks else 0.0
    for land, x, z, heading in marks:
        swing = min(land - last, 0.55)
        lift = max(land - 0.92 * swing, before[side] + 0.05, 0.02)
        foot_x, foot_z, yaw = stand_at(take, side, x, z, heading)
        take.step(side, Step(lift, land, foot_x, foot_z, yaw, height, off=14.0, strike=0.0))
        before[side] = land
        last = land
        side = OTHER[side]


def ramp(t: np.ndarray, start: float, end: float) -> np.ndarray:
    """(T,) 0 before `start`, 1 after `end` [s], smooth between."""
    return smoothstep((t - start) / max(end - start, 1e-6))
