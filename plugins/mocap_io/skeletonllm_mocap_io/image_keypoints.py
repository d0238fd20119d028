"""What the pose estimators' JSON formats share: people found picture by picture → persons in metres, Y up.

Points of a picture (pixels, x to the right, y down) are put into the plane z = 0, x to the right and y up, so that a
person who faces the camera faces +Z. One scale for the whole clip makes its people 1.7 m tall on average; the lowest
point that is ever seen is the floor. Points in space (3D) are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Clip, Keypoints, Origin
from skeletonllm_core.motion.orientation import STANDING_HEIGHT, body_height
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart, Topology, ordered
from skeletonllm_mocap_io.json_text import mentions
from skeletonllm_mocap_io.placing import placed

SEEN = 0.2
"""Points of less confidence (0 to 1) are missing."""

DEFAULT_FPS = 30.0

_LONGEST_ABSENCE = 30  # pictures after which a person who comes back is another one
_MOST_MISSING = 50  # people may be missing this many times as often as they are seen

Rows = tuple[tuple[str, str | None, BodyPart | None], ...]
"""Joints in the order of a file: name, parent, part."""


_DIALECTS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("coco", (b"annotations", b"instance_info")),
    ("openpose", (b"people", b"pose_keypoints_2d")),
    (
        "mediapipe",
        (
            b"landmarks",
            b"pose_landmarks",
            b"poseLandmarks",
            b"pose_world_landmarks",
            b"poseWorldLandmarks",
            b"visibility",
        ),
    ),
    ("coco", (b"keypoints",)),
)


def dialect(path: Path) -> str | None:
    """Which of the formats a JSON file is of, by the first of their keys that it has; None where it has none of them."""
    return next((format for format, keys in _DIALECTS if mentions(path, *keys)), None)


@dataclass(frozen=True)
class Found:
    """A person in one picture: (J, 2) pixels or (J, 3), NaN = missing; and the track it belongs to where the file says."""

    points: np.ndarray
    track: int | None = None


def topology_of(name: str, rows: Rows) -> tuple[Topology, np.ndarray]:
    """The topology of joints in the order of a file, and (J,) for each of its joints the place in the file."""
    names = [row[0] for row in rows]
    parents = np.array([-1 if row[1] is None else names.index(row[1]) for row in rows])
    order = ordered(parents)
    place = np.argsort(order)
    moved = np.where(parents[order] < 0, -1, place[parents[order]])
    return Topology(
        name, tuple(names[joint] for joint in order), moved, tuple(rows[joint][2] for joint in order)
    ), order


def masked(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """(J, D) points, NaN where the confidence (J,) is too low or a point is exactly at the origin."""
    missing = ~(confidence >= SEEN) | ~np.isfinite(points).all(-1) | ~points.any(-1)
    return np.where(missing[:, None], np.nan, points)


def people_clip(
    frames: Sequence[Sequence[Found]],
    topology: Topology,
    order: np.ndarray,
    *,
    path: Path,
    format: str,
    fps: float | None,
    unit: tuple[str, float] | None = None,
    up_axis: str | None = None,
    notes: Sequence[str] = (),
) -> Clip:
    """The clip of people found in consecutive pictures.

    Args:
        frames: the people of each picture; at least one is found somewhere.
        topology: J joints.
        order: (J,) place of each joint in the points of `Found`.
        path: the file.
        format: name of the reader.
        fps: pictures a second; None where the file does not say.
        unit, up_axis: of points in space, None to infer them.
        notes: whole sentences about what was left out.

    Raises:
        MotionFormatError: there are so many people, each in so few pictures, that they are no persons of one take.
    """
    notes = list(notes)
    if fps is None:
        fps = DEFAULT_FPS
        notes.append(f"The file has no frame rate; {fps:g} frames a second are taken.")
    tracks, guessed = _tracks(frames)
    found = sum(len(people) for people in frames)
    if len(tracks) * len(frames) > 1000 + _MOST_MISSING * found:
        problem = f"holds {len(tracks)} people in {len(frames)} frames, each seen in very few of them"
        raise MotionFormatError(path, problem, format=format)
    if guessed and len(tracks) > 1:
        notes.append("The file does not say who is who from picture to picture; the nearest one is taken.")
    size = next(one.points.shape[1] for people in frames for one in people)
    persons = []
    for places in tracks.values():
        points = np.full((len(frames), len(order), size), np.nan)
        for frame, seen in places.items():
            points[frame] = seen[order]
        persons.append(points)
    ids = list(tracks)
    if size == 3:
        bodies = [Keypoints(topology, points, fps, path.stem) for points in persons]
        return placed(bodies, format=format, person_ids=ids, unit=unit, up_axis=up_axis, warnings=notes)
    metre = _pixel(persons, topology)
    floor = max(np.nanmax(points[..., 1], initial=-np.inf) for points in persons)
    middle = float(np.nanmedian(np.concatenate([points[..., 0].ravel() for points in persons])))
    bodies = []
    for points in persons:
        upright = np.stack([points[..., 0] - middle, floor - points[..., 1], 0 * points[..., 0]], axis=-1)
        bodies.append(Keypoints(topology, upright * metre, fps, path.stem))
    notes.append("The points are those of a flat picture: all lie at one depth, and people were scaled to 1.7 m.")
    return Clip("", list(bodies), Origin(format, "px", True, "-y", False, tuple(notes)), tuple(ids))


def _pixel(persons: Sequence[np.ndarray], topology: Topology) -> float:
    """Metres in a pixel: that which makes the median person as tall as people are."""
    heights = []
    for points in persons:
        flat = np.concatenate([points, 0 * points[..., :1]], axis=-1)
        heights.append(body_height(flat, map_rig(topology, flat)))
    known = [height for height in heights if np.isfinite(height) and height > 0]
    return STANDING_HEIGHT / float(np.median(known)) if known else 1.0


def _tracks(frames: Sequence[Sequence[Found]]) -> tuple[dict[int, dict[int, np.ndarray]], bool]:
    """Track → frame → points, in the order of first appearance, and whether people had to be followed by place.

    Where the file tells no tracks, a person is the nearest one of the pictures before, at most one body's size away.
    """
    told = all(one.track is not None for people in frames for one in people)
    tracks: dict[int, dict[int, np.ndarray]] = {}
    if told:
        for frame, people in enumerate(frames):
            for one in people:
                assert one.track is not None
                tracks.setdefault(one.track, {})[frame] = one.points
        return tracks, False
    last: dict[int, tuple[int, np.ndarray]] = {}  # track → when and where it was seen last
    for frame, people in enumerate(frames):
        last = {track: seen for track, seen in last.items() if frame - seen[0] <= _LONGEST_ABSENCE}
        middles = [np.nanmean(one.points, axis=0) for one in people]
        left = set(range(len(people)))
        if people and last:
            known = list(last)
            apart = np.linalg.norm(np.array(middles)[:, None] - np.array([last[one][1] for one in known]), axis=-1)
            sizes = np.array([_size(one.points) for one in people])
            apart[apart > sizes[:, None]] = np.inf
            while np.isfinite(apart).any():
                index, place = (int(one) for one in np.unravel_index(np.argmin(apart), apart.shape))
                tracks[known[place]][frame], last[known[place]] = people[index].points, (frame, middles[index])
                left.discard(index)
                apart[index], apart[:, place] = np.inf, np.inf
        for index in sorted(left):
            track = len(tracks)
            tracks[track], last[track] = {frame: people[index].points}, (frame, middles[index])
    return tracks, True


def _size(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.nanmax(points, axis=0) - np.nanmin(points, axis=0)))
