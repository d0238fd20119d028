"""Typed access to the values of a JSON message; what does not fit is one sentence that names the key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError


class MessageError(SkeletonLLMError):
    """A message is not what the other side expects; the text names the key."""


def fail(key: str, problem: str) -> NoReturn:
    """Raise a MessageError about one key of the message."""
    raise MessageError(f'"{key}" {problem}')


def check_object(value: Any, where: str, known: Sequence[str]) -> dict[str, Any]:
    """The object itself; an unknown key in it is refused, because it is mostly a misspelt one."""
    if not isinstance(value, dict):
        raise MessageError(f"{_place(where)} must be an object, got {kind(value)}")
    for key in value:
        if key not in known:
            raise MessageError(f"{_place(where)} has an unknown key {shown(key)}; known: {', '.join(known)}")
    return value


def required(value: Any, key: str, where: str) -> Any:
    """The value of a key that must be there."""
    if not isinstance(value, dict):
        raise MessageError(f"{_place(where)} must be an object, got {kind(value)}")
    if key not in value:
        raise MessageError(f'{_place(where)} lacks the key "{key}"')
    return value[key]


def text(value: Any, key: str, longest: int) -> str:
    """A text of at most `longest` characters that can be written as UTF-8."""
    if not isinstance(value, str):
        fail(key, f"must be a text, got {kind(value)}")
    if len(value) > longest:
        fail(key, f"is longer than {longest} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        fail(key, "holds half a surrogate pair, which is no character")
    return value


def texts(value: Any, key: str, most: int, longest: int) -> list[str]:
    """A list of texts."""
    return [text(one, f"{key}[{index}]", longest) for index, one in enumerate(listed(value, key, most))]


def listed(value: Any, key: str, most: int) -> list[Any]:
    """A list of at most `most` values."""
    if not isinstance(value, list):
        fail(key, f"must be a list, got {kind(value)}")
    if len(value) > most:
        fail(key, f"has {len(value)} values; more than {most} are refused")
    return value


def whole(value: Any, key: str, least: int, most: int) -> int:
    """A whole number in a range, both ends included."""
    if type(value) is not int:  # True is no number here.
        fail(key, f"must be a whole number, got {kind(value)}")
    if not least <= value <= most:
        fail(key, f"must lie in {least}..{most}")
    return value


def wholes(value: Any, key: str, least: int, most: int, count: int) -> list[int]:
    """A list of at most `count` whole numbers in a range."""
    return [whole(one, f"{key}[{index}]", least, most) for index, one in enumerate(listed(value, key, count))]


def number(value: Any, key: str, least: float, most: float) -> float:
    """A finite number in a range, both ends included."""
    if type(value) not in (int, float):
        fail(key, f"must be a number, got {kind(value)}")
    if not (math.isfinite(value) and least <= value <= most):
        fail(key, f"must lie in {least:g}..{most:g}")
    return float(value)


def flag(value: Any, key: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        fail(key, f"must be true or false, got {kind(value)}")
    return value


def array(value: Any, key: str, shape: tuple[int | None, ...], most: float, *, missing: bool = False) -> np.ndarray:
    """Nested lists of numbers as a float64 array.

    Args:
        value: the lists.
        key: where they are in the message.
        shape: expected lengths, outermost first; None for any.
        most: no number may be larger in absolute value.
        missing: null stands for NaN instead of being refused.
    """
    level: list[Any] = [value]
    lengths: tuple[int, ...] = ()
    # Fast where all is well; the place of what is wrong is only looked for when something is.
    for expected in shape:
        if set(map(type, level)) - {list}:
            index = next(index for index, one in enumerate(level) if not isinstance(one, list))
            fail(_indexed(key, index, lengths), f"must be a list, got {kind(level[index])}")
        length = expected if expected is not None else len(level[0]) if level else 0
        if set(map(len, level)) - {length}:
            index = next(index for index, one in enumerate(level) if len(one) != length)
            fail(_indexed(key, index, lengths), f"must have {length} values, found {len(level[index])}")
        lengths = (*lengths, length)
        level = list(chain.from_iterable(level))
    numeric = {int, float, type(None)} if missing else {int, float}
    if set(map(type, level)) - numeric:
        index = next(index for index, one in enumerate(level) if type(one) not in numeric)
        fail(
            _indexed(key, index, lengths), f"must be a number{' or null' if missing else ''}, got {kind(level[index])}"
        )
    try:
        flat = np.array(level, dtype=np.float64)  # None becomes NaN.
    except OverflowError:  # A whole number of hundreds of digits.
        flat = np.array([math.nan if one is None else min(abs(one), 2 * most) for one in level])
    bad = np.flatnonzero(np.abs(flat) > most)
    if len(bad):
        fail(_indexed(key, int(bad[0]), lengths), f"is no plausible number: it is beyond {most:g}")
    return flat.reshape(lengths)


def kind(value: Any) -> str:
    """What a JSON value is, in a word."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}[type(value)]


def shown(value: str) -> str:
    """A text of the other side, short and harmless enough to be quoted in a sentence."""
    return ascii(value if len(value) <= 40 else value[:40] + "…")


def _indexed(key: str, flat: int, lengths: tuple[int, ...]) -> str:
    """``key[i][j]`` of the value number `flat` in lists of these lengths."""
    return key + "".join(f"[{index}]" for index in np.unravel_index(flat, lengths))


def _place(where: str) -> str:
    return f'"{where}"' if where else "the message"
