"""Clip ↔ JSON. A person's motion travels with its own fps, unit and up axis; here it becomes metres, Y up.

A clip is ``{"name": "walk", "persons": [person, …]}``, a person::

    {"id": 0, "fps": 30.0, "up_axis": "y", "unit": "m",
     "skeleton": {"names": [J], "parents": [J], "rest_offsets": [J][3]},
     "positions": [T][J][3]    or    "rotations": [T][J][4] (w, x, y, z), "root": [T][3]}

``parents`` holds -1 at a root; joints may come in any order. null in ``positions`` marks a coordinate that is missing.
Optional: ``id`` (the index), ``up_axis`` ("y"), ``unit`` ("m"; or metres a unit), ``rest_offsets`` beside ``positions``,
``local_translations`` [T][J][3] beside ``rotations``; in the skeleton ``name``, ``tip_joints`` [K] with ``tip_offsets``
[K][3], ``parts`` [J] (names of body parts or null) with ``drawn`` [J].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skeletonllm_core.errors import TopologyError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Clip, Keypoints, Motion, Origin, Person
from skeletonllm_core.motion.orientation import UNITS, reoriented, to_y_up
from skeletonllm_core.motion.skeleton import BodyPart, Skeleton, Topology, ordered
from skeletonllm_core.remote import fields

FORMAT = "json"
"""The format that a clip from a message is said to have."""

MAX_PERSONS = 64
MAX_PLACES = 2_000_000
"""Frames times joints that a clip may have, all persons together."""

MAX_SECONDS = 3600.0
"""Length that a clip may have [s]."""

LONGEST_NAME = 200
"""Characters in a name."""

_FURTHEST = 1e6
_DECIMALS = 6
_SLOWEST, _FASTEST = 1e-3, 1e5
_ID = 2**63 - 1

UP_AXES = ("y", "z", "x", "-y", "-z", "-x")
_PERSON = ("id", "fps", "up_axis", "unit", "skeleton", "positions", "rotations", "root", "local_translations")
_SKELETON = ("name", "names", "parents", "rest_offsets", "tip_joints", "tip_offsets", "parts", "drawn")


def clip_to_json(clip: Clip | Person | Sequence[Person]) -> dict[str, Any]:
    """The keys ``name`` and ``persons`` of a message; lengths in metres with 6 decimals, Y up, NaN as null.

    Raises:
        MessageError: a number is infinite.
    """
    if isinstance(clip, Motion | Keypoints):
        clip = [clip]
    if not isinstance(clip, Clip):
        clip = Clip(clip[0].name if clip else "", list(clip))
    persons = [_person_to_json(person, number) for person, number in zip(clip.persons, clip.person_ids, strict=True)]
    return {"name": _utf8(clip.name), "persons": persons}


def clip_from_json(name: Any, persons: Any) -> Clip:
    """The clip of the keys ``name`` and ``persons`` of a message, in metres, Y up.

    Raises:
        MessageError: the keys do not describe a motion.
    """
    named = fields.text(name, "name", LONGEST_NAME)
    listed = fields.listed(persons, "persons", MAX_PERSONS)
    if not listed:
        fields.fail("persons", "is empty: nobody is in the clip")
    people: list[Person] = []
    numbers: list[int] = []
    origin = None
    for index, value in enumerate(listed):
        where = f"persons[{index}]"
        given = fields.check_object(value, where, _PERSON)
        number = fields.whole(given.get("id", index), f"{where}.id", -_ID, _ID)
        if number in numbers:
            fields.fail(f"{where}.id", f"is {number}, and so is that of another person")
        unit, metres = _unit(given.get("unit", "m"), f"{where}.unit")
        up_axis = given.get("up_axis", "y")
        if up_axis not in UP_AXES:
            fields.fail(f"{where}.up_axis", f"must be one of {', '.join(UP_AXES)}")
        person = reoriented(_person(given, named, where), to_y_up(up_axis), metres)
        if _furthest(person) > _FURTHEST:
            fields.fail(where, f"is too large: with the unit {unit} it spans more than {_FURTHEST:g} m")
        people.append(person)
        numbers.append(number)
        origin = origin or Origin(FORMAT, unit=unit, up_axis=up_axis)
        if sum(len(one) * len(one.topology) for one in people) > MAX_PLACES:
            fields.fail(where, f"is too long: frames times joints of all persons may be {MAX_PLACES:,} at most")
    return Clip(named, people, origin, tuple(numbers))


def _person(given: dict[str, Any], name: str, where: str) -> Person:
    """A person in the unit and axes of the message."""
    fps = fields.number(fields.required(given, "fps", where), f"{where}.fps", _SLOWEST, _FASTEST)
    skeleton, order = _skeleton(fields.required(given, "skeleton", where), "rotations" in given, f"{where}.skeleton")
    joints = len(skeleton)
    if ("positions" in given) == ("rotations" in given):
        fields.fail(where, 'must have either "positions" or "rotations" with "root"')

    def frames_of(key: str, width: int, *, missing: bool = False) -> np.ndarray:
        """(T, J, width), joints in the order of the skeleton."""
        value = fields.array(given[key], f"{where}.{key}", (None, joints, width), _FURTHEST, missing=missing)
        if not len(value):
            fields.fail(f"{where}.{key}", "has no frames")
        if len(value) / fps > MAX_SECONDS:
            fields.fail(where, f"lasts {len(value) / fps:.0f} s; more than {MAX_SECONDS:.0f} s are refused")
        return value[:, order]

    if "positions" in given:
        for key in ("root", "local_translations"):
            if key in given:
                fields.fail(f"{where}.{key}", 'belongs to "rotations", not to "positions"')
        positions = frames_of("positions", 3, missing=True)
        if not np.isfinite(positions).all(-1).any():
            fields.fail(f"{where}.positions", "has no known joint in any frame")
        return Keypoints(skeleton.topology, positions, fps, name)
    rotations = frames_of("rotations", 4)
    root = fields.array(
        fields.required(given, "root", where), f"{where}.root", (len(rotations), 3), _FURTHEST, missing=False
    )
    if not (np.abs(np.linalg.norm(rotations, axis=-1) - 1) < 0.1).all():
        fields.fail(f"{where}.rotations", "must hold unit quaternions (w, x, y, z)")
    local = frames_of("local_translations", 3) if "local_translations" in given else None
    if local is not None and len(local) != len(rotations):
        fields.fail(f"{where}.local_translations", f"must have {len(rotations)} values, found {len(local)}")
    return Motion(skeleton, rotation.normalize(rotations), root, fps, name, local)


def _skeleton(value: Any, has_rotations: bool, where: str) -> tuple[Skeleton, np.ndarray]:
    """The skeleton, parents before children, and the (J,) place in the message of each of its joints."""
    given = fields.check_object(value, where, _SKELETON)
    name = fields.text(given.get("name", ""), f"{where}.name", LONGEST_NAME)
    listed = fields.required(given, "names", where)
    if isinstance(listed, list) and len(listed) > MAX_JOINTS:
        fields.fail(f"{where}.names", f"has {len(listed)} joints; more than {MAX_JOINTS} are refused")
    names = fields.texts(listed, f"{where}.names", MAX_JOINTS, LONGEST_NAME)
    joints = len(names)
    if not joints:
        fields.fail(f"{where}.names", "is empty: the skeleton has no joints")
    key = f"{where}.parents"
    parents = np.array(fields.wholes(fields.required(given, "parents", where), key, -1, joints - 1, MAX_JOINTS))
    if len(parents) != joints:
        fields.fail(key, f"must have {joints} values as there are names, found {len(parents)}")
    try:
        order = ordered(parents)
    except TopologyError as problem:
        fields.fail(key, f"is no tree: {problem}")
    place = np.append(np.argsort(order), -1)
    parts, drawn = _body_parts(given, joints, where)
    topology = Topology(
        name or "message",
        tuple(names[joint] for joint in order),
        place[parents[order]],
        None if parts is None else tuple(parts[joint] for joint in order),
        None if drawn is None else tuple(drawn[joint] for joint in order),
    )
    if has_rotations:
        fields.required(given, "rest_offsets", where)
    rest = np.zeros((joints, 3))
    if "rest_offsets" in given:
        rest = fields.array(given["rest_offsets"], f"{where}.rest_offsets", (joints, 3), _FURTHEST)
    if ("tip_joints" in given) != ("tip_offsets" in given):
        fields.fail(where, 'must have both "tip_joints" and "tip_offsets", or neither')
    tips = fields.wholes(given.get("tip_joints", []), f"{where}.tip_joints", 0, joints - 1, MAX_JOINTS)
    ends = fields.array(given.get("tip_offsets", []), f"{where}.tip_offsets", (len(tips), 3), _FURTHEST)
    return Skeleton(topology, rest[order], place[np.array(tips, dtype=np.int64)], ends), order


def _body_parts(
    given: dict[str, Any], joints: int, where: str
) -> tuple[list[BodyPart | None] | None, list[bool] | None]:
    if "parts" not in given:
        if "drawn" in given:
            fields.fail(f"{where}.drawn", 'goes with "parts"')
        return None, None
    parts: list[BodyPart | None] = []
    for index, value in enumerate(fields.listed(given["parts"], f"{where}.parts", MAX_JOINTS)):
        if value is not None and value not in tuple(BodyPart):
            known = ", ".join(BodyPart)
            fields.fail(f"{where}.parts[{index}]", f"must be null or one of {known}")
        parts.append(None if value is None else BodyPart(value))
    drawn = None
    if "drawn" in given:
        listed = fields.listed(given["drawn"], f"{where}.drawn", MAX_JOINTS)
        drawn = [fields.flag(value, f"{where}.drawn[{index}]") for index, value in enumerate(listed)]
    for key, rows in (("parts", parts), ("drawn", drawn)):
        if rows is not None and len(rows) != joints:
            fields.fail(f"{where}.{key}", f"must have {joints} values as there are names, found {len(rows)}")
    return parts, drawn


def _unit(value: Any, key: str) -> tuple[str, float]:
    """Name and length [m] of a unit."""
    if isinstance(value, str):
        for name, metres in UNITS:
            if value == name:
                return name, metres
        fields.fail(key, f"must be one of {', '.join(name for name, _ in UNITS)}, or how many metres a unit is")
    metres = fields.number(value, key, 1e-6, 1e6)
    return f"{metres:g} m", metres


def _furthest(person: Person) -> float:
    """The largest length in a person [m]."""
    if isinstance(person, Keypoints):
        return float(np.nanmax(np.abs(person.positions)))
    lengths = [person.root_translation, person.skeleton.rest_offsets, person.skeleton.tip_offsets]
    lengths += [person.local_translations] if person.local_translations is not None else []
    return max(float(np.abs(one).max(initial=0)) for one in lengths if one is not None)


def _person_to_json(person: Person, number: int) -> dict[str, Any]:
    topology = person.topology
    skeleton: dict[str, Any] = {
        "name": _utf8(topology.name),
        "names": [_utf8(name) for name in topology.names],
        "parents": topology.parents.tolist(),
    }
    if topology.parts is not None:
        skeleton["parts"] = [None if part is None else part.value for part in topology.parts]
        if topology.drawn is not None:
            skeleton["drawn"] = [bool(one) for one in topology.drawn]
    rows = {"id": int(number), "fps": float(person.fps), "up_axis": "y", "unit": "m", "skeleton": skeleton}
    if isinstance(person, Keypoints):
        return {**rows, "positions": _lists(person.positions)}
    skeleton["rest_offsets"] = _lists(person.skeleton.rest_offsets)
    if len(np.asarray(person.skeleton.tip_joints)):
        skeleton["tip_joints"] = np.asarray(person.skeleton.tip_joints).tolist()
        skeleton["tip_offsets"] = _lists(np.asarray(person.skeleton.tip_offsets))
    rows |= {"rotations": _lists(person.rotations), "root": _lists(person.root_translation)}
    if person.local_translations is not None:
        rows["local_translations"] = _lists(person.local_translations)
    return rows


def _utf8(name: str) -> str:
    """The name; bytes in it that are no UTF-8 (from a file's name) become escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _lists(values: np.ndarray) -> list[Any]:
    """Nested lists of numbers rounded to micrometres, None for NaN."""
    if np.isinf(values).any():
        raise fields.MessageError("a rotation or a place is infinite: no such motion can be sent")
    rounded = np.round(values, _DECIMALS)
    missing = np.isnan(rounded)
    if not missing.any():
        return rounded.tolist()
    mixed = rounded.astype(object)
    mixed[missing] = None
    return mixed.tolist()
