"""Files that name their unit and up axis: both are believed, unless the body would then be no body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skeletonllm_core.motion.motion import Clip, Motion
from skeletonllm_core.motion.orientation import UNITS, body_height, infer_unit
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_mocap_io.placing import placed, some_positions

_SHORTEST, _TALLEST = 0.1, 20.0
"""Dolls and giants are believed; a person beyond these was written in another unit than the file says [m]."""

_HUMAN = (BodyPart.HEAD, BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH, BodyPart.LEFT_UPPER_ARM, BodyPart.RIGHT_UPPER_ARM)
_ARMATURE_SCALE = 100.0
"""Blender writes its metres into centimetre files by the scale of the armature, and so hides the unit of the numbers."""


def placed_together(
    takes: Sequence[tuple[str, list[Motion]]],
    *,
    format: str,
    metres: float,
    up_axis: str,
    warnings: Sequence[str] = (),
) -> list[Clip]:
    """The clips of one file in metres, Y up; all get the same unit.

    Args:
        takes: name and persons of every clip, in the unit and axes of the file; at least one.
        format: name of the reader.
        metres: per unit of the file, as the file says.
        up_axis: "y", "z", "-y", … as the file says.
        warnings: whole sentences about what was repaired or left out.
    """
    notes = list(warnings)
    unit = next((name for name, size in UNITS if abs(metres / size - 1) < 1e-6), f"{metres:g} m")
    body = max(takes[0][1], key=lambda person: len(person.topology))
    positions = some_positions(body)
    rig = map_rig(body.topology, positions)
    height = body_height(positions, rig) * metres
    wrong = height > 0 and not _SHORTEST <= height <= _TALLEST and all(part in rig.primary() for part in _HUMAN)
    if wrong:
        raw = height / metres
        name, size = infer_unit(raw)
        if name == "unknown":
            name, size = infer_unit(raw / _ARMATURE_SCALE)
            size /= _ARMATURE_SCALE
        notes.append(
            f"By the unit and the scales in the file ({unit}) the body would be {height:.3g} m tall; "
            f"it was scaled to {raw * size:.3g} m{'.' if name == 'unknown' else f', as numbers in {name}.'}"
        )
        unit, metres = name, size
    clips = [
        placed(persons, format=format, name=name, unit=(unit, metres), up_axis=up_axis, warnings=notes)
        for name, (_, persons) in zip(_told_apart([name for name, _ in takes]), takes, strict=True)
    ]
    return [
        clip if clip.origin is None else replace(clip, origin=replace(clip.origin, unit_inferred=wrong))
        for clip in clips
    ]


def _told_apart(names: Sequence[str]) -> list[str]:
    """Names by which each clip of several can be asked for."""
    if len(names) == 1:
        return list(names)
    found: list[str] = []
    for number, name in enumerate(names, start=1):
        chosen, again = name or f"clip {number}", 2
        while chosen in found:
            chosen, again = f"{name} ({again})", again + 1
        found.append(chosen)
    return found
