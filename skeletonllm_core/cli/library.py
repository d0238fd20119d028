"""The verb for a library of clips: annotate."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from skeletonllm_core.cli.inputs import (
    candidate_labels,
    needs_model,
)
from skeletonllm_core.cli.options import PATH, RIG_HELP, as_json, with_labels, with_model
from skeletonllm_core.cli.output import complain, print_object, say
from skeletonllm_core.cli.progress import annotate_progress


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("-o", "--out", type=PATH, help="Folder for all results; default: beside the clips.")
@click.option("--tasks", default="label,caption,segments", show_default=True, help="Some of these.")
@with_labels
@click.option("--rig", type=PATH, metavar="MAP.json", help=RIG_HELP)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--no-resume", is_flag=True, help="Do clips again whose sidecar is up to date; locked ones stay.")
@with_model
@as_json
def annotate(
    paths: tuple[Path, ...],
    out: Path | None,
    tasks: str,
    labels: str | None,
    labels_file: Path | None,
    rig: Path | None,
    jobs: int,
    no_resume: bool,
    model: str,
    device: str,
    seed: int,
    json_: bool,
) -> int:
    """Annotate every clip under PATHS: a sidecar each, annotations.jsonl and report.html.

    Exit code 1: done, but some clips failed; annotations.jsonl says which and why.
    """
    candidates = candidate_labels(labels, labels_file)
    with needs_model():
        import_module("skeletonllm_core.pipeline")
    from skeletonllm_core.annotate import annotate as annotate_library

    with annotate_progress() as progress:
        result = annotate_library(
            paths,
            out,
            tasks=[task.strip() for task in tasks.split(",") if task.strip()],
            labels=candidates,
            model=model,
            device=device,
            seed=seed,
            rig=rig,
            jobs=jobs,
            resume=not no_resume,
            progress=progress,
        )
    failed, kept = result.failed, sum(record.kept for record in result.records)
    for record in failed:
        complain(str(record.error))
    if result.ignored:
        named = ", ".join(result.ignored[:5]) + (" …" if len(result.ignored) > 5 else "")
        complain(f"left out, because nothing in them says that they are motion: {named}")
    if result.cost is not None and result.cost.requests:
        complain(str(result.cost))
    if json_:
        print_object(
            {
                "clips": len(result.records),
                "kept": kept,
                "failed": len(failed),
                "manifest": str(result.manifest),
                "report": str(result.report),
                "seconds": round(result.seconds, 3),
            }
        )
    else:
        clips = f"{len(result.records)} clip{'' if len(result.records) == 1 else 's'}"
        told = f"{clips} in {result.seconds:.1f} s: {len(failed)} failed, {kept} up to date"
        say(f"{told}\n{result.manifest}\n{result.report}")
    return 1 if failed else 0
