"""Points that come without a hierarchy: bones for them, from their names or from which points stay close together."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart, Topology
from skeletonllm_core.motion.topologies import TOPOLOGIES

_FRAMES_LOOKED_AT = 24
_STRETCH = 5.0
"""A bone whose length varies by 1 cm (median deviation) counts as this many centimetres longer."""

_FEWEST_PARTS = 8
"""Names must tell this many body parts to be believed."""


def parents_by_name(names: Sequence[str], positions: np.ndarray) -> np.ndarray | None:
    """(J,) parents of points, -1 at roots: those of a known topology with these names, else those that follow from the body
    parts that the names tell; None where names tell too little.

    Args:
        names: J names in any convention.
        positions: (T, J, 3), NaN = missing.
    """
    known = known_parents(names)
    if known is not None:
        return known
    rig = map_rig(Topology("loose", tuple(names), np.full(len(names), -1)), positions)
    if rig.by != "names" or len(rig.primary()) < _FEWEST_PARTS:
        return None
    kept = [(joint, int(above)) for joint, above in enumerate(rig.parents) if above >= 0]
    return spanning_tree(positions, kept, rig.joint_of(BodyPart.PELVIS))


def known_parents(names: Sequence[str]) -> np.ndarray | None:
    """(J,) parents of points that are named like a known topology's joints, -1 at roots; None where they are not.

    Capitals, blanks, dots and underscores do not matter; joints may be missing, but half of them must be there.
    """
    plain = {_plain(name): index for index, name in enumerate(names)}
    for topology in TOPOLOGIES.values():
        joints = [_plain(name) for name in topology.names]
        if set(plain) <= set(joints) and 2 * len(plain) >= len(joints) and len(plain) == len(names):
            parents = np.full(len(names), -1)
            for joint, name in enumerate(joints):
                if name in plain:
                    above = topology.parents[joint]
                    while above >= 0 and joints[above] not in plain:
                        above = topology.parents[above]
                    parents[plain[name]] = plain[joints[above]] if above >= 0 else -1
            return parents
    return None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def spanning_tree(positions: np.ndarray, kept: Collection[tuple[int, int]] = (), root: int | None = None) -> np.ndarray:
    """(J,) parents of points joined so that the bones are as short and as rigid as can be, -1 at the root.

    The minimal spanning tree, which Prim's algorithm finds (R. C. Prim, "Shortest connection networks and some
    generalizations", Bell System Technical Journal 36, 1957), of the median distances plus some of their median deviation,
    so that feet that pass each other are not joined. A point that is never seen together with another hangs from the root.

    Args:
        positions: (T, J, 3), NaN = missing.
        kept: bones that are known; no circle of them.
        root: None for the point from which the way to the farthest point is shortest.
    """
    seen_frames = np.flatnonzero(np.isfinite(positions).all(-1).any(-1))
    spread = np.linspace(0, max(0, len(seen_frames) - 1), _FRAMES_LOOKED_AT)
    points = positions[seen_frames[np.unique(spread.astype(np.int64))]] if len(seen_frames) else positions[:0]
    count = points.shape[1]
    known: list[list[int]] = [[] for _ in range(count)]
    for a, b in kept:
        known[a].append(b)
        known[b].append(a)
    parents = np.full(count, -1)
    nearest = np.full(count, np.inf)
    outside = np.ones(count, dtype=bool)
    neighbours: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    point = 0
    while True:
        outside[point] = False
        cost = _costs(points, point)
        cost[known[point]] = -1.0  # before all others
        closer = outside & (cost < nearest)
        nearest[closer], parents[closer] = cost[closer], point
        if not outside.any():
            break
        point = int(np.argmin(np.where(outside, nearest, np.inf)))
        if not outside[point]:  # Nothing that is left is ever seen with what is joined.
            point = int(np.flatnonzero(outside)[0])
            continue
        length = max(float(nearest[point]), 0.0)
        neighbours[point].append((int(parents[point]), length))
        neighbours[int(parents[point])].append((point, length))
    return _rooted(neighbours, root)


def _costs(points: np.ndarray, point: int) -> np.ndarray:
    """(J,) what a bone from one point to each costs, infinite where they are never seen together."""
    spans = np.linalg.norm(points - points[:, point, None], axis=-1)
    known = np.isfinite(spans).any(0)
    cost = np.full(points.shape[1], np.inf)
    median = np.nanmedian(spans[:, known], axis=0)
    cost[known] = median + _STRETCH * np.nanmedian(np.abs(spans[:, known] - median), axis=0)
    return cost


def _rooted(neighbours: list[list[tuple[int, float]]], root: int | None) -> np.ndarray:
    """Parents of a forest's points; the root, else the middle of its largest tree, is above every other tree."""
    trees: list[list[int]] = []
    placed = [False] * len(neighbours)
    for start in range(len(neighbours)):
        if not placed[start]:
            trees.append(_walk(neighbours, start)[0])
            for point in trees[-1]:
                placed[point] = True
    largest = max(trees, key=len) if root is None else next(tree for tree in trees if root in tree)
    middle = _middle(neighbours, largest) if root is None else root
    parents = _walk(neighbours, middle)[1]
    for tree in trees:
        if tree is not largest:
            _, below = _walk(neighbours, tree[0])
            parents.update(below)
            parents[tree[0]] = middle
    return np.array([parents[point] for point in range(len(neighbours))])


def _walk(neighbours: list[list[tuple[int, float]]], start: int) -> tuple[list[int], dict[int, int]]:
    """The points of a tree and the parent of each, from one point on; -1 there."""
    order, parents = [start], {start: -1}
    for point in order:
        for other, _ in neighbours[point]:
            if other not in parents:
                parents[other] = point
                order.append(other)
    return order, parents


def _middle(neighbours: list[list[tuple[int, float]]], tree: list[int]) -> int:
    """The point of a tree from which the way to the farthest point is shortest: on the longest way, next to its middle."""
    end, _ = _farthest(neighbours, tree[0])
    other, far = _farthest(neighbours, end)
    parents = _walk(neighbours, end)[1]
    path = [other]
    while parents[path[-1]] >= 0:
        path.append(parents[path[-1]])
    half = far[other] / 2
    return min(path, key=lambda point: abs(far[point] - half))


def _farthest(neighbours: list[list[tuple[int, float]]], start: int) -> tuple[int, dict[int, float]]:
    """The point farthest along a tree from one point, and how far each is."""
    order, parents = _walk(neighbours, start)
    far = {start: 0.0}
    for point in order[1:]:
        length = next(length for other, length in neighbours[point] if other == parents[point])
        far[point] = far[parents[point]] + length
    return max(order, key=lambda point: far[point]), far
