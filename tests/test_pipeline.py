"""The embedded model through the public names: what it says, and what must not change its mind."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import skeletonllm_core as sk
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.handedness import is_mirrored, mirrored_world, unmirrored
from skeletonllm_core.motion.orientation import reoriented
from skeletonllm_core.motion.resample import resampled
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.topologies import TOPOLOGIES, file_order
from skeletonllm_core.pipeline import SkeletonLLM, available_models, distinct_labels, label_probabilities
from skeletonllm_core.train.evaluation.scores import pictures_alone
from skeletonllm_core.train.procedural import RIGS, make_motion
from skeletonllm_core.train.recipe import read_recipe
from tests.rigs import tree


@pytest.fixture(scope="module")
def model() -> SkeletonLLM:
    return sk.load_model()


def made(action: str, rig: str = "cmu", seed: int = 800_001) -> sk.Motion:
    return make_motion(action, rig, seed=seed)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


def test_a_body_that_is_not_human_is_captioned_by_what_is_measured(model: SkeletonLLM) -> None:
    bend = 0.1 * np.sin(np.arange(60)[:, None] / 8 + np.arange(5)[None]).cumsum(axis=1)
    steps = 0.3 * np.stack([np.sin(bend), np.cos(bend), 0 * bend], axis=2)
    snake = sk.Keypoints(tree("Root > Body > Chest > Neck > Head"), steps.cumsum(axis=1), 30.0)
    caption = model.caption(snake)
    assert caption.facts
    assert caption.caption == f"No human body: {', '.join(caption.facts)}."
    assert all(part.caption.startswith("No human body: ") for part in model.segment(snake))
    assert model.render(snake, frames=2, size=32).max() > 0.1


def test_label_caption_ask_and_segment(model: SkeletonLLM) -> None:
    walk = made("walk")
    found = model.label(walk, top=4)
    assert found.text == "walk" and found.known and 0 < found.score <= 1
    assert len(found.alternatives) == 3
    assert all(found.score >= other.score for other in found.alternatives)
    caption = model.caption(walk)
    assert "walk" in str(caption).lower() and caption.caption.endswith(".")
    assert caption.facts
    assert model.ask(walk, "Is this the action walk?").lower().startswith("yes")
    assert "Label: walk" in model.label(walk, explain=True).explanation


def test_open_text_labels(model: SkeletonLLM) -> None:
    right = made("wave right hand")
    assert model.label(right, ["wave", "swim", "kick"]).text == "wave"
    assert model.label(made("run"), ["running", "sit down", "clap"]).text == "running"
    unknown = model.label(right, ["swim", "ride a bicycle"])
    assert not unknown.known and unknown.score < 0.05
    with pytest.raises(sk.SkeletonLLMError, match="no candidate"):
        model.label(right, ["  "])


def test_a_quick_look_is_at_the_pictures_alone(model: SkeletonLLM) -> None:
    alone = pictures_alone(model)
    short = make_motion("squat", "cmu", seed=900_000)
    for motion in (short, replace(short, fps=short.fps / 4)):
        assert model.facts and model.label(motion, quick=True) == alone.label(motion, quick=True)
        assert model.label(motion) != alone.label(motion)


def test_looks_that_disagree_are_less_sure() -> None:
    left, right, none = [0.0, -9.0], [-9.0, 0.0], [-np.inf, -np.inf]
    assert label_probabilities(np.array([left, left]), 1.0)[0] > 0.999
    assert label_probabilities(np.array([left, right]), 1.0) == pytest.approx([0.5, 0.5])
    assert label_probabilities(np.array([left, none]), 1.0) == pytest.approx([0.5, 0.0], abs=1e-3)


def test_a_long_clip_is_looked_at_in_parts_and_every_look_is_also_at_the_mirror_image(model: SkeletonLLM) -> None:
    clip = made("walk")
    short = model.likelihoods(model.subject(clip))
    assert short.shape == (2 * len(model.model.views), len(model.trained_labels))
    assert model.likelihoods(model.subject(clip), quick=True).shape[0] == 2
    single = replace(clip, rotations=clip.rotations[:1], root_translation=clip.root_translation[:1])
    assert model.likelihoods(model.subject(single)).shape[0] == 2
    frames = np.resize(np.arange(len(clip)), int(20 * clip.fps))
    again = replace(clip, rotations=clip.rotations[frames], root_translation=clip.root_translation[frames])
    assert model.likelihoods(model.subject(again)).shape[0] == 2 * 5


def test_a_mirrored_motion_gets_the_other_side(model: SkeletonLLM) -> None:
    for side, other in (("left", "right"), ("right", "left")):
        motion = made(f"raise up {side} hand")
        swapped = mirrored_sides(motion)
        assert side in model.label(motion).text and other in model.label(swapped).text
        assert f"{side} hand" in str(model.caption(motion)) and f"{other} hand" in str(model.caption(swapped))


def mirrored_sides(motion: sk.Motion) -> sk.Keypoints:
    """What a mirror shows, with left and right named as they now are."""
    reflected = mirrored_world(motion).keypoints()
    names = motion.topology.names
    swap = [
        names.index(name.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right"))
        if "Left" in name or "Right" in name
        else names.index({"L": "R", "R": "L"}[name[0]] + name[1:])
        if name[0] in "LR" and name[1].isupper()
        else index
        for index, name in enumerate(names)
    ]
    return sk.Keypoints(motion.topology, reflected.positions[:, swap], motion.fps)


@pytest.mark.parametrize("change", ["scale", "z up", "30 fps", "yaw"])
@pytest.mark.parametrize("action", ["walk", "wave left hand", "squat"])
def test_what_must_not_matter(model: SkeletonLLM, tmp_path: Path, action: str, change: str) -> None:
    person: sk.Motion = resampled(made(action), 120.0)
    if change == "scale":
        other = reoriented(person, np.array([1.0, 0, 0, 0]), 100.0)
    elif change == "z up":
        other = reoriented(person, rotation.from_axis_angle(np.array([1.0, 0, 0]), np.array(np.pi / 2)), 1.0)
    elif change == "yaw":
        other = reoriented(person, rotation.from_axis_angle(np.array([0, 1.0, 0]), np.array(np.pi / 2)), 1.0)
    else:
        rows = slice(None, None, 4)
        other = sk.Motion(person.skeleton, person.rotations[rows], person.root_translation[rows], 30.0)
    both = []
    for name, motion in (("before", person), ("after", other)):
        sk.write(motion, tmp_path / f"{name}.bvh")
        both.append(sk.read(tmp_path / f"{name}.bvh"))
    before, after = (model.label(people) for people in both)
    assert before.text == after.text
    assert after.score == pytest.approx(before.score, abs=0.05)
    assert psnr(*(model.render(people) for people in both)) >= 30


def test_the_left_hand_is_on_the_right_of_the_image_whatever_the_rig(model: SkeletonLLM) -> None:
    for rig in ("cmu", "mixamo", "minimal"):
        still, raised = (model.render(made(action, rig), size=96) for action in ("stand", "raise up left hand"))
        above = raised[:, :, :48].amax((0, 1)) - still[:, :, :48].amax((0, 1))
        assert above[:, 56:].clamp(min=0).sum() > 2 * above[:, :40].clamp(min=0).sum()


def on_topology(motion: sk.Motion, name: str) -> sk.Keypoints:
    """The motion on another hierarchy: each joint where the joint of its part is, or where its parent is."""
    topology, rig, world = (
        TOPOLOGIES[name],
        map_rig(motion.topology, motion.joint_positions()),
        motion.joint_positions(),
    )
    positions = np.zeros((len(motion), len(topology), 3))
    for joint, part in enumerate(topology.parts):
        known = rig.joint_of(part) if part else None
        positions[:, joint] = world[:, known] if known is not None else positions[:, topology.parents[joint]]
    return sk.Keypoints(topology, positions, motion.fps)


def ntu_text(points: sk.Keypoints) -> str:
    order = np.argsort(file_order("ntu25"))
    lines = [str(len(points))]
    for frame in points.positions[:, order]:
        lines += ["1", "72057594037931101 0 1 1 1 1 0 0 0 2", "25"]
        lines += [f"{-x:.6f} {y:.6f} {4 - z:.6f} 0 0 0 0 0 0 0 0 2" for x, y, z in frame]
    return "\n".join(lines) + "\n"


def test_one_motion_in_three_formats_shows_the_left_hand_on_one_side(model: SkeletonLLM, tmp_path: Path) -> None:
    motion = resampled(made("raise up left hand"), 30.0)
    sk.write(motion, tmp_path / "a.bvh")
    (tmp_path / "a.skeleton").write_text(ntu_text(on_topology(motion, "ntu25")))
    np.save(tmp_path / "a.npy", on_topology(resampled(motion, 20.0), "humanml3d22").positions.astype(np.float32))
    for file in ("a.bvh", "a.skeleton", "a.npy"):
        people = sk.read(tmp_path / file)
        images = model.render(people, size=96, frames=8)
        # On its way up the hand passes half a metre to the side of the body.
        columns = images.detach().amax((0, 1)).sum(0)
        assert columns[68:].sum() > 5 * columns[:28].sum() + 1, file
        assert model.label(people, ["raise up left hand", "raise up right hand"]).text == "raise up left hand", file


def test_a_left_handed_recording_is_mirrored_back(model: SkeletonLLM) -> None:
    motion = made("walk")
    wrong = mirrored_world(motion)
    rig = map_rig(motion.topology, motion.joint_positions())
    assert not is_mirrored(motion.joint_positions(), rig) and is_mirrored(wrong.joint_positions(), rig)
    np.testing.assert_allclose(wrong.joint_positions(), motion.joint_positions() * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(unmirrored(wrong).joint_positions(), motion.joint_positions(), atol=1e-9)
    np.testing.assert_allclose(unmirrored(wrong.keypoints()).joint_positions(), motion.joint_positions(), atol=1e-9)
    assert unmirrored(motion) is motion
    assert model.label(wrong).text == model.label(motion).text


def test_segments_cover_the_clip_and_find_both_actions(model: SkeletonLLM) -> None:
    first, second = (
        resampled(made(action, seed=seed), 30.0) for action, seed in (("walk", 800_003), ("jumping jacks", 800_004))
    )
    long = [np.concatenate([motion.rotations] * (1 + int(4 * 30 / len(motion)))) for motion in (first, second)]
    count = [len(rows) for rows in long]
    rotations = np.concatenate(long)
    root = np.zeros((len(rotations), 3))
    for part, motion, start in ((0, first, 0), (1, second, count[0])):
        heights = np.tile(motion.root_translation[:, 1], 1 + int(4 * 30 / len(motion)))
        root[start : start + count[part], 1] = heights
    clip = sk.Motion(first.skeleton, rotations, root, 30.0)
    segments = model.segment(clip, ["walk", "jumping jacks"])
    assert segments[0].start_s == 0 and segments[-1].end_frame == len(clip)
    assert all(a.end_frame == b.start_frame for a, b in itertools.pairwise(segments))
    assert segments[-1].label == "jumping jacks"


def test_the_picture_follows_the_renderer_parameters(model: SkeletonLLM) -> None:
    images = model.render(made("kick", "minimal"), size=48, frames=5)
    assert images.shape == (5, 3, 48, 48)
    assert float(images.min()) >= 0 and float(images.max()) <= 1
    images.sum().backward()
    assert model.renderer.appearance.colour.grad.abs().max() > 0
    model.renderer.zero_grad(set_to_none=True)
    assert model.render(made("kick"), frame_indices=[0, 2]).shape[0] == 2


def test_several_persons_are_named(model: SkeletonLLM) -> None:
    one = made("walk")
    pair = [one, reoriented(one, np.array([1.0, 0, 0, 0]), 1.0)]
    assert model.label(pair).text == model.label(one).text
    assert str(model.caption(pair)).startswith("Person 1:") and "Person 2:" in model.ask(pair, "which limb moves most?")


def test_questions_it_cannot_know(model: SkeletonLLM) -> None:
    assert "do not know" in model.ask(made("walk"), "quelle heure fuseau?")
    with pytest.raises(sk.SkeletonLLMError, match="empty"):
        model.ask(made("walk"), " ")


def test_the_same_clip_gives_the_same_answer(model: SkeletonLLM) -> None:
    again = sk.load_model()
    motion = made("forward punch")
    assert again.label(motion) == model.label(motion) and again.caption(motion) == model.caption(motion)
    assert torch.equal(again.render(motion), model.render(motion))
    assert again.sha256 == model.sha256


def test_models_that_are_not_there(tmp_path: Path) -> None:
    for name, says in (
        ("hf:some/model#fast", "unknown"),
        (str(tmp_path / "none"), "no model"),
        (str(tmp_path), "no SkeletonLLM"),
    ):
        with pytest.raises(sk.SkeletonLLMError, match=says):
            sk.load_model(name)
    with pytest.raises(sk.SkeletonLLMError, match="device"):
        sk.load_model(device="cuda:7")
    assert available_models()[0]["name"] == "default"


def test_the_free_model_names_actions_and_learned_from_no_restricted_source(root: Path) -> None:
    free = sk.load_model("free")
    assert free.sha256 != sk.load_model().sha256
    actions = ("walk", "wave left hand", "jump", "squat", "sit down", "kick", "bow", "turn left")
    clips = [(action, made(action, rig, 910_000)) for action in actions for rig in RIGS]
    assert np.mean([free.label(clip).text == action for action, clip in clips]) >= 0.75
    recipe = read_recipe(root / "recipes" / "free.yaml")
    assert set(recipe.mix) == {"cmu_cc", "s2s_cmu", "deepmimic_humanoid3d", "g1_robot", "procedural"}


def test_labels_that_only_differ_in_spelling_are_offered_once() -> None:
    assert distinct_labels(["jogging", "jog", "walk", "wave both hands", "two hand wave"]) == (
        "jog",
        "two hand wave",
        "walk",
    )


def test_one_joint_is_refused_but_drawn(model: SkeletonLLM) -> None:
    dot = sk.Keypoints.from_arrays(np.ones((3, 1, 3)), ["tip"], [-1], 30)
    with pytest.raises(sk.SkeletonLLMError, match="only one joint"):
        model.label(dot)
    assert model.render(dot).max() > 0.1
