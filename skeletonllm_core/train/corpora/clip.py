"""A labelled clip, and the words that every kind of corpus uses for its splits and for what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skeletonllm_core.motion.motion import Person

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

_NAMED = 8


@dataclass(frozen=True, eq=False)
class LabelledClip:
    """One clip to learn from or to be tested on.

    Attributes:
        name: unique in the corpus.
        source: the pack or generator it came from.
        split: "train", "validation" or "test".
        label: the action, in its source's words; "" where there are only captions.
        captions: sentences that people wrote about it, possibly none.
        person: the motion.
        style: how it is done, or "".
        subject: who moves, where the source promises that a subject's clips are all in one split; else "".
        take: the recording that it is part of, where the source promises the same of recordings; else "".
        others: further people in the clip.
    """

    name: str
    source: str
    split: str
    label: str
    captions: tuple[str, ...]
    person: Person
    style: str = ""
    subject: str = ""
    take: str = ""
    others: tuple[Person, ...] = ()


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, the first few and how many more."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
