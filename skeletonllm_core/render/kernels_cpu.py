"""Warp kernels that composite Gaussians on the CPU, forward and backward; they know arrays, never torch.

For each frame, Gaussian after Gaussian from front to back:

    q = o exp(p),  p = -(a dx² + 2 b dx dy + c dy²) / 2     how much light Gaussian (u, v, a, b, c, o, rgb) stops
    T' = T exp(-q),  C += rgb (T - T')                      T: light that still passes, C: the image
    S = Σ g·rgb (T - T') over the Gaussians behind          g = ∂L/∂C, so S starts as g·C and loses each one's own share
    ∂L/∂p = q (T' g·rgb - S)                                everything else follows from moments of ∂L/∂p

Each touches only the pixels inside its own ellipse, q ≥ CUTOFF. They are found in tiles of 8 × 4 pixels, two rows of
eight to a SIMD register, because finding out where the ellipse begins and ends costs as much as drawing some pixels.

A frame is written by one worker only, so the result is the same bit for bit for any number of workers.
The loop over pixels is native code inside the Warp kernels: Warp's own loops stay scalar on the CPU, and whether its
vector types become SIMD code hangs on a single statement more or less (measured: a factor of two either way).
"""

# Warp reads array types as calls in annotations, which mypy does not take for types.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import warp as wp

from skeletonllm_core.errors import SkeletonLLMError

LANES = 8
"""Width of a tile of pixels; the width of every image plane is a multiple of it."""

ROWS = 4
"""Height of a tile; the height of every image plane is a multiple of it."""

CUTOFF = 5e-6
"""A Gaussian is not drawn where it would stop less than this share of the light.

At twice as much, gradients of published weights are off by more than 1e-4.
"""

# As Warp's own, without its limit on SLP depth, and with fused multiply-add.
wp.set_module_options(
    {
        "enable_backward": False,
        "cpu_compiler_flags": "-march=native -mllvm=-inline-threshold=9000"
        " -mllvm=-inline-cold-callsite-threshold=3000 -ffp-contract=fast",
    }
)

