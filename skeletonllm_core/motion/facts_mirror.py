"""Left and right exchanged in text, as a mirror exchanges them in a motion."""

from __future__ import annotations

import re

_MIRROR = {
    "left": "right",
    "lefts": "rights",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "leftmost": "rightmost",
    "lefthand": "righthand",
    "lefthanded": "righthanded",
    "clockwise": "counterclockwise",
    "anticlockwise": "clockwise",
}
_MIRROR |= {other: word for word, other in list(_MIRROR.items()) if word != "anticlockwise"}
_CHOICE = "|".join(["counter-clockwise", "anti-clockwise", *sorted(_MIRROR, key=len, reverse=True)])
_WORDS = re.compile(rf"(?<![A-Za-z])({_CHOICE})(?![A-Za-z])", re.IGNORECASE)


def mirrored_text(text: str) -> str:
    """The text with left and right, and the senses of turning, exchanged word by word; the case is kept.

    "left" of something that stays behind ("is left over") cannot be told from the side and is exchanged too.
    """

    def other(found: re.Match[str]) -> str:
        word = found.group(0)
        new = _MIRROR.get(word.lower(), "clockwise")
        return new.upper() if word.isupper() else new.capitalize() if word[0].isupper() else new

    return _WORDS.sub(other, text)
