"""Vary a clip while training: rig, proportions, tempo, view, noise; left and right mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skeletonllm_core.motion.canonical import (
    BODY_HEIGHT,
    CanonicalFrames,
    Prepared,
    Samples,
    drawn_bones,
    facing_yaw,
    ground_height,
    mirrored,
    moments,
    place,
    sample,
    track,
)
from skeletonllm_core.motion.completion import guessed_places
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import RigMap
from skeletonllm_core.motion.skeleton import BodyPart

# Joints that other makers' rigs often lack; dropping one bridges the bones around it.
_OPTIONAL = frozenset(
    part
    for part in BodyPart
    if part.value.endswith(("clavicle", "fingers", "toes", "hand", "foot")) or part in (BodyPart.SPINE, BodyPart.NECK)
) | {BodyPart.CHEST, BodyPart.HEAD}

_FIGURES = {
    ("shin", "foot"): (0.4, 1.3),
    ("spine", "chest", "neck"): (0.6, 1.6),
    ("forearm", "hand"): (0.6, 1.6),
    ("head",): (0.7, 3.0),
    ("clavicle", "upper_arm", "thigh"): (0.7, 1.8),
    ("fingers", "toes"): (0.6, 2.0),
}
"""Bones of figures that animators draw, by the parts they lead to (the upper leg to the shin): those that are longer or shorter
together, and from how many to how many times as long."""

_LEG_PARTS = frozenset(part for part in BodyPart if part.value.endswith(("thigh", "shin", "foot", "toes")))
_KNEES = frozenset({BodyPart.LEFT_SHIN, BodyPart.RIGHT_SHIN})


@dataclass(frozen=True)
class Augmentation:
    """How much to vary.

    Attributes:
        rig: probability that some optional joints are dropped from a clip.
        limbs: standard deviation of a limb's length, relative; left and right vary mostly together.
        noise: largest standard deviation of joint noise [m of a 1.7 m body].
        yaw: standard deviation of the view [rad].
        crop: shortest part of a clip that is shown, relative.
        tempo: standard deviation of the logarithm of the tempo.
        style: probability that a clip is acted in another manner: smaller or larger movements, stooped, knees bent.
        missing: probability that a clip has joints missing now and then.
    """

    rig: float = 0.3
    limbs: float = 0.07
    noise: float = 0.015
    yaw: float = 0.25
    crop: float = 0.8
    tempo: float = 0.35
    style: float = 0.5
    missing: float = 0.1


def varied_frames(
    body: Prepared,
    window: tuple[float, float],
    frames: int,
    amount: Augmentation | None,
    mirror: bool,
    rng: np.random.Generator,
) -> CanonicalFrames:
    """One varied view of a clip.

    Args:
        body: the clip.
        window: its part in view [s].
        frames: T.
        amount: None leaves everything but the mirror alone.
        mirror: swap left and right.
        rng: source of chance.
    """
    start, end = window
    if amount is None:
        seen = sample(body, moments(len(body), body.fps, frames, start, end), start=start)
        return _maybe_mirrored(place([seen], [body], end - start), mirror)
    length = end - start
    keep = length * rng.uniform(amount.crop, 1.0)
    start = start + rng.uniform(0, length - keep)
    pace = float(np.exp(rng.normal(0, amount.tempo)))
    times = moments(len(body), body.fps, frames, start, start + keep)
    # The moments shift within their segments as they would for a clip that starts a little later.
    times = np.clip(times + rng.uniform(-0.5, 0.5) * keep / frames, 0, None)
    if rng.random() < amount.rig:
        body = without_optional_joints(body, rng)
    seen = sample(body, times, start=start, pace=pace)
    if rng.random() < amount.style:
        seen = with_other_manner(seen, body, rng)
    seen = with_other_limbs(seen, body, amount.limbs, rng)
    sigma = amount.noise * rng.random() ** 2
    wobble = rng.normal(0, sigma, (1, *seen.positions.shape[1:])) + rng.normal(0, sigma / 4, seen.positions.shape)
    seen = replace(seen, positions=(seen.positions + wobble).astype(np.float32))
    if rng.random() < amount.missing:
        gone = rng.random(seen.positions.shape[1:3]) < rng.uniform(0, 0.2)
        seen.positions[:, gone] = np.nan
    scene = place([seen], [body], keep / pace, extra_yaw=float(rng.normal(0, amount.yaw)))
    return _maybe_mirrored(scene, mirror)


def without_optional_joints(body: Prepared, rng: np.random.Generator) -> Prepared:
    """The clip on a poorer rig: some optional parts have no joint; hands and feet go only on both sides together."""
    groups: dict[str, list[int]] = {}
    for joint, part in enumerate(body.parts):
        if part in _OPTIONAL:
            key = part.value.removeprefix("left_").removeprefix("right_")
            groups.setdefault(key, []).append(joint)
    chance = rng.uniform(0.05, 0.5)
    gone = {joint for key, joints in sorted(groups.items()) if rng.random() < chance for joint in joints}
    # Without hands or feet a limb has no end, so only one of the two kinds may go.
    if {"hand", "foot"} <= {key for key, joints in groups.items() if joints[0] in gone}:
        gone -= set(groups["hand"])
    return without_joints(body, np.isin(np.arange(len(body.parts)), list(gone)))


def without_joints(body: Prepared, gone: np.ndarray) -> Prepared:
    """The clip without some joints, (J,) bool; bones bridge them. Without all but one it stays as it is."""
    kept = np.flatnonzero(~gone)
    if len(kept) < 2:
        return body
    parts = tuple(body.parts[joint] for joint in kept)
    return resized(
        replace(body, positions=body.positions[:, kept], bones=drawn_bones(_parents(body), kept), parts=parts)
    )


def with_guessed_joints(body: Prepared, gone: np.ndarray) -> Prepared:
    """The clip without some joints, (J,) bool, and with a guess of where they are in their place, as `motion/completion.py`
    completes a recording. Without all but one it stays as it is.
    """
    lacking = without_joints(body, gone)
    if lacking is body:
        return body
    known = loose_rig(lacking).primary()
    guessed = {part: joint for part, joint in loose_rig(body).primary().items() if part not in known}
    if len(known) < 2 or not guessed:
        return lacking
    kept = np.flatnonzero(~gone)
    positions = np.full_like(body.positions, np.nan)
    positions[:, kept] = lacking.positions
    positions[:, list(guessed.values())] = guessed_places(
        lacking.positions[:, list(known.values())], tuple(known), tuple(guessed), body.fps
    )
    shown = np.sort([*kept, *guessed.values()])
    bones = drawn_bones(_parents(body), shown)
    parts = tuple(body.parts[joint] for joint in shown)
    return resized(replace(body, positions=positions[:, shown], bones=bones, parts=parts, scale=lacking.scale))


def _parents(body: Prepared) -> np.ndarray:
    """(J,) the joint that each hangs from, -1 at roots."""
    parents = np.full(len(body.parts), -1)
    parents[body.bones[:, 1]] = body.bones[:, 0]
    return parents


def in_place(body: Prepared) -> Prepared:
    """The clip with its hips kept over one spot of the ground, as animators make the loops of a gait."""
    path = body.pelvis[:, None] * np.array([1, 0, 1], np.float32)
    return replace(body, positions=body.positions - path + path[:1])


def of_other_proportions(body: Prepared, rng: np.random.Generator) -> Prepared:
    """The same movements by a figure out of proportion, such as animators draw; strides and jumps go with the legs."""
    drawn = [(kinds, float(np.exp(rng.uniform(*np.log(limits))))) for kinds, limits in _FIGURES.items()]
    factor = {kind: stretch for kinds, stretch in drawn for kind in kinds}
    stretches = np.array([factor.get(kind, 1.0) for kind in _kinds(body)])
    moved = _stretched(body.positions, body.bones, stretches) + (factor["shin"] - 1) * body.pelvis[:, None]
    return resized(replace(body, positions=moved))


def resized(body: Prepared) -> Prepared:
    """A body whose joints were changed after it was prepared: again as large as all others, and standing on the ground."""
    height = body_height(body.positions, loose_rig(body))
    factor = BODY_HEIGHT / height if np.isfinite(height) and height > 1e-9 else 1.0
    positions = (body.positions * factor).astype(np.float32)
    if np.isfinite(positions[..., 1]).any():
        positions[..., 1] -= ground_height(positions)
    return replace(body, positions=positions, scale=body.scale * factor)


def loose_rig(body: Prepared) -> RigMap:
    """Which joint of a prepared body is which part, every joint by itself."""
    count = len(body.parts)
    return RigMap(body.parts, np.ones(count, bool), np.full(count, -1))


def with_other_limbs(seen: Samples, body: Prepared, spread: float, rng: np.random.Generator) -> Samples:
    """The same poses on a body of slightly other proportions, standing on the same ground."""
    factor: dict[str, float] = {}
    whole = rng.normal(0, spread / 2)
    stretches = []
    for kind in _kinds(body):
        if kind not in factor:
            factor[kind] = rng.normal(0, spread)
        stretches.append(np.exp(whole + factor[kind] + rng.normal(0, spread / 6)))
    positions = np.concatenate([seen.positions.reshape(-1, *seen.positions.shape[2:]), seen.start[None]])
    moved = _stretched(positions, body.bones, np.array(stretches))
    lowest = np.nanmin(positions[..., 1]) if np.isfinite(positions).any() else 0.0
    moved[..., 1] += lowest - (np.nanmin(moved[..., 1]) if np.isfinite(moved).any() else 0.0)
    return replace(seen, positions=moved[:-1].reshape(seen.positions.shape).astype(np.float32), start=moved[-1])


def _kinds(body: Prepared) -> list[str]:
    """What each bone belongs to: the part it leads to, or else comes from, without its side."""
    kinds = []
    for parent, child in body.bones:
        part = body.parts[child] or body.parts[parent]
        kinds.append(part.value.removeprefix("left_").removeprefix("right_") if part else str(child))
    return kinds


def _stretched(positions: np.ndarray, bones: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """(n, J, 3) poses whose bones are so many times as long; joints that hang from no other one stay where they are."""
    moved = positions.copy()
    left = {int(child): (int(parent), stretch) for (parent, child), stretch in zip(bones, stretches, strict=True)}
    while left:
        for child in [child for child, (parent, _) in left.items() if parent not in left]:
            parent, stretch = left.pop(child)
            moved[:, child] = moved[:, parent] + stretch * (positions[:, child] - positions[:, parent])
    return moved


def with_other_manner(seen: Samples, body: Prepared, rng: np.random.Generator) -> Samples:
    """The same action by somebody who moves less or more, stoops, or keeps the knees bent.

    In the body's own heading at each moment: movements are scaled about the mean pose by 0.5 to 1.25, those of the legs
    (and with them the path) apart from those of the rest; what the hips carry leans forward by up to 35 degrees; the legs
    get up to 8 % shorter by bending the knees.
    """
    stride, reach = np.exp(rng.uniform(np.log(0.5), np.log(1.25), 2)).astype(np.float32)
    lean = float(np.clip(rng.normal(0.12, 0.18), -0.1, 0.6))
    bend = max(float(rng.uniform(-0.08, 0.08)), 0.0)
    flat = np.concatenate([seen.positions.reshape(-1, *seen.positions.shape[2:]), seen.start[None]])
    centre = track(flat, body.parts)
    heading = _headings(flat, body.parts)
    pose = _turned(flat - centre[:, None], -heading)
    known = np.isfinite(pose[:-1])
    mean = np.where(known, pose[:-1], 0).sum(0) / np.maximum(known.sum(0), 1)
    legs = np.array([part in _LEG_PARTS for part in body.parts])
    pose = mean + np.where(legs, stride, reach)[:, None] * (pose - mean)
    middle = centre[:-1].mean(0)
    path = middle + stride * (centre - middle)

    upper, height = pose[:, ~legs], path[:, 1:2]
    cos, sin = np.float32(np.cos(lean)), np.float32(np.sin(lean))
    y, z = upper[..., 1].copy(), upper[..., 2].copy()
    above = y > 0
    pose[:, ~legs, 1] = np.where(above, cos * y - sin * z, y)
    pose[:, ~legs, 2] = np.where(above, sin * y + cos * z, z)
    knees = np.array([part in _KNEES for part in body.parts])
    forward = 0.5 * height * np.sqrt(1 - (1 - bend) ** 2)
    pose[:, knees, 2] += forward
    path[:, 1] *= 1 - bend
    pose[:, legs, 1] *= 1 - bend

    moved = _turned(pose, heading) + path[:, None]
    moved[..., 1] += np.nanmin(flat[..., 1]) - np.nanmin(moved[..., 1])
    return replace(seen, positions=moved[:-1].reshape(seen.positions.shape).astype(np.float32), start=moved[-1])


def _headings(positions: np.ndarray, parts: Sequence[BodyPart | None]) -> np.ndarray:
    """(n,) [rad] heading of each pose; that of the pose before where hips and shoulders do not tell, 0 at first."""
    headings, last = np.zeros(len(positions), np.float32), 0.0
    for index, pose in enumerate(positions):
        yaw = facing_yaw(pose, parts)
        last = last if yaw is None else yaw
        headings[index] = last
    return headings


def _turned(vectors: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """(n, J, 3) vectors turned about Y by (n,) `yaw` [rad], from +Z towards +X."""
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def _maybe_mirrored(scene: CanonicalFrames, mirror: bool) -> CanonicalFrames:
    return mirrored(scene) if mirror else scene
