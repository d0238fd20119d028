"""What a step learns from: clips drawn and varied, and what is asked about them. A step's draw follows from its number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch.utils.data import Dataset

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model import prompts
from skeletonllm_core.motion.canonical import CanonicalFrames, Prepared
from skeletonllm_core.motion.facts import Facts, mirrored_text
from skeletonllm_core.motion.wording import Event, steps, telling_events
from skeletonllm_core.train.augment import (
    Augmentation,
    in_place,
    of_other_proportions,
    varied_frames,
    with_guessed_joints,
    without_joints,
)
from skeletonllm_core.train.items import Item, View, facts_of
from skeletonllm_core.train.negatives import same_action, unseen_wordings
from skeletonllm_core.train.recipe import Recipe
from skeletonllm_core.train.stages import Stage
from skeletonllm_core.train.tasks import PHRASES, caption_task, label_task, mirrored_task, question_tasks, reading_task

MEASURED = Augmentation(crop=1.0, tempo=0.0, style=0.0)
"""How clips vary whose moments and distances are told: nothing that a rationale states may change."""


@dataclass
class Sample:
    """What one clip contributes to a step."""

    scene: CanonicalFrames
    label: str | None
    tasks: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Sources:
    """What the tasks of a stage are made from.

    Attributes:
        labels: that are trained, without their mirror images.
        neighbours: label → its hard negatives.
        rationales: (name of a clip, index of its view) → text.
        unseen: labels that must not occur, in every wording.
        orders: what happens in clips in which something clearly comes after something else.
        decided: (name of a clip, index of its view) whose action follows from what is told of it.
        poorly_measured: sources whose facts rarely decide on an action.
    """

    labels: tuple[str, ...]
    neighbours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rationales: Mapping[tuple[str, int], str] = field(default_factory=dict)
    unseen: frozenset[str] = frozenset()
    orders: tuple[tuple[Event, ...], ...] = ()
    decided: frozenset[tuple[str, int]] = frozenset()
    poorly_measured: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Batch:
    """One step: the seed of its dropout, and its clips."""

    seed: int
    samples: list[Sample]


class Draws(Dataset):
    """Step → `Batch`, for every step of a stage; the same one in every process and after every interruption.

    Args:
        frames: of a clip.
        facts: share of the clips whose prompts tell the measured facts.
        steps: of the stage.
    """

    def __init__(
        self,
        items: Sequence[Item],
        recipe: Recipe,
        stage: Stage,
        *,
        frames: int,
        facts: float,
        steps: int,
        sources: Sources,
    ) -> None:
        groups: dict[str, list[Item]] = {}
        for item in items:
            if usable_views(item, stage, sources):
                groups.setdefault(source_of(item.source, recipe.mix), []).append(item)
        empty = [source for source in recipe.mix if source not in groups]
        if empty:
            raise SkeletonLLMError(
                f"the mix names {empty[0]!r}, but no clip that the stage {stage.name!r} can use comes from there"
            )
        self.groups = groups
        self.recipe = recipe
        self.stage = stage
        self.frames = frames
        self.facts = facts
        self.steps = steps
        self.sources = sources
        self._names = sorted(recipe.mix)
        shares = np.array([recipe.mix[source] for source in self._names])
        self._shares = shares / shares.sum()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        recipe, stage = self.recipe, self.stage
        rng = np.random.default_rng([recipe.seed, 3, step, *([stage.number] if stage.number else [])])
        seed = int(rng.integers(2**31))
        samples = []
        for source in rng.choice(self._names, stage.batch, p=self._shares):
            group = self.groups[source]
            item = group[int(rng.integers(len(group)))]
            joined = self.facts and "label" in stage.tasks and rng.random() < STRANGE_SHARE
            strange = group[int(rng.integers(len(group)))] if joined else None
            samples.append(draw_sample(item, self.frames, stage, self.sources, rng, self.facts, strange))
        return Batch(seed, samples)


def source_of(name: str, mix: Mapping[str, float]) -> str:
    """The entry of a mix that a source belongs to."""
    return name if name in mix else "other"


def usable_views(item: Item, stage: Stage, sources: Sources) -> list[int]:
    """The views of a clip that a stage can ask something about."""
    views = list(range(len(item.views)))
    if set(stage.tasks) & {"caption", "question"}:
        return views
    if not item.label:
        return []
    if set(stage.tasks) == {"rationale"}:
        return [view for view in views if (item.name, view) in sources.rationales]
    return views


LACKING_SHARE = 0.25
"""Share of the clips that lack joints throughout, as poor recordings do. What is told of them is what can still be measured;
only the action is asked of them: a limb that an answer speaks of may be lacking."""

MOST_LACKING = 0.7
"""Largest share of a clip's joints that is lacking."""

