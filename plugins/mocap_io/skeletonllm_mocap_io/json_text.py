"""JSON files from strangers: parsed, or refused in one sentence."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_core.errors import MotionFormatError


def load_json(path: Path, format: str) -> Any:
    """The value that a JSON file holds.

    Raises:
        MotionFormatError: it is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as problem:
        said = problem.msg[:1].lower() + problem.msg[1:]
        raise MotionFormatError(path, f"is no whole JSON: {said}", format=format, line=problem.lineno) from problem
    except UnicodeDecodeError as problem:
        raise MotionFormatError(path, f"is no {problem.encoding} text", format=format) from problem
    except (RecursionError, ValueError) as problem:  # Nested too deeply; a whole number of thousands of digits.
        raise MotionFormatError(path, "is no JSON that can be a motion", format=format) from problem


def mentions(path: Path, *keys: bytes) -> bool:
    """Whether one of the keys stands anywhere in a file, in double quotes."""
    with path.open("rb") as file:
        try:
            text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # An empty file.
            return False
        with text:
            return any(text.find(b'"' + key + b'"') >= 0 for key in keys)


def numbers(value: Any) -> np.ndarray | None:
    """A list, or a list of equally long lists, of numbers as float64; null becomes NaN. None for anything else."""
    if not isinstance(value, list):
        return None
    try:
        array = np.array(value)
        if array.dtype.kind in "iuf":
            return array.astype(np.float64)
        if array.dtype != object or any(isinstance(one, str | bool | dict) for one in array.flat):
            return None
        return array.astype(np.float64)  # None becomes NaN
    except (TypeError, ValueError, OverflowError):
        return None
