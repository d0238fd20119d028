"""Which joint is which from the tree's shape, bone lengths and motion alone, for rigs whose names say nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from skeletonllm_core.motion.rig_sides import side_evidence
from skeletonllm_core.motion.skeleton import BodyPart, Topology

_NECK_TO_HEAD = 0.19
"""Distance of the head joint from the middle of the shoulders, in leg lengths (in real rigs .12 to .3)."""

_ALIKE = 0.75
"""Two branches are a pair of limbs from this likeness on; left and right of one body reach .9 and more."""


@dataclass(frozen=True, eq=False)
class Measures:
    """What one look at a rig's frames gives; lengths are in the unit of the positions.

    Attributes:
        frames: (n, J, 3) a few frames in time order.
        lengths: (J,) median distance to the parent, 0 at roots and where unknown.
        near: (J,) bool, the joint never leaves its parent's place.
        children: children of each joint.
    """

    frames: np.ndarray
    lengths: np.ndarray
    near: np.ndarray
    children: list[list[int]]


def measure(topology: Topology, positions: np.ndarray, most: int = 48) -> Measures:
    """Bone lengths and duplicates over at most `most` evenly spaced frames.

    Args:
        topology: J joints.
        positions: (T, J, 3), NaN = missing.
        most: number of frames looked at.
    """
    positions = np.asarray(positions)
    if len(positions) > most:
        positions = positions[np.linspace(0, len(positions) - 1, most).astype(np.int64)]
    frames = np.asarray(positions, dtype=np.float64)
    parents = topology.parents
    joints = len(topology)
    if not len(frames):
        return Measures(frames.reshape(0, joints, 3), np.zeros(joints), np.zeros(joints, bool), topology.children())
    frames = np.where(np.abs(frames) < 1e12, frames, np.nan)
    steps = frames - frames[:, np.maximum(parents, 0)]
    spans = np.sqrt((steps * steps).sum(-1))
    known = np.isfinite(spans)
    if known.all():
        lengths, longest = np.median(spans, axis=0), spans.max(axis=0)
    else:
        seen = known.any(axis=0)
        lengths, longest = np.zeros(joints), np.zeros(joints)
        lengths[seen] = np.nanmedian(spans[:, seen], axis=0)
        longest[seen] = np.nanmax(spans[:, seen], axis=0)
        longest[~seen] = np.inf
    lengths[parents < 0] = 0.0
    real = lengths[lengths > 1e-9]
    scale = float(np.percentile(real, 75)) if len(real) else 0.0
    near = (longest <= 0.015 * scale) & (parents >= 0) & (scale > 0)
    return Measures(frames, lengths, near, topology.children())


@dataclass(frozen=True)
class _Limb:
    """A pair of like branches that leave one joint."""

    node: int
    first: tuple[int, ...]
    second: tuple[int, ...]
    length: float
    hinge: tuple[int, int, int]
    """Places along the chains of the two long bones' ends: hip, knee, ankle or shoulder, elbow, wrist."""
    bones: float
    """Length of the two long bones."""


@dataclass
class ShapeMap:
    """What the shape of a rig says.

    Attributes:
        parts: part of each joint, None where nothing is known.
        human: two legs, two arms and a trunk between them were found.
        side_score: how surely left and right were told; below 0.4 not at all, beyond 1.2 surely.
        cues: what told left from right.
        warnings: sentences.
    """

    parts: list[BodyPart | None]
    human: bool = False
    side_score: float = 0.0
    cues: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _chains(parents: np.ndarray, rig: Measures) -> tuple[np.ndarray, list[int]]:
    """(J,) length of the longest way down from each joint, and the child that leads there (-1 at leaves)."""
    reach = np.zeros(len(parents))
    down = [-1] * len(parents)
    lengths = rig.lengths.tolist()
    best = [0.0] * len(parents)
    for joint in range(len(parents) - 1, 0, -1):
        parent = int(parents[joint])
        if parent >= 0:
            total = best[joint] + lengths[joint]
            if total > best[parent] or down[parent] < 0:
                best[parent] = max(total, best[parent])
                down[parent] = joint
    reach[:] = best
    return reach, down


