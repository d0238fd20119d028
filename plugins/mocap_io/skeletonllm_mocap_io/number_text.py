"""Tables of numbers in text files: parsed in one go; what is wrong with a bad one is said with its line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError

MOST = 1e7
"""No number in a motion file is as large as this, whatever its unit."""

Row = tuple[int, str]
"""Number of a line, from 1, and its text."""


def rows_of(path: Path, format: str) -> list[Row]:
    """The lines of a text file that are not blank; UTF-8 with or without byte order mark, else Latin-1.

    Raises:
        MotionFormatError: it is UTF-16, or no text.
    """
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MotionFormatError(path, "the text is UTF-16; save it as UTF-8", format=format, line=1)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise MotionFormatError(path, "is no text: it holds a zero byte", format=format, line=line)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = re.split(r"\r\n|\r|\n", text)
    return [(number, line) for number, line in enumerate(lines, start=1) if not line.isspace() and line]


def head_of(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file without byte order mark, for `sniff`; cut at the last whole line where there are several."""
    with path.open("rb") as file:
        head = file.read(size)
    if len(head) == size and b"\n" in head:
        head = head[: head.rindex(b"\n")]
    return head.removeprefix(b"\xef\xbb\xbf")


def first_numbers(path: Path) -> list[list[float]]:
    """The numbers of the first whole lines of a file, for `sniff`; [] from the first line on that holds anything else."""
    rows: list[list[float]] = []
    for line in head_of(path, 1 << 14).split(b"\n"):
        words = line.replace(b",", b" ").split()
        if not words:
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            rows.append([])
            break
    return rows


def number_table(
    rows: Sequence[Row],
    width: int,
    *,
    path: Path,
    format: str,
    separator: str | None = None,
    gaps: bool = False,
    names: Sequence[str] = (),
) -> np.ndarray:
    """(len(rows), width) float64, the numbers of the rows.

    Args:
        rows: lines of text, each with `width` numbers.
        width: numbers in a row.
        path, format: for the message.
        separator: what stands between two cells, for example ","; None for any number of blanks and tabs. More
            separators after the last cell are passed over.
        gaps: whether an empty cell or "nan" is allowed: it becomes NaN.
        names: what the columns hold, for the message.

    Raises:
        MotionFormatError: a row has another number of cells, a cell is no number, or a number is implausible.
    """
    if not rows or not width:
        return np.zeros((len(rows), width))
    if separator is None:
        cells = " ".join(text for _, text in rows)
        counts = np.fromiter((len(text.split()) for _, text in rows), np.int64, len(rows))
    else:
        texts = [_without_spare(text, separator, width) for _, text in rows]
        cells = separator.join(texts)
        counts = np.fromiter((text.count(separator) + 1 for text in texts), np.int64, len(rows))
        mark = re.escape(separator)
        cells = re.sub(rf"(?:(?<={mark})|^) *(?={mark}|$)", "nan", cells)
    uneven = np.flatnonzero(counts != width)
    if len(uneven):
        line, found = rows[uneven[0]][0], int(counts[uneven[0]])
        raise MotionFormatError(path, f"expected {width} values, found {found}", format=format, line=line)
    values = parsed(cells, " " if separator is None else separator)
    if values is None or len(values) != len(rows) * width:
        _explain(rows, separator, path, format)
    table = values.reshape(len(rows), width)
    bad = ~(np.abs(table) < MOST)
    if gaps:
        bad &= ~np.isnan(table)
    if bad.any():
        row, column = (int(place) for place in np.argwhere(bad)[0])
        name = names[column] if names else f"value {column + 1}"
        value = table[row, column]
        problem = f"{name} is missing" if np.isnan(value) else f"{name} is {value:g}, which is no plausible value"
        raise MotionFormatError(path, problem, format=format, line=rows[row][0])
    return table


def parsed(text: str, separator: str) -> np.ndarray | None:
    """The numbers of a text, None where something in it is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, sep=separator)
        except (ValueError, DeprecationWarning):
            return None


def shown(word: str) -> str:
    """A word of a file, fit for a message: printable and short."""
    return ascii(word if len(word) <= 24 else word[:24] + "…")[:80]


def _without_spare(text: str, separator: str, width: int) -> str:
    """The line without blanks around it and without separators after its last cell."""
    text = text.strip(" \t" if separator != "\t" else " ")
    spare = text.count(separator) - (width - 1)
    if spare > 0 and not text[len(text) - spare :].strip(separator):
        return text[: len(text) - spare]
    return text


def _explain(rows: Sequence[Row], separator: str | None, path: Path, format: str) -> NoReturn:
    """Raises for the first cell that is no number."""
    for line, text in rows:
        for word in text.split(separator):
            word = word.strip()
            try:
                if "_" in word or not word.isascii():  # 1_000 is a number to Python only.
                    raise ValueError
                float(word or "nan")
            except ValueError:
                problem = f"expected a number, found {shown(word)}"
                raise MotionFormatError(path, problem, format=format, line=line) from None
    raise MotionFormatError(path, "the numbers cannot be told apart", format=format, line=rows[0][0])
