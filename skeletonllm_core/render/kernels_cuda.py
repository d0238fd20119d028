"""Warp kernels that composite Gaussians on a GPU, forward and backward; they know arrays, never torch.

The image, its formulas and its cut-off are those of `kernels_cpu`: a Gaussian is drawn where q ≥ CUTOFF. One warp has one
tile of 16 × 16 pixels and each of its threads eight of them in a row, so what a thread loads and decides is shared by
eight pixels, they are eight independent chains of arithmetic, and a sum over a tile is five shuffles, without shared memory.

    arrange  a thread a Gaussian   counts the nearer ones of its frame: its place in the order, without a sort; what has
                                   no finite depth (padding) gets no place, so nothing later ever sees it
    touch    a thread a tile and 32 Gaussians   one bit for each that reaches the tile
    draw     a warp a tile         follows the bits front to back; every pixel is written, so nothing is cleared first
    trace    a warp a tile         follows them again with T and S as in `kernels_cpu`; one partial sum a set bit
    gather   a warp a Gaussian     adds up its partial sums, always in the same order

Lists of a tile are bits: N / 8 bytes a tile, exact for every N, so nothing can overflow and the host never has to ask
how much there is. There are no atomics: images and gradients have the same bits every time. Nothing waits for the GPU.
"""

# Kernels are written in Warp's language: mypy knows neither its array and vector types nor that a thread's index is one.
# mypy: disable-error-code="valid-type, operator, index, arg-type"
# float(0.0) declares a variable that a loop changes; a literal would be a constant to Warp.
# ruff: noqa: UP018, RUF046

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import warp as wp

from skeletonllm_core.render.kernels_cpu import CUTOFF

TILE = 16
"""Width and height of a tile [px]."""

THREADS = 32
"""Threads of a block: the `TILE` rows of a tile, two times eight pixels each; and Gaussians to a word of bits."""

LANES = 8
"""Pixels of a thread; the width of every image plane is a multiple of it."""

SPLAT = 10
"""Floats of an arranged Gaussian: u, v, a, b, c, opacity, red, green, blue, and reach as for `kernels_cpu.forward`."""

MOMENTS = 9
"""Floats of a partial sum: 1, x, x², y, xy, y² times ∂L/∂p, and ∂L/∂ red, green, blue."""

Splat = wp.types.vector(SPLAT, wp.float32)
Moments = wp.types.vector(MOMENTS, wp.float32)
Block = wp.types.vector(LANES, wp.float32)

wp.set_module_options({"enable_backward": False, "default_grid_stride": False, "block_dim": THREADS})


@wp.kernel
def arrange(
    params: wp.array3d(dtype=wp.float32),
    depth: wp.array2d(dtype=wp.float32),
    rank: wp.array2d(dtype=wp.int32),
    nearer: wp.array(dtype=wp.int32),
    splats: wp.array2d(dtype=Splat),
):
    """Put the Gaussians of each frame in order, front to back; equal depths keep the order of the list."""
    index = wp.tid()
    k = index % depth.shape[1]
    frame = index // depth.shape[1]
    own = depth[frame, k]
    place = int(0)
    total = int(0)
    for other in range(depth.shape[1]):
        z = depth[frame, other]
        if wp.isfinite(z):
            total += 1
            if z < own or (z == own and other < k):
                place += 1
    if k == 0:
        nearer[frame] = total
    if wp.isfinite(own):
        u = params[0, frame, k]
        v = params[1, frame, k]
        a = params[2, frame, k]
        b = params[3, frame, k]
        c = params[4, frame, k]
        opacity = params[5, frame, k]
        red = params[6, frame, k]
        green = params[7, frame, k]
        blue = params[8, frame, k]
        determinant = a * c - b * b
        # Comparisons with NaN are false, so what is not finite, has no extent or is cut off draws nothing.
        reach = float(0.0)
        if (
            opacity > CUTOFF
            and opacity <= 1.0
            and a > 1.0e-12
            and c > 1.0e-12
            and a < 1.0e6
            and determinant > 0.0
            and determinant < 1.0e12
            and wp.abs(u) < 1.0e6
            and wp.abs(v) < 1.0e6
            and wp.isfinite(red + green + blue)
        ):
            reach = 2.0 * wp.log(opacity / CUTOFF)
        splats[frame, place] = Splat(u, v, a, b, c, opacity, red, green, blue, reach)
        rank[frame, k] = place
    else:
        rank[frame, k] = -1


