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
    asked: Sequence[str],
    straight: int,
    other_side: Tensor,
    *,
    choices: Sequence[str] | None = None,
    limit: int = 48,
) -> str:
    """The most likely next word, again and again, up to the end sign.

    The log-probabilities are averaged over all views; a mirrored view reads and writes about the other side, so that a
    mirrored motion gets exactly the mirrored text.

    Args:
        visual: (V, T, width) visual tokens of V views of one clip.
        asked: what is asked, of each view, in equally many words; all speak of the clip itself.
        straight: so many views show the clip, the others its mirror image.
        other_side: see `other_side_ids`.
        choices: the text is one of these; None for free text.
        limit: at most so many words.

    Returns:
        The words, separated by spaces.
    """
    end = int(tokenizer.eos_token_id)
    other_side = other_side.to(visual.device)
    words = torch.tensor([word_ids(tokenizer, prompt) for prompt in asked], device=visual.device)
    words = torch.cat([words[:straight], other_side[words[straight:]]])
    state = model.read(visual, words)
    open_choices = None if choices is None else [[*word_ids(tokenizer, choice), end] for choice in choices]
    answer: list[int] = []
    for _ in range(limit):
        scores = torch.log_softmax(model.next_word_logits(state.hidden[:, -1]), -1)
        score = torch.cat([scores[:straight], scores[straight:][:, other_side]]).mean(0)
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
        swapped = int(other_side[word])
        said = [[word]] * straight + [[swapped]] * (len(visual) - straight)
        state = model.read(None, torch.tensor(said, device=visual.device), state.cache)
    return tokenizer.decode(answer)


@torch.inference_mode()
def log_likelihoods(
    model: TinySkeletonLM, tokenizer: PreTrainedTokenizerBase, visual: Tensor, prompt: str, answers: Sequence[str]
) -> Tensor:
    """How likely each answer is, as the sum over its words and the end sign.

    The prompt is read once for all answers.

    Args:
        visual: (V, T, width) visual tokens of V views.
        prompt: what is asked.
        answers: candidate texts.

    Returns:
        (V, number of answers) float32 natural logarithms.
    """
    prompt_ids = torch.tensor([word_ids(tokenizer, prompt)] * len(visual), device=visual.device)
    state = model.read(visual, prompt_ids)
    hidden = state.hidden[:, -1:]
    tree = _WordTree([[*word_ids(tokenizer, answer), int(tokenizer.eos_token_id)] for answer in answers])
    if tree.words:
        hidden = torch.cat([hidden, model.read_tree(tree.words, tree.above, len(visual), state.cache).hidden], 1)
    scores = torch.log_softmax(model.next_word_logits(hidden), -1)
    owners, places, words = torch.tensor(tree.steps, device=visual.device).T
    sums = scores.new_zeros(len(visual), len(answers)).index_add_(1, owners, scores[:, places, words])
    return sums.float()


class _WordTree:
    """Answers that begin with the same words share them, so that each beginning is read once.

    Args:
        rows: token ids of each answer.

    Attributes:
        words: the word that each beginning ends with; no beginning is a whole answer.
        above: the beginning that each one goes on from, -1 for none.
        steps: (answer, place, word): of each word of each answer, the place that predicts it. 0 is the prompt, k + 1 is
            beginning k.
    """

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.words: list[int] = []
        self.above: list[int] = []
        self.steps: list[tuple[int, int, int]] = []
        known: dict[tuple[int, ...], int] = {}
        for owner, row in enumerate(rows):
            place = -1
            for index, word in enumerate(row):
                self.steps.append((owner, place + 1, word))
                beginning = tuple(row[: index + 1])
                if index + 1 < len(row) and beginning not in known:
                    known[beginning] = len(self.words)
                    self.words.append(word)
                    self.above.append(place)
                place = known.get(beginning, -1)