_ELLIPSE = (
    f"""
    const int LANES = {LANES}, ROWS = {ROWS}, PAIR = 2 * LANES, PAIRS = ROWS / 2;
    typedef float half __attribute__((ext_vector_type({LANES}), aligned(4)));
    typedef float lanes __attribute__((ext_vector_type({2 * LANES}), aligned(4)));
"""
    """
    // Eight pixels of a row and the eight below them; and the same where scratch keeps them side by side.
    auto load = [](const float* p, long long pitch) {
        return (lanes)__builtin_shufflevector(
            *(const half*)p, *(const half*)(p + pitch), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    };
    auto store = [](float* p, long long pitch, lanes x) { *(half*)p = x.lo; *(half*)(p + pitch) = x.hi; };
    auto at = [](float* p) -> lanes& { return *(lanes*)p; };
    // exp(16 y) for -1 <= y <= 0 to 7e-7, and 1 - exp(-q) for 0 <= q <= 1 to 5e-7: polynomials of least largest error.
    auto falloff = [](lanes y) {
        lanes p = 1.0f + y * (0.99999785f + y * (0.49989814f + y * (0.16536827f + y * 0.03589015f)));
        p *= p; p *= p; p *= p;
        return p * p;
    };
    auto share = [](lanes q) {
        return q * (0.99997836f + q * (-0.49968511f + q * (0.16516814f + q * (-0.03850078f + q * 0.00516041f))));
    };
    // Clamped before they become integers: the first pixel centred at or after an edge, the last at or before it.
    auto first_at = [](float edge, int limit) {
        float x = wp::clamp(edge - 0.5f, 0.0f, (float)limit);
        int i = (int)x;
        return i + ((float)i < x ? 1 : 0);
    };
    auto last_at = [](float edge, int limit) {
        return (int)(wp::clamp(edge - 0.5f, -1.0f, (float)(limit - 1)) + 1.0f) - 1;
    };

    const int pitch = image.shape[3], blocks = pitch / LANES;
    const long long plane = (long long)image.shape[2] * pitch;
    const long long count = params.shape[2], stride = params.shape[1] * count;
    const float* gaussian = params.data + frame * count + k;
    const float u = gaussian[0], v = gaussian[stride];
    const float a = gaussian[2 * stride], b = gaussian[3 * stride], c = gaussian[4 * stride];
    const float opacity = gaussian[5 * stride];
    const float red = gaussian[6 * stride], green = gaussian[7 * stride], blue = gaussian[8 * stride];
    const float limit = reach.data[frame * count + k];
    const float det = a * c - b * b;
    // Comparisons with NaN are false, so what is not finite, has no extent or is cut off draws nothing.
    const bool drawn = limit > 0.0f && limit < 100.0f && a > 1e-12f && c > 1e-12f && a < 1e6f && det > 0.0f
        && det < 1e12f && wp::abs(u) < 1e6f && wp::abs(v) < 1e6f;
    // Of the edge a dx^2 + 2 b dx dy + c dy^2 = limit: half its height; dy of its right end (of the left one: minus that);
    // at a given dy, its middle is dx = slope dy and half its width side(dy).
    const float tall = drawn ? wp::sqrt(limit * a / det) : 0.0f;
    const float turn = drawn ? -b / c * wp::sqrt(limit * c / det) : 0.0f;
    const float slope = -b / a, flat = limit / a, curve = det / (a * a);
    auto side = [=](float dy) { return wp::sqrt(wp::max(flat - dy * dy * curve, 0.0f)); };
    const int bottom = drawn ? last_at(v + tall, height) : -1;
    const float xx = a * (-1.0f / 32.0f), xy = b * (-1.0f / 16.0f), yy = c * (-1.0f / 32.0f), edge = limit * (-1.0f / 32.0f);
    lanes column, below;
    for (int i = 0; i < PAIR; ++i) {
        column[i] = (float)(i % LANES) + 0.5f;
        below[i] = (float)(i / LANES);
    }
    auto weight = [=](lanes dx, lanes dy) {
        const lanes y = dx * (xx * dx + xy * dy) + yy * dy * dy;
        return y >= edge ? opacity * falloff(y) : (lanes)(0.0f);
    };
    float* target = image.data + 3 * plane * frame;
"""
)

_TILE_ROWS = """
    for (int top = first_at(v - tall, height) / ROWS * ROWS; top <= bottom; top += ROWS) {
        const float low = (float)top + 0.5f - v, high = low + (float)(ROWS - 1);
        const float leftmost = wp::clamp(-turn, low, high), rightmost = wp::clamp(turn, low, high);
        const int first = first_at(u + slope * leftmost - side(leftmost), width);
        const int last = last_at(u + slope * rightmost + side(rightmost), width);
        if (last < first) continue;
"""

_TILES = """
        for (int block = first / LANES; block <= last / LANES; ++block) {
            const lanes dx = column + ((float)(block * LANES) - u);
            const long long corner = (long long)top * pitch + block * LANES;
            const long long tile = (long long)top * pitch + block * LANES * ROWS;
            int& mark = stamp.data[top / ROWS * blocks + block];
"""

_FORWARD = (
    _ELLIPSE
    + _TILE_ROWS
    + _TILES
    + """
            if (mark != frame) {
                mark = frame;
                for (int i = 0; i < PAIRS; ++i) at(passed.data + tile + i * PAIR) = 1.0f;
            }
            for (int i = 0; i < PAIRS; ++i) {
                float* passing = passed.data + tile + i * PAIR;
                float* here = target + corner + 2 * i * pitch;
                const lanes before = at(passing);
                const lanes stopped = before * share(weight(dx, below + (low + (float)(2 * i))));
                at(passing) = before - stopped;
                store(here, pitch, load(here, pitch) + red * stopped);
                store(here + plane, pitch, load(here + plane, pitch) + green * stopped);
                store(here + 2 * plane, pitch, load(here + 2 * plane, pitch) + blue * stopped);
            }
        }
    }
"""
)

