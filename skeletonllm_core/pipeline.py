"""The order of the arrows: Motion ─canonical→ CanonicalFrames ─render→ images ─vision→ visual tokens ─language→ answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skeletonllm_core.answers import Candidate, Caption, Cost, Label, Segment
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model import prompts
from skeletonllm_core.model.checkpoint import (
    EMBEDDED,
    Checkpoint,
    checkpoint_sha256,
    embedded_labels,
    embedded_renderer,
    is_pretrained,
    load_checkpoint,
    pretrained,
    pretrained_sha256,
)
from skeletonllm_core.model.families import FAMILIES
from skeletonllm_core.model.foreground import foreground_patches
from skeletonllm_core.model.hf import Look, parsed_look
from skeletonllm_core.model.language import word_ids
from skeletonllm_core.model.lexicon import asked_action, candidate_scores, concepts, match
from skeletonllm_core.model.multimodal import WHOLE
from skeletonllm_core.model.openai_server import ChatServer
from skeletonllm_core.model.timeline import merged_segments, window_starts
from skeletonllm_core.model.words import known_wording, sentence
from skeletonllm_core.motion.canonical import (
    CanonicalFrames,
    Prepared,
    canonical_frames,
    mirrored,
    moments,
    place,
    prepare,
    sample,
)
from skeletonllm_core.motion.completion import completed
from skeletonllm_core.motion.facts import explain, measure, mirrored_text
from skeletonllm_core.motion.handedness import unmirrored
from skeletonllm_core.motion.motion import Person
from skeletonllm_core.motion.repair import repaired
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.wording import steps, telling_events

LONGEST_VIEW = 8.0
"""A longer clip is looked at in parts of half this length [s]."""

MOST_VIEWS = 12
"""A very long clip is looked at in at most so many parts, spread over it."""

SEGMENT_WINDOW = 2.4
"""Length [s] of the windows that `segment` slides over a clip."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One person of a clip, with the body that is drawn.

    Attributes:
        person: what is measured.
        body: the same, prepared for the renderer.
        guess: the same with a guess in place of joints that lack; None where none does.
    """

    person: Person
    body: Prepared
    guess: Prepared | None = None

    @property
    def seconds(self) -> float:
        """Length of the clip [s]."""
        return len(self.body) / self.body.fps


class SkeletonLLM:
    """A checkpoint that labels, captions, answers and segments.

    `persons` is the persons of one clip, or one person. The embedded model was trained on single persons: of several,
    each is looked at alone and the likelihoods are averaged; captions and answers name them by number.

    Attributes:
        facts: whether the measured facts stand in the prompts; as the model was trained, unless it is set.
    """

    def __init__(self, checkpoint: Checkpoint, id: str, sha256: str, device: torch.device) -> None:
        self.id = id
        self.sha256 = sha256
        self.device = device
        self.model = checkpoint.model.to(device)
        self.renderer = checkpoint.renderer.to(device)
        self.facts = checkpoint.model.facts
        self.calibration = checkpoint.calibration
        self.completion = checkpoint.completion
        self.trained_labels = checkpoint.labels
        self.labels = distinct_labels(checkpoint.labels)
        place = {label: index for index, label in enumerate(checkpoint.labels)}
        self._mirrored_labels = np.array([place.get(mirrored_text(label), place[label]) for label in checkpoint.labels])

    def subject(self, person: Person) -> Subject:
        """The person without jitter and short gaps, prepared."""
        mended = repaired(person)
        whole = completed(mended, self.completion)
        return Subject(mended, prepare([mended])[0], None if whole is mended else prepare([whole])[0])

    @property
    def cost(self) -> Cost | None:
        """Of what a server was asked so far; None where no server is asked."""
        return self.model.cost if isinstance(self.model, ChatServer) else None

    def label(
        self,
        persons: Person | Sequence[Person],
        labels: Sequence[str] | None = None,
        *,
        top: int = 3,
        explain: bool = False,
        quick: bool = False,
    ) -> Label:
        """The action, among the given candidate texts or the model's own labels.

        Args:
            persons: of one clip.
            labels: candidates, open text; None for the model's own.
            top: how many candidates to return in all, the best included.
            explain: add the steps of the motion that were measured.
            quick: look at a short clip as a whole, not at parts of it (`MultimodalModel.views`), too, and at the pictures
                alone, as live labelling does.

        Raises:
            SkeletonLLMError: nothing to look at, or no candidate.
        """
        people = _people(persons)
        candidates = self._candidates(labels)
        subjects = [self.subject(person) for person in people]
        scores = np.mean([self.scores(subject, candidates, quick=quick) for subject in subjects], axis=0)
        order = np.argsort(-scores, kind="stable")
        ranked = [Candidate(candidates[index], float(scores[index])) for index in order[: max(top, 1)]]
        best = ranked[0]
        reason = _explanation(subjects, best.text) if explain else None
        return Label(best.text, best.score, best.score >= self.calibration.threshold, tuple(ranked[1:]), reason)

    def caption(self, persons: Person | Sequence[Person]) -> Caption:
        """A sentence on the motion, and the facts that were measured; of a body that is not human only the facts."""
        people = _people(persons)
        subjects = [self.subject(person) for person in people]
        said = [self._told(subject, 0.0, None) for subject in subjects]
        facts = [measure(subject.person).sentences() for subject in subjects]
        if len(people) == 1:
            return Caption(said[0], facts[0])
        return Caption(
            " ".join(f"Person {index + 1}: {text}" for index, text in enumerate(said)),
            tuple(f"person {index + 1} {fact}" for index, told in enumerate(facts) for fact in told),
        )

    def ask(self, persons: Person | Sequence[Person], question: str) -> str:
        """The answer to a question about the motion.

        Whether it shows a named action is answered from the label scores, everything else by the language model. A
        question made of words that the model never learned is not answered by guessing.
        """
        if not question.strip():
            raise SkeletonLLMError("the question is empty")
        people = _people(persons)
        if not self.model.open_text:
            action = asked_action(question)
            if action is not None and max(match(action, label) for label in self.trained_labels) > 0:
                score = np.mean([self.scores(self.subject(person), [action])[0] for person in people])
                return "Yes" if score >= 0.5 else "No"
            question = known_wording(self.model.tokenizer, question)
            unknown = self._unknown_words(question)
            if unknown:
                return f"I cannot answer that: I do not know the words {', '.join(unknown)}."
        prompt = partial(prompts.ask_prompt, question=question)
        in_order = prompts.asks_order(question)
        said = [self._wording(self.write(self.subject(person), prompt, in_order=in_order)) for person in people]
        if len(said) == 1:
            return said[0]
        return " ".join(f"Person {index + 1}: {text}" for index, text in enumerate(said))

    def segment(self, persons: Person | Sequence[Person], labels: Sequence[str] | None = None) -> list[Segment]:
        """The timeline: where which action happens."""
        people = _people(persons)
        candidates = self._candidates(labels)
        subjects = [self.subject(person) for person in people]
        length = max(subject.seconds for subject in subjects)
        starts, hop = window_starts(length, SEGMENT_WINDOW)
        scores = np.stack(
            [
                np.mean(
                    [
                        self._scores(self._part_likelihoods(subject, self._asked(candidates), start, end), candidates)
                        for subject in subjects
                    ],
                    axis=0,
                )
                for start, end in zip(starts, np.minimum(starts + SEGMENT_WINDOW, length), strict=True)
            ]
        )
        fps = subjects[0].body.fps
        frames = max(len(subject.body) for subject in subjects)
        segments = []
        for start, end, candidate, score in merged_segments(scores, starts, hop, SEGMENT_WINDOW, length):
            first = min(round(start * fps), frames - 1)
            last = frames if end >= length else max(round(end * fps), first + 1)
            said = [self._told(subject, start, end) for subject in subjects]
            caption = said[0] if len(said) == 1 else " ".join(f"Person {i + 1}: {text}" for i, text in enumerate(said))
            segments.append(Segment(first / fps, last / fps, first, last, candidates[candidate], float(score), caption))
        return segments

    def render(
        self,
        persons: Person | Sequence[Person],
        *,
        size: int | None = None,
        frames: int | None = None,
        frame_indices: Sequence[int] | None = None,
    ) -> Tensor:
        """What the model sees: (T, 3, H, W) in [0, 1], all persons together, differentiable in the renderer's parameters.

        Args:
            size: edge of the images [pixels]; the model's own when None.
            frames: T; the model's own when None.
            frame_indices: these frames of the source instead.
        """
        people = [repaired(person) for person in _people(persons, least=1)]
        scene = canonical_frames(people, frames or self.model.frames, frame_indices=frame_indices)
        return self.renderer(scene, size=size)

    def _candidates(self, labels: Sequence[str] | None) -> tuple[str, ...]:
        if labels is None:
            return self.labels
        candidates = tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))
        if not candidates:
            raise SkeletonLLMError("there is no candidate label: give at least one")
        return candidates

    def _view(self, body: Prepared, start: float, end: float) -> CanonicalFrames:
        times = moments(len(body), body.fps, self.model.frames, start, end)
        return place([sample(body, times, start=start)], [body], end - start)

    @torch.inference_mode()
    def _seen(self, scenes: Sequence[CanonicalFrames]) -> tuple[Tensor, Tensor | None]:
        """(V, T, 3, S, S) images of the scenes, and what is drawn on where the model wants to know."""
        size, patch = self.model.image_size, self.model.patch
        touched = None if patch is None else foreground_patches(self.renderer, scenes, size, patch)
        return self.renderer(scenes, size=size).unflatten(0, (len(scenes), -1)), touched

    def _prompts(
        self,
        prompt: Callable[..., str],
        subject: Subject,
        start: float,
        end: float | None,
        *,
        told: bool = True,
        in_order: bool = False,
    ) -> tuple[str, str]:
        """What is asked of a part of a clip, and of its mirror image; both speak of the clip itself.

        Args:
            told: whether the measured facts may stand in it.
            in_order: of them only what happens one after the other.
        """
        seconds = subject.seconds if end is None else end - start
        if not (self.facts and told):
            return prompt(seconds=seconds, facts=()), prompt(seconds=seconds, facts=())
        facts = measure(subject.person, start=start, end=end)
        if in_order:
            straight, swapped = (prompts.told_steps(steps(facts), mirror=mirror) for mirror in (False, True))
        else:
            straight, swapped = (prompts.told_facts(telling_events(facts), mirror=mirror) for mirror in (False, True))
        return prompt(seconds=seconds, facts=straight), prompt(seconds=seconds, facts=swapped)

    def _with_mirrored(self, scenes: Sequence[CanonicalFrames]) -> list[CanonicalFrames]:
        return list(scenes) if self.model.open_text else [*scenes, *(mirrored(scene) for scene in scenes)]

    def write(
        self,
        subject: Subject,
        prompt: Callable[..., str],
        *,
        start: float = 0.0,
        end: float | None = None,
        views: Sequence[tuple[float, float]] = (WHOLE,),
        choices: Sequence[str] | None = None,
        in_order: bool = False,
    ) -> str:
        """What the language model writes, word by word, on a clip or a part of it.

        Args:
            subject: the person.
            prompt: of `model.prompts`, given `seconds` and `facts`.
            start, end: the part [s].
            views: what of it is shown, as in `MultimodalModel.views`; all of it is told.
            choices: the text is one of these; None for free text.
            in_order: of the measured facts only what happens one after the other is told.
        """
        seconds = (subject.seconds if end is None else end) - start
        scenes = [self._view(subject.body, start + first * seconds, start + last * seconds) for first, last in views]
        images, touched = self._seen(self._with_mirrored(scenes))
        straight, swapped = self._prompts(prompt, subject, start, end, in_order=in_order)
        mirrored = None if self.model.open_text else (images[len(scenes) :], swapped)
        return self.model.write(images[: len(scenes)], straight, mirrored=mirrored, choices=choices, touched=touched)

    def likelihoods(self, subject: Subject, answers: Sequence[str] | None = None, *, quick: bool = False) -> np.ndarray:
        """(W, L) log-likelihood of each label, in each of the looks at a clip: at the whole of a short one, its beginning and
        its end, at the parts of a long one, each without and with a guess of joints that lack, and their mirror images.

        In the mirror every label stands for its other side, so a mirrored motion gets exactly the mirrored answer.

        Args:
            subject: the person.
            answers: other texts than the trained labels, for a model of open text.
            quick: see `label`.
        """
        asked = self.trained_labels if answers is None else answers
        seconds = subject.seconds
        if seconds <= LONGEST_VIEW:
            # A single frame has no parts.
            views = (WHOLE,) if quick or len(subject.body) == 1 else self.model.views
            parts = [(first * seconds, last * seconds) for first, last in views]
        else:
            part = LONGEST_VIEW / 2
            count = min(int(np.ceil(seconds / part)), MOST_VIEWS)
            starts = np.linspace(0.0, seconds - part, count)
            parts = [(float(start), float(start + part)) for start in starts]
        return np.concatenate([self._part_likelihoods(subject, asked, *ends, told=not quick) for ends in parts])

    def _part_likelihoods(
        self,
        subject: Subject,
        answers: Sequence[str],
        start: float,
        end: float,
        *,
        told: bool = True,
    ) -> np.ndarray:
        """(W, L) log-likelihoods, of each body and then of the mirror image of each."""
        bodies = [body for body in (subject.body, subject.guess) if body is not None]
        scenes = [self._view(body, start, end) for body in bodies]
        images, touched = self._seen(self._with_mirrored(scenes))
        straight, swapped = self._prompts(prompts.label_prompt, subject, start, end, told=told)
        likely = self.model.log_likelihoods(images[: len(scenes)], straight, answers, touched)
        if self.model.open_text:
            return likely.double().cpu().numpy()
        other = self.model.log_likelihoods(images[len(scenes) :], mirrored_text(swapped), answers)
        return torch.cat([likely, other[:, self._mirrored_labels]]).double().cpu().numpy()

    def scores(self, subject: Subject, candidates: Sequence[str], *, quick: bool = False) -> np.ndarray:
        """(C,) scores of candidate texts, 0 to 1."""
        return self._scores(self.likelihoods(subject, self._asked(candidates), quick=quick), candidates)

    def _asked(self, candidates: Sequence[str]) -> Sequence[str]:
        """Whose likelihoods tell about the candidates: their own, or those of the labels the model has learned."""
        return candidates if self.model.open_text else self.trained_labels

    def _scores(self, likelihoods: np.ndarray, candidates: Sequence[str]) -> np.ndarray:
        """(C,) scores of candidate texts, from the (W, L) log-likelihoods of `_asked`."""
        probabilities = label_probabilities(likelihoods, self.calibration.temperature)
        if self.model.open_text:
            return probabilities
        return candidate_scores(probabilities, self.trained_labels, candidates)

    def _wording(self, text: str) -> str:
        """What the model wrote, as a person writes it."""
        return text[:1].upper() + text[1:] if self.model.open_text else sentence(text)

    def _told(self, subject: Subject, start: float, end: float | None) -> str:
        """What the model writes on a person, which is what it has learned; what was measured on any other body."""
        person = subject.person
        if self.model.open_text or map_rig(person.topology, person.joint_positions()).human:
            return self._wording(self.write(subject, prompts.caption_prompt, start=start, end=end))
        facts = measure(person, start=start, end=end).sentences()
        return f"No human body: {', '.join(facts) or 'nothing that could be measured'}."

    def _unknown_words(self, question: str) -> list[str]:
        words = [word.strip(".,?!;:'\"").lower() for word in question.split()]
        tokenizer = self.model.tokenizer
        unknown = [word for word in words if word and tokenizer.unk_token_id in word_ids(tokenizer, word)]
        return unknown if len(unknown) * 2 >= len([word for word in words if concepts(word)]) else []


def label_probabilities(likelihoods: np.ndarray, temperature: float) -> np.ndarray:
    """(L,) probabilities: the softmax over labels of (W, L) log-likelihoods, averaged over the looks at a clip.

    Looks that disagree make it less sure. One in which no label is possible counts as 0 for each.
    """
    scaled = likelihoods / temperature
    best = scaled.max(1, keepdims=True)
    scaled = np.exp(scaled - np.where(np.isfinite(best), best, 0.0))
    total = scaled.sum(1, keepdims=True)
    return (scaled / np.where(total > 0, total, 1.0)).mean(0)


def distinct_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels without those that only spell another one differently; the shortest wording stays."""
    shortest: dict[frozenset[str], str] = {}
    for label in sorted(labels, key=lambda text: (len(text), text)):
        shortest.setdefault(concepts(label), label)
    return tuple(sorted(shortest.values()))


