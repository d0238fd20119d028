"""What ROS 2 adds to SkeletonLLM: the ROS human model as a named topology, and `skeletonllm ros2`. Runs without ROS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skeletonllm_core.hooks import hookimpl

if TYPE_CHECKING:
    import click

    from skeletonllm_core.motion.skeleton import Topology

# A joint that turns about three axes is three links one after the other; they share a body part, the first leads.
_TRUNK = (
    ("body", "pelvis"), ("r_waist", "spine"), ("y_waist", "spine"), ("waist", "chest"),
)  # fmt: skip
_HEAD = (("r_head", "head"), ("y_head", "head"), ("p_head", "head"))
_ARM = (
    ("y_shoulder", "upper_arm"), ("p_shoulder", "upper_arm"), ("r_shoulder", "upper_arm"), ("elbow", "forearm"),
    ("wrist", "hand"),
)  # fmt: skip
_LEG = (("y_hip", "thigh"), ("p_hip", "thigh"), ("r_hip", "thigh"), ("knee", "shin"), ("ankle", "foot"))


@hookimpl
def skeletonllm_topologies() -> Iterable[Topology]:
    """The human of ROS for human-robot interaction, its links without the body's id."""
    from skeletonllm_core.motion.skeleton import BodyPart, Topology

    names: list[str] = []
    parents: list[int] = []
    parts: list[BodyPart] = []

    def chain(links: Iterable[tuple[str, str]], above: int, side: str = "") -> None:
        for name, part in links:
            names.append(f"{side[:1]}_{name}" if side else name)
            parents.append(above)
            parts.append(BodyPart(f"{side}_{part}" if side else part))
            above = len(names) - 1

    chain(_TRUNK, -1)
    waist = len(names) - 1
    chain(_HEAD, waist)
    for side in ("left", "right"):
        chain(_ARM, waist, side)
        chain(_LEG, 0, side)
    return [Topology("ros_human", tuple(names), parents, tuple(parts))]  # type: ignore[arg-type]


@hookimpl
def skeletonllm_commands(cli: click.Group) -> None:
    """`skeletonllm ros2 …`."""
    from skeletonllm_ros2.commands import ros2

    cli.add_command(ros2)
