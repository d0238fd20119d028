"""The published renderer: against its own images, against its dense form, and with weights that are damaged."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.topologies import TOPOLOGIES, file_order
from skeletonllm_core.render import published
from skeletonllm_core.render.published import HUMANML3D_BONES, NTU_BONES, PublishedRenderer
from skeletonllm_core.render.published_scene import published_scene
from tests.published_files import NTU_POSE, motion, tensors, write_weights

ERROR, PSNR = 2e-4, 110.0
CHAIN = ((0, 1), (1, 20), (20, 2), (2, 3), (20, 4), (4, 5))


@pytest.fixture(scope="session")
def published_files(root: Path) -> Path:
    """The folder with the authors' weights and images; a test that needs it is skipped where it is absent."""
    folder = root.parent / "shared"
    if not (folder / "parity").is_dir() or not (folder / "weights").is_dir():
        pytest.skip(f"the published weights and images are not here ({folder})")
    return folder


def made(per_bone: int = 10, *, nfm: bool = True, seed: int = 0, round_ones: bool = True) -> PublishedRenderer:
    values = tensors(per_bone, nfm=nfm, seed=seed, round_ones=round_ones)
    renderer = PublishedRenderer(len(values["canonical_means"]), nfm=nfm)
    renderer.load_state_dict(values)
    return renderer


def assert_same_image(given: torch.Tensor, wanted: torch.Tensor) -> None:
    given, wanted = given.detach().double(), wanted.detach().double()
    assert given.shape == wanted.shape
    assert given.min() >= 0 and given.max() <= 1 and wanted.max() > 0.1
    assert (given - wanted).abs().max() <= ERROR
    assert -10 * torch.log10((given - wanted).square().mean()) >= PSNR


