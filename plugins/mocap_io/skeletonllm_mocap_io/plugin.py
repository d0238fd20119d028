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


@hookimpl
def skeletonllm_motion_readers() -> Iterable[MotionReader]:
    """BVH, NTU .skeleton, HumanML3D joints, SkeletonLLM's own .npz."""
    return [
        _reader("bvh", ".bvh"),
        _reader("ntu", ".skeleton"),
        _reader("humanml3d", ".npy", sniffed=True),
        _reader("npz", ".npz", sniffed=True),
    ]


@hookimpl
def skeletonllm_motion_writers() -> Iterable[MotionWriter]:
    """BVH, HumanML3D joints, SkeletonLLM's own .npz."""
    return [_writer("bvh", ".bvh"), _writer("humanml3d", ".npy"), _writer("npz", ".npz")]


@hookimpl
def skeletonllm_topologies() -> Iterable[Topology]:
    """The hierarchies of depth cameras, HumanML3D, SMPL and COCO."""
    from skeletonllm_core.motion.topologies import TOPOLOGIES

    return TOPOLOGIES.values()
