"""The installed package labels a stream; the model here is a rule, so that neither torch nor a worker is needed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from skeletonllm_core.answers import Caption, Label
from skeletonllm_core.motion.motion import Motion, Person
from skeletonllm_ros2.bodies import Bodies
from skeletonllm_ros2.history import SECOND
from skeletonllm_ros2.labeler import Labeler, Settings
from skeletonllm_ros2.topics import body_topics


class KneeRule:
    """Who bends the left knee squats."""

    def label(
        self, persons: Person, labels: Sequence[str] | None = None, *, top: int = 3, quick: bool = False
    ) -> Label:
        assert isinstance(persons, Motion)
        knee = persons.topology.names.index("l_knee_x")
        bent = abs(persons.rotations[:, knee, 0].mean()) < 0.9
        return Label("squat" if bent else "stand", 0.9, True, ())

    def caption(self, persons: Person) -> Caption:
        return Caption("", ())

    def ask(self, persons: Person, question: str) -> str:
        return ""


@pytest.mark.parametrize(("knee", "label"), [(0.0, "stand"), (1.8, "squat")])
def test_a_human_is_labelled(knee: float, label: str) -> None:
    labeler = Labeler(KneeRule(), Settings(window_s=1.0, hop_s=0.5))
    bodies, topics = Bodies(labeler), body_topics("/humans/bodies/x/joint_states")
    assert topics is not None
    for index in range(60):
        bodies.joint_state(topics, index * SECOND // 50, ("l_knee_x", "r_knee_x"), [knee, knee])
    answer = labeler.step()
    assert answer is not None
    assert (answer.body, answer.label.text, answer.end) == ("x", label, SECOND)
