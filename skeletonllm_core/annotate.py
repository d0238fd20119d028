"""A library of clips → a sidecar each, one manifest, one report.

    paths ─library→ Source (a file) ─Annotator→ Outcome (a clip) ─_Run→ sidecar, Record → annotations.jsonl, report.html

One process writes everything, so a killed run leaves whole files only, and running it again does what is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skeletonllm_core import plugins
from skeletonllm_core.answers import Cost
from skeletonllm_core.atomic import remove_leftovers, write_whole
from skeletonllm_core.describe import check_clip
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.library import MANIFEST, REPORT, Source, clip_names, find_sources, internal, reason
from skeletonllm_core.media import animated_webp, still_webp
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.handedness import unmirrored
from skeletonllm_core.motion.motion import Clip, Person
from skeletonllm_core.motion.repair import repaired
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.rig_file import RigFile, read_rig
from skeletonllm_core.report import Row, report_page
from skeletonllm_core.sidecar import SCHEMA, is_locked, read_sidecar, summary
from skeletonllm_core.threads import one_thread
from skeletonllm_core.workers import Died, run_jobs

if TYPE_CHECKING:
    from skeletonllm_core.pipeline import SkeletonLLM

TASKS = ("label", "caption", "segments")
CACHE = ".skeletonllm-cache"
"""Folder beside the manifest that keeps the pictures of the report."""

PICTURE_SIZE = 96
"""Edge of the animated pictures of the report [pixels]."""


@dataclass(frozen=True)
class Options:
    """What is asked about each clip.

    Attributes:
        tasks: some of `TASKS`, in that order.
        labels: the candidates, None for the model's own vocabulary.
        seed: of every random choice.
        rig: which joint is which body part, for every clip; None works it out.
    """

    tasks: tuple[str, ...] = TASKS
    labels: tuple[str, ...] | None = None
    seed: int = 0
    rig: RigFile | None = None

    def as_json(self) -> dict[str, Any]:
        labels = None if self.labels is None else list(self.labels)
        mapped = {} if self.rig is None else {"rig": self.rig.sha256}
        return {"tasks": list(self.tasks), "labels": labels, "seed": self.seed, **mapped}


@dataclass(frozen=True)
class Outcome:
    """What became of one clip.

    Attributes:
        clip: its name where the file holds several, else None.
        document: the content of its sidecar; None where it failed.
        digest: SHA-256 of its file, empty where that could not be read.
        error: why it failed, in one sentence.
        kept: the document is the one that was there before.
        pictures: animation and still for the report, as WebP; None where the cache has them or there are none.
        took: seconds spent on it.
        cost: of what a server was asked about it; None where no server is asked.
    """

    clip: str | None
    document: dict[str, Any] | None
    digest: str = ""
    error: str | None = None
    kept: bool = False
    pictures: tuple[bytes, bytes] | None = None
    took: float = 0.0
    cost: Cost | None = None


@dataclass(frozen=True)
class Record:
    """One line of the manifest, and what only this run knows."""

    path: str
    status: str
    error: str | None
    label: str | None
    score: float | None
    caption: str | None
    sidecar: str | None
    document: dict[str, Any] | None = field(default=None, repr=False)
    kept: bool = False
    took: float = 0.0

    def as_json(self) -> dict[str, Any]:
        keys = ("path", "status", "error", "label", "score", "caption", "sidecar")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True)
class Progress:
    """How far a run is: files done of all, and the clips in them so far."""

    done: int
    total: int
    clips: int
    failed: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """What a run did.

    Attributes:
        records: one a clip, in path order.
        manifest: path of `annotations.jsonl`.
        report: path of `report.html`.
        ignored: files with a suffix that other things use too, which no reader took for motion.
        seconds: how long it took.
        cost: of what a server was asked; None where no server is asked.
    """

    records: tuple[Record, ...]
    manifest: Path
    report: Path
    ignored: tuple[str, ...]
    seconds: float
    cost: Cost | None = None

    @property
    def failed(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.status == "failed")


def annotate(
    paths: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    tasks: Sequence[str] = TASKS,
    labels: Sequence[str] | None = None,
    model: str = "default",
    device: str = "auto",
    seed: int = 0,
    rig: Path | None = None,
    jobs: int = 1,
    resume: bool = True,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Annotate every clip under the paths.

    Sidecars go beside the clips, manifest and report into the first path (its folder, where it is a file); with `out`
    all of it goes there, the folders mirrored. A clip whose content, model and options match its sidecar is not done
    again; a locked sidecar is never overwritten.

    Args:
        paths: files and folders.
        out: folder for all results.
        tasks: some of label, caption, segments.
        labels: candidate labels, None for the model's own.
        model, device, seed: as for `load_model`.
        rig: a rig file (see `motion.rig_file`) that holds for every clip; None works each rig out.
        jobs: processes; above 1 they are spawned, so a script must guard its main part with ``__name__``.
        resume: False does every clip again that is not locked.
        progress: called after every file.

    Raises:
        SkeletonLLMError: nothing to annotate, unknown task, no such model, or the results cannot be written. What is
            wrong with one clip becomes a record instead.
    """
    began = time.monotonic()
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise SkeletonLLMError(f"unknown task {unknown[0] if unknown else ''!r}: choose from {', '.join(TASKS)}")
    if jobs < 1:
        raise SkeletonLLMError(f"jobs must be at least 1, got {jobs}")
    if not paths:
        raise SkeletonLLMError("name at least one file or folder")
    options = Options(
        tuple(task for task in TASKS if task in tasks),
        None if labels is None else tuple(labels),
        seed,
        None if rig is None else read_rig(rig),
    )
    first = Path(paths[0])
    home = Path(out) if out is not None else first if first.is_dir() else first.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SkeletonLLMError(f"{home}: results cannot be written there: {reason(problem)}") from problem
    with _only_run(home):
        sources, ignored = find_sources([Path(path) for path in paths], None if out is None else home)
        if not sources:
            suffixes = sorted({suffix for reader in plugins.readers() for suffix in reader.suffixes})
            raise SkeletonLLMError(
                f"no motion clip under {', '.join(str(path) for path in paths)} (readable: {' '.join(suffixes)})"
            )
        cache = home / CACHE
        folders = {home, cache, *(source.out.parent for source in sources)}
        for folder in sorted(folders):
            if folder.is_dir():
                remove_leftovers(folder)
        with one_thread():
            return _Run(sources, home, options, model, device, jobs, resume, progress, began).go(tuple(ignored))


