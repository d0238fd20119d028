"""A stick figure that tests move by formulas: where its hips, hands and feet are at each moment is known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from skeletonllm_core.motion.motion import Keypoints

Place = tuple[float, float, float]
"""A place [m]: to the left, up, to the front of the figure."""

SIGN = {"left": 1.0, "right": -1.0}
THIGH, SHIN, UPPER_ARM, FOREARM = 0.42, 0.41, 0.28, 0.26
ANKLE, HIPS, TRUNK = 0.07, 0.895, 0.52

NAMES = ("Hips", "Spine", "Chest", "Neck", "Head")
PARENTS = (-1, 0, 1, 2, 3)
SIDE_NAMES = (("Arm", 2), ("ForeArm", -1), ("Hand", -1), ("UpLeg", 0), ("Leg", -1), ("Foot", -1), ("ToeBase", -1))


def names_and_parents() -> tuple[list[str], list[int]]:
    """The joints: trunk, then the left arm and leg, then the right ones."""
    names, parents = list(NAMES), list(PARENTS)
    for side in ("Left", "Right"):
        for name, parent in SIDE_NAMES:
            parents.append(len(names) - 1 if parent < 0 else parent)
            names.append(side + name)
    return names, parents


def _bent(top: np.ndarray, end: np.ndarray, first: float, second: float, towards: np.ndarray) -> np.ndarray:
    """The elbow or knee of a limb from `top` to `end` with the lengths of its two bones, bulging to one side."""
    line = end - top
    length = min(max(float(np.linalg.norm(line)), 1e-6), first + second)
    axis = line / max(float(np.linalg.norm(line)), 1e-6)
    along = (first**2 - second**2 + length**2) / (2 * length)
    aside = towards - (towards @ axis) * axis
    aside /= max(float(np.linalg.norm(aside)), 1e-6)
    return top + along * axis + math.sqrt(max(first**2 - along**2, 0.0)) * aside


def rest(side: str) -> Place:
    """A hand that hangs, relative to its shoulder."""
    return (SIGN[side] * 0.05, -0.5, 0.04)


def _hanging(side: str, t: float) -> Place:
    return rest(side)


class Figure:
    """Everything is a function of time [s]; the defaults stand still, facing +Z.

    Attributes:
        at: hips over the ground: to the world's +X, height over the standing hips, +Z [m].
        yaw: heading [degrees], positive to the left.
        bend: trunk from the vertical [degrees], positive forward.
        hands: side → place relative to the shoulder [m], as the figure sees it.
        feet: side → place of the ankle in the world, without ANKLE [m].
    """

    def __init__(self) -> None:
        self.at: Callable[[float], Place] = lambda t: (0.0, 0.0, 0.0)
        self.yaw: Callable[[float], float] = lambda t: 0.0
        self.bend: Callable[[float], float] = lambda t: 0.0
        self.hands: dict[str, Callable[[float], Place]] = {side: partial(_hanging, side) for side in SIGN}
        self.feet: dict[str, Callable[[float], Place]] = {}

    def pose(self, t: float) -> np.ndarray:
        """(J, 3) joint positions [m] at a moment [s]."""
        yaw, bend = math.radians(self.yaw(t)), math.radians(self.bend(t))
        left, front = np.array([math.cos(yaw), 0, -math.sin(yaw)]), np.array([math.sin(yaw), 0, math.cos(yaw)])
        up = np.array([0.0, 1.0, 0.0])
        x, height, z = self.at(t)
        hips = np.array([x, HIPS + height, z])
        trunk = math.cos(bend) * up + math.sin(bend) * front
        chest_front = math.cos(bend) * front - math.sin(bend) * up

        def local(place: Place) -> np.ndarray:
            return place[0] * left + place[1] * up + place[2] * front

        points = [hips, hips + 0.2 * trunk, hips + 0.42 * trunk, hips + (TRUNK + 0.04) * trunk, hips + 0.66 * trunk]
        for side, sign in SIGN.items():
            shoulder = hips + TRUNK * trunk + sign * 0.18 * left
            hand = shoulder + local(self.hands[side](t))
            points += [shoulder, _bent(shoulder, hand, UPPER_ARM, FOREARM, -chest_front - 0.3 * up), hand]
            hip = hips - 0.02 * trunk + sign * 0.09 * left
            if side in self.feet:
                ankle = np.array(self.feet[side](t)) + ANKLE * up
            else:
                ankle = np.array([x, ANKLE, z]) + sign * 0.09 * left
            points += [hip, _bent(hip, ankle, THIGH, SHIN, front), ankle, ankle + 0.14 * front - 0.05 * up]
        return np.array(points)

    def clip(self, seconds: float, fps: float = 30.0) -> Keypoints:
        """The movement from 0 s on."""
        names, parents = names_and_parents()
        frames = round(seconds * fps)
        return Keypoints.from_arrays(np.stack([self.pose(i / fps) for i in range(frames)]), names, parents, fps)


def mirrored(clip: Keypoints) -> Keypoints:
    """The clip as a mirror shows it, left and right exchanged by name."""
    names = list(clip.topology.names)
    swap = [names.index(name.replace("Left", "R@").replace("Right", "Left").replace("R@", "Right")) for name in names]
    positions = clip.positions[:, swap] * np.array([-1.0, 1.0, 1.0])
    return Keypoints(clip.topology, positions, clip.fps, clip.name)


def ramp(t: float, start: float, seconds: float) -> float:
    """0 before `start`, 1 after `start + seconds`, smooth between."""
    share = min(max((t - start) / seconds, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def walking(steps: int, *, length: float = 0.6, step_s: float = 0.55, way: float = 0.0, yaw: float = 0.0) -> Figure:
    """That many steps, left foot first, after half a second of standing.

    Args:
        steps: how many.
        length: of a step [m].
        step_s: duration of a step [s].
        way: where it goes, from where it faces [degrees], 90 = to its left.
        yaw: where it faces [degrees].
    """
    figure = Figure()
    ahead = math.radians(way + yaw)
    start = 0.5

    def place(side: str, t: float) -> Place:
        first = 0 if side == "left" else 1
        along, lift = 0.0, 0.0
        for step in range(first, steps, 2):
            share = min(max((t - start - step * step_s) / step_s, 0.0), 1.0)
            before = 0.0 if step == 0 else step * length - length
            goal = (step + 1) * length
            if share > 0:
                along = before + (goal - before) * (0.5 - 0.5 * math.cos(math.pi * share))
                lift = 0.12 * math.sin(math.pi * share)
        heading = math.radians(yaw)
        aside = SIGN[side] * 0.09
        return (
            along * math.sin(ahead) + aside * math.cos(heading),
            lift,
            along * math.cos(ahead) - aside * math.sin(heading),
        )

    def hips(t: float) -> Place:
        left, right = place("left", t), place("right", t)
        return ((left[0] + right[0]) / 2, -0.06, (left[2] + right[2]) / 2)

    figure.at = hips
    figure.yaw = lambda t: yaw
    figure.feet = {side: partial(place, side) for side in SIGN}
    return figure


def running(speed: float = 3.2, period: float = 0.7, stance: float = 0.34) -> Figure:
    """A run along +Z: each foot stands for a share of the period, both are in the air in between."""
    figure = Figure()

    def place(side: str, t: float) -> Place:
        phase = t / period + (0.0 if side == "left" else 0.5)
        cycle = math.floor(phase)
        share = phase - cycle
        offset = 0.0 if side == "left" else 0.5
        landing = (cycle - offset) * period * speed + 0.5 * stance * period * speed
        if share < stance:
            return (SIGN[side] * 0.09, 0.0, landing)
        swing = (share - stance) / (1 - stance)
        along = landing + (0.5 - 0.5 * math.cos(math.pi * swing)) * period * speed
        lift = 0.4 * math.sin(math.pi * swing) ** 2 + 0.04 * math.sin(math.pi * swing)
        return (SIGN[side] * 0.09, lift, along)

    figure.feet = {side: partial(place, side) for side in SIGN}
    figure.at = lambda t: (0.0, -0.06 - 0.03 * math.cos(4 * math.pi * (t / period - stance / 2)), speed * t)
    return figure
