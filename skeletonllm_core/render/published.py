"""The published renderer with its own weights: files of the format `skeletonllm-draction-v1`, image for image.

The maths is that of "Universal Skeleton Understanding via Differentiable Rendering and MLLMs" (arXiv 2603.18003), mirrored
image included; `renderer.SkeletonRenderer` is ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.render import patches, published_head, reference
from skeletonllm_core.render.published_head import Body
from skeletonllm_core.render.rasterize import rasterize

FORMAT = "skeletonllm-draction-v1"
"""What a file says in its header, key ``format``."""

JOINTS = 25
"""Joints that the weights are made for, in the order of NTU files."""

# fmt: off
NTU_BONES: tuple[tuple[int, int], ...] = (
    (0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10), (12, 0),
    (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18), (21, 22), (22, 7), (23, 24), (24, 11),
)
"""The published bones of NTU's 25 joints."""

HUMANML3D_BONES: tuple[tuple[int, int], ...] = (
    (0, 2), (2, 5), (5, 8), (8, 11), (0, 1), (1, 4), (4, 7), (7, 10), (0, 3), (3, 6), (6, 9), (9, 12), (12, 15),
    (9, 14), (14, 17), (17, 19), (19, 21), (9, 13), (13, 16), (16, 18), (18, 20),
)
"""The published bones of HumanML3D's 22 joints."""
# fmt: on

LIMIT = 1e3
"""Joints farther away than this along an axis are taken for missing [m]; velocities are clamped to it."""

_LOGIT = 10.0  # of the joints that carry a Gaussian; of all others it is -_LOGIT
_BASE_COUNT, _LEAST_COUNT = 24, 2  # Gaussians on the longest bone, and on the shortest
_JOINT_RADIUS, _BONE_RADIUS = 0.026, 0.016  # standard deviations of another topology's Gaussians [m]
_HIDDEN = 64
_MOTION = 6  # of the motion field's inputs come from motion, the other four are raw colours


