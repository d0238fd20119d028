"""Fitting SMPL-X: known motions are recovered, errors are the real ones, files are whole or not there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core import body_mesh, cli
from skeletonllm_core.body_model import FOLDER_VARIABLE, KINDS, read_body_model
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.fit import Fit, fit, model_file, write_fit
from skeletonllm_core.motion import rotation
from tests import clips
from tests.body_models import write_model

torch = pytest.importorskip("torch")

BETAS = np.array([0.8, -0.6, 0.3, 0, 0.2, 0, 0, -0.4, 0, 0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one SMPL-X model."""
    return write_model(tmp_path_factory.mktemp("models")).parent


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return model_file(folder, "neutral")


@pytest.fixture(scope="module")
def known(model: Path) -> sk.Motion:
    """Forty frames of a body of known shape that walks 1 m, with bent arms and legs; hands and face rest."""
    rng = np.random.default_rng(4)
    time = np.linspace(0, 4, 40)[:, None, None]
    vectors = np.zeros((40, 55, 3))
    vectors[:, 1:22] = 0.3 * np.sin(time * rng.uniform(0.5, 1.5, (21, 1)) + rng.uniform(0, 6, (21, 3)))
    vectors[:, 0] = [0.1, 0.8, 0.0]
    vectors[:, 16, 2], vectors[:, 17, 2] = -1.1, 1.1  # arms hang
    skeleton = read_body_model(model, "smplx").skeleton(BETAS)
    root = np.array([0.5, 0.95, -0.2]) + np.linspace(0, 1, 40)[:, None] * np.array([0.7, 0.0, 0.7])
    return sk.Motion(skeleton, rotation.from_rotation_vector(vectors), root, 30.0, "known")


@pytest.fixture(scope="module")
def of_known(known: sk.Motion, model: Path) -> Fit:
    return fit(known, model)


def body_only(motion: sk.Motion, count: int = 22) -> sk.Keypoints:
    """The joints of the body without hands and face, under names that no topology has."""
    topology = sk.Topology("named otherwise", motion.topology.names[:count], motion.topology.parents[:count])
    return sk.Keypoints(topology, motion.joint_positions()[:, :count], motion.fps)


def with_smplx(found: Fit, model: Path) -> tuple[np.ndarray, np.ndarray]:
    """(T, 55, 3) joints and (T, V, 3) vertices [m] that the smplx package gives for these parameters."""
    smplx = pytest.importorskip("smplx")
    body = smplx.create(
        str(model), model_type="smplx", use_pca=False, flat_hand_mean=True, num_betas=10, batch_size=len(found.poses)
    )
    flat = torch.tensor(found.poses.reshape(len(found.poses), -1), dtype=torch.float32)
    parts = {
        "global_orient": (0, 3), "body_pose": (3, 66), "jaw_pose": (66, 69), "leye_pose": (69, 72),
        "reye_pose": (72, 75), "left_hand_pose": (75, 120), "right_hand_pose": (120, 165),
    }  # fmt: skip
    with torch.no_grad():
        made = body(
            transl=torch.tensor(found.root_translation - found.pelvis, dtype=torch.float32),
            betas=torch.tensor(found.betas, dtype=torch.float32).expand(len(flat), -1),
            **{name: flat[:, a:b] for name, (a, b) in parts.items()},
        )
    return made.joints[:, :55].double().numpy(), made.vertices.double().numpy()


# --- parameters


def test_a_known_motion_is_recovered(known: sk.Motion, of_known: Fit, model: Path) -> None:
    assert of_known.error < 0.005  # the bar is 2 cm
    assert max(of_known.errors.values()) < 0.02
    assert set(of_known.errors) == set(known.topology.names)
    # Shape components look alike in joints, so it is their bones that must come out.
    body = read_body_model(model, "smplx").skeleton(of_known.betas)
    lengths = [np.linalg.norm(one.rest_offsets[1:], axis=-1) for one in (body, known.skeleton)]
    np.testing.assert_allclose(lengths[0], lengths[1], atol=0.01)
    np.testing.assert_allclose(of_known.root_translation, known.root_translation, atol=0.02)


