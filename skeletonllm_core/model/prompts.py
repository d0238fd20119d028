"""Every prompt that the model ever sees."""

from __future__ import annotations

LABEL = "{seconds} seconds . what is the action ?"
CAPTION = "{seconds} seconds . describe the motion ."
ASK = "{seconds} seconds . {question}"


def seconds_in_words(seconds: float) -> str:
    """The length of a clip to half a second, so that the model can tell a fast motion from a slow one."""
    return f"{min(round(max(seconds, 0.0) * 2) / 2, 30.0):.1f}"


def label_prompt(seconds: float) -> str:
    """Asks for the action; the answer is a label."""
    return LABEL.format(seconds=seconds_in_words(seconds))


def caption_prompt(seconds: float) -> str:
    """Asks for a sentence."""
    return CAPTION.format(seconds=seconds_in_words(seconds))


def ask_prompt(seconds: float, question: str) -> str:
    """Asks a user's question."""
    return ASK.format(seconds=seconds_in_words(seconds), question=question.strip())
