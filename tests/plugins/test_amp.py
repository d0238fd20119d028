"""AMP motions and the decoder of their pickles: what it understands, and that nothing is ever executed."""

from __future__ import annotations

import collections
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import skeletonllm_core as sk
from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_mocap_io.plain_pickle import decode_pickle
from tests.plugins import made_files

HERE = Path("motion.npy")


def decoded(data: bytes) -> Any:
    return decode_pickle(data, HERE, "amp")


def test_a_real_file_is_what_unpickling_gives(shared_data: Path) -> None:
    """The test may unpickle: the file comes with the data. The reader may not."""
    path = shared_data / "original" / "amp_npy" / "amp_humanoid_walk.npy"
    value = np.load(path, allow_pickle=True).item()
    (clip,) = sk.read_clips(path)
    (person,) = clip.persons
    assert isinstance(person, sk.Motion) and clip.origin is not None
    assert (clip.origin.format, clip.origin.up_axis, person.fps) == ("amp", "z", float(value["fps"]))
    assert list(person.topology.names) == value["skeleton_tree"]["node_names"]
    turns = value["rotation"]["arr"].astype(float)[..., [3, 0, 1, 2]]
    parents = value["skeleton_tree"]["parent_indices"]["arr"]
    offsets = value["skeleton_tree"]["local_translation"]["arr"]
    matrices = rotation.to_matrix(turns)
    places, world = [value["root_translation"]["arr"].astype(float)], [matrices[:, 0]]
    for joint in range(1, len(parents)):
        above = parents[joint]
        places.append(places[above] + world[above] @ offsets[joint])
        world.append(world[above] @ matrices[:, joint])
    expected = np.stack(places, axis=1)[..., [0, 2, 1]] * (1, 1, -1)
    np.testing.assert_allclose(person.joint_positions(), expected, atol=1e-5)
    rig = map_rig(person.topology, person.joint_positions())
    assert not rig.warnings and any("confirmed by" in line for line in rig.report)
    assert 1.5 < body_height(person.joint_positions(), rig) < 1.9


def test_global_rotations_become_local_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    local = rotation.normalize(rng.normal(size=(4, 3, 4)))
    world = local.copy()
    for joint in (1, 2):
        world[:, joint] = rotation.multiply(world[:, joint - 1], local[:, joint])
    root = rng.normal(size=(4, 3))
    motions = []
    for turns, is_local in ((local, True), (world, False)):
        path = tmp_path / f"{is_local}.npy"
        path.write_bytes(made_files.amp(turns[..., [1, 2, 3, 0]], root, is_local=is_local))
        motions.append(sk.read(path)[0])
    np.testing.assert_allclose(motions[1].joint_positions(), motions[0].joint_positions(), atol=1e-6)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_plain_values_of_the_protocols_that_numpy_saves_with(protocol: int) -> None:
    value = {
        "text": "left – right",
        "none": None,
        "whole": [0, 1, -5, 300, 2**40],
        "real": 0.5,
        "pair": (True, False),
        "ordered": collections.OrderedDict(a=np.float32(0.25)),
        "single": np.arange(6, dtype=np.int64).reshape(2, 3),
        "twice": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">f8"),
        "empty": np.zeros((0, 4)),
        "wrapped": np.array({"inner": np.ones(2)}, dtype=object),
    }
    data = pickle.dumps(value, protocol)
    if protocol == 2:
        # Bytes have no opcode of their own in protocol 2: numpy's arrays would need a call of `encode`.
        with pytest.raises(MotionFormatError, match="a call of '_codecs encode'"):
            decoded(data)
        return
    found = decoded(data)
    assert {key: found[key] for key in ("text", "none", "whole", "real")} == {
        key: value[key] for key in ("text", "none", "whole", "real")
    }
    assert tuple(found["pair"]) == (True, False) and found["ordered"] == {"a": 0.25}
    for name in ("single", "twice", "big", "empty"):
        np.testing.assert_array_equal(found[name], value[name])
        assert found[name].shape == value[name].shape
    np.testing.assert_array_equal(found["wrapped"]["inner"], [1, 1])


class Harmful:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("harm",)


class Stateful:
    def __init__(self) -> None:
        self.value = 1


@pytest.mark.parametrize(
    "harm", [Harmful(), Stateful(), {"a": Harmful()}, np.array([1, "a"], dtype=object), print, set()]
)
def test_whatever_would_be_executed_is_refused(harm: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "motion.npy"
    for value in (harm, {"rotation": harm}):
        file = io.BytesIO()
        array = np.empty((), dtype=object)
        array[()] = value
        np.save(file, array, allow_pickle=True)
        path.write_bytes(file.getvalue())
        with pytest.raises(
            MotionFormatError, match=r"which is refused: nothing in a pickle is executed|is no AMP motion"
        ):
            sk.read(path, format="amp")
        assert not (tmp_path / "harm").exists()


def test_values_that_hold_each_other_are_refused() -> None:
    endless: list = []
    endless.append(endless)
    wide: list = [0]
    for _ in range(15):
        wide = [wide] * 10
    for value in (endless, wide):
        with pytest.raises(MotionFormatError, match="values nested too deeply"):
            decoded(pickle.dumps(value))


def test_sizes_that_lie_are_refused() -> None:
    data = pickle.dumps(np.zeros((2, 3), np.float32), 4)
    assert data.count(b"K\x02K\x03\x86") == 1
    with pytest.raises(MotionFormatError, match="an array whose size does not fit its bytes"):
        decoded(data.replace(b"K\x02K\x03\x86", b"K\xffK\xff\x86"))
    with pytest.raises(MotionFormatError, match="an array of type"):
        decoded(pickle.dumps(np.array(["text"])))


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        decoded(b"\x80\x04" + data)
    except MotionFormatError as error:
        assert str(error).startswith("motion.npy: ") and str(error).isprintable()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rotation": {}}, "there is no array called 'rotation'"),
        ({"rotation": [1]}, "there is no array called 'rotation'"),
        ({"skeleton_tree": {"node_names": [1]}}, "there is no skeleton_tree with node_names"),
        ({"skeleton_tree": {"node_names": ["a"] * 2001}}, "the skeleton has 2001 joints"),
        ({"fps": "fast"}, "fps must be a positive number"),
    ],
)
def test_parts_that_are_missing_are_named(changes: dict, said: str, tmp_path: Path) -> None:
    path = tmp_path / "motion.npy"
    path.write_bytes(made_files.amp(np.tile([0.0, 0, 0, 1], (3, 3, 1)), np.zeros((3, 3)), **changes))
    with pytest.raises(MotionFormatError, match=said):
        sk.read(path)
