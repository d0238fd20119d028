"""The command line. Each verb imports what it needs inside its function, so that `--help` answers at once."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from skeletonllm_core import __version__
from skeletonllm_core.errors import SkeletonLLMError

if TYPE_CHECKING:
    from torch import Tensor

    from skeletonllm_core.annotate import Progress
    from skeletonllm_core.motion.motion import Clip, Person
    from skeletonllm_core.pipeline import SkeletonLLM

Command = Callable[..., Any]

# Whether a file can be read is found out by reading it: the sentence about it is better than click's.
_PATH = click.Path(path_type=Path, readable=False)

_RIG_HELP = "Which joint is which body part, instead of what is worked out (`info --write-rig` writes such a file)."


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
        _complain(str(problem))
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
        _complain(f"{where}{(problem.strerror or str(problem)).lower()}")
        code = 2
    except (click.Abort, KeyboardInterrupt):
        _complain("stopped; what is done is kept")
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="skeletonllm")
def cli() -> None:
    """Any skeleton motion in; a label, a caption, answers and a timeline out."""


# ---- options that several verbs share


def one_file(verb: Command) -> Command:
    """The clip that a verb works on: FILE, --clip, --format, --rig."""
    rig = click.option("--rig", type=_PATH, metavar="MAP.json", help=_RIG_HELP)
    format_ = click.option("--format", "format_", metavar="NAME", help="Read FILE as this format, whatever its name.")
    clip = click.option("--clip", "--take", "clip", metavar="NAME", help="Which clip of a file that holds several.")
    return click.argument("file", type=_PATH)(clip(format_(rig(verb))))


def one_person(verb: Command) -> Command:
    return click.option("--person", type=int, metavar="K", help="Only the person with this id (see `info`).")(verb)


def with_model(verb: Command) -> Command:
    seed = click.option("--seed", default=0, show_default=True, help="Of every random choice.")
    device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
    told = "`default` (embedded, offline) or the folder of a checkpoint."
    return click.option("--model", default="default", show_default=True, help=told)(device(seed(verb)))


def with_labels(verb: Command) -> Command:
    listed = click.option("--labels-file", type=_PATH, help="A file, one candidate label a line.")
    told = "Candidate labels, open text; default: the model's own."
    return click.option("--labels", metavar='"A,B,C"', help=told)(listed(verb))


def as_json(verb: Command) -> Command:
    return click.option("--json", "json_", is_flag=True, help="Print one JSON object.")(verb)


# ---- verbs: files


@cli.command()
@one_file
@click.option(
    "--write-rig", type=_PATH, metavar="MAP.json", help="Write which joint is which body part, to correct it."
)
@as_json
def info(
    file: Path, clip: str | None, format_: str | None, rig: Path | None, write_rig: Path | None, json_: bool
) -> None:
    """What is in a motion file, and what was inferred about it."""
    from skeletonllm_core.describe import describe

    clips = _clips(file, format_)
    chosen = _mapped(_clip(file, clips, clip), rig)
    found = describe(chosen, [one.name for one in clips])
    if write_rig is not None:
        _write_rig(chosen, write_rig)
    if json_:
        _object(found)
        return
    unit, up, facing = found["unit"], found["up_axis"], found["facing"]
    _say(f"{file}: {found['format']}, {found['frames']} frames at {found['fps']:g} fps, {found['seconds']:g} s")
    if len(clips) > 1:
        _say(f"clip: {chosen.name!r}, one of {len(clips)}")
    _say(f"unit: {unit['value']} ({_how(unit)}); up: {up['value']} ({_how(up)})")
    heading = "unknown" if facing["value"] is None else f"{facing['value']:g}° from +Z towards +X"
    _say(f"facing: {heading} ({_how(facing)})")
    for person in found["persons"]:
        _say(f"person {person['id']}: {person['joints']} joints")
        width = max((len(part) for part in person["parts"]), default=0)
        for part, joint in person["parts"].items():
            _say(f"  {part:<{width}}  {joint}")
        for sentence in person["report"]:
            _say(f"  {sentence}")
    for warning in found["warnings"]:
        _say(f"warning: {warning}")


@cli.command()
@one_file
@click.argument("out", type=_PATH)
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

    chosen = _mapped(_clip(file, _clips(file, format_), clip), rig)
    if person is not None:
        chosen = _only(file, chosen, person)
    if fps is not None:
        from skeletonllm_core.motion.resample import resampled

        chosen = replace(chosen, persons=[resampled(one, fps) for one in chosen.persons])
    if onto is not None:
        from skeletonllm_core.motion.retarget import carried_over

        target = _rig(onto)
        found = [carried_over(one, target) for one in chosen.persons]
        chosen = replace(chosen, persons=[one.motion for one in found])
        for sentence in dict.fromkeys(sentence for one in found for sentence in one.report()):
            _complain(sentence)
    plugins.write(chosen, out, format=to)
    _done(json_, out)


@cli.command()
@one_file
@click.option("-o", "--out", required=True, type=_PATH, help="SMPL-X parameters as AMASS stores them, .npz")
@click.option("--body-model", required=True, type=_PATH, metavar="DIR", help="Folder of your SMPL-X models, .npz.")
@click.option("--gender", default="neutral", show_default=True, type=click.Choice(["neutral", "female", "male"]))
@click.option("--mesh", type=_PATH, metavar="OUT.glb", help="Also write the moving body as a mesh.")
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
    persons = _persons(file, clip, format_, rig, person)
    if len(persons) != 1:
        raise SkeletonLLMError(f"{file} holds {len(persons)} persons, choose one with --person (see `info`)")
    path = fitting.model_file(body_model, gender)
    skin = None if mesh is None else body_mesh.read_skin(path, fitting.SHAPES)
    _complain(f"licence: {fitting.LICENCE}")
    with _needs_model(), _fit_progress() as progress:
        found = fitting.fit(persons[0], path, gender, progress=progress)
    fitting.write_fit(found, out)
    moments = None if mesh is None or skin is None else body_mesh.write_mesh(found, skin, mesh)
    errors = {name: round(100 * error, 2) for name, error in found.errors.items()}
    if json_:
        told = {"written": str(out), "mesh": None if mesh is None else str(mesh), "frames": len(found.poses)}
        _object({**told, "error_cm": {"mean": round(100 * found.error, 2), "joints": errors}})
        return
    width = max(len(name) for name in errors)
    for name, error in errors.items():
        _say(f"  {name:<{width}}  {error:5.1f} cm")
    _say(f"mean error of {len(errors)} joints over {len(found.poses)} frames: {100 * found.error:.1f} cm")
    _say(str(out))
    if mesh is not None:
        _say(f"{mesh}: {moments} moments")


@cli.command()
@one_file
@click.option("-o", "--out", required=True, type=_PATH, help=".gif .webp .mp4 .png or .npz")
@click.option("--size", default=448, show_default=True, type=click.IntRange(16, 4096), help="Edge of images [pixels].")
@click.option("--frames", default=12, show_default=True, type=click.IntRange(1, 10_000), help="How many images.")
@click.option("--frame-indices", metavar="I,J,…", help="Exactly these frames of the source instead.")
@click.option("--weights", type=_PATH, help="Other renderer weights; published ones switch to their maths.")
@one_person
@with_model
@as_json
def render(
    file: Path,
    out: Path,
    clip: str | None,
    format_: str | None,
    rig: Path | None,
    size: int,
    frames: int,
    frame_indices: str | None,
    weights: Path | None,
    person: int | None,
    model: str,
    device: str,
    seed: int,
    json_: bool,
) -> None:
    """Draw a clip as the model sees it: an animation, a contact sheet (.png) or an array (.npz)."""
    from skeletonllm_core.media import check_suffix, write_images

    check_suffix(out)
    indices = None if frame_indices is None else _indices(frame_indices)
    persons = _persons(file, clip, format_, rig, person)
    if weights is not None and _is_published(weights):
        given = click.get_current_context().get_parameter_source("seed") is not ParameterSource.DEFAULT
        images = _draw_published(persons, weights, device, size, frames, indices, seed if given else None)
    else:
        loaded = _load(model, device, seed)
        if weights is not None:
            _use_weights(loaded, weights)
        images = loaded.render(persons, size=size, frames=frames, frame_indices=indices).permute(0, 2, 3, 1)
    seconds = max(one.seconds for one in persons)
    write_images(images.detach().cpu().numpy(), out, seconds)
    _done(json_, out)


# ---- verbs: understanding one clip


@cli.command()
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
    candidates = _candidates(labels, labels_file)
    persons = _persons(file, clip, format_, rig, person)
    found = _load(model, device, seed).label(persons, candidates, top=top, explain=explain)
    if json_:
        _object(found.as_json())
        return
    best = f"{found.text} {found.score:.2f}"
    _say(best if found.known else f"unknown ({best})")
    for one in found.alternatives:
        _say(f"  {one.text} {one.score:.2f}")
    if found.explanation:
        _say(found.explanation)


@cli.command()
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
    persons = _persons(file, clip, format_, rig, person)
    found = _load(model, device, seed).caption(persons)
    if json_:
        _object(found.as_json())
    else:
        _say(found.caption)


@cli.command()
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
    persons = _persons(file, clip, format_, rig, person)
    answer = _load(model, device, seed).ask(persons, question)
    if json_:
        _object({"answer": answer})
    else:
        _say(answer)


@cli.command()
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

    candidates = _candidates(labels, labels_file)
    persons = _persons(file, clip, format_, rig, person)
    found = _load(model, device, seed).segment(persons, candidates)
    if json_:
        _object(segments_json(found))
        return
    for part in found:
        when = f"{part.start_s:8.2f} s – {part.end_s:8.2f} s  frames {part.start_frame}–{part.end_frame}"
        _say(f"{when}  {part.label} {part.score:.2f}  {part.caption}")


# ---- verbs: a library


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--out", type=_PATH, help="Folder for all results; default: beside the clips.")
@click.option("--tasks", default="label,caption,segments", show_default=True, help="Some of these.")
@with_labels
@click.option("--rig", type=_PATH, metavar="MAP.json", help=_RIG_HELP)
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
    candidates = _candidates(labels, labels_file)
    with _needs_model():
        import_module("skeletonllm_core.pipeline")
    from skeletonllm_core.annotate import annotate as annotate_library

    with _progress() as progress:
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
        _complain(str(record.error))
    if result.ignored:
        named = ", ".join(result.ignored[:5]) + (" …" if len(result.ignored) > 5 else "")
        _complain(f"left out, because nothing in them says that they are motion: {named}")
    if json_:
        _object(
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
        _say(f"{told}\n{result.manifest}\n{result.report}")
    return 1 if failed else 0


# ---- verbs: training and its tables


@cli.command()
@click.argument("recipe", type=_PATH)
def train(recipe: Path) -> None:
    """Run a training RECIPE (YAML), or go on where it was stopped."""
    with _needs_model():
        from skeletonllm_core.train.recipe import read_recipe
        from skeletonllm_core.train.trainer import train as run
    _say(str(run(read_recipe(recipe), _complain)))


@cli.command()
@click.argument("suite", type=click.Choice(["recognition"]))
@click.option("--data", required=True, type=_PATH, help="Folder of packs (index.jsonl, motion/).")
@click.option("--split", default="test", show_default=True, type=click.Choice(["test", "validation"]))
@with_model
@as_json
def evaluate(suite: str, data: Path, split: str, model: str, device: str, seed: int, json_: bool) -> None:
    """A table of how good a model is on a SUITE, with baselines beside it in the same run."""
    with _needs_model():
        from skeletonllm_core.train.evaluate import markdown, recognition
    result = recognition(_load(model, device, seed), data, split=split, seed=seed, say=_complain)
    if json_:
        _object(result)
    else:
        _say(markdown(result))


# ---- verbs: the worker


@cli.command()
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Let --host be an address that other machines can reach.")
@click.option("--max-queue", default=8, show_default=True, type=click.IntRange(1, 1000), help="Requests that may wait.")
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(1), help="Of a request [s].")
@click.option("--token-file", type=_PATH, help="Where the token is kept; default: the user's state folder.")
@with_model
def serve(
    port: int,
    host: str,
    allow_remote: bool,
    max_queue: int,
    timeout: float,
    token_file: Path | None,
    model: str,
    device: str,
    seed: int,
) -> None:
    """The local worker that Blender and ROS 2 talk to; docs/serve.md says how it is asked."""
    from skeletonllm_core.serve import needs_serve

    with needs_serve():
        from skeletonllm_core.serve.server import serve as run
    run(
        port=port,
        host=host,
        allow_remote=allow_remote,
        model=model,
        device=device,
        seed=seed,
        max_queue=max_queue,
        timeout=timeout,
        keep_token_in=token_file,
    )


# ---- verbs: what there is


@cli.command()
@as_json
def models(json_: bool) -> None:
    """The models that --model takes."""
    with _needs_model():
        from skeletonllm_core.pipeline import available_models
    rows = available_models()
    if json_:
        _object({"models": rows})
        return
    for row in rows:
        _say(f"{row['name']}: {'; '.join(str(row[key]) for key in ('where', 'licence', 'note') if row.get(key))}")


@cli.command()
@as_json
def plugins(json_: bool) -> None:
    """The plugins, what they read and write, and which of them are broken and why."""
    from skeletonllm_core import plugins as found

    rows = [{"name": name, "version": version, "error": error} for name, version, error in found.installed()]
    readers, writers = found.readers(), found.writers()
    if json_:
        _object(
            {
                "plugins": rows,
                "readers": [{"name": one.name, "suffixes": list(one.suffixes)} for one in readers],
                "writers": [{"name": one.name, "suffixes": list(one.suffixes)} for one in writers],
            }
        )
        return
    for row in rows:
        _say(f"{row['name']} {row['version']}: {'ok' if row['error'] is None else 'broken: ' + str(row['error'])}")
    _say("reads:  " + ", ".join(f"{one.name} ({' '.join(one.suffixes)})" for one in readers))
    _say("writes: " + ", ".join(f"{one.name} ({' '.join(one.suffixes) or 'convert --to'})" for one in writers))


# ---- what the verbs are made of


def _clips(file: Path, format_: str | None) -> list[Clip]:
    from skeletonllm_core import plugins

    return plugins.read_clips(file, format=format_)


def _clip(file: Path, clips: list[Clip], name: str | None) -> Clip:
    """The clip with the given name, or the only one."""
    listed = ", ".join(clip.name for clip in clips)
    if name is not None:
        for clip in clips:
            if clip.name == name:
                return clip
        raise SkeletonLLMError(f"{file}: there is no clip {name!r}; it holds: {listed}")
    if len(clips) != 1:
        raise SkeletonLLMError(f"{file} holds {len(clips)} clips, choose one with --clip: {listed}")
    return clips[0]


def _only(file: Path, clip: Clip, person: int) -> Clip:
    from dataclasses import replace

    if person not in clip.person_ids:
        known = ", ".join(str(number) for number in clip.person_ids)
        raise SkeletonLLMError(f"{file}: there is no person {person}; the ids are: {known}")
    index = clip.person_ids.index(person)
    return replace(clip, persons=[clip.persons[index]], person_ids=(person,))


def _mapped(clip: Clip, rig: Path | None) -> Clip:
    """The clip with the body parts of a rig file, where there is one."""
    if rig is None:
        return clip
    from dataclasses import replace

    from skeletonllm_core.motion.rig_file import read_rig

    given = read_rig(rig)
    return replace(clip, persons=[given.applied(person) for person in clip.persons])


def _write_rig(clip: Clip, path: Path) -> None:
    from skeletonllm_core.atomic import write_whole
    from skeletonllm_core.motion.rig import map_rig
    from skeletonllm_core.motion.rig_file import rig_text

    first = clip.persons[0]
    write_whole(path, rig_text(first.topology, map_rig(first.topology, first.joint_positions())).encode())
    _complain(f"{path}: which joint is which body part; correct it and give it back with --rig")


def _persons(file: Path, clip: str | None, format_: str | None, rig: Path | None, person: int | None) -> list[Person]:
    chosen = _mapped(_clip(file, _clips(file, format_), clip), rig)
    return (chosen if person is None else _only(file, chosen, person)).persons


def _rig(onto: str) -> Any:
    """The skeleton of a file, or a named topology."""
    from skeletonllm_core import plugins
    from skeletonllm_core.motion.motion import Motion

    if not Path(onto).exists():
        return plugins.topology(onto)
    first = plugins.read_clips(Path(onto))[0].persons[0]
    return first.skeleton if isinstance(first, Motion) else first.topology


def _candidates(labels: str | None, labels_file: Path | None) -> list[str] | None:
    """The candidate labels of --labels and --labels-file, each once; None where neither is given."""
    if labels is None and labels_file is None:
        return None
    given = [] if labels is None else labels.split(",")
    if labels_file is not None:
        try:
            given += labels_file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise SkeletonLLMError(f"{labels_file}: not a text file in UTF-8") from None
    kept = list(dict.fromkeys(text.strip() for text in given if text.strip()))
    if not kept:
        raise SkeletonLLMError("there is no candidate label: give at least one")
    return kept


def _indices(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SkeletonLLMError(f"--frame-indices takes whole numbers with commas between them, got {text!r}") from None


def _load(model: str, device: str, seed: int) -> SkeletonLLM:
    with _needs_model():
        from skeletonllm_core.pipeline import load_model
    return load_model(model, device=device, seed=seed)


def _use_weights(model: SkeletonLLM, weights: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.renderer.load_state_dict(load_file(weights), strict=True)
    except (SafetensorError, RuntimeError, OSError) as problem:
        raise SkeletonLLMError(f"{weights}: no weights of this renderer: {str(problem).splitlines()[0]}") from problem


def _is_published(weights: Path) -> bool:
    with _needs_model():
        from skeletonllm_core.render import published
    return published.is_published(weights)


def _draw_published(
    persons: list[Person],
    weights: Path,
    device: str,
    size: int,
    frames: int,
    indices: list[int] | None,
    seed: int | None,
) -> Tensor:
    """(T, H, W, 3) images by the published maths; the frames are random ones where a seed is given."""
    from skeletonllm_core.pipeline import device_named
    from skeletonllm_core.render import published
    from skeletonllm_core.render.published_scene import published_scene

    where = device_named(device)
    renderer = published.load(weights).to(where)
    scene = published_scene(persons, frames, frame_indices=indices, seed=seed)
    for note in scene.notes:
        _complain(note)
    return renderer.render(scene.positions.to(where), scene.velocities.to(where), size=size, bones=scene.bones)


@contextmanager
def _needs_model() -> Iterator[None]:
    """Say what to install where the libraries of the model are missing."""
    try:
        yield
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.partition(".")[0] == "skeletonllm_core":
            raise
        raise SkeletonLLMError(f'this command needs {problem.name}: pip install "skeletonllm[model]"') from problem


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, a line every few seconds in a log; both on stderr."""
    if not sys.stderr.isatty():
        last = 0.0

        def line(now: Progress) -> None:
            nonlocal last
            if now.seconds - last >= 5 or now.done == now.total:
                last = now.seconds
                left = now.seconds / now.done * (now.total - now.done)
                told = f"{now.done}/{now.total} files, {now.clips} clips, {now.failed} failed"
                _complain(f"{told}, {now.seconds:.0f} s gone, about {left:.0f} s left")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("annotate"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("annotate", total=None, failed="")

        def move(now: Progress) -> None:
            failed = f"{now.failed} failed" if now.failed else ""
            bars.update(bar, total=now.total, completed=now.done, failed=failed)

        yield move


@contextmanager
def _fit_progress() -> Iterator[Callable[[int, int, float], None]]:
    """A bar on a terminal, a line every few seconds in a log; both on stderr."""
    if not sys.stderr.isatty():
        last = time.monotonic()

        def line(done: int, steps: int, error: float) -> None:
            nonlocal last
            if time.monotonic() - last >= 5 or done == steps:
                last = time.monotonic()
                _complain(f"{done}/{steps} steps, mean joint error {100 * error:.1f} cm")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("fit"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[error]}"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("fit", total=None, error="")

        def move(done: int, steps: int, error: float) -> None:
            bars.update(bar, total=steps, completed=done, error=f"{100 * error:.1f} cm")

        yield move


def _how(inferred: dict[str, Any]) -> str:
    return "inferred" if inferred["inferred"] else "from the file"


def _done(json_: bool, out: Path) -> None:
    if json_:
        _object({"written": str(out)})
    else:
        _say(str(out))


def _object(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def _say(text: str) -> None:
    click.echo(_printable(text))


def _complain(text: str) -> None:
    click.echo(_printable(text), err=True)


def _printable(text: str) -> str:
    """Names come from files: what would steer the terminal is shown as an escape instead."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", text)


if __name__ == "__main__":
    main()
