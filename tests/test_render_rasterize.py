"""The kernels against the plain-torch twin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.render import kernels_cpu, reference
from skeletonllm_core.render.rasterize import rasterize


@pytest.fixture
def threads() -> Iterator[None]:
    kept = torch.get_num_threads()
    yield
    torch.set_num_threads(kept)


def gaussians(
    frames: int, count: int, height: int, width: int, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ellipses, some of them partly or wholly outside of the image."""
    random = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(frames, count, generator=random, dtype=dtype)

    u, v, turn = uniform(-5, width + 5), uniform(-5, height + 5), uniform(0, 3.14)
    long, short = uniform(1, 6) ** -2, uniform(0.6, 3) ** -2
    cos, sin = turn.cos(), turn.sin()
    a, b, c = cos**2 * long + sin**2 * short, cos * sin * (long - short), sin**2 * long + cos**2 * short
    params = torch.stack([u, v, a, b, c, uniform(0, 1), uniform(0, 1), uniform(0, 1), uniform(0, 1)])
    return params, uniform(1, 5)


@pytest.mark.parametrize(("height", "width"), [(30, 30), (64, 64), (100, 100), (17, 41), (448, 448)])
def test_forward_and_backward_agree_with_the_twin(height: int, width: int) -> None:
    frames = 1 if height > 100 else 2
    params, depth = gaussians(frames, 40, height, width)
    params.requires_grad_()
    upstream = torch.randn(frames, 3, height, width, generator=torch.Generator().manual_seed(1))
    images, gradients = [], []
    for composite in (rasterize, reference.composite):
        image = composite(params, depth, height, width)
        images.append(image)
        gradients.append(torch.autograd.grad(image, params, upstream)[0])
    assert images[0].shape == (frames, 3, height, width) and images[0].is_contiguous()
    assert (images[0] - images[1]).abs().max() < 1e-4
    assert images[0].min() >= 0 and images[0].max() <= 1 + 1e-6
    for given, wanted in zip(*gradients, strict=True):
        assert (given - wanted).norm() <= 1e-3 * wanted.norm()


def test_the_twin_agrees_with_finite_differences() -> None:
    params, depth = gaussians(1, 4, 7, 9, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: reference.composite(p, depth, 7, 9), params.requires_grad_())


def test_the_nearer_one_hides_the_farther_one_and_order_in_the_list_does_not_matter() -> None:
    params = torch.tensor([10.0, 10, 0.05, 0, 0.05, 1, 1, 0, 0]).repeat(2, 1).T[:, None].clone()
    params[6:, 0, 1] = torch.tensor([0.0, 1, 0])  # the second one is green
    red_first = rasterize(params, torch.tensor([[1.0, 2.0]]), 20, 20)[0, :, 10, 10]
    green_first = rasterize(params, torch.tensor([[2.0, 1.0]]), 20, 20)[0, :, 10, 10]
    assert red_first[0] > 0.6 > 0.3 > red_first[1] and green_first[1] > 0.6 > 0.3 > green_first[0]
    swapped = rasterize(params.flip(2), torch.tensor([[2.0, 1.0]]), 20, 20)[0, :, 10, 10]
    assert torch.equal(swapped, red_first)


def test_a_single_ball_has_the_value_of_the_formula() -> None:
    params = torch.tensor([5.5, 5.5, 0.5, 0, 0.5, 0.9, 1, 0.5, 0]).reshape(9, 1, 1)
    image = rasterize(params, torch.ones(1, 1), 11, 11)[0]
    middle, aside = 1 - torch.exp(torch.tensor(-0.9)), 1 - torch.exp(-0.9 * torch.exp(torch.tensor(-0.25)))
    torch.testing.assert_close(image[:, 5, 5], torch.stack([middle, middle / 2, 0 * middle]), atol=1e-5, rtol=0)
    torch.testing.assert_close(image[0, 5, 6], aside, atol=1e-5, rtol=0)
    torch.testing.assert_close(image[0, 6, 5], aside, atol=1e-5, rtol=0)


