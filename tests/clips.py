"""Clips that tests write for themselves: a small humanoid in BVH that does one thing or another."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

# joint: parent, offset [cm], end offset where it is a leaf
RIG: dict[str, tuple[str | None, tuple[float, float, float], tuple[float, float, float] | None]] = {
    "Hips": (None, (0, 0, 0), None),
    "Spine": ("Hips", (0, 12, 0), None),
    "Chest": ("Spine", (0, 18, 0), None),
    "Neck": ("Chest", (0, 22, 0), None),
    "Head": ("Neck", (0, 9, 1), (0, 16, 0)),
    "LeftArm": ("Chest", (17, 18, 0), None),
    "LeftForeArm": ("LeftArm", (28, 0, 0), None),
    "LeftHand": ("LeftForeArm", (25, 0, 0), (9, 0, 0)),
    "RightArm": ("Chest", (-17, 18, 0), None),
    "RightForeArm": ("RightArm", (-28, 0, 0), None),
    "RightHand": ("RightForeArm", (-25, 0, 0), (-9, 0, 0)),
    "LeftUpLeg": ("Hips", (9, -4, 0), None),
    "LeftLeg": ("LeftUpLeg", (0, -42, 0), None),
    "LeftFoot": ("LeftLeg", (0, -41, 0), (0, -5, 14)),
    "RightUpLeg": ("Hips", (-9, -4, 0), None),
    "RightLeg": ("RightUpLeg", (0, -42, 0), None),
    "RightFoot": ("RightLeg", (0, -41, 0), (0, -5, 14)),
}

Pose = dict[str, tuple[float, float, float]]
"""Joint → rotation about Z, X, Y [degrees]; "at" is the place of the hips [cm]."""


def wave(seconds: float) -> Pose:
    """The right arm up, its forearm to and fro; the left arm hangs."""
    swing = 25 * math.sin(2 * math.pi * 1.5 * seconds)
    return {"RightArm": (-70, 0, 0), "RightForeArm": (swing - 20, 0, 0), "LeftArm": (-80, 0, 0), "at": (0, 92, 0)}


def walk(seconds: float) -> Pose:
    """Strides of one second at 1.2 m/s along +Z."""
    phase = math.sin(2 * math.pi * seconds)
    bent = 25 * max(0.0, math.cos(2 * math.pi * seconds))
    other = 25 * max(0.0, -math.cos(2 * math.pi * seconds))
    return {
        "LeftUpLeg": (0, -28 * phase, 0),
        "RightUpLeg": (0, 28 * phase, 0),
        "LeftLeg": (0, bent, 0),
        "RightLeg": (0, other, 0),
        "LeftArm": (-80, 25 * phase, 0),
        "RightArm": (80, -25 * phase, 0),
        "at": (0, 92, 120 * seconds),
    }


def squat(seconds: float) -> Pose:
    """Down and up again in two seconds."""
    depth = 0.5 - 0.5 * math.cos(math.pi * seconds)
    legs: Pose = {f"{side}UpLeg": (0, -70 * depth, 0) for side in ("Left", "Right")}
    knees: Pose = {f"{side}Leg": (0, 110 * depth, 0) for side in ("Left", "Right")}
    return {**legs, **knees, "LeftArm": (-80, 0, 0), "RightArm": (80, 0, 0), "at": (0, 92 - 38 * depth, 0)}


MOTIONS: dict[str, Callable[[float], Pose]] = {"wave": wave, "walk": walk, "squat": squat}


def bvh(motion: Callable[[float], Pose] = wave, seconds: float = 1.5, fps: float = 30.0, turn: float = 0.0) -> str:
    """The text of a BVH file.

    Args:
        motion: pose at each moment.
        seconds: length of the clip.
        fps: frames a second.
        turn: heading of the hips [degrees], to make clips that differ.
    """
    lines = ["HIERARCHY"]

    def joint(name: str, depth: int) -> None:
        pad = "  " * depth
        _, offset, end = RIG[name]
        lines.append(f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {name}")
        lines.append(f"{pad}{{")
        lines.append(f"{pad}  OFFSET {offset[0]} {offset[1]} {offset[2]}")
        place = "6 Xposition Yposition Zposition" if depth == 0 else "3"
        lines.append(f"{pad}  CHANNELS {place} Zrotation Xrotation Yrotation")
        for child in children[name]:
            joint(child, depth + 1)
        if end is not None:
            lines.append(f"{pad}  End Site\n{pad}  {{\n{pad}    OFFSET {end[0]} {end[1]} {end[2]}\n{pad}  }}")
        lines.append(f"{pad}}}")

    children: dict[str, list[str]] = {name: [] for name in RIG}
    for name, (parent, _, _) in RIG.items():
        if parent is not None:
            children[parent].append(name)
    joint("Hips", 0)
    order: list[str] = []

    def collect(name: str) -> None:
        order.append(name)
        for child in children[name]:
            collect(child)

    collect("Hips")
    frames = max(1, round(seconds * fps))
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / fps:.8f}"]
    for frame in range(frames):
        pose = motion(frame / fps)
        values = [*pose["at"]]
        for name in order:
            z, x, y = pose.get(name, (0.0, 0.0, 0.0))
            values += [z, x, y + (turn if name == "Hips" else 0.0)]
        lines.append(" ".join(f"{value:.5f}" for value in values))
    return "\n".join(lines) + "\n"


def write_library(folder: Path, count: int, seconds: float = 0.6) -> list[Path]:
    """`count` different short clips in a folder and a folder below it."""
    paths = []
    kinds = list(MOTIONS.items())
    for index in range(count):
        name, motion = kinds[index % len(kinds)]
        path = folder / ("more" if index % 4 == 3 else "") / f"{name}_{index:03d}.bvh"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(bvh(motion, seconds, turn=index), encoding="ascii")
        paths.append(path)
    return paths
