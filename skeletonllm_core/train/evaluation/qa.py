"""Questions whose answers are computed from the movement: sides, counts, directions, order, why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from skeletonllm_core.model import prompts
from skeletonllm_core.motion.facts import Facts, caption_clauses, measure, mirrored_text, questions
from skeletonllm_core.motion.facts_questions import PHRASINGS
from skeletonllm_core.motion.wording import events, steps
from skeletonllm_core.pipeline import LONGEST_VIEW, SkeletonLLM
from skeletonllm_core.train.corpus import LabelledClip
from skeletonllm_core.train.evaluation.clips import Request, material
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.scores import pictures_alone
from skeletonllm_core.train.evaluation.statistics import share
from skeletonllm_core.train.evaluation.tables import Table
from skeletonllm_core.train.tasks import order_questions, reasons

DEFAULT_LIMIT: int | None = 60

KNOWN = 300
"""Clips from which the most frequent answers are counted."""

_GROUPS = {
    "sides": ("raised", "waving_hand", "kick", "limb", "turn"),
    "counts, ± 1": ("steps", "waves", "jump", "together"),
    "direction": ("direction", "kick_direction"),
    "order": ("first", "before"),
    "why": ("why",),
}
_REST = "other"
_GROUP_OF = {kind: group for group, kinds in _GROUPS.items() for kind in kinds}
_KIND_OF = {wording: kind for kind, wordings in PHRASINGS.items() for wording in wordings}


@dataclass(frozen=True)
class Question:
    """A question about a clip and what is true.

    Attributes:
        kind: as in `PHRASINGS`, or "before" or "why".
        text: the question.
        answer: the true answer.
        choices: the answer is one of these; None for free text.
    """

    kind: str
    text: str
    answer: str
    choices: tuple[str, ...] | None = None


def tables(request: Request) -> tuple[list[Table], str]:
    """The table, and the hash of the data."""
    found = material(request)
    clips = [clip for exam in found.exams for clip in exam.asked if clip.person.seconds <= LONGEST_VIEW]
    known = [clip for exam in found.exams for clip in exam.known if clip.person.seconds <= LONGEST_VIEW]
    step = max(1, len(known) // KNOWN)
    usual = most_frequent(known[::step], request.seed)
    measured = {clip.name: measure(clip.person) for clip in clips}
    pool = sorted({clause for facts in measured.values() for clause in caption_clauses(facts)})
    other = dict(zip((clip.name for clip in clips), _others(clips, request.seed), strict=True))
    alone = pictures_alone(request.model)
    rows: dict[str, list[tuple[bool, bool, bool, bool, float]]] = {}
    for index, clip in enumerate(counted("questions", clips, len(clips), request.say)):
        rng = np.random.default_rng([request.seed, index])
        for question in asked_about(clip, measured[clip.name], pool, rng):
            said = answer_of(request.model, clip, question)
            untold = answer_of(alone, clip, question) if request.model.facts else said
            blind = answer_of(request.model, other[clip.name], question)
            # Of choices the first is as good as any; a kind that no known clip has is a guess between two.
            guess = Usual(question.choices[0], len(question.choices)) if question.choices else usual.get(question.kind)
            guess = guess or Usual("", 2)
            right = [is_right(question, text) for text in (said, untold, blind, guess.answer)]
            group = _GROUP_OF.get(question.kind, _REST)
            rows.setdefault(group, []).append((right[0], right[1], right[2], right[3], 1 / guess.choices))
    table = Table(
        "Questions with computed answers",
        (
            "about",
            "model",
            "model, pictures alone",
            "model, another clip",
            "most frequent answer",
            "chance",
            "questions",
        ),
        notes=[
            "The truth is what the kinematics say; a kind of question is left out where a value lies near a border. "
            "Counts may be off by one. Order and why are asked with choices, everything else in free text. "
            "Pictures alone: the same model without the facts in its prompts, which hold many of these answers; nothing "
            "stands there where it is never told any. Another clip, in pictures and facts, leaves only what the words give "
            "away. Most frequent: of the same kind of question on other clips. Chance: one of the choices, or of the answers "
            "that occur."
        ],
    )
    for group in (*_GROUPS, _REST):
        if group in rows:
            columns = list(zip(*rows[group], strict=True))
            told, pictures_only, other_clip, guess_alone = (share(column) for column in columns[:4])
            chance = float(np.mean(columns[4]))
            shown = pictures_only if request.model.facts else None
            table.add(group, told, shown, other_clip, guess_alone, chance, len(rows[group]))
    return [table], found.data


def asked_about(clip: LabelledClip, facts: Facts, pool: Sequence[str], rng: np.random.Generator) -> Iterator[Question]:
    """Every question that the facts answer.

    Args:
        clip: what is asked about.
        facts: measured on it.
        pool: clauses of all clips; wrong reasons are drawn from them.
        rng: chooses wordings, and the order of choices.
    """
    for text, answer in questions(facts, rng):
        yield Question(_KIND_OF[text], text, answer)
    yield from _before(facts, rng)
    yield from _why(clip.label, facts, pool, rng)


def _before(facts: Facts, rng: np.random.Generator) -> Iterator[Question]:
    """What comes first, of two events that follow one another."""
    for (one, other), first in order_questions(steps(facts), rng):
        yield Question("before", prompts.ORDER.format(one=one, other=other), first, (one, other))


def _why(label: str, facts: Facts, pool: Sequence[str], rng: np.random.Generator) -> Iterator[Question]:
    """Which of four things, only one of which happens, speaks for the label."""
    happens = {event.clause for event in events(facts)} | set(caption_clauses(facts))
    speaking = reasons(facts, label)
    if not speaking:
        return
    wrong = [clause for clause in pool if clause not in happens]
    others = [str(clause) for clause in rng.permutation(wrong)]
    swapped = mirrored_text(speaking[0])
    if swapped not in happens:
        others = [swapped, *(clause for clause in others if clause != swapped)]
    if len(others) >= 3:
        choices = tuple(str(text) for text in rng.permutation([speaking[0], *others[:3]]))
        yield Question("why", prompts.WHY.format(label=label), speaking[0], choices)


def answer_of(model: SkeletonLLM, clip: LabelledClip, question: Question) -> str:
    """What the model says, shown this clip."""
    if question.choices is None:
        return model.ask(clip.person, question.text)
    prompt = partial(prompts.ask_prompt, question=question.text)
    in_order = prompts.asks_order(question.text)
    return model.write(model.subject(clip.person), prompt, choices=list(question.choices), in_order=in_order)


def is_right(question: Question, said: str) -> bool:
    """Whether an answer is the true one, but for case and signs; counts may be off by one."""
    if plain(said) == plain(question.answer):
        return True
    if _GROUP_OF.get(question.kind) != "counts, ± 1":
        return False
    told, true = count_in(said), count_in(question.answer)
    return told is not None and true is not None and abs(told - true) <= 1


def plain(text: str) -> str:
    """Lower-case words and numbers, without signs."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


