"""The add-on as one .zip, which Blender installs; the same files give the same bytes."""

from __future__ import annotations

import os
import zipfile
from io import BytesIO
from pathlib import Path

from skeletonllm_core.errors import SkeletonLLMError

ADDON = Path(__file__).with_name("addon")

_FOLDER = "skeletonllm"
_SUFFIXES = (".py", ".toml")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def package_bytes() -> bytes:
    """The .zip: one folder, as Blender 3.4 needs it; stored, because compressors differ from machine to machine."""
    files = sorted(path for path in ADDON.iterdir() if path.suffix in _SUFFIXES or path.name == "LICENSE")
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(f"{_FOLDER}/{path.name}", _LONG_AGO)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return content.getvalue()


def write_package(path: Path) -> None:
    """Write the .zip, whole or not at all.

    Raises:
        SkeletonLLMError: it is called otherwise, or cannot be written.
    """
    if path.suffix.lower() != ".zip":
        raise SkeletonLLMError(f"{path}: Blender installs .zip files: name it like skeletonllm.zip")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(package_bytes())
        os.replace(temporary, path)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        told = (problem.strerror or str(problem)).lower()
        raise SkeletonLLMError(f"{path}: cannot be written: {told}") from problem
