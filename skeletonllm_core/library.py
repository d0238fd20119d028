"""Which files under some paths are motion clips, and what their sidecars are called."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from skeletonllm_core import plugins
from skeletonllm_core.motion.motion import Clip

SIDECAR, MANIFEST, REPORT = ".skel.json", "annotations.jsonl", "report.html"
"""How a sidecar's name ends; the names of manifest and report. None of them is taken for a clip."""


@dataclass(frozen=True)
class Source:
    """A file, or what stands in its place.

    Attributes:
        path: to open it by.
        shown: its path below the root of the library, with ``/``; what manifest and sidecar call it.
        out: its path without suffix of ours, where the sidecars go: ``out`` + ``.skel.json``.
        problem: why it cannot even be tried, in one sentence.
    """

    path: Path
    shown: str
    out: Path
    problem: str | None = None

    def sidecar(self, clip: str | None) -> Path:
        """Where the sidecar of the file's only clip, or of the named one of several, belongs."""
        name = self.out.name if clip is None else f"{self.out.name}#{_file_name(clip)}"
        if len(os.fsencode(name + SIDECAR)) > 255:
            digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
            name = os.fsencode(name)[:200].decode("utf-8", "ignore") + "~" + digest
        return self.out.with_name(name + SIDECAR)


def find_sources(paths: Sequence[Path], out: Path | None) -> tuple[list[Source], list[str]]:
    """The files to annotate, in path order, and the ones whose suffix was no proof and whose content was not motion.

    Folders are searched as deep as they go, hidden ones left out, each once, however symbolic links lead to it.
    Files named by the user are taken whatever they are called.
    """
    top = _common_folder(paths)
    found: dict[str, Source] = {}
    ignored: list[str] = []

    def add(path: Path, problem: str | None = None) -> None:
        below = Path(os.path.abspath(path)).relative_to(top)
        shown = os.fsencode(below.as_posix()).decode("utf-8", "backslashreplace")
        found.setdefault(shown, Source(path, shown, path if out is None else out / below, problem))

    visited: set[tuple[int, int]] = set()
    for path in paths:
        if not path.is_dir():
            add(path, _unfit(path))
            continue
        for entry, problem in _walk(path, visited):
            if problem is not None:
                add(entry, problem)
                continue
            try:
                claimed = _claimed(entry)
            except OSError as trouble:
                add(entry, f"{entry}: cannot be read: {reason(trouble)}")
                continue
            except Exception as trouble:  # A plugin's mistake; it costs this file, not the run.
                add(entry, f"{entry}: {internal(trouble)}")
                continue
            if claimed:
                add(entry)
            elif claimed is not None:
                ignored.append(str(entry))
    return [found[shown] for shown in sorted(found)], ignored


def _common_folder(paths: Sequence[Path]) -> Path:
    folders = [os.path.abspath(path if path.is_dir() else path.parent) for path in paths]
    return Path(os.path.commonpath(folders))


def _walk(folder: Path, visited: set[tuple[int, int]]) -> Iterator[tuple[Path, str | None]]:
    """(file, None) for every file below a folder, (folder, problem) for a folder that cannot be listed."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            return
        visited.add((status.st_dev, status.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError as problem:
        yield folder, f"{folder}: the folder cannot be read: {reason(problem)}"
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if _is_folder(entry):
            yield from _walk(path, visited)
        elif not entry.name.endswith(SIDECAR) and entry.name not in (MANIFEST, REPORT):
            yield path, None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _claimed(path: Path) -> bool | None:
    """True where a reader takes the file, False where only its suffix fits, None where not even that."""
    name = path.name.lower()
    fitting = [reader for reader in plugins.readers() if name.endswith(reader.suffixes)]
    if not fitting:
        return None
    return any(reader.sniff is None or reader.sniff(path) for reader in fitting)


def _unfit(path: Path) -> str | None:
    """Why a file that was named by the user cannot be a clip."""
    if not path.exists():
        return f"{path}: no such file"
    if not path.is_file():
        return f"{path}: not a file"
    return None


def reason(problem: OSError) -> str:
    """What the system says about a file, without number and path."""
    return (problem.strerror or str(problem)).lower()


def clip_names(clips: Sequence[Clip]) -> list[str | None]:
    """What each clip of a file is called: None for an only one, else its name, made distinct where two are alike."""
    if len(clips) == 1:
        return [None]
    names: list[str | None] = []
    taken: set[str] = set()
    for index, clip in enumerate(clips):
        wanted = clip.name or str(index + 1)
        name, again = wanted, 2
        # Some file systems do not tell Walk from walk.
        while _file_name(name).casefold() in taken:
            name, again = f"{wanted} ({again})", again + 1
        taken.add(_file_name(name).casefold())
        names.append(name)
    return names


def internal(problem: Exception) -> str:
    """A mistake of a program, ours or a plugin's, in words."""
    return f"internal error: {type(problem).__name__}: {problem}".rstrip(": ")


def _file_name(clip: str) -> str:
    """A clip's name as part of a file name; what cannot be part of one is written %2F."""
    readable = "".join(chr(code) for code in range(32, 127) if chr(code) not in '/\\:*?"<>|%#')
    return "".join(letter if ord(letter) > 159 else quote(letter, safe=readable) for letter in clip)
