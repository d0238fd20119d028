"""The example of a third-party plugin, installed into an environment of its own and used there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from tests.clips import bvh, walk


@pytest.fixture(scope="module")
def python(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment that has the packages of the running one, and the plugin from its own wheel."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    site = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    # addsitedir also follows the .pth files there: that of an editable install of SkeletonLLM.
    (site / "packages_of_the_tests.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    )
    shutil.copytree(root / "examples" / "plugin", folder / "plugin")
    command = [python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, folder / "plugin"], check=True, capture_output=True, text=True)
    return python


def run(python: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "skeletonllm_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_example_plugin_is_found_and_used(python: Path, tmp_path: Path) -> None:
    listed = json.loads(run(python, "plugins", "--json").stdout)
    (row,) = [row for row in listed["plugins"] if row["name"] == "jsonl"]
    assert row == {"name": "jsonl", "version": "0.1.0", "error": None}
    (tmp_path / "walk.bvh").write_text(bvh(walk, 1.0))
    for source, target in (("walk.bvh", "walk.jsonl"), ("walk.jsonl", "back.npz")):
        done = run(python, "convert", tmp_path / source, tmp_path / target)
        assert done.returncode == 0, done.stderr
    found = json.loads(run(python, "info", tmp_path / "walk.jsonl", "--json").stdout)
    assert (found["format"], found["frames"], found["fps"]) == ("jsonl", 30, 30.0)
    assert found["persons"][0]["parts"]["left_hand"] == "LeftHand"
    import skeletonllm_core as sk

    (first,), (back,) = sk.read(tmp_path / "walk.bvh"), sk.read(tmp_path / "back.npz")
    np.testing.assert_allclose(back.joint_positions(), first.joint_positions(), atol=1e-9)
    (tmp_path / "walk.jsonl").write_text('{"t": 0, "joints": {}}\n{"t": 1}\n')
    answer = run(python, "info", tmp_path / "walk.jsonl")
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"{tmp_path / 'walk.jsonl'}:2: is no frame: ")
