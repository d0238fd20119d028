"""A rest pose for a topology that has none: a standing person of 1.7 m with the arms held out, facing +Z, Y up."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton, Topology
from skeletonllm_core.motion.smpl_body import smpl_skeleton

_P = BodyPart

# Start and end of each part [m], left side and middle; heights as shares of 1.7 m after D. A. Winter, "Biomechanics and
# Motor Control of Human Movement", figure 4.1. +X is the person's left.
_SPAN: dict[BodyPart, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    _P.PELVIS: ((0.0, 0.94, 0.0), (0.0, 1.04, 0.0)),
    _P.SPINE: ((0.0, 1.04, 0.0), (0.0, 1.21, 0.0)),
    _P.CHEST: ((0.0, 1.21, 0.0), (0.0, 1.44, 0.0)),
    _P.NECK: ((0.0, 1.44, 0.0), (0.0, 1.54, 0.0)),
    _P.HEAD: ((0.0, 1.54, 0.0), (0.0, 1.70, 0.0)),
    _P.LEFT_CLAVICLE: ((0.03, 1.39, 0.0), (0.19, 1.39, 0.0)),
    _P.LEFT_UPPER_ARM: ((0.19, 1.39, 0.0), (0.49, 1.39, 0.0)),
    _P.LEFT_FOREARM: ((0.49, 1.39, 0.0), (0.74, 1.39, 0.0)),
    _P.LEFT_HAND: ((0.74, 1.39, 0.0), (0.83, 1.39, 0.0)),
    _P.LEFT_FINGERS: ((0.83, 1.39, 0.0), (0.92, 1.39, 0.0)),
    _P.LEFT_THIGH: ((0.09, 0.90, 0.0), (0.09, 0.485, 0.0)),
    _P.LEFT_SHIN: ((0.09, 0.485, 0.0), (0.09, 0.066, 0.0)),
    _P.LEFT_FOOT: ((0.09, 0.066, 0.0), (0.09, 0.01, 0.15)),
    _P.LEFT_TOES: ((0.09, 0.01, 0.15), (0.09, 0.01, 0.21)),
}

_UNKNOWN_OFFSET = (0.0, 0.0, 0.03)
_FINGER_GAP = 0.02


def standard_skeleton(topology: Topology) -> Skeleton:
    """The topology in the rest pose of a standing person, by the body part of each joint.

    Several joints in a row of one part share its length; several beside each other (fingers) lie side by side; a joint
    of no part lies 3 cm before its parent. Topologies of the SMPL family have a rest pose of their own (`smpl_body`).

    Raises:
        TopologyError: the topology does not say which joint is which part.
    """
    smpl = smpl_skeleton(topology)
    if smpl is not None:
        return smpl
    parts = topology.parts
    if parts is None or not any(parts):
        raise TopologyError(f"topology {topology.name!r} does not say which joint is which body part")
    in_row, chain_length = _rows(topology, parts)
    beside: dict[tuple[int, BodyPart], int] = {}
    places = np.zeros((len(topology), 3))
    for joint, (part, parent) in enumerate(zip(parts, topology.parents, strict=True)):
        if part is None:
            places[joint] = places[parent] + _UNKNOWN_OFFSET if parent >= 0 else (0.0, 0.0, 0.0)
            continue
        start, end = (np.array(point) for point in _SPAN.get(part, _SPAN.get(part.mirrored, ((0.0,) * 3,) * 2)))
        places[joint] = start + (end - start) * in_row[joint] / chain_length[joint]
        if part.side == "right":
            places[joint, 0] *= -1
        if in_row[joint] == 0:
            index = beside.setdefault((int(parent), part), 0)
            beside[int(parent), part] += 1
            places[joint, 2] -= index * _FINGER_GAP
        elif parts[parent] == part:
            places[joint, 2] += places[parent, 2] - start[2] - (end - start)[2] * in_row[parent] / chain_length[parent]
    offsets = places.copy()
    below = topology.parents >= 0
    offsets[below] -= places[topology.parents[below]]
    return Skeleton(topology, offsets)


def _rows(topology: Topology, parts: tuple[BodyPart | None, ...]) -> tuple[list[int], list[int]]:
    """For each joint, how many of its part come before it in its line, and how many its line has."""
    before = [0] * len(parts)
    for joint, parent in enumerate(topology.parents):
        if parent >= 0 and parts[parent] == parts[joint]:
            before[joint] = before[parent] + 1
    length = [count + 1 for count in before]
    for joint in range(len(parts) - 1, -1, -1):
        parent = topology.parents[joint]
        if before[joint]:
            length[parent] = max(length[parent], length[joint])
    for joint, parent in enumerate(topology.parents):
        if before[joint]:
            length[joint] = length[parent]
    return before, length
