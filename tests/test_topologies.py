"""The named topologies: trees, parts, file orders; and that names give the same parts as the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import Topology
from skeletonllm_core.motion.topologies import FILE_ORDERS, TOPOLOGIES, file_order

JOINTS = {"ntu25": 25, "kinect20": 20, "humanml3d22": 22, "smpl24": 24, "coco17": 17}
BY_NAME = {"smplh52": 52, "smplx55": 55}  # body parts are read from the names


def test_the_listed_topologies() -> None:
    assert {name: len(topology) for name, topology in TOPOLOGIES.items()} == JOINTS | BY_NAME
    assert all(topology.name == name for name, topology in TOPOLOGIES.items())


@pytest.mark.parametrize("name", JOINTS)
def test_sides_mirror_each_other(name: str) -> None:
    topology = TOPOLOGIES[name]
    parts = topology.parts
    assert parts is not None
    assert sorted(p.mirrored for p in parts if p) == sorted(p for p in parts if p)
    for joint, part in enumerate(parts):
        if part and part.side:
            assert part.side in topology.names[joint].lower()


@pytest.mark.parametrize("name", JOINTS)
def test_given_parts_are_used_and_names_say_the_same(name: str) -> None:
    """Without its parts, the same rig is read by name and gives the same joint for each part."""
    topology = TOPOLOGIES[name]
    given = map_rig(topology, np.zeros((0, len(topology), 3)))
    assert given.by == "topology"
    bare = map_rig(Topology("bare", topology.names, topology.parents), np.zeros((0, len(topology), 3)))
    assert bare.by == "names"
    assert bare.primary() == given.primary()


@pytest.mark.parametrize("name", BY_NAME)
def test_hands_of_body_models_are_drawn_as_one_finger(name: str) -> None:
    topology = TOPOLOGIES[name]
    rig = map_rig(topology, np.zeros((0, len(topology), 3)))
    assert rig.by == "names" and len(rig.primary()) == 23
    drawn = [joint for joint, shown in zip(topology.names, rig.drawn, strict=True) if shown]
    fingers = ("index", "middle", "pinky", "ring", "thumb", "jaw", "eye")
    assert [joint for joint in drawn if any(finger in joint for finger in fingers)] == ["left_middle1", "right_middle1"]
    assert topology.parts is None and topology.parents[topology.names.index("right_thumb2")] == len(topology) - 3


@pytest.mark.parametrize("order", FILE_ORDERS)
def test_file_order_carries_positions_over(order: str) -> None:
    topology = "kinect20" if order == "msr_action3d" else order
    listed = FILE_ORDERS[order]
    in_file = np.arange(len(listed))
    moved = in_file[file_order(topology, order)]
    assert [listed[place] for place in moved] == list(TOPOLOGIES[topology].names)


def test_ntu_files_start_at_the_base_of_the_spine() -> None:
    order = FILE_ORDERS["ntu25"]
    assert (order[0], order[3], order[11], order[20], order[24]) == (
        "SpineBase", "Head", "HandRight", "SpineShoulder", "ThumbRight",
    )  # fmt: skip


def test_msr_files_agree_with_anatomy(shared_data: Path) -> None:
    """Read in the file's own order, knees and toes confirm the sides of the table."""
    confirmed = 0
    files = sorted((shared_data / "original" / "msr_action3d_txt").glob("*.txt"))
    assert files
    for path in files:
        table = np.loadtxt(path)[:, :3].reshape(-1, 20, 3)
        rig = map_rig(TOPOLOGIES["kinect20"], table[:, file_order("kinect20", "msr_action3d")])
        confirmed += any("confirmed by" in line for line in rig.report)
    assert confirmed > 0.9 * len(files)


def test_humanml3d_sample_is_confirmed(shared_data: Path) -> None:
    positions = np.load(shared_data / "original" / "humanml3d_npy" / "012314.npy")
    topology = TOPOLOGIES["humanml3d22"]
    rig = map_rig(topology, positions[:, file_order("humanml3d22")])
    assert not rig.warnings
    assert any("confirmed by" in line for line in rig.report)
