"""What is printed: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click


def say(text: str) -> None:
    click.echo(_printable(text))


def complain(text: str) -> None:
    click.echo(_printable(text), err=True)


def print_object(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def tell_written(json_: bool, out: Path) -> None:
    if json_:
        print_object({"written": str(out)})
    else:
        say(str(out))


def _printable(text: str) -> str:
    """Names come from files: what would steer the terminal is shown as an escape instead."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", text)
