"""Motion (local rotations), Keypoints (positions only) and Clip (the persons of one take)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.motion.kinematics import forward_kinematics
from skeletonllm_core.motion.skeleton import Skeleton, Topology, ordered


def _checked_fps(fps: float) -> float:
    fps = float(fps)
    if not (np.isfinite(fps) and fps > 0):
        raise TopologyError(f"fps must be a positive number, got {fps}")
    return fps


@dataclass(frozen=True, eq=False)
class Motion:
    """One person's motion as local joint rotations.

    Attributes:
        skeleton: hierarchy and rest pose [m], Y up.
        rotations: (T, J, 4) float64, unit quaternions (w, x, y, z), each joint relative to its parent.
        root_translation: (T, 3) float64 [m], position of the root joint (joint 0) in the world.
        fps: frames a second.
        name: name of the take.
        local_translations: (T, J, 3) float64 [m] or None; where a file animates joint offsets (position channels
            below the root), each joint's offset from its parent in every frame; None means `rest_offsets` throughout.
            Row 0 (the root) is not used.
    """

    skeleton: Skeleton
    rotations: np.ndarray
    root_translation: np.ndarray
    fps: float
    name: str = ""
    local_translations: np.ndarray | None = None

    def __post_init__(self) -> None:
        rotations = np.asarray(self.rotations, dtype=np.float64)
        root = np.asarray(self.root_translation, dtype=np.float64)
        joints = len(self.skeleton)
        if rotations.ndim != 3 or rotations.shape[1:] != (joints, 4):
            raise TopologyError(f"rotations have shape {rotations.shape}, expected (T, {joints}, 4)")
        if root.shape != (len(rotations), 3):
            raise TopologyError(f"root translation has shape {root.shape}, expected ({len(rotations)}, 3)")
        object.__setattr__(self, "rotations", rotations)
        object.__setattr__(self, "root_translation", root)
        object.__setattr__(self, "fps", _checked_fps(self.fps))
        if self.local_translations is not None:
            local = np.asarray(self.local_translations, dtype=np.float64)
            if local.shape != (len(rotations), joints, 3):
                raise TopologyError(
                    f"local translations have shape {local.shape}, expected {(len(rotations), joints, 3)}"
                )
            object.__setattr__(self, "local_translations", local)

    def __len__(self) -> int:
        return len(self.rotations)

    @property
    def topology(self) -> Topology:
        return self.skeleton.topology

    @property
    def seconds(self) -> float:
        """Length of the clip [s]: frames divided by fps."""
        return len(self) / self.fps

    def joint_positions(self) -> np.ndarray:
        """(T, J, 3) float64 [m], world positions of all joints."""
        positions, _ = forward_kinematics(
            self.skeleton.parents,
            self.skeleton.rest_offsets if self.local_translations is None else self.local_translations,
            self.rotations,
            self.root_translation,
        )
        return positions

    def keypoints(self) -> Keypoints:
        """The same motion without rotations."""
        return Keypoints(self.topology, self.joint_positions(), self.fps, self.name)


@dataclass(frozen=True, eq=False)
class Keypoints:
    """One person's motion as joint positions only.

    Attributes:
        topology: hierarchy; parents -1 at roots.
        positions: (T, J, 3) float64 [m], Y up; NaN marks a missing joint.
        fps: frames a second.
        name: name of the take.
    """

    topology: Topology
    positions: np.ndarray
    fps: float
    name: str = ""

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions, dtype=np.float64)
        if positions.ndim != 3 or positions.shape[1:] != (len(self.topology), 3):
            raise TopologyError(f"positions have shape {positions.shape}, expected (T, {len(self.topology)}, 3)")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "fps", _checked_fps(self.fps))

    @classmethod
    def from_arrays(
        cls,
        positions: np.ndarray,
        names: Sequence[str],
        parents: Sequence[int] | np.ndarray,
        fps: float,
        name: str = "",
    ) -> Keypoints:
        """Keypoints from plain arrays whose joints may come in any order.

        Args:
            positions: (T, J, 3) [m], Y up, NaN = missing.
            names: J joint names.
            parents: (J,) parent of each joint, -1 at a root.
            fps: frames a second.

        Raises:
            TopologyError: shapes do not fit together, or the joints form a cycle.
        """
        parents = np.asarray(parents, dtype=np.int64)
        positions = np.asarray(positions, dtype=np.float64)
        if len(names) != len(parents) or positions.ndim != 3 or positions.shape[1:] != (len(parents), 3):
            raise TopologyError(
                f"{len(names)} names, {len(parents)} parents and positions of shape {positions.shape} do not fit together"
            )
        order = ordered(parents)
        place = np.empty(len(order) + 1, dtype=np.int64)
        place[order] = np.arange(len(order))
        place[-1] = -1
        topology = Topology("keypoints", tuple(names[joint] for joint in order), place[parents[order]])
        return cls(topology, positions[:, order], fps, name)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def seconds(self) -> float:
        """Length of the clip [s]: frames divided by fps."""
        return len(self) / self.fps

    def joint_positions(self) -> np.ndarray:
        """(T, J, 3) float64 [m], world positions of all joints; NaN where missing."""
        return self.positions


Person = Motion | Keypoints


@dataclass(frozen=True)
class Origin:
    """Where a clip came from and what had to be inferred about it.

    Attributes:
        format: name of the reader, for example ``"bvh"``.
        unit: unit of the file's lengths, for example ``"cm"``.
        unit_inferred: True where the file does not say and the unit was worked out.
        up_axis: ``"y"``, ``"z"`` or ``"x"``, with a leading ``"-"`` where the axis points down.
        up_axis_inferred: True where the file does not say.
        warnings: whole sentences about what was repaired or left out.
    """

    format: str
    unit: str = "m"
    unit_inferred: bool = False
    up_axis: str = "y"
    up_axis_inferred: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clip:
    """One take: the persons in it, in file order.

    Attributes:
        name: name of the take inside its file ("" where the file holds one nameless clip).
        persons: one Motion or Keypoints a person.
        origin: where it came from; None for a clip made in memory.
        person_ids: the file's own id of each person where it has one, else their index.
    """

    name: str
    persons: list[Person]
    origin: Origin | None = None
    person_ids: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.person_ids:
            object.__setattr__(self, "person_ids", tuple(range(len(self.persons))))
