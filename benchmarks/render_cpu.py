"""Times of the renderer on one core, beside the published algorithm, the machine's limits and its own errors.

    python benchmarks/render_cpu.py [FOLDER]

The published algorithm (every Gaussian over every pixel, one after the other) is `render/reference.py`, timed on one frame in
the same run. FOLDER holds `weights/` and `parity/` of the authors (default: ../shared); without it the comparison is made
with our own Gaussians only. Times are CPU time of this thread, upstream gradients are handed over ready-made.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from statistics import median

import numpy as np
import torch
from safetensors.torch import load_file

from skeletonllm_core.motion.canonical import CanonicalFrames, canonical_frames
from skeletonllm_core.render import kernels_cpu, published, reference
from skeletonllm_core.render.measures import colour_spread, motion_visibility
from skeletonllm_core.render.rasterize import rasterize
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import bone_batch
from skeletonllm_core.train.procedural import make_motion

FRAMES, SIZE = 12, 448
ACTIONS = ("walk", "run", "jump", "squat", "wave right hand", "kick", "throw", "point")
FORWARD_FLOPS, BACKWARD_FLOPS = 37, 61
"""Floating point operations a pixel of an ellipse, counted in `kernels_cpu`."""


def milliseconds(run: Callable[[], object], times: int = 15) -> tuple[float, float]:
    """Median and least CPU time of this thread [ms]."""
    run()
    spent = []
    for _ in range(times):
        began = time.thread_time()
        run()
        spent.append(1e3 * (time.thread_time() - began))
    return median(spent), min(spent)


def clip(*actions: str) -> CanonicalFrames:
    """A clip of several persons, each doing something else."""
    return canonical_frames([make_motion(action, "cmu", seed=seed) for seed, action in enumerate(actions)], FRAMES)


def ellipse_pixels(params: torch.Tensor, depth: torch.Tensor) -> float:
    """Pixels inside the ellipses that are drawn, whether or not they are inside of the image."""
    a, b, c, opacity = params[2:6].double()
    area = math.pi * 2 * torch.log(opacity / kernels_cpu.CUTOFF) / torch.sqrt(a * c - b * b)
    return float(area[torch.isfinite(depth) & (opacity > kernels_cpu.CUTOFF)].sum())


class Ours:
    """Our renderer on one clip: joints and appearance take gradients."""

    def __init__(self, frames: CanonicalFrames, size: int, renderer: SkeletonRenderer | None = None) -> None:
        self.frames, self.size, self.renderer = frames, size, renderer or SkeletonRenderer(size)
        names = ("positions", "velocities", "accelerations")
        self.joints = {
            name: [torch.tensor(getattr(person, name), requires_grad=True) for person in frames.persons]
            for name in names
        }
        with torch.no_grad():
            self.params, self.depth = self.renderer.gaussians(bone_batch(frames), size)
        self.upstream = torch.rand(len(frames.ground), 3, size, size)

    def gaussians(self) -> None:
        with torch.no_grad():
            self.renderer.gaussians(bone_batch(self.frames), self.size)

    def forward(self) -> None:
        with torch.no_grad():
            self.renderer(self.frames, self.size)

    def both(self) -> None:
        self.renderer.zero_grad()
        for joints in self.joints.values():
            for one in joints:
                one.grad = None
        self.renderer(bone_batch(self.frames, **self.joints), self.size).backward(self.upstream)


class Published:
    """The published renderer with the authors' weights on `count` stored frames."""

    def __init__(self, folder: Path, case: str, count: int) -> None:
        stored = np.load(folder / "parity" / f"parity_{case}.npz")
        there = stored["poses"].any(axis=(0, 2, 3))
        self.where = torch.from_numpy(stored["poses"][:count, there]).requires_grad_()
        self.moved = torch.from_numpy(stored["vels"][:count, there])
        self.renderer = published.load(folder / "weights" / "draction_candidate_01.safetensors")
        with torch.no_grad():
            self.params, self.depth = self.renderer.gaussians(self.where, self.moved, size=SIZE)
        self.upstream = torch.rand(count, 3, SIZE, SIZE).permute(0, 2, 3, 1)

    def forward(self) -> None:
        with torch.no_grad():
            self.renderer.render(self.where, self.moved, size=SIZE)

    def both(self) -> None:
        self.renderer.zero_grad()
        self.where.grad = None
        self.renderer.render(self.where, self.moved, size=SIZE).backward(self.upstream)