def test_errors_are_those_of_the_body_that_smplx_makes(known: sk.Motion, of_known: Fit, model: Path) -> None:
    apart = np.linalg.norm(with_smplx(of_known, model)[0] - known.joint_positions(), axis=-1).mean(0)
    told = [of_known.errors[name] for name in known.topology.names]
    np.testing.assert_allclose(told, apart, atol=1e-5)
    assert of_known.error == pytest.approx(apart.mean(), abs=1e-5)


def test_joint_positions_alone_are_enough(known: sk.Motion, model: Path) -> None:
    points = body_only(known)
    found = fit(points, model)
    assert found.error < 0.02
    apart = np.linalg.norm(with_smplx(found, model)[0][:, :22] - points.positions, axis=-1)
    assert apart.mean() == pytest.approx(found.error, abs=1e-4)
    np.testing.assert_array_equal(found.poses[:, 22:], 0)


def test_gaps_have_no_weight(known: sk.Motion, model: Path) -> None:
    points = body_only(known)
    positions = points.positions.copy()
    wrist = points.topology.names.index("left_wrist")
    positions[10:25, wrist] = np.nan
    found = fit(sk.Keypoints(points.topology, positions, 30.0), model)
    assert found.error < 0.02 and np.isfinite(found.poses).all()
    seen = np.isfinite(positions[:, wrist, 0])
    apart = np.linalg.norm(with_smplx(found, model)[0][:, wrist] - points.positions[:, wrist], axis=-1)
    assert found.errors["left_wrist"] == pytest.approx(apart[seen].mean(), abs=1e-4)


def test_another_rig_is_fitted_by_body_part(model: Path, tmp_path: Path) -> None:
    (tmp_path / "squat.bvh").write_text(clips.bvh(clips.squat, 2.0, 30.0))
    (squat,) = sk.read(tmp_path / "squat.bvh")
    found = fit(squat, model)
    limbs = [f"{side}{part}" for side in ("Left", "Right") for part in ("ForeArm", "Hand", "UpLeg", "Leg", "Foot")]
    assert np.mean([found.errors[name] for name in limbs]) < 0.03
    joints, _ = with_smplx(found, model)
    names, ours = squat.topology.names, KINDS["smplx"].names
    positions = squat.joint_positions()
    for theirs, mine in (("LeftLeg", "left_knee"), ("RightHand", "right_wrist")):
        apart = np.linalg.norm(joints[:, ours.index(mine)] - positions[:, names.index(theirs)], axis=-1)
        assert apart.mean() == pytest.approx(found.errors[theirs], abs=1e-4)
    # Knees bend as they do in the clip.
    bent = [np.linalg.norm(joints[:, ours.index(a)] - joints[:, ours.index(b)], axis=-1) for a, b in
            (("left_hip", "left_ankle"), ("right_hip", "right_ankle"))]  # fmt: skip
    assert all(length.min() < 0.8 * length.max() for length in bent)


def test_a_body_that_cannot_be_matched_has_the_errors_it_has(known: sk.Motion, model: Path) -> None:
    """A child of half the size is no shape of the model: the errors must say so."""
    points = body_only(known)
    found = fit(sk.Keypoints(points.topology, points.positions * 0.5, 30.0), model)
    assert found.error > 0.03
    apart = np.linalg.norm(with_smplx(found, model)[0][:, :22] - points.positions * 0.5, axis=-1).mean()
    assert apart == pytest.approx(found.error, abs=1e-4)


def test_a_rate_of_120_is_fitted_as_well(known: sk.Motion, model: Path) -> None:
    fast = sk.Motion(known.skeleton, known.rotations, known.root_translation, 120.0)
    assert fit(fast, model).error < 0.005


def test_one_frame_is_enough(known: sk.Motion, model: Path) -> None:
    one = sk.Motion(known.skeleton, known.rotations[:1], known.root_translation[:1], 30.0)
    assert fit(one, model).error < 0.02


