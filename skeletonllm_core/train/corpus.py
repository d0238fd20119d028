"""Clips with labels and captions, of whatever corpus a folder holds, split so that nothing of the test is trained on.

docs/data.md shows what each kind of folder looks like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.train.corpora import folder as table_folder
from skeletonllm_core.train.corpora import humanml3d, ntu, packs
from skeletonllm_core.train.corpora.clip import TEST, TRAIN, VALIDATION, LabelledClip
from skeletonllm_core.train.corpora.leaks import without_leaks
from skeletonllm_core.train.corpora.ntu import unseen_labels
from skeletonllm_core.train.corpora.packs import SIDES_SWAPPED, is_validation, read_packs

__all__ = [
    "SIDES_SWAPPED",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "LabelledClip",
    "data_hash",
    "is_validation",
    "kind_of",
    "read_corpus",
    "read_packs",
    "unseen_labels",
    "without_leaks",
]

_READERS: dict[str, Callable[[Path], Iterator[LabelledClip]]] = {
    "packs": packs.read_packs,
    "folder": table_folder.read_folder,
    "humanml3d": humanml3d.read_humanml3d,
}
_MARKS = {
    "packs": (packs.INDEX,),
    "folder": table_folder.TABLES,
    "humanml3d": (humanml3d.JOINTS, humanml3d.TEXTS, humanml3d.ZIP),
}


def read_corpus(folder: Path, kind: str | None = None) -> Iterator[LabelledClip]:
    """The clips of a folder, one after the other; a clip that leaks from one split into another stops the run.

    Args:
        folder: where the data is.
        kind: "packs", "folder" (motion files and a table of labels), "humanml3d", "ntu60" or "ntu120", the last two also
            with a class split, "ntu60:55/5"; None works it out from what is there.

    Raises:
        SkeletonLLMError: the kind is unknown or cannot be told, the data is not whole (names what is missing), or the
            splits leak.
    """
    if not folder.is_dir():
        raise SkeletonLLMError(f"{folder}: there is no such folder")
    kind = kind or kind_of(folder)
    reader = _READERS.get(kind)
    if reader is None and not kind.startswith("ntu"):
        raise SkeletonLLMError(f"there is no corpus {kind!r}; known are {', '.join((*_READERS, 'ntu60', 'ntu120'))}")
    if reader is None:
        ntu.protocol_of(kind)
        return without_leaks(ntu.read_ntu(folder, kind))
    return without_leaks(reader(folder))


def kind_of(folder: Path) -> str:
    """Which kind of corpus a folder holds, by the names in it.

    Raises:
        SkeletonLLMError: none or several.
    """
    kinds = [kind for kind, marks in _MARKS.items() if any((folder / mark).exists() for mark in marks)]
    if next(folder.rglob(f"*{ntu.SUFFIX}"), None) is not None and not kinds:
        kinds = [ntu.kind_of(folder)]
    if len(kinds) != 1:
        marks = [name for names in _MARKS.values() for name in names] + [f"*{ntu.SUFFIX}"]
        told = f"it looks like {' and '.join(kinds)}" if kinds else f"none of {', '.join(marks)} is there"
        raise SkeletonLLMError(f"{folder}: cannot tell which corpus this is: {told}; name it with `corpus:`")
    return kinds[0]


def data_hash(clips: Iterable[LabelledClip]) -> str:
    """Sixteen hexadecimal digits that name the clips, their labels and splits, for reports and model cards."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(f"{clip.name}\t{clip.split}\t{clip.label}\t{len(clip.person)}\n".encode())
    return digest.hexdigest()[:16]
