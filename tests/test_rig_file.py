"""Rig maps as files: what is found is written, what a person corrects is used, and a wrong name is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.canonical import prepare
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.rig_file import read_rig, rig_text
from tests.rigs import BODY, HORSE, anonymous, assembled, tree, walker


def person(names: str = "named") -> sk.Keypoints:
    topology, positions = assembled(BODY.rstrip() + "\n    tail > tail_end", walker() | tail())
    return sk.Keypoints(topology if names == "named" else anonymous(topology), positions, 30.0)


def tail() -> dict[str, np.ndarray]:
    track = walker()["pelvis"]
    return {"tail": track + np.array([0, 0, -0.5]), "tail_end": track + np.array([0, 0, -1.0])}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    body = person()
    (tmp_path / "map.json").write_text(rig_text(body.topology, map_rig(body.topology, body.positions)))
    return tmp_path / "map.json"


def test_what_was_found_is_written_and_read_back(file: Path) -> None:
    body = person()
    found = map_rig(body.topology, body.positions)
    mapped = read_rig(file).applied(body)
    again = map_rig(mapped.topology, body.positions)
    assert again.parts == found.parts
    np.testing.assert_array_equal(again.drawn, found.drawn)
    assert again.by == "topology"
    assert "map.json" in again.report[0]
    document = json.loads(file.read_text())
    assert document["parts"]["left_hand"] == ["l_hand"]
    assert document["parts"]["spine"] == ["spine1", "spine2"]
    assert set(document["drawn"]) == {"tail"}
    assert document["ignored"] == ["tail_end"]


def test_every_named_rig_survives_the_file(tmp_path: Path) -> None:
    topology = tree(HORSE)
    rig = map_rig(topology, np.zeros((0, len(topology), 3)))
    (tmp_path / "horse.json").write_text(rig_text(topology, rig))
    mapped = read_rig(tmp_path / "horse.json").applied(sk.Keypoints(topology, np.zeros((1, len(topology), 3)), 30))
    again = map_rig(mapped.topology, np.zeros((0, len(topology), 3)))
    assert again.parts == rig.parts
    np.testing.assert_array_equal(again.drawn, rig.drawn)


def test_a_correction_changes_what_is_seen_and_measured(file: Path) -> None:
    body = person()
    swapped = file.read_text().replace("left_", "?_").replace("right_", "left_").replace("?_", "right_")
    file.write_text(swapped.replace('"drawn": ["tail"]', '"drawn": []').replace('["tail_end"]', '["tail_end", "tail"]'))
    mapped = read_rig(file).applied(body)
    parts = prepare([mapped])[0].parts
    straight = prepare([body])[0].parts
    assert len(parts) == len(straight) - 1
    assert parts == tuple(part.mirrored if part else None for part in straight if part is not None)
    assert measure(mapped).feet["left"].path == measure(body).feet["right"].path


def test_a_motion_keeps_its_rest_pose(file: Path) -> None:
    body = person()
    rotations = np.tile([1.0, 0, 0, 0], (3, len(body.topology), 1))
    skeleton = sk.Skeleton(body.topology, np.ones((len(body.topology), 3)))
    mapped = read_rig(file).applied(sk.Motion(skeleton, rotations, np.zeros((3, 3)), 30))
    assert isinstance(mapped, sk.Motion)
    np.testing.assert_array_equal(mapped.skeleton.rest_offsets, skeleton.rest_offsets)


BAD = {
    "no json": ("{", r"map.json: is no JSON"),
    "no map": ("[]", r"map.json: is no rig map; `info FILE --write-rig MAP.json` writes one"),
    "other schema": ('{"schema": "x", "parts": {}}', "is no rig map"),
    "stray key": ('{"parts": {}, "hidden": []}', "unknown key 'hidden'; a rig map has schema, parts, drawn, ignored"),
    "parts": ('{"parts": []}', '"parts" must be an object'),
    "part": ('{"parts": {"left_knee": ["l_shin"]}}', "there is no body part 'left_knee'"),
    "near part": ('{"parts": {"left_foots": ["l_foot"]}}', "no body part 'left_foots'; is 'left_foot' meant"),
    "names": ('{"parts": {"head": "head"}}', "'head' must be a list of joint names"),
    "numbers": ('{"parts": {"head": [1]}}', "'head' must be a list of joint names"),
    "two parts": ('{"parts": {"head": ["head"], "neck": ["head"]}}', "'head' is given as head and as neck"),
    "drawn and ignored": ('{"parts": {}, "drawn": ["a"], "ignored": ["a"]}', "'a' is both drawn and ignored"),
    "joint": ('{"parts": {"head": ["haed"]}}', r"map.json: the skeleton has no joint 'haed'; is 'head' meant"),
    "far joint": ('{"parts": {}, "ignored": ["qqqq"]}', r"the skeleton has no joint 'qqqq'$"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str) -> None:
    text, expected = BAD[case]
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(sk.SkeletonLLMError, match=expected) as caught:
        read_rig(tmp_path / "map.json").applied(person())
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(sk.SkeletonLLMError, match=r"none.json: no such file or directory"):
        read_rig(tmp_path / "none.json")


def test_drawn_goes_with_parts() -> None:
    with pytest.raises(sk.TopologyError, match="`drawn` goes with `parts`"):
        sk.Topology("x", ("a",), np.array([-1]), None, (True,))
