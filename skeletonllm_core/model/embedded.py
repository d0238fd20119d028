"""The embedded default as a `MultimodalModel`: a `TinySkeletonLM` and its word tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from skeletonllm_core.model.language import generate, log_likelihoods, other_side_ids, word_ids
from skeletonllm_core.model.multimodal import WHOLE, MultimodalModel
from skeletonllm_core.model.tiny import SIZES, TinyConfig, TinySkeletonLM
from skeletonllm_core.motion.facts import mirrored_text


class EmbeddedModel(MultimodalModel):
    """A `TinySkeletonLM`: one visual token a frame, one token a word, and every view also in the mirror."""

    views = (WHOLE, (0.0, 0.75), (0.25, 1.0))
    open_text = False
    longest = 48
    patch = None

    def __init__(self, tiny: TinySkeletonLM, tokenizer: PreTrainedTokenizerBase, facts: bool = False) -> None:
        super().__init__()
        self.tiny = tiny
        self.facts = facts
        self.tokenizer = tokenizer
        self.image_size = tiny.config.image_size
        self.frames = tiny.config.frames
        self._other_side = other_side_ids(tokenizer, mirrored_text)

    @property
    def language(self) -> nn.Module:
        return self.tiny.language

    def parts(self) -> dict[str, list[nn.Parameter]]:
        return {
            "vision": list(self.tiny.vision.parameters()),
            "projector": list(self.tiny.projector.parameters()),
            "language": list(self.tiny.language.parameters()),
        }

    def answer_losses(
        self,
        images: Tensor,
        samples: Sequence[tuple[int, str, str]],
        smoothing: float = 0.0,
        touched: Tensor | None = None,
    ) -> Tensor:
        return self.token_losses(self.tiny.visual_tokens(images), samples, smoothing)

    def token_losses(self, visual: Tensor, samples: Sequence[tuple[int, str, str]], smoothing: float = 0.0) -> Tensor:
        """`answer_losses` of clips that are encoded already: (B, T, width) visual tokens."""
        rows, marks = [], []
        for _, prompt, answer in samples:
            asked = word_ids(self.tokenizer, prompt)
            rows.append([*asked, *word_ids(self.tokenizer, answer), int(self.tokenizer.eos_token_id)])
            marks.append(len(asked))
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        cut = cheapest_cut([len(rows[index]) for index in order])
        losses = [
            self._row_losses(visual, [(samples[index][0], rows[index], marks[index]) for index in part], smoothing)
            for part in (order[:cut], order[cut:])
            if part
        ]
        return torch.cat(losses)[torch.tensor(order, device=visual.device).argsort()]

    def _row_losses(self, visual: Tensor, rows: Sequence[tuple[int, list[int], int]], smoothing: float) -> Tensor:
        """(R,) mean loss of the answers of R rows: a clip, the tokens of a prompt and its answer, where that begins."""
        longest = max(len(row) for _, row, _ in rows)
        padding = int(self.tokenizer.pad_token_id)
        words = torch.full((len(rows), longest), padding)
        expected = torch.zeros((len(rows), longest), dtype=torch.bool)
        for index, (_, row, mark) in enumerate(rows):
            words[index, : len(row)] = torch.tensor(row)
            expected[index, mark : len(row)] = True
        words, expected = words.to(visual.device), expected.to(visual.device)
        clips = [clip for clip, _, _ in rows]
        logits = self.tiny.answer_logits(visual[clips], words, (words != padding).long(), expected).float()
        each = functional.cross_entropy(logits, words[expected], label_smoothing=smoothing, reduction="none")
        return torch.segment_reduce(each, "mean", lengths=expected.sum(1))

    @torch.inference_mode()
    def log_likelihoods(
        self, images: Tensor, prompt: str, answers: Sequence[str], touched: Tensor | None = None
    ) -> Tensor:
        return log_likelihoods(self.tiny, self.tokenizer, self.tiny.visual_tokens(images), prompt, answers)

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
        views = [(images, prompt), *([mirrored] if mirrored else [])]
        visual = self.tiny.visual_tokens(torch.cat([seen for seen, _ in views]))
        return generate(
            self.tiny,
            self.tokenizer,
            visual,
            [asked for seen, asked in views for _ in seen],
            len(images),
            self._other_side,
            choices=choices,
            limit=limit or self.longest,
        )

    def save(self, folder: Path) -> None:
        sizes = {name: getattr(self.tiny.config, name) for name in SIZES}
        values = {"model_type": TinyConfig.model_type, **sizes, "facts": self.facts}
        (folder / "config.json").write_text(json.dumps(values, indent=1) + "\n")
        save_file({k: v.contiguous() for k, v in self.tiny.state_dict().items()}, folder / "model.safetensors")
        self.tokenizer.save_pretrained(folder)


def cheapest_cut(lengths: Sequence[int]) -> int:
    """Where to divide rows, shortest first, so that padding each part to its longest row takes the fewest tokens."""
    return min(range(len(lengths)), key=lambda cut: cut * lengths[max(cut - 1, 0)] + (len(lengths) - cut) * lengths[-1])
