"""The trainer on clips that the project makes itself; the corpus on packs that the test makes."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.canonical import Prepared, ground_height, mirrored, moments, place, prepare, sample
from skeletonllm_core.motion.completion import completed
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.train import draws, trainer
from skeletonllm_core.train.augment import (
    Augmentation,
    of_other_proportions,
    varied_frames,
    with_guessed_joints,
    with_other_manner,
    without_joints,
    without_optional_joints,
)
from skeletonllm_core.train.corpus import TEST, TRAIN, VALIDATION, data_hash, read_packs
from skeletonllm_core.train.items import LONGEST_WINDOW, windows
from skeletonllm_core.train.procedural import ACTIONS, make_motion
from skeletonllm_core.train.recipe import Recipe, read_recipe
from skeletonllm_core.train.tasks import PHRASES, caption, learned_label, mirrored_task


def small(out: Path, **changes) -> Recipe:
    recipe = Recipe(
        out=out, steps=6, batch=4, procedural=24, warm_up=2, width=32, vision_layers=1, text_layers=1, channels=(8, 8, 16),
        frames=4, image_size=32, save_every=2,
    )  # fmt: skip
    return replace(recipe, **changes)


def test_a_run_that_is_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path, monkeypatch) -> None:
    whole = trainer.train(small(tmp_path / "whole"), say=lambda text: None)

    class Stopped(Exception):
        pass

    kept = draws.draw_sample
    calls = 0

    def stopping(*arguments):
        nonlocal calls
        calls += 1
        if calls > 4 * 3 + 1:
            raise Stopped
        return kept(*arguments)

    monkeypatch.setattr(draws, "draw_sample", stopping)
    with pytest.raises(Stopped):
        trainer.train(small(tmp_path / "cut"), say=lambda text: None)
    monkeypatch.setattr(draws, "draw_sample", kept)
    cut = trainer.train(small(tmp_path / "cut"), say=lambda text: None)
    for name in ("model.safetensors", "renderer.safetensors"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes()


def test_training_learns(tmp_path: Path) -> None:
    said: list[str] = []
    trainer.train(small(tmp_path, steps=100, batch=8, learning_rate=3e-3, save_every=100), say=said.append)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["label"] < rows[0]["label"]
    assert "min left" in said[-1]


def test_a_mix_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SkeletonLLMError, match="'bandai2', but no clip that the stage 'pretrain' can use comes from there"
    ):
        trainer.train(small(tmp_path, mix={"procedural": 0.5, "bandai2": 0.5}), say=lambda text: None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: 3", "'out'"),
        ("out: x\nstep: 3", "unknown key 'step'"),
        ("- a\n- b", "key: value"),
        ("out: x\nfacts: 1.5", "'facts' is a share, 0 to 1, not 1.5"),
        ("out: x\nstages: [{stage: refine, facts: 2}]", "'facts' is a share, 0 to 1, not 2"),
        ("out: [", "not a YAML file"),
    ],
)
def test_recipes_with_mistakes(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(SkeletonLLMError, match=says):
        read_recipe(path)


def test_a_recipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("out: here\ndata: ../packs\nchannels: [8, 8, 16]\n")
    recipe = read_recipe(path)
    assert recipe.out == tmp_path / "here" and recipe.data == (tmp_path.parent / "packs")
    assert recipe.channels == (8, 8, 16)
    with pytest.raises(SkeletonLLMError, match="no such recipe"):
        read_recipe(tmp_path / "other.yaml")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack folder of two clips of a chain of three joints, parents after children as some sources have them."""
    (tmp_path / "motion").mkdir()
    np.savez(
        tmp_path / "motion" / "bandai2.npz",
        pos_rel=np.arange(5 * 3 * 3, dtype=np.float16).reshape(5, 3, 3),
        root=np.ones((5, 3), np.float32),
        clip_offsets=np.array([0, 2, 5]),
        names=np.array(["end", "hips", "middle"]),
        parents=np.array([2, -1, 1]),
    )
    rows = [
        {"id": "walk_001", "npz": "bandai2", "index": 0, "split": "test", "label": "walk", "captions": [], "fps": 30.0},
        {
            "id": "walk_005",
            "style": "exhausted",
            "npz": "bandai2",
            "index": 1,
            "split": "train",
            "label": "walk",
            "captions": ["x"],
            "fps": 30.0,
        },
    ]
    (tmp_path / "index.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_packs(pack: Path) -> None:
    clips = list(read_packs(pack))
    assert [clip.split for clip in clips] == [TEST, VALIDATION]
    assert clips[1].person.topology.names == ("hips", "middle", "end")
    assert len(clips[0].person) == 2 and len(clips[1].person) == 3
    assert clips[1].captions == ("x",)
    assert data_hash(clips) == data_hash(read_packs(pack)) != data_hash(clips[:1])


def test_half_present_packs_are_refused(pack: Path, tmp_path: Path) -> None:
    (pack / "motion" / "bandai2.npz").unlink()
    with pytest.raises(SkeletonLLMError, match=r"missing bandai2\.npz"):
        list(read_packs(pack))
    (pack / "index.jsonl").unlink()
    with pytest.raises(SkeletonLLMError, match="index of the training data is missing"):
        list(read_packs(pack))


def test_no_clip_of_the_test_split_is_trained_on(shared_data: Path) -> None:
    names = {clip.name: clip.split for clip in read_packs(shared_data)}
    assert {TRAIN, VALIDATION, TEST} == set(names.values())
    for hold_out in (True, False):
        recipe = Recipe(out=Path("unused"), data=shared_data, mix={"other": 1.0}, hold_out=hold_out)
        trained, chosen = trainer.load_clips(recipe)
        assert {names[clip.name] for clip in trained} == ({TRAIN} if hold_out else {TRAIN, VALIDATION})
        assert {names[clip.name] for clip in chosen} == {VALIDATION} and len(trained) > 2000


def test_sources_that_the_mix_leaves_out_are_left_out(root: Path, shared_data: Path) -> None:
    recipe = replace(read_recipe(root / "recipes" / "free.yaml"), data=shared_data)
    trained, chosen = trainer.load_clips(recipe)
    assert {clip.source for clip in trained} == set(recipe.mix) - {"procedural"} and not chosen


def test_labels_of_ones_own_are_learned_as_they_are(root: Path, tmp_path: Path) -> None:
    rows = (root / "examples" / "labels.csv").read_text().splitlines()[1:4]
    files, labels = [row.split(",")[0] for row in rows], ["Flamingo Dance", "walking", "sit down"]
    table = "".join(f"{file},{label},train\n" for file, label in zip(files, labels, strict=True))
    (tmp_path / "labels.csv").write_text("path,label,split\n" + table)
    (tmp_path / "clips").symlink_to(root / "examples" / "clips")
    training, _ = trainer.load_items(Recipe(out=Path("unused"), data=tmp_path, mix={"other": 1.0}, procedural=1))
    assert [item.label for item in training[:3]] == ["flamingo dance", "walk", "sit down"]
    assert training[3].source == "procedural"


def body(action: str = "wave right hand"):
    return prepare([make_motion(action, "cmu", seed=700_000).keypoints()])[0]


def hand_heights(scene) -> tuple[float, float]:
    one = scene.persons[0]
    return tuple(
        float(one.positions[:, one.parts.index(part), 1].max()) for part in (BodyPart.LEFT_HAND, BodyPart.RIGHT_HAND)
    )


def test_mirroring_swaps_the_hands_and_the_words() -> None:
    one = body()
    scene = place([sample(one, moments(len(one), one.fps, 12))], [one], 1.0)
    left, right = hand_heights(scene)
    assert right > left + 0.4
    assert hand_heights(mirrored(scene)) == pytest.approx((right, left))
    person = mirrored(scene).persons[0]
    assert scene.persons[0].accelerations.any()
    np.testing.assert_array_equal(person.accelerations, scene.persons[0].accelerations * [-1, 1, 1])
    assert person.positions[0, person.parts.index(BodyPart.LEFT_HAND), 0] > 0
    assert mirrored_task(("q", "the right hand")) == ("q", "the left hand")


def test_variation_keeps_the_action_and_is_repeatable() -> None:
    one = body()
    amount = Augmentation(missing=0.0, rig=0.0)
    for seed in range(20):
        scene = varied_frames(one, (0.0, len(one) / one.fps), 12, amount, False, np.random.default_rng(seed))
        left, right = hand_heights(scene)
        assert right > left + 0.2
        again = varied_frames(one, (0.0, len(one) / one.fps), 12, amount, False, np.random.default_rng(seed))
        np.testing.assert_array_equal(again.persons[0].positions, scene.persons[0].positions)


def test_another_manner_is_the_same_action_by_a_plausible_body() -> None:
    one = body("walk")
    seen = sample(one, moments(len(one), one.fps, 12))

    def lengths(positions: np.ndarray) -> np.ndarray:
        return np.linalg.norm(positions[..., one.bones[:, 0], :] - positions[..., one.bones[:, 1], :], axis=-1)

    def pose(positions: np.ndarray, part: BodyPart) -> np.ndarray:
        return positions[1, :, one.parts.index(part)]

    changed = 0
    for seed in range(30):
        other = with_other_manner(seen, one, np.random.default_rng(seed))
        assert other.positions.shape == seen.positions.shape and np.isfinite(other.positions).all()
        assert np.nanmin(other.positions[..., 1]) == pytest.approx(np.nanmin(seen.positions[..., 1]), abs=0.02)
        long = lengths(seen.positions) > 0.1
        assert np.abs(lengths(other.positions)[long] / lengths(seen.positions)[long] - 1).max() < 0.45
        stride = np.ptp(pose(other.positions, BodyPart.LEFT_FOOT)[:, [0, 2]], axis=0).max()
        assert 0.45 < stride / np.ptp(pose(seen.positions, BodyPart.LEFT_FOOT)[:, [0, 2]], axis=0).max() < 1.3
        changed += not np.allclose(other.positions, seen.positions, atol=0.02)
    assert changed > 25


def test_a_missing_joint_stays_missing_in_another_manner() -> None:
    one = body("walk")
    seen = sample(one, moments(len(one), one.fps, 12))
    hand = one.parts.index(BodyPart.LEFT_HAND)
    seen.positions[:, 3, hand] = np.nan
    other = with_other_manner(seen, one, np.random.default_rng(0))
    assert np.isnan(other.positions[:, 3, hand]).all()
    assert np.isfinite(other.positions).all(-1).sum() == np.isfinite(seen.positions).all(-1).sum()


def test_a_poorer_rig_keeps_arms_and_legs() -> None:
    one = body()
    for seed in range(50):
        poorer = without_optional_joints(one, np.random.default_rng(seed))
        parts = set(poorer.parts)
        assert {BodyPart.LEFT_FOREARM, BodyPart.RIGHT_SHIN, BodyPart.PELVIS} <= parts
        assert (BodyPart.LEFT_HAND in parts) == (BodyPart.RIGHT_HAND in parts)
        assert poorer.bones.max() < len(poorer.parts)


def test_bones_bridge_joints_that_are_lacking_and_the_body_stands_on_the_ground() -> None:
    one = body()
    legs = np.array([part.value.endswith(("thigh", "shin", "foot", "toes")) for part in one.parts])
    spine = np.array([part in (BodyPart.SPINE, BodyPart.CHEST) for part in one.parts])
    poorer = without_joints(one, legs | spine)
    assert not any(part.value.endswith("shin") for part in poorer.parts) and BodyPart.PELVIS in poorer.parts
    assert len(poorer.bones) == len(poorer.parts) - 1, "still one tree"
    assert np.percentile(poorer.positions[..., 1].min(1), 5) == pytest.approx(0, abs=1e-5)
    assert without_joints(one, np.ones(len(one.parts), dtype=bool)) is one


def test_a_body_that_lacks_joints_is_as_large_as_one_that_came_without_them() -> None:
    clip = make_motion("walk", "cmu", seed=700_000).keypoints()
    rig = map_rig(clip.topology, clip.positions)
    lost = np.isin(np.arange(len(rig.parts)), [rig.joint_of(BodyPart.LEFT_SHIN), rig.joint_of(BodyPart.LEFT_UPPER_ARM)])
    whole = prepare([clip], [rig])[0]
    made = without_joints(whole, lost[rig.drawn])
    positions = clip.positions.copy()
    positions[:, lost] = np.nan
    came_without = prepare([replace(clip, positions=positions)], [rig])[0]
    assert made.parts == came_without.parts and made.bones.tolist() == came_without.bones.tolist()
    assert made.scale == pytest.approx(came_without.scale, rel=1e-4) != pytest.approx(whole.scale, rel=1e-2)
    np.testing.assert_allclose(np.diff(made.positions, axis=1), np.diff(came_without.positions, axis=1), atol=1e-3)


def test_guessed_joints_are_where_a_recording_that_lacks_them_is_shown() -> None:
    clip = make_motion("kick", "cmu", seed=700_000).keypoints()
    rig = map_rig(clip.topology, clip.positions)
    lost = np.isin(np.arange(len(rig.parts)), [rig.joint_of(BodyPart.RIGHT_FOOT), rig.joint_of(BodyPart.LEFT_FOREARM)])
    whole = prepare([clip], [rig])[0]
    made = with_guessed_joints(whole, lost[rig.drawn])
    positions = clip.positions.copy()
    positions[:, lost] = np.nan
    shown = prepare([completed(replace(clip, positions=positions))], [rig])[0]
    assert made.parts == shown.parts == whole.parts and made.bones.tolist() == shown.bones.tolist()
    assert made.scale == pytest.approx(shown.scale, rel=1e-3)
    np.testing.assert_allclose(np.diff(made.positions, axis=1), np.diff(shown.positions, axis=1), atol=5e-3)
    assert np.abs(made.positions - whole.positions)[:, ~lost[rig.drawn]].max() < 0.1
    assert with_guessed_joints(whole, np.ones(len(whole.parts), dtype=bool)) is whole
    alone = with_guessed_joints(whole, np.zeros(len(whole.parts), dtype=bool))
    assert alone.parts == whole.parts


def test_a_figure_out_of_proportion_moves_likewise_and_keeps_its_feet_on_the_ground() -> None:
    one = body("walk")
    foot, shin = one.parts.index(BodyPart.LEFT_FOOT), one.parts.index(BodyPart.LEFT_SHIN)
    hand, elbow = one.parts.index(BodyPart.LEFT_HAND), one.parts.index(BodyPart.LEFT_FOREARM)

    def bone(of: Prepared, start: int, end: int) -> np.ndarray:
        return of.positions[:, end] - of.positions[:, start]

    shares = []
    for seed in range(40):
        other = of_other_proportions(one, np.random.default_rng(seed))
        assert other.parts == one.parts and np.isfinite(other.positions).all()
        assert ground_height(other.positions) == pytest.approx(0, abs=1e-5)
        standing = one.positions[:, foot, 1] < one.positions[:, foot, 1].min() + 0.02
        assert np.ptp(other.positions[standing, foot, 1]) < 0.06, "the foot that stands does not float"
        shares.append(np.linalg.norm(bone(other, shin, foot)[0]) / np.linalg.norm(bone(other, elbow, hand)[0]))
        for start, end in ((shin, foot), (elbow, hand)):
            before, after = bone(one, start, end), bone(other, start, end)
            cosine = (before * after).sum(-1) / np.linalg.norm(before, axis=-1) / np.linalg.norm(after, axis=-1)
            assert cosine.min() > 0.999, "every bone points where it did"
    assert max(shares) > 3 * min(shares)


def test_windows_cover_long_clips() -> None:
    rng = np.random.default_rng(0)
    assert windows(3.0, rng)[0] == (0.0, 3.0)
    parts = windows(30.0, rng)
    assert parts[0][0] == 0 and parts[-1][1] == pytest.approx(30.0)
    assert all(end - start <= LONGEST_WINDOW for start, end in parts)
    assert all(after[0] <= before[1] for before, after in itertools.pairwise(parts))


def test_every_procedural_action_and_its_mirror_has_a_phrase() -> None:
    from skeletonllm_core.motion.facts import mirrored_text

    for action in ACTIONS:
        assert learned_label(action) == action
        assert mirrored_text(action) in PHRASES
    assert learned_label("basketball - crossover dribble, shoot") == "dribble a basketball"
    assert learned_label("no such thing") is None


def test_captions_do_not_repeat_themselves() -> None:
    rng = np.random.default_rng(0)
    assert "walks and turns left ." in caption("walk turn left", ("walks forward", "turns left"), rng)
    assert "jumps and raises both hands ." in caption("jump", ("jumps up", "raises both hands", "bends forward"), rng)
    assert "kicks with the left foot ." in caption("kick", ("kicks forward with the left foot",), rng)
    assert "walks forward, turning left ." in caption(None, ("walks forward", "turning left"), rng)
