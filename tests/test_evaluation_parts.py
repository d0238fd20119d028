"""What the tables are made of: statistics, damaged clips, baselines, questions and captions."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.train.baselines import facts, graph_network
from skeletonllm_core.train.baselines.description import JOINTS, MOMENTS, Description
from skeletonllm_core.train.baselines.facts import FactsForest, FactsNeighbour, FactsSentences
from skeletonllm_core.train.baselines.warping import WarpedNeighbour, warped_distances
from skeletonllm_core.train.corpus import TEST, LabelledClip
from skeletonllm_core.train.evaluation.caption_metrics import metrics, words
from skeletonllm_core.train.evaluation.clips import animation_clips, animation_label, procedural_asked, subsample
from skeletonllm_core.train.evaluation.corruptions import CORRUPTIONS, REDUCTIONS, on_fewer_joints
from skeletonllm_core.train.evaluation.qa import Question, asked_about, count_in, is_right
from skeletonllm_core.train.evaluation.recognition import contains_label, nearest_label
from skeletonllm_core.train.evaluation.statistics import (
    accuracy_at,
    area_under_risk,
    auroc,
    bootstrapped,
    calibration_error,
    mean_over_runs,
    share,
)
from skeletonllm_core.train.evaluation.tables import Report, Table, write_into
from skeletonllm_core.train.procedural import ACTIONS, make_motion


def clip_of(action: str, rig: str = "cmu", seed: int = 700_000) -> LabelledClip:
    return LabelledClip(f"{action}-{rig}", "made", TEST, action, (), make_motion(action, rig, seed=seed))


# ---- statistics


def test_the_interval_of_a_share() -> None:
    figure = share([True] * 95 + [False] * 5)
    assert figure.value == 0.95 and figure.count == 100
    assert figure.low == pytest.approx(0.8882, abs=1e-4) and figure.high == pytest.approx(0.9785, abs=1e-4)
    assert share([True] * 3).high == 1.0


def test_the_interval_of_runs() -> None:
    figure = mean_over_runs([1.0, 2.0, 3.0])  # t(0.975, 2) = 4.3027, standard error 1 / sqrt(3)
    assert figure.value == 2.0 and figure.high == pytest.approx(2 + 4.3027 / math.sqrt(3), abs=1e-4)
    assert math.isnan(mean_over_runs([1.0]).low)


def test_the_bootstrap_agrees_with_the_normal_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    figure = bootstrapped(lambda rows: float(values[rows].mean()), 400, 0)
    assert figure.value == pytest.approx(values.mean())
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert figure == bootstrapped(lambda rows: float(values[rows].mean()), 400, 0)


def test_calibration_error_of_known_cases() -> None:
    right = np.array([True] * 9 + [False])
    assert calibration_error(np.full(10, 0.9), right) == pytest.approx(0.0)
    assert calibration_error(np.full(10, 0.5), right) == pytest.approx(0.4)
    # Two bins: 0.95 with accuracy 1, 0.15 with accuracy 0; half of the clips in each.
    confidence = np.array([0.95, 0.95, 0.15, 0.15])
    assert calibration_error(confidence, np.array([True, True, False, False])) == pytest.approx((0.05 + 0.15) / 2)


def test_ranking_measures_of_known_cases() -> None:
    assert auroc(np.array([0.9, 0.8]), np.array([0.1, 0.85])) == pytest.approx(0.75)
    assert math.isnan(auroc(np.array([0.9]), np.array([])))
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, False])
    assert accuracy_at(0.5, confidence, right) == 1.0 and accuracy_at(1.0, confidence, right) == 0.5
    assert area_under_risk(confidence, right) == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)


# ---- tables


def a_report() -> Report:
    table = Table("Made | up", ("method", "top-1", "n"), notes=["A note."])
    table.add("model", share([True, False]), 2)
    table.add("chance", float("nan"), None)
    return Report("qa", {"command": "skeletonllm evaluate qa", "seed": 0}, [table])


def test_tables_are_printed_and_are_strict_json() -> None:
    text = a_report().markdown()
    assert "| model | 0.500 (0.095–0.905) | 2 |" in text and "| chance | – | – |" in text and "seed 0" in text
    rows = json.loads(json.dumps(a_report().as_json(), allow_nan=False))["tables"][0]["rows"]
    assert rows[0]["top-1"] == {"value": 0.5, "low": 0.0945, "high": 0.9055, "count": 2}
    assert rows[1] == {"method": "chance", "top-1": None, "n": None}
    with pytest.raises(ValueError, match="2 cells for 3 columns"):
        Table("x", ("a", "b", "c")).add(1, 2)


def test_tables_go_between_their_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text("# Über\n\n<!-- tables: qa -->\nold\n<!-- end: qa -->\n\nstays\n", encoding="utf-8")
    write_into(page, a_report())
    once = page.read_text(encoding="utf-8")
    assert once.startswith("# Über\n\n<!-- tables: qa -->\n") and once.endswith("<!-- end: qa -->\n\nstays\n")
    assert "old" not in once and "| model |" in once
    write_into(page, a_report())
    assert page.read_text(encoding="utf-8") == once
    page.write_text("no marks")
    with pytest.raises(SkeletonLLMError, match="'<!-- tables: qa -->'"):
        write_into(page, a_report())
    assert page.read_text() == "no marks"
    with pytest.raises(SkeletonLLMError, match="no such file"):
        write_into(tmp_path / "none.md", a_report())


# ---- clips


def test_a_subsample_is_drawn_by_the_seed_and_keeps_the_order() -> None:
    clips = [clip_of("walk", seed=700_000 + index) for index in range(3)] * 4
    first = subsample(clips, 5, 1)
    assert first == subsample(clips, 5, 1) and len(first) == 5
    assert subsample(clips, None, 1) == clips == subsample(clips, 99, 1)
    assert any(subsample(clips, 5, 1) != subsample(clips, 5, seed) for seed in range(2, 6))


def test_procedural_clips_that_are_asked_about_hold_every_action_and_differ_from_training() -> None:
    from skeletonllm_core.train.items import procedural_clips

    asked = procedural_asked(len(ACTIONS), 0)
    assert {clip.label for clip in asked} == set(ACTIONS)
    trained = {clip.person.joint_positions().tobytes() for clip in procedural_clips(44, 0)}
    assert not trained & {clip.person.joint_positions().tobytes() for clip in asked}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("CharacterArmature|Sword_Slash", "sword slash"),
        ("HitRecieve_2", "hit receive"),
        ("Run_toIdle", "run to idle"),
        ("Walk", "walk"),
    ],
)
def test_an_animations_name_in_plain_words(name: str, label: str) -> None:
    assert animation_label(name) == label


def test_game_characters_of_the_shared_data(shared_data: Path) -> None:
    clips = animation_clips(shared_data)
    labels = {clip.label for clip in clips}
    assert {"walk", "run", "death", "sword slash", "yes"} <= labels
    assert not any("trex" in clip.name.lower() for clip in clips)
    assert animation_clips(shared_data / "motion") == []


# ---- damaged clips


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda one: f"{one.name} {one.level}")
def test_every_kind_of_damage_is_what_it_says(corruption) -> None:
    clip = clip_of("wave right hand")
    whole = clip.person.joint_positions()
    bad = corruption.applied(clip, np.random.default_rng(0))
    again = corruption.applied(clip, np.random.default_rng(0))
    positions = bad.person.joint_positions()
    np.testing.assert_array_equal(positions, again.person.joint_positions())
    missing = np.isnan(positions).any(-1)
    amount = float(corruption.level.rstrip("%")) / 100 if corruption.level.endswith("%") else 0.0
    if corruption.name == "joints missing throughout":
        assert (missing.all(0) == missing.any(0)).all() and missing.all(0).mean() == pytest.approx(amount, abs=0.02)
    elif corruption.name == "joints missing now and then":
        assert missing.mean() == pytest.approx(amount, abs=0.03) and not missing.all(0).any()
    elif corruption.name == "frames missing":
        assert (missing.all(1) == missing.any(1)).all() and missing.all(1).mean() == pytest.approx(amount, abs=0.12)
        assert not missing[0].any() and not missing[-1].any()
    elif corruption.name == "noise":
        height = np.nanmax(whole[..., 1]) - np.nanmin(whole[..., 1])
        spread = (positions - whole).std() / float(corruption.level.removesuffix(" cm")) * 100
        assert spread == pytest.approx(1.0, rel=0.35) and height > 1
    elif corruption.name == "tempo":
        assert clip.person.seconds / bad.person.seconds == pytest.approx(float(corruption.level.removeprefix("× ")))
    elif corruption.name == "scale":
        np.testing.assert_allclose(positions, whole * float(corruption.level.removeprefix("× ")))
    elif corruption.name == "mirrored":
        assert bad.label == "wave left hand"
        assert "left hand" in " ".join(measure(bad.person).sentences())
        joint = map_rig(bad.person.topology, positions).joint_of(BodyPart.LEFT_HAND)
        assert joint == map_rig(clip.person.topology, whole).joint_of(BodyPart.RIGHT_HAND)
    else:
        np.testing.assert_allclose(np.linalg.norm(positions, axis=-1), np.linalg.norm(whole, axis=-1))
        np.testing.assert_allclose(positions[..., 1], whole[..., 1])
    assert bad.label == clip.label or corruption.mirrors


@pytest.mark.parametrize("count", REDUCTIONS)
@pytest.mark.parametrize("rig", ["cmu", "unreal", "smpl"])
def test_a_rig_with_fewer_joints_is_still_a_body(count: int, rig: str) -> None:
    clip = clip_of("wave right hand", rig)
    fewer = on_fewer_joints(clip.person, REDUCTIONS[count])
    found = map_rig(fewer.topology, fewer.positions)
    assert len(fewer.topology) <= count and found.human and (fewer.topology.parents < 0).sum() == 1
    assert {BodyPart.HEAD, BodyPart.LEFT_HAND, BodyPart.RIGHT_FOOT} <= set(found.parts)
    before = map_rig(clip.person.topology, clip.person.joint_positions())
    for part in (BodyPart.RIGHT_HAND, BodyPart.LEFT_SHIN):
        theirs, ours = before.joint_of(part), found.joint_of(part)
        assert theirs is not None and ours is not None
        np.testing.assert_array_equal(fewer.positions[:, ours], clip.person.joint_positions()[:, theirs])


# ---- baselines


@pytest.fixture(scope="module")
def lesson() -> tuple[list[Description], list[str], list[Description], list[str]]:
    """Five actions: six clips each to learn from, two to be asked about, on other rigs."""
    actions = ("walk", "jump", "wave right hand", "squat", "kick")
    known, asked = [], []
    for action in actions:
        known += [clip_of(action, ("cmu", "smpl", "mixamo")[seed % 3], 700_000 + seed) for seed in range(6)]
        asked += [clip_of(action, "unreal", 700_100 + seed) for seed in range(2)]
    first, second = ([Description(clip.person) for clip in clips] for clips in (known, asked))
    return first, [clip.label for clip in known], second, [clip.label for clip in asked]


@pytest.mark.parametrize(
    "kind", [FactsForest, FactsNeighbour, FactsSentences, WarpedNeighbour, graph_network.SmallGraphNetwork]
)
def test_a_baseline_learns_and_says_the_same_again(kind, lesson, monkeypatch) -> None:
    monkeypatch.setattr(graph_network, "STEPS", 40)
    monkeypatch.setattr(facts, "TREES", 50)
    known, labels, asked, truth = lesson
    baseline = kind()
    baseline.fit(known, labels, 3)
    chances = baseline.probabilities(asked)
    assert chances.shape == (len(asked), 5) and np.allclose(chances.sum(1), 1)
    assert np.mean(baseline.predict(asked) == np.array(truth)) >= 0.7, baseline.name
    other = kind()
    other.fit(known, labels, 3)
    np.testing.assert_array_equal(chances, other.probabilities(asked))


def test_warping_finds_the_same_movement_at_another_pace() -> None:
    costs = np.array([[[0.0, 9, 9], [0, 9, 9], [9, 0, 9]]])
    assert warped_distances(costs)[0] == pytest.approx(9)  # down, across, and the last corner
    assert warped_distances(np.ones((1, 4, 4)))[0] == pytest.approx(4)
    clips = [clip_of(action) for action in ("walk", "kick", "hand clap", "bow")]
    neighbour = WarpedNeighbour()
    neighbour.fit([Description(clip.person) for clip in clips], [clip.label for clip in clips], 0)
    slow = next(one for one in CORRUPTIONS if one.name == "tempo" and "0.5" in one.level)
    for index, clip in enumerate(clips):
        assert neighbour.nearest(Description(slow.applied(clip, np.random.default_rng(0)).person)) == index


def test_a_description_faces_the_front_and_marks_what_is_missing() -> None:
    joints = Description(clip_of("walk").person).joints
    assert joints.positions.shape == (MOMENTS, len(JOINTS), 3) and joints.visible.all()
    left, right = 9, 12
    assert joints.positions[0, left, 0] > joints.positions[0, right, 0]
    gone = next(one for one in CORRUPTIONS if one.level == "50%").applied(clip_of("walk"), np.random.default_rng(1))
    poorer = Description(gone.person).joints
    assert not poorer.visible.all() and (poorer.positions[~poorer.visible] == 0).all()


# ---- questions and answers


def test_published_scoring_is_looser_than_exact() -> None:
    assert contains_label("I think the person will Jump forward", "jump") and not contains_label("hop", "jump")
    assert nearest_label("jogging", ["jump", "jog"]) == "jog"


@pytest.mark.parametrize(
    ("said", "count"), [("Yes, twice.", 2), ("4 times", 4), ("no", 0), ("Yes", 1), ("12", 12), ("the left hand", None)]
)
def test_counts_in_answers(said: str, count: int | None) -> None:
    assert count_in(said) == count


def test_counts_may_be_off_by_one_and_nothing_else_may() -> None:
    steps = Question("steps", "How many steps are taken?", "6")
    assert is_right(steps, "7") and is_right(steps, "5 .") and not is_right(steps, "8") and not is_right(steps, "many")
    side = Question("raised", "Which hand is raised?", "the right hand")
    assert is_right(side, "The right hand") and not is_right(side, "The left hand") and not is_right(side, "right")


def test_what_is_asked_is_true_by_construction() -> None:
    clip = clip_of("wave right hand")
    pool = ["kicks forward with the left foot", "jumps", "bends forward", "walks forward"]
    asked = list(asked_about(clip, measure(clip.person), pool, np.random.default_rng(0)))
    by_kind = {question.kind: question for question in asked}
    assert by_kind["raised"].answer == "the right hand" and by_kind["waving_hand"].answer == "the right hand"
    why = by_kind["why"]
    assert why.choices is not None and why.answer == "waves the right hand" and "waves the left hand" in why.choices
    assert len(set(why.choices)) == 4
    for question in asked:
        assert is_right(question, question.answer) and not is_right(question, "")


def test_the_order_of_two_events_is_asked_both_ways_round() -> None:
    firsts = set()
    for seed in range(40):
        clip = clip_of("pick up", seed=700_000 + seed % 8)
        rng = np.random.default_rng(seed)
        for question in asked_about(clip, measure(clip.person), [], rng):
            if question.kind == "before" and question.choices is not None:
                assert question.answer in question.choices and len(set(question.choices)) == 2
                firsts.add(question.choices.index(question.answer))
    assert firsts == {0, 1}


# ---- captions


def test_caption_measures_rank_good_above_bad() -> None:
    references = [["a person walks forward", "someone walks"], ["a person kicks with the left foot", "a kick"]]
    measures, missing = metrics()
    names = [one.name for one in measures]
    assert names[:4] == ["BLEU-1", "BLEU-4", "ROUGE-L", "CIDEr"]
    assert len(names) + len(missing) == 6
    for one in measures:
        good, each = one.measure([texts[0] for texts in references], references)
        bad, _ = one.measure(["a dog sleeps", "rain falls down"], references)
        assert good > bad >= -1.0, one.name
        assert each is None or (len(each) == 2 and good == pytest.approx(each.mean(), abs=0.35))
    assert dict(zip(names, [one.measure(["a person walks forward"], [references[0]])[0] for one in measures], strict=True))[
        "BLEU-1"
    ] == pytest.approx(1.0, abs=1e-6)  # fmt: skip
    assert words("A person walks, 2 times!") == "a person walks 2 times"
