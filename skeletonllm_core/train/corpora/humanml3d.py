"""HumanML3D: `new_joints/*.npy`, captions in `texts/` or `texts.zip`, and the published `train`, `val` and `test.txt`.

A caption line is ``caption#tagged words#start#end``; start and end [s] mark the part that it describes, 0 and 0 (or nan)
the whole motion. Source: C. Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from skeletonllm_core import plugins
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.train.corpora.clip import TEST, TRAIN, VALIDATION, LabelledClip, listed

JOINTS, TEXTS, ZIP = "new_joints", "texts", "texts.zip"
SPLIT_FILES = {TRAIN: "train.txt", VALIDATION: "val.txt", TEST: "test.txt"}


def read_humanml3d(folder: Path) -> Iterator[LabelledClip]:
    """The clips of the three split lists, in their order: the whole motion, then each part that has captions of its own.

    There are no labels, only captions. A mirrored copy (its name begins with M) is of the same take as its original.

    Raises:
        SkeletonLLMError: a folder, list, motion or text is missing (names them), or a line is bad.
    """
    missing = [name for name in (JOINTS, *SPLIT_FILES.values()) if not (folder / name).exists()]
    if not (folder / TEXTS).is_dir() and not (folder / ZIP).is_file():
        missing.append(f"{TEXTS} or {ZIP}")
    if missing:
        raise SkeletonLLMError(f"{folder}: HumanML3D is not whole: missing {listed(missing)}")
    names = {split: (folder / file).read_text().split() for split, file in SPLIT_FILES.items()}
    known, read_text = _texts(folder)
    wanted = [name for listing in names.values() for name in listing]
    lacking = [f"{JOINTS}/{name}.npy" for name in wanted if not (folder / JOINTS / f"{name}.npy").is_file()]
    lacking += [f"{TEXTS}/{name}.txt" for name in wanted if name not in known]
    if lacking:
        raise SkeletonLLMError(f"{folder}: HumanML3D is not whole: missing {listed(lacking)}")
    for split, listing in names.items():
        for name in listing:
            yield from _clips(folder, name, split, read_text(name))


def _texts(folder: Path) -> tuple[set[str], Callable[[str], str]]:
    """The names that have a text, and what reads it."""
    if (folder / TEXTS).is_dir():
        files = {path.stem: path for path in (folder / TEXTS).glob("*.txt")}
        return set(files), lambda name: files[name].read_text(encoding="utf-8")
    try:
        packed = zipfile.ZipFile(folder / ZIP)
    except zipfile.BadZipFile as problem:
        raise SkeletonLLMError(f"{folder / ZIP}: not a whole zip file; download it again") from problem
    entries = {PurePosixPath(entry).stem: entry for entry in packed.namelist() if entry.endswith(".txt")}
    return set(entries), lambda name: packed.read(entries[name]).decode("utf-8")


def _clips(folder: Path, name: str, split: str, text: str) -> Iterator[LabelledClip]:
    parts: dict[tuple[float, float], list[str]] = {(0.0, 0.0): []}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            caption, start, end = _caption(line, f"{folder / TEXTS / name}.txt:{number}")
            parts.setdefault((start, end), []).append(caption)
    person = plugins.read(folder / JOINTS / f"{name}.npy", format="humanml3d")[0]
    positions = person.joint_positions()
    for (start, end), captions in parts.items():
        if not captions:
            continue
        whole = start == end == 0.0
        shown = positions if whole else positions[int(start * person.fps) : int(end * person.fps)]
        if not len(shown):
            raise SkeletonLLMError(
                f"{folder / TEXTS / name}.txt: the part from {start:g} to {end:g} s is not in the motion, which lasts "
                f"{person.seconds:g} s"
            )
        called = name if whole else f"{name}@{start:g}-{end:g}"
        part = Keypoints(person.topology, shown, person.fps, called)
        yield LabelledClip(called, "humanml3d", split, "", tuple(captions), part, take=name.removeprefix("M"))


def _caption(line: str, place: str) -> tuple[str, float, float]:
    """Caption, start and end [s] of a line."""
    fields = line.strip().split("#")
    try:
        if len(fields) != 4 or not fields[0].strip():
            raise ValueError
        start, end = (0.0 if math.isnan(float(field)) else float(field) for field in fields[2:])
        if (start, end) != (0.0, 0.0) and not 0 <= start < end < math.inf:
            raise ValueError
    except ValueError:
        raise SkeletonLLMError(
            f"{place}: expected `caption#tagged words#start#end`, found {line.strip()[:60]!r}"
        ) from None
    return fields[0].strip(), start, end
