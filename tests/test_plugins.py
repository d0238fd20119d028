"""Plugins: what is found, what is broken, and which reader gets which file."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core import plugins as installed_plugins
from skeletonllm_core.hooks import MotionReader, MotionWriter, hookimpl
from skeletonllm_core.plugins import Plugins

POINT = sk.Topology("point", ("a", "b"), np.array([-1, 0]))


def person(frames: int = 3) -> sk.Keypoints:
    return sk.Keypoints(POINT, np.ones((frames, 2, 3)), 30.0)


class TextFormat:
    """A third-party plugin: one file format, one topology, one command."""

    name = "text"
    suffix = ".txt"
    sniffs: str | None = None

    def read(self, path: Path) -> list[sk.Clip]:
        if path.read_text() == "unreadable":
            raise PermissionError(13, "Permission denied")
        if path.read_text() == "empty":
            return []
        return [sk.Clip(name, [person()]) for name in path.read_text().split()]

    def write(self, clip: sk.Clip, path: Path) -> None:
        path.write_text("half")
        if clip.name == "broken":
            raise sk.MotionFormatError(path, "cannot hold this", format=self.name)
        if clip.name == "full":
            raise OSError(28, "No space left on device")
        path.write_text(f"{len(clip.persons)} persons of {clip.name!r}")

    def sniff(self, path: Path) -> bool:
        return path.read_text().startswith(self.sniffs or "")

    @hookimpl
    def skeletonllm_motion_readers(self) -> Iterable[MotionReader]:
        yield MotionReader(self.name, (self.suffix,), self.read, self.sniff if self.sniffs is not None else None)

    @hookimpl
    def skeletonllm_motion_writers(self) -> Iterable[MotionWriter]:
        yield MotionWriter(self.name, (self.suffix,), self.write)

    @hookimpl
    def skeletonllm_topologies(self) -> Iterable[sk.Topology]:
        return [POINT]

    @hookimpl
    def skeletonllm_commands(self, cli: click.Group) -> None:
        cli.add_command(click.Command(f"{self.name}-command"))


class OtherFormat(TextFormat):
    name = "other"


@pytest.fixture
def plugins() -> Plugins:
    """A manager that discovers nothing."""
    return Plugins()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "clip.txt").write_text("Walk")
    return tmp_path / "clip.txt"


def test_register_use_unregister(plugins: Plugins, file: Path) -> None:
    assert (plugins.readers(), plugins.writers(), plugins.installed()) == ([], [], [])
    plugins.register(TextFormat(), "third", "1.2")
    assert plugins.installed() == [("third", "1.2", None)]
    assert [one.name for one in plugins.readers()] == [one.name for one in plugins.writers()] == ["text"]
    assert plugins.topology("point") is POINT
    assert [len(one) for one in plugins.read(file)] == [3]
    group = click.Group()
    plugins.add_commands(group)
    assert list(group.commands) == ["text-command"]
    plugins.unregister("third")
    assert (plugins.readers(), plugins.writers(), plugins.topologies(), plugins.installed()) == ([], [], [], [])
    with pytest.raises(sk.MotionFormatError, match=r"the suffix '.txt' is not known"):
        plugins.read(file)


def broken_plugins() -> dict[str, tuple[object, str]]:
    @hookimpl
    def misspelt() -> list[MotionReader]:
        return []

    @hookimpl
    def failing() -> list[MotionReader]:
        raise RuntimeError("no licence found")

    @hookimpl
    def unknown_argument(frames: int) -> list[MotionReader]:
        return []

    return {
        "misspelt": (SimpleNamespace(skeletonllm_motion_reader=misspelt), "unknown hook 'skeletonllm_motion_reader'"),
        "failing": (SimpleNamespace(skeletonllm_motion_readers=failing), "RuntimeError: no licence found"),
        "argument": (SimpleNamespace(skeletonllm_motion_readers=unknown_argument), "'frames'"),
    }


@pytest.mark.parametrize("kind", ["misspelt", "failing", "argument"])
def test_a_broken_plugin_is_listed_and_stops_nobody(plugins: Plugins, kind: str, file: Path) -> None:
    plugin, expected = broken_plugins()[kind]
    plugins.register(plugin, "bad", "0.1")
    plugins.register(TextFormat(), "good")
    bad, good = plugins.installed()
    assert bad[:2] == ("bad", "0.1") and bad[2] is not None and expected in bad[2]
    assert good == ("good", "", None)
    assert len(plugins.read(file)) == 1


@pytest.mark.parametrize("kind", ["misspelt", "failing", "argument"])
def test_a_broken_plugin_is_an_error_where_asked_for(kind: str) -> None:
    plugin, expected = broken_plugins()[kind]
    with pytest.raises(sk.PluginError, match="plugin 'bad' is broken") as caught:
        Plugins(strict=True).register(plugin, "bad")
    assert expected in str(caught.value)


def test_a_plugin_whose_command_fails_is_listed(plugins: Plugins) -> None:
    @hookimpl
    def skeletonllm_commands(cli: click.Group) -> None:
        cli.add_command(click.Command("half"))
        raise RuntimeError("no display")

    plugins.register(SimpleNamespace(skeletonllm_commands=skeletonllm_commands), "bad")
    plugins.register(TextFormat(), "good")
    group = click.Group()
    plugins.add_commands(group)
    assert list(group.commands) == ["text-command"]
    assert plugins.installed()[0] == ("bad", "", "RuntimeError: no display")


def test_two_plugins_of_one_name(plugins: Plugins) -> None:
    plugins.register(TextFormat(), "twin")
    plugins.register(OtherFormat(), "twin")
    assert [(name, error is None) for name, _, error in plugins.installed()] == [
        ("twin", True),
        ("twin (again)", False),
    ]


def entry_point(folder: Path, module: str, source: str) -> None:
    """A distribution with one plugin, as pip would install it."""
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[skeletonllm]\n{module} = {module}\n")
    (folder / f"{module}.py").write_text(source)


@pytest.mark.parametrize("strict", [False, True])
def test_a_plugin_that_cannot_be_imported(strict: bool, tmp_path: Path) -> None:
    entry_point(tmp_path, "hopeless", "import a_package_that_is_not_there")
    code = "from skeletonllm_core import plugins\nfor row in plugins.installed(): print(*row, sep='|')"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SKELETONLLM_STRICT_PLUGINS": "1" if strict else "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    if strict:
        assert done.returncode == 1
        assert "plugin 'hopeless' is broken: ModuleNotFoundError: No module named 'a_package" in done.stderr
    else:
        rows = done.stdout.splitlines()
        assert "hopeless|1.0|ModuleNotFoundError: No module named 'a_package_that_is_not_there'" in rows
        assert any(row.startswith("mocap_io|") and row.endswith("|None") for row in rows)


def test_the_plugins_of_this_distribution_work() -> None:
    rows = {name: error for name, _, error in installed_plugins.installed()}
    assert {name: rows[name] for name in ("blender", "mocap_io", "ros2")} == dict.fromkeys(
        ("blender", "mocap_io", "ros2")
    )


# --- which reader gets which file


def test_two_readers_that_claim_one_file(plugins: Plugins, file: Path) -> None:
    plugins.register(TextFormat(), "one")
    plugins.register(OtherFormat(), "two")
    with pytest.raises(
        sk.PluginError, match=r"clip.txt: several formats claim this file: 'other' .* and 'text' .*--format"
    ):
        plugins.read(file)
    assert len(plugins.read(file, format="other")) == 1
    with pytest.raises(sk.PluginError, match="--format"):
        plugins.write(person(), file)


def test_two_plugins_that_offer_one_format(plugins: Plugins, file: Path) -> None:
    """No --format can tell them apart, so one has to go."""
    plugins.register(TextFormat(), "one")
    plugins.register(TextFormat(), "two")
    for format in (None, "text"):
        with pytest.raises(sk.PluginError, match=r"two plugins offer one format: 'text' .* remove one of them"):
            plugins.read(file, format=format)


def test_sniffing_decides_between_readers(plugins: Plugins, file: Path) -> None:
    one, two = TextFormat(), OtherFormat()
    one.sniffs, two.sniffs = "Walk", "Run"
    plugins.register(one, "one")
    plugins.register(two, "two")
    assert plugins.reader_of(file).name == "text"
    file.write_text("Run")
    assert plugins.reader_of(file).name == "other"
    file.write_text("Jump")
    with pytest.raises(sk.MotionFormatError, match="none of the formats with this suffix fits the file: other, text"):
        plugins.read(file)


def test_a_reader_that_does_not_sniff_claims_its_suffix(plugins: Plugins, file: Path) -> None:
    one, two = TextFormat(), OtherFormat()
    one.sniffs = "Run"
    plugins.register(one, "one")
    plugins.register(two, "two")
    assert plugins.reader_of(file).name == "other"


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Harmful:
        def __reduce__(self):
            return (ran.write_text, ("code ran",))

    path = tmp_path / "clip.pkl"
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(sk.MotionFormatError, match=r"is a pickle, which may run any code .* save its arrays as \.npz"):
        sk.read(path)
    assert not ran.exists()


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    for name in ("clip.xyz", "clip"):
        (tmp_path / name).write_text("x")
        with pytest.raises(
            sk.MotionFormatError, match=r"(suffix '.xyz' is not known|no suffix); .* read: .*\.bvh .*\.skeleton"
        ):
            sk.read(tmp_path / name)
        with pytest.raises(sk.MotionFormatError, match=r"(suffix '.xyz' is not known|no suffix); .* written: \.bvh "):
            sk.write(person(), tmp_path / name)
    with pytest.raises(
        sk.MotionFormatError, match=r"no plugin can read this format; known: .*bvh, .* \(format 'fbx9'\)"
    ):
        sk.read(tmp_path / "clip.xyz", format="fbx9")


@contextmanager
def without_root() -> Iterator[None]:
    """root may read every file, so for a moment we are nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_missing_empty_and_unreadable_files_and_folders(plugins: Plugins, file: Path) -> None:
    plugins.register(TextFormat(), "one")
    with pytest.raises(sk.MotionFormatError, match=r"gone\.txt: there is no such file \(format 'txt'\)"):
        plugins.read(file.with_name("gone.txt"))
    file.chmod(0)
    with without_root(), pytest.raises(sk.MotionFormatError, match=r"clip\.txt: may not be read: permission denied"):
        plugins.read(file)
    file.chmod(0o600)
    file.write_bytes(b"")
    with pytest.raises(sk.MotionFormatError, match=r"clip\.txt: the file is empty"):
        plugins.read(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(sk.MotionFormatError, match=r"clip\.txt: is a folder, not a motion file"):
        plugins.read(file)


class Odd(TextFormat):
    """Hands out what no reader should."""

    person: sk.Motion | sk.Keypoints

    def read(self, path: Path) -> list[sk.Clip]:
        return [sk.Clip("", [self.person])]


def chain(joints: int, value: float = 0.0) -> sk.Motion:
    topology = sk.Topology("chain", tuple(f"j{index}" for index in range(joints)), np.arange(-1, joints - 1))
    rest = np.full((joints, 3), 0.1)
    rotations = np.zeros((1, joints, 4))
    rotations[..., 0] = 1
    return sk.Motion(sk.Skeleton(topology, rest), rotations, np.full((1, 3), value), 30.0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (chain(2001), "the skeleton has 2001 joints; more than 2000 are refused"),
        (chain(10_000).keypoints(), "the skeleton has 10000 joints"),
        (chain(3, np.nan), "a rotation or a place is no number"),
        (chain(3, 1e30), "no plausible one"),
        (sk.Keypoints(POINT, np.full((2, 2, 3), np.nan), 30.0), "no joint is known in any frame"),
        (sk.Keypoints(POINT, np.full((2, 2, 3), -np.inf), 30.0), "no joint is known in any frame"),
        (
            sk.Keypoints(POINT, np.array([[[0, 0, 0], [0, 1e9, 0]]]), 30.0),
            "joint 'b' is at no plausible place in frame 0",
        ),
        (sk.Keypoints(POINT, np.zeros((1, 2, 3)), 1e300), r"1e\+300 frames a second is no plausible frame rate"),
        (sk.Keypoints(POINT, np.zeros((0, 2, 3)), 30.0), "the clip has 0 frames"),
    ],
)
def test_what_no_format_may_hold(plugins: Plugins, file: Path, given: sk.Motion | sk.Keypoints, expected: str) -> None:
    odd = Odd()
    odd.person = given
    plugins.register(odd, "one")
    with pytest.raises(sk.MotionFormatError, match=expected):
        plugins.read(file)


