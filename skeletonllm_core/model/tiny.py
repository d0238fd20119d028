"""The embedded default: a small vision-language model as a transformers `PreTrainedModel`.

Frames of DrAction → `VisionTower` → visual tokens, put before the words of a prompt; a Llama of a few layers
answers. It is small enough to train on a CPU and to label a clip in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, PretrainedConfig, PreTrainedModel

from skeletonllm_core.model.vision import VisionTower


class TinyConfig(PretrainedConfig):
    """Sizes of the embedded model.

    Attributes:
        image_size: edge of the frames [pixels].
        frames: how many frames a clip has.
        channels: of the frame encoder.
        width: of visual tokens and words.
        vision_layers, text_layers, heads: of both transformers.
        vocab_size: words that the tokenizer knows.
    """

    model_type = "skeletonllm-tiny"

    def __init__(
        self,
        image_size: int = 64,
        frames: int = 16,
        channels: tuple[int, int, int] = (48, 96, 160),
        width: int = 256,
        vision_layers: int = 3,
        text_layers: int = 3,
        heads: int = 4,
        vocab_size: int = 1024,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.image_size = image_size
        self.frames = frames
        first, second, third = channels
        self.channels = (first, second, third)
        self.width = width
        self.vision_layers = vision_layers
        self.text_layers = text_layers
        self.heads = heads
        self.vocab_size = vocab_size
        self.dropout = dropout
        super().__init__(**kwargs)


SIZES = (
    "image_size", "frames", "channels", "width", "vision_layers", "text_layers", "heads", "vocab_size", "dropout"
)  # fmt: skip
"""The fields of `TinyConfig` that a checkpoint keeps."""


@dataclass
class TextState:
    """What the language model has read so far: hidden states of the last step and its key-value cache."""

    hidden: Tensor
    cache: DynamicCache


class TinySkeletonLM(PreTrainedModel):
    """Frames and words in, words out."""

    config_class = TinyConfig
    base_model_prefix = "tiny"

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        self.vision = VisionTower(
            config.image_size,
            config.channels,
            config.frames,
            config.width,
            config.vision_layers,
            config.heads,
            config.dropout,
        )
        self.projector = nn.Linear(config.width, config.width)
        self.language = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=config.vocab_size,
                hidden_size=config.width,
                intermediate_size=config.width * 5 // 2,
                num_hidden_layers=config.text_layers,
                num_attention_heads=config.heads,
                max_position_embeddings=512,
                attention_dropout=config.dropout,
                tie_word_embeddings=False,
                bos_token_id=1,
                eos_token_id=2,
                pad_token_id=0,
            )
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # Each half initialises itself; transformers would otherwise overwrite the convolutions.
        return

    def visual_tokens(self, frames: Tensor) -> Tensor:
        """(B, T, 3, S, S) in [0, 1] → (B, T, width) tokens that stand before the words."""
        return self.projector(self.vision(frames))

    def answer_logits(self, visual: Tensor, words: Tensor, word_mask: Tensor, answers: Tensor) -> Tensor:
        """Next-word scores where an answer is expected, and nowhere else.

        Args:
            visual: (B, T, width).
            words: (B, L) token ids, padded on the right.
            word_mask: (B, L) 1 for a word, 0 for padding.
            answers: (B, L) bool, the words that are to be predicted.

        Returns:
            (number of answer words, vocabulary) scores, in reading order.
        """
        embedded = torch.cat([visual, self.language.get_input_embeddings()(words)], dim=1)
        mask = torch.cat([word_mask.new_ones(visual.shape[:2]), word_mask], dim=1)
        hidden = self.language.model(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state
        before = hidden[:, visual.shape[1] - 1 : -1]
        return self.language.lm_head(before[answers])

    def read(self, visual: Tensor | None, words: Tensor, cache: DynamicCache | None = None) -> TextState:
        """Read visual tokens and words (or further words after a cache); no padding.

        Args:
            visual: (B, T, width), or None when a cache already holds it.
            words: (B, L) token ids.
            cache: of what was read before.
        """
        embedded = self.language.get_input_embeddings()(words)
        if visual is not None:
            embedded = torch.cat([visual, embedded], dim=1)
        output = self.language.model(inputs_embeds=embedded, past_key_values=cache, use_cache=True)
        return TextState(output.last_hidden_state, output.past_key_values)

    def read_tree(self, words: Sequence[int], above: Sequence[int], views: int, cache: DynamicCache) -> TextState:
        """Read further words after a cache, where each goes on from an earlier one: all beginnings of many texts at once.

        Args:
            words: N token ids.
            above: the word that each goes on from (an index below its own), -1 where it follows the cache.
            views: B rows of the cache, which all go on with the same words.
            cache: of what was read before; it grows by N and is of no further use.
        """
        past, count = cache.get_seq_length(), len(words)
        sees = torch.eye(count, dtype=torch.bool)
        depth = torch.zeros(count, dtype=torch.long)
        for word, before in enumerate(above):
            if before >= 0:
                sees[word] |= sees[before]
                depth[word] = depth[before] + 1
        embedded = self.language.get_input_embeddings()(torch.tensor([list(words)] * views, device=self.device))
        mask = torch.zeros(count, past + count, dtype=embedded.dtype)
        mask[:, past:].masked_fill_(~sees, torch.finfo(embedded.dtype).min)
        output = self.language.model(
            inputs_embeds=embedded,
            attention_mask=mask.to(self.device)[None, None].expand(views, 1, -1, -1),
            position_ids=(past + depth).to(self.device)[None].expand(views, -1),
            past_key_values=cache,
            use_cache=True,
        )
        return TextState(output.last_hidden_state, output.past_key_values)

    def next_word_logits(self, hidden: Tensor) -> Tensor:
        """(..., width) hidden states → (..., vocabulary) scores of the word that follows."""
        return self.language.lm_head(hidden)
