"""Tables as Markdown and JSON, each with what is needed to print it again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skeletonllm_core.atomic import write_whole
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.train.evaluation.statistics import Figure

Cell = str | int | float | Figure | None


@dataclass
class Table:
    """One table.

    Attributes:
        title: one line.
        columns: their names.
        rows: one cell a column; None where there is nothing to print.
        notes: whole sentences about how to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Append a row."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns of {self.title!r}")
        self.rows.append(cells)

    def markdown(self) -> str:
        lines = [f"**{self.title}**", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row([_text(cell) for cell in row]) for row in self.rows]
        return "\n".join([*lines, *(["", " ".join(self.notes)] if self.notes else [])])

    def as_json(self) -> dict[str, Any]:
        rows = [{name: _value(cell) for name, cell in zip(self.columns, row, strict=True)} for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}


@dataclass(frozen=True)
class Report:
    """The tables of a suite.

    Attributes:
        suite: which one.
        settings: command, data and its hash, split, seed, limit, model and its hash.
        tables: in order.
    """

    suite: str
    settings: dict[str, Any]
    tables: Sequence[Table]

    def markdown(self) -> str:
        told = ", ".join(f"{key} {value}" for key, value in self.settings.items() if key != "command")
        parts = ["```bash", self.settings["command"], "```", ""]
        for table in self.tables:
            parts += [table.markdown(), ""]
        return "\n".join([*parts, f"{told}. In brackets: 95 % interval.", ""])

    def as_json(self) -> dict[str, Any]:
        return {"suite": self.suite, **self.settings, "tables": [table.as_json() for table in self.tables]}


def write_into(document: Path, report: Report) -> None:
    """Put the tables between the suite's two marks in a Markdown file; the text around them stays.

    Raises:
        SkeletonLLMError: the file is missing, or lacks a mark.
    """
    if not document.is_file():
        raise SkeletonLLMError(f"{document}: there is no such file to put the tables into")
    text = document.read_text(encoding="utf-8")
    begin, end = f"<!-- tables: {report.suite} -->", f"<!-- end: {report.suite} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise SkeletonLLMError(
            f"{document}: the tables go between the lines {begin!r} and {end!r}, once each, in order"
        )
    before, after = text[: text.index(begin)], text[text.index(end) :]
    write_whole(document, f"{before}{begin}\n\n{report.markdown()}\n{after}".encode())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _text(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return "–"
    if isinstance(cell, Figure):
        if not math.isfinite(cell.value):
            return "–"
        if not math.isfinite(cell.low):
            return f"{cell.value:.3f}"
        return f"{cell.value:.3f} ({cell.low:.3f}–{cell.high:.3f})".replace("–-", " to -")
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _value(cell: Cell) -> Any:
    if isinstance(cell, Figure):
        value, low, high = (_value(number) for number in (cell.value, cell.low, cell.high))
        return {"value": value, "low": low, "high": high, "count": cell.count}
    if isinstance(cell, float):
        return round(cell, 4) if math.isfinite(cell) else None
    return cell
