"""Small files of the text, JSON and marker formats, from arrays of places or angles."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np


def numbers(table: np.ndarray, separator: str = " ") -> str:
    """A line a row, as exactly as floats are."""
    return "".join(separator.join(f"{value:.9g}" for value in row) + "\n" for row in np.atleast_2d(table))


def msr(positions: np.ndarray) -> bytes:
    """MSR-Action3D of (T, 20, 3) places in file order."""
    rows = positions.reshape(-1, 3)
    return numbers(np.concatenate([rows, np.ones((len(rows), 1))], axis=1)).encode()


def utkinect(positions: np.ndarray, first: int = 252, stride: int = 2) -> bytes:
    """UTKinect of (T, 20, 3) places in the order of the Kinect SDK."""
    counted = first + stride * np.arange(len(positions))
    return numbers(np.concatenate([counted[:, None], positions.reshape(len(positions), -1)], axis=1)).encode()


def csv_table(positions: np.ndarray, names: Sequence[str], fps: float | None = None) -> bytes:
    """CSV of (T, J, 3) places."""
    head = [] if fps is None else [f"# fps={fps:g}"]
    lines = [
        f"{frame},{name},{x:.9g},{y:.9g},{z:.9g}"
        for frame, joints in enumerate(positions)
        for name, (x, y, z) in zip(names, joints, strict=True)
    ]
    return ("\n".join([*head, "frame,joint,x,y,z", *lines]) + "\n").encode()


def trc(positions: np.ndarray, labels: Sequence[str], fps: float, unit: str = "mm", separator: str = "\t") -> bytes:
    """TRC of (T, M, 3) places in the unit; NaN becomes empty cells."""
    head = [
        ["PathFileType", "4", "(X/Y/Z)", "made.trc"],
        [
            "DataRate",
            "CameraRate",
            "NumFrames",
            "NumMarkers",
            "Units",
            "OrigDataRate",
            "OrigDataStartFrame",
            "OrigNumFrames",
        ],
        [f"{fps:g}", f"{fps:g}", str(len(positions)), str(len(labels)), unit, f"{fps:g}", "1", str(len(positions))],
        ["Frame#", "Time", *(cell for label in labels for cell in (label, "", ""))],
        ["", "", *(f"{axis}{marker}" for marker in range(1, len(labels) + 1) for axis in "XYZ")],
        [""],
    ]
    lines = [separator.join(row) for row in head]
    for frame, places in enumerate(positions):
        cells = ["" if np.isnan(value) else f"{value:.9g}" for value in places.ravel()]
        lines.append(separator.join([str(frame + 1), f"{frame / fps:.6f}", *cells]))
    return ("\n".join(lines) + "\n").encode()


def c3d(
    positions: np.ndarray, labels: Sequence[str], fps: float, unit: str = "mm", up: str = "+Y", group: str = ""
) -> bytes:
    """C3D (Intel, floating point) of (T, M, 3) places in the unit; NaN is a marker that is not seen.

    Args:
        group: name of a parameter such as ANGLES that lists the last label.
    """
    frames, markers = positions.shape[:2]

    def texts(name: str, values: Sequence[str]) -> bytes:
        width = max(1, *(len(value) for value in values))
        data = "".join(value.ljust(width) for value in values).encode()
        return parameter(name, -1, (width, len(values)), data)

    def parameter(name: str, kind: int, sizes: tuple[int, ...], data: bytes) -> bytes:
        rest = struct.pack(f"<bB{len(sizes)}B", kind, len(sizes), *sizes) + data + b"\0"
        return struct.pack("<bb", len(name), 1) + name.encode() + struct.pack("<h", len(rest) + 2) + rest

    def parameters(blocks: int) -> bytes:
        rows = [
            struct.pack("<bb", 5, -1) + b"POINT" + struct.pack("<hB", 3, 0),
            parameter("USED", 2, (), struct.pack("<h", markers)),
            parameter("FRAMES", 2, (), struct.pack("<h", frames)),
            parameter("SCALE", 4, (), struct.pack("<f", -1.0)),
            parameter("RATE", 4, (), struct.pack("<f", fps)),
            parameter("DATA_START", 2, (), struct.pack("<h", 2 + blocks)),
            texts("UNITS", [unit]),
            texts("LABELS", labels),
            *([texts("Y_SCREEN", [up])] if up else []),
            *([texts(group, [labels[-1]])] if group else []),
        ]
        data = struct.pack("<4B", 1, 80, blocks, 84) + b"".join(rows) + b"\0\0"
        return data.ljust(512 * -(-len(data) // 512), b"\0")

    blocks = len(parameters(0)) // 512
    header = struct.pack("<BBHHHHHfHHf", 2, 80, markers, 0, 1, frames, 0, -1.0, 2 + blocks, 0, fps)
    seen = np.isfinite(positions).all(-1)
    points = np.zeros((frames, markers, 4), "<f4")
    points[..., :3] = np.where(np.isnan(positions), 0.0, positions)
    points[..., 3] = np.where(seen | np.isinf(positions).any(-1), 0.0, -1.0)
    return header.ljust(512, b"\0") + parameters(blocks) + points.tobytes()


ASF = b""":version 1.10
:name made
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
  a trunk and an arm
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name spine
    direction 0 1 0
    length 10
    axis 0 0 0 XYZ
    dof rx ry rz
    limits (-1 1)
           (-1 1)
           (-1 1)
  end
  begin
    id 2
    name larm
    direction 1 0 0
    length 5
    axis 0 0 90 XYZ
    dof rx
  end
  begin
    id 3
    name lhand
    direction 1 0 0
    length 2
    axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root spine
    spine larm
    larm lhand
  end
