"""Warp kernels from bones, balls and dots to Gaussians in the image, forward and backward: `renderer.gaussians`.

    place   a thread a Gaussian        splats, appearance and camera in one go
    pull    a thread a bone or a ball  the way back: gradients of its ends and their motion, and its share of those of the
                                       appearance
    tally   a warp a value             adds up the shares of every bone and ball of a part, always in the same order;
                                       on the CPU `tally_in_turn`, which needs no warp

The formulas are those of `renderer.py`, `splats.py`, `appearance.py` and `camera.py`, where they are explained.
"""

# Kernels are written in Warp's language: mypy knows neither its array and vector types nor that a thread's index is one.
# mypy: disable-error-code="valid-type, operator, index, arg-type"
# float(0.0) declares a variable that a loop changes; a literal would be a constant to Warp.
# ruff: noqa: UP018, RUF046, SIM108

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import warp as wp

from skeletonllm_core.render import camera
from skeletonllm_core.render.appearance import EFFORT, FEATURES, LARGEST, PACE
from skeletonllm_core.render.kernels_cuda import THREADS, launch
from skeletonllm_core.render.renderer import FLOOR_GREY, FLOOR_OPACITY, FLOOR_RADIUS, LOW_PASS
from skeletonllm_core.render.splats import ALONG, BLUR, FLOOR_DOTS, FLOOR_SPACING, SPREAD

ROWS = 5
"""Logits of a Gaussian: red, green, blue, opacity, radius."""

SHARES = 6 + ROWS + ROWS * FEATURES
"""Values of the appearance a part: colour (3), opacity, radius, ball, slope (5), motion (5 × 6)."""

COS, SIN = camera.COS, camera.SIN
TARGET_HEIGHT, DISTANCE, NEAR = camera.TARGET_HEIGHT, camera.DISTANCE, camera.NEAR
FOCAL = camera.focal_length(1)
WIDEST = 1.5 * camera.HALF_FIELD / camera.DISTANCE
STEP_SPREAD = (SPREAD / ALONG) ** 2
REACH = FLOOR_DOTS // 2
RIM = (REACH + 0.5) * FLOOR_SPACING
FLOOR_THICKNESS = 1e-6

Logits = wp.types.vector(ROWS, wp.float32)
Features = wp.types.vector(FEATURES, wp.float32)
Ellipse = wp.types.vector(5, wp.float32)

wp.set_module_options({"enable_backward": False, "default_grid_stride": False, "block_dim": THREADS})


@wp.func
def _to_camera(p: wp.vec3):
    y = p[1] - TARGET_HEIGHT
    return wp.vec3(p[0], y * COS - p[2] * SIN, y * SIN + p[2] * COS)


@wp.func
def _from_camera(g: wp.vec3):
    """The adjoint of `_to_camera`."""
    return wp.vec3(g[0], g[1] * COS + g[2] * SIN, g[2] * COS - g[1] * SIN)


@wp.func
def _features(v: wp.vec3, a: wp.vec3):
    speed = wp.sqrt(wp.dot(v, v) + 1.0e-6)
    effort = wp.sqrt(wp.dot(a, a) + 1.0e-6)
    pace = v / (speed + PACE)
    push = a / (effort + EFFORT)
    return Features(
        speed / (speed + PACE), pace[0], pace[1], pace[2], effort / (effort + EFFORT), wp.dot(pace, push)
    )  # fmt: skip


@wp.func
def _features_adjoint(v: wp.vec3, a: wp.vec3, g: Features):
    """∂L/∂v and ∂L/∂a from ∂L/∂features."""
    speed = wp.sqrt(wp.dot(v, v) + 1.0e-6)
    effort = wp.sqrt(wp.dot(a, a) + 1.0e-6)
    slow = 1.0 / (speed + PACE)
    weak = 1.0 / (effort + EFFORT)
    to_pace = wp.vec3(g[1], g[2], g[3]) + a * (g[5] * weak)
    to_push = v * (g[5] * slow)
    to_speed = (g[0] * PACE - wp.dot(to_pace, v)) * slow * slow
    to_effort = (g[4] * EFFORT - wp.dot(to_push, a)) * weak * weak
    return to_pace * slow + v * (to_speed / speed), to_push * weak + a * (to_effort / effort)