def _chain(joint: int, down: list[int]) -> tuple[int, ...]:
    found = [joint]
    while down[found[-1]] >= 0:
        found.append(down[found[-1]])
    return tuple(found)


def _distance(frames: np.ndarray, a: int, b: int) -> float:
    step = frames[:, a] - frames[:, b]
    span = np.sqrt((step * step).sum(-1))
    span = span[np.isfinite(span)]
    return float(np.median(span)) if len(span) else 0.0


def _hinge(first: tuple[int, ...], second: tuple[int, ...], rig: Measures) -> tuple[tuple[int, int, int], float] | None:
    """The two long bones of a pair of chains, as places along the chains, and their length together."""
    count = min(len(first), len(second))
    if count < 3:
        return None
    chain = [(rig.lengths[a] + rig.lengths[b]) / 2 for a, b in zip(first[:count], second[:count], strict=True)]
    near = [bool(rig.near[a] and rig.near[b]) for a, b in zip(first[:count], second[:count], strict=True)]
    stops = [place for place in range(count) if place == 0 or not near[place]]
    if len(stops) < 3:
        return None
    bone = {place: chain[place] for place in stops}
    longest = max(bone[place] for place in stops[1:])
    long = [place for place in stops[1:] if bone[place] > 0.55 * longest]
    runs = 1
    while runs < len(long) and long[runs] - long[runs - 1] == 1:
        runs += 1
    if runs >= 4 and max(bone[p] for p in long[:4]) < 1.35 * min(bone[p] for p in long[:4]):
        # Each long bone is cut into two or more: the knee is where the chain is bent most.
        half = runs // 2
        start = long[0] - 1
        return (start, start + half, start + 2 * half), float(sum(bone[p] for p in long[: 2 * half]))
    best, choice = -np.inf, None
    for place in range(1, len(stops) - 1):
        a, b = bone[stops[place]], bone[stops[place + 1]]
        after = bone[stops[place + 2]] if place + 2 < len(stops) else 0.0
        score = a + b - 0.5 * abs(a - b) - 0.5 * after
        if score > best + 1e-9:
            best, choice = score, (stops[place - 1], stops[place], stops[place + 1])
    if choice is None:
        return None
    # The joint that turns the first long bone is the last of a run of joints at one place.
    start = choice[0]
    while start + 1 < choice[1] and near[start + 1]:
        start += 1
    return (start, choice[1], choice[2]), float(bone[choice[1]] + bone[choice[2]])


def _likeness(first: tuple[int, ...], second: tuple[int, ...], lengths: np.ndarray) -> float:
    """1 for chains with the same bone lengths, lower the more they differ."""
    count = min(len(first), len(second))
    mine, theirs = lengths[list(first[:count])], lengths[list(second[:count])]
    return 1 - 2 * float(np.abs(mine - theirs).sum() / max(float((mine + theirs).sum()), 1e-12))


