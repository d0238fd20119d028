"""Every real file in its native format is read, or refused with the right sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core import plugins
from skeletonllm_core.errors import MotionFormatError
from tests.conftest import ROOT

FOLDER = ROOT.parent / "shared" / "data" / "original"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.name != "MANIFEST.tsv")

REFUSED = {
    ".pkl": "is a pickle, which may run any code",
    ".asf": "is a skeleton without motion",
    ".blend": "was saved by Blender 5",
    "humanoid3d.txt": "is a DeepMimic character, which holds no motion",
    "inverse_dyn.sto": "holds forces and moments",
    "inverse_kin.mot": "not the coordinates of gait2392 or Rajagopal's model",
    "markers.csv": "is a table of markers as Vicon Nexus writes it; export the trial as",
    "motionbuilder_thumbnail_7700_ascii.fbx": "there is no skeleton in it",
}
"""Name or suffix → what the refusal says. The .blend files want a newer Blender than the one that the tests install."""


def test_the_files_are_there(shared_data: Path) -> None:
    assert len(FILES) == len((shared_data / "original" / "MANIFEST.tsv").read_text().splitlines()) - 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_real_file(path: Path) -> None:
    expected = REFUSED.get(path.name) or REFUSED.get(path.suffix)
    try:
        clips = plugins.read_clips(path)
    except MotionFormatError as error:
        assert expected is not None and expected in str(error), error
        assert str(error).startswith(str(path)) and "\n" not in str(error)
        return
    assert expected is None or path.suffix == ".blend"
    for clip in clips:
        assert clip.origin is not None
        for person in clip.persons:
            positions = person.joint_positions()
            known = np.isfinite(positions).all(-1)
            assert len(person) and known.any(), f"nothing is known in {clip.name!r}"
            extent = np.ptp(positions[known].reshape(-1, 3), axis=0).max()
            assert 0.2 < extent < 60, f"{clip.name!r} is {extent:.3g} m large"
