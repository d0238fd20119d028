"""The human of REP-155 (ROS for human-robot interaction): its URDF, and any motion as values of its joints.

Joint names and axes are those of the ROS4HRI package `human_description`; a name ends in the id of the body.
"""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.kinematics import forward_kinematics
from skeletonllm_core.motion.motion import Motion, Person
from skeletonllm_core.motion.orientation import reoriented
from skeletonllm_core.motion.retarget import retarget
from skeletonllm_ros2.kinematics import JointSource, revolute_values

_SIDES = (("l", 1), ("r", -1))


def human_urdf(body: str, height: float = 1.7) -> str:
    """The URDF of a human.

    Args:
        body: id of the body, of letters, digits and underscores.
        height: [m]; the proportions are those of figure drawing, a body being 7.5 heads.
    """
    head = height / 7.5
    parts: list[str] = []

    def joint(name: str, parent: str, child: str, kind: str, place: tuple[float, float, float], axis: str = "") -> None:
        turns = f'<axis xyz="{axis}"/><limit lower="-3.2" upper="3.3" effort="1" velocity="9"/>' if axis else ""
        origin = " ".join(f"{value:.6g}" for value in place)
        parts.append(
            f'<link name="{child}_{body}"/><joint name="{name}_{body}" type="{kind}"><parent link="{parent}_{body}"/>'
            f'<child link="{child}_{body}"/><origin xyz="{origin}" rpy="0 0 0"/>{turns}</joint>'
        )

    joint("waist", "body", "waist", "revolute", (0, 0, 0), "0 1 0")
    joint("torso", "waist", "torso", "fixed", (0, 0, 2.75 * head))
    joint("r_head", "torso", "r_head", "revolute", (0, 0, 0.25 * head), "1 0 0")
    joint("y_head", "r_head", "y_head", "revolute", (0, 0, 0), "0 0 1")
    joint("p_head", "y_head", "p_head", "revolute", (0, 0, 0), "0 -1 0")
    joint("head", "p_head", "head", "fixed", (0.25 * head, 0, 0.5 * head))
    for side, sign in _SIDES:
        shoulder, elbow = f"{side}_shoulder", f"{side}_elbow"
        joint(
            f"{side}_y_shoulder", "torso", f"{side}_y_shoulder", "revolute", (0, sign * 0.8 * head, 0), f"0 0 {-sign}"
        )
        joint(f"{side}_p_shoulder", f"{side}_y_shoulder", f"{side}_p_shoulder", "revolute", (0, 0, 0), f"{sign} 0 0")
        joint(f"{side}_r_shoulder", f"{side}_p_shoulder", shoulder, "revolute", (0, 0, 0), f"0 0 {sign}")
        joint(elbow, shoulder, elbow, "revolute", (0, 0, -1.6 * head), "0 -1 0")
        joint(f"{side}_wrist", elbow, f"{side}_wrist", "fixed", (0, 0, -head))
        hip, knee = f"{side}_hip", f"{side}_knee"
        joint(f"{side}_y_hip", "body", f"{side}_y_hip", "revolute", (0, sign * 0.6 * head, 0), "0 0 -1")
        joint(f"{side}_p_hip", f"{side}_y_hip", f"{side}_p_hip", "revolute", (0, 0, 0), f"{sign} 0 0")
        joint(f"{side}_r_hip", f"{side}_p_hip", hip, "revolute", (0, 0, 0), "0 -1 0")
        joint(knee, hip, knee, "revolute", (0, 0, -1.5 * head), "0 -1 0")
        joint(f"{side}_ankle", knee, f"{side}_ankle", "fixed", (0, 0, -2 * head))
    return f'<?xml version="1.0"?><robot name="human"><link name="body_{body}"/>{"".join(parts)}</robot>'


def human_values(person: Person, body: str, height: float = 1.7) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """A motion put onto the human of `human_urdf`.

    Args:
        person: any body that can be retargeted.
        body: id of the body.
        height: [m] of the human.

    Returns:
        the D joint names, (T, D) their values [rad], and (T, 7) the pose of the root link, x, y, z [m] and rotation
        (x, y, z, w), Z up, x forward.

    Raises:
        TopologyError: the body cannot be retargeted.
    """
    source = JointSource(human_urdf(body, height), f"human {body}")
    joints = source.robot.dofs
    rest = source.person(joints, np.zeros((1, len(joints))), person.fps, body)
    z_up = rotation.from_axis_angle(np.array([1.0, 0.0, 0.0]), np.array(np.pi / 2))
    moved = reoriented(retarget(person, rest.skeleton), z_up, 1.0)
    assert isinstance(moved, Motion)
    _, world = forward_kinematics(
        moved.skeleton.parents, moved.skeleton.rest_offsets, moved.rotations, moved.root_translation
    )
    place = {name.removesuffix(f"_{body}"): index for index, name in enumerate(moved.topology.names)}
    values: dict[str, np.ndarray] = {}

    def of(name: str) -> np.ndarray:
        return world[:, place[name]]

    def local(parent: np.ndarray, child: np.ndarray) -> np.ndarray:
        return rotation.multiply(rotation.conjugate(parent), child)

    def ball(names: tuple[str, str, str], turns: np.ndarray, axes: list[list[int]]) -> None:
        found = revolute_values(turns, np.array(axes, dtype=np.float64))
        values.update({name: found[:, column] for column, name in enumerate(names)})

    pelvis = of("body")
    # The trunk of this human only bends forward and back; what it cannot do, head and arms make up for.
    values["waist"] = rotation.to_euler(local(pelvis, of("torso")), "YXZ")[:, 0]
    trunk = rotation.multiply(pelvis, rotation.from_axis_angle(np.array([0.0, 1.0, 0.0]), values["waist"]))
    ball(("r_head", "y_head", "p_head"), local(trunk, of("p_head")), [[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    for side, sign in _SIDES:
        for limb, hinge, above, bends in (("shoulder", "elbow", trunk, 1.0), ("hip", "knee", pelvis, -1.0)):
            # A hinge that bends by b turns the lower bone, which hung down, to (sin b, 0, -cos b); the upper bone's
            # twist brings that plane where the lower bone really goes.
            bone = rotation.rotate(local(of(f"{side}_{limb}"), of(f"{side}_{hinge}")), np.array([0.0, 0.0, -1.0]))
            sideways = np.hypot(bone[:, 0], bone[:, 1])
            twist = np.where(sideways > 0.05, np.arctan2(bends * bone[:, 1], bends * bone[:, 0]), 0.0)
            values[f"{side}_{hinge}"] = bends * np.arctan2(sideways, -bone[:, 2])
            twisted = rotation.multiply(
                of(f"{side}_{limb}"), rotation.from_axis_angle(np.array([0.0, 0.0, 1.0]), twist)
            )
            names = (f"{side}_y_{limb}", f"{side}_p_{limb}", f"{side}_r_{limb}")
            arm = limb == "shoulder"
            axes = [[0, 0, -sign if arm else -1], [sign, 0, 0], [0, 0, sign] if arm else [0, -1, 0]]
            ball(names, local(above, twisted), axes)
    found = np.stack([np.unwrap(values[joint.removesuffix(f"_{body}")]) for joint in joints], -1)
    pose = np.concatenate([moved.root_translation, pelvis[:, [1, 2, 3, 0]]], -1)
    return joints, found, pose
