"""Messages ↔ JSON: a clip and what is asked about it, one way; answers in the layout of the commands' --json, back.

A question is ``{"version": 1, "name": …, "persons": […], …}`` (see `motion_json`) and, by verb: ``labels``, ``top``,
``explain``, ``quick`` (label), ``question`` (ask), ``labels`` (segment), ``size``, ``frames``, ``frame_indices``
(render). An answer has ``version`` before the keys of the command; that of render is ``{"images": [PNG in base64, …]}``.
What cannot be answered comes as ``{"error": sentence}``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skeletonllm_core.answers import Candidate, Caption, Label, Segment
from skeletonllm_core.motion.motion import Clip, Person
from skeletonllm_core.remote import fields
from skeletonllm_core.remote.fields import MessageError
from skeletonllm_core.remote.motion_json import clip_from_json, clip_to_json

VERSION = 1
"""Version of the messages; both sides must have the same."""

MAX_BODY = 32 * 2**20
"""Length that a question may have [bytes]."""

MAX_LISTS = 2_500_000
"""Lists and objects that a question may hold: each costs far more memory than the two bytes it is written with."""

VERBS: dict[str, tuple[str, ...]] = {
    "info": (),
    "label": ("labels", "top", "explain", "quick"),
    "caption": (),
    "ask": ("question",),
    "segment": ("labels",),
    "render": ("size", "frames", "frame_indices"),
}
"""What can be asked, and the keys that each takes beside the clip."""

MAX_LABELS, MAX_TEXT = 1000, 1000
MIN_SIZE, MAX_SIZE, MAX_FRAMES = 16, 1024, 64
MAX_PIXELS = 2**24
"""Pixels that the images of one answer may have together."""

_CLIP = ("version", "name", "persons")


@dataclass(frozen=True)
class Question:
    """What is asked about a clip; fields that a verb does not take keep their default.

    Attributes:
        clip: metres, Y up.
        labels: candidates, None for the model's own.
        top: how many labels to return.
        explain: add the steps that lead to the label.
        quick: look once at the clip.
        question: of `ask`.
        size: edge of the images [pixels]; None for the model's own.
        frames: how many images; None for the model's own.
        frame_indices: these frames of the clip instead.
    """

    clip: Clip
    labels: tuple[str, ...] | None = None
    top: int = 3
    explain: bool = False
    question: str = ""
    quick: bool = False
    size: int | None = None
    frames: int | None = None
    frame_indices: tuple[int, ...] | None = None


class NotJSON(MessageError):
    """The bytes are no JSON at all."""


def parse(body: bytes) -> Any:
    """The value that JSON text stands for.

    Raises:
        NotJSON: no JSON in UTF-8, NaN or Infinity, a key twice, nested too deep, or too many lists.
    """
    if body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise NotJSON(f"the message holds more than {MAX_LISTS:,} lists and objects")
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_object)
    except UnicodeDecodeError as problem:
        raise NotJSON(f"the message is not UTF-8: byte {problem.start} fits no character") from None
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise NotJSON(f"the message is not JSON: {problem.msg.lower()} at {place}") from None
    except RecursionError:
        raise NotJSON("the message is nested too deep") from None
    except ValueError:  # Python refuses whole numbers of thousands of digits.
        raise NotJSON("the message is not JSON: a number has too many digits") from None


def question_to_json(clip: Clip | Person | Sequence[Person], **options: Any) -> dict[str, Any]:
    """The message that asks about a clip; `options` are the keys of the verb (see `VERBS`)."""
    return {"version": VERSION, **clip_to_json(clip), **options}


def question_from_json(verb: str, value: Any) -> Question:
    """What a message asks.

    Args:
        verb: one of `VERBS`.
        value: the parsed message.

    Raises:
        MessageError: a key is missing, unknown or wrong; the sentence names it.
    """
    given = fields.check_object(value, "", (*_CLIP, *VERBS[verb]))
    check_version(given)
    clip = clip_from_json(given.get("name", ""), fields.required(given, "persons", ""))
    labels = given.get("labels")
    if labels is not None:
        labels = tuple(fields.texts(labels, "labels", MAX_LABELS, MAX_TEXT))
    question = fields.text(fields.required(given, "question", ""), "question", MAX_TEXT) if verb == "ask" else ""
    top = fields.whole(given.get("top", 3), "top", 1, MAX_LABELS)
    explain = fields.flag(given.get("explain", False), "explain")
    quick = fields.flag(given.get("quick", False), "quick")
    size, frames, indices = given.get("size"), given.get("frames"), given.get("frame_indices")
    if size is not None:
        size = fields.whole(size, "size", MIN_SIZE, MAX_SIZE)
    if frames is not None:
        frames = fields.whole(frames, "frames", 1, MAX_FRAMES)
    if indices is not None:
        if frames is not None:
            fields.fail("frame_indices", 'and "frames" exclude each other')
        longest = max(len(person) for person in clip.persons)
        indices = tuple(fields.wholes(indices, "frame_indices", 0, longest - 1, MAX_FRAMES))
        if not indices:
            fields.fail("frame_indices", "is empty")
    if (size or 0) ** 2 * (len(indices) if indices else frames or 0) > MAX_PIXELS:
        fields.fail("size", f"is too large for so many frames: {MAX_PIXELS:,} pixels in all at most")
    return Question(clip, labels, top, explain, question, quick, size, frames, indices)


def check_version(given: dict[str, Any]) -> None:
    """Raise a MessageError where a message is not of this version."""
    version = fields.required(given, "version", "")
    if type(version) is not int or version != VERSION:
        told = version if type(version) is int and abs(version) < 10**6 else fields.kind(version)
        fields.fail("version", f"must be {VERSION}, got {told}: update the older of the two sides")


def answer_to_json(answer: dict[str, Any]) -> dict[str, Any]:
    """The message that carries the object of a command's --json."""
    return {"version": VERSION, **answer}


