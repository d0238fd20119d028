"""What is in a clip and what was inferred about it: the content of `info`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.canonical import facing_yaw, moments, prepare, sample
from skeletonllm_core.motion.completion import guessed_joints
from skeletonllm_core.motion.motion import Clip, Origin
from skeletonllm_core.motion.rig import map_rig


def describe(clip: Clip, clips: Sequence[str]) -> dict[str, Any]:
    """The object that `info --json` prints.

    Args:
        clip: the clip.
        clips: the names of all clips in its file.

    Raises:
        SkeletonLLMError: it cannot be rendered: no person, fewer than two joints, no frame or no known position.
    """
    check_clip(clip)
    worlds = [person.joint_positions() for person in clip.persons]
    rigs = [map_rig(person.topology, world) for person, world in zip(clip.persons, worlds, strict=True)]
    body = prepare(clip.persons[:1], rigs[:1])[0]
    opening = sample(body, moments(len(body), body.fps, 1)).start
    yaw = facing_yaw(opening, body.parts)
    origin = clip.origin or Origin(format="memory")
    longest = max(clip.persons, key=len)
    persons = [
        {
            "id": int(number),
            "joints": len(person.topology),
            "parts": {part.value: person.topology.names[joint] for part, joint in rig.primary().items()},
            "report": list(rig.report),
        }
        for number, person, rig in zip(clip.person_ids, clip.persons, rigs, strict=True)
    ]
    guesses = (guessed_joints(person) for person in clip.persons)
    unseen = (
        f"No frame holds these joints: {', '.join(names)}. Labels are judged with a guess, too; nothing is measured on it."
        for names in guesses
        if names
    )
    # The same sentence about every person is said once.
    warnings = dict.fromkeys([*origin.warnings, *(warning for rig in rigs for warning in rig.warnings), *unseen])
    return {
        "format": origin.format,
        "clips": list(clips),
        "persons": persons,
        "fps": round(longest.fps, 3),
        "frames": len(longest),
        "seconds": round(longest.seconds, 3),
        "unit": {"value": origin.unit, "inferred": origin.unit_inferred},
        "up_axis": {"value": origin.up_axis, "inferred": origin.up_axis_inferred},
        "facing": {"value": None if yaw is None else round(math.degrees(yaw), 1) + 0.0, "inferred": True},
        "warnings": list(warnings),
    }


def check_clip(clip: Clip) -> None:
    """Raise a SkeletonLLMError where there is no motion of a body to understand: no person, one joint, no frame."""
    if not clip.persons:
        raise SkeletonLLMError("there is no person in this clip")
    for person in clip.persons:
        if len(person.topology) < 2:
            raise SkeletonLLMError("the skeleton has only one joint: there is no motion of a body to understand")
        if len(person) == 0:
            raise SkeletonLLMError("the clip has no frames")