@contextmanager
def _only_run(home: Path) -> Iterator[None]:
    """Hold the folder for one run at a time; the hold ends with the process, however that ends."""
    import fcntl

    handle = os.open(home, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SkeletonLLMError(f"{home}: another annotate is at work there") from None
        except OSError:
            pass  # A file system without locks: go on without.
        yield
    finally:
        os.close(handle)


class Annotator:
    """Annotates files with one model; what a worker process holds.

    Args:
        model: what is asked.
        options: what it is asked.
        resume: leave a clip alone whose sidecar fits.
        cache: folder of the report's pictures.
    """

    def __init__(self, model: SkeletonLLM, options: Options, resume: bool, cache: Path) -> None:
        self.model = model
        self.options = options
        self.resume = resume
        self.cache = cache

    def __call__(self, source: Source) -> list[Outcome]:
        """The clips of one file; what goes wrong becomes an outcome with an error, so that it costs no other clip."""
        began = time.monotonic()
        try:
            digest = file_sha256(source.path)
            old = self._old(source.sidecar(None), digest, None)
            if old is not None and self._has_pictures(digest, None):
                return [Outcome(None, old, digest, kept=True, took=time.monotonic() - began)]
            clips = plugins.read_clips(source.path)
            if not clips:
                raise SkeletonLLMError(f"{source.path}: there is no clip in this file")
        except Exception as problem:  # The boundary of one file: whatever it was is recorded with the clip.
            return [Outcome(None, None, error=_told(source, problem), took=time.monotonic() - began)]
        outcomes = []
        for clip, name in zip(clips, clip_names(clips), strict=True):
            before = self.model.cost
            try:
                if self.options.rig is not None:
                    clip = replace(clip, persons=[self.options.rig.applied(person) for person in clip.persons])
                outcome = self._clip(source, digest, clip, name)
            except Exception as problem:  # The boundary of one clip, as above.
                outcome = Outcome(name, None, digest, _told(source, problem))
            now = time.monotonic()
            after = self.model.cost
            cost = None if before is None or after is None else after.since(before)
            outcomes.append(replace(outcome, took=now - began, cost=cost))
            began = now
        return outcomes

    def picture_paths(self, digest: str, clip: str | None) -> tuple[Path, Path]:
        """Where the cache keeps the animation and the still of a clip."""
        mapped = [] if self.options.rig is None else [self.options.rig.sha256]
        key = json.dumps([digest, clip, self.model.sha256, PICTURE_SIZE, *mapped])
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.cache / f"{name}.webp", self.cache / f"{name}-still.webp"

    def _has_pictures(self, digest: str, clip: str | None) -> bool:
        return all(path.is_file() for path in self.picture_paths(digest, clip))

    def _old(self, sidecar: Path, digest: str, clip: str | None) -> dict[str, Any] | None:
        """The sidecar that need not be made again: it fits, or is locked and of the same file."""
        document = read_sidecar(sidecar)
        if document is None:
            return None
        origin = document.get("source")
        same = isinstance(origin, dict) and origin.get("sha256") == digest and origin.get("clip") == clip
        return document if same and (is_locked(document) or self._fits(document)) else None

    def _fits(self, document: dict[str, Any]) -> bool:
        return (
            self.resume
            and document.get("schema") == SCHEMA
            and document.get("model") == self._model()
            and document.get("options") == self.options.as_json()
            and isinstance(document.get("persons"), list)
        )

    def _model(self) -> dict[str, str]:
        return {"id": self.model.id, "sha256": self.model.sha256}

    def _clip(self, source: Source, digest: str, clip: Clip, name: str | None) -> Outcome:
        sidecar = source.sidecar(name)
        old = self._old(sidecar, digest, name)
        if old is None:
            there = read_sidecar(sidecar)
            if there is not None and is_locked(there):
                old = there
        document = old if old is not None else self._document(source, digest, clip, name)
        pictures = None if self._has_pictures(digest, name) else self._pictures(clip.persons)
        return Outcome(name, document, digest, kept=old is not None, pictures=pictures)

    def _document(self, source: Source, digest: str, clip: Clip, name: str | None) -> dict[str, Any]:
        check_clip(clip)
        longest = max(clip.persons, key=len)
        persons = [
            self._person(person, number, clip.origin.warnings if clip.origin else ())
            for person, number in zip(clip.persons, clip.person_ids, strict=True)
        ]
        return {
            "schema": SCHEMA,
            "source": {
                "path": source.shown,
                "sha256": digest,
                "format": clip.origin.format if clip.origin else None,
                "clip": name,
                "fps": _rounded(longest.fps, 3),
                "frames": len(longest),
                "seconds": _rounded(longest.seconds, 3),
            },
            "model": self._model(),
            "options": self.options.as_json(),
            "persons": persons,
            "locked": False,
        }

    def _person(self, person: Person, number: int, warnings: tuple[str, ...]) -> dict[str, Any]:
        rig = map_rig(person.topology, person.joint_positions())
        facts: tuple[str, ...] = ()
        document: dict[str, Any] = {"id": int(number), "joints": len(person.topology)}
        if "label" in self.options.tasks:
            label = self.model.label([person], self.options.labels)
            document["label"] = {"text": label.text, "score": _rounded(label.score, 4), "known": bool(label.known)}
            document["alternatives"] = [
                {"text": other.text, "score": _rounded(other.score, 4)} for other in label.alternatives
            ]
        if "caption" in self.options.tasks:
            said = self.model.caption([person])
            document["caption"], facts = said.caption, said.facts
        else:
            facts = tuple(measure(repaired(unmirrored(person, rig))).sentences())
        if "segments" in self.options.tasks:
            document["segments"] = [
                {
                    "start_s": _rounded(part.start_s, 3),
                    "end_s": _rounded(part.end_s, 3),
                    "start_frame": int(part.start_frame),
                    "end_frame": int(part.end_frame),
                    "label": part.label,
                    "score": _rounded(part.score, 4),
                    "caption": part.caption,
                }
                for part in self.model.segment([person], self.options.labels)
            ]
        document["facts"] = list(facts)
        document["warnings"] = [*warnings, *rig.warnings]
        return document

    def _pictures(self, persons: Sequence[Person]) -> tuple[bytes, bytes] | None:
        try:
            frames = self.model.render(persons, size=PICTURE_SIZE).detach().cpu().numpy().transpose(0, 2, 3, 1)
        except SkeletonLLMError:
            return None  # A locked sidecar stays valid although its clip cannot be drawn any more.
        seconds = max(person.seconds for person in persons)
        return animated_webp(frames, seconds, quality=50), still_webp(frames[len(frames) // 2], quality=50)


@dataclass(frozen=True)
class _Run:
    """One run of `annotate`: does the files, writes all results."""

    sources: list[Source]
    home: Path
    options: Options
    model: str
    device: str
    jobs: int
    resume: bool
    progress: Callable[[Progress], None] | None
    began: float

    def go(self, ignored: tuple[str, ...]) -> Result:
        make = partial(_annotator, self.model, self.device, self.options, self.resume, self.home / CACHE)
        # Also with several processes: what is wrong with the model is found here, in one sentence.
        annotator = make()
        records: list[Record] = []
        pictures: dict[str, tuple[Path, Path]] = {}
        cost = annotator.model.cost
        for done, (source, outcomes) in enumerate(self._outcomes(annotator, make), 1):
            for outcome in outcomes:
                record = self._write(source, outcome, annotator)
                records.append(record)
                if outcome.cost is not None:
                    cost = outcome.cost if cost is None else cost + outcome.cost
                if outcome.document is not None:
                    pictures[record.path] = annotator.picture_paths(outcome.digest, outcome.clip)
            if self.progress is not None:
                failed = sum(record.status == "failed" for record in records)
                took = time.monotonic() - self.began
                self.progress(Progress(done, len(self.sources), len(records), failed, took))
        records.sort(key=lambda record: record.path)
        manifest, report = self.home / MANIFEST, self.home / REPORT
        lines = [json.dumps(record.as_json(), ensure_ascii=False, allow_nan=False) + "\n" for record in records]
        self._save(manifest, "".join(lines).encode("utf-8", "backslashreplace"))
        rows = [_row(record, pictures.get(record.path)) for record in records]
        self._save(report, report_page(rows, annotator.model.id).encode("utf-8", "xmlcharrefreplace"))
        used = {path for both in pictures.values() for path in both}
        for path in (self.home / CACHE).glob("*.webp"):
            if path not in used:
                path.unlink()
        return Result(tuple(records), manifest, report, ignored, time.monotonic() - self.began, cost)

    def _outcomes(self, annotator: Annotator, make: Callable[[], Annotator]) -> Iterator[tuple[Source, list[Outcome]]]:
        good = []
        for source in self.sources:
            if source.problem is None:
                good.append(source)
            else:
                yield source, [Outcome(None, None, error=_shown(source, source.problem))]
        if min(self.jobs, len(good)) <= 1:
            for source in good:
                yield source, annotator(source)
            return
        for source, outcomes in run_jobs(make, good, min(self.jobs, len(good))):
            if isinstance(outcomes, Died):
                told = f"{source.shown}: the process that read it died (exit code {outcomes.exit_code})"
                yield source, [Outcome(None, None, error=told)]
            else:
                yield source, outcomes

    def _write(self, source: Source, outcome: Outcome, annotator: Annotator) -> Record:
        path = source.shown if outcome.clip is None else f"{source.shown}#{outcome.clip}"
        if outcome.document is None:
            return Record(path, "failed", outcome.error, None, None, None, None, took=outcome.took)
        sidecar = source.sidecar(outcome.clip)
        try:
            if not outcome.kept:
                text = json.dumps(outcome.document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
                write_whole(sidecar, text.encode("utf-8", "backslashreplace"))
            if outcome.pictures is not None:
                places = annotator.picture_paths(outcome.digest, outcome.clip)
                for place, picture in zip(places, outcome.pictures, strict=True):
                    write_whole(place, picture)
        except OSError as problem:
            told = f"{source.shown}: its sidecar cannot be written: {reason(problem)}"
            return Record(path, "failed", told, None, None, None, None, took=outcome.took)
        label, score, caption = summary(outcome.document)
        below = Path(os.path.relpath(sidecar, self.home)).as_posix()
        return Record(
            path,
            "ok",
            None,
            label,
            score,
            caption,
            os.fsencode(below).decode("utf-8", "backslashreplace"),
            outcome.document,
            outcome.kept,
            outcome.took,
        )

    def _save(self, path: Path, data: bytes) -> None:
        try:
            write_whole(path, data)
        except OSError as problem:
            raise SkeletonLLMError(f"{path}: cannot be written: {reason(problem)}") from problem


def _annotator(model: str, device: str, options: Options, resume: bool, cache: Path) -> Annotator:
    import torch

    from skeletonllm_core.pipeline import load_model

    torch.set_num_threads(1)
    return Annotator(load_model(model, device=device, seed=options.seed), options, resume, cache)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _row(record: Record, pictures: tuple[Path, Path] | None) -> Row:
    moving, still = [path.read_bytes() if path.is_file() else None for path in pictures] if pictures else [None, None]
    return Row(record.as_json(), record.document, moving, still)


def _told(source: Source, problem: Exception) -> str:
    """What went wrong with a file in one sentence that begins with its path in the library."""
    if isinstance(problem, SkeletonLLMError):
        text = _shown(source, str(problem))
    elif isinstance(problem, OSError):
        text = f"cannot be read: {reason(problem)}"
    else:
        text = internal(problem)
    return text if text.startswith(source.shown) else f"{source.shown}: {text}"


def _shown(source: Source, text: str) -> str:
    """A sentence about a file, with its path below the library instead of where the library lies."""
    return text.replace(str(source.path), source.shown)


def _rounded(value: float, digits: int) -> float:
    # Adding zero turns -0.0 into 0.0.
    return round(float(value), digits) + 0.0