def relative(given: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((given.double() - wanted.double()).norm() / wanted.double().norm())


# ---- against the authors' own images


@pytest.mark.parametrize("case", ["ntu1_c01_448", "ntu2_c01_224", "h3d_c01_224"])
def test_the_published_images(published_files: Path, case: str) -> None:
    stored = np.load(published_files / "parity" / f"parity_{case}.npz")
    renderer = published.load(published_files / "weights" / f"{stored['weights']}.safetensors")
    given = renderer.render(
        torch.from_numpy(stored["poses"]),
        torch.from_numpy(stored["vels"]),
        size=stored["frames"].shape[1],
        bones=HUMANML3D_BONES if case.startswith("h3d") else None,
    )
    assert_same_image(given, torch.from_numpy(stored["frames"]))


def test_the_published_gradients(published_files: Path) -> None:
    stored = np.load(published_files / "parity" / "grad_ntu1_c01_448_P1_1f.npz")
    case = np.load(published_files / "parity" / "parity_ntu1_c01_448.npz")
    renderer = published.load(published_files / "weights" / f"{case['weights']}.safetensors")
    joints = torch.from_numpy(case["poses"][:1, :1]).requires_grad_()
    image = renderer.render(joints, torch.from_numpy(case["vels"][:1, :1]))[None]
    target = torch.rand(image.shape, generator=torch.Generator().manual_seed(7))
    (image * target).mean().backward()
    assert relative(joints.grad, torch.from_numpy(stored["poses"])) <= 3e-4
    parameters = dict(renderer.named_parameters())
    assert len(stored.files) == 11
    for name in stored.files:
        if name != "poses":
            assert relative(parameters[name].grad, torch.from_numpy(stored[name])) <= 1e-4, name


@pytest.mark.parametrize("weights", ["01", "02", "03"])
@pytest.mark.parametrize("case", ["ntu1_c01_448", "ntu2_c01_224", "h3d_c01_224"])
def test_every_published_file_agrees_with_the_dense_form(published_files: Path, weights: str, case: str) -> None:
    stored = np.load(published_files / "parity" / f"parity_{case}.npz")
    renderer = published.load(published_files / "weights" / f"draction_candidate_{weights}.safetensors")
    where, moved = (torch.from_numpy(stored[key][[2, 9]]) for key in ("poses", "vels"))
    bones = HUMANML3D_BONES if case.startswith("h3d") else None
    given = renderer.render(where, moved, size=96, bones=bones)
    given.sum().backward()
    assert all(value.grad.isfinite().all() for value in renderer.parameters() if value.grad is not None)
    with torch.no_grad():
        wanted = renderer.double().render_reference(where.double(), moved.double(), size=96, bones=bones)
    assert_same_image(given, wanted)


@pytest.mark.parametrize("case", ["ntu1_c01_448", "ntu2_c01_224"])
def test_a_skeleton_file_becomes_the_published_image(published_files: Path, tmp_path: Path, case: str) -> None:
    stored = np.load(published_files / "parity" / f"parity_{case}.npz")
    clip, out = tmp_path / "one.skeleton", tmp_path / "one.npz"
    # Both bodies of the synthetic file have one id, which real files never do and our reader refuses.
    bodies = str(stored["input_text"]).split("\n25\n")
    if case.startswith("ntu2"):
        ids = [part.rpartition("\n") for part in bodies[:-1]]
        bodies[:-1] = [f"{rest}\n{index % 2}{line[1:]}" for index, (rest, _, line) in enumerate(ids)]
    clip.write_text("\n25\n".join(bodies))
    weights = published_files / "weights" / f"{stored['weights']}.safetensors"
    size = str(stored["frames"].shape[1])
    done = program("render", clip, "-o", out, "--weights", weights, "--seed", "0", "--size", size)
    assert done.returncode == 0, done
    assert_same_image(torch.from_numpy(np.load(out)["frames"]), torch.from_numpy(stored["frames"]))


# ---- against the dense form, with weights that the tests make


@pytest.mark.parametrize("nfm", [True, False])
@pytest.mark.parametrize(("persons", "joints", "bones"), [(1, 25, None), (3, 25, None), (2, 22, HUMANML3D_BONES)])
@pytest.mark.parametrize("round_ones", [True, False])
def test_image_and_gradients_agree_with_the_dense_form(
    nfm: bool, persons: int, joints: int, bones: tuple | None, round_ones: bool
) -> None:
    renderer = made(nfm=nfm, round_ones=round_ones)
    where, moved = motion(2, persons, joints)
    target = torch.rand(2, 70, 70, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = []
    for kind, draw in ((torch.float32, PublishedRenderer.render), (torch.float64, PublishedRenderer.render_reference)):
        renderer = renderer.to(kind)
        inputs = [where.to(kind).requires_grad_(), moved.to(kind).requires_grad_(), *renderer.parameters()]
        image = draw(renderer, inputs[0], inputs[1], size=70, bones=bones)
        loss = (image * target.to(kind)).sum()
        found.append((image, torch.autograd.grad(loss, inputs, allow_unused=True)))
    (given, gradients), (wanted, true_gradients) = found
    assert_same_image(given, wanted)
    names = ["positions", "velocities", *(name for name, _ in renderer.named_parameters())]
    for name, one, other in zip(names, gradients, true_gradients, strict=True):
        assert (one is None) == (other is None), name
        if one is not None:
            # Spheres look the same from everywhere: what is left of a quaternion's gradient there is rounding.
            floor = 1e-3 if name == "canonical_quats" and round_ones else 1e-12
            assert (one.double() - other).norm() <= 1e-3 * other.norm() + floor, name


@pytest.mark.parametrize("nfm", [True, False])
@pytest.mark.parametrize("bones", [None, CHAIN])
def test_the_dense_form_agrees_with_finite_differences(nfm: bool, bones: tuple | None) -> None:
    renderer = made(1, nfm=nfm, round_ones=False).double()
    where, moved = (value.double() for value in motion(2, 2 if bones is None else 1))
    where[0, 0, 3] = torch.nan
    if bones is None:
        where[1, 1] = 0  # not there
    names = [name for name, _ in renderer.named_parameters()]

    def image(positions: torch.Tensor, velocities: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        given = {f"inner.{name}": value for name, value in zip(names, values, strict=True)}
        # Only what is known may be stepped away from; the rest stays as it is.
        positions = torch.where(fixed, where, positions)
        return torch.func.functional_call(_Dense(renderer, bones), given, (positions, velocities))

    fixed = torch.isnan(where) | (where == 0).all(-1, keepdim=True).all(-2, keepdim=True)
    free = torch.where(fixed, 0, where).requires_grad_()
    values = [value.detach().clone().requires_grad_() for value in renderer.parameters()]
    assert torch.autograd.gradcheck(image, (free, moved.requires_grad_(), *values), fast_mode=True)


class _Dense(torch.nn.Module):
    def __init__(self, inner: PublishedRenderer, bones: tuple | None) -> None:
        super().__init__()
        self.inner, self.bones = inner, bones

    def forward(self, positions: torch.Tensor, velocities: torch.Tensor) -> torch.Tensor:
        return self.inner.render_reference(positions, velocities, size=11, bones=self.bones)


def test_weights_beyond_float16_and_near_the_end_of_float32_give_no_nan() -> None:
    renderer = made(nfm=False)
    with torch.no_grad():
        renderer.appearance_head[0].weight[::3] *= 1.7e34
        renderer.canonical_features[::4] = 0
    where, moved = motion(2)
    where.requires_grad_()
    image = renderer.render(where, moved, size=64)
    image.square().sum().backward()
    wanted = renderer.double().render_reference(where.detach().double(), moved.double(), size=64)
    assert_same_image(image, wanted)
    assert where.grad.isfinite().all()
    assert all(value.grad.isfinite().all() for value in renderer.parameters())


def test_the_image_is_the_published_one_mirrored_and_x_grows_to_the_right() -> None:
    renderer = made()
    where, moved = motion()
    for joint, column in ((7, slice(0, 32)), (11, slice(32, 64))):
        only = where.clone()
        only[:, :, [other for other in range(25) if other != joint]] = torch.nan
        image = renderer.render(only, moved, size=64)
        assert image.amax() > 0.05 and image[:, :, column].sum() > 0.99 * image.sum()


def test_the_nfm_lets_motion_change_the_picture_and_weights_without_it_do_not() -> None:
    where, moved = motion()
    for nfm in (True, False):
        renderer = made(nfm=nfm)
        still, fast = renderer.render(where, 0 * moved, size=64), renderer.render(where, 20 * moved, size=64)
        assert torch.equal(still, fast) is not nfm


# ---- topologies


def test_another_topology_has_gaussians_in_proportion_to_bone_length() -> None:
    start = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 0.5, 0.01], [1, 0.5, 0.01]])
    pairs = torch.tensor([(0, 1), (1, 2), (2, 3), (3, 4)])
    skin, means = published._template(start, torch.ones(5, dtype=torch.bool), pairs)
    assert skin.shape == (5 + 24 + 12 + 2 + 2, 5)
    torch.testing.assert_close(means[5 : 5 + 24, 0], torch.arange(1, 25) / 25)
    torch.testing.assert_close(skin[5 + 4, :2], torch.tensor([0.8, 0.2]))
    torch.testing.assert_close(skin @ start, means, atol=1e-6, rtol=0)
    unknown, _ = published._template(start, torch.tensor([True, True, True, False, True]), pairs)
    assert unknown.shape == skin.shape


