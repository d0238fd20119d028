"""How far a suite is: a line every few seconds, with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

SECONDS_BETWEEN = 5.0

T = TypeVar("T")


def counted(what: str, items: Iterable[T], total: int, say: Callable[[str], None]) -> Iterator[T]:
    """The items, one after the other, telling how many are done."""
    began = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - last >= SECONDS_BETWEEN:
            last = now
            say(f"{what}: {done}/{total}, about {(now - began) / done * (total - done):.0f} s left")
        yield item
