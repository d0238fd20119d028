"""SkeletonLLM's own .npz: exact, any number of persons of one topology.

Keys: ``names`` (J,), ``parents`` (J,), ``rest_offsets`` (J, 3) or (P, J, 3) [m], ``fps``, and either ``positions``
(P, T, J, 3) [m] or ``rotations`` (P, T, J, 4) as (w, x, y, z) with ``root`` (P, T, 3) [m]. Lengths are metres, Y is up.
Optional: ``local_translations`` (P, T, J, 3) [m], ``tip_joints`` (K,) with ``tip_offsets`` (K, 3) or (P, K, 3) [m],
``ids`` (P,), ``name``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError, TopologyError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Keypoints, Motion, Origin, Person
from skeletonllm_core.motion.skeleton import Skeleton, Topology, ordered
from skeletonllm_mocap_io.arrays import array_names, load_arrays

FORMAT = "npz"

_REQUIRED = ("names", "parents", "fps")


def sniff(path: Path) -> bool:
    """Whether the archive has the keys of this format."""
    names = array_names(path)
    return names.issuperset(_REQUIRED) and ("positions" in names or names.issuperset(("rotations", "root")))


def read(path: Path) -> list[Clip]:
    """The one clip of a file; joints may come in any order.

    Raises:
        MotionFormatError: a key is missing, or the arrays do not fit together.
    """
    arrays = load_arrays(path, FORMAT)
    missing = [key for key in _REQUIRED if key not in arrays]
    if missing:
        raise MotionFormatError(path, f"the array {missing[0]!r} is missing", format=FORMAT)
    try:
        persons = _persons(arrays, path)
    except TopologyError as problem:
        raise MotionFormatError(path, str(problem), format=FORMAT) from problem
    ids: tuple[int, ...] = ()
    if "ids" in arrays:
        found = _numbers(arrays, "ids", path)
        if found.shape != (len(persons),) or not (np.abs(found) < 2**63).all():
            raise MotionFormatError(path, f"'ids' must be {len(persons)} whole numbers", format=FORMAT)
        ids = tuple(int(number) for number in arrays["ids"])
    return [Clip("", persons, Origin(FORMAT), ids)]


def _numbers(arrays: dict[str, np.ndarray], key: str, path: Path) -> np.ndarray:
    if key not in arrays:
        raise MotionFormatError(path, f"the array {key!r} is missing", format=FORMAT)
    if arrays[key].dtype.kind not in "fiu":
        raise MotionFormatError(path, f"{key!r} must hold numbers, not {arrays[key].dtype}", format=FORMAT)
    return arrays[key].astype(np.float64)


def _persons(arrays: dict[str, np.ndarray], path: Path) -> list[Person]:
    def numbers(key: str, *shape: int | str) -> np.ndarray:
        """The array of that key; letters in `shape` stand for any length."""
        found = _numbers(arrays, key, path)
        fits = found.ndim == len(shape) and all(
            isinstance(want, str) or want == have for want, have in zip(shape, found.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join(str(one) for one in shape)
            raise MotionFormatError(path, f"{key!r} has shape {found.shape}, expected ({wanted})", format=FORMAT)
        return found

    def per_person(key: str, rows: int) -> np.ndarray:
        """(P, rows, 3) of an array that is given once for all or once a person."""
        if key in arrays and arrays[key].ndim == 2:
            return np.broadcast_to(numbers(key, rows, 3), (count, rows, 3))
        return numbers(key, count, rows, 3)

    names = [str(name) for name in arrays["names"].reshape(-1)]
    joints = len(names)
    parents = numbers("parents", joints)
    fps = numbers("fps").item() if arrays["fps"].ndim == 0 else numbers("fps", 1).item()
    if not ((np.abs(parents) < 2**31).all() and (parents == np.round(parents)).all()):
        raise MotionFormatError(path, "'parents' must be whole numbers", format=FORMAT)
    order = ordered(parents.astype(np.int64))
    place = np.append(np.argsort(order), -1)
    topology = Topology(
        str(arrays["name"]) if "name" in arrays and arrays["name"].ndim == 0 else path.stem,
        tuple(names[joint] for joint in order),
        place[parents.astype(np.int64)[order]],
    )
    if "rotations" not in arrays:
        positions = numbers("positions", "P", "T", joints, 3)[:, :, order]
        return [Keypoints(topology, one, fps, topology.name) for one in positions]
    rotations = numbers("rotations", "P", "T", joints, 4)[:, :, order]
    count, frames = rotations.shape[:2]
    if not (np.abs(np.linalg.norm(rotations, axis=-1) - 1) < 0.1).all():
        raise MotionFormatError(path, "'rotations' must be unit quaternions (w, x, y, z)", format=FORMAT)
    root = numbers("root", count, frames, 3)
    rest = per_person("rest_offsets", joints)[:, order]
    local = None
    if "local_translations" in arrays:
        local = numbers("local_translations", count, frames, joints, 3)[:, :, order]
    tip_joints, tips = np.zeros(0, np.int64), np.zeros((count, 0, 3))
    if "tip_joints" in arrays:
        listed = numbers("tip_joints", "K")
        if not np.isin(listed, np.arange(joints)).all():
            raise MotionFormatError(path, f"a tip joint lies outside 0..{joints - 1}", format=FORMAT)
        tip_joints = place[listed.astype(np.int64)]
        tips = per_person("tip_offsets", len(tip_joints))
    return [
        Motion(
            Skeleton(topology, rest[person], tip_joints, tips[person]),
            rotation.normalize(rotations[person]),
            root[person],
            fps,
            topology.name,
            None if local is None else local[person],
        )
        for person in range(count)
    ]


def write(clip: Clip, path: Path) -> None:
    """Writes a clip exactly; persons of which one has no rotations are all written as positions.

    Raises:
        MotionFormatError: the persons differ in joints, frames or rate.
    """
    first = clip.persons[0]
    for person in clip.persons:
        same = (
            person.topology.names == first.topology.names
            and np.array_equal(person.topology.parents, first.topology.parents)
            and len(person) == len(first)
            and person.fps == first.fps
        )
        if not same:
            raise MotionFormatError(
                path,
                "persons that differ in joints, frames or rate do not fit into one file; write them one by one (--person)",
                format=FORMAT,
            )
    arrays: dict[str, np.ndarray] = {
        "names": np.array(first.topology.names),
        "parents": first.topology.parents,
        "fps": np.array(first.fps),
        "ids": np.array(clip.person_ids, dtype=np.int64),
        "name": np.array(first.name or clip.name),
    }
    motions = [person for person in clip.persons if isinstance(person, Motion)]
    if len(motions) == len(clip.persons):
        arrays |= _rotation_arrays(motions)
    else:
        arrays["rest_offsets"] = np.full((len(first.topology), 3), np.nan)
        arrays["positions"] = np.stack([person.joint_positions() for person in clip.persons])
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _rotation_arrays(motions: list[Motion]) -> dict[str, np.ndarray]:
    rest = np.stack([motion.skeleton.rest_offsets for motion in motions])
    arrays = {
        "rest_offsets": _once(rest),
        "rotations": np.stack([motion.rotations for motion in motions]),
        "root": np.stack([motion.root_translation for motion in motions]),
    }
    if any(motion.local_translations is not None for motion in motions):
        arrays["local_translations"] = np.stack(
            [
                np.broadcast_to(motion.skeleton.rest_offsets, (*motion.rotations.shape[:2], 3))
                if motion.local_translations is None
                else motion.local_translations
                for motion in motions
            ]
        )
    joints = [np.asarray(motion.skeleton.tip_joints) for motion in motions]
    if all(np.array_equal(one, joints[0]) for one in joints):
        arrays["tip_joints"] = joints[0]
        arrays["tip_offsets"] = _once(np.stack([np.asarray(motion.skeleton.tip_offsets) for motion in motions]))
    return arrays


def _once(stacked: np.ndarray) -> np.ndarray:
    """(n, 3) where all persons have the same, else (P, n, 3)."""
    return stacked[0] if (stacked == stacked[0]).all() else stacked
