"""How a run draws: with the learned renderer, or with one of the fixed ones that it is compared with."""

from __future__ import annotations

import math

import torch

from skeletonllm_core.render.appearance import LARGEST, Appearance

LEARNED, NO_MOTION, FIXED, STICK_FIGURE = "learned", "without motion", "fixed", "stick figure"

APPEARANCES = {
    LEARNED: "everything about the drawing is learned",
    NO_MOTION: "learned, but velocity and acceleration do not show",
    FIXED: "the first values stay: a solid body whose colours show its velocity",
    STICK_FIGURE: "thin grey lines, nothing is learned and no velocity shows",
}

_LINE = 0.018
"""Radius of the lines and joints of a stick figure [m]."""

_GREY, _OPAQUE = 0.8, 0.98


@torch.no_grad()
def set_appearance(appearance: Appearance, name: str) -> None:
    """Give an untrained appearance the values that a run of this name in `APPEARANCES` starts from."""
    if name in (NO_MOTION, STICK_FIGURE):
        appearance.motion.zero_()
    if name == STICK_FIGURE:
        appearance.slope.zero_()
        appearance.colour.fill_(math.log(_GREY / (1 - _GREY)))
        appearance.opacity.fill_(math.log(_OPAQUE / (1 - _OPAQUE)))
        share = _LINE / LARGEST
        for radius in (appearance.radius, appearance.ball):
            radius.fill_(math.log(share / (1 - share)))


def learns(name: str, parameter: str) -> bool:
    """Whether a parameter of the renderer is learned in a run of this name."""
    if name in (FIXED, STICK_FIGURE):
        return False
    return name == LEARNED or not parameter.endswith("motion")