GUESSED_SHARE = 0.7
"""Share of these that are shown with a guess in place of the joints that lack, as recordings that name them are."""

FIGURE_SHARE = 0.2
"""Share of the clips that are acted by a figure out of proportion, with what is measured of it."""

LOOPS = frozenset({"walk", "run", "jog", "jogging", "march", "stealthy walk", "zombie walk", "crouch walk", "crawl"})
"""Gaits that animators also make in place, as loops of a few steps, and that are called the same then."""

LOOP_SHARE = 0.25
"""Share of the clips of such a gait that are shown so, with what is measured then."""

LOOP_SECONDS = (0.6, 2.0)
"""How long such a loop is [s]."""

ORDER_SHARE = 0.8
"""Share of the questions about the order of two events, of a clip that has such events; few have."""

READING_SHARE = 0.4
"""Share of the questions that only what the prompt tells answers, and not the pictures, so that it is read."""

STRANGE_SHARE = 0.15
"""Share of the clips that are joined by another one, see `draw_sample`."""

KEPT = 0.85
"""Share of the measured facts that a prompt of training tells, so that none is relied on alone."""


def draw_sample(
    item: Item,
    frames: int,
    stage: Stage,
    sources: Sources,
    rng: np.random.Generator,
    facts: float = 0.0,
    strange: Item | None = None,
) -> Sample:
    """A varied view of a clip and the stage's tasks about it; in stage 0 a caption or a question, not both.

    Args:
        facts: share of the clips whose prompts tell the measured facts.
        strange: another clip of its entry of the mix. Where the facts decide on the action, it is shown instead, so that what is
            told is believed; where the source is poorly measured, it is told of instead, so that what is seen is. Then
            nothing but the action is asked.

    Raises:
        SkeletonLLMError: an unseen label stands in a task.
    """
    views = usable_views(item, stage, sources)
    number = views[int(rng.integers(len(views)))]
    view = item.views[number]
    mirror = bool(rng.random() < 0.5)
    # What a caption or an answer states must be in view, so those clips are not cropped any further.
    varied = MEASURED if "rationale" in stage.tasks else Augmentation()
    amount = varied if rng.random() < 0.9 else None
    wanted = set(stage.tasks)
    asked = wanted & {"label", "choice", "yes_no"}
    poor = item.source in sources.poorly_measured
    if not (item.label and ((item.name, number) in sources.decided or poor)):
        strange = None
    body, shown = item.body, view
    if item.label and asked and not strange:
        body, shown, lacking = recorded_otherwise(item, view, rng)
        if shown is not view:
            wanted.discard("rationale")  # It states what was measured of the clip as it is.
        if lacking:
            wanted = asked  # A limb that an answer speaks of may be lacking.
    if {"caption", "question"} <= wanted:
        wanted.discard("question" if rng.random() < 0.4 else "caption")
    scene = varied_frames(body, (shown.start, shown.end), frames, amount, mirror, rng)
    label, seconds = item.label, scene.seconds
    named = label if label in PHRASES else None
    told = told_facts(shown.facts, mirror, rng) if facts and rng.random() < facts else ()
    if strange:
        other = strange.views[int(rng.integers(len(strange.views)))]
        if poor:
            told = prompts.told_facts(telling_events(other.facts), mirror=mirror)
        else:
            scene = varied_frames(strange.body, (other.start, other.end), frames, Augmentation(), mirror, rng)
            told = prompts.told_facts(telling_events(view.facts), mirror=mirror)
        wanted = {"label"}
    tasks: list[tuple[str, str, str]] = []
    if label and "label" in wanted:
        tasks.append(("label", *label_task(label, seconds, told)))
    if "caption" in wanted:
        tasks.append(("caption", *caption_task(named, shown.facts, seconds, rng, told)))
    if "question" in wanted:
        # A few frames hardly show what comes first, so a model that is told facts always reads it there.
        told_in_order = prompts.told_steps(steps(shown.facts), mirror=mirror) if facts else ()
        pairs = question_tasks(named, shown.facts, seconds, rng, told, told_in_order)
        if facts and sources.orders and rng.random() < READING_SHARE:
            pairs = [reading_task(sources.orders[int(rng.integers(len(sources.orders)))], seconds, rng)]
        pairs = [pair for pair in pairs if not leaked(*pair, sources.unseen)]
        about_order = [pair for pair in pairs if prompts.ORDER.split("{")[0] in pair[0]]
        if about_order and rng.random() < ORDER_SHARE:
            pairs = about_order
        if pairs:
            tasks.append(("question", *pairs[int(rng.integers(len(pairs)))]))
    if label and "choice" in wanted:
        tasks.append(("choice", *choice_task(label, sources.labels, stage.candidates, seconds, rng, told)))
    if label and "yes_no" in wanted:
        tasks += [
            ("yes_no", *task) for task in yes_no_tasks(label, sources.neighbours.get(label, ()), seconds, rng, told)
        ]
    if "rationale" in wanted and (item.name, number) in sources.rationales:
        tasks.append(("rationale", prompts.rationale_prompt(seconds), sources.rationales[item.name, number]))
    if mirror:
        tasks = [(kind, *mirrored_task((prompt, answer))) for kind, prompt, answer in tasks]
        label = mirrored_text(label) if label else label
    for kind, prompt, answer in tasks:
        found = leaked(prompt, answer, sources.unseen) or (sources.unseen & {answer} if kind == "label" else ())
        if found:
            raise SkeletonLLMError(f"the unseen label {min(found)!r} leaked into a task of the clip {item.name!r}")
    return Sample(scene, label, tasks)