def answer_from_json(value: Any) -> dict[str, Any]:
    """The object of a command's --json that a message carries, not yet checked further."""
    if not isinstance(value, dict):
        raise MessageError(f"the message must be an object, got {fields.kind(value)}")
    check_version(value)
    return {key: value[key] for key in value if key != "version"}


def images_to_json(images: Sequence[bytes]) -> dict[str, Any]:
    """The answer to `render`: PNG files, one a frame."""
    return {"images": [base64.b64encode(image).decode("ascii") for image in images]}


def label_from_json(value: dict[str, Any]) -> Label:
    """The answer to `label`; this and the readers below raise a MessageError where it is none."""
    best, others = fields.required(value, "label", ""), fields.required(value, "alternatives", "")
    explanation = value.get("explanation")
    return Label(
        _text(best, "text", "label"),
        _score(best, "label"),
        fields.flag(fields.required(best, "known", "label"), "label.known"),
        tuple(
            Candidate(_text(one, "text", f"alternatives[{index}]"), _score(one, f"alternatives[{index}]"))
            for index, one in enumerate(fields.listed(others, "alternatives", MAX_LABELS))
        ),
        None if explanation is None else fields.text(explanation, "explanation", _LONGEST),
    )


def caption_from_json(value: dict[str, Any]) -> Caption:
    """The answer to `caption`."""
    facts = fields.texts(fields.required(value, "facts", ""), "facts", _MOST, _LONGEST)
    return Caption(_text(value, "caption", ""), tuple(facts))


def answer_text_from_json(value: dict[str, Any]) -> str:
    """The answer to `ask`."""
    return _text(value, "answer", "")


def segments_from_json(value: dict[str, Any]) -> list[Segment]:
    """The answer to `segment`."""
    rows = fields.listed(fields.required(value, "segments", ""), "segments", _MOST)
    return [_segment(row, f"segments[{index}]") for index, row in enumerate(rows)]


def images_from_json(value: dict[str, Any]) -> list[bytes]:
    """The answer to `render`: PNG files."""
    texts = fields.texts(fields.required(value, "images", ""), "images", MAX_FRAMES, MAX_BODY * 2)
    try:
        return [base64.b64decode(one, validate=True) for one in texts]
    except (binascii.Error, ValueError):
        fields.fail("images", "holds what is no base64")


_LONGEST, _MOST = 10**6, 10**5


def _segment(row: Any, where: str) -> Segment:
    def seconds(key: str) -> float:
        return fields.number(fields.required(row, key, where), f"{where}.{key}", 0, 1e9)

    def frame(key: str) -> int:
        return fields.whole(fields.required(row, key, where), f"{where}.{key}", 0, 10**9)

    return Segment(
        seconds("start_s"),
        seconds("end_s"),
        frame("start_frame"),
        frame("end_frame"),
        _text(row, "label", where),
        _score(row, where),
        _text(row, "caption", where),
    )


def _text(value: Any, key: str, where: str) -> str:
    return fields.text(fields.required(value, key, where), f"{where}.{key}" if where else key, _LONGEST)


def _score(value: Any, where: str) -> float:
    return fields.number(fields.required(value, "score", where), f"{where}.score", 0, 1)


def _no_constant(name: str) -> float:
    raise NotJSON(f"the message holds {name}, which is no JSON; write null for what is missing")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise NotJSON(f"the message holds the key {fields.shown(twice)} twice in one object")
    return value
