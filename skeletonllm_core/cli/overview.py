"""The verbs that list what there is: models, plugins."""

from __future__ import annotations

import click

from skeletonllm_core.cli.inputs import (
    needs_model,
)
from skeletonllm_core.cli.options import as_json
from skeletonllm_core.cli.output import print_object, say


@click.command()
@as_json
def models(json_: bool) -> None:
    """The models that --model takes."""
    with needs_model():
        from skeletonllm_core.pipeline import available_models
    rows = available_models()
    if json_:
        print_object({"models": rows})
        return
    for row in rows:
        say(f"{row['name']}: {'; '.join(str(row[key]) for key in ('where', 'licence', 'note') if row.get(key))}")


@click.command()
@as_json
def plugins(json_: bool) -> None:
    """The plugins, what they read and write, and which of them are broken and why."""
    from skeletonllm_core import plugins as found

    rows = [{"name": name, "version": version, "error": error} for name, version, error in found.installed()]
    readers, writers = found.readers(), found.writers()
    if json_:
        print_object(
            {
                "plugins": rows,
                "readers": [{"name": one.name, "suffixes": list(one.suffixes)} for one in readers],
                "writers": [{"name": one.name, "suffixes": list(one.suffixes)} for one in writers],
            }
        )
        return
    for row in rows:
        say(f"{row['name']} {row['version']}: {'ok' if row['error'] is None else 'broken: ' + str(row['error'])}")
    say("reads:  " + ", ".join(f"{one.name} ({' '.join(one.suffixes)})" for one in readers))
    say("writes: " + ", ".join(f"{one.name} ({' '.join(one.suffixes) or 'convert --to'})" for one in writers))
