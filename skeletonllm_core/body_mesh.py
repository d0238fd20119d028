"""The body mesh of fitted SMPL-X parameters as an animated GLB: one mesh a moment, shown one after the other.

Skinning is that of the smplx package (MPI licence, non-commercial), the file is written through trimesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skeletonllm_core.atomic import write_whole
from skeletonllm_core.body_model import KINDS, read_model_arrays, shape_components
from skeletonllm_core.errors import MotionFormatError, PluginError

if TYPE_CHECKING:
    import torch

    from skeletonllm_core.fit import Fit

MOMENTS = 48
"""Longer clips are shown at this many moments, evenly spread: every one is a whole mesh in the file."""

_ARRAYS = ("v_template", "shapedirs", "J_regressor", "kintree_table", "posedirs", "weights", "f")
_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Skin:
    """What of an SMPL-X model makes its mesh, as smplx wants it.

    Attributes:
        constants: template, shape and pose directions, joint regressor, parents and weights, in the order of `lbs`.
        faces: (F, 3) vertices of each triangle.
    """

    constants: tuple[torch.Tensor, ...]
    faces: np.ndarray


def read_skin(model: Path, shapes: int) -> Skin:
    """The mesh of a model.

    Args:
        model: the SMPL-X model file.
        shapes: how many shape components are wanted.

    Raises:
        MotionFormatError: it is no SMPL-X model with a mesh.
        PluginError: smplx or trimesh is not installed.
    """
    if any(find_spec(name) is None for name in ("torch", "smplx", "trimesh")):
        raise PluginError('a body mesh needs: pip install "skeletonllm[smplx,mesh]"')
    import torch

    arrays = read_model_arrays(model, "smplx", _ARRAYS)
    vertices, joints = len(arrays["v_template"]), arrays["J_regressor"].shape[0]
    wanted = {"posedirs": (vertices, 3, 9 * (joints - 1)), "weights": (vertices, joints)}
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise MotionFormatError(
                model, f"{name!r} has shape {arrays[name].shape}, expected {shape}", format="body model"
            )
    faces = arrays["f"].astype(np.int64)
    if faces.ndim != 2 or faces.shape[1] != 3 or not np.isin(faces, np.arange(vertices)).all():
        raise MotionFormatError(model, "'f' holds something else than triangles of its vertices", format="body model")

    def tensor(name: str) -> torch.Tensor:
        return torch.tensor(arrays[name], dtype=torch.float32)

    shapes = min(shapes, shape_components("smplx", arrays["shapedirs"].shape[-1]))
    posedirs = tensor("posedirs")
    constants = (
        tensor("v_template"),
        tensor("shapedirs")[..., :shapes],
        posedirs.reshape(-1, posedirs.shape[-1]).T,
        tensor("J_regressor"),
        torch.tensor(KINDS["smplx"].parents),
        tensor("weights"),
    )
    return Skin(constants, faces)


def write_mesh(found: Fit, skin: Skin, path: Path) -> int:
    """Writes the bodies of a fit as a GLB, metres, Y up; the file appears whole or not at all.

    Args:
        found: parameters, at least one frame.
        skin: of the model they belong to.
        path: the file.

    Returns:
        How many moments of the clip are in it.
    """
    import trimesh
    from trimesh.exchange.gltf import export_glb

    frames = np.unique(np.linspace(0, len(found.poses) - 1, min(len(found.poses), MOMENTS)).round().astype(np.int64))
    names = [f"frame_{frame:06d}" for frame in frames]
    scene = trimesh.Scene()
    for name, places in zip(names, body_vertices(found, skin, frames), strict=True):
        scene.add_geometry(trimesh.Trimesh(places, skin.faces, process=False), node_name=name, geom_name=name)
    times = (frames / found.fps).astype(np.float32)

    def animate(buffers: dict[Any, bytes], tree: dict[str, Any]) -> None:
        _show_in_turn(buffers, tree, {name: index for index, name in enumerate(names)}, times)

    write_whole(path, export_glb(scene, include_normals=True, buffer_postprocessor=animate))
    return len(frames)


def body_vertices(found: Fit, skin: Skin, frames: np.ndarray) -> np.ndarray:
    """(n, V, 3) [m] vertices of some frames, Y up."""
    import torch
    from smplx.lbs import lbs

    parts = []
    for start in range(0, len(frames), _AT_ONCE):
        chosen = frames[start : start + _AT_ONCE]
        poses = torch.tensor(found.poses[chosen].reshape(len(chosen), -1), dtype=torch.float32)
        betas = torch.tensor(found.betas[: skin.constants[1].shape[-1]], dtype=torch.float32)
        vertices, _ = lbs(betas.expand(len(chosen), -1), poses, *skin.constants)
        parts.append(vertices.double().numpy() + (found.root_translation[chosen] - found.pelvis)[:, None])
    return np.concatenate(parts)


def _show_in_turn(buffers: dict[Any, bytes], tree: dict[str, Any], meshes: dict[str, int], times: np.ndarray) -> None:
    """Adds an animation that gives each mesh the size one in its own time and the size zero in all others.

    A scale of zero hides a node (glTF 2.0 specification, section 3.5.3).
    """

    def accessor(values: np.ndarray, kind: str) -> int:
        values = np.ascontiguousarray(values, dtype="<f4")
        index, accessors = len(buffers), tree["accessors"]
        # trimesh keys both by name and turns them into lists in this order afterwards.
        accessors[f"animation {index}"] = {
            "componentType": 5126,
            "count": len(values),
            "type": kind,
            "bufferView": index,
            "min": np.atleast_1d(values.min(0)).tolist(),
            "max": np.atleast_1d(values.max(0)).tolist(),
        }
        buffers[f"animation {index}"] = values.tobytes()
        return len(accessors) - 1

    if len(times) < 2:
        return
    clock = accessor(times, "SCALAR")
    samplers, channels = [], []
    for node, described in enumerate(tree["nodes"]):
        if described.get("name") not in meshes:
            continue
        shown = np.zeros((len(times), 3))
        shown[meshes[described["name"]]] = 1.0
        samplers.append({"input": clock, "output": accessor(shown, "VEC3"), "interpolation": "STEP"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": "scale"}})
    tree["animations"] = [{"name": "fit", "samplers": samplers, "channels": channels}]