def _pairs(rig: Measures, reach: np.ndarray, down: list[int]) -> list[_Limb]:
    """Pairs of like branches, longest first."""
    found: list[_Limb] = []
    lengths = rig.lengths
    for node, children in enumerate(rig.children):
        if not 2 <= len(children) <= 40:
            continue
        branches = [(float(lengths[child] + reach[child]), _chain(child, down)) for child in children]
        branches = sorted((one for one in branches if one[0] > 0 and len(one[1]) > 2), key=lambda one: -one[0])
        alike = []
        for place, (total, chain) in enumerate(branches):
            for other, (less, mate) in enumerate(branches[place + 1 :], place + 1):
                if less < 0.8 * total:
                    break
                if abs(len(mate) - len(chain)) <= 1:
                    alike.append((_likeness(chain, mate, lengths), place, other))
        used: set[int] = set()
        for likeness, place, other in sorted(alike, key=lambda one: (-one[0], one[1], one[2])):
            if likeness < _ALIKE or place in used or other in used:
                continue
            hinge = _hinge(branches[place][1], branches[other][1], rig)
            if hinge is not None:
                used.update((place, other))
                found.append(_Limb(node, branches[place][1], branches[other][1], branches[place][0], *hinge))
    found.sort(key=lambda limb: -limb.length)
    if not found:
        return []
    inside: list[_Limb] = []
    for limb in found:
        nested = any(limb.node in other.first or limb.node in other.second for other in inside)
        if not nested and limb.bones > 0.3 * found[0].bones:
            inside.append(limb)
    return inside


def _lineage(joint: int, parents: np.ndarray) -> list[int]:
    """The joint and all above it, up to the root."""
    found = [joint]
    while parents[found[-1]] >= 0:
        found.append(int(parents[found[-1]]))
    return found


def _between(a: int, b: int, parents: np.ndarray) -> list[int] | None:
    """The joints on the way from a to b, both included; None where they hang from different roots."""
    up, over = _lineage(a, parents), _lineage(b, parents)
    shared = set(up) & set(over)
    if not shared:
        return None
    meet = next(joint for joint in up if joint in shared)
    return up[: up.index(meet) + 1] + over[: over.index(meet)][::-1]


def _lateral(frames: np.ndarray, limb: _Limb, place: int) -> np.ndarray:
    step = frames[:, limb.first[place]] - frames[:, limb.second[place]]
    return np.where(np.isfinite(step), step, 0.0)


def shape_map(topology: Topology, rig: Measures) -> ShapeMap:
    """Body parts from the shape alone.

    Two long pairs of like branches are legs and arms: legs are the longer pair, arms leave the joint that also carries
    the head. Left and right come from `rig_sides`.

    Args:
        topology: J joints; names are not looked at.
        rig: measures of the same joints.
    """
    parents = topology.parents
    result = ShapeMap([None] * len(topology))
    if not len(rig.frames):
        result.warnings.append("There are no frames to measure, so the shape says nothing.")
        return result
    if len(topology) > 2000:
        result.warnings.append(f"The rig has {len(topology)} joints, too many to tell body parts by their shape.")
        return result
    reach, down = _chains(parents, rig)
    limbs = _pairs(rig, reach, down)
    if not limbs:
        result.warnings.append("No pair of like limbs was found, so no body part is known.")
        return result
    legs, arms, sure = _legs_and_arms(limbs, rig, reach, parents)
    if arms is None or legs is None:
        only = legs or limbs[0]
        result.warnings.append("Only one pair of like limbs was found; it is taken for the legs.")
        _name_leg(result.parts, only, rig)
        _settle_sides(result, rig.frames)
        return result
    if len(limbs) > 2:
        others = len(limbs) - 2
        result.warnings.append(
            f"{others} more pair{'s' if others > 1 else ''} of like limbs "
            f"{'were' if others > 1 else 'was'} found than a human body has."
        )
    if not sure:
        result.warnings.append("Legs and arms are much alike here, so one may be taken for the other.")
    _name_leg(result.parts, legs, rig)
    swap = _crossed(legs, arms, rig.frames)
    _name_arm(result.parts, arms, rig, swap)
    _name_trunk(result.parts, legs, arms, rig, down, parents)
    result.human = sure and BodyPart.HEAD in result.parts
    _settle_sides(result, rig.frames)
    return result


