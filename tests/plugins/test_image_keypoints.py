"""People in pictures: OpenPose, COCO and MediaPipe JSON in every accepted shape, confidence, identities, scale and axes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart as P
from skeletonllm_core.motion.topologies import FILE_ORDERS
from skeletonllm_mocap_io import coco, mediapipe, openpose
from tests.plugins import made_files

# A person who stands and faces the camera: their left hand is on the right of the picture. Metres, y up.
BODY = {
    "nose": (0.0, 1.60), "left_eye": (0.03, 1.63), "right_eye": (-0.03, 1.63), "left_ear": (0.07, 1.61),
    "right_ear": (-0.07, 1.61), "left_shoulder": (0.2, 1.40), "right_shoulder": (-0.2, 1.40), "left_elbow": (0.3, 1.12),
    "right_elbow": (-0.3, 1.12), "left_wrist": (0.35, 0.88), "right_wrist": (-0.35, 0.88), "left_hip": (0.1, 0.92),
    "right_hip": (-0.1, 0.92), "left_knee": (0.1, 0.5), "right_knee": (-0.1, 0.5), "left_ankle": (0.1, 0.07),
    "right_ankle": (-0.1, 0.07),
}  # fmt: skip
OPENPOSE = {
    "Nose": "nose", "RShoulder": "right_shoulder", "RElbow": "right_elbow", "RWrist": "right_wrist",
    "LShoulder": "left_shoulder", "LElbow": "left_elbow", "LWrist": "left_wrist", "RHip": "right_hip", "RKnee": "right_knee",
    "RAnkle": "right_ankle", "LHip": "left_hip", "LKnee": "left_knee", "LAnkle": "left_ankle", "REye": "right_eye",
    "LEye": "left_eye", "REar": "right_ear", "LEar": "left_ear", "LBigToe": "left_ankle", "RBigToe": "right_ankle",
}  # fmt: skip
SCALE = 250.0  # pixels a metre


def pixels(places: np.ndarray, across: float = 0.0) -> np.ndarray:
    """(J, 2) picture points of places in the plane, y down."""
    return np.stack([640 + SCALE * (places[:, 0] + across), 700 - SCALE * places[:, 1]], axis=1)


def in_coco(across: float = 0.0, score: float = 1.0) -> np.ndarray:
    points = pixels(np.array([BODY[name] for name in FILE_ORDERS["coco17"]]), across)
    return np.concatenate([points, np.full((17, 1), score)], axis=1)


def in_openpose(layout: int) -> np.ndarray:
    def place(name: str) -> tuple[float, float]:
        if name in ("Neck", "Chest", "MidHip"):
            return 0.0, {"Neck": 1.40, "Chest": 1.15, "MidHip": 0.92}[name]
        return BODY[OPENPOSE.get(name, "nose" if name == "Head" else "left_ankle" if name[0] == "L" else "right_ankle")]

    points = pixels(np.array([place(row[0]) for row in openpose._LAYOUTS[layout][1]]))
    return np.concatenate([points, np.full((layout, 1), 0.8)], axis=1)


def clip(folder: Path, value: Any, name: str = "clip.json", format: str | None = None) -> sk.Clip:
    path = folder / name
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    (only,) = sk.read_clips(path, format)
    assert only.origin is not None
    return only


def upright(person: sk.Motion | sk.Keypoints) -> dict[str, np.ndarray]:
    """Checks that this is a body of human size that faces +Z; its joints in the first frame."""
    rig = map_rig(person.topology, person.joint_positions())
    assert body_height(person.joint_positions(), rig) == pytest.approx(1.7, rel=1e-6)
    found = {part: person.joint_positions()[0, joint] for part, joint in rig.primary().items()}
    assert found[P.LEFT_SHIN][0] > found[P.RIGHT_SHIN][0] and found[P.LEFT_HAND][0] > found[P.RIGHT_HAND][0]
    assert found[P.HEAD][1] > found[P.LEFT_THIGH][1] > found[P.LEFT_SHIN][1] > found[P.LEFT_FOOT][1] - 1e-9
    return dict(zip(person.topology.names, person.joint_positions()[0], strict=True))


# --- what all have in common, by way of COCO


def test_a_picture_becomes_a_plane_in_metres(tmp_path: Path) -> None:
    found = clip(tmp_path, made_files.coco([[in_coco()], [in_coco(0.1)]]))
    (person,) = found.persons
    place = upright(person)
    assert found.origin is not None and (found.origin.unit, found.origin.unit_inferred, found.origin.up_axis) == (
        "px",
        True,
        "-y",
    )
    assert "all lie at one depth" in found.origin.warnings[-1]
    assert any("no frame rate; 30 frames" in note for note in found.origin.warnings)
    factor = (place["left_shoulder"][0] - place["right_shoulder"][0]) / 0.4
    for name, (x, y) in BODY.items():
        np.testing.assert_allclose(place[name] - place["nose"], [factor * x, factor * (y - 1.6), 0.0], atol=1e-9)
    assert min(value[1] for value in place.values()) == 0.0
    moved = person.joint_positions()[1] - person.joint_positions()[0]
    np.testing.assert_allclose(moved, np.broadcast_to([0.1 * factor, 0, 0], moved.shape), atol=1e-9)


def test_uncertain_points_are_missing(tmp_path: Path) -> None:
    shaky = in_coco(score=0.9)
    shaky[9, 2] = 0.1
    shaky[10] = 0.0
    (person,) = clip(tmp_path, made_files.coco([[shaky], [in_coco(score=2.0)]])).persons
    missing = np.isnan(person.joint_positions()).all(-1)
    assert {person.topology.names[joint] for joint in np.flatnonzero(missing[0])} == {"left_wrist", "right_wrist"}
    assert not missing[1].any()


def test_people_are_followed_by_place_unless_the_file_says_who_is_who(tmp_path: Path) -> None:
    frames = [[in_coco(0.1 * step), in_coco(3 - 0.1 * step)][:: -1 if step % 2 else 1] for step in range(4)]
    frames[2] = frames[2][:1]
    found = clip(tmp_path, made_files.coco(frames))
    one, two = (person.joint_positions()[:, person.topology.names.index("nose"), 0] for person in found.persons)
    assert found.person_ids == (0, 1) and found.origin is not None
    assert any("who is who" in note for note in found.origin.warnings)
    assert (np.diff(one) > 0).all() and np.isnan(two[2]) and two[3] < two[1] < two[0] and two[3] > one[3]

    value = json.loads(made_files.coco(frames))
    for annotation in value["annotations"]:
        annotation["track_id"] = 7 if annotation["keypoints"][0] < 900 else 4
    told = clip(tmp_path, value)
    assert told.person_ids == (7, 4) and told.origin is not None
    assert not any("who is who" in note for note in told.origin.warnings)
    np.testing.assert_allclose(told.persons[1].joint_positions()[3], found.persons[1].joint_positions()[3])


def test_a_person_who_jumps_across_the_picture_is_another_one(tmp_path: Path) -> None:
    assert len(clip(tmp_path, made_files.coco([[in_coco()], [in_coco(20.0)]])).persons) == 2


def test_people_who_are_never_the_same_are_refused_at_once(tmp_path: Path) -> None:
    began = time.process_time()
    with pytest.raises(sk.MotionFormatError, match="holds 3000 people in 3000 frames, each seen in very few of them"):
        clip(tmp_path, made_files.coco([[in_coco(20.0 * step)] for step in range(3000)]))
    assert time.process_time() - began < 5


# --- COCO


def test_shapes_of_coco(tmp_path: Path) -> None:
    flat = in_coco().ravel().tolist()
    listed = in_coco()[:, :2].tolist()
    expected = clip(tmp_path, made_files.coco([[in_coco()]])).persons[0].joint_positions()
    whole = np.concatenate([in_coco(), np.ones((116, 3))]).ravel().tolist()
    for value in (
        [{"image_id": 5, "category_id": 1, "keypoints": flat, "score": 0.9}],
        [{"image_id": "000001.jpg", "keypoints": flat, "idx": 1}],
        {"image_id": 5, "keypoints": flat},
        {"annotations": [{"image_id": 5, "keypoints": flat}, {"image_id": 5, "bbox": [1, 2, 3, 4]}]},
        {"instance_info": [{"frame_id": 1, "instances": [{"keypoints": listed, "keypoint_scores": [0.9] * 17}]}]},
        {"instance_info": [{"frame_id": 1, "instances": [{"keypoints": listed}]}]},
    ):
        found = clip(tmp_path, value)
        np.testing.assert_allclose(found.persons[0].joint_positions(), expected, atol=1e-9)
        assert found.origin is not None and found.origin.format == "coco"
        assert not any("were left out" in note for note in found.origin.warnings)
    cut = clip(tmp_path, {"annotations": [{"image_id": 5, "keypoints": whole}]})
    np.testing.assert_allclose(cut.persons[0].joint_positions(), expected, atol=1e-9)
    assert cut.origin is not None and "Points of face, hands and feet were left out." in cut.origin.warnings


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    flat = {step: in_coco(0.1 * step).ravel().tolist() for step in range(12)}
    names = [{"image_id": f"img_{step}.jpg", "keypoints": flat[step]} for step in (10, 9, 2, 11, 0, 1)]
    (person,) = clip(tmp_path, names).persons
    across = person.joint_positions()[:, 0, 0]
    assert len(across) == 6 and (np.diff(across) > 0).all()
    images = [{"id": 30 - step, "frame_id": step} for step in range(12)]
    value = {
        "images": images[::-1],
        "annotations": [{"image_id": 30 - step, "keypoints": flat[step]} for step in (0, 3, 4)],
    }
    found = clip(tmp_path, value | {"info": {"fps": 12.5}})
    (person,) = found.persons
    assert person.fps == 12.5 and len(person) == 12
    seen = np.isfinite(person.joint_positions()).all((1, 2))
    assert np.flatnonzero(seen).tolist() == [0, 3, 4]


def test_points_in_space(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flat = np.array([BODY[name] for name in FILE_ORDERS["coco17"]])
    space = np.concatenate([flat, rng.uniform(-0.05, 0.05, (17, 1))], axis=1)
    people = {
        "keypoints": np.concatenate([space, np.ones((17, 1))], axis=1).ravel().tolist(),
        "image_id": 1,
    }
    for value in ([people], {"instance_info": [{"frame_id": 0, "instances": [{"keypoints": space.tolist()}]}]}):
        found = clip(tmp_path, value)
        assert found.origin is not None and (found.origin.unit, found.origin.up_axis) == ("m", "y")
        place = dict(zip(found.persons[0].topology.names, found.persons[0].joint_positions()[0], strict=True))
        for index, name in enumerate(FILE_ORDERS["coco17"]):
            np.testing.assert_allclose(place[name], space[index], atol=1e-9)


# --- OpenPose


@pytest.mark.parametrize("layout", [25, 18, 15])
def test_layouts_of_openpose(layout: int, tmp_path: Path) -> None:
    found = clip(tmp_path, made_files.openpose([[in_openpose(layout)]] * 3))
    (person,) = found.persons
    assert len(person.topology) == layout and len(person) == 3
    place = upright(person)
    assert place["LWrist"][0] > place["Neck"][0] > place["RWrist"][0]


def test_one_picture_a_file_and_people_with_ids(tmp_path: Path) -> None:
    value = json.loads(made_files.openpose([[in_openpose(25)]]))[0]
    found = clip(tmp_path, value, "walk_000000000007_keypoints.json")
    assert len(found.persons[0]) == 1 and found.origin is not None
    assert any("jq -s . FOLDER/*.json" in note for note in found.origin.warnings)
    value["people"][0]["person_id"] = [12]
    value["people"][0]["hand_left_keypoints_2d"] = [0.0] * 63
    value["people"][0]["pose_keypoints_3d"] = []
    assert clip(tmp_path, [value, {"people": []}]).person_ids == (12,)


def test_places_in_space_are_preferred(tmp_path: Path) -> None:
    flat = in_openpose(25)
    space = np.stack([flat[:, 0], flat[:, 1], 10 * np.arange(25.0), np.ones(25)], axis=1)
    value = {"people": [{"pose_keypoints_2d": flat.ravel().tolist(), "pose_keypoints_3d": space.ravel().tolist()}]}
    found = clip(tmp_path, value)
    assert found.origin is not None and found.origin.unit != "px"
    assert np.ptp(found.persons[0].joint_positions()[..., 2]) > 0


# --- MediaPipe


def in_mediapipe() -> np.ndarray:
    """(33, 3) metres around the hips, x right, y up, z towards the camera."""
    rows = [row[0] for row in mediapipe._ROWS]
    near = {"pinky": "wrist", "index": "wrist", "thumb": "wrist", "heel": "ankle", "foot_index": "ankle"}

    def place(name: str) -> tuple[float, float]:
        if name in BODY:
            return BODY[name]
        side, _, what = name.partition("_")
        return BODY[f"{side}_{near[what]}"] if what in near else BODY["nose"]

    flat = np.array([place(name) for name in rows]) - [0.0, 0.92]
    return np.concatenate([flat, np.linspace(-0.1, 0.1, 33)[:, None]], axis=1)


def test_world_landmarks_are_metres_with_y_down_and_z_away(tmp_path: Path) -> None:
    body = in_mediapipe()
    found = clip(tmp_path, made_files.mediapipe((body * (1, -1, -1))[None], fps=24))
    (person,) = found.persons
    assert person.fps == 24.0 and found.origin is not None and (found.origin.unit, found.origin.up_axis) == ("m", "-y")
    for index, row in enumerate(mediapipe._ROWS):
        joint = person.topology.names.index(row[0])
        np.testing.assert_allclose(person.joint_positions()[0, joint], body[index], atol=1e-9)
    assert any("where the body goes is not known" in note for note in found.origin.warnings)


def test_shapes_of_mediapipe(tmp_path: Path) -> None:
    body = in_mediapipe() * (1, -1, -1)
    expected = clip(tmp_path, made_files.mediapipe(body[None])).persons[0].joint_positions()
    objects = [dict(zip("xyz", row, strict=True)) for row in body.tolist()]
    rows = [[*row, 1.0] for row in body.tolist()]
    for value in (
        {"frames": [{"pose_world_landmarks": [objects]}]},
        {"frames": [{"poseWorldLandmarks": rows, "poseLandmarks": None}]},
        [{"world_landmarks": objects, "visibility": 1}],
        {"worldLandmarks": objects, "landmarks": objects},
    ):
        found = clip(tmp_path, value)
        assert found.origin is not None and found.origin.format == "mediapipe"
        np.testing.assert_allclose(found.persons[0].joint_positions(), expected, atol=1e-9)
    two = clip(tmp_path, {"frames": [{"pose_world_landmarks": [objects, objects]}, {"pose_world_landmarks": []}]})
    assert len(two.persons) == 2 and len(two.persons[0]) == 2


def test_shares_of_the_picture_need_its_size(tmp_path: Path) -> None:
    body = in_mediapipe()[:, :2] * (1, -1)
    shares = np.concatenate([0.5 + body * 300 / [1280, 720], np.zeros((33, 1))], axis=1)
    found = clip(tmp_path, made_files.mediapipe(shares[None], "pose_landmarks", width=1280, height=720))
    place = upright(found.persons[0])
    shoulders, trunk = place["left_shoulder"] - place["right_shoulder"], place["left_shoulder"] - place["left_hip"]
    assert shoulders[0] / trunk[1] == pytest.approx(0.4 / 0.48)
    assert found.origin is not None and not any('"width"' in note for note in found.origin.warnings)
    bare = clip(tmp_path, made_files.mediapipe(shares[None], "pose_landmarks"))
    assert bare.origin is not None and any('add "width" and "height"' in note for note in bare.origin.warnings)
    rows = [[[*row, 1.0] for row in shares.tolist()]] * 2
    assert len(clip(tmp_path, rows, format="mediapipe").persons[0]) == 2
    assert len(clip(tmp_path, rows[0], format="mediapipe").persons[0]) == 1


def test_every_sample_is_claimed_by_one_reader(tmp_path: Path) -> None:
    path = tmp_path / "clip.json"
    for reader, data in (
        (coco, made_files.coco([[in_coco()]])),
        (coco, b'[{"image_id": 1, "keypoints": []}]'),
        (coco, b'{"categories": [{"name": "people"}], "annotations": []}'),
        (openpose, made_files.openpose([[in_openpose(25)]])),
        (mediapipe, made_files.mediapipe(in_mediapipe()[None])),
        (mediapipe, b'[[{"x": 1, "y": 1, "z": 1, "visibility": 1}]]'),
        (None, b"{}"),
        (None, b"no JSON"),
    ):
        path.write_bytes(data)
        assert [one for one in (coco, openpose, mediapipe) if one.sniff(path)] == ([reader] if reader else [])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"annotations": [1]}, "'annotations' is no list of JSON objects"),
        ({"annotations": [{"image_id": 1, "keypoints": [[1, 2]] * 16}]}, r"'keypoints' has shape \(16, 2\)"),
        ({"images": [{"id": 2}], "annotations": [{"image_id": 1}]}, "names no picture of 'images'"),
        (
            {"instance_info": [{"instances": [{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1]}]}]},
            "do not fit together",
        ),
        ({"people": [{}]}, "a person has no 'pose_keypoints_2d'"),
        ({"people": [7]}, "a person is no JSON object"),
        ([{"people": []}, {"person": []}], "frame 2: there is no list called 'people'"),
        ({"frames": [{"landmarks": 5}]}, "the landmarks are no list"),
        ({"frames": {"landmarks": 5}}, "there is no list of frames"),
        ({"frames": [{"landmarks": [[1, 2, "3"]] * 33}]}, "a landmark is no x, y, z, visibility"),
        ("[" * 100_000 + '"people"', "is no JSON that can be a motion|is no whole JSON"),
        ('{"people": [{"pose_keypoints_2d": [' + "9" * 5000 + "]}]}", "is no JSON that can be a motion"),
    ],
)
def test_mistakes_are_named(value: Any, said: str, tmp_path: Path) -> None:
    data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    with pytest.raises(sk.MotionFormatError, match=said):
        clip(tmp_path, data)
