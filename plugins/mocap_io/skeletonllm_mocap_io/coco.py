"""COCO keypoints JSON: annotations, results of pose estimators, and the files of MMPose; 17 body points a person.

    {"images": [{"id": 1, …}, …], "annotations": [{"image_id": 1, "keypoints": [x, y, v, …], "track_id": 3}, …]}
    [{"image_id": 1, "keypoints": [x, y, score, …], "score": 0.9, "track_id": 3}, …]        (results; AlphaPose: "idx")
    {"instance_info": [{"frame_id": 1, "instances": [{"keypoints": [[x, y], …], "keypoint_scores": […]}]}, …]}   (MMPose)
    {"image_id": 1, "keypoints": […]}                                                       (one person)

``keypoints`` has 51 values (x, y, v) or, in space, 68 (x, y, z, v); lists of 133 points (whole body) are cut to the 17 of
the body. v is 0 (not labelled), 1 or 2, or a confidence from 0 to 1. Every picture of ``images`` is a frame, in the order
of ``frame_id`` or ``id``, else every picture that is named, by its number or name. ``"info": {"fps": 25}`` is believed.

Source: COCO data format, cocodataset.org/#format-data; MMPose, "Inference with existing models".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Clip
from skeletonllm_core.motion.topologies import TOPOLOGIES, file_order
from skeletonllm_mocap_io.image_keypoints import Found, dialect, masked, people_clip
from skeletonllm_mocap_io.json_text import load_json, numbers

FORMAT = "coco"

_BODY = 17
_WHOLE_BODY = 133


def sniff(path: Path) -> bool:
    """Whether the file speaks of COCO's keypoints."""
    return dialect(path) == FORMAT


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints a person.

    Raises:
        MotionFormatError: it is none of these shapes, or nobody is in it.
    """
    reader = _Reader(path)
    value = load_json(path, FORMAT)
    frames = reader.frames(value)
    if not any(frames):
        raise MotionFormatError(path, "nobody is in it: no point is certain enough in any frame", format=FORMAT)
    if len({one.points.shape[1] for people in frames for one in people}) > 1:
        raise MotionFormatError(path, "some people are flat and others in space", format=FORMAT)
    notes = ["Points of face, hands and feet were left out."] if reader.cut else []
    topology, order = TOPOLOGIES["coco17"], file_order("coco17")
    return [people_clip(frames, topology, order, path=path, format=FORMAT, fps=_rate(value), notes=notes)]


def _rate(value: Any) -> float | None:
    """The frame rate that the file gives in its "info" or beside it."""
    for holder in (value, value.get("info")) if isinstance(value, dict) else ():
        fps = holder.get("fps") if isinstance(holder, dict) else None
        if isinstance(fps, int | float) and not isinstance(fps, bool) and 0 < fps < 1e5:
            return float(fps)
    return None


class _Reader:
    """The frames of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = False

    def fail(self, problem: str) -> NoReturn:
        raise MotionFormatError(self.path, problem, format=FORMAT)

    def frames(self, value: Any) -> list[list[Found]]:
        """The people of every picture."""
        if isinstance(value, dict) and "instance_info" in value:
            return self._instances(self._objects(value["instance_info"], "instance_info"))
        if isinstance(value, dict) and "annotations" in value:
            images = self._objects(value.get("images", []), "images")
            images.sort(key=lambda image: _sorting(image.get("frame_id", image.get("id"))))
            names = [image.get("id") for image in images]
            return self._by_picture(self._objects(value["annotations"], "annotations"), names)
        if isinstance(value, dict) and "keypoints" in value:
            return [[one for one in [self._person(value, "the person")] if one is not None]]
        if isinstance(value, list):
            return self._by_picture(self._objects(value, "the list"), [])
        self.fail("is no COCO keypoints file: there are no annotations and no list of results")

    def _objects(self, value: Any, what: str) -> list[dict]:
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fail(f"{what!r} is no list of JSON objects")
        return list(value)

    def _by_picture(self, annotations: list[dict], names: list[Any]) -> list[list[Found]]:
        found: dict[str, list[Found]] = {str(name): [] for name in names}
        if not names:
            pictures = {str(one.get("image_id")): one.get("image_id") for one in annotations}
            found = {name: [] for name in sorted(pictures, key=lambda name: _sorting(pictures[name]))}
        for number, annotation in enumerate(annotations, start=1):
            image = annotation.get("image_id")
            if image is None or str(image) not in found:
                self.fail(f"annotation {number}: its 'image_id' is missing or names no picture of 'images'")
            if "keypoints" not in annotation:
                continue  # COCO's annotations of other things
            person = self._person(annotation, f"annotation {number}")
            if person is not None:
                found[str(image)].append(person)
        return list(found.values())

    def _instances(self, pictures: list[dict]) -> list[list[Found]]:
        pictures.sort(key=lambda picture: _sorting(picture.get("frame_id")))
        frames = []
        for number, picture in enumerate(pictures, start=1):
            people = self._objects(picture.get("instances"), f"instances of frame {number}")
            found = [self._person(one, f"frame {number}") for one in people]
            frames.append([one for one in found if one is not None])
        return frames

    def _person(self, annotation: dict, where: str) -> Found | None:
        """The body's points of an annotation; None where none is certain enough."""
        values = numbers(annotation.get("keypoints"))
        if values is None or values.ndim > 2:
            self.fail(f"{where}: 'keypoints' is no list of numbers")
        if values.ndim == 2:
            scores = numbers(annotation.get("keypoint_scores", [1.0] * len(values)))
            if scores is None or scores.shape != (len(values),):
                self.fail(f"{where}: 'keypoint_scores' and 'keypoints' do not fit together")
            table = np.concatenate([values, scores[:, None]], axis=1)
        else:
            size = next((size for size in (3, 4) if len(values) in (size * _BODY, size * _WHOLE_BODY)), 0)
            if not size:
                self.fail(
                    f"{where}: 'keypoints' has {len(values)} values, expected {3 * _BODY} or, in space, {4 * _BODY}"
                )
            table = values.reshape(-1, size)
        if table.shape[0] not in (_BODY, _WHOLE_BODY) or table.shape[1] not in (3, 4):
            self.fail(f"{where}: 'keypoints' has shape {values.shape}, expected ({_BODY}, 2) or ({_BODY}, 3)")
        self.cut |= len(table) > _BODY
        points = masked(table[:_BODY, :-1], table[:_BODY, -1])
        if not np.isfinite(points).any():
            return None
        for key in ("track_id", "instance_id", "idx"):
            track = annotation.get(key)
            if isinstance(track, int) and not isinstance(track, bool) and track >= 0:
                return Found(points, track)
        return Found(points)


def _sorting(name: Any) -> tuple[tuple[int, int, str], ...]:
    """Sorts picture names so that 10 comes after 9, as numbers and inside names alike."""
    pieces = re.split(r"(\d+)", str(name))
    return tuple((1, int(piece[:18]), piece) if piece.isdecimal() else (0, 0, piece) for piece in pieces if piece)
