# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogs of the asset browser: Blender offers no calls for them, only a text file beside the .blend files.

The file: https://docs.blender.org/manual/en/latest/files/asset_libraries/catalogs.html
"""

import os
import uuid
from pathlib import Path

from .problems import Problem

FILE = "blender_assets.cats.txt"
_OURS = uuid.UUID("5c1f2b7e-6a0d-4d0e-9b1c-2f4f3a1d7c55")
_HEAD = """# This is an Asset Catalog Definition file for Blender.
#
# Empty lines and lines starting with `#` will be ignored.
# The first non-ignored line should be the version indicator.
# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"

VERSION 1

"""


def catalog_path(above, label):
    """The catalog of a label below another one; a colon ends a path and a slash begins a catalog below."""
    return f"{above.strip('/ ').replace(':', '-')}/{label.replace(':', '-').replace('/', '-')}"


def folder_of(blend, libraries):
    """Where the catalogs of a .blend file are kept: in the root of the asset library that holds it, else beside it.

    Args:
        blend: path of the file.
        libraries: roots of the asset libraries in the preferences.
    """
    home = Path(blend).parent
    roots = [Path(one) for one in libraries if one]
    return next((root for root in roots if root == home or root in home.parents), home)


def known(folder):
    """Path → UUID of the catalogs in a folder.

    Raises:
        Problem: the file cannot be read, or is of another version.
    """
    path = folder / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise Problem("{path}: the catalogs cannot be read: {problem}", path=path, problem=problem) from problem
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if not rows or rows[0].strip() != "VERSION 1":
        raise Problem("{path}: the catalogs are of a version that this add-on does not know", path=path)
    return {parts[1]: parts[0] for row in rows[1:] if len(parts := row.split(":")) == 3}


def uuid_of(folder, catalog):
    """The UUID that a catalog has, or will have once `add` was called; as `known` raises."""
    return known(folder).get(catalog) or str(uuid.uuid5(_OURS, catalog))


def add(folder, catalog):
    """Write a catalog into the file, which appears whole, unless it is there; as `known` raises, or where it cannot be."""
    if catalog in known(folder):
        return
    path = folder / FILE
    text = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    line = f"{uuid_of(folder, catalog)}:{catalog}:{catalog.replace('/', '-')}\n"
    write_whole(path, f"{text.rstrip()}\n{line}")


def write_whole(path, text):
    """Write a text file, whole or not at all.

    Raises:
        Problem: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))
        os.replace(temporary, path)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        told = (problem.strerror or str(problem)).lower()
        raise Problem("{path}: cannot be written: {problem}", path=path, problem=told) from problem
