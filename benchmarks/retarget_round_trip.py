"""What retargeting loses: one rig to another and back, and how far feet that stand slide or sink on the way.

    python benchmarks/retarget_round_trip.py [SOURCE TARGET …]

Without arguments, motions made by the training code go from one of its rigs to others. SOURCE and TARGET are files.
"""

from __future__ import annotations

import sys
from itertools import combinations

import numpy as np

import skeletonllm_core as sk
from skeletonllm_core.motion.foot_contact import contacts
from skeletonllm_core.motion.retarget import retarget
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.tracks import runs
from skeletonllm_core.train.procedural import make_motion

ACTIONS = ("walk", "squat", "forward punch", "raise up left hand", "cartwheel", "jump")
RIGS = ("cmu", "mixamo", "unreal", "anchored")
FEET = ("left_foot", "left_toes", "right_foot", "right_toes")


def round_trip(source: sk.Motion, target: sk.Skeleton) -> tuple[float, float]:
    """Mean and greatest error [cm] over the joints that stand for a body part, there and back."""
    back = retarget(retarget(source, target), source.skeleton).joint_positions()
    positions = source.joint_positions()
    joints = list(map_rig(source.topology, positions).primary().values())
    apart = np.linalg.norm(back - positions, axis=-1)[:, joints] * 100
    return float(apart.mean()), float(apart.max())


def slide(source: sk.Motion, result: sk.Motion) -> float:
    """How far [cm] a standing foot leaves its path, which is the source's scaled by the ratio of the leg lengths."""
    before, after = source.joint_positions(), result.joint_positions()
    at, there = map_rig(source.topology, before).primary(), map_rig(result.topology, after).primary()

    def leg(points: np.ndarray, rig: dict[sk.BodyPart, int]) -> float:
        hip, knee, ankle = (points[:, rig[sk.BodyPart(f"left_{part}")]] for part in ("thigh", "shin", "foot"))
        return float(np.median(np.linalg.norm(hip - knee, axis=-1) + np.linalg.norm(knee - ankle, axis=-1)))

    length = leg(before, at)
    scale = leg(after, there) / length
    worst = 0.0
    for part in (sk.BodyPart(name) for name in FEET):
        if part not in at or part not in there:
            continue
        track = before[:, at[part]]
        off = after[:, there[part]] - scale * track
        for start, end in runs(contacts(track, source.fps, length)):
            worst = max(worst, float(np.linalg.norm(off[start:end] - np.median(off[start:end], axis=0), axis=-1).max()))
    return worst * 100


def show(name: str, source: sk.Motion, target: sk.Skeleton) -> None:
    mean, most = round_trip(source, target)
    print(f"{name:<60} {mean:8.2f} {most:8.2f} {slide(source, retarget(source, target)):12.2f}")


def main(paths: list[str]) -> None:
    print(f"{'there and back':<60} {'mean cm':>8} {'most cm':>8} {'foot slide cm':>14}")
    if paths:
        motions = [sk.read(path)[0] for path in paths]
        for source, target in zip(motions[::2], motions[1::2], strict=True):
            if not (isinstance(source, sk.Motion) and isinstance(target, sk.Motion)):
                raise SystemExit("both files must hold rotations and a rest pose, not points")
            show(f"{source.name} -> {target.name}", source, target.skeleton)
        return
    for first, second in combinations(RIGS, 2):
        target = make_motion("stand", second, seed=4, fps=30.0).skeleton
        for action in ACTIONS:
            show(f"{action}: {first} -> {second} -> {first}", make_motion(action, first, seed=3, fps=30.0), target)


if __name__ == "__main__":
    main(sys.argv[1:])
