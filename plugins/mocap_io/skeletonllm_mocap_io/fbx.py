"""FBX (Autodesk), 6100 to 7700, binary and ASCII: read through ufbx, written through Blender, each in its own process.

Every stack of animation curves (a "take") is a clip. Joints are the nodes of kind bone, or the empty ones where there are
no bones; bones under one node of another kind (an armature) are one person, bones right under the scene one person a tree.
The rest pose is the bind pose where the file has one, else the pose that it holds without animation.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skeletonllm_core.errors import MotionFormatError, PluginError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.from_keypoints import fitted_motion
from skeletonllm_core.motion.kinematics import forward_kinematics
from skeletonllm_core.motion.motion import Clip, Keypoints, Motion
from skeletonllm_core.motion.orientation import reoriented, to_y_up
from skeletonllm_mocap_io.arrays import load_arrays
from skeletonllm_mocap_io.blender import run_in_blender
from skeletonllm_mocap_io.child import run_script
from skeletonllm_mocap_io.declared import placed_together
from skeletonllm_mocap_io.nodes import bodies, with_ancestors
from skeletonllm_mocap_io.transforms import composed, world_matrices

FORMAT = "fbx"

_WORKER = Path(__file__).with_name("fbx_worker.py")
_MEGABYTES = 1024
_SECONDS = 120.0
_AXES = ("x", "-x", "y", "-y", "z", "-z")


def read(path: Path) -> list[Clip]:
    """The clips of an FBX file, in metres, Y up.

    Raises:
        MotionFormatError: it is no FBX, holds no skeleton or no animation, or ufbx cannot read it.
        PluginError: ufbx is not installed.
    """
    if find_spec("ufbx") is None:
        raise PluginError('reading .fbx needs: pip install "skeletonllm[mocap]"')
    about, arrays = _scene(path)
    names: list[str] = about["names"]
    parents = np.array(about["parents"], dtype=np.int64)
    joints = _joints(about)
    if not joints:
        raise MotionFormatError(path, "there is no skeleton in it: no node of kind bone", format=FORMAT)
    if len(joints) > MAX_JOINTS:
        problem = f"there are {len(joints)} joints in it; more than {MAX_JOINTS} are refused"
        raise MotionFormatError(path, problem, format=FORMAT)
    if not about["stacks"]:
        raise MotionFormatError(path, "there is no animation in it: no take", format=FORMAT)
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise MotionFormatError(path, "a place, turn or scale in it is no number", format=FORMAT)

    order = with_ancestors(parents, joints)
    place = {int(node): index for index, node in enumerate(order)}
    above = np.array([place.get(parent, -1) for parent in parents[order].tolist()], dtype=np.int64)
    # Bones right under the scene's root node are told apart, those under any other node belong together.
    families = [np.flatnonzero(above == index).tolist() for index, node in enumerate(order) if parents[node] >= 0]
    found, alone = bodies(
        [names[node] or f"node{node}" for node in order], above, [place[joint] for joint in joints], families, FORMAT
    )
    basis, up_axis = _basis(about["axes"])
    bind = np.tile(np.eye(4), (len(names), 1, 1))
    bind[:, :3] = arrays["bind"]
    bound = {place[node]: (-1, bind[node]) for node in np.flatnonzero(arrays["bound"]).tolist() if node in place}
    rest = basis @ world_matrices(above, _matrices(arrays["local"][order]), bound)
    takes = []
    for number, name in enumerate(about["stacks"]):
        world = basis @ world_matrices(above, _matrices(arrays[f"stack{number}"][:, order]))
        takes.append((name, [body.motion(rest, world, about["fps"], name) for body in found]))
    notes = [f"Bones that stand alone were left out: {', '.join(alone[:10])}."] if alone else []
    return placed_together(takes, format=FORMAT, metres=about["unit"], up_axis=up_axis, warnings=notes)


def _scene(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """What the worker found: what it says about the file, and its arrays (see `fbx_worker`)."""
    with TemporaryDirectory(prefix="skeletonllm-") as folder:
        result = Path(folder) / "scene.npz"
        megabytes = _MEGABYTES + 8 * (path.stat().st_size >> 20)
        run_script(_WORKER, [path.absolute(), result, str(megabytes)], path, format=FORMAT, seconds=_SECONDS)
        arrays = load_arrays(result, FORMAT)
    return json.loads(arrays.pop("about").tobytes()), arrays


def _joints(about: dict) -> list[int]:
    """The nodes that are bones; where there are none, the empty ones."""
    kinds = list(about["kinds"])
    helpers = {node for node, is_helper in enumerate(about["helpers"]) if is_helper}
    for helper in helpers:
        # ufbx puts the scale that bones do not hand down into a node of its own, which takes the kind with it.
        kinds[about["parents"][helper]] = kinds[helper]
    wanted = "BONE" if "BONE" in kinds else "EMPTY"
    return [node for node, kind in enumerate(kinds) if kind == wanted and node not in helpers]


def _matrices(rows: np.ndarray) -> np.ndarray:
    """(..., 4, 4) of (..., 10) translation, rotation (w, x, y, z), scale."""
    return composed(rows[..., :3], rotation.normalize(rows[..., 3:7]), rows[..., 7:])


def _basis(axes: list[int]) -> tuple[np.ndarray, str]:
    """(4, 4) change into a right-handed world, and which of its axes points up.

    Args:
        axes: right, up and front, each an index into x, -x, y, -y, z, -z, or 6 where the file does not say.
    """
    if max(axes) > 5 or len({axis // 2 for axis in axes}) < 3:
        axes = [0, 2, 4]
    rows = np.zeros((3, 3))
    for row, axis in enumerate(axes):
        rows[row, axis // 2] = -1.0 if axis % 2 else 1.0
    up = _AXES[axes[1]]
    basis = np.eye(4)
    # `placed_together` turns the up axis later: here is only what that turn leaves undone.
    basis[:3, :3] = rotation.to_matrix(to_y_up(up)).T @ rows
    return basis, up


# --- writing


def write(clip: Clip, path: Path) -> None:
    """Writes binary FBX 7400 in centimetres, Y up, one armature a person, one take; Keypoints get rotations that follow them.

    Bones that end in no joint end in a bone called like their joint with ``_end``.

    Args:
        clip: persons with the same frames and rate.
        path: the file.

    Raises:
        MotionFormatError: the persons differ in frames or frame rate, or Blender fails.
        PluginError: there is no Blender.
        TopologyError: a joint of Keypoints is missing throughout.
    """
    motions = [fitted_motion(one) if isinstance(one, Keypoints) else one for one in clip.persons]
    if len({(len(motion), motion.fps) for motion in motions}) != 1:
        raise MotionFormatError(
            path, "the persons differ in frames or frame rate; choose one with --person", format=FORMAT
        )
    z_up = rotation.conjugate(to_y_up("z"))
    persons = []
    arrays: dict[str, np.ndarray] = {}
    for number, motion in enumerate(reoriented(one, z_up, 1.0) for one in motions):
        assert isinstance(motion, Motion)
        skeleton = motion.skeleton
        rest = skeleton.rest_offsets.copy()
        for joint, parent in enumerate(skeleton.parents):
            if parent >= 0:
                rest[joint] += rest[parent]
        offsets = skeleton.rest_offsets if motion.local_translations is None else motion.local_translations
        places, turned = forward_kinematics(skeleton.parents, offsets, motion.rotations, motion.root_translation)
        tip_joints = np.asarray(skeleton.tip_joints)
        tree = {"joints": skeleton.names, "parents": skeleton.parents.tolist(), "tip_joints": tip_joints.tolist()}
        persons.append(tree)
        tips = rest[tip_joints] + np.asarray(skeleton.tip_offsets)
        arrays |= {f"rest{number}": rest, f"tips{number}": tips, f"places{number}": places}
        arrays[f"turns{number}"] = rotation.to_matrix(turned)
    about = {"name": clip.name or motions[0].name, "fps": motions[0].fps, "persons": persons}
    with TemporaryDirectory(prefix="skeletonllm-") as folder:
        source, target = Path(folder) / "motion.npz", Path(folder) / "motion.fbx"
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        np.savez(source, **arrays)  # type: ignore[arg-type]
        run_in_blender("write_fbx", source, target, path, format=FORMAT, doing="writing .fbx")
        path.write_bytes(target.read_bytes())
