"""Names → body parts: the words of all joints of a rig are weighed together and against the tree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from skeletonllm_core.motion.rig_names import Kind, Meaning, convention, meanings
from skeletonllm_core.motion.skeleton import BodyPart

LIMB_CORE = ("thigh", "shin", "foot", "upper_arm", "forearm", "hand")
"""The parts that every body has on either side."""

_LIMBS = (
    ("thigh", "shin", "foot", "toes"),
    ("clavicle", "upper_arm", "forearm", "hand", "fingers"),
)


@dataclass(frozen=True)
class Draft:
    """What the names of a rig say.

    Attributes:
        parts: part of each joint, None where the names say nothing.
        aside: joints that are not on the body's line (helpers, ends, spare fingers).
        spare: joints put aside only because another joint of the same limb is on the line; bodies that are not human
            (the eight legs of a spider) need them.
        core: how many of the 12 limb parts and the head were named.
        limbs_beyond: joints of limbs that people do not have (tail, wing), which are drawn without being a part.
        targets: the foot or hand that a joint pulls by inverse kinematics, else None.
        roots: joints called roots that are no part, with only such joints above them.
        animal: the names speak of front legs.
        convention: name of the convention in words, or None.
    """

    parts: tuple[BodyPart | None, ...]
    aside: tuple[bool, ...]
    spare: tuple[bool, ...]
    core: int
    limbs_beyond: tuple[bool, ...]
    targets: tuple[BodyPart | None, ...]
    roots: tuple[bool, ...]
    animal: bool
    convention: str | None


def core_count(parts: tuple[BodyPart | None, ...] | list[BodyPart | None]) -> int:
    """How many of the twelve limb parts and the head occur."""
    wanted = {BodyPart(f"{side}_{name}") for side in ("left", "right") for name in LIMB_CORE} | {BodyPart.HEAD}
    return len(wanted & set(parts))


def lineage(joint: int, parents: tuple[int, ...]) -> list[int]:
    """The joint and all above it, up to the root."""
    found = [joint]
    while parents[found[-1]] >= 0:
        found.append(parents[found[-1]])
    return found


def meeting(joints: list[int], parents: tuple[int, ...]) -> int | None:
    """The nearest joint from which all the given ones hang; None where they hang from different roots."""
    if not joints:
        return None
    shared = set(lineage(joints[0], parents))
    for joint in joints[1:]:
        shared &= set(lineage(joint, parents))
    return max(shared, default=None)


def _side_parts(said: list[Meaning], side: str, parents: tuple[int, ...]) -> dict[int, BodyPart]:
    """Limb parts of one side. Words with several meanings are settled by which other words the side uses."""
    mine = [joint for joint, one in enumerate(said) if one.side == side and not one.helper and not one.end]
    kinds = {said[joint].kind for joint in mine}
    found: dict[int, BodyPart] = {}
    arms = [joint for joint in mine if said[joint].kind is Kind.ARM]
    legs = [joint for joint in mine if said[joint].kind is Kind.LEG]
    above = {joint: set(lineage(joint, parents)[1:]) for joint in mine}

    def first_in(group: list[int], joint: int) -> bool:
        return not any(other in above[joint] for other in group)

    collar = Kind.CLAVICLE in kinds
    has_upper = bool(kinds & {Kind.UPPER_ARM, Kind.ARM})
    has_thigh = Kind.THIGH in kinds or (Kind.LEG in kinds and Kind.SHIN in kinds)
    names = {
        Kind.CLAVICLE: "clavicle",
        Kind.UPPER_ARM: "upper_arm",
        Kind.FOREARM: "forearm",
        Kind.FINGER: "fingers",
        Kind.THIGH: "thigh",
        Kind.SHIN: "shin",
        Kind.ANKLE: "foot",
        Kind.TOES: "toes",
        Kind.WRIST: "hand",
    }
    for joint in mine:
        kind = said[joint].kind
        name = names.get(kind) if kind else None
        if kind is Kind.SHOULDER:
            name = "clavicle" if has_upper else "upper_arm"
            if collar and has_upper:
                name = "clavicle"
        elif kind is Kind.ARM:
            # "arm" alone: the first of a chain is the upper arm, a second one the forearm.
            if Kind.UPPER_ARM in kinds:
                upper = [other for other in mine if said[other].kind is Kind.UPPER_ARM]
                if any(joint in above[other] for other in upper):
                    name = "clavicle"
                else:
                    name = "upper_arm" if Kind.FOREARM in kinds else "forearm"
            elif Kind.FOREARM in kinds or first_in(arms, joint):
                name = "upper_arm"
            else:
                name = "forearm"
        elif kind is Kind.LEG:
            if Kind.THIGH in kinds:
                thighs = [other for other in mine if said[other].kind is Kind.THIGH]
                if any(joint in above[other] for other in thighs):
                    found[joint] = BodyPart.PELVIS
                else:
                    name = "shin"
            elif Kind.SHIN in kinds:
                name = "thigh"
            elif kinds & {Kind.HIP, Kind.HIP_JOINT} and len(legs) == 1:
                name = "shin"
            else:
                name = "thigh" if first_in(legs, joint) else "shin"
        elif kind in (Kind.HIP, Kind.HIP_JOINT):
            further = kind is Kind.HIP_JOINT and any(
                said[other].kind is Kind.HIP and joint in above[other] for other in mine
            )
            # Where another joint is the thigh, the sided hip is only the way to it.
            if not (has_thigh or len(legs) > 1 or further):
                name = "thigh"
            else:
                found[joint] = BodyPart.PELVIS
        elif kind is Kind.FOOT:
            name = "toes" if Kind.ANKLE in kinds and any(said[a].kind is Kind.ANKLE for a in above[joint]) else "foot"
            if Kind.ANKLE in kinds and Kind.TOES in kinds:
                name = "foot"
        elif kind is Kind.HAND:
            name = "hand"
        if name:
            found[joint] = BodyPart(f"{side}_{name}")
    hands = [joint for joint in mine if said[joint].kind is Kind.HAND]
    wrists = [joint for joint in mine if said[joint].kind is Kind.WRIST]
    has_fingers = any(said[joint].kind is Kind.FINGER for joint in mine)
    if wrists and not has_fingers:
        # Without finger joints the hand beyond the wrist is the knuckles.
        for joint in hands:
            if any(wrist in above[joint] for wrist in wrists):
                found[joint] = BodyPart(f"{side}_fingers")
    if not has_fingers and not any(part.value.endswith("fingers") for part in found.values()):
        for joint, one in enumerate(said):
            if one.side == side and one.end and one.kind is Kind.HAND and not one.helper:
                found[joint] = BodyPart(f"{side}_fingers")
                break
    return found


def _limb_line(
    parts: list[BodyPart | None], said: list[Meaning], side: str, limb: tuple[str, ...], parents: tuple[int, ...]
) -> set[int]:
    """Joints of one limb that are on its line, from the trunk to its end."""
    order = [BodyPart(f"{side}_{name}") for name in limb]
    joints = [joint for joint, part in enumerate(parts) if part in order]
    if not joints:
        return set()
    rank = {part: place for place, part in enumerate(order)}
    ranked = {joint: rank[part] for joint in joints if (part := parts[joint]) is not None}

    def merit(joint: int) -> tuple[int, int, int, int]:
        ways = lineage(joint, parents)
        on = {ranked[a] for a in ways if a in ranked}
        finger = said[joint].finger if order[ranked[joint]].value.endswith("fingers") else 0
        return (len(on), -finger, -len(ways), -joint)

    end = max(joints, key=merit)
    line = {joint for joint in lineage(end, parents) if joint in ranked}
    on = {ranked[joint] for joint in line}
    for joint in joints:
        if ranked[joint] not in on:
            # The tree is not the body (IK bones hang from the root): the first joint of the part stands for it.
            on.add(ranked[joint])
            line.add(joint)
    return line


@lru_cache(maxsize=256)
def draft(names: tuple[str, ...], parents: tuple[int, ...]) -> Draft:
    """Body parts of a rig as its names have them.

    Args:
        names: J joint names.
        parents: parent of each joint, before its children, -1 at roots.
    """
    said = list(meanings(names))
    joints = range(len(names))
    parts: list[BodyPart | None] = [None] * len(names)
    aside = [one.helper or one.end or one.kind is Kind.THUMB for one in said]
    for side in ("left", "right"):
        for joint, named in _side_parts(said, side, parents).items():
            parts[joint] = named
            aside[joint] = False
    plain = [joint for joint in joints if not said[joint].helper and not said[joint].end]
    _name_middle(parts, said, plain, parents)
    if BodyPart.HEAD not in parts:
        # Key points without a head have its top or a nose.
        for kind in (Kind.HEAD, Kind.NOSE):
            stand_in = next((joint for joint in joints if said[joint].kind is kind), None)
            if stand_in is not None:
                parts[stand_in] = BodyPart.HEAD
                aside[stand_in] = False
                break
    line: set[int] = set()
    for side in ("left", "right"):
        for limb in _LIMBS:
            line |= _limb_line(parts, said, side, limb, parents)
    spare = [False] * len(names)
    for joint, part in enumerate(parts):
        if part is not None and part.side and joint not in line:
            spare[joint] = not aside[joint] and not part.value.endswith(("fingers", "toes"))
            aside[joint] = True
    # An unnamed joint on the way between two named ones of a limb belongs to the upper one.
    for joint in sorted(line):
        way = lineage(joint, parents)[1:]
        gap: list[int] = []
        for above in way:
            if parts[above] is not None and not said[above].helper:
                if above in line or not gap:
                    for between in gap:
                        parts[between] = parts[above]
                break
            gap.append(above)
    # Only the base of one finger is drawn.
    for side in ("left", "right"):
        fingers = [joint for joint in sorted(line) if parts[joint] is BodyPart(f"{side}_fingers")]
        if fingers and BodyPart(f"{side}_hand") not in parts:
            # Fingers without a hand: the first joint of the one that is drawn stands for it.
            hand = fingers.pop(0)
            parts[hand] = BodyPart(f"{side}_hand")
            fingers += [joint for joint in joints if parents[joint] == hand and joint not in fingers]
            for joint in fingers[:1]:
                aside[joint] = False
        _keep_first(fingers, aside)
        _keep_first([joint for joint in sorted(line) if parts[joint] is BodyPart(f"{side}_toes")], aside)
    # An end goes with the joint whose bone it ends.
    for joint in joints:
        if parts[joint] is None and said[joint].end and parents[joint] >= 0:
            parts[joint] = parts[parents[joint]]
    beyond = tuple(one.kind is Kind.TAIL and not one.helper for one in said)
    roots: list[bool] = []
    for joint, one in enumerate(said):
        called = one.kind is Kind.ROOT and parts[joint] is None
        roots.append(called and (parents[joint] < 0 or roots[parents[joint]]))
    return Draft(
        tuple(parts),
        tuple(aside),
        tuple(spare),
        core_count(parts),
        beyond,
        tuple(_target(one) for one in said),
        tuple(roots),
        any(one.animal for one in said),
        convention(names),
    )


_LEG_KINDS = (Kind.LEG, Kind.THIGH, Kind.SHIN, Kind.ANKLE, Kind.FOOT)
_ARM_KINDS = (Kind.ARM, Kind.UPPER_ARM, Kind.FOREARM, Kind.WRIST, Kind.HAND)


def _target(said: Meaning) -> BodyPart | None:
    """The foot or hand that a joint of this name pulls by inverse kinematics."""
    if not (said.target and said.side):
        return None
    if said.kind in _LEG_KINDS:
        return BodyPart(f"{said.side}_foot")
    return BodyPart(f"{said.side}_hand") if said.kind in _ARM_KINDS else None


def _keep_first(joints: list[int], aside: list[bool]) -> None:
    """All but the first joint are put aside; `motion.rig` moves on where the first is a duplicate of its parent."""
    for joint in joints[1:]:
        aside[joint] = True


def _name_middle(parts: list[BodyPart | None], said: list[Meaning], plain: list[int], parents: tuple[int, ...]) -> None:
    """Pelvis, spine, chest, neck and head."""
    by_kind: dict[Kind, list[int]] = {}
    for joint in plain:
        kind = said[joint].kind
        if kind is not None:
            by_kind.setdefault(kind, []).append(joint)
    pelvis = by_kind.get(Kind.PELVIS, [])
    thighs = [j for j, part in enumerate(parts) if part in (BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH)]
    firsts = [
        next((j for j in thighs if parts[j] is part), None) for part in (BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH)
    ]
    legs_from = meeting([j for j in firsts if j is not None], parents) if None not in firsts else None
    hips_named = bool(pelvis)
    if not pelvis and by_kind.get(Kind.CENTRE):
        pelvis = by_kind[Kind.CENTRE][-1:]
    if not pelvis and legs_from is not None and legs_from not in thighs and not said[legs_from].helper:
        pelvis = [legs_from]
    for joint in pelvis:
        if parts[joint] is None:
            parts[joint] = BodyPart.PELVIS
    if hips_named and legs_from is not None and parts[legs_from] is None and said[legs_from].kind is None:
        parts[legs_from] = BodyPart.PELVIS
    for joint in by_kind.get(Kind.NECK, []):
        parts[joint] = BodyPart.NECK
    for joint in by_kind.get(Kind.HEAD, []):
        parts[joint] = BodyPart.HEAD
    trunk = [j for kind in (Kind.TRUNK, Kind.CHEST) for j in by_kind.get(kind, []) if parts[j] is None]
    shoulders = []
    for side in ("left", "right"):
        for name in ("clavicle", "upper_arm"):
            part = BodyPart(f"{side}_{name}")
            first = next((j for j, p in enumerate(parts) if p is part), None)
            if first is not None:
                shoulders.append(first)
                break
    arms_from = meeting(shoulders, parents) if len(shoulders) == 2 else None
    hub = arms_from if arms_from is not None and arms_from not in shoulders and not said[arms_from].helper else None
    centre = {j for j in by_kind.get(Kind.CENTRE, [])}
    if hub is not None and parts[hub] is None and hub not in centre and said[hub].kind is not Kind.ROOT:
        parts[hub] = BodyPart.CHEST
    hangs_all = hub is not None and hub == legs_from
    above_hub = set() if hub is None or hangs_all else {j for j in trunk if hub in lineage(j, parents)[1:]}
    has_head = BodyPart.HEAD in parts
    if above_hub and not has_head:
        # Rigify calls the neck and the head spine.004 to spine.006.
        line = sorted(above_hub, key=lambda joint: len(lineage(joint, parents)))
        head = line[-1]
        for joint in line:
            parts[joint] = BodyPart.HEAD if joint == head else BodyPart.NECK
    chest_named = by_kind.get(Kind.CHEST, [])
    for joint in sorted(trunk):
        if parts[joint] is not None:
            continue
        over = hub is not None and joint in above_hub
        parts[joint] = BodyPart.CHEST if over else BodyPart.SPINE
    if BodyPart.CHEST not in parts:
        # Arms hang from the neck, or there is no tree: the uppermost joint called chest, else the last of the spine.
        spine = [joint for joint in chest_named if parts[joint] is BodyPart.SPINE]
        spines = [joint for joint, part in enumerate(parts) if part is BodyPart.SPINE]
        if spine:
            parts[spine[-1]] = BodyPart.CHEST
        elif len(spines) > 1:
            parts[spines[-1]] = BodyPart.CHEST
    # Unnamed joints on the way from the pelvis to the neck are trunk.
    tops = [j for j, part in enumerate(parts) if part in (BodyPart.CHEST, BodyPart.NECK)]
    if tops:
        gap: list[int] = []
        for joint in lineage(tops[0], parents)[1:]:
            if parts[joint] is not None:
                if parts[joint] in (BodyPart.PELVIS, BodyPart.SPINE):
                    for between in gap:
                        if said[between].kind is None and not said[between].helper:
                            parts[between] = BodyPart.SPINE
                break
            gap.append(joint)
