"""Visual tokens and a question → text; log-likelihoods of given answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from skeletonllm_core.model.tiny import TinySkeletonLM


def word_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text, without begin or end."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def other_side_ids(tokenizer: PreTrainedTokenizerBase, other_side: Callable[[str], str]) -> Tensor:
    """(vocabulary,) for each token the token of the same word about the other side (left for right), mostly itself.

    Args:
        other_side: swaps left and right in a text.
    """
    vocabulary = tokenizer.get_vocab()
    swapped = torch.arange(len(vocabulary))
    for word, index in vocabulary.items():
        swapped[index] = vocabulary.get(other_side(word), index)
    return swapped


@torch.inference_mode()
def generate(
    model: TinySkeletonLM,
    tokenizer: PreTrainedTokenizerBase,
    visual: Tensor,
    mirrored: Tensor,
    other_side: Tensor,
    prompt: str,
    *,
    choices: Sequence[str] | None = None,
    limit: int = 48,
) -> str:
    """The most likely next word, again and again, up to the end sign.

    The log-probabilities are averaged over all views; a mirrored view reads and writes about the other side, so that a
    mirrored motion gets exactly the mirrored text.

    Args:
        visual: (V, T, width) visual tokens of V views of one clip.
        mirrored: (M, T, width) of M views of its mirror image.
        other_side: see `other_side_ids`.
        prompt: what is asked.
        choices: the text is one of these; None for free text.
        limit: at most so many words.

    Returns:
        The words, separated by spaces.
    """
    views, end = len(visual), int(tokenizer.eos_token_id)
    other_side = other_side.to(visual.device)

    def rows(ids: list[int]) -> Tensor:
        straight = torch.tensor(ids, device=visual.device)
        return torch.stack([straight] * views + [other_side[straight]] * len(mirrored))

    state = model.read(torch.cat([visual, mirrored]), rows(word_ids(tokenizer, prompt)))
    open_choices = None if choices is None else [[*word_ids(tokenizer, choice), end] for choice in choices]
    answer: list[int] = []
    for _ in range(limit):
        scores = torch.log_softmax(model.next_word_logits(state.hidden[:, -1]), -1)
        score = torch.cat([scores[:views], scores[views:][:, other_side]]).mean(0)
        if open_choices is not None:
            allowed = torch.full_like(score, -torch.inf)
            allowed[[choice[len(answer)] for choice in open_choices]] = 0.0
            score = score + allowed
        word = int(score.argmax())
        if word == end:
            break
        if open_choices is not None:
            open_choices = [choice for choice in open_choices if choice[len(answer)] == word]
        answer.append(word)
        state = model.read(None, rows([word]), state.cache)
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
