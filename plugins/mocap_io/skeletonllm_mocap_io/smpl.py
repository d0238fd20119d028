"""SMPL, SMPL-H, SMPL-X and AMASS ``.npz``: pose parameters of one person.

Read are one array ``poses`` of 63, 66, 69, 72, 156 or 165 values a frame, or the parts of the body in arrays of their own
(``global_orient``, ``body_pose``, … of the smplx package; ``root_orient``, ``pose_body``, … of AMASS), all rotation vectors.
The joints come from the user's own model file where the environment variable SKELETONLLM_BODY_MODELS names a folder that
holds one (see `skeletonllm_core.body_model`), else from a mean skeleton, and the clip says which.

The root joint of a model lies off its origin: its place in the world is that of the rest pose plus ``trans``.

Source: N. Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes", ICCV 2019, and the notes to its files.
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from skeletonllm_core.body_model import (
    FOLDER_VARIABLE,
    KINDS,
    TITLES,
    BodyModel,
    find_body_model,
    read_body_model,
)
from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Motion, Origin, Person
from skeletonllm_core.motion.orientation import infer_up_axis, to_y_up
from skeletonllm_core.motion.retarget import retarget
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from skeletonllm_core.motion.smpl_body import MODEL_ORIGIN, MODEL_ORIGIN_X, smpl_skeleton
from skeletonllm_core.motion.topologies import TOPOLOGIES
from skeletonllm_mocap_io.arrays import array_names, load_arrays

FORMAT = "smpl"

_BODY = TOPOLOGIES["humanml3d22"]
_WIDTHS = {"smpl": 72, "smplh": 156, "smplx": 165}
_BODY_ONLY = {63, 66, 69, 72}

_AMASS_RATES = ("mocap_framerate", "mocap_frame_rate")
_RATES = (*_AMASS_RATES, "frame_rate", "framerate", "fps")
_TRANSLATIONS = ("trans", "transl", "translation")
_ROOTS = ("global_orient", "root_orient")
_BODIES = ("body_pose", "pose_body")
# Where the parts that have arrays of their own lie among the values of SMPL-X.
_PARTS: dict[str, tuple[int, int]] = {
    "jaw_pose": (66, 69),
    "pose_jaw": (66, 69),
    "leye_pose": (69, 72),
    "reye_pose": (72, 75),
    "pose_eye": (69, 75),
    "left_hand_pose": (75, 120),
    "right_hand_pose": (120, 165),
    "pose_hand": (75, 165),
}
_KEYS = (
    "poses", "betas", "gender", "surface_model_type", "up_axis",
    *_RATES, *_TRANSLATIONS, *_ROOTS, *_BODIES, *_PARTS,
)  # fmt: skip
_GENDERS = ("neutral", "female", "male")
_USUAL_RATE = 30.0
_FRAMES_LOOKED_AT = 240
_IMPLAUSIBLE = 1e6
_SAME = 1e-3
"""Rest poses that differ by no more than this are the same [m]."""


def sniff(path: Path) -> bool:
    """Whether the archive holds pose parameters."""
    names = array_names(path)
    return "poses" in names or (not names.isdisjoint(_ROOTS) and not names.isdisjoint(_BODIES))


# --- reading


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Motion in metres, Y up.

    The up axis is the file's own ``up_axis``, else worked out from the movement; of files of AMASS it is Z or Y.

    Raises:
        MotionFormatError: arrays are missing, do not fit together or hold Python objects; the model file is no such file.
    """
    file = _File(path)
    poses, kind = file.poses()
    frames = len(poses)
    skeleton = file.skeleton(kind, poses.shape[1])
    trans = file.per_frame(_TRANSLATIONS, frames, 3)
    if trans is None:
        trans = np.zeros((frames, 3))
        file.notes.append("The file has no translation, so the body stays in its place.")
    rotations = rotation.from_rotation_vector(poses)
    root = skeleton.rest_offsets[0] + trans
    person = Motion(skeleton, rotations, root, file.rate(), path.stem)
    axis, inferred = file.up_axis(person)
    turn = to_y_up(axis)
    # Only the world turns: the rest pose of the models is Y up whatever their world is.
    rotations[:, 0] = rotation.multiply(turn, rotations[:, 0])
    upright = Motion(skeleton, rotations, rotation.rotate(turn, root), person.fps, path.stem)
    origin = Origin(FORMAT, up_axis=axis, up_axis_inferred=inferred, warnings=tuple(file.notes))
    return [Clip("", [upright], origin)]


