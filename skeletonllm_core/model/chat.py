"""What goes around a prompt for a model that was made for conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from skeletonllm_core.errors import SkeletonLLMError

SYSTEM = "You are an expert in video categorization and human action recognition."
"""Source: the published training of SkeletonLLM."""

CHOICES = "Answer with exactly one of these, and nothing else:"


def plain(text: str) -> str:
    """A text with a space before every sign, as word tokenizers want it, as people write it."""
    return re.sub(r"\s+([.,?!;:])", r"\1", text.strip())


def with_choices(prompt: str, choices: Sequence[str]) -> str:
    """The prompt, and the answers to choose from."""
    return "\n".join([prompt, CHOICES, *(f"- {choice}" for choice in choices)])


def conversation(tokenizer: PreTrainedTokenizerBase, pictures: str, prompt: str) -> str:
    """All text before the answer: in the chat template of the tokenizer, where it has one.

    Args:
        pictures: the frames as they stand in the text.
        prompt: what is asked.

    Raises:
        SkeletonLLMError: a template that has no place for it.
    """
    asked = f"{pictures}\n{prompt}".strip()
    if tokenizer.chat_template is None:
        return f"{SYSTEM}\n{asked}\n"
    # Templates of multimodal models take a list of parts, those of pure language models a text.
    for content in ([{"type": "text", "text": SYSTEM}], [{"type": "text", "text": asked}]), (SYSTEM, asked):
        roles = [{"role": role, "content": one} for role, one in zip(("system", "user"), content, strict=True)]
        try:
            text = str(tokenizer.apply_chat_template(roles, tokenize=False, add_generation_prompt=True))
        except (TemplateError, TypeError):
            continue
        if asked in text:
            return text
    raise SkeletonLLMError(
        "the chat template of this model's tokenizer has no place for a system prompt and a question"
    )
