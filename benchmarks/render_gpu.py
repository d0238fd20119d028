"""Times of the renderer on a CUDA GPU, beside what its memory allows, and beside gsplat where that is installed.

    python benchmarks/render_gpu.py

Times are medians of CUDA events around 50 runs after a warm-up; the upstream gradient is handed over ready-made, and
gradients go to the ends of the bones, the balls, their motion and every value of the appearance. "graph" is the same
work captured once with `torch.cuda.graph` and replayed. Exits with 2 where there is no GPU.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.render.rasterize import rasterize
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import BoneBatch, bone_batch
from skeletonllm_core.train.procedural import make_motion

RUNS = 50
FORWARD_BAR, BOTH_BAR = 0.2, 0.5  # ms, 12 × 448², one person, the head included
FORWARD_FLOP, BACKWARD_FLOP = 27, 75  # a pixel and Gaussian; an exp counts as one
CASES = (  # clips of 12 frames, persons, size
    (1, 1, 448), (1, 2, 448), (1, 8, 448), (1, 1, 112), (1, 1, 224), (1, 1, 896), (8, 1, 448), (32, 1, 448), (32, 1, 64)
)  # fmt: skip
ACTIONS = ("walk", "run", "jump", "squat")
LEAVES = (
    "start", "end", "start_velocity", "end_velocity", "start_acceleration", "end_acceleration",
    "ball", "ball_velocity", "ball_acceleration",
)  # fmt: skip
Run = Callable[[], object]


def bones(clips: int, persons: int, device: str) -> BoneBatch:
    """Procedural clips of 12 frames; every tensor that has a gradient is a leaf."""
    made = [
        canonical_frames(
            [make_motion(ACTIONS[(clip + who) % 4], "cmu", seed=8 * clip + who) for who in range(persons)], 12
        )
        for clip in range(clips)
    ]
    batch = bone_batch(made, device)
    return dataclasses.replace(batch, **{name: getattr(batch, name).requires_grad_() for name in LEAVES})


def milliseconds(run: Run) -> float:
    """Median time of a run on the GPU [ms]."""
    for _ in range(5):
        run()
    pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(RUNS)]
    for began, ended in pairs:
        torch.cuda.synchronize()
        began.record()
        run()
        ended.record()
    torch.cuda.synchronize()
    return median(began.elapsed_time(ended) for began, ended in pairs)


def captured(run: Run) -> Run:
    """The same work as one graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = run()

    def replay(_outputs: object = kept) -> None:
        graph.replay()

    return replay


def copy_bandwidth() -> float:
    """Bytes read and written a second by a copy of 1 GiB."""
    source = torch.empty(2**28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / (1e-3 * milliseconds(lambda: target.copy_(source)))


def multiply_rate() -> float:
    """FLOP a second of a float32 matrix product, without tensor cores."""
    torch.backends.cuda.matmul.allow_tf32 = False
    size = 8192
    one, other = torch.randn(2, size, size, device="cuda")
    return 2 * size**3 / (1e-3 * milliseconds(lambda: one @ other))


def floors(image: torch.Tensor, params: torch.Tensor, bandwidth: float, rate: float) -> tuple[float, float]:
    """What memory and arithmetic need at least, forward and both ways [ms].

    Forward writes the image and reads the Gaussians; backward reads image and upstream gradient where anything is drawn.
    """
    _, _, bits, _ = image.grad_fn.saved_tensors
    words = bits.cpu().numpy().view(np.uint32)
    pairs = 256 * int(np.bitwise_count(words).sum())
    touched = 256 * int((words != 0).any(1).sum())
    forward = max((image.nbytes + params.nbytes) / bandwidth, FORWARD_FLOP * pairs / rate)
    backward = max((24 * touched + 2 * params.nbytes) / bandwidth, BACKWARD_FLOP * pairs / rate)
    return 1e3 * forward, 1e3 * (forward + backward)


def speed(clips: int, persons: int, size: int, bandwidth: float, rate: float) -> tuple[float, float]:
    """Print a row of the table; returns the times of the graphs, the head included [ms]."""
    renderer, batch = SkeletonRenderer(size).cuda(), bones(clips, persons, "cuda")
    inputs = [*(getattr(batch, name) for name in LEAVES), *renderer.parameters()]
    params, depth = renderer.gaussians(batch, size)
    params = params.detach().requires_grad_()
    upstream = torch.randn(len(batch), 3, size, size, device="cuda")

    @torch.no_grad()
    def forward() -> object:
        return renderer(batch)

    def both() -> object:
        return torch.autograd.grad(renderer(batch), inputs, upstream)

    @torch.no_grad()
    def raster_forward() -> object:
        return rasterize(params, depth, size, size)

    def raster_both() -> object:
        return torch.autograd.grad(rasterize(params, depth, size, size), params, upstream)

    eager = milliseconds(forward), milliseconds(both)
    graph = milliseconds(captured(forward)), milliseconds(captured(both))
    raster_eager = milliseconds(raster_forward), milliseconds(raster_both)
    raster = milliseconds(captured(raster_forward)), milliseconds(captured(raster_both))
    floor = floors(rasterize(params, depth, size, size), params, bandwidth, rate)
    pairs = "".join(f"{one:9.3f} {other:8.3f}" for one, other in (eager, graph, raster_eager, raster, floor))
    print(f"{clips:5}{persons:8}{size:6}{params.shape[2]:11}{pairs}", flush=True)
    return graph


def equality(size: int) -> None:
    """Print how far image and gradients are from the CPU's."""
    found = []
    for device in ("cpu", "cuda"):
        renderer, batch = SkeletonRenderer(size).to(device), bones(2, 2, device)
        inputs = {name: getattr(batch, name) for name in LEAVES} | dict(renderer.named_parameters())
        image = renderer(batch)
        upstream = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)).to(device)
        gradients = torch.autograd.grad(image, list(inputs.values()), upstream)
        found.append([image.detach().cpu(), *(one.cpu() for one in gradients)])
    (image, *gradients), (other, *others) = found
    far = max(float((a - b).norm() / a.norm()) for a, b in zip(gradients, others, strict=True))
    print(
        f"24 × {size}², two persons: image at most {(image - other).abs().max():.1e} from the CPU's (bar 2e-5); ",
        end="",
    )
    print(f"gradients, relative L2: {far:.1e} or less")