def _legs_and_arms(
    limbs: list[_Limb], rig: Measures, reach: np.ndarray, parents: np.ndarray
) -> tuple[_Limb | None, _Limb | None, bool]:
    """Which pair is the legs and which the arms, and whether that is sure."""
    best: tuple[float, _Limb, _Limb] | None = None
    for place, one in enumerate(limbs[:5]):
        for other in limbs[place + 1 : 5]:
            score = (one.bones + other.bones) / limbs[0].bones
            if one.node != other.node:
                score += 0.5
            if best is None or score > best[0] + 1e-9:
                best = (score, one, other)
    if best is None:
        return limbs[0], None, False
    _, one, other = best

    def vote(legs: _Limb, arms: _Limb) -> float:
        votes = float(np.clip(np.log(legs.bones / max(arms.bones, 1e-12)) / 0.25, -1, 1))
        way = _between(legs.node, arms.node, parents)
        taken = {arms.first[0], arms.second[0], legs.first[0], legs.second[0], *(way or ())}
        heads = [
            child for child in rig.children[arms.node] if child not in taken and reach[child] + rig.lengths[child] > 0
        ]
        if heads and one.node != other.node:
            tall = max(float(reach[child] + rig.lengths[child]) for child in heads)
            votes += 0.7 if tall > 0.1 * legs.bones else 0.0
        # Arms have a collar bone, or at least stand off the trunk; hips lie closer.
        return votes

    forward, backward = vote(one, other), vote(other, one)
    legs, arms = (one, other) if forward >= backward else (other, one)
    return legs, arms, abs(forward - backward) > 0.5


def _side(part: BodyPart, left: bool) -> BodyPart:
    return part if left else part.mirrored


def _name_leg(parts: list[BodyPart | None], limb: _Limb, rig: Measures) -> None:
    hip, knee, ankle = limb.hinge
    for chain, left in ((limb.first, True), (limb.second, False)):
        for place, joint in enumerate(chain):
            if place < hip:
                apart = float(rig.lengths[list(chain[place + 1 : hip + 1])].sum())
                near_thigh = apart < 0.35 * float(rig.lengths[chain[knee]]) and not rig.near[joint]
                parts[joint] = _side(BodyPart.LEFT_THIGH, left) if near_thigh else BodyPart.PELVIS
            elif place < knee:
                parts[joint] = _side(BodyPart.LEFT_THIGH, left)
            elif place < ankle:
                parts[joint] = _side(BodyPart.LEFT_SHIN, left)
            else:
                foot = place == ankle or rig.near[joint]
                first = parts[chain[place - 1]] is _side(BodyPart.LEFT_TOES, left)
                parts[joint] = _side(BodyPart.LEFT_FOOT if foot and not first else BodyPart.LEFT_TOES, left)
    if parts[limb.node] is None:
        parts[limb.node] = BodyPart.PELVIS


def _name_arm(parts: list[BodyPart | None], limb: _Limb, rig: Measures, swap: bool) -> None:
    shoulder, elbow, wrist = limb.hinge
    for chain, left in ((limb.first, not swap), (limb.second, swap)):
        for place, joint in enumerate(chain):
            if place < shoulder:
                parts[joint] = _side(BodyPart.LEFT_CLAVICLE, left)
            elif place < elbow:
                parts[joint] = _side(BodyPart.LEFT_UPPER_ARM, left)
            elif place < wrist:
                parts[joint] = _side(BodyPart.LEFT_FOREARM, left)
            else:
                hand = place == wrist or rig.near[joint]
                first = parts[chain[place - 1]] is _side(BodyPart.LEFT_FINGERS, left)
                parts[joint] = _side(BodyPart.LEFT_HAND if hand and not first else BodyPart.LEFT_FINGERS, left)
        # The other fingers, none of which is drawn.
        stack = [child for child in rig.children[chain[wrist]] if child not in chain]
        for joint in chain[wrist + 1 :]:
            if parts[joint] is _side(BodyPart.LEFT_HAND, left):
                stack += [child for child in rig.children[joint] if child not in chain]
        while stack:
            joint = stack.pop()
            parts[joint] = _side(BodyPart.LEFT_FINGERS, left)
            stack += rig.children[joint]


