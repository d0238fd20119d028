"""The mean rest skeleton of the SMPL family, as numbers: what is used where no body model file is at hand.

The numbers are not those of a model file. Joint offsets of SMPL(-H) humanoids that physics simulators publish as MJCF
tables (`smpl_humanoid.xml`, `smplh_humanoid.xml` of PHC and ProtoMotions) were averaged over left and right and rounded to
the millimetre. Against the bones measured in HumanML3D joints, whose skeleton is that of one AMASS subject, lengths differ
by 5 % (median; 26 % at most, from collar to shoulder) once the legs are scaled to one length. Jaw and eyes are placed by
hand: pupils 63 mm apart, the jaw's hinge below and before the head joint.

The frame is that of the models: x to the person's left, Y up, z forward, arms held out to the sides (T pose).
"""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion.skeleton import Skeleton, Topology

# Offsets from the parent [m]; the right side mirrors the left.
_OFFSETS: dict[str, tuple[float, float, float]] = {
    "left_hip": (0.069, -0.091, -0.006),
    "left_knee": (0.036, -0.379, -0.007),
    "left_ankle": (-0.015, -0.398, -0.043),
    "left_foot": (0.026, -0.052, 0.121),
    "spine1": (0.0, 0.109, -0.027),
    "spine2": (0.0, 0.135, 0.001),
    "spine3": (0.0, 0.053, 0.025),
    "neck": (0.0, 0.214, -0.043),
    "head": (0.0, 0.065, 0.051),
    "left_collar": (0.080, 0.120, -0.036),
    "left_shoulder": (0.094, 0.032, -0.009),
    "left_elbow": (0.257, -0.013, -0.024),
    "left_wrist": (0.252, 0.008, -0.003),
    "left_hand": (0.084, -0.007, -0.013),
    "left_index1": (0.101, -0.010, 0.020),
    "left_index2": (0.032, 0.002, 0.003),
    "left_index3": (0.022, -0.002, 0.0),
    "left_middle1": (0.108, -0.008, -0.004),
    "left_middle2": (0.031, 0.001, -0.004),
    "left_middle3": (0.024, -0.002, -0.004),
    "left_pinky1": (0.083, -0.016, -0.044),
    "left_pinky2": (0.016, -0.001, -0.012),
    "left_pinky3": (0.016, -0.002, -0.011),
    "left_ring1": (0.096, -0.011, -0.027),
    "left_ring2": (0.028, 0.002, -0.005),
    "left_ring3": (0.023, -0.002, -0.007),
    "left_thumb1": (0.040, -0.020, 0.026),
    "left_thumb2": (0.017, 0.001, 0.025),
    "left_thumb3": (0.021, -0.005, 0.016),
    "jaw": (0.0, -0.010, 0.020),
    "left_eye_smplhf": (0.0315, 0.060, 0.075),
}

MODEL_ORIGIN = (0.0, -0.223, 0.028)
"""The pelvis of SMPL and SMPL-H in the frame of the model, where a translation of zero leaves it [m]."""

MODEL_ORIGIN_X = (0.0, -0.351, 0.012)
"""The same of SMPL-X."""

_STANDING = (0.0, 0.94, 0.0)


def smpl_skeleton(topology: Topology, root: tuple[float, float, float] = _STANDING) -> Skeleton | None:
    """The mean rest skeleton of a topology whose joints are those of SMPL, SMPL-H or SMPL-X; None for another one.

    Args:
        topology: the 22 joints of the body, or more; a pelvis and nothing else than joints of the family.
        root: rest position of the pelvis [m]; by default that of a body that stands on the ground.
    """
    if topology.names[0] != "pelvis" or "spine3" not in topology.names:
        return None
    offsets = [root]
    for name in topology.names[1:]:
        mirrored = name.replace("right_", "left_", 1)
        if mirrored not in _OFFSETS:
            return None
        x, y, z = _OFFSETS[mirrored]
        offsets.append((-x if name != mirrored else x, y, z))
    return Skeleton(topology, np.array(offsets))
