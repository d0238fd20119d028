"""Messages: what goes in comes out, units and axes are settled at this edge, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core import plugins
from skeletonllm_core.answers import Candidate, Caption, Label, Segment, segments_json
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.orientation import reoriented
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.remote import wire
from skeletonllm_core.remote.motion_json import MAX_PLACES, clip_from_json, clip_to_json
from tests.clips import bvh, walk


def travelled(clip: Any) -> sk.Clip:
    """The clip as it arrives on the other side."""
    message = wire.parse(json.dumps(wire.question_to_json(clip), allow_nan=False).encode())
    return wire.question_from_json("info", message).clip


def message(**changes: Any) -> dict[str, Any]:
    """A small message that is right, but for the changes; a dot or an index leads to a key below."""
    joints, frames = 3, 4
    person = {
        "id": 0,
        "fps": 30.0,
        "up_axis": "y",
        "unit": "m",
        "skeleton": {"names": ["hips", "chest", "head"], "parents": [-1, 0, 1], "rest_offsets": [[0, 0.5, 0]] * joints},
        "positions": [[[0.0, 0.5 * joint, 0.1 * frame] for joint in range(joints)] for frame in range(frames)],
    }
    whole: dict[str, Any] = {"version": 1, "name": "nod", "persons": [person]}
    for path, value in changes.items():
        at: Any = whole
        *above, last = path.split(".") if not path.startswith("~") else ["persons", "0", *path[1:].split(".")]
        for key in above:
            at = at[int(key)] if isinstance(at, list) else at[key]
        if value is DROPPED:
            at.pop(last, None)
        elif isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
    return whole


DROPPED = object()


def rotating(**changes: Any) -> dict[str, Any]:
    """A small message with rotations."""
    turned = {
        "~positions": DROPPED,
        "~rotations": [[[1, 0, 0, 0]] * 3] * 4,
        "~root": [[0, 0.9, 0]] * 4,
    }
    return message(**{**turned, **changes})


# ---- what goes in comes out


@pytest.fixture
def motion(tmp_path: Path) -> sk.Motion:
    (tmp_path / "walk.bvh").write_text(bvh(walk, 0.5))
    (found,) = sk.read(tmp_path / "walk.bvh")
    assert isinstance(found, sk.Motion)
    return found


def test_a_motion_travels_whole(motion: sk.Motion) -> None:
    local = (
        np.broadcast_to(motion.skeleton.rest_offsets, (len(motion), 17, 3))
        * np.linspace(1, 1.1, len(motion))[:, None, None]
    )
    stretched = sk.Motion(motion.skeleton, motion.rotations, motion.root_translation, motion.fps, "walk", local)
    for given in (motion, stretched):
        clip = travelled(sk.Clip("walk", [given], person_ids=(7,)))
        (got,) = clip.persons
        assert isinstance(got, sk.Motion)
        assert (clip.name, clip.person_ids, got.fps) == ("walk", (7,), given.fps)
        assert got.topology.names == given.topology.names
        np.testing.assert_array_equal(got.topology.parents, given.topology.parents)
        np.testing.assert_array_equal(got.skeleton.tip_joints, given.skeleton.tip_joints)
        np.testing.assert_allclose(got.skeleton.tip_offsets, given.skeleton.tip_offsets, atol=1e-6)
        np.testing.assert_allclose(got.rotations, given.rotations, atol=2e-6)
        np.testing.assert_allclose(got.joint_positions(), given.joint_positions(), atol=1e-5)
        assert (got.local_translations is None) == (given.local_translations is None)


def test_keypoints_travel_with_their_gaps_and_body_parts(motion: sk.Motion) -> None:
    positions = motion.joint_positions()
    positions[3, 2] = np.nan
    ntu = plugins.topology("ntu25")
    shaped = sk.Topology("mine", ntu.names, ntu.parents, ntu.parts, (True,) * 24 + (False,))
    given = [sk.Keypoints(motion.topology, positions, 60.0), sk.Keypoints(shaped, np.ones((2, 25, 3)), 30.0)]
    clip = travelled(given)
    assert clip.person_ids == (0, 1)
    for before, after in zip(given, clip.persons, strict=True):
        assert isinstance(after, sk.Keypoints)
        np.testing.assert_allclose(after.positions, before.positions, atol=1e-6)
        assert (after.fps, after.topology.names) == (before.fps, before.topology.names)
    assert (clip.persons[1].topology.parts, clip.persons[1].topology.drawn) == (shaped.parts, shaped.drawn)
    assert clip.persons[1].topology.name == "mine"


def test_joints_may_come_in_any_order(motion: sk.Motion) -> None:
    order = np.random.default_rng(0).permutation(17)
    given = clip_to_json(motion)
    (person,) = given["persons"]
    skeleton = person["skeleton"]
    place = np.argsort(order)
    skeleton["parents"] = [-1 if parent < 0 else int(place[parent]) for parent in motion.topology.parents[order]]
    skeleton["names"] = [skeleton["names"][joint] for joint in order]
    skeleton["rest_offsets"] = [skeleton["rest_offsets"][joint] for joint in order]
    skeleton["tip_joints"] = [int(place[joint]) for joint in skeleton["tip_joints"]]
    person["rotations"] = [[frame[joint] for joint in order] for frame in person["rotations"]]
    (got,) = clip_from_json("", [person]).persons
    assert isinstance(got, sk.Motion)
    assert got.topology.names != motion.topology.names
    back = [got.topology.names.index(name) for name in motion.topology.names]
    np.testing.assert_allclose(got.joint_positions()[:, back], motion.joint_positions(), atol=1e-5)
    tips = dict(zip(got.skeleton.tip_joints, got.skeleton.tip_offsets.tolist(), strict=True))
    expected = dict(zip(motion.skeleton.tip_joints, motion.skeleton.tip_offsets.tolist(), strict=True))
    named = {got.topology.names[joint]: tip for joint, tip in tips.items()}
    assert named == {motion.topology.names[joint]: pytest.approx(tip, abs=1e-6) for joint, tip in expected.items()}


@pytest.mark.parametrize("keypoints", [False, True])
@pytest.mark.parametrize(
    ("up_axis", "turn"),
    [("z", (1.0, 0, 0, 90)), ("x", (0.0, 0, 1, -90)), ("-y", (1.0, 0, 0, 180)), ("y", (1.0, 0, 0, 0))],
)
def test_units_and_axes_are_settled_here(
    motion: sk.Motion, up_axis: str, turn: tuple[float, float, float, float], keypoints: bool
) -> None:
    quaternion = rotation.from_axis_angle(np.array(turn[:3]), np.array(np.radians(turn[3])))
    person = motion.keypoints() if keypoints else motion
    for unit, metres in (("cm", 0.01), (0.02, 0.02)):
        (given,) = clip_to_json(reoriented(person, quaternion, 1 / metres))["persons"]
        clip = clip_from_json("", [{**given, "up_axis": up_axis, "unit": unit}])
        np.testing.assert_allclose(clip.persons[0].joint_positions(), person.joint_positions(), atol=1e-4)
        assert clip.origin is not None
        assert (clip.origin.up_axis, clip.origin.up_axis_inferred, clip.origin.unit_inferred) == (up_axis, False, False)
        assert clip.origin.unit == ("cm" if unit == "cm" else "0.02 m")


def test_what_may_be_left_out() -> None:
    short = message(**{"name": DROPPED, "~id": DROPPED, "~up_axis": DROPPED, "~unit": DROPPED})
    del short["persons"][0]["skeleton"]["rest_offsets"]
    question = wire.question_from_json("label", short)
    assert (question.labels, question.top, question.explain) == (None, 3, False)
    assert question.clip.person_ids == (0,)
    one_frame = message(**{"~positions": [[[0, 0, 0], [0, 1, 0], [None, None, None]]]})
    assert len(wire.question_from_json("info", one_frame).clip.persons[0]) == 1


def test_a_name_that_is_no_utf8_is_escaped(motion: sk.Motion) -> None:
    clip = travelled(sk.Clip("caf\udce9", [motion]))
    assert clip.name == "caf\\udce9"


def test_what_is_infinite_is_not_sent(motion: sk.Motion) -> None:
    positions = motion.joint_positions()
    positions[3, 2] = np.inf
    with pytest.raises(wire.MessageError, match="infinite"):
        clip_to_json(sk.Keypoints(motion.topology, positions, 30.0))


# ---- what is wrong is named

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("info", message(version=DROPPED), 'the message lacks the key "version"'),
    ("info", message(version=2), '"version" must be 1, got 2'),
    ("info", message(version=True), '"version" must be 1'),
    ("info", message(persons=DROPPED), 'lacks the key "persons"'),
    ("info", message(persons=[]), '"persons" is empty'),
    ("info", message(persons={}), '"persons" must be a list, got an object'),
    ("info", message(persons=[None]), '"persons[0]" must be an object, got null'),
    ("info", message(name=3), '"name" must be a text, got a number'),
    ("info", message(name="x" * 201), '"name" is longer than 200'),
    ("info", message(name="\ud800"), '"name" holds half a surrogate pair'),
    ("info", message(labels=["a"]), "unknown key 'labels'; known: version, name, persons"),
    ("info", message(**{"~fsp": 30}), "\"persons[0]\" has an unknown key 'fsp'"),
    ("info", message(**{"~fps": DROPPED}), '"persons[0]" lacks the key "fps"'),
    ("info", message(**{"~fps": "30"}), '"persons[0].fps" must be a number, got a text'),
    ("info", message(**{"~fps": 0}), '"persons[0].fps" must lie in'),
    ("info", message(**{"~fps": 1e300}), '"persons[0].fps" must lie in'),
    ("info", message(**{"~id": 1.5}), '"persons[0].id" must be a whole number'),
    ("info", message(**{"~up_axis": "up"}), '"persons[0].up_axis" must be one of y, z'),
    ("info", message(**{"~unit": "parsec"}), '"persons[0].unit" must be one of m, cm'),
    ("info", message(**{"~unit": -1}), '"persons[0].unit" must lie in'),
    ("info", message(**{"~unit": 1e6, "~positions.0.0.0": 1e5}), "is too large"),
    ("info", message(**{"~skeleton": [1]}), '"persons[0].skeleton" must be an object'),
    ("info", message(**{"~skeleton.names": DROPPED}), '"persons[0].skeleton" lacks the key "names"'),
    ("info", message(**{"~skeleton.names": []}), '"persons[0].skeleton.names" is empty'),
    ("info", message(**{"~skeleton.names": ["a"] * 3000}), "3000 joints; more than 2000 are refused"),
    ("info", message(**{"~skeleton.names.1": 7}), '"persons[0].skeleton.names[1]" must be a text'),
    ("info", message(**{"~skeleton.parents": [-1, 0]}), '"persons[0].skeleton.parents" must have 3 values'),
    ("info", message(**{"~skeleton.parents": [-1, 2, 1]}), '"persons[0].skeleton.parents" is no tree'),
    ("info", message(**{"~skeleton.parents": [1, 2, 0]}), "cycle"),
    ("info", message(**{"~skeleton.parents": [-1, 1, 1]}), "cycle"),
    ("info", message(**{"~skeleton.parents.1": 3}), '"persons[0].skeleton.parents[1]" must lie in -1..2'),
    ("info", message(**{"~skeleton.parents.1": True}), '"persons[0].skeleton.parents[1]" must be a whole number'),
    ("info", message(**{"~skeleton.rest_offsets": [[0, 0, 0]]}), 'rest_offsets" must have 3 values, found 1'),
    (
        "info",
        message(**{"~skeleton.parts": ["tail", None, None]}),
        '"persons[0].skeleton.parts[0]" must be null or one of',
    ),
    ("info", message(**{"~skeleton.parts": [None]}), '"persons[0].skeleton.parts" must have 3 values'),
    ("info", message(**{"~skeleton.drawn": [True] * 3}), 'goes with "parts"'),
    ("info", message(**{"~skeleton.tip_joints": [2]}), 'both "tip_joints" and "tip_offsets"'),
    ("info", message(**{"~positions": DROPPED}), 'must have either "positions" or "rotations"'),
    ("info", message(**{"~rotations": []}), 'must have either "positions" or "rotations"'),
    ("info", message(**{"~root": [[0, 0, 0]] * 4}), 'belongs to "rotations"'),
    ("info", message(**{"~positions": []}), '"persons[0].positions" has no frames'),
    ("info", message(**{"~positions": 5}), '"persons[0].positions" must be a list, got a number'),
    ("info", message(**{"~positions.2": 5}), '"persons[0].positions[2]" must be a list, got a number'),
    ("info", message(**{"~positions.2": [[0, 0, 0]]}), '"persons[0].positions[2]" must have 3 values, found 1'),
    ("info", message(**{"~positions.2.1": [0, 0]}), '"persons[0].positions[2][1]" must have 3 values, found 2'),
    (
        "info",
        message(**{"~positions.3.1.2": "0"}),
        '"persons[0].positions[3][1][2]" must be a number or null, got a text',
    ),
    ("info", message(**{"~positions.3.1.2": True}), '[3][1][2]" must be a number or null, got true'),
    ("info", message(**{"~positions.3.1.2": 1e7}), '[3][1][2]" is no plausible number'),
    ("info", message(**{"~positions.3.1.2": -(10**400)}), '[3][1][2]" is no plausible number'),
    ("info", message(**{"~positions": [[[None] * 3] * 3] * 4}), "no known joint in any frame"),
    ("info", rotating(**{"~root": DROPPED}), '"persons[0]" lacks the key "root"'),
    ("info", rotating(**{"~root": [[0, 0, 0]]}), '"persons[0].root" must have 4 values, found 1'),
    ("info", rotating(**{"~rotations": [[[2, 0, 0, 0]] * 3] * 4}), "unit quaternions"),
    ("info", rotating(**{"~rotations.0": [[None, 0, 0, 0]] * 3}), '"persons[0].rotations[0][0][0]" must be a number'),
    ("info", rotating(**{"~skeleton.rest_offsets": DROPPED}), '"persons[0].skeleton" lacks the key "rest_offsets"'),
    ("info", rotating(**{"~local_translations": [[[0, 0, 0]] * 3]}), "must have 4 values, found 1"),
    ("info", message(**{"~fps": 0.001}), "lasts 4000 s; more than 3600 s are refused"),
    ("label", message(labels="walk"), '"labels" must be a list, got a text'),
    ("label", message(labels=["walk", 3]), '"labels[1]" must be a text'),
    ("label", message(labels=["walk"] * 1001), '"labels" has 1001 values'),
    ("label", message(top=0), '"top" must lie in 1..1000'),
    ("label", message(top=2.0), '"top" must be a whole number'),
    ("label", message(explain=1), '"explain" must be true or false'),
    ("label", message(quick=None), '"quick" must be true or false'),
    ("ask", message(), 'lacks the key "question"'),
    ("ask", message(question=None), '"question" must be a text, got null'),
    ("render", message(size=4096), '"size" must lie in 16..1024'),
    ("render", message(frames=0), '"frames" must lie in 1..64'),
    ("render", message(size=1024, frames=64), '"size" is too large for so many frames'),
    ("render", message(frame_indices=[4]), '"frame_indices[0]" must lie in 0..3'),
    ("render", message(frame_indices=[]), '"frame_indices" is empty'),
    ("render", message(frame_indices=[0], frames=2), '"frame_indices" and "frames" exclude each other'),
]


@pytest.mark.parametrize(("verb", "given", "told"), WRONG, ids=[told[:60] for _, _, told in WRONG])
def test_a_malformed_message_is_one_sentence_that_names_the_key(verb: str, given: dict[str, Any], told: str) -> None:
    with pytest.raises(wire.MessageError) as problem:
        wire.question_from_json(verb, wire.parse(json.dumps(given).encode()))
    assert told in str(problem.value)
    assert "\n" not in str(problem.value)
    assert len(str(problem.value)) < 500


def test_two_persons_need_two_ids() -> None:
    given = message()
    given["persons"] *= 2
    with pytest.raises(wire.MessageError, match=r'"persons\[1\]\.id" is 0, and so is that of another person'):
        wire.question_from_json("info", given)


def test_too_many_places_are_refused() -> None:
    frames = MAX_PLACES // 3 + 1
    given = message(**{"~fps": 1000, "~positions": [[[0, 0, 0]] * 3] * frames})
    with pytest.raises(wire.MessageError, match="frames times joints of all persons may be 2,000,000"):
        wire.question_from_json("info", given)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON: expecting value at line 1, column 1"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"\xff{}", "not UTF-8: byte 0"),
        (b'{"a": NaN}', "holds NaN, which is no JSON; write null"),
        (b"[-Infinity]", "holds -Infinity"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b"[" * 2_000_000, "nested too deep"),
        (b"[" + b"[]," * 2_500_000 + b"[]]", "more than 2,500,000 lists"),
        (b"[" + b"9" * 5000 + b"]", "too many digits"),
    ],
)
def test_what_is_no_json_is_one_sentence(body: bytes, told: str) -> None:
    with pytest.raises(wire.NotJSON) as problem:
        wire.parse(body)
    assert told in str(problem.value)


# ---- answers


def test_answers_travel_in_the_layout_of_the_commands() -> None:
    label = Label("walk", 0.93, True, (Candidate("run", 0.04),), "Step by step.")
    assert wire.label_from_json(label.as_json()) == label
    caption = Caption("A person walks.", ("moves forward 2 m",))
    assert wire.caption_from_json(caption.as_json()) == caption
    segment = Segment(0.0, 1.9, 0, 57, "walk", 0.9, "A person walks.")
    assert wire.segments_from_json(segments_json([segment])) == [segment]
    assert wire.images_from_json(wire.images_to_json([b"\x89PNG", b""])) == [b"\x89PNG", b""]
    assert wire.answer_from_json(wire.answer_to_json({"answer": "Yes"})) == {"answer": "Yes"}


@pytest.mark.parametrize(
    ("read", "value", "told"),
    [
        (wire.answer_from_json, [], "must be an object"),
        (wire.answer_from_json, {"answer": "Yes"}, 'lacks the key "version"'),
        (wire.answer_from_json, {"version": 9}, "update the older of the two sides"),
        (wire.label_from_json, {}, 'lacks the key "label"'),
        (wire.label_from_json, {"label": 3, "alternatives": []}, '"label" must be an object'),
        (
            wire.label_from_json,
            {"label": {"text": "walk", "score": 7, "known": True}, "alternatives": []},
            '"label.score" must lie in 0..1',
        ),
        (wire.caption_from_json, {"caption": 1, "facts": []}, '"caption" must be a text'),
        (wire.segments_from_json, {"segments": [{}]}, '"segments[0]" lacks the key "start_s"'),
        (wire.images_from_json, {"images": ["?"]}, '"images" holds what is no base64'),
        (wire.answer_text_from_json, {}, 'lacks the key "answer"'),
    ],
)
def test_an_answer_that_is_none_is_named(read: Callable[[Any], Any], value: Any, told: str) -> None:
    with pytest.raises(wire.MessageError) as problem:
        read(value)
    assert told in str(problem.value)


def test_every_body_part_can_be_named() -> None:
    parts = [None, *[part.value for part in BodyPart]][:3]
    question = wire.question_from_json("info", message(**{"~skeleton.parts": parts}))
    assert question.clip.persons[0].topology.parts == (None, *list(BodyPart)[:2])
