"""SMPL-X parameters for any motion: pose, shape and translation by gradient descent.

Joints are found by body part, or by name where the skeleton is of the SMPL family. Retargeting gives the first guess; then
the squared distance of joints, the direction of limbs, and priors on pose, shape and acceleration are made small together:

    mean |J - p|² + 0.01 m² (1 - cos) + 1e-5 m² |θ|² + 1e-5 m² |β|² + 0.05 |a|²     (a: second difference over 1/30 s [m])

Only joints are needed for that, so forward kinematics is done here and no vertex is computed. Same input, same result.

Source: the terms follow F. Bogo et al., "Keep it SMPL", ECCV 2016, with 3D joints in place of 2D ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skeletonllm_core.atomic import whole_file
from skeletonllm_core.body_model import KINDS, BodyModel, find_body_model, read_body_model
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Motion, Person
from skeletonllm_core.motion.orientation import to_y_up
from skeletonllm_core.motion.retarget import retarget
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart

if TYPE_CHECKING:
    import torch

LICENCE = (
    "SMPL-X body models, and parameters and meshes made with them, are for non-commercial scientific use only "
    "(Max Planck Society, https://smpl-x.is.tue.mpg.de/modellicense.html)"
)

STEPS = 300
SHAPES = 10
"""Shape components that are searched for."""

_BODY_JOINTS = 22
_RATE, _LAST_RATE = 0.03, 0.001
_RATE_OF_ACCELERATION = 30.0
_DIRECTION, _POSE, _SHAPE, _ACCELERATION = 0.01, 1e-5, 1e-5, 0.05

_P = BodyPart
# Joints of the limbs lie at one place in all rigs; spines, collars and toes are cut differently.
_WEIGHTS = {
    **dict.fromkeys((_P.LEFT_THIGH, _P.LEFT_SHIN, _P.LEFT_FOOT), 1.0),
    **dict.fromkeys((_P.LEFT_UPPER_ARM, _P.LEFT_FOREARM, _P.LEFT_HAND), 1.0),
    **dict.fromkeys((_P.HEAD, _P.NECK, _P.LEFT_TOES), 0.5),
    **dict.fromkeys((_P.PELVIS, _P.SPINE, _P.CHEST, _P.LEFT_CLAVICLE, _P.LEFT_FINGERS), 0.2),
}
_LIMBS = [
    (_P.LEFT_THIGH, _P.LEFT_SHIN),
    (_P.LEFT_SHIN, _P.LEFT_FOOT),
    (_P.LEFT_FOOT, _P.LEFT_TOES),
    (_P.LEFT_UPPER_ARM, _P.LEFT_FOREARM),
    (_P.LEFT_FOREARM, _P.LEFT_HAND),
]
_LIMBS += [(upper.mirrored, lower.mirrored) for upper, lower in _LIMBS]
_FEWEST_PARTS = 6


@dataclass(frozen=True, eq=False)
class Fit:
    """SMPL-X parameters of one motion, Y up.

    Attributes:
        poses: (T, 55, 3) rotation vectors [rad].
        root_translation: (T, 3) [m], the pelvis in the world.
        pelvis: (3,) [m], the pelvis in the rest pose; the models' own translation is the difference.
        betas: (10,) shape.
        gender: of the model.
        fps: frames a second.
        errors: mean distance of each joint of the source that was used from the body's joint [m].
    """

    poses: np.ndarray
    root_translation: np.ndarray
    pelvis: np.ndarray
    betas: np.ndarray
    gender: str
    fps: float
    errors: dict[str, float]

    @property
    def error(self) -> float:
        """Mean distance over all joints that were used [m]."""
        return float(np.mean(list(self.errors.values())))


def model_file(folder: Path, gender: str) -> Path:
    """The SMPL-X model of that gender in a folder.

    Raises:
        SkeletonLLMError: there is none.
    """
    path = find_body_model(folder, "smplx", gender)
    if path is None:
        raise SkeletonLLMError(
            f"{folder}: there is no SMPLX_{gender.upper()}.npz in it, nor in a folder smplx below it; "
            f"register at https://smpl-x.is.tue.mpg.de to get the models"
        )
    return path


def fit(
    person: Person,
    path: Path,
    gender: str = "neutral",
    steps: int = STEPS,
    progress: Callable[[int, int, float], None] | None = None,
) -> Fit:
    """SMPL-X parameters that put the body's joints where those of a motion are.

    Args:
        person: metres, Y up; gaps in keypoints are bridged for the first guess and have no weight afterwards.
        path: the SMPL-X model (see `model_file`).
        gender: of that model; only noted in the result.
        steps: of gradient descent.
        progress: told the steps done, all steps, and the error so far [m].

    Raises:
        MotionFormatError: the file is no SMPL-X model.
        SkeletonLLMError: too few body parts are known.
    """
    import torch

    model = read_body_model(path, "smplx")
    target = _Target.of(person)
    start = retarget(person, model.skeleton(np.zeros(SHAPES)))
    body = _Body(model, start, target)
    optimiser = torch.optim.Adam(body.free, lr=_RATE)
    for step in range(steps):
        share = 0.5 + 0.5 * math.cos(math.pi * step / steps)
        optimiser.param_groups[0]["lr"] = _LAST_RATE + (_RATE - _LAST_RATE) * share
        optimiser.zero_grad()
        loss, distance = body.loss()
        loss.backward()
        optimiser.step()
        if progress is not None:
            progress(step + 1, steps, distance)
    return body.result(gender)


@dataclass(frozen=True, eq=False)
class _Target:
    """Where joints should be.

    Attributes:
        positions: (T, n, 3) [m], 0 where missing.
        known: (T, n) bool.
        joints: (n,) the SMPL-X joint for each.
        weights: (n,).
        limbs: (m, 2) indices of upper and lower ends among the n.
        names: the source's names.
        fps: frames a second.
    """

    positions: np.ndarray
    known: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    limbs: np.ndarray
    names: tuple[str, ...]
    fps: float

    @classmethod
    def of(cls, person: Person) -> _Target:
        topology, ours = person.topology, KINDS["smplx"]
        positions = person.joint_positions()
        theirs = map_rig(topology, positions).primary()
        mine = map_rig(ours, np.zeros((0, len(ours), 3))).primary()
        by_name = [name for name in topology.names if name in ours.names]
        if len(by_name) >= _BODY_JOINTS:
            sources = [topology.names.index(name) for name in by_name]
            joints = [ours.names.index(name) for name in by_name]
            weights = [1.0] * len(joints)
        else:
            parts = [part for part in mine if part in theirs]
            if len(parts) < _FEWEST_PARTS:
                raise SkeletonLLMError(
                    f"only {len(parts)} parts of a human body are known in this skeleton, too few to fit SMPL-X; "
                    f"say with --rig which joint is which part"
                )
            sources, joints = [theirs[part] for part in parts], [mine[part] for part in parts]
            weights = [_WEIGHTS.get(part, _WEIGHTS.get(part.mirrored, 0.0)) for part in parts]
        limbs = [
            (joints.index(mine[upper]), joints.index(mine[lower]))
            for upper, lower in _LIMBS
            if mine[upper] in joints and mine[lower] in joints
        ]
        chosen = positions[:, sources]
        known = np.isfinite(chosen).all(-1)
        return cls(
            np.where(known[..., None], chosen, 0.0),
            known,
            np.array(joints),
            np.array(weights),
            np.array(limbs, dtype=np.int64).reshape(-1, 2),
            tuple(topology.names[joint] for joint in sources),
            person.fps,
        )


class _Body:
    """The parameters that are searched for, and how well they fit."""

    def __init__(self, model: BodyModel, start: Motion, target: _Target) -> None:
        import torch

        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.tensor(array, dtype=torch.float32)

        self.target = target
        self.template = tensor(model.template)
        self.shapes = tensor(model.shapes[..., :SHAPES])
        self.parents = KINDS["smplx"].parents
        self.levels = _levels(self.parents)
        self.wanted, self.known = tensor(target.positions), tensor(target.known)
        self.weights = tensor(target.weights) * self.known
        self.joints = torch.tensor(target.joints)

        poses = rotation.to_rotation_vector(start.rotations)
        searched = sorted({*range(_BODY_JOINTS), *(int(joint) for joint in target.joints)})
        fixed = np.setdiff1d(np.arange(len(self.parents)), searched)
        self.order = torch.tensor(np.argsort(np.concatenate([searched, fixed])))
        self.rest = torch.zeros(len(poses), len(fixed), 3)
        self.pose = tensor(poses[:, searched]).requires_grad_()
        self.betas = torch.zeros(self.shapes.shape[-1], requires_grad=True)
        # The guess has the model's own size; its path is moved to where the joints are.
        apart = (target.positions - start.joint_positions()[:, target.joints]) * target.known[..., None]
        seen = np.maximum(target.known.sum(1, keepdims=True), 1)
        self.root = tensor(start.root_translation + apart.sum(1) / seen).requires_grad_()
        self.free = [self.pose, self.betas, self.root]

    def poses(self) -> torch.Tensor:
        """(T, 55, 3) rotation vectors."""
        import torch

        return torch.cat([self.pose, self.rest], dim=1)[:, self.order]

    def positions(self) -> torch.Tensor:
        """(T, 55, 3) joints [m]: forward kinematics, one level of the tree after the other."""
        import torch

        template = self.template + self.shapes @ self.betas
        local = _matrices(self.poses())
        turns, places = [local[:, :1]], [self.root[:, None]]
        for joints, above in self.levels:
            offsets = template[joints] - template[self.parents[joints]]
            before = turns[-1][:, above]
            places.append(places[-1][:, above] + (before @ offsets[..., None])[..., 0])
            turns.append(before @ local[:, joints])
        order = np.argsort(np.concatenate([[0], *(joints for joints, _ in self.levels)]))
        return torch.cat(places, dim=1)[:, order]

    def loss(self) -> tuple[torch.Tensor, float]:
        """What is made small, and the mean distance of the joints [m]."""
        found = self.positions()[:, self.joints]
        squared = ((found - self.wanted) ** 2).sum(-1)
        total = (self.weights * squared).sum() / self.weights.sum().clamp_min(1.0)
        upper, lower = self.target.limbs.T
        if len(upper):
            both = self.known[:, upper] * self.known[:, lower]
            cosine = _cosine(found[:, lower] - found[:, upper], self.wanted[:, lower] - self.wanted[:, upper])
            total = total + _DIRECTION * (both * (1 - cosine)).sum() / both.sum().clamp_min(1.0)
        total = total + _POSE * (self.pose[:, 1:] ** 2).sum(-1).mean() + _SHAPE * (self.betas**2).sum()
        apart = max(1, round(self.target.fps / _RATE_OF_ACCELERATION))
        if len(found) > 2 * apart:
            bend = found[2 * apart :] - 2 * found[apart:-apart] + found[: -2 * apart]
            total = total + _ACCELERATION * (bend**2).sum(-1).mean()
        distance = (squared.detach().sqrt() * self.known).sum() / self.known.sum().clamp_min(1.0)
        return total, float(distance)

    def result(self, gender: str) -> Fit:
        import torch

        with torch.no_grad():
            pelvis = (self.template + self.shapes @ self.betas)[0].double().numpy()
            found = self.positions()[:, self.joints].double().numpy()
            poses = self.poses().double().numpy()
        target = self.target
        distance = np.linalg.norm(found - target.positions, axis=-1) * target.known
        seen = target.known.sum(0)
        errors = {
            name: float(distance[:, place].sum() / seen[place])
            for place, name in enumerate(target.names)
            if seen[place]
        }
        return Fit(
            poses,
            self.root.detach().double().numpy(),
            pelvis,
            np.pad(self.betas.detach().double().numpy(), (0, SHAPES - len(self.betas))),
            gender,
            target.fps,
            errors,
        )


def _levels(parents: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each level of the tree below the root: its joints, and the place of each one's parent in the level above."""
    levels: list[tuple[np.ndarray, np.ndarray]] = []
    above = [0]
    while True:
        joints = [joint for joint, parent in enumerate(parents) if parent in above]
        if not joints:
            return levels
        levels.append((np.array(joints), np.array([above.index(int(parents[joint])) for joint in joints])))
        above = joints


