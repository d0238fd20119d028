"""A whole plugin: one format, read and written. Copy it, change `read`, and `pip install` it.

The format is what a tracker streams, one JSON object a line, metres, Y up:

    {"t": 0.0, "joints": {"hips": [0.0, 0.9, 0.0], "head": [0.0, 1.6, 0.0], …}}

The first line may say which joint hangs from which: {"parents": {"head": "hips", …}}.
"""

import json
from pathlib import Path

import numpy as np

from skeletonllm_core import Clip, Keypoints, MotionFormatError, MotionReader, MotionWriter, Origin, hookimpl

FORMAT = "jsonl"


@hookimpl
def skeletonllm_motion_readers():
    return [MotionReader(FORMAT, (".jsonl",), read)]


@hookimpl
def skeletonllm_motion_writers():
    return [MotionWriter(FORMAT, (".jsonl",), write)]


def read(path: Path) -> list[Clip]:
    """The clips of a file. A bad file gets one sentence that names the line; anything else raised is a mistake here."""
    rows, parents = [], {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            if number == 1 and "parents" in row:
                parents = {str(child): str(parent) for child, parent in row["parents"].items()}
                continue
            rows.append((float(row["t"]), {name: [float(x) for x in xyz] for name, xyz in row["joints"].items()}))
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise MotionFormatError(path, f"is no frame: {problem!r}", format=FORMAT, line=number) from problem
    if len(rows) < 2:
        raise MotionFormatError(path, f"holds {len(rows)} frames; two are needed to know the rate", format=FORMAT)
    names = list(rows[0][1])
    # A joint that is missing in a frame is NaN.
    positions = np.array([[joints.get(name, [np.nan] * 3) for name in names] for _, joints in rows])
    steps = np.diff([time for time, _ in rows])
    if not (steps > 0).all() or positions.shape[1:] != (len(names), 3):
        raise MotionFormatError(path, "times must rise and joints have three numbers", format=FORMAT)
    above = [names.index(parents[name]) if parents.get(name) in names else -1 for name in names]
    person = Keypoints.from_arrays(positions, names, above, 1 / float(np.median(steps)), path.stem)
    return [Clip("", [person], Origin(FORMAT))]


def write(clip: Clip, path: Path) -> None:
    """Writes one person; the file that comes here is a temporary one, so that a failure leaves nothing half written."""
    if len(clip.persons) != 1:
        raise MotionFormatError(path, f"the format holds one person, not {len(clip.persons)}", format=FORMAT)
    (person,) = clip.persons
    names = person.topology.names
    above = {name: names[p] for name, p in zip(names, person.topology.parents, strict=True) if p >= 0}
    lines = [json.dumps({"parents": above})]
    for frame, joints in enumerate(person.joint_positions()):
        known = {name: xyz.tolist() for name, xyz in zip(names, joints, strict=True) if np.isfinite(xyz).all()}
        lines.append(json.dumps({"t": frame / person.fps, "joints": known}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