"""
"""A skeleton of three bones."""


def amc(root: np.ndarray, spine: np.ndarray, arm: np.ndarray, angles: str = "DEGREES") -> bytes:
    """AMC for `ASF` of (T, 6), (T, 3) and (T,) values."""
    lines = ["#!OML:ASF", ":FULLY-SPECIFIED", f":{angles}"]
    for frame, (first, second, third) in enumerate(zip(root, spine, arm, strict=True), start=1):
        lines += [str(frame), f"root {numbers(first).strip()}", f"spine {numbers(second).strip()}", f"larm {third:.9g}"]
    return ("\n".join(lines) + "\n").encode()


def deepmimic(root: np.ndarray, seconds: float = 0.04) -> bytes:
    """DeepMimic motion of a body that stands and moves along (T, 3) places."""
    frames = np.zeros((len(root), 44))
    frames[:, 0] = seconds
    frames[-1, 0] = 0.0  # as in the published files
    frames[:, 1:4] = root
    for column in (4, 8, 12, 16, 21, 25, 30, 35, 39):
        frames[:, column] = 1.0
    return json.dumps({"Loop": "wrap", "Frames": frames.tolist()}, indent=0).encode()


def expmap(root: np.ndarray, joints: int = 38) -> bytes:
    """Exponential maps of a body in its rest pose that moves along (T, 3) places in the file's unit."""
    return numbers(np.concatenate([root, np.zeros((len(root), 3 * joints))], axis=1), ",").encode()


def amp(rotations: np.ndarray, root: np.ndarray, fps: Any = 30, **changes: Any) -> bytes:
    """AMP motion of a chain of joints from (T, J, 4) quaternions (x, y, z, w) and (T, 3) places, Z up."""

    def tensor(array: np.ndarray) -> dict:
        return {"arr": array, "context": {"dtype": str(array.dtype)}}

    joints = rotations.shape[1]
    offsets = np.zeros((joints, 3), np.float32)
    offsets[1:, 2] = 0.3
    value = {
        "rotation": tensor(rotations.astype(np.float32)),
        "root_translation": tensor(root.astype(np.float32)),
        "skeleton_tree": {
            "node_names": ["pelvis", "torso", "head"][:joints],
            "parent_indices": tensor(np.arange(joints) - 1),
            "local_translation": tensor(offsets),
        },
        "is_local": True,
        "fps": fps,
        "__name__": "SkeletonMotion",
    }
    file = io.BytesIO()
    np.save(file, np.array(value | changes, dtype=object), allow_pickle=True)
    return file.getvalue()


def mot(columns: dict[str, np.ndarray], degrees: str = "yes", separator: str = "\t") -> bytes:
    """OpenSim coordinates by name; "time" comes first."""
    head = ["made", "version=1", f"nRows={len(columns['time'])}", f"nColumns={len(columns)}"]
    head += [f"inDegrees={degrees}"] if degrees else []
    rows = numbers(np.stack(list(columns.values()), axis=1), separator)
    return ("\n".join([*head, "endheader", separator.join(columns)]) + "\n" + rows).encode()


def openpose(people: Sequence[Sequence[np.ndarray]]) -> bytes:
    """OpenPose pictures of people's (J, 3) points: x, y, confidence."""
    pictures = [
        {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": one.ravel().tolist()} for one in picture]}
        for picture in people
    ]
    return json.dumps(pictures).encode()


def coco(frames: Sequence[Sequence[np.ndarray]], **about: Any) -> bytes:
    """COCO annotations of people's (17, 3) points: x, y, v."""
    annotations = [
        {"image_id": 100 + frame, "id": frame, "category_id": 1, "keypoints": one.ravel().tolist()}
        for frame, people in enumerate(frames)
        for one in people
    ]
    images = [{"id": 100 + frame, "file_name": f"{frame}.jpg"} for frame in range(len(frames))]
    return json.dumps({"images": images, "annotations": annotations} | about).encode()


def mediapipe(positions: np.ndarray, key: str = "pose_world_landmarks", **about: Any) -> bytes:
    """MediaPipe frames of one person's (T, 33, 3) landmarks."""
    frames = [
        {key: [{"x": x, "y": y, "z": z, "visibility": 0.9} for x, y, z in joints.tolist()]} for joints in positions
    ]
    return json.dumps(about | {"frames": frames}).encode()
