"""Weights of the published format and poses to draw with them, made by the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from skeletonllm_core.render.published import FORMAT, NTU_BONES

# A standing body in the order of NTU files [m], y up.
# fmt: off
NTU_POSE = np.array([
    (0, 0, 0), (0, .28, 0), (0, .62, 0), (0, .75, -.02), (-.17, .5, 0), (-.3, .25, .05), (-.36, .02, -.05),
    (-.38, -.06, -.06), (.17, .5, 0), (.3, .25, .05), (.36, .02, -.05), (.38, -.06, -.06), (-.08, -.01, 0), (-.1, -.42, .03),
    (-.11, -.8, .06), (-.12, -.86, -.06), (.08, -.01, 0), (.1, -.42, .03), (.11, -.8, .06), (.12, -.86, -.06), (0, .55, 0),
    (-.39, -.12, -.07), (-.33, -.07, -.1), (.39, -.12, -.07), (.33, -.07, -.1),
], dtype=np.float32)  # fmt: skip
# fmt: on


def motion(
    frames: int = 2, persons: int = 1, joints: int = 25, seed: int = 0, distance: float = 3.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and velocities (T, P, J, 3) of bodies in the camera frame, each joint a little off its place."""
    random = np.random.default_rng(seed)
    pose = NTU_POSE[:joints] + np.array([0, 0, distance], np.float32)
    beside = 0.5 * np.arange(persons, dtype=np.float32)[:, None, None] * np.array([1, 0, 0.6], np.float32)
    positions = pose + beside + random.normal(0, 0.05, (frames, persons, joints, 3)).astype(np.float32)
    velocities = random.normal(0, 0.1, positions.shape).astype(np.float32)
    return torch.from_numpy(positions), torch.from_numpy(velocities)


def tensors(per_bone: int = 10, *, nfm: bool = True, seed: int = 0, round_ones: bool = True) -> dict[str, torch.Tensor]:
    """The tensors of a file; `round_ones` = spheres as published, else ellipsoids that lie in every direction."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=random)

    joints = torch.from_numpy(NTU_POSE) + normal(25, 3, scale=0.02)
    count = 25 + per_bone * len(NTU_BONES)
    logits, means = torch.full((count, 25), -10.0), torch.zeros(count, 3)
    logits[:25].fill_diagonal_(10.0)
    means[:25] = joints
    row = 25
    for start, end in NTU_BONES:
        for step in range(1, per_bone + 1):
            share = step / (per_bone + 1)
            logits[row, start], logits[row, end] = np.log(1 - share) + 10, np.log(share) + 10
            means[row] = (1 - share) * joints[start] + share * joints[end]
            row += 1
    scales, quats = torch.full((count, 3), 0.02), torch.tensor([1.0, 0, 0, 0]).repeat(count, 1)
    if not round_ones:
        scales, quats = scales * (0.5 + torch.rand(count, 3, generator=random)), quats + normal(count, 4)
    made = {
        "canonical_joints": joints,
        "canonical_means": means,
        "canonical_scales": scales,
        "canonical_quats": quats,
        "canonical_opacities": torch.ones(count, 1),
        "canonical_features": normal(count, 3, scale=0.5),
        "lbs_weights_logits": logits,
        "appearance_head.0.weight": normal(64, 3, scale=0.5),
        "appearance_head.0.bias": normal(64, scale=0.2),
        "appearance_head.2.weight": normal(4, 64, scale=0.3),
        "appearance_head.2.bias": normal(4, scale=0.2),
        "depth_mix_logit": torch.tensor(-0.5),
    }
    if nfm:
        made |= {
            "nfm.0.weight": normal(64, 10, scale=0.3),
            "nfm.0.bias": normal(64, scale=0.1),
            "nfm.2.weight": normal(5, 64, scale=0.1),
            "nfm.2.bias": normal(5, scale=0.1),
        }
    return made


def write_weights(path: Path, made: dict[str, torch.Tensor], **metadata: str) -> Path:
    """A file of those tensors; `metadata` is added to its header."""
    save_file(made, path, {"format": FORMAT, **metadata})
    return path
