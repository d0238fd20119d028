"""The command line. Each verb imports what it needs inside its function, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from skeletonllm_core import __version__
from skeletonllm_core.cli.drawing import render
from skeletonllm_core.cli.files import convert, fit, info
from skeletonllm_core.cli.library import annotate
from skeletonllm_core.cli.output import complain
from skeletonllm_core.cli.overview import models, plugins
from skeletonllm_core.cli.training import evaluate, train
from skeletonllm_core.cli.understanding import ask, caption, label, segment
from skeletonllm_core.cli.worker import serve
from skeletonllm_core.errors import SkeletonLLMError


class Verbs(click.Group):
    """The verbs below in their order, then those of plugins, which are only looked for when they are needed."""

    _complete = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_plugins()
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            self._add_plugins()
        return self.commands.get(cmd_name)

    def _add_plugins(self) -> None:
        if self._complete:
            return
        from skeletonllm_core import plugins

        ours = dict(self.commands)
        plugins.add_commands(self)
        # A plugin adds verbs; it does not replace ours.
        self.commands = {**self.commands, **ours}
        self._complete = True


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 some clips failed (annotate), 2 bad arguments or input, 130 stopped."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal's encoding cannot show must not stop the work.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = cli.main(arguments, prog_name="skeletonllm", standalone_mode=False)
        sys.stdout.flush()
    except SkeletonLLMError as problem:
        complain(str(problem))
        code = 2
    except click.ClickException as problem:
        problem.show()
        code = problem.exit_code
    except (BrokenPipeError, SystemExit):
        # The reader of our output has gone (click turns that into a SystemExit of its own); no complaint while closing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename is not None else ""
        complain(f"{where}{(problem.strerror or str(problem)).lower()}")
        code = 2
    except (click.Abort, KeyboardInterrupt):
        complain("stopped; what is done is kept")
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="skeletonllm")
def cli() -> None:
    """Any skeleton motion in; a label, a caption, answers and a timeline out."""


for verb in (
    info,
    convert,
    fit,
    render,
    label,
    caption,
    ask,
    segment,
    annotate,
    train,
    evaluate,
    serve,
    models,
    plugins,
):
    cli.add_command(verb)
