"""The documents say what is so: commands and options exist, hooks are described, links lead somewhere."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from skeletonllm_core import hooks
from skeletonllm_core.cli import cli

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/serve.md", "docs/blender.md", "docs/ros2.md")


def fenced(text: str, language: str) -> list[str]:
    """The content of every fenced block of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(root: Path) -> list[tuple[str, list[str]]]:
    """(document, words) of every command line in a shell block."""
    found = []
    for name in DOCUMENTS:
        for block in fenced((root / name).read_text(encoding="utf-8"), "bash"):
            found += [(name, words) for line in block.splitlines() if (words := shlex.split(line, comments=True))]
    return found


def test_the_first_screen_is_two_commands_and_a_picture(root: Path) -> None:
    first = (root / "README.md").read_text(encoding="utf-8").splitlines()[:25]
    assert "make demo" in "\n".join(first)
    assert "make test" in "\n".join(first)
    assert any(line.startswith("![") for line in first)


def test_every_command_and_option_in_the_documents_exists(root: Path) -> None:
    context = click.Context(cli)
    seen = set()
    for name, words in commands(root):
        if words[0] != "skeletonllm":
            continue
        verb = cli.get_command(context, words[1])
        assert verb is not None, f"{name}: there is no command {words[1]!r}"
        if isinstance(verb, click.Group) and len(words) > 2:
            verb = verb.get_command(context, words[2])
            assert verb is not None, f"{name}: there is no command {words[1]} {words[2]}"
            words = words[1:]
        known = {option for parameter in verb.params for option in parameter.opts}
        unknown = [word for word in words[2:] if word.startswith("-") and word.partition("=")[0] not in known]
        assert not unknown, f"{name}: {words[1]} has no option {unknown}"
        # The words must also parse; nothing is run and no file is needed.
        with verb.make_context(words[1], words[2:], resilient_parsing=False):
            seen.add(words[1])
    assert seen >= {"info", "label", "caption", "ask", "segment", "render", "convert", "annotate"}


def test_every_make_target_in_the_documents_exists(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()) - {"FORCE"}
    assert (
        phony == targets == {"install", "demo", "test", "test-blender5", "check", "bench", "results", "fuzz", "clean"}
    )
    used = {
        word
        for _, words in commands(root)
        if words[0] == "make"
        for word in words[1:]
        if re.fullmatch("[a-z0-9-]+", word)
    }
    assert {"demo", "test"} <= used <= targets


def test_every_extra_in_the_documents_exists(root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name in DOCUMENTS:
        text = (root / name).read_text(encoding="utf-8")
        for listed in re.findall(r'pip install (?:-e )?"[.\w]*\[([\w,]+)\]"', text):
            # "c3d" stands for the extra of the format that a reader of CONTRIBUTING.md is about to add.
            assert set(listed.split(",")) <= {*extras, "c3d"}, name


def test_what_was_tested_lies_in_the_ranges(root: Path) -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    tested = {pin.name.lower().replace("_", "-"): str(pin.specifier).removeprefix("==") for pin in pins}
    for needed in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in map(Requirement, needed):
            if requirement.name == "skeletonllm":
                continue
            assert requirement.name.lower() in tested, f"{requirement.name} is not in constraints.txt"
            assert requirement.specifier.contains(tested[requirement.name.lower()]), requirement


@pytest.mark.parametrize("name", [name for name in vars(hooks) if name.startswith("skeletonllm_")])
def test_every_hook_is_described_with_its_signature(root: Path, name: str) -> None:
    hook = getattr(hooks, name)
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    signature = str(inspect.signature(hook)).replace("'", "")
    assert f"`{name}{signature}`" in text
    said = inspect.getdoc(hook)
    assert said is not None
    assert " ".join(said.rstrip(".").split()).lower() in " ".join(text.split()).lower()


def test_links_to_files_lead_somewhere(root: Path) -> None:
    for name in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", (root / name).read_text(encoding="utf-8")):
            assert ((root / name).parent / target).exists(), f"{name}: {target} is missing"


def test_the_licences_are_whole(root: Path) -> None:
    ours = (root / "LICENSE").read_text()
    theirs = (root / "plugins/blender/skeletonllm_blender/addon/LICENSE").read_text()
    assert "Apache License" in ours and "END OF TERMS AND CONDITIONS" in ours
    assert "GNU GENERAL PUBLIC LICENSE" in theirs and "END OF TERMS AND CONDITIONS" in theirs
