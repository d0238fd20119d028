"""Warp kernels of the published maths on the CPU: joints to ellipses, and back; they know arrays, never torch.

One person of one frame after the other, `LANES` Gaussians at a time, all of a Gaussian's values in registers; the way back
computes them again instead of keeping them. One thread, so that sums over frames have one order. `published_head.gaussians`
has the formulas, and is what these kernels are tested against.
"""

# Warp reads array types as calls in annotations, which mypy does not take for types.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

import warp as wp

from skeletonllm_core.render import kernels_cpu

LANES = 8
"""Gaussians that are handled at a time; every person's are filled up to a multiple of it."""

LOW_PASS = 1e-5
"""Added to every ellipse's variance [px²]."""

NEAR = 1e-4
"""Nothing nearer to the camera than this is drawn [m]."""

STEEP = 1e3
"""Nothing that is this many times as far to the side as it is away is drawn: its ellipse means nothing."""

RANGE = 1e-6
"""Added to the range of depths that colours span [m]."""

MISSING = 1e-3
"""A Gaussian is not drawn where missing joints have at least this share of it."""

wp.set_module_options(
    {
        "enable_backward": False,
        "cpu_compiler_flags": "-march=native -mllvm=-inline-threshold=9000"
        " -mllvm=-inline-cold-callsite-threshold=3000 -ffp-contract=fast",
    }
)

_CONSTANTS = f"""
    typedef float lanes __attribute__((ext_vector_type({LANES}), aligned(4)));
    const int LANES = {LANES};
    const float LOW_PASS = {LOW_PASS}f, NEAR = {NEAR}f, STEEP = {STEEP}f, RANGE = {RANGE}f, MISSING = {MISSING}f;
"""

_PERSON = """
    auto at = [](float* p) -> lanes& { return *(lanes*)p; };
    auto choose = [](auto mask, lanes yes, lanes no) { return mask ? yes : no; };
    auto sigmoid = [](lanes x) {
        lanes y;
        for (int i = 0; i < LANES; ++i) y[i] = 1.0f / (1.0f + wp::exp(-x[i]));
        return y;
    };
    auto total = [](lanes x) {
        float sum = 0.0f;
        for (int i = 0; i < LANES; ++i) sum += x[i];
        return sum;
    };
    const int persons = absent.shape[1], bones = joints.shape[2], wide = table.shape[1];
    const int units = table.shape[0] - bones - 13;
    const long long plane = (long long)absent.shape[0] * persons * wide;
    const int one = frame * persons + person;
    const float* joint = joints.data + (long long)one * bones * 6;
    const float* gone = missing.data + (long long)one * bones;
    const bool away = absent.data[one] != 0.0f;
    float* skin = table.data;
    float* offset = skin + bones * wide;
    float* base = offset + 3 * wide;
    float* covariance = base + 4 * wide;
    float* hidden = covariance + 6 * wide;
    const float* unit = field.data;
    const float mix = scalars.data[5], half = 0.5f * (float)size;
    lanes step;
    for (int i = 0; i < LANES; ++i) step[i] = (float)i;

    // The mean, x and v by skinning alone, and how much of a Gaussian hangs on missing joints.
    auto moved = [&](int k, lanes* m, lanes& lost) {
        for (int i = 0; i < 6; ++i) m[i] = 0.0f;
        lost = 0.0f;
        for (int j = 0; j < bones; ++j) {
            const lanes w = at(skin + j * wide + k);
            for (int i = 0; i < 6; ++i) m[i] += w * joint[6 * j + i];
            lost += w * gone[j];
        }
    };
    // Red, green, blue, opacity and gate that the motion field adds.
    auto change = [&](int k, const lanes* m, lanes* d) {
        for (int o = 0; o < 5; ++o) d[o] = scalars.data[o];
        for (int h = 0; h < units; ++h) {
            const float* w = unit + 11 * h;
            lanes a = at(hidden + h * wide + k);
            for (int i = 0; i < 6; ++i) a += w[i] * m[i];
            a = __builtin_elementwise_max(a, (lanes)(0.0f));
            for (int o = 0; o < 5; ++o) d[o] += w[6 + o] * a;
        }
    };
    auto is_known = [&](int k, lanes lost) { return (lost < MISSING) & (step + (float)k < (float)count); };
    auto is_drawn = [&](int k, lanes x, lanes y, lanes z, lanes lost) {
        const lanes side = __builtin_elementwise_max(__builtin_elementwise_abs(x), __builtin_elementwise_abs(y));
        return is_known(k, lost) & (z > NEAR) & (side < STEEP * z);
    };
    float nearest = INFINITY, farthest = -INFINITY;
    auto range = [&](int k, lanes z, lanes lost) {
        const auto known = is_known(k, lost);
        const lanes low = choose(known, z, (lanes)(INFINITY)), high = choose(known, z, (lanes)(-INFINITY));
        for (int i = 0; i < LANES; ++i) {
            nearest = low[i] < nearest ? low[i] : nearest;
            farthest = high[i] > farthest ? high[i] : farthest;
        }
    };
"""

