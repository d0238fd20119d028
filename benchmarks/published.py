"""The published renderer with its own weights: errors, times and memory on one core, beside its dense form in the same run.

    python benchmarks/published.py [FOLDER]

FOLDER holds `weights/` and `parity/` of the authors (default: ../shared). Times are the median of 15 runs and the least of
them, CPU time of this process; upstream gradients are ready-made, once plane by plane and once pixel by pixel.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from skeletonllm_core.render import published, reference
from skeletonllm_core.render.published import HUMANML3D_BONES, PublishedRenderer

CASES = ("ntu1_c01_448", "ntu2_c01_224", "h3d_c01_224")
FRAMES, SIZE = 12, 448


def milliseconds(run: Callable[[], object], times: int = 15) -> tuple[float, float]:
    """Median and least CPU time [ms]."""
    run()
    spent = []
    for _ in range(times):
        began = time.process_time()
        run()
        spent.append(1e3 * (time.process_time() - began))
    return median(spent), min(spent)


def scene(folder: Path, case: str) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Positions, velocities and images of a stored case; a second person who is nowhere is left out."""
    stored = np.load(folder / "parity" / f"parity_{case}.npz")
    there = stored["poses"].any(axis=(0, 2, 3))
    return torch.from_numpy(stored["poses"][:, there]), torch.from_numpy(stored["vels"][:, there]), stored["frames"]


def errors(folder: Path, renderer: PublishedRenderer) -> None:
    for case in CASES:
        where, moved, frames = scene(folder, case)
        bones = HUMANML3D_BONES if case.startswith("h3d") else None
        with torch.no_grad():
            given = renderer.render(where, moved, size=frames.shape[1], bones=bones).numpy()
        off = given - frames
        print(
            f"{case}: at most {np.abs(off).max():.1e} from the published images, {-10 * np.log10((off**2).mean()):.1f} dB"
        )
    stored = np.load(folder / "parity" / "grad_ntu1_c01_448_P1_1f.npz")
    where, moved, _ = scene(folder, CASES[0])
    joints = where[:1].clone().requires_grad_()
    renderer.zero_grad()
    image = renderer.render(joints, moved[:1])[None]
    (image * torch.rand(image.shape, generator=torch.Generator().manual_seed(7))).mean().backward()
    found = dict(renderer.named_parameters()) | {"poses": joints}
    far = {
        name: float((found[name].grad - torch.from_numpy(stored[name])).norm() / np.linalg.norm(stored[name]))
        for name in stored.files
    }
    print(f"gradients, relative L2: joints {far.pop('poses'):.1e}, parameters at most {max(far.values()):.1e}")


def speed(folder: Path, renderer: PublishedRenderer, case: str) -> None:
    where, moved, _ = scene(folder, case)
    where.requires_grad_()
    planes = torch.rand(FRAMES, 3, SIZE, SIZE).permute(0, 2, 3, 1)
    pixels = planes.contiguous()

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return renderer.render(where, moved, size=SIZE)

    def both(upstream: torch.Tensor) -> None:
        renderer.zero_grad()
        where.grad = None
        renderer.render(where, moved, size=SIZE).backward(upstream)

    def head() -> torch.Tensor:
        with torch.no_grad():
            return renderer.gaussians(where, moved, size=SIZE)[0]

    print(f"{where.shape[1]} person(s), {FRAMES} × {SIZE}², ms: median (least)")
    rows = {
        "joints to ellipses": head,
        "forward": forward,
        "forward and backward, gradient by planes": lambda: both(planes),
        "forward and backward, gradient by pixels": lambda: both(pixels),
        "touched patches of 14": lambda: renderer.touched_patches(where, moved, 14, size=SIZE),
    }
    found = {name: milliseconds(run) for name, run in rows.items()}
    for name, (middle, least) in found.items():
        print(f"  {name:42}{middle:8.2f} ({least:.2f})")
    began = time.process_time()
    with torch.no_grad():
        params, depth = renderer.gaussians(where, moved, size=SIZE)
        reference.composite(params[:, :1], depth[:1], SIZE, SIZE)
    dense = FRAMES * 1e3 * (time.process_time() - began)
    print(f"  dense form, 12 × one frame {dense:23.0f}: {dense / found['forward'][0]:.0f} times as long as forward")


def memory(folder: Path, renderer: PublishedRenderer) -> None:
    where, moved, _ = scene(folder, CASES[0])
    upstream = torch.rand(FRAMES, SIZE, SIZE, 3)
    renderer.render(where[:1], moved[:1], size=SIZE).sum().backward()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        renderer.render(where.requires_grad_(), moved, size=SIZE).backward(upstream)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"memory that forward and backward of 12 × {SIZE}² take: {grown:.0f} MB")


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent.parent / "shared"
    renderer = published.load(folder / "weights" / "draction_candidate_01.safetensors")
    memory(folder, renderer)  # first, because the most memory ever used is what the system tells
    errors(folder, renderer)
    for case in CASES[:2]:
        speed(folder, renderer, case)


if __name__ == "__main__":
    main()
