"""One body's motion on another body's skeleton, by body part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.foot_contact import contacts, correction, two_bone_turns
from skeletonllm_core.motion.from_keypoints import fitted_motion
from skeletonllm_core.motion.kinematics import forward_kinematics, rotations_from_positions
from skeletonllm_core.motion.motion import Keypoints, Motion, Person
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton, Topology, ordered
from skeletonllm_core.motion.standard_body import standard_skeleton

_FINGERS = (BodyPart.LEFT_FINGERS, BodyPart.RIGHT_FINGERS)
_CLAVICLES = (BodyPart.LEFT_CLAVICLE, BodyPart.RIGHT_CLAVICLE)

_ALIKE = 0.5
"""Clavicles that point the same way up to this cosine, seen from the chest, rest alike."""


@dataclass(frozen=True, eq=False)
class Retargeted:
    """A motion on another skeleton.

    Attributes:
        motion: of the target skeleton, with the source's frames and rate.
        left_out: drawn joints of the source whose motion is not carried over.
        resting: drawn joints of the target that keep their rest pose.
    """

    motion: Motion
    left_out: tuple[str, ...]
    resting: tuple[str, ...]

    def report(self) -> list[str]:
        """A sentence on each kind of joint that was not mapped; none where all were."""
        told = ("not carried over, the target has no such joint", "resting, the source has no such joint")
        return [
            f"{text}: {', '.join(names)}"
            for text, names in zip(told, (self.left_out, self.resting), strict=True)
            if names
        ]


def retarget(person: Person, onto: Skeleton | Topology) -> Motion:
    """The motion of `person` on another skeleton; see `carried_over`."""
    return carried_over(person, onto).motion


def carried_over(person: Person, onto: Skeleton | Topology) -> Retargeted:
    """The motion of `person` on another skeleton, and what could not be carried over.

    Joints are matched by body part. Every matched bone of the target points as the source's bone does, whatever the two
    rest poses are, but a clavicle turns against the chest as the source's does, since clavicles of different rigs start
    at different places; turns about a bone's own line follow the source's rotations. Ankles lie from the hips as the
    source's do, in leg lengths, and feet that stand stay where they stand (`foot_contact`). Joints without a match keep
    their rest pose. The path is scaled by the ratio of the leg lengths, and the lowest point of the clip stays at its
    height.

    Args:
        person: Motion, or Keypoints (rotations are fitted first); metres, Y up.
        onto: skeleton with a rest pose [m], or a topology with body parts, which gets that of a standing person.

    Raises:
        TopologyError: the two bodies have no part in common, or a joint is missing in every frame.
    """
    motion = fitted_motion(person) if isinstance(person, Keypoints) else person
    positions, world = forward_kinematics(
        motion.skeleton.parents,
        motion.skeleton.rest_offsets if motion.local_translations is None else motion.local_translations,
        motion.rotations,
        motion.root_translation,
    )
    source = _Source(motion, map_rig(motion.topology, positions), positions, world)
    target = onto if isinstance(onto, Skeleton) else standard_skeleton(onto)
    rig = map_rig(target.topology, _rest_positions(target)[None])
    pairs = _pairs(source.motion.topology, source.rig, target.topology, rig)
    if not pairs:
        raise TopologyError("the two skeletons have no body part in common, so nothing can be carried over")
    if np.array_equal(rig.parents, target.parents):
        result = _carried(source, target, rig, pairs)
    else:
        # Feet that hang beside the body are carried where the body has them, then put back into the tree.
        order = ordered(rig.parents)
        place = np.argsort(order)
        body, body_rig = _rehung(target, rig, order)
        moved = _carried(source, body, body_rig, {int(place[joint]): other for joint, other in pairs.items()})
        result = _back_in_tree(moved, target, place)
    used = set(pairs.values())
    left_out = [
        name for joint, name in enumerate(source.motion.topology.names) if source.rig.drawn[joint] and joint not in used
    ]
    resting = [name for joint, name in enumerate(target.names) if rig.drawn[joint] and joint not in pairs]
    return Retargeted(result, tuple(left_out), tuple(resting))


@dataclass(frozen=True, eq=False)
class _Source:
    """A motion with its rig, (T, J, 3) joint positions [m] and (T, J, 4) world rotations."""

    motion: Motion
    rig: RigMap
    positions: np.ndarray
    world: np.ndarray


def _carried(source: _Source, target: Skeleton, rig: RigMap, pairs: dict[int, int]) -> Motion:
    """The source's motion on a skeleton whose tree is the body; `pairs` is target joint → source joint."""
    rest = _rest_positions(target)
    theirs = np.array([pairs[joint] for joint in sorted(pairs)])
    ours = np.array(sorted(pairs))
    same = target.names == source.motion.topology.names and np.array_equal(
        target.parents, source.motion.skeleton.parents
    )
    turned = _world_rotations(
        _reduced_parents(target.parents, ours),
        rest[ours],
        _rest_positions(source.motion.skeleton)[theirs],
        source.positions[:, theirs],
        source.world[:, theirs],
        [] if same else [index for index, joint in enumerate(ours) if rig.parts[joint] in _CLAVICLES],
    )
    place = {int(joint): index for index, joint in enumerate(ours)}
    world = np.zeros((len(source.motion), len(target), 4))
    world[..., 0] = 1.0
    for joint, parent in enumerate(target.parents):
        if joint in place:
            world[:, joint] = turned[:, place[joint]]
        elif parent >= 0:
            world[:, joint] = world[:, parent]

    scale = _scale(source.positions, source.rig, rest, rig)
    still = np.zeros((len(source.motion), 3))
    legs = [leg for side in ("left", "right") if (leg := _leg(source, target, rig, pairs, side))]
    placed = _positions(target, world, still)
    for leg in legs:
        hip, knee, ankle = (placed[:, joint] for joint in leg.joints)
        goal = hip + _leg_length(hip, knee, ankle) / leg.length * (leg.source[2] - leg.source[0])
        _reach(world, leg, hip, knee, ankle, goal)
    placed = _positions(target, world, still)
    pelvis = rig.joint_of(BodyPart.PELVIS)
    anchor = pelvis if pelvis in pairs else int(ours[0])
    root = scale * source.positions[:, pairs[anchor]] - placed[:, anchor]
    lowest = source.positions[:, source.rig.drawn, 1].min()
    root[:, 1] += lowest - (placed[:, rig.drawn, 1] + root[:, 1, None]).min()

    placed = placed + root[:, None]
    for leg in legs:
        drifts = [placed[:, joint] - scale * source.positions[:, pairs[joint]] for joint in leg.foot]
        standing = [contacts(source.positions[:, pairs[joint]], source.motion.fps, leg.length) for joint in leg.foot]
        hip, knee, ankle = (placed[:, joint] for joint in leg.joints)
        _reach(world, leg, hip, knee, ankle, ankle + correction(drifts, standing, source.motion.fps))
    return Motion(target, _local_rotations(target.parents, world), root, source.motion.fps, source.motion.name)


