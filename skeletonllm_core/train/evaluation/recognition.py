"""Which action is it: closed and open vocabulary, free text, and labels that the model never learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm_core.model import prompts
from skeletonllm_core.model.lexicon import match
from skeletonllm_core.pipeline import SkeletonLLM
from skeletonllm_core.train.baselines.description import Description
from skeletonllm_core.train.baselines.standard import fitted_baselines
from skeletonllm_core.train.corpus import LabelledClip
from skeletonllm_core.train.evaluation.clips import Exam, Request, animation_clips, material, stated_labels, subsample
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.scores import is_trained, pictures_alone, scores_of
from skeletonllm_core.train.evaluation.statistics import mean_over_runs, share
from skeletonllm_core.train.evaluation.tables import Table

DEFAULT_LIMIT: int | None = None

DRAWS = 5
"""Of the labels that count as unseen."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What the model says of the clips of an exam, one entry a clip.

    Attributes:
        closed: the likeliest of the source's own labels.
        alone: the same without facts in the prompt; empty where the model is never told any.
        open: the likeliest of every label there is.
        chosen: written word by word, one of the source's labels.
        free: written word by word, anything.
    """

    closed: list[str]
    alone: list[str]
    open: list[str]
    chosen: list[str]
    free: list[str]


def tables(request: Request) -> tuple[list[Table], str]:
    """The tables, and the hash of the data."""
    found = material(request)
    everything = tuple(sorted({*request.model.labels, *(label for exam in found.exams for label in exam.labels)}))
    closed = Table(
        "Closed vocabulary: the candidates are the source's own labels",
        ("data", "method", "exact", "published scoring", "clips"),
        notes=[
            "Published scoring counts an answer in which the label occurs as a part; exact does not.",
            "Free text is read as the label that is nearest in meaning, except in the row with the same letters.",
        ],
    )
    opened = Table(
        f"Open vocabulary: {len(everything)} candidates, every label of every source and of the model",
        ("data", "method", "exact", "same meaning", "clips"),
        notes=["Same meaning: equal but for wording (jogging for jog)."],
    )
    for exam in found.exams:
        answers = ask(request, exam, everything)
        _closed_rows(closed, exam, answers)
        _open_rows(opened, exam, answers)
        described = [[Description(clip.person) for clip in clips] for clips in (exam.known, exam.asked)]
        known_labels = [clip.label for clip in exam.known]
        for baseline in fitted_baselines(described[0], known_labels, request.seed, request.say):
            _add(closed, exam.source, baseline.name, [str(text) for text in baseline.predict(described[1])], exam.asked)
        frequent = max(sorted(set(known_labels)), key=known_labels.count)
        _add(closed, exam.source, "most frequent label", [frequent] * len(exam.asked), exam.asked)
        chance = 1 / len(exam.labels)
        closed.add(exam.source, "chance", chance, chance, len(exam.asked))
    return [closed, opened, zero_shot(request, found.exams)], found.data


def ask(request: Request, exam: Exam, everything: Sequence[str]) -> Answers:
    """The model's answers."""
    model: SkeletonLLM = request.model
    answers = Answers([], [], [], [], [])
    for clip in counted(exam.source, exam.asked, len(exam.asked), request.say):
        closed, opened = scores_of(model, clip.person, (exam.labels, everything))
        answers.closed.append(exam.labels[int(closed.argmax())])
        if model.facts:
            (alone,) = scores_of(pictures_alone(model), clip.person, [exam.labels])
            answers.alone.append(exam.labels[int(alone.argmax())])
        answers.open.append(everything[int(opened.argmax())])
        subject, views = model.subject(clip.person), model.model.views
        answers.chosen.append(model.write(subject, prompts.label_prompt, views=views, choices=exam.labels))
        answers.free.append(model.write(subject, prompts.label_prompt, views=views))
    return answers


def contains_label(answer: str, label: str) -> bool:
    """The published scoring: the label occurs in the answer, whatever stands around it."""
    return label.lower() in answer.lower()


def nearest_label(text: str, labels: Sequence[str]) -> str:
    """The label that is closest in meaning; the first of equals."""
    return labels[int(np.argmax([match(label, text) for label in labels]))]


