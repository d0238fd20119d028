"""Warp kernels that composite Gaussians on the CPU, forward and backward; they know arrays, never torch.

For each frame, Gaussian after Gaussian from front to back, each touches only the pixels inside its own ellipse, 16 (forward)
or 8 (backward) pixels of a row at a time:

    q = o exp(p),  p = -(a dx² + 2 b dx dy + c dy²) / 2      how much of the light Gaussian (u, v, a, b, c, o, rgb) stops
    T' = T exp(-q),  C += rgb (T - T')                       T: light that still passes, C: the image
    S = Σ g·rgb (T - T') over the Gaussians behind           g = ∂L/∂C
    ∂L/∂p = q (T' g·rgb - S)                                 everything else follows from moments of ∂L/∂p

A frame is written by one worker only, so the result is the same bit for bit for any number of workers.
Ordinary Warp code on the CPU stays scalar; vectors of 16 and 8 floats become SIMD code, which is why the lanes are spelt out.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import warp as wp

from skeletonllm_core.errors import SkeletonLLMError

LANES = 16
"""Pixels of one row that the forward kernel handles at a time; the width of every image plane is a multiple of it."""

CUTOFF = 1e-5
"""A Gaussian is not drawn where it would stop less than this share of the light."""

# Dropping Warp's default limit on SLP depth and allowing fused multiply-add halves the time of the backward kernel.
wp.set_module_options(
    {
        "enable_backward": False,
        "cpu_compiler_flags": "-march=native -mllvm=-inline-threshold=9000"
        " -mllvm=-inline-cold-callsite-threshold=3000 -ffp-contract=fast",
    }
)

vec16 = wp.types.vector(length=16, dtype=wp.float32)
vec8 = wp.types.vector(length=8, dtype=wp.float32)

_STEPS16 = wp.constant(vec16(*(lane + 0.5 for lane in range(16))))
_ONES16 = wp.constant(vec16(*([1.0] * 16)))
_FLOOR16 = wp.constant(vec16(*([-0.5] * 16)))
_STEPS8 = wp.constant(vec8(*(lane + 0.5 for lane in range(8))))
_ONES8 = wp.constant(vec8(*([1.0] * 8)))
_FLOOR8 = wp.constant(vec8(*([-0.5] * 8)))
_FAR = wp.constant(1.0e6)
_CUTOFF = wp.constant(CUTOFF)


@wp.func
def _series16(y: vec16):
    """exp(y) for small |y|, as a polynomial."""
    p = _ONES16 + y * (1.0 / 4.0)
    p = _ONES16 + wp.cw_mul(p, y) * (1.0 / 3.0)
    p = _ONES16 + wp.cw_mul(p, y) * (1.0 / 2.0)
    return _ONES16 + wp.cw_mul(p, y)


@wp.func
def _falloff16(x: vec16):
    """exp(x) for x ≤ 0, absolute error below 1e-6 (not below exp(-16))."""
    p = _series16(wp.max(x * (1.0 / 32.0), _FLOOR16))
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    return wp.cw_mul(p, p)


@wp.func
def _passed16(q: vec16):
    """exp(-q) for 0 ≤ q ≤ 1, absolute error below 3e-6."""
    p = _series16(q * (-1.0 / 8.0))
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    return wp.cw_mul(p, p)


@wp.func
def _series8(y: vec8):
    p = _ONES8 + y * (1.0 / 4.0)
    p = _ONES8 + wp.cw_mul(p, y) * (1.0 / 3.0)
    p = _ONES8 + wp.cw_mul(p, y) * (1.0 / 2.0)
    return _ONES8 + wp.cw_mul(p, y)


@wp.func
def _falloff8(x: vec8):
    p = _series8(wp.max(x * (1.0 / 32.0), _FLOOR8))
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    return wp.cw_mul(p, p)


@wp.func
def _passed8(q: vec8):
    p = _series8(q * (-1.0 / 8.0))
    p = wp.cw_mul(p, p)
    p = wp.cw_mul(p, p)
    return wp.cw_mul(p, p)


@wp.func
def _drawable(u: float, v: float, a: float, det: float, reach: float):
    """False for a Gaussian without extent, cut off, or not finite: comparisons with NaN are false."""
    return (
        reach > 0.0 and reach < 100.0 and a > 0.0 and a < _FAR and det > 0.0 and det < _FAR * _FAR and wp.abs(u) < _FAR
        and wp.abs(v) < _FAR
    )  # fmt: skip


@wp.func
def _first(edge: float, limit: int):
    """First pixel whose centre is at or after `edge`, at least 0, at most `limit`; clamped before it becomes an integer."""
    return int(wp.ceil(wp.clamp(edge - 0.5, 0.0, float(limit))))


@wp.func
def _last(edge: float, limit: int):
    """Last pixel whose centre is at or before `edge`, at least -1, at most `limit` - 1."""
    return int(wp.floor(wp.clamp(edge - 0.5, -1.0, float(limit - 1))))


@wp.kernel
def composite(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    order: wp.array2d(dtype=wp.int32),
    image: wp.array4d(dtype=vec16),
    width: int,
    begin: int,
    end: int,
    passed: wp.array2d(dtype=vec16),
    stamp: wp.array2d(dtype=wp.int32),
):
    """Images of the frames `begin` to `end`; see the module for the formulas and `forward` for the arrays."""
    height = image.shape[2]
    blocks = image.shape[3]
    count = order.shape[1]
    for y in range(height):
        for block in range(blocks):
            stamp[y, block] = -1
    for frame in range(begin, end):
        for y in range(height):
            for block in range(blocks):
                image[frame, 0, y, block] = vec16()
                image[frame, 1, y, block] = vec16()
                image[frame, 2, y, block] = vec16()
        for rank in range(count):
            k = order[frame, rank]
            u = params[0, frame, k]
            v = params[1, frame, k]
            a = params[2, frame, k]
            b = params[3, frame, k]
            c = params[4, frame, k]
            opacity = params[5, frame, k]
            red = params[6, frame, k]
            green = params[7, frame, k]
            blue = params[8, frame, k]
            limit = reach[frame, k]
            det = a * c - b * b
            if _drawable(u, v, a, det, limit):
                tall = wp.sqrt(limit * a / det)
                for y in range(_first(v - tall, height), _last(v + tall, height) + 1):
                    dy = float(y) + 0.5 - v
                    wide = wp.sqrt(wp.max(limit - dy * dy * det / a, 0.0) / a)
                    middle = u - b / a * dy
                    first = _first(middle - wide, width)
                    last = _last(middle + wide, width)
                    if last >= first:
                        for block in range(first / 16, last / 16 + 1):
                            dx = _STEPS16 + _ONES16 * (float(block * 16) - u)
                            p = wp.cw_mul(dx, dx * (-0.5 * a) + _ONES16 * (-b * dy)) + _ONES16 * (-0.5 * c * dy * dy)
                            q = _falloff16(p) * opacity
                            before = _ONES16
                            if stamp[y, block] == frame:
                                before = passed[y, block]
                            after = wp.cw_mul(before, _passed16(q))
                            stamp[y, block] = frame
                            passed[y, block] = after
                            stopped = before - after
                            image[frame, 0, y, block] = image[frame, 0, y, block] + stopped * red
                            image[frame, 1, y, block] = image[frame, 1, y, block] + stopped * green
                            image[frame, 2, y, block] = image[frame, 2, y, block] + stopped * blue


@wp.kernel
def composite_adjoint(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    order: wp.array2d(dtype=wp.int32),
    image: wp.array4d(dtype=vec8),
    upstream: wp.array4d(dtype=vec8),
    gradient: wp.array3d(dtype=wp.float32),
    width: int,
    begin: int,
    end: int,
    passed: wp.array2d(dtype=vec8),
    behind: wp.array2d(dtype=vec8),
    stamp: wp.array2d(dtype=wp.int32),
):
    """∂L/∂params of the frames `begin` to `end`; see the module for the formulas and `backward` for the arrays."""
    height = image.shape[2]
    blocks = image.shape[3]
    count = order.shape[1]
    for y in range(height):
        for block in range(blocks):
            stamp[y, block] = -1
    for frame in range(begin, end):
        for rank in range(count):
            k = order[frame, rank]
            u = params[0, frame, k]
            v = params[1, frame, k]
            a = params[2, frame, k]
            b = params[3, frame, k]
            c = params[4, frame, k]
            opacity = params[5, frame, k]
            red = params[6, frame, k]
            green = params[7, frame, k]
            blue = params[8, frame, k]
            limit = reach[frame, k]
            det = a * c - b * b
            m = vec8()
            mx = vec8()
            mxx = vec8()
            my = vec8()
            mxy = vec8()
            myy = vec8()
            to_red = vec8()
            to_green = vec8()
            to_blue = vec8()
            if _drawable(u, v, a, det, limit):
                tall = wp.sqrt(limit * a / det)
                for y in range(_first(v - tall, height), _last(v + tall, height) + 1):
                    dy = float(y) + 0.5 - v
                    wide = wp.sqrt(wp.max(limit - dy * dy * det / a, 0.0) / a)
                    middle = u - b / a * dy
                    first = _first(middle - wide, width)
                    last = _last(middle + wide, width)
                    if last >= first:
                        for block in range(first / 8, last / 8 + 1):
                            dx = _STEPS8 + _ONES8 * (float(block * 8) - u)
                            p = wp.cw_mul(dx, dx * (-0.5 * a) + _ONES8 * (-b * dy)) + _ONES8 * (-0.5 * c * dy * dy)
                            q = _falloff8(p) * opacity
                            g0 = upstream[frame, 0, y, block]
                            g1 = upstream[frame, 1, y, block]
                            g2 = upstream[frame, 2, y, block]
                            before = _ONES8
                            rest = vec8()
                            if stamp[y, block] == frame:
                                before = passed[y, block]
                                rest = behind[y, block]
                            else:
                                rest = (
                                    wp.cw_mul(g0, image[frame, 0, y, block])
                                    + wp.cw_mul(g1, image[frame, 1, y, block])
                                    + wp.cw_mul(g2, image[frame, 2, y, block])
                                )
                            after = wp.cw_mul(before, _passed8(q))
                            stopped = before - after
                            gc = g0 * red + g1 * green + g2 * blue
                            rest = rest - wp.cw_mul(gc, stopped)
                            stamp[y, block] = frame
                            passed[y, block] = after
                            behind[y, block] = rest
                            gp = wp.cw_mul(q, wp.cw_mul(after, gc) - rest)
                            gpx = wp.cw_mul(gp, dx)
                            m += gp
                            mx += gpx
                            mxx += wp.cw_mul(gpx, dx)
                            my += gp * dy
                            mxy += gpx * dy
                            myy += gp * (dy * dy)
                            to_red += wp.cw_mul(g0, stopped)
                            to_green += wp.cw_mul(g1, stopped)
                            to_blue += wp.cw_mul(g2, stopped)
            sx = wp.dot(mx, _ONES8)
            sy = wp.dot(my, _ONES8)
            gradient[0, frame, k] = a * sx + b * sy
            gradient[1, frame, k] = b * sx + c * sy
            gradient[2, frame, k] = -0.5 * wp.dot(mxx, _ONES8)
            gradient[3, frame, k] = -wp.dot(mxy, _ONES8)
            gradient[4, frame, k] = -0.5 * wp.dot(myy, _ONES8)
            gradient[5, frame, k] = wp.dot(m, _ONES8) / wp.max(opacity, _CUTOFF)
            gradient[6, frame, k] = wp.dot(to_red, _ONES8)
            gradient[7, frame, k] = wp.dot(to_green, _ONES8)
            gradient[8, frame, k] = wp.dot(to_blue, _ONES8)


_loading = threading.Lock()
_loaded = False
_local = threading.local()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def _forget_pool() -> None:
    global _pool, _pool_size
    _pool, _pool_size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # the threads of a pool do not survive a fork


def load() -> None:
    """Compile the kernels, or fetch them from Warp's cache; only the first call does anything.

    Raises:
        SkeletonLLMError: the folder for compiled kernels cannot be written.
    """
    global _loaded
    with _loading:
        if _loaded:
            return
        level, wp.config.log_level = wp.config.log_level, max(wp.config.log_level, wp.LOG_ERROR)
        try:
            wp.init()
            wp.load_module(module=composite.module, device="cpu")
        except OSError as error:
            raise SkeletonLLMError(
                f"the renderer cannot write its compiled kernels to {wp.config.kernel_cache_dir} ({error.strerror}); "
                f"set WARP_CACHE_PATH to a folder that can be written"
            ) from error
        finally:
            wp.config.log_level = level
        _loaded = True


def _workspace(height: int, width: int, lanes: int, planes: int) -> list[wp.array]:
    """This thread's scratch: `planes` arrays (height, width / lanes) of lane vectors and one of stamps, kept between calls."""
    kept = _local.__dict__.setdefault("workspaces", {})
    key = (height, width, lanes, planes)
    if key not in kept:
        kept.clear() if len(kept) > 8 else None
        shape = (height, width // lanes)
        dtype = vec16 if lanes == 16 else vec8
        kept[key] = [
            *(wp.empty(shape, dtype=dtype, device="cpu") for _ in range(planes)),
            wp.empty(shape, dtype=wp.int32, device="cpu"),
        ]
    return kept[key]


def _over_frames(kernel: Any, inputs: Sequence[Any], frames: int, size: tuple[int, int, int, int], workers: int) -> None:
    """Run `kernel` over `frames` frames, cut into one range a worker."""
    global _pool, _pool_size
    workers = max(1, min(workers, frames))
    edges = np.linspace(0, frames, workers + 1).astype(int).tolist()

    def work(begin: int, end: int) -> None:
        wp.launch(kernel, dim=1, inputs=[*inputs, begin, end, *_workspace(*size)], device="cpu")

    if workers == 1:
        work(0, frames)
        return
    with _loading:
        if _pool is None or _pool_size < workers:
            _pool, _pool_size = ThreadPoolExecutor(workers, thread_name_prefix="skeletonllm-render"), workers
        pool = _pool
    for done in [pool.submit(work, begin, end) for begin, end in zip(edges, edges[1:], strict=False)]:
        done.result()


def forward(
    params: wp.array, reach: wp.array, order: wp.array, image: wp.array, *, width: int, workers: int = 1
) -> None:
    """Composite Gaussians into images.

    Args:
        params: (9, F, N) float32: centre u, v [px, pixel (0, 0) is centred at (.5, .5)], inverse covariance a, b, c
            [1/px²], opacity, red, green, blue of N Gaussians in F frames.
        reach: (F, N) float32: 2 ln(opacity / CUTOFF), the squared Mahalanobis radius that is drawn; ≤ 0 draws nothing.
        order: (F, N) int32: Gaussians of each frame from front to back; a permutation of 0..N-1.
        image: (F, 3, H, W / 16) vec16, overwritten.
        width: columns that are asked for, at most W.
        workers: threads.
    """
    load()
    frames, _, height, blocks = image.shape
    _over_frames(composite, [params, reach, order, image, width], frames, (height, blocks * 16, 16, 1), workers)


def backward(
    params: wp.array,
    reach: wp.array,
    order: wp.array,
    image: wp.array,
    upstream: wp.array,
    gradient: wp.array,
    *,
    width: int,
    workers: int = 1,
) -> None:
    """The gradient of a loss with respect to `params`.

    Args:
        params, reach, order, width, workers: as given to `forward`.
        image: (F, 3, H, W / 8) vec8, what `forward` made.
        upstream: (F, 3, H, W / 8) vec8, gradient of the loss with respect to the image; 0 in columns from `width` on.
        gradient: (9, F, N) float32, overwritten.
    """
    load()
    frames, _, height, blocks = image.shape
    inputs = [params, reach, order, image, upstream, gradient, width]
    _over_frames(composite_adjoint, inputs, frames, (height, blocks * 8, 8, 2), workers)
