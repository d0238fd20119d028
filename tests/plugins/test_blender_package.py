"""The Blender add-on as a package: what is in it, and that Blender's own tool takes it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import skeletonllm_core as sk
from skeletonllm_blender.package import ADDON, package_bytes
from skeletonllm_core.cli import cli
from skeletonllm_core.motion.skeleton import Skeleton
from skeletonllm_core.remote.motion_json import clip_from_json
from skeletonllm_core.remote.wire import question_to_json
from tests.blender_addon import BLENDER, needs_blender
from tests.clips import bvh, walk

FROM_BLENDER = {"bpy", "mathutils"}


def test_the_command_writes_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        done = CliRunner().invoke(cli, ["blender", "package", "-o", str(tmp_path / name)])
        assert done.exit_code == 0 and done.output == f"{tmp_path / name}\n"
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes() == package_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = [name.removeprefix("skeletonllm/") for name in archive.namelist()]
        assert not set(names) & set(archive.namelist())
        assert archive.testzip() is None
    assert {"__init__.py", "blender_manifest.toml", "LICENSE"} < set(names) and names == sorted(names)
    assert set(names) - {"blender_manifest.toml", "LICENSE"} == {path.name for path in ADDON.glob("*.py")}


def refusal(output: Path) -> str:
    """What the command says of a file that it cannot write."""
    program = [sys.executable, "-m", "skeletonllm_core", "blender", "package", "-o", output]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    return done.stderr


def test_a_bad_name_or_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    assert "name it like skeletonllm.zip" in refusal(tmp_path / "addon.tar")
    assert "cannot be written: no such file or directory" in refusal(tmp_path / "none" / "addon.zip")
    (tmp_path / "folder.zip").mkdir()
    assert "folder.zip: cannot be written" in refusal(tmp_path / "folder.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.zip"]


def test_versions_and_licence_are_the_same_everywhere() -> None:
    manifest = tomllib.loads((ADDON / "blender_manifest.toml").read_text())
    assert manifest["schema_version"] == "1.0.0" and manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert manifest["version"] == sk.__version__
    (info,) = (
        ast.literal_eval(node.value)
        for node in ast.parse((ADDON / "__init__.py").read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "bl_info"
    )
    assert ".".join(map(str, info["version"])) == manifest["version"]
    assert info["blender"] == (3, 4, 0) and manifest["blender_version_min"] == "4.2.0"  # extensions exist since 4.2
    for path in ADDON.glob("*.py"):
        assert path.read_text().startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n"), path.name


@pytest.mark.parametrize("path", sorted(ADDON.glob("*.py")), ids=lambda path: path.name)
def test_only_blender_and_the_standard_library_are_imported(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names = {node.module.partition(".")[0]}
        else:
            continue
        assert names <= FROM_BLENDER | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", sorted(ADDON.glob("*.py")), ids=lambda path: path.name)
def test_what_is_shown_can_be_translated(path: Path) -> None:
    """Blender translates a plain string by itself; a sentence with values in it goes through a template."""

    def is_translated(node: ast.expr) -> bool:
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            node = node.func.value
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("iface_", "sentence")

    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {one.arg: one.value for one in node.keywords}
            if node.func.attr in ("label", "operator", "prop") and "text" in given and "translate" not in given:
                assert isinstance(given["text"], ast.Constant), ast.unparse(node)
            if node.func.attr == "poll_message_set":
                assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = ast.unparse(node.exc.func)
            if name.split(".")[-1] in ("Problem", "WorkerProblem", "Refused", "CannotSample"):
                assert not isinstance(node.exc.args[0], ast.JoinedStr), ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "jobs.cancel":
            assert is_translated(node.args[0]), ast.unparse(node)


@pytest.mark.parametrize("path", sorted(ADDON.glob("*.py")), ids=lambda path: path.name)
def test_everything_that_can_be_pointed_at_has_a_tooltip(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and "_OT_" in node.name:
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("bpy.props."):
            given = {one.arg: one.value for one in node.keywords}
            if "name" in given:
                told = given.get("description")
                assert isinstance(told, ast.Constant) and told.value and not told.value.endswith("."), ast.unparse(node)


@needs_blender
def test_blenders_own_tool_takes_it(tmp_path: Path) -> None:
    find = "import bpy, os; print(os.path.join(bpy.utils.system_resource('SCRIPTS'), 'addons_core/bl_pkg/cli'))"
    found = subprocess.run([BLENDER, "-I", "-c", find], capture_output=True, text=True, check=True)
    tool = Path(found.stdout.splitlines()[-1]) / "blender_ext.py"
    assert tool.is_file()

    def validate(data: bytes) -> int:
        (tmp_path / "addon.zip").write_bytes(data)
        return subprocess.run([BLENDER, tool, "validate", tmp_path / "addon.zip"], capture_output=True).returncode

    good = package_bytes()
    assert validate(good) == 0
    # The tool can say no: another manifest of the same length, in a whole archive.
    with zipfile.ZipFile(tmp_path / "addon.zip") as archive, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for name in archive.namelist():
            bad.writestr(name, archive.read(name).replace(b'id = "skeletonllm"', b'id = "skeleton-llm"'))
    assert validate((tmp_path / "bad.zip").read_bytes()) == 1


def test_motions_come_as_messages_of_a_few_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the add-on imports; the part in Blender is in test_blender_motion."""
    path = tmp_path / "walk.bvh"
    path.write_text(bvh(walk, 1.0))
    (walking,) = sk.read(path)
    assert isinstance(walking, sk.Motion)
    monkeypatch.setattr("skeletonllm_blender.motion_lines.PLACES", 10 * len(walking.topology))
    done = CliRunner().invoke(cli, ["blender", "motion", str(path)])
    assert done.exit_code == 0, done.output
    parts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [part["clip"] for part in parts] == [0, 0, 0] and {part["name"] for part in parts} == {"walk"}
    motions = [clip_from_json(part["name"], part["persons"]).persons[0] for part in parts]
    assert [len(motion) for motion in motions] == [10, 10, 10]
    np.testing.assert_allclose(
        np.concatenate([motion.joint_positions() for motion in motions]), walking.joint_positions(), atol=1e-5
    )
    # Onto a rig that the message on the standard input describes: its own skeleton, twice as large.
    rig = question_to_json(
        sk.Motion(
            Skeleton(walking.topology, 2 * walking.skeleton.rest_offsets), walking.rotations[:1], [[0, 1.8, 0]], 30.0
        )
    )
    done = CliRunner().invoke(cli, ["blender", "motion", "--onto", "-", "--", str(path)], input=json.dumps(rig))
    assert done.exit_code == 0, done.output
    (onto,) = clip_from_json("", json.loads(done.stdout.splitlines()[0])["persons"]).persons
    arm = onto.topology.names.index("LeftForeArm")
    bone = onto.joint_positions()[:, arm] - onto.joint_positions()[:, onto.topology.parents[arm]]
    np.testing.assert_allclose(np.linalg.norm(bone, axis=-1), 0.56, atol=1e-4)
    done = CliRunner().invoke(cli, ["blender", "motion", "--onto", "-", "--", str(path)], input="{}")
    assert isinstance(done.exception, sk.SkeletonLLMError) and '"version"' in str(done.exception) and done.stdout == ""