_PROJECT = (
    _CONSTANTS
    + _PERSON
    + """
    float* given = params.data + (long long)one * wide;
    float* deep = depth.data + (long long)one * wide;
    for (int k = 0; k < wide; k += LANES) {
        lanes m[6], d[5], lost;
        moved(k, m, lost);
        const lanes x = m[0] + at(offset + k), y = m[1] + at(offset + wide + k), z = m[2] + at(offset + 2 * wide + k);
        range(k, z, lost);
        const auto drawn = is_drawn(k, x, y, z, lost) & (away ? 0 : -1);
        lanes colour[3], opacity = at(base + 3 * wide + k);
        for (int c = 0; c < 3; ++c) colour[c] = at(base + c * wide + k);
        if (units > 0) {
            change(k, m, d);
            for (int c = 0; c < 3; ++c)
                colour[c] = __builtin_elementwise_min(
                    __builtin_elementwise_max(colour[c] + d[c], (lanes)(0.0f)), (lanes)(1.0f));
            opacity = sigmoid(opacity + d[3]) * sigmoid(d[4]);
        }
        const lanes inverse = 1.0f / choose(drawn, z, (lanes)(1.0f));
        const lanes right = x * inverse, up = y * inverse, scale = (focal * inverse) * (focal * inverse);
        const lanes xx = at(covariance + k), xy = at(covariance + wide + k), xz = at(covariance + 2 * wide + k);
        const lanes yy = at(covariance + 3 * wide + k), yz = at(covariance + 4 * wide + k);
        const lanes zz = at(covariance + 5 * wide + k);
        const lanes uu = scale * (xx - 2.0f * right * xz + right * right * zz) + LOW_PASS;
        const lanes uv = scale * (up * xz + right * yz - xy - right * up * zz);
        const lanes vv = scale * (yy - 2.0f * up * yz + up * up * zz) + LOW_PASS;
        const lanes by = 1.0f / (uu * vv - uv * uv);
        const lanes found[6] = {
            half + focal * right + 0.5f, half - focal * up + 0.5f, vv * by, -uv * by, uu * by, opacity};
        for (int r = 0; r < 6; ++r) at(given + r * plane + k) = choose(drawn, found[r], (lanes)(0.0f));
        for (int c = 0; c < 3; ++c) at(given + (6 + c) * plane + k) = choose(drawn, colour[c], (lanes)(0.0f));
        at(deep + k) = choose(drawn, z, (lanes)(INFINITY));
    }
    const float per = 1.0f / (farthest - nearest + RANGE);
    for (int k = 0; k < wide; k += LANES) {
        const lanes z = at(deep + k), far = (z - nearest) * per;
        const lanes shade[3] = {far, 1.0f - __builtin_elementwise_abs(2.0f * far - 1.0f), 1.0f - far};
        for (int c = 0; c < 3; ++c) {
            lanes& colour = at(given + (6 + c) * plane + k);
            colour = choose(z < INFINITY, (1.0f - mix) * colour + mix * shade[c], (lanes)(0.0f));
        }
    }
"""
)

