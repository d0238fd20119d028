"""The kernels for the GPU as a differentiable torch function, on torch's current stream; the host never waits."""

from __future__ import annotations

import math
import threading
from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.render import kernels_cpu
from skeletonllm_core.render import kernels_cuda as kernels

PARTIAL_BYTES = 2**28
"""Scratch of the backward pass [bytes]; more frames than fit are handled one group after the other."""

_streams: dict[tuple[torch.device, int], wp.Stream] = {}
_registering = threading.Lock()


def current_stream(device: torch.device) -> wp.Stream | None:
    """Torch's current stream for Warp; None on the CPU. Each is wrapped once, because Warp's list of them has no lock."""
    if device.type != "cuda":
        return None
    stream = torch.cuda.current_stream(device)
    with _registering:
        key = (device, stream.cuda_stream)
        if key not in _streams:
            _streams[key] = wp.stream_from_torch(stream)
        return _streams[key]


def array(tensor: torch.Tensor, dtype: Any = None) -> Any:
    """A contiguous tensor for a kernel, without a copy; the tensor must outlive the launch."""
    return wp.from_torch(tensor, dtype=dtype, requires_grad=False, return_ctype=True)


def rasterize(params: torch.Tensor, depth: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """See `rasterize.rasterize`, which checks the input; on the device of `params`.

    Raises:
        SkeletonLLMError: more than Warp can index, or the compiled kernels cannot be stored.
    """
    frames, count = depth.shape
    tiles = math.prod(kernels.tiles(height, width))
    threads = frames * max(count * kernels.THREADS, tiles * kernels.THREADS, tiles * kernels.words(count))
    if max(threads, count * tiles * kernels.MOMENTS * 4) >= 2**31:
        raise SkeletonLLMError(
            f"{frames} frames of {count} Gaussians in {height} × {width} pixels are too many for a GPU at once; "
            f"render fewer frames, or smaller ones, in one call"
        )
    return _Rasterize.apply(params, depth, height, width)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, params: torch.Tensor, depth: torch.Tensor, height: int, width: int) -> torch.Tensor:
        params, depth = params.detach().contiguous(), depth.detach().contiguous()
        device = params.device
        frames, count = depth.shape
        down, across = kernels.tiles(height, width)
        pitch = -(-width // kernels.LANES) * kernels.LANES

        def empty(*shape: int, dtype: torch.dtype = torch.int32) -> torch.Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        rank, nearer = empty(frames, count), empty(frames)
        splats = empty(frames, count, kernels.SPLAT, dtype=torch.float32)
        bits = empty(frames, kernels.words(count), down * across)
        image = empty(frames, 3, height, pitch, dtype=torch.float32)
        if frames and count:
            kernels_cpu.load(kernels.draw, str(device))
            kernels.forward(
                array(params),
                array(depth),
                array(rank),
                array(nearer),
                array(splats, kernels.Splat),
                array(bits, wp.uint32),
                array(image),
                frames=frames,
                count=count,
                height=height,
                width=width,
                device=str(device),
                stream=current_stream(device),
            )
        else:
            image.zero_()
        ctx.save_for_backward(rank, splats, bits, image)
        ctx.width = width
        return image[..., :width].contiguous() if pitch != width else image.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, None, None, None]:
        rank, splats, bits, image = ctx.saved_tensors
        frames, count = rank.shape
        gradient = splats.new_empty(9, frames, count)
        if gradient.numel() == 0:
            return gradient, None, None, None
        if image.shape[-1] == ctx.width:
            upstream = upstream.to(torch.float32).contiguous()
            if upstream.data_ptr() % 16:
                upstream = upstream.clone()  # the kernel reads four floats at a time
        else:
            given, upstream = upstream, torch.zeros_like(image)
            upstream[..., : ctx.width] = given
        tiles = bits.shape[2]
        group = min(frames, max(1, PARTIAL_BYTES // (count * tiles * kernels.MOMENTS * 4)))
        partial = splats.new_empty(group, count, tiles, kernels.MOMENTS)
        for begin in range(0, frames, group):
            kernels.backward(
                array(rank),
                array(splats, kernels.Splat),
                array(bits, wp.uint32),
                array(image),
                array(upstream),
                array(partial, kernels.Moments),
                array(gradient),
                begin=begin,
                frames=min(group, frames - begin),
                count=count,
                height=image.shape[2],
                width=ctx.width,
                device=str(image.device),
                stream=current_stream(image.device),
            )
        return gradient, None, None, None