def test_features_are_carried_over_along_the_index_from_end_to_end() -> None:
    features = torch.arange(5.0)[:, None].repeat(1, 3)
    torch.testing.assert_close(published._stretched(features, 9), torch.linspace(0, 4, 9)[:, None].repeat(1, 3))
    assert published._stretched(features, 0).shape == (0, 3)


def test_ntu_bones_may_be_named_or_left_out() -> None:
    renderer = made()
    where, moved = motion()
    plain = renderer.render(where, moved, size=48)
    assert torch.equal(renderer.render(where, moved, size=48, bones=NTU_BONES), plain)
    assert not torch.equal(renderer.render(where, moved, size=48, bones=NTU_BONES[:-1]), plain)


# ---- robustness


def test_a_person_of_zeros_is_not_there() -> None:
    renderer = made()
    where, moved = motion(2, 2)
    where[0, 1] = 0
    where.requires_grad_()
    image = renderer.render(where, moved, size=64)
    image.sum().backward()
    alone = renderer.render(where.detach()[:, :1], moved[:, :1], size=64)
    assert torch.equal(image[0], alone[0]) and not torch.equal(image[1], alone[1])
    assert where.grad[0, 1].eq(0).all() and where.grad[1, 1].abs().sum() > 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf, 1e30, -1e30])
