"""Pack folders: `index.jsonl` (one clip a line: id, npz, index, split, label, captions, ...) and `motion/*.npz`
(`pos_rel`, `root`, `clip_offsets`, `names`, `parents`); the form in which the project's training data is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.train.corpora.clip import SPLITS, TRAIN, VALIDATION, LabelledClip, listed

INDEX, MOTION = "index.jsonl", "motion"

SIDES_SWAPPED = frozenset({"msr_action3d"})
"""Packs whose joint names call the left side right: there the feet of every body point backward by its own names, and
nine in ten one-armed actions would be done with the left."""

BY_SUBJECT = frozenset({"msr_action3d", "cmu_cc"})
"""Packs that are split by subject."""

_NEEDED = ("id", "npz", "index", "split", "label", "captions", "fps")


def is_validation(clip: dict[str, Any]) -> bool:
    """Whether a training clip is held out to choose by.

    Bandai: a whole style, "exhausted", because the test split is an unseen style too and takes of a style that was
    trained are all but solved. MSR-Action3D: subject 9. The others are too few to hold any out.
    """
    if clip["npz"] == "bandai2":
        return clip.get("style") == "exhausted"
    return clip["npz"] == "msr_action3d" and clip.get("subject") == 9


def read_packs(folder: Path, *, sources: Iterable[str] | None = None) -> Iterator[LabelledClip]:
    """The clips of a pack folder, in the order of its index.

    Args:
        folder: holds `index.jsonl` and `motion/`.
        sources: only these packs (names of npz files without suffix).

    Raises:
        SkeletonLLMError: the index or a pack is missing or broken; names every missing file.
    """
    index = folder / INDEX
    if not index.is_file():
        raise SkeletonLLMError(f"{index}: the index of the training data is missing")
    rows = [_row(index, number, line) for number, line in enumerate(index.read_text().splitlines(), 1) if line.strip()]
    wanted = set(sources) if sources is not None else {row["npz"] for row in rows}
    missing = [name for name in sorted(wanted) if not (folder / MOTION / f"{name}.npz").is_file()]
    if missing:
        raise SkeletonLLMError(f"{folder / MOTION}: missing {listed([name + '.npz' for name in missing])}")
    packs: dict[str, dict[str, np.ndarray]] = {}
    for row in rows:
        source = row["npz"]
        if source not in wanted:
            continue
        if source not in packs:
            packs[source] = _pack(folder / MOTION / f"{source}.npz")
        pack = packs[source]
        if not 0 <= row["index"] < len(pack["clip_offsets"]) - 1:
            raise SkeletonLLMError(f"{folder / MOTION / source}.npz: clip {row['id']} is not in it; copy it again")
        begin, end = pack["clip_offsets"][row["index"] : row["index"] + 2]
        positions = pack["pos_rel"][begin:end].astype(np.float32) + pack["root"][begin:end, None]
        names = [str(name) for name in pack["names"]]
        if source in SIDES_SWAPPED:
            names = [_other_side(name) for name in names]
        split = VALIDATION if row["split"] == TRAIN and is_validation(row) else row["split"]
        yield LabelledClip(
            row["id"],
            source,
            split,
            row["label"],
            tuple(row["captions"]) if "template" not in (row.get("caption_source") or "") else (),
            Keypoints.from_arrays(positions, names, pack["parents"], float(row["fps"]), row["id"]),
            row.get("style") or "",
            subject=str(row["subject"]) if source in BY_SUBJECT and "subject" in row else "",
        )


def _row(index: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as problem:
        raise SkeletonLLMError(f"{index}:{number}: not a JSON object: {problem}") from problem
    lacking = [key for key in _NEEDED if not isinstance(row, dict) or key not in row]
    if lacking:
        raise SkeletonLLMError(f"{index}:{number}: the clip has no {listed(lacking)}")
    if row["split"] not in SPLITS:
        raise SkeletonLLMError(f"{index}:{number}: unknown split {row['split']!r}; there are {', '.join(SPLITS)}")
    return row


def _pack(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as pack:
            return {key: pack[key] for key in ("pos_rel", "root", "clip_offsets", "names", "parents")}
    except (OSError, ValueError, KeyError, EOFError) as problem:
        raise SkeletonLLMError(f"{path}: not a whole pack of clips ({problem}); copy it again") from problem


def _other_side(name: str) -> str:
    swapped = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return re.sub("left|right|Left|Right", lambda side: swapped[side[0]], name)