@dataclass(frozen=True, eq=False)
class _Leg:
    """A leg that both bodies have.

    Attributes:
        joints: hip, knee and ankle of the target.
        foot: joints of the target's foot that the source has too: the ankle, and the toes where both have them.
        upper, lower: joints of the target that turn with the thigh, and with the shin.
        source: (T, 3) [m] hip, knee and ankle of the source.
        length: of the source's leg [m].
    """

    joints: tuple[int, int, int]
    foot: tuple[int, ...]
    upper: np.ndarray
    lower: np.ndarray
    source: tuple[np.ndarray, np.ndarray, np.ndarray]
    length: float


def _leg(source: _Source, target: Skeleton, rig: RigMap, pairs: dict[int, int], side: str) -> _Leg | None:
    found = [rig.joint_of(BodyPart(f"{side}_{part}")) for part in ("thigh", "shin", "foot", "toes")]
    hip, knee, ankle, toes = found
    if hip is None or knee is None or ankle is None or not {hip, knee, ankle} <= pairs.keys():
        return None
    below = [set(_below(joint, target.topology.children())) for joint in (hip, knee, ankle)]
    if knee not in below[0] or ankle not in below[1]:
        return None
    tracks = tuple(source.positions[:, pairs[joint]] for joint in (hip, knee, ankle))
    length = _leg_length(*tracks)
    if not length > 1e-6:
        return None
    foot = (ankle,) if toes is None or toes not in pairs or toes not in below[2] else (ankle, toes)
    return _Leg(
        (hip, knee, ankle),
        foot,
        np.array(sorted(below[0] - below[1])),
        np.array(sorted(below[1] - below[2])),
        tracks,  # type: ignore[arg-type]
        length,
    )


def _leg_length(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)))


def _below(joint: int, children: list[list[int]]) -> list[int]:
    found, stack = [], [joint]
    while stack:
        one = stack.pop()
        found.append(one)
        stack += children[one]
    return found


