"""Finds the plugins, lists the broken ones, and hands each file to the right reader or writer."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pluggy

from skeletonllm_core import hooks
from skeletonllm_core.errors import MotionFormatError, PluginError, TopologyError
from skeletonllm_core.hooks import MAX_JOINTS, MotionReader, MotionWriter
from skeletonllm_core.motion.motion import Clip, Keypoints, Motion, Person

if TYPE_CHECKING:
    import click

    from skeletonllm_core.motion.skeleton import Topology

STRICT = "SKELETONLLM_STRICT_PLUGINS"
"""Environment variable: "1" makes a broken plugin an error instead of a line in the list."""

_IMPLAUSIBLE = 1e6
"""No joint is as far away as this [m]."""

_SLOWEST, _FASTEST = 1e-3, 1e5
"""Frame rates beyond these are mistakes [1/s]."""


class Plugins:
    """The plugins in use and what they offer.

    A new object knows no plugin; `discover` adds those that are installed, `register` adds one.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        self._rows: dict[str, tuple[str, str | None]] = {}
        self._readers: dict[str, list[MotionReader]] = {}
        self._writers: dict[str, list[MotionWriter]] = {}
        self._topologies: dict[str, list[Topology]] = {}

    # --- which plugins there are

    def discover(self) -> None:
        """Adds every installed plugin, one by one; a broken one is kept in the list with its error.

        Raises:
            PluginError: a plugin is broken and this object is strict.
        """
        for point in sorted(entry_points(group=hooks.PROJECT), key=lambda point: point.name):
            version = point.dist.version if point.dist is not None else ""
            self._add(point.name, version, point.load)

    def register(self, plugin: object, name: str, version: str = "") -> None:
        """Adds one plugin: a module or an object with functions marked `hookimpl`.

        Raises:
            PluginError: it is broken and this object is strict; else it is listed with its error.
        """
        self._add(name, version, lambda: plugin)

    def unregister(self, name: str) -> None:
        """Takes a plugin out again, a broken one too."""
        self._forget(name)
        self._rows.pop(name, None)

    def _add(self, name: str, version: str, load: Callable[[], object]) -> None:
        if name in self._rows:
            self._fault(f"{name} (again)", version, f"a plugin called {name!r} is already there")
            return
        # A plugin is foreign code: whatever it raises is kept and shown, and the others go on.
        try:
            plugin = load()
            self._manager.register(plugin, name)
            self._manager.check_pending()
            self._readers[name] = list(self._offered(plugin, "skeletonllm_motion_readers"))
            self._writers[name] = list(self._offered(plugin, "skeletonllm_motion_writers"))
            self._topologies[name] = list(self._offered(plugin, "skeletonllm_topologies"))
        except Exception as problem:
            self._forget(name)
            self._fault(name, version, f"{type(problem).__name__}: {problem}", problem)
        else:
            self._rows[name] = (version, None)

    def _offered(self, plugin: object, hook: str) -> Iterable[Any]:
        """What one plugin answers to a hook that takes no arguments."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin is plugin:
                yield from implementation.function()

    def _forget(self, name: str) -> None:
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
        for offers in (self._readers, self._writers, self._topologies):
            offers.pop(name, None)

    def _fault(self, name: str, version: str, error: str, cause: Exception | None = None) -> None:
        if self.strict:
            raise PluginError(f"plugin {name!r} is broken: {error}") from cause
        self._rows[name] = (version, error)

    def installed(self) -> list[tuple[str, str, str | None]]:
        """Name, version and error (None where it works) of every plugin, by name."""
        return [(name, *self._rows[name]) for name in sorted(self._rows)]

    def add_commands(self, cli: click.Group) -> None:
        """Lets every plugin add its subcommands; one that fails is listed as broken."""
        for implementation in self._manager.hook.skeletonllm_commands.get_hookimpls():
            name, known = implementation.plugin_name, dict(cli.commands)
            arguments = [cli] if implementation.argnames else []
            try:
                implementation.function(*arguments)
            except Exception as problem:  # Foreign code, as in `_add`.
                self._fault(name, self._rows[name][0], f"{type(problem).__name__}: {problem}", problem)
                cli.commands = known

    # --- what they offer

    def readers(self) -> list[MotionReader]:
        """Every format that can be read, by name."""
        return sorted((one for some in self._readers.values() for one in some), key=lambda one: one.name)

    def writers(self) -> list[MotionWriter]:
        """Every format that can be written, by name."""
        return sorted((one for some in self._writers.values() for one in some), key=lambda one: one.name)

    def topologies(self) -> list[Topology]:
        """Every named topology, by name."""
        return sorted((one for some in self._topologies.values() for one in some), key=lambda one: one.name)

    def topology(self, name: str) -> Topology:
        """The topology of that name.

        Raises:
            TopologyError: there is none; the text lists those there are.
        """
        known = self.topologies()
        for topology in known:
            if topology.name == name:
                return topology
        raise TopologyError(
            f"{name!r} is neither a file nor a named topology; known: {', '.join(one.name for one in known) or 'none'}"
        )

    # --- files

    def reader_of(self, path: Path, format: str | None = None) -> MotionReader:
        """The reader that takes a file: by `format`, else by suffix, then by looking into the file.

        Raises:
            MotionFormatError: no reader takes it.
            PluginError: several readers claim it.
        """
        fitting = _fitting(self.readers(), path, format, "read")
        if len(fitting) > 1:
            claims = [reader for reader in fitting if reader.sniff is None or reader.sniff(path)]
            if not claims:
                names = ", ".join(reader.name for reader in fitting)
                raise MotionFormatError(
                    path, f"none of the formats with this suffix fits the file: {names}", format="unknown"
                )
            fitting = claims
        return _only(fitting, path)

    def read_clips(self, path: str | os.PathLike[str], format: str | None = None) -> list[Clip]:
        """All clips of a file, in file order.

        Args:
            path: the file.
            format: name of the reader; None to choose by suffix and content.

        Raises:
            MotionFormatError: the file is missing, unreadable, bad, or of no known format.
            PluginError: several readers claim the file.
        """
        path = Path(path)
        _check_file(path, format)
        reader = self.reader_of(path, format)
        try:
            clips = reader.read(path)
        except OSError as problem:
            raise MotionFormatError(path, f"cannot be read: {_reason(problem)}", format=reader.name) from problem
        except UnicodeDecodeError as problem:
            raise MotionFormatError(path, f"is no {problem.encoding} text", format=reader.name) from problem
        _check_clips(clips, path, reader.name)
        return clips

    def read(self, path: str | os.PathLike[str], clip: str | None = None, format: str | None = None) -> list[Person]:
        """The persons of one clip of a file.

        Args:
            path: the file.
            clip: name of the clip; may be left out where the file holds only one.
            format: name of the reader; None to choose by suffix and content.

        Raises:
            MotionFormatError: as `read_clips`; there are several clips and none was named; there is none of that name.
        """
        path = Path(path)
        clips = self.read_clips(path, format)
        names = ", ".join(repr(one.name) for one in clips)
        form = clips[0].origin.format if clips[0].origin is not None else format or "unknown"
        if clip is None:
            if len(clips) > 1:
                raise MotionFormatError(path, f"holds {len(clips)} clips, name one of them: {names}", format=form)
            return clips[0].persons
        for one in clips:
            if one.name == clip:
                return one.persons
        raise MotionFormatError(path, f"there is no clip {clip!r}; it holds: {names}", format=form)

    def write(
        self,
        persons: Clip | Person | Sequence[Person],
        path: str | os.PathLike[str],
        format: str | None = None,
    ) -> None:
        """Writes one clip; the file appears whole or not at all.

        Args:
            persons: a Clip, one person, or the persons of a clip.
            path: the file; one that is there is replaced.
            format: name of the writer; None to choose by suffix.

        Raises:
            MotionFormatError: no writer takes the suffix, the folder cannot be written to, or the format cannot hold it.
            PluginError: several writers claim the suffix.
        """
        path = Path(path)
        if isinstance(persons, Clip):
            clip = persons
        else:
            clip = Clip("", [persons] if isinstance(persons, Motion | Keypoints) else list(persons))
        writer = _only(_fitting(self.writers(), path, format, "write"), path)
        _check_clips([clip], path, writer.name)
        # The suffix stays last: some writers look at it. The leading dot keeps half a file out of listings.
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
        try:
            writer.write(clip, temporary)
            os.replace(temporary, path)
        except OSError as problem:
            raise MotionFormatError(path, f"cannot be written: {_reason(problem)}", format=writer.name) from problem
        except MotionFormatError as problem:
            if problem.path == temporary:
                raise MotionFormatError(path, problem.problem, format=problem.format) from None
            raise
        finally:
            with suppress(OSError):
                temporary.unlink()


def _fitting(formats: list[Any], path: Path, format: str | None, verb: str) -> list[Any]:
    """Those of the readers or writers that have this name, or else one of whose suffixes the path ends with."""
    if format is not None:
        named = [one for one in formats if one.name == format]
        if not named:
            names = ", ".join(dict.fromkeys(one.name for one in formats)) or "none"
            raise MotionFormatError(path, f"no plugin can {verb} this format; known: {names}", format=format)
        return named
    name = path.name.lower()
    fitting = [one for one in formats if name.endswith(one.suffixes)]
    if not fitting and verb == "read" and name.endswith(_PICKLES):
        raise MotionFormatError(
            path, "is a pickle, which may run any code when it is loaded; save its arrays as .npz", format="unknown"
        )
    if not fitting:
        known = " ".join(sorted({suffix for one in formats for suffix in one.suffixes})) or "none"
        problem = f"the suffix {path.suffix!r} is not known" if path.suffix else "the name has no suffix"
        raise MotionFormatError(path, f"{problem}; those that can be {_PAST[verb]}: {known}", format="unknown")
    return fitting


_PICKLES = (".pkl", ".pickle", ".p", ".joblib")
_PAST = {"read": "read", "write": "written"}


def _only(claims: list[Any], path: Path) -> Any:
    if len(claims) > 1:
        listed = " and ".join(f"{one.name!r} ({_home(one)})" for one in claims)
        if len({one.name for one in claims}) == 1:
            raise PluginError(f"{path}: two plugins offer one format: {listed}; remove one of them")
        raise PluginError(f"{path}: several formats claim this file: {listed}; choose one with --format")
    return claims[0]


def _home(one: MotionReader | MotionWriter) -> str:
    return (one.read if isinstance(one, MotionReader) else one.write).__module__


def _check_file(path: Path, format: str | None) -> None:
    """Says in one sentence why a path cannot be a motion file at all."""
    name = format or path.suffix.lower().lstrip(".") or "unknown"

    def fail(problem: str, cause: Exception | None = None) -> NoReturn:
        raise MotionFormatError(path, problem, format=name) from cause

    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            fail("is a folder, not a motion file")
        if not stat.S_ISREG(mode):
            fail("is no regular file")
        with path.open("rb") as file:
            if not file.read(1):
                fail("the file is empty")
    except FileNotFoundError as problem:
        fail("there is no such file", problem)
    except PermissionError as problem:
        fail("may not be read: permission denied", problem)
    except OSError as problem:
        fail(f"cannot be read: {_reason(problem)}", problem)
    except ValueError as problem:  # A NUL character in the name.
        fail("is no file name", problem)


def _check_clips(clips: list[Clip], path: Path, format: str) -> None:
    """What every format must keep to: somebody, some frames, not too many joints, numbers that can be places."""

    def fail(problem: str) -> NoReturn:
        raise MotionFormatError(path, problem, format=format)

    if not clips:
        fail("there is no motion in it")
    for clip in clips:
        if not clip.persons:
            fail("nobody is in it")
        for person in clip.persons:
            if not len(person):
                fail("the clip has 0 frames")
            if not _SLOWEST <= person.fps <= _FASTEST:
                fail(f"{person.fps:g} frames a second is no plausible frame rate")
            joints = len(person.topology)
            if joints > MAX_JOINTS:
                fail(f"the skeleton has {joints} joints; more than {MAX_JOINTS} are refused")
            if isinstance(person, Keypoints):
                known = np.isfinite(person.positions)
                if not known.any():
                    fail("no joint is known in any frame")
                bad = ~(np.abs(person.positions) < _IMPLAUSIBLE) & ~np.isnan(person.positions)
                if bad.any():
                    frame, joint = np.argwhere(bad)[0, :2]
                    fail(f"joint {person.topology.names[joint]!r} is at no plausible place in frame {frame}")
            elif not all(
                (np.abs(values) < _IMPLAUSIBLE).all()  # False for NaN
                for values in (
                    person.rotations,
                    person.root_translation,
                    person.skeleton.rest_offsets,
                    np.asarray(person.skeleton.tip_offsets),
                    *(() if person.local_translations is None else (person.local_translations,)),
                )
            ):
                fail("a rotation or a place is no number or no plausible one")


def _reason(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()


# --- the installed plugins


@lru_cache(maxsize=1)
def discovered() -> Plugins:
    """The installed plugins; found once.

    Raises:
        PluginError: one is broken and the environment variable SKELETONLLM_STRICT_PLUGINS is 1.
    """
    found = Plugins(strict=os.environ.get(STRICT) == "1")
    found.discover()
    return found


def installed() -> list[tuple[str, str, str | None]]:
    """Name, version and error (None where it works) of every installed plugin."""
    return discovered().installed()


def add_commands(cli: click.Group) -> None:
    """Lets every installed plugin add its subcommands."""
    discovered().add_commands(cli)


def readers() -> list[MotionReader]:
    """Every format that can be read."""
    return discovered().readers()


def writers() -> list[MotionWriter]:
    """Every format that can be written."""
    return discovered().writers()


def topology(name: str) -> Topology:
    """The named topology; see `Plugins.topology`."""
    return discovered().topology(name)


def read_clips(path: str | os.PathLike[str], format: str | None = None) -> list[Clip]:
    """All clips of a file; see `Plugins.read_clips`."""
    return discovered().read_clips(path, format)


def read(path: str | os.PathLike[str], clip: str | None = None, format: str | None = None) -> list[Person]:
    """The persons of one clip of a file; see `Plugins.read`."""
    return discovered().read(path, clip, format)


def write(persons: Clip | Person | Sequence[Person], path: str | os.PathLike[str], format: str | None = None) -> None:
    """Writes a clip to a file; see `Plugins.write`."""
    discovered().write(persons, path, format)
