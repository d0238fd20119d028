"""Files that name neither unit nor up axis: both are worked out from the body, and the motion put into metres, Y up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.motion.motion import Clip, Keypoints, Motion, Origin, Person
from skeletonllm_core.motion.orientation import (
    STANDING_HEIGHT,
    body_height,
    infer_unit,
    infer_up_axis,
    reoriented,
    to_y_up,
)
from skeletonllm_core.motion.rig import map_rig

_FRAMES_LOOKED_AT = 240

# Units that motion capture hardly uses are believed only if they make a grown person [m].
_RARE_UNITS = ("in", "ft", "dm")
_GROWN = (1.4, 2.1)


def placed(
    persons: Sequence[Person],
    *,
    format: str,
    name: str = "",
    person_ids: Sequence[int] = (),
    unit: tuple[str, float] | None = None,
    up_axis: str | None = None,
    warnings: Sequence[str] = (),
) -> Clip:
    """A clip in metres, Y up, from persons in the unit and axes of their file.

    Args:
        persons: as read, all in one unit and one set of axes; the one with most joints decides what is inferred.
        format: name of the reader.
        name: name of the clip, "" where the file holds one nameless clip.
        person_ids: the file's own ids, else their indices.
        unit: (name, metres per file unit) where the file says so; None to infer it from the standing height.
        up_axis: "y", "z", "-y", … where the file says so; None to infer it.
        warnings: whole sentences about what was repaired while reading.
    """
    notes = list(warnings)
    judged_unit, judged_axis = unit, up_axis
    if unit is None or up_axis is None:
        body = max(persons, key=lambda person: len(person.topology))
        positions = some_positions(body)
        rig = map_rig(body.topology, positions)
        if judged_axis is None:
            judged_axis = infer_up_axis(positions, _rest_positions(body), rig)
        if judged_unit is None:
            height = body_height(positions, rig)
            if not (np.isfinite(height) and height > 0):
                judged_unit = ("m", 1.0)
                notes.append("The skeleton has no size, so its unit could not be worked out; metres are assumed.")
            else:
                judged_unit = infer_unit(height)
                if judged_unit[0] in _RARE_UNITS and not _GROWN[0] <= height * judged_unit[1] <= _GROWN[1]:
                    judged_unit = ("unknown", STANDING_HEIGHT / height)
                if judged_unit[0] == "unknown":
                    notes.append(
                        f"No usual unit gives the body of height {height:g} a human size; it was scaled to 1.7 m."
                    )
    assert judged_unit is not None and judged_axis is not None
    turn = to_y_up(judged_axis)
    return Clip(
        name,
        [reoriented(person, turn, judged_unit[1]) for person in persons],
        Origin(format, judged_unit[0], unit is None, judged_axis, up_axis is None, tuple(notes)),
        tuple(person_ids),
    )


def some_positions(person: Person) -> np.ndarray:
    """(≤ 240, J, 3) joint positions of frames spread evenly over the clip, so that long files cost no more to judge."""
    picked = np.unique(np.linspace(0, len(person) - 1, min(len(person), _FRAMES_LOOKED_AT)).round().astype(np.int64))
    if isinstance(person, Keypoints):
        return person.positions[picked]
    local = None if person.local_translations is None else person.local_translations[picked]
    return Motion(
        person.skeleton,
        person.rotations[picked],
        person.root_translation[picked],
        person.fps,
        local_translations=local,
    ).joint_positions()


def _rest_positions(person: Person) -> np.ndarray | None:
    """(J, 3) joint positions in the rest pose, None where the file has none."""
    if isinstance(person, Keypoints):
        return None
    rest = person.skeleton.rest_offsets.copy()
    for joint, parent in enumerate(person.skeleton.parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    return rest
