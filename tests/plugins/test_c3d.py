"""C3D: the same places as the library `c3d` reads, units, up axis, gaps, and what is no place."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.rig import map_rig
from tests import marker_people
from tests.plugins import made_files

WALKED = np.stack([np.zeros(12), np.zeros(12), 0.03 * np.arange(12)], axis=1)


def clip(folder: Path, data: bytes) -> sk.Clip:
    path = folder / "take.c3d"
    path.write_bytes(data)
    (only,) = sk.read_clips(path)
    return only


def test_a_real_file_agrees_with_the_library_c3d(shared_data: Path) -> None:
    library = pytest.importorskip("c3d")
    path = shared_data / "original" / "biomech" / "markers_analogs.c3d"
    with path.open("rb") as file:
        reader = library.Reader(file)
        labels = [label.strip().rpartition(":")[2] for label in reader.point_labels]
        frames = np.stack([points for _, points, _ in reader.read_frames()])
    expected = frames[..., :3] * 0.001
    expected[frames[..., 3] < 0] = np.nan
    (found,) = sk.read_clips(path)
    assert found.origin is not None
    assert (found.origin.unit, found.origin.up_axis, found.origin.up_axis_inferred) == ("mm", "z", False)
    (person,) = found.persons
    assert person.fps == 100.0 and len(person) == 580 and len(person.topology) == 43
    turned = expected[..., [0, 2, 1]] * (1, 1, -1)  # Z up → Y up
    for joint, name in enumerate(person.topology.names):
        np.testing.assert_allclose(person.joint_positions()[:, joint], turned[:, labels.index(name)], atol=1e-4)
    assert any(note.startswith("boite: left out") for note in found.origin.warnings)


@pytest.mark.parametrize(("unit", "metre"), [("mm", 0.001), ("m", 1.0), ("cm", 0.01), ("MM", 0.001)])
def test_units_are_honoured(unit: str, metre: float, tmp_path: Path) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    (person,) = clip(tmp_path, made_files.c3d(places / metre, labels, 120.0, unit)).persons
    assert isinstance(person, Keypoints) and person.fps == 120.0
    knee = person.positions[:, person.topology.names.index("LKNE")]
    np.testing.assert_allclose(knee, places[:, labels.index("LKNE")], atol=1e-6)


def test_an_unknown_unit_is_inferred_from_the_body(tmp_path: Path) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    found = clip(tmp_path, made_files.c3d(places * 100, labels, 120.0, "furlong"))
    assert found.origin is not None and (found.origin.unit, found.origin.unit_inferred) == ("cm", True)


@pytest.mark.parametrize(
    ("said", "axis", "turn"),
    [
        ("+Z", "z", [[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
        ("+Y", "y", np.eye(3)),
        ("", "z", [[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    ],
)
def test_up_is_what_the_file_says_else_inferred(said: str, axis: str, turn: list, tmp_path: Path) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    found = clip(tmp_path, made_files.c3d(1000 * places @ np.array(turn).T, labels, 120.0, up=said))
    assert found.origin is not None
    assert (found.origin.up_axis, found.origin.up_axis_inferred) == (axis, said == "")
    (person,) = found.persons
    np.testing.assert_allclose(person.joint_positions()[:, -len(labels) :], places, atol=1e-6)
    assert not map_rig(person.topology, person.joint_positions()).warnings


def test_gaps_and_values_of_models(tmp_path: Path) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    places[4, labels.index("LKNE")] = np.nan
    places = np.concatenate([places, np.full((12, 1, 3), 45.0)], axis=1)
    (person,) = clip(tmp_path, made_files.c3d(1000 * places, [*labels, "LKneeAngles"], 120.0, group="ANGLES")).persons
    names = person.topology.names
    assert "LKneeAngles" not in names
    for joint in ("LKNE", "left_knee"):
        assert np.isnan(person.joint_positions()[:, names.index(joint)]).any(-1).tolist() == [f == 4 for f in range(12)]


def test_a_path_of_any_letters(tmp_path: Path) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    path = tmp_path / "gång 1 – prøve.c3d"
    path.write_bytes(made_files.c3d(1000 * places, labels, 120.0))
    assert len(sk.read(path)) == 1


def test_without_the_library_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    with pytest.raises(sk.PluginError, match=r'reading .c3d needs: pip install "skeletonllm\[mocap\]"'):
        clip(tmp_path, b"anything")
