"""The stages of training as values: what learns, from what, how fast. Every published number stands here and only here.

Stage 0 is ours: it makes the embedded model from nothing. Stages 1 to 4 are the cooperative training of SkeletonLLM:
the renderer and the language model learn to understand one another in turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PARTS = ("vision", "projector", "language", "lora", "renderer")
"""What a stage can train; "lora" is a low-rank adapter on the language model, merged into it when the stage ends."""

TASKS = ("label", "choice", "yes_no", "rationale", "caption", "question")
"""What a stage can ask about a clip; `train.draws` makes them."""


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter.

    Source of the defaults: the published training script.
    """

    rank: int = 32
    alpha: int = 64
    dropout: float = 0.05
    layers: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Stage:
    """One stage.

    The defaults are those of the published training script (AdamW, cosine), but for `renderer_learning_rate`: at the
    published 2e-5 the renderer barely learned.

    Attributes:
        name: key in `PUBLISHED`, or "pretrain".
        number: 0 to 4.
        trains: of `PARTS`.
        tasks: of `TASKS` → weight of its loss. A clip is asked each of them.
        epochs: how often the training clips are seen, on average; counts where `steps` is None.
        steps: optimiser steps.
        batch: clips a step, over all processes.
        learning_rate, renderer_learning_rate: peaks of the cosine schedule.
        warm_up: share of the steps in which the rates rise linearly.
        weight_decay: of matrices.
        smoothing: of labels.
        average: decay of the running average of what is trained; the average is what is kept. 0: no average.
        second_moment: AdamW's second beta.
        candidates: how many labels the choice lists; 0: all.
        facts: share of the clips whose prompts tell the measured facts; None: as the recipe says.
        lora: the adapter, where "lora" is trained.
    """

    name: str
    number: int
    trains: tuple[str, ...]
    tasks: Mapping[str, float]
    epochs: float = 1.0
    steps: int | None = None
    batch: int = 2
    learning_rate: float = 2e-5
    renderer_learning_rate: float = 2e-3
    warm_up: float = 0.03
    weight_decay: float = 0.05
    smoothing: float = 0.0
    average: float = 0.0
    second_moment: float = 0.999
    candidates: int = 0
    facts: float | None = None
    lora: Lora = field(default_factory=Lora)

    def steps_on(self, clips: int) -> int:
        """Optimiser steps on so many training clips."""
        return self.steps if self.steps is not None else max(1, round(self.epochs * clips / self.batch))


PUBLISHED: Mapping[str, Stage] = MappingProxyType(
    {
        "warm-up": Stage("warm-up", 1, ("renderer", "projector"), {"choice": 1.0}),
        "disc-ft": Stage("disc-ft", 2, ("renderer", "projector"), {"yes_no": 1.0}),
        "cr-distill": Stage("cr-distill", 3, ("renderer", "projector", "lora"), {"rationale": 1.0}),
        "refine": Stage("refine", 4, ("projector", "lora"), {"choice": 1.0}, epochs=3.0),
    }
)
"""Stages 1 to 4 as published.

Source: the training script of the authors' repository: 1 render warm-up, 2 discriminative fine-tuning on hard negatives,
3 causal reasoning distillation, 4 refinement with the renderer frozen.
"""