@pytest.mark.parametrize("bones", [None, CHAIN])
def test_a_joint_that_is_nowhere_is_masked_and_harms_nothing(bad: float, bones: tuple | None) -> None:
    renderer = made()
    where, moved = motion(2)
    where[:, 0, 3, 1] = bad  # the head
    moved[1, 0, 5] = bad
    where.requires_grad_(), moved.requires_grad_()
    image = renderer.render(where, moved, size=64, bones=bones)
    image.square().sum().backward()
    for value in (image, where.grad, moved.grad, *(p.grad for p in renderer.parameters() if p.grad is not None)):
        assert value.isfinite().all()
    assert where.grad[:, 0, 3].eq(0).all() and where.grad.abs().sum() > 0
    whole, _ = motion(2)
    seen = renderer.render(whole, motion(2)[1], size=64, bones=bones)
    assert (image - seen)[0, :24, 28:36].abs().max() > 0.1, "the head is gone"
    assert (image - seen)[0, 44:].abs().max() < 1e-3, "the legs are as before"


def test_bodies_behind_beside_and_at_the_camera_are_harmless() -> None:
    renderer = made()
    for distance in (-3.0, 0.0, 1e-3, 0.3):
        where, moved = motion(1, distance=distance)
        where.requires_grad_()
        image = renderer.render(where, moved, size=64)
        image.sum().backward()
        assert image.isfinite().all() and image.max() <= 1 and where.grad.isfinite().all()
        assert all(value.grad.isfinite().all() for value in renderer.parameters())
        if distance < 0:
            assert image.eq(0).all() and where.grad.eq(0).all()


def test_coincident_joints_one_joint_and_nobody() -> None:
    renderer = made()
    where = torch.zeros(1, 1, 25, 3) + torch.tensor([0.1, 0.2, 2.0])
    for positions, bones in ((where, None), (where, CHAIN), (where[:, :, :1], ()), (where[:, :, :2], ((0, 1),))):
        positions = positions.clone().requires_grad_()
        image = renderer.render(positions, torch.zeros_like(positions), size=32, bones=bones)
        image.sum().backward()
        assert image.isfinite().all() and 0.05 < image.max() <= 1 and positions.grad.isfinite().all()
    for shape in ((0, 1, 25, 3), (2, 0, 25, 3)):
        for bones in (None, CHAIN):
            image = renderer.render(torch.zeros(shape), torch.zeros(shape), size=32, bones=bones)
            assert image.shape == (shape[0], 32, 32, 3) and image.eq(0).all()


@pytest.mark.parametrize(
    ("positions", "velocities", "bones", "says"),
    [
        ((2, 25, 3), (2, 25, 3), None, r"\(T, P, J, 3\)"),
        ((2, 1, 25, 3), (2, 1, 24, 3), None, r"\(2, 1, 24, 3\)"),
        ((2, 1, 22, 3), (2, 1, 22, 3), None, "for 22 joints, bones must be given"),
        ((2, 1, 4, 3), (2, 1, 4, 3), ((0, 4),), "joints 0 to 3"),
        ((2, 1, 4, 3), (2, 1, 4, 3), ((-1, 2),), "joints 0 to 3"),
    ],
)
def test_wrong_input_is_said(positions: tuple, velocities: tuple, bones: tuple | None, says: str) -> None:
    with pytest.raises(SkeletonLLMError, match=says):
        made().render(torch.ones(positions), torch.ones(velocities), bones=bones)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells the most memory of one program")
