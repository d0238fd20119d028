"""HumanML3D features: equal to published ones, an exact inverse, and what a clip loses by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.topologies import FILE_ORDERS
from skeletonllm_mocap_io import humanml3d263 as features
from tests import clips

NAMES = FILE_ORDERS["humanml3d22"]
LEFT_FOOT, RIGHT_FOOT = NAMES.index("left_foot"), NAMES.index("right_foot")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """(40, 22, 3) [m] joints in file order of somebody who walks 2 s along +Z."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / "walk.bvh").write_text(clips.bvh(clips.walk, 2.0, 60.0))
    sk.write(sk.read(folder / "walk.bvh"), folder / "walk.npy")
    return np.load(folder / "walk.npy").astype(np.float64)


@pytest.fixture(scope="module")
def published(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features (170, 263) and joints (170, 22, 3) of the same clip as the data set publishes them."""
    folder = shared_data / "original"
    return np.load(folder / "humanml3d_vec263" / "012314.npy"), np.load(folder / "humanml3d_npy" / "012314.npy")


def turned(joints: np.ndarray, degrees: float, shift: tuple[float, float, float]) -> np.ndarray:
    turn = rotation.from_axis_angle(np.array([0.0, 1.0, 0.0]), np.array(np.radians(degrees)))
    return rotation.rotate(turn, joints) + np.array(shift)


# --- published files


def test_joints_are_the_published_ones(published: tuple[np.ndarray, np.ndarray]) -> None:
    given, joints = published
    np.testing.assert_allclose(features.joints(given.astype(np.float64)), joints, atol=1e-5)
    np.testing.assert_allclose(features.joints_by_rotations(given.astype(np.float64)), joints, atol=1e-4)


@pytest.mark.parametrize(
    ("block", "most"),
    [
        ("turn", 3e-4),
        ("step", 2e-4),
        ("height", 1e-6),
        ("joints", 5e-3),
        ("rotations", 1e-2),
        ("velocities", 1e-3),
        ("contacts", 0.0),
    ],
)
def test_features_are_the_published_ones(
    block: str, most: float, published: tuple[np.ndarray, np.ndarray], shared_data: Path, tmp_path: Path
) -> None:
    """But for the last frame, which the published joints lack: it takes part in the smoothing of headings (see `most`)."""
    given, _ = published
    sk.write(
        sk.read(shared_data / "original" / "humanml3d_npy" / "012314.npy"), tmp_path / "a.npy", format="humanml3d263"
    )
    made = np.load(tmp_path / "a.npy")
    assert made.shape == given.shape and made.dtype == np.float32
    part = features.BLOCKS[block]
    apart = np.abs(made - given)[:-1, part]
    assert apart.max() <= most
    assert apart.mean() <= most / 10
    assert np.abs(given[:, part]).max() > 10 * most


def test_published_features_there_and_back(shared_data: Path, tmp_path: Path) -> None:
    (clip,) = sk.read_clips(shared_data / "original" / "humanml3d_vec263" / "012314.npy")
    assert clip.origin is not None and (clip.origin.format, clip.origin.warnings) == ("humanml3d263", ())
    sk.write(clip, tmp_path / "b.npy", format="humanml3d263")
    (back,) = sk.read(tmp_path / "b.npy")
    (person,) = clip.persons
    assert (len(back), back.fps) == (len(person), person.fps) == (170, 20.0)
    error = np.linalg.norm(back.joint_positions() - person.joint_positions(), axis=-1)
    assert error.max() < 1e-4  # the bar is 1 cm


# --- clips made here


def test_there_and_back_keeps_all_but_place_and_heading(walk: np.ndarray, tmp_path: Path) -> None:
    moved = turned(walk, 130.0, (3.0, 0.4, -2.0))
    np.save(tmp_path / "a.npy", moved)
    sk.write(sk.read(tmp_path / "a.npy"), tmp_path / "b.npy", format="humanml3d263")
    (back,) = sk.read(tmp_path / "b.npy")
    found = back.joint_positions()[:, [back.topology.names.index(name) for name in NAMES]]
    assert found.shape == walk.shape
    np.testing.assert_allclose(found[0, 0, [0, 2]], 0, atol=1e-6)
    assert found[..., 1].min() == pytest.approx(0, abs=1e-6)
    # The walk goes along +Z from the start, so it comes back as it was before it was moved.
    expected = walk - np.array([walk[0, 0, 0], walk[..., 1].min(), walk[0, 0, 2]])
    facing = np.cross([0.0, 1.0, 0.0], (walk[0, 2] - walk[0, 1]) + (walk[0, 17] - walk[0, 16]))
    expected = turned(expected, -np.degrees(np.arctan2(facing[0], facing[2])), (0, 0, 0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_features_do_not_depend_on_place_and_heading(walk: np.ndarray) -> None:
    a = features.features_of(walk)
    b = features.features_of(turned(walk, -75.0, (1.0, 0.7, 5.0)))
    assert a.shape == (len(walk), 263)
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_blocks_mean_what_they_are_called(walk: np.ndarray) -> None:
    made = features.features_of(walk)
    block = {name: made[:, part] for name, part in features.BLOCKS.items()}
    assert sum(values.shape[1] for values in block.values()) == 263
    np.testing.assert_allclose(block["height"][:, 0], walk[:, 0, 1] - walk[..., 1].min(), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(block["step"], axis=1), 1.2 / 20, rtol=0.1)
    speed = np.linalg.norm(block["velocities"].reshape(-1, 22, 3), axis=-1)
    steps = np.linalg.norm(np.diff(walk, axis=0), axis=-1)
    np.testing.assert_allclose(speed, np.concatenate([steps, steps[-1:]]), atol=1e-12)
    sixes = block["rotations"].reshape(-1, 21, 6)
    np.testing.assert_allclose(np.linalg.norm(sixes[..., :3], axis=-1), 1, atol=1e-9)
    np.testing.assert_allclose((sixes[..., :3] * sixes[..., 3:]).sum(-1), 0, atol=1e-9)


def test_feet_that_stand_are_flagged(walk: np.ndarray) -> None:
    still = np.repeat(walk[:1], 20, axis=0)
    swinging = still.copy()
    swinging[:, LEFT_FOOT, 2] += 0.1 * np.arange(20)
    assert (features.features_of(still)[:, features.BLOCKS["contacts"]] == 1).all()
    contacts = features.features_of(swinging)[:, features.BLOCKS["contacts"]]
    np.testing.assert_array_equal(contacts, np.tile([1, 0, 1, 1], (20, 1)))


def test_rotations_alone_give_the_same_joints(walk: np.ndarray) -> None:
    made = features.features_of(walk)
    # Bones of a retargeted motion keep their length, which is all that the rotations leave open.
    np.testing.assert_allclose(features.joints_by_rotations(made), features.joints(made), atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_keep_their_frames(frames: int, walk: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", walk[:frames])
    sk.write(sk.read(tmp_path / "a.npy"), tmp_path / "b.npy", format="humanml3d263")
    (back,) = sk.read(tmp_path / "b.npy")
    assert len(back) == frames
    size = np.linalg.norm(back.joint_positions() - back.joint_positions()[:, :1], axis=-1)
    order = [NAMES.index(name) for name in back.topology.names]
    np.testing.assert_allclose(size, np.linalg.norm(walk[:frames] - walk[:frames, :1], axis=-1)[:, order], atol=1e-5)


def test_any_skeleton_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "wave.bvh").write_text(clips.bvh(clips.wave, 1.0, 30.0))
    sk.write(sk.read(tmp_path / "wave.bvh"), tmp_path / "a.npy", format="humanml3d263")
    assert np.load(tmp_path / "a.npy").shape == (20, 263)
    (back,) = sk.read(tmp_path / "a.npy")
    at = back.topology.names.index
    positions = back.joint_positions()
    assert positions[:, at("right_wrist"), 1].min() > positions[:, at("head"), 1].max()


# --- doubts


def test_features_as_a_network_puts_them_out_are_told(walk: np.ndarray, tmp_path: Path) -> None:
    made = features.features_of(walk)
    noise = np.random.default_rng(0).normal(0, 1e-3, made.shape)
    np.save(tmp_path / "a.npy", (made - made.mean(0)) / (made.std(0) + 1e-3) + noise)
    (clip,) = sk.read_clips(tmp_path / "a.npy")
    assert clip.origin is not None
    assert any("multiplied by the data set's Std and added to its Mean" in text for text in clip.origin.warnings)


def test_rotations_that_contradict_the_positions_are_told(walk: np.ndarray, tmp_path: Path) -> None:
    made = features.features_of(walk)
    made[:, features.BLOCKS["rotations"]] = np.tile([1.0, 0, 0, 0, 1, 0], 21)
    np.save(tmp_path / "a.npy", made)
    (clip,) = sk.read_clips(tmp_path / "a.npy")
    assert clip.origin is not None and "(median) from its positions" in clip.origin.warnings[0]
    made[:, features.BLOCKS["rotations"]] = 0.0
    np.save(tmp_path / "a.npy", made)
    assert len(sk.read(tmp_path / "a.npy")[0]) == len(made)


def test_shapes_tell_joints_from_features(walk: np.ndarray, tmp_path: Path) -> None:
    arrays = {
        "joints": walk,
        "features": features.features_of(walk),
        "whole": np.zeros((7, 263), int),
        "other": np.zeros((7, 251)),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    sniffed = {name: features.sniff(tmp_path / f"{name}.npy") for name in arrays}
    assert sniffed == {"joints": False, "features": True, "whole": False, "other": False}
    with pytest.raises(sk.MotionFormatError, match=r"expected floats of shape \(T, 263\), found float64 \(7, 251\)"):
        sk.read(tmp_path / "other.npy", format="humanml3d263")


def test_two_persons_are_refused(walk: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", walk)
    (person,) = sk.read(tmp_path / "a.npy")
    with pytest.raises(sk.MotionFormatError, match=r"b\.npy: the format holds one person, not 2; .* --person"):
        sk.write([person, person], tmp_path / "b.npy", format="humanml3d263")
    assert not (tmp_path / "b.npy").exists()
