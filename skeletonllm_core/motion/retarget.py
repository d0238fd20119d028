"""One body's motion on another body's skeleton, by body part."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.from_keypoints import fitted_motion
from skeletonllm_core.motion.kinematics import forward_kinematics, rotations_from_positions
from skeletonllm_core.motion.motion import Keypoints, Motion, Person
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton, Topology
from skeletonllm_core.motion.standard_body import standard_skeleton

_FINGERS = (BodyPart.LEFT_FINGERS, BodyPart.RIGHT_FINGERS)


def retarget(person: Person, onto: Skeleton | Topology) -> Motion:
    """The motion of `person` on another skeleton.

    Joints are matched by body part. Every matched bone of the target points as the source's bone does, whatever the two
    rest poses are; turns about a bone's own line follow the source's rotations. Joints without a match keep their rest
    pose. The path is scaled by the ratio of the leg lengths, and the lowest point of the clip stays at its height.

    Args:
        person: Motion, or Keypoints (rotations are fitted first); metres, Y up.
        onto: skeleton with a rest pose [m], or a topology with body parts, which gets that of a standing person.

    Returns:
        Motion of the target skeleton with the source's frames and rate.

    Raises:
        TopologyError: the two bodies have no part in common, or a joint is missing in every frame.
    """
    source = fitted_motion(person) if isinstance(person, Keypoints) else person
    target = onto if isinstance(onto, Skeleton) else standard_skeleton(onto)
    positions, world = forward_kinematics(
        source.skeleton.parents,
        source.skeleton.rest_offsets if source.local_translations is None else source.local_translations,
        source.rotations,
        source.root_translation,
    )
    rest = _rest_positions(target)
    source_rig = map_rig(source.topology, positions)
    target_rig = map_rig(target.topology, rest[None])
    pairs = _pairs(source.topology, source_rig, target.topology, target_rig)
    if not pairs:
        raise TopologyError("the two skeletons have no body part in common, so nothing can be carried over")
    theirs = np.array([pairs[joint] for joint in sorted(pairs)])
    ours = np.array(sorted(pairs))

    turned = _world_rotations(
        _reduced_parents(target.parents, ours),
        rest[ours],
        _rest_positions(source.skeleton)[theirs],
        positions[:, theirs],
        world[:, theirs],
    )
    local = np.zeros((len(source), len(target), 4))
    local[..., 0] = 1.0
    place = {int(joint): index for index, joint in enumerate(ours)}
    reached = np.empty_like(local)
    for joint, parent in enumerate(target.parents):
        base = reached[:, parent] if parent >= 0 else local[:, joint]
        if joint in place:
            reached[:, joint] = turned[:, place[joint]]
            local[:, joint] = rotation.normalize(rotation.multiply(rotation.conjugate(base), reached[:, joint]))
        else:
            reached[:, joint] = base

    still = Motion(target, local, np.zeros((len(source), 3)), source.fps, source.name)
    placed = still.joint_positions()
    pelvis = target_rig.joint_of(BodyPart.PELVIS)
    anchor = pelvis if pelvis in pairs else int(ours[0])
    root = _scale(positions, source_rig, rest, target_rig) * positions[:, pairs[anchor]] - placed[:, anchor]
    root[:, 1] += positions[:, source_rig.drawn, 1].min() - (placed[:, target_rig.drawn, 1] + root[:, 1, None]).min()
    return Motion(target, local, root, source.fps, source.name)


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
        mine = [joint for joint in own if target_rig.drawn[joint]]
        other = [joint for joint in named.values() if source_rig.drawn[joint]]
        if part not in _FINGERS and mine and other and not any(joint in pairs for joint in own):
            count = min(len(mine), len(other))
            pairs |= dict(zip(_spread(mine, count), _spread(other, count), strict=True))
    return pairs


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
    parents: np.ndarray, rest: np.ndarray, source_rest: np.ndarray, positions: np.ndarray, world: np.ndarray
) -> np.ndarray:
    """(T, K, 4) world rotations of the matched target joints.

    Args:
        parents: (K,) nearest matched ancestor.
        rest: (K, 3) target joints in the target's rest pose.
        source_rest: (K, 3) source joints in the source's rest pose.
        positions: (T, K, 3) source joints.
        world: (T, K, 4) world rotations of the source joints.
    """
    offsets = rest.copy()
    offsets[parents >= 0] -= rest[parents[parents >= 0]]
    # What turns the target's rest pose into the source's: with it in front, the source's rotations fit the target.
    local, _ = rotations_from_positions(parents, offsets, source_rest[None])
    _, aligned = forward_kinematics(parents, offsets, local, source_rest[None, 0])
    turned = rotation.multiply(world, aligned)
    for joint in range(len(parents)):
        children = [c for c in np.flatnonzero(parents == joint) if np.linalg.norm(offsets[c]) > 1e-9]
        if not children:
            continue
        wanted = positions[:, children] - positions[:, joint, None]
        have = rotation.rotate(turned[:, joint, None], _units(offsets[children]))
        # Source joints between two matched ones may bend, so the bone is turned where it really points.
        fix = rotation.between(have[:, 0], wanted[:, 0]) if len(children) == 1 else _fit(have, _units(wanted))
        turned[:, joint] = rotation.multiply(fix, turned[:, joint])
    return turned


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
