"""Values on topics → motions: the real G1, the REP-155 human, ball joints, frames of /tf."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.urdf import robot_of_text
from skeletonllm_ros2.human import human_urdf, human_values
from skeletonllm_ros2.kinematics import ROOT_VALUES, FrameSource, JointSource, ball_joints, revolute_values
from tests.robots import ARM, SIX_AXIS_ARM


def z_up(points: np.ndarray) -> np.ndarray:
    """Y up → Z up, written out."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def test_the_real_g1_from_joint_states_and_a_root(shared_data: Path) -> None:
    urdf = shared_data / "original" / "g1_pkl" / "g1_29dof_anneal_23dof.urdf"
    pack = np.load(shared_data / "motion" / "g1_robot.npz")
    source = JointSource(urdf.read_text(), "/robot_description")
    frames = slice(0, int(pack["clip_offsets"][1]))
    root = np.concatenate([pack["root_pos_zup"][frames], pack["root_quat_xyzw"][frames]], -1)
    names = (*map(str, pack["dof_names"]), *ROOT_VALUES)
    motion = source.person(names, np.concatenate([pack["dof"][frames], root], -1).astype(float), 30.0, "g1")
    # The pack's positions were made by another program; they are kept in 16 bits.
    places = motion.joint_positions()
    theirs = pack["pos_rel"][frames].astype(float) + pack["root"][frames, None]
    # By the place of each of theirs: nearest of ours at the start.
    nearest = np.linalg.norm(places[0][None] - theirs[0][:, None], axis=-1)
    compared = [(b, int(a)) for b, a in enumerate(nearest.argmin(1)) if nearest[b].min() < 2e-3]
    assert len(compared) >= 15
    ours = places[:, [a for _, a in compared]]
    assert np.abs(ours - theirs[:, [b for b, _ in compared]]).max() < 3e-3
    values = np.concatenate([pack["dof"][frames], root], -1).astype(float)
    permuted = source.person(names[::-1], values[:, ::-1], 30.0, "g1")
    np.testing.assert_allclose(permuted.joint_positions(), places, atol=1e-12)


def test_merging_revolutes_moves_nothing() -> None:
    source = JointSource(human_urdf("a1"), "human")
    joints = source.robot.dofs
    assert len(joints) == 20
    values = np.random.default_rng(0).uniform(-1.2, 1.2, (50, len(joints)))
    still = np.tile([1.0, 0, 0, 0], (50, 1))
    chain = source.robot.motion(dict(zip(joints, values.T, strict=True)), np.zeros((50, 3)), still, 30)
    merged = ball_joints(chain)
    assert len(merged.topology) == 17 < len(chain.topology) == 27
    ours, theirs = merged.joint_positions(), chain.joint_positions()
    for joint, name in enumerate(merged.topology.names):
        np.testing.assert_allclose(ours[:, joint], theirs[:, chain.topology.names.index(name)], atol=1e-12)
    # A sliding joint and links with a length stay as they are.
    arm = JointSource(ARM, "arm").robot.motion({"slide": np.linspace(0, 1, 50)}, np.zeros((50, 3)), still, 30)
    assert len(ball_joints(arm).topology) == len(arm.topology)


@pytest.mark.parametrize(
    "axes",
    [
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[0, 0, -1], [1, 0, 0], [0, 0, 1]],
        [[0, 0, 1], [-1, 0, 0], [0, 0, -1]],
        [[0, 1, 0], [0, 0, -1], [0, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [1, 0, 0]],
    ],
)
def test_a_ball_joint_is_three_revolutes(axes: list[list[int]]) -> None:
    turns = rotation.normalize(np.random.default_rng(1).normal(size=(200, 4)))
    turns[0] = (1, 0, 0, 0)
    turns[1] = (0, *axes[1])  # half a turn about the middle axis
    turns[2] = rotation.from_axis_angle(np.array(axes[0], dtype=float), np.array(0.7))
    values = revolute_values(turns, np.array(axes))
    again = turns[:, :1] * 0 + np.array([1.0, 0, 0, 0])
    for column, axis in enumerate(axes):
        again = rotation.multiply(again, rotation.from_axis_angle(np.array(axis, dtype=float), values[:, column]))
    np.testing.assert_allclose(np.abs((again * turns).sum(-1)), 1, atol=1e-9)


def test_revolutes_that_make_no_ball_joint() -> None:
    with pytest.raises(sk.TopologyError, match="neighbours different"):
        revolute_values(np.array([[1.0, 0, 0, 0]]), np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]]))


