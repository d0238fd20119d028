"""Which joint is which body part, for rigs nobody named: from names, then from shape and motion, with a report.

names ─rig_names→ meanings ─rig_draft→ parts ┐
tree, lengths, motion ─rig_shape→ parts ─────┴→ RigMap (rig_drawn: what is drawn; rig_floating: what hangs from what in
                                                the body; rig_sides: left or right)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skeletonllm_core.motion.rig_draft import Draft, core_count, draft
from skeletonllm_core.motion.rig_drawn import (
    HUMAN_CORE,
    hide_anchors,
    hide_duplicates,
    hide_side_branches,
    primary_joints,
)
from skeletonllm_core.motion.rig_floating import adopt_targets, body_parents
from skeletonllm_core.motion.rig_shape import Measures, ShapeMap, measure, mirrored_parts, shape_map
from skeletonllm_core.motion.rig_sides import SideEvidence, side_evidence
from skeletonllm_core.motion.skeleton import BodyPart, Topology

_CONFIRMED, _CONTRADICTED = 0.4, -1.0
"""How strongly the movement must speak for, or against, the sides that the names give (see `SideEvidence.score`)."""

_LEAST = 4
"""With fewer of the 12 limb parts and the head nothing says that a body is human; half a body has six or more."""


@dataclass(frozen=True, eq=False)
class RigMap:
    """Which joint of a rig is which body part.

    Attributes:
        parts: part of each joint, or None; several joints may have the same part (spine chain, twist bones, fingers).
        drawn: (J,) bool; False for static world anchors and for joints that are no part of the body's line (helpers,
            face, IK, twist, ends, spare fingers, a second joint at the same place).
        parents: (J,) int64, the joint that each hangs from in the body, -1 at roots: the parent in the tree, except for
            joints that hang beside the body (feet posed by inverse kinematics); in no particular order.
        report: whole sentences about how it was found.
        warnings: whole sentences about what is doubtful.
        by: "names", "shape" or "topology" (the parts were given).
        human: False where the names are those of an animal, or hardly any part of a human body was found.
    """

    parts: tuple[BodyPart | None, ...]
    drawn: np.ndarray
    parents: np.ndarray
    report: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    by: str = "names"
    human: bool = True

    @cached_property
    def _primary(self) -> dict[BodyPart, int]:
        return primary_joints(self.parts, self.drawn)

    def joint_of(self, part: BodyPart) -> int | None:
        """The joint that stands for a part: the first along its chain that is drawn; None where there is none."""
        return self._primary.get(part)

    def primary(self) -> dict[BodyPart, int]:
        """The joint that stands for each part that was found."""
        return dict(self._primary)


def map_rig(topology: Topology, positions: np.ndarray) -> RigMap:
    """Work out which joint is which body part.

    Names decide where they say enough; the shape of the tree, bone lengths and motion decide otherwise and check the
    names' left and right. Nothing is assumed about the unit or the up axis.

    Args:
        topology: J joints; its `parts` are taken as they are where given.
        positions: (T, J, 3) world positions, any unit, any up axis, NaN = missing; T may be 0.
    """
    rig = measure(topology, positions)
    parents = tuple(topology.parents.tolist())
    count = f"{len(topology)} joint{'' if len(topology) == 1 else 's'}"
    if topology.parts is not None:
        report = [f"{count}, body parts given by the topology {topology.name!r}."]
        parts = list(topology.parts)
        if topology.drawn is not None:
            drawn = np.array(topology.drawn)
        else:
            drawn = np.array([part is not None for part in parts])
            hide_duplicates(parts, drawn, rig, parents)
        return _checked(topology, topology.parts, drawn, rig, report, [], "topology")
    named = draft(topology.names, parents)
    if named.core >= HUMAN_CORE:
        known = f" ({named.convention} convention)" if named.convention else ""
        return _finished(topology, named.parts, named, rig, [f"{count}, read by name{known}."], [], "names")
    shape = shape_map(topology, rig)
    # A tail or a wing is no arm and no leg, whatever its shape.
    shape.parts = [None if beyond else part for part, beyond in zip(shape.parts, named.limbs_beyond, strict=True)]
    creature = named.animal or any(named.limbs_beyond)
    if not (creature and named.core) and core_count(shape.parts) > named.core:
        report = [f"{count}, names say too little: read from the tree's shape, bone lengths and motion."]
        parts = _with_named_sides(shape, named, report)
        return _finished(topology, parts, named, rig, report, shape.warnings, "shape")
    warnings = [] if named.core else list(shape.warnings)
    report = [f"{count}, read by name as far as names go."]
    return _finished(topology, named.parts, named, rig, report, warnings, "names")


def _with_named_sides(shape: ShapeMap, named: Draft, report: list[str]) -> list[BodyPart | None]:
    """The parts that the shape gives, with the sides of the few joints whose names tell."""
    known = [(a, b) for a, b in zip(shape.parts, named.parts, strict=True) if a and b and a.side and b.side]
    same = sum(a.side == b.side for a, b in known)
    if known and same * 2 != len(known):
        report.append("Left and right from the few names that tell.")
        shape.warnings[:] = [one for one in shape.warnings if not one.startswith("Left and right could not")]
        return shape.parts if same * 2 > len(known) else mirrored_parts(shape.parts)
    if shape.side_score >= _CONFIRMED:
        sure = "surely" if shape.side_score > 1.2 else "probably"
        report.append(f"Left and right {sure} from the {_list(shape.cues)}.")
    return shape.parts


def _finished(
    topology: Topology,
    found: tuple[BodyPart | None, ...] | list[BodyPart | None],
    named: Draft,
    rig: Measures,
    report: list[str],
    warnings: list[str],
    by: str,
) -> RigMap:
    """Decide what is drawn, check the sides and say what is missing."""
    parts = list(found)
    parents = tuple(topology.parents.tolist())
    if by == "shape":
        drawn = np.array([part is not None or not aside for part, aside in zip(parts, named.aside, strict=True)])
        _draw_first_only(parts, drawn)
    else:
        drawn = ~np.array(named.aside, dtype=bool)
    hide_duplicates(parts, drawn, rig, parents)
    report += hide_anchors(parts, drawn, rig, parents, topology.names, named.roots)
    hide_side_branches(parts, drawn, rig, parents, named.limbs_beyond)
    report += adopt_targets(parts, drawn, rig, parents, named.targets, topology.names)
    core = core_count(parts)
    animal = named.animal or (core < HUMAN_CORE and any(named.limbs_beyond))
    if core < HUMAN_CORE:
        drawn |= np.array(named.spare)
        warnings = [
            *warnings,
            f"Main body parts found: {core} of 13. This may be no human body; all its limbs are drawn.",
        ]
    if named.animal and by == "names":
        warnings = [*warnings, "The names speak of front legs: this is an animal; its front legs are taken for arms."]
    if by == "shape":
        hung, joined = body_parents(parts, drawn, rig, parents, topology.names)
        return RigMap(tuple(parts), drawn, hung, (*report, *joined), tuple(warnings), by, core >= _LEAST)
    return _checked(topology, tuple(parts), drawn, rig, report, warnings, by, animal)


def _draw_first_only(parts: list[BodyPart | None], drawn: np.ndarray) -> None:
    """Of fingers, toes and head only the first joint along the line is drawn."""
    seen: set[BodyPart] = set()
    for joint, part in enumerate(parts):
        if part is not None and (part is BodyPart.HEAD or part.value.endswith(("fingers", "toes"))):
            if part in seen:
                drawn[joint] = False
            seen.add(part)


def _checked(
    topology: Topology,
    parts: tuple[BodyPart | None, ...],
    drawn: np.ndarray,
    rig: Measures,
    report: list[str],
    warnings: list[str],
    by: str,
    animal: bool = False,
) -> RigMap:
    """The map, with a sentence on whether the movement agrees with the sides that the names or the topology give."""
    evidence: SideEvidence = side_evidence(rig.frames, primary_joints(parts, drawn))
    source = "names" if by == "names" else "the topology"
    if any(part is not None and part.side for part in parts):
        if animal:
            report.append(f"Left and right from {source}; an animal's knees and elbows do not tell.")
        elif evidence.score > _CONFIRMED:
            report.append(f"Left and right from {source}, confirmed by the {_list(evidence.speaking())}.")
        elif evidence.score < _CONTRADICTED:
            report.append(f"Left and right from {source}.")
            warnings = [
                *warnings,
                f"By the {_list(evidence.speaking(False))} left and right are exchanged (a mirrored clip or wrong "
                f"names); {source} {'are' if by == 'names' else 'is'} kept.",
            ]
        else:
            report.append(f"Left and right from {source}; the movement neither confirms nor contradicts them.")
    hung, joined = body_parents(parts, drawn, rig, tuple(topology.parents.tolist()), topology.names)
    human = not animal and core_count(parts) >= _LEAST
    return RigMap(tuple(parts), drawn, hung, (*report, *joined), tuple(warnings), by, human)


def _list(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "movement as a whole"
