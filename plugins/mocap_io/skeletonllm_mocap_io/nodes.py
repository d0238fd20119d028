"""Trees of nodes, of which some are joints: which joints make a body, and the nodes that decide where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm_core.motion.motion import Motion
from skeletonllm_core.motion.skeleton import Topology, ordered
from skeletonllm_mocap_io.transforms import motion_from_transforms

TIP = "_end"
"""Blender and its friends write the end of a bone that ends in no joint as a node called so: ``Head`` → ``Head_end``."""


@dataclass(frozen=True, eq=False)
class Body:
    """One skeleton in a tree of nodes.

    Attributes:
        topology: J joints.
        nodes: (J,) the node of each joint.
        tips: (joint, node) of bones that end in no joint.
    """

    topology: Topology
    nodes: np.ndarray
    tips: tuple[tuple[int, int], ...]

    def motion(self, rest: np.ndarray, world: np.ndarray, fps: float, name: str) -> Motion:
        """The motion of this body from the (N, 4, 4) rest pose and the (T, N, 4, 4) world matrices of all nodes."""
        tips = [(joint, rest[node, :3, 3]) for joint, node in self.tips]
        return motion_from_transforms(self.topology, rest[self.nodes], world[:, self.nodes], fps, name, tips)


def with_ancestors(parents: np.ndarray, nodes: Iterable[int]) -> np.ndarray:
    """The nodes and all that they hang from, parents first.

    Args:
        parents: (N,), any order, -1 at roots.
        nodes: indices.

    Raises:
        TopologyError: the nodes form a cycle.
    """
    wanted = np.zeros(len(parents), dtype=bool)
    for node in nodes:
        while node >= 0 and not wanted[node]:
            wanted[node] = True
            node = int(parents[node])
    order = ordered(parents)
    return order[wanted[order]]


def bodies(
    names: Sequence[str], parents: np.ndarray, joints: Iterable[int], families: Iterable[Iterable[int]], topology: str
) -> tuple[list[Body], list[str]]:
    """The bodies that joints make.

    Joints that hang together, also through nodes that are none, are one body, and so are trees that share a family. Where
    there are real skeletons, a joint that stands alone is no body.

    Args:
        names: of N nodes.
        parents: (N,), parents before children, -1 at roots.
        joints: the nodes that are joints.
        families: nodes known to belong to one body.
        topology: name for the topologies.

    Returns:
        The bodies, and the names of joints that stand alone and were left out.
    """
    children = np.bincount(parents[parents >= 0], minlength=len(parents))
    above: dict[int, int] = {}  # joint → its parent joint, or -1
    nearest: list[int] = []  # of each node, the joint it is or hangs from
    wanted = set(joints)
    for node, parent in enumerate(parents.tolist()):
        held = nearest[parent] if parent >= 0 else -1
        if node in wanted:
            above[node] = held
        nearest.append(node if node in wanted else held)
    tips = {
        node: parent
        for node, parent in enumerate(parents.tolist())
        if parent in wanted and not children[node] and names[node] == names[parent] + TIP
    }
    trees: dict[int, int] = {}  # joint → root of its body
    for joint, parent in above.items():
        trees[joint] = joint if parent < 0 else trees[parent]
    for family in families:
        roots = sorted({trees[node] for node in family if node in trees})
        trees = {joint: roots[0] if root in roots else root for joint, root in trees.items()}
    members: dict[int, list[int]] = {}
    for joint, root in trees.items():
        if joint not in tips:
            members.setdefault(root, []).append(joint)
    alone = [nodes[0] for nodes in members.values() if len(nodes) == 1] if len(members) > 1 else []
    if len(alone) == len(members):
        alone = []
    found = []
    for nodes in members.values():
        if nodes[0] in alone:
            continue
        place = {node: joint for joint, node in enumerate(nodes)}
        found.append(
            Body(
                Topology(
                    topology,
                    tuple(names[node] for node in nodes),
                    np.array([place.get(above[node], -1) for node in nodes]),
                ),
                np.array(nodes),
                tuple((place[parent], node) for node, parent in tips.items() if parent in place),
            )
        )
    return found, [names[node] for node in alone]