class _File:
    """The arrays of a file, and what there is to say about them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arrays = load_arrays(path, FORMAT, _KEYS)
        self.notes: list[str] = []

    def fail(self, problem: str) -> MotionFormatError:
        return MotionFormatError(self.path, problem, format=FORMAT)

    def numbers(self, key: str) -> np.ndarray:
        array = self.arrays[key]
        if array.dtype.kind not in "fiu" or not (np.abs(array.astype(np.float64)) < _IMPLAUSIBLE).all():
            raise self.fail(f"{key!r} holds something that is no number or no plausible one")
        return array.astype(np.float64)

    def rows(self, key: str) -> np.ndarray:
        """(n, width): all that an array holds for one frame in one row."""
        array = self.numbers(key)
        if array.ndim < 2:
            return array.reshape(1, -1)
        return array.reshape(len(array), math.prod(array.shape[1:]))

    def text(self, key: str) -> str:
        array = self.arrays.get(key)
        if array is None or array.size != 1 or array.dtype.kind not in "US":
            return ""
        value = array.reshape(-1)[0]
        return (value.decode("latin-1") if isinstance(value, bytes) else str(value)).lower()

    def first(self, keys: tuple[str, ...]) -> str | None:
        return next((key for key in keys if key in self.arrays), None)

    def per_frame(self, keys: tuple[str, ...], frames: int, width: int) -> np.ndarray | None:
        """(frames, width) of the first of some arrays that is there; one row stands for all frames."""
        key = self.first(keys)
        if key is None:
            return None
        array = self.rows(key)
        if array.shape[1] != width or len(array) not in (1, frames):
            raise self.fail(f"{key!r} has shape {self.arrays[key].shape}, expected ({frames}, {width})")
        return np.broadcast_to(array, (frames, width))

    def poses(self) -> tuple[np.ndarray, str]:
        """(T, J, 3) rotation vectors of all joints, and the kind of model that they are for."""
        named = self.text("surface_model_type")
        if "poses" in self.arrays:
            poses = self.rows("poses")
            width = poses.shape[1]
            if width in (63, 69):
                root = self.per_frame(_ROOTS, len(poses), 3)
                poses = np.concatenate([np.zeros((len(poses), 3)) if root is None else root, poses], axis=1)
                if root is None:
                    self.notes.append("The file has no rotation of the whole body; it faces one way throughout.")
        else:
            poses = self._joined()
            width = poses.shape[1]
        for kind, wide in _WIDTHS.items():
            if poses.shape[1] == wide:
                return poses.reshape(len(poses), poses.shape[1] // 3, 3), kind
        if width in _BODY_ONLY:
            return poses.reshape(len(poses), poses.shape[1] // 3, 3), named if named in KINDS else "smplh"
        raise self.fail(
            f"'poses' has {width} values a frame; known are 63 and 66 (body), 69 and 72 (SMPL), 156 (SMPL-H), 165 (SMPL-X)"
        )

    def _joined(self) -> np.ndarray:
        """(T, 66, 72 or 165) of the arrays of the parts."""
        body_key, root_key = self.first(_BODIES), self.first(_ROOTS)
        if body_key is None or root_key is None:
            raise self.fail("there is neither an array 'poses' nor 'global_orient' with 'body_pose'")
        body = self.rows(body_key)
        if body.shape[1] not in (63, 69):
            raise self.fail(f"{body_key!r} has shape {self.arrays[body_key].shape}, expected (T, 63) or (T, 69)")
        frames = len(body)
        root = self.per_frame(_ROOTS, frames, 3)
        assert root is not None
        whole = np.concatenate([root, body], axis=1)
        if body.shape[1] == 69:
            return whole
        parts = np.zeros((frames, 165))
        parts[:, :66] = whole
        found = False
        for key, (start, stop) in _PARTS.items():
            if key not in self.arrays:
                continue
            if self.rows(key).shape[1] != stop - start and "hand" in key:
                self.notes.append(f"{key!r} holds no joint rotations but PCA coefficients; that hand stays in rest.")
                continue
            parts[:, start:stop] = self.per_frame((key,), frames, stop - start)
            found = True
        return parts if found else whole

    def rate(self) -> float:
        key = self.first(_RATES)
        if key is None:
            self.notes.append(f"The file does not say its frame rate; {_USUAL_RATE:g} frames a second are assumed.")
            return _USUAL_RATE
        values = self.numbers(key)
        if values.size != 1 or not values.item() > 0:
            raise self.fail(f"{key!r} must be one positive number")
        return values.item()

    def betas(self) -> np.ndarray:
        """(B,) shape of the body; the mean where a file gives one a frame."""
        if "betas" not in self.arrays:
            return np.zeros(0)
        betas = self.numbers("betas")
        return betas.reshape(-1, betas.shape[-1]).mean(0) if betas.size else np.zeros(0)

    def skeleton(self, kind: str, joints: int) -> Skeleton:
        """The rest skeleton of the first `joints` joints of a kind of model."""
        topology = KINDS[kind] if joints == len(KINDS[kind]) else _BODY
        # The word becomes part of a path, so only these are taken from a file.
        gender = self.text("gender") if self.text("gender") in _GENDERS else "neutral"
        model = _users_model(kind, gender, self.notes)
        if model is None:
            return _mean_skeleton(topology, kind)
        betas = self.betas()
        if np.any(betas[model.shapes.shape[-1] :]):
            self.notes.append(f"{model.path} knows {model.shapes.shape[-1]} shape components of {len(betas)}.")
        whole = model.skeleton(betas)
        return Skeleton(topology, whole.rest_offsets[: len(topology)])

    def up_axis(self, person: Motion) -> tuple[str, bool]:
        """The axis that points up, and whether it had to be worked out."""
        said = self.text("up_axis")
        if said:
            if said not in ("x", "y", "z", "-x", "-y", "-z"):
                raise self.fail(f"'up_axis' is {said!r}, expected y or z")
            return said, False
        picked = np.unique(np.linspace(0, len(person) - 1, min(len(person), _FRAMES_LOOKED_AT)).astype(np.int64))
        some = Motion(person.skeleton, person.rotations[picked], person.root_translation[picked], person.fps)
        positions = some.joint_positions()
        axis = infer_up_axis(positions, None, map_rig(some.topology, positions))
        # AMASS is Z up, its descendants sometimes Y up; a body that lies throughout must not tip its world over.
        if self.first(_AMASS_RATES) is not None and axis not in ("y", "z"):
            return "z", True
        return axis, True


def _mean_skeleton(topology: Topology, kind: str) -> Skeleton:
    skeleton = smpl_skeleton(topology, MODEL_ORIGIN_X if kind == "smplx" else MODEL_ORIGIN)
    assert skeleton is not None
    return skeleton


def _users_model(kind: str, gender: str, notes: list[str]) -> BodyModel | None:
    """The model file of the user; None where there is none, which is noted."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        notes.append(
            f"Joints are those of a mean {TITLES[kind]} skeleton, not of this body's shape; for exact ones set "
            f"{FOLDER_VARIABLE} to the folder of your model files."
        )
        return None
    for choice in dict.fromkeys((gender, "neutral")):
        path = find_body_model(Path(folder), kind, choice)
        if path is not None:
            if choice != gender:
                notes.append(f"There is no {gender} {TITLES[kind]} model in {folder}; the neutral one was used.")
            return _model(path, kind, path.stat().st_mtime_ns)
    notes.append(
        f"Joints are those of a mean {TITLES[kind]} skeleton: {folder} ({FOLDER_VARIABLE}) holds no "
        f"{kind.upper()}_{gender.upper()}.npz."
    )
    return None


