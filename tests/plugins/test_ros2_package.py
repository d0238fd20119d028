"""The folder plugins/ros2 as an ament_python package: what colcon looks at fits together."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import skeletonllm_core


def test_name_and_version_are_the_same_everywhere(root: Path) -> None:
    folder = root / "plugins" / "ros2"
    package = ElementTree.parse(folder / "package.xml").getroot()
    assert package.findtext("name") == "skeletonllm_ros2"
    assert package.findtext("version") == skeletonllm_core.__version__
    assert package.findtext("export/build_type") == "ament_python"
    assert (folder / "resource" / "skeletonllm_ros2").is_file()
    assert (folder / "skeletonllm_ros2" / "__init__.py").is_file()
    # A setup.py at the root would make colcon take the whole repository for the package.
    assert not (root / "setup.py").exists()


def test_setup_installs_the_package_and_its_index_entry(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    folder = tmp_path / "ros2"
    shutil.copytree(root / "plugins" / "ros2", folder, ignore=shutil.ignore_patterns("__pycache__"))
    told = subprocess.run(
        [sys.executable, "setup.py", "--name", "--version", "--license"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split()[-3:] == ["skeletonllm_ros2", skeletonllm_core.__version__, "Apache-2.0"]
    target = tmp_path / "install"
    subprocess.run(
        [sys.executable, "setup.py", "-q", "install_data", "--install-dir", str(target)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    assert (target / "share/ament_index/resource_index/packages/skeletonllm_ros2").is_file()
    assert (target / "share/skeletonllm_ros2/package.xml").is_file()
    assert (target / "share/skeletonllm_ros2/launch/labeler_launch.py").is_file()
