"""Clips with labels and captions, split by subject and take.

A pack folder holds `index.jsonl` (one clip a line: id, npz, index, split, label, captions, ...) and `motion/*.npz`
(`pos_rel`, `root`, `clip_offsets`, `names`, `parents`); it is the form in which the project's training data is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Keypoints, Person

TRAIN, VALIDATION, TEST = "train", "validation", "test"

SIDES_SWAPPED = frozenset({"msr_action3d"})
"""Packs whose joint names call the left side right: there the feet of every body point backward by its own names, and
nine in ten one-armed actions would be done with the left."""


@dataclass(frozen=True, eq=False)
class LabelledClip:
    """One clip to learn from or to be tested on.

    Attributes:
        name: unique in the corpus.
        source: the pack or generator it came from.
        split: "train", "validation" or "test".
        label: the action, in its source's words.
        captions: sentences that people wrote about it, possibly none.
        person: the motion.
        style: how it is done, or "".
    """

    name: str
    source: str
    split: str
    label: str
    captions: tuple[str, ...]
    person: Person
    style: str = ""


def is_validation(clip: dict) -> bool:
    """Whether a training clip is held out to choose by.

    Bandai: a whole style, "exhausted", because the test split is an unseen style too and takes of a style that was
    trained are all but solved. MSR-Action3D: subject 9. The others are too few to hold any out.
    """
    if clip["npz"] == "bandai2":
        return clip["style"] == "exhausted"
    return clip["npz"] == "msr_action3d" and clip["subject"] == 9


def read_packs(folder: Path, *, sources: Iterable[str] | None = None) -> Iterator[LabelledClip]:
    """The clips of a pack folder, in the order of its index.

    Args:
        folder: holds `index.jsonl` and `motion/`.
        sources: only these packs (names of npz files without suffix).

    Raises:
        SkeletonLLMError: the index or a pack is missing; names every missing file.
    """
    index = folder / "index.jsonl"
    if not index.is_file():
        raise SkeletonLLMError(f"{index}: the index of the training data is missing")
    rows = [json.loads(line) for line in index.read_text().splitlines() if line.strip()]
    wanted = set(sources) if sources is not None else {row["npz"] for row in rows}
    missing = [name for name in sorted(wanted) if not (folder / "motion" / f"{name}.npz").is_file()]
    if missing:
        raise SkeletonLLMError(f"{folder / 'motion'}: missing {', '.join(name + '.npz' for name in missing)}")
    packs: dict[str, dict[str, np.ndarray]] = {}
    for row in rows:
        source = row["npz"]
        if source not in wanted:
            continue
        if source not in packs:
            with np.load(folder / "motion" / f"{source}.npz") as pack:
                packs[source] = {key: pack[key] for key in ("pos_rel", "root", "clip_offsets", "names", "parents")}
        pack = packs[source]
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
        )


def _other_side(name: str) -> str:
    swapped = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return re.sub("left|right|Left|Right", lambda side: swapped[side[0]], name)


def data_hash(clips: Iterable[LabelledClip]) -> str:
    """Sixteen hexadecimal digits that name the clips, their labels and splits, for reports and model cards."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(f"{clip.name}\t{clip.split}\t{clip.label}\t{len(clip.person)}\n".encode())
    return digest.hexdigest()[:16]
