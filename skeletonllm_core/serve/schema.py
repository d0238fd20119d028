"""What /openapi.json says of the messages. `skeletonllm_core.remote.wire` checks them; a test compares the two."""

from __future__ import annotations

from typing import Any

from skeletonllm_core.motion.orientation import UNITS
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.remote import wire
from skeletonllm_core.remote.motion_json import LONGEST_NAME, MAX_PERSONS, UP_AXES

Schema = dict[str, Any]

SUMMARIES = {
    "info": "What is in a clip, and which joint was taken for which body part.",
    "label": "The action in a clip, with its score and the runners-up.",
    "caption": "What happens in a clip, in a sentence or more.",
    "ask": "The answer to a question about a clip.",
    "segment": "The timeline of a clip: which action happens when.",
    "render": "A clip as the model sees it: a PNG file a frame, in base64.",
    "health": "Versions, the model in memory, and how full the queue is.",
    "models": "The models there are, and the one that answers.",
}

_ERRORS = {
    400: "No JSON, or another host was named.",
    401: "The token is missing or wrong.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not sent as JSON.",
    422: "The message is not understood, or the clip cannot be.",
    500: "The worker failed.",
    503: "The queue is full, or the worker is stopping.",
    504: "It took too long.",
}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(of: Schema, **bounds: int) -> Schema:
    return {"type": "array", "items": of, **bounds}


def _text(longest: int | None = None, **more: Any) -> Schema:
    return {"type": "string", **({} if longest is None else {"maxLength": longest}), **more}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


_NUMBER: Schema = {"type": "number"}
_INTEGER: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_VERSION: Schema = {"const": wire.VERSION}


def _triples(of: Schema = _NUMBER) -> Schema:
    return _list(_list(of, minItems=3, maxItems=3))


_SKELETON = _object(
    {
        "names": _list(_text(LONGEST_NAME), minItems=1),
        "parents": _list(
            {"type": "integer", "minimum": -1, "description": "index into names, -1 at a root"}, minItems=1
        ),
    },
    {
        "rest_offsets": {**_triples(), "description": "each joint from its parent in the rest pose; needs rotations"},
        "name": _text(LONGEST_NAME),
        "tip_joints": _list({"type": "integer", "minimum": 0}),
        "tip_offsets": _triples(),
        "parts": _list(_or_null({"enum": [part.value for part in BodyPart]})),
        "drawn": _list(_FLAG),
    },
)
_PERSON_KEYS: dict[str, Schema] = {
    "id": _INTEGER,
    "up_axis": {"enum": list(UP_AXES), "default": "y"},
    "unit": {
        "anyOf": [{"enum": [name for name, _ in UNITS]}, {"type": "number", "exclusiveMinimum": 0}],
        "default": "m",
        "description": "a name, or how many metres a unit is",
    },
}
_FPS: Schema = {"type": "number", "exclusiveMinimum": 0}
_PERSON: Schema = {
    "oneOf": [
        _object(
            {
                "fps": _FPS,
                "skeleton": _SKELETON,
                "positions": {
                    **_list(_triples(_or_null(_NUMBER)), minItems=1),
                    "description": "frames, joints, x y z; null where it is missing",
                },
            },
            _PERSON_KEYS,
        ),
        _object(
            {
                "fps": _FPS,
                "skeleton": _SKELETON,
                "rotations": {
                    **_list(_list(_list(_NUMBER, minItems=4, maxItems=4)), minItems=1),
                    "description": "frames, joints, unit quaternion w x y z relative to the parent",
                },
                "root": {**_triples(), "description": "frames, x y z of the first root in the world"},
            },
            {**_PERSON_KEYS, "local_translations": _list(_triples())},
        ),
    ]
}

