"""New words for a model whose tokenizer knows one token a word: its own labels, prompts and rationales."""

from __future__ import annotations

import json
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from skeletonllm_core.model.embedded import EmbeddedModel


def with_words(model: EmbeddedModel, texts: Iterable[str], seed: int) -> EmbeddedModel:
    """The model with a token for every word of the texts; the words it knew keep their numbers and weights.

    Args:
        model: changed in place where there are new words.
        texts: that will be asked or answered.
        seed: of the new rows.
    """
    backend = model.tokenizer.backend_tokenizer
    known = model.tokenizer.get_vocab()
    words = {
        word
        for text in texts
        for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
    }
    new = sorted(words - set(known))
    if not new:
        return model
    values = json.loads(backend.to_str())
    values["model"]["vocab"].update({word: len(known) + index for index, word in enumerate(new)})
    special = model.tokenizer.special_tokens_map
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(values)), **special)
    torch.manual_seed(seed)
    model.tiny.language.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.tiny.config.vocab_size = len(tokenizer)
    return EmbeddedModel(model.tiny, tokenizer, model.facts)


def learn_rows_from(weight: nn.Parameter, first: int) -> None:
    """Let a matrix learn in its rows from `first` on; the gradient of the others is 0."""

    def masked(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient[:first] = 0
        return gradient

    weight.requires_grad_(True)
    weight.register_hook(masked)
