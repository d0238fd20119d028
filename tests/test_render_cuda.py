"""The kernels for the GPU: on a GPU where there is one, and everywhere as blocks of fibers on the CPU.

Warp runs a block of cooperating threads on one thread of the CPU when `enable_cpu_blocks` is set; it must not be done by
two threads at once.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import warp as wp

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.render import head, kernels_cpu, kernels_cuda, kernels_head, rasterize_cuda
from skeletonllm_core.render.rasterize import rasterize
from skeletonllm_core.render.reference import composite
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import BoneBatch, bone_batch
from tests.cubin import resources
from tests.figures import JOINTS, body, clip, person

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")
GEOMETRY = ("start", "end", "start_velocity", "end_velocity", "start_acceleration", "end_acceleration")
BALLS = ("ball", "ball_velocity", "ball_acceleration")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=needs_gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the kernels run; on the CPU as blocks of fibers."""
    kept, wp.config.enable_cpu_blocks = wp.config.enable_cpu_blocks, True
    yield request.param
    wp.config.enable_cpu_blocks = kept


def gaussians(frames: int, count: int, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ellipses, some of them partly or wholly outside of the image, with a tie in depth."""
    random = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(frames, count, generator=random)

    u, v, turn = uniform(-5, width + 5), uniform(-5, height + 5), uniform(0, 3.14)
    long, short = uniform(1, 9) ** -2, uniform(0.6, 3) ** -2
    cos, sin = turn.cos(), turn.sin()
    a, b, c = cos**2 * long + sin**2 * short, cos * sin * (long - short), sin**2 * long + cos**2 * short
    params = torch.stack([u, v, a, b, c, uniform(0, 1), uniform(0, 1), uniform(0, 1), uniform(0, 1)])
    depth = uniform(1, 5)
    depth[:, -1] = depth[:, 0]
    return params, depth


def spoiled(params: torch.Tensor, depth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """With Gaussians in between that are padding or no Gaussians at all."""
    params, depth = params.clone(), depth.clone()
    depth[:, 5] = torch.inf
    depth[-1, depth.shape[1] // 2 :] = torch.inf
    depth[0, 6], depth[0, 7] = torch.nan, -torch.inf
    params[5, 0, 1], params[2, 0, 2], params[0, 0, 3], params[6, 0, 4] = 0, -1, torch.nan, torch.nan
    params[3, 0, 8], params[5, 0, 9], params[5, 0, 10] = 1e30, 1.5, -0.5
    return params, depth


def both(
    route, params: torch.Tensor, depth: torch.Tensor, size: tuple[int, int], upstream: torch.Tensor, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image and gradient on a device, brought back."""
    params = params.to(device).requires_grad_()
    image = route(params, depth.to(device), *size)
    (gradient,) = torch.autograd.grad(image, params, upstream.to(device, image.dtype))
    return image.detach().cpu(), gradient.cpu()


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


SIZES = [(64, 64, 3, 40), (50, 41, 2, 70), (17, 100, 2, 200), (16, 16, 1, 40), (5, 3, 2, 40)]


@pytest.mark.parametrize(("height", "width", "frames", "count"), SIZES)
def test_images_and_gradients_equal_those_of_the_cpu(
    device: str, height: int, width: int, frames: int, count: int
) -> None:
    params, depth = spoiled(*gaussians(frames, count, height, width, seed=count))
    upstream = noise(frames, 3, height, width)
    image, gradient = both(rasterize_cuda.rasterize, params, depth, (height, width), upstream, device)
    wanted_image, wanted = both(rasterize, params, depth, (height, width), upstream, "cpu")
    assert image.shape == (frames, 3, height, width) and image.max() > 0.3
    assert (image - wanted_image).abs().max() <= 2e-5
    for row, (one, other) in enumerate(zip(gradient, wanted, strict=True)):
        assert (one - other).norm() <= 1e-4 * other.norm(), row


@pytest.mark.parametrize(("height", "width", "frames", "count"), SIZES[:3])
def test_gradients_equal_those_of_the_twin_in_float64(
    device: str, height: int, width: int, frames: int, count: int
) -> None:
    params, depth = gaussians(frames, count, height, width, seed=count)
    params[5].clamp_(min=0.02)  # fainter ones lose their opacity's gradient to the cut-off; see the next test
    upstream = noise(frames, 3, height, width)
    image, gradient = both(rasterize_cuda.rasterize, params, depth, (height, width), upstream, device)
    wanted_image, wanted = both(composite, params.double(), depth.double(), (height, width), upstream, "cpu")
    assert (image - wanted_image).abs().max() < 1e-4
    for row, (one, other) in enumerate(zip(gradient, wanted, strict=True)):
        assert (one - other).norm() <= 1e-3 * other.norm(), row


@pytest.mark.parametrize("opacity", [0.5, 0.02, 1e-3, 1e-4, 2e-5, 5e-6])
def test_the_cut_off_takes_its_share_of_the_gradient_of_a_faint_gaussian(device: str, opacity: float) -> None:
    params = torch.tensor([48.3, 47.1, 0.05, 0.01, 0.08, opacity, 0.3, 0.6, 0.9]).reshape(9, 1, 1)
    depth, upstream = torch.ones(1, 1), torch.ones(1, 3, 96, 96)  # all of it is in the image
    here, cpu, whole = (
        float(both(route, of, depth, (96, 96), upstream, where)[1][5])
        for route, of, where in (
            (rasterize_cuda.rasterize, params, device),
            (rasterize, params, "cpu"),
            (composite, params.double(), "cpu"),
        )
    )
    assert here == pytest.approx(cpu, rel=1e-5, abs=1e-6 * whole)
    # Of ∫ exp(-r² / 2), the part below a level is that level.
    assert 1 - here / whole == pytest.approx(min(kernels_cpu.CUTOFF / opacity, 1), rel=0.1, abs=5e-5)


def test_padding_changes_no_bit_and_has_no_place_in_the_order(device: str) -> None:
    params, depth = gaussians(2, 37, 40, 40)
    upstream = noise(2, 3, 40, 40)
    image, gradient = both(rasterize_cuda.rasterize, params, depth, (40, 40), upstream, device)
    wider = torch.full((9, 2, 300), torch.nan)
    deeper = torch.full((2, 300), torch.inf)
    columns = torch.arange(37) * 8 + 1
    wider[:, :, columns], deeper[:, columns] = params, depth
    padded, padded_gradient = both(rasterize_cuda.rasterize, wider, deeper, (40, 40), upstream, device)
    assert torch.equal(padded, image) and torch.equal(padded_gradient[:, :, columns], gradient)
    rest = torch.ones(300, dtype=torch.bool)
    rest[columns] = False
    assert padded_gradient[:, :, rest].eq(0).all()


def test_order_is_that_of_a_stable_sort(device: str) -> None:
    random = torch.Generator().manual_seed(0)
    depth = torch.randint(0, 9, (3, 70), generator=random).float()
    depth[1, ::3], depth[2, 5], depth[2, 6] = torch.inf, torch.nan, -torch.inf
    params = gaussians(3, 70, 16, 16)[0].to(device)
    on_device = depth.to(device)
    rank = torch.empty(3, 70, dtype=torch.int32, device=device)
    nearer, splats = rank.new_empty(3), params.new_empty(3, 70, kernels_cuda.SPLAT)
    kernels_cpu.load(kernels_cuda.arrange, str(params.device))
    arrays = [rasterize_cuda.array(one) for one in (params, on_device, rank, nearer)]
    arrays.append(rasterize_cuda.array(splats, kernels_cuda.Splat))
    stream = rasterize_cuda.current_stream(params.device)
    kernels_cuda.launch(kernels_cuda.arrange, 3 * 70, arrays, str(params.device), stream)
    for frame in range(3):
        seen = torch.nonzero(torch.isfinite(depth[frame]))[:, 0]
        wanted = seen[torch.argsort(depth[frame, seen], stable=True)]
        assert int(nearer[frame]) == len(wanted)
        assert rank.cpu()[frame, wanted].tolist() == list(range(len(wanted)))
        assert (rank.cpu()[frame] == -1).sum() == 70 - len(wanted)
        assert torch.equal(splats.cpu()[frame, : len(wanted), :9], params.cpu()[:, frame, wanted].T)


def test_the_same_bits_every_time_and_for_any_scratch(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    params, depth = gaussians(5, 90, 48, 48)
    upstream = noise(5, 3, 48, 48)
    found = []
    for scratch in (2**28, 2**28, 2 * 90 * 9 * 9 * 4, 1):  # all frames at once, two at a time, one at a time
        monkeypatch.setattr(rasterize_cuda, "PARTIAL_BYTES", scratch)
        found.append(both(rasterize_cuda.rasterize, params, depth, (48, 48), upstream, device))
    assert found[0][1].norm() > 0
    assert all(torch.equal(one, other) for again in found[1:] for one, other in zip(found[0], again, strict=True))


def test_frames_do_not_touch_each_other(device: str) -> None:
    params, depth = gaussians(3, 50, 33, 33)
    upstream = noise(3, 3, 33, 33)
    together = both(rasterize_cuda.rasterize, params, depth, (33, 33), upstream, device)
    for frame in range(3):
        one = slice(frame, frame + 1)
        alone = both(rasterize_cuda.rasterize, params[:, one], depth[one], (33, 33), upstream[one], device)
        assert torch.equal(alone[0], together[0][one]) and torch.equal(alone[1], together[1][:, one])


@pytest.mark.parametrize("row", range(9))
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_values_that_are_no_gaussian_draw_nothing_and_harm_nothing(device: str, row: int, bad: float) -> None:
    params, depth = gaussians(2, 6, 20, 20)
    good = rasterize_cuda.rasterize(params[:, :, 1:].to(device), depth[:, 1:].to(device), 20, 20)
    params[row, :, 0] = bad
    image, gradient = both(rasterize_cuda.rasterize, params, depth, (20, 20), torch.ones(2, 3, 20, 20), device)
    assert torch.isfinite(gradient).all()
    if row < 6 or not math.isfinite(bad):
        assert torch.equal(image, good.cpu()) and gradient[:, :, 0].eq(0).all()


def test_upstream_gradients_may_lie_in_memory_as_they_like(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backward = rasterize_cuda.kernels.backward
    addresses = []

    def watched(*arrays, **sizes) -> None:
        addresses.append(arrays[4].data)
        backward(*arrays, **sizes)

    monkeypatch.setattr(rasterize_cuda.kernels, "backward", watched)
    params, depth = (one.to(device) for one in gaussians(2, 20, 24, 24))
    params.requires_grad_()
    plain = noise(2, 3, 24, 24).to(device)

    def gradient(upstream: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(rasterize_cuda.rasterize(params, depth, 24, 24), params, upstream)[0]

    wanted = gradient(plain)
    assert torch.equal(gradient(plain.contiguous(memory_format=torch.channels_last)), wanted)
    shifted = torch.cat([plain.new_zeros(1), plain.flatten()])[1:].view_as(plain)  # not on a multiple of 16 bytes
    assert shifted.is_contiguous() and shifted.data_ptr() % 16 and torch.equal(gradient(shifted), wanted)
    ones = torch.ones_like(plain)
    assert torch.equal(gradient(ones[:1, :1, :1, :1].expand_as(plain)), gradient(ones))
    # The kernel reads 16 bytes at a time; a CPU forgives another address, a GPU does not.
    assert len(addresses) == 5 and all(address % 16 == 0 for address in addresses)


def test_nothing_to_draw_is_black(device: str) -> None:
    empty = torch.zeros(9, 2, 0, device=device, requires_grad=True)
    image = rasterize_cuda.rasterize(empty, torch.zeros(2, 0, device=device), 8, 8)
    image.sum().backward()
    assert image.shape == (2, 3, 8, 8) and image.eq(0).all() and empty.grad.shape == (9, 2, 0)
    nobody = torch.full((1, 40), torch.inf, device=device)
    assert rasterize_cuda.rasterize(torch.zeros(9, 1, 40, device=device), nobody, 20, 20).eq(0).all()
    none = torch.zeros(0, 4, device=device)
    assert rasterize_cuda.rasterize(torch.zeros(9, 0, 4, device=device), none, 8, 8).shape == (0, 3, 8, 8)


def test_what_warp_cannot_index_is_said() -> None:
    many = torch.zeros(1, 1).expand(1, 2**20)
    with pytest.raises(SkeletonLLMError, match="render fewer frames, or smaller ones"):
        rasterize_cuda.rasterize(torch.zeros(9, 1, 1).expand(9, 1, 2**20), many, 448, 448)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_said() -> None:
    with pytest.raises(SkeletonLLMError, match=r"cannot use cuda:0.*driver"):
        kernels_cpu.load(kernels_cuda.draw, "cuda:0")


def leaves(batch: BoneBatch, renderer: SkeletonRenderer, dtype: torch.dtype, device: str):
    """The same bones and appearance elsewhere, and everything that has a gradient, by name."""
    other = SkeletonRenderer(renderer.size)
    other.load_state_dict(renderer.state_dict())
    other = other.to(device, dtype)
    moved = {field.name: getattr(batch, field.name).to(device) for field in dataclasses.fields(batch)}
    moved = {name: one.to(dtype) if one.is_floating_point() else one for name, one in moved.items()}
    for name in (*GEOMETRY, *BALLS):
        moved[name] = moved[name].detach().requires_grad_()
    inputs = {name: moved[name] for name in (*GEOMETRY, *BALLS)}
    return BoneBatch(**moved), other, {**inputs, **dict(other.named_parameters())}


def wild_renderer(size: int) -> SkeletonRenderer:
    """Every value of the appearance matters and none is like another."""
    renderer = SkeletonRenderer(size)
    with torch.no_grad():
        for seed, value in enumerate(renderer.parameters()):
            value.add_(0.3 * noise(*value.shape, seed=seed))
    return renderer


def scenes() -> dict[str, BoneBatch]:
    hidden = body(3, seed=1)
    hidden.visible[1, JOINTS.index("left wrist")] = False
    two = clip(body(2, seed=2), body(2, seed=4, shift=(0.8, 0, -0.5)))
    far = clip(hidden, ground=np.array([[0, 0], [0.3, 0.9], [-5.2, 3.3]]))
    joint = [(0, 1.0, 0)]
    short = person([joint * 3], [(0, 1), (0, 2)], [BodyPart.PELVIS, BodyPart.HEAD, None])
    # Behind the camera, at its back, far to the side of it and just before it, so that every clamp is met.
    wild = np.array([[(0, 1, 3.9), (0.1, 1.2, 4.4), (30, 1, 0), (1.5, 2.5, 3.2), (0, -40, 2), (0, 1, -60)]], np.float32)
    wild = person(wild, [(0, 1), (0, 2), (0, 3), (3, 4), (0, 5)], list(BodyPart)[3:9], np.full_like(wild, 2.0))
    nobody = body(2)
    nobody.visible[:] = False
    return {
        "clips of one and two persons": bone_batch([far, two]),
        "no length": bone_batch(clip(short)),
        "wild": dataclasses.replace(bone_batch(clip(wild)), zoom=torch.ones(1)),
        "nobody": bone_batch(clip(nobody)),
        "no bones": bone_batch(clip(person([joint]))),
    }


@pytest.mark.parametrize("name", scenes())
@pytest.mark.parametrize("size", [64, 448])
def test_the_head_and_its_gradients_equal_the_renderers_in_float64(device: str, name: str, size: int) -> None:
    batch, renderer = scenes()[name], wild_renderer(size)
    given_batch, given_renderer, given = leaves(batch, renderer, torch.float32, device)
    wanted_batch, wanted_renderer, wanted = leaves(batch, renderer, torch.float64, "cpu")
    params, depth = head.gaussians(given_batch, given_renderer.appearance, size)
    twin, twin_depth = wanted_renderer.gaussians_reference(wanted_batch, size)
    shown = torch.isfinite(twin_depth)
    assert torch.equal(torch.isfinite(depth).cpu(), shown) and not depth.requires_grad
    torch.testing.assert_close(depth.cpu()[shown].double(), twin_depth[shown], rtol=1e-6, atol=1e-6)
    # Beside the camera float32 itself is not good to 1e-5, so plain torch in float32 is measured too.
    same_batch, same_renderer, same = leaves(batch, renderer, torch.float32, "cpu")
    rounded, _ = same_renderer.gaussians_reference(same_batch, size)
    scale = twin.detach()[:, shown].abs().amax(1)
    far, rounding = ((one.cpu() - twin)[:, shown].abs().amax(1) for one in (params, rounded))
    assert (far <= 2e-6 * scale + 3 * rounding).all()
    upstream = torch.where(shown, noise(*twin.shape) / scale[:, None, None], 0.0)
    one, plain, other = (
        torch.autograd.grad(out, list(of.values()), upstream.to(out.device, out.dtype), materialize_grads=True)
        for out, of in ((params, given), (rounded, same), (twin, wanted))
    )
    for what, a, p, b in zip(wanted, one, plain, other, strict=True):
        assert torch.isfinite(a).all(), what
        assert (a.cpu() - b).norm() <= 1e-5 * b.norm() + 5 * (p - b).norm() + 1e-12, what


def test_places_of_what_is_too_near_to_be_drawn_have_the_gradients_of_the_formula(device: str) -> None:
    batch, renderer = scenes()["wild"], wild_renderer(64)
    found = []
    for dtype, where in ((torch.float32, device), (torch.float64, "cpu")):
        bones, other, inputs = leaves(batch, renderer, dtype, where)
        fused = dtype == torch.float32
        params, depth = head.gaussians(bones, other.appearance, 64) if fused else other.gaussians_reference(bones, 64)
        hidden = ~torch.isfinite(depth)
        gradients = torch.autograd.grad(params[:2, hidden].sum(), [inputs["start"], inputs["end"]])
        found.append([one.cpu().double() for one in gradients])
        assert hidden.sum() >= 3
    for one, other in zip(*found, strict=True):
        assert other.norm() > 0 and (one - other).norm() <= 1e-5 * other.norm()


def test_a_frozen_appearance_and_fixed_joints_have_no_gradient(device: str) -> None:
    batch, renderer, inputs = leaves(bone_batch(clip(body(2, seed=3))), wild_renderer(32), torch.float32, device)
    for value in renderer.parameters():
        value.requires_grad_(False)
    head.gaussians(batch, renderer.appearance, 32)[0].square().sum().backward()
    assert all(value.grad is None for value in renderer.parameters())
    assert all(inputs[name].grad is not None and inputs[name].grad.norm() > 0 for name in ("start", "ball"))
    for name in (*GEOMETRY, *BALLS):
        inputs[name].requires_grad_(False)
    assert not head.gaussians(batch, renderer.appearance, 32)[0].requires_grad


def test_the_whole_way_equals_the_renderer_on_the_cpu(device: str) -> None:
    batch, renderer = scenes()["clips of one and two persons"], wild_renderer(64)
    upstream = noise(len(batch), 3, 64, 64)
    found = []
    for fused, where in ((True, device), (False, "cpu")):
        bones, other, inputs = leaves(batch, renderer, torch.float32, where)
        gaussians_of = head.gaussians(bones, other.appearance, 64) if fused else other.gaussians_reference(bones, 64)
        image = (rasterize_cuda.rasterize if fused else rasterize)(*gaussians_of, 64, 64)
        gradients = torch.autograd.grad(image, list(inputs.values()), upstream.to(where))
        found.append((image.detach().cpu(), dict(zip(inputs, gradients, strict=True))))
    assert (found[0][0] - found[1][0]).abs().max() <= 2e-5
    for name, wanted in found[1][1].items():
        assert (found[0][1][name].cpu() - wanted).norm() <= 2e-4 * wanted.norm(), name


def test_bones_elsewhere_than_the_renderer_are_said() -> None:
    batch = bone_batch(clip())
    elsewhere = dataclasses.replace(batch, start=batch.start.to("meta"))
    with pytest.raises(SkeletonLLMError, match="the bones are on meta and the renderer is on cpu"):
        SkeletonRenderer()(elsewhere)


_Many = wp.types.vector(64, wp.float32)


@wp.kernel(module="unique", enable_backward=False)
def _greedy(values: wp.array(dtype=wp.float32), where: wp.array(dtype=wp.int32)):
    thread = wp.tid()
    kept = _Many()
    for index in range(64):
        kept[where[index]] += values[index + thread]
    values[thread] = kept[where[thread]]


ARCHITECTURES = (80, 90)
ENDING = "_cuda_kernel_forward"
LIMITS = {  # registers a thread; 168 still leave room for twelve warps on a multiprocessor
    "arrange": 40, "touch": 48, "draw": 80, "trace": 168, "gather": 64, "place": 80, "pull": 168, "tally": 40, "tally_in_turn": 48
}  # fmt: skip


def compiled(module: object, folder: Path) -> Sequence[Path]:
    wp.init()
    missing = set(ARCHITECTURES) - set(wp.get_cuda_supported_archs())
    if missing:
        pytest.skip(f"this build of Warp has no CUDA compiler for {sorted(missing)}")
    return wp.compile_aot_module(module, arch=ARCHITECTURES, module_dir=str(folder), use_ptx=False)


def test_kernels_compile_for_ampere_and_hopper_and_no_register_is_spilled(tmp_path: Path) -> None:
    for module, names in (
        (kernels_cuda, ("arrange", "touch", "draw", "trace", "gather")),
        (kernels_head, ("place", "pull", "tally", "tally_in_turn")),
    ):
        for path in compiled(module, tmp_path):
            found = resources(path)
            # A kernel's name is followed by a hash.
            kernels = {
                name.removesuffix(ENDING).rpartition("_")[0]: one
                for name, one in found.items()
                if name.endswith(ENDING)
            }
            assert set(kernels) == set(names), path
            for name, one in kernels.items():
                assert one.stack == 0, f"{path.name}: {name} has {one.stack} bytes of stack"
                assert 0 < one.registers <= LIMITS[name], f"{path.name}: {name} has {one.registers} registers"


def test_a_kernel_that_needs_a_stack_is_found_out(tmp_path: Path) -> None:
    for path in compiled(_greedy.module, tmp_path):
        (one,) = (one for name, one in resources(path).items() if name.endswith(ENDING))
        assert one.stack >= 256


@needs_gpu
def test_the_renderer_runs_on_the_gpu_and_never_waits_for_it() -> None:
    batch, renderer = scenes()["clips of one and two persons"], wild_renderer(64)
    bones, gpu, inputs = leaves(batch, renderer, torch.float32, "cuda")
    upstream = noise(len(batch), 3, 64, 64).cuda()
    gpu(bones).backward(upstream)  # kernels are compiled here
    torch.cuda.set_sync_debug_mode("error")
    try:
        image = gpu(bones)
        gradients = torch.autograd.grad(image, list(inputs.values()), upstream)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert image.is_cuda and all(one.is_cuda for one in gradients)
    with torch.no_grad():
        assert (image.cpu() - renderer(batch)).abs().max() <= 2e-5


@needs_gpu
def test_a_renderer_on_the_gpu_takes_clips_and_joints_with_gradients() -> None:
    who = body(2, seed=5)
    images, gradients = [], []
    for device in ("cpu", "cuda"):
        positions = torch.tensor(who.positions, device=device, requires_grad=True)
        image = wild_renderer(48).to(device)(bone_batch(clip(who), device, positions=[positions]))
        image.square().sum().backward()
        images.append(image.detach().cpu())
        gradients.append(positions.grad.cpu())
    assert (images[0] - images[1]).abs().max() <= 2e-5
    assert (gradients[0] - gradients[1]).norm() <= 2e-4 * gradients[0].norm()
    with torch.no_grad():
        assert torch.equal(wild_renderer(48).cuda()(clip(who)).cpu(), images[1])


@needs_gpu
def test_work_goes_to_the_stream_that_is_current() -> None:
    params, depth = (one.cuda() for one in gaussians(4, 100, 96, 96))
    params.requires_grad_()
    upstream = noise(4, 3, 96, 96).cuda()
    wanted = rasterize_cuda.rasterize(params, depth, 96, 96)
    (wanted_gradient,) = torch.autograd.grad(wanted, params, upstream)
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        # The input is made late on this stream only, so kernels on any other one would read it too early.
        late = torch.zeros_like(params, requires_grad=False)
        torch.cuda._sleep(200_000_000)
        late.copy_(params.detach())
        late.requires_grad_()
        image = rasterize_cuda.rasterize(late, depth, 96, 96)
        (gradient,) = torch.autograd.grad(image, late, upstream)
    stream.synchronize()
    assert torch.equal(image, wanted) and torch.equal(gradient, wanted_gradient)


@needs_gpu
def test_forward_and_backward_can_be_captured_in_a_graph() -> None:
    batch, renderer = scenes()["clips of one and two persons"], wild_renderer(64)
    bones, gpu, inputs = leaves(batch, renderer, torch.float32, "cuda")
    upstream = noise(len(batch), 3, 64, 64).cuda()

    def run() -> tuple[torch.Tensor, ...]:
        image = gpu(bones)
        return image.detach(), *torch.autograd.grad(image, list(inputs.values()), upstream)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run()
    for shift in (0.0, 0.05):
        with torch.no_grad():
            bones.start.add_(shift)
        wanted = [one.clone() for one in run()]
        graph.replay()
        torch.cuda.synchronize()
        assert all(torch.equal(one, other) for one, other in zip(captured, wanted, strict=True))


@needs_gpu
def test_two_threads_render_at_once() -> None:
    cases = [gaussians(3, 80, 64, 64, seed=seed) for seed in range(2)]
    upstream = noise(3, 3, 64, 64)
    wanted = [both(rasterize_cuda.rasterize, *case, (64, 64), upstream, "cuda") for case in cases]
    found: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[], []]

    def work(index: int) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(20):
                found[index].append(both(rasterize_cuda.rasterize, *cases[index], (64, 64), upstream, "cuda"))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(2):
        assert len(found[index]) == 20
        for image, gradient in found[index]:
            assert torch.equal(image, wanted[index][0]) and torch.equal(gradient, wanted[index][1])


@needs_gpu
@pytest.mark.parametrize("size", [64, 448])
def test_directional_differences_agree_on_the_gpu(size: int) -> None:
    batch, renderer, inputs = leaves(bone_batch(clip(body(1, seed=6))), wild_renderer(size), torch.float32, "cuda")
    upstream = noise(1, 3, size, size).cuda()
    weighted = torch.nn.functional.avg_pool2d(upstream, 5, 1, 2)  # smooth, so that differences converge in float32
    gradients = torch.autograd.grad(renderer(batch), list(inputs.values()), weighted)
    for (name, value), gradient in zip(inputs.items(), gradients, strict=True):
        direction = gradient / gradient.norm()
        step = 1e-3 * max(1.0, float(value.norm()))
        losses = []
        with torch.no_grad():
            for sign in (1, -1):
                value.add_(sign * step * direction)
                losses.append(float((renderer(batch).double() * weighted).sum()))
                value.sub_(sign * step * direction)
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(gradient.norm()), rel=0.03), name


@needs_gpu
def test_the_model_answers_the_same_on_the_gpu() -> None:
    from skeletonllm_core.pipeline import load_model
    from skeletonllm_core.train.procedural import make_motion

    motion = make_motion("walk", "cmu", seed=800_001)
    on_cpu, on_gpu = (load_model(device=device).label(motion) for device in ("cpu", "cuda"))
    assert on_gpu.text == on_cpu.text and on_gpu.score == pytest.approx(on_cpu.score, abs=1e-3)