def test_two_thousand_joints_and_one_frame_are_fine(plugins: Plugins, file: Path) -> None:
    odd = Odd()
    odd.person = chain(2000)
    plugins.register(odd, "one")
    assert len(plugins.read(file)[0].topology) == 2000


def test_what_is_no_file(plugins: Plugins, tmp_path: Path) -> None:
    plugins.register(TextFormat(), "one")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(sk.MotionFormatError, match="is no regular file"):
        plugins.read(tmp_path / "pipe.txt")
    with pytest.raises(sk.MotionFormatError, match="is no file name"):
        plugins.read("a\0b.txt")
    with pytest.raises(sk.MotionFormatError, match="file name too long"):
        plugins.read(tmp_path / ("x" * 300 + ".txt"))


def test_what_the_system_says_while_reading_becomes_a_sentence(plugins: Plugins, file: Path) -> None:
    plugins.register(TextFormat(), "one")
    file.write_text("unreadable")
    with pytest.raises(sk.MotionFormatError, match=r"clip.txt: cannot be read: permission denied \(format 'text'\)"):
        plugins.read(file)
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(sk.MotionFormatError, match="is no utf-8 text"):
        plugins.read(file)


def test_several_clips(plugins: Plugins, file: Path) -> None:
    plugins.register(TextFormat(), "one")
    file.write_text("Walk Run")
    assert [clip.name for clip in plugins.read_clips(file)] == ["Walk", "Run"]
    assert len(plugins.read(file, clip="Run")) == 1
    with pytest.raises(sk.MotionFormatError, match="holds 2 clips, name one of them: 'Walk', 'Run'"):
        plugins.read(file)
    with pytest.raises(sk.MotionFormatError, match="there is no clip 'Swim'; it holds: 'Walk', 'Run'"):
        plugins.read(file, clip="Swim")
    file.write_text("empty")
    with pytest.raises(sk.MotionFormatError, match="there is no motion in it"):
        plugins.read(file)


