"""The folder plugins/ros2 as an ament_python package: what colcon looks at fits together."""

from __future__ import annotations

import os
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


@pytest.mark.slow
def test_colcon_builds_and_tests_the_package(root: Path, tmp_path: Path) -> None:
    colcon = Path(sys.executable).parent / "colcon"
    if not colcon.is_file():
        pytest.skip('colcon is not here: pip install "skeletonllm[test]"')
    # A workspace with the repository in it, as a user has it.
    place = tmp_path / "src" / "skeletonllm"
    place.mkdir(parents=True)
    shutil.copy(root / "pyproject.toml", place)
    caches = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    shutil.copytree(root / "plugins", place / "plugins", ignore=caches)
    environment = {**os.environ, "COLCON_HOME": str(tmp_path / "home"), "COLCON_LOG_PATH": str(tmp_path / "log")}

    def run(*words: str) -> str:
        told = subprocess.run([colcon, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout

    assert run("list").split() == ["skeletonllm_ros2", "src/skeletonllm/plugins/ros2", "(ros.ament_python)"]
    run("build", "--event-handlers", "console_direct-")
    assert (tmp_path / "install/skeletonllm_ros2/lib/skeletonllm_ros2/labeler").is_file()
    assert (tmp_path / "install/skeletonllm_ros2/share/skeletonllm_ros2/launch/labeler_launch.py").is_file()
    run("test", "--event-handlers", "console_direct-", "--return-code-on-test-failure")
    (report,) = tmp_path.glob("build/skeletonllm_ros2/pytest.xml")
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    # Without ROS the lifecycle node cannot be imported, and its test says so.
    skipped = [one.get("message") for one in suite.iter("skipped")]
    assert skipped in ([], ["rclpy comes with ROS 2 only"])
    assert int(suite.get("tests", "0")) == 3 and suite.get("failures") == suite.get("errors") == "0"