def load_model(name: str = "default", *, device: str = "auto", seed: int = 0) -> SkeletonLLM:
    """Load a model.

    Args:
        name: "default" or "free" (embedded, offline); the folder of a checkpoint, or of a transformers model;
            "hf:ORG/NAME", a transformers model from the Hugging Face hub or its cache; "openai:BASE_URL#NAME", a model on a
            server. After "hf:ORG/NAME#" stands how the model is shown a clip, for example
            "frames=8,size=224,images,sparse".
        device: "auto", "cpu", "cuda" or "cuda:N".
        seed: of every random choice; the embedded model makes none.

    Raises:
        SkeletonLLMError: no such model or device, or a damaged checkpoint.
    """
    torch.manual_seed(seed)
    where = device_named(device)
    weights = torch.float32 if where.type == "cpu" else torch.bfloat16
    if name.startswith("openai:"):
        server = ChatServer(name.removeprefix("openai:"))
        checkpoint = Checkpoint(server, embedded_renderer(server.image_size), embedded_labels())
        return SkeletonLLM(checkpoint, name, pretrained_sha256(checkpoint, name), where)
    if name.startswith("hf:"):
        source, look = parsed_look(name.removeprefix("hf:"))
        checkpoint = pretrained(source, look, weights)
        return SkeletonLLM(checkpoint, name, pretrained_sha256(checkpoint, name), where)
    folder = EMBEDDED.get(name, Path(name))
    if not folder.is_dir():
        raise SkeletonLLMError(
            f"there is no model {name!r}: use 'default', 'free', the folder of a checkpoint, hf:ORG/NAME or openai:BASE_URL#NAME"
        )
    if is_pretrained(folder):
        checkpoint = pretrained(str(folder), Look(), weights)
        return SkeletonLLM(checkpoint, name, pretrained_sha256(checkpoint, name), where)
    return SkeletonLLM(load_checkpoint(folder, weights), name, checkpoint_sha256(folder), where)


