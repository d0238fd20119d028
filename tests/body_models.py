"""Body model files that tests make: a plausible body of random vertices, in the layout of the published SMPL-X files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skeletonllm_core.body_model import KINDS
from skeletonllm_core.motion.smpl_body import MODEL_ORIGIN, MODEL_ORIGIN_X, smpl_skeleton

VERTICES = 9940
"""smplx refuses fewer than 9930: it knows some vertices by number."""


def rest_joints(kind: str) -> np.ndarray:
    """(J, 3) [m], joints of the mean skeleton."""
    topology = KINDS[kind]
    skeleton = smpl_skeleton(topology, MODEL_ORIGIN_X if kind == "smplx" else MODEL_ORIGIN)
    assert skeleton is not None
    places = skeleton.rest_offsets.copy()
    for joint, parent in enumerate(topology.parents):
        if parent >= 0:
            places[joint] += places[parent]
    return places


def model_arrays(
    kind: str = "smplx", shapes: int = 20, seed: int = 0, vertices: int = VERTICES
) -> dict[str, np.ndarray]:
    """The arrays of a model: vertices scattered around the joints, each joint the mean of its own.

    The first shape component makes the body taller, the second makes arms and legs longer, the others are noise.
    """
    rng = np.random.default_rng(seed)
    joints = rest_joints(kind)
    count = len(joints)
    owner = np.arange(vertices) % count
    around = rng.normal(0, 0.03, (vertices, 3))
    regressor = np.zeros((count, vertices))
    regressor[owner, np.arange(vertices)] = 1.0
    regressor /= regressor.sum(1, keepdims=True)
    template = joints[owner] + around - (regressor @ around)[owner]
    moves = rng.normal(0, 0.002, (count, 3, shapes))
    moves[..., 0] = joints * 0.04
    moves[..., 1] = (joints - joints[0]) * np.array([0.03, 0.01, 0.01])
    weights = rng.uniform(0, 0.1, (vertices, count)) ** 2
    weights[np.arange(vertices), owner] = 1.0
    weights /= weights.sum(1, keepdims=True)
    parents = KINDS[kind].parents.copy()
    tree = np.stack([np.where(parents < 0, 2**32 - 1, parents), np.arange(count)]).astype(np.uint32)
    arrays = {
        "v_template": template,
        "shapedirs": moves[owner] + rng.normal(0, 1e-4, (vertices, 3, shapes)),
        "posedirs": rng.normal(0, 1e-4, (vertices, 3, 9 * (count - 1))),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": tree,
        "f": np.stack([np.arange(vertices - 2), np.arange(1, vertices - 1), np.arange(2, vertices)], 1).astype(
            np.uint32
        ),
    }
    if kind == "smplx":
        arrays |= {
            "lmk_faces_idx": np.arange(51),
            "lmk_bary_coords": np.full((51, 3), 1 / 3),
            "dynamic_lmk_faces_idx": np.zeros((79, 17), np.int64),
            "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
            **{f"hands_components{side}": np.eye(45) for side in "lr"},
            **{f"hands_mean{side}": rng.normal(0, 0.1, 45) for side in "lr"},
        }
    return arrays


def write_model(folder: Path, kind: str = "smplx", gender: str = "neutral", **changes: object) -> Path:
    """A model file in the folder; a change replaces an array, None leaves it out."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind.upper()}_{gender.upper()}.npz"
    arrays = model_arrays(kind) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})  # type: ignore[arg-type]
    return path
