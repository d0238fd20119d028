"""Markers → joints: what each known set gives, gaps, several subjects, and markers of no set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from skeletonllm_core.motion.canonical import prepare
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart as P
from skeletonllm_mocap_io.marker_sets import marker_persons
from tests import marker_people

WALKED = np.stack([np.zeros(20), np.zeros(20), 0.03 * np.arange(20)], axis=1)


def one(labels: list[str], places: np.ndarray, metre: float = 1.0) -> tuple[Keypoints, list[str]]:
    """The only person, in the unit of the file, and the notes."""
    (person,), _, notes = marker_persons(labels, places / metre, 100.0, metre, "take")
    return person, notes


@pytest.mark.parametrize(
    ("people", "title", "joints"),
    [
        (marker_people.plug_in_gait, "Plug-in Gait", 20),
        (marker_people.cmu, "CMU", 20),
        (marker_people.helen_hayes, "Helen Hayes", 17),
    ],
)
@pytest.mark.parametrize("metre", [1.0, 0.001])
def test_known_sets_become_bodies(people: Callable, title: str, joints: int, metre: float) -> None:
    labels, places = people(WALKED)
    person, notes = one(labels, places, metre)
    assert notes == [f"{len(labels)} markers ({title}): {joints} joints were worked out from them."]
    assert len(person.topology) == joints + len(labels)
    rig = map_rig(person.topology, person.positions)
    assert not rig.warnings and int(rig.drawn.sum()) == joints
    assert 1.55 < body_height(person.positions * metre, rig) < 1.85
    found = {part: person.topology.names[joint] for part, joint in rig.primary().items()}
    assert found[P.LEFT_SHIN] == "left_knee" and found[P.RIGHT_HAND] == "right_wrist" and found[P.HEAD] == "head"
    left, right = (
        person.positions[:, person.topology.names.index(f"{side}_hip")] * metre for side in ("left", "right")
    )
    # Harrington: 0.33 × 240 mm + 7.3 mm beside the middle, 0.30 × 240 + 10.9 below, 0.24 × depth + 9.9 behind it.
    np.testing.assert_allclose((left - right)[:, 0], 2 * 0.0865, atol=1e-9)
    assert (np.abs(left[:, 1] - (1.0 - 0.0829)) < 0.02).all() and (left[:, 2] < WALKED[:, 2] + 0.10 - 0.05).all()
    assert len(prepare([person])) == 1


def test_joints_lie_where_the_rules_say() -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    person, _ = one(labels, places)
    marker = {label: places[:, index] for index, label in enumerate(labels)}

    def joint(name: str) -> np.ndarray:
        return person.positions[:, person.topology.names.index(name)]

    np.testing.assert_allclose(joint("pelvis"), sum(marker[name] for name in ("LASI", "RASI", "LPSI", "RPSI")) / 4)
    np.testing.assert_allclose(joint("left_wrist"), (marker["LWRA"] + marker["LWRB"]) / 2)
    np.testing.assert_allclose(joint("chest"), (marker["C7"] + marker["CLAV"]) / 2)
    np.testing.assert_allclose(joint("right_knee"), marker["RKNE"])
    np.testing.assert_allclose(joint("LKNE"), marker["LKNE"])
    above = {person.topology.names[child]: person.topology.names[parent] for parent, child in person.topology.bones}
    assert above["left_knee"] == "left_hip" and above["left_hip"] == "pelvis" and above["head"] == "chest"
    assert above["LFIN"] == "left_hand" and above["RTIB"] in ("right_knee", "right_ankle")
    medial = [*labels, "LKNM"], np.concatenate([places, marker["LKNE"][:, None] - (0.1, 0, 0)], axis=1)
    person, _ = one(*medial)
    np.testing.assert_allclose(joint("left_knee"), marker["LKNE"] - (0.05, 0, 0))


def test_the_hips_turn_with_the_pelvis() -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    turn = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # a rotation that leaves no axis in place
    assert np.linalg.det(turn) == pytest.approx(1)
    still, _ = one(labels, places)
    turned, _ = one(labels, places @ turn.T)
    np.testing.assert_allclose(turned.positions, still.positions @ turn.T, atol=1e-12)


def test_a_gap_of_a_marker_is_a_gap_of_its_joint_and_one_never_seen_is_not_needed() -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    places[3:6, labels.index("LWRA")] = np.nan
    places[:, labels.index("T10")] = np.nan
    person, notes = one(labels, places)
    wrist = person.positions[:, person.topology.names.index("left_wrist")]
    assert np.isnan(wrist).any(-1).tolist() == [3 <= frame < 6 for frame in range(20)]
    assert "spine" not in person.topology.names and "Left out, never seen: T10." in notes


@pytest.mark.parametrize("lower", [True, False])
def test_half_a_body_is_enough(lower: bool) -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    legs = ("ASI", "PSI", "THI", "KNE", "TIB", "ANK", "HEE", "TOE")
    kept = [index for index, label in enumerate(labels) if (label[1:] in legs) == lower]
    person, notes = one([labels[index] for index in kept], places[:, kept])
    assert "joints were worked out" in notes[0]
    assert person.topology.names[0] == ("pelvis" if lower else "spine")
    assert (person.topology.parents < 0).sum() == 1


def test_subjects_are_told_apart_and_props_are_left_out() -> None:
    labels, places = marker_people.plug_in_gait(WALKED)
    things = ["box:a", "box:b", "box:c", "*1", ""]
    named = [*things, *(f"Anna:{label}" for label in labels), *(f"Ben:{label}" for label in labels)]
    extra = np.broadcast_to(np.arange(5.0)[:, None] * [1.0, 0, 0], (20, 5, 3))
    everything = np.concatenate([extra, places, places + np.array([1.0, 0, 0])], axis=1)
    persons, ids, notes = marker_persons(named, everything, 100.0, 1.0, "take")
    assert [len(person.topology) for person in persons] == [59, 59] and ids == [1, 2]
    np.testing.assert_allclose(
        persons[1].positions - persons[0].positions, np.broadcast_to([1.0, 0, 0], (20, 59, 3)), atol=1e-12
    )
    assert "2 markers without a name were left out." in notes
    assert any(note.startswith("Anna: 39 markers (Plug-in Gait)") for note in notes)
    assert "box: left out, for its 3 markers are of no known set." in notes


def test_of_unknown_sets_those_with_few_markers_are_left_out() -> None:
    places = np.random.default_rng(0).normal(size=(5, 15, 3))
    labels = [f"{subject}:m{marker}" for subject, count in (("cup", 3), ("a", 5), ("b", 7)) for marker in range(count)]
    persons, ids, _ = marker_persons(labels, places, 100.0, 1.0, "take")
    assert [len(person.topology) for person in persons] == [7, 5] and ids == [2, 1]


def test_markers_without_any_name_are_kept_and_equal_names_told_apart() -> None:
    places = np.random.default_rng(0).normal(size=(5, 3, 3))
    person, _ = one(["*0", "*1", "*2"], places)
    assert sorted(person.topology.names) == ["*0", "*1", "*2"]
    person, _ = one(["hand", "hand", "hand"], places)
    assert sorted(person.topology.names) == ["hand", "hand_2", "hand_3"]
    assert marker_persons(["a"], np.full((5, 1, 3), np.nan), 100.0, 1.0, "")[0] == []
