"""Actions of the arms on a standing body."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.train.procedural.actor import OTHER, SIGN, Actor
from skeletonllm_core.train.procedural.curves import window
from skeletonllm_core.train.procedural.take import SIDES, Step, Take


def stand(actor: Actor) -> Take:
    take = actor.take(actor.between(1.2, 5.0), idle=actor.between(0.8, 1.6))
    return take


def _raise(actor: Actor, sides: tuple[str, ...]) -> Take:
    """Raise arms forward or sideways, mostly over the head, hold them up and, mostly, lower them again."""
    rest = actor.rest()
    if actor.chance(0.8):
        times = actor.times(rest, 0.7, actor.between(0.1, 1.4), 0.75, actor.rest())
        keys, down = list(times[1:5]), [0.0]
    else:
        times = actor.times(rest, 0.75, actor.between(0.4, 1.5))
        keys, down = list(times[1:4]), []
    take = actor.take(times[-1])
    forward = actor.chance(0.55)
    bend, aside, turn = actor.between(-10, 28), actor.between(-4, 12), actor.between(50, 90)
    if actor.chance(0.7):
        level = float(np.clip(actor.between(142, 172) * actor.size**0.35, 118, 176))
    else:
        # No higher than the shoulders or the face.
        level = actor.between(65, 100)
        bend = actor.between(100, 135) - level
    fold = actor.between(0, 45) if forward and down else 0.0
    for side in sides:
        lag = actor.between(0.0, 0.05)
        high, bent = level + actor.between(-4, 4), bend + actor.between(-4, 4)
        held = high + actor.between(-5, 3)
        if forward:
            take.arm(
                side, keys, lag, flex=[0, high, held, *down], abd=[0, aside, aside, *down],
                elbow=[0, bent, bent, *down], pron=[0, -10, -10, *down],
            )  # fmt: skip
        else:
            take.arm(
                side, keys, lag, abd=[0, high, held, *down], rot=[0, turn, turn, *down],
                elbow=[0, bent, bent, *down], flex=[0, 6, 6, *down],
            )  # fmt: skip
        take.arm(side, [keys[0], 0.5 * (keys[0] + keys[1]), keys[1]], elbow=[0, fold, 0])
    lean = 0.0 if len(sides) == 2 else -SIGN[sides[0]] * actor.between(1, 6)
    take.key(
        keys, spine=[0, -4, -4, *down], bend=[0, lean, lean, *down], twist=[0, -0.6 * lean, -0.5 * lean, *down],
        nod=[0, actor.between(-14, 3), -4, *down], x=[0, -0.004 * lean, -0.004 * lean, *down],
    )  # fmt: skip
    return take


def raise_right(actor: Actor) -> Take:
    return _raise(actor, ("r",))


def raise_left(actor: Actor) -> Take:
    return _raise(actor, ("l",))


def raise_both(actor: Actor) -> Take:
    return _raise(actor, ("l", "r"))


def _wave(actor: Actor, sides: tuple[str, ...]) -> Take:
    """Raise arms and swing the hands from side to side."""
    swings = actor.reps(2, 6)
    rate = actor.between(1.0, 1.9) * actor.tempo**0.8
    wave = swings / rate
    lead, tail = actor.rest(), actor.rest()
    rise, fall = actor.between(0.45, 0.8) / actor.tempo**0.5, actor.between(0.45, 0.85) / actor.tempo**0.5
    scale = min(1.0, 5.9 / (lead + rise + wave + fall + tail))
    stays = actor.chance(0.15)
    up, on, off = lead * scale, (lead + rise) * scale, (lead + rise + wave) * scale
    end = off + fall * scale
    take = actor.take(off + 0.15 if stays else end + tail * scale)
    keys, down = ([up, on, off], []) if stays else ([up, on, off, end], [0.0])
    rate /= scale
    t = take.t
    on_off = window(on - 0.25, off + 0.25, t, 0.3)
    swing = np.sin(2 * np.pi * rate * (t - on) + actor.between(-0.6, 0.6)) * on_off
    late = np.sin(2 * np.pi * rate * (t - on) - 0.6) * on_off
    kind = int(actor.rng.choice(4, p=[0.3, 0.4, 0.2, 0.1]))
    opposed = actor.chance(0.25)
    # What waves: the whole arm, held high; the forearm, upper arm out to the side; the forearm, upper arm in front; a
    # straight arm over the head.
    levels = ((140, 165), (55, 100), (38, 80), (150, 168))
    bends = ((-8, 25), (60, 88), (95, 122), (-6, 12))
    level, bend = actor.between(*levels[kind]), actor.between(*bends[kind])
    turn, flex = actor.between(70, 92), actor.between(5, 35)
    for side in sides:
        part = -1.0 if opposed and side == "r" else 1.0
        size = actor.size * actor.between(0.9, 1.1)
        high, bent = level + actor.between(-4, 4), bend + actor.between(-4, 4)
        if kind == 0:
            take.arm(side, keys, abd=[0, high, high, *down], rot=[0, turn, turn, *down], elbow=[0, bent, bent, *down])
            take.add(f"{side}_abd", 18 * size * part * swing)
            take.add(f"{side}_elbow", 10 * size * (1 - part * late) * on_off)
        elif kind == 1:
            take.arm(
                side, keys, abd=[0, high, high, *down], rot=[0, turn, turn, *down], elbow=[0, bent, bent, *down],
                flex=[0, flex, flex, *down], pron=[0, 25, 25, *down],
            )  # fmt: skip
            take.add(f"{side}_elbow", 27 * size * part * swing)
            take.add(f"{side}_abd", -7 * size * part * late)
        elif kind == 2:
            take.arm(
                side, keys, flex=[0, high, high, *down], abd=[0, 22, 22, *down], elbow=[0, bent, bent, *down],
                rot=[0, 22, 22, *down], pron=[0, 45, 45, *down],
            )  # fmt: skip
            take.add(f"{side}_rot", 26 * size * part * swing)
            take.add(f"{side}_wrist", -10 * size * part * late)
        else:
            take.arm(side, keys, flex=[0, high, high, *down], abd=[0, 10, 10, *down], elbow=[0, bent, bent, *down])
            take.add(f"{side}_abd", 24 * size * part * swing)
        take.curl[side] = actor.between(2, 12)
    lean = 0.0 if len(sides) == 2 else -SIGN[sides[0]] * actor.between(0, 5)
    take.key(keys, bend=[0, lean, lean, *down], spine=[0, -2, -2, *down], x=[0, -0.004 * lean, -0.004 * lean, *down])
    sign = 0.0 if len(sides) == 2 else SIGN[sides[0]]
    take.add("bend", -1.2 * sign * late * actor.size)
    take.add("look", sign * actor.between(-4, 8))
    return take


def wave_right(actor: Actor) -> Take:
    return _wave(actor, ("r",))


def wave_left(actor: Actor) -> Take:
    return _wave(actor, ("l",))


def wave_both(actor: Actor) -> Take:
    return _wave(actor, ("l", "r"))


def clap(actor: Actor) -> Take:
    claps = actor.reps(2, 8)
    rate = actor.between(1.7, 3.2) * actor.tempo**0.7
    lead, rise = actor.rest(), actor.between(0.4, 0.6)
    length = min(claps / rate, 4.2)
    fall = actor.between(0.4, 0.7)
    take = actor.take(lead + rise + length + fall + actor.rest())
    t = take.t
    on, off = lead + rise, lead + rise + length
    body = actor.body
    keys = [lead, on, off, off + fall]
    high, ahead = actor.between(-0.24, 0.02) * body.arm, actor.between(0.50, 0.68) * body.arm
    palm = 0.018 * body.height
    wide = actor.between(0.09, 0.2) * actor.size
    apart = palm + wide * (1 - np.abs(np.cos(np.pi * rate * (t - on))) ** 0.8)
    tilt = 0.02 * np.sin(np.pi * rate * (t - on))
    for side in SIDES:
        sign = SIGN[side]
        target = np.stack([sign * apart, high + sign * tilt, ahead + 0 * t], axis=1)
        take.arm(
            side,
            keys,
            flex=[0, 38, 38, 0],
            elbow=[0, 65, 65, 0],
            rot=[0, -22, -22, 0],
            abd=[0, 8, 8, 0],
            pron=[0, -12, -12, 0],
        )
        take.reach(side, keys, [0, 1, 1, 0], target, "chest")
        take.curl[side] = 4.0
    take.key(keys, spine=[0, 3, 3, 0], nod=[0, 6, 6, 0])
    take.add("spine", 0.8 * np.cos(2 * np.pi * rate * (t - on)) * window(on, off, t))
    return take


def steady_step(
    actor: Actor, take: Take, side: str, start: float, land: float, ahead: float, back: float | None = None
) -> None:
    """A step forward with one foot, [m]; the foot returns after `back` [s] if given."""
    foot = take.feet[side]
    take.step(side, Step(start, land, foot.x, foot.z + ahead, foot.yaw, 0.07, 18.0, 8.0))
    if back is not None:
        take.step(side, Step(back, back + 0.45, foot.x, foot.z, foot.yaw, 0.06, 12.0, -4.0))


def point(actor: Actor) -> Take:
    side = actor.side()
    times = actor.times(actor.rest(), 0.55, actor.between(0.5, 1.8), 0.6, actor.rest())
    keys = list(times[1:5])
    take = actor.take(times[-1])
    aim, high = actor.between(-25, 60), actor.between(72, 105)
    take.arm(
        side, keys, flex=[0, high, high + actor.between(-3, 3), 0], hor=[0, aim, aim, 0], abd=[0, -4, -4, 0],
        elbow=[0, -actor.elbow + 4, -actor.elbow + 5, 0], pron=[0, 30, 30, 0], protract=[0, 8, 8, 0],
    )  # fmt: skip
    early = 0.5 * (keys[0] + keys[1])
    take.key([keys[0], early, keys[1]], **{f"{side}_elbow": [0, actor.between(10, 50), 0]})
    look = SIGN[side] * aim
    take.key(keys, -0.1, look=[0, 0.6 * look, 0.6 * look, 0])
    take.key(keys, twist=[0, 0.22 * look - SIGN[side] * 5, 0.22 * look - SIGN[side] * 5, 0], spine=[0, 1, 1, 0])
    return take


def drink(actor: Actor) -> Take:
    side = actor.side()
    times = actor.times(actor.rest(), 0.9, actor.between(0.7, 1.6), 0.85, actor.rest())
    keys = list(times[1:5])
    take = actor.take(times[-1])
    body = actor.body
    mouth = body.points["head"] + np.array([0.0, 0.014, 0.085]) * body.height
    middle = 0.5 * (body.points["l_shoulder"] + body.points["r_shoulder"])
    hand = mouth - middle + np.array([SIGN[side] * 0.035, -0.01, 0.045]) * body.height
    take.arm(
        side,
        keys,
        flex=[0, 42, 52, 0],
        abd=[0, 22, 30, 0],
        elbow=[0, 112, 118, 0],
        rot=[0, -38, -34, 0],
        pron=[0, 0, 8, 0],
    )
    sip = 0.02 * body.height
    target = hand + sip * np.array([[0, 0, 0], [0, 0.2, 0], [0, 1, -0.2], [0, 0, 0]])
    take.reach(side, keys, [0, 0.97, 0.97, 0], target, "chest")
    middle_time = 0.5 * (keys[1] + keys[2])
    take.key([keys[1] - 0.1, middle_time, keys[2]], nod=[0, -actor.between(12, 26), 0], spine=[0, -4, 0])
    take.curl[side] = 62.0
    return take


def _guard(actor: Actor, take: Take, keys: list[float]) -> None:
    """Both fists before the chest, from keys[1] to keys[2]."""
    guard = actor.between(30, 45)
    for side in SIDES:
        high = guard + actor.between(-4, 4)
        take.arm(
            side,
            keys,
            flex=[0, high, high, 0],
            abd=[0, 10, 10, 0],
            elbow=[0, 105, 105, 0],
            rot=[0, -14, -14, 0],
            pron=[0, 10, 10, 0],
        )
        take.curl[side] = 75.0


def forward_punch(actor: Actor) -> Take:
    side = actor.side()
    count = 1 if actor.chance(0.6) else actor.reps(2, 4)
    guarded = actor.chance(0.6) or count > 1
    lead, ready = actor.rest(), actor.between(0.35, 0.55)
    beat = actor.between(0.5, 0.75) / actor.tempo**0.7
    seconds = lead + ready + count * beat + 0.5 + actor.rest()
    take = actor.take(float(np.clip(seconds, 1.0, 6.0)), stance=actor.between(1.2, 1.9))
    on, off = lead + ready, lead + ready + count * beat
    keys = [lead, on, off, off + 0.5]
    if guarded:
        _guard(actor, take, keys)
    else:
        take.arm(side, keys, flex=[0, -12, 0, 0], elbow=[0, 85, 0, 0])
        take.curl[side] = 75.0
    front = OTHER[side] if actor.chance(0.7) else None
    if front:
        steady_step(actor, take, front, lead, lead + 0.9 * ready, actor.between(0.15, 0.32), off + 0.05)
    alternate = actor.chance(0.5)
    for number in range(count):
        fist = side if number % 2 == 0 or not alternate else OTHER[side]
        hit = on + beat * number + 0.38 * beat
        times = [on + beat * number, hit - 0.08, hit, hit + 0.06, on + beat * (number + 1)]
        base = 38.0 if guarded else 0.0
        bent = actor.elbow + (105.0 if guarded else 0.0)
        high = actor.between(78, 94)
        take.arm(
            fist, times, flex=[0, 0.55 * (high - base), high - base, high - base - 2, 0], abd=[0, 4, -6, -6, 0],
            protract=[0, 4, 14, 14, 0], pron=[0, 20, 50, 50, 0], hor=[0, 0, -6, -6, 0],
        )  # fmt: skip
        take.key(times, **{f"{fist}_elbow": [0, -0.2 * bent, 5 - bent, 7 - bent, 0]})
        sign = -SIGN[fist]
        push = sign * actor.between(14, 28) * actor.size
        take.key(
            times,
            -0.04,
            twist=[0, 0.3 * push, 0.75 * push, 0.7 * push, 0],
            yaw=[0, 0.2 * push, 0.45 * push, 0.4 * push, 0],
        )
        take.key(
            times, look=[0, -0.4 * push, -1.1 * push, -1.0 * push, 0], spine=[0, 2, 6, 6, 0], z=[0, 0.01, 0.05, 0.05, 0]
        )
    take.key(keys, y=[0, -0.03, -0.03, 0])
    return take


def side_boxing(actor: Actor) -> Take:
    side = actor.side()
    count = actor.reps(1, 3)
    lead, ready = actor.rest(), actor.between(0.35, 0.55)
    beat = actor.between(0.55, 0.85) / actor.tempo**0.7
    take = actor.take(
        float(np.clip(lead + ready + count * beat + 0.5 + actor.rest(), 1.0, 6.0)), stance=actor.between(1.3, 1.9)
    )
    on, off = lead + ready, lead + ready + count * beat
    keys = [lead, on, off, off + 0.5]
    _guard(actor, take, keys)
    sign = SIGN[side]
    for number in range(count):
        hit = on + beat * (number + 0.42)
        times = [on + beat * number, hit - 0.16, hit, hit + 0.07, on + beat * (number + 1)]
        turn = sign * actor.between(10, 30)
        bent = 105.0 + actor.elbow
        take.arm(
            side,
            times,
            abd=[0, 35, 74, 74, 0],
            flex=[0, -8, -30, -30, 0],
            rot=[0, 10, 25, 25, 0],
            pron=[0, 20, 45, 45, 0],
        )
        take.key(times, **{f"{side}_elbow": [0, -0.25 * bent, 7 - bent, 9 - bent, 0]})
        take.key(times, -0.04, twist=[0, -0.3 * turn, turn, turn, 0], bend=[0, 0, 0.25 * turn, 0.25 * turn, 0])
        take.key(times, look=[0, 0.6 * turn, 0.8 * turn, 0.8 * turn, 0], x=[0, 0, sign * 0.05, sign * 0.05, 0])
    take.key(keys, y=[0, -0.03, -0.03, 0])
    return take


def tennis_swing(actor: Actor) -> Take:
    side = actor.side()
    sign = SIGN[side]
    times = actor.times(actor.rest(), 0.6, 0.1, 0.28, 0.32, 0.6, actor.rest(), spread=0.15)
    take = actor.take(times[-1], stance=actor.between(1.4, 2.1))
    keys = list(times[1:7])
    back, hit, end = actor.between(25, 75), actor.between(35, 65), actor.between(60, 115)
    folded = actor.between(15, 80)
    take.arm(
        side, keys, flex=[0, back, back - 2, hit, end, 0], hor=[0, 78, 82, 8, -42, 0], abd=[0, 8, 8, 6, 8, 0],
        elbow=[0, 25, 25, 5, folded, 0], rot=[0, 10, 14, 0, -10, 0],
    )  # fmt: skip
    other = OTHER[side]
    take.arm(other, keys, flex=[0, 48, 45, 30, 15, 0], hor=[0, -14, -10, 18, 25, 0], elbow=[0, 35, 35, 55, 60, 0])
    wind = sign * actor.between(26, 44) * actor.size
    take.key(
        keys,
        -0.03,
        twist=[0, wind, wind, -0.45 * wind, -0.9 * wind, 0],
        yaw=[0, 0.8 * wind, 0.8 * wind, -0.2 * wind, -0.5 * wind, 0],
    )
    take.key(keys, look=[0, -1.5 * wind, -1.4 * wind, 0.5 * wind, 1.0 * wind, 0], spine=[0, 6, 6, 8, 2, 0])
    shift = sign * 0.06
    take.key(keys, x=[0, shift, shift, -shift, -shift, 0], y=[0, -0.05, -0.06, -0.04, -0.02, 0])
    take.curl[side] = 70.0
    return take


def golf_swing(actor: Actor) -> Take:
    """Both hands on one grip; a right-hander swings from the right side over to the left."""
    sign = SIGN["r"] if actor.chance(0.8) else SIGN["l"]
    times = actor.times(actor.between(0.2, 0.5), 0.85, 0.12, 0.27, 0.35, actor.between(0.3, 0.9), spread=0.15)
    take = actor.take(times[-1], stance=actor.between(1.8, 2.5))
    begin, top, start, hit, through = times[1:6]
    body = actor.body
    arm = body.arm
    times_of = [0.0, begin, top, start, hit, through, times[-1]]
    away, far = sign, -sign
    grip = arm * np.array(
        [
            [0.0, -0.82, 0.42], [0.0, -0.82, 0.42], [0.58 * away, 0.22, 0.42], [0.58 * away, 0.22, 0.42],
            [0.06 * far, -0.84, 0.42], [0.52 * far, 0.30, 0.34], [0.50 * far, 0.22, 0.36],
        ]
    )  # fmt: skip
    for side in SIDES:
        offset = np.array([SIGN[side] * 0.02, 0.03 if SIGN[side] == -sign else -0.03, 0.0]) * body.height
        take.arm(side, times_of, flex=[35, 35, 55, 55, 35, 60, 60], elbow=10.0, abd=0.0, rot=-10.0, hor=-12.0)
        take.reach(side, times_of, [1] * 7, grip + offset, "chest")
        take.curl[side] = 75.0
    wind = sign * actor.between(38, 55)
    take.key(times_of, twist=[0, 0, wind, wind, -0.25 * wind, -0.9 * wind, -0.8 * wind])
    take.key(times_of, -0.05, yaw=[0, 0, 0.6 * wind, 0.5 * wind, -0.5 * wind, -1.1 * wind, -1.0 * wind])
    take.key(times_of, look=[0, 0, -1.3 * wind, -1.2 * wind, 0.6 * wind, 1.0 * wind, 0.9 * wind])
    take.key(times_of, spine=[14, 14, 14, 14, 14, 0, 0], pitch=[18, 18, 16, 16, 16, 4, 4], nod=[2, 2, 2, 2, 2, -6, -6])
    take.key(
        times_of,
        x=[0, 0, 0.03 * away, 0.02 * away, 0.05 * far, 0.09 * far, 0.09 * far],
        z=-0.06,
        y=[-0.04] * 5 + [-0.02, -0.02],
    )
    trail = "l" if sign > 0 else "r"
    foot = take.feet[trail]
    if through > hit + 0.05:
        take.step(trail, Step(hit + 0.02, through + 0.1, foot.x, foot.z + 0.01, foot.yaw + 45 * far, 0.02, 30.0, -30.0))
    return take
