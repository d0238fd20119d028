"""One small adapter per transformers family: differentiable frames → visual tokens, and where they stand in the text.

The processors of transformers cut the gradient and need torchvision; the models do not. So frames are rendered at the
size the model takes, normalised and cut into patches here, and the model's own vision side encodes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutputWithPooling

from skeletonllm_core.errors import SkeletonLLMError

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Visual:
    """What the vision side says about one clip.

    Attributes:
        tokens: (n, width) of the language model, in reading order.
        levels: (n, width) each; what is added to them in the first layers, for a family that does so.
        kept: (dense n,) bool, which of the tokens of the whole frames these are.
    """

    tokens: Tensor
    levels: tuple[Tensor, ...]
    kept: Tensor


class Family(ABC):
    """How one family takes frames.

    Args:
        network: the transformers model.
        tokenizer: its tokenizer.
        size: edge of the square frames [pixels].
        frames: of a clip.
        as_images: frames are single images also where the family has a form for video.

    Raises:
        SkeletonLLMError: a size that the family cannot take, or a tokenizer without the family's signs.
    """

    statistics = HALF

    def __init__(
        self, network: Any, tokenizer: PreTrainedTokenizerBase, size: int, frames: int, as_images: bool
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.size = size
        self.frames = frames
        self.as_images = as_images
        if size < self.cell or size % self.cell:
            raise SkeletonLLMError(f"frames of {size} pixels do not fit this model: use a multiple of {self.cell}")
        unknown = (None, tokenizer.unk_token_id)
        missing = [sign for sign in self.signs() if tokenizer.convert_tokens_to_ids(sign) in unknown]
        if missing:
            raise SkeletonLLMError(
                f"the tokenizer does not know the sign {missing[0]}, which this family of models needs"
            )

    @property
    def can_be_sparse(self) -> bool:
        """Whether some of the visual tokens can be encoded without the others."""
        return False

    @staticmethod
    @abstractmethod
    def usual_size(config: Any) -> int:
        """Edge of the frames that a model of this configuration was made for [pixels]."""

    @property
    @abstractmethod
    def cell(self) -> int:
        """Edge of what becomes one visual token [pixels]; the frames' edge is a multiple of it."""

    @property
    def token(self) -> int:
        """Id of the sign that stands for one visual token in the text."""
        return int(self.network.config.image_token_id)

    @property
    def tokens(self) -> int:
        """Visual tokens of a clip whose frames are encoded whole."""
        return self.runs * (self.size // self.cell) ** 2

    @property
    def runs(self) -> int:
        """Unbroken rows of visual tokens in the text: one for a frame, or for some frames together."""
        return self.frames

    @property
    def sign(self) -> str:
        """The text of `token`."""
        return str(self.tokenizer.convert_ids_to_tokens(self.token))

    @abstractmethod
    def signs(self) -> tuple[str, ...]:
        """Every sign that `pictures` writes."""

    @abstractmethod
    def pictures(self) -> str:
        """The frames of a clip as they stand in the text, `tokens` signs among them."""

    @abstractmethod
    def encode(self, images: Tensor, kept: Tensor | None) -> list[Visual]:
        """Visual tokens of each clip, differentiable in the frames.

        Args:
            images: (B, T, 3, S, S) in [0, 1].
            kept: (B, tokens) bool on the CPU, those to encode; None for all.
        """

    def kept(self, touched: Tensor) -> Tensor:
        """(B, tokens) bool from (B·T, S / cell, S / cell) bool; a clip in which nothing is touched is kept whole."""
        kept = touched.cpu().reshape(-1, self.tokens)
        return kept | ~kept.any(1, keepdim=True)

    def given(self, clips: Sequence[Visual]) -> dict[str, BaseModelOutputWithPooling]:
        """What the model takes in place of pixels: the visual tokens of a batch of texts about these clips."""
        return {"image": BaseModelOutputWithPooling(pooler_output=[clip.tokens for clip in clips])}

    def positions(self, ids: Tensor) -> Tensor:
        """(..., L) positions of a text of (L,) ids with the pictures in it, as the language model counts them."""
        return torch.arange(len(ids))

    @property
    @abstractmethod
    def vision(self) -> nn.Module:
        """The vision encoder; it may hold the projector."""

    @property
    @abstractmethod
    def projectors(self) -> list[nn.Module]:
        """What maps onto the language model's width."""

    @property
    def language(self) -> nn.Module:
        """The layers of the language model."""
        return self.network.model.language_model

    def normalised(self, images: Tensor) -> Tensor:
        """(..., 3, S, S) in [0, 1] → the range that the vision encoder was trained on."""
        mean, deviation = (images.new_tensor(value).view(3, 1, 1) for value in self.statistics)
        return (images - mean) / deviation


class InternVL(Family):
    """InternVL 2.5, 3 and 3.5 in their transformers form (`…-hf`): plain images, 2 × 2 patches a token."""

    statistics = IMAGENET

    @property
    def can_be_sparse(self) -> bool:
        config = self.network.config
        return config.vision_feature_layer == -1 and config.vision_feature_select_strategy == "default"

    @staticmethod
    def usual_size(config: Any) -> int:
        return int(config.vision_config.image_size[0])

    @property
    def cell(self) -> int:
        return round(self.network.config.vision_config.patch_size[0] / self.network.config.downsample_ratio)

    def signs(self) -> tuple[str, ...]:
        return ("<img>", self.sign, "</img>")

    def pictures(self) -> str:
        frame = f"<img>{self.sign * (self.tokens // self.runs)}</img>"
        return "\n".join(f"Frame{index + 1}: {frame}" for index in range(self.frames))

    def encode(self, images: Tensor, kept: Tensor | None) -> list[Visual]:
        pixels = self.normalised(images.flatten(0, 1))
        if kept is None:
            found = self.network.get_image_features(pixel_values=pixels, return_dict=True).pooler_output
            every = torch.ones(self.tokens, dtype=torch.bool)
            return [Visual(clip, (), every) for clip in found.reshape(len(images), self.tokens, -1)]
        return self._sparse(pixels, kept)

    def _sparse(self, pixels: Tensor, kept: Tensor) -> list[Visual]:
        """Frame by frame, the class token and the kept patches, each with the position embedding of its place.

        Patches come in the order of the pixel shuffle, so that four in a row make one visual token.
        """
        model, config = self.network.model, self.network.config
        cells = self.size // self.cell
        merge = self.cell // config.vision_config.patch_size[0]
        patches = torch.arange((cells * merge) ** 2).reshape(cells, merge, cells, merge)
        patches = patches.permute(0, 2, 1, 3).reshape(cells * cells, merge * merge)
        embedded = model.vision_tower.embeddings(pixels.to(self.network.dtype))
        frames = kept.reshape(len(pixels), cells * cells)
        tokens = []
        for frame, own in zip(embedded, frames, strict=True):
            chosen = (patches[own].flatten() + 1).to(pixels.device)
            if len(chosen) == 0:
                tokens.append(frame.new_zeros(0, config.text_config.hidden_size))
                continue
            seen = model.vision_tower.encoder(torch.cat([frame[:1], frame[chosen]])[None]).last_hidden_state
            merged = model.vision_tower.layernorm(seen)[0, 1:].reshape(-1, merge * merge * seen.shape[-1])
            tokens.append(model.multi_modal_projector(merged))
        return [
            Visual(torch.cat(tokens[clip * self.frames : (clip + 1) * self.frames]), (), own)
            for clip, own in enumerate(kept)
        ]

    def given(self, clips: Sequence[Visual]) -> dict[str, BaseModelOutputWithPooling]:
        return {"image": BaseModelOutputWithPooling(pooler_output=torch.cat([clip.tokens for clip in clips]))}

    @property
    def vision(self) -> nn.Module:
        return self.network.model.vision_tower

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.network.model.multi_modal_projector]


