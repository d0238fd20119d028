"""Units that files name: believed for dolls, giants and creatures, not for people as tall as houses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.motion.orientation import reoriented
from skeletonllm_mocap_io.declared import placed_together
from tests import clips


@pytest.fixture
def walk(tmp_path: Path) -> sk.Motion:
    (tmp_path / "walk.bvh").write_text(clips.bvh(clips.walk, 0.4))
    (person,) = sk.read(tmp_path / "walk.bvh")
    assert isinstance(person, sk.Motion)
    return person


def numbers(motion: sk.Motion, per_metre: float) -> sk.Motion:
    found = reoriented(motion, np.array([1.0, 0, 0, 0]), per_metre)
    assert isinstance(found, sk.Motion)
    return found


@pytest.mark.parametrize("height", [0.2, 1.0, 10.0])
def test_what_the_file_says_is_believed(height: float, walk: sk.Motion) -> None:
    (clip,) = placed_together([("a", [numbers(walk, 100 * height)])], format="f", metres=0.01, up_axis="y")
    assert clip.origin is not None and not clip.origin.unit_inferred and clip.origin.warnings == ()
    np.testing.assert_allclose(clip.persons[0].joint_positions(), walk.joint_positions() * height, atol=1e-9)


@pytest.mark.parametrize(
    ("per_metre", "unit"), [(100.0, "cm"), (100 * 100.0, "cm"), (1000.0, "mm"), (100 * 0.45 / 0.0254, "cmu")]
)
def test_a_person_as_tall_as_a_house_is_measured_anew(per_metre: float, unit: str, walk: sk.Motion) -> None:
    (clip,) = placed_together([("a", [numbers(walk, per_metre)])], format="f", metres=1.0, up_axis="y")
    assert clip.origin is not None and clip.origin.unit_inferred and clip.origin.unit == unit
    assert "the body would be" in clip.origin.warnings[0] and f"as numbers in {unit}." in clip.origin.warnings[0]
    np.testing.assert_allclose(clip.persons[0].joint_positions(), walk.joint_positions(), atol=1e-9)


def test_no_usual_unit_makes_a_person_of_the_usual_height(walk: sk.Motion) -> None:
    (clip,) = placed_together([("a", [numbers(walk, 160.0)])], format="f", metres=1.0, up_axis="y")
    assert clip.origin is not None and clip.origin.unit == "unknown"
    assert clip.origin.warnings[0].endswith("it was scaled to 1.7 m.")


def test_a_creature_may_have_any_size(walk: sk.Motion) -> None:
    names = tuple(f"j{joint}" for joint in range(5))
    chain = sk.Skeleton(sk.Topology("snake", names, np.arange(-1, 4)), np.full((5, 3), 30.0))
    snake = sk.Motion(chain, np.tile([1.0, 0, 0, 0], (3, 5, 1)), np.zeros((3, 3)), 30.0)
    (clip,) = placed_together([("a", [snake])], format="f", metres=1.0, up_axis="y")
    assert clip.origin is not None and not clip.origin.unit_inferred


def test_all_clips_of_a_file_get_the_same_unit_and_the_up_axis_is_turned(walk: sk.Motion) -> None:
    takes = [("a", [numbers(walk, 100.0)]), ("b", [numbers(walk, 1.0)])]
    one, two = placed_together(takes, format="f", metres=1.0, up_axis="z", warnings=["Noted."])
    assert one.origin is not None and two.origin is not None
    assert one.origin.unit == two.origin.unit == "cm" and one.origin.warnings[0] == "Noted."
    x, y, z = np.moveaxis(walk.joint_positions(), -1, 0)
    np.testing.assert_allclose(two.persons[0].joint_positions(), np.stack([x, z, -y], -1) / 100, atol=1e-9)


def test_clips_of_one_name_or_none_can_be_told_apart(walk: sk.Motion) -> None:
    def names(*given: str) -> list[str]:
        takes = [(name, [walk]) for name in given]
        return [clip.name for clip in placed_together(takes, format="f", metres=1.0, up_axis="y")]

    assert names("") == [""] and names("a", "", "a", "a") == ["a", "clip 2", "a (2)", "a (3)"]