def _crossed(legs: _Limb, arms: _Limb, frames: np.ndarray) -> bool:
    """Do the first arm and the first leg lie on different sides?"""
    hips, shoulders = _lateral(frames, legs, legs.hinge[0]), _lateral(frames, arms, arms.hinge[0])
    return float((hips * shoulders).sum()) < 0


def _name_trunk(
    parts: list[BodyPart | None], legs: _Limb, arms: _Limb, rig: Measures, down: list[int], parents: np.ndarray
) -> None:
    way = _between(legs.node, arms.node, parents) or [legs.node, arms.node]
    meet = min(way)
    for joint in way[1:-1]:
        parts[joint] = BodyPart.PELVIS if joint == meet else BodyPart.SPINE
    if legs.node != arms.node:
        parts[legs.node] = BodyPart.PELVIS
        parts[arms.node] = BodyPart.CHEST
    frames = rig.frames
    shoulders = (frames[:, arms.first[arms.hinge[0]]] + frames[:, arms.second[arms.hinge[0]]]) / 2
    hips = (frames[:, legs.first[legs.hinge[0]]] + frames[:, legs.second[legs.hinge[0]]]) / 2
    up = shoulders - hips
    taken = {*way, arms.first[0], arms.second[0], legs.first[0], legs.second[0]}
    best, chain = 0.0, None
    candidates = [child for child in rig.children[arms.node] if child not in taken]
    above = [int(parents[arms.node])] if arms.node == meet and parents[arms.node] >= 0 else []
    for child in candidates:
        line = _chain(child, down)
        rise = float(np.nanmedian(((frames[:, line[-1]] - shoulders) * up).sum(-1)))
        if rise > best:
            best, chain = rise, line
    if chain is None and above and above[0] not in taken:
        # The tree is rooted in the head.
        chain = tuple(_lineage(above[0], parents))
    if chain is None:
        return
    solid: list[int] = []
    leg = legs.bones
    for joint in chain:
        if not rig.near[joint]:
            solid.append(joint)
        stops = solid and _distance_to(frames[:, joint], shoulders) > 0.08 * leg
        branches = sum(not rig.near[child] for child in rig.children[joint])
        if stops and branches >= 2:
            break
    if not solid:
        return
    head = solid[-1]
    if len(solid) > 2:
        rises = [_distance_to(frames[:, joint], shoulders) / leg for joint in solid]
        head = solid[int(np.argmin([abs(rise - _NECK_TO_HEAD) for rise in rises]))]
    for joint in chain:
        parts[joint] = BodyPart.NECK
        if joint == head:
            break
    after = list(chain[chain.index(head) :])
    for joint in after:
        parts[joint] = BodyPart.HEAD


def _distance_to(track: np.ndarray, other: np.ndarray) -> float:
    span = np.sqrt(((track - other) ** 2).sum(-1))
    span = span[np.isfinite(span)]
    return float(np.median(span)) if len(span) else 0.0


def mirrored_parts(parts: list[BodyPart | None]) -> list[BodyPart | None]:
    """The same parts with left and right exchanged."""
    return [None if part is None else part.mirrored for part in parts]


def first_of(parts: list[BodyPart | None]) -> dict[BodyPart, int]:
    """The first joint of each part."""
    found: dict[BodyPart, int] = {}
    for joint, part in enumerate(parts):
        if part is not None:
            found.setdefault(part, joint)
    return found


def _settle_sides(result: ShapeMap, frames: np.ndarray) -> None:
    evidence = side_evidence(frames, first_of(result.parts))
    if evidence.score < 0:
        result.parts = mirrored_parts(result.parts)
    result.side_score = abs(evidence.score)
    result.cues = evidence.speaking(evidence.score >= 0)
    if result.side_score < 0.4:
        result.warnings.append("Left and right could not be told from the body's movement; they may be exchanged.")