@pytest.mark.parametrize("row", range(9))
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_values_that_are_no_gaussian_draw_nothing_and_harm_nothing(row: int, bad: float) -> None:
    params, depth = gaussians(2, 6, 20, 20)
    good = rasterize(params[:, :, 1:], depth[:, 1:], 20, 20)
    params[row, :, 0] = bad
    params.requires_grad_()
    image = rasterize(params, depth, 20, 20)
    image.sum().backward()
    assert torch.isfinite(params.grad).all()
    if row < 6 or not torch.isfinite(torch.tensor(bad)):
        assert torch.equal(image, good) and params.grad[:, :, 0].eq(0).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_depth_that_is_not_finite_draws_nothing(bad: float) -> None:
    params, depth = gaussians(1, 6, 20, 20)
    depth[0, 2] = bad
    image = rasterize(params.requires_grad_(), depth, 20, 20)
    image.sum().backward()
    assert params.grad[:, 0, 2].eq(0).all() and torch.isfinite(params.grad).all()
    assert (image - reference.composite(params, depth, 20, 20)).abs().max() < 1e-4


def test_upstream_gradients_may_lie_in_memory_as_they_like() -> None:
    params, depth = gaussians(2, 20, 24, 24)
    params.requires_grad_()
    plain = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(2))
    wanted = torch.autograd.grad(rasterize(params, depth, 24, 24), params, plain)[0]
    channels_last = plain.contiguous(memory_format=torch.channels_last)
    assert torch.equal(torch.autograd.grad(rasterize(params, depth, 24, 24), params, channels_last)[0], wanted)
    expanded = torch.autograd.grad(rasterize(params, depth, 24, 24).sum(), params)[0]
    ones = torch.autograd.grad(rasterize(params, depth, 24, 24), params, torch.ones(2, 3, 24, 24))[0]
    assert torch.equal(expanded, ones)
    odd = torch.randn(2, 3, 21, 19, generator=torch.Generator().manual_seed(3))
    wanted = torch.autograd.grad(rasterize(params, depth, 21, 19), params, odd)[0]
    for given in (odd.contiguous(memory_format=torch.channels_last), odd.mT.contiguous().mT, odd.double()):
        assert torch.equal(torch.autograd.grad(rasterize(params, depth, 21, 19), params, given)[0], wanted)
    strided = params.detach().transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    assert torch.equal(rasterize(strided, depth, 24, 24), rasterize(params, depth, 24, 24))


def test_any_number_of_workers_gives_the_same_bits(threads: None) -> None:
    params, depth = gaussians(7, 50, 40, 40)
    params.requires_grad_()
    found = []
    for workers in (1, 2, 3, 16, 1):
        torch.set_num_threads(workers)
        image = rasterize(params, depth, 40, 40)
        found.append((image.detach(), torch.autograd.grad(image.square().sum(), params)[0]))
    assert all(torch.equal(found[0][part], other[part]) for other in found[1:] for part in (0, 1))


def test_two_threads_draw_at_once() -> None:
    scenes = [gaussians(4, 60, 72, 72, seed=seed) for seed in range(2)]

    def drawn(params: torch.Tensor, depth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        params = params.clone().requires_grad_()
        image = rasterize(params, depth, 72, 72)
        return image.detach(), torch.autograd.grad(image.square().sum(), params)[0]

    wanted = [drawn(*scene) for scene in scenes]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.map(drawn, *zip(*scenes, strict=True)) for _ in range(10)]
        for run in runs:
            for one, other in zip(run, wanted, strict=True):
                assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


@pytest.mark.parametrize("opacity", [1.0, 0.1, 1e-3])
def test_exactly_the_pixels_of_the_ellipse_are_drawn(opacity: float) -> None:
    """Where the Gaussian would stop more than the cut-off, to a thousandth of it, and nowhere else."""
    a, b, c = 0.02, 0.011, 0.03
    params = torch.tensor([20.3, 17.9, a, b, c, opacity, 1, 1, 1]).reshape(9, 1, 1)
    image = rasterize(params, torch.ones(1, 1), 41, 45)[0, 0]
    x, y = torch.arange(45).double() + 0.5 - 20.3, torch.arange(41).double()[:, None] + 0.5 - 17.9
    q = opacity * torch.exp(-0.5 * (a * x**2 + 2 * b * x * y + c * y**2))
    assert (image[q > 1.001 * kernels_cpu.CUTOFF] > 0).all() and image[q < 0.999 * kernels_cpu.CUTOFF].eq(0).all()


def test_a_gaussian_wider_than_any_image_is_not_drawn_and_one_as_wide_as_the_image_is() -> None:
    for sharpness, bright in ((1e-30, False), (1e-13, False), (1e-6, True)):
        params = torch.tensor([8.0, 8, sharpness, 0, sharpness, 0.9, 1, 1, 1]).reshape(9, 1, 1).requires_grad_()
        image = rasterize(params, torch.ones(1, 1), 16, 16)
        image.sum().backward()
        assert bool(image.min() > 0.5) == bright and bool(image.eq(0).all()) != bright
        assert torch.isfinite(params.grad).all()


