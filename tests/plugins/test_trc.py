"""TRC: tabs or commas, gaps, units; a real file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from tests import marker_people
from tests.clips import bvh, walk
from tests.plugins import made_files

WALKED = np.stack([np.zeros(12), np.zeros(12), 0.03 * np.arange(12)], axis=1)


def clip(folder: Path, data: bytes) -> sk.Clip:
    path = folder / "take.trc"
    path.write_bytes(data)
    (only,) = sk.read_clips(path)
    return only


def test_a_real_file(shared_data: Path) -> None:
    path = shared_data / "original" / "biomech" / "markers.trc"
    (found,) = sk.read_clips(path)
    assert found.origin is not None and (found.origin.unit, found.origin.up_axis) == ("mm", "z")
    assert "652 frames are declared, but 93 are there." in found.origin.warnings
    (person,) = found.persons
    assert len(person) == 93 and person.fps == 100.0 and len(person.topology) == 51
    lines = path.read_text().splitlines()
    cells, titles = lines[-1].split(","), lines[3].split(",")
    for name in ("ASISl", "WRIST", "boite_droite_int"):
        at = titles.index(name)
        x, y, z = (float(cell) * 0.001 for cell in cells[at : at + 3])
        place = person.joint_positions()[-1, person.topology.names.index(name)]
        np.testing.assert_allclose(place, [x, z, -y], atol=1e-9)


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize(("unit", "metre"), [("mm", 0.001), ("m", 1.0), ("cm", 0.01)])
def test_layouts_and_units(separator: str, unit: str, metre: float, tmp_path: Path) -> None:
    labels, places = marker_people.cmu(WALKED)
    places[2, 3] = np.nan
    places[-1, -1] = np.nan  # the last cells of the file are empty
    data = made_files.trc(places / metre, labels, 60.0, unit, separator)
    for text in (data, data.replace(b"\n", b"\r\n"), data.replace(b"\n", separator.encode() + b"\n")):
        found = clip(tmp_path, text)
        assert found.origin is not None and (found.origin.unit, found.origin.up_axis) == (unit, "y")
        (person,) = found.persons
        assert person.fps == 60.0 and "left_hip" in person.topology.names
        np.testing.assert_allclose(person.joint_positions()[:, -len(labels) :], places, atol=1e-6)


def test_a_marker_at_the_origin_is_a_gap(tmp_path: Path) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    places[5, labels.index("C7")] = 0.0
    (person,) = clip(tmp_path, made_files.trc(places, labels, 60.0, "m")).persons
    assert np.isnan(person.joint_positions()[5, person.topology.names.index("C7")]).all()


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform(-1, 1, (7, 4, 3)) + np.array([0.0, 1.5, 0.0])
    places[2, 1] = np.nan
    names = ["hips", "upper  chest", "head", "hand"]
    person = sk.Keypoints.from_arrays(places, names, [-1, 0, 1, 1], 59.94)
    sk.write(person, tmp_path / "made.trc")
    (found,) = sk.read(tmp_path / "made.trc")
    assert found.fps == 59.94 and sorted(found.topology.names) == ["hand", "head", "hips", "upper chest"]
    for joint, name in enumerate(["hips", "upper chest", "head", "hand"]):
        index = found.topology.names.index(name)
        np.testing.assert_allclose(found.joint_positions()[:, index], places[:, joint], atol=1e-8)

    sk.write(person, tmp_path / "again.trc")
    assert (tmp_path / "again.trc").read_bytes() == (tmp_path / "made.trc").read_bytes()

    two = sk.Clip("", [person, person], person_ids=(4, 9))
    sk.write(two, tmp_path / "two.trc")
    (again,) = sk.read_clips(tmp_path / "two.trc")
    assert len(again.persons) == 2
    shorter = sk.Keypoints(person.topology, person.positions[:3], 59.94)
    with pytest.raises(sk.MotionFormatError, match="different lengths or frame rates"):
        sk.write([person, shorter], tmp_path / "two.trc")
    assert len(sk.read_clips(tmp_path / "two.trc")[0].persons) == 2


def test_joints_that_are_written_come_back_as_a_body(tmp_path: Path) -> None:
    path = tmp_path / "walk.bvh"
    path.write_text(bvh(walk, 1.0))
    (motion,) = sk.read(path)
    sk.write(motion, tmp_path / "walk.trc")
    (found,) = sk.read(tmp_path / "walk.trc")
    names = motion.topology.names
    above = {names[child]: names[parent] for parent, child in motion.topology.bones}
    assert {
        found.topology.names[child]: found.topology.names[parent] for parent, child in found.topology.bones
    } == above
    order = [found.topology.names.index(name) for name in names]
    np.testing.assert_allclose(found.joint_positions()[:, order], motion.joint_positions(), atol=1e-7)


def test_markers_that_are_written_come_back_with_their_joints(tmp_path: Path) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    (person,) = clip(tmp_path, made_files.trc(places, labels, 60.0, "m")).persons
    kept = [person.topology.names.index(label) for label in labels]
    markers = sk.Keypoints.from_arrays(person.joint_positions()[:, kept], labels, [-1] * len(labels), 60.0)
    sk.write(markers, tmp_path / "again.trc")
    (again,) = sk.read(tmp_path / "again.trc")
    assert again.topology.names == person.topology.names
    np.testing.assert_allclose(again.joint_positions(), person.joint_positions(), atol=1e-6)
