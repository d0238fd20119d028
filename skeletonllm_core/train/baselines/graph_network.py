"""A small spatial-temporal graph network on joint positions and velocities.

Source: S. Yan, Y. Xiong, D. Lin, "Spatial temporal graph convolutional networks for skeleton-based action recognition",
AAAI 2018; the spatial partition (itself, towards the pelvis, away from it), three blocks instead of nine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skeletonllm_core.threads import one_thread
from skeletonllm_core.train.baselines.description import BONES, JOINTS, Baseline, Description, Joints

_CHANNELS = (32, 64, 128)
_REACH = 5  # moments that a temporal convolution sees

STEPS = 400
"""Optimiser steps of 32 clips."""


def _adjacency() -> Tensor:
    """(3, V, V): each joint from itself, from its parent, from its children; rows sum to 1 where there are any."""
    joints = len(JOINTS)
    inward, outward = torch.zeros(joints, joints), torch.zeros(joints, joints)
    for parent, child in BONES:
        inward[child, parent] = 1
        outward[parent, child] = 1
    shares = outward / outward.sum(1, keepdim=True).clamp(min=1)
    return torch.stack([torch.eye(joints), inward, shares])


class _Block(nn.Module):
    """Along the bones, then along time."""

    adjacency: Tensor

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(before, 3 * after, 1)
        self.weight = nn.Parameter(torch.ones(3, len(JOINTS), len(JOINTS)))
        self.register_buffer("adjacency", _adjacency())
        self.time = nn.Sequential(
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, (_REACH, 1), (stride, 1), (_REACH // 2, 0)),
            nn.BatchNorm2d(after),
            nn.Dropout(0.2),
        )
        self.shortcut = nn.Conv2d(before, after, 1, (stride, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) → (N, C', T / stride, V)."""
        spread = self.spread(x).unflatten(1, (3, -1))
        gathered = torch.einsum("nkctv,kwv->nctw", spread, self.adjacency * self.weight)
        return functional.relu(self.time(gathered) + self.shortcut(x))


class GraphNetwork(nn.Module):
    """(N, 7, T, V) positions, velocities and visibility → (N, classes) logits."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        first, second, third = _CHANNELS
        self.norm = nn.BatchNorm1d(7 * len(JOINTS))
        self.blocks = nn.Sequential(_Block(7, first, 1), _Block(first, second, 2), _Block(second, third, 2))
        self.head = nn.Linear(third, classes)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, frames, joints = x.shape
        flat = self.norm(x.permute(0, 1, 3, 2).reshape(count, channels * joints, frames))
        x = flat.view(count, channels, joints, frames).permute(0, 1, 3, 2)
        return self.head(self.blocks(x).mean((2, 3)))


class SmallGraphNetwork(Baseline):
    """`GraphNetwork` trained on clips that are turned, resized, jittered and thinned out at random."""

    name = "ST-GCN, small"

    def fit(self, known: Sequence[Description], labels: Sequence[str], seed: int) -> None:
        self.classes = tuple(sorted(set(labels)))
        inputs = _inputs([one.joints for one in known])
        target = torch.tensor([self.classes.index(label) for label in labels])
        chance = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.manual_seed(seed)
            self.network = GraphNetwork(len(self.classes)).train()
            optimiser = torch.optim.AdamW(self.network.parameters(), lr=3e-3, weight_decay=0.01)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=STEPS)
            for _ in range(STEPS):
                chosen = torch.randint(len(inputs), (32,), generator=chance)
                logits = self.network(_varied(inputs[chosen], chance))
                loss = functional.cross_entropy(logits, target[chosen], label_smoothing=0.1)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
        self.network.eval()

    @torch.inference_mode()
    def probabilities(self, asked: Sequence[Description]) -> np.ndarray:
        logits = self.network(_inputs([one.joints for one in asked]))
        return torch.softmax(logits.double(), 1).numpy()


def _inputs(clips: Sequence[Joints]) -> Tensor:
    """(N, 7, T, V)."""
    stacked = [np.concatenate([one.positions, one.velocities, one.visible[..., None]], -1) for one in clips]
    return torch.from_numpy(np.stack(stacked).astype(np.float32)).permute(0, 3, 1, 2).contiguous()


def _varied(x: Tensor, chance: torch.Generator) -> Tensor:
    """Clips (N, 7, T, V) seen from elsewhere, of another size and pace, with noise; of one in ten some joints missing."""
    count, joints = len(x), x.shape[-1]
    yaw = 0.25 * torch.randn(count, 1, 1, generator=chance)
    size = torch.exp(0.06 * torch.randn(count, 1, 1, 1, generator=chance))
    pace = torch.exp(0.2 * torch.randn(count, 1, 1, 1, generator=chance))
    cos, sin = torch.cos(yaw), torch.sin(yaw)

    def turned(vectors: Tensor) -> Tensor:
        a, b, c = vectors.unbind(1)
        return torch.stack([cos * a + sin * c, b, cos * c - sin * a], 1)

    noise = 0.01 * torch.randn(x[:, :3].shape, generator=chance)
    there = x[:, 6:]
    thinned = torch.rand(count, 1, 1, 1, generator=chance) < 0.1
    gone = thinned & (torch.rand(count, 1, 1, joints, generator=chance) < 0.2)
    there = there * ~gone
    seen = torch.cat([turned(x[:, :3]) * size + noise, turned(x[:, 3:6]) * size * pace], 1)
    return torch.cat([seen * there, there], 1)
