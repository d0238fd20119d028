"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".skeletonllm-tmp"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, the file written there takes its name.

    A process that is killed leaves at most the temporary file, which `remove_leftovers` finds.
    """
    # The name is hashed because a temporary name must not be longer than the real one may be.
    temporary = path.with_name("." + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16] + _SUFFIX)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file at once; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files that a killed run left in one folder (not below it); how many there were."""
    left = [entry for entry in folder.glob(".*" + _SUFFIX) if entry.is_file()]
    for entry in left:
        entry.unlink(missing_ok=True)
    return len(left)