_COUNTS = {"once": 1, "twice": 2, "no": 0}


def count_in(text: str) -> int | None:
    """The number that an answer names: a numeral, once, twice, no, or a bare yes for one; None where there is none."""
    words = plain(text).split()
    numbers = [int(word) for word in words if word.isdigit()] or [_COUNTS[word] for word in words if word in _COUNTS]
    return numbers[0] if numbers else 1 if words == ["yes"] else None


@dataclass(frozen=True)
class Usual:
    """Answers to a kind of question: the most frequent one, and how many occur."""

    answer: str
    choices: int


def most_frequent(clips: Sequence[LabelledClip], seed: int) -> dict[str, Usual]:
    """Kind of question → its usual answer about the clips; the first by the alphabet of equals."""
    told: dict[str, Counter[str]] = {}
    for index, clip in enumerate(clips):
        for text, answer in questions(measure(clip.person), np.random.default_rng([seed, index])):
            told.setdefault(_KIND_OF[text], Counter())[answer] += 1
    return {
        kind: Usual(min(counts, key=lambda text: (-counts[text], text)), len(counts)) for kind, counts in told.items()
    }


def _others(clips: Sequence[LabelledClip], seed: int) -> list[LabelledClip]:
    """For each clip another one, drawn by the seed."""
    order = np.random.default_rng([seed, len(clips)]).permutation(len(clips))
    after = {int(order[index]): int(order[(index + 1) % len(order)]) for index in range(len(order))}
    return [clips[after[index]] for index in range(len(clips))]
