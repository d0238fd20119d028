"""Actions that carry the body somewhere, or turn it."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.train.procedural.actor import OTHER, SIGN, Actor, Gait, go, pace_about, ramp, stand_at
from skeletonllm_core.train.procedural.take import SIDES, Step, Take


def _walking(actor: Actor, speed: float) -> Gait:
    """A walk at `speed` [m/s, positive]: steps get longer and quicker together."""
    leg = actor.body.leg
    cadence = 1.58 * speed**0.45 * np.sqrt(0.83 / leg) * actor.between(0.94, 1.06)
    reach = speed / cadence / leg
    return Gait(
        speed=speed,
        cadence=cadence,
        duty=float(np.clip(0.68 - 0.06 * speed, 0.57, 0.66)),
        lift=(0.035 + 0.025 * speed) * actor.size,
        off=20 + 18 * min(speed, 1.6) * min(actor.size, 1.1),
        strike=8 + 10 * speed,
        bob=0.012 * speed,
        sink=0.012 + 0.035 * reach**2 + 0.0006 * max(actor.stoop, 0.0),
        arms=(8 + 13 * speed) * actor.size**1.5,
        elbows=actor.between(2, 12),
        lean=actor.between(0, 4),
        hips=2.5 + 3.0 * speed,
    )


def _running(actor: Actor, speed: float) -> Gait:
    leg = actor.body.leg
    cadence = (2.35 + 0.14 * speed) * np.sqrt(0.83 / leg) * actor.between(0.95, 1.05)
    return Gait(
        speed=speed,
        cadence=cadence,
        duty=float(np.clip(0.49 - 0.048 * speed, 0.27, 0.42)),
        lift=(0.10 + 0.045 * speed) * leg / 0.83,
        off=42 + 4 * speed,
        strike=actor.between(-8, 10),
        bob=-(0.028 + 0.004 * speed) * actor.size,
        sink=0.045 + 0.004 * speed,
        arms=(20 + 7 * speed) * actor.size,
        elbows=actor.between(48, 74),
        lean=3 + 2.2 * speed,
        hips=5 + 1.2 * speed,
        width=0.5,
    )


def walk(actor: Actor) -> Take:
    speed = float(np.clip(actor.between(0.85, 1.5) * actor.tempo, 0.76, 1.68))
    take = actor.take(actor.between(1.6, 6.0))
    go(actor, take, _walking(actor, speed))
    return take


def jog(actor: Actor) -> Take:
    speed = float(np.clip(actor.between(2.0, 2.6) * actor.tempo**0.4, 1.9, 2.68))
    take = actor.take(actor.between(1.4, 4.5), idle=0.6)
    gait = _running(actor, speed)
    go(actor, take, gait)
    return take


def run(actor: Actor) -> Take:
    speed = float(np.clip(actor.between(3.0, 4.6) * actor.tempo**0.5, 2.95, 4.75))
    take = actor.take(actor.between(1.2, 3.8), idle=0.6)
    go(actor, take, _running(actor, speed))
    return take


def walk_backward(actor: Actor) -> Take:
    speed = float(np.clip(actor.between(0.5, 1.0) * actor.tempo, 0.4, 1.2))
    take = actor.take(actor.between(1.8, 5.5))
    gait = _walking(actor, speed)
    backward = Gait(
        speed=-speed,
        cadence=gait.cadence * 1.08,
        duty=gait.duty,
        lift=(0.06 + 0.05 * speed) * actor.size,
        off=6.0,
        strike=-18.0,
        bob=gait.bob * 0.6,
        sink=gait.sink + 0.01,
        arms=gait.arms * 0.5,
        elbows=gait.elbows + 6,
        lean=gait.lean - 1,
        hips=gait.hips * 0.7,
        width=1.0,
    )
    go(actor, take, backward)
    return take


def _walk_turn(actor: Actor, sign: float) -> Take:
    speed = float(np.clip(actor.between(0.8, 1.4) * actor.tempo, 0.7, 1.7))
    take = actor.take(actor.between(2.6, 6.0))
    t, seconds = take.t, take.t[-1]
    total = sign * actor.between(62, 178)
    if actor.chance(0.65):
        length = min(max(abs(total) / actor.between(55, 110), 0.9), 0.85 * seconds)
        start = actor.between(0.1, 0.9) * (seconds - length)
        heading = total * ramp(t, start, start + length)
    else:
        heading = total * (0.85 * t / seconds + 0.15 * ramp(t, 0, seconds))
    gait = _walking(actor, speed)
    rate = np.gradient(heading, t)
    take.add("roll", 0.035 * rate)
    take.add("look", np.clip(0.14 * rate, -25, 25))
    take.add("twist", np.clip(0.05 * rate, -10, 10))
    go(actor, take, gait, heading)
    return take


def walk_turn_left(actor: Actor) -> Take:
    return _walk_turn(actor, 1.0)


def walk_turn_right(actor: Actor) -> Take:
    return _walk_turn(actor, -1.0)


def crouch_walk(actor: Actor) -> Take:
    speed = float(np.clip(actor.between(0.45, 0.9) * actor.tempo, 0.35, 1.1))
    take = actor.take(actor.between(2.0, 5.5))
    gait = _walking(actor, speed)
    depth = actor.between(0.13, 0.27)
    sneak = Gait(
        speed=speed,
        cadence=gait.cadence * actor.between(0.75, 1.0),
        duty=0.66,
        lift=gait.lift + actor.between(0.02, 0.09),
        off=18.0,
        strike=2.0,
        bob=0.008,
        sink=depth * actor.body.leg + 0.02,
        arms=gait.arms * 0.5,
        elbows=actor.between(35, 75),
        lean=actor.between(24, 48),
        hips=gait.hips * 0.8,
        width=1.1,
    )
    go(actor, take, sneak)
    return take


def march(actor: Actor) -> Take:
    forward = actor.chance(0.6)
    speed = actor.between(0.5, 1.1) if forward else 0.0
    take = actor.take(actor.between(2.0, 5.0), idle=0.5)
    cadence = actor.between(1.6, 2.1) * actor.tempo**0.4
    gait = Gait(
        speed=speed,
        cadence=cadence,
        duty=0.56,
        lift=actor.between(0.2, 0.36) * min(actor.size, 1.05) * actor.body.leg / 0.83,
        off=32.0,
        strike=-6.0,
        bob=0.012,
        sink=0.015,
        arms=actor.between(32, 52) * actor.size,
        elbows=float(actor.rng.choice([0.0, 70.0])),
        lean=-2.0,
        hips=3.0,
        width=0.9,
    )
    go(actor, take, gait)
    return take


def _sidestep(actor: Actor, sign: float) -> Take:
    lead = "l" if sign > 0 else "r"
    trail = OTHER[lead]
    count = actor.reps(2, 5)
    beat = actor.between(0.42, 0.6) / actor.tempo**0.7
    start = actor.between(0.0, 0.4)
    seconds = float(np.clip(start + 2 * beat * count + actor.between(0.2, 0.5), 1.0, 6.0))
    count = max(min(count, int((seconds - start) / (2 * beat))), 1)
    take = actor.take(seconds)
    pace = sign * actor.between(0.26, 0.48) * actor.size * actor.body.leg / 0.83
    height = actor.between(0.05, 0.11)
    bounce = actor.between(0.01, 0.03)
    place = 0.0
    for number in range(count):
        begin = start + 2 * beat * number
        place += pace
        for side, lag in ((lead, 0.0), (trail, beat)):
            x, z, yaw = stand_at(take, side, place, 0.0, 0.0)
            lift = begin + lag + 0.08 * beat
            take.step(side, Step(lift, lift + 0.84 * beat, x, z + actor.between(-0.02, 0.02), yaw, height, 10.0, -4.0))
        times = [begin, begin + 0.5 * beat, begin + beat, begin + 1.5 * beat, begin + 2 * beat]
        take.key(times, y=[0, bounce, -bounce, bounce, 0], roll=[0, -3 * sign, 2 * sign, 2 * sign, 0])
    take.settle = 0.2
    take.add("y", -0.02 - 0.01 * abs(pace))
    spread = actor.between(0, 25)
    for side in SIDES:
        take.arm(side, [start, start + beat], abd=[0, spread], elbow=[0, actor.between(0, 30)])
    return take


def sidestep_left(actor: Actor) -> Take:
    return _sidestep(actor, 1.0)


def sidestep_right(actor: Actor) -> Take:
    return _sidestep(actor, -1.0)


def _turn_in_place(actor: Actor, sign: float) -> Take:
    total = sign * actor.between(60, 190)
    start = actor.rest()
    steps = max(int(np.ceil(abs(total) / actor.between(32, 55))) + 1, 2)
    beat = actor.between(0.36, 0.5) / actor.tempo
    beat = float(np.clip(beat, 0.25, 4.5 / steps))
    seconds = float(np.clip(start + beat * steps + actor.rest(), 1.0, 6.0))
    take = actor.take(seconds)
    first = "l" if (sign > 0) != actor.chance(0.15) else "r"
    shares = np.clip((np.arange(steps) + 1.0) / (steps - 1), 0, 1)
    marks = []
    for number, share in enumerate(shares):
        marks.append(
            (start + beat * (number + 1), actor.between(-0.02, 0.02), actor.between(-0.02, 0.02), total * share)
        )
    pace_about(actor, take, marks, first, actor.between(0.04, 0.08))
    end = start + beat * steps
    ahead = sign * min(abs(total) * 0.25, actor.between(12, 40))
    take.key([start - 0.15, start + 0.3, end - 0.4 * (end - start), end], look=[0, ahead, 0.6 * ahead, 0])
    take.key([start, start + 0.35, end - 0.2, end + 0.1], 0.05, twist=[0, 0.3 * ahead, 0.15 * ahead, 0])
    for side in SIDES:
        swing = -SIGN[side] * sign * actor.between(2, 9)
        take.arm(side, [start, 0.5 * (start + end), end + 0.2], flex=[0, swing, 0], abd=[0, actor.between(2, 9), 0])
    take.add("y", -0.012 * ramp(take.t, start, start + 0.3) * (1 - ramp(take.t, end, end + 0.3)))
    return take


def turn_left(actor: Actor) -> Take:
    return _turn_in_place(actor, 1.0)


def turn_right(actor: Actor) -> Take:
    return _turn_in_place(actor, -1.0)


def dance_spin(actor: Actor) -> Take:
    sign = 1.0 if actor.chance(0.5) else -1.0
    rounds = actor.reps(1, 2) * 360.0 * sign
    start = actor.between(0.25, 0.7)
    length = abs(rounds) / 360 * actor.between(0.8, 1.5) / actor.tempo**0.5
    end = start + length
    seconds = float(np.clip(end + actor.between(0.2, 0.7), 1.0, 6.0))
    take = actor.take(seconds, idle=0.7)
    t = take.t
    pivot, other = ("l", "r") if sign > 0 else ("r", "l")
    turn = rounds * ramp(t, start, end)
    take.heading = turn - 22 * sign * (ramp(t, 0, start) - ramp(t, start, start + 0.3))
    stand = take.feet[pivot]
    path = np.zeros((len(t), 2))
    path[:, 0] = stand.x * 0.85 * ramp(t, 0.3 * start, start) * (1 - ramp(t, end, end + 0.3))
    take.path = path
    # The standing foot turns on its ball with the body; the other one is drawn up to the knee.
    up = ramp(t, start - 0.15, start + 0.2) * (1 - ramp(t, end - 0.2, end + 0.15))
    take.pivots[pivot] = turn
    take.key([start - 0.2, start + 0.1, end - 0.1, end + 0.2], **{f"{other}_free": [0, 1, 1, 0]})
    take.pivots[other] = turn
    knee = actor.between(70, 110)
    take.add(f"{other}_hip", up * actor.between(40, 65))
    take.add(f"{other}_turn", up * actor.between(20, 50))
    take.add(f"{other}_knee", up * knee)
    take.add(f"{other}_ankle", up * 30)
    take.key([start - 0.3, start, start + 0.3, end, end + 0.25], y=[0, -0.07, 0, -0.03, 0])
    high = actor.chance(0.4)
    for side in SIDES:
        open_arm = [0, actor.between(50, 80), 20, 30, actor.between(40, 70), 0]
        times = [0, start, start + 0.3 * length, end - 0.2 * length, end, seconds]
        if high:
            take.arm(side, times, flex=[0, 20, 140, 140, 40, 0], abd=[0, 50, 20, 20, 60, 0], elbow=[0, 0, 25, 25, 0, 0])
        else:
            take.arm(
                side,
                times,
                flex=[0, 20, 62, 62, 20, 0],
                abd=open_arm,
                elbow=[0, 5, 75, 75, 10, 0],
                rot=[0, 0, -20, -20, 0, 0],
            )
    return take
