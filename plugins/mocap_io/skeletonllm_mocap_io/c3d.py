"""C3D (c3d.org): optical markers, read with ezc3d in a process of its own. Analog channels and events are passed over.

A marker that is not seen (residual below zero, or exactly at the origin) is NaN. Points that are no places (the angles, forces
and moments that models add) are left out. The up axis is POINT:Y_SCREEN where the file has it, else inferred.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skeletonllm_core.errors import MotionFormatError, PluginError
from skeletonllm_core.hooks import MAX_JOINTS
from skeletonllm_core.motion.motion import Clip
from skeletonllm_mocap_io.arrays import load_arrays
from skeletonllm_mocap_io.child import run_script
from skeletonllm_mocap_io.marker_sets import marker_persons
from skeletonllm_mocap_io.placing import placed

FORMAT = "c3d"

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "dm": 0.1, "in": 0.0254}
"""Units of marker files [m]."""

_WORKER = Path(__file__).with_name("c3d_worker.py")
_MEGABYTES = 640
_COMPUTING = 0.6  # seconds, and a tenth for each megabyte, which takes some hundredths
_SECONDS = 120.0
_IMPLAUSIBLE = 1e6
_BELOW_FLOOR = 0.05  # metres; floors are calibrated no better
_AXES = {f"{sign}{axis.upper()}": f"{'-' if sign == '-' else ''}{axis}" for sign in ("+", "-", "") for axis in "xyz"}


def read(path: Path) -> list[Clip]:
    """The one clip of a file, one Keypoints a subject.

    Raises:
        MotionFormatError: it is no C3D, or no marker is ever seen.
        PluginError: ezc3d is not installed.
    """
    if find_spec("ezc3d") is None:
        raise PluginError('reading .c3d needs: pip install "skeletonllm[mocap]"')
    with TemporaryDirectory(prefix="skeletonllm-") as folder:
        result = Path(folder) / "points.npz"
        size = path.stat().st_size >> 20
        limits = (str(_MEGABYTES + 20 * size), str(_COMPUTING + 0.1 * size))
        run_script(_WORKER, [path.absolute(), result, *limits], path, format=FORMAT, seconds=_SECONDS)
        arrays = load_arrays(result, FORMAT)
    about = json.loads(arrays["about"].tobytes())
    others = set(about["others"])
    markers = [index for index, label in enumerate(about["labels"]) if label not in others]
    return [
        marker_clip(
            path,
            FORMAT,
            [about["labels"][index] for index in markers],
            arrays["points"][:, markers],
            about["fps"],
            unit=about["unit"],
            up_axis=_AXES.get(about["up"].strip().upper()),
        )
    ]


def marker_clip(
    path: Path,
    format: str,
    labels: list[str],
    points: np.ndarray,
    fps: float,
    *,
    unit: str,
    up_axis: str | None = None,
    notes: Sequence[str] = (),
) -> Clip:
    """The clip of a marker file.

    Args:
        path: the file.
        format: name of the reader.
        labels: M names.
        points: (T, M, 3) in the unit of the file, NaN = missing.
        fps: frames a second, as the file says.
        unit: name of the file's unit; an unknown one is inferred.
        up_axis: as the file says; None to infer it.
        notes: whole sentences about what was repaired while reading.

    Raises:
        MotionFormatError: nothing is seen, there are too many markers, or one is at no plausible place.
    """

    def fail(problem: str) -> MotionFormatError:
        return MotionFormatError(path, problem, format=format)

    if not (np.isfinite(fps) and fps > 0):
        raise fail(f"the frame rate must be a positive number, found {fps:g}")
    if len(labels) > MAX_JOINTS:
        raise fail(f"there are {len(labels)} markers in it; more than {MAX_JOINTS} are refused")
    if not len(points):
        raise fail("the clip has 0 frames")
    bad = np.argwhere(~(np.abs(points) < _IMPLAUSIBLE) & ~np.isnan(points))
    if len(bad):
        frame, marker = bad[0, :2]
        raise fail(f"marker {labels[marker][:40]!a} is at no plausible place in frame {frame + 1}")
    known = UNITS.get(unit.strip().lower())
    persons, ids, found = marker_persons(labels, points, fps, known or UNITS["mm"], path.stem)
    if not persons:
        raise fail("no marker is ever seen")
    said = None if known is None else (unit.strip().lower(), known)
    floor = (
        _axis_above_floor(points, known or UNITS["mm"])
        if up_axis is None and persons[0].topology.parts is None
        else None
    )
    clip = placed(
        persons, format=format, person_ids=ids, unit=said, up_axis=up_axis or floor, warnings=[*notes, *found]
    )
    if floor is not None and clip.origin is not None:
        return replace(clip, origin=replace(clip.origin, up_axis_inferred=True))
    return clip


def _axis_above_floor(points: np.ndarray, metre: float) -> str | None:
    """The axis, y or z, along which no marker is ever below the origin, which laboratories put onto the floor; None where
    that is true of both or of neither. Only markers of no known set need it: the others show which way a body stands."""
    above = [axis for axis, column in (("y", 1), ("z", 2)) if np.nanmin(points[..., column]) * metre >= -_BELOW_FLOOR]
    return above[0] if len(above) == 1 else None