@lru_cache(maxsize=8)
def _model(path: Path, kind: str, changed: int) -> BodyModel:
    """The joints of a model, read once for all the files of a library; `changed` is when its file last was."""
    return read_body_model(path, kind)


# --- writing


def write(clip: Clip, path: Path, kind: str) -> None:
    """Writes one person in the layout of AMASS: ``poses``, ``trans``, ``betas``, Z up.

    Bone lengths become a shape (``betas``) where the user's model file is there, else they are lost: the pose is carried
    over to the mean skeleton. Joints that the kind of model does not have are left out.

    Args:
        clip: one Motion with the 22 body joints of SMPL.
        path: the file.
        kind: "smpl", "smplh" or "smplx".

    Raises:
        MotionFormatError: there are several persons, or joints are not those of SMPL.
    """
    if len(clip.persons) != 1:
        raise MotionFormatError(
            path, f"the format holds one person, not {len(clip.persons)}; choose one with --person", format=kind
        )
    person = clip.persons[0]
    if not isinstance(person, Motion) or not _fits(person):
        raise MotionFormatError(
            path,
            f"the skeleton is not that of {TITLES[kind]}; carry the motion over to it: convert --onto {KINDS[kind].name}",
            format=kind,
        )
    model = _users_model(kind, "neutral", [])
    betas = np.zeros(16) if model is None else model.betas(person.skeleton, 16)
    target = _mean_skeleton(KINDS[kind], kind) if model is None else model.skeleton(betas)
    if person.local_translations is not None or not _same_rest(person.skeleton, target):
        person = retarget(person, target)
    poses = np.zeros((len(person), len(target), 3))
    for joint, name in enumerate(target.names):
        if name in person.topology.names:
            poses[:, joint] = rotation.to_rotation_vector(person.rotations[:, person.topology.names.index(name)])
    turn = rotation.conjugate(to_y_up("z"))
    poses[:, 0] = rotation.to_rotation_vector(rotation.multiply(turn, person.rotations[:, 0]))
    arrays: dict[str, np.ndarray] = {
        "poses": poses.reshape(len(poses), -1),
        "trans": rotation.rotate(turn, person.root_translation) - target.rest_offsets[0],
        "betas": betas,
        "gender": np.array("neutral"),
        "mocap_frame_rate" if kind == "smplx" else "mocap_framerate": np.array(person.fps),
        "surface_model_type": np.array(kind),
        "up_axis": np.array("z"),
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _fits(person: Person) -> bool:
    """Whether the 22 joints of the body hang together as those of SMPL do."""
    names, parents = person.topology.names, person.topology.parents
    if names[0] != "pelvis" or not set(_BODY.names) <= set(names):
        return False
    return all(
        names[parents[names.index(name)]] == _BODY.names[_BODY.parents[joint]]
        for joint, name in enumerate(_BODY.names)
        if joint
    )


def _same_rest(skeleton: Skeleton, target: Skeleton) -> bool:
    shared = [name for name in skeleton.names[1:] if name in target.names]
    ours = [skeleton.names.index(name) for name in shared]
    theirs = [target.names.index(name) for name in shared]
    return bool(np.abs(skeleton.rest_offsets[ours] - target.rest_offsets[theirs]).max() <= _SAME)
