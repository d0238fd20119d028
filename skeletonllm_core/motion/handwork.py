"""What the hands do: how high, how often to and fro, which way, together or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.tracks import RATE, Tracks, path, runs, smoothed, speed, turning_points

HELD_S = 0.13
"""A hand counts as high as it stays for this long [s]."""


@dataclass(frozen=True)
class Hand:
    """What one hand (its wrist joint) does; a field is None where joints that it needs are missing.

    Attributes:
        over_shoulder: greatest height over the shoulder of its side, held for `HELD_S` [m]; negative = stays below.
        over_head: the same over the head joint [m].
        raised: "head" (above the head), "shoulder" (above the shoulder), "level" (at shoulder height) or None.
        raised_share: share of the time at shoulder height or above, in [0, 1].
        raised_at_s: first moment at shoulder height or above [s].
        starts_raised: at shoulder height or above in the first moment already.
        ends_raised: still at shoulder height or above in the last moment.
        waves: times it goes to and fro while it is up.
        waves_at_s: when that begins [s].
        path: length of its path relative to the pelvis [m].
        mean_speed: relative to the pelvis [m/s].
        top_speed: relative to the pelvis [m/s].
        excursion: main direction from where it starts to its farthest place: "up", "down", "forward", "backward",
            "outward", "inward".
        excursion_distance: how far that is [m].
        excursion_at_s: when it is there [s].
        crosses: it comes over the middle line to the other side of the body.
        thrusts: times it shoots away from the shoulder, stretching the arm level.
        thrust: which way it does so first: "forward", "backward", "outward", "inward".
        thrust_at_s: when [s].
    """

    over_shoulder: float | None = None
    over_head: float | None = None
    raised: str | None = None
    raised_share: float | None = None
    raised_at_s: float | None = None
    starts_raised: bool | None = None
    ends_raised: bool | None = None
    waves: int | None = None
    waves_at_s: float | None = None
    path: float | None = None
    mean_speed: float | None = None
    top_speed: float | None = None
    excursion: str | None = None
    excursion_distance: float | None = None
    excursion_at_s: float | None = None
    crosses: bool | None = None
    thrusts: int | None = None
    thrust: str | None = None
    thrust_at_s: float | None = None


def held(values: np.ndarray) -> float:
    """The greatest of (n,) values that is kept or passed for `HELD_S` altogether."""
    place = min(round(HELD_S * RATE), len(values) - 1)
    return float(np.partition(values, len(values) - 1 - place)[len(values) - 1 - place])


def _waves(body: Tracks, arm: np.ndarray, up: np.ndarray) -> tuple[int, float | None]:
    """Times to and fro, and when it begins [s]: `arm` (n, 3) from shoulder to hand, `up` (n,) where the hand is up.

    To and fro is along the line of most movement, in space or level with the ground (so that lifting the hand hides
    nothing): two full small swings, or one and a half wide ones.
    """
    best: tuple[int, float | None] = (0, None)
    for start, end in runs(up, least=8, bridge=6):
        part = smoothed(arm[start:end], 0.03 * RATE)
        for axes in ([0, 1, 2], [0, 2]):
            step = np.diff(part[:, axes], axis=0)
            line = part[:, axes] @ np.linalg.eigh(step.T @ step)[1][:, -1]
            for amplitude, least in ((0.035, 4), (0.1, 3)):
                points = turning_points(line, amplitude * body.height)
                swings = len(points) - 1
                if swings >= least and (swings + 1) // 2 > best[0]:
                    best = ((swings + 1) // 2, (start + points[0]) / RATE)
    return best


def _thrusts(body: Tracks, arm: np.ndarray, length: float, outward: float) -> list[tuple[float, str]]:
    """When [s] and which way the arm shoots out.

    Args:
        arm: (n, 3) from shoulder to hand [m], as the person sees it.
        length: of the arm [m].
        outward: 1.0 for a left arm, -1.0 for a right one.
    """
    reach = np.sqrt((arm**2).sum(1))
    level = np.hypot(arm[:, 0], arm[:, 2])
    out = (reach > 0.75 * length) & (level > 0.65 * length)
    growth = np.gradient(smoothed(reach, 1.0)) * RATE if len(reach) > 2 else np.zeros(len(reach))
    found = []
    for start, end in runs(out, least=1, bridge=4):
        near = slice(max(start - round(0.3 * RATE), 0), end)
        if float(growth[near].max()) < 0.7 * body.height:
            continue
        far = start + int(level[start:end].argmax())
        aside, ahead = arm[far, 0] * outward, arm[far, 2]
        options = {"forward": ahead, "backward": -ahead, "outward": aside, "inward": -aside}
        found.append((far / RATE, max(options, key=lambda name: options[name])))
    return found


def hand(body: Tracks, side: str) -> Hand:
    """What the hand of a side does; an empty `Hand` where the hand or the pelvis is missing."""
    wrist, hips = body.at.get(BodyPart(f"{side}_hand")), body.hips
    if wrist is None or hips is None:
        return Hand()
    height, moving = body.height, len(body) > 1
    values: dict[str, Any] = {}
    seen = body.seen(wrist - hips)
    if moving:
        calm = smoothed(seen, 0.05 * RATE)
        pace = speed(calm)
        values |= {"path": path(calm), "mean_speed": float(pace.mean()), "top_speed": float(pace.max())}
    away = seen - seen[: max(1, round(0.15 * RATE))].mean(0)
    distance = np.sqrt((away**2).sum(1))
    far = int(distance.argmax())
    if moving and distance[far] > 0.12 * height:
        outward = away[far, 0] if side == "left" else -away[far, 0]
        options = {"up": away[far, 1], "down": -away[far, 1]}
        if body.yaw is not None:
            options |= {"forward": away[far, 2], "backward": -away[far, 2], "outward": outward, "inward": -outward}
        values["excursion"] = max(options, key=lambda name: options[name])
        values["excursion_distance"], values["excursion_at_s"] = float(distance[far]), far / RATE
    elbow, shoulder = body.at.get(BodyPart(f"{side}_forearm")), body.at.get(BodyPart(f"{side}_upper_arm"))
    if body.yaw is not None and body.shoulders is not None:
        across = body.seen(wrist - body.shoulders)[:, 0] * (1 if side == "left" else -1)
        values["crosses"] = bool(held(-across) > 0.03 * height)
    if shoulder is None:
        return Hand(**values)
    arm = body.seen(wrist - shoulder)
    if moving and elbow is not None:
        bones = (elbow - shoulder, wrist - elbow)
        length = float(sum(np.median(np.sqrt((bone**2).sum(1))) for bone in bones))
        thrusts = _thrusts(body, arm, length, 1.0 if side == "left" else -1.0) if body.yaw is not None else []
        values["thrusts"] = len(thrusts)
        if thrusts:
            values["thrust_at_s"], values["thrust"] = thrusts[0]
    upright = np.ones(len(body), bool) if body.upright is None else body.upright > 0.5
    if upright.mean() < 0.5:
        return Hand(**values)
    over = np.where(upright, arm[:, 1], -height)
    values["over_shoulder"] = held(over)
    top = values["over_shoulder"]
    head = body.at.get(BodyPart.HEAD)
    if head is not None:
        values["over_head"] = held(np.where(upright, wrist[:, 1] - head[:, 1], -height))
    up = over > -0.08 * height
    values["raised_share"] = float(up.mean())
    if values["raised_share"] and held(over) > -0.08 * height:
        start = runs(up, least=min(round(HELD_S * RATE), int(up.sum())))
        above = head is not None and values["over_head"] > 0.06 * height
        values["raised"] = "head" if above else "shoulder" if top > 0.02 * height else "level"
        values["raised_at_s"] = start[0][0] / RATE if start else float(up.argmax()) / RATE
    values["starts_raised"], values["ends_raised"] = bool(up[0]), bool(up[-1])
    if moving:
        lifted = over > -0.14 * height
        if elbow is not None:
            lifted &= wrist[:, 1] > elbow[:, 1] - 0.02 * height
        values["waves"], values["waves_at_s"] = _waves(body, arm, lifted)
    return Hand(**values)


@dataclass(frozen=True)
class BothHands:
    """What both hands do together; None where one is missing.

    Attributes:
        least_distance: between the wrists [m].
        claps: times they come together in front of the body, over the hips, and part again.
        claps_at_s: the first of them [s].
        symmetry: correlation of their heights in [-1, 1]; None where one of them hardly goes up or down.
    """

    least_distance: float | None = None
    claps: int | None = None
    claps_at_s: float | None = None
    symmetry: float | None = None


def both_hands(body: Tracks) -> BothHands:
    """What both hands do together."""
    left, right = body.at.get(BodyPart.LEFT_HAND), body.at.get(BodyPart.RIGHT_HAND)
    if left is None or right is None:
        return BothHands()
    apart = np.sqrt(((left - right) ** 2).sum(1))
    low = body.hips[:, 1] + 0.04 * body.height if body.hips is not None else np.full(len(apart), -np.inf)
    lifted = np.minimum(left[:, 1], right[:, 1]) > low
    points = turning_points(apart, 0.06 * body.height) if len(body) > 1 else []
    valleys = [
        point
        for place, point in enumerate(points)
        if apart[point] < 0.15 * body.height
        and lifted[point]
        and 0 < point < len(apart) - 1
        and (apart[points[place - 1]] if place else apart[points[1]]) > apart[point]
    ]
    symmetry = None
    heights = np.stack([left[:, 1], right[:, 1]])
    if len(body) > 2 and heights.std(axis=1).min() > 0.03 * body.height:
        symmetry = float(np.corrcoef(heights)[0, 1])
    return BothHands(float(apart.min()), len(valleys), valleys[0] / RATE if valleys else None, symmetry)
