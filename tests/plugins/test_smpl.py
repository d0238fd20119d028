"""SMPL, SMPL-H, SMPL-X and AMASS: all layouts, both up axes, exact joints with a model file, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core import cli, plugins
from skeletonllm_core.body_model import FOLDER_VARIABLE, KINDS
from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.orientation import to_y_up
from skeletonllm_mocap_io import smpl
from tests import clips
from tests.body_models import model_arrays, rest_joints, write_model

FRAMES = 40
WIDTHS = {"smpl": 72, "smplh": 156, "smplx": 165}


def poses(width: int, turned: bool = False, seed: int = 0) -> np.ndarray:
    """(FRAMES, width) smooth rotation vectors of somebody upright; `turned` is for a world that is Z up."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 2 * np.pi, FRAMES)[:, None]
    made = 0.25 * np.sin(time + rng.uniform(0, 6, width)) * rng.uniform(0, 1, width)
    made[:, :3] = [0.0, 0.3, 0.0]
    if turned:
        upright = rotation.from_rotation_vector(made[:, :3])
        made[:, :3] = rotation.to_rotation_vector(rotation.multiply(rotation.conjugate(to_y_up("z")), upright))
    return made


def walking(up: int) -> np.ndarray:
    """(FRAMES, 3) a path at the height of a standing body."""
    path = np.zeros((FRAMES, 3))
    path[:, 0] = np.linspace(0, 1, FRAMES)
    path[:, up] = 0.95
    return path


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})  # type: ignore[arg-type]
    return path


def only(path: Path) -> sk.Clip:
    (clip,) = sk.read_clips(path)
    return clip


def warned(clip: sk.Clip) -> str:
    assert clip.origin is not None
    return " ".join(clip.origin.warnings)


