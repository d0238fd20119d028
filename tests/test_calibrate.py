"""Temperature and reject threshold are those under which the scores of the given clips fit best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import skeletonllm_core as sk
from skeletonllm_core.model.checkpoint import Calibration, Checkpoint
from skeletonllm_core.model.hf import Look
from skeletonllm_core.pipeline import SkeletonLLM
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.calibrate import TEMPERATURES, calibrate
from skeletonllm_core.train.corpus import LabelledClip
from skeletonllm_core.train.procedural import make_motion
from tests.tiny_families import SIZES, tiny

ACTIONS = ("walk", "hand clap", "squat")


@pytest.fixture(scope="module")
def clips() -> list[LabelledClip]:
    return [
        LabelledClip(f"{action}-{seed}", "procedural", "validation", action, (), make_motion(action, "cmu", seed=seed))
        for action in ACTIONS
        for seed in (910_000, 910_001)
    ]


def open_text_model() -> SkeletonLLM:
    model = tiny("internvl", Look(frames=2, size=SIZES["internvl"])).eval()
    return SkeletonLLM(Checkpoint(model, SkeletonRenderer(model.image_size), ()), "tiny", "0" * 64, torch.device("cpu"))


@pytest.mark.parametrize("kind", ["embedded", "open text"])
def test_no_other_temperature_makes_the_true_labels_likelier(kind: str, clips: list[LabelledClip]) -> None:
    model = sk.load_model() if kind == "embedded" else open_text_model()
    found = calibrate(model, clips)
    assert found.temperature in TEMPERATURES and 0.05 <= found.threshold <= 0.95
    candidates = sorted(ACTIONS)

    def loss(temperature: float) -> float:
        model.calibration = Calibration(temperature, 0.5)
        likely = [model.scores(model.subject(clip.person), candidates) for clip in clips]
        true = [max(scores[candidates.index(clip.label)], 1e-6) for clip, scores in zip(clips, likely, strict=True)]
        return float(-np.log(true).sum())

    least = loss(found.temperature)
    assert all(least <= loss(float(other)) + 1e-9 for other in (TEMPERATURES[0], TEMPERATURES[12], TEMPERATURES[-1]))


def test_wrong_labels_ask_for_flatter_scores(clips: list[LabelledClip]) -> None:
    model = sk.load_model()
    shifted = [replace(clip, label=ACTIONS[(ACTIONS.index(clip.label) + 1) % 3]) for clip in clips]
    assert calibrate(model, shifted).temperature > calibrate(model, clips).temperature


def test_a_source_counts_the_same_however_many_clips_it_has(clips: list[LabelledClip]) -> None:
    model = sk.load_model()
    hard = [replace(clip, label=ACTIONS[(ACTIONS.index(clip.label) + 1) % 3], source="hard") for clip in clips]
    once = calibrate(model, [*clips, *hard])
    assert calibrate(model, [*clips * 4, *hard]) == once
    assert once.temperature > calibrate(model, clips).temperature
