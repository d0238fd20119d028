"""Training runs that a suite compares: their recipe, those that are missing, and what they get right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.pipeline import SkeletonLLM, load_model
from skeletonllm_core.train.corpus import VALIDATION, LabelledClip
from skeletonllm_core.train.evaluation.clips import Request
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.scores import scores_of
from skeletonllm_core.train.recipe import Recipe, read_recipe


def folder_and_recipe(request: Request) -> tuple[Path, Recipe]:
    """Where the runs are, and what they have in common.

    Raises:
        SkeletonLLMError: they were not named.
    """
    if request.runs is None or request.recipe is None:
        raise SkeletonLLMError(
            "this suite compares runs: name their folder with --runs and their recipe with --recipe; "
            "--steps N also trains those that are missing"
        )
    recipe = read_recipe(request.recipe)
    steps = recipe.steps if request.steps is None else request.steps
    # What is chosen by the validation part must not have learned from it.
    hold_out = request.split == VALIDATION or recipe.hold_out
    recipe = replace(recipe, data=request.data, steps=steps, hold_out=hold_out, temperature=1.0, threshold=0.5)
    return request.runs, recipe


def is_finished(folder: Path) -> bool:
    """Whether a run has come to its end."""
    return (folder / "checkpoint").is_dir()


def loaded(request: Request, folder: Path) -> SkeletonLLM | None:
    """The model of a run; None where the run is not finished."""
    return load_model(str(folder / "checkpoint"), device=str(request.model.device)) if is_finished(folder) else None


def hits(
    request: Request, model: SkeletonLLM, clips: Sequence[LabelledClip], labels: Sequence[str], what: str
) -> np.ndarray:
    """(number of clips,) bool: whether the best of the labels is the clip's.

    Args:
        what: told while it goes on.
    """
    return np.array(
        [
            labels[int(scores_of(model, clip.person, [labels])[0].argmax())] == clip.label
            for clip in counted(what, clips, len(clips), request.say)
        ]
    )
