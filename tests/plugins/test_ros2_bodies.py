"""Messages of joint states and of /tf → bodies: names of topics, roots, bodies that were forgotten and speak again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.answers import Caption, Label
from skeletonllm_core.motion.motion import Person
from skeletonllm_ros2.bodies import Bodies, Transform
from skeletonllm_ros2.diagnostics import OK, STALE, WARN, diagnoses
from skeletonllm_ros2.history import SECOND
from skeletonllm_ros2.labeler import Labeler, Settings
from skeletonllm_ros2.topics import body_topics
from tests.robots import ARM


class Traveller:
    """Labels a body by how far its root goes: the motion that it was given is kept."""

    def __init__(self) -> None:
        self.seen: list[Person] = []

    def label(
        self, persons: Person, labels: Sequence[str] | None = None, *, top: int = 3, quick: bool = False
    ) -> Label:
        self.seen.append(persons)
        places = persons.joint_positions()[:, 0]
        return Label("goes" if np.ptp(places, axis=0).max() > 0.1 else "stays", 0.9, True, ())

    def caption(self, persons: Person) -> Caption:
        return Caption("", ())

    def ask(self, persons: Person, question: str) -> str:
        return ""


@pytest.fixture
def bodies() -> Bodies:
    return Bodies(Labeler(Traveller(), Settings(window_s=1.0, hop_s=0.5)))


ROBOT = body_topics("/joint_states")
HUMAN = body_topics("/humans/bodies/x7/joint_states")
assert ROBOT is not None and HUMAN is not None


def move(stamp: int, place: float, child: str = "base", parent: str = "odom") -> Transform:
    return Transform(stamp, parent, child, (place, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))


def test_names_of_topics() -> None:
    assert (ROBOT.body, ROBOT.urdf, ROBOT.action) == ("robot", "/robot_description", "/skeletonllm/action")
    assert (HUMAN.body, HUMAN.human, HUMAN.urdf) == ("x7", True, "/humans/bodies/x7/urdf")
    assert (HUMAN.action, HUMAN.caption) == ("/humans/bodies/x7/action", "/humans/bodies/x7/caption")
    spot = body_topics("/fleet/spot/joint_states")
    assert spot is not None
    assert (spot.body, spot.urdf, spot.human) == ("fleet/spot", "/fleet/spot/robot_description", False)
    assert spot.action == "/fleet/spot/skeletonllm/action"
    assert body_topics("/joint_states_raw") is None and body_topics("/tf") is None


@pytest.mark.parametrize(("step", "label"), [(0.02, "goes"), (0.0, "stays")])
def test_the_root_moves_the_body(bodies: Bodies, step: float, label: str) -> None:
    bodies.describe("robot", ARM, "arm.urdf")
    for index in range(60):
        stamp = index * SECOND // 50
        bodies.joint_state(ROBOT, stamp, ("shoulder",), [0.1])
        bodies.transforms([move(stamp, index * step), move(stamp, 5.0, "camera")], static=False)
    answer = bodies.labeler.step()
    assert answer is not None and answer.label.text == label


def test_two_robots_with_one_root_link(bodies: Bodies) -> None:
    two = [body_topics(f"/{name}/joint_states") for name in ("left", "right")]
    for topics in two:
        assert topics is not None
        bodies.describe(topics.body, ARM, "arm.urdf")
    for index in range(60):
        stamp = index * SECOND // 50
        for topics in two:
            assert topics is not None
            bodies.joint_state(topics, stamp, ("shoulder",), [0.1])
        # A frame that could be of either moves neither.
        rows = [move(stamp, index * 0.02, "left/base"), move(stamp, 0.0, "right/base"), move(stamp, index * 1.0)]
        bodies.transforms(rows, static=False)
    answers = [bodies.labeler.step(), bodies.labeler.step()]
    assert [(one.body, one.label.text) for one in answers if one] == [("left", "goes"), ("right", "stays")]
    bodies.release("right")
    bodies.transforms([move(2 * SECOND, 0.0)], static=False)
    assert bodies.labeler.status()[0].counts.messages == 121, "the one that is left owns the plain name"


def test_a_root_without_joints_is_not_labelled(bodies: Bodies) -> None:
    bodies.describe("robot", ARM, "arm.urdf")
    for index in range(100):
        bodies.transforms([move(index * SECOND // 50, index / 50)], static=False)
    assert bodies.labeler.pending == 0 and bodies.labeler.status()[0].stale
    assert [one.level for one in diagnoses(bodies.labeler)] == [OK, STALE]


def test_a_body_that_was_forgotten_speaks_again(bodies: Bodies) -> None:
    bodies.describe("robot", ARM, "arm.urdf")
    for topics in (ROBOT, HUMAN):
        bodies.joint_state(topics, 0, ("shoulder",), [0.1])
    assert [one.waits_for_model for one in bodies.labeler.status()] == [False, False], "a human needs no URDF"
    bodies.labeler.forget("robot")
    bodies.joint_state(ROBOT, SECOND, ("shoulder",), [0.1])
    assert bodies.labeler.has_source("robot")
    bodies.labeler.forget("robot")
    bodies.release("robot")
    bodies.joint_state(ROBOT, SECOND, ("shoulder",), [0.1])
    assert not bodies.labeler.has_source("robot")
    model, human, robot = diagnoses(bodies.labeler)
    assert (model.level, human.level, robot.level) == (OK, WARN, WARN)
    assert human.message == "1 names are no joints of its URDF" and human.values["unknown joints"] == "shoulder"
    assert robot.message == "waits for its URDF"


def test_a_human_of_frames_with_static_ones() -> None:
    model = Traveller()
    bodies = Bodies(Labeler(model, Settings(window_s=1.0, hop_s=0.5)), "base")
    bodies.transforms([move(0, 0.5, "hand", "arm")], static=True)
    for index in range(60):
        stamp = index * SECOND // 50
        bodies.transforms(
            [move(stamp, 0.3, "arm", "base"), move(stamp, index / 50), move(stamp, 9, "car")], static=False
        )
    answer = bodies.labeler.step()
    assert answer is not None and (answer.body, answer.label.text) == ("tf-base", "goes")
    (person,) = model.seen
    assert isinstance(person, sk.Keypoints) and set(person.topology.names) == {"base", "arm", "hand"}
    places = {name: person.positions[:, joint] for joint, name in enumerate(person.topology.names)}
    np.testing.assert_allclose(places["hand"] - places["base"], [[0.8, 0, 0]] * len(person), atol=1e-9)


def test_a_bad_urdf_is_told_with_its_topic(bodies: Bodies) -> None:
    with pytest.raises(sk.MotionFormatError, match="/robot_description"):
        bodies.describe("robot", "<robot/>", "/robot_description")
