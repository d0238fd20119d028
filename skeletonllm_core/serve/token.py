"""The worker's token: made at start, kept in a file that only its user can read, removed at the end."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skeletonllm_core.errors import SkeletonLLMError


@contextmanager
def token_file(path: Path) -> Iterator[str]:
    """A new token, kept in a file of mode 0600 as long as the block lasts.

    A token that an earlier worker left there is replaced; any other file stays, and is an error.

    Raises:
        SkeletonLLMError: the file cannot be written, or is something else than a token.
    """
    token = secrets.token_urlsafe(32)
    text = token + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_old(path)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as problem:
        told = (problem.strerror or str(problem)).lower()
        raise SkeletonLLMError(f"{path}: the token cannot be kept there: {told}; choose a --token-file") from problem
    try:
        yield token
    finally:
        if _content(path) == text:
            path.unlink(missing_ok=True)


def _remove_old(path: Path) -> None:
    if not os.path.lexists(path):
        return
    content = _content(path)
    if content is None or not re.fullmatch(r"[\w-]{43}\n", content):
        raise SkeletonLLMError(f"{path}: this file is no token of a worker; choose another --token-file")
    path.unlink()


def _content(path: Path) -> str | None:
    """The text of a small regular file, None for anything else."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > 100:
            return None
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
