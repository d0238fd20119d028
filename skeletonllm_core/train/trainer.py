"""One straight-line training loop: draw clips, vary them, render, ask, learn. Killed and started again, it goes on."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.checkpoint import Calibration, Checkpoint, load_checkpoint, save_checkpoint
from skeletonllm_core.model.language import word_ids
from skeletonllm_core.model.tiny import TinyConfig, TinySkeletonLM
from skeletonllm_core.model.words import word_tokenizer
from skeletonllm_core.motion.canonical import CanonicalFrames
from skeletonllm_core.motion.facts import mirrored_text
from skeletonllm_core.pipeline import load_model
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.augment import Augmentation, varied_frames
from skeletonllm_core.train.calibrate import calibrate
from skeletonllm_core.train.corpus import TEST, VALIDATION, read_packs
from skeletonllm_core.train.items import Item, items_of, procedural_clips
from skeletonllm_core.train.recipe import Recipe
from skeletonllm_core.train.tasks import caption_task, label_task, mirrored_task, question_tasks

TASK_WEIGHTS = {"label": 1.0, "caption": 0.5, "question": 0.5}


@dataclass
class Sample:
    """What one clip contributes to a step."""

    scene: CanonicalFrames
    label: str | None
    tasks: list[tuple[str, str, str]]


def draw_sample(item: Item, recipe: Recipe, rng: np.random.Generator) -> Sample:
    """A varied view of a clip, its recognition task and one other task."""
    view = item.views[int(rng.integers(len(item.views)))]
    mirror = bool(rng.random() < 0.5)
    # What a caption or an answer states must be in view, so those clips are not cropped any further.
    amount = Augmentation() if rng.random() < 0.9 else None
    kind = "caption" if rng.random() < 0.4 else "question"
    scene = varied_frames(item.body, (view.start, view.end), recipe.frames, amount, mirror, rng)
    tasks: list[tuple[str, str, str]] = []
    if item.label:
        tasks.append(("label", *label_task(item.label, scene.seconds)))
    if kind == "caption":
        tasks.append(("caption", *caption_task(item.label, view.facts, scene.seconds, rng)))
    else:
        pairs = question_tasks(item.label, view.facts, scene.seconds, rng)
        if pairs:
            tasks.append(("question", *pairs[int(rng.integers(len(pairs)))]))
    if mirror:
        tasks = [(kind, *mirrored_task((prompt, answer))) for kind, prompt, answer in tasks]
    label = mirrored_text(item.label) if item.label and mirror else item.label
    return Sample(scene, label, tasks)


def training_texts(items: list[Item], seed: int) -> list[str]:
    """Texts that hold every word the model will meet, both ways round."""
    rng = np.random.default_rng([seed, 2])
    texts = ["0 1 2 3 4 5 6 7 8 9 . , ? ' -"]
    for item in items:
        for view in item.views:
            pairs = question_tasks(item.label, view.facts, 1.0, rng)
            pairs.append(caption_task(item.label, view.facts, 1.0, rng))
            if item.label:
                pairs.append(label_task(item.label, 1.0))
            for pair in pairs:
                texts.extend((*pair, *mirrored_task(pair)))
    return texts


def load_items(recipe: Recipe) -> tuple[list[Item], list[Item]]:
    """(training items, validation items) of a recipe; clips of the test split are never prepared."""
    training, validation = [], []
    if recipe.data is not None:
        for clip in read_packs(recipe.data):
            if clip.split == TEST:
                continue
            if clip.split == VALIDATION:
                validation.append(clip)
            if clip.split != VALIDATION or not recipe.hold_out:
                training.append(clip)
    training_items = items_of(training, recipe.seed) + items_of(
        procedural_clips(recipe.procedural, recipe.seed), recipe.seed
    )
    return training_items, items_of(validation, recipe.seed)


def source_of(item: Item, mix: dict[str, float]) -> str:
    """The entry of the mix that an item belongs to."""
    return item.source if item.source in mix else "other"


def train(
    recipe: Recipe, say: Callable[[str], None] = print, clips: tuple[list[Item], list[Item]] | None = None
) -> Path:
    """Run a recipe, or go on where it was stopped.

    Writes into `recipe.out`: `checkpoint/` (see `model.checkpoint`), `log.jsonl`, `state.pt` (to resume).

    Args:
        recipe: what to train, on what, for how long.
        say: told how it goes.
        clips: what `load_items` gives for the recipe, where several runs share it.

    Returns:
        The folder of the checkpoint.

    Raises:
        SkeletonLLMError: the data is missing or a source of the mix has no clips.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    recipe.out.mkdir(parents=True, exist_ok=True)
    items, validation = clips or load_items(recipe)
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(source_of(item, recipe.mix), []).append(item)
    empty = [source for source in recipe.mix if source not in groups]
    if empty:
        raise SkeletonLLMError(f"the mix names {empty[0]!r}, but no clip comes from there")
    say(
        f"{len(items)} clips to train on, {len(validation)} to validate: "
        + ", ".join(f"{source} {len(group)}" for source, group in groups.items())
    )

    tokenizer = word_tokenizer(training_texts(items, recipe.seed))
    labels = sorted({text for item in items if item.label for text in (item.label, mirrored_text(item.label))})
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
    model = TinySkeletonLM(config).train()
    renderer = SkeletonRenderer(recipe.image_size)
    helper = nn.Linear(recipe.width, len(labels))
    parameters = [*model.parameters(), *helper.parameters()]
    optimiser = torch.optim.AdamW(
        [
            {"params": [one for one in parameters if one.ndim > 1], "peak": recipe.learning_rate},
            {"params": [one for one in parameters if one.ndim <= 1], "peak": recipe.learning_rate, "weight_decay": 0.0},
            {"params": list(renderer.parameters()), "peak": recipe.renderer_learning_rate, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=recipe.weight_decay,
    )
    kept = {"model": model.state_dict(), "renderer": renderer.state_dict()}
    average = {part: {name: value.detach().clone() for name, value in state.items()} for part, state in kept.items()}

    resume = recipe.out / "state.pt"
    first = 0
    if resume.is_file():
        state = torch.load(resume, weights_only=True)
        model.load_state_dict(state["model"])
        renderer.load_state_dict(state["renderer"])
        helper.load_state_dict(state["helper"])
        optimiser.load_state_dict(state["optimiser"])
        average, first = state["average"], state["step"]
        say(f"going on at step {first}")
    sources = sorted(recipe.mix)
    shares = np.array([recipe.mix[source] for source in sources])
    shares = shares / shares.sum()
    began = time.monotonic()
    log = recipe.out / "log.jsonl"
    running: dict[str, float] = {}
    for step in range(first, recipe.steps):
        # A step's chance depends on its number alone, so a resumed run draws what an unbroken one would have drawn.
        rng = np.random.default_rng([recipe.seed, 3, step])
        torch.manual_seed(int(rng.integers(2**31)))
        samples = []
        for source in rng.choice(sources, recipe.batch, p=shares):
            group = groups[source]
            samples.append(draw_sample(group[int(rng.integers(len(group)))], recipe, rng))
        for group_ in optimiser.param_groups:
            group_["lr"] = group_["peak"] * schedule(step, recipe.steps, recipe.warm_up)
        images = renderer([sample.scene for sample in samples])
        with torch.autocast(images.device.type, torch.bfloat16, enabled=recipe.bfloat16):
            visual = model.vision(images.unflatten(0, (len(samples), recipe.frames)))
            loss, parts = text_loss(model, tokenizer, model.projector(visual), samples, recipe.smoothing)
        visual = visual.float()
        known = [index for index, sample in enumerate(samples) if sample.label]
        target = torch.tensor([labels.index(samples[index].label or "") for index in known])
        helped = functional.cross_entropy(helper(visual.mean(1)[known]), target, label_smoothing=0.1)
        optimiser.zero_grad(set_to_none=True)
        (loss + recipe.auxiliary * helped).backward()
        nn.utils.clip_grad_norm_([*parameters, *renderer.parameters()], 1.0)
        optimiser.step()
        decay = min(recipe.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for part, state in (("model", model.state_dict()), ("renderer", renderer.state_dict())):
                for name, value in state.items():
                    average[part][name].lerp_(value, 1 - decay)
        for name, value in {**parts, "helper": float(helped.detach())}.items():
            running[name] = running.get(name, value) * 0.98 + value * 0.02
        done = step + 1
        if done % 50 == 0 or done == recipe.steps:
            left = (time.monotonic() - began) / (done - first) * (recipe.steps - done)
            row = {"step": done, **{name: round(value, 4) for name, value in running.items()}}
            with log.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            say(
                f"{done}/{recipe.steps} "
                + " ".join(f"{name} {value:.3f}" for name, value in running.items())
                + f" · {left / 60:.0f} min left"
            )
        if done % recipe.save_every == 0 or done == recipe.steps:
            state = {
                "model": model.state_dict(),
                "renderer": renderer.state_dict(),
                "helper": helper.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average,
                "step": done,
            }
            torch.save(state, resume.with_suffix(".partial"))
            os.replace(resume.with_suffix(".partial"), resume)
            kept_model = TinySkeletonLM(config).eval()
            kept_model.load_state_dict(average["model"])
            kept_renderer = SkeletonRenderer(recipe.image_size)
            kept_renderer.load_state_dict(average["renderer"])
            save_checkpoint(Checkpoint(kept_model, kept_renderer, tokenizer, tuple(labels)), recipe.out / "checkpoint")
    set_calibration(recipe, say)
    return recipe.out / "checkpoint"


def set_calibration(recipe: Recipe, say: Callable[[str], None] = print) -> None:
    """Give the checkpoint of a finished run the recipe's calibration, or fit it on the validation part."""
    folder = recipe.out / "checkpoint"
    if recipe.temperature is not None and recipe.threshold is not None:
        calibration = Calibration(recipe.temperature, recipe.threshold)
    elif recipe.hold_out and recipe.data is not None:
        held_out = [clip for clip in read_packs(recipe.data) if clip.split == VALIDATION]
        calibration = calibrate(load_model(str(folder)), held_out)
    else:
        return
    save_checkpoint(replace(load_checkpoint(folder), calibration=calibration), folder)
    say(f"temperature {calibration.temperature}, reject threshold {calibration.threshold}")


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to 2 %."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))


def text_loss(
    model: TinySkeletonLM, tokenizer, visual: Tensor, samples: list[Sample], smoothing: float
) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy of the answers, each task's mean weighted; and the figures of each kind of task."""
    rows, kinds, clips, marks = [], [], [], []
    for index, sample in enumerate(samples):
        for kind, prompt, answer in sample.tasks:
            asked, told = word_ids(tokenizer, prompt), [*word_ids(tokenizer, answer), tokenizer.eos_token_id]
            rows.append([*asked, *told])
            marks.append(len(asked))
            kinds.append(kind)
            clips.append(index)
    longest = max(len(row) for row in rows)
    words = torch.full((len(rows), longest), tokenizer.pad_token_id)
    expected = torch.zeros((len(rows), longest), dtype=torch.bool)
    for index, row in enumerate(rows):
        words[index, : len(row)] = torch.tensor(row)
        expected[index, marks[index] : len(row)] = True
    logits = model.answer_logits(visual[clips], words, (words != tokenizer.pad_token_id).long(), expected).float()
    each = functional.cross_entropy(logits, words[expected], label_smoothing=smoothing, reduction="none")
    counts = expected.sum(1)
    means = torch.segment_reduce(each, "mean", lengths=counts)
    weights = torch.tensor([TASK_WEIGHTS[kind] for kind in kinds])
    loss = (means * weights).sum() / len(samples)
    figures = {}
    for kind in TASK_WEIGHTS:
        chosen = [index for index, one in enumerate(kinds) if one == kind]
        if chosen:
            figures[kind] = float(means[chosen].mean().detach())
    return loss, figures
