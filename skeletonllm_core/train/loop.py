"""One stage: draw, render, ask, learn; alone or as one of several processes. Killed and started again, it goes on."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from skeletonllm_core.atomic import whole_file, write_whole
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.embedded import EmbeddedModel
from skeletonllm_core.model.foreground import foreground_patches
from skeletonllm_core.model.multimodal import MultimodalModel
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.appearances import learns
from skeletonllm_core.train.draws import Batch, Draws, Sample
from skeletonllm_core.train.recipe import Recipe
from skeletonllm_core.train.stages import Stage
from skeletonllm_core.train.vocabulary import learn_rows_from


class Learner(nn.Module):
    """Everything that a stage may train, with the loss of a part of a batch as its output.

    Args:
        helper: a classifier on the embedded model's frame tokens, in stage 0 only.
        labels: what the helper tells apart.
    """

    def __init__(
        self,
        renderer: SkeletonRenderer,
        model: MultimodalModel,
        recipe: Recipe,
        stage: Stage,
        helper: nn.Linear | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.helper = helper
        self.renderer = renderer
        self.recipe = recipe
        self.stage = stage
        self.labels = list(labels)

    def forward(self, samples: Sequence[Sample], clips: int, labelled: int) -> tuple[Tensor, dict[str, list[float]]]:
        """The part's share of the batch's loss, and [sum, count] of the loss of each kind of task.

        Args:
            samples: of this part.
            clips: of the whole batch.
            labelled: of these, clips with a label.
        """
        model, size = self.model, self.model.image_size
        scenes = [sample.scene for sample in samples]
        images = self.renderer(scenes, size=size).unflatten(0, (len(samples), model.frames))
        touched = None if model.patch is None else foreground_patches(self.renderer, scenes, size, model.patch)
        tasks = [(clip, *task) for clip, sample in enumerate(samples) for task in sample.tasks]
        asked = [(clip, prompt, answer) for clip, _, prompt, answer in tasks]
        tokens, losses = None, images.new_zeros(0)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.recipe.bfloat16):
            if self.helper is not None and isinstance(model, EmbeddedModel):
                tokens = model.tiny.vision(images)
            if asked and tokens is not None and isinstance(model, EmbeddedModel):
                losses = model.token_losses(model.tiny.projector(tokens), asked, self.stage.smoothing)
            elif asked:
                losses = model.answer_losses(images, asked, self.stage.smoothing, touched)
        weights = torch.tensor([self.stage.tasks[kind] for _, kind, _, _ in tasks], device=losses.device)
        loss = (losses * weights).sum() / clips
        figures: dict[str, list[float]] = {}
        for (_, kind, _, _), value in zip(tasks, losses.detach().tolist(), strict=True):
            total = figures.setdefault(kind, [0.0, 0.0])
            total[0] += value
            total[1] += 1
        known = [index for index, sample in enumerate(samples) if sample.label]
        if self.helper is not None and tokens is not None and known:
            target = torch.tensor([self.labels.index(samples[index].label or "") for index in known])
            guess = self.helper(tokens.float().mean(1)[known])
            helped = functional.cross_entropy(guess, target.to(guess.device), label_smoothing=0.1)
            figures["helper"] = [float(helped.detach()) * len(known), len(known)]
            loss = loss + self.recipe.auxiliary * helped * (len(known) / labelled)
        if not loss.requires_grad:  # nothing was asked; other processes still wait for this one's gradients
            loss = loss + 0.0 * sum(one.sum() for one in self.parameters() if one.requires_grad)
        return loss, figures


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to 2 %."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))


def made_trainable(learner: Learner, first_new_word: int | None) -> PeftModel | None:
    """Let exactly the parts of the stage learn; the adapter, where there is one.

    Args:
        learner: of the stage.
        first_new_word: number of the first word that the language model did not know when the run began; those learn
            in every stage, or they would stay noise. None: there are none.
    """
    model, stage, renderer = learner.model, learner.stage, learner.renderer
    adapter = None
    if "lora" in stage.trains:
        torch.manual_seed(learner.recipe.seed + stage.number)
        names = {name.rsplit(".", 1)[-1] for name, _ in model.language.named_modules()}
        if not names & set(stage.lora.layers):
            raise SkeletonLLMError(f"the language model has none of the layers {', '.join(stage.lora.layers)}")
        config = LoraConfig(
            r=stage.lora.rank,
            lora_alpha=stage.lora.alpha,
            lora_dropout=stage.lora.dropout,
            target_modules=list(stage.lora.layers),
        )
        with warnings.catch_warnings():
            # peft asks transformers for a property by a name that is going out of use.
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
            adapter = get_peft_model(model.language, config)
    learner.requires_grad_(False)
    for part, parameters in model.parts().items():
        for parameter in parameters:
            parameter.requires_grad_(part in stage.trains)
    if adapter is not None:
        for name, parameter in adapter.named_parameters():
            if "lora_" in name:
                parameter.requires_grad_(True)
    for name, parameter in renderer.named_parameters():
        parameter.requires_grad_("renderer" in stage.trains and learns(learner.recipe.appearance, name))
    if learner.helper is not None:
        learner.helper.requires_grad_(True)
    if first_new_word is not None and isinstance(model, EmbeddedModel) and "language" not in stage.trains:
        language = model.tiny.language
        for weight in (language.get_input_embeddings().weight, language.get_output_embeddings().weight):
            learn_rows_from(weight, first_new_word)
    return adapter


def parameter_groups(learner: Learner, first_new_word: int | None) -> list[dict]:
    """Matrices, vectors, rows of new words, and the renderer with its own rate; only matrices decay."""
    stage = learner.stage
    rows: list[nn.Parameter] = []
    if first_new_word is not None and isinstance(learner.model, EmbeddedModel) and "language" not in stage.trains:
        language = learner.model.tiny.language
        rows = [language.get_input_embeddings().weight, language.get_output_embeddings().weight]
    apart = {id(parameter) for parameter in (*rows, *learner.renderer.parameters())}
    rest = [one for one in learner.parameters() if one.requires_grad and id(one) not in apart]
    drawn = [one for one in learner.renderer.parameters() if one.requires_grad]
    groups = [
        {"params": [one for one in rest if one.ndim > 1], "peak": stage.learning_rate},
        {"params": [one for one in rest if one.ndim <= 1], "peak": stage.learning_rate, "weight_decay": 0.0},
        {"params": rows, "peak": stage.learning_rate, "weight_decay": 0.0},
        {"params": drawn, "peak": stage.renderer_learning_rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def parts_of(samples: Sequence[Sample], rank: int, processes: int, pieces: int) -> Iterator[Sequence[Sample]]:
    """One process's share of a batch, in as many pieces as it accumulates gradients over."""
    share = len(samples) // processes
    own = samples[rank * share : (rank + 1) * share]
    size = share // pieces
    return (own[piece * size : (piece + 1) * size] for piece in range(pieces))


