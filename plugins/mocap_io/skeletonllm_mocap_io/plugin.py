"""The formats of this package: names and suffixes here, each format's code loaded when a file of it is read or written."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from skeletonllm_core.hooks import MotionReader, MotionWriter, hookimpl

if TYPE_CHECKING:
    from skeletonllm_core.motion.motion import Clip
    from skeletonllm_core.motion.skeleton import Topology


def _reader(name: str, *suffixes: str, sniffed: bool = False) -> MotionReader:
    """The reader in the module of that name."""

    def read(path: Path) -> list[Clip]:
        return import_module(f"skeletonllm_mocap_io.{name}").read(path)

    def sniff(path: Path) -> bool:
        return import_module(f"skeletonllm_mocap_io.{name}").sniff(path)

    return MotionReader(name, suffixes, read, sniff if sniffed else None)


def _writer(name: str, *suffixes: str) -> MotionWriter:
    """The writer in the module of that name."""

    def write(clip: Clip, path: Path) -> None:
        import_module(f"skeletonllm_mocap_io.{name}").write(clip, path)

    return MotionWriter(name, suffixes, write)


def _smpl_writer(kind: str) -> MotionWriter:
    """The writer of the pose parameters of one kind of body model."""

    def write(clip: Clip, path: Path) -> None:
        import_module("skeletonllm_mocap_io.smpl").write(clip, path, kind)

    return MotionWriter(kind, (), write)


@hookimpl
def skeletonllm_motion_readers() -> Iterable[MotionReader]:
    """Every format of this package."""
    return [
        _reader("bvh", ".bvh"),
        _reader("fbx", ".fbx"),
        _reader("gltf", ".glb", ".gltf"),
        _reader("blend", ".blend"),
        _reader("ntu", ".skeleton"),
        _reader("humanml3d", ".npy", sniffed=True),
        _reader("humanml3d263", ".npy", sniffed=True),
        _reader("npz", ".npz", sniffed=True),
        _reader("smpl", ".npz", sniffed=True),
        _reader("urdf", ".urdf", ".csv", ".npz", sniffed=True),
        _reader("c3d", ".c3d"),
        _reader("trc", ".trc"),
        _reader("amc", ".amc", ".asf", sniffed=True),
        _reader("mot", ".mot", ".sto"),
        _reader("csv", ".csv", sniffed=True),
        _reader("amp", ".npy", sniffed=True),
        _reader("msr_action3d", ".txt", sniffed=True),
        _reader("utkinect", ".txt", sniffed=True),
        _reader("expmap", ".txt", sniffed=True),
        _reader("deepmimic", ".txt", sniffed=True),
        _reader("coco", ".json", sniffed=True),
        _reader("openpose", ".json", sniffed=True),
        _reader("mediapipe", ".json", sniffed=True),
    ]


@hookimpl
def skeletonllm_motion_writers() -> Iterable[MotionWriter]:
    """Those that can be written, too."""
    return [
        _writer("bvh", ".bvh"),
        _writer("fbx", ".fbx"),
        _writer("gltf", ".glb"),
        _writer("humanml3d", ".npy"),
        _writer("humanml3d263"),
        _writer("npz", ".npz"),
        *(_smpl_writer(kind) for kind in ("smpl", "smplh", "smplx")),
        _writer("trc", ".trc"),
    ]


@hookimpl
def skeletonllm_topologies() -> Iterable[Topology]:
    """The hierarchies of depth cameras, HumanML3D, SMPL and COCO."""
    from skeletonllm_core.motion.topologies import TOPOLOGIES

    return TOPOLOGIES.values()