def recorded_otherwise(item: Item, view: View, rng: np.random.Generator) -> tuple[Prepared, View, bool]:
    """A body, the view of it, and whether it lacks joints: now and then a figure out of proportion, without some of its joints,
    a gait as a loop in place, with what can be measured then; mostly the same view of the same body.
    """
    body, start, end = item.body, view.start, view.end
    figure = rng.random() < FIGURE_SHARE
    lacking = rng.random() < LACKING_SHARE
    looping = item.label in LOOPS and rng.random() < LOOP_SHARE
    if figure:
        body = of_other_proportions(body, rng)
    if looping:
        body, seconds = in_place(body), float(rng.uniform(*LOOP_SECONDS))
        start = float(rng.uniform(start, max(start, end - seconds)))
        end = min(end, start + seconds)
    measured = body
    if lacking:
        gone = rng.random(len(body.parts)) < rng.uniform(0, MOST_LACKING)
        measured = without_joints(body, gone)
        body = with_guessed_joints(body, gone) if rng.random() < GUESSED_SHARE else measured
    if measured is item.body:
        return body, view, False
    return body, View(start, end, facts_of(measured, start, end)), lacking


DECIDED = 0.95
"""Share of the views that are told the same, numbers aside, that must show one action for the facts to decide on it."""

DECIDED_VIEWS = 5
"""How many such views there must be."""

POORLY_MEASURED = 1 / 3
"""Of a source whose facts decide on a smaller share of its views, they are not believed at all."""

JUDGED_VIEWS = 100
"""How many views a source must have to be judged so."""


def trust_in_facts(items: Iterable[Item]) -> tuple[frozenset[tuple[str, int]], frozenset[str]]:
    """`Sources.decided` and `Sources.poorly_measured`: what is told alike of one source's clips is counted by action."""
    alike: dict[str, dict[tuple[str, ...], list[tuple[str, int, str]]]] = {}
    for item in items:
        for number, view in enumerate(item.views if item.label else ()):
            told = tuple(sorted(re.sub(r"[\d.]+", "#", event.text) for event in telling_events(view.facts)))
            alike.setdefault(item.source, {}).setdefault(told, []).append((item.name, number, item.label or ""))
    decided: set[tuple[str, int]] = set()
    poor = set()
    for source, groups in alike.items():
        found = set()
        for views in groups.values():
            label, count = Counter(label for *_, label in views).most_common(1)[0]
            if len(views) >= DECIDED_VIEWS and count >= DECIDED * len(views):
                found |= {(name, number) for name, number, other in views if other == label}
        total = sum(map(len, groups.values()))
        if total >= JUDGED_VIEWS and len(found) < POORLY_MEASURED * total:
            poor.add(source)
        else:
            decided |= found
    return frozenset(decided), frozenset(poor)