def _reach(
    world: np.ndarray, leg: _Leg, hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, goal: np.ndarray
) -> None:
    """Turns thigh and shin, in place, so that the ankle comes to the goal; the foot keeps its rotation."""
    if np.abs(goal - ankle).max() < 1e-7:
        return
    thigh, shin = two_bone_turns(hip, knee, ankle, goal)
    world[:, leg.upper] = rotation.multiply(thigh[:, None], world[:, leg.upper])
    world[:, leg.lower] = rotation.multiply(shin[:, None], world[:, leg.lower])


def _positions(skeleton: Skeleton, world: np.ndarray, root: np.ndarray) -> np.ndarray:
    """(T, J, 3) [m], joints of a skeleton with (T, J, 4) world rotations."""
    local = _local_rotations(skeleton.parents, world)
    return forward_kinematics(skeleton.parents, skeleton.rest_offsets, local, root)[0]


def _local_rotations(parents: np.ndarray, world: np.ndarray) -> np.ndarray:
    local = world.copy()
    below = parents >= 0
    local[:, below] = rotation.multiply(rotation.conjugate(world[:, parents[below]]), world[:, below])
    return rotation.normalize(local)


def _rehung(skeleton: Skeleton, rig: RigMap, order: np.ndarray) -> tuple[Skeleton, RigMap]:
    """The skeleton with the body's parents instead of the tree's, joints in the given order, and its rig."""
    rest = _rest_positions(skeleton)[order]
    place = np.append(np.argsort(order), -1)
    parents = place[rig.parents[order]]
    offsets = rest.copy()
    offsets[parents >= 0] -= rest[parents[parents >= 0]]
    names = tuple(skeleton.names[joint] for joint in order)
    mapped = RigMap(tuple(rig.parts[joint] for joint in order), rig.drawn[order], parents)
    return Skeleton(Topology(skeleton.topology.name, names, parents), offsets), mapped


def _back_in_tree(motion: Motion, target: Skeleton, place: np.ndarray) -> Motion:
    """A motion of `_rehung` joints on the target itself: what hangs elsewhere in the body moves against its parent."""
    positions, world = forward_kinematics(
        motion.skeleton.parents, motion.skeleton.rest_offsets, motion.rotations, motion.root_translation
    )
    positions, world = positions[:, place], world[:, place]
    parents = target.parents
    below = parents >= 0
    steps = positions.copy()
    steps[:, below] -= positions[:, parents[below]]
    free = steps.copy()
    free[:, below] = rotation.rotate(rotation.conjugate(world[:, parents[below]]), steps[:, below])
    local = _local_rotations(parents, world)
    return Motion(target, local, positions[:, 0], motion.fps, motion.name, free)


def _rest_positions(skeleton: Skeleton) -> np.ndarray:
    """(J, 3) [m], joints in the rest pose."""
    rest = skeleton.rest_offsets.copy()
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    return rest


def _pairs(source: Topology, source_rig: RigMap, target: Topology, target_rig: RigMap) -> dict[int, int]:
    """Target joint → source joint.

    Skeletons of one hierarchy are matched joint by joint. Else joints of one part are matched by name where names agree,
    and lines of several (spine, neck) from end to end; fingers only by name, since one finger says nothing about another.
    """
    if source.names == target.names and np.array_equal(source.parents, target.parents):
        return {joint: joint for joint in range(len(target))}
    pairs: dict[int, int] = {}
    for part in target_rig.primary():
        named = {source.names[joint]: joint for joint, found in enumerate(source_rig.parts) if found == part}
        own = [joint for joint, found in enumerate(target_rig.parts) if found == part]
        pairs |= {joint: named[target.names[joint]] for joint in own if target.names[joint] in named}
        mine = _of_line(own, target_rig)
        other = _of_line(list(named.values()), source_rig)
        if part not in _FINGERS and mine and other and not any(joint in pairs for joint in own):
            count = min(len(mine), len(other))
            pairs |= dict(zip(_spread(mine, count), _spread(other, count), strict=True))
    return pairs


def _of_line(joints: list[int], rig: RigMap) -> list[int]:
    """The joints of one part that are drawn; a clavicle that starts in the chest is not, and turns all the same."""
    drawn = [joint for joint in joints if rig.drawn[joint]]
    return drawn or [joint for joint in joints if rig.parts[joint] in _CLAVICLES][-1:]


def _spread(joints: list[int], count: int) -> list[int]:
    """`count` of the joints, evenly from the first to the last; the first one if only one is wanted."""
    return [joints[round(index)] for index in np.linspace(0, len(joints) - 1 if count > 1 else 0, count)]