@wp.func
def _nearest(a: float, b: float, c: float, left: float, right: float, low: float, high: float):
    """The least a x² + 2 b x y + c y² over left ≤ x ≤ right, low ≤ y ≤ high, with a, c and a c - b² above 0.

    Where the origin is outside, the least lies on an edge that faces it; there the other coordinate is free or clamped.
    """
    x = wp.clamp(0.0, left, right)
    y = wp.clamp(0.0, low, high)
    beside = wp.clamp(-b * x / c, low, high)
    above = wp.clamp(-b * y / a, left, right)
    least = float(0.0)
    if x != 0.0:
        least = a * x * x + 2.0 * b * x * beside + c * beside * beside
    if y != 0.0:
        other = a * above * above + 2.0 * b * above * y + c * y * y
        if x == 0.0 or other < least:
            least = other
    return least


@wp.kernel
def touch(
    splats: wp.array2d(dtype=Splat),
    nearer: wp.array(dtype=wp.int32),
    across: int,
    bits: wp.array3d(dtype=wp.uint32),
):
    """Which Gaussians reach which tile; at most a few more than needed, because `draw` decides for each pixel."""
    index = wp.tid()
    tile = index % bits.shape[2]
    word = index // bits.shape[2] % bits.shape[1]
    frame = index // bits.shape[2] // bits.shape[1]
    left = float(TILE * (tile % across)) + 0.5
    low = float(TILE * (tile // across)) + 0.5
    begin = THREADS * word
    end = wp.min(nearer[frame], begin + THREADS)
    found = wp.uint32(0)
    for place in range(begin, end):
        splat = splats[frame, place]
        reach = splat[9]
        if reach > 0.0:
            x = left - splat[0]
            y = low - splat[1]
            side = float(TILE - 1)
            if _nearest(splat[2], splat[3], splat[4], x, x + side, y, y + side) <= reach * 1.0001 + 1.0e-4:
                found = found | (wp.uint32(1) << wp.uint32(place - begin))
    bits[frame, word, tile] = found


@wp.func
def _weight(splat: Splat, dx: float, dy: float):
    """q of a pixel, 0 where it is cut off."""
    power = dx * (-0.5 * splat[2] * dx - splat[3] * dy) - 0.5 * splat[4] * dy * dy
    q = float(0.0)
    if power >= -0.5 * splat[9]:
        q = splat[5] * wp.exp(power)
    return q


@wp.func
def _lowest(bits: wp.uint32):
    """Index of the lowest bit that is set."""
    return int(wp.bit_count((bits & (~bits + wp.uint32(1))) - wp.uint32(1)))


@wp.func_native("""
    struct alignas(16) Four { float x, y, z, w; };
    const long long at = (long long)(plane * height + y) * pitch + x;
    Four* out = (Four*)(image.data + at);
    out[0] = Four { value[0], value[1], value[2], value[3] };
    out[1] = Four { value[4], value[5], value[6], value[7] };
""")
def _write(
    image: wp.array4d(dtype=wp.float32), plane: int, height: int, pitch: int, y: int, x: int, value: Block
): ...  # fmt: skip


@wp.func_native("""
    struct alignas(16) Four { float x, y, z, w; };
    const long long at = (long long)(plane * height + y) * pitch + x;
    const Four* from = (const Four*)(image.data + at);
    const Four left = from[0], right = from[1];
    wp::vec_t<8, float> value;
    value[0] = left.x, value[1] = left.y, value[2] = left.z, value[3] = left.w;
    value[4] = right.x, value[5] = right.y, value[6] = right.z, value[7] = right.w;
    return value;
""")
def _read(image: wp.array4d(dtype=wp.float32), plane: int, height: int, pitch: int, y: int, x: int) -> Block: ...


@wp.kernel
def draw(
    splats: wp.array2d(dtype=Splat),
    bits: wp.array3d(dtype=wp.uint32),
    across: int,
    image: wp.array4d(dtype=wp.float32),
):
    """The images."""
    index = wp.tid()
    thread = index % THREADS
    tile = index // THREADS % bits.shape[2]
    frame = index // THREADS // bits.shape[2]
    height = image.shape[2]
    pitch = image.shape[3]
    x = TILE * (tile % across) + LANES * (thread % 2)
    y = TILE * (tile // across) + thread // 2
    passed = Block(1.0)
    red = Block()
    green = Block()
    blue = Block()
    for word in range(bits.shape[1]):
        left = bits[frame, word, tile]
        while left != wp.uint32(0):
            splat = splats[frame, THREADS * word + _lowest(left)]
            left = left & (left - wp.uint32(1))
            dy = float(y) + 0.5 - splat[1]
            for i in range(LANES):
                after = passed[i] * wp.exp(-_weight(splat, float(x + i) + 0.5 - splat[0], dy))
                stopped = passed[i] - after
                passed[i] = after
                red[i] = red[i] + splat[6] * stopped
                green[i] = green[i] + splat[7] * stopped
                blue[i] = blue[i] + splat[8] * stopped
    if y < height and x < pitch:
        _write(image, 3 * frame, height, pitch, y, x, red)
        _write(image, 3 * frame + 1, height, pitch, y, x, green)
        _write(image, 3 * frame + 2, height, pitch, y, x, blue)


@wp.kernel
def trace(
    splats: wp.array2d(dtype=Splat),
    bits: wp.array3d(dtype=wp.uint32),
    across: int,
    image: wp.array4d(dtype=wp.float32),
    upstream: wp.array4d(dtype=wp.float32),
    begin: int,
    partial: wp.array3d(dtype=Moments),
):
    """Partial sums (frame - begin, place in the order, tile) wherever a bit is set; elsewhere nothing is written."""
    index = wp.tid()
    thread = index % THREADS
    tile = index // THREADS % bits.shape[2]
    step = index // THREADS // bits.shape[2]
    frame = begin + step
    height = image.shape[2]
    pitch = image.shape[3]
    x = TILE * (tile % across) + LANES * (thread % 2)
    y = TILE * (tile // across) + thread // 2
    inside = y < height and x < pitch
    started = bool(False)
    passed = Block(1.0)
    rest = Block()
    g0 = Block()
    g1 = Block()
    g2 = Block()
    for word in range(bits.shape[1]):
        left = bits[frame, word, tile]
        while left != wp.uint32(0):
            place = THREADS * word + _lowest(left)
            splat = splats[frame, place]
            left = left & (left - wp.uint32(1))
            if inside and not started:
                g0 = _read(upstream, 3 * frame, height, pitch, y, x)
                g1 = _read(upstream, 3 * frame + 1, height, pitch, y, x)
                g2 = _read(upstream, 3 * frame + 2, height, pitch, y, x)
                rest = (
                    wp.cw_mul(g0, _read(image, 3 * frame, height, pitch, y, x))
                    + wp.cw_mul(g1, _read(image, 3 * frame + 1, height, pitch, y, x))
                    + wp.cw_mul(g2, _read(image, 3 * frame + 2, height, pitch, y, x))
                )
            started = True
            sums = Moments()
            if inside:
                dy = float(y) + 0.5 - splat[1]
                m = float(0.0)
                mx = float(0.0)
                mxx = float(0.0)
                to_red = float(0.0)
                to_green = float(0.0)
                to_blue = float(0.0)
                for i in range(LANES):
                    dx = float(x + i) + 0.5 - splat[0]
                    q = _weight(splat, dx, dy)
                    after = passed[i] * wp.exp(-q)
                    stopped = passed[i] - after
                    towards = splat[6] * g0[i] + splat[7] * g1[i] + splat[8] * g2[i]
                    behind = rest[i] - towards * stopped
                    passed[i] = after
                    rest[i] = behind
                    slope = q * (after * towards - behind)
                    m += slope
                    mx += slope * dx
                    mxx += slope * dx * dx
                    to_red += g0[i] * stopped
                    to_green += g1[i] * stopped
                    to_blue += g2[i] * stopped
                sums = Moments(m, mx, mxx, m * dy, mx * dy, m * dy * dy, to_red, to_green, to_blue)
            wp.tile_store(partial[step, place], wp.tile_sum(wp.tile(sums, preserve_type=True)), offset=tile)


@wp.kernel
def gather(
    splats: wp.array2d(dtype=Splat),
    rank: wp.array2d(dtype=wp.int32),
    bits: wp.array3d(dtype=wp.uint32),
    partial: wp.array3d(dtype=Moments),
    begin: int,
    gradient: wp.array3d(dtype=wp.float32),
):
    """∂L/∂params from the partial sums."""
    index = wp.tid()
    thread = index % THREADS
    k = index // THREADS % rank.shape[1]
    step = index // THREADS // rank.shape[1]
    frame = begin + step
    place = rank[frame, k]
    own = Moments()
    if place >= 0:
        word = place // THREADS
        bit = wp.uint32(1) << wp.uint32(place % THREADS)
        for tile in range(thread, bits.shape[2], THREADS):
            if (bits[frame, word, tile] & bit) != wp.uint32(0):
                own += partial[step, place, tile]
    total = wp.tile_extract(wp.tile_sum(wp.tile(own, preserve_type=True)), 0)
    if thread == 0:
        a = float(0.0)
        b = float(0.0)
        c = float(0.0)
        share = float(0.0)
        if place >= 0:
            splat = splats[frame, place]
            if splat[9] > 0.0:
                a = splat[2]
                b = splat[3]
                c = splat[4]
                share = total[0] / splat[5]
        gradient[0, frame, k] = a * total[1] + b * total[3]
        gradient[1, frame, k] = b * total[1] + c * total[3]
        gradient[2, frame, k] = -0.5 * total[2]
        gradient[3, frame, k] = -total[4]
        gradient[4, frame, k] = -0.5 * total[5]
        gradient[5, frame, k] = share
        gradient[6, frame, k] = total[6]
        gradient[7, frame, k] = total[7]
        gradient[8, frame, k] = total[8]


def launch(kernel: Any, threads: int, inputs: Sequence[Any], device: str, stream: wp.Stream | None) -> None:
    """Start a kernel of this or another module for the GPU, with blocks of `THREADS`; None is the CPU's stream."""
    # The stream is passed on: wp.ScopedStream would make it wait for one of Warp's, which a graph capture forbids, and
    # would change the stream of other threads.
    wp.launch(kernel, dim=threads, inputs=inputs, device=device, stream=stream, block_dim=THREADS)


def tiles(height: int, width: int) -> tuple[int, int]:
    """How many tiles there are from top to bottom, and from left to right."""
    return -(-height // TILE), -(-width // TILE)


def words(count: int) -> int:
    """How many words hold one bit a Gaussian."""
    return -(-count // THREADS)


def forward(
    params: Any,
    depth: Any,
    rank: Any,
    nearer: Any,
    splats: Any,
    bits: Any,
    image: Any,
    *,
    frames: int,
    count: int,
    height: int,
    width: int,
    device: str,
    stream: wp.Stream | None,
) -> None:
    """Composite Gaussians into images; every array is of `device`, and only `params` and `depth` are read.

    Args:
        params: (9, F, N) float32, as for `kernels_cpu.forward`.
        depth: (F, N) float32; not finite = not drawn.
        rank: (F, N) int32: place in the order of the frame, -1 for what is not drawn.
        nearer: (F,) int32: how many Gaussians of a frame have a place.
        splats: (F, N) `Splat`, in that order.
        bits: (F, words, tiles) uint32: which of them reach a tile.
        image: (F, 3, H, pitch) float32, 16-byte aligned, pitch a multiple of `LANES`.
        frames, count, height, width: F, N, H and the columns that are asked for, at most the pitch; all at least 1.
        stream: where to launch; None on the CPU.
    """
    down, across = tiles(height, width)
    launch(arrange, frames * count, [params, depth, rank, nearer, splats], device, stream)
    launch(touch, frames * words(count) * down * across, [splats, nearer, across, bits], device, stream)
    launch(draw, frames * down * across * THREADS, [splats, bits, across, image], device, stream)


def backward(
    rank: Any,
    splats: Any,
    bits: Any,
    image: Any,
    upstream: Any,
    partial: Any,
    gradient: Any,
    *,
    begin: int,
    frames: int,
    count: int,
    height: int,
    width: int,
    device: str,
    stream: wp.Stream | None,
) -> None:
    """The gradient of a loss with respect to `params`, of the frames from `begin` on.

    Args:
        rank, splats, bits, image, count, height, width, device, stream: as `forward` was given and left them.
        upstream: like `image`, gradient of the loss with respect to it; 0 in columns from `width` on.
        partial: (at least `frames`, N, tiles) `Moments`, scratch.
        gradient: (9, F, N) float32, overwritten in those frames.
        begin, frames: the first frame, and how many.
    """
    down, across = tiles(height, width)
    inputs = [splats, bits, across, image, upstream, begin, partial]
    launch(trace, frames * down * across * THREADS, inputs, device, stream)
    launch(gather, frames * count * THREADS, [splats, rank, bits, partial, begin, gradient], device, stream)
