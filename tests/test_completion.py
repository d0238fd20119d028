"""Joints that a recording names but never holds are put where they most likely were, and nothing is measured on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core.describe import describe
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.checkpoint import EMBEDDED, load_checkpoint, save_checkpoint
from skeletonllm_core.motion import completion
from skeletonllm_core.motion.completion import completed, guessed_joints
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.motion import Clip, Keypoints
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.pipeline import load_model
from skeletonllm_core.train.completion import main as teach
from skeletonllm_core.train.evaluation.corruptions import mirrored, scaled, turned, without_joints
from skeletonllm_core.train.procedural import ACTIONS, RIGS, make_motion
from tests.rigs import HORSE, tree


def clip(action: str = "wave left hand", rig: str = "cmu", seed: int = 910_000) -> Keypoints:
    return make_motion(action, rig, seed=seed).keypoints()


def lacking(person: Keypoints, *parts: BodyPart) -> Keypoints:
    rig = map_rig(person.topology, person.positions)
    positions = person.positions.copy()
    positions[:, [joint for joint, part in enumerate(rig.parts) if part in parts]] = np.nan
    return replace(person, positions=positions)


def distance(person: Keypoints, other: Keypoints, part: BodyPart) -> float:
    """Mean distance [m] of a part in two recordings of a clip."""
    joint = map_rig(person.topology, person.positions).joint_of(part)
    return float(np.linalg.norm(person.positions[:, joint] - other.positions[:, joint], axis=-1).mean())


def test_a_recording_of_which_every_joint_is_held_stays_as_it_is() -> None:
    person = clip()
    assert completed(person) is person
    motion = make_motion("walk", "cmu", seed=910_000)
    assert completed(motion) is motion


def test_what_is_held_stays_where_it_was() -> None:
    whole = clip()
    poorer = without_joints(0.5)(whole, np.random.default_rng(0))
    held = np.isfinite(poorer.positions)
    found = completed(poorer)
    np.testing.assert_array_equal(found.positions[held], poorer.positions[held])
    assert np.isnan(poorer.positions[~held]).all(), "what was given is not changed"
    parts = map_rig(whole.topology, whole.positions).parts
    shown = {parts[joint] for joint in np.flatnonzero(np.isfinite(found.positions).all((0, 2)))}
    assert set(parts) - {None} <= shown, "every part of the body is shown"
    assert (found.topology, found.fps, found.name) == (whole.topology, whole.fps, whole.name)


def test_guesses_are_nearer_than_a_still_body() -> None:
    """On actions, bodies and rigs of other seeds than it learned from: against the best place of each joint beside the hips."""
    guessed, still = [], []
    rng = np.random.default_rng(0)
    for index, action in enumerate(sorted(ACTIONS)):
        whole = clip(action, RIGS[index % len(RIGS)], 910_000 + index)
        rig = map_rig(whole.topology, whole.positions)
        poorer = without_joints(0.5)(whole, rng)
        found = completed(poorer)
        hips = whole.positions[:, rig.joint_of(BodyPart.PELVIS)]
        for joint in rig.primary().values():
            if np.isnan(poorer.positions[:, joint]).all() and np.isfinite(found.positions[:, joint]).all():
                beside = whole.positions[:, joint] - hips
                guessed.append(np.linalg.norm(found.positions[:, joint] - whole.positions[:, joint], axis=-1).mean())
                still.append(np.linalg.norm(beside - np.median(beside, axis=0), axis=-1).mean())
    assert len(guessed) > 300
    assert np.mean(guessed) < 0.8 * np.mean(still)


def test_an_elbow_lies_between_shoulder_and_wrist() -> None:
    whole = clip("raise up left hand")
    found = completed(lacking(whole, BodyPart.LEFT_FOREARM))
    assert distance(whole, found, BodyPart.LEFT_FOREARM) < 0.08


@pytest.mark.parametrize("change", [scaled(3.0), mirrored], ids=["larger", "mirrored"])
def test_the_guess_goes_with_the_recording(change) -> None:
    poorer = without_joints(0.4)(clip("kick"), np.random.default_rng(1))
    rng = np.random.default_rng(2)
    np.testing.assert_allclose(
        completed(change(poorer, rng)).positions, change(completed(poorer), rng).positions, atol=2e-3
    )


def test_a_body_whose_hips_or_shoulders_are_held_may_face_anywhere() -> None:
    poorer = lacking(clip("walk"), BodyPart.LEFT_HAND, BodyPart.RIGHT_SHIN, BodyPart.HEAD)
    found = completed(turned(poorer, np.random.default_rng(3)))
    np.testing.assert_allclose(
        found.positions, turned(completed(poorer), np.random.default_rng(3)).positions, atol=2e-3
    )


def test_gaps_of_what_is_held_do_not_spoil_the_guess() -> None:
    poorer = lacking(clip(), BodyPart.RIGHT_FOREARM)
    gappy = replace(poorer, positions=poorer.positions.copy())
    gappy.positions[np.random.default_rng(0).random(gappy.positions.shape[:2]) < 0.1] = np.nan
    assert distance(completed(poorer), completed(gappy), BodyPart.RIGHT_FOREARM) < 0.05


def test_nothing_is_guessed_of_an_animal_nor_of_a_single_part() -> None:
    whole = clip()
    rig = map_rig(whole.topology, whole.positions)
    alone = lacking(whole, *(part for part in rig.primary() if part is not BodyPart.HEAD))
    assert completed(alone) is alone
    positions = np.random.default_rng(0).normal(size=(20, len(tree(HORSE)), 3))
    positions[:, 5] = np.nan
    animal = Keypoints(tree(HORSE), positions, 30.0, "horse")
    assert completed(animal) is animal


def test_labels_look_at_the_recording_and_at_the_guess_and_nothing_is_measured_on_it() -> None:
    whole = clip()
    poorer = lacking(whole, BodyPart.LEFT_FOREARM, BodyPart.LEFT_HAND, BodyPart.LEFT_FINGERS)
    model = load_model("default", device="cpu")
    subject = model.subject(poorer)
    assert subject.guess is not None and model.subject(whole).guess is None
    assert BodyPart.LEFT_HAND in subject.guess.parts and BodyPart.LEFT_HAND not in subject.body.parts
    assert np.isfinite(subject.guess.positions).all()
    assert measure(subject.person).sentences() == measure(poorer).sentences()
    assert not any("left hand" in sentence for sentence in measure(subject.person).sentences())
    looks = model.likelihoods(subject)
    alone = model.likelihoods(replace(subject, guess=None))
    assert len(looks) == 2 * len(alone)
    np.testing.assert_allclose(looks[::2], alone, atol=1e-4)
    assert np.abs(looks[1::2] - alone).max() > 0.1


def test_a_mirrored_recording_that_lacks_joints_gets_the_mirrored_scores() -> None:
    model = load_model("default", device="cpu")
    poorer = without_joints(0.4)(clip("wave left hand"), np.random.default_rng(1))
    labels = ["wave left hand", "wave right hand", "walk", "squat"]
    straight = model.scores(model.subject(poorer), labels)
    swapped = model.scores(
        model.subject(mirrored(poorer, np.random.default_rng(0))), [labels[1], labels[0], *labels[2:]]
    )
    np.testing.assert_allclose(swapped, straight, atol=2e-3)


def test_info_says_what_is_guessed(tmp_path: Path) -> None:
    poorer = lacking(clip(), BodyPart.LEFT_HAND, BodyPart.LEFT_FINGERS)
    names = guessed_joints(poorer)
    found = describe(Clip(poorer.name, [poorer]), [poorer.name])
    (warning,) = [one for one in found["warnings"] if "guess" in one]
    assert all(name in warning for name in names) and poorer.topology.names[0] not in warning
    assert not any("guess" in one for one in describe(Clip("whole", [clip()]), ["whole"])["warnings"])


def test_a_checkpoint_brings_its_own_network(tmp_path: Path) -> None:
    shipped = load_checkpoint(EMBEDDED["free"])
    assert shipped.completion == completion.WEIGHTS
    values = dict(np.load(completion.WEIGHTS))
    values["last.bias"] = values["last.bias"] + np.float16(0.5)
    np.savez(tmp_path / "moved.npz", **values)
    save_checkpoint(replace(shipped, completion=tmp_path / "moved.npz"), tmp_path / "made")
    poorer = lacking(clip(), BodyPart.LEFT_HAND)
    models = [load_model(name, device="cpu") for name in ("free", str(tmp_path / "made"))]
    assert models[0].sha256 != models[1].sha256
    guesses = [model.subject(poorer).guess for model in models]
    moved = guesses[1].positions - guesses[0].positions
    assert np.abs(moved).max() > 0.2
    again = load_checkpoint(tmp_path / "made")
    save_checkpoint(again, tmp_path / "made")
    assert load_model(str(tmp_path / "made"), device="cpu").sha256 == models[1].sha256


@pytest.mark.parametrize("damage", ["cut", "text", "lacks a layer"])
def test_a_damaged_network_is_named(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "made" / "completion.npz"
    save_checkpoint(load_checkpoint(EMBEDDED["free"]), tmp_path / "made")
    if damage == "cut":
        file.write_bytes(completion.WEIGHTS.read_bytes()[:5000])
    elif damage == "text":
        file.write_text("no network")
    else:
        np.savez(file, **{name: value for name, value in np.load(completion.WEIGHTS).items() if "last" not in name})
    with pytest.raises(SkeletonLLMError, match=r"completion\.npz"):
        load_checkpoint(tmp_path / "made")


def test_it_is_taught_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for out in made:
        monkeypatch.setattr("sys.argv", ["completion", str(out), "--clips", "52", "--steps", "12"])
        teach()
    assert made[0].read_bytes() == made[1].read_bytes()
    taught, shipped = np.load(made[0]), np.load(completion.WEIGHTS)
    assert {name: value.shape for name, value in taught.items()} == {
        name: value.shape for name, value in shipped.items()
    }
