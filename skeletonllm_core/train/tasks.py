"""Clip → what is asked and what is to be answered: labels, captions, questions. Truth comes from labels and measured facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np

from skeletonllm_core.model import prompts
from skeletonllm_core.model.lexicon import match
from skeletonllm_core.motion.facts import Facts, caption_clauses, mirrored_text, questions
from skeletonllm_core.motion.reasoning import speaking_for
from skeletonllm_core.motion.wording import Event, events, steps

# A source's wording → the wording that is learned, where they differ.
_RENAMED = {
    "walking": "walk", "running": "run", "run/jog": "run", "jumping": "jump", "slow walk": "walk", "brisk walk": "walk",
    "walk on uneven terrain": "walk", "punch/strike": "punch", "jump, balance": "jump", "dance a": "dance",
    "dance b": "dance", "getup facedown": "get up", "getup faceup": "get up", "cartwheels": "cartwheel",
    "bend over, scoop up, rise, lift arm": "pick up", "playground - forward jumps, turn around": "hop",
    "playing soccer": "play soccer", "directing traffic": "direct traffic", "washing a window": "wash a window",
    "basketball referee signals": "give referee signals", "swordplay": "fight with a sword",
}  # fmt: skip
_RENAMED_BY_START = {"basketball - ": "dribble a basketball", "dance": "dance", "playground - climb": "climb"}

# Every label that is learned → the same as a person would tell it.
PHRASES = {
    "walk": "walks", "run": "runs", "jog": "jogs", "jogging": "jogs", "walk backward": "walks backward",
    "walk turn left": "walks and turns left", "walk turn right": "walks and turns right",
    "turn left": "turns left on the spot", "turn right": "turns right on the spot",
    "sidestep left": "steps to the left", "sidestep right": "steps to the right",
    "stealthy walk": "walks stealthily", "zombie walk": "walks like a zombie", "crouch walk": "walks in a crouch",
    "march": "marches", "jump": "jumps", "jump forward": "jumps forward", "hop": "hops", "jumping jacks": "does jumping jacks",
    "squat": "squats", "sit down": "sits down", "stand up": "stands up", "get up": "gets up from the ground",
    "lie down": "lies down", "crawl": "crawls", "roll": "rolls over the ground", "stand": "stands still",
    "bend": "bends forward", "bow": "bows", "pick up": "picks something up",
    "pick up and throw": "picks something up and throws it",
    "throw": "throws something", "high throw": "throws something high", "hand catch": "catches something with the hand",
    "kick": "kicks", "forward kick": "kicks forward", "side kick": "kicks to the side", "spinkick": "does a spinning kick",
    "punch": "punches", "forward punch": "punches forward", "side boxing": "boxes to the side", "hammer": "hammers",
    "wave right hand": "waves the right hand", "wave left hand": "waves the left hand",
    "wave both hands": "waves both hands", "high arm wave": "waves with a raised arm",
    "horizontal arm wave": "waves an arm from side to side", "two hand wave": "waves with two hands",
    "raise up right hand": "raises the right hand", "raise up left hand": "raises the left hand",
    "raise up both hands": "raises both hands", "hand clap": "claps", "point": "points at something",
    "draw x": "draws a cross in the air", "draw tick": "draws a tick in the air", "draw circle": "draws a circle in the air",
    "tennis swing": "swings a tennis racket", "tennis serve": "serves at tennis", "golf swing": "swings a golf club",
    "drink": "drinks", "dance": "dances", "dance spin": "spins while dancing", "spin": "spins around",
    "cartwheel": "does a cartwheel", "backflip": "does a backflip", "sideflip": "does a side flip", "climb": "climbs",
    "fight with a sword": "fights with a sword", "dribble a basketball": "dribbles a basketball",
    "play soccer": "plays soccer", "direct traffic": "directs traffic", "wash a window": "washes a window",
    "wash self": "washes", "give referee signals": "gives referee signals",
}  # fmt: skip


def learned_label(label: str) -> str | None:
    """The wording under which a source's label is learned; None for one that has no phrase yet."""
    for start, renamed in _RENAMED_BY_START.items():
        if label.startswith(start) and label not in PHRASES:
            return _RENAMED.get(label, renamed)
    label = _RENAMED.get(label, label)
    return label if label in PHRASES else None


_GAITS = ("walk", "run", "jog", "march", "sidestep", "hop")
_ADDED_TO_GAITS = ("turning", "turns")
_ADDED = (
    "raises",
    "keeps",
    "bends",
    "turning",
    "turns",
    "walks",
    "runs",
    "moves forward",
    "moves backward",
    "moves to",
    "jumps",
)


