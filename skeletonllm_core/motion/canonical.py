"""Motion → CanonicalFrames: metres of one body height, Y up, facing the camera, on the ground, exactly T frames.

The steps, each a function, so that training can change a clip between two of them:

    Person ─prepare→ Prepared (joints that are drawn, one body height, ground at 0)
           ─sample→ Samples (exactly T moments, and the moments just before and after each)
           ─place→ CanonicalFrames (facing, centred)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.motion import Person
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import BodyPart

BODY_HEIGHT = 1.7
"""Standing height [m] that every body is scaled to."""

VELOCITY_REACH = 1 / 15
"""A velocity is the central difference over this many seconds to either side [s], whatever the frame rate."""

ACCELERATION_REACH = 2 * VELOCITY_REACH
"""An acceleration is the difference of the velocities a `VELOCITY_REACH` later and earlier, so it looks this far to
either side [s]; 1 cm of noise on a joint makes 1.4 m/s² of it, a quarter of what one reach would."""

FACING_SECONDS = 0.25
"""The facing of a clip is that of its first quarter second."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """One person's joints that are drawn, at one body height, standing on the ground.

    Attributes:
        positions: (n, J, 3) float32 [m of a 1.7 m body], Y up, lowest joints at y = 0, NaN = missing.
        bones: (B, 2) int64, joints at both ends of each bone; joints that are not drawn are bridged.
        parts: body part of each joint, None where it is no known part.
        fps: frames a second.
        scale: what the source's metres were multiplied by.
    """

    positions: np.ndarray
    bones: np.ndarray
    parts: tuple[BodyPart | None, ...]
    fps: float
    scale: float

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def pelvis(self) -> np.ndarray:
        """(n, 3) [m] where the body is: the pelvis, or the mean of all joints of a rig without one; never NaN."""
        return track(self.positions, self.parts)


@dataclass(frozen=True, eq=False)
class Samples:
    """A clip at exactly T moments.

    Attributes:
        positions: (6, T, J, 3) float32 [m]: just before, at and just after each moment; then the same three, farther
            apart, around the nearest moment that has room in the clip on both sides, for the acceleration.
        reach: (T,) float32 [s] between the first and the last of the first three.
        bend: float [s] between neighbours of the last three; 0 = the clip is too short to have an acceleration.
        times: (T,) float32 [s] of the moments.
        start: (J, 3) float32 [m], the pose of the first quarter second, which decides the facing.
    """

    positions: np.ndarray
    reach: np.ndarray
    bend: float
    times: np.ndarray
    start: np.ndarray


@dataclass(frozen=True, eq=False)
class CanonicalPerson:
    """One person as the renderer draws it.

    The frame is right-handed: +X is the side of the person's left hand at the start, Y is up, +Z is towards the camera,
    which the person faces at the start.

    Attributes:
        positions: (T, J, 3) float32 [m of a 1.7 m body], the pelvis over the origin, the ground at y = 0.
        velocities: (T, J, 3) float32 [m/s] in the same frame, over the ground (not relative to the pelvis).
        accelerations: (T, J, 3) float32 [m/s²], likewise.
        visible: (T, J) bool; positions, velocities and accelerations are 0 where a joint is missing.
        bones: (B, 2) int64.
        parts: body part of each joint, or None.
    """

    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray
    visible: np.ndarray
    bones: np.ndarray
    parts: tuple[BodyPart | None, ...]


@dataclass(frozen=True, eq=False)
class CanonicalFrames:
    """A clip as the renderer draws it: exactly T frames.

    Attributes:
        persons: drawn together.
        ground: (T, 2) float32 [m], where the origin of each frame lies on the ground (x, z), relative to the first.
        times: (T,) float32 [s] of the frames.
        seconds: length of the clip [s].
        notes: what was inferred, in whole sentences.
    """

    persons: tuple[CanonicalPerson, ...]
    ground: np.ndarray
    times: np.ndarray
    seconds: float
    notes: tuple[str, ...] = ()


def prepare(persons: Sequence[Person], rigs: Sequence[RigMap | None] | None = None) -> list[Prepared]:
    """The joints that are drawn of one clip's persons, at one body height, on one ground.

    Several persons share one scale (that of the median body), so that their distances stay true.

    Args:
        persons: Y up, metres.
        rigs: which joint is which body part, one per person; worked out where None.

    Raises:
        TopologyError: no person, no frames, or no joint is ever present.
    """
    if not persons:
        raise TopologyError("there is no person in this clip")
    worlds = [person.joint_positions() for person in persons]
    for person, world in zip(persons, worlds, strict=True):
        if len(world) == 0:
            raise TopologyError(f"the clip {person.name!r} has no frames")
        if not np.isfinite(world).all(-1).any():
            raise TopologyError(f"the clip {person.name!r} has no joint with a known position")
    maps = [
        rig or map_rig(person.topology, world)
        for person, world, rig in zip(persons, worlds, rigs or [None] * len(persons), strict=True)
    ]
    heights = [body_height(world, rig) for person, world, rig in zip(persons, worlds, maps, strict=True)]
    usable = [height for height in heights if np.isfinite(height) and height > 1e-9]
    scale = float(BODY_HEIGHT / np.median(usable)) if usable else 1.0
    # Positions are taken from the first known one before float32 loses them in far-away worlds.
    origin = worlds[0][np.isfinite(worlds[0]).all(-1)][0]
    bodies, lowest = [], []
    for person, world, rig in zip(persons, worlds, maps, strict=True):
        drawn = np.flatnonzero(rig.drawn & np.isfinite(world).all(-1).any(0))
        if len(drawn) == 0:
            drawn = np.flatnonzero(np.isfinite(world).all(-1).any(0))
        positions = ((world[:, drawn] - origin) * scale).astype(np.float32)
        positions[~np.isfinite(positions).all(-1)] = np.nan
        lowest.append(ground_height(positions))
        parts = tuple(rig.parts[joint] for joint in drawn)
        bodies.append(Prepared(positions, drawn_bones(rig.parents, drawn), parts, person.fps, scale))
    for body in bodies:
        body.positions[..., 1] -= min(lowest)
    return bodies


def ground_height(positions: np.ndarray) -> float:
    """Where the ground is under a body, (T, J, 3): its lowest joint, but for a few frames of noise."""
    seen = np.isfinite(positions[..., 1]).any(1)
    return float(np.percentile(np.nanmin(positions[seen][..., 1], axis=1), 5))


def drawn_bones(parents: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(B, 2) int64 bones among the drawn joints (indices into `drawn`); a joint that is not drawn is bridged."""
    place = {int(joint): index for index, joint in enumerate(drawn)}
    bones = []
    for joint in drawn:
        parent = int(parents[joint])
        while parent >= 0 and parent not in place:
            parent = int(parents[parent])
        if parent >= 0:
            bones.append((place[parent], place[int(joint)]))
    return np.asarray(bones, dtype=np.int64).reshape(-1, 2)


