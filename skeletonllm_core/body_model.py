"""SMPL-family body model files that a user supplies: where they lie, and the joints of a body of given shape.

Only ``.npz`` files are read, and of those only plain arrays: pickles and Python objects are never loaded.

Source: M. Loper et al., "SMPL: A Skinned Multi-Person Linear Model", SIGGRAPH Asia 2015; G. Pavlakos et al., "Expressive
Body Capture: 3D Hands, Face, and Body from a Single Image", CVPR 2019.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from skeletonllm_core.motion.topologies import TOPOLOGIES

FOLDER_VARIABLE = "SKELETONLLM_BODY_MODELS"
"""Environment variable: the folder of the user's own body model files, which then give exact joints."""

KINDS: dict[str, Topology] = {
    "smpl": TOPOLOGIES["smpl24"],
    "smplh": TOPOLOGIES["smplh52"],
    "smplx": TOPOLOGIES["smplx55"],
}
"""The kinds of model, with their joints in file order."""

TITLES = {"smpl": "SMPL", "smplh": "SMPL-H", "smplx": "SMPL-X"}

_FORMAT = "body model"
_JOINT_ARRAYS = ("v_template", "shapedirs", "J_regressor", "kintree_table")

# Newer SMPL-X files hold 300 shape and 100 expression components, older ones 10 and 10.
_MANY_COMPONENTS, _MANY_SHAPES, _FEW_SHAPES = 400, 300, 10


@dataclass(frozen=True, eq=False)
class BodyModel:
    """What of a body model is needed to place joints.

    Attributes:
        path: its file.
        kind: key of `KINDS`.
        template: (J, 3) [m], joints of the mean body.
        shapes: (J, 3, B) [m], how each shape component (beta) moves the joints.
    """

    path: Path
    kind: str
    template: np.ndarray
    shapes: np.ndarray

    def joints(self, betas: np.ndarray) -> np.ndarray:
        """(J, 3) [m], the joints in the rest pose; betas beyond those that the model knows are not used."""
        count = min(len(betas), self.shapes.shape[-1])
        return self.template + self.shapes[..., :count] @ np.asarray(betas, dtype=np.float64)[:count]

    def skeleton(self, betas: np.ndarray) -> Skeleton:
        """The rest pose of a body of this shape; its root's row is where a translation of zero leaves the pelvis."""
        topology = KINDS[self.kind]
        offsets = self.joints(betas)
        offsets[1:] -= offsets[topology.parents[1:]]
        return Skeleton(topology, offsets)

    def betas(self, skeleton: Skeleton, count: int = 10) -> np.ndarray:
        """(count,) the shape whose bones come nearest to those of a skeleton with joints of the same names.

        Least squares over the offsets of all joints but the root's.
        """
        topology = KINDS[self.kind]
        ours = [joint for joint, name in enumerate(topology.names) if joint and name in skeleton.names]
        theirs = [skeleton.names.index(topology.names[joint]) for joint in ours]
        parents = topology.parents[ours]
        moves = (self.shapes[ours] - self.shapes[parents])[..., :count]
        wanted = skeleton.rest_offsets[theirs] - (self.template[ours] - self.template[parents])
        found, *_ = np.linalg.lstsq(moves.reshape(-1, moves.shape[-1]), wanted.reshape(-1), rcond=1e-6)
        return np.pad(found, (0, count - len(found)))


def find_body_model(folder: Path, kind: str, gender: str) -> Path | None:
    """The model file of a gender in a folder as its publishers arrange them; None where there is none.

    Known are ``SMPLX_NEUTRAL.npz`` and ``neutral/model.npz``, both also below a folder ``smplx``.
    """
    named, nested = f"{kind.upper()}_{gender.upper()}.npz", Path(gender.lower()) / "model.npz"
    places = [folder / named, folder / kind / named, folder / kind / nested]
    if folder.name.lower() == kind:
        places.append(folder / nested)
    return next((place for place in places if place.is_file()), None)


def read_body_model(path: Path, kind: str) -> BodyModel:
    """The joints of a body model.

    Raises:
        MotionFormatError: the file is no model of that kind.
    """
    arrays = read_model_arrays(path, kind, _JOINT_ARRAYS)
    regressor = arrays["J_regressor"].astype(np.float64)
    directions = arrays["shapedirs"].astype(np.float64)[..., : shape_components(kind, arrays["shapedirs"].shape[-1])]
    return BodyModel(
        path,
        kind,
        regressor @ arrays["v_template"].astype(np.float64),
        np.einsum("jv,vcb->jcb", regressor, directions, optimize=True),
    )


def shape_components(kind: str, components: int) -> int:
    """How many of the components in a model's `shapedirs` are shape; in SMPL-X the rest is facial expression."""
    if kind != "smplx":
        return components
    return _MANY_SHAPES if components >= _MANY_COMPONENTS else min(components, _FEW_SHAPES)


def read_model_arrays(path: Path, kind: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Some arrays of a body model file, their sizes checked against each other; `names` includes those of the joints.

    Raises:
        MotionFormatError: the file is no ``.npz``, an array is missing, holds Python objects or does not fit.
    """

    def fail(problem: str) -> MotionFormatError:
        return MotionFormatError(path, problem, format=_FORMAT)

    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise fail(f"the array {missing[0]!r} is missing: this is no {TITLES[kind]} model")
            arrays = {name: archive[name] for name in names}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError) as problem:
        reason = "holds Python objects" if "pickle" in str(problem).lower() else "is damaged"
        raise fail(f"{reason}; only whole .npz models of plain arrays are read") from problem
    topology = KINDS[kind]
    joints, vertices = len(topology), len(arrays["v_template"])
    shapes = {"v_template": (vertices, 3), "J_regressor": (joints, vertices), "kintree_table": (2, joints)}
    for name, wanted in shapes.items():
        if arrays[name].shape != wanted:
            raise fail(f"{name!r} has shape {arrays[name].shape}, expected {wanted}: this is no {TITLES[kind]} model")
    if arrays["shapedirs"].ndim != 3 or arrays["shapedirs"].shape[:2] != (vertices, 3):
        raise fail(f"'shapedirs' has shape {arrays['shapedirs'].shape}, expected ({vertices}, 3, B)")
    for name in names:
        if arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
            raise fail(f"{name!r} holds something that is no number")
    if not np.array_equal(arrays["kintree_table"][0, 1:].astype(np.int64), topology.parents[1:]):
        raise fail(f"its joints do not hang together like those of {TITLES[kind]}")
    return arrays
