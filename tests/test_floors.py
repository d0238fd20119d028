"""What must stay light: importing the package, `--help`, and what is installed without torch."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.clips import bvh

HEAVY = ("torch", "warp", "transformers", "peft", "accelerate", "sklearn", "scipy", "PIL", "trimesh")
LIGHT_MODULES = (
    "skeletonllm_core",
    "skeletonllm_core.errors",
    "skeletonllm_core.hooks",
    "skeletonllm_core.plugins",
    "skeletonllm_core.remote.client",
    "skeletonllm_core.motion.canonical",
    "skeletonllm_core.motion.facts",
    "skeletonllm_core.motion.retarget",
    "skeletonllm_core.motion.topologies",
    "skeletonllm_core.cli",
    "skeletonllm_mocap_io.plugin",
    "skeletonllm_blender.plugin",
    "skeletonllm_ros2.plugin",
)
VERBS = (
    "info",
    "convert",
    "fit",
    "render",
    "label",
    "caption",
    "ask",
    "segment",
    "annotate",
    "serve",
    "ros2",
    "models",
    "plugins",
)


def loaded_after(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after running the code."""
    told = f"import sys\n{code}\nprint('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    assert loaded_after(f"import {module}") == set()


def test_the_public_names_of_the_light_floors_load_nothing_heavy() -> None:
    names = "BodyPart Skeleton Topology Clip Keypoints Motion MotionReader read read_clips write SkeletonLLMError"
    code = "import skeletonllm_core as sk\n" + "\n".join(f"sk.{name}" for name in names.split())
    assert loaded_after(code) == set()


def test_every_public_name_exists() -> None:
    import skeletonllm_core

    missing = [name for name in skeletonllm_core.__all__ if not hasattr(skeletonllm_core, name)]
    assert missing == []


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS)], ids=lambda verb: " ".join(verb) or "skeletonllm")
def test_help_answers_within_a_second(verb: tuple[str, ...]) -> None:
    program = Path(sys.executable).with_name("skeletonllm")
    took = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run([program, *verb, "--help"], capture_output=True, text=True, check=True)
        took.append(time.monotonic() - began)
        if took[-1] < 1:
            break
    assert "Usage: skeletonllm" in done.stdout
    assert min(took) < 1, f"--help took {min(took):.2f} s"


def test_help_loads_nothing_heavy() -> None:
    for verb in [(), *((verb,) for verb in VERBS)]:
        code = (
            "import contextlib, io, sys\nfrom skeletonllm_core.cli import main\n"
            "with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):\n"
            f"    try: main({[*verb, '--help']!r})\n    except SystemExit as end: assert end.code == 0, end.code"
        )
        assert loaded_after(code) == set(), verb


def test_info_and_convert_run_without_torch(tmp_path: Path) -> None:
    clip = tmp_path / "wave.bvh"
    clip.write_text(bvh())
    for arguments in (["info", str(clip), "--json"], ["convert", str(clip), str(tmp_path / "clip.npz")], ["plugins"]):
        code = (
            "import sys\nfrom skeletonllm_core.cli import main\n"
            f"try: main({arguments!r})\nexcept SystemExit as end: assert end.code == 0, end.code"
        )
        assert loaded_after(code) == set(), arguments


def test_the_base_install_asks_for_nothing_heavy(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    needed = {line.partition(">")[0].partition("=")[0] for line in project["dependencies"]}
    assert needed == {"click", "numpy", "pluggy", "rich"}
    assert not any("smplx" in line for line in project["optional-dependencies"]["all"])


def test_a_missing_extra_is_one_sentence(tmp_path: Path) -> None:
    # An interpreter that cannot find torch stands for the base install.
    clip = tmp_path / "wave.bvh"
    clip.write_text(bvh())
    for arguments in (["label", str(clip)], ["annotate", str(clip), "-o", str(tmp_path)], ["models"]):
        code = f"import sys\nsys.modules['torch'] = None\nfrom skeletonllm_core.cli import main\nmain({arguments!r})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert 'pip install "skeletonllm[model]"' in done.stderr
        assert "Traceback" not in done.stderr


def test_import_floors_hold(root: Path) -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed (extra dev)")
    done = subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
