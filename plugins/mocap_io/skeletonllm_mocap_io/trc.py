"""TRC (Motion Analysis): markers as a table of text, tab- or comma-separated, read and write; the unit is in its header.

Lines: ``PathFileType``; the names of the header's fields; their values; ``Frame#``, ``Time`` and a marker's name every third
column; ``X1 Y1 Z1 …``; a line a frame. An empty cell is a gap. The up axis is not in the file and is inferred.

Written are the places of all joints in millimetres, Y up as OpenSim has it; the joints of several persons are named
``0:Head``.

Source: OpenSim documentation, "Marker (.trc) Files".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion.motion import Clip
from skeletonllm_mocap_io.c3d import marker_clip
from skeletonllm_mocap_io.number_text import number_table, rows_of, shown

FORMAT = "trc"


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints a subject.

    Raises:
        MotionFormatError: it is no TRC, or counts and lines do not fit.
    """
    rows = rows_of(path, FORMAT)

    def fail(row: int, problem: str) -> MotionFormatError:
        return MotionFormatError(path, problem, format=FORMAT, line=rows[min(row, len(rows) - 1)][0] if rows else None)

    if not rows or not rows[0][1].strip().startswith("PathFileType"):
        raise fail(0, "expected a line that starts with PathFileType")
    if len(rows) < 5:
        raise fail(len(rows), "the file ends inside the header")
    separator = "\t" if "\t" in rows[3][1] else ","
    keys, values = ([cell.strip() for cell in rows[row][1].split(separator)] for row in (1, 2))
    header = dict(zip(keys, values, strict=False))

    def number(key: str) -> float:
        try:
            return float(header[key])
        except (KeyError, ValueError):
            raise fail(2, f"expected a number as {key}, found {shown(header.get(key, ''))}") from None

    fps, frames, markers = number("DataRate"), number("NumFrames"), number("NumMarkers")
    titles = [cell.strip() for cell in rows[3][1].strip().split(separator)]
    if not titles[0].startswith("Frame") or titles[1:2] != ["Time"]:
        raise fail(3, f"expected columns that start with Frame# and Time, found {shown(' '.join(titles[:2]))}")
    labels = [cell for cell in titles[2:] if cell]
    if len(labels) != markers:
        raise fail(3, f"{header['NumMarkers']} markers are declared, but {len(labels)} are named")
    if len(labels) > MAX_JOINTS:
        raise fail(3, f"there are {len(labels)} markers; more than {MAX_JOINTS} are refused")
    # A line of separators only stands between header and table, or is left by a spreadsheet at the end.
    table = number_table(
        [row for row in rows[5:] if row[1].replace(separator, "").strip()],
        2 + 3 * len(labels),
        path=path,
        format=FORMAT,
        separator=separator,
        gaps=True,
        names=("Frame#", "Time", *(f"{axis} of {shown(label)}" for label in labels for axis in "XYZ")),
    )
    notes = []
    if len(table) != frames:
        notes.append(f"{frames:g} frames are declared, but {len(table)} are there.")
    points = table[:, 2:].reshape(len(table), len(labels), 3)
    points = np.where(points.any(-1, keepdims=True), points, np.nan)
    return [marker_clip(path, FORMAT, labels, points, fps, unit=header.get("Units", ""), notes=notes)]


def write(clip: Clip, path: Path) -> None:
    """Writes the joints of all persons as markers; a missing joint is an empty cell.

    Raises:
        MotionFormatError: the persons have different frame rates or lengths.
    """
    persons = clip.persons
    if len({(len(person), person.fps) for person in persons}) > 1:
        problem = "the persons have different lengths or frame rates, which the format cannot hold"
        raise MotionFormatError(path, problem, format=FORMAT)
    labels = []
    for person, number in zip(persons, clip.person_ids, strict=True):
        prefix = f"{number}:" if len(persons) > 1 else ""
        labels += [prefix + " ".join(name.split()) for name in person.topology.names]
    points = np.concatenate([person.joint_positions() for person in persons], axis=1) * 1000.0
    frames, fps = len(points), persons[0].fps
    head = (
        ("PathFileType", "4", "(X/Y/Z)", f"{'_'.join(persons[0].name.split()) or 'clip'}.trc"),
        (
            "DataRate",
            "CameraRate",
            "NumFrames",
            "NumMarkers",
            "Units",
            "OrigDataRate",
            "OrigDataStartFrame",
            "OrigNumFrames",
        ),
        (f"{fps:.10g}", f"{fps:.10g}", str(frames), str(len(labels)), "mm", f"{fps:.10g}", "1", str(frames)),
        ("Frame#", "Time", *(cell for label in labels for cell in (label, "", ""))),
        ("", "", *(f"{axis}{marker}" for marker in range(1, len(labels) + 1) for axis in "XYZ")),
        (),
    )
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(row) + "\n" for row in head)
        for frame, row in enumerate(points.reshape(frames, -1)):
            cells = ["" if cell == "nan" else cell for cell in map("{:.5f}".format, row)]
            file.write("\t".join([str(frame + 1), f"{frame / fps:.6f}", *cells]) + "\n")
