"""Actions of the whole body on the spot: jumps, squats, sitting, bending, kicks, the floor."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.train.procedural.actor import OTHER, SIGN, Actor, ramp
from skeletonllm_core.train.procedural.curves import keyframes, window
from skeletonllm_core.train.procedural.take import SIDES, Step, Take

_GRAVITY = 9.81


def _flight_between(take: Take, off: float, land: float, height: float) -> None:
    """Add a flight of the whole body from `off` to `land` [s], `height` [m] high."""
    u = 2 * (take.t - off) / (land - off) - 1
    arc = height * np.maximum(1 - u * u, 0.0)
    take.add("y", arc)
    take.add("air", arc)


def _flight(take: Take, off: float, height: float) -> float:
    """Add a ballistic flight of the whole body from `off` [s], `height` [m] high; returns the landing time."""
    land = off + 2 * float(np.sqrt(2 * height / _GRAVITY))
    _flight_between(take, off, land, height)
    return land


def _crouch_jump(actor: Actor, take: Take, begin: float, height: float, ahead: float) -> tuple[float, float, float]:
    """Crouch, spring, fly, land and rise; returns times of lift-off, landing and standing again [s]."""
    down = actor.between(0.4, 0.6) / actor.tempo**0.5
    low, off = begin + down, begin + down + actor.between(0.2, 0.28)
    land = _flight(take, off, height)
    soft, end = land + 0.16, land + actor.between(0.55, 0.85)
    leg = actor.body.leg
    depth = leg * float(np.clip(0.14 + 0.35 * height, 0.16, 0.36)) * actor.size
    toe = 0.055 * leg
    take.key(
        [begin, low, off, 0.5 * (off + land), land, soft, end],
        y=[0, -depth, toe, 0.0, 0.02, -0.75 * depth, 0],
        pitch=[0, 24, 4 + 8 * ahead, 2, 8, 22, 0],
        spine=[0, 26, -4, 6, 8, 20, 0],
        nod=[0, -18, -2, 4, 4, -10, 0],
        z=[0, -0.05, 0.03 + 0.06 * ahead, 0, -0.02 - 0.06 * ahead, -0.03, 0],
    )
    take.key([low, off, off + 0.12, land - 0.05, land + 0.07], tip=[0, 38, 32, 12, 0])
    tuck = actor.between(0.0, 0.10) * leg + 0.12 * ahead * leg
    take.key([off, 0.5 * (off + land), land], air=[0, tuck, 0])
    swing = actor.between(60, 160) if actor.chance(0.8) else actor.between(20, 50)
    for side in SIDES:
        up = swing + actor.between(-8, 8)
        back, peak = begin + 0.7 * down, off + 0.13
        take.arm(
            side, [begin, back, peak, peak + 0.06, max(land, peak + 0.2), end], flex=[0, -38, up, up, 0.35 * up, 0],
            elbow=[0, 5, 20, 25, 25, 0], abd=[0, 4, 8, 14, 14, 0], hor=[0, 0, 8, 10, 10, 0],
        )  # fmt: skip
    return off, land, end


def jump(actor: Actor) -> Take:
    count = 1 if actor.chance(0.75) else 2
    begin = actor.rest()
    take = actor.take(begin + count * 2.2 + actor.rest(), idle=0.6)
    for _ in range(count):
        _, _, begin = _crouch_jump(actor, take, begin, actor.between(0.14, 0.42) * actor.size, 0.0)
    return _cut(take, begin + actor.rest())


def jump_forward(actor: Actor) -> Take:
    count = 1 if actor.chance(0.75) else 2
    begin = actor.rest()
    take = actor.take(begin + count * 2.2 + actor.rest(), idle=0.6)
    place = 0.0
    path = np.zeros((len(take.t), 2))
    for _ in range(count):
        length = actor.between(0.55, 1.5) * actor.size
        off, land, end = _crouch_jump(actor, take, begin, actor.between(0.12, 0.3) * actor.size, min(length, 1.3))
        u = np.clip((take.t - off) / (land - off), 0, 1)
        path[:, 1] += length * u
        for side in SIDES:
            foot = take.feet[side]
            shift = actor.between(-0.03, 0.03)
            there = Step(off, land, foot.x, foot.z + place + length + shift, foot.yaw, 0.0, 0.0, actor.between(0, 16))
            take.step(side, there)
        take.key([off - 0.15, off, land, land + 0.2], z=[0, 0.1, -0.12, 0])
        place += length
        begin = end
    take.path = path
    return _cut(take, begin + actor.rest())


def _cut(take: Take, seconds: float) -> Take:
    """The take, ended at `seconds` (never later than it was)."""
    frames = max(min(round(seconds * take.fps), len(take.t)), 2)
    take.shorten(frames)
    return take


def hop(actor: Actor) -> Take:
    one = actor.chance(0.7)
    side = actor.side()
    other = OTHER[side]
    count = actor.reps(3, 6)
    height = actor.between(0.05, 0.14) * actor.size
    ready = actor.between(0.35, 0.55)
    begin = actor.rest()
    take = actor.take(6.0, idle=0.6)
    on = begin + ready
    forward = actor.between(0.0, 0.35) if actor.chance(0.5) else 0.0
    place = np.zeros((len(take.t), 2))
    time = on
    foot = take.feet[side]
    for number in range(count):
        dip = actor.between(0.16, 0.22)
        off = time + dip
        land = _flight(take, off, height)
        take.key(
            [time, time + 0.6 * dip, off, land, land + 0.08], y=[0, -0.075, 0.02, 0.0, -0.02], spine=[0, 6, -2, 2, 4]
        )
        take.key([time + 0.6 * dip, off, land - 0.03, land + 0.05], tip=[0, 30, 22, 0])
        place[:, 1] += forward * np.clip((take.t - off) / (land - off), 0, 1)
        if forward:
            there = foot.z + forward * (number + 1)
            take.step(side, Step(off, land, foot.x, there, foot.yaw, 0.0, 0.0, 0.0))
            if not one:
                last = take.feet[other]
                take.step(other, Step(off, land, last.x, last.z + forward * (number + 1), last.yaw, 0.0, 0.0, 0.0))
        for arm in SIDES:
            take.arm(
                arm, [time, off - 0.06, land, land + 0.12], abd=[0, actor.between(6, 20), 8, 0], elbow=[0, 15, 8, 0]
            )
        time = land + 0.06
    end = time + 0.1
    back = end + actor.between(0.4, 0.6)
    if one:
        shift = SIGN[side] * take.half_stance * 0.85
        place[:, 0] += shift * ramp(take.t, begin, on) * (1 - ramp(take.t, end, back))
        lean, knee, hip = 2.5 * SIGN[side], actor.between(55, 105), actor.between(0, 50)
        keys = [begin, on, end, back]
        take.key(keys, roll=[0, lean, lean, 0])
        take.arm(other, keys, free=[0, 1, 1, 0], hip=[0, hip, hip, 0], knee=[0, knee, knee, 0], ankle=[0, 22, 22, 0])
        if forward:
            last = take.feet[other]
            take.step(other, Step(on + 0.1, end - 0.05, last.x, last.z + forward * count, last.yaw, 0.0, 0.0, 0.0))
    take.path = place
    for arm in SIDES:
        wide = actor.between(15, 50)
        take.arm(arm, [begin, on, end, back], abd=[0, wide, wide, 0], elbow=[0, 25, 25, 0])
    return _cut(take, back + actor.rest())


def jumping_jacks(actor: Actor) -> Take:
    count = actor.reps(2, 5)
    beat = actor.between(0.40, 0.56) / actor.tempo**0.6
    begin = actor.between(0.05, 0.4)
    seconds = float(np.clip(begin + 2 * beat * count + actor.rest(), 1.0, 6.0))
    take = actor.take(seconds, idle=0.5, stance=actor.between(0.7, 1.0))
    wide = actor.between(0.19, 0.32) * actor.body.leg / 0.83
    start = {side: take.feet[side] for side in SIDES}
    level = actor.between(148, 172)
    out = False
    for number in range(2 * count):
        time = begin + number * beat
        if time + beat > seconds - 0.04:
            break
        off = time + 0.30 * beat
        land = time + 0.86 * beat
        rise = _GRAVITY * (land - off) ** 2 / 8 * 0.8
        _flight_between(take, off, land, rise)
        take.key(
            [time, time + 0.18 * beat, off, land, time + beat], y=[0, -0.035, 0.02, 0.005, 0], tip=[0, 0, 22, 14, 0]
        )
        for side in SIDES:
            foot = start[side]
            x = foot.x if out else foot.x + SIGN[side] * wide
            take.step(side, Step(off, land, x, foot.z, foot.yaw, 0.01, 0.0, 0.0))
            up = -1.0 if out else 1.0
            span = [time + 0.06 * beat, time + 0.98 * beat]
            take.arm(side, span, abd=[0, up * level], rot=[0, up * 88], elbow=[0, up * -6])
        out = not out
    take.path = np.zeros((len(take.t), 2))
    return take


def squat(actor: Actor) -> Take:
    count = actor.reps(1, 3) if actor.chance(0.6) else 1
    begin = actor.rest()
    phase = actor.between(0.65, 1.05) / actor.tempo
    hold = actor.between(0.0, 0.5) if count == 1 else actor.between(0.0, 0.15)
    gap = actor.between(0.05, 0.25)
    cycle = 2 * phase + hold + gap
    scale = min(1.0, 5.6 / (begin + count * cycle))
    take = actor.take(scale * (begin + count * cycle) + actor.rest(), stance=actor.between(1.4, 2.4))
    leg = actor.body.leg
    depth = float(np.clip(actor.between(0.34, 0.60) * actor.size, 0.30, 0.62)) * leg
    arms = actor.rng.choice(3, p=[0.55, 0.2, 0.25])
    pitch = 18 + 30 * depth / leg
    for number in range(count):
        time = scale * (begin + number * cycle)
        keys = [time, time + scale * phase, time + scale * (phase + hold) + 0.02, time + scale * (2 * phase + hold)]
        deep = -depth * actor.between(0.93, 1.0)
        take.key(
            keys, y=[0, deep, deep, 0], pitch=[0, pitch, pitch, 0], z=[0, -0.16 * leg, -0.16 * leg, 0],
            spine=[0, 12, 12, 0], nod=[0, -0.6 * pitch, -0.6 * pitch, 0],
        )  # fmt: skip
        high = actor.between(70, 95)
        for side in SIDES:
            if arms == 0:
                take.arm(
                    side,
                    keys,
                    0.04,
                    flex=[0, high, high, 0],
                    elbow=[0, -6, -6, 0],
                    rot=[0, 10, 10, 0],
                    pron=[0, 30, 30, 0],
                )
            elif arms == 1:
                take.arm(side, keys, flex=[0, 38, 38, 0], elbow=[0, 95, 95, 0], rot=[0, -35, -35, 0], abd=[0, 8, 8, 0])
            else:
                take.arm(side, keys, flex=[0, 30, 30, 0], abd=[0, 6, 6, 0], elbow=[0, 10, 10, 0])
    out = actor.between(8, 24)
    for side in SIDES:
        take.add(f"{side}_turn", out)
    return take


def _seat(actor: Actor, sit: bool) -> Take:
    """Sitting down on an unseen seat, or getting up from it."""
    lead = actor.rest() if sit else actor.between(0.2, 0.9)
    move = actor.between(1.0, 1.6) / actor.tempo
    tail = actor.between(0.3, 1.4) if sit else actor.rest()
    seconds = float(np.clip(lead + move + tail, 1.2, 6.0))
    take = actor.take(seconds, idle=0.8, stance=actor.between(1.1, 1.8))
    leg = actor.body.leg
    seat = (actor.between(0.44, 0.54)) * leg
    back = actor.between(0.40, 0.48) * leg
    lean, rest_lean = actor.between(26, 42), actor.between(-6, 10)
    times = np.array([lead, lead + 0.45 * move, lead + 0.8 * move, lead + move])
    shares = np.array([0.0, 0.42, 0.98, 1.0])
    pitch = np.array([0.0, lean, 0.5 * lean, rest_lean - 6])
    bend = np.array([0.0, 0.5 * lean, 0.4 * lean, 6.0])
    level = np.array([0.0, 0.30, 0.97, 1.0])
    if not sit:
        times = np.array([lead, lead + 0.25 * move, lead + 0.6 * move, lead + move])
        shares, level = np.array([1.0, 0.94, 0.40, 0.0]), np.array([1.0, 0.98, 0.34, 0.0])
        pitch, bend = np.array([rest_lean - 6, 0.85 * lean, lean, 0.0]), np.array([6.0, 0.6 * lean, 0.5 * lean, 0.0])
    take.key(
        list(times),
        y=-seat * level,
        z=-back * shares,
        pitch=pitch,
        spine=bend,
        nod=-0.6 * (pitch + bend) * (level < 0.99),
    )
    rest_on = actor.chance(0.7)
    high, low, reach = actor.between(18, 30), actor.between(38, 62), actor.between(15, 40)
    for side in SIDES:
        sitting = np.array([high, low, -12.0, -10.0, 22.0]) if rest_on else np.array([5.0, 15.0, 0.0, 2.0, 0.0])
        going = np.array([reach + actor.between(-4, 4), 20.0, 0.0, 6.0, 10.0])
        stages = [0 * sitting, going, 0.4 * going + 0.6 * sitting, sitting]
        if not sit:
            stages = [sitting, sitting, going, 0 * sitting]
        table = np.array(stages)
        names = ("flex", "elbow", "rot", "abd", "pron")
        take.arm(side, list(times), 0.05, **{name: table[:, column] for column, name in enumerate(names)})
    return take


def sit_down(actor: Actor) -> Take:
    return _seat(actor, True)


def stand_up(actor: Actor) -> Take:
    return _seat(actor, False)


def bend(actor: Actor) -> Take:
    """Bend forward at the hips, hands towards the floor, and come up again."""
    times = actor.times(actor.rest(), 0.95, actor.between(0.05, 0.8), 0.95, actor.rest())
    keys = list(times[1:5])
    take = actor.take(times[-1])
    leg = actor.body.leg
    hips, back = actor.between(42, 62) * actor.size**0.5, actor.between(38, 60)
    drop = actor.between(0.0, 0.07) * leg
    take.key(
        keys, pitch=[0, hips, hips, 0], spine=[0, back, back, 0], z=[0, -0.17 * leg, -0.17 * leg, 0],
        y=[0, -drop - 0.02, -drop - 0.02, 0], nod=[0, actor.between(-20, 12), 0, 0],
    )  # fmt: skip
    for side in SIDES:
        hang = 0.85 * (hips + back) + actor.between(-12, 15)
        take.arm(side, keys, 0.04, flex=[0, hang, hang, 0], elbow=[0, -5, -5, 0], abd=[0, -3, -3, 0])
    return take


def bow(actor: Actor) -> Take:
    times = actor.times(actor.rest(), 0.85, actor.between(0.15, 1.0), 0.85, actor.rest())
    keys = list(times[1:5])
    take = actor.take(times[-1], stance=actor.between(0.7, 1.1))
    deep = actor.between(26, 52) * actor.size**0.5
    leg = actor.body.leg
    take.key(
        keys, pitch=[0, 0.68 * deep, 0.68 * deep, 0], spine=[0, 0.4 * deep, 0.4 * deep, 0],
        z=[0, -0.0022 * deep * leg, -0.0022 * deep * leg, 0], nod=[0, 14, 14, 0],
    )  # fmt: skip
    kind = actor.rng.choice(3, p=[0.55, 0.25, 0.2])
    hero = actor.side()
    for side in SIDES:
        if kind == 0:  # hands along the thighs
            slide = actor.between(6, 22)
            take.arm(side, keys, flex=[0, slide, slide, 0], abd=[0, -4, -4, 0], elbow=[0, 4, 4, 0])
        elif kind == 1 or side == hero:  # hands in front of the belly
            take.arm(side, keys, flex=[0, 18, 18, 0], elbow=[0, 72, 72, 0], rot=[0, -48, -48, 0], abd=[0, 6, 6, 0])
        else:  # the other arm swept aside
            take.arm(side, keys, flex=[0, -12, -12, 0], abd=[0, 48, 48, 0], elbow=[0, 10, 10, 0], rot=[0, 15, 15, 0])
    return take


def pick_up(actor: Actor) -> Take:
    """Bend the knees, take something from the floor with one or both hands, and rise with it."""
    times = actor.times(actor.rest(), 0.95, actor.between(0.15, 0.4), 0.95, actor.between(0.1, 0.7))
    begin, low, grab, up = times[1:5]
    take = actor.take(times[-1], stance=actor.between(1.1, 1.9))
    body = actor.body
    leg = body.leg
    both = actor.chance(0.45)
    side = actor.side()
    knees = actor.between(0.10, 0.50)
    hips = 62 - 50 * (knees - 0.1)
    back = actor.between(28, 44)
    keys = [begin, low, grab, up]
    turn = 0.0 if both else SIGN[side] * actor.between(-18, 4)
    take.key(
        keys, y=-leg * np.array([0, knees, knees, 0]), pitch=[0, hips, hips, 0], spine=[0, back, back, 0],
        z=[0, -0.18 * leg, -0.18 * leg, 0], nod=[0, -10, -8, 0], twist=[0, turn, turn, 0],
        bend=[0, 0.3 * turn, 0.3 * turn, 0],
    )  # fmt: skip
    ahead = actor.between(0.16, 0.34) * leg
    high = actor.between(0.06, 0.22)
    lift = actor.between(0.2, 0.9)
    for hand in SIDES if both else (side,):
        x = SIGN[hand] * (0.12 if both else actor.between(0.0, 0.12)) * body.height / 1.7
        spot = np.array([x, high + 0.05, ahead])
        hold = 75 * lift
        take.arm(hand, keys, flex=[0, 80, 80, 25 * lift], elbow=[0, 5, 8, hold], rot=[0, 0, 0, -15], abd=[0, 0, 0, 2])
        weight_times = [begin, low - 0.02, grab, 0.5 * (grab + up)]
        take.reach(hand, weight_times, [0, 1, 1, 0], np.tile(spot, (4, 1)), "world")
        take.curl[hand] = 50.0
    if not both:
        idle = OTHER[side]
        if actor.chance(0.4):
            take.arm(idle, keys, flex=[0, 42, 42, 0], elbow=[0, 45, 45, 0], rot=[0, -10, -10, 0])
        else:
            take.arm(idle, keys, flex=[0, 35, 35, 0], abd=[0, 14, 14, 0], elbow=[0, 12, 12, 0])
    return take


def _on_one_leg(actor: Actor, take: Take, side: str, keys: list[float], swings: dict[str, list[float]]) -> None:
    """Weight on the other leg while the leg of `side` moves by angles from keys[0] to keys[-1]."""
    begin, end = keys[0], keys[-1]
    shift = SIGN[OTHER[side]] * take.half_stance * 0.72
    span = [begin - 0.25, begin + 0.05, end - 0.1, end + 0.3]
    take.key(span, x=[0, shift, shift, 0], y=[0, -0.02, -0.02, 0])
    take.key([begin, begin + 0.16, end - 0.16, end], **{f"{side}_free": [0, 1, 1, 0]})
    take.key(keys, **{f"{side}_{name}": values for name, values in swings.items()})


def kick(actor: Actor) -> Take:
    side = actor.side()
    lead = max(actor.rest(), 0.25)
    pace = 1 / actor.tempo**0.6
    times = lead + np.cumsum([0.0, 0.36, 0.27, 0.09, 0.28, 0.34]) * actor.between(0.9, 1.2) * pace
    end = times[-1]
    seconds = end + max(actor.rest(), 0.25)
    take = actor.take(float(np.clip(seconds, 1.0, 6.0)))
    high = actor.between(52, 98) * actor.size**0.7
    snap = actor.chance(0.5)
    ready = [22.0, 75.0] if snap else [-26.0, 55.0]
    keys = list(times)
    _on_one_leg(
        actor, take, side, keys,
        {
            "hip": [0, ready[0] + (30 if snap else 0), high, high - 4, 42, 0],
            "knee": [0, ready[1] + (20 if snap else 0), 8, 12, 72, 0],
            "ankle": [0, 25, 22, 20, 15, 0],
            "splay": [0, 3, 2, 2, 3, 0],
        },
    )  # fmt: skip
    lean = 0.22 * high
    take.key(
        keys,
        pitch=[0, 4, -0.7 * lean, -0.7 * lean, 0, 0],
        spine=[0, 6, 4, 4, 6, 0],
        y=[0, -0.02, -0.01, -0.01, -0.02, 0],
    )
    sign = SIGN[side]
    take.key(
        keys,
        yaw=[0, sign * 10, -sign * 14, -sign * 14, -sign * 4, 0],
        twist=[0, -sign * 8, sign * 16, sign * 16, sign * 5, 0],
    )
    other = OTHER[side]
    take.arm(other, keys, flex=[0, 10, 42, 42, 15, 0], abd=[0, 20, 20, 20, 15, 0], elbow=[0, 20, 25, 25, 25, 0])
    take.arm(side, keys, flex=[0, 12, -32, -32, -5, 0], abd=[0, 18, 28, 28, 18, 0], elbow=[0, 20, 20, 20, 20, 0])
    return take


def side_kick(actor: Actor) -> Take:
    side = actor.side()
    sign = SIGN[side]
    lead = max(actor.rest(), 0.25)
    times = lead + np.cumsum([0.0, 0.38, 0.22, 0.12, 0.28, 0.34]) * actor.between(0.85, 1.2) / actor.tempo**0.8
    seconds = times[-1] + max(actor.rest(), 0.25)
    take = actor.take(float(np.clip(seconds, 1.0, 6.0)))
    high = actor.between(48, 84) * actor.size**0.7
    tilt = -sign * 0.38 * high
    keys = list(times)
    _on_one_leg(
        actor, take, side, keys,
        {
            "hip": [0, 62, 8, 8, 50, 0], "knee": [0, 98, 6, 8, 88, 0],
            "splay": [0, 18, 0.75 * high, 0.75 * high, 15, 0], "turn": [0, -8, -12, -12, -5, 0],
            "ankle": [0, 5, -8, -8, 5, 0],
        },
    )  # fmt: skip
    take.key(
        keys, roll=[0, 0.3 * tilt, tilt, tilt, 0.3 * tilt, 0], bend=[0, -0.1 * tilt, -0.35 * tilt, -0.35 * tilt, 0, 0]
    )
    take.key(keys, look=[0, sign * 28, sign * 48, sign * 48, sign * 25, 0], y=[0, -0.03, -0.02, -0.02, -0.03, 0])
    take.key(keys, x=[0, 0, -sign * 0.04, -sign * 0.04, 0, 0])
    for arm in SIDES:
        take.arm(
            arm,
            keys,
            flex=[0, 30, 22, 22, 25, 0],
            abd=[0, 14, 26, 26, 14, 0],
            elbow=[0, 80, 62, 62, 70, 0],
            rot=[0, -10, 0, 0, -10, 0],
        )
        take.curl[arm] = 60.0
    return take


def _floor(actor: Actor, *, down: bool) -> Take:
    """Between standing and lying on the back: squat, sit on the floor, roll back; or the other way round."""
    times = actor.times(actor.between(0.1, 0.4), 1.0, 0.8, 0.9, actor.between(0.3, 0.9), spread=0.15)
    take = actor.take(times[-1], idle=0.6, stance=actor.between(1.2, 1.8))
    body = actor.body
    leg = body.leg
    if not down:
        times = times[-1] - times[::-1]
    stand, low, sit, lie = times[1:5] if down else times[4:0:-1]
    thick = 0.058 * body.height
    upright = body.points["pelvis"][1]
    drop = -(upright - thick)
    near, far = 0.44 * leg, (actor.between(0.96, 1.0) if actor.chance(0.7) else actor.between(0.6, 0.9)) * leg
    order = np.array([stand, low, sit, lie])
    table = {
        "y": np.array([0, -0.56 * leg, drop, drop]),
        "z": np.array([0, -0.20 * leg, -near, -near]),
        "pitch": np.array([0, 20, -24, -88]),
        "spine": np.array([0, 30, 34, -4]),
        "nod": np.array([0, -15, 4, 6]),
    }
    elbow = actor.between(8, 30)
    wide = actor.between(8, 40)
    arms = {
        "flex": np.array([0, 10, -38, 0]),
        "abd": np.array([0, 20, 22, wide]),
        "elbow": np.array([0, 10, 8, elbow - 16]),
        "rot": np.array([0, 10, 25, 10]),
        "wrist": np.array([0, -30, -75, 0]),
    }
    if not down:
        order = order[::-1]
        table = {name: values[::-1] for name, values in table.items()}
        arms = {name: values[::-1] for name, values in arms.items()}
    take.key(list(order), **table)
    for side in SIDES:
        take.arm(side, list(order), **arms)
    hand = actor.side()
    tilt = SIGN[hand] * actor.between(4, 14)
    bump = [0.0, tilt, 0.6 * tilt, 0.0]
    take.key(list(order), roll=bump, twist=[0.0, -0.5 * tilt, -tilt, 0.0], bend=[0.0, 0.4 * tilt, 0.0, 0.0])
    # The feet stay planted until the body sits, then slide out (or are pulled in first when getting up).
    out = far - near + 0.072 * body.height  # the heel lies behind the ankle of a foot that points up
    for number, side in enumerate(SIDES if hand == "l" else SIDES[::-1]):
        foot = take.feet[side]
        lag = 0.12 * number
        if down:
            take.step(
                side, Step(sit - 0.25 + lag, lie - 0.2 + lag, foot.x * 1.1, foot.z + out, foot.yaw, 0.03, 0.0, 0.0)
            )
        else:
            here, foot.z = foot.z, foot.z + out
            take.step(side, Step(lie + 0.05 + lag, sit + 0.05 + lag, foot.x, here, foot.yaw, 0.04, 0.0, 0.0))
    rest = [sit - 0.2, lie - 0.1] if down else [lie + 0.1, sit]
    tips = [0.0, -62.0] if down else [-62.0, 0.0]
    take.key(rest, tip=tips)
    take.path = np.zeros((len(take.t), 2))
    return take


def lie_down(actor: Actor) -> Take:
    return _floor(actor, down=True)


def get_up(actor: Actor) -> Take:
    return _floor(actor, down=False)


def crawl(actor: Actor) -> Take:
    """On hands and knees, diagonal hand and knee together."""
    body = actor.body
    seconds = actor.between(2.0, 5.5)
    take = actor.take(seconds, idle=0.4)
    t = take.t
    speed = actor.between(0.25, 0.6) * actor.tempo**0.7 * body.leg / 0.83
    rate = actor.between(0.7, 1.1) * actor.tempo**0.7
    stride = speed / rate
    phase = rate * t + actor.rng.random()
    drop = body.thigh * 0.985 + 0.035 * body.height / 1.7
    pitch = actor.between(72, 84)
    hip = body.points["pelvis"][1] - body.points["l_hip"][1]
    take.path = np.stack([0 * t, speed * t], axis=1)
    take.heading = 0 * t
    take.add("y", drop + hip * np.cos(np.radians(pitch)) - body.points["pelvis"][1] + 0.012 * body.leg - take.get("y"))
    take.add("pitch", pitch - take.get("pitch"))
    take.add("spine", 92 - pitch + actor.between(-4, 6) - take.get("spine"))
    take.add("nod", -actor.between(28, 55))
    take.add("bend", 4 * np.sin(2 * np.pi * phase))
    take.add("yaw", 4 * np.cos(2 * np.pi * phase))
    take.add("x", 0.012 * np.sin(2 * np.pi * phase))
    duty = 0.64
    trunk = float(np.linalg.norm(body.points["neck"] - body.points["pelvis"]))
    for side, offset in (("l", 0.0), ("r", 0.5)):

        def cycle(lag: float, offset: float = offset) -> tuple[np.ndarray, np.ndarray]:
            part = (phase + offset + lag) % 1.0
            on = part < duty
            u = np.where(on, part / duty, (part - duty) / (1 - duty))
            eased = u * u * (3 - 2 * u)
            along = np.where(on, 0.5 - u, eased - 0.5) * stride * duty
            return along, np.where(on, 0.0, np.sin(np.pi * u) ** 2)

        along, lift = cycle(0.0)
        shin = body.shin * 0.985
        foot = take.feet[side]
        foot.x = SIGN[side] * body.hip_width * 1.1
        take.tracks[side] = np.stack([foot.x + 0 * t, take.path[:, 1] + along - shin, 0.03 * lift], axis=1)
        take.add(f"{side}_tip", 148.0)
        ahead, high = cycle(0.5 + 0.04)
        spot = np.stack(
            [
                SIGN[side] * body.points["l_shoulder"][0] * 1.05 + 0 * t,
                0.055 * body.height / 1.7 + 0.07 * high,
                take.path[:, 1] + trunk * 0.98 + ahead + 0.02,
            ],
            axis=1,
        )
        take.add(f"{side}_flex", 88.0 - take.get(f"{side}_flex"))
        take.add(f"{side}_rot", 25.0)
        take.add(f"{side}_pron", 45.0)
        take.add(f"{side}_wrist", -70.0)
        take.reach(side, [0.0, seconds], [1, 1], spot, "world")
        take.curl[side] = 3.0
    return take


def cartwheel(actor: Actor) -> Take:
    """Sideways over the hands; the lead side goes down first."""
    side = actor.side()
    sign = SIGN[side]
    body = actor.body
    lead = actor.between(0.3, 0.6)
    length = actor.between(1.3, 1.7) / actor.tempo**0.4
    seconds = float(np.clip(lead + length + 0.5 + actor.rest(), 1.5, 6.0))
    take = actor.take(seconds, idle=0.4, stance=1.3)
    t = take.t
    begin, end = lead, lead + length
    u = np.clip((t - begin) / (end - begin), 0, 1)
    turn = keyframes([0, 0.25, 0.5, 0.75, 1.0], np.array([[0.0], [85.0], [180.0], [275.0], [360.0]]), u)[:, 0]
    trunk = float(body.points["l_shoulder"][1] - body.points["pelvis"][1])
    standing = float(body.points["pelvis"][1])
    over = 0.98 * body.arm + trunk + 0.08 * body.height
    travel = actor.between(1.5, 1.9) * body.height
    low = 0.74 * standing
    heights = np.array([standing, low, 0.97 * over, over, 0.97 * over, low, standing])
    level = keyframes([0, 0.22, 0.37, 0.5, 0.63, 0.78, 1.0], heights[:, None], u)[:, 0]
    active = window(begin, end, t, 0.16 * length)
    take.add("roll", sign * turn)
    take.add("y", (level - standing) * (u > 0) * (u < 1))
    path = np.zeros((len(t), 2))
    path[:, 0] = sign * travel * (0.35 * u + 0.65 * u * u * (3 - 2 * u))
    take.path = path
    take.heading = 0 * t
    fold = keyframes([0, 0.12, 0.26, 0.5, 0.74, 0.88, 1.0], np.array([[0.0], [20], [38], [0], [-38], [-20], [0]]), u)[
        :, 0
    ]
    take.add("bend", sign * fold)
    for hand, centre, early in ((side, 0.44, 0.20), (OTHER[side], 0.56, 0.34)):
        spot = np.array([sign * travel * centre, 0.045 * body.height, 0.04 * SIGN[hand]])
        span = begin + length * np.array([early - 0.1, early + 0.06, early + 0.38, early + 0.52])
        take.reach(hand, list(span), [0, 1, 1, 0], np.tile(spot, (4, 1)), "world")
        take.key(list(span), **{f"{hand}_wrist": [0, -78, -78, 0]})
    for leg in SIDES:
        foot = take.feet[leg]
        trailing = leg == side
        off = begin + (0.24 if trailing else 0.08) * length
        land = begin + (0.95 if trailing else 0.80) * length
        wide = keyframes([0, 0.3, 0.5, 0.7, 1.0], np.array([[14.0], [42.0], [55.0], [42.0], [12.0]]), u)[:, 0]
        take.key([off - 0.12 * length, off + 0.1 * length, land - 0.14 * length, land], **{f"{leg}_free": [0, 1, 1, 0]})
        take.add(f"{leg}_splay", wide * active)
        take.add(f"{leg}_knee", 6 * active)
        take.add(f"{leg}_ankle", 38 * active)
        take.step(leg, Step(off, land, foot.x + sign * travel, foot.z, foot.yaw, 0.01, 20.0, -20.0))
        up = ramp(t, 0.2 * lead, begin) * (1 - ramp(t, end - 0.1, end + 0.4))
        take.add(f"{leg}_abd", 150 * up)
        take.add(f"{leg}_rot", 80 * up)
        take.add(f"{leg}_elbow", -8 * up)
        take.curl[leg] = 3.0
    return take
