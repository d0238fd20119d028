"""Retargeting: limbs point as the source's do, whatever the rest poses; what has no match rests; paths are scaled."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core import plugins
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.retarget import retarget
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.train.procedural import make_motion
from tests import clips

LIMBS = ("upper_arm", "forearm", "hand"), ("thigh", "shin", "foot")


@pytest.fixture(params=["walk", "wave", "squat"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> sk.Motion:
    return read(tmp_path, clips.bvh(clips.MOTIONS[request.param], 1.0, turn=30))


def read(folder: Path, text: str) -> sk.Motion:
    (folder / "clip.bvh").write_text(text)
    (motion,) = sk.read(folder / "clip.bvh")
    assert isinstance(motion, sk.Motion)
    return motion


def limbs(person: sk.Motion | sk.Keypoints) -> np.ndarray:
    """(T, 8, 3) directions of upper arms, forearms, thighs and shins of both sides."""
    positions = person.joint_positions()
    at = map_rig(person.topology, positions).primary()
    bones = []
    for side in ("left", "right"):
        for line in LIMBS:
            joints = [at[sk.BodyPart(f"{side}_{part}")] for part in line]
            bones += [positions[:, b] - positions[:, a] for a, b in pairwise(joints)]
    found = np.stack(bones, 1)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def with_other_rest(motion: sk.Motion, seed: int = 1) -> sk.Motion:
    """The same movement of a skeleton whose rest pose is crumpled at random: each bone has a frame of its own."""
    parents = motion.topology.parents
    frame = rotation.normalize(np.random.default_rng(seed).normal(size=(len(parents), 4)))
    offsets, rotations = motion.skeleton.rest_offsets.copy(), rotation.multiply(motion.rotations, frame)
    below = parents >= 0
    back = rotation.conjugate(frame[parents[below]])
    offsets[below] = rotation.rotate(back, offsets[below])
    rotations[:, below] = rotation.multiply(back, rotations[:, below])
    return sk.Motion(sk.Skeleton(motion.topology, offsets), rotations, motion.root_translation, motion.fps)


def renamed(motion: sk.Motion) -> sk.Motion:
    """The same with other names for the same parts, so that joints are matched by part."""
    other = {"Hips": "pelvis", "Spine": "spine_01", "Chest": "spine_03", "Neck": "neck_01", "Head": "head"}
    words = {"ForeArm": "lowerarm", "Arm": "upperarm", "Hand": "hand", "UpLeg": "thigh", "Leg": "calf", "Foot": "foot"}

    def name(old: str) -> str:
        side, rest = ("l", old[4:]) if old.startswith("Left") else ("r", old[5:])
        return other.get(old) or f"{words[rest]}_{side}"

    topology = sk.Topology("unreal", tuple(map(name, motion.topology.names)), motion.topology.parents)
    return sk.Motion(
        sk.Skeleton(topology, motion.skeleton.rest_offsets), motion.rotations, motion.root_translation, motion.fps
    )


def test_onto_itself_nothing_changes(source: sk.Motion) -> None:
    result = retarget(source, source.skeleton)
    np.testing.assert_allclose(result.joint_positions(), source.joint_positions(), atol=1e-9)
    assert (result.fps, result.name, len(result)) == (source.fps, source.name, len(source))


def test_another_rest_pose_of_the_same_body_gives_the_same_places(source: sk.Motion) -> None:
    crumpled = with_other_rest(source)
    np.testing.assert_allclose(crumpled.joint_positions(), source.joint_positions(), atol=1e-9)
    assert np.abs(crumpled.skeleton.rest_offsets - source.skeleton.rest_offsets).max() > 0.2
    for given, onto in ((source, renamed(crumpled).skeleton), (crumpled, renamed(source).skeleton)):
        result = retarget(given, onto)
        np.testing.assert_allclose(result.joint_positions(), source.joint_positions(), atol=1e-6)


@pytest.mark.parametrize("name", ["humanml3d22", "ntu25", "kinect20", "smpl24", "rigify", "ros_human"])
def test_onto_every_named_topology_limbs_point_the_same_way(source: sk.Motion, name: str) -> None:
    result = retarget(source, plugins.topology(name))
    np.testing.assert_allclose(limbs(result), limbs(source), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(result.rotations, axis=-1), 1, atol=1e-9)
    lengths = np.linalg.norm(result.skeleton.rest_offsets[1:], axis=-1)
    positions = result.joint_positions()
    bones = positions[:, 1:] - positions[:, result.topology.parents[1:]]
    np.testing.assert_allclose(np.linalg.norm(bones, axis=-1), np.broadcast_to(lengths, bones.shape[:2]), atol=1e-9)


def test_a_longer_legged_body_goes_further_and_stands_on_the_same_floor(tmp_path: Path) -> None:
    walk = read(tmp_path, clips.bvh(clips.walk, 1.0))
    tall = renamed(walk).skeleton
    tall = sk.Skeleton(tall.topology, tall.rest_offsets * 1.5)
    result = retarget(walk, tall)
    path, longer = (motion.root_translation[-1] - motion.root_translation[0] for motion in (walk, result))
    np.testing.assert_allclose(longer[[0, 2]], 1.5 * path[[0, 2]], atol=1e-6)
    assert result.joint_positions()[..., 1].min() == pytest.approx(walk.joint_positions()[..., 1].min(), abs=1e-9)


def test_joints_without_a_match_keep_their_rest_pose(source: sk.Motion) -> None:
    result = retarget(source, plugins.topology("smpl24"))
    for name in ("left_hand", "right_hand", "left_collar"):
        turn = result.rotations[:, result.topology.names.index(name)]
        np.testing.assert_allclose(np.abs(turn[:, 0]), 1, atol=1e-12)


def test_keypoints_with_gaps_and_a_moving_root_above_the_hips(source: sk.Motion) -> None:
    positions = source.joint_positions()
    positions[3:5, 6] = np.nan
    points = sk.Keypoints(source.topology, positions, source.fps)
    result = retarget(points, plugins.topology("smpl24"))
    np.testing.assert_allclose(limbs(result)[8:], limbs(source)[8:], atol=1e-6)
    anchored = sk.Skeleton(
        sk.Topology("anchored", ("World", *source.topology.names), np.concatenate([[-1], source.topology.parents + 1])),
        np.concatenate([[[0, 0, 0]], source.skeleton.rest_offsets + np.array([[0, 1, 0]] + [[0, 0, 0]] * 16)]),
    )
    result = retarget(source, anchored)
    np.testing.assert_allclose(result.joint_positions()[:, 1:], source.joint_positions(), atol=1e-6)


def test_bodies_without_a_common_part_are_refused(source: sk.Motion) -> None:
    arm = sk.Skeleton(sk.Topology("arm", ("base", "segment", "tool"), np.array([-1, 0, 1])), np.eye(3))
    parts = (None, None, None)
    with pytest.raises(sk.TopologyError, match=r"no body part in common|does not say which joint"):
        retarget(source, sk.Skeleton(sk.Topology("arm", arm.topology.names, arm.topology.parents, parts), np.eye(3)))
    with pytest.raises(sk.TopologyError, match="topology 'arm' does not say which joint is which body part"):
        retarget(source, arm.topology)


PAIRS = [
    ("bandai_bvh/dataset-2_walk_active_001.bvh", "bvh_misc/dab.bvh", 0.002),
    ("bandai_bvh/dataset-2_walk_active_001.bvh", "cmu_cc_bvh/002_01.bvh", 0.002),
    ("bvh_misc/dab.bvh", "cmu_cc_bvh/002_01.bvh", 0.01),
    # The Hips of this rig carry three bones that move against each other, which a rig with one spine joint cannot show.
    ("cmu_mb_bvh/01_01.bvh", "cmu_cc_bvh/002_01.bvh", 0.08),
]


@pytest.mark.parametrize(("first", "second", "worst"), PAIRS)
def test_real_rigs_there_and_back(shared_data: Path, first: str, second: str, worst: float) -> None:
    (source,), (target,) = (sk.read(shared_data / "original" / name) for name in (first, second))
    assert isinstance(source, sk.Motion) and isinstance(target, sk.Motion)
    there = retarget(source, target.skeleton)
    np.testing.assert_allclose(limbs(there), limbs(source), atol=1e-5)
    back = retarget(there, source.skeleton).joint_positions()
    positions = source.joint_positions()
    joints = list(map_rig(source.topology, positions).primary().values())
    assert np.abs(back - positions)[:, joints].max() < worst


@pytest.mark.parametrize(
    ("action", "worst"),
    # The clavicles of the first rig start in the chest and are not matched, so shoulders that shrug stay where they rest.
    [("walk", 0.01), ("squat", 0.02), ("forward punch", 0.03), ("raise up left hand", 0.05), ("cartwheel", 0.09)],
)
def test_one_game_rig_to_another_and_back(action: str, worst: float) -> None:
    source = make_motion(action, "cmu", seed=3, fps=30.0)
    there = retarget(source, make_motion("stand", "mixamo", seed=4, fps=30.0).skeleton)
    np.testing.assert_allclose(limbs(there), limbs(source), atol=1e-5)
    apart = np.linalg.norm(retarget(there, source.skeleton).joint_positions() - source.joint_positions(), axis=-1)
    assert apart.max() < worst
