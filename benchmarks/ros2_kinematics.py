"""Forward kinematics of URDFs: 5,000 poses of a robot in CPU time, beside yourdfpy on the same poses.

    python benchmarks/ros2_kinematics.py [ROBOT.urdf]

Default: the Unitree G1 of ../shared, and where that is not there, a six-axis arm. From joint values to the places of all links.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import yourdfpy

from skeletonllm_core.motion.urdf import robot_of_text
from tests.robots import SIX_AXIS_ARM

G1 = Path(__file__).parents[2] / "shared/data/original/g1_pkl/g1_29dof_anneal_23dof.urdf"
POSES, OF_THE_PEER = 5000, 200


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """CPU time of a piece of work [ms], the median of some rounds after one that does not count."""
    work()
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1e3 * median(taken)


def main(file: Path | None) -> None:
    text = file.read_text() if file is not None else SIX_AXIS_ARM
    robot = robot_of_text(text, "robot", 2000)
    rng = np.random.default_rng(0)
    values = {joint: rng.uniform(-1, 1, POSES) for joint in robot.dofs}
    root, still = np.zeros((POSES, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (POSES, 1))
    ours = cpu_ms(lambda: robot.motion(values, root, still, 30.0).joint_positions(), 10)
    peer = yourdfpy.URDF.load(io.StringIO(text), load_meshes=False, build_scene_graph=True)

    def one_by_one() -> None:
        for frame in range(OF_THE_PEER):
            peer.update_cfg({joint: value[frame] for joint, value in values.items()})
            for link in robot.links:
                peer.get_transform(link, peer.base_link)

    theirs = cpu_ms(one_by_one, 3) * POSES / OF_THE_PEER
    print(
        f"{robot.name}, {len(robot.links)} links, {len(robot.dofs)} joints: {POSES} poses in {ours:.1f} ms of CPU time; "
        f"yourdfpy {theirs:.0f} ms ({theirs / ours:.0f} times as long)"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else G1 if G1.is_file() else None)