def beside_gsplat(size: int) -> None:
    """Print gsplat's times for the same ellipses; its light is stopped by o w, not by 1 - exp(-o w)."""
    try:
        from gsplat import isect_offset_encode, isect_tiles, rasterize_to_pixels
    except ImportError:
        print("gsplat is not installed here, so there is no yardstick beside the floor: pip install gsplat")
        return
    with torch.no_grad():
        params, depth = SkeletonRenderer(size).cuda().gaussians(bones(1, 1, "cuda"), size)
    a, b, c = params[2:5]
    extent = torch.stack([c, a], -1) / (a * c - b * b)[..., None]
    shown = torch.isfinite(depth)
    radii = torch.where(shown[..., None], torch.ceil(3.33 * extent.sqrt()), 0.0).to(torch.int32)
    means, conics = params[:2].movedim(0, -1).contiguous(), params[2:5].movedim(0, -1).contiguous()
    colours, opacities = params[6:].movedim(0, -1).contiguous(), params[5].contiguous()
    leaves = [one.requires_grad_() for one in (means, conics, colours, opacities)]
    upstream = torch.randn(len(depth), size, size, 3, device="cuda")
    tiles, finite = -(-size // 16), torch.where(shown, depth, 1e6)

    def forward() -> torch.Tensor:
        _, ids, order = isect_tiles(means, radii, finite, 16, tiles, tiles)
        offsets = isect_offset_encode(ids, len(depth), tiles, tiles)
        return rasterize_to_pixels(means, conics, colours, opacities, size, size, 16, offsets, order)[0]

    def both() -> object:
        return torch.autograd.grad(forward(), leaves, upstream)

    times = milliseconds(torch.no_grad()(forward)), milliseconds(both)
    print(
        f"gsplat, 12 × {size}², ellipses given, eager: forward {times[0]:.3f} ms, forward and backward {times[1]:.3f} ms"
    )


def main() -> int:
    if not torch.cuda.is_available():
        print("torch sees no CUDA GPU on this machine, so there is nothing to time")
        return 2
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    equality(64)
    equality(448)
    bandwidth, rate = copy_bandwidth(), multiply_rate()
    print(f"a copy moves {bandwidth / 1e12:.2f} TB/s, a float32 matrix product does {rate / 1e12:.1f} TFLOP/s\n")
    print("12 frames a clip; times in ms, forward, then forward and backward; floor: of the rasteriser alone")
    heads = ("whole, eager", "whole, graph", "raster, eager", "raster, graph", "floor")
    print("clips persons  size  Gaussians" + "".join(f"{head:>18}" for head in heads))
    found = [speed(*case, bandwidth, rate) for case in CASES]
    print()
    beside_gsplat(448)
    for what, time, bar in zip(("forward", "forward and backward"), found[0], (FORWARD_BAR, BOTH_BAR), strict=True):
        print(f"12 × 448², {what}: {time:.3f} ms, bar {bar} ms: {'met' if time <= bar else 'MISSED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