def told_facts(facts: Facts, mirror: bool, rng: np.random.Generator) -> list[str]:
    """Facts for a prompt, a few of them missing."""
    return prompts.told_facts([event for event in telling_events(facts) if rng.random() < KEPT], mirror=mirror)


def choice_task(
    label: str,
    labels: Sequence[str],
    candidates: int,
    seconds: float,
    rng: np.random.Generator,
    told: Sequence[str] = (),
) -> tuple[str, str]:
    """(prompt, answer) for recognition among listed labels, in random order.

    Args:
        labels: that may be listed.
        candidates: how many are, the right one included; 0: all. Of a few, no other one is right too.
    """
    others = [other for other in labels if other != label]
    if candidates:
        others = [other for other in others if not same_action(label, other)]
        others = [others[index] for index in rng.permutation(len(others))[: candidates - 1]]
    listed = [label, *others]
    return prompts.choice_prompt(seconds, [listed[index] for index in rng.permutation(len(listed))], told), label


def yes_no_tasks(
    label: str, neighbours: Sequence[str], seconds: float, rng: np.random.Generator, told: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """(prompt, answer) of Disc-FT: yes to the label, and no to one of its hard negatives where it has any."""
    tasks = [(prompts.yes_no_prompt(seconds, label, told), "yes")]
    if neighbours:
        tasks.append((prompts.yes_no_prompt(seconds, neighbours[int(rng.integers(len(neighbours)))], told), "no"))
    return tasks


_NAMED = re.compile(
    r"is this the action (?P<one>[^?]+) \?|the action : (?P<several>[^?]+) \?|label: (?P<last>.+)", re.I
)


def leaked(prompt: str, answer: str, unseen: frozenset[str]) -> frozenset[str]:
    """The unseen labels that a task names: as its action, among its candidates or as the label of its rationale."""
    if not unseen:
        return frozenset()
    named = set()
    for found in _NAMED.finditer(f"{prompt}\n{answer}"):
        named |= {
            text.strip(" .\n").lower() for text in re.split(" , ", found["one"] or found["several"] or found["last"])
        }
    return unseen & named


def without_unseen(items: Sequence[Item], unseen: Sequence[str]) -> list[Item]:
    """The clips whose label may be learned."""
    forbidden = unseen_wordings(unseen)
    return [item for item in items if item.label not in forbidden]


def training_texts(items: Sequence[Item], seed: int) -> list[str]:
    """Texts that hold every word that stage 0 meets, both ways round."""
    rng = np.random.default_rng([seed, 2])
    texts = ["0 1 2 3 4 5 6 7 8 9 . , ? ' -"]
    for item in items:
        told = item.label if item.label in PHRASES else None
        for view in item.views:
            pairs = question_tasks(told, view.facts, 1.0, rng)
            pairs.append(caption_task(told, view.facts, 1.0, rng))
            if item.label:
                pairs.append(label_task(item.label, 1.0))
            pairs.append(("", prompts.measured(view.facts.sentences())))
            for pair in pairs:
                texts.extend((*pair, *mirrored_task(pair)))
    return texts


def stage_texts(stage: Stage, sources: Sources) -> list[str]:
    """Texts that hold every word that stages 1 to 4 meet beyond captions and questions, both ways round."""
    texts = []
    if "choice" in stage.tasks:
        texts.append(prompts.choice_prompt(1.0, sources.labels))
    if "yes_no" in stage.tasks:
        texts += [prompts.yes_no_prompt(1.0, label) for label in sources.labels] + ["yes", "no"]
    if "label" in stage.tasks:
        texts += [prompts.label_prompt(1.0), *sources.labels]
    if "rationale" in stage.tasks:
        texts += [prompts.rationale_prompt(1.0), *sources.rationales.values()]
    return [way for text in texts for way in (text, mirrored_text(text))]
