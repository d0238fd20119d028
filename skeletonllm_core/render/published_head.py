"""The published maths from joints to ellipses in the image: in plain torch, and fused for the CPU.

Per person and frame, for K Gaussians that each have a skinning weight for every joint (`docs/renderer.md` has the formulas):

    mean = offset + Σ w x;  covariance in the image = J Σ Jᵀ + LOW_PASS I
    Δ = motion field(Σ w x, Σ w v);  colour = mix(clamp(base + Δ), colour of depth);  opacity = σ(base + Δ) σ(Δ)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable

from skeletonllm_core.render import kernels_published as kernels
from skeletonllm_core.render.kernels_published import LANES, LOW_PASS, MISSING, NEAR, RANGE, STEEP


@dataclass(frozen=True, eq=False)
class Body:
    """What K Gaussians share in all frames; every tensor carries gradients to the weights.

    Attributes:
        skin: (K, J) share of each joint in each Gaussian.
        offset: (K, 3) [m] mean when all joints are at the origin.
        base: (K, 4) red, green, blue and opacity before motion, 0 to 1.
        covariance: (K, 6) [m²]: xx, xy, xz, yy, yz, zz.
        hidden: (K, H) what base colours add to the motion field's hidden layer, its bias included; None without the field.
        field: (H, 11) the motion field's weights: six of a hidden unit's inputs Σ w x and Σ w v, five of its outputs.
        field_bias: (5,) of its outputs: red, green, blue, opacity, gate.
        depth_mix: () share of the colour of depth, 0 to 1.
    """

    skin: torch.Tensor
    offset: torch.Tensor
    base: torch.Tensor
    covariance: torch.Tensor
    hidden: torch.Tensor | None
    field: torch.Tensor
    field_bias: torch.Tensor
    depth_mix: torch.Tensor


def focal_length(size: int) -> float:
    """Focal length [px] of the published camera: 60° across the image."""
    return size / (2 * math.tan(math.radians(30)))


def gaussians(
    body: Body, joints: torch.Tensor, missing: torch.Tensor, absent: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What there is to composite, in plain torch and any floating point type.

    Args:
        body: the Gaussians.
        joints: (T, P, J, 6) finite positions [m] in the camera frame and velocities [m].
        missing: (T, P, J) bool; Gaussians at such joints are not drawn.
        absent: (T, P) bool; such persons are not drawn.
        size: width and height of the image [px].

    Returns:
        params (9, T, N) and depth (T, N) as `rasterize` takes them, N = P·K, or more, filled up with what is not drawn.
    """
    moved = torch.einsum("kj,tpjc->ctpk", body.skin, joints)
    x, y, z = moved[:3] + body.offset.T[:, None, None]
    known = torch.einsum("kj,tpj->tpk", body.skin.detach(), missing.to(body.skin.dtype)) < MISSING
    drawn = known & (z > NEAR) & (torch.maximum(x.abs(), y.abs()) < STEEP * z) & ~absent[..., None]

    base = body.base.T[:, None, None]
    colour, opacity = base[:3], base[3].expand_as(z)
    if body.hidden is not None:
        hidden = torch.relu(torch.einsum("hc,ctpk->tpkh", body.field[:, :6], moved) + body.hidden)
        change = torch.einsum("ho,tpkh->otpk", body.field[:, 6:], hidden) + body.field_bias[:, None, None, None]
        colour = (colour + change[:3]).clamp(0, 1)
        opacity = torch.sigmoid(opacity + change[3]) * torch.sigmoid(change[4])
    nearest = torch.where(known, z, torch.inf).amin(-1, keepdim=True)
    farthest = torch.where(known, z, -torch.inf).amax(-1, keepdim=True)
    span = torch.where(known.any(-1, keepdim=True), farthest - nearest, 0) + RANGE
    far = torch.where(known, z - torch.where(known, nearest, 0), 0) / span
    by_depth = torch.stack([far, 1 - (2 * far - 1).abs(), 1 - far])
    colour = (1 - body.depth_mix) * colour + body.depth_mix * by_depth

    focal = focal_length(size)
    inverse = 1 / torch.where(drawn, z, 1)
    right, up = torch.where(drawn, x, 0) * inverse, torch.where(drawn, y, 0) * inverse
    scale = (focal * inverse).square()
    xx, xy, xz, yy, yz, zz = body.covariance.T[:, None, None]
    uu = scale * (xx - 2 * right * xz + right.square() * zz) + LOW_PASS
    uv = scale * (-xy + up * xz + right * yz - right * up * zz)
    vv = scale * (yy - 2 * up * yz + up.square() * zz) + LOW_PASS
    determinant = uu * vv - uv.square()
    # The published image has pixel (0, 0) centred at (0, 0), the rasteriser at (½, ½).
    u, v = 0.5 * size + focal * right + 0.5, 0.5 * size - focal * up + 0.5
    params = torch.stack([u, v, vv / determinant, -uv / determinant, uu / determinant, opacity, *colour])
    params = torch.where(drawn, params, 0)
    depth = torch.where(drawn, z, torch.inf).detach()
    return params.flatten(-2), depth.flatten(-2)


def fused_gaussians(
    body: Body, joints: torch.Tensor, missing: torch.Tensor, absent: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`gaussians`, float32 on the CPU, by the kernels of `kernels_published`."""
    rows = [body.skin, body.offset, body.base, body.covariance]
    if body.hidden is not None:
        rows.append(body.hidden)
    table = torch.cat(rows, 1).T
    table = torch.nn.functional.pad(table, (0, -table.shape[1] % LANES))
    scalars = torch.cat([body.field_bias, body.depth_mix[None]])
    return _Head.apply(joints, missing, absent, table, body.field, scalars, size, len(body.skin))


class _Head(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        joints: torch.Tensor,
        missing: torch.Tensor,
        absent: torch.Tensor,
        table: torch.Tensor,
        field: torch.Tensor,
        scalars: torch.Tensor,
        size: int,
        count: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kernels.load()
        frames, persons = absent.shape
        joints, table, field = joints.contiguous(), table.contiguous(), field.contiguous()
        missing, absent = missing.float().contiguous(), absent.float().contiguous()
        wide = persons * table.shape[1]
        params, depth = torch.empty(9, frames, wide), torch.empty(frames, wide)
        kernels.project(
            _wrap(joints),
            _wrap(missing),
            _wrap(absent),
            _wrap(table),
            _wrap(field),
            _wrap(scalars),
            _wrap(params),
            _wrap(depth),
            focal=focal_length(size),
            size=size,
            count=count,
        )
        ctx.save_for_backward(joints, missing, absent, table, field, scalars)
        ctx.size, ctx.count = size, count
        ctx.mark_non_differentiable(depth)
        return params, depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor, _: Any) -> tuple[torch.Tensor | None, ...]:
        joints, missing, absent, table, field, scalars = ctx.saved_tensors
        upstream = upstream.contiguous()
        to_joints, to_table, to_field, to_scalars = map(torch.zeros_like, (joints, table, field, scalars))
        kernels.project_adjoint(
            _wrap(joints),
            _wrap(missing),
            _wrap(absent),
            _wrap(table),
            _wrap(field),
            _wrap(scalars),
            _wrap(upstream),
            _wrap(to_joints),
            _wrap(to_table),
            _wrap(to_field),
            _wrap(to_scalars),
            focal=focal_length(ctx.size),
            size=ctx.size,
            count=ctx.count,
        )
        return to_joints, None, None, to_table, to_field, to_scalars, None, None


def _wrap(tensor: torch.Tensor) -> wp.array:
    return wp.from_torch(tensor.detach(), requires_grad=False)
