"""The procedural motion generator: every action on every rig moves like a body, on the right side, reproducibly."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core import read
from skeletonllm_core.motion.motion import Motion
from skeletonllm_core.train.procedural import ACTIONS, EXAMPLE_SEEDS, RIGS, TRAINING_SEEDS, generate, make_motion
from skeletonllm_core.train.procedural.body import random_body
from skeletonllm_core.train.procedural.curves import dilated, keyframes, smoothed, window
from skeletonllm_core.train.procedural.rigs import rig_named

_MIXAMO = "mixamorig:"


def joints(motion: Motion, *names: str) -> np.ndarray:
    """(T, n, 3) positions of joints of the Mixamo rig, named without its prefix."""
    columns = [motion.skeleton.names.index(_MIXAMO + name) for name in names]
    return motion.joint_positions()[:, columns]


def heading(motion: Motion) -> np.ndarray:
    """(T,) direction of the hips [degrees], left positive, unwrapped."""
    across = np.diff(joints(motion, "RightUpLeg", "LeftUpLeg"), axis=1)[:, 0]
    return np.degrees(np.unwrap(np.arctan2(-across[:, 2], across[:, 0])))


def path(motion: Motion) -> np.ndarray:
    """(T, 2) x, z of the hips [m]."""
    return joints(motion, "Hips")[:, 0][:, [0, 2]]


def speed(motion: Motion) -> float:
    """Distance between first and last place of the hips over time [m/s]."""
    places = path(motion)
    return float(np.linalg.norm(places[-1] - places[0]) * motion.fps / (len(motion) - 1))


# -- every action, every rig -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rig", RIGS)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_on_every_rig_moves_a_rigid_body_above_the_ground(action: str, rig: str) -> None:
    motion = make_motion(action, rig, seed=11)
    assert motion.name == action
    assert 1.0 <= motion.seconds <= 6.05
    assert motion.fps in (24, 25, 30, 60, 120)
    assert np.isfinite(motion.rotations).all() and np.isfinite(motion.root_translation).all()
    assert np.linalg.norm(motion.rotations, axis=-1) == pytest.approx(1.0, abs=1e-9)
    positions = motion.joint_positions()
    body = [joint for joint, name in enumerate(motion.skeleton.names) if name != "joint_Root"]
    parents = motion.skeleton.parents
    for joint in body:
        parent = parents[joint]
        if parent in body:
            length = np.linalg.norm(positions[:, joint] - positions[:, parent], axis=1)
            assert np.ptp(length) < 1e-6
    assert positions[:, body, 1].min() > -0.06
    feet = [
        j for j in body if any(word in motion.skeleton.names[j].lower() for word in ("foot", "ankle", "toe", "ball"))
    ]
    assert feet
    assert positions[:, feet, 1].min() > -0.03
    step = np.linalg.norm(np.diff(positions[:, body], axis=0), axis=-1) * motion.fps
    assert step.max() < 22.0, "no joint of a person is faster than this [m/s]"


@pytest.mark.parametrize("action", ACTIONS)
def test_all_rigs_show_the_same_performance(action: str) -> None:
    """Wrists, ankles and head are in the same places whatever the rig; only the spine is divided differently."""
    named = {
        "mixamo": [f"{_MIXAMO}{s}{part}" for s in ("Left", "Right") for part in ("Hand", "Foot")],
        "cmu": [f"{s}{part}" for s in ("Left", "Right") for part in ("Hand", "Foot")],
        "minimal": [f"{s}_{part}" for s in "lr" for part in ("wrist", "ankle")],
        "unreal": [f"{part}_{s}" for s in "lr" for part in ("hand", "foot")],
        "anchored": [f"{part}_{s}" for s in "LR" for part in ("Hand", "Foot")],
    }
    shown = {}
    for rig, names in named.items():
        motion = make_motion(action, rig, seed=3, fps=30)
        shown[rig] = motion.joint_positions()[:, [motion.skeleton.names.index(name) for name in names]]
    for rig, places in shown.items():
        apart = np.linalg.norm(places - shown["mixamo"], axis=-1)
        assert apart[:, [1, 3]].max() < 0.02, f"feet of {rig}"
        assert np.median(apart[:, [0, 2]]) < 0.06, f"hands of {rig}"


def test_the_same_seed_gives_the_same_motion_and_another_seed_another() -> None:
    for action in ("walk", "kick", "cartwheel"):
        first, again = (make_motion(action, "cmu", seed=5) for _ in range(2))
        assert np.array_equal(first.rotations, again.rotations)
        assert np.array_equal(first.root_translation, again.root_translation)
        other = make_motion(action, "cmu", seed=6)
        assert first.rotations.shape != other.rotations.shape or not np.allclose(first.rotations, other.rotations)
    assert TRAINING_SEEDS < EXAMPLE_SEEDS


def test_the_frame_rate_does_not_change_the_performance() -> None:
    for action in ("walk", "jump", "wave left hand"):
        slow, fast = (make_motion(action, "minimal", seed=8, fps=fps).joint_positions() for fps in (30, 120))
        count = min(len(slow), len(fast[::4]))
        apart = np.linalg.norm(slow[:count] - fast[::4][:count], axis=-1)
        assert apart.mean() < 0.008 and apart.max() < 0.08


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown action 'fly'"):
        generate("fly", "cmu", np.random.default_rng(0))
    with pytest.raises(ValueError, match="unknown rig 'octopus'"):
        generate("walk", "octopus", np.random.default_rng(0))


# -- bodies and rigs ----------------------------------------------------------------------------------------------


def test_bodies_are_human() -> None:
    heights, arms = [], []
    for seed in range(200):
        body = random_body(np.random.default_rng(seed))
        heights.append(body.height)
        arms.append(body.arm / body.height)
        assert body.points["headtop"][1] == pytest.approx(body.height)
        assert 0.42 < body.leg / body.height < 0.55
        assert np.array_equal(body.points["l_wrist"] * (-1, 1, 1), body.points["r_wrist"])
    assert 1.5 <= min(heights) < 1.55 and 1.9 < max(heights) <= 1.95
    assert min(arms) > 0.27 and max(arms) < 0.38 and np.ptp(arms) > 0.03


@pytest.mark.parametrize(("rig", "count"), [("cmu", 31), ("mixamo", 65), ("minimal", 15)])
def test_rest_poses(rig: str, count: int) -> None:
    skeleton = rig_named(rig).skeleton(random_body(np.random.default_rng(0)))
    assert len(skeleton) == len(set(skeleton.names)) == count
    assert skeleton.parents[0] == -1 and (skeleton.parents[1:] >= 0).all()
    places = skeleton.rest_offsets.copy()
    for joint in range(1, count):
        places[joint] += places[skeleton.parents[joint]]
    top, bottom = places[:, 1].max(), places[:, 1].min()
    assert -0.02 < bottom < 0.15 and 1.2 < top < 1.96
    left = {"cmu": "LeftHand", "mixamo": "mixamorig:LeftHand", "minimal": "l_wrist"}[rig]
    hand = places[skeleton.names.index(left)]
    assert hand[0] > 0.4 and hand[1] == pytest.approx(places[skeleton.names.index(left) - 1][1], abs=1e-9)


# -- what the labels promise --------------------------------------------------------------------------------------

_SEEDS = range(12)


@pytest.mark.parametrize(
    ("action", "slowest", "fastest"),
    [
        ("walk", 0.7, 1.8),
        ("jog", 1.8, 2.8),
        ("run", 2.8, 5.0),
        ("walk backward", 0.35, 1.25),
        ("crouch walk", 0.3, 1.2),
    ],
)
def test_speeds(action: str, slowest: float, fastest: float) -> None:
    speeds = [speed(make_motion(action, "mixamo", seed=seed)) for seed in _SEEDS]
    assert slowest <= min(speeds) and max(speeds) <= fastest


def test_walking_goes_where_the_person_faces_and_backward_the_other_way() -> None:
    for action, sign in (("walk", 1.0), ("run", 1.0), ("walk backward", -1.0)):
        motion = make_motion(action, "mixamo", seed=2)
        angle = np.radians(heading(motion).mean())
        way = path(motion)[-1] - path(motion)[0]
        along = sign * (way @ (np.sin(angle), np.cos(angle))) / np.linalg.norm(way)
        assert along > 0.95


@pytest.mark.parametrize("action", ["walk", "walk turn left", "walk backward", "crouch walk", "march"])
def test_planted_feet_do_not_slide(action: str) -> None:
    for seed in _SEEDS:
        motion = make_motion(action, "mixamo", seed=seed, fps=60)
        for ball in np.moveaxis(joints(motion, "LeftToeBase", "RightToeBase"), 1, 0):
            down = ball[:, 1] < ball[:, 1].min() + 0.006
            edges = np.flatnonzero(np.diff(np.concatenate([[0], down.astype(int), [0]])))
            stances = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 9]
            assert stances, "the foot is planted at times"
            for begin, end in stances:
                places = ball[begin:end][:, [0, 2]]
                assert np.ptp(places, axis=0).max() < 0.03


def test_running_has_a_flight_phase_and_walking_has_none() -> None:
    for seed in _SEEDS:
        run, walk = (make_motion(action, "mixamo", seed=seed, fps=60) for action in ("run", "walk"))
        names = ("LeftToe_End", "RightToe_End", "LeftToeBase", "RightToeBase")
        assert (joints(run, *names)[..., 1].min(axis=1) > 0.04).mean() > 0.08
        assert (joints(walk, *names)[..., 1].min(axis=1) > 0.04).mean() < 0.01


def test_arms_swing_against_the_legs() -> None:
    for seed in _SEEDS:
        motion = make_motion("walk", "mixamo", seed=seed, fps=60)
        angle = np.radians(heading(motion))
        ahead = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
        left_foot, right_foot, left_hand, right_hand = (
            (joints(motion, name)[:, 0] * ahead).sum(axis=1)
            for name in ("LeftFoot", "RightFoot", "LeftHand", "RightHand")
        )
        assert np.corrcoef(left_foot - right_foot, left_hand - right_hand)[0, 1] < -0.6


def test_knees_and_elbows_bend_the_right_way() -> None:
    """The knee lies in front of the line from hip to ankle, the elbow behind the line from shoulder to wrist."""
    for action, seed in itertools.product(("walk", "run", "squat", "sit down", "kick", "hand clap", "drink"), range(4)):
        motion = make_motion(action, "mixamo", seed=seed)
        for side in ("Left", "Right"):
            hip, knee, ankle = np.moveaxis(joints(motion, f"{side}UpLeg", f"{side}Leg", f"{side}Foot"), 1, 0)
            thigh, shin = knee - hip, ankle - knee
            # Turning from thigh to shin goes about the body's right-to-left axis, like drawing a heel back.
            across = np.diff(joints(motion, "RightUpLeg", "LeftUpLeg"), axis=1)[:, 0]
            hinge = np.cross(thigh, shin)
            lengths = np.linalg.norm(thigh, axis=1) * np.linalg.norm(shin, axis=1)
            bent = np.linalg.norm(hinge, axis=1) > 0.3 * lengths
            assert ((hinge * across).sum(axis=1)[bent] > 0).all(), (action, seed, side)
            shoulder, elbow, wrist = np.moveaxis(joints(motion, f"{side}Arm", f"{side}ForeArm", f"{side}Hand"), 1, 0)
            upper, fore = elbow - shoulder, wrist - elbow
            cosine = (upper * fore).sum(1) / np.linalg.norm(upper, axis=1) / np.linalg.norm(fore, axis=1)
            assert cosine.min() > np.cos(np.radians(158)), "an elbow bends no further"
            if action in ("walk", "run"):
                # An elbow bends the forearm forward.
                hinge = np.cross(upper, fore)
                bent = cosine < 0.9
                assert ((hinge * across).sum(axis=1)[bent] < 0).all(), (action, seed, side)


def _sides(action: str) -> tuple[str, ...]:
    return ("Left", "Right") if "both" in action else ("Left",) if "left" in action else ("Right",)


@pytest.mark.parametrize("verb", ["raise up", "wave"])
@pytest.mark.parametrize("which", ["right hand", "left hand", "both hands"])
def test_hands_go_up_on_the_named_side(verb: str, which: str) -> None:
    action = f"{verb} {which}"
    up = _sides(action)
    highest = []
    for seed in _SEEDS:
        motion = make_motion(action, "mixamo", seed=seed)
        for side in ("Left", "Right"):
            wrist, shoulder = np.moveaxis(joints(motion, f"{side}Hand", f"{side}Arm"), 1, 0)
            above = wrist[:, 1] - shoulder[:, 1]
            if side in up:
                highest.append(float(above.max()))
                assert above[0] < -0.2
            else:
                assert above.max() < -0.2
    assert min(highest) > 0.0
    assert verb != "raise up" or np.mean(np.array(highest) > 0.15) > 0.9, "hardly any only to the shoulder"


@pytest.mark.parametrize("side", ["left", "right"])
def test_waving_swings_the_hand_sideways(side: str) -> None:
    for seed in _SEEDS:
        motion = make_motion(f"wave {side} hand", "mixamo", seed=seed, fps=60)
        wrist, shoulder = np.moveaxis(joints(motion, f"{side.title()}Hand", f"{side.title()}Arm"), 1, 0)
        across = np.diff(joints(motion, "RightUpLeg", "LeftUpLeg"), axis=1)[:, 0]
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        raised = wrist[:, 1] > shoulder[:, 1] - 0.05
        swing = ((wrist - shoulder) * across).sum(axis=1)[raised]
        turns = np.count_nonzero(np.diff(np.sign(np.diff(smoothed(swing, 3)))))
        assert turns >= 2 and np.ptp(swing) > 0.08


@pytest.mark.parametrize(("side", "sign"), [("left", 1.0), ("right", -1.0)])
def test_turns_and_sidesteps_go_to_the_named_side(side: str, sign: float) -> None:
    for seed in _SEEDS:
        walked = make_motion(f"walk turn {side}", "mixamo", seed=seed)
        turned = make_motion(f"turn {side}", "mixamo", seed=seed)
        stepped = make_motion(f"sidestep {side}", "mixamo", seed=seed)
        for motion, least in ((walked, 45.0), (turned, 50.0)):
            angle = heading(motion)
            edge = max(len(angle) // 12, 1)
            total = sign * (angle[-edge:].mean() - angle[:edge].mean())
            assert least < total < 200
        assert np.linalg.norm(path(turned)[-1] - path(turned)[0]) < 0.25
        # up × forward = left: with Y up, facing +Z, left is +X.
        first = path(walked)[1:4].mean(0) - path(walked)[0]
        way = path(walked)[-1] - path(walked)[0]
        assert sign * (first[1] * way[0] - first[0] * way[1]) > 0
        angle = np.radians(heading(stepped)[0])
        left = np.array([np.cos(angle), -np.sin(angle)])
        assert sign * ((path(stepped)[-1] - path(stepped)[0]) @ left) > 0.25


def test_jumps_leave_the_ground_and_squats_do_not() -> None:
    for seed in _SEEDS:
        for action in ("jump", "jump forward", "hop", "jumping jacks"):
            feet = joints(make_motion(action, "mixamo", seed=seed), "LeftFoot", "RightFoot")[..., 1]
            ground = feet.min()
            assert (feet.min(axis=1) - ground).max() > 0.035, (action, seed)
        far = path(make_motion("jump forward", "mixamo", seed=seed))
        assert np.linalg.norm(far[-1] - far[0]) > 0.3
        squat = make_motion("squat", "mixamo", seed=seed)
        hips = joints(squat, "Hips")[:, 0, 1]
        assert 0.15 * hips[0] < hips[0] - hips.min() < 0.65 * hips[0]
        assert np.ptp(joints(squat, "LeftFoot", "RightFoot")[..., 1], axis=0).max() < 0.03


def test_sitting_down_ends_low_and_standing_up_starts_low() -> None:
    for seed in _SEEDS:
        for action, low, high in (("sit down", -1, 0), ("stand up", 0, -1), ("lie down", -1, 0), ("get up", 0, -1)):
            hips = joints(make_motion(action, "mixamo", seed=seed), "Hips")[:, 0, 1]
            assert hips[low] < 0.72 * hips[high]
        head = joints(make_motion("lie down", "mixamo", seed=seed), "Head")[-1, 0, 1]
        assert head < 0.4


def test_claps_bring_the_hands_together_and_kicks_lift_one_foot() -> None:
    for seed in _SEEDS:
        wrists = joints(make_motion("hand clap", "mixamo", seed=seed, fps=60), "LeftHand", "RightHand")
        apart = np.linalg.norm(np.diff(wrists, axis=1)[:, 0], axis=1)
        assert apart.min() < 0.09 and apart[0] > 0.25
        feet = joints(make_motion("kick", "mixamo", seed=seed), "LeftFoot", "RightFoot")[..., 1]
        assert sorted(np.ptp(feet, axis=0) > 0.25) == [False, True]


def leading_hand(motion: Motion) -> np.ndarray:
    """(T, 3) of the hand that moves more, seen from between the shoulders: outwards, up, forward [m]."""
    names = ("LeftHand", "RightHand", "LeftArm", "RightArm")
    left, right, *shoulders = np.moveaxis(joints(motion, *names), 1, 0)
    travel = [np.linalg.norm(np.diff(hand, axis=0), axis=1).sum() for hand in (left, right)]
    hand, sign = (left, 1.0) if travel[0] > travel[1] else (right, -1.0)
    seen = hand - sum(shoulders) / 2
    angle = np.radians(heading(motion)[0])
    aside, ahead = np.array([np.cos(angle), 0, -np.sin(angle)]), np.array([np.sin(angle), 0, np.cos(angle)])
    return np.stack([sign * seen @ aside, seen[:, 1], seen @ ahead], axis=1)


def test_a_circle_goes_round_and_a_tick_down_and_up_outwards() -> None:
    for seed in _SEEDS:
        circle = leading_hand(make_motion("draw circle", "mixamo", seed=seed))
        drawn = circle[circle[:, 2] > 0.75 * circle[:, 2].max()][:, :2]
        around = drawn - (drawn.min(0) + drawn.max(0)) / 2
        assert abs(np.ptp(np.unwrap(np.arctan2(around[:, 1], around[:, 0])))) > 1.3 * np.pi
        tick = leading_hand(make_motion("draw tick", "mixamo", seed=seed))
        outermost = int((tick[:, 0] + tick[:, 1]).argmax())
        before = tick[:outermost][tick[:outermost, 2] > 0.9 * tick[:outermost, 2].max()]
        low = int(before[:, 1].argmin())
        assert tick[outermost, 0] > before[low, 0] and tick[outermost, 1] > before[low, 1] + 0.1


def test_hammers_fall_catches_are_held_and_serves_are_hit_overhead() -> None:
    for seed in _SEEDS:
        hammer = leading_hand(make_motion("hammer", "mixamo", seed=seed))
        top = int(hammer[:, 1].argmax())
        assert hammer[top, 1] > 0.05 and hammer[top:, 2].max() > hammer[top, 2] + 0.1
        catch = leading_hand(make_motion("hand catch", "mixamo", seed=seed))
        there = catch[np.linalg.norm(catch - catch[0], axis=1).argmax()]
        assert (np.linalg.norm(catch - there, axis=1) < 0.12).mean() > 0.2
        serve = make_motion("tennis serve", "mixamo", seed=seed)
        left, right, head = np.moveaxis(joints(serve, "LeftHand", "RightHand", "Head")[..., 1], 1, 0)
        assert max((left - head).max(), (right - head).max()) > 0.1


def test_a_horizontal_wave_goes_sideways_at_chest_height() -> None:
    for seed in _SEEDS:
        hand = leading_hand(make_motion("horizontal arm wave", "mixamo", seed=seed))
        waving = hand[hand[:, 2] > 0.6 * hand[:, 2].max()]
        assert np.ptp(waving[:, 0]) > 0.25 and waving[:, 1].max() < 0.2


def test_hands_are_raised_over_the_head_or_no_higher_than_the_face() -> None:
    highest = []
    for seed in range(24):
        motion = make_motion("raise up right hand", "mixamo", seed=seed)
        hand, head = np.moveaxis(joints(motion, "RightHand", "Head")[..., 1], 1, 0)
        highest.append(float((hand - head).max()))
    assert sum(height > 0.2 for height in highest) >= 12 and sum(height < 0.15 for height in highest) >= 3


def test_where_the_name_leaves_the_side_open_both_occur() -> None:
    sides = set()
    for seed in range(16):
        feet = joints(make_motion("kick", "mixamo", seed=seed), "LeftFoot", "RightFoot")[..., 1]
        sides.add(int(np.ptp(feet, axis=0).argmax()))
    assert sides == {0, 1}


# -- the example clips --------------------------------------------------------------------------------------------


def test_the_examples_come_out_of_their_script_byte_for_byte(root: Path, tmp_path: Path) -> None:
    script = root / "examples" / "make_clips.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=120)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(script.parent) for path in (script.parent / "clips").iterdir()} | {Path("labels.csv")}
    assert written == kept
    for name in sorted(written):
        assert (tmp_path / name).read_bytes() == (script.parent / name).read_bytes(), name
    sizes = [path.stat().st_size for path in (tmp_path / "clips").iterdir()]
    assert max(sizes) <= 300_000 and sum(sizes) <= 3_000_000
    rigs = [path.name.split(".")[1] for path in (tmp_path / "clips").iterdir()]
    assert len(rigs) >= 10 and set(rigs) == {"cmu", "mixamo", "minimal"}


def test_an_example_reads_back_as_the_motion_it_was_made_from(root: Path) -> None:
    for action, rig, seed in (("walk", "mixamo", EXAMPLE_SEEDS + 4), ("run", "cmu", EXAMPLE_SEEDS + 2)):
        made = make_motion(action, rig, seed=seed, fps=30)
        kept = read(root / "examples" / "clips" / f"{action}.{rig}.bvh")[0]
        assert kept.fps == pytest.approx(30, abs=1e-3)
        order = [kept.topology.names.index(name) for name in made.skeleton.names]
        assert np.abs(kept.joint_positions()[:, order] - made.joint_positions()).max() < 0.005


# -- curves -------------------------------------------------------------------------------------------------------


def test_keyframes_pass_through_their_keys_and_never_overshoot() -> None:
    times = [0.0, 0.5, 0.7, 2.0]
    values = np.array([[0.0, 1.0], [1.0, 1.0], [1.5, 1.0], [1.2, -3.0]])
    assert keyframes(times, values, np.array(times)) == pytest.approx(values)
    fine = keyframes(times, values, np.linspace(-1, 3, 801))
    assert fine.min(axis=0) == pytest.approx(values.min(axis=0)) and fine.max(axis=0) == pytest.approx(
        values.max(axis=0)
    )
    assert (np.diff(fine[200:340, 0]) >= -1e-12).all(), "monotone keys give a monotone curve"
    assert fine[0] == pytest.approx(values[0]) and fine[-1] == pytest.approx(values[-1])
    assert keyframes([1.0], values[:1], np.zeros(3)) == pytest.approx(np.repeat(values[:1], 3, axis=0))


def test_windows_blurs_and_dilation() -> None:
    at = np.linspace(0, 2, 201)
    open_from = window(0.5, 1.5, at, 0.1)
    assert open_from[:50].max() == 0 and open_from[100] == 1 and open_from[-50:].max() == 0
    constant = np.full((20, 3), 2.5)
    assert smoothed(constant, 3.0) == pytest.approx(constant)
    assert smoothed(constant, 0.0) is constant
    spike = np.zeros(9)
    spike[4] = 1.0
    assert dilated(spike, 2).tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert dilated(spike, 0) is spike