def caption(label: str | None, clauses: tuple[str, ...], rng: np.random.Generator) -> str:
    """A sentence from a label and measured clauses.

    A label is told with at most one clause, and with none that only describes how the action is done anyway (feet that
    swing back in a run, hands that pass each other in a walk); without a label the clauses are told.
    """
    if label is None:
        told = list(clauses) or ["moves"]
    else:
        told = [PHRASES[label]]
        kicks = [clause for clause in clauses if clause.startswith("kicks")]
        if "kick" in label and kicks:
            told[0] += kicks[0][kicks[0].index(" with the ") :]
        added = _ADDED_TO_GAITS if any(word in label for word in _GAITS) else _ADDED
        said = {word for word in told[0].split() if len(word) > 3}
        for clause in clauses:
            content = {word for word in clause.split() if len(word) > 3}
            if clause.startswith(added) and not content & said:
                told.append(clause)
                break
    who = ("a person", "the person", "someone")[int(rng.choice(3, p=(0.8, 0.1, 0.1)))]
    text = told[0] if len(told) == 1 else ", ".join(told[:-1]) + " and " + told[-1]
    return f"{who} {text.replace(' and turning', ', turning')} ."


def label_task(label: str, seconds: float, told: Sequence[str] = ()) -> tuple[str, str]:
    """(prompt, answer) for recognition; `told`: facts that stand in the prompt."""
    return prompts.label_prompt(seconds, told), label


def caption_task(
    label: str | None, facts: Facts, seconds: float, rng: np.random.Generator, told: Sequence[str] = ()
) -> tuple[str, str]:
    """(prompt, answer) for a caption; `told`: facts that stand in the prompt."""
    return prompts.caption_prompt(seconds, told), caption(label, caption_clauses(facts), rng)


APART = 0.5
"""Two events whose order is asked begin at least so far apart [s]."""

ORDERS = 4
"""Pairs of events whose order is among the questions of a clip; few clips have any, so those ask it often."""


def ordered_pairs(happens: Sequence[Event]) -> list[tuple[str, str]]:
    """Every two things of a clip that clearly follow one another, the earlier one first."""
    begun: dict[str, float] = {}
    for event in happens:
        begun.setdefault(event.clause, event.at_s)
    return [(first, then) for first, then in permutations(begun, 2) if begun[then] - begun[first] >= APART]


def order_questions(happens: Sequence[Event], rng: np.random.Generator) -> list[tuple[tuple[str, str], str]]:
    """(two things that follow one another, in random order; the one that comes first) for at most `ORDERS` pairs."""
    pairs = ordered_pairs(happens)
    asked = [pairs[index] for index in rng.permutation(len(pairs))[:ORDERS]]
    return [((first, then) if rng.random() < 0.5 else (then, first), first) for first, then in asked]


def reading_task(happens: Sequence[Event], seconds: float, rng: np.random.Generator) -> tuple[str, str]:
    """A question about order that the prompt alone answers: it tells the things of some clip at one another's times.

    Args:
        happens: of which two or more follow one another.
    """
    while True:
        clauses = rng.permutation([event.clause for event in happens])
        told = [replace(event, clause=str(clause)) for event, clause in zip(happens, clauses, strict=True)]
        for (one, other), first in order_questions(told, rng):
            question = prompts.ORDER.format(one=one, other=other)
            return prompts.ask_prompt(seconds, question, prompts.told_steps(told)), first


def reasons(facts: Facts, label: str) -> list[str]:
    """What happens that speaks for a label, the most telling first; empty where nothing that is measured does."""
    return [event.clause for event in speaking_for(events(facts), label) or [] if event.clause]


def question_tasks(
    label: str | None,
    facts: Facts,
    seconds: float,
    rng: np.random.Generator,
    told: Sequence[str] = (),
    told_in_order: Sequence[str] = (),
) -> list[tuple[str, str]]:
    """(prompt, answer) pairs about a clip: measured ones, order and reason, and whether it shows a named action.

    Args:
        told: facts that stand in the prompts.
        told_in_order: stands in the prompts of questions about order instead.
    """
    pairs = list(questions(facts, rng))
    for (one, other), first in order_questions(steps(facts), rng):
        pairs.append((prompts.ORDER.format(one=one, other=other), first))
    if label:
        speaking = reasons(facts, label)
        if speaking:
            pairs.append((prompts.WHY.format(label=label), speaking[0]))
        others = [other for other in PHRASES if match(other, label) == 0]
        yes = rng.random() < 0.5
        asked = label if yes else others[int(rng.integers(len(others)))]
        pairs.append((f"is this the action {asked} ?", "yes" if yes else "no"))
        pairs.append(("what is the person doing ?", f"the person {PHRASES[label]} ."))
    return [
        (prompts.ask_prompt(seconds, question, told_in_order if prompts.asks_order(question) else told), answer)
        for question, answer in pairs
    ]


def mirrored_task(task: tuple[str, str]) -> tuple[str, str]:
    """The task that belongs to the mirrored motion."""
    return mirrored_text(task[0]), mirrored_text(task[1])
