"""Images → visual tokens: a convolutional frame encoder, then a small transformer over the frames of a clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FrameEncoder(nn.Module):
    """One image → one vector. Convolutions, because a patch transformer does not start to learn on a CPU budget.

    Args:
        image_size: edge of the square images [pixels], a multiple of 16.
        channels: of the three convolution stages (strides 4, 2, 2).
        width: length of the vector.
    """

    def __init__(self, image_size: int, channels: tuple[int, int, int], width: int) -> None:
        super().__init__()
        first, second, third = channels
        self.stages = nn.Sequential(
            nn.Conv2d(3, first, kernel_size=4, stride=4),
            nn.GroupNorm(8, first),
            nn.GELU(),
            nn.Conv2d(first, second, kernel_size=3, stride=2, padding=1),
            nn.GroupNorm(8, second),
            nn.GELU(),
            nn.Conv2d(second, third, kernel_size=3, stride=2, padding=1),
            nn.GroupNorm(8, third),
            nn.GELU(),
        )
        self.project = nn.Linear(third * (image_size // 16) ** 2, width)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] → (N, width)."""
        return self.project(self.stages(images * 2 - 1).flatten(1))


class VisionTower(nn.Module):
    """The frames of a clip → as many visual tokens; every token sees every frame.

    Args:
        image_size, channels: see `FrameEncoder`.
        frames: how many frames a clip has.
        width: of a visual token.
        layers, heads: of the transformer over the frames.
        dropout: while training.
    """

    def __init__(
        self,
        image_size: int,
        channels: tuple[int, int, int],
        frames: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.frame_encoder = FrameEncoder(image_size, channels, width)
        self.frame_position = nn.Parameter(torch.randn(frames, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            dim_feedforward=2 * width,
            dropout=dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.temporal = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, 3, S, S) in [0, 1] → (B, T, width)."""
        clips, count = frames.shape[:2]
        tokens = self.frame_encoder(frames.flatten(0, 1)).unflatten(0, (clips, count))
        return self.norm(self.temporal(tokens + self.frame_position))