_ADJOINT = (
    _CONSTANTS
    + _PERSON
    + """
    if (away) return;
    float* given = upstream.data + (long long)one * wide;
    float* to_skin = to_table.data;
    float* to_offset = to_skin + bones * wide;
    float* to_base = to_offset + 3 * wide;
    float* to_covariance = to_base + 4 * wide;
    float* to_hidden = to_covariance + 6 * wide;
    float* joint_sums = sums.data + 11 * units * LANES;
    for (int j = 0; j < 6 * bones * LANES; ++j) joint_sums[j] = 0.0f;

    // How depth reaches colours through the range of depths comes first: all Gaussians share it.
    for (int k = 0; k < wide; k += LANES) {
        lanes m[6], lost;
        moved(k, m, lost);
        const lanes x = m[0] + at(offset + k), y = m[1] + at(offset + wide + k), z = m[2] + at(offset + 2 * wide + k);
        at(depths.data + k) = z;
        at(depths.data + wide + k) = choose(is_known(k, lost), (lanes)(1.0f), (lanes)(0.0f))
            + choose(is_drawn(k, x, y, z, lost), (lanes)(1.0f), (lanes)(0.0f));
        range(k, z, lost);
    }
    const float per = 1.0f / (farthest - nearest + RANGE);
    auto to_far = [&](int k, lanes far) {
        const lanes bend = choose(2.0f * far < 1.0f, (lanes)(2.0f), (lanes)(-2.0f));
        return mix * (at(given + 6 * plane + k) - at(given + 8 * plane + k)
            + choose(2.0f * far == 1.0f, (lanes)(0.0f), bend) * at(given + 7 * plane + k));
    };
    float to_nearest = 0.0f, to_farthest = 0.0f, as_near = 0.0f, as_far = 0.0f;
    for (int k = 0; k < wide; k += LANES) {
        const lanes z = at(depths.data + k), state = at(depths.data + wide + k), far = (z - nearest) * per;
        const auto known = state > 0.0f;
        const lanes g = choose(state > 1.0f, to_far(k, far), (lanes)(0.0f)) * per;
        to_nearest += total(g * (far - 1.0f));
        to_farthest -= total(g * far);
        as_near += total(choose(known & (z == nearest), (lanes)(1.0f), (lanes)(0.0f)));
        as_far += total(choose(known & (z == farthest), (lanes)(1.0f), (lanes)(0.0f)));
    }

    lanes to_mix = 0.0f, to_bias[5] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    for (int k = 0; k < wide; k += LANES) {
        lanes m[6], d[5], lost;
        moved(k, m, lost);
        const lanes x = m[0] + at(offset + k), y = m[1] + at(offset + wide + k), z = at(depths.data + k);
        const auto known = at(depths.data + wide + k) > 0.0f, drawn = at(depths.data + wide + k) > 1.0f;
        lanes g[9];
        for (int r = 0; r < 9; ++r) g[r] = choose(drawn, at(given + r * plane + k), (lanes)(0.0f));

        const lanes inverse = 1.0f / choose(drawn, z, (lanes)(1.0f));
        const lanes right = x * inverse, up = y * inverse, scale = (focal * inverse) * (focal * inverse);
        const lanes xx = at(covariance + k), xy = at(covariance + wide + k), xz = at(covariance + 2 * wide + k);
        const lanes yy = at(covariance + 3 * wide + k), yz = at(covariance + 4 * wide + k);
        const lanes zz = at(covariance + 5 * wide + k);
        const lanes flat_uu = xx - 2.0f * right * xz + right * right * zz;
        const lanes flat_uv = up * xz + right * yz - xy - right * up * zz;
        const lanes flat_vv = yy - 2.0f * up * yz + up * up * zz;
        const lanes uu = scale * flat_uu + LOW_PASS, uv = scale * flat_uv, vv = scale * flat_vv + LOW_PASS;
        const lanes by = 1.0f / (uu * vv - uv * uv);
        const lanes a = vv * by, b = -uv * by, c = uu * by;
        // d inverse = -inverse dΣ inverse
        const lanes m00 = g[2] * a + 0.5f * g[3] * b, m01 = g[2] * b + 0.5f * g[3] * c;
        const lanes m10 = 0.5f * g[3] * a + g[4] * b, m11 = 0.5f * g[3] * b + g[4] * c;
        const lanes to_uu = -(a * m00 + b * m10), to_uv = -2.0f * (a * m01 + b * m11), to_vv = -(b * m01 + c * m11);
        const lanes to_scale = to_uu * flat_uu + to_uv * flat_uv + to_vv * flat_vv;
        at(to_covariance + k) += scale * to_uu;
        at(to_covariance + wide + k) -= scale * to_uv;
        at(to_covariance + 2 * wide + k) += scale * (up * to_uv - 2.0f * right * to_uu);
        at(to_covariance + 3 * wide + k) += scale * to_vv;
        at(to_covariance + 4 * wide + k) += scale * (right * to_uv - 2.0f * up * to_vv);
        at(to_covariance + 5 * wide + k) += scale * (right * right * to_uu - right * up * to_uv + up * up * to_vv);
        const lanes to_right = focal * g[0]
            + scale * (2.0f * to_uu * (right * zz - xz) + to_uv * (yz - up * zz));
        const lanes to_up = scale * (to_uv * (xz - right * zz) + 2.0f * to_vv * (up * zz - yz)) - focal * g[1];
        const lanes to_inverse = 2.0f * focal * focal * inverse * to_scale + to_right * x + to_up * y;
        lanes to_mean[3] = {to_right * inverse, to_up * inverse, -to_inverse * inverse * inverse};

        const lanes far = (z - nearest) * per;
        to_mean[2] += choose(drawn, to_far(k, far) * per, (lanes)(0.0f))
            + choose(known & (z == nearest), (lanes)(to_nearest / as_near), (lanes)(0.0f))
            + choose(known & (z == farthest), (lanes)(to_farthest / as_far), (lanes)(0.0f));
        const lanes shade[3] = {far, 1.0f - __builtin_elementwise_abs(2.0f * far - 1.0f), 1.0f - far};
        lanes to_change[5] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        if (units > 0) change(k, m, d);
        for (int o = 0; o < 3; ++o) {
            lanes colour = at(base + o * wide + k);
            lanes to_colour = (1.0f - mix) * g[6 + o];
            if (units > 0) {
                colour += d[o];
                to_colour = choose((colour >= 0.0f) & (colour <= 1.0f), to_colour, (lanes)(0.0f));
                colour = __builtin_elementwise_min(__builtin_elementwise_max(colour, (lanes)(0.0f)), (lanes)(1.0f));
            }
            to_mix += choose(drawn, g[6 + o] * (shade[o] - colour), (lanes)(0.0f));
            to_change[o] = to_colour;
            at(to_base + o * wide + k) += to_colour;
        }
        lanes to_moved[6] = {to_mean[0], to_mean[1], to_mean[2], 0.0f, 0.0f, 0.0f};
        if (units > 0) {
            const lanes solid = sigmoid(at(base + 3 * wide + k) + d[3]), gate = sigmoid(d[4]);
            to_change[3] = g[5] * solid * gate * (1.0f - solid);
            to_change[4] = g[5] * solid * gate * (1.0f - gate);
            for (int o = 0; o < 5; ++o) to_bias[o] += to_change[o];
            at(to_base + 3 * wide + k) += to_change[3];
            for (int h = 0; h < units; ++h) {
                const float* w = unit + 11 * h;
                float* sum = sums.data + 11 * h * LANES;
                lanes value = at(hidden + h * wide + k);
                for (int i = 0; i < 6; ++i) value += w[i] * m[i];
                const auto on = value > 0.0f;
                value = choose(on, value, (lanes)(0.0f));
                lanes to_value = 0.0f;
                for (int o = 0; o < 5; ++o) {
                    at(sum + (6 + o) * LANES) += to_change[o] * value;
                    to_value += w[6 + o] * to_change[o];
                }
                to_value = choose(on, to_value, (lanes)(0.0f));
                at(to_hidden + h * wide + k) += to_value;
                for (int i = 0; i < 6; ++i) {
                    at(sum + i * LANES) += to_value * m[i];
                    to_moved[i] += w[i] * to_value;
                }
            }
        } else {
            at(to_base + 3 * wide + k) += g[5];
        }
        for (int i = 0; i < 3; ++i) at(to_offset + i * wide + k) += to_mean[i];
        for (int j = 0; j < bones; ++j) {
            const lanes w = at(skin + j * wide + k);
            lanes to_w = 0.0f;
            for (int i = 0; i < 6; ++i) {
                to_w += to_moved[i] * joint[6 * j + i];
                at(joint_sums + (6 * j + i) * LANES) += w * to_moved[i];
            }
            at(to_skin + j * wide + k) += to_w;
        }
    }
    for (int j = 0; j < 6 * bones; ++j)
        to_joints.data[(long long)one * bones * 6 + j] = total(at(joint_sums + j * LANES));
    for (int o = 0; o < 5; ++o) to_scalars.data[o] += total(to_bias[o]);
    to_scalars.data[5] += total(to_mix);
"""
)