class SmolVLM(Family):
    """SmolVLM and SmolVLM2 (and Idefics3, whose classes the first SmolVLM uses)."""

    @staticmethod
    def usual_size(config: Any) -> int:
        cell = config.vision_config.patch_size * config.scale_factor
        return int(config.vision_config.image_size) // cell * cell

    @property
    def cell(self) -> int:
        return int(self.network.config.vision_config.patch_size * self.network.config.scale_factor)

    def signs(self) -> tuple[str, ...]:
        return ("<fake_token_around_image>", "<global-img>", self.sign)

    def pictures(self) -> str:
        around, whole, sign = self.signs()
        frame = f"{around}{whole}{sign * (self.tokens // self.runs)}{around}"
        return "\n".join(f"Frame {index + 1}: {frame}" for index in range(self.frames))

    def encode(self, images: Tensor, kept: Tensor | None) -> list[Visual]:
        found = self.network.get_image_features(pixel_values=self.normalised(images), return_dict=True).pooler_output
        every = torch.ones(self.tokens, dtype=torch.bool)
        return [Visual(clip, (), every) for clip in torch.cat(list(found)).unflatten(0, (len(images), self.tokens))]

    @property
    def vision(self) -> nn.Module:
        return self.network.model.vision_model

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.network.model.connector]

    @property
    def language(self) -> nn.Module:
        return self.network.model.text_model


