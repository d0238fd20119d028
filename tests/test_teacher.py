"""Rationales: true ones pass the checker, falsified ones do not, whatever the wording."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.facts import Facts, Hand, explain, measure, mirrored_text
from skeletonllm_core.motion.wording import telling_events
from skeletonllm_core.train import rationale_check as check
from skeletonllm_core.train.claims import Limb, claims_of
from skeletonllm_core.train.corpus import read_packs
from skeletonllm_core.train.procedural import ACTIONS, RIGS, make_motion
from skeletonllm_core.train.rationale_check import contradictions
from skeletonllm_core.train.teacher import FRAMES, KinematicTeacher, Lesson, teach, teacher_named
from tests.chat_endpoint import requests_seen, running
from tests.falsified import SIDED, STEP, Case, reworded, wrong_limbs, wrong_orders, wrong_sides


@pytest.fixture(scope="module")
def clips() -> list[tuple[str, Facts]]:
    """Every action twice, each time on another rig and by another body."""
    made = []
    for seed in range(2):
        for place, action in enumerate(sorted(ACTIONS)):
            made.append((action, measure(make_motion(action, RIGS[(place + 3 * seed) % len(RIGS)], seed=60 + seed))))
    return made


# --- the kinematic teacher


def test_true_rationales_of_every_action_pass(clips: list[tuple[str, Facts]]) -> None:
    assert {label for label, _ in clips} == set(ACTIONS)
    rejected = [
        (label, wrong) for label, facts in clips if (wrong := contradictions(explain(facts, label), facts, label))
    ]
    assert rejected == []


def test_steps_are_told_in_order_of_time_with_limb_and_moment(clips: list[tuple[str, Facts]]) -> None:
    told = 0
    for label, facts in clips:
        moments = [
            float(re.findall(r"(?:at|from) (\d+\.\d) s", line)[-1])
            for line in explain(facts, label).splitlines()
            if STEP.match(line)
        ]
        assert moments == sorted(moments)
        told += len(moments)
    assert told > 100


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("walk", r'This speaks for "walk": the person takes \d+ steps, walking; the person moves forward'),
        ("run", r"steps, running"),
        ("wave left hand", r"the person waves the left hand \d+ times"),
        ("raise up right hand", r"the person raises the right hand above the head"),
        ("kick", r"foot kicks"),
        ("jump", r"leaves the ground once"),
        ("turn left", r"turns left by about"),
        ("sit down", r"lowers the hips by .* and stays down"),
        ("stand", r"stands still most of the time"),
        ("hand clap", r"brings the hands together \d+ times"),
    ],
)
def test_what_decides_is_named(action: str, says: str) -> None:
    reason = explain(measure(make_motion(action, "cmu", seed=4)), action)
    line = next(line for line in reason.splitlines() if line.startswith("This speaks for "))
    assert re.search(says, line) and reason.endswith(f"\nLabel: {action}")


def test_a_label_that_nothing_speaks_for_is_not_talked_up() -> None:
    facts = measure(make_motion("raise up left hand", "cmu", seed=4))
    for label in ("kick", "raise up right hand", "jump"):
        reason = explain(facts, label)
        assert f'No measured fact speaks for "{label}" by itself' in reason and "This speaks for" not in reason
    assert 'What stands out for "meditate" is that the person raises the left hand.' in explain(facts, "meditate")


# --- falsified rationales


def rejected(cases: list[Case], reason: str) -> tuple[float, list[str]]:
    """The share that is rejected, most of all for the given reason, and what was missed."""
    found = [(case, contradictions(case[2], case[1], case[0])) for case in cases]
    reasons = Counter(wrong[0].reason for _, wrong in found if wrong)
    assert reasons[reason] > 0.9 * reasons.total()
    missed = [case[3] for case, wrong in found if not wrong]
    return 1 - len(missed) / len(cases), missed


def test_wrong_sides_are_rejected(clips: list[tuple[str, Facts]]) -> None:
    cases = wrong_sides(clips)
    share, missed = rejected(cases, check.SIDE)
    assert len(cases) > 50 and share >= 0.95, missed


def test_wrong_limbs_are_rejected(clips: list[tuple[str, Facts]]) -> None:
    cases = wrong_limbs(clips)
    share, missed = rejected(cases, check.LIMB)
    assert len(cases) > 60 and share >= 0.95, missed


def test_wrong_orders_are_rejected(clips: list[tuple[str, Facts]]) -> None:
    cases = wrong_orders(clips, moments=True)
    share, missed = rejected(cases, check.ORDER)
    assert len(cases) > 20 and share >= 0.95, missed
    share, missed = rejected(wrong_orders(clips, moments=False), check.ORDER)
    assert share >= 0.75, missed


def test_whole_rationales_of_the_mirror_image_are_rejected(clips: list[tuple[str, Facts]]) -> None:
    cases = []
    for label, facts in clips:
        true = explain(facts, label)
        wrong = mirrored_text(true.rpartition("\n")[0]) + f"\nLabel: {label}"
        if any(
            mirrored_text(event.text) != event.text
            for event in telling_events(facts)
            if event.kind in SIDED - {"raise"}
        ):
            cases.append((label, facts, wrong, wrong))
    share, missed = rejected(cases, check.SIDE)
    assert len(cases) > 30 and share >= 0.95, missed


def test_labels_are_checked(clips: list[tuple[str, Facts]]) -> None:
    label, facts = clips[0]
    true = explain(facts, label)
    body = true.rpartition("\n")[0]
    for text, reason in (
        (body, check.NO_LABEL),
        (f"{body}\nLabel: {label}\nI hope this helps!", check.NO_LABEL),
        ("", check.NO_LABEL),
        (f"{body}\nLabel: cartwheel", check.WRONG_LABEL),
        (f"{body}\nLabel:", check.WRONG_LABEL),
        (f"Label: cartwheel\n{true}", check.WRONG_LABEL),
    ):
        assert [wrong.reason for wrong in contradictions(text, facts, label)] == [reason]
    for fine in (f"{body}\n**Label: {label.title()}**", f"{body}\nlabel: {label}.\n"):
        assert contradictions(fine, facts, label) == ()


def test_the_words_of_a_label_are_no_claim() -> None:
    """A label may be wrong about the side (some sources are mirrored); quoting it is no statement about the clip."""
    facts = measure(make_motion("wave right hand", "cmu", seed=4))
    assert contradictions(explain(facts, "wave left hand"), facts, "wave left hand") == ()
    assert contradictions("He waves the left hand.\nLabel: wave left hand", facts, "wave left hand") != ()


# --- other wordings


def test_other_wordings_of_the_truth_pass_and_of_a_falsehood_do_not(clips: list[tuple[str, Facts]]) -> None:
    rng = random.Random(0)
    false_alarms, cases = [], []
    for label, facts in clips:
        for _ in range(3):
            text = reworded(explain(facts, label), rng)
            false_alarms += [(label, wrong) for wrong in contradictions(text, facts, label)]
    assert false_alarms == []
    # Without its figures, "moves the left hand forward" may be true of both.
    for label, facts, text, line in wrong_sides(clips):
        if not re.search("moves the|lifts the", line):
            cases.append((label, facts, reworded(text, rng), line))
    share, missed = rejected(cases, check.SIDE)
    assert len(cases) > 40 and share >= 0.95, missed


def test_a_text_as_a_person_would_write_it() -> None:
    facts = measure(make_motion("wave right hand", "cmu", seed=4))
    true = (
        "1) Summary: The person stands and waves.\n2) Causal chain: First, the right arm goes up to the shoulder while the "
        "left arm stays below the shoulder. Then the right hand waves from side to side. The feet do not move and neither "
        "leg kicks.\n3) This is 'wave right hand'.\nLabel: wave right hand"
    )
    assert contradictions(true, facts, "wave right hand") == ()
    for change, reason in (
        (("right arm goes up", "left arm goes up"), check.SIDE),
        (("right hand waves", "right foot waves"), check.LIMB),
        (("left arm stays", "right arm stays"), check.SIDE),
        (("stands and waves", "turns to the left and waves"), check.ABSENT),
        (("stands and waves", "jumps and waves"), check.ABSENT),
        (("neither leg kicks", "the left leg kicks"), check.ABSENT),
    ):
        assert change[0] in true
        found = contradictions(true.replace(*change), facts, "wave right hand")
        assert [wrong.reason for wrong in found] == [reason], change


def test_going_and_leaning_the_wrong_way() -> None:
    walk = measure(make_motion("walk", "cmu", seed=4))
    assert [one.reason for one in contradictions("He walks backward.\nLabel: walk", walk, "walk")] == [check.WAY]
    aside = measure(make_motion("sidestep left", "cmu", seed=4))
    found = contradictions("The person steps to the right.\nLabel: x", aside, "x")
    assert [one.reason for one in found] == [check.SIDE]
    bow = measure(make_motion("bend", "cmu", seed=4))
    assert [one.reason for one in contradictions("He leans backward.\nLabel: bend", bow, "bend")] == [check.WAY]


def test_what_was_not_measured_contradicts_nothing() -> None:
    empty = Facts(seconds=2.0)
    text = "First, she kicks with the left foot. Then she raises the right hand and turns left.\nLabel: kick"
    assert contradictions(text, empty, "kick") == ()
    half = Facts(seconds=2.0, height=1.7, hands={"left": Hand(), "right": Hand(over_shoulder=-0.5, raised_share=0.0)})
    assert contradictions("She raises the left hand.\nLabel: x", half, "x") == ()
    assert [one.reason for one in contradictions("She raises the right hand.\nLabel: x", half, "x")] == [check.ABSENT]


SAID = {
    "raise up right hand": "The person raises the right hand.",
    "raise up left hand": "The person raises the left hand.",
    "wave right hand": "The right arm waves.",
    "wave left hand": "The left arm waves.",
    "walk turn left": "The person walks and turns to the left.",
    "walk turn right": "The person walks and turns to the right.",
}


def test_recordings_agree_with_their_labels_and_not_with_the_mirrored_ones(shared_data: Path) -> None:
    """The labels of real clips, told as sentences: what the actors were told to do is a truth of its own."""
    clips = [clip for clip in read_packs(shared_data, sources=["bandai2"]) if clip.label in SAID][::30]
    facts = [measure(clip.person) for clip in clips]
    right = [
        not contradictions(f"{SAID[clip.label]}\nLabel: x", one, "x") for clip, one in zip(clips, facts, strict=True)
    ]
    wrong = [
        bool(contradictions(f"{mirrored_text(SAID[clip.label])}\nLabel: x", one, "x"))
        for clip, one in zip(clips, facts, strict=True)
    ]
    assert len(clips) > 50 and sum(right) >= 0.98 * len(clips) and sum(wrong) >= 0.95 * len(clips)


def test_what_people_wrote_about_recordings_passes(shared_data: Path) -> None:
    clips = [clip for clip in read_packs(shared_data, sources=["cmu_cc", "bvh_01_03"]) if clip.captions]
    assert len(clips) >= 10
    for clip in clips:
        facts = measure(clip.person)
        for caption in clip.captions:
            assert contradictions(f"{caption}\nLabel: x", facts, "x") == (), (clip.name, caption)


# --- reading


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("raises the left hand above the head at 0.6 s", [("raise", "left hand", "")]),
        ("The right foot kicks forward, up to hip height, at 1.2 s", [("kick", "right foot", "forward")]),
        (
            "he lifts the left arm and kicks backward with the right leg",
            [("raise", "left hand", ""), ("kick", "right foot", "backward")],
        ),
        ("the left hand goes up and the right foot kicks", [("raise", "left hand", "up"), ("kick", "right foot", "")]),
        ("both hands wave", [("wave", "both hand", "")]),
        ("the right hand rises and waves", [("raise", "right hand", ""), ("wave", "right hand", "")]),
        ("with the right leg the person kicks sideways", [("kick", "right foot", "sideways")]),
        ("turns counterclockwise", [("turn", None, "left")]),
        ("turns the head to the left", []),
        ("turns the body to the left", [("turn", None, "left")]),
        ("walks to the left", [("go", None, "left")]),
        ("the left and the right hand are raised", [("raise", "both hand", "")]),
        ("he never raises the left hand", []),
        ("lowers both hands", []),
        ("raises the hips by 0.4 m", [("rise", None, "")]),
        ("bends the left knee", [("lean", "left foot", "")]),
        ("keeps the hands above the shoulders", [("keep", " hand", "")]),
        ("on the left-hand side", []),
    ],
)  # fmt: skip
def test_claims(sentence: str, expected: list[tuple[str, str | None, str]]) -> None:
    def named(limb: Limb | None) -> str | None:
        return None if limb is None else f"{limb.side} {limb.kind}"

    found = [(claim.action, named(claim.limb), claim.way) for part in claims_of(sentence) for claim in part]
    assert found == expected


def test_claims_keep_order_height_length_and_moment() -> None:
    first, second = claims_of("Raises the right hand over the head by 0.45 m at 1.5 s, then waves it")
    assert (first[0].level, first[0].distance, first[0].at_s) == ("head", 0.45, 1.5)
    assert [claim.action for claim in second] == ["wave"]
    later, earlier = claims_of("jumps after kicking with the left foot"), claims_of("kicks before jumping")
    assert [[claim.action for claim in part] for part in later] == [["kick"], ["jump"]]
    assert [[claim.action for claim in part] for part in earlier] == [["kick"], ["jump"]]


# --- teachers, cache, counts


def lesson(action: str, clip: str, seed: int = 4) -> Lesson:
    motion = make_motion(action, "cmu", seed=seed)
    frames = torch.full((FRAMES, 3, 8, 8), seed / 255)
    return Lesson(clip, 0, (0.0, motion.seconds), action, measure(motion), lambda: frames)


class Watched:
    """The kinematic teacher, counting what it is asked; it fails at a given lesson."""

    name, cost = "watched", ""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[str] = []
        self.fails_at = fails_at

    def rationale(self, lesson: Lesson) -> str:
        if len(self.asked) == self.fails_at:
            raise SkeletonLLMError("the server is gone")
        self.asked.append(lesson.clip)
        return KinematicTeacher().rationale(lesson)


def test_the_kinematic_teacher_teaches_what_explain_says(tmp_path: Path) -> None:
    lessons = [lesson(action, action) for action in ("walk", "kick", "drink")]
    taught = teach(lessons, teacher_named("kinematic"), tmp_path / "cache.jsonl")
    assert taught.texts == {(one.clip, 0): explain(one.facts, one.label) for one in lessons}
    assert str(taught) == "3 rationales, 3 of 3 asked for now"


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "cache.jsonl"
    lessons = [lesson(action, f"c{place}") for place, action in enumerate(("walk", "kick", "drink", "jump"))]
    with pytest.raises(SkeletonLLMError, match="gone"):
        teach(lessons, Watched(fails_at=2), cache)
    with cache.open("a") as file:
        file.write('{"key": "half a li')
    again = Watched()
    taught = teach(lessons, again, cache)
    assert again.asked == ["c2", "c3"] and taught.asked == 2 and len(taught.texts) == 4
    assert len(cache.read_text().splitlines()) == 4
    third = Watched()
    assert teach(lessons, third, cache).texts == taught.texts and third.asked == []
    changed = [replace(lessons[0], label="march"), replace(lessons[1], span=(0.0, 0.5)), lessons[2]]
    teach(changed, third, cache)
    assert third.asked == ["c0", "c1"]


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    cache = tmp_path / "cache.jsonl"
    cache.write_text('{"key": "a", "text": "b"}\n{"key"\n')
    with pytest.raises(SkeletonLLMError, match=r"cache\.jsonl:2: damaged rationale"):
        teach([], KinematicTeacher(), cache)


def test_a_server_teaches_seen_classes_and_is_checked(tmp_path: Path) -> None:
    cache = tmp_path / "cache.jsonl"
    lessons = [lesson("raise up left hand", "a"), lesson("wave right hand", "b", 5), lesson("stand", "c", 6)]
    with running() as url:
        taught = teach(lessons, teacher_named(f"openai:{url}#honest"), cache, unseen={"stand"})
        assert set(taught.texts) == {("a", 0), ("b", 0)} and taught.unseen == 1 and not taught.rejected
        assert taught.texts["a", 0].endswith("Label: raise up left hand")
        first, second = requests_seen(url)
        assert (
            first["temperature"] == 0.2 and first["max_tokens"] == 512 and "expert" in first["messages"][0]["content"]
        )
        content = first["messages"][1]["content"]
        assert [part["type"] for part in content] == ["image_url"] * FRAMES + ["text"]
        assert "The true action is: raise up left hand" in content[-1]["text"]
        assert content[1] != second["messages"][1]["content"][1]
        lied = teach(lessons, teacher_named(f"openai:{url}#liar"), cache)
        assert lied.texts == {} and lied.lost == 3 and lied.rejected == {check.ABSENT: 3}
        forgot = teach(lessons[:1], teacher_named(f"openai:{url}#forgetful"), cache)
        told = "0 rationales, 1 of 1 asked for now; 1 rejected (no label line 1); forgetful: 1 request, "
        assert str(forgot).startswith(told)
        asked = len(requests_seen(url))
        assert teach(lessons, teacher_named(f"openai:{url}#liar"), cache).lost == 3
        assert len(requests_seen(url)) == asked
        with pytest.raises(SkeletonLLMError, match="302"):
            teach(lessons, teacher_named(f"openai:{url}#elsewhere"), cache)


def test_unknown_teachers_are_refused() -> None:
    with pytest.raises(SkeletonLLMError, match="no teacher 'gpt'; known are kinematic and openai:BASE_URL#NAME"):
        teacher_named("gpt")
