"""Warp kernels that composite Gaussians on the CPU, forward and backward; they know arrays, never torch.

For each frame, Gaussian after Gaussian from front to back, each touches only the pixels inside its own ellipse, eight
pixels of a row at a time:

    q = o exp(p),  p = -(a dx² + 2 b dx dy + c dy²) / 2     how much light Gaussian (u, v, a, b, c, o, rgb) stops
    T' = T exp(-q),  C += rgb (T - T')                      T: light that still passes, C: the image
    S = Σ g·rgb (T - T') over the Gaussians behind          g = ∂L/∂C, so S starts as g·C and loses each one's own share
    ∂L/∂p = q (T' g·rgb - S)                                everything else follows from moments of ∂L/∂p

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
"""Pixels of one row that are handled at a time; the width of every image plane is a multiple of it."""

CUTOFF = 1e-5
"""A Gaussian is not drawn where it would stop less than this share of the light."""

# As Warp's own, without its limit on SLP depth, and with fused multiply-add.
wp.set_module_options(
    {
        "enable_backward": False,
        "cpu_compiler_flags": "-march=native -mllvm=-inline-threshold=9000"
        " -mllvm=-inline-cold-callsite-threshold=3000 -ffp-contract=fast",
    }
)

_PIXELS = """
    typedef float lanes __attribute__((ext_vector_type(8), aligned(4)));
    const int LANES = 8;
    auto at = [](float* p) -> lanes& { return *(lanes*)p; };
    // exp(y) for small |y|; exp(x) for x <= 0 to 1e-6 (never below exp(-16)); exp(-q) for 0 <= q <= 1 to 3e-6.
    auto series = [](lanes y) {
        return 1.0f + y * (1.0f + y * (1.0f / 2.0f) * (1.0f + y * (1.0f / 3.0f) * (1.0f + y * (1.0f / 4.0f))));
    };
    auto falloff = [&](lanes x) {
        lanes p = series(__builtin_elementwise_max(x * (1.0f / 32.0f), (lanes)(-0.5f)));
        p *= p; p *= p; p *= p; p *= p;
        return p * p;
    };
    auto passing = [&](lanes q) {
        lanes p = series(q * (-1.0f / 8.0f));
        p *= p; p *= p;
        return p * p;
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

    const int frames = params.shape[1], count = params.shape[2];
    const int height = image.shape[2], pitch = image.shape[3], blocks = pitch / LANES;
    const long long plane = (long long)height * pitch, stride = (long long)frames * count;
    const float* gaussian = params.data + (long long)frame * count + k;
    const float u = gaussian[0], v = gaussian[stride];
    const float a = gaussian[2 * stride], b = gaussian[3 * stride], c = gaussian[4 * stride];
    const float opacity = gaussian[5 * stride];
    const float red = gaussian[6 * stride], green = gaussian[7 * stride], blue = gaussian[8 * stride];
    const float limit = reach.data[(long long)frame * count + k];
    const float det = a * c - b * b;
    // Comparisons with NaN are false, so what is not finite, has no extent or is cut off draws nothing.
    const bool drawn = limit > 0.0f && limit < 100.0f && a > 0.0f && a < 1e6f && det > 0.0f && det < 1e12f
        && wp::abs(u) < 1e6f && wp::abs(v) < 1e6f;
    const float tall = drawn ? wp::sqrt(limit * a / det) : 0.0f;
    const int bottom = drawn ? last_at(v + tall, height) : -1;
    lanes step;
    for (int i = 0; i < LANES; ++i) step[i] = (float)i + 0.5f;
    float* target = image.data + 3 * plane * frame;
"""

_ROWS = """
    for (int y = first_at(v - tall, height); y <= bottom; ++y) {
        const float dy = (float)y + 0.5f - v;
        const float wide = wp::sqrt(wp::max(limit - dy * dy * det / a, 0.0f) / a);
        const float middle = u - b / a * dy;
        const int first = first_at(middle - wide, width), last = last_at(middle + wide, width);
        if (last < first) continue;
        for (int block = first / LANES; block <= last / LANES; ++block) {
            const long long here = (long long)y * pitch + block * LANES;
            const lanes dx = step + ((float)(block * LANES) - u);
            const lanes q = opacity * falloff(dx * (-0.5f * a * dx - b * dy) - 0.5f * c * dy * dy);
            int& mark = stamp.data[y * blocks + block];
"""

_FORWARD = (
    _PIXELS
    + _ROWS
    + """
            const lanes before = mark == frame ? at(passed.data + here) : (lanes)(1.0f);
            const lanes after = before * passing(q);
            const lanes stopped = before - after;
            mark = frame;
            at(passed.data + here) = after;
            at(target + here) += red * stopped;
            at(target + plane + here) += green * stopped;
            at(target + 2 * plane + here) += blue * stopped;
        }
    }
"""
)

_BACKWARD = (
    _PIXELS
    + """
    float* given = upstream.data + 3 * plane * frame;
    lanes m = 0.0f, mx = 0.0f, mxx = 0.0f, my = 0.0f, mxy = 0.0f, myy = 0.0f;
    lanes to_red = 0.0f, to_green = 0.0f, to_blue = 0.0f;
"""
    + _ROWS
    + """
            const lanes g0 = at(given + here), g1 = at(given + plane + here), g2 = at(given + 2 * plane + here);
            lanes before = 1.0f, rest;
            if (mark == frame) {
                before = at(passed.data + here);
                rest = at(behind.data + here);
            } else {
                rest = g0 * at(target + here) + g1 * at(target + plane + here) + g2 * at(target + 2 * plane + here);
            }
            const lanes after = before * passing(q);
            const lanes stopped = before - after;
            const lanes gc = red * g0 + green * g1 + blue * g2;
            rest -= gc * stopped;
            mark = frame;
            at(passed.data + here) = after;
            at(behind.data + here) = rest;
            const lanes gp = q * (after * gc - rest);
            const lanes gpx = gp * dx;
            m += gp;
            mx += gpx;
            mxx += gpx * dx;
            my += gp * dy;
            mxy += gpx * dy;
            myy += gp * (dy * dy);
            to_red += g0 * stopped;
            to_green += g1 * stopped;
            to_blue += g2 * stopped;
        }
    }
    auto sum = [](lanes x) {
        float total = 0.0f;
        for (int i = 0; i < LANES; ++i) total += x[i];
        return total;
    };
    const float sx = sum(mx), sy = sum(my);
    float* out = gradient.data + (long long)frame * count + k;
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
    width: int,
    frame: int,
    k: int,
    passed: wp.array2d(dtype=wp.float32),
    stamp: wp.array2d(dtype=wp.int32),
): ...


