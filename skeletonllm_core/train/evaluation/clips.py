"""The clips that a suite asks about, and those that its baselines learn from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skeletonllm_core import plugins
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.pipeline import SkeletonLLM
from skeletonllm_core.train.corpus import TEST, TRAIN, VALIDATION, LabelledClip, data_hash, read_corpus
from skeletonllm_core.train.items import procedural_clips
from skeletonllm_core.train.procedural import ACTIONS, RIGS, generate

PROCEDURAL_SEEDS = 600_000
"""Clips that are asked about draw seeds from here on; training draws below 500,000."""

PROCEDURAL_KNOWN = 440
"""Procedural clips that baselines learn from: ten of each action."""

LEAST_CLIPS = 50
"""A source with fewer clips in a split has no table of its own labels; `transfer` asks about it."""


@dataclass(frozen=True)
class Request:
    """What a table is asked for.

    Attributes:
        model: what is judged.
        data: folder of packs; None for procedural clips.
        split: "test", or "validation" to choose by.
        seed: of every draw and of the baselines.
        limit: at most so many clips of each source, drawn by the seed; None for all.
        say: told how it goes.
        runs, recipe, steps, seeds: of `rigs` and `ablation`.
    """

    model: SkeletonLLM
    data: Path | None = None
    split: str = TEST
    seed: int = 0
    limit: int | None = None
    say: Callable[[str], None] = field(default=lambda text: None)
    runs: Path | None = None
    recipe: Path | None = None
    steps: int | None = None
    seeds: int = 3


@dataclass(frozen=True, eq=False)
class Exam:
    """The clips of one source.

    Attributes:
        source: its name.
        known: what baselines learn from.
        asked: what everybody is asked about.
        labels: the source's own labels, which are the candidates.
    """

    source: str
    known: list[LabelledClip]
    asked: list[LabelledClip]
    labels: tuple[str, ...]

    def unseen_styles(self) -> set[str]:
        """Styles that are asked about and that no known clip has."""
        return {clip.style for clip in self.asked} - {clip.style for clip in self.known}


@dataclass(frozen=True, eq=False)
class Material:
    """What a suite works on.

    Attributes:
        exams: the sources with clips enough.
        held_out: every clip of the split, of small sources too.
        data: hash of the data.
    """

    exams: list[Exam]
    held_out: list[LabelledClip]
    data: str


def material(request: Request) -> Material:
    """The sources with at least `LEAST_CLIPS` clips in the split.

    Without data: procedural clips, of which the model saw others of the same kind.

    Raises:
        SkeletonLLMError: the split is unknown, the data is incomplete, or no source has clips enough.
    """
    if request.split not in (TEST, VALIDATION):
        raise SkeletonLLMError(f"the split {request.split!r} is unknown: use test or validation")
    if request.data is None:
        known = list(procedural_clips(PROCEDURAL_KNOWN, request.seed))
        asked = procedural_asked(request.limit or 2 * len(ACTIONS), request.seed)
        exam = Exam("procedural", known, asked, tuple(sorted(ACTIONS)))
        return Material([exam], asked, data_hash([*known, *asked]))
    clips = list(read_corpus(request.data))
    found = []
    for source in dict.fromkeys(clip.source for clip in clips):
        own = [clip for clip in clips if clip.source == source]
        asked = [clip for clip in own if clip.split == request.split]
        # What is chosen on the validation part may be learned from for the test.
        learned = (TRAIN, VALIDATION) if request.split == TEST else (TRAIN,)
        known = [clip for clip in own if clip.split in learned]
        if len(asked) >= LEAST_CLIPS and known:
            labels = stated_labels(own)
            found.append(Exam(source, known, subsample(asked, request.limit, request.seed), labels))
    if not found:
        raise SkeletonLLMError(
            f"{request.data}: no source has {LEAST_CLIPS} clips in the split {request.split!r} and clips to learn from"
        )
    return Material(found, [clip for clip in clips if clip.split == request.split], data_hash(clips))


def subsample(clips: Sequence[LabelledClip], limit: int | None, seed: int) -> list[LabelledClip]:
    """At most `limit` clips, drawn by the seed, in their order."""
    if limit is None or limit >= len(clips):
        return list(clips)
    chosen = np.random.default_rng([seed, len(clips)]).choice(len(clips), limit, replace=False)
    return [clips[index] for index in sorted(chosen)]


def procedural_asked(count: int, seed: int) -> list[LabelledClip]:
    """Procedural clips that nothing was trained on: the actions in an order of chance, the rigs by turns."""
    actions = np.random.default_rng([seed, PROCEDURAL_SEEDS]).permutation(sorted(ACTIONS))
    made = []
    for index in range(count):
        action, rig = str(actions[index % len(actions)]), RIGS[index % len(RIGS)]
        motion = generate(action, rig, np.random.default_rng([seed, PROCEDURAL_SEEDS + index]))
        made.append(LabelledClip(f"{action}-{index}", "procedural", TEST, action, (), motion, rig))
    return made


def animation_clips(folder: Path) -> list[LabelledClip]:
    """Animations of human characters in the GLB files below `original/cc0_glb` of a pack folder; their names are labels.

    None where that folder is missing.
    """
    clips = []
    for path in sorted((folder / "original" / "cc0_glb").glob("*.glb")):
        for clip in plugins.read_clips(path):
            person = clip.persons[0]
            if not map_rig(person.topology, person.joint_positions()).human:
                break
            label = animation_label(clip.name)
            clips.append(LabelledClip(f"{path.stem}#{clip.name}", "game characters", TEST, label, (), person))
    return clips


_MISSPELLED = {"recieve": "receive"}


def animation_label(name: str) -> str:
    """An animation's name in plain words: "CharacterArmature|Sword_Slash" is "sword slash"; numbers go."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name.rpartition("|")[2])
    return " ".join(_MISSPELLED.get(word.lower(), word.lower()) for word in words)


def stated_labels(clips: Iterable[LabelledClip]) -> tuple[str, ...]:
    """Every label once, by the alphabet."""
    return tuple(sorted({clip.label for clip in clips}))
