"""Every question that a model is ever asked; `model.chat` holds what goes around one in a conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skeletonllm_core.motion.facts import mirrored_text
from skeletonllm_core.motion.wording import Event

LABEL = "{seconds} seconds . {facts}what is the action ?"
CAPTION = "{seconds} seconds . {facts}describe the motion ."
ASK = "{seconds} seconds . {facts}{question}"
CHOICE = "which of these is the action : {labels} ?"
YES_NO = "is this the action {label} ?"
ORDER = "what comes first , {one} or {other} ?"
WHY = "why is this {label} ?"
RATIONALE = "explain step by step what happens , and name the action ."


def seconds_in_words(seconds: float) -> str:
    """The length of a clip to half a second, so that the model can tell a fast motion from a slow one."""
    # Three quarters of a second lie between two words, and hosts give a clip's length with other last digits.
    halves = round(round(max(seconds, 0.0) * 2, 3))
    return f"{min(halves / 2, 30.0):.1f}"


def measured(facts: Sequence[str]) -> str:
    """Measured facts as they stand in a prompt."""
    return f"{' , '.join(facts)} . " if facts else ""


def told_facts(told: Sequence[Event], *, mirror: bool = False) -> list[str]:
    """Measured facts in order of time, what happens at once by the alphabet; with `mirror`, by the mirror image's words."""
    return [one.text for one in sorted(told, key=lambda one: (round(one.at_s, 2), _mirrored(one.text, mirror)))]


def told_steps(steps: Sequence[Event], *, mirror: bool = False) -> list[str]:
    """What happens when, as briefly as an answer says it, in the order of `told_facts`; for questions about order."""
    timed = [(round(one.at_s, 2), f"{one.clause} at {max(one.at_s, 0.0):.1f} s") for one in steps]
    return [text for _, text in sorted(timed, key=lambda one: (one[0], _mirrored(one[1], mirror)))]


_ORDER_WORDS = frozenset({"first", "last", "before", "after", "then", "next", "order"})


def asks_order(question: str) -> bool:
    """Whether a question is about what happens before or after something else."""
    return bool(_ORDER_WORDS & set(re.findall("[a-z]+", question.lower())))


def _mirrored(text: str, mirror: bool) -> str:
    return mirrored_text(text) if mirror else text


def label_prompt(seconds: float, facts: Sequence[str] = ()) -> str:
    """Asks for the action; the answer is a label."""
    return LABEL.format(seconds=seconds_in_words(seconds), facts=measured(facts))


def caption_prompt(seconds: float, facts: Sequence[str] = ()) -> str:
    """Asks for a sentence."""
    return CAPTION.format(seconds=seconds_in_words(seconds), facts=measured(facts))


def ask_prompt(seconds: float, question: str, facts: Sequence[str] = ()) -> str:
    """Asks a user's question."""
    return ASK.format(seconds=seconds_in_words(seconds), facts=measured(facts), question=question.strip())


def choice_prompt(seconds: float, labels: Sequence[str], facts: Sequence[str] = ()) -> str:
    """Asks for the action among listed labels; the answer is one of them."""
    return ask_prompt(seconds, CHOICE.format(labels=" , ".join(labels)), facts)


def yes_no_prompt(seconds: float, label: str, facts: Sequence[str] = ()) -> str:
    """Asks whether the action is this one; the answer is yes or no."""
    return ask_prompt(seconds, YES_NO.format(label=label), facts)


def rationale_prompt(seconds: float) -> str:
    """Asks for the steps of the motion; the answer ends with "Label: " and the action."""
    return ask_prompt(seconds, RATIONALE)
