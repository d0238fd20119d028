"""A folder of motion files of any format, with a table of labels: `labels.csv` or `labels.jsonl`.

Columns: path (below the folder; ``hero.glb#Walk`` for one of several clips) and label or caption, or both; subject, take
and split if known.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skeletonllm_core import plugins
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Clip
from skeletonllm_core.train.corpora.clip import SPLITS, TEST, TRAIN, VALIDATION, LabelledClip, listed

TABLES = ("labels.csv", "labels.jsonl")
_COLUMNS = ("path", "label", "caption", "subject", "take", "split")
_SHARE = 0.1
"""Of the clips, validation and test get at least this share each, where the table does not split."""


@dataclass(frozen=True)
class _Row:
    path: str
    label: str
    captions: tuple[str, ...]
    subject: str
    take: str
    split: str


def read_folder(folder: Path) -> Iterator[LabelledClip]:
    """The clips of a table, in its order.

    Without a column `split`, whole subjects (else takes, else clips) are dealt out: about a tenth of the clips each for
    test and validation, the rest for training, always the same for the same table. With fewer than three to deal, all
    are for training.

    Raises:
        SkeletonLLMError: there is no table or two, a line is bad, or files are missing (names them).
    """
    table = _only_table(folder)
    rows = _rows(table)
    missing = sorted({_file(row.path) for row in rows if not (folder / _file(row.path)).is_file()})
    if missing:
        raise SkeletonLLMError(f"{table}: missing {listed(missing)} in {folder}")
    splits = _dealt(rows)
    for row, split in zip(rows, splits, strict=True):
        clip = _clip(folder / _file(row.path), row.path.partition("#")[2])
        yield LabelledClip(
            row.path,
            folder.name,
            split,
            row.label,
            row.captions,
            clip.persons[0],
            subject=row.subject,
            take=row.take,
            others=tuple(clip.persons[1:]),
        )


def _only_table(folder: Path) -> Path:
    tables = [folder / name for name in TABLES if (folder / name).is_file()]
    if len(tables) != 1:
        found = "both are there" if tables else "neither is there"
        raise SkeletonLLMError(f"{folder}: expected {' or '.join(TABLES)}; {found}")
    return tables[0]


def _file(path: str) -> str:
    return path.partition("#")[0]


def _rows(table: Path) -> list[_Row]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise SkeletonLLMError(f"{table}: cannot be read as UTF-8 text: {problem}") from problem
    values = list(_csv_values(table, text) if table.suffix == ".csv" else _jsonl_values(table, text))
    rows: dict[str, _Row] = {}
    for line, value in values:
        row = _row(f"{table}:{line}", value)
        if row.path in rows:
            raise SkeletonLLMError(f"{table}:{line}: {row.path} is there twice")
        rows[row.path] = row
    split = [row.path for row in rows.values() if not row.split]
    if not rows:
        raise SkeletonLLMError(f"{table}: there is no clip in it")
    if split and len(split) < len(rows):
        raise SkeletonLLMError(f"{table}: no split for {listed(split)}; give every clip one, or none")
    return list(rows.values())


def _csv_values(table: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines())
    unknown = [name for name in reader.fieldnames or () if name not in _COLUMNS]
    if unknown or "path" not in (reader.fieldnames or ()):
        raise SkeletonLLMError(
            f"{table}:1: the columns are {', '.join(_COLUMNS)} (path is needed), found {', '.join(reader.fieldnames or ())}"
        )
    for value in reader:
        if None in value or None in value.values():
            raise SkeletonLLMError(f"{table}:{reader.line_num}: expected {len(reader.fieldnames or ())} columns")
        yield reader.line_num, value


def _jsonl_values(table: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as problem:
            raise SkeletonLLMError(f"{table}:{number}: not a JSON object: {problem}") from problem
        unknown = [key for key in value if key not in _COLUMNS] if isinstance(value, dict) else ["a value that is none"]
        if unknown:
            raise SkeletonLLMError(
                f"{table}:{number}: expected an object of {', '.join(_COLUMNS)}, found {listed(unknown)}"
            )
        yield number, value


def _row(place: str, value: dict[str, Any]) -> _Row:
    captions = value.get("caption") or []
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise SkeletonLLMError(f"{place}: expected a caption or a list of captions, found {captions!r}")
    texts = {key: str(value.get(key) or "").strip() for key in _COLUMNS if key != "caption"}
    if not texts["path"] or Path(texts["path"]).is_absolute() or ".." in Path(texts["path"]).parts:
        raise SkeletonLLMError(f"{place}: expected a path below the folder, found {texts['path']!r}")
    if not texts["label"] and not captions:
        raise SkeletonLLMError(f"{place}: {texts['path']} has neither a label nor a caption")
    if texts["split"] not in ("", *SPLITS):
        raise SkeletonLLMError(f"{place}: unknown split {texts['split']!r}; there are {', '.join(SPLITS)}")
    return _Row(texts["path"], texts["label"], tuple(captions), texts["subject"], texts["take"], texts["split"])


def _dealt(rows: list[_Row]) -> list[str]:
    """The split of every row."""
    if rows[0].split:
        return [row.split for row in rows]
    groups = [row.subject or row.take or row.path for row in rows]
    order = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode()).digest())
    if len(order) < 3:
        return [TRAIN] * len(rows)
    homes: dict[str, str] = {}
    for split in (TEST, VALIDATION):
        count = 0
        # Something always stays to train on.
        while order and count < _SHARE * len(rows) and len(order) > 1:
            group = order.pop()
            homes[group] = split
            count += groups.count(group)
    return [homes.get(group, TRAIN) for group in groups]


def _clip(path: Path, name: str) -> Clip:
    """The named clip of a file, or its only one."""
    clips = plugins.read_clips(path)
    fitting = [clip for clip in clips if clip.name == name] if name else clips
    if len(fitting) != 1:
        names = ", ".join(f"{path.name}#{clip.name}" for clip in clips)
        raise SkeletonLLMError(f"{path}: {f'no clip {name!r}' if name else 'several clips'}; name one of {names}")
    if not fitting[0].persons:
        raise SkeletonLLMError(f"{path}: there is no person in this clip")
    return fitting[0]
