"""The verbs that understand one clip: label, caption, ask, segment."""

from __future__ import annotations

from pathlib import Path

import click

from skeletonllm_core.cli.inputs import (
    candidate_labels,
    chosen_persons,
    load,
)
from skeletonllm_core.cli.options import as_json, one_file, one_person, with_labels, with_model
from skeletonllm_core.cli.output import print_object, say


@click.command()
@one_file
@with_labels
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="How many labels to show.")
@click.option("--explain", is_flag=True, help="Add the steps that lead to the label.")
@one_person
@with_model
@as_json
def label(
    file: Path,
    clip: str | None,
    format_: str | None,
    rig: Path | None,
    labels: str | None,
    labels_file: Path | None,
    top: int,
    explain: bool,
    person: int | None,
    model: str,
    device: str,
    seed: int,
    json_: bool,
) -> None:
    """The action in a clip, with its score and the runners-up."""
    candidates = candidate_labels(labels, labels_file)
    persons = chosen_persons(file, clip, format_, rig, person)
    found = load(model, device, seed).label(persons, candidates, top=top, explain=explain)
    if json_:
        print_object(found.as_json())
        return
    best = f"{found.text} {found.score:.2f}"
    say(best if found.known else f"unknown ({best})")
    for one in found.alternatives:
        say(f"  {one.text} {one.score:.2f}")
    if found.explanation:
        say(found.explanation)


@click.command()
@one_file
@one_person
@with_model
@as_json
def caption(
    file: Path,
    clip: str | None,
    format_: str | None,
    rig: Path | None,
    person: int | None,
    model: str,
    device: str,
    seed: int,
    json_: bool,
) -> None:
    """What happens in a clip, in a sentence or more."""
    persons = chosen_persons(file, clip, format_, rig, person)
    found = load(model, device, seed).caption(persons)
    if json_:
        print_object(found.as_json())
    else:
        say(found.caption)


@click.command()
@one_file
@click.argument("question")
@one_person
@with_model
@as_json
def ask(
    file: Path,
    question: str,
    clip: str | None,
    format_: str | None,
    rig: Path | None,
    person: int | None,
    model: str,
    device: str,
    seed: int,
    json_: bool,
) -> None:
    """The answer to a QUESTION about a clip, for example "Which hand is raised?"."""
    persons = chosen_persons(file, clip, format_, rig, person)
    answer = load(model, device, seed).ask(persons, question)
    if json_:
        print_object({"answer": answer})
    else:
        say(answer)


@click.command()
@one_file
@with_labels
@one_person
@with_model
@as_json
def segment(
    file: Path,
    clip: str | None,
    format_: str | None,
    rig: Path | None,
    labels: str | None,
    labels_file: Path | None,
    person: int | None,
    model: str,
    device: str,
    seed: int,
    json_: bool,
) -> None:
    """The timeline of a clip: which action happens when."""
    from skeletonllm_core.answers import segments_json

    candidates = candidate_labels(labels, labels_file)
    persons = chosen_persons(file, clip, format_, rig, person)
    found = load(model, device, seed).segment(persons, candidates)
    if json_:
        print_object(segments_json(found))
        return
    for part in found:
        when = f"{part.start_s:8.2f} s – {part.end_s:8.2f} s  frames {part.start_frame}–{part.end_frame}"
        say(f"{when}  {part.label} {part.score:.2f}  {part.caption}")
