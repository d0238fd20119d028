"""Teachers of CR-Distill: who writes the rationale of a labelled clip, and which rationales are learned from.

A rationale is a causal chain in order of time that ends in ``Label: <label>``. The kinematic teacher composes it from the
measured facts; a server teacher shows the frames to a larger model, as published: 12 frames, the true label, temperature
0.2, 512 tokens, seen classes only. Whatever its teacher, a rationale that contradicts the measurement is rejected.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.openai_server import ChatServer
from skeletonllm_core.motion.facts import Facts, explain
from skeletonllm_core.train.rationale_check import contradictions

KINEMATIC, SERVER = "kinematic", "openai:"
FRAMES = 12
"""Frames of a clip that a server teacher is shown."""

TEMPERATURE, MOST_TOKENS = 0.2, 512

_ASKED = """The {count} frames show one clip of a moving skeleton in order of time. They are drawn from 3D joints, so they look \
unlike a film: colours tell depth and motion.
The true action is: {label}
1) Say in one sentence what the person does.
2) Explain step by step, in order of time, how one movement leads to the next and why this is the action. Name the body \
part, its side (the person's own left or right) and the way it moves.
3) End with exactly one line:
Label: {label}"""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a rationale is asked for.

    Attributes:
        clip: name of the clip.
        view: number of the view in it.
        span: start and end of the view [s].
        label: the true label.
        facts: measured in this view.
        draw: the frames (FRAMES, 3, S, S) in [0, 1]; only called by teachers that look.
    """

    clip: str
    view: int
    span: tuple[float, float]
    label: str
    facts: Facts
    draw: Callable[[], Tensor]


class Teacher(Protocol):
    """Writes rationales; `name` tells its work from that of others in a cache, `cost` what it has taken so far or ""."""

    name: str

    @property
    def cost(self) -> str: ...

    def rationale(self, lesson: Lesson) -> str:
        """The causal chain and the label line."""


class KinematicTeacher:
    """Composes rationales from the measured facts; offline, the same each time."""

    name = KINEMATIC
    cost = ""

    def rationale(self, lesson: Lesson) -> str:
        """See `skeletonllm_core.motion.reasoning`, which ``label --explain`` uses too."""
        return explain(lesson.facts, lesson.label)


class ServerTeacher:
    """A larger model behind an OpenAI-compatible server, which sees the frames and is told the label.

    The published elements are asked for (summary, causal chain by body parts, label line), in words of our own.
    """

    def __init__(self, address: str) -> None:
        """Nothing is sent.

        Args:
            address: BASE_URL#NAME.
        """
        self.name = SERVER + address
        self.server = ChatServer(address, temperature=TEMPERATURE)

    @property
    def cost(self) -> str:
        """Requests and tokens, in words."""
        return str(self.server.cost)

    def rationale(self, lesson: Lesson) -> str:
        """Asks the server.

        Raises:
            SkeletonLLMError: it does not answer.
        """
        frames = lesson.draw()[None]
        asked = _ASKED.format(count=frames.shape[1], label=lesson.label)
        return self.server.write(frames, asked, limit=MOST_TOKENS)


def teacher_named(name: str) -> Teacher:
    """ "kinematic", or ``openai:BASE_URL#NAME``.

    Raises:
        SkeletonLLMError: another name.
    """
    if name == KINEMATIC:
        return KinematicTeacher()
    if name.startswith(SERVER):
        return ServerTeacher(name.removeprefix(SERVER))
    raise SkeletonLLMError(f"there is no teacher {name!r}; known are {KINEMATIC} and {SERVER}BASE_URL#NAME")


@dataclass
class Taught:
    """What came of some lessons.

    Attributes:
        texts: (clip, view) → rationale to learn from.
        asked: lessons that the teacher was asked for now; the others were in the cache.
        unseen: lessons left out because their label is to stay unseen.
        rejected: reason → rationales rejected for it; one may have several.
        lost: how many rationales were rejected.
        cost: what the teacher took.
    """

    texts: dict[tuple[str, int], str] = field(default_factory=dict)
    asked: int = 0
    unseen: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    cost: str = ""

    def __str__(self) -> str:
        told = f"{len(self.texts)} rationales, {self.asked} of {len(self.texts) + self.lost} asked for now"
        if self.lost:
            reasons = ", ".join(f"{reason} {count}" for reason, count in self.rejected.most_common())
            told += f"; {self.lost} rejected ({reasons})"
        told += f"; {self.unseen} left out, their labels are to stay unseen" if self.unseen else ""
        return told + (f"; {self.cost}" if self.cost else "")


def teach(lessons: Iterable[Lesson], teacher: Teacher, cache: Path, unseen: Collection[str] = ()) -> Taught:
    """Ask a teacher for the rationale of every lesson whose label may be seen, and check what it says.

    Each answer is written to the cache at once, one JSON object a line, so that a run that is stopped goes on where it was.
    Rejected ones are kept there too and not asked for again; the check itself is made anew each time.

    Args:
        lessons: in any order.
        teacher: asked for what the cache does not hold.
        cache: file of the answers of any teachers; made where it is missing.
        unseen: labels that nothing may be learned about.

    Raises:
        SkeletonLLMError: the cache is damaged, or the teacher does not answer; what it has answered is kept.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    known = _read_cache(cache)
    taught = Taught()
    with cache.open("a", encoding="utf-8") as file:
        for lesson in lessons:
            if lesson.label in unseen:
                taught.unseen += 1
                continue
            key = _key(lesson, teacher)
            text = known.get(key)
            if text is None:
                text = teacher.rationale(lesson)
                taught.asked += 1
                row = {"key": key, "clip": lesson.clip, "view": lesson.view, "teacher": teacher.name, "text": text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
            wrong = contradictions(text, lesson.facts, lesson.label)
            if wrong:
                taught.lost += 1
                taught.rejected.update({one.reason for one in wrong})
            else:
                taught.texts[lesson.clip, lesson.view] = text
    taught.cost = teacher.cost
    return taught


def _key(lesson: Lesson, teacher: Teacher) -> str:
    """Another teacher, clip, part of it or label has another key."""
    told = "\t".join([teacher.name, lesson.clip, *(f"{moment:.3f}" for moment in lesson.span), lesson.label])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _read_cache(cache: Path) -> dict[str, str]:
    """Key → text. A last line that a killed run left half written is cut off."""
    if not cache.is_file():
        return {}
    data = cache.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(cache, whole)
    known: dict[str, str] = {}
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            row: dict[str, Any] = json.loads(line)
            known[row["key"]] = row["text"]
        except (ValueError, KeyError, TypeError) as problem:
            told = f"{cache}:{number}: damaged rationale; remove the line to have it written again"
            raise SkeletonLLMError(told) from problem
    return known
