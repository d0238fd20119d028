"""What Blender adds to SkeletonLLM: Rigify's human meta-rig as a named topology, the add-on as a file to install, and
the motions of files for it.

Runs without Blender.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from skeletonllm_core.hooks import hookimpl

if TYPE_CHECKING:
    import click

    from skeletonllm_core.motion.skeleton import Topology

# Bone, parent, body part ("-" where it is none); the limbs are written once and hold for both sides.
_TRUNK = """
spine        -          pelvis
spine.001    spine      spine
spine.002    spine.001  spine
spine.003    spine.002  chest
spine.004    spine.003  neck
spine.005    spine.004  neck
spine.006    spine.005  head
"""
_LIMBS = """
pelvis       spine      -
shoulder     spine.003  clavicle
upper_arm    shoulder   upper_arm
forearm      upper_arm  forearm
hand         forearm    hand
thigh        spine      thigh
shin         thigh      shin
foot         shin       foot
toe          foot       toes
"""


@hookimpl
def skeletonllm_topologies() -> Iterable[Topology]:
    """Rigify's basic human meta-rig."""
    from skeletonllm_core.motion.skeleton import BodyPart, Topology

    rows = [tuple(line.split()) for line in _TRUNK.split("\n") if line]
    for side, letter in (("left", "L"), ("right", "R")):
        for name, parent, part in (line.split() for line in _LIMBS.split("\n") if line):
            above = parent if parent.startswith("spine") else f"{parent}.{letter}"
            rows.append((f"{name}.{letter}", above, part if part == "-" else f"{side}_{part}"))
    names = [name for name, _, _ in rows]
    return [
        Topology(
            "rigify",
            tuple(names),
            [-1 if parent == "-" else names.index(parent) for _, parent, _ in rows],  # type: ignore[arg-type]
            tuple(None if part == "-" else BodyPart(part) for _, _, part in rows),
        )
    ]


@hookimpl
def skeletonllm_commands(cli: click.Group) -> None:
    """`skeletonllm blender package` and `skeletonllm blender motion`."""
    import click

    @cli.group()
    def blender() -> None:
        """The Blender add-on; docs/blender.md says how it is installed."""

    @blender.command()
    @click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The .zip to write.")
    def package(output: Path) -> None:
        """Write the add-on as a file that Blender installs."""
        from skeletonllm_blender.package import write_package

        write_package(output)
        click.echo(output)

    @blender.command()
    @click.argument("file", type=click.Path(path_type=Path, readable=False))
    @click.option(
        "--onto", type=click.File("rb"), help="Carry over to the rig of a message to the worker (- for stdin)."
    )
    def motion(file: Path, onto: BinaryIO | None) -> None:
        """The motions of a file, as the add-on reads them: messages in JSON, one a line."""
        from skeletonllm_blender.motion_lines import motion_lines, rig_of

        rig = None if onto is None else rig_of(onto.read())
        for line, sentences in motion_lines(file, rig):
            for sentence in sentences:
                click.echo(sentence, err=True)
            click.echo(line)