def dense(params: torch.Tensor, depth: torch.Tensor, gradient: bool) -> float:
    """CPU time of the published algorithm on the first frame [ms]."""
    params = params[:, :1].clone().requires_grad_(gradient)
    began = time.thread_time()
    image = reference.composite(params, depth[:1], SIZE, SIZE)
    if gradient:
        image.sum().backward()
    return 1e3 * (time.thread_time() - began)


def against_the_published_algorithm(folder: Path) -> None:
    print(f"\n{SIZE}², ms of CPU time, median of 15 (least); dense: one frame, times the number of frames")
    print(f"{'':44}{'ours':>16}{'dense':>10}{'ratio':>8}")
    rows: list[tuple[str, Ours | Published]] = [("our maths, one person", Ours(clip("walk"), SIZE))]
    rows.append(("our maths, two persons", Ours(clip("walk", "squat"), SIZE)))
    if (folder / "weights").is_dir():
        rows += [
            ("published maths, one person", Published(folder, "ntu1_c01_448", FRAMES)),
            ("published maths, two persons", Published(folder, "ntu2_c01_224", FRAMES)),
        ]
    for what, drawn in rows:
        slow = dense(drawn.params, drawn.depth, False) * drawn.depth.shape[0]
        one_row(what, drawn, drawn.forward, slow, "forward")
    if (folder / "weights").is_dir():
        for count in (1, 2):
            drawn = Published(folder, "ntu1_c01_448", count)
            slow = dense(drawn.params, drawn.depth, True) * count
            one_row("published maths, one person", drawn, drawn.both, slow, "forward and backward")


def one_row(what: str, drawn: Ours | Published, run: Callable[[], object], slow: float, which: str) -> None:
    middle, least = milliseconds(run)
    frames, count = drawn.depth.shape
    print(f"{f'{what}: {frames} × {count} Gaussians, {which}':64}")
    print(f"{'':44}{middle:8.1f} ({least:4.1f}){slow:10.0f}{slow / middle:7.0f}×")


def absolute(shipped: SkeletonRenderer) -> None:
    print(
        f"\nour renderer, {FRAMES} × {SIZE}², one person, gradients to joints and appearance, ms: median of 15 (least)"
    )
    for what, renderer in (("as it begins", None), ("shipped weights", shipped)):
        drawn = Ours(clip("walk"), SIZE, renderer)
        for name, run in (
            ("Gaussians", drawn.gaussians),
            ("forward", drawn.forward),
            ("forward and backward", drawn.both),
        ):
            middle, least = milliseconds(run)
            print(f"  {what + ', ' + name:44}{middle:8.2f} ({least:.2f})")


def growth() -> None:
    # Images of more than 32 MB at once lie in memory that glibc maps afresh and clears for every call; here it keeps it.
    ctypes.CDLL(None).mallopt(-4, 0)  # M_MMAP_MAX
    ctypes.CDLL(None).mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
    print(f"\nforward, {FRAMES} frames: ms (ns a pixel of the image | ns a pixel inside of the ellipses)")
    print("persons " + "".join(f"{f'{size}²':>26}" for size in (112, 224, 448, 896)))
    for persons in (1, 2, 4, 8):
        cells = []
        for size in (112, 224, 448, 896):
            drawn = Ours(clip(*ACTIONS[:persons]), size)
            least = milliseconds(drawn.forward, 7)[1]
            inside = ellipse_pixels(drawn.params, drawn.depth)
            cells.append(f"{least:8.1f} ({1e6 * least / (FRAMES * size * size):5.2f} | {1e6 * least / inside:5.2f})")
        print(f"{persons:7} " + "".join(f"{cell:>26}" for cell in cells))
    print("frames, one person, 448²: ", end="")
    for frames in (3, 6, 12, 24):
        drawn = Ours(canonical_frames([make_motion("walk", "cmu", seed=0)], frames), SIZE)
        print(f"{frames}: {milliseconds(drawn.forward, 7)[1]:.1f} ms  ", end="")
    print()