def _reduced_parents(parents: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(K,) for each kept joint the index of its nearest kept ancestor, -1 where there is none."""
    place = {int(joint): index for index, joint in enumerate(kept)}
    found = []
    for joint in kept:
        parent = int(parents[joint])
        while parent >= 0 and parent not in place:
            parent = int(parents[parent])
        found.append(place.get(parent, -1))
    return np.array(found)


def _world_rotations(
    parents: np.ndarray,
    rest: np.ndarray,
    source_rest: np.ndarray,
    positions: np.ndarray,
    world: np.ndarray,
    clavicles: list[int],
) -> np.ndarray:
    """(T, K, 4) world rotations of the matched target joints.

    Args:
        parents: (K,) nearest matched ancestor.
        rest: (K, 3) target joints in the target's rest pose.
        source_rest: (K, 3) source joints in the source's rest pose.
        positions: (T, K, 3) source joints.
        world: (T, K, 4) world rotations of the source joints.
        clavicles: those of the K that turn against their parent as the source's do, if they rest alike.
    """
    offsets = rest.copy()
    offsets[parents >= 0] -= rest[parents[parents >= 0]]
    # What turns the target's rest pose into the source's: with it in front, the source's rotations fit the target.
    local, _ = rotations_from_positions(parents, offsets, source_rest[None])
    _, aligned = forward_kinematics(parents, offsets, local, source_rest[None, 0])
    turned = rotation.multiply(world, aligned)
    for joint in range(len(parents)):
        above = parents[joint]
        if joint in clavicles and above >= 0 and _rests_alike(joint, parents, offsets, source_rest, aligned[0, above]):
            turned[:, joint] = rotation.multiply(world[:, joint], aligned[:, above])
            continue
        children = [c for c in np.flatnonzero(parents == joint) if np.linalg.norm(offsets[c]) > 1e-9]
        if not children:
            continue
        wanted = positions[:, children] - positions[:, joint, None]
        have = rotation.rotate(turned[:, joint, None], _units(offsets[children]))
        # Source joints between two matched ones may bend, so the bone is turned where it really points.
        fix = rotation.between(have[:, 0], wanted[:, 0]) if len(children) == 1 else _fit(have, _units(wanted))
        turned[:, joint] = rotation.multiply(fix, turned[:, joint])
    return turned


def _rests_alike(
    joint: int, parents: np.ndarray, offsets: np.ndarray, source_rest: np.ndarray, aligned: np.ndarray
) -> bool:
    """Whether the bone from this joint points in both rest poses the same way, seen from its parent."""
    child = next((c for c in np.flatnonzero(parents == joint) if np.linalg.norm(offsets[c]) > 1e-9), None)
    if child is None:
        return False
    have = _units(rotation.rotate(aligned, offsets[child]))
    return bool(have @ _units(source_rest[child] - source_rest[joint]) > _ALIKE)


def _units(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _fit(have: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(T, 4) rotations that turn (T, n, 3) directions onto others in the least-squares sense.

    Kabsch 1976; a little of the identity is mixed in, which decides where all directions lie on one line.
    """
    covariance = np.einsum("tni,tnj->tij", have, wanted) + 1e-3 * np.eye(3)
    u, _, vt = np.linalg.svd(covariance)
    back, forth = np.swapaxes(vt, -1, -2), np.swapaxes(u, -1, -2)
    vt[:, 2] *= np.linalg.det(back @ forth)[:, None]
    return rotation.from_matrix(np.swapaxes(vt, -1, -2) @ forth)


def _scale(positions: np.ndarray, source: RigMap, rest: np.ndarray, target: RigMap) -> float:
    """How much longer the target's legs are; of bodies without legs, how much larger its box of matched parts is."""

    def leg(points: np.ndarray, rig: RigMap) -> float:
        lengths = []
        for side in ("left", "right"):
            found = [rig.joint_of(BodyPart(f"{side}_{part}")) for part in ("thigh", "shin", "foot")]
            line = [joint for joint in found if joint is not None]
            if len(line) == len(found):
                bones = np.linalg.norm(np.diff(points[:, line], axis=1), axis=-1)
                lengths.append(float(np.median(bones, axis=0).sum()))
        return float(np.mean(lengths)) if lengths else 0.0

    theirs, ours = leg(positions, source), leg(rest[None], target)
    if not (theirs > 0 and ours > 0):
        shared = sorted(set(source.primary()) & set(target.primary()))
        theirs = float(np.ptp(positions[:, [source.primary()[p] for p in shared]], axis=1).max(-1).mean())
        ours = float(np.ptp(rest[[target.primary()[p] for p in shared]], axis=0).max())
    return ours / theirs if theirs > 1e-9 and ours > 1e-9 else 1.0
