"""Whether a score means what it says, and whether what the model never learned scores low."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.model.lexicon import match
from skeletonllm_core.train.baselines.description import Description
from skeletonllm_core.train.baselines.standard import fitted_baselines
from skeletonllm_core.train.evaluation.clips import Exam, Request, animation_clips, material, stated_labels, subsample
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.scores import closeness, is_trained, scores_of
from skeletonllm_core.train.evaluation.statistics import (
    Figure,
    accuracy_at,
    area_under_risk,
    auroc,
    bootstrapped,
    calibration_error,
    share,
)
from skeletonllm_core.train.evaluation.tables import Table

DEFAULT_LIMIT: int | None = None


def tables(request: Request) -> tuple[list[Table], str]:
    """The tables, and the hash of the data."""
    found = material(request)
    inside = Table(
        "Scores against what is right, among the source's own labels",
        ("data", "method", "top-1", "ECE, 15 bins", "accuracy at 80 %", "at 50 %", "area under risk", "clips"),
        notes=["At 80 % and 50 %: on the clips of which the method is surest. Area under risk: lower is better."],
    )
    outside = Table(
        "Unknown or not: AUROC of the best score",
        ("unknown are", "data", "method", "AUROC", "known clips", "unknown clips"),
    )
    for exam in found.exams:
        _exam(request, exam, inside, outside)
    _never_trained(request, found.exams, outside)
    return [inside, outside], found.data


def _exam(request: Request, exam: Exam, inside: Table, outside: Table) -> None:
    candidates = [tuple(text for text in exam.labels if match(text, clip.label) == 0) for clip in exam.asked]
    pairs = list(zip(exam.asked, candidates, strict=True))
    scores = [
        scores_of(request.model, clip.person, (exam.labels, others))
        for clip, others in counted(exam.source, pairs, len(pairs), request.say)
    ]
    with_truth = np.stack([first for first, _ in scores])
    without = np.array([second.max(initial=0.0) for _, second in scores])
    truth = np.array([clip.label for clip in exam.asked])
    _rows(request, exam, "model", with_truth, exam.labels, without, truth, inside, outside)
    styles = exam.unseen_styles()
    unseen = np.array([clip.style in styles for clip in exam.asked])
    if unseen.any() and not unseen.all():
        right, sure = np.array(exam.labels)[with_truth.argmax(1)] == truth, with_truth.max(1)
        for of, rows in (("seen styles", ~unseen), ("unseen style", unseen)):
            _inside(request, f"{exam.source}, {of}", "model", sure[rows], right[rows], inside)
    known, asked = ([Description(clip.person) for clip in clips] for clips in (exam.known, exam.asked))
    for baseline in fitted_baselines(known, [clip.label for clip in exam.known], request.seed, request.say):
        chances = baseline.probabilities(asked)
        allowed = np.array([[text in others for text in baseline.classes] for others in candidates])
        without = np.where(allowed, chances, 0).max(1)
        _rows(request, exam, baseline.name, chances, baseline.classes, without, truth, inside, outside)


def _rows(
    request: Request,
    exam: Exam,
    method: str,
    scores: np.ndarray,
    classes: tuple[str, ...],
    without: np.ndarray,
    truth: np.ndarray,
    inside: Table,
    outside: Table,
) -> None:
    """The rows of one method.

    Args:
        scores: (N, number of classes).
        without: (N,) best score where the right label is no candidate.
        truth: (N,) labels.
    """
    right = np.array(classes)[scores.argmax(1)] == truth
    sure = scores.max(1)
    _inside(request, exam.source, method, sure, right, inside)
    figure = bootstrapped(lambda rows: auroc(sure[rows], without[rows]), len(right), request.seed)
    outside.add("clips whose label is no candidate", exam.source, method, figure, len(right), len(right))


def _inside(request: Request, data: str, method: str, sure: np.ndarray, right: np.ndarray, table: Table) -> None:
    def measured(measure) -> Figure:
        return bootstrapped(lambda rows: measure(sure[rows], right[rows]), len(right), request.seed)

    table.add(
        data,
        method,
        share(right),
        measured(calibration_error),
        measured(lambda confidence, hits: accuracy_at(0.8, confidence, hits)),
        measured(lambda confidence, hits: accuracy_at(0.5, confidence, hits)),
        measured(area_under_risk),
        len(right),
    )


def _never_trained(request: Request, found: list[Exam], outside: Table) -> None:
    """Labels that are new to the model, against learned ones: of the sources above, and on the same rigs."""
    model = request.model
    own = [clip for exam in found for clip in exam.asked]
    foreign = [] if request.data is None else animation_clips(request.data)
    # "kick left" is not learned either, but a model that calls it a kick is right.
    unknown = [clip for clip in (*own, *foreign) if closeness(model, clip.label) == 0]
    if not unknown:
        outside.notes.append(
            "The model knows every label here, or one near it: there are no rows of labels never trained."
        )
        return
    learned = [
        subsample([clip for clip in clips if is_trained(model, clip.label)], request.limit, request.seed)
        for clips in (own, foreign)
    ]
    asked = [*unknown, *learned[0], *learned[1]]
    best = np.array(
        [
            scores_of(model, clip.person, [model.labels])[0].max()
            for clip in counted("never trained", asked, len(asked), request.say)
        ]
    )
    new, rest = best[: len(unknown)], best[len(unknown) :]
    for against, known in (
        ("the sources above", rest[: len(learned[0])]),
        ("game characters", rest[len(learned[0]) :]),
    ):
        if len(known):
            figure = _against(known, new, request.seed)
            outside.add("labels never trained", f"known: {against}", "model", figure, len(known), len(new))
    threshold = model.calibration.threshold
    outside.notes.append(
        f"Labels never trained, nor anything near them, among the model's own {len(model.labels)} candidates: "
        f"{', '.join(stated_labels(unknown))} ({', '.join(dict.fromkeys(clip.source for clip in unknown))}). Its reject "
        f"threshold {threshold:g} calls {float((new < threshold).mean()):.3f} of them and "
        f"{float((rest < threshold).mean()):.3f} of the known ones unknown."
    )


def _against(known: np.ndarray, unknown: np.ndarray, seed: int) -> Figure:
    """AUROC of the best scores of known clips over those of unknown ones."""
    scores = np.concatenate([known, unknown])
    new = np.arange(len(scores)) >= len(known)
    return bootstrapped(lambda rows: auroc(scores[rows][~new[rows]], scores[rows][new[rows]]), len(scores), seed)