def limits() -> None:
    """What the kernels take, beside what the machine needs to write the image and to do the arithmetic."""
    plane, square = torch.empty(FRAMES, 3, SIZE, SIZE), torch.rand(1024, 1024)
    fill = milliseconds(plane.zero_)[1]
    flops = 2 * 1024**3 / milliseconds(lambda: square @ square)[1] / 1e6
    drawn = Ours(clip("walk"), SIZE)
    inside = ellipse_pixels(drawn.params, drawn.depth)
    params = drawn.params.clone().requires_grad_()

    def both() -> None:
        params.grad = None
        rasterize(params, drawn.depth, SIZE, SIZE).backward(drawn.upstream)

    with torch.no_grad():
        forward = milliseconds(lambda: rasterize(drawn.params, drawn.depth, SIZE, SIZE))[1]
    backward = milliseconds(both)[1] - forward
    print(
        f"\nlimits: fill of the images {fill:.2f} ms ({plane.nbytes / fill / 1e6:.0f} GB/s), sgemm {flops:.0f} GFLOP/s"
    )
    for name, taken, bound in (
        ("forward", forward, fill + inside * FORWARD_FLOPS / flops / 1e6),
        ("backward", backward, inside * BACKWARD_FLOPS / flops / 1e6),
    ):
        print(
            f"  rasterize, {name:9} {taken:6.2f} ms, the machine's bound {bound:5.2f} ms: {taken / bound:.1f} times as long"
        )


def memory() -> None:
    """Print how much forward and backward take beyond the upstream gradient."""
    warm, drawn = Ours(clip("walk"), 64), Ours(clip("walk"), SIZE)
    warm.both()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        drawn.both()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\nmemory that forward and backward of {FRAMES} × {SIZE}² take: {grown:.0f} MB")


def start() -> None:
    """Times until the first small image is drawn with an empty cache of kernels and with a full one."""
    script = """
from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.procedural import make_motion
frames = canonical_frames([make_motion("walk", "cmu", seed=0)], 1)
import time
began = time.perf_counter()
SkeletonRenderer(64)(frames).sum().backward()
print(time.perf_counter() - began)
"""
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "warm"):
            done = subprocess.run(
                [sys.executable, "-c", script],
                env={**os.environ, "WARP_CACHE_PATH": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            print(f"first image and gradient, {name} start: {float(done.stdout):.2f} s")


def errors() -> None:
    for size, frames in ((64, FRAMES), (SIZE, 1)):
        drawn = Ours(canonical_frames([make_motion("walk", "cmu", seed=1)], frames), size)
        batch = bone_batch(drawn.frames, **drawn.joints)
        inputs = {**{name: one[0] for name, one in drawn.joints.items()}, **dict(drawn.renderer.named_parameters())}
        images = drawn.renderer(batch), drawn.renderer.render_reference(batch)
        one, other = (
            torch.autograd.grad(im, list(inputs.values()), drawn.upstream, retain_graph=True) for im in images
        )
        far = {n.split(".")[-1]: float((a - b).norm() / b.norm()) for n, a, b in zip(inputs, one, other, strict=True)}
        off = float((images[0] - images[1]).detach().abs().max())
        print(f"{frames} × {size}² against the dense form: image {off:.1e}; gradients,")
        print("  relative L2: " + ", ".join(f"{name} {value:.0e}" for name, value in far.items()))


def appearance(shipped: SkeletonRenderer) -> None:
    clips = [clip(action) for action in ACTIONS]
    print("\nappearance at 64², all of " + ", ".join(ACTIONS))
    for name, renderer in (("as it begins", SkeletonRenderer(64)), ("shipped weights", shipped)):
        visible, spread = motion_visibility(renderer, clips, 64), colour_spread(renderer.appearance)
        print(
            f"  {name:16} motion_visibility {visible:5.1f} / 255 (bar 8), colour std across parts {spread:.3f} (bar 0.05)"
        )


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent.parent / "shared"
    memory()  # first, because the most memory ever used is what the system tells
    start()
    shipped = SkeletonRenderer(64)
    shipped.load_state_dict(load_file(str(resources.files("skeletonllm_core") / "model/default/renderer.safetensors")))
    absolute(shipped)
    limits()
    growth()
    against_the_published_algorithm(folder)
    errors()
    appearance(shipped)


if __name__ == "__main__":
    main()
