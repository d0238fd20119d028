"""Times and errors of the renderer on one core, beside the plain-torch twin in the same run.

    python benchmarks/renderer.py

Clips are the project's own procedural ones; times are the median of nine runs, CPU time in brackets.
"""

from __future__ import annotations

import time
from statistics import median

import torch

from skeletonllm_core.motion.canonical import CanonicalFrames, canonical_frames
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import bone_batch
from skeletonllm_core.train.procedural import make_motion

ACTIONS = ("walk", "run", "jump", "squat")


def milliseconds(run, times: int = 9) -> tuple[float, float]:
    """Median wall and CPU time [ms] of this thread."""
    run()
    wall, cpu = [], []
    for _ in range(times):
        began = time.perf_counter(), time.thread_time()
        run()
        wall.append(1e3 * (time.perf_counter() - began[0]))
        cpu.append(1e3 * (time.thread_time() - began[1]))
    return median(wall), median(cpu)


def line(what: str, found: tuple[float, float]) -> None:
    print(f"{what:52}{found[0]:9.1f} ms   ({found[1]:.1f})")


def speed(clips: list[CanonicalFrames], size: int) -> float:
    """Print the times of rendering `clips`; returns the wall time of forward and backward [ms]."""
    renderer = SkeletonRenderer(size)
    batch = bone_batch(clips)
    params, _ = renderer.gaussians(batch, size)
    print(f"{params.shape[1]} frames × {params.shape[2]} Gaussians × {size}², bones {batch.start.shape[1]}")
    upstream = torch.randn(len(batch), 3, size, size)

    def forward() -> None:
        with torch.no_grad():
            renderer(batch)

    def head() -> None:
        with torch.no_grad():
            renderer.gaussians(batch, size)

    def both() -> None:
        renderer.zero_grad()
        renderer(batch).backward(upstream)

    line("  arrange the clips (bone_batch)", milliseconds(lambda: bone_batch(clips)))
    line("  Gaussians in the image (splats, appearance, camera)", milliseconds(head))
    line("  all forward", milliseconds(forward))
    found = milliseconds(both)
    line("  all forward and backward", found)
    return found[0]


def errors(clip: CanonicalFrames, size: int) -> None:
    """Print how far image and gradients are from the twin's."""
    renderer = SkeletonRenderer(size)
    person = clip.persons[0]
    positions = torch.tensor(person.positions, requires_grad=True)
    velocities = torch.tensor(person.velocities, requires_grad=True)
    batch = bone_batch(clip, positions=[positions], velocities=[velocities])
    inputs = {"positions": positions, "velocities": velocities, **dict(renderer.named_parameters())}
    upstream = torch.randn(len(batch), 3, size, size, generator=torch.Generator().manual_seed(0))
    images = renderer(batch), renderer.render_reference(batch)
    print(f"{len(batch)} frames × {size}²: image at most {(images[0] - images[1]).abs().max():.1e} from the twin's;")
    one, other = (torch.autograd.grad(image, inputs.values(), upstream, retain_graph=True) for image in images)
    far = {name: float((a - b).norm() / b.norm()) for name, a, b in zip(inputs, one, other, strict=True)}
    print("  gradients, relative L2: " + ", ".join(f"{name.split('.')[-1]} {value:.0e}" for name, value in far.items()))


def main() -> None:
    torch.set_num_threads(1)
    clips = [canonical_frames([make_motion(ACTIONS[seed % 4], "cmu", seed=seed)], 12) for seed in range(32)]
    speed(clips, 64)
    large = speed(clips[:1], 448)
    renderer, one = SkeletonRenderer(448), bone_batch(canonical_frames([make_motion("walk", "cmu", seed=0)], 1))
    began = time.perf_counter()
    renderer.render_reference(one).sum().backward()
    dense = 12e3 * (time.perf_counter() - began)
    print(f"  the twin, forward and backward, 12 × one frame {dense:14.0f} ms: {dense / large:.0f} times as long")
    for size in (64, 448):
        errors(canonical_frames([make_motion("walk", "cmu", seed=1)], 12 if size == 64 else 1), size)


if __name__ == "__main__":
    main()