@pytest.mark.parametrize("clip", ["walk.mixamo.bvh", "wave-right-hand.minimal.bvh", "squat.minimal.bvh"])
def test_a_clip_becomes_a_rep_155_human_and_comes_back(root: Path, clip: str) -> None:
    (person,) = sk.read(root / "examples" / "clips" / clip)
    joints, values, pose = human_values(person, "b7")
    source = JointSource(human_urdf("b7"), "human")
    back = source.person((*joints, *ROOT_VALUES), np.concatenate([values, pose], -1), person.fps, clip)
    wanted = sk.retarget(person, back.skeleton)
    # Hands, knees, feet and head are where the retargeted clip has them, but for the trunk, which bends one way only.
    rig = map_rig(back.topology, back.joint_positions())
    for part in (BodyPart.LEFT_SHIN, BodyPart.RIGHT_FOOT, BodyPart.LEFT_FOOT):
        joint = rig.joint_of(part)
        np.testing.assert_allclose(back.joint_positions()[:, joint], wanted.joint_positions()[:, joint], atol=1e-6)
    names = list(back.topology.names)
    for lower, upper in (("l_wrist_b7", "l_elbow_b7"), ("r_elbow_b7", "r_shoulder_b7")):
        ours, theirs = (
            one.joint_positions()[:, names.index(lower)] - one.joint_positions()[:, names.index(upper)]
            for one in (back, wanted)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_frames_of_tf_are_the_same_body(root: Path) -> None:
    source = JointSource(ARM, "arm")
    values = {"shoulder": np.linspace(-1, 1, 40), "twist": np.linspace(0, 2, 40), "slide": np.linspace(0, 0.3, 40)}
    still = np.tile([1.0, 0, 0, 0], (40, 1))
    moving = np.linspace([0, 0, 0], [1, 2, 0.5], 40)
    arm = source.robot.motion(values, moving, still, 30)
    frames = FrameSource("base")
    names, columns = [], []
    rng = np.random.default_rng(0)
    for link, parent in enumerate(arm.skeleton.parents):
        offset = (
            moving
            if parent < 0
            else (arm.local_translations if arm.local_translations is not None else arm.skeleton.rest_offsets[None])[
                :, link
            ]
        )
        child, above = arm.topology.names[link], "odom" if parent < 0 else arm.topology.names[parent]
        flips = rng.choice([-1.0, 1.0], 40)[:, None]
        rows = np.concatenate([np.broadcast_to(offset, (40, 3)), arm.rotations[:, link][:, [1, 2, 3, 0]] * flips], -1)
        columns.append([frames.attach(child, above, row) for row in rows])
        names.append(child)
    assert frames.knows("tip") and frames.knows("odom") and not frames.knows("camera")
    assert np.isnan(frames.attach("tip", "finger_link", np.zeros(7))).all()
    # In any order, and with a stranger among them.
    order = [3, 0, 5, 1, 4, 2]
    stacked = np.stack(columns, 1)
    assert (np.diff(stacked[..., 6], axis=0) ** 2).max() < 0.1, "the signs are continuous"
    body = frames.person([names[i] for i in order], stacked[:, order], 30.0, "arm")
    places = {name: body.joint_positions()[:, i] for i, name in enumerate(body.topology.names)}
    for link, name in enumerate(arm.topology.names):
        np.testing.assert_allclose(z_up(places[name]), arm.joint_positions()[:, link], atol=1e-12)
    # Below a frame that was not seen, nothing is known.
    few = [0, 1, 3, 4]
    lost = frames.person([names[i] for i in few], stacked[:, few], 30.0, "arm")
    assert set(lost.topology.names) == {"base", "upper"}
    with pytest.raises(sk.TopologyError, match="no frame below 'camera'"):
        FrameSource("camera").person(names, stacked, 30.0, "arm")


def test_values_stay_within_the_limits_of_their_joints() -> None:
    source = JointSource(ARM, "arm")
    values = np.zeros((6, 4))
    values[:, 0] = [0.5, 1.5, -4.0, 0.5 + 2 * np.pi, -0.5 - 4 * np.pi, 1.0 + 1e-9]
    values[:, 1] = 9.0
    values[:, 2] = 40.0
    held, beyond = source.limited(("shoulder", "slide", "twist", "other"), values)
    # Whole turns are undone; what no turn helps goes to the nearer limit; a continuous joint has none.
    np.testing.assert_allclose(held[:, 0], [0.5, 1.0, 1.0, 0.5, -0.5, 1.0], atol=1e-9)
    assert (held[:, 1] == 2.0).all() and (held[:, 2] == 40.0).all()
    assert beyond == ("shoulder", "slide") and values[1, 0] == 1.5, "the given values stay as they are"


def places_of_yourdfpy(urdf: str, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(T, 3) place of each link, by yourdfpy."""
    peer = pytest.importorskip("yourdfpy", reason='needs pip install "skeletonllm[test]"')
    robot = peer.URDF.load(io.StringIO(urdf), load_meshes=False, build_scene_graph=True)
    places: dict[str, list[np.ndarray]] = {link: [] for link in robot.link_map}
    for frame in range(len(next(iter(values.values())))):
        robot.update_cfg({joint: value[frame] for joint, value in values.items()})
        for link, found in places.items():
            found.append(robot.get_transform(link, robot.base_link)[:3, 3])
    return {link: np.array(found) for link, found in places.items()}


def assert_same_places(urdf: str, seed: int) -> None:
    robot = robot_of_text(urdf, "robot", 1000)
    rng = np.random.default_rng(seed)
    values = {}
    for joint in robot.dofs:
        low, high = robot.limits[robot.joints.index(joint)].clip(-np.pi, np.pi)
        values[joint] = rng.uniform(low, high, 20)
    still = np.tile([1.0, 0, 0, 0], (20, 1))
    ours = robot.motion(values, np.zeros((20, 3)), still, 30).joint_positions()
    theirs = places_of_yourdfpy(urdf, values)
    assert set(theirs) == set(robot.links)
    for place, link in enumerate(robot.links):
        np.testing.assert_allclose(ours[:, place], theirs[link], atol=1e-6)


@pytest.mark.parametrize("urdf", [ARM, SIX_AXIS_ARM, human_urdf("a1")], ids=["arm", "six axes", "human"])
def test_links_are_where_another_library_has_them(urdf: str) -> None:
    # It does not bring the axis of a slide to length one.
    assert_same_places(urdf.replace('xyz="0 0 2"', 'xyz="0 0 1"'), 0)


def test_links_of_the_g1_are_where_another_library_has_them(shared_data: Path) -> None:
    assert_same_places((shared_data / "original" / "g1_pkl" / "g1_29dof_anneal_23dof.urdf").read_text(), 1)