@wp.func_native(_PROJECT)
def _project_person(
    joints: wp.array4d(dtype=wp.float32),
    missing: wp.array3d(dtype=wp.float32),
    absent: wp.array2d(dtype=wp.float32),
    table: wp.array2d(dtype=wp.float32),
    field: wp.array2d(dtype=wp.float32),
    scalars: wp.array1d(dtype=wp.float32),
    params: wp.array3d(dtype=wp.float32),
    depth: wp.array2d(dtype=wp.float32),
    focal: float,
    size: int,
    count: int,
    frame: int,
    person: int,
): ...


@wp.func_native(_ADJOINT)
def _project_person_adjoint(
    joints: wp.array4d(dtype=wp.float32),
    missing: wp.array3d(dtype=wp.float32),
    absent: wp.array2d(dtype=wp.float32),
    table: wp.array2d(dtype=wp.float32),
    field: wp.array2d(dtype=wp.float32),
    scalars: wp.array1d(dtype=wp.float32),
    upstream: wp.array3d(dtype=wp.float32),
    to_joints: wp.array4d(dtype=wp.float32),
    to_table: wp.array2d(dtype=wp.float32),
    to_scalars: wp.array1d(dtype=wp.float32),
    sums: wp.array1d(dtype=wp.float32),
    depths: wp.array1d(dtype=wp.float32),
    focal: float,
    size: int,
    count: int,
    frame: int,
    person: int,
): ...