@wp.func
def _held(slope: float):
    return wp.clamp(slope, -WIDEST, WIDEST)


@wp.func
def _project(centre: wp.vec3, axis: wp.vec3, across: float, along: float, depth: float, size: float):
    near = 1.0 / wp.max(depth, NEAR)
    scale = FOCAL * size * near
    right = _held(centre[0] * near)
    up = _held(centre[1] * near)
    axis_u = axis[0] + right * axis[2]
    axis_v = -(axis[1] + up * axis[2])
    round_part = scale * scale * across
    long_part = scale * scale * (along - across)
    uu = round_part * (1.0 + right * right) + long_part * axis_u * axis_u + LOW_PASS
    uv = long_part * axis_u * axis_v - round_part * right * up
    vv = round_part * (1.0 + up * up) + long_part * axis_v * axis_v + LOW_PASS
    inverse = 1.0 / (uu * vv - uv * uv)
    return Ellipse(
        0.5 * size + scale * centre[0], 0.5 * size - scale * centre[1], vv * inverse, -uv * inverse, uu * inverse
    )  # fmt: skip


@wp.func
def _project_adjoint(
    centre: wp.vec3, axis: wp.vec3, across: float, along: float, depth: float, size: float, e: Ellipse, g: Ellipse
):
    """From ∂L/∂ellipse: ∂L/∂centre (the depth included), ∂L/∂axis, ∂L/∂across, ∂L/∂along; `e` is what `_project` gave."""
    near = 1.0 / wp.max(depth, NEAR)
    scale = FOCAL * size * near
    right = _held(centre[0] * near)
    up = _held(centre[1] * near)
    axis_u = axis[0] + right * axis[2]
    axis_v = -(axis[1] + up * axis[2])
    squared = scale * scale
    round_part = squared * across
    long_part = squared * (along - across)
    # M is the inverse of Σ, so ∂L/∂Σ = -M G M with G = ((ga, gb / 2), (gb / 2, gc)); uv stands in Σ twice.
    half = 0.5 * g[3]
    first = e[2] * g[2] + e[3] * half
    second = e[2] * half + e[3] * g[4]
    third = e[3] * g[2] + e[4] * half
    fourth = e[3] * half + e[4] * g[4]
    to_uu = -(first * e[2] + second * e[3])
    to_uv = -2.0 * (first * e[3] + second * e[4])
    to_vv = -(third * e[3] + fourth * e[4])
    to_round = to_uu * (1.0 + right * right) - to_uv * right * up + to_vv * (1.0 + up * up)
    to_long = to_uu * axis_u * axis_u + to_uv * axis_u * axis_v + to_vv * axis_v * axis_v
    to_axis_u = long_part * (2.0 * to_uu * axis_u + to_uv * axis_v)
    to_axis_v = long_part * (2.0 * to_vv * axis_v + to_uv * axis_u)
    to_right = round_part * (2.0 * to_uu * right - to_uv * up) + to_axis_u * axis[2]
    to_up = round_part * (2.0 * to_vv * up - to_uv * right) - to_axis_v * axis[2]
    if wp.abs(centre[0] * near) > WIDEST:
        to_right = 0.0
    if wp.abs(centre[1] * near) > WIDEST:
        to_up = 0.0
    to_squared = to_round * across + to_long * (along - across)
    to_scale = 2.0 * scale * to_squared + g[0] * centre[0] - g[1] * centre[1]
    to_depth = -(to_scale * scale + (to_right * centre[0] + to_up * centre[1]) * near) * near
    if depth < NEAR:
        to_depth = 0.0
    return (
        wp.vec3(g[0] * scale + to_right * near, to_up * near - g[1] * scale, -to_depth),
        wp.vec3(to_axis_u, -to_axis_v, to_axis_u * right - to_axis_v * up),
        squared * (to_round - to_long),
        squared * to_long,
    )


@wp.func
def _sigmoid(x: float):
    return 1.0 / (1.0 + wp.exp(-x))


