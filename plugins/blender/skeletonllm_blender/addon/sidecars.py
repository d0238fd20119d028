# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as the files that `skeletonllm annotate` writes: walk.blend.skel.json, walk.blend#Bow.skel.json."""

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import quote

import bpy

from .actions import fitting_slots
from .problems import Problem

SCHEMA = "skeletonllm/annotation@1"
_END = ".skel.json"
_LONGEST = 255


def fits():
    """(action, the armatures whose bones it moves) of this file; looking at every curve of it takes a while."""
    rigs = sorted((one for one in bpy.data.objects if one.type == "ARMATURE"), key=lambda one: one.name)
    return [(action, [rig for rig in rigs for _ in fitting_slots(action, rig)]) for action in bpy.data.actions]


def path_of(blend, clip):
    """Where the sidecar of a clip (see `clip_of`) belongs: beside its .blend file, as `annotate` calls it."""
    blend = Path(blend)
    name = blend.name if clip is None else f"{blend.name}#{_as_file(clip)}"
    if len((name + _END).encode()) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = name.encode()[:200].decode("utf-8", "ignore") + "~" + digest
    return blend.with_name(name + _END)


def person_of(verb, answer):
    """What the answer to a verb adds to the person of a sidecar.

    Raises:
        KeyError, TypeError, ValueError: it is no such answer.
    """
    if verb == "info":
        return {"warnings": [str(one) for one in answer["warnings"]]}
    if verb == "caption":
        return {"caption": str(answer["caption"]), "facts": [str(one) for one in answer["facts"]]}
    if verb == "label":
        best = answer["label"]
        return {
            "label": {"text": str(best["text"]), "score": float(best["score"]), "known": bool(best["known"])},
            "alternatives": [
                {"text": str(one["text"]), "score": float(one["score"])} for one in answer["alternatives"]
            ],
        }
    kinds = {
        "start_s": float,
        "end_s": float,
        "start_frame": int,
        "end_frame": int,
        "label": str,
        "score": float,
        "caption": str,
    }
    return {"segments": [{key: kind(part[key]) for key, kind in kinds.items()} for part in answer["segments"]]}


def text_of(record, clip, blend):
    """The content of a sidecar.

    Args:
        record: what `jobs` kept of the answers about the action.
        clip: see `clip_of`.
        blend: the path of the file.
    """
    fps, frames, answers = record["fps"], record["frames"], record["answers"]
    told = {key: value for part in answers.values() for key, value in part.items()}
    tasks = [task for task in ("label", "caption", "segments") if task in told]
    keys = ("label", "alternatives", "caption", "segments")
    document = {
        "schema": SCHEMA,
        "source": {
            "path": Path(blend).name,
            "sha256": None,  # what was read is the scene, and no file has that yet: `annotate` will read it again
            "format": "blend",
            "clip": clip,
            "fps": round(fps, 3),
            "frames": frames,
            "seconds": round(frames / fps, 3),
        },
        "model": record["model"],
        "options": {"tasks": tasks, "labels": record["labels"], "seed": 0},
        "persons": [
            {
                "id": 0,
                "joints": record["joints"],
                **{key: told[key] for key in keys if key in told},
                "facts": told.get("facts", []),
                "warnings": told["warnings"],
            }
        ],
        "locked": False,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def refuse_corrected(path, digest):
    """Make sure that no person's work is lost.

    Args:
        path: of the sidecar.
        digest: of what this add-on wrote there before; None where it did not.

    Raises:
        Problem: a person locked or changed it, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as problem:
        raise Problem("{path}: cannot be read: {problem}", path=path, problem=problem) from problem
    if re.search(rb'"locked"\s*:\s*true', data):
        raise Problem("{name} kept, as it is locked", name=path.name)
    if digest is not None and digest_of(data) != digest:
        raise Problem("{name} kept, as it was changed", name=path.name)


def digest_of(data):
    """What tells one content of a file from another."""
    return hashlib.sha256(data).hexdigest()


def clip_of(armature, action, fitting):
    """The name of an action on an armature among the clips of the file (`fits`); None where it is the only one."""
    found, taken = [], set()
    for one, rigs in sorted(fitting, key=lambda fit: fit[0].name):
        for rig in rigs:
            wanted = name = one.name if len(rigs) == 1 else f"{one.name} ({rig.name})"
            again = 2
            while _as_file(name).casefold() in taken:
                name, again = f"{wanted} ({again})", again + 1
            taken.add(_as_file(name).casefold())
            found.append((name, rig, one))
    names = [name for name, rig, one in found if (rig, one) == (armature, action)]
    return None if len(found) <= 1 or not names else names[0]


def _as_file(clip):
    """A clip's name as part of a file name; what cannot be part of one is written %2F."""
    readable = "".join(chr(code) for code in range(32, 127) if chr(code) not in '/\\:*?"<>|%#')
    return "".join(letter if ord(letter) > 159 else quote(letter, safe=readable) for letter in clip)
