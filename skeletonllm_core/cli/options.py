"""Arguments and options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

# Whether a file can be read is found out by reading it: the sentence about it is better than click's.
PATH = click.Path(path_type=Path, readable=False)

RIG_HELP = "Which joint is which body part, instead of what is worked out (`info --write-rig` writes such a file)."


def one_file(verb: Command) -> Command:
    """The clip that a verb works on: FILE, --clip, --format, --rig."""
    rig = click.option("--rig", type=PATH, metavar="MAP.json", help=RIG_HELP)
    format_ = click.option("--format", "format_", metavar="NAME", help="Read FILE as this format, whatever its name.")
    clip = click.option("--clip", "--take", "clip", metavar="NAME", help="Which clip of a file that holds several.")
    return click.argument("file", type=PATH)(clip(format_(rig(verb))))


def one_person(verb: Command) -> Command:
    return click.option("--person", type=int, metavar="K", help="Only the person with this id (see `info`).")(verb)


def with_model(verb: Command) -> Command:
    seed = click.option("--seed", default=0, show_default=True, help="Of every random choice.")
    device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
    told = "`default` (embedded, offline), the folder of a checkpoint, hf:ORG/NAME or openai:BASE_URL#NAME."
    return click.option("--model", default="default", show_default=True, help=told)(device(seed(verb)))


def with_labels(verb: Command) -> Command:
    listed = click.option("--labels-file", type=PATH, help="A file, one candidate label a line.")
    told = "Candidate labels, open text; default: the model's own."
    return click.option("--labels", metavar='"A,B,C"', help=told)(listed(verb))


def as_json(verb: Command) -> Command:
    return click.option("--json", "json_", is_flag=True, help="Print one JSON object.")(verb)
