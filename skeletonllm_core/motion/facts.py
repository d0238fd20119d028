"""Kinematic facts: what moved, which limb, when, how far, how often, which way it turned.

`measure` takes the figures, `skeletonllm_core.motion.wording` puts them into words.
Every threshold is relative to the body's height.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from skeletonllm_core.motion.facts_mirror import mirrored_text
from skeletonllm_core.motion.facts_questions import questions
from skeletonllm_core.motion.footwork import SIDES, Footwork, Jump, Kick, Plant, footwork, kicks
from skeletonllm_core.motion.handwork import BothHands, Hand, both_hands, hand
from skeletonllm_core.motion.motion import Motion, Person
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.reasoning import explain
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.tracks import RATE, Tracks, path, runs, smoothed, speed, tracks
from skeletonllm_core.motion.treadmill import belt, carried
from skeletonllm_core.motion.wording import caption_clauses, sentences

__all__ = [
    "BothHands",
    "Facts",
    "Foot",
    "Hand",
    "Jump",
    "Kick",
    "Lean",
    "caption_clauses",
    "explain",
    "measure",
    "mirrored_text",
    "questions",
]


RUN_SWINGING = 0.33
"""From this share of time with both feet moving a gait is a run; walks measured up to 0.17, runs from 0.51."""

RUN_FLIGHT = 0.08
"""Or from this share of time with both feet off the ground; walks measured up to 0.01."""

RUN_LEAP = 0.12
"""A flight of a run that is higher than this [body heights] is a jump."""

RUN_PACE = 0.75
"""Slowest run of these [body heights a second]."""

BOUNCE = 0.15
"""Quick steps with a bounce beyond this (see `Footwork`) are a run without them too; quick walks measured up to 0.07, runs from
0.23."""

JOG_PACE = 0.5
"""Slowest run of those [body heights a second]."""


@dataclass(frozen=True)
class Foot:
    """What one foot (its ankle joint) does; a field is None where joints that it needs are missing.

    Attributes:
        lift: greatest height over the ground [m].
        lift_at_s: when that is [s].
        steps: times it is put down after a swing.
        kicks: in order of time.
        path: length of its path relative to the pelvis [m].
        top_speed: relative to the pelvis [m/s].
    """

    lift: float | None = None
    lift_at_s: float | None = None
    steps: int | None = None
    kicks: tuple[Kick, ...] | None = None
    path: float | None = None
    top_speed: float | None = None


@dataclass(frozen=True)
class Lean:
    """The greatest lean of the trunk in one direction: angle from the vertical [degrees] and moment [s]."""

    degrees: float
    at_s: float


@dataclass(frozen=True)
class Facts:
    """Measured facts of one person's clip; None where joints that a fact needs are missing.

    Attributes:
        seconds: length of what was measured [s].
        height: standing height of the body [m].
        distance: net displacement of the pelvis over the ground [m].
        path: length of the pelvis' path over the ground [m].
        direction: where the net displacement points, relative to the facing at the start: "forward", "backward",
            "to the left", "to the right"; None also where it stays.
        heading: which way it goes as the body itself faces on the way, in the same words.
        mean_speed: path over seconds [m/s].
        turn: signed yaw of the body from start to end [degrees], positive to the left.
        turn_side: "left", "right" or None (less than 30°).
        turn_range: largest minus smallest yaw on the way [degrees].
        steps: number of times a foot is put down; steps_alternate: left and right by turns.
        treadmill: speed that a gait would have whose feet slide back under hips that stay over one spot [m/s]; None of others.
        cadence: steps a minute.
        gait: "walk", "run" or None.
        flight: share of the time with both feet off the ground, in [0, 1].
        swinging: share of the time in which both feet move at once, in [0, 1]; what tells a run from a walk.
        airborne: jumps; flights of a run are none.
        hips_drop: how far the hips go below their height at the start [m], and when they are lowest.
        hips_return: how far they come up again from the lowest place by the end [m].
        hips_rise: how far they end above their lowest early height (getting up) [m].
        hips_rise_at_s: when they reach the top [s].
        posture_start, posture_end: "standing", "bent over", "crouching or sitting", "on all fours", "lying" or
            "upside down".
        postures: every posture held for a quarter of a second, in order.
        lean: per direction "forward", "backward", "left", "right"; empty where the body turns head over heels.
        tumble: signed pitch of the trunk from start to end [degrees], positive forward; about ±360 for a somersault.
        hands, feet: per side "left", "right".
        together: both hands.
        ranking: limbs by path length relative to the pelvis, the one that moves most first; only those known.
        paths: these lengths [m] in the same order.
        stillness: share of the time with hardly any movement, in [0, 1].
        action: start and end [s] of the time of highest activity.
    """

    seconds: float
    height: float | None = None
    distance: float | None = None
    path: float | None = None
    direction: str | None = None
    heading: str | None = None
    mean_speed: float | None = None
    turn: float | None = None
    turn_side: str | None = None
    turn_range: float | None = None
    steps: int | None = None
    steps_alternate: bool | None = None
    treadmill: float | None = None
    cadence: float | None = None
    gait: str | None = None
    flight: float | None = None
    swinging: float | None = None
    airborne: tuple[Jump, ...] | None = None
    hips_drop: float | None = None
    hips_drop_at_s: float | None = None
    hips_return: float | None = None
    hips_rise: float | None = None
    hips_rise_at_s: float | None = None
    posture_start: str | None = None
    posture_end: str | None = None
    postures: tuple[str, ...] = ()
    lean: dict[str, Lean] = field(default_factory=dict)
    tumble: float | None = None
    hands: dict[str, Hand] = field(default_factory=lambda: {side: Hand() for side in SIDES})
    feet: dict[str, Foot] = field(default_factory=lambda: {side: Foot() for side in SIDES})
    together: BothHands = field(default_factory=BothHands)
    ranking: tuple[str, ...] = ()
    paths: tuple[float, ...] = ()
    stillness: float | None = None
    action: tuple[float, float] | None = None

    def sentences(self) -> tuple[str, ...]:
        """The three to ten most telling facts in plain words (fewer where little can be known)."""
        return sentences(self)

    def as_dict(self) -> dict[str, Any]:
        """All fields as plain dicts, tuples, numbers, texts and None."""
        return asdict(self)


def _sector(aside: float, ahead: float) -> str:
    """A direction in words of a displacement to the left (`aside`) and to the front (`ahead`)."""
    if abs(ahead) >= abs(aside):
        return "forward" if ahead > 0 else "backward"
    return "to the left" if aside > 0 else "to the right"


def _travel(body: Tracks) -> dict[str, Any]:
    place = body.at.get(BodyPart.PELVIS, body.hips)
    if place is None or len(body) < 2:
        return {}
    ground = smoothed(place[:, ::2], 0.12 * RATE)
    edge = max(1, min(round(0.1 * RATE), len(body) // 2))
    net = place[-edge:, ::2].mean(0) - place[:edge, ::2].mean(0)
    distance = float(np.hypot(*net))
    values: dict[str, Any] = {"distance": distance, "path": path(ground)}
    values["mean_speed"] = path(ground) / body.seconds
    if body.turned is None or body.axes is None:
        return values
    left, front = body.axes
    turned = body.turned
    edge = max(1, min(round(0.2 * RATE), len(body) // 2))
    turn = float(turned[-1])
    values |= {"turn": turn, "turn_range": float(np.ptp(turned))}
    values["turn_side"] = None if abs(turn) < 30 else "left" if turn > 0 else "right"
    if distance > 0.15 * body.height:
        values["direction"] = _sector(float(net @ left[:edge, ::2].sum(0)), float(net @ front[:edge, ::2].sum(0)))
    if values["path"] > 0.2 * body.height and (distance > 0.15 * body.height or abs(turn) > 90):
        steps = np.diff(ground, axis=0)
        values["heading"] = _sector(float((steps * left[1:, ::2]).sum()), float((steps * front[1:, ::2]).sum()))
    return values


def _gait(body: Tracks, work: Footwork, travel: dict[str, Any]) -> dict[str, Any]:
    if work.plants is None:
        return {}
    sides = [plant.side for plant in work.plants]
    changes = sum(a != b for a, b in pairwise(sides))
    alternate = len(sides) >= 2 and changes >= 0.6 * (len(sides) - 1)
    treadmill = travel.get("treadmill")
    pace = treadmill or travel.get("mean_speed")
    stepping = (treadmill or travel.get("heading") is not None) and (alternate or work.striding)
    upright = body.upright is None or float(np.mean(body.upright > 0.5)) > 0.7
    gait = None
    if upright and (stepping or (work.on_the_spot and alternate)) and work.swinging is not None:
        quick = work.cadence is not None and work.cadence > 140
        heights = pace / body.height if isinstance(pace, float) else 0.0
        free = work.swinging > RUN_SWINGING or (work.flight or 0.0) > RUN_FLIGHT
        bouncing = quick and (work.bounce or 0.0) > BOUNCE
        running = (heights > RUN_PACE and free) or (heights > JOG_PACE and bouncing)
        gait = "run" if (quick if work.on_the_spot and not treadmill else running) else "walk"
    return {
        "steps": len(sides),
        "steps_alternate": alternate,
        "cadence": work.cadence,
        "gait": gait,
        "flight": work.flight,
        "swinging": work.swinging,
        "airborne": tuple(jump for jump in work.jumps or () if gait != "run" or jump.height > RUN_LEAP * body.height),
    }


def _posture(hip: float, upright: float, hands_down: bool, feet_up: bool) -> str:
    """Posture in words.

    Args:
        hip: height of the hips over the ankles' ground, relative to a stretched leg.
        upright: cosine of the angle between the trunk and the vertical.
        hands_down: a hand is near the ground.
        feet_up: both ankles are above the hips.
    """
    if upright < -0.3 and feet_up:
        return "upside down"
    if upright < 0.5:
        if hip > 0.72:
            return "bent over"
        return "on all fours" if hands_down and hip > 0.35 else "lying" if hip < 0.45 else "bent over"
    return "standing" if hip > 0.78 else "crouching or sitting"


def _stature(body: Tracks, jumps: tuple[Jump, ...] | None) -> dict[str, Any]:
    hips = body.hips
    values: dict[str, Any] = {}
    if hips is None:
        return values
    level = hips[:, 1]
    edge = max(1, min(round(0.15 * RATE), len(body)))
    if len(body) > 1:
        grounded = np.ones(len(body), bool)
        for jump in jumps or ():
            grounded[round(jump.start_s * RATE) : round(jump.end_s * RATE) + 1] = False
        early = float(level[:edge].mean())
        late = float(level[-edge:].mean())
        standing = np.where(grounded, level, np.inf)
        lowest = int(standing.argmin())
        values |= {"hips_drop": max(0.0, early - float(level[lowest])), "hips_drop_at_s": lowest / RATE}
        values["hips_return"] = max(0.0, late - float(level[lowest]))
        values["hips_rise"] = max(0.0, late - early)
        highest = level >= early + 0.9 * (late - early)
        values["hips_rise_at_s"] = float(highest.argmax()) / RATE if late > early else None
    if body.leg is None or body.upright is None or body.ankle_floor is None:
        return values
    ratio = (level - body.ankle_floor) / body.leg
    wrists = [body.at[part][:, 1] for part in (BodyPart.LEFT_HAND, BodyPart.RIGHT_HAND) if part in body.at]
    low = np.min(wrists, axis=0) - body.ankle_floor < 0.08 * body.height if wrists else np.zeros(len(body), bool)
    ankles = [body.at[part][:, 1] for part in (BodyPart.LEFT_FOOT, BodyPart.RIGHT_FOOT) if part in body.at]
    turned_over = np.min(ankles, axis=0) > level
    figures = np.stack([ratio, body.upright, low, turned_over], 1)
    kinds = [_posture(hip, upright, down > 0.5, up > 0.5) for hip, upright, down, up in figures.tolist()]
    held: list[str] = []
    begin = 0
    for place in range(1, len(kinds) + 1):
        if place == len(kinds) or kinds[place] != kinds[begin]:
            if place - begin >= min(round(0.25 * RATE), len(kinds)) and (not held or held[-1] != kinds[begin]):
                held.append(kinds[begin])
            begin = place
    for name, part in (("posture_start", figures[:edge]), ("posture_end", figures[-edge:])):
        hip, upright, down, up = part.mean(0).tolist()
        values[name] = _posture(hip, upright, down > 0.5, up > 0.5)
    values["postures"] = tuple(held)
    return values


def _lean(body: Tracks) -> dict[str, Any]:
    if body.trunk is None or body.yaw is None:
        return {}
    left, up, front = body.seen(body.trunk).T
    ahead = np.degrees(np.unwrap(np.arctan2(front, up)))
    aside = np.degrees(np.arctan2(left, np.hypot(up, front)))
    tumble = float(ahead[-1] - ahead[0])
    found = {}
    for name, angle in (("forward", ahead), ("backward", -ahead), ("left", aside), ("right", -aside)):
        place = int(angle.argmax())
        found[name] = Lean(max(0.0, float(angle[place])), place / RATE)
    return {"lean": {} if np.ptp(ahead) > 220 else found, "tumble": tumble}


def _foot(body: Tracks, side: str, plants: tuple[Plant, ...] | None) -> Foot:
    ankle = body.at.get(BodyPart(f"{side}_foot"))
    if ankle is None or body.hips is None or body.ankle_floor is None:
        return Foot()
    clear = ankle[:, 1] - body.ankle_floor
    top = int(clear.argmax())
    calm = smoothed(body.seen(ankle - body.hips), 0.05 * RATE)
    if len(body) < 2:
        return Foot(lift=float(clear[top]), lift_at_s=0.0)
    return Foot(
        lift=float(clear[top]),
        lift_at_s=top / RATE,
        steps=None if plants is None else sum(plant.side == side for plant in plants),
        kicks=kicks(body, side),
        path=path(calm),
        top_speed=float(speed(calm).max()),
    )


def _activity(body: Tracks) -> dict[str, Any]:
    if body.hips is None or len(body) < 2:
        return {}
    limbs = [body.at[part] - body.hips for part in _LIMBS if part in body.at]
    paces = [speed(body.seen(smoothed(limb, 0.05 * RATE))) for limb in limbs]
    paces.append(speed(smoothed(body.hips, 0.05 * RATE)))
    stack = np.stack(paces)
    values: dict[str, Any] = {"stillness": float((stack.max(axis=0) < 0.09 * body.height).mean())}
    total = smoothed(stack.sum(axis=0), 0.15 * RATE)
    peak = int(total.argmax())
    if total[peak] > 0.1 * body.height:
        for start, end in runs(total > 0.4 * total[peak], bridge=round(0.3 * RATE)):
            if start <= peak < end:
                values["action"] = (start / RATE, end / RATE)
    return values


_LIMBS = {
    BodyPart.LEFT_HAND: "left hand",
    BodyPart.RIGHT_HAND: "right hand",
    BodyPart.LEFT_FOOT: "left foot",
    BodyPart.RIGHT_FOOT: "right foot",
}


def measure(person: Person, rig: RigMap | None = None, start: float = 0.0, end: float | None = None) -> Facts:
    """Measure a clip, or a stretch of it.

    Args:
        person: Motion or Keypoints [m], Y up; NaN = missing.
        rig: which joint is which body part; None works it out.
        start: first moment [s].
        end: last moment [s], not included; None = the end of the clip.

    Raises:
        SkeletonLLMError: no frame lies between start and end.
    """
    if isinstance(person, Motion):
        person = person.keypoints()
    positions = person.positions
    if rig is None:
        rig = map_rig(person.topology, positions)
    height = float(body_height(positions, rig))
    if not (np.isfinite(height) and height > 0):
        return Facts(seconds=person.seconds)
    body = tracks(person, rig, height, start, end)
    if not body.at:
        return Facts(seconds=body.seconds)
    pace = belt(body)
    going = body if pace is None else carried(body, pace)
    work = footwork(going)
    values = _travel(body)
    if pace is not None:
        values["treadmill"] = float(np.hypot(*pace))
    values |= _gait(body, work, values)
    values |= _stature(body, work.jumps)
    values |= _lean(body)
    values |= _activity(body)
    feet = {side: _foot(going, side, work.plants) for side in SIDES}
    hands = {side: hand(body, side) for side in SIDES}
    lengths = {f"{side} hand": hands[side].path for side in SIDES} | {f"{side} foot": feet[side].path for side in SIDES}
    ranked = sorted(((length, name) for name, length in lengths.items() if length is not None), reverse=True)
    return Facts(
        seconds=body.seconds,
        height=height,
        hands=hands,
        feet=feet,
        together=both_hands(body),
        ranking=tuple(name for _, name in ranked),
        paths=tuple(length for length, _ in ranked),
        **values,
    )