_BACKWARD = (
    _ELLIPSE
    + """
    // Where g lies in rows of the image's own size it is read there; else it is brought into scratch, tile after tile.
    const bool packed = upstream.shape[2] == image.shape[2] && upstream.shape[3] == pitch
        && upstream.strides[3] == sizeof(float) && upstream.strides[2] == pitch * sizeof(float)
        && upstream.strides[1] == plane * sizeof(float);
    const char* origin = (const char*)upstream.data + (long long)upstream.strides[0] * frame;
    float* given = packed ? (float*)origin : fetched.data;
    auto fetch = [&](int top, int left) {
        for (int channel = 0; channel < 3; ++channel) {
            for (int y = top; y < top + ROWS; ++y) {
                const char* row = origin + (long long)upstream.strides[1] * channel + (long long)upstream.strides[2] * y;
                for (int x = left; x < left + LANES; ++x) {
                    given[channel * plane + (long long)y * pitch + x] = y < height && x < width
                        ? *(const float*)(row + (long long)upstream.strides[3] * x) : 0.0f;
                }
            }
        }
    };
    lanes m = 0.0f, mx = 0.0f, mxx = 0.0f, my = 0.0f, mxy = 0.0f, myy = 0.0f;
    lanes to_red = 0.0f, to_green = 0.0f, to_blue = 0.0f;
"""
    + _TILE_ROWS
    + """
        lanes row_m[PAIRS], row_mx[PAIRS];
        for (int i = 0; i < PAIRS; ++i) row_m[i] = row_mx[i] = 0.0f;
"""
    + _TILES
    + """
            if (mark != frame) {
                mark = frame;
                if (!packed) fetch(top, block * LANES);
                for (int i = 0; i < PAIRS; ++i) {
                    const long long here = corner + 2 * i * pitch;
                    at(passed.data + tile + i * PAIR) = 1.0f;
                    at(behind.data + tile + i * PAIR) = load(given + here, pitch) * load(target + here, pitch)
                        + load(given + plane + here, pitch) * load(target + plane + here, pitch)
                        + load(given + 2 * plane + here, pitch) * load(target + 2 * plane + here, pitch);
                }
            }
            for (int i = 0; i < PAIRS; ++i) {
                float* passing = passed.data + tile + i * PAIR;
                float* hidden = behind.data + tile + i * PAIR;
                const float* g = given + corner + 2 * i * pitch;
                const lanes g0 = load(g, pitch), g1 = load(g + plane, pitch), g2 = load(g + 2 * plane, pitch);
                const lanes q = weight(dx, below + (low + (float)(2 * i)));
                const lanes before = at(passing);
                const lanes stopped = before * share(q);
                const lanes after = before - stopped;
                const lanes gc = red * g0 + green * g1 + blue * g2;
                const lanes rest = at(hidden) - gc * stopped;
                at(passing) = after;
                at(hidden) = rest;
                const lanes gp = q * (after * gc - rest);
                const lanes gpx = gp * dx;
                row_m[i] += gp;
                row_mx[i] += gpx;
                mxx += gpx * dx;
                to_red += g0 * stopped;
                to_green += g1 * stopped;
                to_blue += g2 * stopped;
            }
        }
        for (int i = 0; i < PAIRS; ++i) {
            const lanes dy = below + (low + (float)(2 * i));
            m += row_m[i];
            mx += row_mx[i];
            my += dy * row_m[i];
            mxy += dy * row_mx[i];
            myy += dy * dy * row_m[i];
        }
    }
    auto sum = [](lanes x) {
        float total = 0.0f;
        for (int i = 0; i < PAIR; ++i) total += x[i];
        return total;
    };
    const float sx = sum(mx), sy = sum(my);
    float* out = gradient.data + frame * count + k;
    out[0] = a * sx + b * sy;
    out[stride] = b * sx + c * sy;
    out[2 * stride] = -0.5f * sum(mxx);
    out[3 * stride] = -sum(mxy);
    out[4 * stride] = -0.5f * sum(myy);
    out[5 * stride] = drawn ? sum(m) / opacity : 0.0f;
    out[6 * stride] = sum(to_red);
    out[7 * stride] = sum(to_green);
    out[8 * stride] = sum(to_blue);
    if (!drawn) {
        for (int i = 0; i < 5; ++i) out[i * stride] = 0.0f;
    }
"""
)