def by_matrices(kind: str, joints: np.ndarray, vectors: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T, J, 3) joints of poses, written down as the models define them: 4 x 4 transforms from the root outwards."""
    parents = KINDS[kind].parents
    found = np.zeros((len(vectors), len(parents), 3))
    for frame, pose in enumerate(vectors):
        world: list[np.ndarray] = []
        for joint, parent in enumerate(parents[: pose.size // 3]):
            step = np.eye(4)
            step[:3, :3] = rotation.to_matrix(rotation.from_rotation_vector(pose.reshape(-1, 3)[joint]))
            step[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
            world.append(world[parent] @ step if parent >= 0 else step)
            found[frame, joint] = world[joint][:3, 3] + trans[frame]
    return found


# --- reading


@pytest.mark.parametrize("kind", WIDTHS)
@pytest.mark.parametrize("rate", ["mocap_framerate", "mocap_frame_rate"])
def test_every_layout_and_both_spellings_of_the_rate(kind: str, rate: str, tmp_path: Path) -> None:
    vectors, trans = poses(WIDTHS[kind]), walking(1)
    file = save(tmp_path / "a.npz", poses=vectors, trans=trans, betas=np.zeros(16), up_axis="y", **{rate: 120.0})
    clip = only(file)
    (person,) = clip.persons
    assert isinstance(person, sk.Motion) and person.fps == 120.0
    assert person.topology.names == KINDS[kind].names
    np.testing.assert_allclose(
        person.joint_positions(), by_matrices(kind, rest_joints(kind), vectors, trans), atol=1e-9
    )


@pytest.mark.parametrize(("width", "joints"), [(66, 22), (63, 22), (69, 24)])
def test_bodies_without_hands_and_without_root(width: int, joints: int, tmp_path: Path) -> None:
    whole = poses(72)
    given = {66: whole[:, :66], 63: whole[:, 3:66], 69: whole[:, 3:72]}[width]
    root = None if width == 66 else whole[:, :3]
    file = save(tmp_path / "a.npz", poses=given, root_orient=root, trans=walking(1), fps=30, up_axis="y")
    (person,) = only(file).persons
    expected = by_matrices("smpl", rest_joints("smpl"), whole, walking(1))
    np.testing.assert_allclose(person.joint_positions(), expected[:, :joints], atol=1e-9)


def test_without_a_root_it_says_so(tmp_path: Path) -> None:
    clip = only(save(tmp_path / "a.npz", poses=poses(63), trans=walking(1), fps=30, up_axis="y"))
    assert "no rotation of the whole body" in warned(clip)


def test_the_parts_of_smplx_in_arrays_of_their_own(tmp_path: Path) -> None:
    vectors, trans = poses(165), walking(1)
    published = save(
        tmp_path / "published.npz", global_orient=vectors[:, :3], body_pose=vectors[:, 3:66].reshape(FRAMES, 21, 3),
        jaw_pose=vectors[:, 66:69], leye_pose=vectors[:, 69:72], reye_pose=vectors[:, 72:75],
        left_hand_pose=vectors[:, 75:120], right_hand_pose=vectors[:, 120:], transl=trans, fps=30, up_axis="y",
    )  # fmt: skip
    amass = save(
        tmp_path / "amass.npz", root_orient=vectors[:, :3], pose_body=vectors[:, 3:66], pose_jaw=vectors[:, 66:69],
        pose_eye=vectors[:, 69:75], pose_hand=vectors[:, 75:], trans=trans, fps=30, up_axis="y",
    )  # fmt: skip
    expected = by_matrices("smplx", rest_joints("smplx"), vectors, trans)
    for file in (published, amass):
        np.testing.assert_allclose(only(file).persons[0].joint_positions(), expected, atol=1e-9)


def test_hands_as_pca_coefficients_are_left_out_and_told(tmp_path: Path) -> None:
    vectors = poses(66)
    file = save(
        tmp_path / "a.npz", global_orient=vectors[:, :3], body_pose=vectors[:, 3:], jaw_pose=np.zeros((FRAMES, 3)),
        left_hand_pose=np.ones((FRAMES, 12)), transl=walking(1), fps=30, up_axis="y",
    )  # fmt: skip
    clip = only(file)
    assert len(clip.persons[0].topology) == 55
    assert "'left_hand_pose' holds no joint rotations but PCA coefficients" in warned(clip)
    finger = clip.persons[0].topology.names.index("left_index1")
    np.testing.assert_array_equal(clip.persons[0].rotations[:, finger], np.tile([1.0, 0, 0, 0], (FRAMES, 1)))  # type: ignore[union-attr]


@pytest.mark.parametrize("axis", ["y", "z"])
def test_the_up_axis_is_worked_out_and_the_body_stands(axis: str, tmp_path: Path) -> None:
    vectors = poses(156, turned=axis == "z")
    clip = only(save(tmp_path / "a.npz", poses=vectors, trans=walking("xyz".index(axis)), mocap_framerate=60))
    assert clip.origin is not None and (clip.origin.up_axis, clip.origin.up_axis_inferred) == (axis, True)
    (person,) = clip.persons
    positions, at = person.joint_positions(), person.topology.names.index
    assert (positions[:, at("head"), 1] - positions[:, at("left_foot"), 1]).min() > 1.1
    assert positions[:, at("head"), 1].mean() > 1.2
    rest = person.skeleton.rest_offsets  # type: ignore[union-attr]
    assert rest[at("neck"), 1] > 0.2 > abs(rest[at("neck"), 2])


def test_an_amass_clip_that_lies_throughout_does_not_tip_the_world(tmp_path: Path) -> None:
    lying = np.zeros((FRAMES, 156))
    lying[:, :3] = [0.0, 0.0, np.pi / 2]  # on the back of the file's x axis, at the height of a bed
    trans = np.tile([0.0, 0.0, 0.3], (FRAMES, 1))
    clip = only(save(tmp_path / "a.npz", poses=lying, trans=trans, mocap_framerate=60))
    assert clip.origin is not None and clip.origin.up_axis in ("y", "z")


def test_one_row_stands_for_all_frames_and_what_is_missing_is_told(tmp_path: Path) -> None:
    vectors = poses(66)
    file = save(tmp_path / "a.npz", global_orient=vectors[:1, :3], body_pose=vectors[:, 3:])
    clip = only(file)
    assert clip.persons[0].fps == 30.0 and len(clip.persons[0]) == FRAMES
    for sentence in ("does not say its frame rate; 30", "has no translation", "a mean SMPL-H skeleton"):
        assert sentence in warned(clip)


def test_arrays_that_are_none_of_its_business_may_hold_objects(tmp_path: Path) -> None:
    arrays = {"poses": poses(72), "trans": walking(1), "mocap_framerate": 30}
    assert only(save(tmp_path / "a.npz", **arrays, markers_latent_vids=np.array({"HEAD": 1}, object))).persons
    file = save(tmp_path / "b.npz", **{**arrays, "trans": np.array({"x": 1}, object)})
    with pytest.raises(sk.MotionFormatError, match="array 'trans' holds Python objects, which are never loaded"):
        sk.read_clips(file)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"poses": np.zeros((FRAMES, 100))}, "'poses' has 100 values a frame; known are 63 and 66"),
        ({"poses": np.array(["a", "b"])}, "'poses' holds something that is no number"),
        ({"poses": np.zeros(())}, "'poses' has 1 values a frame"),
        ({"trans": np.zeros((3, 3))}, r"'trans' has shape \(3, 3\), expected \(40, 3\)"),
        ({"trans": np.zeros(())}, r"'trans' has shape \(\), expected \(40, 3\)"),
        ({"mocap_framerate": [30, 60]}, "'mocap_framerate' must be one positive number"),
        ({"mocap_framerate": "fast"}, "'mocap_framerate' holds something that is no number"),
        ({"up_axis": "north"}, "'up_axis' is 'north', expected y or z"),
        (
            {"poses": None, "root_orient": np.zeros((FRAMES, 3)), "pose_body": np.zeros((FRAMES, 60))},
            "'pose_body' has shape",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_told_by_name(changes: dict, expected: str, tmp_path: Path) -> None:
    good = {"poses": poses(72), "trans": walking(1), "mocap_framerate": 30.0}
    with pytest.raises(sk.MotionFormatError, match=expected):
        sk.read_clips(save(tmp_path / "a.npz", **good | changes))


def test_sniffing(tmp_path: Path) -> None:
    files = {
        "amass": {"poses": poses(156), "trans": walking(1)},
        "parts": {"global_orient": poses(3), "body_pose": poses(63)},
        "ours": {"names": ["a"], "parents": [-1], "fps": 1, "positions": np.zeros((1, 1, 1, 3))},
        "half": {"body_pose": poses(63)},
    }
    sniffed = {name: smpl.sniff(save(tmp_path / f"{name}.npz", **arrays)) for name, arrays in files.items()}
    assert sniffed == {"amass": True, "parts": True, "ours": False, "half": False}
    assert plugins.discovered().reader_of(tmp_path / "ours.npz").name == "npz"


# --- with the user's own model


def test_joints_agree_with_smplx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch, smplx = pytest.importorskip("torch"), pytest.importorskip("smplx")
    model = write_model(tmp_path / "models")
    vectors, trans, betas = poses(165), walking(1), np.linspace(-1.5, 2, 10)
    file = save(tmp_path / "a.npz", poses=vectors, trans=trans, betas=betas, mocap_frame_rate=30, up_axis="y")
    with monkeypatch.context() as environment:
        environment.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
        clip = only(file)
    assert warned(clip) == ""

    oracle = smplx.create(
        str(model),
        model_type="smplx",
        use_pca=False,
        flat_hand_mean=True,
        num_betas=10,
        batch_size=FRAMES,
        dtype=torch.float64,
    )
    parts = {
        "global_orient": (0, 3), "body_pose": (3, 66), "jaw_pose": (66, 69), "leye_pose": (69, 72),
        "reye_pose": (72, 75), "left_hand_pose": (75, 120), "right_hand_pose": (120, 165),
    }  # fmt: skip
    given = {name: torch.tensor(vectors[:, a:b], dtype=torch.float64) for name, (a, b) in parts.items()}
    with torch.no_grad():
        found = oracle(
            transl=torch.tensor(trans, dtype=torch.float64),
            betas=torch.tensor(np.tile(betas, (FRAMES, 1)), dtype=torch.float64),
            **given,
        )
    expected = found.joints[:, :55].numpy()
    np.testing.assert_allclose(clip.persons[0].joint_positions(), expected, atol=1e-6)
    # The shape matters: without the model the same file gives another body.
    assert np.abs(only(file).persons[0].joint_positions() - expected).max() > 0.02


@pytest.mark.parametrize("place", ["SMPLH_FEMALE.npz", "smplh/SMPLH_FEMALE.npz", "smplh/female/model.npz"])
def test_models_are_found_where_their_publishers_put_them(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "models" / place
    path.parent.mkdir(parents=True)
    np.savez(path, **model_arrays("smplh", vertices=600))  # type: ignore[arg-type]
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    arrays = {"poses": poses(156), "trans": walking(1), "mocap_framerate": 30, "up_axis": "y"}
    clip = only(save(tmp_path / "a.npz", **arrays, gender=np.array("female"), betas=np.array([2.0, 0.0])))
    assert warned(clip) == ""
    mean = rest_joints("smplh")
    height = clip.persons[0].skeleton.rest_offsets[1:, 1]  # type: ignore[union-attr]
    parents = KINDS["smplh"].parents[1:]
    # The first shape component of the made model stretches everything by 4 %.
    np.testing.assert_allclose(height, (mean[1:] - mean[parents])[:, 1] * 1.08, atol=1e-3)


def test_another_gender_and_an_empty_folder_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.npz", poses=poses(156), trans=walking(1), mocap_framerate=30, gender=b"male")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    assert "holds no SMPLH_MALE.npz" in warned(only(file))
    np.savez(tmp_path / "models" / "SMPLH_NEUTRAL.npz", **model_arrays("smplh", vertices=600))  # type: ignore[arg-type]
    assert "no male SMPL-H model" in warned(only(file))


def test_a_gender_that_is_a_path_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "secret").mkdir()
    np.savez(tmp_path / "secret" / "model.npz", **model_arrays("smplh", vertices=600))  # type: ignore[arg-type]
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    (tmp_path / "models" / "smplh").mkdir()
    arrays = {"poses": poses(156), "trans": walking(1), "mocap_framerate": 30, "gender": "../../secret"}
    assert "holds no SMPLH_NEUTRAL.npz" in warned(only(save(tmp_path / "a.npz", **arrays)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"J_regressor": None}, "the array 'J_regressor' is missing: this is no SMPL-H model"),
        ({"v_template": np.array([{}] * 4)}, "holds Python objects; only whole .npz models"),
        ({"J_regressor": np.zeros((24, 600))}, r"'J_regressor' has shape \(24, 600\), expected \(52, 600\)"),
        ({"shapedirs": np.zeros((600, 3))}, r"'shapedirs' has shape \(600, 3\), expected \(600, 3, B\)"),
        ({"kintree_table": np.zeros((2, 52))}, "its joints do not hang together like those of SMPL-H"),
        ({"v_template": np.full((600, 3), np.nan)}, "'v_template' holds something that is no number"),
    ],
)
def test_a_bad_model_is_one_sentence(
    changes: dict, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save(tmp_path / "a.npz", poses=poses(156), trans=walking(1), mocap_framerate=30)
    save(tmp_path / "SMPLH_NEUTRAL.npz", **{**model_arrays("smplh", vertices=600), **changes})
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(sk.MotionFormatError, match=rf"SMPLH_NEUTRAL\.npz: .*{expected}"):
        sk.read_clips(file)


def test_a_model_that_is_cut_short_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.npz", poses=poses(156), trans=walking(1), mocap_framerate=30)
    whole = save(tmp_path / "SMPLH_NEUTRAL.npz", **model_arrays("smplh", vertices=600)).read_bytes()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for data in (whole[: len(whole) // 2], b"\x80\x04 a pickle", b""):
        (tmp_path / "SMPLH_NEUTRAL.npz").write_bytes(data)
        with pytest.raises(sk.MotionFormatError, match=r"is damaged|holds Python objects"):
            sk.read_clips(file)


# --- writing


@pytest.mark.parametrize("kind", WIDTHS)
def test_poses_come_back(kind: str, tmp_path: Path) -> None:
    vectors = poses(WIDTHS[kind], turned=True)
    arrays = {"poses": vectors, "trans": walking(2), "mocap_framerate": 59.94, "up_axis": "z"}
    sk.write(sk.read(save(tmp_path / "a.npz", **arrays)), tmp_path / "b.npz", format=kind)
    with np.load(tmp_path / "b.npz", allow_pickle=False) as found:
        np.testing.assert_allclose(found["poses"], vectors, atol=1e-9)
        np.testing.assert_allclose(found["trans"], walking(2), atol=1e-9)
        assert found["mocap_frame_rate" if kind == "smplx" else "mocap_framerate"] == 59.94
        assert (str(found["gender"]), str(found["surface_model_type"])) == ("neutral", kind)
    sk.write(sk.read(tmp_path / "a.npz"), tmp_path / "c.npz", format=kind)
    assert (tmp_path / "c.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_larger_model_rests_where_the_smaller_says_nothing(tmp_path: Path) -> None:
    file = save(tmp_path / "a.npz", poses=poses(72), trans=walking(1), fps=30, up_axis="y")
    body = only(file).persons[0].joint_positions()[:, :22]
    for kind, width in WIDTHS.items():
        sk.write(sk.read(file), tmp_path / "b.npz", format=kind)
        (person,) = sk.read(tmp_path / "b.npz")
        assert np.load(tmp_path / "b.npz")["poses"].shape == (FRAMES, width)
        np.testing.assert_allclose(person.joint_positions()[:, :22], body, atol=1e-9)


def test_another_skeleton_is_refused_with_the_cure_and_the_cure_works(tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text(clips.bvh(clips.walk, 1.0))
    (walk,) = sk.read(tmp_path / "walk.bvh")
    with pytest.raises(
        sk.MotionFormatError, match=r"b\.npz: the skeleton is not that of SMPL-H; .*convert --onto smplh52"
    ):
        sk.write(walk, tmp_path / "b.npz", format="smplh")
    with pytest.raises(sk.MotionFormatError, match="holds one person, not 2; choose one with --person"):
        sk.write([walk, walk], tmp_path / "b.npz", format="smpl")
    moved = sk.retarget(walk, onto=plugins.topology("smplh52"))
    sk.write(moved, tmp_path / "b.npz", format="smplh")
    (back,) = sk.read(tmp_path / "b.npz")
    assert (len(back), back.fps) == (len(walk), pytest.approx(walk.fps))
    np.testing.assert_allclose(back.joint_positions(), moved.joint_positions(), atol=1e-9)
    path = back.joint_positions()[:, 0]
    assert path[-1, 2] - path[0, 2] == pytest.approx(1.2, rel=0.1)


def test_a_body_of_other_proportions_keeps_its_directions(tmp_path: Path) -> None:
    """Its rest pose is not that of the models, so rotations are carried over, not copied."""
    (walk,) = sk.read(save(tmp_path / "a.npz", poses=poses(72), trans=walking(1), fps=30, up_axis="y"))
    assert isinstance(walk, sk.Motion)
    bent = walk.skeleton.rest_offsets.copy()
    elbow, wrist = walk.topology.names.index("left_elbow"), walk.topology.names.index("left_wrist")
    bent[elbow] = [0.1, -0.25, 0.0]
    other = sk.Motion(sk.Skeleton(walk.topology, bent), walk.rotations, walk.root_translation, walk.fps)
    sk.write(other, tmp_path / "b.npz", format="smpl")
    (back,) = sk.read(tmp_path / "b.npz")
    shoulder = walk.topology.names.index("left_shoulder")
    for upper, lower in ((shoulder, elbow), (elbow, wrist)):
        bones = [one.joint_positions()[:, lower] - one.joint_positions()[:, upper] for one in (other, back)]
        a, b = (bone / np.linalg.norm(bone, axis=-1, keepdims=True) for bone in bones)
        assert (a * b).sum(-1).min() > np.cos(np.radians(3))


def test_with_the_model_the_shape_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **model_arrays("smplx", vertices=1100))  # type: ignore[arg-type]
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    betas = np.array([1.2, -0.7, 0.3, 0, 0, 0, 0, 0, 0.5, -0.2])
    vectors = poses(165)
    file = save(tmp_path / "a.npz", poses=vectors, trans=walking(1), betas=betas, fps=30, up_axis="y")
    person = sk.read(file)
    sk.write(person, tmp_path / "b.npz", format="smplx")
    with np.load(tmp_path / "b.npz", allow_pickle=False) as found:
        np.testing.assert_allclose(found["betas"][:10], betas, atol=1e-6)
    (back,) = sk.read(tmp_path / "b.npz")
    np.testing.assert_allclose(back.joint_positions(), person[0].joint_positions(), atol=1e-6)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(list(arguments))
        return int(end.value.code or 0), *capsys.readouterr()

    walk, out = str(tmp_path / "walk.bvh"), str(tmp_path / "out.npz")
    Path(walk).write_text(clips.bvh(clips.walk, 1.0))
    code, _, said = ask("convert", walk, out, "--to", "smplh")
    assert code == 2 and "convert --onto smplh52" in said and not Path(out).exists()
    assert ask("convert", walk, out, "--to", "smplh", "--onto", "smplh52")[0] == 0
    code, told, _ = ask("info", out)
    assert code == 0 and "out.npz: smpl, 30 frames at 30 fps" in told
    assert "warning: Joints are those of a mean SMPL-H skeleton" in told
    code, _, said = ask("convert", walk, out, "--to", "smply")
    assert code == 2 and "no plugin can write this format; known: " in said and "smplh" in said
    assert "smplh (convert --to)" in ask("plugins")[1]
    # Without --to the suffix is that of our own format.
    assert ask("convert", walk, out)[0] == 0 and "npz, 30 frames" in ask("info", out)[1]


def test_keypoints_are_refused(tmp_path: Path) -> None:
    (person,) = sk.read(save(tmp_path / "a.npz", poses=poses(72), trans=walking(1), fps=30, up_axis="y"))
    assert isinstance(person, sk.Motion)
    with pytest.raises(sk.MotionFormatError, match="convert --onto smpl24"):
        sk.write(person.keypoints(), tmp_path / "b.npz", format="smpl")


# --- real files


@pytest.mark.parametrize(
    ("name", "frames", "way"),
    [("video_walk_level1_filter_amass", 152, 1.76), ("video_squat_level1_filter_amass", 158, 0.09)],
)
def test_real_files_stand_on_the_ground(name: str, frames: int, way: float, shared_data: Path) -> None:
    clip = only(shared_data / "original" / "smpl_npz" / f"{name}.npz")
    assert clip.origin is not None and (clip.origin.format, clip.origin.up_axis) == ("smpl", "z")
    assert "a mean SMPL skeleton" in warned(clip)
    (person,) = clip.persons
    assert (len(person), person.fps, len(person.topology)) == (frames, 30.0, 24)
    positions, at = person.joint_positions(), person.topology.names.index
    root = positions[:, 0]
    assert np.linalg.norm(root[-1, [0, 2]] - root[0, [0, 2]]) == pytest.approx(way, abs=0.05)
    # Joints of the toes lie some centimetres above the soles, and in these clips one foot or the other always stands.
    lowest = positions[:, [at("left_foot"), at("right_foot")], 1].min(1)
    assert lowest.min() > 0.0 and lowest.max() < 0.1
    forward = np.cross(positions[:, at("left_hip")] - positions[:, at("right_hip")], [0, 1, 0])
    toes = positions[:, at("left_foot")] - positions[:, at("left_ankle")]
    assert ((forward * toes).sum(-1) > 0).mean() > 0.95


def test_info_shows_that_the_skeleton_is_a_mean_one(shared_data: Path) -> None:
    from skeletonllm_core.describe import describe

    clip = only(shared_data / "original" / "smpl_npz" / "video_walk_level1_filter_amass.npz")
    assert any("a mean SMPL skeleton" in warning for warning in describe(clip, [""])["warnings"])


def test_a_real_file_there_and_back(shared_data: Path, tmp_path: Path) -> None:
    original = shared_data / "original" / "smpl_npz" / "video_walk_level1_filter_amass.npz"
    sk.write(sk.read(original), tmp_path / "b.npz", format="smpl")
    with np.load(original) as given, np.load(tmp_path / "b.npz") as found:
        turned = [
            rotation.from_rotation_vector(one["poses"].reshape(-1, 24, 3).astype(float)) for one in (given, found)
        ]
        same = np.abs((turned[0] * turned[1]).sum(-1))
        np.testing.assert_allclose(same, 1.0, atol=1e-9)
        np.testing.assert_allclose(found["trans"], given["trans"], atol=1e-9)