def track(positions: np.ndarray, parts: Sequence[BodyPart | None]) -> np.ndarray:
    """(n, 3) where a body is: its pelvis, or the mean of its joints; gaps are bridged over time, so it is never NaN."""
    columns = [index for index, part in enumerate(parts) if part is BodyPart.PELVIS]
    path = positions[:, columns[0]] if columns else None
    if path is None or not np.isfinite(path).all(-1).any():
        known = np.isfinite(positions).all(-1)
        total = np.where(known[..., None], positions, 0).sum(1)
        path = np.where(known.any(1)[:, None], total / np.maximum(known.sum(1), 1)[:, None], np.nan)
    good = np.isfinite(path).all(-1)
    if good.all():
        return path
    frames = np.arange(len(path))
    return np.stack([np.interp(frames, frames[good], path[good, axis]) for axis in range(3)], -1).astype(path.dtype)


def moments(frames: int, fps: float, count: int, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """(count,) [s]: the centres of `count` equal segments of a clip, or of its part from `start` to `end` [s]."""
    last = (frames - 1) / fps
    end = last if end is None else min(end, last)
    start = min(start, end)
    return start + (np.arange(count) + 0.5) / count * (end - start)


def sample(prepared: Prepared, times: np.ndarray, *, start: float = 0.0, pace: float = 1.0) -> Samples:
    """The clip at the given moments, by linear interpolation between frames.

    Args:
        prepared: the clip.
        times: (T,) [s].
        start: where the clip, or the part of it in view, begins [s].
        pace: how many seconds of the source make one second (training varies the tempo); 1 leaves it alone.
    """
    last = len(prepared) - 1
    reach = VELOCITY_REACH * pace
    asked = np.stack([times - reach, times, times + reach]) * prepared.fps
    bend = min(ACCELERATION_REACH * pace, last / prepared.fps / 2)
    inside = np.clip(times, bend, last / prepared.fps - bend)
    asked = np.concatenate([asked, np.stack([inside - bend, inside, inside + bend]) * prepared.fps])
    asked = np.clip(asked, 0, last)
    positions = _between_frames(prepared.positions, asked)
    opening = np.clip(round(start * prepared.fps), 0, last)
    closing = min(last, opening + int(FACING_SECONDS * prepared.fps))
    first = prepared.positions[opening : closing + 1]
    known = np.isfinite(first).all(-1)
    total = np.where(known[..., None], first, 0).sum(0) / np.maximum(known.sum(0), 1)[:, None]
    first = np.where(known.any(0)[:, None], total, np.nan)
    span = (asked[2] - asked[0]) / (prepared.fps * pace)
    return Samples(
        positions,
        span.astype(np.float32),
        bend / pace if bend >= VELOCITY_REACH * pace else 0.0,
        np.asarray(times, np.float32),
        first.astype(np.float32),
    )


def _between_frames(positions: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Positions at fractional frame numbers; where one neighbour is missing the nearer known one stands in."""
    below = np.floor(asked).astype(np.int64)
    above = np.minimum(below + 1, len(positions) - 1)
    weight = (asked - below).astype(np.float32)[..., None, None]
    low, high = positions[below], positions[above]
    mixed = low * (1 - weight) + high * weight
    mixed = np.where(np.isfinite(mixed), mixed, np.where(weight < 0.5, low, high))
    return np.where(np.isfinite(mixed), mixed, np.where(weight < 0.5, high, low)).astype(np.float32)


def facing_yaw(start: np.ndarray, parts: Sequence[BodyPart | None]) -> float | None:
    """Heading of a body about the Y axis [rad]: 0 faces +Z, π/2 faces +X; None where hips and shoulders do not tell.

    Args:
        start: (J, 3) [m], the pose that decides.
        parts: body part of each joint.
    """
    across = np.zeros(3)
    for left, right in (
        (BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH),
        (BodyPart.LEFT_UPPER_ARM, BodyPart.RIGHT_UPPER_ARM),
    ):
        if left in parts and right in parts:
            step = start[parts.index(left)] - start[parts.index(right)]
            if np.isfinite(step).all():
                across += step
    if np.hypot(across[0], across[2]) < 1e-3:
        return None
    # left × up = forward, so a body whose left is +X faces +Z.
    return float(np.arctan2(-across[2], across[0]))


def turn_about_y(vectors: np.ndarray, yaw: float) -> np.ndarray:
    """(..., 3) vectors turned by `yaw` [rad] about Y, from +Z towards +X."""
    cos, sin = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def place(
    samples: Sequence[Samples], prepared: Sequence[Prepared], seconds: float, *, extra_yaw: float = 0.0
) -> CanonicalFrames:
    """Turn the persons towards the camera and centre them.

    One person faces the camera in the first quarter second. Several stand so that the line through them runs across
    the image, seen from the side that most of them face.

    Args:
        samples: one per person, of the same moments.
        prepared: the persons they were taken from (bones and parts).
        seconds: length of the clip [s].
        extra_yaw: turn the scene by this much more [rad]; training jitters it.
    """
    notes: list[str] = []
    yaws = [facing_yaw(one.start, body.parts) for one, body in zip(samples, prepared, strict=True)]
    known = [yaw for yaw in yaws if yaw is not None]
    tracks = [
        track(one.positions[:3].reshape(-1, *one.positions.shape[2:]), body.parts).reshape(3, -1, 3)
        for one, body in zip(samples, prepared, strict=True)
    ]
    if known:
        yaw = float(np.arctan2(np.sin(known).sum(), np.cos(known).sum()))
    else:
        path = tracks[0][1]
        travel = path[-1] - path[0]
        yaw = float(np.arctan2(travel[0], travel[2])) if np.hypot(travel[0], travel[2]) > 0.3 else 0.0
        notes.append("facing unknown: hips and shoulders were not found, so the direction of travel stands in")
    if len(tracks) > 1:
        spread = np.stack([one[1, 0] for one in tracks])[:, [0, 2]].astype(np.float64)
        spread -= spread.mean(0)
        _, size, axes = np.linalg.svd(spread, full_matrices=False)
        if size[0] > 0.3:
            side = axes[0]
            across = float(np.arctan2(-side[1], side[0]))
            yaw = across if np.cos(across - yaw) >= 0 else across + np.pi
    turn = -yaw + extra_yaw
    centre = np.mean([one[1] for one in tracks], axis=0)
    centre = centre * np.array([1, 0, 1], np.float32)
    persons = []
    for one, body in zip(samples, prepared, strict=True):
        visible = np.isfinite(one.positions[1]).all(-1)
        velocity = (one.positions[2] - one.positions[0]) / np.maximum(one.reach, 1e-6)[:, None, None]
        velocity = np.where(np.isfinite(velocity), velocity, 0)
        velocity[one.reach <= 1e-6] = 0
        earlier, middle, later = one.positions[3:]
        acceleration = (later - 2 * middle + earlier) / one.bend**2 if one.bend else np.zeros_like(middle)
        acceleration = np.where(np.isfinite(acceleration) & visible[..., None], acceleration, 0)
        positions = np.where(visible[..., None], one.positions[1] - centre[:, None], 0)
        persons.append(
            CanonicalPerson(
                turn_about_y(positions, turn).astype(np.float32),
                turn_about_y(velocity, turn).astype(np.float32),
                turn_about_y(acceleration, turn).astype(np.float32),
                visible,
                body.bones,
                body.parts,
            )
        )
    ground = turn_about_y(centre - centre[:1], turn)[:, [0, 2]]
    return CanonicalFrames(tuple(persons), ground.astype(np.float32), samples[0].times, float(seconds), tuple(notes))


def mirrored(scene: CanonicalFrames) -> CanonicalFrames:
    """The scene as a mirror shows it: +X becomes -X and every left part a right part."""
    flip = np.array([-1, 1, 1], np.float32)
    persons = tuple(
        CanonicalPerson(
            one.positions * flip,
            one.velocities * flip,
            one.accelerations * flip,
            one.visible,
            one.bones,
            tuple(part.mirrored if part else None for part in one.parts),
        )
        for one in scene.persons
    )
    return replace(scene, persons=persons, ground=scene.ground * flip[[0, 2]])


def canonical_frames(
    persons: Sequence[Person],
    frames: int = 12,
    *,
    rigs: Sequence[RigMap] | None = None,
    frame_indices: Sequence[int] | None = None,
) -> CanonicalFrames:
    """Bring one clip's persons into the frame that the renderer draws.

    Args:
        persons: of one clip, with one frame rate; Y up, metres.
        frames: T, how many frames to take, at the centres of equal segments.
        rigs: the rig map of each person; worked out when None.
        frame_indices: take exactly these frames of the source instead.

    Raises:
        TopologyError: no persons, no frames, no known joint, or a frame index outside the clip.
    """
    bodies = prepare(persons, rigs)
    longest = max(bodies, key=len)
    if frame_indices is not None:
        times = np.asarray(frame_indices, dtype=np.float64) / longest.fps
        if len(times) == 0 or min(frame_indices) < 0 or max(frame_indices) >= len(longest):
            raise TopologyError(f"frame indices must lie in 0..{len(longest) - 1}, got {list(frame_indices)}")
    else:
        times = moments(len(longest), longest.fps, frames)
    return place([sample(body, times) for body in bodies], bodies, len(longest) / longest.fps)