_BLANK = """
    const long long size = 3ll * image.shape[2] * image.shape[3];
    float* pixels = image.data + size * frame;
    for (long long i = 0; i < size; ++i) pixels[i] = 0.0f;
"""


@wp.func_native(_BLANK)
def _blank(image: wp.array4d(dtype=wp.float32), frame: int): ...


@wp.func_native(_FORWARD)
def _draw(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    image: wp.array4d(dtype=wp.float32),
    height: int,
    width: int,
    frame: int,
    k: int,
    stamp: wp.array(dtype=wp.int32),
    passed: wp.array(dtype=wp.float32),
): ...


@wp.func_native(_BACKWARD)
def _trace(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    image: wp.array4d(dtype=wp.float32),
    upstream: wp.array4d(dtype=wp.float32),
    gradient: wp.array3d(dtype=wp.float32),
    height: int,
    width: int,
    frame: int,
    k: int,
    stamp: wp.array(dtype=wp.int32),
    passed: wp.array(dtype=wp.float32),
    behind: wp.array(dtype=wp.float32),
    fetched: wp.array(dtype=wp.float32),
): ...


@wp.kernel
def composite(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    order: wp.array2d(dtype=wp.int32),
    image: wp.array4d(dtype=wp.float32),
    height: int,
    width: int,
    begin: int,
    end: int,
    stamp: wp.array(dtype=wp.int32),
    passed: wp.array(dtype=wp.float32),
):
    """Images of the frames `begin` to `end`; see the module for the formulas and `forward` for the arrays."""
    for tile in range(stamp.shape[0]):
        stamp[tile] = -1
    for frame in range(begin, end):
        _blank(image, frame)
        for rank in range(order.shape[1]):
            _draw(params, reach, image, height, width, frame, order[frame, rank], stamp, passed)


@wp.kernel
def composite_adjoint(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    order: wp.array2d(dtype=wp.int32),
    image: wp.array4d(dtype=wp.float32),
    upstream: wp.array4d(dtype=wp.float32),
    gradient: wp.array3d(dtype=wp.float32),
    height: int,
    width: int,
    begin: int,
    end: int,
    stamp: wp.array(dtype=wp.int32),
    passed: wp.array(dtype=wp.float32),
    behind: wp.array(dtype=wp.float32),
    fetched: wp.array(dtype=wp.float32),
):
    """∂L/∂params of the frames `begin` to `end`; see the module for the formulas and `backward` for the arrays."""
    for tile in range(stamp.shape[0]):
        stamp[tile] = -1
    for frame in range(begin, end):
        for rank in range(order.shape[1]):
            k = order[frame, rank]
            _trace(
                params, reach, image, upstream, gradient, height, width, frame, k, stamp, passed, behind, fetched
            )  # fmt: skip


_loading = threading.Lock()
_loaded: set[tuple[str, str]] = set()
_local = threading.local()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def _forget_pool() -> None:
    global _pool, _pool_size
    _pool, _pool_size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # the threads of a pool do not survive a fork