@wp.kernel
def _project(
    joints: wp.array4d(dtype=wp.float32),
    missing: wp.array3d(dtype=wp.float32),
    absent: wp.array2d(dtype=wp.float32),
    table: wp.array2d(dtype=wp.float32),
    field: wp.array2d(dtype=wp.float32),
    scalars: wp.array1d(dtype=wp.float32),
    params: wp.array3d(dtype=wp.float32),
    depth: wp.array2d(dtype=wp.float32),
    focal: float,
    size: int,
    count: int,
):
    for frame in range(absent.shape[0]):
        for person in range(absent.shape[1]):
            _project_person(
                joints, missing, absent, table, field, scalars, params, depth, focal, size, count, frame, person
            )


@wp.kernel
def _project_adjoint(
    joints: wp.array4d(dtype=wp.float32),
    missing: wp.array3d(dtype=wp.float32),
    absent: wp.array2d(dtype=wp.float32),
    table: wp.array2d(dtype=wp.float32),
    field: wp.array2d(dtype=wp.float32),
    scalars: wp.array1d(dtype=wp.float32),
    upstream: wp.array3d(dtype=wp.float32),
    to_joints: wp.array4d(dtype=wp.float32),
    to_table: wp.array2d(dtype=wp.float32),
    to_field: wp.array2d(dtype=wp.float32),
    to_scalars: wp.array1d(dtype=wp.float32),
    sums: wp.array1d(dtype=wp.float32),
    depths: wp.array1d(dtype=wp.float32),
    focal: float,
    size: int,
    count: int,
):
    for frame in range(absent.shape[0]):
        for person in range(absent.shape[1]):
            _project_person_adjoint(
                joints, missing, absent, table, field, scalars, upstream, to_joints, to_table, to_scalars, sums, depths,
                focal, size, count, frame, person,
            )  # fmt: skip
    for unit in range(to_field.shape[0]):
        for column in range(to_field.shape[1]):
            total = float(0.0)  # noqa: UP018
            for lane in range(wp.static(LANES)):
                total += sums[(unit * to_field.shape[1] + column) * wp.static(LANES) + lane]
            to_field[unit, column] = total


