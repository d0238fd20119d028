"""CSV of joints: columns in any order, gaps, persons, parents, rates, separators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.rig import map_rig
from tests.clips import RIG
from tests.plugins import made_files
from tests.plugins.test_readers import STANDING

HEAD = "frame,joint,x,y,z"


def clip(folder: Path, text: str | bytes, name: str = "joints.csv") -> sk.Clip:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (only,) = sk.read_clips(path)
    return only


def refused(folder: Path, text: str) -> str:
    with pytest.raises(sk.MotionFormatError) as caught:
        clip(folder, text)
    return str(caught.value).removeprefix(f"{folder}/").removesuffix(" (format 'csv')")


def places(person: sk.Keypoints | sk.Motion, name: str) -> np.ndarray:
    return person.joint_positions()[:, person.topology.names.index(name)]


PLAIN = made_files.csv_table(STANDING, list(RIG), 50.0).decode()


@pytest.mark.parametrize(
    "change",
    {
        "CRLF": lambda t: t.replace("\n", "\r\n"),
        "byte order mark": lambda t: "\ufeff" + t,
        "semicolons and decimal commas": lambda t: t.replace(",", ";").replace(".", ","),
        "tabs": lambda t: t.replace(",", "\t"),
        "blanks": lambda t: t.replace(",", " , "),
        "capitals": lambda t: t.replace(HEAD, "Frame,JOINT,X,Y,Z"),
        "quotes": lambda t: t.replace("Hips", '"Hips"').replace(HEAD, '"frame","joint","x","y","z"'),
        "another order of columns": lambda t: (
            "# fps=50\nz,y,x,joint,frame\n"
            + "\n".join(",".join(reversed(line.split(","))) for line in t.split("\n")[2:])
        ),
        "another order of lines": lambda t: "\n".join([*t.split("\n")[:19], *sorted(t.split("\n")[19:], reverse=True)]),
        "a column more": lambda t: "\n".join(
            line + (",score" if line == HEAD else ",0.5" if line and line[0] != "#" else "") for line in t.split("\n")
        ),
        "blank lines": lambda t: t.replace("\n", "\n\n"),
        "frames from 1000": lambda t: "\n".join(f"100{line}" if line[:1].isdigit() else line for line in t.split("\n")),
    }.items(),
    ids=lambda item: item[0],
)
def test_ways_to_write_the_same_file(change: tuple, tmp_path: Path) -> None:
    (person,) = clip(tmp_path, change[1](PLAIN)).persons
    assert person.fps == 50.0 and len(person) == len(STANDING)
    for index, name in enumerate(RIG):
        np.testing.assert_allclose(places(person, name), STANDING[:, index], atol=1e-8)


def test_names_of_body_parts_give_the_bones(tmp_path: Path) -> None:
    found = clip(tmp_path, PLAIN)
    (person,) = found.persons
    assert found.origin is not None and found.origin.warnings == ()
    names = person.topology.names
    above = {names[child]: names[parent] for parent, child in person.topology.bones}
    assert above == {name: row[0] for name, row in RIG.items() if row[0] is not None}
    rig = map_rig(person.topology, person.joint_positions())
    assert {names[joint] for joint in rig.primary().values()} >= {"Hips", "LeftForeArm", "RightFoot", "Head"}


def test_joints_of_unknown_names_are_joined_where_they_are_nearest(tmp_path: Path) -> None:
    data = made_files.csv_table(STANDING, [f"p{index}" for index in range(len(RIG))], 50.0)
    found = clip(tmp_path, data)
    (person,) = found.persons
    assert found.origin is not None and "joined where they are nearest" in found.origin.warnings[-1]
    bones = {frozenset(person.topology.names[joint] for joint in bone) for bone in person.topology.bones}
    places = {name: f"p{index}" for index, name in enumerate(RIG)}
    for child, parent in (("LeftForeArm", "LeftArm"), ("LeftHand", "LeftForeArm"), ("Head", "Neck")):
        assert frozenset((places[child], places[parent])) in bones


def test_known_names_and_a_column_of_parents(tmp_path: Path) -> None:
    names = ["HipCenter", "Spine", "ShoulderCenter", "Head", "ShoulderLeft", "ElbowLeft", "WristLeft", "HipLeft", "KneeLeft",
             "AnkleLeft", "ShoulderRight", "HipRight"]  # fmt: skip
    table = np.random.default_rng(0).normal(size=(3, len(names), 3))
    (person,) = clip(tmp_path, made_files.csv_table(table, names, 30.0)).persons
    above = {person.topology.names[child]: person.topology.names[parent] for parent, child in person.topology.bones}
    assert above["WristLeft"] == "ElbowLeft" and above["Head"] == "ShoulderCenter" and "HipCenter" not in above

    told = [
        f"{HEAD},parent",
        "0,tip,0,2,0,mid",
        "0,mid,0,1,0,base",
        "0,base,0,0,0,",
        "1,tip,0,2,0,mid",
        "1,base,0,0,0,",
    ]
    (person,) = clip(tmp_path, "\n".join(told)).persons
    assert person.topology.names == ("base", "mid", "tip") and person.topology.parents.tolist() == [-1, 0, 1]
    assert np.isnan(places(person, "mid")[1]).all()
    assert "base" in refused(tmp_path, "\n".join(told).replace("0,base,0,0,0,", "0,base,0,0,0,tip"))
    cycle = "\n".join(told).replace("base,0,0,0,", "base,0,0,0,tip")
    assert refused(tmp_path, cycle).startswith("joints.csv: column 'parent': the joints form a cycle")
    two = refused(tmp_path, "\n".join([*told, "2,tip,0,0,0,base"]))
    assert two == "joints.csv:7: joint 'tip' has two parents, 'mid' and 'base'"
    assert "there is no joint 'neck', the parent of 'base'" in refused(
        tmp_path, "\n".join(told).replace("base,0,0,0,", "base,0,0,0,neck")
    )


def test_missing_lines_and_empty_cells_are_gaps(tmp_path: Path) -> None:
    lines = PLAIN.split("\n")
    knee = next(index for index, line in enumerate(lines) if line.startswith("2,LeftLeg,"))
    foot = next(index for index, line in enumerate(lines) if line.startswith("3,LeftFoot,"))
    lines[foot] = "3,LeftFoot,,0.1,nan"
    del lines[knee]
    (person,) = clip(tmp_path, "\n".join(lines)).persons
    assert np.isnan(places(person, "LeftLeg")).any(-1).tolist() == [frame == 2 for frame in range(6)]
    assert np.isnan(places(person, "LeftFoot")).all(-1).tolist() == [frame == 3 for frame in range(6)]
    assert np.isfinite(places(person, "Hips")).all()


def test_persons(tmp_path: Path) -> None:
    lines = PLAIN.strip().split("\n")[2:]
    for one, two, ids in (("7", "3", (7, 3)), ("Anna", "Ben", (0, 1))):
        text = [f"{HEAD},person", *(f"{line},{one}" for line in lines)]
        text += [f"{line},{two}" for line in lines if not line.startswith("5,")]
        found = clip(tmp_path, "\n".join(text))
        first, second = found.persons
        assert found.person_ids == ids and len(first) == len(second) == 6
        np.testing.assert_array_equal(first.joint_positions()[:5], second.joint_positions()[:5])
        assert np.isnan(second.joint_positions()[5]).all()


@pytest.mark.parametrize(
    ("head", "tail", "fps"),
    [
        ("# fps=25\n" + HEAD, ["", ""], 25.0),
        ("# made by hand, fps: 12.5\n" + HEAD, ["", ""], 30.0),
        ("#FPS:12.5\n" + HEAD, ["", ""], 12.5),
        (HEAD + ",fps", [",60", ",60"], 60.0),
        (HEAD + ",time", [",1.0", ",1.0333333"], 30.0),
        (HEAD + ",time", [",1.0", ",1.4"], 2.5),
        (HEAD, ["", ""], 30.0),
    ],
)
def test_rates(head: str, tail: list[str], fps: float, tmp_path: Path) -> None:
    rows = [f"{frame},{joint},{x},{frame},0{tail[frame]}" for frame in (0, 1) for x, joint in enumerate("ab")]
    found = clip(tmp_path, "\n".join([head, *rows]))
    assert found.persons[0].fps == pytest.approx(fps) and found.origin is not None
    assert any("no frame rate; 30 frames a second are taken" in note for note in found.origin.warnings) == (
        "fps=" not in head and "#FPS" not in head and not tail[0]
    )


def test_mistakes_are_named_with_their_line(tmp_path: Path) -> None:
    row = "0,a,0,0,0"
    for text, said in (
        (
            f"joint,x,y\n{row}",
            "joints.csv:1: the first line must name the columns frame, joint, x, y and z; frame, z are",
        ),
        (f"{HEAD},x\n{row},1", "joints.csv:1: two columns have the same name"),
        (f"{HEAD}\n{row}\n1,a,0,0", "joints.csv:3: expected 5 cells, found 4"),
        (f"{HEAD}\n{row}\n{row}", "joints.csv:3: joint 'a' is there twice in this frame"),
        (f"{HEAD}\n{row}\nx,a,0,0,0", "joints.csv:3: frame: expected a number, found 'x'"),
        (f"{HEAD}\n{row}\n,a,0,0,0", "joints.csv:3: expected a frame number, found ''"),
        (f"{HEAD}\n{row}\n1,a,0,1 2,0", "joints.csv:3: y: expected a number, found '1 2'"),
        (f"{HEAD},fps\n{row},5\n1,a,0,0,0,6", "joints.csv:2: the column 'fps' must hold one positive number"),
        (f"{HEAD},time\n{row},5\n1,a,0,0,0,4", "joints.csv:2: the times must grow with the frames"),
        (
            f'{HEAD}\n{row}\n1,"a,0,0,0',
            "joints.csv:3: a quoted cell does not end in its line|expected 5 cells, found 2",
        ),
        (f"{HEAD}\n" + "\n".join(f"0,j{joint},0,0,0" for joint in range(2001)), "joints.csv:2: there are 2001 joints"),
        (
            "Trajectories\n100\n,,a",
            "joints.csv:1: is a table of markers as Vicon Nexus writes it; export the trial as .c3d",
        ),
    ):
        told = refused(tmp_path, text)
        assert any(part in told for part in said.split("|")), told


def test_a_real_table_of_markers_is_refused_with_a_cure(shared_data: Path) -> None:
    with pytest.raises(sk.MotionFormatError, match=r"export the trial as \.c3d or \.trc"):
        sk.read(shared_data / "original" / "biomech" / "markers.csv")