@contextmanager
def _without_driver_warning() -> Iterator[None]:
    """Keep Warp's line about a missing GPU driver, which its native code writes past every log level, off stderr."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            written.seek(0)
            for line in written:
                if b"CUDA driver" not in line:
                    os.write(2, line)


def load(kernel: Any = None, device: str = "cpu") -> None:
    """Compile the kernels, or fetch them from Warp's cache; only the first call does anything.

    Args:
        kernel: one of the module of kernels that is meant; None for this one.
        device: what to compile for: "cpu", or "cuda:0" and so on.

    Raises:
        SkeletonLLMError: Warp cannot use the device, or the folder for compiled kernels cannot be written.
    """
    module = (kernel or composite).module
    with _loading:
        if (module.name, device) in _loaded:
            return
        level, wp.config.log_level = wp.config.log_level, max(wp.config.log_level, wp.LOG_ERROR)
        try:
            with _without_driver_warning():
                wp.init()
            if not wp.is_device_available(device):
                raise SkeletonLLMError(
                    f"the renderer cannot use {device}: Warp {wp.__version__} finds no driver that is new enough; "
                    f"update the NVIDIA driver, or use the CPU"
                )
            wp.load_module(module=module, device=device)
        except OSError as error:
            raise SkeletonLLMError(
                f"the renderer cannot write its compiled kernels to {wp.config.kernel_cache_dir} ({error.strerror}); "
                f"set WARP_CACHE_PATH to a folder that can be written"
            ) from error
        finally:
            wp.config.log_level = level
        _loaded.add((module.name, device))


def _workspace(pixels: int, planes: tuple[int, ...]) -> list[wp.array]:
    """This thread's scratch, kept between calls: one stamp a tile, and arrays of so many planes of floats."""
    kept = _local.__dict__.setdefault("workspaces", {})
    key = (pixels, planes)
    if key not in kept:
        if len(kept) >= 8:
            kept.clear()
        kept[key] = [
            wp.empty(pixels // (LANES * ROWS), dtype=wp.int32, device="cpu"),
            *(wp.empty(number * pixels, dtype=wp.float32, device="cpu") for number in planes),
        ]
    return kept[key]


def _over_frames(kernel: Any, inputs: Sequence[Any], image: wp.array, planes: tuple[int, ...], workers: int) -> None:
    """Run `kernel` over the frames of `image`, cut into one range a worker."""
    global _pool, _pool_size
    load()
    frames, _, height, width = image.shape
    workers = max(1, min(workers, frames))
    edges = np.linspace(0, frames, workers + 1).astype(int).tolist()

    def work(begin: int, end: int) -> None:
        scratch = _workspace(height * width, planes)
        wp.launch(kernel, dim=1, inputs=[*inputs, begin, end, *scratch], device="cpu")

    if workers == 1:
        work(0, frames)
        return
    with _loading:
        if _pool is None or _pool_size < workers:
            _pool, _pool_size = ThreadPoolExecutor(workers, thread_name_prefix="skeletonllm-render"), workers
        pool = _pool
    for done in [pool.submit(work, begin, end) for begin, end in pairwise(edges)]:
        done.result()


def forward(
    params: wp.array,
    reach: wp.array,
    order: wp.array,
    image: wp.array,
    *,
    height: int,
    width: int,
    workers: int = 1,
) -> None:
    """Composite Gaussians into images.

    Args:
        params: (9, F, N) float32: centre u, v [px, pixel (0, 0) is centred at (.5, .5)], inverse covariance a, b, c
            [1/px²], opacity, red, green, blue of N Gaussians in F frames.
        reach: (F, N) float32: 2 ln(opacity / CUTOFF), the squared Mahalanobis radius that is drawn; ≤ 0 draws nothing.
        order: (F, N) int32: Gaussians of each frame from front to back; a permutation of 0..N-1.
        image: (F, 3, H, W) float32, overwritten; H a multiple of ROWS, W of LANES.
        height, width: rows and columns that are asked for, at most H and W.
        workers: threads.
    """
    _over_frames(composite, [params, reach, order, image, height, width], image, (1,), workers)


def backward(
    params: wp.array,
    reach: wp.array,
    order: wp.array,
    image: wp.array,
    upstream: wp.array,
    gradient: wp.array,
    *,
    height: int,
    width: int,
    workers: int = 1,
) -> None:
    """The gradient of a loss with respect to `params`.

    Args:
        params, reach, order, height, width, workers: as given to `forward`.
        image: (F, 3, H, W) float32, what `forward` made.
        upstream: (F, 3, height, width) float32 of any strides, gradient of the loss with respect to the image.
        gradient: (9, F, N) float32, overwritten.
    """
    inputs = [params, reach, order, image, upstream, gradient, height, width]
    _over_frames(composite_adjoint, inputs, image, (1, 1, 3), workers)
