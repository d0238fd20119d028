"""ASF/AMC: the math of axes and degrees of freedom, the search for the skeleton, and the same CMU take as BVH."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.library import find_sources
from skeletonllm_core.motion import rotation
from tests.plugins import made_files

UNIT = 0.0254 / 0.45
ROOT = np.array([[1.0, 2, 3, 0, 0, 0], [1.0, 2, 3, 0, 0, 90.0]])
SPINE = np.array([[0.0, 0, 0], [30.0, -40, 50]])
ARM = np.array([0.0, 60.0])


def read(folder: Path, motion: bytes, skeleton: bytes = made_files.ASF, name: str = "01_01.amc") -> sk.Motion:
    (folder / "01.asf").write_bytes(skeleton)
    (folder / name).write_bytes(motion)
    (only,) = sk.read(folder / name)
    assert isinstance(only, sk.Motion)
    return only


def about(axis: str, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def test_bones_turn_by_their_axes_and_degrees_of_freedom(tmp_path: Path) -> None:
    motion = read(tmp_path, made_files.amc(ROOT, SPINE, ARM))
    assert motion.topology.names == ("root", "spine", "larm", "lhand") and motion.fps == 120.0
    positions = motion.joint_positions() / UNIT
    np.testing.assert_allclose(positions[0], [[1, 2, 3], [1, 2, 3], [1, 12, 3], [6, 12, 3]], atol=1e-9)
    # Fixed axes in the order of the file: x first, so it stands on the right.
    root = about("z", 90)
    spine = root @ about("z", 50) @ about("y", -40) @ about("x", 30)
    arm = spine @ about("z", 90) @ about("x", 60) @ about("z", -90)
    places = [np.array([1.0, 2, 3])] * 2
    places.append(places[1] + spine @ [0, 10, 0])
    places.append(places[2] + arm @ [5, 0, 0])
    np.testing.assert_allclose(positions[1], places, atol=1e-6)
    tip = rotation.to_matrix(motion.rotations[1, 3]) @ np.asarray(motion.skeleton.tip_offsets)[0]
    np.testing.assert_allclose(tip / UNIT, [2, 0, 0], atol=1e-9)


def test_radians_other_orders_and_other_axis_orders(tmp_path: Path) -> None:
    plain = read(tmp_path, made_files.amc(ROOT, SPINE, ARM))
    turned = ROOT.copy()
    turned[:, 3:] = np.radians(turned[:, 3:])
    radians = made_files.amc(turned, np.radians(SPINE), np.radians(ARM), "RADIANS")
    np.testing.assert_allclose(read(tmp_path, radians).joint_positions(), plain.joint_positions(), atol=1e-7)
    unsaid = radians.replace(b":RADIANS\n", b"")
    asf = made_files.ASF.replace(b"angle deg", b"angle rad").replace(b"0 0 90 XYZ", b"0 0 1.570796327 XYZ")
    np.testing.assert_allclose(read(tmp_path, unsaid, asf).joint_positions(), plain.joint_positions(), atol=1e-7)

    mixed = made_files.ASF.replace(b"dof rx ry rz", b"dof rz rx ry").replace(b"order TX TY TZ RX", b"order TZ TY TX RX")
    motion = read(tmp_path, made_files.amc(ROOT[:, [2, 1, 0, 3, 4, 5]], SPINE[:, [2, 0, 1]], ARM), mixed)
    spine = about("z", 90) @ about("y", -40) @ about("x", 30) @ about("z", 50)
    np.testing.assert_allclose(motion.joint_positions()[1, 2] / UNIT, [1, 2, 3] + spine @ [0, 10, 0], atol=1e-6)

    axes = made_files.ASF.replace(b"axis 0 0 90 XYZ", b"axis 20 30 90 ZXY")
    motion = read(tmp_path, made_files.amc(ROOT[:1], SPINE[:1], ARM[1:]), axes)
    frame = about("y", 30) @ about("x", 20) @ about("z", 90)
    arm = frame @ about("x", 60) @ frame.T
    np.testing.assert_allclose(motion.joint_positions()[0, 3] / UNIT, [1, 12, 3] + arm @ [5, 0, 0], atol=1e-6)


def test_an_orientation_of_the_root_and_the_order_of_bones_do_not_matter(tmp_path: Path) -> None:
    data = made_files.amc(ROOT, SPINE, ARM)
    plain = read(tmp_path, data)
    swapped = data.replace(b"larm 60\n", b"").replace(b"spine 30", b"larm 60\nspine 30")
    np.testing.assert_array_equal(read(tmp_path, swapped).rotations, plain.rotations)
    moved = read(tmp_path, data, made_files.ASF.replace(b"position 0 0 0", b"position 0 0 7"))
    np.testing.assert_allclose(moved.root_translation - plain.root_translation, [[0, 0, 7 * UNIT]] * 2, atol=1e-12)


def test_a_folder_of_skeletons_and_motions_is_searched_for_motions(tmp_path: Path) -> None:
    (tmp_path / "01.asf").write_bytes(made_files.ASF)
    (tmp_path / "01_01.amc").write_bytes(made_files.amc(ROOT, SPINE, ARM))
    sources, ignored = find_sources([tmp_path], None)
    assert [source.shown for source in sources] == ["01_01.amc"]
    assert [Path(path).name for path in ignored] == ["01.asf"]


def test_a_bone_without_values_rests_and_this_is_said(tmp_path: Path) -> None:
    data = b"\n".join(line for line in made_files.amc(ROOT, SPINE, ARM).split(b"\n") if not line.startswith(b"larm"))
    read(tmp_path, data)
    (clip,) = sk.read_clips(tmp_path / "01_01.amc")
    assert clip.origin is not None and clip.origin.warnings[0] == "Bones without values stay at rest: larm."


def test_the_skeleton_is_looked_for_beside_the_motion(tmp_path: Path) -> None:
    data = made_files.amc(ROOT, SPINE, ARM)
    path = tmp_path / "07_02.amc"
    path.write_bytes(data)
    with pytest.raises(sk.MotionFormatError, match=r"its skeleton is missing: put 07.asf into the same folder"):
        sk.read(path)
    (tmp_path / "1.ASF").write_bytes(made_files.ASF)
    assert len(sk.read(path)) == 1  # the only one in the folder
    (tmp_path / "2.asf").write_bytes(made_files.ASF)
    with pytest.raises(sk.MotionFormatError, match=r"none of the 2 .asf files beside it belongs to it; .* as 07.asf"):
        sk.read(path)
    (tmp_path / "07.asf").write_bytes(made_files.ASF.replace(b"spine", b"trunk"))
    with pytest.raises(sk.MotionFormatError, match=r"07_02.amc:6: bone 'spine' does not move in 07.asf"):
        sk.read(path)
    with pytest.raises(sk.MotionFormatError, match=r"07.asf: is a skeleton without motion; read an .amc file"):
        sk.read(tmp_path / "07.asf")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b":hierarchy", b":herarchy"), "01.asf: there is no :hierarchy section"),
        ((b":bonedata", b":bones"), "01.asf: there is no :bonedata section"),
        ((b"length 10", b"length ten"), "01.asf:19: expected 1 numbers of 'length', found 'ten'"),
        ((b"length 10", b"length 1e30"), "01.asf:19: 'length' holds no plausible value"),
        ((b"direction 0 1 0", b"direction 0 1"), "01.asf:18: expected 3 values of 'direction', found 2"),
        ((b"dof rx ry rz", b"dof rx ry l"), "01.asf:21: the degree of freedom 'l' cannot be read"),
        ((b"dof rx ry rz", b"dof rx ry rx"), "01.asf:21: a degree of freedom is there twice"),
        ((b"0 0 90 XYZ", b"0 0 90 XYX"), "01.asf:31: expected an axis order such as XYZ, found 'XYX'"),
        ((b"name larm", b"name spine"), "two bones have the same name"),
        ((b"name larm", b""), "a bone has no name"),
        ((b"larm lhand", b"larm spine"), "01.asf:45: bone 'spine' has two parents"),
        ((b"larm lhand", b"lhand larm"), "01.asf:45: bone 'lhand' has children but no parent above it"),
        ((b"larm lhand", b"larm tail"), "01.asf:45: bone 'tail' is not in :bonedata"),
        ((b"    larm lhand\n", b""), "bone 'lhand' is not in :hierarchy"),
        ((b"    length 2\n    axis 0 0 0 XYZ\n  end\n", b""), "the last bone has no 'end'"),
    ],
)
def test_a_bad_skeleton_is_named_with_its_line(change: tuple[bytes, bytes], said: str, tmp_path: Path) -> None:
    assert change[0] in made_files.ASF
    with pytest.raises(sk.MotionFormatError) as caught:
        read(tmp_path, made_files.amc(ROOT, SPINE, ARM), made_files.ASF.replace(*change))
    assert said in str(caught.value) and caught.value.path.name == "01.asf"


def test_another_unit_is_inferred_from_the_body(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "original" / "cmu_asf_amc"
    text = (folder / "11.asf").read_text()
    lines = (folder / "11_01.amc").read_text().splitlines()[: 4 + 30 * 40]
    (tmp_path / "11.asf").write_text(text.replace("length 0.45", "length 1.0"))
    (tmp_path / "11_01.amc").write_text("\n".join(lines) + "\n")
    (clip,) = sk.read_clips(tmp_path / "11_01.amc")
    assert clip.origin is not None and (clip.origin.unit, clip.origin.unit_inferred) == ("cmu", True)


BONES = {
    "lfemur": "LeftUpLeg", "ltibia": "LeftLeg", "lfoot": "LeftFoot", "ltoes": "LeftToeBase", "rfemur": "RightUpLeg",
    "rtibia": "RightLeg", "rfoot": "RightFoot", "rtoes": "RightToeBase", "lhumerus": "LeftArm", "lradius": "LeftForeArm",
    "lwrist": "LeftHand", "rhumerus": "RightArm", "rradius": "RightForeArm", "rwrist": "RightHand", "root": "Hips",
    "upperback": "Spine", "thorax": "Spine1", "lowerneck": "Neck", "head": "Head",
}  # fmt: skip

LIMBS = (
    ("lfemur", "ltibia", "lfoot", "ltoes"), ("rfemur", "rtibia", "rfoot", "rtoes"),
    ("lhumerus", "lradius", "lwrist"), ("rhumerus", "rradius", "rwrist"),
)  # fmt: skip


def test_the_same_cmu_take_as_bvh(shared_data: Path) -> None:
    """Limb chains agree to 1 mm and places to 1 cm below the chest; above, the BVH lacks the thorax bone."""
    folder = shared_data / "original"
    (amc,) = sk.read(folder / "cmu_asf_amc" / "01_01.amc")
    (bvh,) = sk.read(folder / "cmu_mb_bvh" / "01_01.bvh")
    assert len(amc) == 2751 and len(bvh) == 2752  # the BVH starts with a T-pose of its own
    ours, theirs = amc.joint_positions(), bvh.joint_positions()[1:]
    place = {name: ours[:, amc.topology.names.index(name)] for name in BONES}
    other = {name: theirs[:, bvh.topology.names.index(title)] for name, title in BONES.items()}
    apart = {name: float(np.linalg.norm(place[name] - other[name], axis=-1).max()) for name in BONES}
    above = {"lowerneck", "head", "lhumerus", "lradius", "lwrist", "rhumerus", "rradius", "rwrist"}
    assert max(apart[name] for name in set(BONES) - above) < 0.01
    for chain in LIMBS:
        for a in chain[1:]:
            bone, same = place[a] - place[chain[0]], other[a] - other[chain[0]]
            assert np.linalg.norm(bone - same, axis=-1).max() < 0.001
    assert isinstance(amc, sk.Motion)
    neck = amc.skeleton.rest_offsets[amc.topology.names.index("lowerneck")]
    for name in above:
        assert apart[name] == pytest.approx(np.linalg.norm(neck), abs=0.001)
