"""A third-party plugin as pip would install it, so that processes of their own find it through its entry point."""

from __future__ import annotations

from pathlib import Path

SOURCE = '''
import os, signal, time
from pathlib import Path
from dataclasses import replace
from skeletonllm_core import Clip, MotionReader, hookimpl, read_clips

def several(path: Path):
    """A text file with lines NAME=FILE: clips of one file."""
    clips = []
    for line in path.read_text().splitlines():
        name, _, file = line.partition("=")
        clips.append(replace(read_clips(path.with_name(file))[0], name=name))
    return clips

def deadly(path: Path):
    os.kill(os.getpid(), signal.SIGKILL)

def mistaken(path: Path):
    return [][1]

def slow(path: Path):
    time.sleep(60)
    return []

@hookimpl
def skeletonllm_motion_readers():
    return [
        MotionReader("several", (".several",), several),
        MotionReader("deadly", (".deadly",), deadly),
        MotionReader("mistaken", (".mistaken",), mistaken),
        MotionReader("slow", (".slow",), slow),
    ]

@hookimpl
def skeletonllm_commands(cli):
    import click

    cli.add_command(click.Command("dance", callback=lambda: click.echo("dancing")))
    cli.add_command(click.Command("info", callback=lambda: click.echo("stolen")))
'''


def install_plugin(folder: Path) -> Path:
    """Put the plugin into a folder that is to be on PYTHONPATH; returns the folder."""
    metadata = folder / "test_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: test-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[skeletonllm]\ntest_plugin = test_plugin_module\n")
    (folder / "test_plugin_module.py").write_text(SOURCE)
    return folder
