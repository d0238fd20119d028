"""A checkpoint folder: what the model itself saves, renderer.safetensors, labels.json, README.md.

The embedded model saves config.json, model.safetensors and tokenizer files; a transformers model of a known family saves
what transformers reads, and how it is shown a clip. A missing tensor is an error, and in our own parts an unknown one too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import dtype, float32, nn, uint8
from transformers import PreTrainedTokenizerFast

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.embedded import EmbeddedModel
from skeletonllm_core.model.hf import LOOK, Look, load_hf, read_look
from skeletonllm_core.model.multimodal import MultimodalModel
from skeletonllm_core.model.tiny import SIZES, TinyConfig, TinySkeletonLM
from skeletonllm_core.motion import completion
from skeletonllm_core.render.renderer import SkeletonRenderer


@dataclass(frozen=True)
class Calibration:
    """How log-likelihoods become scores; fitted on the validation split.

    Attributes:
        temperature: the log-likelihoods are divided by it.
        threshold: a best score below it is "unknown".
    """

    temperature: float = 1.0
    threshold: float = 0.35


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model: the multimodal language model, its renderer, the labels it learned, their calibration, and the file of
    the network that guesses joints that lack.
    """

    model: MultimodalModel
    renderer: SkeletonRenderer
    labels: tuple[str, ...]
    calibration: Calibration = field(default_factory=Calibration)
    completion: Path = completion.WEIGHTS


EMBEDDED = {name: Path(__file__).parent / name for name in ("default", "free")}
"""The checkpoints that come with the package."""

DEFAULT = EMBEDDED["default"]

_FILES = (
    "config.json",
    "model.safetensors",
    "renderer.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "labels.json",
)
SAMPLED = 4096
"""So many values of a weight tell it from others."""

_COMPLETION = "completion.npz"
"""A checkpoint without this file guesses by the network that comes with the package."""

_HF_FILES = ("config.json", "renderer.safetensors", "labels.json")


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint; the folder is replaced as a whole, so it is never half written. A card in it is kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write(checkpoint, partial)
        if (folder / "README.md").is_file():
            shutil.copy(folder / "README.md", partial / "README.md")
        partial.chmod(0o755)
        for file in partial.iterdir():
            file.chmod(0o644)
    except BaseException:
        shutil.rmtree(partial)
        raise
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
        os.replace(folder, old / folder.name)
        os.replace(partial, folder)
        shutil.rmtree(old)
    else:
        os.replace(partial, folder)


def _write(checkpoint: Checkpoint, folder: Path) -> None:
    checkpoint.model.save(folder)
    save_file({k: v.contiguous() for k, v in checkpoint.renderer.state_dict().items()}, folder / "renderer.safetensors")
    values = {
        "labels": list(checkpoint.labels),
        "temperature": checkpoint.calibration.temperature,
        "threshold": checkpoint.calibration.threshold,
    }
    (folder / "labels.json").write_text(json.dumps(values, indent=1) + "\n")
    if checkpoint.completion != completion.WEIGHTS:
        shutil.copy(checkpoint.completion, folder / _COMPLETION)


def load_checkpoint(folder: Path, weights: dtype = float32) -> Checkpoint:
    """Read a checkpoint.

    Args:
        folder: as `save_checkpoint` writes it.
        weights: type of the weights of a transformers model; the embedded one has float32.

    Raises:
        SkeletonLLMError: a file is missing or damaged, or the tensors are not exactly those of the model.
    """
    missing = [name for name in _files(folder) if not (folder / name).is_file()]
    if missing:
        raise SkeletonLLMError(f"{folder}: no SkeletonLLM checkpoint, {missing[0]} is missing")
    labels, calibration = _read_labels(folder)
    if (folder / LOOK).is_file():
        model: MultimodalModel = load_hf(str(folder), read_look(folder), weights)
    else:
        model = _load_embedded(folder)
    guesses = _completion_of(folder)
    completion.read_network(guesses)
    return Checkpoint(model, _load_renderer(folder, model.image_size), labels, calibration, guesses)


