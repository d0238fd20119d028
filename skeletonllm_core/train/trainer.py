"""A recipe from its first stage to its last: each goes on from the checkpoint of the one before, adapters merged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from skeletonllm_core.atomic import write_whole
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.checkpoint import Calibration, Checkpoint, is_pretrained, load_checkpoint, save_checkpoint
from skeletonllm_core.model.embedded import EmbeddedModel
from skeletonllm_core.model.tiny import TinyConfig, TinySkeletonLM
from skeletonllm_core.model.words import word_tokenizer
from skeletonllm_core.motion.facts import mirrored_text
from skeletonllm_core.motion.wording import steps
from skeletonllm_core.pipeline import load_model
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.appearances import set_appearance
from skeletonllm_core.train.calibrate import calibrate
from skeletonllm_core.train.corpus import TRAIN, VALIDATION, LabelledClip, kind_of, read_corpus, unseen_labels
from skeletonllm_core.train.draws import (
    Draws,
    Sources,
    source_of,
    stage_texts,
    training_texts,
    trust_in_facts,
    without_unseen,
)
from skeletonllm_core.train.items import Item, items_of, procedural_clips
from skeletonllm_core.train.lessons import lessons_of
from skeletonllm_core.train.loop import Learner, Log, processes_of, run_stage
from skeletonllm_core.train.negatives import (
    Negatives,
    check_unseen,
    from_confusions,
    from_file,
    from_text,
    read_negatives,
    unseen_wordings,
    write_negatives,
)
from skeletonllm_core.train.recipe import Recipe, decisive
from skeletonllm_core.train.stages import Stage
from skeletonllm_core.train.tasks import learned_label, ordered_pairs
from skeletonllm_core.train.teacher import teach, teacher_named
from skeletonllm_core.train.vocabulary import with_words


def load_clips(recipe: Recipe) -> tuple[list[LabelledClip], list[LabelledClip]]:
    """(training clips, validation clips) of the sources in a recipe's mix, without the procedural ones; none of the test
    split.
    """
    training: list[LabelledClip] = []
    validation: list[LabelledClip] = []
    if recipe.data is not None:
        for clip in read_corpus(recipe.data, recipe.corpus):
            if source_of(clip.source, recipe.mix) not in recipe.mix:
                continue
            if clip.split == VALIDATION:
                validation.append(clip)
            if clip.split == TRAIN or (clip.split == VALIDATION and not recipe.hold_out):
                training.append(clip)
    return training, validation


def load_items(recipe: Recipe) -> tuple[list[Item], list[Item]]:
    """(training items, validation items) of a recipe; clips of the test split are never prepared."""
    # Packs hold many sources' wordings, of which `tasks` takes some; elsewhere the user's own are learned.
    own = recipe.data is not None and (recipe.corpus or kind_of(recipe.data)) != "packs"
    items = []
    for clips in load_clips(recipe):
        made = items_of(clips, recipe.seed)
        if own:
            labels = [clip.label.strip().lower() or None for clip in clips]
            made = [replace(item, label=item.label or label) for item, label in zip(made, labels, strict=True)]
        items.append(made)
    training, validation = items
    return training + items_of(procedural_clips(recipe.procedural, recipe.seed), recipe.seed), validation


def train(
    recipe: Recipe, say: Callable[[str], None] = print, clips: tuple[list[Item], list[Item]] | None = None
) -> Path:
    """Run a recipe, or go on where it was stopped.

    Writes into `recipe.out`: `checkpoint/` (see `model.checkpoint`) of the last stage, `log.jsonl`, `run.json` (what the
    run is), and a folder for each stage with its state, its own checkpoint, and what it was made from (`negatives.json`,
    `rationales.jsonl`).

    Args:
        recipe: what to train, on what, for how long.
        say: told how it goes; under `torchrun` only the first process speaks.
        clips: what `load_items` gives for the recipe, where several runs share it.

    Returns:
        The folder of the checkpoint.

    Raises:
        SkeletonLLMError: the data is missing, a source of the mix has no clips, an unseen label would be learned, or
            the folder holds a run of other values.
    """
    accelerator = processes_of(recipe.device)
    if not accelerator.is_main_process:
        say = _silent
    torch.set_num_threads(recipe.threads)
    run = Run(recipe, accelerator, say, clips)
    folder = None
    for stage in recipe.all_stages():
        folder = run.stage(stage, folder)
    if folder is None:
        raise SkeletonLLMError("the recipe has no stage: there is nothing to do")
    result = recipe.out / "checkpoint"
    if accelerator.is_main_process:
        save_checkpoint(load_checkpoint(folder), result)
        set_calibration(recipe, say)
    accelerator.wait_for_everyone()
    return result


TOLD = 0.5
"""Share of the clips whose prompts tell the measured facts, where the model is told them and the recipe is silent."""


class Run:
    """One recipe on its clips.

    Args:
        recipe, say, clips: see `train`.
        accelerator: this process among all.
    """

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator,
        say: Callable[[str], None],
        clips: tuple[list[Item], list[Item]] | None,
    ) -> None:
        self.recipe = recipe
        self.accelerator = accelerator
        self.say = say
        items, validation = clips or load_items(recipe)
        self.unseen = unseen_of(recipe)
        self.items = without_unseen(items, self.unseen)
        self.labels = tuple(sorted({item.label for item in self.items if item.label}))
        counts: dict[str, int] = {}
        for item in self.items:
            source = item.source if item.source in recipe.mix else "other"
            counts[source] = counts.get(source, 0) + 1
        say(
            f"{len(self.items)} clips to train on, {len(validation)} to validate: "
            + ", ".join(f"{source} {count}" for source, count in counts.items())
        )
        if self.unseen:
            say(f"{len(items) - len(self.items)} clips left out: their labels are to stay unseen")
        self.about = self._same_run()
        self.log = Log(recipe.out, accelerator.is_main_process, recipe.tensorboard)

    def stage(self, stage: Stage, before: Path | None) -> Path:
        """Run one stage, or go on with it; the folder of its checkpoint.

        Args:
            before: checkpoint of the stage before.
        """
        recipe, accelerator = self.recipe, self.accelerator
        folder = recipe.out / f"{stage.number}-{stage.name}"
        made = folder / "checkpoint"
        if made.is_dir():
            self.say(f"{stage.name}: done before")
            return made
        if accelerator.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
        start, helper, labels = None, None, self.known_labels()
        if stage.number:
            start = self.start(before)
            labels = tuple(sorted({*labels, *start.labels}))
        sources = self.sources(stage, folder, start)
        steps = stage.steps_on(len(self.items))
        first_new_word = None
        if start is None:
            start, helper = self.new_model()
        elif isinstance(start.model, EmbeddedModel):
            first_new_word, model = self.with_new_words(start.model, stage, sources)
            start = replace(start, model=model)
        learner = Learner(start.renderer, start.model, recipe, stage, helper, self.known_labels())
        share = recipe.facts if stage.facts is None else stage.facts
        if share is not None:
            start.model.facts = share > 0
        facts = TOLD * start.model.facts if share is None else share
        frames = start.model.frames
        draws = Draws(self.items, recipe, stage, frames=frames, facts=facts, steps=steps, sources=sources)
        self.say(f"stage {stage.number}, {stage.name}: {steps} steps of {stage.batch} clips")
        run_stage(learner, draws, folder, accelerator, first_new_word=first_new_word, log=self.log, say=self.say)
        if accelerator.is_main_process:
            kept = Checkpoint(learner.model.cpu(), learner.renderer.cpu(), labels, start.calibration, start.completion)
            save_checkpoint(kept, made)
        accelerator.wait_for_everyone()
        return made

    def known_labels(self) -> tuple[str, ...]:
        """Every label of the clips and of their mirror images."""
        return tuple(sorted({text for label in self.labels for text in (label, mirrored_text(label))}))

    def new_model(self) -> tuple[Checkpoint, nn.Linear]:
        """The embedded model with random weights, and the classifier that helps it start."""
        recipe = self.recipe
        tokenizer = word_tokenizer(training_texts(self.items, recipe.seed))
        config = TinyConfig(
            image_size=recipe.image_size,
            frames=recipe.frames,
            channels=recipe.channels,
            width=recipe.width,
            vision_layers=recipe.vision_layers,
            text_layers=recipe.text_layers,
            vocab_size=len(tokenizer),
            dropout=recipe.dropout,
        )
        torch.manual_seed(recipe.seed)
        model = EmbeddedModel(TinySkeletonLM(config), tokenizer)
        renderer = SkeletonRenderer(recipe.image_size)
        set_appearance(renderer.appearance, recipe.appearance)
        helper = nn.Linear(recipe.width, len(self.known_labels()))
        return Checkpoint(model, renderer, self.known_labels()), helper

    def start(self, before: Path | None) -> Checkpoint:
        """What a stage goes on from: the stage before, or what the recipe starts from."""
        if before is not None:
            return load_checkpoint(before)
        name = self.recipe.start or "default"
        started = load_model(name, device="cpu")
        labels, renderer = started.trained_labels, started.renderer
        if name.startswith("hf:") or is_pretrained(Path(name)):
            # It comes with the embedded model's renderer, which has learned from labels that may have to stay unseen.
            labels, renderer = (), SkeletonRenderer(started.model.image_size) if self.unseen else renderer
        leaked = unseen_wordings(self.unseen) & set(labels)
        if leaked:
            raise SkeletonLLMError(f"the model {name!r} has already learned the unseen label {min(leaked)!r}")
        return Checkpoint(started.model, renderer, labels, started.calibration, started.completion)

    def with_new_words(self, model: EmbeddedModel, stage: Stage, sources: Sources) -> tuple[int | None, EmbeddedModel]:
        """(number of the first word that was unknown when the run left stage 0 or began, the model with the stage's words)."""
        grown = with_words(model, self.texts(stage, sources), self.recipe.seed + stage.number)
        first = self._settled("first_new_word", len(model.tokenizer))
        return (first if len(grown.tokenizer) > first else None), grown

    def texts(self, stage: Stage, sources: Sources) -> list[str]:
        """Texts that hold every word of a stage's tasks."""
        texts = stage_texts(stage, sources)
        if set(stage.tasks) & {"caption", "question"}:
            texts += training_texts(self.items, self.recipe.seed)
        return texts

    def sources(self, stage: Stage, folder: Path, start: Checkpoint | None) -> Sources:
        """What the stage's tasks are made from; mined or written once, and read again when the run is gone on with."""
        unseen = unseen_wordings(self.unseen)
        happening = (tuple(steps(view.facts)) for item in self.items for view in item.views)
        orders = tuple(one for one in happening if ordered_pairs(one))
        decided, poor = trust_in_facts(self.items)
        sources = Sources(self.labels, unseen=unseen, orders=orders, decided=decided, poorly_measured=poor)
        if "yes_no" in stage.tasks and start is not None:
            path = folder / "negatives.json"
            if not path.is_file() and self.accelerator.is_main_process:
                write_negatives(self.mined(start), path)
            self.accelerator.wait_for_everyone()
            negatives = read_negatives(path)
            check_unseen(negatives, self.unseen)
            lonely = [label for label in self.labels if not negatives.neighbours.get(label)]
            said = f"; none for {', '.join(lonely)}" if lonely else ""
            self.say(f"hard negatives from {negatives.source}: {path}{said}")
            sources = replace(sources, neighbours=negatives.neighbours)
        if "rationale" in stage.tasks and start is not None:
            # The first process asks; the others read what it was told.
            with self.accelerator.main_process_first():
                lessons = lessons_of(self.items, start.renderer)
                told = teach(lessons, teacher_named(self.recipe.teacher), folder / "rationales.jsonl", sources.unseen)
            self.say(f"{self.recipe.teacher} teacher: {told}")
            sources = replace(sources, rationales=told.texts)
        return sources

    def mined(self, start: Checkpoint) -> Negatives:
        """The hard negatives that the recipe asks for."""
        if isinstance(self.recipe.negatives, Path):
            return from_file(self.recipe.negatives, self.labels, self.unseen)
        if self.recipe.negatives == "text":
            return from_text(self.labels)
        checkpoint = replace(start, model=start.model.to(self.accelerator.device))
        checkpoint.renderer.to(self.accelerator.device)
        return from_confusions(checkpoint, self.items)

    def _same_run(self) -> dict[str, Any]:
        """What `run.json` says; written when a run begins, and held against the recipe when it is gone on with."""
        digest = hashlib.sha256()
        for item in self.items:
            digest.update(f"{item.name}\t{item.source}\t{item.label}\n".encode())
        now: dict[str, Any] = {"recipe": decisive(self.recipe), "clips": digest.hexdigest()[:16]}
        path = self.recipe.out / "run.json"
        if not path.is_file():
            if self.accelerator.is_main_process:
                write_whole(path, json.dumps(now, indent=1).encode())
            self.accelerator.wait_for_everyone()
            return now
        self.accelerator.wait_for_everyone()
        try:
            before = json.loads(path.read_text())
            changed = [key for key, value in now["recipe"].items() if before["recipe"].get(key) != value]
            changed += [key for key in before["recipe"] if key not in now["recipe"]]
            if before["clips"] != now["clips"]:
                changed.append("clips")
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as problem:
            raise SkeletonLLMError(f"{path}: damaged; remove {self.recipe.out} to begin anew") from problem
        if changed:
            raise SkeletonLLMError(
                f"{self.recipe.out}: holds a run with other values ({', '.join(changed)}); give the recipe another 'out', "
                "or remove the folder"
            )
        return before

    def _settled(self, key: str, value: int) -> int:
        """A number that the first stage that needs it settles for the run."""
        if key not in self.about:
            self.about[key] = value
            if self.accelerator.is_main_process:
                write_whole(self.recipe.out / "run.json", json.dumps(self.about, indent=1).encode())
        return int(self.about[key])


def unseen_of(recipe: Recipe) -> tuple[str, ...]:
    """The labels that nothing may be learned about: those that the recipe lists, and those of its class split."""
    split = unseen_labels(recipe.corpus) if recipe.corpus and ":" in recipe.corpus else ()
    return (*recipe.unseen, *split)


def _silent(text: str) -> None:
    """Says nothing."""


def set_calibration(recipe: Recipe, say: Callable[[str], None] = print) -> None:
    """Give the checkpoint of a finished run the recipe's calibration, or fit it on the validation part."""
    folder = recipe.out / "checkpoint"
    if recipe.temperature is not None and recipe.threshold is not None:
        calibration = Calibration(recipe.temperature, recipe.threshold)
    elif recipe.hold_out and recipe.data is not None:
        unseen = unseen_wordings(unseen_of(recipe))
        clips = read_corpus(recipe.data, recipe.corpus)
        named = [(learned_label(clip.label) or clip.label.strip().lower(), clip) for clip in clips]
        held_out = [clip for label, clip in named if clip.split == VALIDATION and label not in unseen]
        calibration = calibrate(load_model(str(folder)), held_out)
    else:
        return
    save_checkpoint(replace(load_checkpoint(folder), calibration=calibration), folder)
    say(f"temperature {calibration.temperature}, reject threshold {calibration.threshold}")
