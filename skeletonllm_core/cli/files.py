"""The verbs that turn files into files: info, convert, fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from skeletonllm_core.cli.inputs import (
    chosen_clip,
    chosen_persons,
    mapped,
    needs_model,
    only_person,
    read_clips,
    save_rig,
    target_rig,
)
from skeletonllm_core.cli.options import PATH, as_json, one_file, one_person
from skeletonllm_core.cli.output import complain, print_object, say, tell_written
from skeletonllm_core.cli.progress import fit_progress
from skeletonllm_core.errors import SkeletonLLMError


@click.command()
@one_file
@click.option("--write-rig", type=PATH, metavar="MAP.json", help="Write which joint is which body part, to correct it.")
@as_json
def info(
    file: Path, clip: str | None, format_: str | None, rig: Path | None, write_rig: Path | None, json_: bool
) -> None:
    """What is in a motion file, and what was inferred about it."""
    from skeletonllm_core.describe import describe

    clips = read_clips(file, format_)
    chosen = mapped(chosen_clip(file, clips, clip), rig)
    found = describe(chosen, [one.name for one in clips])
    if write_rig is not None:
        save_rig(chosen, write_rig)
    if json_:
        print_object(found)
        return
    unit, up, facing = found["unit"], found["up_axis"], found["facing"]
    say(f"{file}: {found['format']}, {found['frames']} frames at {found['fps']:g} fps, {found['seconds']:g} s")
    if len(clips) > 1:
        say(f"clip: {chosen.name!r}, one of {len(clips)}")
    say(f"unit: {unit['value']} ({_how(unit)}); up: {up['value']} ({_how(up)})")
    heading = "unknown" if facing["value"] is None else f"{facing['value']:g}° from +Z towards +X"
    say(f"facing: {heading} ({_how(facing)})")
    for person in found["persons"]:
        say(f"person {person['id']}: {person['joints']} joints")
        width = max((len(part) for part in person["parts"]), default=0)
        for part, joint in person["parts"].items():
            say(f"  {part:<{width}}  {joint}")
        for sentence in person["report"]:
            say(f"  {sentence}")
    for warning in found["warnings"]:
        say(f"warning: {warning}")


@click.command()
@one_file
@click.argument("out", type=PATH)
@click.option("--onto", metavar="RIG", help="Retarget to the skeleton of this file, or to a named topology.")
@click.option("--fps", type=float, help="Resample to this many frames a second.")
@click.option("--to", "to", metavar="NAME", help="Write OUT in this format, whatever its name (see `plugins`).")
@one_person
@as_json
def convert(
    file: Path,
    out: Path,
    clip: str | None,
    format_: str | None,
    rig: Path | None,
    onto: str | None,
    fps: float | None,
    to: str | None,
    person: int | None,
    json_: bool,
) -> None:
    """Write a motion file in another format: the suffix of OUT chooses, or --to."""
    from dataclasses import replace

    from skeletonllm_core import plugins

    chosen = mapped(chosen_clip(file, read_clips(file, format_), clip), rig)
    if person is not None:
        chosen = only_person(file, chosen, person)
    if fps is not None:
        from skeletonllm_core.motion.resample import resampled

        chosen = replace(chosen, persons=[resampled(one, fps) for one in chosen.persons])
    if onto is not None:
        from skeletonllm_core.motion.retarget import carried_over

        target = target_rig(onto)
        found = [carried_over(one, target) for one in chosen.persons]
        chosen = replace(chosen, persons=[one.motion for one in found])
        for sentence in dict.fromkeys(sentence for one in found for sentence in one.report()):
            complain(sentence)
    plugins.write(chosen, out, format=to)
    tell_written(json_, out)


@click.command()
@one_file
@click.option("-o", "--out", required=True, type=PATH, help="SMPL-X parameters as AMASS stores them, .npz")
@click.option("--body-model", required=True, type=PATH, metavar="DIR", help="Folder of your SMPL-X models, .npz.")
@click.option("--gender", default="neutral", show_default=True, type=click.Choice(["neutral", "female", "male"]))
@click.option("--mesh", type=PATH, metavar="OUT.glb", help="Also write the moving body as a mesh.")
@one_person
@as_json
def fit(
    file: Path,
    out: Path,
    body_model: Path,
    gender: str,
    mesh: Path | None,
    clip: str | None,
    format_: str | None,
    rig: Path | None,
    person: int | None,
    json_: bool,
) -> None:
    """SMPL-X parameters (pose, shape, translation) for any skeleton, with the error of each joint."""
    from skeletonllm_core import body_mesh
    from skeletonllm_core import fit as fitting

    if out.suffix.lower() != ".npz":
        raise SkeletonLLMError(f"{out}: parameters are written as .npz, choose such a name")
    if mesh is not None and mesh.suffix.lower() != ".glb":
        raise SkeletonLLMError(f"{mesh}: a mesh is written as .glb, choose such a name")
    persons = chosen_persons(file, clip, format_, rig, person)
    if len(persons) != 1:
        raise SkeletonLLMError(f"{file} holds {len(persons)} persons, choose one with --person (see `info`)")
    path = fitting.model_file(body_model, gender)
    skin = None if mesh is None else body_mesh.read_skin(path, fitting.SHAPES)
    complain(f"licence: {fitting.LICENCE}")
    with needs_model(), fit_progress() as progress:
        found = fitting.fit(persons[0], path, gender, progress=progress)
    fitting.write_fit(found, out)
    moments = None if mesh is None or skin is None else body_mesh.write_mesh(found, skin, mesh)
    errors = {name: round(100 * error, 2) for name, error in found.errors.items()}
    if json_:
        told = {"written": str(out), "mesh": None if mesh is None else str(mesh), "frames": len(found.poses)}
        print_object({**told, "error_cm": {"mean": round(100 * found.error, 2), "joints": errors}})
        return
    width = max(len(name) for name in errors)
    for name, error in errors.items():
        say(f"  {name:<{width}}  {error:5.1f} cm")
    say(f"mean error of {len(errors)} joints over {len(found.poses)} frames: {100 * found.error:.1f} cm")
    say(str(out))
    if mesh is not None:
        say(f"{mesh}: {moments} moments")


def _how(inferred: dict[str, Any]) -> str:
    return "inferred" if inferred["inferred"] else "from the file"
