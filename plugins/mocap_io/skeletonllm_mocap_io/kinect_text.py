"""What the two Kinect v1 text formats share: positions in the order of their files → one Keypoints."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.topologies import TOPOLOGIES, file_order

JOINTS = 20


def kinect_person(positions: np.ndarray, files: str, fps: float, name: str) -> Keypoints:
    """Keypoints of the `kinect20` topology.

    Args:
        positions: (T, 20, 3) [m] in the order of the files; a joint exactly at the camera is missing.
        files: key of `FILE_ORDERS`.
        fps: frames a second.
        name: name of the take.
    """
    seen = positions.any(-1, keepdims=True)
    ordered = np.where(seen, positions, np.nan)[:, file_order("kinect20", files)]
    return Keypoints(TOPOLOGIES["kinect20"], ordered, fps, name)