@wp.func_native(_BACKWARD)
def _trace(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    image: wp.array4d(dtype=wp.float32),
    upstream: wp.array4d(dtype=wp.float32),
    gradient: wp.array3d(dtype=wp.float32),
    width: int,
    frame: int,
    k: int,
    passed: wp.array2d(dtype=wp.float32),
    behind: wp.array2d(dtype=wp.float32),
    stamp: wp.array2d(dtype=wp.int32),
): ...


@wp.kernel
def composite(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    order: wp.array2d(dtype=wp.int32),
    image: wp.array4d(dtype=wp.float32),
    width: int,
    begin: int,
    end: int,
    passed: wp.array2d(dtype=wp.float32),
    stamp: wp.array2d(dtype=wp.int32),
):
    """Images of the frames `begin` to `end`; see the module for the formulas and `forward` for the arrays."""
    for y in range(stamp.shape[0]):
        for block in range(stamp.shape[1]):
            stamp[y, block] = -1
    for frame in range(begin, end):
        _blank(image, frame)
        for rank in range(order.shape[1]):
            _draw(params, reach, image, width, frame, order[frame, rank], passed, stamp)


@wp.kernel
def composite_adjoint(
    params: wp.array3d(dtype=wp.float32),
    reach: wp.array2d(dtype=wp.float32),
    order: wp.array2d(dtype=wp.int32),
    image: wp.array4d(dtype=wp.float32),
    upstream: wp.array4d(dtype=wp.float32),
    gradient: wp.array3d(dtype=wp.float32),
    width: int,
    begin: int,
    end: int,
    passed: wp.array2d(dtype=wp.float32),
    behind: wp.array2d(dtype=wp.float32),
    stamp: wp.array2d(dtype=wp.int32),
):
    """∂L/∂params of the frames `begin` to `end`; see the module for the formulas and `backward` for the arrays."""
    for y in range(stamp.shape[0]):
        for block in range(stamp.shape[1]):
            stamp[y, block] = -1
    for frame in range(begin, end):
        for rank in range(order.shape[1]):
            _trace(params, reach, image, upstream, gradient, width, frame, order[frame, rank], passed, behind, stamp)


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
            with _without_driver_warning():
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


def _workspace(height: int, width: int, planes: int) -> list[wp.array]:
    """This thread's scratch, kept between calls: `planes` planes of floats, and one of a stamp a block of lanes."""
    kept = _local.__dict__.setdefault("workspaces", {})
    key = (height, width, planes)
    if key not in kept:
        if len(kept) >= 8:
            kept.clear()
        kept[key] = [
            *(wp.empty((height, width), dtype=wp.float32, device="cpu") for _ in range(planes)),
            wp.empty((height, width // LANES), dtype=wp.int32, device="cpu"),
        ]
    return kept[key]


def _over_frames(kernel: Any, inputs: Sequence[Any], image: wp.array, planes: int, workers: int) -> None:
    """Run `kernel` over the frames of `image`, cut into one range a worker."""
    global _pool, _pool_size
    load()
    frames, _, height, width = image.shape
    workers = max(1, min(workers, frames))
    edges = np.linspace(0, frames, workers + 1).astype(int).tolist()

    def work(begin: int, end: int) -> None:
        scratch = _workspace(height, width, planes)
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
    params: wp.array, reach: wp.array, order: wp.array, image: wp.array, *, width: int, workers: int = 1
) -> None:
    """Composite Gaussians into images.

    Args:
        params: (9, F, N) float32: centre u, v [px, pixel (0, 0) is centred at (.5, .5)], inverse covariance a, b, c
            [1/px²], opacity, red, green, blue of N Gaussians in F frames.
        reach: (F, N) float32: 2 ln(opacity / CUTOFF), the squared Mahalanobis radius that is drawn; ≤ 0 draws nothing.
        order: (F, N) int32: Gaussians of each frame from front to back; a permutation of 0..N-1.
        image: (F, 3, H, W) float32, overwritten; W a multiple of LANES.
        width: columns that are asked for, at most W.
        workers: threads.
    """
    _over_frames(composite, [params, reach, order, image, width], image, 1, workers)


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
        image: (F, 3, H, W) float32, what `forward` made.
        upstream: (F, 3, H, W) float32, gradient of the loss with respect to the image; 0 in columns from `width` on.
        gradient: (9, F, N) float32, overwritten.
    """
    inputs = [params, reach, order, image, upstream, gradient, width]
    _over_frames(composite_adjoint, inputs, image, 2, workers)
