"""A transformers vision-language model of a known family as a `MultimodalModel`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.chat import conversation, plain
from skeletonllm_core.model.families import FAMILIES, Family, Visual
from skeletonllm_core.model.language import word_ids
from skeletonllm_core.model.multimodal import WHOLE, MultimodalModel

LOOK = "skeletonllm.json"
"""The file of a checkpoint folder that holds its `Look`."""

FRAMES = 12
"""Frames of a clip, as in the published training."""


@dataclass(frozen=True)
class Look:
    """How a model is shown a clip.

    Attributes:
        frames: of a clip.
        size: edge of the frames [pixels]; None for what the model was made for.
        images: frames are single images also where the family has a form for video.
        sparse: only the patches with the body on them are encoded, where the family can do so.
        facts: the measured facts stand in the prompts.
    """

    frames: int = FRAMES
    size: int | None = None
    images: bool = False
    sparse: bool = False
    facts: bool = False


def parsed_look(text: str) -> tuple[str, Look]:
    """ORG/NAME#frames=8,size=224,images,sparse → the model's name and how it is shown a clip.

    Raises:
        SkeletonLLMError: an option that there is not.
    """
    name, _, options = text.partition("#")
    if not name:
        raise SkeletonLLMError("hf: needs a name, hf:ORG/NAME")
    given: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key in ("images", "sparse", "facts") and not value:
            given[key] = True
        elif key in ("frames", "size") and value.isdigit() and int(value) > 0:
            given[key] = int(value)
        else:
            raise SkeletonLLMError(
                f"hf:{text}: {option!r} is unknown: after '#' stand frames=N, size=PIXELS, images, sparse, facts"
            )
    return name, Look(**given)


class HfModel(MultimodalModel):
    """A transformers model that is shown the frames of a clip in a conversation.

    Args:
        network: the model with its language head.
        tokenizer: its tokenizer.
        look: how it is shown a clip.

    Raises:
        SkeletonLLMError: no adapter for its family, or one that cannot do what `look` asks for.
    """

    views = (WHOLE,)
    open_text = True
    longest = 128

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, look: Look) -> None:
        super().__init__()
        kind = network.config.model_type
        if kind not in FAMILIES:
            raise SkeletonLLMError(f"there is no adapter for models of the type {kind!r}; there are: {_known()}")
        self.network = network
        self.tokenizer = tokenizer
        size = look.size or FAMILIES[kind].usual_size(network.config)
        self.family: Family = FAMILIES[kind](network, tokenizer, size, look.frames, look.images)
        self.image_size, self.frames, self.facts = size, look.frames, look.facts
        if look.sparse and not self.family.can_be_sparse:
            raise SkeletonLLMError(f"models of the type {kind!r} are always shown whole frames: leave out 'sparse'")
        self.patch = self.family.cell if look.sparse else None
        if tokenizer.eos_token_id is None:
            raise SkeletonLLMError("the tokenizer of this model has no end sign")

    @property
    def language(self) -> nn.Module:
        return self.family.language

    def parts(self) -> dict[str, list[nn.Parameter]]:
        projector = {id(one): one for module in self.family.projectors for one in module.parameters()}
        vision = {id(one): one for one in self.family.vision.parameters() if id(one) not in projector}
        rest = [one for one in self.network.parameters() if id(one) not in projector and id(one) not in vision]
        return {"vision": list(vision.values()), "projector": list(projector.values()), "language": rest}

    def answer_losses(
        self,
        images: Tensor,
        samples: Sequence[tuple[int, str, str]],
        smoothing: float = 0.0,
        touched: Tensor | None = None,
    ) -> Tensor:
        clips = self._look_at(images, touched)
        rows, places, marks = [], [], []
        for clip, prompt, answer in samples:
            asked, place = self._asked(prompt, clips[clip])
            told = torch.tensor(self._told(prompt, answer))
            rows.append(torch.cat([asked, told]))
            places.append(torch.cat([place, _following(place, len(told))], -1))
            marks.append(len(asked))
        longest = max(len(row) for row in rows)
        padding = self.tokenizer.pad_token_id or 0
        # Padding is on the right, where no real token sees it.
        words = torch.stack([functional.pad(row, (0, longest - len(row)), value=padding) for row in rows])
        mask = torch.stack([functional.pad(torch.ones_like(row), (0, longest - len(row))) for row in rows])
        where = torch.stack([functional.pad(place, (0, longest - place.shape[-1])) for place in places], -2)
        expected = torch.zeros_like(mask, dtype=torch.bool)
        for index, (row, mark) in enumerate(zip(rows, marks, strict=True)):
            expected[index, mark : len(row)] = True
        hidden = self.network.model(
            input_ids=words.to(self.device),
            attention_mask=mask.to(self.device),
            position_ids=where.to(self.device),
            mm_encoder_outputs=self.family.given([clips[clip] for clip, _, _ in samples]),
            use_cache=False,
        ).last_hidden_state
        # Only where an answer is expected: scores of every token over the whole vocabulary would not fit into memory.
        logits = self.network.get_output_embeddings()(hidden[:, :-1][expected[:, 1:].to(self.device)])
        logits = logits if logits.dtype == torch.float64 else logits.float()
        right = words[expected].to(self.device)
        each = functional.cross_entropy(logits, right, label_smoothing=smoothing, reduction="none")
        return torch.segment_reduce(each, "mean", lengths=expected.sum(1).to(self.device))

    @torch.inference_mode()
    def log_likelihoods(
        self, images: Tensor, prompt: str, answers: Sequence[str], touched: Tensor | None = None
    ) -> Tensor:
        return torch.stack([self._likelihoods(clip, prompt, answers) for clip in self._look_at(images, touched)])

    def _likelihoods(self, clip: Visual, prompt: str, answers: Sequence[str]) -> Tensor:
        """(A,) log-likelihoods: all answers are read in one go after the prompt, none of them sees another."""
        scores, cache, following = self._read(prompt, clip)
        rows = [self._told(prompt, answer) for answer in answers]
        read = cache.get_seq_length()
        words = torch.tensor([word for row in rows for word in row[:-1]])
        owner = torch.tensor([index for index, row in enumerate(rows) for _ in row[:-1]])
        step = torch.cat([torch.arange(len(row) - 1) for row in rows])
        own = (owner[:, None] == owner) & (step[:, None] >= step)
        seen = torch.cat([torch.ones(len(words), read, dtype=torch.bool), own], 1)
        mask = torch.where(seen, 0.0, torch.finfo(self.network.dtype).min).to(self.network.dtype)
        later = self._continued(words, following[..., None] + step, cache, mask[None, None])
        table = torch.log_softmax(torch.cat([scores[None], later]).float(), -1).cpu()
        # Row 0 follows the prompt, row i + 1 the i-th word; a first word has been predicted by row 0.
        said = table[torch.where(step == 0, 0, torch.arange(len(words))), words]
        ends = torch.tensor([len(row) - 1 for row in rows]).cumsum(0)
        return table[ends, int(self.tokenizer.eos_token_id)].index_add(0, owner, said)

    @torch.inference_mode()
    def write(
        self,
        images: Tensor,
        prompt: str,
        *,
        mirrored: tuple[Tensor, str] | None = None,
        choices: Sequence[str] | None = None,
        limit: int | None = None,
        touched: Tensor | None = None,
    ) -> str:
        states = [self._read(prompt, clip) for clip in self._look_at(images, touched)]
        left = None if choices is None else [self._told(prompt, choice) for choice in choices]
        answer: list[int] = []
        while len(answer) < (limit or self.longest):
            score = torch.stack([torch.log_softmax(scores.float(), -1) for scores, _, _ in states]).mean(0)
            if left is not None:
                allowed = torch.full_like(score, -torch.inf)
                allowed[[row[len(answer)] for row in left]] = 0.0
                score = score + allowed
            word = int(score.argmax())
            if word in self._ends:
                break
            if left is not None:
                left = [row for row in left if row[len(answer)] == word]
            answer.append(word)
            states = [
                (self._continued(torch.tensor([word]), following[..., None], cache, None)[0], cache, following + 1)
                for _, cache, following in states
            ]
        return str(self.tokenizer.decode(answer, skip_special_tokens=True)).strip()

    @property
    def _ends(self) -> set[int]:
        """Every sign that the model ends an answer with."""
        ends = getattr(self.network.generation_config, "eos_token_id", None) or []
        return {int(self.tokenizer.eos_token_id), *(ends if isinstance(ends, list) else [ends])}

    def _look_at(self, images: Tensor, touched: Tensor | None) -> list[Visual]:
        images = images.to(self.device)
        if self.patch is None or touched is None:
            return self.family.encode(images, None)
        return self.family.encode(images, self.family.kept(touched))

    def _asked(self, prompt: str, clip: Visual) -> tuple[Tensor, Tensor]:
        """(L,) ids of everything before the answer, and their (..., L) positions.

        A visual token that is left out leaves its position empty, so that the others stay where they are in the frame.
        """
        family = self.family
        if family.sign in prompt:
            raise SkeletonLLMError(f"the question holds the sign {family.sign}, which stands for a picture")
        text = conversation(self.tokenizer, family.pictures(), plain(prompt))
        ids = torch.tensor(word_ids(self.tokenizer, text))
        shown = ids == family.token
        kept = ~shown
        kept[shown] = clip.kept
        return ids[kept], family.positions(ids)[..., kept]

    def _told(self, prompt: str, answer: str) -> list[int]:
        """Ids of an answer and the end sign; a space comes first where the conversation does not end in one."""
        space = "" if conversation(self.tokenizer, "", plain(prompt))[-1:].isspace() else " "
        return [*word_ids(self.tokenizer, space + plain(answer)), int(self.tokenizer.eos_token_id)]

    def _read(self, prompt: str, clip: Visual) -> tuple[Tensor, DynamicCache, Tensor]:
        """Scores (vocabulary,) of the first word of the answer, the cache, and the position(s) of that word."""
        ids, places = self._asked(prompt, clip)
        cache = DynamicCache(config=self.network.config.get_text_config())
        hidden = self.network.model(
            input_ids=ids[None].to(self.device),
            position_ids=places[..., None, :].to(self.device),
            mm_encoder_outputs=self.family.given([clip]),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return self.network.get_output_embeddings()(hidden[0, -1]), cache, _following(places, 1)[..., 0]

    def _continued(self, words: Tensor, places: Tensor, cache: DynamicCache, mask: Tensor | None) -> Tensor:
        """(n, vocabulary) scores after each of (n,) further words at (..., n) positions."""
        hidden = self.network.model(
            input_ids=words[None].to(self.device),
            position_ids=places[..., None, :].to(self.device),
            attention_mask=None if mask is None else mask.to(self.device),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return self.network.get_output_embeddings()(hidden[0])

    def save(self, folder: Path) -> None:
        if any("lora_" in name for name, _ in self.network.named_parameters()):
            raise SkeletonLLMError(f"{folder}: the adapters must be merged into the language model before it is saved")
        self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        look = Look(self.frames, self.image_size, self.family.as_images, self.patch is not None, self.facts)
        (folder / LOOK).write_text(json.dumps(asdict(look), indent=1) + "\n")


def _following(places: Tensor, count: int) -> Tensor:
    """(..., count) positions after the given ones: all coordinates go on from the largest."""
    first = places.max() + 1
    return (torch.arange(count) + first).expand(*places.shape[:-1], count)


def load_hf(source: str, look: Look, dtype: torch.dtype) -> HfModel:
    """A model and its tokenizer from the Hugging Face hub, its cache, or a folder.

    Args:
        source: ORG/NAME, or a folder.
        look: how it is shown a clip.
        dtype: of the weights.

    Raises:
        SkeletonLLMError: not there, damaged, or of a family without an adapter.
    """
    local = Path(source).is_dir()
    given: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(source, **given)
        if config.model_type not in FAMILIES:
            raise SkeletonLLMError(
                f"{source}: there is no adapter for models of the type {config.model_type!r}; there are: {_known()}"
            )
        tokenizer = AutoTokenizer.from_pretrained(source, **given)
        network, found = AutoModelForImageTextToText.from_pretrained(
            source, dtype=dtype, output_loading_info=True, **given
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as problem:
        first = str(problem).strip().split("\n")[0]
        raise SkeletonLLMError(f"{source}: this model cannot be loaded: {first[:300]}") from problem
    lost = sorted(found["missing_keys"]) + sorted(str(one) for one in found["mismatched_keys"])
    if lost:
        raise SkeletonLLMError(
            f"{source}: damaged checkpoint, the weights of {lost[0]} are missing or of another shape"
        )
    try:
        return HfModel(network.eval().requires_grad_(False), tokenizer, look)
    except SkeletonLLMError as problem:
        raise SkeletonLLMError(f"{source}: {problem}") from problem


def read_look(folder: Path) -> Look:
    """The `Look` of a checkpoint folder."""
    try:
        return Look(**json.loads((folder / LOOK).read_text()))
    except (OSError, json.JSONDecodeError, TypeError) as problem:
        raise SkeletonLLMError(f"{folder / LOOK}: missing or damaged: {problem}") from problem


def _known() -> str:
    return ", ".join(FAMILIES)
