"""What a body part looks like, and how its motion shows; the learned part of the renderer.

Everything is a function of body part, place along the bone, velocity and acceleration, never of a joint's number, so
it holds for any rig.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from skeletonllm_core.render.splats import PARTS

LARGEST = 0.25
"""Every radius is below this [m]."""

PACE = 1.5
"""Speed [m/s] that is half way to the brightest."""

EFFORT = 10.0
"""Acceleration [m/s²] that is half way to its strongest effect."""

FEATURES = 6
"""Of the motion of a point; see `features`."""

_ROWS = 5  # red, green, blue, opacity, radius

# Standard deviation across the bone and of a ball [m], by part without its side.
_RADII = {
    "pelvis": (0.065, 0.075),
    "spine": (0.07, 0.07),
    "chest": (0.07, 0.07),
    "neck": (0.045, 0.055),
    "head": (0.065, 0.085),
    "clavicle": (0.045, 0.045),
    "upper_arm": (0.038, 0.04),
    "forearm": (0.033, 0.036),
    "hand": (0.03, 0.042),
    "fingers": (0.016, 0.018),
    "thigh": (0.05, 0.052),
    "shin": (0.04, 0.04),
    "foot": (0.034, 0.038),
    "toes": (0.03, 0.032),
    "other": (0.04, 0.05),
}

# Red, green, blue at rest: a hue for each side of arms and legs, one for the trunk, one for the head.
_COLOURS = {
    "left arm": (0.10, 0.45, 0.75),
    "left leg": (0.30, 0.22, 0.75),
    "right arm": (0.75, 0.42, 0.08),
    "right leg": (0.75, 0.15, 0.22),
    "trunk": (0.22, 0.60, 0.24),
    "head": (0.78, 0.76, 0.55),
    "other": (0.45, 0.45, 0.45),
}

_ARM = ("clavicle", "upper_arm", "forearm", "hand", "fingers")
_LEG = ("thigh", "shin", "foot", "toes")
_FARTHER = ("hand", "fingers", "foot", "toes")  # brighter than the rest of their limb

# How much each of `features` adds to the logits of red, green and blue: who speeds up is warmer, who brakes colder.
_MOTION = (
    (1.5, 0.5, -0.25, -0.25, 0.3, 0.6),
    (1.5, -0.25, 0.5, -0.25, 0.3, 0.0),
    (1.5, -0.25, -0.25, 0.5, 0.3, -0.6),
)


def _logit(value: float) -> float:
    return math.log(value / (1 - value))


def _group(part: str) -> tuple[str, str]:
    """("left arm", "hand") for "left_hand"."""
    side, _, rest = part.partition("_")
    if side not in ("left", "right"):
        return ("trunk" if part in ("pelvis", "spine", "chest", "neck") else part), part
    return f"{side} {'arm' if rest in _ARM else 'leg'}", rest


class Appearance(nn.Module):
    """Colour, opacity and radius of the Gaussians of each of `splats.PARTS`.

    Parameters, one row a part: `colour` (P, 3), `opacity` (P,), `radius` (P,) and `ball` (P,) as logits (radii as a
    share of `LARGEST`); `slope` (P, 5), what is added from one end of a bone to the other; `motion` (P, 5, 6), what
    each of `features` adds.
    """

    def __init__(self) -> None:
        super().__init__()
        colours, radii, balls = [], [], []
        for part in PARTS:
            group, kind = _group(part)
            bright = 0.6 if kind in _FARTHER else 0.0
            colours.append([_logit(value) + bright for value in _COLOURS[group]])
            radii.append(_logit(_RADII[kind][0] / LARGEST))
            balls.append(_logit(_RADII[kind][1] / LARGEST))
        motion = torch.zeros(len(PARTS), _ROWS, FEATURES)
        motion[:, :3] = torch.tensor(_MOTION)
        self.colour = nn.Parameter(torch.tensor(colours))
        self.opacity = nn.Parameter(torch.full((len(PARTS),), _logit(0.95)))
        self.radius = nn.Parameter(torch.tensor(radii))
        self.ball = nn.Parameter(torch.tensor(balls))
        self.slope = nn.Parameter(torch.zeros(len(PARTS), _ROWS))
        self.motion = nn.Parameter(motion)

    def bones(
        self, part: torch.Tensor, start_motion: torch.Tensor, end_motion: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of red, green, blue, opacity and radius at both ends of bones.

        Args:
            part: (F, B) index into `PARTS`.
            start_motion, end_motion: (F, B, 6) `features` of both ends.

        Returns:
            two (F, B, 5).
        """
        base = torch.cat([self.colour, self.opacity[:, None], self.radius[:, None]], 1)
        table = torch.cat([base - self.slope / 2, base + self.slope / 2, self.motion.flatten(1)], 1)
        start, end, motion = _pick(table, part).split([_ROWS, _ROWS, FEATURES * _ROWS], -1)
        motion = motion.unflatten(-1, (_ROWS, FEATURES))
        return (
            start + (motion * start_motion[..., None, :]).sum(-1),
            end + (motion * end_motion[..., None, :]).sum(-1),
        )

    def balls(self, part: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
        """Logits (F, K, 5) of balls; part (F, K), motion (F, K, 6) `features`."""
        base = torch.cat([self.colour, self.opacity[:, None], self.ball[:, None], self.motion.flatten(1)], 1)
        base, weights = _pick(base, part).split([_ROWS, FEATURES * _ROWS], -1)
        return base + (weights.unflatten(-1, (_ROWS, FEATURES)) * motion[..., None, :]).sum(-1)


def _pick(table: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.embedding(part, table)


def features(velocity: torch.Tensor, acceleration: torch.Tensor) -> torch.Tensor:
    """What the appearance knows of a point's motion, none beyond 1.

    Args:
        velocity, acceleration: (..., 3) [m/s], [m/s²].

    Returns:
        (..., 6): with v / (|v| + PACE) and a / (|a| + EFFORT), the length of the first, its x, y, z, the length of the
        second, and their inner product: above 0 where a point speeds up, below where it brakes.
    """
    speed = torch.sqrt(velocity.square().sum(-1, keepdim=True) + 1e-6)
    effort = torch.sqrt(acceleration.square().sum(-1, keepdim=True) + 1e-6)
    pace = torch.cat([speed, velocity], -1) / (speed + PACE)
    push = torch.cat([effort, acceleration], -1) / (effort + EFFORT)
    along = (pace[..., 1:] * push[..., 1:]).sum(-1, keepdim=True)
    return torch.cat([pace, push[..., :1], along], -1)
