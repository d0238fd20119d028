"""The report: one HTML page that needs no network, a row a clip, with filter and sort."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

PAGE = 300
"""So many rows are shown at a time, however many there are."""


@dataclass(frozen=True)
class Row:
    """One clip of the report.

    Attributes:
        record: its line of the manifest.
        document: its sidecar, None where it failed.
        moving: its render as an animated WebP, None where there is none.
        still: one frame of it, shown to who wants no motion.
    """

    record: dict[str, Any]
    document: dict[str, Any] | None = None
    moving: bytes | None = None
    still: bytes | None = None


def report_page(rows: Sequence[Row], model: str) -> str:
    """The page; every text that comes from a file is escaped.

    Args:
        rows: in the order in which they are first shown.
        model: id of the model that made the annotations.
    """
    failed = sum(row.record["status"] == "failed" for row in rows)
    labels = {row.record["label"] for row in rows if row.record["label"] is not None}
    template = files("skeletonllm_core").joinpath("report.template.html").read_text(encoding="utf-8")
    told = f"{_count(len(rows), 'clip')} · {_count(len(labels), 'label')} · {failed} failed · model {model}"
    values = {
        "PAGE": str(PAGE),
        "SUMMARY": escape(told),
        "LABELS": "".join(f'<option value="{escape(label)}"></option>' for label in sorted(labels)),
        "ROWS": "\n".join(_row(row, place >= PAGE) for place, row in enumerate(rows)),
    }
    head, *rest = template.split("<!--@")
    page = [head]
    for piece in rest:
        name, _, text = piece.partition("-->")
        page += [values[name], text]
    return "".join(page)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _row(row: Row, hidden: bool) -> str:
    record = row.record
    path, label, score = str(record["path"]), record["label"], record["score"]
    failed = record["status"] == "failed"
    people = _people(row.document)
    status = "failed" if failed else "locked" if row.document and row.document.get("locked") is True else "ok"
    known = all(_dict(person, "label").get("known") is not False for person in people)
    seconds = _number(_dict(row.document, "source").get("seconds")) if row.document else None
    cells = [
        f'<td class="picture">{_picture(row, path)}</td>',
        f'<th scope="row">{escape(path)}<small>{_facts(row.document, seconds)}</small></th>',
        f"<td>{_label(label, known)}{_runners_up(people)}</td>",
        f"<td>{_score(score)}</td>",
    ]
    if failed:
        cells.append(f'<td class="error">{escape(str(record["error"]))}</td>')
    else:
        cells.append(f"<td>{escape(record['caption'] or '')}{''.join(_timeline(p, len(people)) for p in people)}</td>")
    cells.append(f'<td><span class="status {status}">{status}</span></td>')
    data = {"path": path, "label": label or "", "score": "" if score is None else str(score), "status": status}
    return f"<tr {_attributes(data)}{' hidden' if hidden else ''}>{''.join(cells)}</tr>"


def _attributes(data: dict[str, str]) -> str:
    return " ".join(f'data-{key}="{escape(value)}"' for key, value in data.items())


def _picture(row: Row, path: str) -> str:
    if row.moving is None:
        return ""
    still = ""
    if row.still is not None:
        still = f'<source media="(prefers-reduced-motion: reduce)" srcset="{_data(row.still)}">'
    shown = f'width="96" height="96" alt="{escape(path)} as the model sees it" src="{_data(row.moving)}"'
    return f'<picture>{still}<img loading="lazy" decoding="async" {shown}></picture>'


def _data(webp: bytes) -> str:
    return "data:image/webp;base64," + b64encode(webp).decode("ascii")


def _label(label: str | None, known: bool) -> str:
    if label is None:
        return ""
    if known:
        return f'<b class="label">{escape(label)}</b>'
    return f'<b class="label unknown">unknown</b> <small>perhaps {escape(label)}</small>'


def _score(score: float | None) -> str:
    if score is None:
        return ""
    return f'<span class="score">{score:.2f}</span><meter min="0" max="1" value="{score}" aria-label="score"></meter>'


def _runners_up(people: Sequence[dict[str, Any]]) -> str:
    if len(people) != 1:
        return ""
    others = [
        f"{escape(str(other.get('text')))} {number:.2f}"
        for other in _dicts(people[0].get("alternatives"))
        if (number := _number(other.get("score"))) is not None
    ]
    return f"<small>{' · '.join(others)}</small>" if others else ""


def _facts(document: dict[str, Any] | None, seconds: float | None) -> str:
    if document is None:
        return ""
    people = _people(document)
    source = _dict(document, "source")
    told = [
        str(source.get("format") or ""),
        f"{seconds:.2f} s" if seconds is not None else "",
        _count(len(people), "person") if len(people) != 1 else "",
        f"{people[0].get('joints')} joints" if people else "",
    ]
    return escape(" · ".join(text for text in told if text))


def _timeline(person: dict[str, Any], persons: int) -> str:
    parts = []
    for part in _dicts(person.get("segments")):
        start, end = _number(part.get("start_s")), _number(part.get("end_s"))
        if start is None or end is None or end <= start:
            continue
        label = str(part.get("label"))
        # The same label has the same colour in every row.
        hue = sum(ord(letter) * (place + 7) for place, letter in enumerate(label)) * 47 % 360
        title = f"{start:.2f}–{end:.2f} s: {label}. {part.get('caption') or ''}".strip()
        style = f"flex-grow:{round(end - start, 3)};--hue:{hue}"
        parts.append(f'<li style="{style}" title="{escape(title)}"><span>{escape(label)}</span></li>')
    if not parts:
        return ""
    name = "timeline" if persons == 1 else f"timeline of person {person.get('id')}"
    return f'<ol class="timeline" aria-label="{escape(name)}">{"".join(parts)}</ol>'


def _people(document: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [] if document is None else _dicts(document.get("persons"))


def _dict(value: dict[str, Any] | None, key: str) -> dict[str, Any]:
    found = None if value is None else value.get(key)
    return found if isinstance(found, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, Iterable) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
