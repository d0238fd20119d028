"""The motions of a file for the add-on: messages as the worker takes them, a few frames each, one a line.

`{"version": 1, "clip": 0, "name": "walk", "persons": [person]}`; the lines of one person in one clip follow each other.
Blender's interface sleeps while Python parses a line, so each is short.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from skeletonllm_core.motion.from_keypoints import fitted_motion
from skeletonllm_core.motion.motion import Clip, Motion
from skeletonllm_core.motion.retarget import carried_over
from skeletonllm_core.motion.skeleton import Skeleton
from skeletonllm_core.plugins import read_clips
from skeletonllm_core.remote import wire

PLACES = 4000
"""Frames times joints in one line."""


def rig_of(message: bytes) -> Skeleton:
    """The skeleton of a rig, from a message about any motion of it.

    Raises:
        MessageError: it is no such message.
    """
    (person,) = wire.question_from_json("info", wire.parse(message)).clip.persons
    return person.skeleton if isinstance(person, Motion) else fitted_motion(person).skeleton


def motion_lines(path: Path, onto: Skeleton | None) -> Iterator[tuple[str, list[str]]]:
    """(line, what could not be carried over) for all clips and persons of a file.

    Args:
        path: the file.
        onto: carry the motions over to this skeleton; None leaves them as they are.

    Raises:
        MotionFormatError: the file cannot be read.
        TopologyError: nothing in it can be carried over.
    """
    for index, clip in enumerate(read_clips(path)):
        for number, person in zip(clip.person_ids, clip.persons, strict=True):
            motion = person if isinstance(person, Motion) else fitted_motion(person)
            told: list[str] = []
            if onto is not None:
                carried = carried_over(motion, onto)
                motion, told = carried.motion, carried.report()
            step = max(1, PLACES // len(motion.topology))
            for start in range(0, len(motion), step):
                part = Clip(clip.name or path.stem, [_frames(motion, start, start + step)], person_ids=(number,))
                message = {"clip": index, **wire.question_to_json(part)}
                yield json.dumps(message, separators=(",", ":"), allow_nan=False), told
                told = []


def _frames(motion: Motion, start: int, end: int) -> Motion:
    local = motion.local_translations
    return replace(
        motion,
        rotations=motion.rotations[start:end],
        root_translation=motion.root_translation[start:end],
        local_translations=None if local is None else local[start:end],
    )
