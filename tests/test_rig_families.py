"""Real files of many rig families, from the file to `info`: parts, sides, unit, up axis and facing."""

from __future__ import annotations

from pathlib import Path

import pytest

import skeletonllm_core as sk
from skeletonllm_core.describe import describe

PARTS = ("head", "left_hand", "right_hand", "left_foot", "right_foot")

# family: file, clip, unit, up axis, facing [degrees] and joints by `PARTS`, "@" for the side. People walk the way they
# face, so the facing is checked against the path where there is one; models of glTF face +Z.
FAMILIES: dict[str, tuple[str, str, str, str, float | None, str, str, str, tuple[str, str]]] = {
    "bandai": (
        "bandai_bvh/dataset-2_walk_active_001.bvh", "", "cm", "y", 0, "Head", "Hand_@", "Foot_@", ("L", "R"),
    ),
    "cgspeed bvh": (
        "cmu_mb_bvh/01_01.bvh", "", "cmu", "y", None, "Head", "@Hand", "@Foot", ("Left", "Right"),
    ),
    "character creator": (
        "cmu_cc_bvh/007_01.bvh", "", "cm", "y", 0, "CC_Base_Head", "CC_Base_@_Hand", "CC_Base_@_Foot", ("L", "R"),
    ),
    "collar bvh": (
        "bvh_misc/131_01.bvh", "", "cmu", "y", None, "Head", "@Wrist", "@Ankle", ("Left", "Right"),
    ),
    "rokoko bvh": (
        "bvh_misc/dab.bvh", "", "unknown", "z", None, "Head", "@Hand", "@Foot", ("Left", "Right"),
    ),
    "cmu asf": (
        "cmu_asf_amc/11_01.amc", "", "cmu", "y", None, "head", "@wrist", "@foot", ("l", "r"),
    ),
    "cmu fbx": (
        "cmu_fbx/07_01_cmu.fbx", "", "cmu", "y", 0, "Head", "@Hand", "@Foot", ("Left", "Right"),
    ),
    "poser fbx": (
        "cmu_fbx/91_48.fbx", "", "cm", "y", None, "head", "@Hand", "@Foot", ("l", "r"),
    ),
    "maya human ik": (
        "fbx_ufbx/maya_human_ik_7400_binary.fbx", "", "m", "y", 0, "Character1_Head", "Character1_@Hand",
        "Character1_@Foot", ("Left", "Right"),
    ),
    "exponential map": (
        "cmu_expmap_txt/walking_1.txt", "", "cmu", "y", 0, "Head", "@Hand", "@Foot", ("Left", "Right"),
    ),
    "smpl": (
        "smpl_npz/video_walk_level1_filter_amass.npz", "", "m", "z", None, "head", "@_wrist", "@_ankle", ("left", "right"),
    ),
    "humanml3d": (
        "humanml3d_npy/012314.npy", "", "m", "y", None, "head", "@_wrist", "@_ankle", ("left", "right"),
    ),
    "isaac gym": (
        "amp_npy/amp_humanoid_walk.npy", "", "m", "z", 90, "head", "@_hand", "@_foot", ("left", "right"),
    ),
    "kinect": (
        "msr_action3d_txt/a01_s01_e01_skeleton3D.txt", "", "m", "y", None, "Head", "Wrist@", "Ankle@", ("Left", "Right"),
    ),
    "quaternius": (
        "cc0_glb/cyberpunk_pack_Character.glb", "CharacterArmature|Walk", "m", "y", 0, "Head", "Hand.@", "Foot.@",
        ("L", "R"),
    ),
    "quaternius without hands": (
        "cc0_glb/ultimate_space_pack_Astronaut_BarbaraTheBee-transformed.glb", "Walk", "m", "y", 0, "Head", "Middle1.@",
        "Foot.@", ("L", "R"),
    ),
    "quaternius animal": (
        "cc0_glb/animals_pack_Deer.glb", "AnimalArmature|Walk", "m", "y", 0, "Head", "IKFrontLeg.@", "IKBackLeg.@",
        ("L", "R"),
    ),
    "mesh2motion": (
        "cc0_creatures/horse-animations.glb", "Walk", "m", "y", 0, "head", "front_leg_ankle_@", "back_leg_ankle_@",
        ("l", "r"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_real_file_of_the_family(shared_data: Path, family: str) -> None:
    file, name, unit, up, facing, head, hand, foot, sides = FAMILIES[family]
    path = shared_data / "original" / file
    if path.suffix == ".fbx":
        pytest.importorskip("ufbx")
    clips = sk.read_clips(path)
    (clip,) = [clip for clip in clips if clip.name == name] if name else clips
    found = describe(clip, [one.name for one in clips])
    assert (found["unit"]["value"], found["up_axis"]["value"]) == (unit, up)
    parts = found["persons"][0]["parts"]
    expected = [head, *(one.replace("@", side) for one in (hand, foot) for side in sides)]
    assert [parts.get(part) for part in PARTS] == expected
    if facing is not None:
        assert found["facing"]["value"] == pytest.approx(facing, abs=20)
