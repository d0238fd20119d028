"""Robots: forward kinematics of a URDF against poses known by construction and against the real G1; bad files."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core import plugins
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.urdf import read_robot
from tests.robots import ARM


def turn(axis: str, angle: float) -> np.ndarray:
    """(3, 3) rotation matrix, written out."""
    c, s = np.cos(angle), np.sin(angle)
    rows = {"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]]}
    return np.array(rows.get(axis, [[c, -s, 0], [s, c, 0], [0, 0, 1]]))


def tip_of_arm(shoulder: float, slide: float, twist: float) -> np.ndarray:
    """Where the tip's frame is, Z up, by matrices along the chain."""
    frame = turn("z", np.pi / 2) @ turn("y", shoulder)
    place = np.array([0, 0, 1.0]) + frame @ [0, 0, 0.5 + slide] + frame @ [0, 0, 0.4]
    frame = frame @ turn("z", twist)
    place = place + frame @ [0.1, 0, 0]
    return place + frame @ turn("y", 0.5 - 2 * twist) @ [0, 0, 0.1]


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    (tmp_path / "arm.urdf").write_text(ARM)
    return tmp_path / "arm.urdf"


def test_forward_kinematics_of_every_kind_of_joint(arm: Path) -> None:
    robot = read_robot(arm, 100)
    assert robot.dofs == ("shoulder", "slide", "twist")
    values = np.random.default_rng(0).uniform(-1.5, 1.5, (20, 3))  # beyond the limits, which are not applied
    still = np.tile([1.0, 0, 0, 0], (20, 1))
    motion = robot.motion(dict(zip(robot.dofs, values.T, strict=True)), np.zeros((20, 3)), still, 30)
    tip = motion.joint_positions()[:, motion.topology.names.index("tip")]
    np.testing.assert_allclose(tip, [tip_of_arm(*row) for row in values], atol=1e-12)
    # The rest pose is the robot at zero.
    zero = robot.motion({}, np.zeros((1, 3)), still[:1], 30)
    rest = robot.motion({"twist": np.array([0.25])}, np.zeros((1, 3)), still[:1], 30).rotations
    np.testing.assert_allclose(zero.joint_positions()[0, 1], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(np.abs(rest[0, :3, 0]), 1, atol=1e-12)
    with pytest.raises(sk.TopologyError, match="'arm' has no moving joint 'finger'"):
        robot.motion({"finger": np.zeros(1)}, np.zeros((1, 3)), still[:1], 30)


def test_ends_move_to_their_centre_of_mass(arm: Path) -> None:
    robot = read_robot(arm, 100).with_ends_at_masses()
    motion = robot.motion({}, np.zeros((1, 3)), np.array([[1.0, 0, 0, 0]]), 30)
    tip = motion.joint_positions()[0, motion.topology.names.index("tip")]
    frame = turn("z", np.pi / 2)
    expected = np.array([0, 0, 1.9]) + frame @ [0.1, 0, 0] + frame @ turn("y", 0.5) @ [0, 0, 0.15]
    np.testing.assert_allclose(tip, expected, atol=1e-12)


def table(folder: Path, text: str, name: str = "wave.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_table_beside_its_robot(arm: Path) -> None:
    path = table(arm.parent, "# fps=25\nframe,root_x,root_y,root_z,slide,twist\n0,0,0,0,0,0\n1,1,2,3,0.5,0.1\n")
    (clip,) = plugins.read_clips(path)
    (motion,) = clip.persons
    assert isinstance(motion, sk.Motion) and clip.origin is not None
    assert (motion.fps, len(motion), clip.origin.format, clip.origin.up_axis) == (25.0, 2, "urdf", "z")
    assert any(
        "1 joints of the robot are not in the table and stay at 0: shoulder" in one for one in clip.origin.warnings
    )
    # Z up becomes Y up: (1, 2, 3) is (1, 3, -2).
    places = motion.joint_positions()
    np.testing.assert_allclose(places[1, 0], [1, 3, -2], atol=1e-12)
    np.testing.assert_allclose(places[1, motion.topology.names.index("lower")] - places[1, 0], [0, 2.0, 0], atol=1e-9)
    assert map_rig(motion.topology, places).drawn.all()


def test_the_root_turns_and_time_gives_the_rate(arm: Path) -> None:
    half = np.sqrt(0.5)
    header = "time,root_x,root_y,root_z,root_qx,root_qy,root_qz,root_qw,shoulder\n"
    rows = "".join(f"{frame / 60:.6f},0,0,0,{half},0,0,{half},0\n" for frame in range(4))
    (clip,) = plugins.read_clips(table(arm.parent, header + rows))
    (motion,) = clip.persons
    assert motion.fps == 60.0
    # A quarter turn about X lays the arm, which stood along Z, along -Y, which is +Z with Y up.
    np.testing.assert_allclose(motion.joint_positions()[0, 1], [0, 0, 1], atol=1e-9)


def test_a_comment_names_the_robot_where_there_are_several(arm: Path) -> None:
    (arm.parent / "other.urdf").write_text(ARM.replace('name="arm"', 'name="other"'))
    path = table(arm.parent, "# fps=30\nshoulder_joint\n0\n")
    with pytest.raises(
        sk.MotionFormatError, match=r"wave.csv: the robot is not known: put its URDF beside .*wave.urdf"
    ):
        plugins.read_clips(path)
    path = table(arm.parent, "# fps=30\n# urdf=other.urdf\nshoulder\n0\n")
    assert plugins.read(path)[0].topology.names[0] == "base"
    path = table(arm.parent, "# fps=30\nshoulder\n0\n", "arm.csv")
    assert len(plugins.read(path)) == 1


def test_a_urdf_alone_stands_at_zero(arm: Path) -> None:
    (clip,) = plugins.read_clips(arm)
    assert clip.origin is not None and len(clip.persons[0]) == 1
    assert any("every joint at zero" in one for one in clip.origin.warnings)


def test_the_long_and_the_wide_table_are_told_apart(arm: Path) -> None:
    wide = table(arm.parent, "# fps=30\nshoulder,slide\n0,0\n")
    assert plugins.discovered().reader_of(wide).name == "urdf"
    long = table(
        arm.parent, "frame,joint,x,y,z\n0,shoulder,0,0,0\n0,slide,0,1,0\n1,shoulder,0,0,0\n1,slide,0,1,0\n", "l.csv"
    )
    assert plugins.discovered().reader_of(long).name == "csv"
    neither = table(arm.parent, "a,b\n1,2\n", "n.csv")
    with pytest.raises(sk.MotionFormatError, match="none of the formats with this suffix fits the file: csv, urdf"):
        plugins.discovered().reader_of(neither)


def arrays(**changes: np.ndarray | None) -> bytes:
    given = {
        "dof": np.zeros((5, 2)),
        "dof_names": np.array(["shoulder", "twist"]),
        "fps": np.array(50.0),
        "root_pos": np.arange(15.0).reshape(5, 3) / 10,
        "root_quat_xyzw": np.tile([0.0, 0, 0, 1], (5, 1)),
    }
    file = io.BytesIO()
    np.savez(file, **{key: value for key, value in (given | changes).items() if value is not None})  # type: ignore[arg-type]
    return file.getvalue()


def test_arrays_of_several_clips(arm: Path) -> None:
    path = arm.parent / "take.npz"
    path.write_bytes(arrays(clip_offsets=np.array([0, 2, 5]), urdf=np.array("arm.urdf")))
    clips = plugins.read_clips(path)
    assert [(clip.name, len(clip.persons[0])) for clip in clips] == [("0", 2), ("1", 3)]
    np.testing.assert_allclose(clips[1].persons[0].joint_positions()[0, 0], [0.6, 0.8, -0.7], atol=1e-12)
    path.write_bytes(arrays(root_quat_xyzw=None, root_quat_wxyz=np.tile([1.0, 0, 0, 0], (5, 1))))
    assert plugins.read(path)[0].fps == 50.0


BAD_TABLES = {
    "no rate": ("shoulder\n0\n", r"wave.csv: the frame rate is missing: add a line `# fps=30`"),
    "rate": ("# fps=fast\nshoulder\n0\n", "the frame rate 'fast' is no positive number"),
    "stray": ("# fps=30\nshoulder,elbow\n0,0\n", "the robot 'arm' has no moving joint 'elbow'"),
    "short row": ("# fps=30\nshoulder,slide\n0,0\n0\n", r"wave.csv:4: expected 2 values, found 1"),
    "word": ("# fps=30\nshoulder,slide\n0,x\n", r"wave.csv:3: expected a number, found 'x'"),
    "not a number": ("# fps=30\nshoulder\nnan\n", r"wave.csv:3: shoulder is missing"),
    "no frames": ("# fps=30\nshoulder,slide\n", "there are no joint values"),
    "twice": ("# fps=30\nshoulder,shoulder\n0,0\n", r"wave.csv:2: the column 'shoulder' is there twice"),
    "half a root": ("# fps=30\nroot_x,shoulder\n0,0\n", "the column 'root_y' is missing, though 'root_x' is there"),
    "time": ("time,shoulder\n0,0\n1,0\n1,0\n", "the column 'time' does not rise in even steps"),
    "outside": ("# fps=30\n# urdf=../arm.urdf\nshoulder\n0\n", "lies outside the table's folder"),
    "absent": ("# fps=30\n# urdf=none.urdf\nshoulder\n0\n", "'none.urdf' that it names is not there"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables(arm: Path, case: str) -> None:
    text, expected = BAD_TABLES[case]
    with pytest.raises(sk.MotionFormatError, match=expected):
        plugins.read_clips(table(arm.parent, text))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dof": np.zeros((5, 3))}, r"'dof' must be numbers of shape \(T, 2\)"),
        ({"dof": np.full((5, 2), np.nan)}, "'dof' holds a value that is no finite number"),
        ({"fps": np.array(0.0)}, "'fps' must be one positive number"),
        ({"fps": None}, "the array 'fps' is missing"),
        ({"dof": np.zeros((0, 2)), "root_pos": None, "root_quat_xyzw": None}, "0 frames"),
        ({"clip_offsets": np.array([0, 9])}, "'clip_offsets' must rise from 0 to 5"),
        ({"root_pos": np.zeros((4, 3))}, "'root_pos' must be numbers of shape"),
    ],
)
def test_bad_arrays(arm: Path, changes: dict[str, np.ndarray | None], expected: str) -> None:
    path = arm.parent / "take.npz"
    path.write_bytes(arrays(**changes))
    with pytest.raises(sk.MotionFormatError, match=expected):
        plugins.read_clips(path)


LINK = '<link name="{}"/>'
HINGE = '<joint name="{}" type="{}"><parent link="{}"/><child link="{}"/>{}</joint>'


def robot(*parts: str) -> str:
    return f"<robot name='r'>{''.join(parts)}</robot>"


AB = LINK.format("a") + LINK.format("b")
DEEP = "<robot>" + "<x>" * 200 + "</x>" * 200 + "</robot>"
BAD_ROBOTS = {
    "no xml": ("hello", r"r.urdf:1: is no whole XML: syntax error"),
    "cut": (ARM[:300], "is no whole XML"),
    "other root": ("<sdf/>", "expected <robot>, found <sdf>"),
    "xacro": (robot('<xacro:macro xmlns:xacro="x"/>'), "is a xacro template: expand it first"),
    "entity": ('<!DOCTYPE robot [<!ENTITY a "b">]>' + robot(AB), r"r.urdf:1: a document type .* is not accepted"),
    "external": ('<!DOCTYPE robot SYSTEM "file:///etc/passwd"><robot/>', "a document type"),
    "deep": (DEEP, "nested deeper than 100"),
    "empty": ("<robot/>", "the robot has no link"),
    "two links": (robot(LINK.format("a"), LINK.format("a")), "there are two links 'a'"),
    "no such link": (robot(LINK.format("a"), HINGE.format("j", "fixed", "a", "b", "")), "speaks of a link 'b'"),
    "two roots": (robot(AB), "2 links hang from no joint"),
    "two parents": (
        robot(AB, HINGE.format("j", "fixed", "a", "b", ""), HINGE.format("k", "fixed", "a", "b", "")),
        "link 'b' hangs from two joints",
    ),
    "two joints": (
        robot(AB, LINK.format("c"), HINGE.format("j", "fixed", "a", "b", ""), HINGE.format("j", "fixed", "a", "c", "")),
        "there are two joints 'j'",
    ),
    "cycle": (
        robot(AB, HINGE.format("j", "fixed", "a", "b", ""), HINGE.format("k", "fixed", "b", "a", "")),
        "form a cycle",
    ),
    "planar": (robot(AB, HINGE.format("j", "planar", "a", "b", "")), "joint 'j' is 'planar'; those that can be read"),
    "no type": (robot(AB, HINGE.format("j", "", "a", "b", "")), "<joint> has no 'type'"),
    "axis": (
        robot(AB, HINGE.format("j", "revolute", "a", "b", '<axis xyz="0 0 0"/>')),
        "the axis of joint 'j' has no direction",
    ),
    "numbers": (
        robot(AB, HINGE.format("j", "revolute", "a", "b", '<origin xyz="0 0 inf"/>')),
        "xyz='0 0 inf' of <origin> should be 3 plausible numbers",
    ),
    "mimic of itself": (
        robot(AB, HINGE.format("j", "revolute", "a", "b", '<mimic joint="j"/>')),
        "joint 'j' mimics 'j', which takes no value of its own",
    ),
    "too many": (
        robot(
            LINK.format("l0"),
            *(LINK.format(f"l{i}") + HINGE.format(f"j{i}", "fixed", "l0", f"l{i}", "") for i in range(1, 2100)),
        ),
        "the robot has 2100 links; more than 2000 are refused",
    ),
}


@pytest.mark.parametrize("case", BAD_ROBOTS)
def test_bad_robots(tmp_path: Path, case: str) -> None:
    text, expected = BAD_ROBOTS[case]
    (tmp_path / "r.urdf").write_text(text)
    with pytest.raises(sk.MotionFormatError, match=expected):
        plugins.read_clips(tmp_path / "r.urdf")


def test_the_real_g1(shared_data: Path, tmp_path: Path) -> None:
    """The recorded joint values and the real URDF give the link places that were published beside them (in float16)."""
    shutil.copy(shared_data / "original" / "g1_pkl" / "g1_29dof_anneal_23dof.urdf", tmp_path / "g1.urdf")
    shutil.copy(shared_data / "motion" / "g1_robot.npz", tmp_path / "g1.npz")
    stored = np.load(tmp_path / "g1.npz")
    clips = plugins.read_clips(tmp_path / "g1.npz")
    assert len(clips) == 15
    ends = {"head_link", "left_rubber_hand", "right_rubber_hand"}
    for number in range(0, 15, 4):
        clip, (start, stop) = clips[number], stored["clip_offsets"][number : number + 2]
        (motion,) = clip.persons
        places = motion.joint_positions()
        names = list(motion.topology.names)
        for column, name in enumerate(stored["names"]):
            if name in ends:
                continue  # Stored at their frames, read at their centres of mass.
            expected = stored["pos_rel"][start:stop, column].astype(np.float64) + stored["root"][start:stop]
            assert np.abs(places[:, names.index(name)] - expected).max() < 5e-4
        rig = map_rig(motion.topology, places)
        parts = {part.value: names[joint] for part, joint in rig.primary().items()}
        assert parts["head"] == "head_link" and parts["left_fingers"] == "left_rubber_hand"
        assert parts["right_foot"] == "right_ankle_pitch_link"
        head, chest = (places[:, names.index(parts[part])] for part in ("head", "chest"))
        assert np.median(head[:, 1] - chest[:, 1]) > 0.3
        assert not rig.warnings
        # By shape alone the head is one of the joints in it.
        shape = map_rig(sk.Topology("x", tuple(f"j{i}" for i in range(len(names))), motion.topology.parents), places)
        found = shape.joint_of(sk.BodyPart.HEAD)
        assert found is not None and np.linalg.norm(places[:, found] - head, axis=-1).max() < 0.1