_OPTIONS: dict[str, Schema] = {
    "labels": _or_null(_list(_text(wire.MAX_TEXT), maxItems=wire.MAX_LABELS)),
    "top": _whole(1, wire.MAX_LABELS),
    "explain": _FLAG,
    "quick": _FLAG,
    "question": _text(wire.MAX_TEXT),
    "size": _or_null(_whole(wire.MIN_SIZE, wire.MAX_SIZE)),
    "frames": _or_null(_whole(1, wire.MAX_FRAMES)),
    "frame_indices": _or_null(_list({"type": "integer", "minimum": 0}, minItems=1, maxItems=wire.MAX_FRAMES)),
}

_SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_INFERRED = {"inferred": _FLAG}
_ANSWERS: dict[str, Schema] = {
    "info": _object(
        {
            "version": _VERSION,
            "format": _text(),
            "clips": _list(_text()),
            "persons": _list(
                _object(
                    {
                        "id": _INTEGER,
                        "joints": _INTEGER,
                        "parts": {"type": "object", "additionalProperties": _text()},
                        "report": _list(_text()),
                    }
                )
            ),
            "fps": _NUMBER,
            "frames": _INTEGER,
            "seconds": _NUMBER,
            "unit": _object({"value": _text(), **_INFERRED}),
            "up_axis": _object({"value": _text(), **_INFERRED}),
            "facing": _object({"value": _or_null(_NUMBER), **_INFERRED}),
            "warnings": _list(_text()),
        }
    ),
    "label": _object(
        {
            "version": _VERSION,
            "label": _object({"text": _text(), "score": _SCORE, "known": _FLAG}),
            "alternatives": _list(_object({"text": _text(), "score": _SCORE})),
            "explanation": _or_null(_text()),
        }
    ),
    "caption": _object({"version": _VERSION, "caption": _text(), "facts": _list(_text())}),
    "ask": _object({"version": _VERSION, "answer": _text()}),
    "segment": _object(
        {
            "version": _VERSION,
            "segments": _list(
                _object(
                    {
                        "start_s": _NUMBER,
                        "end_s": _NUMBER,
                        "start_frame": _INTEGER,
                        "end_frame": _INTEGER,
                        "label": _text(),
                        "score": _SCORE,
                        "caption": _text(),
                    }
                )
            ),
        }
    ),
    "render": _object({"version": _VERSION, "images": _list(_text(contentEncoding="base64"))}),
    "health": _object(
        {
            "version": _VERSION,
            "status": {"const": "ok"},
            "skeletonllm": _text(),
            "model": _object({"id": _text(), "sha256": _text()}),
            "queue": _object({"waiting": _INTEGER, "limit": _INTEGER}),
        }
    ),
    "models": _object(
        {
            "version": _VERSION,
            "models": _list({"type": "object", "additionalProperties": _text()}),
            "loaded": _object({"id": _text(), "sha256": _text(), "labels": _list(_text())}),
        }
    ),
}


def request(verb: str) -> Schema:
    """The part of an operation that describes the message of a verb."""
    required: dict[str, Schema] = {
        "version": _VERSION,
        "persons": _list({"$ref": "#/components/schemas/Person"}, minItems=1, maxItems=MAX_PERSONS),
    }
    optional: dict[str, Schema] = {"name": _text(LONGEST_NAME)}
    for key in wire.VERBS[verb]:
        (required if key == "question" else optional)[key] = _OPTIONS[key]
    return {"requestBody": {"required": True, "content": _json(_object(required, optional))}}


def responses(verb: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a verb, good and bad."""
    error = _object({"error": _text()})
    bad = _ERRORS if verb in wire.VERBS else {status: _ERRORS[status] for status in (400, 401, 500)}
    found: dict[int | str, dict[str, Any]] = {200: {"description": "The answer.", "content": _json(_ANSWERS[verb])}}
    for status, told in bad.items():
        found[status] = {"description": told, "content": _json(error)}
    return found


COMPONENTS: dict[str, Schema] = {"Person": _PERSON}
"""What the messages refer to."""


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
