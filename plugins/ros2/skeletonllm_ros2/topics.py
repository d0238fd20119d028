"""Names of topics: where a body's values and URDF come from, and where what is said about it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass

JOINT_STATES = "joint_states"
TF, TF_STATIC = "/tf", "/tf_static"
SEGMENTS = "/skeletonllm/segments"
DIAGNOSTICS = "/diagnostics"

_HUMAN = re.compile(r"/humans/bodies/([^/]+)/joint_states")


@dataclass(frozen=True)
class BodyTopics:
    """The topics of one body.

    Attributes:
        body: its id: that of REP-155 for a human, "robot" for /joint_states, else the namespace; "tf-FRAME" for frames of /tf.
        human: whether it is a human after REP-155.
        joint_states: its values (sensor_msgs/JointState).
        urdf: its kinematics (std_msgs/String).
        action: its labels (vision_msgs/Classification).
        caption: its captions (std_msgs/String).
    """

    body: str
    human: bool
    joint_states: str
    urdf: str
    action: str
    caption: str


def body_topics(joint_states: str) -> BodyTopics | None:
    """The topics of the body whose joint states a topic carries; None where the name does not end in /joint_states."""
    human = _HUMAN.fullmatch(joint_states)
    if human:
        above = joint_states.rpartition("/")[0]
        return BodyTopics(human[1], True, joint_states, f"{above}/urdf", f"{above}/action", f"{above}/caption")
    above, _, last = joint_states.rpartition("/")
    if last != JOINT_STATES:
        return None
    own = f"{above}/skeletonllm"
    body = above.strip("/") or "robot"
    return BodyTopics(body, False, joint_states, f"{above}/robot_description", f"{own}/action", f"{own}/caption")


def frame_topics(root: str) -> BodyTopics:
    """The topics of a body that is known from /tf only, by its root frame; no name of a topic has a hyphen."""
    return BodyTopics(f"tf-{root}", False, TF, "", "/skeletonllm/action", "/skeletonllm/caption")