def test_nothing_to_draw_is_black() -> None:
    empty = torch.zeros(9, 2, 0, requires_grad=True)
    image = rasterize(empty, torch.zeros(2, 0), 8, 8)
    image.sum().backward()
    assert image.shape == (2, 3, 8, 8) and image.eq(0).all() and empty.grad.shape == (9, 2, 0)
    assert rasterize(torch.zeros(9, 0, 4), torch.zeros(0, 4), 8, 8).shape == (0, 3, 8, 8)
    assert reference.composite(torch.zeros(9, 0, 4), torch.zeros(0, 4), 8, 8).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("params", "depth", "size", "says"),
    [
        (torch.zeros(8, 1, 1), torch.zeros(1, 1), 8, "params \\(9, F, N\\)"),
        (torch.zeros(9, 1, 1), torch.zeros(1, 2), 8, "depth \\(F, N\\)"),
        (torch.zeros(9, 1, 1, dtype=torch.float64), torch.zeros(1, 1), 8, "float32"),
        (torch.zeros(9, 1, 1), torch.zeros(1, 1), 0, "at least one pixel"),
    ],
)
def test_wrong_input_is_said(params: torch.Tensor, depth: torch.Tensor, size: int, says: str) -> None:
    with pytest.raises(SkeletonLLMError, match=says):
        rasterize(params, depth, size, size)


def test_many_sizes_after_each_other_keep_few_workspaces() -> None:
    for size in range(8, 120, 8):
        params, depth = gaussians(1, 5, size, size)
        assert (
            rasterize(params, depth, size, size) - reference.composite(params, depth, size, size)
        ).abs().max() < 1e-4
    assert len(kernels_cpu._local.workspaces) <= 8


def run(script: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_folder_for_kernels_that_cannot_be_written_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    script = """
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.render import kernels_cpu
for _ in range(2):
    try:
        kernels_cpu.load()
    except SkeletonLLMError as error:
        print(error)
"""
    done = run(script, WARP_CACHE_PATH=str(tmp_path / "file"))
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and all("WARP_CACHE_PATH" in line and str(tmp_path) in line for line in lines), done


def test_loading_is_silent_and_other_words_on_stderr_survive(tmp_path: Path) -> None:
    script = """
import os, warp
from skeletonllm_core.render import kernels_cpu
init = warp.init
def talkative():
    init()
    os.write(2, b"something else\\n")
warp.init = talkative
kernels_cpu.load()
kernels_cpu.load()
"""
    done = run(script)
    assert done.returncode == 0 and done.stdout == "" and done.stderr == "something else\n", done


def test_loading_works_without_stderr() -> None:
    done = run("import os; os.close(2)\nfrom skeletonllm_core.render import kernels_cpu; kernels_cpu.load()")
    assert done.returncode == 0, done


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_draws_too() -> None:
    script = """
import os, sys, torch
from skeletonllm_core.render.rasterize import rasterize
torch.set_num_threads(2)
params = torch.tensor([5.5, 5.5, .5, 0, .5, .9, 1, .5, 0]).reshape(9, 1, 1).repeat(1, 4, 1)
image = rasterize(params, torch.ones(4, 1), 11, 11)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(rasterize(params, torch.ones(4, 1), 11, 11), image) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run(script)
    assert done.returncode == 0, done


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells how large a process has been")
def test_memory_grows_by_little_more_than_the_image() -> None:
    script = """
import re, torch
from pathlib import Path
from skeletonllm_core.render.rasterize import rasterize
torch.set_num_threads(1)
def most():
    # getrusage would count what the process that started this one had.
    return int(re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
def run(size, upstream):
    params = torch.rand(9, 12, 100)
    params[:2] *= size
    params[2:5] = torch.tensor([.01, 0, .01])[:, None, None]
    rasterize(params.requires_grad_(), torch.rand(12, 100), size, size).backward(upstream)
run(64, torch.rand(12, 3, 64, 64))
upstream = torch.rand(12, 3, 448, 448)
before = most()
for _ in range(3):
    run(448, upstream)
print(most() - before)
"""
    done = run(script)
    image = 12 * 3 * 448**2 * 4 / 2**20
    assert done.returncode == 0 and image * 0.5 < float(done.stdout) < image + 20, done
