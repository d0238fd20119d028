"""OpenSim joint angles: which way each coordinate turns, both knee conventions, times and headers, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import map_rig
from tests.plugins import made_files

BASE = ("hip_flexion_r", "hip_flexion_l", "knee_angle_r", "knee_angle_l")


def columns(frames: int = 5, fps: float = 50.0, **values: float) -> dict[str, np.ndarray]:
    named = dict.fromkeys(BASE, 0.0) | values
    return {"time": np.arange(frames) / fps} | {name: np.full(frames, value) for name, value in named.items()}


def clip(folder: Path, data: bytes, name: str = "walk.mot") -> sk.Clip:
    (folder / name).write_bytes(data)
    (only,) = sk.read_clips(folder / name)
    return only


def joints(folder: Path, **values: float) -> dict[str, np.ndarray]:
    """Places of the joints [m]; x forward, y up, z to the right."""
    (person,) = clip(folder, made_files.mot(columns(**values))).persons
    return dict(zip(person.topology.names, person.joint_positions()[0], strict=True))


def test_a_body_at_rest_stands_upright(tmp_path: Path) -> None:
    found = clip(tmp_path, made_files.mot(columns(pelvis_ty=0.94)))
    (person,) = found.persons
    rig = map_rig(person.topology, person.joint_positions())
    assert 1.6 < body_height(person.joint_positions(), rig) < 1.8
    place = dict(zip(person.topology.names, person.joint_positions()[0], strict=True))
    assert place["head"][1] > 1.4 and abs(place["foot_r"][1]) < 0.1 and place["toes_r"][0] > place["foot_r"][0] + 0.1
    assert place["humerus_r"][2] > 0.1 > -0.1 > place["humerus_l"][2] and place["hand_r"][1] < 1.0
    assert found.origin is not None and "they are put onto a body of 1.7 m" in found.origin.warnings[-1]


@pytest.mark.parametrize(
    ("values", "joint", "near", "moved"),
    [
        ({"hip_flexion_r": 90}, "tibia_r", "femur_r", (1, 0, 0)),  # forward
        ({"hip_adduction_r": 90}, "tibia_r", "femur_r", (0, 0, -1)),  # towards the other leg
        ({"hip_adduction_l": 90}, "tibia_l", "femur_l", (0, 0, 1)),
        ({"hip_flexion_r": 90, "hip_rotation_r": 90, "knee_angle_r": -90}, "foot_r", "tibia_r", (0, 0, 1)),  # inwards
        ({"hip_flexion_l": 90, "hip_rotation_l": 90, "knee_angle_l": -90}, "foot_l", "tibia_l", (0, 0, -1)),
        ({"knee_angle_r": -90}, "foot_r", "tibia_r", (-1, 0, 0)),  # gait2392: the heel to the back
        ({"knee_angle_r": 90}, "foot_r", "tibia_r", (-1, 0, 0)),  # Rajagopal: the same
        ({"lumbar_extension": -90}, "head", "torso", (1, 0, 0)),  # bent forward
        ({"lumbar_bending": 90}, "head", "torso", (0, 0, 1)),  # to the right
        ({"arm_flex_l": 90}, "ulna_l", "humerus_l", (1, 0, 0)),
        ({"arm_add_r": -90}, "ulna_r", "humerus_r", (0, 0, 1)),  # away from the body
        ({"arm_add_l": -90}, "ulna_l", "humerus_l", (0, 0, -1)),
        ({"elbow_flex_r": 90}, "hand_r", "ulna_r", (1, 0, 0)),
        ({"pelvis_rotation": 90}, "femur_r", "femur_l", (1, 0, 0)),  # turned to the left
        ({"pelvis_tilt": -90}, "head", "torso", (1, 0, 0)),
        ({"pelvis_list": 90}, "head", "torso", (0, 0, 1)),
    ],
)
def test_which_way_a_coordinate_turns(values: dict, joint: str, near: str, moved: tuple, tmp_path: Path) -> None:
    place = joints(tmp_path, **values)
    bone = place[joint] - place[near]
    np.testing.assert_allclose(bone / np.linalg.norm(bone), moved, atol=1e-6)


def test_ankles_and_radians(tmp_path: Path) -> None:
    flat, up = joints(tmp_path), joints(tmp_path, ankle_angle_r=20.0)
    assert up["toes_r"][1] > flat["toes_r"][1] + 0.02
    data = made_files.mot(columns(ankle_angle_r=np.radians(20.0)), degrees="no", separator=",")
    (person,) = clip(tmp_path, data).persons
    np.testing.assert_allclose(person.joint_positions()[0], list(up.values()), atol=1e-9)


def test_headers_and_names_of_columns(tmp_path: Path) -> None:
    found = clip(tmp_path, made_files.mot(columns(mtp_angle_r=3.0, box_tx=1.0), degrees=""))
    assert found.origin is not None
    assert "The header does not say inDegrees; degrees are taken." in found.origin.warnings
    assert "Columns that were passed over: mtp_angle_r, box_tx." in found.origin.warnings
    paths = {"time": "time"} | {name: f"/jointset/some/{name}/value" for name in BASE}
    named = {paths[name]: values for name, values in columns(hip_flexion_r=30.0).items()}
    (person,) = clip(tmp_path, made_files.mot(named), "states.sto").persons
    np.testing.assert_allclose(person.joint_positions()[0], list(joints(tmp_path, hip_flexion_r=30.0).values()))


def test_uneven_times_are_put_on_an_even_rate(tmp_path: Path) -> None:
    table = columns(6, 10.0)
    table["time"] = np.array([0.0, 0.1, 0.2, 0.5, 0.6, 0.7])
    table["hip_flexion_r"] = 100 * table["time"]
    found = clip(tmp_path, made_files.mot(table))
    (person,) = found.persons
    assert len(person) == 8 and person.fps == 10.0
    assert (
        found.origin is not None
        and "The times are uneven; the motion was put on an even rate." in found.origin.warnings
    )
    knee = person.joint_positions()[:, person.topology.names.index("tibia_r")]
    hip = person.joint_positions()[:, person.topology.names.index("femur_r")]
    angle = np.degrees(np.arctan2(knee[:, 0] - hip[:, 0], hip[:, 1] - knee[:, 1]))
    np.testing.assert_allclose(angle, 10.0 * np.arange(8), atol=1e-6)


def test_real_files_of_another_model_are_refused_by_name(shared_data: Path) -> None:
    folder = shared_data / "original" / "biomech"
    with pytest.raises(
        sk.MotionFormatError, match="no body is known for them; unknown: thorax_tilt, thorax_list"
    ) as caught:
        sk.read(folder / "inverse_kin.mot")
    assert caught.value.line == 11
    with pytest.raises(sk.MotionFormatError, match=r"holds forces and moments \(thorax_tilt_moment"):
        sk.read(folder / "inverse_dyn.sto")