def device_named(name: str) -> torch.device:
    """The device of `--device`: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        SkeletonLLMError: this machine does not have it.
    """
    if name == "auto" or name == "cpu":
        return torch.device("cpu")
    number = re.fullmatch(r"cuda(?::(\d+))?", name)
    if number and int(number[1] or 0) < torch.cuda.device_count():
        return torch.device(name)
    raise SkeletonLLMError(f"the device {name!r} is not available: use auto or cpu")


def available_models() -> list[dict[str, str]]:
    """Rows for `skeletonllm models`."""
    return [
        {
            "name": "default",
            "where": "embedded in the package",
            "licence": "non-commercial (see its card)",
            "note": "labels, captions, answers and segments on a CPU, offline",
        },
        {
            "name": "free",
            "where": "embedded in the package",
            "licence": "Apache-2.0 (see its card)",
            "note": "the same, trained only on sources that allow commercial use; understands fewer recordings",
        },
        {"name": "FOLDER", "where": "a checkpoint folder made by `skeletonllm train`", "licence": "yours", "note": ""},
        {
            "name": "hf:ORG/NAME",
            "where": "the Hugging Face hub or its cache",
            "licence": "its makers'",
            "note": f"vision-language models of the types {', '.join(FAMILIES)}; see docs/models.md",
        },
        {
            "name": "openai:BASE_URL#NAME",
            "where": "a server that speaks the chat completions protocol",
            "licence": "its makers'",
            "note": "sends the frames of a clip there; the key is in OPENAI_API_KEY",
        },
    ]


def _people(persons: Person | Sequence[Person], least: int = 2) -> list[Person]:
    people = list(persons) if isinstance(persons, Sequence) else [persons]
    if not people:
        raise SkeletonLLMError("there is no person in this clip")
    for person in people:
        if len(person.topology) < least:
            raise SkeletonLLMError(
                f"the clip {person.name!r} has only one joint: there is no motion of a body to understand"
            )
        if len(person) == 0:
            raise SkeletonLLMError(f"the clip {person.name!r} has no frames")
    return [unmirrored(person) for person in people]


def _explanation(subjects: Sequence[Subject], label: str) -> str:
    return "\n".join(explain(measure(subject.person), label) for subject in subjects)
