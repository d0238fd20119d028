"""The verbs of training and its tables: train, evaluate."""

from __future__ import annotations

import os
from pathlib import Path

import click

from skeletonllm_core.cli.inputs import (
    load,
    needs_model,
)
from skeletonllm_core.cli.options import PATH, as_json, with_model
from skeletonllm_core.cli.output import complain, print_object, say
from skeletonllm_core.train.evaluation import SUITES


@click.command()
@click.argument("recipe", type=PATH)
def train(recipe: Path) -> None:
    """Run all stages of a training RECIPE (YAML), or go on where it was stopped; see docs/training.md."""
    with needs_model("model,train"):
        from skeletonllm_core.train.recipe import read_recipe
        from skeletonllm_core.train.trainer import train as run
    made = run(read_recipe(recipe), complain)
    if os.environ.get("RANK", "0") == "0":  # of several processes under torchrun
        say(str(made))


@click.command()
@click.argument("suite", type=click.Choice(SUITES))
@click.option("--data", type=PATH, help="Folder of training data; default: clips that the program makes itself.")
@click.option("--split", default="test", show_default=True, type=click.Choice(["test", "validation"]))
@click.option("--limit", type=click.IntRange(0), help="Clips of each source; 0: all. Default: what the suite needs.")
@click.option("-o", "--out", type=PATH, metavar="DIR", help="Also write SUITE.md and SUITE.json into this folder.")
@click.option("--into", type=PATH, metavar="FILE.md", help="Also put the tables between their marks in this file.")
@click.option("--runs", type=PATH, metavar="DIR", help="rigs, ablation: the folder of their runs.")
@click.option("--recipe", type=PATH, metavar="RECIPE.yaml", help="rigs, ablation: what the runs change one thing of.")
@click.option("--steps", type=click.IntRange(1), help="rigs, ablation: train the missing runs, with so many steps.")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(1), help="rigs, ablation: runs of each kind."
)
@with_model
@as_json
def evaluate(
    suite: str,
    data: Path | None,
    split: str,
    limit: int | None,
    out: Path | None,
    into: Path | None,
    runs: Path | None,
    recipe: Path | None,
    steps: int | None,
    seeds: int,
    model: str,
    device: str,
    seed: int,
    json_: bool,
) -> None:
    """Tables of how good a model is on a SUITE, with baselines beside it in the same run."""
    with needs_model():
        from skeletonllm_core.train.evaluation.clips import Request
        from skeletonllm_core.train.evaluation.run import default_limit, write_files
        from skeletonllm_core.train.evaluation.run import evaluate as run
        from skeletonllm_core.train.evaluation.tables import write_into
    clips = default_limit(suite) if limit is None else limit or None
    loaded = load(model, device, seed)
    report = run(suite, Request(loaded, data, split, seed, clips, complain, runs, recipe, steps, seeds))
    if out is not None:
        for path in write_files(report, out):
            complain(str(path))
    if into is not None:
        write_into(into, report)
        complain(str(into))
    if json_:
        print_object(report.as_json())
    else:
        say(report.markdown())
