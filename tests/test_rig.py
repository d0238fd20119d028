"""Which joint is which: by name for every convention, by shape where names say nothing, on real files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.canonical import drawn_bones
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.kinematics import forward_kinematics
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.rig import RigMap, map_rig
from skeletonllm_core.motion.rig_names import Kind, meaning, words
from skeletonllm_core.motion.rig_sides import side_evidence
from skeletonllm_core.motion.skeleton import BodyPart, Topology, ordered
from tests.rigs import (
    BODIES,
    BODY,
    DEER,
    DOLPHIN,
    EXPECTED,
    HELPERS,
    HORSE,
    SNAKE,
    TREX,
    anonymous,
    assembled,
    listed,
    tree,
    walker,
)

P = BodyPart
MIDDLE = ("pelvis", "spine", "chest", "neck", "head")
MAIN = [P(f"{side}_{name}") for side in ("left", "right") for name in ("shin", "foot", "forearm", "hand")] + [P.HEAD]
NO_FRAMES = 0


def named(topology: Topology, rig: RigMap, part: BodyPart) -> str | None:
    joint = rig.joint_of(part)
    return None if joint is None else topology.names[joint]


def nothing(topology: Topology) -> np.ndarray:
    return np.zeros((NO_FRAMES, len(topology), 3))


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LeftUpLeg", ["left", "up", "leg"]),
        ("mixamorig:LeftForeArm", ["left", "fore", "arm"]),
        ("LHipJoint", ["l", "hip", "joint"]),
        ("lfemur", ["l", "femur"]),
        ("rShldr", ["r", "shldr"]),
        ("DEF-upper_arm.L.001", ["def", "upper", "arm", "l", "001"]),
        ("upperarm_twist_01_l", ["upper", "arm", "twist", "01", "l"]),
        ("lowerback", ["lower", "back"]),
        ("Bip01 L UpperArm", ["bip", "01", "l", "upper", "arm"]),
        ("Armature|righthand", ["right", "hand"]),
        ("radius", ["radius"]),
        ("leg", ["leg"]),
        ("thighl", ["thigh", "l"]),
        ("qwertyuiop", ["qwertyuiop"]),
    ],
)
def test_names_are_cut_into_words(name: str, expected: list[str]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize(
    ("name", "kind", "side"),
    [
        ("左ひじ", Kind.FOREARM, "left"),
        ("右足首", Kind.ANKLE, "right"),
        ("ｾﾝﾀｰ", Kind.CENTRE, None),
        ("HandTipLeft", Kind.FINGER, "left"),
        ("SpineShoulder", Kind.CHEST, None),
        ("HipCenter", Kind.PELVIS, None),
        ("left_rubber_hand", Kind.HAND, "left"),
        ("ball_r", Kind.TOES, "right"),
        ("Bip001 R Finger0", Kind.THUMB, "right"),
        ("tail_3", Kind.TAIL, None),
        ("", None, None),
        ("...", None, None),
    ],
)
def test_single_names(name: str, kind: Kind | None, side: str | None) -> None:
    said = meaning(name)
    assert (said.kind, said.side) == (kind, side)


@pytest.mark.parametrize("convention", EXPECTED)
def test_naming_conventions(convention: str) -> None:
    text, left, right, expected = EXPECTED[convention]
    topology = tree(text)
    rig = map_rig(topology, nothing(topology))
    assert rig.by == "names"
    assert not rig.warnings
    for part, name in expected.items():
        if part in MIDDLE:
            assert named(topology, rig, P(part)) == name
        else:
            assert named(topology, rig, P(f"left_{part}")) == name.replace("@", left)
            assert named(topology, rig, P(f"right_{part}")) == name.replace("@", right)
        assert all(rig.drawn[joint] for joint in rig.primary().values())
    for helper in HELPERS.get(convention, ()):
        assert not rig.drawn[topology.names.index(helper)], helper


def test_what_a_shoulder_is_depends_on_the_other_names() -> None:
    mixamo, cmu = tree(EXPECTED["mixamo"][0]), tree(EXPECTED["cmu joints"][0])
    clavicle = map_rig(mixamo, nothing(mixamo)).parts[mixamo.names.index("mixamorig:LeftShoulder")]
    upper_arm = map_rig(cmu, nothing(cmu)).parts[cmu.names.index("LeftShoulder")]
    assert (clavicle, upper_arm) == (P.LEFT_CLAVICLE, P.LEFT_UPPER_ARM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # One word for both bones of a limb: the tree tells them apart.
        (
            "hips\n  leg.L > leg.L.001 > foot.L\n  leg.R > leg.R.001 > foot.R\n  spine\n    head\n"
            "    arm.L > arm.L.001 > hand.L\n    arm.R > arm.R.001 > hand.R",
            {"left_thigh": "leg.L", "left_shin": "leg.L.001", "right_upper_arm": "arm.R", "right_forearm": "arm.R.001"},
        ),
        (
            "hips\n  LeftHip > LeftLeg > LeftFoot\n  RightHip > RightLeg > RightFoot\n  chest\n    head\n"
            "    LeftUpperArm > LeftArm > LeftHand\n    RightUpperArm > RightArm > RightHand",
            {
                "left_thigh": "LeftHip",
                "left_shin": "LeftLeg",
                "right_upper_arm": "RightUpperArm",
                "right_forearm": "RightArm",
            },
        ),
        (
            "hips\n  LeftLeg > LeftKnee > LeftFoot\n  RightLeg > RightKnee > RightFoot\n  spine > chest\n    head\n"
            "    LeftCollar > LeftShoulder > LeftArm > LeftForeArm > LeftHand\n"
            "    RightCollar > RightShoulder > RightArm > RightForeArm > RightHand",
            {"left_thigh": "LeftLeg", "left_upper_arm": "LeftArm", "left_clavicle": "LeftCollar", "chest": "chest"},
        ),
        # An unnamed joint inside a limb belongs to the joint above; a hand without a wrist is the hand.
        (
            "hips\n  LeftThigh > x1 > LeftShin > LeftFoot\n  RightThigh > x2 > RightShin > RightFoot\n  x3 > x4\n"
            "    neck > head\n    LeftArm > LeftForeArm > LeftHand\n    RightArm > RightForeArm > RightHand",
            {"left_thigh": "LeftThigh", "chest": "x4", "spine": "x3", "left_hand": "LeftHand"},
        ),
        # No tree at all (key points).
        (
            "nose\nleft_shoulder\nright_shoulder\nleft_elbow\nright_elbow\nleft_wrist\nright_wrist\nleft_hip\nright_hip\n"
            "left_knee\nright_knee\nleft_ankle\nright_ankle\nneck\nhead\nspine\nspine1",
            {"left_thigh": "left_hip", "right_foot": "right_ankle", "head": "head", "chest": "spine1"},
        ),
    ],
)
def test_ambiguous_words_are_settled_by_the_whole_rig(text: str, expected: dict[str, str]) -> None:
    topology = tree(text)
    rig = map_rig(topology, nothing(topology))
    assert {part: named(topology, rig, P(part)) for part in expected} == expected


def test_an_unnamed_joint_between_two_named_ones_takes_the_upper_part() -> None:
    topology = tree(
        "hips\n  LeftThigh > x1 > LeftShin > LeftFoot\n  RightThigh > x2 > RightShin > RightFoot\n  chest\n    head\n"
        "    LeftArm > LeftForeArm > LeftHand\n    RightArm > RightForeArm > RightHand"
    )
    rig = map_rig(topology, nothing(topology))
    assert rig.parts[topology.names.index("x1")] is P.LEFT_THIGH
    assert rig.drawn[topology.names.index("x1")]


def test_an_animal_by_name() -> None:
    topology = tree(HORSE)
    rig = map_rig(topology, nothing(topology))
    assert named(topology, rig, P.LEFT_THIGH) == "back_leg_upper_l"
    assert named(topology, rig, P.RIGHT_UPPER_ARM) == "front_humerus_r"
    assert rig.drawn[topology.names.index("tail_3")]
    assert any("front legs" in warning for warning in rig.warnings)


# --- shape ---------------------------------------------------------------------------------------------------------

EXPECTED_MAIN = {
    P.LEFT_SHIN: "l_shin",
    P.LEFT_FOOT: "l_foot",
    P.LEFT_FOREARM: "l_forearm",
    P.LEFT_HAND: "l_hand",
    P.RIGHT_SHIN: "r_shin",
    P.RIGHT_FOOT: "r_foot",
    P.RIGHT_FOREARM: "r_forearm",
    P.RIGHT_HAND: "r_hand",
    P.LEFT_THIGH: "l_thigh",
    P.RIGHT_THIGH: "r_thigh",
    P.LEFT_UPPER_ARM: "l_upper_arm",
    P.RIGHT_UPPER_ARM: "r_upper_arm",
    P.HEAD: "head",
    P.PELVIS: "pelvis",
    P.CHEST: "chest",
}


def assert_main(names: tuple[str, ...], rig: RigMap, swapped: bool = False) -> None:
    found = {part: names[joint] for part, joint in rig.primary().items() if part in EXPECTED_MAIN}
    expected = {(part.mirrored if swapped else part): name for part, name in EXPECTED_MAIN.items()}
    assert found == expected


@pytest.mark.parametrize("body", BODIES)
def test_shape_finds_the_parts_of_a_walking_body(body: str) -> None:
    topology, positions = assembled(BODIES[body], walker())
    rig = map_rig(anonymous(topology), positions)
    assert rig.by == "shape"
    assert_main(topology.names, rig)
    assert "surely" in " ".join(rig.report)
    assert not rig.warnings
    for name in ("l_thumb", "head_top", "l_toe_end", "l_finger_end", "l_hip_joint", "l_twist", "l_eye"):
        if name in topology.names:
            assert not rig.drawn[topology.names.index(name)], name


@pytest.mark.parametrize("seed", range(12))
def test_order_of_joints_turn_scale_and_mirror_do_not_matter(seed: int) -> None:
    """Any order of siblings, any orientation and unit of the world; a mirrored body has its sides mirrored."""
    dice = np.random.default_rng(seed)
    body = list(BODIES)[seed % len(BODIES)]
    topology, positions = assembled(BODIES[body], walker(seed=seed))
    shuffled = dice.permutation(len(topology))
    place = np.empty(len(topology) + 1, dtype=np.int64)
    place[shuffled], place[-1] = np.arange(len(topology)), -1
    parents = place[topology.parents[shuffled]]
    order = ordered(parents)
    again = np.empty(len(topology) + 1, dtype=np.int64)
    again[order], again[-1] = np.arange(len(topology)), -1
    names = tuple(topology.names[shuffled[joint]] for joint in order)
    other = Topology("shuffled", tuple(f"j{joint}" for joint in range(len(names))), again[parents[order]])
    world = positions[:, shuffled][:, order]
    mirrored = seed % 2 == 1
    if mirrored:
        world = world * [-1, 1, 1]
    turn = rotation.normalize(dice.normal(size=4))
    world = rotation.rotate(turn, world) * 10 ** dice.uniform(-3, 3) + dice.normal(size=3)
    assert_main(names, map_rig(other, world), swapped=mirrored)


def test_names_win_over_anatomy_with_a_warning() -> None:
    topology, positions = assembled(BODY, walker())
    straight = map_rig(topology, positions)
    assert straight.by == "names"
    assert not straight.warnings
    assert any("confirmed by the" in line and "knees" in line for line in straight.report)
    flipped = map_rig(topology, positions * [-1, 1, 1])
    assert flipped.parts == straight.parts
    assert any("left and right are exchanged" in warning for warning in flipped.warnings)


def test_a_body_that_stands_still_neither_confirms_nor_contradicts() -> None:
    topology, positions = assembled(BODIES["15 joints"], walker())
    positions = np.repeat(positions[:1], 5, axis=0)
    positions[..., 2] = 0.0
    rig = map_rig(topology, positions)
    assert any("neither confirms" in line for line in rig.report)
    unsure = map_rig(anonymous(topology), positions)
    assert any("could not be told" in warning for warning in unsure.warnings)


def test_a_few_names_give_the_sides_of_a_shape() -> None:
    topology, positions = assembled(BODY, walker())
    few = tuple(
        name if name in ("l_foot", "r_foot", "l_hand") else f"Кость{joint}" for joint, name in enumerate(topology.names)
    )
    rig = map_rig(Topology("partly named", few, topology.parents), positions * [-1, 1, 1])
    assert rig.by == "shape"
    assert_main(topology.names, rig)
    assert any("few names" in line for line in rig.report)


def test_static_anchor_is_not_drawn() -> None:
    tracks = walker()
    tracks["root"] = np.zeros_like(tracks["pelvis"])
    text = "root\n" + "\n".join("  " + line for line in BODY.strip().splitlines())
    topology, positions = assembled(text, tracks)
    for one in (topology, anonymous(topology)):
        rig = map_rig(one, positions)
        assert not rig.drawn[0]
        assert rig.drawn[1:].all()
        assert any("anchor in the world" in line for line in rig.report)


def test_anchor_without_a_body() -> None:
    track = np.linspace([0, 0, 0], [5, 0, 0], 20)
    positions = np.stack([0 * track, track + np.array([0, 1, 0]), track + np.array([0, 1, 1])], axis=1)
    rig = map_rig(tree("a > b > c"), positions)
    assert rig.drawn.tolist() == [False, True, True]
    still = map_rig(tree("a > b > c"), positions[:1])
    assert still.drawn.all()


def test_duplicates_give_way_to_the_joint_that_moves_the_bone() -> None:
    tracks = walker()
    tracks |= {
        "LowerBack": tracks["pelvis"],
        "LowNeck": tracks["chest"],
        "com": tracks["pelvis"],
        "LFingerBase": tracks["l_hand"],
    }
    topology, positions = assembled(
        "com > pelvis\n  LowerBack > spine1 > chest\n    LowNeck > neck > head\n"
        "    l_upper_arm > l_forearm > l_hand > LFingerBase > l_fingers\n    r_upper_arm > r_forearm > r_hand\n"
        "  l_hip_joint > l_thigh > l_shin > l_foot\n  r_hip_joint > r_thigh > r_shin > r_foot",
        tracks,
    )
    rig = map_rig(topology, positions)
    hidden = {name for name, drawn in zip(topology.names, rig.drawn, strict=True) if not drawn}
    assert hidden == {"com", "LowerBack", "LowNeck", "LFingerBase", "l_hip_joint", "r_hip_joint"}
    assert named(topology, rig, P.SPINE) == "spine1"
    assert named(topology, rig, P.NECK) == "neck"
    assert named(topology, rig, P.LEFT_FINGERS) == "l_fingers"


def test_large_branches_are_drawn_and_small_ones_are_not() -> None:
    tracks = walker()
    tracks |= {f"x{place}": tracks["pelvis"] + [0, 0, -0.25 * (place + 1)] for place in range(4)}
    tracks |= {"y0": tracks["chest"] + [0.0, 0.05, 0.1], "y1": tracks["chest"] + [0.0, 0.05, 0.15]}
    topology, positions = assembled(BODY.rstrip() + "\n    y0 > y1\n  x0 > x1 > x2 > x3\n", tracks)
    for one in (topology, anonymous(topology)):
        rig = map_rig(one, positions)
        assert [name for name, drawn in zip(topology.names, rig.drawn, strict=True) if not drawn] == ["y0", "y1"]


# --- bodies that are not human -------------------------------------------------------------------------------------


def chain(joints: int, frames: int = 20) -> np.ndarray:
    """A line of bones 0.3 m long that bends to and fro."""
    bend = 0.4 * np.sin(np.arange(frames)[:, None] / 4 + np.arange(joints)[None]).cumsum(axis=1)
    steps = 0.3 * np.stack([np.sin(bend), np.cos(bend), 0 * bend], axis=2)
    steps[:, 0] = 0
    return steps.cumsum(axis=1)


def test_a_robot_arm_is_drawn_though_nothing_is_known() -> None:
    topology = tree("base_link > link_1 > link_2 > link_3 > link_4 > tool0")
    rig = map_rig(topology, chain(6))
    assert rig.drawn.all()
    assert rig.primary() == {}
    assert any("No pair of like limbs" in warning for warning in rig.warnings)
    assert any("no human body" in warning for warning in rig.warnings)


def test_a_snake_keeps_its_head() -> None:
    topology = tree("Root > Body > Chest > Neck > Head")
    rig = map_rig(topology, chain(5))
    assert named(topology, rig, P.HEAD) == "Head"
    assert rig.by == "names"


def test_a_spider_is_drawn_with_all_its_legs() -> None:
    legs = "\n".join(
        f"  anchor_{leg}_{side} > leg_{leg}_1_{side} > leg_{leg}_2_{side} > leg_{leg}_3_{side}"
        for leg in "abcd"
        for side in "lr"
    )
    topology = tree("hips\n  head\n" + legs)
    rig = map_rig(topology, nothing(topology))
    assert rig.drawn.all()
    assert named(topology, rig, P.LEFT_THIGH) == "leg_a_1_l"
    assert any("no human body" in warning for warning in rig.warnings)


def test_legs_alone() -> None:
    topology, positions = assembled(
        "pelvis\n  l_thigh > l_shin > l_foot > l_toes\n  r_thigh > r_shin > r_foot > r_toes", walker()
    )
    rig = map_rig(anonymous(topology), positions)
    assert topology.names[rig.joint_of(P.RIGHT_SHIN)] == "r_shin"
    assert any("Only one pair" in warning for warning in rig.warnings)


def test_more_limbs_than_a_human_has() -> None:
    tracks = walker()
    extra = ""
    for side in "lr":
        for name in ("upper_arm", "forearm", "hand"):
            tracks[f"{side}_wing_{name}"] = tracks[f"{side}_{name}"] + [0, -0.1, -0.1]
        extra += f"    {side}_wing_upper_arm > {side}_wing_forearm > {side}_wing_hand\n"
    topology, positions = assembled(BODY.rstrip() + "\n" + extra, tracks)
    rig = map_rig(anonymous(topology), positions)
    assert any("1 more pair of like limbs was found" in warning for warning in rig.warnings)
    assert topology.names[rig.joint_of(P.LEFT_SHIN)] == "l_shin"


def test_four_equal_legs_are_said_to_be_doubtful() -> None:
    frames = np.zeros((6, 3))
    tracks = {"a": frames, "b": frames + np.array([0, 0, 1.0])}
    for node, z in (("a", 0.0), ("b", 1.0)):
        for side, x in (("l", 0.2), ("r", -0.2)):
            for place in range(3):
                tracks[f"{node}{side}{place}"] = frames + np.array([x, -0.4 * place, z])
    topology, positions = assembled(
        "a\n  al0 > al1 > al2\n  ar0 > ar1 > ar2\n  b\n    bl0 > bl1 > bl2\n    br0 > br1 > br2", tracks
    )
    rig = map_rig(anonymous(topology), positions)
    assert any("much alike" in warning for warning in rig.warnings)


# --- the body is not the tree ---------------------------------------------------------------------------------------


def bones(topology: Topology, rig: RigMap) -> set[tuple[str, str]]:
    """Names at both ends of each bone that is drawn."""
    drawn = np.flatnonzero(rig.drawn)
    ends = drawn_bones(rig.parents, drawn)
    return {(topology.names[drawn[a]], topology.names[drawn[b]]) for a, b in ends}


def in_one_piece(rig: RigMap) -> bool:
    drawn = np.flatnonzero(rig.drawn)
    return len(drawn_bones(rig.parents, drawn)) == len(drawn) - 1


def test_the_tree_is_the_body_of_an_ordinary_rig() -> None:
    topology, positions = assembled(BODY, walker())
    for one in (topology, anonymous(topology)):
        np.testing.assert_array_equal(map_rig(one, positions).parents, one.parents)


@pytest.mark.parametrize("frames", [0, 60])
def test_a_foot_that_hangs_from_the_root_is_joined_to_the_shin(frames: int) -> None:
    tracks = walker()
    tracks |= {"root": 0 * tracks["pelvis"], "PoleTarget.L": tracks["l_shin"] + [0, 0, 1]}
    text = "root\n" + "\n".join(f"  {line}" for line in BODY.strip().splitlines()) + "\n  PoleTarget.L"
    text = text.replace(" > l_foot > l_toes", "").replace(" > r_foot > r_toes", "")
    topology, positions = assembled(text + "\n  l_foot > l_toes\n  r_foot > r_toes", tracks)
    rig = map_rig(topology, positions[:frames])
    assert {("l_shin", "l_foot"), ("r_shin", "r_foot"), ("l_foot", "l_toes")} <= bones(topology, rig)
    assert in_one_piece(rig)
    assert not rig.drawn[topology.names.index("PoleTarget.L")]
    assert "l_foot hangs beside the body and is joined to l_shin." in rig.report


def creature(text: str, places: dict[str, tuple[float, float, float]], frames: int = 20) -> tuple[Topology, np.ndarray]:
    """A rig at the given places that wanders about as a whole; a joint without a place is at that of its parent."""
    topology = tree(text)
    rest = np.zeros((len(topology), 3))
    for joint, name in enumerate(topology.names):
        parent = topology.parents[joint]
        rest[joint] = places.get(name, rest[parent] if parent >= 0 else (0, 0, 0))
    path = np.linspace([0, 0, 0], [3, 0, 1], frames)[:, None] * (np.arange(len(topology)) > 0)[None, :, None]
    return topology, rest + path


def test_targets_of_inverse_kinematics_end_the_legs_of_a_deer() -> None:
    places = {"Body": (0.0, 1.5, 0.0), "Back": (0.0, 1.5, -0.5), "Torso": (0.0, 1.6, 0.0), "Torso2": (0.0, 1.6, 0.5)}
    places |= {"Neck1": (0.0, 1.9, 0.7), "Head": (0.0, 2.3, 0.8), "Ear1.L": (0.05, 2.4, 0.8)}
    places |= {"Tail1": (0.0, 1.5, -0.7), "Tail2": (0.0, 1.4, -0.9), "PoleTarget.L": (0.2, 0.8, 4.0)}
    for side, x in (("L", 0.2), ("R", -0.2)):
        places |= {f"FrontUpperLeg.{side}": (x, 1.3, 0.5), f"FrontLowerLeg.{side}": (x, 0.7, 0.5)}
        places |= {f"BackUpperLeg.{side}": (x, 1.3, -0.5), f"BackLowerLeg.{side}": (x, 0.7, -0.6)}
        places |= {f"IKFrontLeg.{side}": (x, 0.1, 0.5), f"IKBackLeg.{side}": (x, 0.1, -0.6)}
        places |= {f"FF.{side}": (x, 0.0, 0.6), f"FFB.{side}": (x, 0.0, -0.5)}
    topology, positions = creature(DEER, places)
    rig = map_rig(topology, positions)
    found = {part: named(topology, rig, part) for part in (P.LEFT_FOOT, P.RIGHT_FOOT, P.LEFT_HAND, P.RIGHT_HAND)}
    assert list(found.values()) == ["IKBackLeg.L", "IKBackLeg.R", "IKFrontLeg.L", "IKFrontLeg.R"]
    assert ("FrontLowerLeg.R", "IKFrontLeg.R") in bones(topology, rig)
    assert in_one_piece(rig)
    assert any("IKBackLeg.L moves the end of BackLowerLeg.L" in line for line in rig.report)
    assert any("front legs" in warning for warning in rig.warnings)
    # A target that the leg does not follow is none of the body.
    positions[:, topology.names.index("IKBackLeg.L")] = np.linspace([0, 0, 0], [30, 0, 0], len(positions))
    away = map_rig(topology, positions)
    assert away.joint_of(P.LEFT_FOOT) is None
    assert not away.drawn[topology.names.index("IKBackLeg.L")]


def test_branches_of_a_creature_are_joined_to_what_they_stay_close_to() -> None:
    places = {"Body": (0.0, 0.5, 0.0), "Chest": (0.0, 1.0, 0.1), "Neck": (0.0, 1.4, 0.2), "Head": (0.0, 1.6, 0.4)}
    places |= {"Tail": (0.0, 0.3, -0.2), "Tail1": (0.0, 0.1, -0.6), "Tail2": (0.0, 0.1, -1.0)}
    topology, positions = creature(SNAKE, places | {"PoleTarget": (0.0, 0.5, 5.0), "Mouth": (0.0, 1.5, 0.5)})
    rig = map_rig(topology, positions)
    assert in_one_piece(rig)
    assert ("Body", "Tail") in bones(topology, rig)
    assert {name for name, drawn in zip(topology.names, rig.drawn, strict=True) if drawn} == {*places}
    assert any("no human body" in warning for warning in rig.warnings)


def test_flippers_are_no_legs() -> None:
    places = {
        "Spine1": (0.0, 1.0, 0.0),
        "Spine2": (0.0, 1.0, -1.0),
        "Spine3": (0.0, 1.0, -2.0),
        "Tail": (0.0, 1.0, -3.0),
    }
    places |= {"Head": (0.0, 1.0, 0.8)}
    for side, x in (("L", 1.0), ("R", -1.0)):
        places |= {
            f"{name}Flipper.{side}": (x * far, 0.9, 0) for name, far in (("Top", 0.3), ("Mid", 0.6), ("Bottom", 0.9))
        }
    topology, positions = creature(DOLPHIN, places)
    rig = map_rig(topology, positions)
    assert named(topology, rig, P.HEAD) == "Head"
    assert P.LEFT_THIGH not in rig.primary()
    assert ("Spine1", "Head") in bones(topology, rig)
    assert in_one_piece(rig)
    assert rig.drawn[topology.names.index("BottomFlipper.L")]


def test_the_tail_of_a_dinosaur_is_no_chest() -> None:
    topology = tree(TREX)
    rig = map_rig(topology, nothing(topology))
    assert named(topology, rig, P.CHEST) == "Shoulders"
    assert ("BackLowLeg.L", "BackFoot.L") in bones(topology, rig)
    assert in_one_piece(rig)


@pytest.mark.parametrize(
    ("text", "human"),
    [
        (BODY, True),
        ("pelvis\n  l_thigh > l_shin > l_foot\n  r_thigh > r_shin > r_foot", True),
        (HORSE, False),
        (TREX, False),
        (SNAKE, False),
        (DOLPHIN, False),
        ("base_link > link_1 > link_2 > link_3 > tool0", False),
        (
            "hips > head\n  UpperLeg_L > LowerLeg_L > Foot_L\n  UpperLeg_R > LowerLeg_R > Foot_R\n  wing_1_L > wing_2_L",
            False,
        ),
    ],
)
def test_whether_a_body_is_human(text: str, human: bool) -> None:
    topology = tree(text)
    assert map_rig(topology, nothing(topology)).human is human


def test_points_without_a_tree_are_joined_by_body_part() -> None:
    topology = tree(
        "nose\nleft_shoulder\nright_shoulder\nleft_elbow\nright_elbow\nleft_wrist\nright_wrist\nleft_hip\nright_hip\n"
        "left_knee\nright_knee\nleft_ankle\nright_ankle\npelvis\nchest"
    )
    rig = map_rig(topology, nothing(topology))
    assert in_one_piece(rig)
    wanted = {("left_knee", "left_ankle"), ("pelvis", "left_hip"), ("pelvis", "chest"), ("chest", "right_shoulder")}
    assert wanted <= bones(topology, rig)
    assert "The tree says little; joints are joined by body part." in rig.report


# --- odd input -----------------------------------------------------------------------------------------------------


def test_no_frames_and_no_names() -> None:
    topology = anonymous(tree(BODY))
    rig = map_rig(topology, nothing(topology))
    assert rig.primary() == {}
    assert rig.drawn.all()
    assert any("no frames" in warning for warning in rig.warnings)


def test_one_joint() -> None:
    rig = map_rig(Topology("dot", ("x",), np.array([-1])), np.zeros((3, 1, 3)))
    assert rig.drawn.tolist() == [True]
    assert rig.report[0].startswith("1 joint,")


def test_too_many_joints_for_the_shape() -> None:
    count = 3000
    topology = Topology("hair", tuple(f"j{joint}" for joint in range(count)), np.arange(-1, count - 1))
    rig = map_rig(topology, np.zeros((2, count, 3)))
    assert any("too many" in warning for warning in rig.warnings)


def test_missing_joints_and_wild_values() -> None:
    topology, positions = assembled(BODIES["cmu"], walker())
    dice = np.random.default_rng(3)
    positions[dice.random(positions.shape[:2]) < 0.1] = np.nan
    positions[3, 4] = 1e30
    positions[:, topology.names.index("r_thumb")] = np.nan
    assert_main(topology.names, map_rig(anonymous(topology), positions))
    assert_main(topology.names, map_rig(topology, positions))
    assert map_rig(topology, np.full_like(positions, np.nan)).by == "names"


def test_given_parts_are_kept() -> None:
    topology, positions = assembled(
        "a > b > c", {name: np.zeros((4, 3)) + np.array([0, place, 0]) for place, name in enumerate("abc")}
    )
    parts = (P.PELVIS, P.SPINE, None)
    rig = map_rig(Topology("own", topology.names, topology.parents, parts), positions)
    assert rig.parts == parts
    assert rig.by == "topology"
    assert rig.drawn.tolist() == [True, True, False]


def test_sides_need_hips_or_shoulders() -> None:
    assert side_evidence(np.zeros((4, 2, 3)), {P.HEAD: 0, P.PELVIS: 1}).score == 0
    topology, positions = assembled(
        "chest\n  l_upper_arm > l_forearm > l_hand\n  r_upper_arm > r_forearm > r_hand\n  head", walker()
    )
    assert side_evidence(positions, map_rig(topology, positions).primary()).score == 0


# --- real data -----------------------------------------------------------------------------------------------------


def loader(shared_data: Path):
    sys.path.insert(0, str(shared_data))
    try:
        return importlib.import_module("load_pack")
    finally:
        sys.path.pop(0)


def pack_clips(shared_data: Path, pack: str, most: int) -> list[Keypoints]:
    load = loader(shared_data)
    ids = [clip for clip, entry in load.index(str(shared_data)).items() if entry["npz"] == pack]
    clips = []
    for clip in ids[:: max(1, len(ids) // most)]:
        positions, names, parents, _ = load.load(str(shared_data), clip)
        clips.append(Keypoints.from_arrays(positions, names, parents, 30, clip))
    return clips


PACKS: dict[str, dict[str, str]] = {
    "bandai2": listed(
        """
        head: Head; left_hand: Hand_L; right_hand: Hand_R; left_foot: Foot_L; right_toes: Toes_R;
        left_forearm: LowerArm_L; left_clavicle: Shoulder_L; right_shin: LowerLeg_R; pelvis: Hips
        """
    ),
    "cmu_cc": listed(
        """
        head: CC_Base_Head; left_hand: CC_Base_L_Hand; right_hand: CC_Base_R_Hand; left_foot:
        CC_Base_L_Foot; right_foot: CC_Base_R_Foot; right_toes: CC_Base_R_ToeBase; left_shin:
        CC_Base_L_Calf
        """
    ),
    "s2s_cmu": listed(
        """
        head: j18; left_hand: j23; right_hand: j32; left_foot: j4; right_foot: j10; left_shin: j3;
        right_forearm: j31; left_toes: j5; pelvis: j0; chest: j15; neck: j17; left_thigh: j2
        """
    ),
    "msr_action3d": listed(
        """
        head: Head; left_hand: WristLeft; right_hand: WristRight; left_foot: AnkleLeft; left_toes:
        FootLeft; left_fingers: HandLeft; right_shin: KneeRight; pelvis: HipCenter; chest:
        ShoulderCenter
        """
    ),
    "deepmimic_humanoid3d": listed(
        """
        chest: chest; left_hand: left_wrist; right_hand: right_wrist; left_foot: left_ankle; right_foot:
        right_ankle; pelvis: root; neck: neck; left_thigh: left_hip
        """
    ),
    "g1_robot": listed(
        """
        head: head_link; left_hand: left_rubber_hand; left_foot: left_ankle_pitch_link; right_shin:
        right_knee_link; left_thigh: left_hip_pitch_link; chest: torso_link; right_upper_arm:
        right_shoulder_pitch_link
        """
    ),
    "cmu_poselib": listed(
        """
        head: Head; left_hand: LeftHand; right_foot: RightFoot; left_thigh: LeftUpLeg; left_toes:
        LeftToeBase; right_clavicle: RightShoulder; right_upper_arm: RightArm; left_fingers:
        LeftHandIndex1
        """
    ),
    "bvh_dab": listed("head: Head; left_hand: LeftHand; right_foot: RightFoot; left_clavicle: LeftShoulder"),
    "bvh_jumping": listed("head: Head; left_hand: LeftHand; right_foot: RightFoot; left_upper_arm: LeftArm"),
    "bvh_131_01": listed(
        """
        head: Head; left_hand: LeftWrist; right_foot: RightAnkle; left_upper_arm: LeftShoulder
        """
    ),
    "bvh_01_03": listed("head: Head; left_hand: LeftHand; right_foot: RightFoot; left_upper_arm: LeftArm"),
}


@pytest.mark.parametrize("pack", PACKS)
def test_packs_by_name_and_by_shape(shared_data: Path, pack: str) -> None:
    """Every pack by its names (s2s_cmu has none), and again with the names taken away."""
    for clip in pack_clips(shared_data, pack, most=30):
        rig = map_rig(clip.topology, clip.positions)
        assert rig.by == ("shape" if pack == "s2s_cmu" else "names")
        assert {part: named(clip.topology, rig, P(part)) for part in PACKS[pack]} == PACKS[pack], clip.name
        if pack == "msr_action3d":
            continue
        assert not rig.warnings, (clip.name, rig.warnings)
        shape = map_rig(anonymous(clip.topology), clip.positions)
        main = rig.primary()
        # The G1's head link lies inside its chest, so no shape gives it away.
        wanted = {part: main[part] for part in MAIN if part in main and not (pack == "g1_robot" and part is P.HEAD)}
        assert {part: shape.joint_of(part) for part in wanted} == wanted, clip.name


def test_the_names_of_msr_action3d_are_exchanged(shared_data: Path) -> None:
    """Its list of joints calls left right: knees and toes say so in nearly every clip, and the map says it too."""
    clips = pack_clips(shared_data, "msr_action3d", most=60)
    warned = sum(any("exchanged" in warning for warning in map_rig(c.topology, c.positions).warnings) for c in clips)
    assert warned > 0.9 * len(clips)
    swapped = 0
    for clip in clips:
        rig, shape = map_rig(clip.topology, clip.positions), map_rig(anonymous(clip.topology), clip.positions)
        main = rig.primary()
        swapped += all(shape.joint_of(part.mirrored) == main[part] for part in MAIN)
    assert swapped > 0.9 * len(clips)


def read_bvh(path: Path) -> tuple[Topology, np.ndarray, np.ndarray]:
    """Hierarchy, world positions and rest pose of a BVH file in its own unit and axes.

    Our reader turns and scales what it reads by what is tested here, so the tests read the bare numbers themselves.
    """
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    current = -1
    head, _, tail = path.read_text(errors="replace").partition("MOTION")
    for line in head.splitlines():
        word = line.split()
        if not word:
            continue
        if word[0] in ("ROOT", "JOINT"):
            parents.append(stack[-1] if stack else -1)
            names.append(" ".join(word[1:]))
            offsets.append([0, 0, 0])
            channels.append([])
            current = len(names) - 1
        elif word[0] == "End":
            current = -1
        elif word[0] == "{":
            stack.append(current)
        elif word[0] == "}":
            stack.pop()
        elif word[0] == "OFFSET" and stack[-1] >= 0:
            offsets[stack[-1]] = [float(value) for value in word[1:4]]
        elif word[0] == "CHANNELS":
            channels[stack[-1]] = word[2:]
    rows = [line for line in tail.splitlines() if line.strip()][2:]
    rows = rows[:: max(1, len(rows) // 60)]
    table = np.array([[float(value) for value in row.split()] for row in rows])
    turns = np.zeros((len(table), len(names), 4))
    turns[..., 0] = 1
    local = np.repeat(np.array(offsets, dtype=np.float64)[None], len(table), axis=0)
    column = 0
    for joint, own in enumerate(channels):
        block = table[:, column : column + len(own)]
        column += len(own)
        angles = [place for place, name in enumerate(own) if name.endswith("rotation")]
        if angles:
            turns[:, joint] = rotation.from_euler(np.radians(block[:, angles]), "".join(own[a][0] for a in angles))
        for place, name in enumerate(own):
            if name.endswith("position"):
                local[:, joint, "XYZ".index(name[0])] = block[:, place]
    topology = Topology(path.stem, tuple(names), np.array(parents))
    rest = np.array(offsets, dtype=np.float64)
    for joint, parent in enumerate(parents):
        rest[joint] += rest[parent] if parent >= 0 else 0
    return topology, forward_kinematics(topology.parents, local, turns, local[:, 0])[0], rest


BVH_FAMILIES: dict[str, dict[str, str]] = {
    "bandai_bvh/*.bvh": PACKS["bandai2"],
    "cmu_mb_bvh/*.bvh": listed(
        """
        head: Head; left_hand: LeftHand; right_hand: RightHand; left_foot: LeftFoot; right_foot:
        RightFoot; left_thigh: LeftUpLeg; left_shin: LeftLeg; left_upper_arm: LeftArm; left_fingers:
        LFingers
        """
    ),
    "cmu_cc_bvh/*.bvh": PACKS["cmu_cc"] | listed("left_fingers: CC_Base_L_Mid1; neck: CC_Base_NeckTwist01"),
    "bvh_misc/*131_01.bvh": listed(
        """
        head: Head; left_hand: LeftWrist; right_hand: RightWrist; left_foot: LeftAnkle; left_thigh:
        LeftHip; left_shin: LeftKnee; left_upper_arm: LeftShoulder; left_clavicle: LeftCollar;
        right_toes: RightToe
        """
    ),
    "bvh_misc/[dj]*.bvh": listed(
        """
        head: Head; left_hand: LeftHand; right_hand: RightHand; left_foot: LeftFoot; right_shin:
        RightLeg; left_clavicle: LeftShoulder; left_upper_arm: LeftArm; left_fingers: LeftHandEnd
        """
    ),
}


@pytest.mark.parametrize("family", BVH_FAMILIES)
def test_bvh_families_by_name_and_by_shape(shared_data: Path, family: str) -> None:
    files = sorted((shared_data / "original").glob(family))
    assert files
    for path in files:
        topology, positions, _ = read_bvh(path)
        rig = map_rig(topology, positions)
        assert rig.by == "names"
        assert not rig.warnings
        assert {part: named(topology, rig, P(part)) for part in BVH_FAMILIES[family]} == BVH_FAMILIES[family], path.name
        assert 20 <= rig.drawn.sum() <= 25
        assert any("confirmed by" in line for line in rig.report)
        shape = map_rig(anonymous(topology), positions)
        main = rig.primary()
        assert {part: shape.joint_of(part) for part in MAIN} == {part: main[part] for part in MAIN}, path.name
        assert shape.drawn.sum() == rig.drawn.sum()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "cyberpunk_pack_Character.glb",
            {
                "head": "Head",
                "left_hand": "Hand.L",
                "right_foot": "Foot.R",
                "left_shin": "LowerLeg.L",
                "chest": "Chest",
            },
        ),
        (
            "ultimate_space_pack_Astronaut_BarbaraTheBee-transformed.glb",
            {"head": "Head", "left_hand": "Middle1.L", "left_fingers": "Middle2.L", "right_foot": "Foot.R"},
        ),
        ("animals_pack_Husky.glb", {"head": "Head", "left_thigh": "BackUpperLeg.L", "left_shin": "BackLowerLeg.L"}),
        ("dinosaurs_pack_Trex.glb", {"head": "Head", "left_thigh": "BackUpLeg.L", "left_upper_arm": "FrontUpLeg.L"}),
        ("easy_enemies_pack_Snake.glb", {"head": "Head"}),
    ],
)
def test_game_rigs_by_name(shared_data: Path, file: str, expected: dict[str, str]) -> None:
    for clip in sk.read_clips(shared_data / "original" / "cc0_glb" / file):
        (person,) = clip.persons
        rig = map_rig(person.topology, person.joint_positions())
        assert {part: named(person.topology, rig, P(part)) for part in expected} == expected, clip.name


@pytest.mark.parametrize("folder", ["cc0_glb", "cc0_creatures"])
def test_every_game_rig_and_creature_is_drawn_in_one_piece_and_has_facts(shared_data: Path, folder: str) -> None:
    files = sorted((shared_data / "original" / folder).glob("*.glb"))
    assert files
    for path in files:
        clips = sk.read_clips(path)
        for clip in clips[:: max(1, len(clips) // 3)]:
            (person,) = clip.persons
            rig = map_rig(person.topology, person.joint_positions())
            assert in_one_piece(rig), (path.name, clip.name)
            hidden = [name for name, drawn in zip(person.topology.names, rig.drawn, strict=True) if not drawn]
            assert {name for name in person.topology.names if "Pole" in name or name.startswith("PT.")} <= {*hidden}
            assert measure(person, rig).sentences(), (path.name, clip.name)