def test_an_unknown_topology_lists_the_known_ones() -> None:
    assert len(installed_plugins.topology("ntu25")) == 25
    with pytest.raises(sk.TopologyError, match=r"'ntu26' is neither a file nor a named topology; known: .*ntu25"):
        installed_plugins.topology("ntu26")


# --- writing


def test_what_can_be_written(plugins: Plugins, tmp_path: Path) -> None:
    plugins.register(TextFormat(), "one")
    for given, expected in (
        (person(), "1 persons of ''"),
        ([person(), person()], "2 persons of ''"),
        (sk.Clip("Walk", [person()]), "1 persons of 'Walk'"),
    ):
        plugins.write(given, tmp_path / "out.txt")
        assert (tmp_path / "out.txt").read_text() == expected
    plugins.write(person(), tmp_path / "out.dat", format="text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.dat", "out.txt"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("broken", "out.txt: cannot hold this"), ("full", "out.txt: cannot be written: no space left on device")],
)
def test_a_failed_write_leaves_the_old_file(plugins: Plugins, tmp_path: Path, name: str, expected: str) -> None:
    plugins.register(TextFormat(), "one")
    (tmp_path / "out.txt").write_text("old")
    with pytest.raises(sk.MotionFormatError, match=expected):
        plugins.write(sk.Clip(name, [person()]), tmp_path / "out.txt")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.txt", "old")]


def test_nothing_to_write_and_nowhere_to_write(plugins: Plugins, tmp_path: Path) -> None:
    plugins.register(TextFormat(), "one")
    with pytest.raises(sk.MotionFormatError, match="nobody is in it"):
        plugins.write([], tmp_path / "out.txt")
    with pytest.raises(sk.MotionFormatError, match="the clip has 0 frames"):
        plugins.write(person(0), tmp_path / "out.txt")
    with pytest.raises(sk.MotionFormatError, match=r"nowhere/out.txt: cannot be written: no such file or directory"):
        plugins.write(person(), tmp_path / "nowhere" / "out.txt")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(sk.MotionFormatError, match="cannot be written: is a directory"):
        plugins.write(person(), tmp_path / "folder.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.txt"]