def test_the_same_input_gives_the_same_bytes(known: sk.Motion, model: Path, tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_fit(fit(known, model, steps=5), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_file_is_read_back_as_the_same_body(
    known: sk.Motion, of_known: Fit, folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fit(of_known, tmp_path / "new" / "fit.npz")
    with np.load(tmp_path / "new" / "fit.npz", allow_pickle=False) as found:
        assert found["poses"].shape == (40, 165) and found["betas"].shape == (10,)
        assert (str(found["surface_model_type"]), str(found["gender"])) == ("smplx", "neutral")
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    (person,) = sk.read(tmp_path / "new" / "fit.npz")
    np.testing.assert_allclose(person.joint_positions(), with_smplx(of_known, model)[0], atol=1e-4)
    error = np.linalg.norm(person.joint_positions() - known.joint_positions(), axis=-1).mean()
    assert error == pytest.approx(of_known.error, abs=1e-4)


def test_too_few_body_parts_are_refused(model: Path) -> None:
    rope = sk.Topology("rope", ("a", "b", "c"), np.array([-1, 0, 1]))
    points = sk.Keypoints(rope, np.random.default_rng(0).normal(size=(5, 3, 3)), 30.0)
    with pytest.raises(SkeletonLLMError, match="parts of a human body are known in this skeleton, too few to fit"):
        fit(points, model)


# --- mesh


@pytest.fixture(scope="module")
def skin(model: Path) -> body_mesh.Skin:
    pytest.importorskip("trimesh")
    pytest.importorskip("smplx")
    return body_mesh.read_skin(model, 10)


def test_the_mesh_is_that_of_smplx_and_plays(of_known: Fit, model: Path, skin: body_mesh.Skin, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    moments = body_mesh.write_mesh(of_known, skin, tmp_path / "body.glb")
    assert moments == len(of_known.poses)
    vertices = body_mesh.body_vertices(of_known, skin, np.array([0, 7]))
    _, expected = with_smplx(of_known, model)
    np.testing.assert_allclose(vertices, expected[[0, 7]], atol=1e-5)

    scene = trimesh.load(tmp_path / "body.glb")
    assert len(scene.geometry) == moments
    loaded = scene.geometry["frame_000007"]
    np.testing.assert_allclose(loaded.vertices, vertices[1], atol=1e-5)
    np.testing.assert_array_equal(loaded.faces, skin.faces)

    data = (tmp_path / "body.glb").read_bytes()
    length = int.from_bytes(data[12:16], "little")
    tree, binary = json.loads(data[20 : 20 + length]), data[28 + length :]

    def values(index: int) -> np.ndarray:
        accessor = tree["accessors"][index]
        view = tree["bufferViews"][accessor["bufferView"]]
        found = np.frombuffer(binary, "<f4", offset=view["byteOffset"], count=view["byteLength"] // 4)
        return found.reshape(accessor["count"], -1)

    (animation,) = tree["animations"]
    assert len(animation["channels"]) == moments
    shown = np.zeros((moments, moments))
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        assert (sampler["interpolation"], channel["target"]["path"]) == ("STEP", "scale")
        np.testing.assert_allclose(values(sampler["input"])[:, 0], np.arange(moments) / 30, atol=1e-6)
        frame = int(tree["nodes"][channel["target"]["node"]]["name"].removeprefix("frame_"))
        shown[frame] = values(sampler["output"])[:, 0]
    np.testing.assert_array_equal(shown, np.eye(moments))


def test_a_long_clip_is_shown_at_some_moments(of_known: Fit, skin: body_mesh.Skin, tmp_path: Path) -> None:
    repeat = np.arange(200) % 40
    long = Fit(
        of_known.poses[repeat],
        of_known.root_translation[repeat],
        of_known.pelvis,
        of_known.betas,
        "neutral",
        30.0,
        of_known.errors,
    )
    assert body_mesh.write_mesh(long, skin, tmp_path / "body.glb") == body_mesh.MOMENTS
    assert body_mesh.write_mesh(long, skin, tmp_path / "again.glb") == body_mesh.MOMENTS
    assert (tmp_path / "body.glb").read_bytes() == (tmp_path / "again.glb").read_bytes()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weights": None}, "the array 'weights' is missing"),
        ({"posedirs": np.zeros((5, 3, 486))}, r"'posedirs' has shape \(5, 3, 486\), expected \(9940, 3, 486\)"),
        ({"f": np.array([[0, 1, 9940]])}, "'f' holds something else than triangles of its vertices"),
    ],
)
def test_a_model_without_a_mesh_is_refused(changes: dict, expected: str, tmp_path: Path) -> None:
    pytest.importorskip("trimesh")
    pytest.importorskip("smplx")
    with pytest.raises(sk.MotionFormatError, match=expected):
        body_mesh.read_skin(write_model(tmp_path, **changes), 10)


# --- the command


Ended = tuple[int, str, str]
"""Exit code, stdout and stderr of a command."""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """`skeletonllm fit …` in this process, through the same function as the program."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main(["fit", *map(str, arguments)])
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def wave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "wave.bvh"
    path.write_text(clips.bvh(clips.wave, 0.6))
    return path


def test_the_command_from_end_to_end(command: Callable[..., Ended], wave: Path, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("trimesh")
    pytest.importorskip("smplx")
    out, mesh = tmp_path / "wave.npz", tmp_path / "wave.glb"
    code, printed, said = command(wave, "-o", out, "--body-model", folder, "--mesh", mesh, "--json")
    assert code == 0, said
    assert "non-commercial" in said and "300/300 steps, mean joint error" in said
    told = json.loads(printed)
    assert (told["written"], told["mesh"], told["frames"]) == (str(out), str(mesh), 18)
    assert "LeftForeArm" in told["error_cm"]["joints"]
    assert told["error_cm"]["mean"] == pytest.approx(np.mean(list(told["error_cm"]["joints"].values())), abs=0.01)
    assert mesh.read_bytes()[:4] == b"glTF"
    assert len(sk.read(out)[0]) == 18
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wave.glb", "wave.npz"]


def test_what_cannot_be_done_is_one_sentence(
    command: Callable[..., Ended], wave: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.npz"
    broken = tmp_path / "broken"
    write_model(broken, J_regressor=None)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "SMPLX_NEUTRAL.npz").write_bytes(b"\x80\x04\x95 no archive")
    cases = [
        ((wave, "-o", out, "--body-model", tmp_path / "none"), "", "there is no SMPLX_NEUTRAL.npz in it"),
        ((wave, "-o", out, "--body-model", folder, "--gender", "male"), "", "there is no SMPLX_MALE.npz in it"),
        ((wave, "-o", out, "--body-model", broken), "", "the array 'J_regressor' is missing: this is no SMPL-X model"),
        ((wave, "-o", out, "--body-model", pickled), "", "only whole .npz models of plain arrays are read"),
        ((wave, "-o", tmp_path / "out.bvh", "--body-model", folder), "", "parameters are written as .npz"),
        ((wave, "-o", out, "--body-model", folder, "--mesh", "m.obj"), "", "a mesh is written as .glb"),
        ((tmp_path / "no.bvh", "-o", out, "--body-model", folder), "", "there is no such file"),
        ((wave, "-o", out, "--body-model", folder), "torch", 'pip install "skeletonllm[model]"'),
        ((wave, "-o", out, "--body-model", folder, "--mesh", "m.glb"), "smplx", 'pip install "skeletonllm[smplx,mesh]"'),
        ((wave, "-o", out, "--body-model", folder, "--mesh", "m.glb"), "trimesh", 'pip install "skeletonllm[smplx,mesh]"'),
    ]  # fmt: skip
    for arguments, missing, expected in cases:
        with monkeypatch.context() as changed:
            if missing:
                changed.setitem(sys.modules, missing, None)  # type: ignore[arg-type]
            code, printed, said = command(*arguments)
        assert code == 2 and expected in said, (arguments, said)
        assert "Traceback" not in said and printed == ""
        assert not out.exists()


def test_ctrl_c_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "long.bvh").write_text(clips.bvh(clips.walk, 60.0, 30.0))
    out = tmp_path / "results" / "out.npz"
    out.parent.mkdir()
    program = [
        sys.executable,
        "-m",
        "skeletonllm_core",
        "fit",
        tmp_path / "long.bvh",
        "-o",
        out,
        "--body-model",
        folder,
    ]
    # A test run in the background of a shell inherits that Ctrl-C is ignored; a user's terminal does not.
    running = subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert running.stderr is not None
    assert running.stderr.readline().startswith("licence: ")
    assert "/300 steps" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130 and time.monotonic() - began < 30
    assert "stopped" in told and "Traceback" not in told
    assert list(out.parent.iterdir()) == []


# --- real motions


def test_a_real_clip_of_another_body(shared_data: Path, model: Path) -> None:
    (person,) = sk.read(shared_data / "original" / "humanml3d_npy" / "012314.npy")
    found = fit(person, model)
    assert found.error < 0.02
    assert set(found.errors) == set(person.topology.names)
