"""World transforms of every joint → Motion: for files that hold a tree of nodes with places, turns and scales."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Motion
from skeletonllm_core.motion.skeleton import Skeleton, Topology

_STILL = 3e-6
"""A joint that keeps its offset within this share of the body's size hangs from a rigid bone."""


def composed(translations: np.ndarray, quaternions: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """(..., 4, 4) matrices T · R · S of (..., 3) translations, (..., 4) unit quaternions (w, x, y, z), (..., 3) scales."""
    matrices = np.zeros((*translations.shape[:-1], 4, 4))
    matrices[..., :3, :3] = rotation.to_matrix(quaternions) * scales[..., None, :]
    matrices[..., :3, 3] = translations
    matrices[..., 3, 3] = 1.0
    return matrices


def world_matrices(
    parents: np.ndarray, local: np.ndarray, hung: Mapping[int, tuple[int, np.ndarray]] | None = None
) -> np.ndarray:
    """World matrices of nodes.

    Args:
        parents: (N,), parents before children, -1 at roots.
        local: (..., N, 4, 4), relative to the parent.
        hung: nodes that are placed otherwise: the earlier node, or -1 for the world, that their (4, 4) matrix is relative to.

    Returns:
        (..., N, 4, 4).
    """
    world = np.empty_like(local)
    for node, parent in enumerate(parents):
        above, step = (hung or {}).get(node, (parent, local[..., node, :, :]))
        world[..., node, :, :] = step if above < 0 else world[..., above, :, :] @ step
    return world


def turns(linear: np.ndarray) -> np.ndarray:
    """(..., 4) the rotation in (..., 3, 3) matrices that may scale, shear or mirror too: the nearest one (polar).

    A mirroring matrix M gives the rotation of -M, so that what two mirroring matrices have between them stays right.
    Source: N. Higham, "Computing the polar decomposition", SIAM J. Sci. Stat. Comput. 7 (1986).
    """
    length = np.linalg.norm(linear, axis=-2, keepdims=True)
    unit = linear / np.where(length > 1e-12, length, 1.0)
    skew = np.abs(np.swapaxes(unit, -1, -2) @ unit - np.eye(3)).max(axis=(-1, -2)) > 1e-6
    if skew.any():
        u, _, vt = np.linalg.svd(linear[skew])
        unit[skew] = u @ vt
    unit *= np.sign(np.linalg.det(unit))[..., None, None]
    return rotation.from_matrix(unit)


def motion_from_transforms(
    topology: Topology,
    rest: np.ndarray,
    world: np.ndarray,
    fps: float,
    name: str,
    tips: list[tuple[int, np.ndarray]],
) -> Motion:
    """The motion whose joints are where the transforms put them.

    Rotations are told from the rest pose: in it all are the identity, whatever axes a file gives its joints. Scales that
    stretch bones over time become moving offsets, so places are exact.

    Args:
        topology: J joints.
        rest: (J, 4, 4) world matrices of the rest pose, any unit; finite.
        world: (T, J, 4, 4) world matrices of every frame, the same unit; finite.
        fps: frames a second.
        name: name of the take.
        tips: (joint, (3,) world position in the rest pose) of bones that end in no joint.
    """
    parents = topology.parents
    rest_places, places = rest[:, :3, 3], world[..., :3, 3]
    turned = rotation.multiply(turns(world[..., :3, :3]), rotation.conjugate(turns(rest[:, :3, :3])))
    rest_offsets, offsets, local = rest_places.copy(), places.copy(), turned.copy()
    below = np.flatnonzero(parents >= 0)
    above = parents[below]
    back = rotation.conjugate(turned[:, above])
    local[:, below] = rotation.multiply(back, turned[:, below])
    offsets[:, below] = rotation.rotate(back, places[:, below] - places[:, above])
    rest_offsets[below] = rest_places[below] - rest_places[above]
    size = float(np.abs(rest_offsets[below]).max(initial=0.0))
    apart = np.abs(offsets - rest_offsets).max(axis=(0, 2))
    apart[0] = 0.0
    still = apart <= _STILL * size
    offsets[:, still] = rest_offsets[still]
    skeleton = Skeleton(
        topology,
        rest_offsets,
        np.array([joint for joint, _ in tips], dtype=np.int64),
        np.array([place - rest_places[joint] for joint, place in tips], dtype=np.float64).reshape(-1, 3),
    )
    return Motion(skeleton, rotation.normalize(local), places[:, 0].copy(), fps, name, None if still.all() else offsets)