def test_memory_of_a_whole_clip_and_its_gradients_stays_small(root: Path) -> None:
    script = """
import re, torch
from pathlib import Path
from skeletonllm_core.render.published import PublishedRenderer
from tests.published_files import motion, tensors
torch.set_num_threads(1)
def most():
    # getrusage would count what the process that started this one had.
    return int(re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
renderer = PublishedRenderer()
renderer.load_state_dict(tensors())
where, moved = motion(12)
upstream = torch.ones(12, 448, 448, 3)
renderer.render(where[:1], moved[:1], size=448).sum().backward()
before = most()
for _ in range(3):
    renderer.render(where.requires_grad_(), moved, size=448).backward(upstream)
print(most() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        # With a threshold that moves, glibc keeps freed images or not as chance has it.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    image = 12 * 448 * 448 * 3 * 4 / 2**20
    assert 0.5 * image < float(done.stdout) <= 150, "MB"


# ---- files


def test_a_file_is_loaded_whole_and_named_as_it_is(tmp_path: Path) -> None:
    for nfm in (True, False):
        values = tensors(nfm=nfm)
        half = {name: value.bfloat16() if "weight" in name else value for name, value in values.items()}
        path = write_weights(tmp_path / "weights.safetensors", half, enable_nfm=str(nfm).lower())
        assert published.is_published(path)
        renderer = published.load(path)
        parameters = dict(renderer.named_parameters())
        assert parameters.keys() == values.keys()
        for name, value in half.items():
            assert torch.equal(parameters[name], value.float()) and parameters[name].dtype == torch.float32
            assert parameters[name].requires_grad


def damaged(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    values = tensors() | {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("values", "metadata", "says"),
    [
        (damaged(), {"format": "other"}, "its header says format 'other'"),
        (damaged(lbs_weights_logits=None), {}, "lbs_weights_logits is missing"),
        (damaged(canonical_means=None), {}, "canonical_means is missing"),
        (damaged(extra=torch.zeros(1)), {}, "extra is not known"),
        (damaged(nfm__2__bias=torch.zeros(4)), {}, r"nfm.2.bias has shape \(4,\), not \(5,\)"),
        (damaged(canonical_joints=torch.full((25, 3), torch.nan)), {}, "canonical_joints holds a value that is not finite"),
        (damaged(canonical_means=torch.zeros(30, 3)), {}, "30 Gaussians"),
        (damaged(canonical_means=torch.tensor(0.0)), {}, r"canonical_means has shape \(\)"),
        (damaged(), {"enable_nfm": "false"}, "enable_nfm false"),
    ],
)  # fmt: skip
def test_damaged_weights_are_said(tmp_path: Path, values: dict, metadata: dict, says: str) -> None:
    path = write_weights(tmp_path / "weights.safetensors", values, **metadata)
    with pytest.raises(SkeletonLLMError, match=says) as problem:
        published.load(path)
    assert str(problem.value).startswith(str(path)) and "\n" not in str(problem.value)


def test_files_that_are_none_or_cut_off_are_said(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(SkeletonLLMError, match="no such file"):
        published.load(path)
    assert not published.is_published(path)
    whole = write_weights(path, tensors()).read_bytes()
    for cut in (0, 5, 100, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert not published.is_published(path)
        with pytest.raises(SkeletonLLMError, match="not a whole"):
            published.load(path)


def test_the_checksum_beside_the_weights_counts(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "weights.safetensors", tensors())
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps({"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))
    published.load(path)
    beside.write_text("no json")
    published.load(path)
    beside.write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(SkeletonLLMError, match="its sha256 is not the one in"):
        published.load(path)


# ---- clips


def person(topology: str, frames: int, *, x: float = 0.0, z: float = 3.0, fps: float = 30.0) -> Keypoints:
    """Somebody who moves along x by 1 cm a frame, joint after joint 1 cm higher, in the order of files."""
    order = file_order(topology)
    positions = np.zeros((frames, len(order), 3))
    positions[..., 0] = x + 0.01 * np.arange(frames)[:, None]
    positions[..., 1] = 0.01 * order
    positions[..., 2] = z
    return Keypoints(TOPOLOGIES[topology], positions, fps)


def test_ntu_clips_keep_their_camera_and_file_order() -> None:
    scene = published_scene([person("ntu25", 60)])
    assert scene.bones is None and scene.notes == () and scene.positions.shape == (12, 1, 25, 3)
    np.testing.assert_allclose(scene.positions[0, 0, :, 1], 0.01 * np.arange(25), atol=1e-6)
    np.testing.assert_allclose(scene.positions[:, 0, 0, 0], 0.01 * (2 + 5 * np.arange(12)), atol=1e-6)
    assert scene.positions[..., 2].eq(3).all()
    np.testing.assert_allclose(scene.velocities[:, 0, 0, 0], [0.04] * 11 + [0.02], atol=1e-6)
    near = published_scene([person("ntu25", 60, z=0.4)])
    torch.testing.assert_close(near.positions[..., 2], torch.full((12, 1, 25), 1.4))


def test_a_seed_takes_the_published_random_frames() -> None:
    drawn = published_scene([person("ntu25", 60)], seed=0).positions[:, 0, 0, 0]
    np.testing.assert_allclose(drawn, 0.01 * np.array([4, 9, 13, 15, 23, 29, 32, 38, 42, 48, 51, 56]), atol=1e-6)
    short = published_scene([person("ntu25", 5)], seed=3).positions[:, 0, 0, 0]
    assert (short.diff() >= 0).all() and len(short) == 12
    chosen = published_scene([person("ntu25", 60)], frame_indices=[7, 3]).positions[:, 0, 0, 0]
    np.testing.assert_allclose(chosen, [0.07, 0.03], atol=1e-6)


def test_people_who_leave_are_zeros_and_a_third_one_is_left_out() -> None:
    leaves = person("ntu25", 60)
    leaves.positions[30:] = np.nan
    leaves.positions[:, 4] = np.nan
    scene = published_scene([person("ntu25", 60, z=2.0), leaves, person("ntu25", 60)])
    assert scene.positions.shape[1] == 2 and scene.positions[6:, 1].eq(0).all()
    assert scene.positions[:6, 1].isnan().any(-1).sum(-1).eq(1).all() and scene.velocities.isfinite().all()
    assert scene.notes == ("Published weights draw the first 2 of the 3 persons.",)


def test_other_clips_are_put_in_front_of_the_camera() -> None:
    human = published_scene([person("humanml3d22", 60, x=0.2, fps=20)])
    assert human.bones == HUMANML3D_BONES and human.notes == ()
    np.testing.assert_allclose(human.positions[0, 0, :, 0], 0.22, atol=1e-6)
    assert human.positions[..., 1].median() == 0 and human.positions[..., 2].eq(2.5).all()
    other = published_scene([person("coco17", 480, x=50.0, fps=120)])
    assert other.positions[..., 0].median() == 0 and len(other.bones) == 16
    np.testing.assert_allclose(other.velocities[0, 0, 0, 0], 0.16, atol=1e-5)
    (note,) = other.notes
    assert "17 joints" in note and "16 frames ahead" in note


def test_clips_that_cannot_be_drawn_are_said() -> None:
    with pytest.raises(SkeletonLLMError, match="no person"):
        published_scene([])
    with pytest.raises(SkeletonLLMError, match="same joints"):
        published_scene([person("ntu25", 5), person("coco17", 5)])
    with pytest.raises(SkeletonLLMError, match=r"0\.\.4"):
        published_scene([person("ntu25", 5)], frame_indices=[5])
    gone = person("ntu25", 60)
    gone.positions[:30] = np.nan
    with pytest.raises(SkeletonLLMError, match="no person in the frames"):
        published_scene([gone], frame_indices=[0])


# ---- the command


def program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skeletonllm_core", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_command_switches_to_the_published_maths(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "weights.safetensors", tensors(), enable_nfm="true")
    human = (NTU_POSE[:22] + np.linspace(0, 0.3, 30)[:, None, None]).astype(np.float32)
    np.save(tmp_path / "human.npy", human)
    out = tmp_path / "out.npz"
    done = program("render", tmp_path / "human.npy", "-o", out, "--weights", weights, "--size", "64", "--frames", "3")
    assert done.returncode == 0 and done.stderr == "", done
    frames = np.load(out)["frames"]
    shown = Keypoints(TOPOLOGIES["humanml3d22"], human[:, file_order("humanml3d22")], 20.0)
    scene = published_scene([shown], 3)
    wanted = published.load(weights).render(scene.positions, scene.velocities, size=64, bones=scene.bones)
    assert frames.shape == (3, 64, 64, 3) and np.array_equal(frames, wanted.detach().numpy())


def test_the_command_says_what_it_chose_and_what_is_damaged(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "weights.safetensors", tensors() | {"more": torch.zeros(1)})
    clip = Path(__file__).parent.parent / "examples"
    clip = next(iter(sorted(clip.rglob("*.bvh"))))
    out = tmp_path / "out.png"
    done = program("render", clip, "-o", out, "--weights", weights, "--device", "cuda:99")
    assert done.returncode == 2 and "'cuda:99' is not available" in done.stderr and not out.exists(), done
    done = program("render", clip, "-o", out, "--weights", weights)
    assert done.returncode == 2 and "more is not known" in done.stderr and not out.exists(), done
    write_weights(weights, tensors())
    done = program("render", clip, "-o", out, "--weights", weights, "--size", "64")
    assert done.returncode == 0 and "were not made for these" in done.stderr and out.exists(), done
