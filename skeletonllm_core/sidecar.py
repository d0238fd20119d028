"""Sidecars as they are found on the disk, whole or broken, made by us or corrected by a person."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from skeletonllm_core.errors import SkeletonLLMError

SCHEMA = "skeletonllm/annotation@1"


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """A sidecar's content; None where there is none or it is broken, so that it is made again.

    Raises:
        SkeletonLLMError: it is broken and looks locked: a person's correction must not be lost over a missing comma.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as problem:
        if re.search(rb'"locked"\s*:\s*true', data):
            told = f"{path.name} is locked but no valid JSON ({problem}): mend or delete it"
            raise SkeletonLLMError(told) from problem
        return None
    return document if isinstance(document, dict) else None


def is_locked(document: dict[str, Any]) -> bool:
    """True where a person has corrected this sidecar."""
    return document.get("locked") is True


def summary(document: dict[str, Any]) -> tuple[str | None, float | None, str | None]:
    """Label, score and caption of a clip from its sidecar; of several persons the surest label and all captions."""
    listed = document.get("persons")
    persons = [person for person in listed if isinstance(person, dict)] if isinstance(listed, list) else []
    best: tuple[str | None, float | None] = (None, None)
    for person in persons:
        label = person.get("label")
        if isinstance(label, dict) and isinstance(label.get("text"), str):
            score = label.get("score")
            known = float(score) if isinstance(score, int | float) and math.isfinite(score) else None
            if best[0] is None or (known or 0.0) > (best[1] or 0.0):
                best = (label["text"], known)
    captions = [person["caption"] for person in persons if isinstance(person.get("caption"), str)]
    if len(captions) > 1:
        return *best, " ".join(f"Person {index}: {caption}" for index, caption in enumerate(captions, 1))
    return *best, captions[0] if captions else None