def _matrices(vectors: torch.Tensor) -> torch.Tensor:
    """(..., 3, 3) rotation matrices of (..., 3) rotation vectors (Rodrigues)."""
    import torch

    # The shift keeps the gradient finite at zero; it turns by less than a millionth of a degree.
    angle = (vectors + 1e-8).norm(dim=-1, keepdim=True)
    axis = vectors / angle
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*vectors.shape, 3)
    angle = angle[..., None]
    return torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)


def _cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    length = (a.norm(dim=-1) * b.norm(dim=-1)).clamp_min(1e-9)
    return (a * b).sum(-1) / length


def write_fit(found: Fit, path: Path) -> None:
    """Writes parameters as AMASS does for SMPL-X: Z up, 165 pose values; the file appears whole or not at all."""
    turn = rotation.conjugate(to_y_up("z"))
    poses = found.poses.copy()
    facing = rotation.multiply(turn, rotation.from_rotation_vector(found.poses[:, 0]))
    poses[:, 0] = rotation.to_rotation_vector(facing)
    arrays = {
        "poses": poses.reshape(len(poses), -1),
        "trans": rotation.rotate(turn, found.root_translation) - found.pelvis,
        "betas": found.betas,
        "gender": np.array(found.gender),
        "mocap_frame_rate": np.array(found.fps),
        "surface_model_type": np.array("smplx"),
        "up_axis": np.array("z"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