@wp.func
def _moved(base: Logits, motion: wp.array3d(dtype=wp.float32), part: int, features: Features):
    """Logits with what motion adds."""
    for row in range(ROWS):
        added = float(0.0)
        for feature in range(FEATURES):
            added += motion[part, row, feature] * features[feature]
        base[row] = base[row] + added
    return base


@wp.func
def _base(
    part: int,
    colour: wp.array2d(dtype=wp.float32),
    opacity: wp.array(dtype=wp.float32),
    radius: wp.array(dtype=wp.float32),
):
    return Logits(colour[part, 0], colour[part, 1], colour[part, 2], opacity[part], radius[part])


@wp.func
def _slope(part: int, slope: wp.array2d(dtype=wp.float32)):
    return Logits(slope[part, 0], slope[part, 1], slope[part, 2], slope[part, 3], slope[part, 4])


@wp.func
def _even(x: float):
    """0 for an even number, 1 for an odd one."""
    return x - 2.0 * wp.floor(0.5 * x)


@wp.func
def _dot(index: int, floor: wp.vec2):
    """Where a dot on the ground is [m], and how much of it is seen."""
    x = wp.rint(floor[0] / FLOOR_SPACING) + float(index // FLOOR_DOTS - REACH)
    z = wp.rint(floor[1] / FLOOR_SPACING) + float(index % FLOOR_DOTS - REACH)
    at_x = x * FLOOR_SPACING - floor[0]
    at_z = z * FLOOR_SPACING - floor[1]
    fade_x = wp.max(1.0 - (at_x / RIM) * (at_x / RIM), 0.0)
    fade_z = wp.max(1.0 - (at_z / RIM) * (at_z / RIM), 0.0)
    seen = fade_x * fade_z * (1.0 - 0.5 * _even(_even(x) + _even(z)))
    return wp.vec3(at_x, 0.0, at_z), seen


@wp.kernel
def place(
    start: wp.array2d(dtype=wp.vec3),
    end: wp.array2d(dtype=wp.vec3),
    start_velocity: wp.array2d(dtype=wp.vec3),
    end_velocity: wp.array2d(dtype=wp.vec3),
    start_acceleration: wp.array2d(dtype=wp.vec3),
    end_acceleration: wp.array2d(dtype=wp.vec3),
    part: wp.array2d(dtype=wp.int64),
    visible: wp.array2d(dtype=wp.bool),
    ball: wp.array2d(dtype=wp.vec3),
    ball_velocity: wp.array2d(dtype=wp.vec3),
    ball_acceleration: wp.array2d(dtype=wp.vec3),
    ball_part: wp.array2d(dtype=wp.int64),
    ball_visible: wp.array2d(dtype=wp.bool),
    floor: wp.array(dtype=wp.vec2),
    zoom: wp.array(dtype=wp.float32),
    colour: wp.array2d(dtype=wp.float32),
    opacity: wp.array(dtype=wp.float32),
    radius: wp.array(dtype=wp.float32),
    ball_radius: wp.array(dtype=wp.float32),
    slope: wp.array2d(dtype=wp.float32),
    motion: wp.array3d(dtype=wp.float32),
    size: float,
    params: wp.array3d(dtype=wp.float32),
    depth: wp.array2d(dtype=wp.float32),
):
    """`params` and `depth` as `rasterize` takes them: the Gaussians of all bones, then all balls, then the dots."""
    index = wp.tid()
    n = index % depth.shape[1]
    frame = index // depth.shape[1]
    bones = start.shape[1]
    balls = ball.shape[1]
    centre = wp.vec3()
    axis = wp.vec3()
    across = float(FLOOR_RADIUS * FLOOR_RADIUS)
    along = float(FLOOR_THICKNESS)
    alpha = float(0.0)
    red = float(FLOOR_GREY)
    green = float(FLOOR_GREY)
    blue = float(FLOOR_GREY)
    shown = bool(False)
    if n < ALONG * bones + balls:
        logits = Logits()
        share = float(1.0)
        if n < ALONG * bones:
            bone = n // ALONG
            t = (float(n % ALONG) + 0.5) / float(ALONG)
            shown = visible[frame, bone]
            own = int(part[frame, bone])
            head = _to_camera(start[frame, bone])
            line = _to_camera(end[frame, bone]) - head
            squared = wp.dot(line, line)
            spread = squared * STEP_SPREAD
            along = spread + BLUR * BLUR
            axis = line / wp.sqrt(squared + 1.0e-8)
            share = wp.sqrt(spread / along + 1.0e-12)
            centre = head + line * t
            base = _base(own, colour, opacity, radius)
            added = _slope(own, slope)
            first = _features(start_velocity[frame, bone], start_acceleration[frame, bone])
            last = _features(end_velocity[frame, bone], end_acceleration[frame, bone])
            # Logits run linearly from end to end, so they may be taken of features that do.
            logits = _moved(base + added * (t - 0.5), motion, own, first + (last - first) * t)
        else:
            k = n - ALONG * bones
            shown = ball_visible[frame, k]
            own = int(ball_part[frame, k])
            centre = _to_camera(ball[frame, k])
            along = 0.0
            logits = _moved(
                _base(own, colour, opacity, ball_radius),
                motion,
                own,
                _features(ball_velocity[frame, k], ball_acceleration[frame, k]),
            )
        wide = LARGEST * _sigmoid(logits[4])
        across = wide * wide
        alpha = _sigmoid(logits[3]) * share
        red = _sigmoid(logits[0])
        green = _sigmoid(logits[1])
        blue = _sigmoid(logits[2])
    else:
        where, seen = _dot(n - ALONG * bones - balls, floor[frame])
        centre = _to_camera(where)
        axis = wp.vec3(0.0, COS, SIN)
        alpha = FLOOR_OPACITY * seen
        shown = seen > 0.0
    z = DISTANCE * zoom[frame] - centre[2]
    ellipse = _project(centre, axis, across, along, z, size)
    for row in range(5):
        params[row, frame, n] = ellipse[row]
    params[5, frame, n] = alpha
    params[6, frame, n] = red
    params[7, frame, n] = green
    params[8, frame, n] = blue
    if not shown or not z > NEAR:
        z = wp.inf  # type: ignore[attr-defined]
    depth[frame, n] = z


@wp.func
def _to_logits(
    params: wp.array3d(dtype=wp.float32),
    gradient: wp.array3d(dtype=wp.float32),
    frame: int,
    n: int,
    share: float,
    wide: float,
    to_across: float,
):
    """∂L/∂logits of a Gaussian: every logit goes through a sigmoid first."""
    red = params[6, frame, n]
    green = params[7, frame, n]
    blue = params[8, frame, n]
    alpha = params[5, frame, n] / share
    open = wide / LARGEST
    return Logits(
        gradient[6, frame, n] * red * (1.0 - red),
        gradient[7, frame, n] * green * (1.0 - green),
        gradient[8, frame, n] * blue * (1.0 - blue),
        gradient[5, frame, n] * share * alpha * (1.0 - alpha),
        to_across * 2.0 * wide * wide * (1.0 - open),
    )


@wp.func
def _ellipse(params: wp.array3d(dtype=wp.float32), frame: int, n: int):
    return Ellipse(
        params[0, frame, n], params[1, frame, n], params[2, frame, n], params[3, frame, n], params[4, frame, n]
    )  # fmt: skip


@wp.func
def _to_features(motion: wp.array3d(dtype=wp.float32), part: int, g: Logits):
    """∂L/∂features from ∂L/∂logits."""
    found = Features()
    for feature in range(FEATURES):
        added = float(0.0)
        for row in range(ROWS):
            added += motion[part, row, feature] * g[row]
        found[feature] = added
    return found


@wp.kernel
def pull(
    start: wp.array2d(dtype=wp.vec3),
    end: wp.array2d(dtype=wp.vec3),
    start_velocity: wp.array2d(dtype=wp.vec3),
    end_velocity: wp.array2d(dtype=wp.vec3),
    start_acceleration: wp.array2d(dtype=wp.vec3),
    end_acceleration: wp.array2d(dtype=wp.vec3),
    part: wp.array2d(dtype=wp.int64),
    ball: wp.array2d(dtype=wp.vec3),
    ball_velocity: wp.array2d(dtype=wp.vec3),
    ball_acceleration: wp.array2d(dtype=wp.vec3),
    ball_part: wp.array2d(dtype=wp.int64),
    zoom: wp.array(dtype=wp.float32),
    colour: wp.array2d(dtype=wp.float32),
    opacity: wp.array(dtype=wp.float32),
    radius: wp.array(dtype=wp.float32),
    ball_radius: wp.array(dtype=wp.float32),
    slope: wp.array2d(dtype=wp.float32),
    motion: wp.array3d(dtype=wp.float32),
    size: float,
    params: wp.array3d(dtype=wp.float32),
    gradient: wp.array3d(dtype=wp.float32),
    to_bone: wp.array3d(dtype=wp.vec3),
    to_ball: wp.array3d(dtype=wp.vec3),
    shares: wp.array3d(dtype=wp.float32),
):
    """From ∂L/∂params: `to_bone` (6, F, B) in the order of the first six arguments, `to_ball` (3, F, K), and `shares`
    (SHARES, F, B + K), what each adds to the gradients of its part's appearance."""
    index = wp.tid()
    item = index % shares.shape[2]
    frame = index // shares.shape[2]
    bones = start.shape[1]
    if item < bones:
        own = int(part[frame, item])
        head = _to_camera(start[frame, item])
        line = _to_camera(end[frame, item]) - head
        squared = wp.dot(line, line)
        spread = squared * STEP_SPREAD
        along = spread + BLUR * BLUR
        short = 1.0 / wp.sqrt(squared + 1.0e-8)
        axis = line * short
        share = wp.sqrt(spread / along + 1.0e-12)
        first = _features(start_velocity[frame, item], start_acceleration[frame, item])
        last = _features(end_velocity[frame, item], end_acceleration[frame, item])
        to_head = wp.vec3()
        to_tail = wp.vec3()
        to_axis = wp.vec3()
        to_along = float(0.0)
        to_share = float(0.0)
        to_first = Logits()
        to_last = Logits()
        for step in range(ALONG):
            n = ALONG * item + step
            t = (float(step) + 0.5) / float(ALONG)
            centre = head + line * t
            open = radius[own] + slope[own, 4] * (t - 0.5)
            for feature in range(FEATURES):
                open += motion[own, 4, feature] * (first[feature] + (last[feature] - first[feature]) * t)
            wide = LARGEST * _sigmoid(open)
            z = DISTANCE * zoom[frame] - centre[2]
            to_centre, more_axis, to_across, more_along = _project_adjoint(
                centre, axis, wide * wide, along, z, size, _ellipse(params, frame, n), _ellipse(gradient, frame, n)
            )
            g = _to_logits(params, gradient, frame, n, share, wide, to_across)
            to_head += to_centre * (1.0 - t)
            to_tail += to_centre * t
            to_axis += more_axis
            to_along += more_along
            to_share += gradient[5, frame, n] * params[5, frame, n] / share
            to_first += g * (1.0 - t)
            to_last += g * t
        # share² = spread / along + 1e-12, and along = spread + BLUR²
        to_ratio = 0.5 * to_share / share
        to_spread = to_ratio / along + to_along - to_ratio * spread / (along * along)
        to_line = to_axis * short - line * (wp.dot(line, to_axis) * short * short * short)
        to_line += line * (2.0 * STEP_SPREAD * to_spread)
        to_bone[0, frame, item] = _from_camera(to_head - to_line)
        to_bone[1, frame, item] = _from_camera(to_tail + to_line)
        to_velocity, to_acceleration = _features_adjoint(
            start_velocity[frame, item], start_acceleration[frame, item], _to_features(motion, own, to_first)
        )
        to_bone[2, frame, item] = to_velocity
        to_bone[4, frame, item] = to_acceleration
        to_velocity, to_acceleration = _features_adjoint(
            end_velocity[frame, item], end_acceleration[frame, item], _to_features(motion, own, to_last)
        )
        to_bone[3, frame, item] = to_velocity
        to_bone[5, frame, item] = to_acceleration
        for row in range(ROWS):
            shares[row, frame, item] = to_first[row] + to_last[row]
            shares[6 + row, frame, item] = 0.5 * (to_last[row] - to_first[row])
            for feature in range(FEATURES):
                shares[6 + ROWS + FEATURES * row + feature, frame, item] = (
                    to_first[row] * first[feature] + to_last[row] * last[feature]
                )
        shares[5, frame, item] = 0.0
    else:
        k = item - bones
        n = ALONG * bones + k
        own = int(ball_part[frame, k])
        centre = _to_camera(ball[frame, k])
        features = _features(ball_velocity[frame, k], ball_acceleration[frame, k])
        logits = _moved(_base(own, colour, opacity, ball_radius), motion, own, features)
        wide = LARGEST * _sigmoid(logits[4])
        z = DISTANCE * zoom[frame] - centre[2]
        to_centre, more_axis, to_across, more_along = _project_adjoint(
            centre, wp.vec3(), wide * wide, 0.0, z, size, _ellipse(params, frame, n), _ellipse(gradient, frame, n)
        )
        g = _to_logits(params, gradient, frame, n, 1.0, wide, to_across)
        to_velocity, to_acceleration = _features_adjoint(
            ball_velocity[frame, k], ball_acceleration[frame, k], _to_features(motion, own, g)
        )
        to_ball[0, frame, k] = _from_camera(to_centre)
        to_ball[1, frame, k] = to_velocity
        to_ball[2, frame, k] = to_acceleration
        for row in range(ROWS):
            if row < 4:
                shares[row, frame, item] = g[row]
            shares[6 + row, frame, item] = 0.0
            for feature in range(FEATURES):
                shares[6 + ROWS + FEATURES * row + feature, frame, item] = g[row] * features[feature]
        shares[4, frame, item] = 0.0
        shares[5, frame, item] = g[4]


@wp.func
def _add(
    value: int,
    own: int,
    amount: float,
    to_colour: wp.array2d(dtype=wp.float32),
    to_opacity: wp.array(dtype=wp.float32),
    to_radius: wp.array(dtype=wp.float32),
    to_ball_radius: wp.array(dtype=wp.float32),
    to_slope: wp.array2d(dtype=wp.float32),
    to_motion: wp.array3d(dtype=wp.float32),
):
    """Add to the gradient of one of a part's `SHARES` values."""
    if value < 3:
        to_colour[own, value] = to_colour[own, value] + amount
    elif value == 3:
        to_opacity[own] = to_opacity[own] + amount
    elif value == 4:
        to_radius[own] = to_radius[own] + amount
    elif value == 5:
        to_ball_radius[own] = to_ball_radius[own] + amount
    elif value < 6 + ROWS:
        to_slope[own, value - 6] = to_slope[own, value - 6] + amount
    else:
        row = (value - 6 - ROWS) // FEATURES
        feature = value - 6 - ROWS - FEATURES * row
        to_motion[own, row, feature] = to_motion[own, row, feature] + amount


@wp.kernel
def tally(
    part: wp.array2d(dtype=wp.int64),
    ball_part: wp.array2d(dtype=wp.int64),
    shares: wp.array3d(dtype=wp.float32),
    parts: int,
    to_colour: wp.array2d(dtype=wp.float32),
    to_opacity: wp.array(dtype=wp.float32),
    to_radius: wp.array(dtype=wp.float32),
    to_ball_radius: wp.array(dtype=wp.float32),
    to_slope: wp.array2d(dtype=wp.float32),
    to_motion: wp.array3d(dtype=wp.float32),
):
    """The gradients of the appearance: of each part and value, the sum of the shares of its bones and balls."""
    index = wp.tid()
    thread = index % THREADS
    own = index // THREADS % parts
    value = index // THREADS // parts
    bones = part.shape[1]
    items = shares.shape[2]
    total = float(0.0)
    for at in range(thread, shares.shape[1] * items, THREADS):
        frame = at // items
        item = at % items
        whose = int(0)
        if item < bones:
            whose = int(part[frame, item])
        else:
            whose = int(ball_part[frame, item - bones])
        if whose == own:
            total += shares[value, frame, item]
    total = wp.tile_extract(wp.tile_sum(wp.tile(total)), 0)
    if thread == 0:
        _add(value, own, total, to_colour, to_opacity, to_radius, to_ball_radius, to_slope, to_motion)


@wp.kernel
def tally_in_turn(
    part: wp.array2d(dtype=wp.int64),
    ball_part: wp.array2d(dtype=wp.int64),
    shares: wp.array3d(dtype=wp.float32),
    to_colour: wp.array2d(dtype=wp.float32),
    to_opacity: wp.array(dtype=wp.float32),
    to_radius: wp.array(dtype=wp.float32),
    to_ball_radius: wp.array(dtype=wp.float32),
    to_slope: wp.array2d(dtype=wp.float32),
    to_motion: wp.array3d(dtype=wp.float32),
):
    """What `tally` does, a thread a value, each share added where it belongs."""
    value = wp.tid()
    bones = part.shape[1]
    for frame in range(shares.shape[1]):
        for item in range(shares.shape[2]):
            own = int(0)
            if item < bones:
                own = int(part[frame, item])
            else:
                own = int(ball_part[frame, item - bones])
            share = shares[value, frame, item]
            _add(value, own, share, to_colour, to_opacity, to_radius, to_ball_radius, to_slope, to_motion)


def forward(
    bones: Sequence[Any],
    balls: Sequence[Any],
    looks: Sequence[Any],
    bone_kind: Sequence[Any],
    ball_kind: Sequence[Any],
    floor: Any,
    zoom: Any,
    size: int,
    params: Any,
    depth: Any,
    *,
    threads: int,
    device: str,
    stream: wp.Stream | None,
) -> None:
    """Gaussians of bones, balls and dots.

    Args:
        bones: start, end, their velocities, their accelerations: (F, B) vec3 each.
        balls: centre, velocity, acceleration: (F, K) vec3 each.
        looks: colour, opacity, radius, ball, slope, motion of `Appearance`.
        bone_kind, ball_kind: part (int64) and visible (bool): (F, B), (F, K).
        floor: (F,) vec2.
        zoom: (F,) float32.
        size: width and height of the images [px].
        params, depth: (9, F, N), (F, N) float32, overwritten.
        threads: F N.
        stream: where to launch; None on the CPU.
    """
    inputs = [*bones, *bone_kind, *balls, *ball_kind, floor, zoom, *looks, float(size), params, depth]
    launch(place, threads, inputs, device, stream)


def backward(
    bones: Sequence[Any],
    balls: Sequence[Any],
    looks: Sequence[Any],
    part: Any,
    ball_part: Any,
    zoom: Any,
    size: int,
    params: Any,
    gradient: Any,
    to_bone: Any,
    to_ball: Any,
    shares: Any,
    to_looks: Sequence[Any],
    *,
    threads: int,
    parts: int,
    device: str,
    stream: wp.Stream | None,
) -> None:
    """Gradients of everything that `forward` took, from `gradient` (9, F, N), those of `params`.

    Args:
        bones, balls, looks, part, ball_part, zoom, size, params, device, stream: as `forward` was given and left them.
        to_bone, to_ball: (6, F, B) and (3, F, K) vec3, overwritten.
        to_looks: like `looks`, zeros at first.
        shares: (SHARES, F, B + K) float32, scratch.
        threads: F (B + K).
        parts: rows of `looks`.
    """
    inputs = [*bones, part, *balls, ball_part, zoom, *looks, float(size), params, gradient, to_bone, to_ball, shares]
    launch(pull, threads, inputs, device, stream)
    if device == "cpu" and not wp.config.enable_cpu_blocks:
        launch(tally_in_turn, SHARES, [part, ball_part, shares, *to_looks], device, stream)
    else:
        launch(tally, parts * SHARES * THREADS, [part, ball_part, shares, parts, *to_looks], device, stream)
