"""What every multimodal language model behind DrAction can do; the pipeline, the training and the tables use only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

WHOLE = (0.0, 1.0)
"""The view of all of a clip."""


class MultimodalModel(nn.Module, ABC):
    """Frames and words in, words out; differentiable in the frames.

    A clip is (T, 3, S, S) float in [0, 1], with T = `frames` and S = `image_size`.

    Attributes:
        tokenizer: of the language model.
        image_size: edge of the square frames [pixels].
        frames: how many frames of a clip are looked at.
        views: the parts of a short clip that it is labelled by, each from and to a share of its length.
        open_text: the language model knows words that it was not trained on here, so candidate labels and questions
            go to it as they are. Its tokens have no other side, so it is not shown mirrored views.
        facts: the measured facts of a clip stand in its prompts, beside its pictures.
        longest: at most so many tokens are written where nothing else is said.
        patch: edge of the patches [pixels] that need not be encoded where nothing is drawn on them; None where every
            patch is. Where it is set, `touched` says where the body is: (B·T, S / patch, S / patch) bool, as
            `foreground.foreground_patches` tells.
    """

    tokenizer: PreTrainedTokenizerBase
    image_size: int
    frames: int
    views: tuple[tuple[float, float], ...]
    open_text: bool
    facts: bool
    longest: int
    patch: int | None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    @abstractmethod
    def language(self) -> nn.Module:
        """The causal language model: what LoRA adapts."""

    @abstractmethod
    def parts(self) -> dict[str, list[nn.Parameter]]:
        """Every parameter once, under "vision", "projector" or "language"."""

    @abstractmethod
    def answer_losses(
        self,
        images: Tensor,
        samples: Sequence[tuple[int, str, str]],
        smoothing: float = 0.0,
        touched: Tensor | None = None,
    ) -> Tensor:
        """Cross entropy of each answer: the mean over its tokens and the end sign; differentiable in the frames.

        Args:
            images: (B, T, 3, S, S); each clip is encoded once, however many samples ask about it.
            samples: (clip in the batch, prompt, answer).
            smoothing: label smoothing.
            touched: see `patch`.

        Returns:
            (number of samples,)
        """

    @abstractmethod
    def log_likelihoods(
        self, images: Tensor, prompt: str, answers: Sequence[str], touched: Tensor | None = None
    ) -> Tensor:
        """How likely each answer is, as the sum over its tokens and the end sign; no gradient.

        Args:
            images: (V, T, 3, S, S) views.
            prompt: what is asked; it is read once for all answers.
            answers: candidate texts.
            touched: see `patch`.

        Returns:
            (V, number of answers) float32 natural logarithms.
        """

    @abstractmethod
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
        """The most likely next token, again and again, up to the end sign; no gradient.

        Args:
            images: (V, T, 3, S, S) views of one clip, whose log-probabilities are averaged.
            prompt: what is asked.
            mirrored: (M, T, 3, S, S) views of its mirror image and its prompt, which still speaks of the clip itself: the
                model exchanges the sides. None where it is `open_text`.
            choices: the text is one of these; None for free text.
            limit: at most so many tokens; None for `longest`.
            touched: see `patch`; of `images` and then of `mirrored`.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights, sizes and tokenizer into an existing folder; `checkpoint.load_checkpoint` reads them."""
