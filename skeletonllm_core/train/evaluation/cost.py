"""What an answer costs: tokens, operations, time and memory, next to other ways in the same run."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from skeletonllm_core.model import prompts
from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.wording import telling_events
from skeletonllm_core.pipeline import SkeletonLLM
from skeletonllm_core.train.baselines.description import Baseline, Description
from skeletonllm_core.train.baselines.standard import fitted_baselines
from skeletonllm_core.train.corpus import LabelledClip
from skeletonllm_core.train.evaluation.clips import Request, material
from skeletonllm_core.train.evaluation.tables import Table

DEFAULT_LIMIT: int | None = 10


def tables(request: Request) -> tuple[list[Table], str]:
    """The tables, and the hash of the data."""
    found = material(request)
    exam = found.exams[0]
    clips = exam.asked
    known = [Description(clip.person) for clip in exam.known]
    baselines = fitted_baselines(known, [clip.label for clip in exam.known], request.seed, request.say)
    request.say(f"timing {len(clips)} clips")
    model = request.model
    label = _median_ms(lambda clip: model.label(clip.person, exam.labels), clips)
    times = Table(
        f"Time of one clip, {exam.source}, {torch.get_num_threads()} threads, {_machine(model)}",
        ("what", "ms", "share of the label's time"),
        notes=["Medians. Times are of the machine that printed them; read the shares."],
    )
    times.add(f"label, among {len(exam.labels)}", label, 1.0)
    frames, edge = model.model.frames, model.model.image_size
    others: dict[str, Callable[[LabelledClip], object]] = {
        "caption": lambda clip: model.caption(clip.person),
        "facts alone": lambda clip: Description(clip.person).facts,
        f"drawing {frames} frames of {edge}² pixels": partial(_drawn, model, model.renderer),
        "the same, every ellipse at every pixel": partial(_drawn, model, model.renderer.render_reference),
        **{one.name: partial(_predicted, one) for one in baselines},
    }
    for what, run in others.items():
        spent = _median_ms(run, clips)
        times.add(what, spent, spent / label)
    return [_sizes(model, clips[0], exam.labels), times], found.data


def _sizes(model: SkeletonLLM, clip: LabelledClip, labels: tuple[str, ...]) -> Table:
    table = Table(
        "Size of one look at a clip (one view), and of the model",
        ("part", "parameters", "GFLOP", "tokens"),
        notes=[
            "Operations are those of torch, counted; the renderer's own kernels are not among them. Language: the "
            f"likelihood of {len(labels)} labels{', told the facts' if model.facts else ''}. Peak memory of this process: "
            f"{_peak_mebibytes()} MiB, with everything that a run loads."
        ],
    )
    images = _images(model, clip)
    told = prompts.told_facts(telling_events(measure(clip.person))) if model.facts else ()
    parts = {name: sum(one.numel() for one in group) for name, group in model.model.parts().items()}
    drawing = sum(one.numel() for one in model.renderer.parameters())
    counter = FlopCounterMode(display=False)
    tokens, seen = 0, 0

    def leaving(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        # What leaves the projector is what the language model reads of the pictures.
        nonlocal tokens, seen
        tokens, seen = tokens + out.numel() // out.shape[-1], counter.get_total_flops()

    hook = owner(model.model, model.model.parts()["projector"]).register_forward_hook(leaving)
    with torch.inference_mode(), counter:
        model.model.log_likelihoods(images, prompts.label_prompt(clip.person.seconds, told), labels)
    hook.remove()
    whole = counter.get_total_flops()
    edge = model.model.image_size
    table.add(f"renderer, {images.shape[1]} pictures of {edge}² pixels", drawing, None, None)
    table.add("vision and projector", parts["vision"] + parts["projector"], seen / 1e9, tokens)
    table.add("language", parts["language"], (whole - seen) / 1e9, None)
    table.add("all", drawing + sum(parts.values()), whole / 1e9, tokens)
    return table


def owner(model: nn.Module, parameters: list[nn.Parameter]) -> nn.Module:
    """The outermost module that holds exactly these parameters."""
    wanted = {id(parameter) for parameter in parameters}
    return next(module for module in model.modules() if {id(one) for one in module.parameters()} == wanted)


def _images(model: SkeletonLLM, clip: LabelledClip) -> Tensor:
    """(1, T, 3, S, S)."""
    with torch.no_grad():
        scene = canonical_frames([clip.person], model.model.frames)
        return model.renderer(scene, size=model.model.image_size)[None]


def _drawn(model: SkeletonLLM, draw: Callable[..., Tensor], clip: LabelledClip) -> None:
    scene = canonical_frames([clip.person], model.model.frames)
    with torch.no_grad():
        draw(scene, size=model.model.image_size)


def _predicted(baseline: Baseline, clip: LabelledClip) -> None:
    baseline.predict([Description(clip.person)])


def _median_ms(run: Callable[[LabelledClip], object], clips: Sequence[LabelledClip]) -> float:
    """Median time of a run over the clips [ms], after one that is not counted."""
    run(clips[0])
    spent = []
    for clip in clips:
        began = time.perf_counter()
        run(clip)
        spent.append(1000 * (time.perf_counter() - began))
    return median(spent)


def _peak_mebibytes() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def _machine(model: SkeletonLLM) -> str:
    return "GPU" if model.device.type == "cuda" else "CPU"
