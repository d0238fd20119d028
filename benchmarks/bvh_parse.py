"""How long a BVH of 5,000 frames and 31 joints takes to read, beside the other Python packages that read BVH.

Ours ends with joint rotations in metres, Y up; the others only with the table of channels. A package that is not
installed gets a row that says so: pip install bvh bvhtoolbox bvhsdk bvhio
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

import skeletonllm_core as sk

FRAMES, JOINTS, REPEATS = 5000, 31, 3


def write_sample(path: Path) -> None:
    """A body of three chains that swings, written with our own writer."""
    rng = np.random.default_rng(0)
    parents = np.array([-1] + [joint - 1 if joint % 10 != 1 else 0 for joint in range(1, JOINTS)])
    offsets = rng.normal(0, 0.05, (JOINTS, 3)) + np.array([0, 0.1, 0])
    skeleton = sk.Skeleton(sk.Topology("sample", tuple(f"joint{i}" for i in range(JOINTS)), parents), offsets)
    angles = 0.6 * np.sin(np.linspace(0, 60, FRAMES)[:, None] + rng.uniform(0, 6, JOINTS))
    axes = rng.normal(size=(JOINTS, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    rotations = np.concatenate([np.cos(angles)[..., None], np.sin(angles)[..., None] * axes], axis=-1)
    sk.write(sk.Motion(skeleton, rotations, np.zeros((FRAMES, 3)), 120.0), path)


def read_bvh(path: Path) -> object:
    """https://pypi.org/project/bvh"""
    return import_module("bvh").Bvh(path.read_text()).frames


def read_bvhtoolbox(path: Path) -> object:
    """https://pypi.org/project/bvhtoolbox"""
    return import_module("bvhtoolbox").BvhTree(path.read_text()).frames


def read_bvhsdk(path: Path) -> object:
    """https://pypi.org/project/bvhsdk"""
    return import_module("bvhsdk").ReadFile(str(path))


def read_bvhio(path: Path) -> object:
    """https://pypi.org/project/bvhio"""
    return import_module("bvhio").readAsBvh(str(path))


def seconds(read: Callable[[Path], object], path: Path) -> float:
    """The fastest of a few runs."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        read(path)
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.bvh"
        write_sample(path)
        print(f"{FRAMES} frames x {JOINTS} joints, {path.stat().st_size / 1e6:.1f} MB, fastest of {REPEATS}")
        ours = seconds(sk.read, path)
        print(f"{'skeletonllm':<12} {ours:6.3f} s")
        for read in (read_bvh, read_bvhtoolbox, read_bvhsdk, read_bvhio):
            name = read.__name__.removeprefix("read_")
            try:
                import_module(name)
            except ImportError as missing:
                print(f"{name:<12} skipped: {missing}")
                continue
            theirs = seconds(read, path)
            print(f"{name:<12} {theirs:6.3f} s   {theirs / ours:.1f} x ours")


if __name__ == "__main__":
    main()
