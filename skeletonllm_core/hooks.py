"""The hooks a plugin can implement, and the values it offers through them.

A plugin is a module with one function per hook, marked `@hookimpl`, and an entry point in the group ``skeletonllm``.
Hooks are listed in the order in which they are called. A plugin may take fewer arguments than a hook passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from skeletonllm_core.motion.motion import Clip
    from skeletonllm_core.motion.skeleton import Topology

PROJECT = "skeletonllm"
"""Name of the pluggy project and of the entry-point group."""

MAX_JOINTS = 2000
"""Skeletons of more joints are refused for every format; a reader that can tell early should refuse early."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class MotionReader:
    """One file format that can be read.

    Attributes:
        name: the format's name, for example ``"bvh"``; also the value of ``--format``.
        suffixes: the endings of its files in lower case, for example ``(".bvh",)``: data, so that nothing is imported
            to choose a reader.
        read: file → its clips. Lengths come out in metres, Y up. Raises MotionFormatError for a bad file.
        sniff: says whether a file is of this format, from its first bytes; only where formats share a suffix
            (.npz, .npy, .json, .txt). It answers False for a file it cannot make sense of.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], list[Clip]]
    sniff: Callable[[Path], bool] | None = None


@dataclass(frozen=True)
class MotionWriter:
    """One file format that can be written.

    Attributes:
        name: the format's name; also the value of ``--format``.
        suffixes: the endings of its files in lower case; the first is the usual one. None of them where another format
            has the better claim to the suffix; then it is written only when asked for by name (``convert --to``).
        write: writes one clip to a new file. Raises MotionFormatError for what the format cannot hold.
    """

    name: str
    suffixes: tuple[str, ...]
    write: Callable[[Clip, Path], None]


@hookspec
def skeletonllm_motion_readers() -> Iterable[MotionReader]:  # type: ignore[empty-body]
    """Offer the file formats this plugin reads."""


@hookspec
def skeletonllm_motion_writers() -> Iterable[MotionWriter]:  # type: ignore[empty-body]
    """Offer the file formats this plugin writes."""


@hookspec
def skeletonllm_topologies() -> Iterable[Topology]:  # type: ignore[empty-body]
    """Offer named joint hierarchies, so files and hosts that use them are recognised."""


@hookspec
def skeletonllm_commands(cli: click.Group) -> None:
    """Add subcommands to the `skeletonllm` command line."""
