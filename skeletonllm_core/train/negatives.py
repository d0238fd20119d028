"""Hard negatives of Disc-FT: for each label the labels that it is easily taken for, none of them unseen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skeletonllm_core.atomic import write_whole
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model import prompts
from skeletonllm_core.model.checkpoint import Checkpoint
from skeletonllm_core.model.foreground import foreground_patches
from skeletonllm_core.model.lexicon import BROADER, concepts, match
from skeletonllm_core.motion.facts import mirrored_text
from skeletonllm_core.motion.wording import telling_events
from skeletonllm_core.pipeline import label_probabilities
from skeletonllm_core.train.items import Item
from skeletonllm_core.train.lessons import plain_scene
from skeletonllm_core.train.tasks import learned_label

NEIGHBOURS = 5
"""Labels a label at most, as published."""

CLIPS_A_LABEL = 20
"""So many clips of a label are shown to the model to find what it confuses; they are spread over all of them."""


@dataclass(frozen=True)
class Negatives:
    """A frozen list.

    Attributes:
        source: "confusions", "text" or the name of a file.
        neighbours: label → labels that it is easily taken for, hardest first; possibly none.
        left_out: labels of a given file that are not trained on, unseen ones among them.
    """

    source: str
    neighbours: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()


def same_action(one: str, other: str) -> bool:
    """Whether a clip of one label can also be called the other, so that "no" would be wrong (wave, high arm wave)."""
    return max(match(one, other), match(other, one)) >= BROADER


def unseen_wordings(unseen: Sequence[str]) -> frozenset[str]:
    """The unseen labels in every wording that training could use: as learned, and in the mirror."""
    lower = [label.strip().lower() for label in unseen]
    wordings = {wording for label in lower for wording in (label, learned_label(label)) if wording}
    return frozenset(wordings | {mirrored_text(label) for label in wordings})


def from_text(labels: Sequence[str]) -> Negatives:
    """Labels that share words: the more of all their words are shared, the harder. The same action is none."""
    neighbours = {}
    for label in labels:
        shared = {
            other: len(concepts(label) & concepts(other)) / len(concepts(label) | concepts(other))
            for other in labels
            if concepts(label) & concepts(other) and not same_action(label, other)
        }
        neighbours[label] = tuple(sorted(shared, key=lambda other: (-shared[other], other))[:NEIGHBOURS])
    return Negatives("text", neighbours)


def from_confusions(checkpoint: Checkpoint, items: Sequence[Item]) -> Negatives:
    """What the model itself takes the training clips of a label for, the likeliest first.

    Args:
        checkpoint: the model as it is before stage 2.
        items: training clips; those without a label are left out.
    """
    labels = sorted({item.label for item in items if item.label})
    neighbours = {}
    for label in labels:
        own = [item for item in items if item.label == label]
        chosen = np.unique(np.linspace(0, len(own) - 1, min(len(own), CLIPS_A_LABEL)).round().astype(int))
        taken_for = np.mean([_probabilities(checkpoint, own[index], labels) for index in chosen], axis=0)
        order = [labels[index] for index in np.argsort(-taken_for, kind="stable")]
        neighbours[label] = tuple(other for other in order if not same_action(label, other))[:NEIGHBOURS]
    return Negatives("confusions", neighbours)


@torch.inference_mode()
def _probabilities(checkpoint: Checkpoint, item: Item, labels: Sequence[str]) -> np.ndarray:
    """(L,) how likely the model finds each label of the first view of a clip, seen once and as it is."""
    model, view = checkpoint.model, item.views[0]
    scene = plain_scene(item, view, model.frames)
    images = checkpoint.renderer([scene], size=model.image_size)[None]
    told = prompts.told_facts(telling_events(view.facts)) if model.facts else ()
    touched = None
    if model.patch is not None:
        touched = foreground_patches(checkpoint.renderer, [scene], model.image_size, model.patch)
    likely = model.log_likelihoods(images, prompts.label_prompt(scene.seconds, told), labels, touched)
    return label_probabilities(likely.double().cpu().numpy(), 1.0)


def from_file(path: Path, labels: Sequence[str], unseen: Sequence[str]) -> Negatives:
    """A given list, a JSON object: label → list of labels. What is unseen, or is never trained on, is left out.

    Raises:
        SkeletonLLMError: there is no such file, it has another form, or names nothing that is trained.
    """
    try:
        table = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise SkeletonLLMError(f"{path}: the hard negatives cannot be read: {problem}") from problem
    if not isinstance(table, dict) or not all(
        isinstance(others, list) and all(isinstance(other, str) for other in others) for others in table.values()
    ):
        raise SkeletonLLMError(f'{path}: hard negatives are a JSON object like {{"walk": ["run", "jog"]}}')
    learned = {name: learned_label(name) or name for key, others in table.items() for name in (key, *others)}
    allowed = set(labels) - unseen_wordings(unseen)
    neighbours: dict[str, list[str]] = {label: [] for label in sorted(allowed)}
    for key, others in table.items():
        if learned[key] in allowed:
            own = neighbours[learned[key]]
            own.extend(
                learned[other]
                for other in others
                if learned[other] in allowed and learned[other] not in own and learned[other] != learned[key]
            )
    if not any(neighbours.values()):
        raise SkeletonLLMError(
            f"{path}: none of its labels is trained on; labels here are {', '.join(sorted(allowed))}"
        )
    left_out = tuple(sorted(name for name in learned if learned[name] not in allowed))
    return Negatives(path.name, {label: tuple(others) for label, others in neighbours.items()}, left_out)


def check_unseen(negatives: Negatives, unseen: Sequence[str]) -> None:
    """Refuse a list in which an unseen label stands.

    Raises:
        SkeletonLLMError: names it.
    """
    leaked = unseen_wordings(unseen) & {
        name for label, others in negatives.neighbours.items() for name in (label, *others)
    }
    if leaked:
        raise SkeletonLLMError(f"the unseen label {min(leaked)!r} stands in the hard negatives ({negatives.source})")


def write_negatives(negatives: Negatives, path: Path) -> None:
    """Freeze a list, as JSON."""
    values = {
        "source": negatives.source,
        "left_out": negatives.left_out,
        "neighbours": dict(sorted(negatives.neighbours.items())),
    }
    write_whole(path, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())


def read_negatives(path: Path) -> Negatives:
    """A frozen list that this module wrote.

    Raises:
        SkeletonLLMError: it is damaged.
    """
    try:
        values = json.loads(path.read_text())
        neighbours = {label: tuple(others) for label, others in values["neighbours"].items()}
        return Negatives(values["source"], neighbours, tuple(values["left_out"]))
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as problem:
        raise SkeletonLLMError(f"{path}: damaged list of hard negatives; remove it to mine again") from problem
