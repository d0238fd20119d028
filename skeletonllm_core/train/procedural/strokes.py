"""Actions that one hand leads: drawing in the air, hammering, catching, throwing overhand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.train.procedural.actor import OTHER, SIGN, Actor
from skeletonllm_core.train.procedural.gestures import steady_step
from skeletonllm_core.train.procedural.take import Step, Take


def _traced(
    actor: Actor, side: str, stops: Sequence[Sequence[float] | np.ndarray], beats: Sequence[float]
) -> tuple[Take, list[float]]:
    """A hand goes from stop to stop, then down.

    Args:
        stops: where it goes [arm lengths], from the middle between the shoulders: outwards on its side, up, forward.
        beats: how long it takes to each of them [s].

    Returns:
        the take, and when the hand sets out, is at each stop and is down again [s].
    """
    times = actor.times(actor.rest(), *beats, actor.between(0.45, 0.8), actor.rest(), spread=0.15)
    take = actor.take(times[-1])
    keys = list(times[1:-1])
    places = np.array(stops) + actor.rng.normal(0, 0.03, (len(stops), 3))
    places = actor.body.arm * places * [SIGN[side], 1, 1]
    ends = [keys[0], keys[1], keys[-2], keys[-1]]
    swivel = actor.between(-30, 10)
    take.arm(side, ends, flex=[0, 50, 50, 0], abd=[0, 14, 14, 0], elbow=[0, 60, 60, 0], rot=[0, swivel, swivel, 0])
    take.reach(side, keys, [0, *[1] * len(stops), 0], np.concatenate([places[:1], places, places[-1:]]), "chest")
    take.curl[side] = actor.between(10, 70)
    aside = places[:, 0] / actor.body.arm - 0.3 * SIGN[side]
    turn = [0, *(actor.between(4, 14) * aside), 0]
    take.key(keys, -0.05, twist=turn, look=turn)
    return take, keys


def _drawn(actor: Actor, points: Sequence[tuple[float, float]], beats: Sequence[float]) -> Take:
    """The points (outwards, up) of a drawing of half width and half height 1, on a board before the person."""
    aside, up, ahead = actor.between(-0.1, 0.5), actor.between(-0.25, 0.35), actor.between(0.68, 0.9)
    wide, tall = actor.between(0.2, 0.5) * actor.size, actor.between(0.2, 0.5) * actor.size
    stops = [(aside + wide * x, up + tall * y, ahead - 0.1 * abs(wide * x)) for x, y in points]
    return _traced(actor, "r" if actor.chance(0.8) else "l", stops, beats)[0]


def draw_x(actor: Actor) -> Take:
    first, second = ((1, 1), (-1, -1)), ((-1, 1), (1, -1))
    if actor.chance(0.4):
        first, second = second, first
    if actor.chance(0.15):
        second = second[::-1]
    stroke, lift = actor.between(0.28, 0.45), actor.between(0.25, 0.4)
    return _drawn(actor, (*first, *second), (actor.between(0.5, 0.75), stroke, lift, stroke))


def draw_tick(actor: Actor) -> Take:
    low = actor.between(-0.6, 0.1)
    points = ((-1.0, actor.between(-0.2, 0.5)), (low, -1.0), (1.0, 1.0))
    return _drawn(actor, points, (actor.between(0.5, 0.75), actor.between(0.22, 0.4), actor.between(0.3, 0.5)))


def draw_circle(actor: Actor) -> Take:
    turns = 1 if actor.chance(0.75) else 2
    way = -1.0 if actor.chance(0.5) else 1.0
    begin = (0.5 if actor.chance(0.7) else -0.5) * np.pi + actor.between(-0.6, 0.6)
    angles = begin + way * np.linspace(0, 2 * np.pi * turns, 8 * turns + 1)
    points = [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles]
    beat = actor.between(0.9, 1.5) / 8
    return _drawn(actor, points, (actor.between(0.5, 0.75), *[beat] * (len(points) - 1)))


def hammer(actor: Actor) -> Take:
    side = "r" if actor.chance(0.8) else "l"
    blows = 1 if actor.chance(0.55) else actor.reps(2, 4)
    high = np.array([actor.between(0.4, 0.85), actor.between(0.15, 0.6), actor.between(-0.15, 0.3)])
    low = np.array([actor.between(-0.1, 0.4), actor.between(-0.85, -0.2), actor.between(0.5, 0.8)])
    again = 0.7 * high + 0.3 * low
    stops, beats = [high, low], [actor.between(0.45, 0.8), actor.between(0.18, 0.32)]
    for _ in range(blows - 1):
        stops += [again, low]
        beats += [actor.between(0.25, 0.4), actor.between(0.18, 0.3)]
    stops.append(low)
    beats.append(actor.between(0.1, 0.5))
    take, keys = _traced(actor, side, stops, beats)
    take.curl[side] = 80.0
    lean = actor.between(2, 14)
    take.key([keys[1], keys[2], keys[-2], keys[-1]], spine=[-3, lean, lean, 0], nod=[0, 0.6 * lean, 0.6 * lean, 0])
    return take


def hand_catch(actor: Actor) -> Take:
    side = "r" if actor.chance(0.75) else "l"
    there = (actor.between(0.35, 0.95), actor.between(-0.15, 0.7), actor.between(0.4, 0.8))
    held = (there[0] - 0.05, there[1] - actor.between(0.0, 0.12), there[2])
    stops, beats = [there, held], [actor.between(0.35, 0.6), actor.between(0.25, 0.9)]
    if actor.chance(0.4):
        stops.append((0.35, actor.between(-0.4, -0.1), actor.between(0.35, 0.55)))
        beats.append(actor.between(0.25, 0.4))
    take, keys = _traced(actor, side, stops, beats)
    take.curl[side] = actor.between(20, 60)
    if actor.chance(0.3):
        foot = take.feet[side]
        reach = actor.between(0.1, 0.3)
        take.step(
            side,
            Step(keys[0], keys[1] + 0.1, foot.x + 0.5 * SIGN[side] * reach, foot.z + reach, foot.yaw, 0.06, 12.0, 4.0),
        )
    return take


def horizontal_wave(actor: Actor) -> Take:
    side = "r" if actor.chance(0.8) else "l"
    level, far = actor.between(-0.4, 0.1), actor.between(0.75, 0.92)
    outer, inner = actor.between(0.7, 1.15), actor.between(-0.4, 0.15)
    ends = [(outer, level, far - 0.4 * (outer - 0.3)), (inner, level, far)]
    if actor.chance(0.3):
        ends.reverse()
    swings = actor.reps(1, 4)
    stops = [ends[number % 2] for number in range(2 * swings)]
    if actor.chance(0.4):
        stops.append(ends[0])
    return _traced(actor, side, stops, [actor.between(0.45, 0.7), *[actor.between(0.3, 0.55)] * (len(stops) - 1)])[0]


def _overhand(actor: Actor, release: float, toss: bool = False) -> Take:
    """Swing back and throw, or hit, overhand.

    Args:
        release: how high the arm is in front when it lets go [degrees].
        toss: the other hand throws a ball up first.
    """
    side = actor.side()
    sign = SIGN[side]
    wait = actor.between(0.35, 0.6) if toss else 0.15
    times = actor.times(actor.rest(), 0.6, wait, 0.26, 0.3, 0.6, actor.rest(), spread=0.15)
    take = actor.take(times[-1])
    begin, cocked, go_on, let_go, through, back = times[1:7]
    keys = [begin, cocked, go_on, let_go, through, back]
    size = actor.size
    after = actor.between(40, 0.75 * release)
    take.arm(
        side, keys, 0.02, abd=[0, 78, 80, 35, 12, 0], rot=[0, 95, 100, 10, -15, 0], hor=[0, 18, 22, -6, -25, 0],
        flex=[0, 12, 10, release, after, 0], elbow=[0, 80, 82, 4, 14, 0], pron=[0, 10, 0, 40, 50, 0],
    )  # fmt: skip
    other = OTHER[side]
    if toss:
        up = actor.between(130, 165)
        take.arm(other, keys, flex=[0, up, 0.8 * up, 5, -12, 0], abd=[0, 6, 6, 18, 14, 0], elbow=[0, 8, 12, 45, 35, 0])
    else:
        take.arm(other, keys, flex=[0, 58, 50, 5, -12, 0], abd=[0, 18, 20, 18, 14, 0], elbow=[0, 15, 20, 45, 35, 0])
    wind = sign * actor.between(22, 42) * size
    take.key(
        keys,
        -0.03,
        twist=[0, wind, 0.9 * wind, -0.7 * wind, -0.8 * wind, 0],
        yaw=[0, 0.7 * wind, 0.5 * wind, -0.3 * wind, -0.4 * wind, 0],
    )
    take.key(keys, look=[0, -1.4 * wind, -1.2 * wind, 0.8 * wind, 0.9 * wind, 0])
    take.key(
        keys,
        spine=[0, -9, -9, 12, 20, 0],
        bend=[0, -0.25 * wind, -0.25 * wind, 0.2 * wind, 0.1 * wind, 0],
        z=[0, -0.07, -0.06, 0.08, 0.1, 0],
    )
    take.key(keys, y=[0, -0.03, -0.04, -0.02, -0.04, 0])
    if actor.chance(0.65):
        home = back - 0.35 if actor.chance(0.5) else None
        steady_step(actor, take, other, cocked - 0.25, let_go - 0.08, actor.between(0.22, 0.4), home)
    take.curl[side] = 45.0
    return take


def throw(actor: Actor) -> Take:
    return _overhand(actor, 82.0)


def high_throw(actor: Actor) -> Take:
    return _overhand(actor, actor.between(100, 145))


def tennis_serve(actor: Actor) -> Take:
    return _overhand(actor, actor.between(125, 160), toss=True)
