"""A rig map that people can read and correct: body part → joint names, as JSON.

    {"schema": "skeletonllm/rig@1",
     "parts": {"pelvis": ["Hips"], "left_foot": ["Foot.L"], …},
     "drawn": ["Tail1", …],
     "ignored": ["PoleTarget.L", …]}

`drawn` lists joints that are drawn although they are no known part, `ignored` those that are not drawn, part or not.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Keypoints, Person
from skeletonllm_core.motion.rig import RigMap
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton, Topology

SCHEMA = "skeletonllm/rig@1"

_KEYS = ("schema", "parts", "drawn", "ignored")
_MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class RigFile:
    """A rig map by joint names; a name stands for every joint that has it.

    Attributes:
        path: where it was read.
        parts: joint name → body part.
        drawn: joints that are drawn without being a part.
        ignored: joints that are not drawn.
        sha256: of the file.
    """

    path: Path
    parts: Mapping[str, BodyPart]
    drawn: frozenset[str]
    ignored: frozenset[str]
    sha256: str

    def applied(self, person: Person) -> Person:
        """The person with this map in place of what would be worked out.

        Raises:
            SkeletonLLMError: the map names a joint that the skeleton does not have.
        """
        topology = person.topology
        known = set(topology.names)
        for name in [*self.parts, *self.drawn, *self.ignored]:
            if name not in known:
                raise SkeletonLLMError(f"{self.path}: the skeleton has no joint {name!r}{_nearest(name, known)}")
        mapped = Topology(
            self.path.name,
            topology.names,
            topology.parents,
            tuple(self.parts.get(name) for name in topology.names),
            tuple((name in self.parts or name in self.drawn) and name not in self.ignored for name in topology.names),
        )
        if isinstance(person, Keypoints):
            return replace(person, topology=mapped)
        skeleton = person.skeleton
        return replace(
            person, skeleton=Skeleton(mapped, skeleton.rest_offsets, skeleton.tip_joints, skeleton.tip_offsets)
        )


def rig_text(topology: Topology, rig: RigMap) -> str:
    """The content of a rig file that says what `rig` says."""
    rows = list(zip(topology.names, rig.parts, rig.drawn.tolist(), strict=True))
    by_part = {part: [name for name, found, _ in rows if found is part] for part in BodyPart}
    lines = [f"    {_json(part.value)}: {_json(names)}" for part, names in by_part.items() if names]
    drawn = [name for name, part, shown in rows if shown and part is None]
    ignored = [name for name, _, shown in rows if not shown]
    parts = ",\n".join(lines)
    return (
        f'{{\n  "schema": {_json(SCHEMA)},\n  "parts": {{\n{parts}\n  }},\n'
        f'  "drawn": {_json(drawn)},\n  "ignored": {_json(ignored)}\n}}\n'
    )


def _json(value: str | list[str]) -> str:
    """A name, or a list of names each once, on one line."""
    return json.dumps(value if isinstance(value, str) else list(dict.fromkeys(value)), ensure_ascii=False)


def read_rig(path: Path) -> RigFile:
    """Read a rig file.

    Raises:
        SkeletonLLMError: it cannot be read, is no such file, names a part that there is none of, or a joint twice.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SkeletonLLMError(f"{path}: larger than a rig map can be ({_MOST_BYTES >> 20} MB)")
        data = path.read_bytes()
        document = json.loads(data)
    except OSError as problem:
        raise SkeletonLLMError(f"{path}: {(problem.strerror or str(problem)).lower()}") from problem
    except (ValueError, RecursionError) as problem:
        raise SkeletonLLMError(f"{path}: is no JSON: {problem}") from problem
    if not isinstance(document, dict) or document.get("schema", SCHEMA) != SCHEMA or "parts" not in document:
        raise SkeletonLLMError(
            f'{path}: is no rig map; `info FILE --write-rig MAP.json` writes one ("schema": "{SCHEMA}")'
        )
    stray = next((key for key in document if key not in _KEYS), None)
    if stray is not None:
        raise SkeletonLLMError(f"{path}: unknown key {stray!r}; a rig map has {', '.join(_KEYS)}")
    listed = document["parts"]
    if not isinstance(listed, dict):
        raise SkeletonLLMError(f'{path}: "parts" must be an object: body part → list of joint names')
    parts: dict[str, BodyPart] = {}
    known = {part.value for part in BodyPart}
    for part, names in listed.items():
        if part not in known:
            raise SkeletonLLMError(f"{path}: there is no body part {part!r}{_nearest(part, known)}")
        for name in _names(path, part, names):
            if parts.setdefault(name, BodyPart(part)) != part:
                raise SkeletonLLMError(f"{path}: the joint {name!r} is given as {parts[name].value} and as {part}")
    drawn = frozenset(_names(path, "drawn", document.get("drawn", [])))
    ignored = frozenset(_names(path, "ignored", document.get("ignored", [])))
    for name in sorted(drawn & ignored):
        raise SkeletonLLMError(f"{path}: the joint {name!r} is both drawn and ignored")
    return RigFile(path, parts, drawn, ignored, hashlib.sha256(data).hexdigest())


def _names(path: Path, key: str, names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SkeletonLLMError(f"{path}: {key!r} must be a list of joint names")
    return names


def _nearest(name: str, known: set[str]) -> str:
    """A question after the name that may be meant, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"; is {close[0]!r} meant?" if close else ""
