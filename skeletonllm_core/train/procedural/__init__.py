"""Procedural human motion: labelled clips made by this project itself, so they may be shipped and trained on.

`generate` draws a body (1.5–1.95 m, limbs ±12 %), a mood, a tempo, a frame rate, a heading and a place, and performs
one of `ACTIONS` on one of `RIGS`. The same seed gives the same performance on every rig. Where an action uses one arm
or leg and its name does not say which, the side is drawn.

Seeds: training draws below `TRAINING_SEEDS`; `EXAMPLE_SEEDS` and above belong to the clips of ``examples/``, so that no
model of ours was trained on what its demo shows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skeletonllm_core.motion.motion import Motion
from skeletonllm_core.train.procedural import gestures, locomotion, strokes, whole_body
from skeletonllm_core.train.procedural.actor import Actor, random_actor
from skeletonllm_core.train.procedural.rigs import RIGS, rig_named
from skeletonllm_core.train.procedural.take import Take

__all__ = ["ACTIONS", "EXAMPLE_SEEDS", "RIGS", "TRAINING_SEEDS", "generate", "make_motion"]

TRAINING_SEEDS = 500_000
EXAMPLE_SEEDS = 900_000

_FRAME_RATES = (24.0, 25.0, 30.0, 60.0, 120.0)
_RATE_SHARES = (0.12, 0.12, 0.44, 0.2, 0.12)

ACTIONS: dict[str, Callable[[Actor], Take]] = {
    "walk": locomotion.walk,
    "run": locomotion.run,
    "jog": locomotion.jog,
    "walk backward": locomotion.walk_backward,
    "walk turn left": locomotion.walk_turn_left,
    "walk turn right": locomotion.walk_turn_right,
    "turn left": locomotion.turn_left,
    "turn right": locomotion.turn_right,
    "sidestep left": locomotion.sidestep_left,
    "sidestep right": locomotion.sidestep_right,
    "march": locomotion.march,
    "crouch walk": locomotion.crouch_walk,
    "dance spin": locomotion.dance_spin,
    "jump": whole_body.jump,
    "jump forward": whole_body.jump_forward,
    "hop": whole_body.hop,
    "jumping jacks": whole_body.jumping_jacks,
    "squat": whole_body.squat,
    "sit down": whole_body.sit_down,
    "stand up": whole_body.stand_up,
    "bend": whole_body.bend,
    "bow": whole_body.bow,
    "pick up": whole_body.pick_up,
    "kick": whole_body.kick,
    "side kick": whole_body.side_kick,
    "lie down": whole_body.lie_down,
    "get up": whole_body.get_up,
    "crawl": whole_body.crawl,
    "cartwheel": whole_body.cartwheel,
    "stand": gestures.stand,
    "raise up right hand": gestures.raise_right,
    "raise up left hand": gestures.raise_left,
    "raise up both hands": gestures.raise_both,
    "wave right hand": gestures.wave_right,
    "wave left hand": gestures.wave_left,
    "wave both hands": gestures.wave_both,
    "hand clap": gestures.clap,
    "point": gestures.point,
    "drink": gestures.drink,
    "forward punch": gestures.forward_punch,
    "side boxing": gestures.side_boxing,
    "throw": strokes.throw,
    "high throw": strokes.high_throw,
    "tennis serve": strokes.tennis_serve,
    "tennis swing": gestures.tennis_swing,
    "golf swing": gestures.golf_swing,
    "draw x": strokes.draw_x,
    "draw tick": strokes.draw_tick,
    "draw circle": strokes.draw_circle,
    "hammer": strokes.hammer,
    "hand catch": strokes.hand_catch,
    "horizontal arm wave": strokes.horizontal_wave,
}


def generate(action: str, rig: str, rng: np.random.Generator, *, fps: float | None = None) -> Motion:
    """One performance of `action` on `rig`, drawn from `rng`.

    Args:
        action: one of `ACTIONS`. rig: one of `RIGS`.
        fps: frames a second, or None to draw one of 24, 25, 30, 60, 120.

    Returns:
        a Motion of 1–6 s named after the action, Y up, metres.

    Raises:
        ValueError: unknown action or rig.
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}; there are: {', '.join(ACTIONS)}")
    drawn = float(rng.choice(_FRAME_RATES, p=_RATE_SHARES))
    yaw = float(rng.uniform(-np.pi, np.pi))
    place = (float(rng.uniform(-2, 2)), float(rng.uniform(-2, 2)))
    actor = random_actor(rng, drawn if fps is None else fps)
    take = ACTIONS[action](actor)
    return take.solve(rig_named(rig), name=action, yaw=yaw, place=place)


def make_motion(action: str, rig: str, *, seed: int, fps: float | None = None) -> Motion:
    """`generate` from a seed: the same arguments give the same motion."""
    return generate(action, rig, np.random.default_rng(seed), fps=fps)