class PublishedRenderer(nn.Module):
    """Draws skeletons as the published renderer does; differentiable in joints, velocities and every parameter.

    Parameters carry the names and shapes of the file's tensors, in float32.

    Args:
        gaussians: K of one person: the joints' and the same number on each of `NTU_BONES`.
        nfm: with the field that lets motion change colours.
    """

    def __init__(self, gaussians: int = 265, *, nfm: bool = True) -> None:
        super().__init__()
        self.canonical_joints = nn.Parameter(torch.zeros(JOINTS, 3))
        self.canonical_means = nn.Parameter(torch.zeros(gaussians, 3))
        self.canonical_scales = nn.Parameter(torch.full((gaussians, 3), 0.02))
        self.canonical_quats = nn.Parameter(torch.tensor([1.0, 0, 0, 0]).repeat(gaussians, 1))
        self.canonical_opacities = nn.Parameter(torch.ones(gaussians, 1))
        self.canonical_features = nn.Parameter(torch.zeros(gaussians, 3))
        self.lbs_weights_logits = nn.Parameter(torch.zeros(gaussians, JOINTS))
        self.appearance_head = nn.Sequential(nn.Linear(3, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 4))
        self.nfm = nn.Sequential(nn.Linear(_MOTION + 4, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 5)) if nfm else None
        self.depth_mix_logit = nn.Parameter(torch.tensor(-0.5))

    def render(
        self,
        positions: torch.Tensor,
        velocities: torch.Tensor,
        *,
        size: int = 448,
        bones: Sequence[tuple[int, int]] | None = None,
    ) -> torch.Tensor:
        """Images of T frames.

        Args:
            positions: (T, P, J, 3) [m] in the camera frame: x right, y up, z away from the camera. A person whose joints
                are all zero in a frame is not in it; Gaussians at joints that are not finite, or beyond `LIMIT`, are not
                drawn and get no gradient.
            velocities: (T, P, J, 3) [m], x(t + 4) - x(t) of the original frames.
            size: width and height [px].
            bones: pairs of joints; None for NTU's 25 joints, which the weights are made for. Any others bring
                Gaussians of their own, laid along the bones of `positions[0, 0]`, and the features are carried over.

        Returns:
            (T, size, size, 3) in [0, 1], float32, red, green, blue, on black.

        Raises:
            SkeletonLLMError: shapes do not fit together, or a bone names a joint that is not there.
        """
        params, depth = self.gaussians(positions, velocities, size=size, bones=bones)
        images = rasterize(params.to(torch.float32), depth.to(torch.float32), size, size).permute(0, 2, 3, 1)
        # The published clamp does nothing while colours stay below 1: shares of light add up to 1, and rounding is small.
        too_bright = (params.detach()[6:] > 1 - 1e-4).any() and images.numel() > 0 and images.detach().amax() > 1
        return images.clamp(max=1) if too_bright else images

    def render_reference(
        self,
        positions: torch.Tensor,
        velocities: torch.Tensor,
        *,
        size: int = 448,
        bones: Sequence[tuple[int, int]] | None = None,
    ) -> torch.Tensor:
        """What `render` returns, without kernels: every Gaussian over every pixel as published, in the inputs' type."""
        scene = self._scene(positions, velocities, bones)
        images = reference.composite(*published_head.gaussians(*scene, size), size, size)
        return images.permute(0, 2, 3, 1).clamp(0, 1)

    def touched_patches(
        self,
        positions: torch.Tensor,
        velocities: torch.Tensor,
        patch: int,
        *,
        size: int = 448,
        bones: Sequence[tuple[int, int]] | None = None,
    ) -> torch.Tensor:
        """Which patches `render` draws on, without drawing; (T, rows, columns) bool, see `patches.touched_patches`."""
        with torch.no_grad():
            params, depth = self.gaussians(positions, velocities, size=size, bones=bones)
        return patches.touched_patches(params.to(torch.float32), depth.to(torch.float32), size, size, patch)

    def gaussians(
        self,
        positions: torch.Tensor,
        velocities: torch.Tensor,
        *,
        size: int = 448,
        bones: Sequence[tuple[int, int]] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What there is to composite: params (9, T, N) and depth (T, N), as `rasterize` takes them."""
        body, joints, missing, absent = self._scene(positions, velocities, bones)
        fused = joints.dtype == torch.float32 and joints.device.type == "cpu" and absent.numel() > 0
        head = published_head.fused_gaussians if fused else published_head.gaussians
        return head(body, joints, missing, absent, size)

    def _scene(
        self, positions: torch.Tensor, velocities: torch.Tensor, bones: Sequence[tuple[int, int]] | None
    ) -> tuple[Body, torch.Tensor, torch.Tensor, torch.Tensor]:
        positions, velocities = torch.as_tensor(positions), torch.as_tensor(velocities)
        if positions.ndim != 4 or positions.shape[-1] != 3 or velocities.shape != positions.shape:
            raise SkeletonLLMError(
                f"render needs positions and velocities of one shape (T, P, J, 3), "
                f"got {tuple(positions.shape)} and {tuple(velocities.shape)}"
            )
        count = positions.shape[2]
        if bones is None and count != JOINTS:
            raise SkeletonLLMError(f"the weights are made for {JOINTS} joints: for {count} joints, bones must be given")
        known = (positions.detach().abs() < LIMIT).all(-1)
        joints = torch.where(known[..., None], positions, 0)
        velocities = torch.nan_to_num(velocities, nan=0.0, posinf=LIMIT, neginf=-LIMIT).clamp(-LIMIT, LIMIT)
        absent = (joints.detach() == 0).all(-1).all(-1)
        if bones is None or (count == JOINTS and tuple(map(tuple, bones)) == NTU_BONES):
            body = self._own_body()
        else:
            # Without any person there is no pose to start from, and nothing to draw.
            start = joints.detach()[0, 0] if known.numel() else joints.new_zeros(count, 3)
            body = self._body_of(start, known[0, 0] if known.numel() else known.new_zeros(count), bones)
        return body, torch.cat([joints, velocities.to(joints.dtype)], -1), ~known, absent

    def _own_body(self) -> Body:
        skin = torch.softmax(self.lbs_weights_logits, 1)
        return self._body(
            skin,
            torch.addmm(self.canonical_means, skin, self.canonical_joints, alpha=-1),
            self.canonical_features,
            _covariance(self.canonical_scales, self.canonical_quats),
        )

    def _body_of(self, start: torch.Tensor, known: torch.Tensor, bones: Sequence[tuple[int, int]]) -> Body:
        """Gaussians for another topology, at the joints and along the bones of the pose `start` (J, 3), (J,) known."""
        count = len(start)
        pairs = torch.as_tensor(bones, dtype=torch.int64, device=start.device).reshape(-1, 2)
        if len(pairs) and not 0 <= int(pairs.min()) <= int(pairs.max()) < count:
            raise SkeletonLLMError(f"bones must be pairs of joints 0 to {count - 1}, got {list(bones)}")
        skin, means = _template(start, known, pairs)
        own = self.canonical_features
        features = torch.cat([_stretched(own[:JOINTS], count), _stretched(own[JOINTS:], len(skin) - count)])
        radii = torch.full_like(means, _BONE_RADIUS)
        radii[:count] = _JOINT_RADIUS
        still = torch.tensor([1.0, 0, 0, 0], dtype=skin.dtype, device=skin.device).expand(len(skin), 4)
        return self._body(skin, means - skin @ start, features, _covariance(radii, still))

    def _body(self, skin: torch.Tensor, offset: torch.Tensor, features: torch.Tensor, covariance: torch.Tensor) -> Body:
        raw = self.appearance_head(features)
        # What the published code stores and does not use still has a gradient: zero.
        raw = raw + 0 * self.canonical_opacities.sum()
        hidden, field, bias = None, raw.new_zeros(0, _MOTION + 5), raw.new_zeros(5)
        if self.nfm is not None:
            weights = dict(self.nfm.named_parameters())
            of_motion, of_colour = weights["0.weight"].split([_MOTION, 4], 1)
            hidden = torch.addmm(weights["0.bias"], raw, of_colour.T)
            field, bias = torch.cat([of_motion, weights["2.weight"].T], 1), weights["2.bias"]
        return Body(
            skin, offset, torch.sigmoid(raw), covariance, hidden, field, bias, torch.sigmoid(self.depth_mix_logit)
        )


# Entries of a rotation matrix, row by row, from the products ww, wx, wy, wz, xw, xx, … of a unit quaternion.
# fmt: off
_ROTATION = torch.tensor([
    [1, 0, 0, 0,  0, 1, 0, 0,  0, 0, -1, 0,  0, 0, 0, -1],
    [0, 0, 0, -1,  0, 0, 1, 0,  0, 1, 0, 0,  -1, 0, 0, 0],
    [0, 0, 1, 0,  0, 0, 0, 1,  1, 0, 0, 0,  0, 1, 0, 0],
    [0, 0, 0, 1,  0, 0, 1, 0,  0, 1, 0, 0,  1, 0, 0, 0],
    [1, 0, 0, 0,  0, -1, 0, 0,  0, 0, 1, 0,  0, 0, 0, -1],
    [0, -1, 0, 0,  -1, 0, 0, 0,  0, 0, 0, 1,  0, 0, 1, 0],
    [0, 0, -1, 0,  0, 0, 0, 1,  -1, 0, 0, 0,  0, 1, 0, 0],
    [0, 1, 0, 0,  1, 0, 0, 0,  0, 0, 0, 1,  0, 0, 1, 0],
    [1, 0, 0, 0,  0, -1, 0, 0,  0, 0, -1, 0,  0, 0, 0, 1],
]).T
# fmt: on


def _covariance(scales: torch.Tensor, quats: torch.Tensor) -> torch.Tensor:
    """(K, 6) xx, xy, xz, yy, yz, zz of R diag(scales²) Rᵀ; scales (K, 3), quats (K, 4) w, x, y, z of any length."""
    unit = torch.nn.functional.normalize(quats, dim=1)
    products = (unit[:, :, None] * unit[:, None]).flatten(1)
    root = (products @ _ROTATION.to(products)).unflatten(1, (3, 3)) * scales[:, None]
    return (root @ root.mT).flatten(1)[:, [0, 1, 2, 4, 5, 8]]


def _template(start: torch.Tensor, known: torch.Tensor, bones: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Skinning weights (K, J) and means (K, 3) of Gaussians at the joints (J, 3) and along the bones (B, 2) of a pose.

    A bone with an end that is not known (J,) in that pose counts as one without length.
    """
    count = len(start)
    first, second = start[bones[:, 0]], start[bones[:, 1]]
    lengths = (first - second).norm(dim=1) * known[bones].all(1)
    longest = lengths.max() if len(lengths) else 0
    share = lengths / longest if longest > 0 else torch.zeros_like(lengths)
    numbers = torch.round(_BASE_COUNT * share).clamp(_LEAST_COUNT, _BASE_COUNT).long()
    bone = torch.repeat_interleave(torch.arange(len(bones), device=start.device), numbers)
    place = torch.arange(len(bone), device=start.device) - (numbers.cumsum(0) - numbers)[bone] + 1
    alpha = place.to(start.dtype) / (numbers[bone] + 1)
    rows = torch.arange(len(bone), device=start.device)

    logits = start.new_full((count + len(bone), count), -_LOGIT)
    logits[:count].fill_diagonal_(_LOGIT)
    logits[count + rows, bones[bone, 0]] = torch.log(1 - alpha) + _LOGIT
    logits[count + rows, bones[bone, 1]] = torch.log(alpha) + _LOGIT
    alpha = alpha[:, None]
    means = torch.cat([start, (1 - alpha) * first[bone] + alpha * second[bone]])
    return torch.softmax(logits, 1), means


def _stretched(features: torch.Tensor, count: int) -> torch.Tensor:
    """(count, C) features by linear interpolation along the index of (n, C), first on first and last on last."""
    if count == 0:
        return features[:0]
    spread = torch.nn.functional.interpolate(features.T[None], size=count, mode="linear", align_corners=True)
    return spread[0].T


def is_published(path: Path) -> bool:
    """Whether a file says that it holds published weights; damaged and other files do not."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def load(path: str | Path) -> PublishedRenderer:
    """The renderer with the weights of a file.

    Where the file's .json lies beside it, the checksum in there must fit.

    Raises:
        SkeletonLLMError: no file, another format, tensors too many, too few, of another shape or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise SkeletonLLMError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        raise SkeletonLLMError(f"{path}: not a whole .safetensors file ({problem}); get it again") from problem
    if metadata.get("format") != FORMAT:
        raise SkeletonLLMError(
            f"{path}: not published weights: its header says format {metadata.get('format')!r}, not {FORMAT!r}"
        )
    _check_sum(path)
    means = tensors.get("canonical_means")
    nfm = any(name.startswith("nfm.") for name in tensors)
    said = metadata.get("enable_nfm", str(nfm)).lower()
    if (said == "true") != nfm:
        raise SkeletonLLMError(f"{path}: its header says enable_nfm {said}, its tensors say otherwise; get it again")
    renderer = PublishedRenderer(len(means) if means is not None and means.ndim else 265, nfm=nfm)
    expected = {name: tuple(value.shape) for name, value in renderer.named_parameters()}
    wrong = [
        *(f"{name} is missing" for name in expected.keys() - tensors.keys()),
        *(f"{name} is not known" for name in tensors.keys() - expected.keys()),
        *(
            f"{name} has shape {tuple(tensors[name].shape)}, not {shape}"
            for name, shape in expected.items()
            if name in tensors and tuple(tensors[name].shape) != shape
        ),
        *(f"{name} holds a value that is not finite" for name, value in tensors.items() if not value.isfinite().all()),
    ]
    if (len(renderer.canonical_means) - JOINTS) % len(NTU_BONES) or len(renderer.canonical_means) < JOINTS:
        wrong.append(f"{len(renderer.canonical_means)} Gaussians are not {JOINTS} and some for each bone")
    if wrong:
        raise SkeletonLLMError(f"{path}: damaged weights: {'; '.join(sorted(wrong))}")
    renderer.load_state_dict({name: value.float() for name, value in tensors.items()})
    return renderer


def _check_sum(path: Path) -> None:
    """Raise where a .json beside the weights holds another checksum than theirs."""
    beside = path.with_suffix(".json")
    try:
        expected = json.loads(beside.read_text(encoding="utf-8")).get("sha256")
    except (OSError, ValueError, AttributeError):
        return  # the .json is a description that the weights do without
    if expected is not None and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise SkeletonLLMError(f"{path}: damaged: its sha256 is not the one in {beside.name}; get both again")