def pretrained(source: str, look: Look, weights: dtype = float32) -> Checkpoint:
    """A transformers model as its makers left it, behind the renderer and with the labels of the embedded checkpoint.

    Args:
        source: ORG/NAME on the Hugging Face hub, or a folder.
        look: how it is shown a clip.
        weights: their type.

    Raises:
        SkeletonLLMError: not there, damaged, or of a family without an adapter.
    """
    model = load_hf(source, look, weights)
    return Checkpoint(model, embedded_renderer(model.image_size), embedded_labels())


def embedded_renderer(size: int) -> SkeletonRenderer:
    """The renderer of the embedded checkpoint, for images of another size [pixels]."""
    return _load_renderer(DEFAULT, size)


def embedded_labels() -> tuple[str, ...]:
    """The labels of the embedded checkpoint."""
    return _read_labels(DEFAULT)[0]


def is_pretrained(folder: Path) -> bool:
    """Whether a folder holds a transformers model that was not trained here."""
    return (folder / "config.json").is_file() and not (folder / "labels.json").is_file()


def _load_embedded(folder: Path) -> EmbeddedModel:
    try:
        sizes = json.loads((folder / "config.json").read_text())
        config = TinyConfig(**{name: sizes[name] for name in SIZES})
        facts = bool(sizes.get("facts", False))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as problem:
        raise SkeletonLLMError(f"{folder / 'config.json'}: damaged checkpoint: {problem}") from problem
    tiny = TinySkeletonLM(config).eval()
    _fill(tiny, folder / "model.safetensors")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    return EmbeddedModel(tiny.requires_grad_(False), tokenizer, facts)


def _load_renderer(folder: Path, size: int) -> SkeletonRenderer:
    renderer = SkeletonRenderer(size).eval()
    _fill(renderer, folder / "renderer.safetensors")
    return renderer


def _fill(module: nn.Module, path: Path) -> None:
    try:
        module.load_state_dict(load_file(path), strict=True)
    except (SafetensorError, RuntimeError) as problem:
        raise SkeletonLLMError(f"{path}: does not fit this version: {str(problem)[:300]}") from problem


def _read_labels(folder: Path) -> tuple[tuple[str, ...], Calibration]:
    try:
        values = json.loads((folder / "labels.json").read_text())
        return tuple(values["labels"]), Calibration(float(values["temperature"]), float(values["threshold"]))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as problem:
        raise SkeletonLLMError(f"{folder / 'labels.json'}: damaged checkpoint: {problem}") from problem


def _completion_of(folder: Path) -> Path:
    return folder / _COMPLETION if (folder / _COMPLETION).is_file() else completion.WEIGHTS


def _files(folder: Path) -> tuple[str, ...]:
    """What has to be there, and of a transformers model whatever else is, but for the card."""
    if not (folder / LOOK).is_file():
        return _FILES
    return tuple(sorted({*_HF_FILES, *(file.name for file in folder.iterdir() if file.name != "README.md")}))


def pretrained_sha256(checkpoint: Checkpoint, name: str) -> str:
    """One hash that tells a model that is not a checkpoint of ours from others, without reading gigabytes.

    It covers the name with its options, the embedded checkpoint, whose renderer and labels it has, the network that guesses
    joints that lack, and some thousand values of each of its weights.
    """
    digest = hashlib.sha256(f"{name}\0{checkpoint_sha256(DEFAULT)}".encode() + checkpoint.completion.read_bytes())
    for key, weight in sorted(checkpoint.model.state_dict().items()):
        values = weight.detach().flatten()
        some = values[:: max(len(values) // SAMPLED, 1)].cpu().contiguous()
        digest.update(f"{key}{tuple(weight.shape)}{weight.dtype}".encode() + some.view(uint8).numpy().tobytes())
    return digest.hexdigest()


def checkpoint_sha256(folder: Path) -> str:
    """One hash over every file that decides what the model answers."""
    digest = hashlib.sha256()
    for file in (*(folder / name for name in _files(folder)), _completion_of(folder)):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