def load() -> None:
    """Compile the kernels, or fetch them from Warp's cache; see `kernels_cpu.load`."""
    kernels_cpu.load(_project)


def project(
    joints: wp.array,
    missing: wp.array,
    absent: wp.array,
    table: wp.array,
    field: wp.array,
    scalars: wp.array,
    params: wp.array,
    depth: wp.array,
    *,
    focal: float,
    size: int,
    count: int,
) -> None:
    """Joints to ellipses; all arrays float32.

    Args:
        joints: (T, P, J, 6) positions [m] in the camera frame and velocities [m], finite.
        missing: (T, P, J), 1 where a joint is missing.
        absent: (T, P), 1 where a person is not drawn.
        table: (J + 13 + H, wide): skinning weights, offset, base colour and opacity, covariance and hidden layer of each
            Gaussian, as in `published_head.Body`; H = 0 without the motion field; wide a multiple of LANES.
        field: (H, 11).
        scalars: (6,) the bias of the field's outputs, and the share of the colour of depth.
        params: (9, T, P·wide), overwritten, as `rasterize` takes them.
        depth: (T, P·wide), overwritten.
        focal: [px].
        size: of the image [px].
        count: K, how many of `wide` Gaussians are real.
    """
    given = [joints, missing, absent, table, field, scalars, params, depth, focal, size, count]
    wp.launch(_project, dim=1, inputs=given, device="cpu")


def project_adjoint(
    joints: wp.array,
    missing: wp.array,
    absent: wp.array,
    table: wp.array,
    field: wp.array,
    scalars: wp.array,
    upstream: wp.array,
    to_joints: wp.array,
    to_table: wp.array,
    to_field: wp.array,
    to_scalars: wp.array,
    *,
    focal: float,
    size: int,
    count: int,
) -> None:
    """The gradient of a loss with respect to what `project` takes.

    Args:
        joints, missing, absent, table, field, scalars, focal, size, count: as given to `project`.
        upstream: (9, T, P·wide), gradient of the loss with respect to `params`.
        to_joints, to_table, to_field, to_scalars: of the shapes of what they are gradients of; zeros that are added to.
    """
    sums = wp.zeros(LANES * (11 * field.shape[0] + 6 * joints.shape[2]), dtype=wp.float32, device="cpu")
    depths = wp.empty(2 * table.shape[1], dtype=wp.float32, device="cpu")
    given = [joints, missing, absent, table, field, scalars, upstream, to_joints, to_table, to_field, to_scalars]
    wp.launch(_project_adjoint, dim=1, inputs=[*given, sums, depths, focal, size, count], device="cpu")