def _closed_rows(table: Table, exam: Exam, answers: Answers) -> None:
    _add(table, exam.source, "label likelihood", answers.closed, exam.asked)
    if answers.alone:
        _add(table, exam.source, "label likelihood, pictures alone", answers.alone, exam.asked)
    _add(table, exam.source, "greedy generation among the labels", answers.chosen, exam.asked)
    meant = [nearest_label(text, exam.labels) for text in answers.free]
    _add(table, exam.source, "free generation, nearest label", meant, exam.asked)
    _add(table, exam.source, "free generation, same letters", answers.free, exam.asked)
    styles = exam.unseen_styles()
    rows = [index for index, clip in enumerate(exam.asked) if clip.style in styles]
    if rows and len(rows) < len(exam.asked):
        clips = [exam.asked[row] for row in rows]
        _add(table, f"{exam.source}, unseen style", "label likelihood", [answers.closed[row] for row in rows], clips)


def _open_rows(table: Table, exam: Exam, answers: Answers) -> None:
    truth = [clip.label for clip in exam.asked]
    for method, said in (("label likelihood", answers.open), ("free generation", answers.free)):
        same = share([text == label for text, label in zip(said, truth, strict=True)])
        meant = share([match(text, label) == 1.0 for text, label in zip(said, truth, strict=True)])
        table.add(exam.source, method, same, meant, len(truth))


def _add(table: Table, source: str, method: str, said: Sequence[str], clips: Sequence[LabelledClip]) -> None:
    exact = share([text == clip.label for text, clip in zip(said, clips, strict=True)])
    loose = share([contains_label(text, clip.label) for text, clip in zip(said, clips, strict=True)])
    table.add(source, method, exact, loose, len(clips))


def zero_shot(request: Request, found: Sequence[Exam]) -> Table:
    """Labels that the model never learned, drawn `DRAWS` times, alone and beside those that it did."""
    table = Table(
        "Labels that the model never learned (zero-shot), alone and beside learned ones (generalised)",
        ("method", "zero-shot", "generalised: unseen", "generalised: seen", "harmonic mean", "draws"),
    )
    clips = [clip for exam in found for clip in exam.asked]
    if request.data is not None:
        clips += animation_clips(request.data)
    new = [clip for clip in clips if not is_trained(request.model, clip.label)]
    seen = subsample([clip for clip in clips if is_trained(request.model, clip.label)], len(new), request.seed)
    labels, learned = stated_labels(new), stated_labels(seen)
    if len(labels) < 2 or not seen:
        table.notes.append("No table: fewer than two labels here are new to the model, or none is known to it.")
        return table
    drawn = max(2, round(len(labels) / 2))
    chance = np.random.default_rng([request.seed, DRAWS])
    draws = [tuple(sorted(chance.choice(labels, drawn, replace=False).tolist())) for _ in range(DRAWS)]
    lists = [*draws, *((*learned, *draw) for draw in draws)]
    right: list[list[float]] = [[], [], [], []]
    asked = [*((clip, True) for clip in new), *((clip, False) for clip in seen)]
    hits: list[tuple[LabelledClip, bool, list[bool]]] = []
    for clip, is_new in counted("zero-shot", asked, len(asked), request.say):
        scores = scores_of(request.model, clip.person, lists)
        said = [texts[int(score.argmax())] for texts, score in zip(lists, scores, strict=True)]
        hits.append((clip, is_new, [text == clip.label for text in said]))
    for place, draw in enumerate(draws):
        ours = [hit for clip, is_new, hit in hits if is_new and clip.label in draw]
        theirs = [hit for _, is_new, hit in hits if not is_new]
        alone = float(np.mean([hit[place] for hit in ours]))
        unseen, known = (float(np.mean([hit[DRAWS + place] for hit in group])) for group in (ours, theirs))
        both = 2 * unseen * known / (unseen + known) if unseen + known else 0.0
        for column, value in zip(right, (alone, unseen, known, both), strict=True):
            column.append(value)
    table.add("label likelihood", *(mean_over_runs(column) for column in right), DRAWS)
    among = 1 / (len(learned) + drawn)
    table.add("chance", 1 / drawn, among, among, among, DRAWS)
    table.notes += [
        f"Each draw takes {drawn} of the {len(labels)} labels that are new to the model ({', '.join(labels)}) as "
        f"candidates, on {len(new)} clips; beside them stand the {len(learned)} learned labels of {len(seen)} clips of the "
        "same sources.",
    ]
    return table
