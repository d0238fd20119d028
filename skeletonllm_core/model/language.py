"""Visual tokens and a question → text; log-likelihoods of given answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from skeletonllm_core.model.tiny import TinySkeletonLM


def word_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text, without begin or end."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@torch.inference_mode()
def generate(
    model: TinySkeletonLM, tokenizer: PreTrainedTokenizerBase, visual: Tensor, prompt: str, limit: int = 48
) -> str:
    """The most likely next word, again and again, up to the end sign.

    Args:
        visual: (V, T, width) visual tokens: V views of one clip, whose log-probabilities are averaged.
        prompt: what is asked.
        limit: at most so many words.

    Returns:
        The words, separated by spaces.
    """
    views = len(visual)
    state = model.read(visual, torch.tensor([word_ids(tokenizer, prompt)] * views, device=visual.device))
    answer: list[int] = []
    for _ in range(limit):
        scores = torch.log_softmax(model.next_word_logits(state.hidden[:, -1]), -1).mean(0)
        word = int(scores.argmax())
        if word == tokenizer.eos_token_id:
            break
        answer.append(word)
        state = model.read(None, torch.tensor([[word]] * views, device=visual.device), state.cache)
    return tokenizer.decode(answer)


@torch.inference_mode()
def log_likelihoods(
    model: TinySkeletonLM, tokenizer: PreTrainedTokenizerBase, visual: Tensor, prompt: str, answers: Sequence[str]
) -> Tensor:
    """How likely each answer is, as the sum over its words and the end sign.

    The prompt is read once for all answers.

    Args:
        visual: (V, T, width) visual tokens: V views of one clip, whose log-likelihoods are averaged.
        prompt: what is asked.
        answers: candidate texts.

    Returns:
        (number of answers,) float32 natural logarithms.
    """
    views = len(visual)
    prompt_ids = torch.tensor([word_ids(tokenizer, prompt)] * views, device=visual.device)
    state = model.read(visual, prompt_ids)
    rows = [[*word_ids(tokenizer, answer), tokenizer.eos_token_id] for answer in answers]
    longest = max(len(row) for row in rows)
    padded = torch.full((len(rows), longest), int(tokenizer.pad_token_id), device=visual.device)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = torch.tensor(row)
    real = padded != tokenizer.pad_token_id
    first = torch.log_softmax(model.next_word_logits(state.hidden[:, -1]), -1)
    scores = first[:, padded[:, 0]]
    if longest > 1:
        state.cache.batch_repeat_interleave(len(rows))
        following = model.read(None, padded[:, :-1].repeat(views, 1), state.cache)
        later = torch.log_softmax(model.next_word_logits(following.hidden), -1)
        later = later.gather(-1, padded[:, 1:].repeat(views, 1)[..., None])[..., 0]
        later = (later * real[:, 1:].repeat(views, 1)).sum(-1).view(views, len(rows))
        scores = scores + later
    return scores.mean(0).float()