class Qwen25VL(Family):
    """Qwen2.5-VL: a patch is of two frames, and all frames of a clip are one row of visual tokens.

    As images, every patch holds its frame twice, and every frame is a row.
    """

    statistics = CLIP

    @staticmethod
    def usual_size(config: Any) -> int:
        vision = config.vision_config
        cell = int(vision.patch_size * vision.spatial_merge_size)
        # These models take any size; 448 pixels, or what comes next to it, as the other families see.
        return max(round(448 / cell), 1) * cell

    @property
    def _together(self) -> int:
        """How many frames share a patch."""
        return int(self.network.config.vision_config.temporal_patch_size)

    @property
    def cell(self) -> int:
        return int(self.network.config.vision_config.patch_size * self._merge)

    @property
    def _merge(self) -> int:
        return int(self.network.config.vision_config.spatial_merge_size)

    @property
    def token(self) -> int:
        config = self.network.config
        return int(config.image_token_id if self.as_images else config.video_token_id)

    @property
    def runs(self) -> int:
        return self.frames if self.as_images else -(-self.frames // self._together)

    def signs(self) -> tuple[str, ...]:
        return ("<|vision_start|>", self.sign, "<|vision_end|>")

    def pictures(self) -> str:
        rows = self.runs if self.as_images else 1
        return f"<|vision_start|>{self.sign * (self.tokens // rows)}<|vision_end|>" * rows

    def encode(self, images: Tensor, kept: Tensor | None) -> list[Visual]:
        model = self.network.model
        encode = model.get_image_features if self.as_images else model.get_video_features
        found = encode(self._patches(images), self._grid(len(images)).to(images.device), return_dict=True)
        levels = [torch.cat(list(level)) for level in found.get("deepstack_features") or ()]
        kept = torch.ones(len(images), self.tokens, dtype=torch.bool)
        return self._clips(torch.cat(list(found.pooler_output)), levels, kept)

    @staticmethod
    def _clips(tokens: Tensor, levels: Sequence[Tensor], kept: Tensor) -> list[Visual]:
        counts = kept.sum(1).tolist()
        split = [every.split(counts) for every in (tokens, *levels)]
        return [
            Visual(first, tuple(deeper), own)
            for (first, *deeper), own in zip(zip(*split, strict=True), kept, strict=True)
        ]

    def _patches(self, images: Tensor) -> Tensor:
        """(B, T, 3, S, S) in [0, 1] → (patches, values of a patch), the patches of a visual token together."""
        together, merge = self._together, self._merge
        frames = self._grouped(self.normalised(images))
        cells, edge = self.size // self.cell, self.cell // merge
        split = frames.reshape(-1, together, 3, cells, merge, edge, cells, merge, edge)
        return split.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(-1, 3 * together * edge * edge)

    def _grouped(self, frames: Tensor) -> Tensor:
        """(B, T, ...) → (B, runs · together, ...): each frame as often as it is shown; the last fills the last group."""
        if self.as_images:
            return frames.repeat_interleave(self._together, 1)
        short = self.runs * self._together - self.frames
        return torch.cat([frames, *[frames[:, -1:]] * short], 1)

    def _grid(self, clips: int) -> Tensor:
        """(images or clips, 3) times, rows and columns of patches."""
        edge = self.size // self.cell * self._merge
        times = 1 if self.as_images else self.runs
        return torch.tensor([[times, edge, edge]] * (clips * self.runs // times))

    def positions(self, ids: Tensor) -> Tensor:
        kinds = torch.where(ids == self.token, 1 if self.as_images else 2, 0)[None]
        grid = {"image_grid_thw" if self.as_images else "video_grid_thw": self._grid(1)}
        places, _ = self.network.model.get_rope_index(ids[None], mm_token_type_ids=kinds, **grid)
        return places[:, 0]

    def given(self, clips: Sequence[Visual]) -> dict[str, BaseModelOutputWithPooling]:
        output = BaseModelOutputWithPooling(pooler_output=[clip.tokens for clip in clips])
        return {"image" if self.as_images else "video": output}

    @property
    def vision(self) -> nn.Module:
        return self.network.model.visual

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.network.model.visual.merger]


class Qwen3VL(Qwen25VL):
    """Qwen3-VL: as Qwen2.5-VL, but every two frames are a row, and the vision side speaks at several depths."""

    statistics = HALF

    @property
    def can_be_sparse(self) -> bool:
        return True

    def pictures(self) -> str:
        return f"<|vision_start|>{self.sign * (self.tokens // self.runs)}<|vision_end|>" * self.runs

    def kept(self, touched: Tensor) -> Tensor:
        cells = self.size // self.cell
        frames = self._grouped(touched.reshape(-1, self.frames, cells, cells))
        return super().kept(frames.unflatten(1, (self.runs, self._together)).any(2))

    def encode(self, images: Tensor, kept: Tensor | None) -> list[Visual]:
        return super().encode(images, None) if kept is None else self._sparse(images, kept)

    def _sparse(self, images: Tensor, kept: Tensor) -> list[Visual]:
        """The kept patches, each with the position embedding and the rotary position of its place."""
        from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

        visual, unit = self.network.model.visual, self._merge**2
        pixels, grid = self._patches(images), self._grid(len(images))
        rows = kept.flatten().nonzero()[:, 0]
        indices, weights = get_vision_interpolation_indices_and_weights(
            grid,
            visual.num_grid_per_side,
            mode=visual.interpolation_mode,
            align_corners=visual.interpolation_align_corners,
            spatial_merge_size=self._merge,
        )
        places = get_vision_position_ids(grid, self._merge)
        pixels, indices, weights, places = (
            every.unflatten(0, (-1, unit))[rows.to(every.device)].flatten(0, 1).to(images.device)
            for every in (pixels, indices, weights, places)
        )
        # A patch sees those of its own row alone.
        lengths = kept.reshape(len(images) * self.runs, -1).sum(1) * unit
        ends = lengths[lengths > 0].cumsum(0).to(torch.int32)
        found = visual(
            pixels.to(self.network.dtype),
            grid_thw=grid,
            interp_indices=indices,
            interp_weights=weights,
            position_ids=places,
            cu_seqlens=torch.cat([ends.new_zeros(1), ends]),
            return_dict=True,
        )
        return self._clips(found.pooler_output, found.deepstack_features, kept)

    def given(self, clips: Sequence[Visual]) -> dict[str, BaseModelOutputWithPooling]:
        from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

        output = BaseModelOutputWithDeepstackFeatures(
            pooler_output=[clip.tokens for clip in clips],
            deepstack_features=[list(level) for level in zip(*(clip.levels for clip in clips), strict=True)],
        )
        return {"image" if self.as_images else "video": output}

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.network.model.visual.merger, *self.network.model.visual.deepstack_merger_list]


FAMILIES: dict[str, type[Family]] = {
    "internvl": InternVL,
    "qwen2_5_vl": Qwen25VL,
    "qwen3_vl": Qwen3VL,
    "smolvlm": SmolVLM,
    "idefics3": SmolVLM,
}
"""`model_type` of a transformers configuration → its adapter."""