def run_stage(
    learner: Learner,
    draws: Draws,
    folder: Path,
    accelerator: Accelerator,
    *,
    first_new_word: int | None,
    log: Log,
    say: Callable[[str], None],
) -> None:
    """Train one stage to its end, from where `folder / "state.pt"` was left.

    Afterwards the learner's model and renderer hold what is to be kept: the average, with the adapter merged.

    Raises:
        SkeletonLLMError: the batch does not split evenly over processes and pieces, or the state is of another run.
    """
    recipe, stage, steps = learner.recipe, learner.stage, len(draws)
    processes, pieces = accelerator.num_processes, recipe.accumulate
    if stage.batch % (processes * pieces):
        raise SkeletonLLMError(
            f"stage {stage.name!r}: a batch of {stage.batch} clips does not split evenly over {processes} processes "
            f"times {pieces} pieces: change 'batch' or 'accumulate'"
        )
    adapter = made_trainable(learner, first_new_word)
    learner.train()
    if recipe.gradient_checkpointing:
        if not isinstance(learner.model.language, PreTrainedModel):
            raise SkeletonLLMError("gradient checkpointing needs a transformers language model: leave it out")
        with warnings.catch_warnings():
            # The name goes out of use in transformers 6; its successor is missing in the first 5.
            warnings.filterwarnings("ignore", message="`gradient_checkpointing_enable`", category=FutureWarning)
            learner.model.language.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    learner.to(accelerator.device)
    optimiser = torch.optim.AdamW(
        parameter_groups(learner, first_new_word),
        lr=stage.learning_rate,
        betas=(0.9, stage.second_moment),
        weight_decay=stage.weight_decay,
    )
    trained = {name: one for name, one in learner.named_parameters() if one.requires_grad}
    average = {name: value.detach().clone() for name, value in trained.items()}
    running: dict[str, float] = {}
    state_file, first = folder / "state.pt", 0
    if state_file.is_file():
        state = torch.load(state_file, weights_only=True, map_location=accelerator.device)
        if state["trained"].keys() != trained.keys():
            raise SkeletonLLMError(f"{state_file}: the state of another run; remove {folder} to begin this stage anew")
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(state["trained"][name])
        optimiser.load_state_dict(state["optimiser"])
        average, running, first = state["average"], state["running"], state["step"]
        say(f"{stage.name}: going on at step {first}")
    log.go_on(stage, first)
    wrapped = accelerator.prepare_model(learner)
    warm_up = round(stage.warm_up * steps)
    began = told = time.monotonic()
    for step, batch in zip(range(first, steps), batches(draws, first, recipe.workers), strict=True):
        torch.manual_seed(batch.seed + accelerator.process_index)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * schedule(step, steps, warm_up)
        optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=accelerator.device)
        figures: dict[str, tuple[float, float]] = {}
        labelled = sum(sample.label is not None for sample in batch.samples)
        for piece, samples in enumerate(parts_of(batch.samples, accelerator.process_index, processes, pieces)):
            with nullcontext() if piece + 1 == pieces else accelerator.no_sync(wrapped):
                share, told_of = wrapped(samples, len(batch.samples), labelled)
                # Processes are averaged, but each holds only its share of the sum.
                accelerator.backward(share * processes)
            loss = loss + share.detach()
            for kind, (total, count) in told_of.items():
                before = figures.get(kind, (0.0, 0.0))
                figures[kind] = (before[0] + total, before[1] + count)
        nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        optimiser.step()
        decay = min(stage.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in trained.items():
                average[name].lerp_(value, 1 - decay)
        means, total_loss = summed(accelerator, (*stage.tasks, "helper"), figures, loss)
        for kind, mean in means.items():
            running[kind] = running.get(kind, mean) * 0.98 + mean * 0.02
        done = step + 1
        if done % recipe.log_every == 0 or done == steps:
            log.write(stage, done, total_loss, running, float(optimiser.param_groups[0]["lr"]))
        if done % recipe.log_every == 0 or done == steps or time.monotonic() - told > 30:
            told = time.monotonic()
            left = (told - began) / (done - first) * (steps - done)
            say(
                f"{stage.name} {done}/{steps} "
                + " ".join(f"{kind} {mean:.3f}" for kind, mean in running.items())
                + f" · {left / 60:.0f} min left"
            )
        if (done % recipe.save_every == 0 or done == steps) and accelerator.is_main_process:
            state = {
                "trained": {name: value.detach() for name, value in trained.items()},
                "average": average,
                "optimiser": optimiser.state_dict(),
                "running": running,
                "step": done,
            }
            with whole_file(state_file) as partial:
                torch.save(state, partial)
    accelerator.wait_for_everyone()
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(average[name])
    if adapter is not None:
        adapter.merge_and_unload()
    learner.requires_grad_(False).eval()


def batches(draws: Draws, first: int, workers: int) -> Iterator[Batch]:
    """The batches from a step on, in order."""
    return iter(DataLoader(draws, batch_size=None, sampler=range(first, len(draws)), num_workers=workers))


def summed(
    accelerator: Accelerator, kinds: Sequence[str], figures: dict[str, tuple[float, float]], loss: Tensor
) -> tuple[dict[str, float], float]:
    """The mean loss of each kind of task and the loss of the batch, over all processes."""
    table = torch.tensor(
        [value for kind in kinds for value in figures.get(kind, (0.0, 0.0))], dtype=torch.float64, device=loss.device
    )
    together = accelerator.reduce(torch.cat([table, loss.double()[None]]), "sum").tolist()
    pairs = zip(kinds, together[0:-1:2], together[1:-1:2], strict=True)
    return {kind: total / count for kind, total, count in pairs if count}, together[-1]


class Log:
    """`log.jsonl` of a run, one line every so many steps, and the same for TensorBoard where it is asked for.

    Args:
        folder: of the run.
        writes: whether this process writes.
        tensorboard: also into `folder / "tensorboard"`.

    Raises:
        SkeletonLLMError: TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, writes: bool, tensorboard: bool) -> None:
        self.path = folder / "log.jsonl"
        self._writes = writes
        self._board = None
        if tensorboard and writes:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as problem:
                raise SkeletonLLMError(
                    'logging for TensorBoard needs: pip install "skeletonllm[tensorboard]"'
                ) from problem
            self._board = SummaryWriter(folder / "tensorboard")

    def go_on(self, stage: Stage, step: int) -> None:
        """Forget what an interrupted run wrote beyond the step at which it is gone on with."""
        if not self._writes or not self.path.is_file():
            return
        lines = self.path.read_text().splitlines()
        kept = [line for line in lines if not self._beyond(line, stage, step)]
        if kept != lines:
            write_whole(self.path, "".join(line + "\n" for line in kept).encode())

    @staticmethod
    def _beyond(line: str, stage: Stage, step: int) -> bool:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # cut off in the middle by a kill
            return True
        return (row["number"], row["step"]) > (stage.number, step)

    def write(self, stage: Stage, step: int, loss: float, means: dict[str, float], rate: float) -> None:
        """One line: the loss of this step's batch, the running mean of each kind of task, the learning rate."""
        if not self._writes:
            return
        row = {"stage": stage.name, "number": stage.number, "step": step, "loss": loss, "rate": rate, **means}
        with self.path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        if self._board is not None:
            for name in ("loss", "rate", *means):
                self._board.add_scalar(f"{stage.number} {stage.name}/{name}", row[name], step)
            self._board.flush()


def processes_of(device: str) -> Accelerator:
    """This process among those that `torchrun` started, or alone.

    Args:
        device: "auto" (CUDA where there is some), "cpu" or "cuda".

    Raises:
        SkeletonLLMError: CUDA is asked for and not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SkeletonLLMError("the recipe says 'device: cuda', but there is none: use auto or cpu")
    # Without the explicit `cpu`, accelerate takes several processes without CUDA for as many single ones.
    cpu = device == "cpu" or not torch.cuda.is_available()
    # One process mines negatives and asks the teacher, which takes a server hours; the others wait for it.
    patience = InitProcessGroupKwargs(timeout=timedelta(days=2))
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(cpu=cpu, kwargs_handlers=[patience, unused])
