"""What the arguments stand for: clips, persons, rigs, labels, a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skeletonllm_core.cli.output import complain
from skeletonllm_core.errors import SkeletonLLMError

if TYPE_CHECKING:
    from skeletonllm_core.motion.motion import Clip, Person
    from skeletonllm_core.pipeline import SkeletonLLM


def read_clips(file: Path, format_: str | None) -> list[Clip]:
    from skeletonllm_core import plugins

    return plugins.read_clips(file, format=format_)


def chosen_clip(file: Path, clips: list[Clip], name: str | None) -> Clip:
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


def only_person(file: Path, clip: Clip, person: int) -> Clip:
    from dataclasses import replace

    if person not in clip.person_ids:
        known = ", ".join(str(number) for number in clip.person_ids)
        raise SkeletonLLMError(f"{file}: there is no person {person}; the ids are: {known}")
    index = clip.person_ids.index(person)
    return replace(clip, persons=[clip.persons[index]], person_ids=(person,))


def mapped(clip: Clip, rig: Path | None) -> Clip:
    """The clip with the body parts of a rig file, where there is one."""
    if rig is None:
        return clip
    from dataclasses import replace

    from skeletonllm_core.motion.rig_file import read_rig

    given = read_rig(rig)
    return replace(clip, persons=[given.applied(person) for person in clip.persons])


def save_rig(clip: Clip, path: Path) -> None:
    from skeletonllm_core.atomic import write_whole
    from skeletonllm_core.motion.rig import map_rig
    from skeletonllm_core.motion.rig_file import rig_text

    first = clip.persons[0]
    write_whole(path, rig_text(first.topology, map_rig(first.topology, first.joint_positions())).encode())
    complain(f"{path}: which joint is which body part; correct it and give it back with --rig")


def chosen_persons(
    file: Path, clip: str | None, format_: str | None, rig: Path | None, person: int | None
) -> list[Person]:
    chosen = mapped(chosen_clip(file, read_clips(file, format_), clip), rig)
    return (chosen if person is None else only_person(file, chosen, person)).persons


def target_rig(onto: str) -> Any:
    """The skeleton of a file, or a named topology."""
    from skeletonllm_core import plugins
    from skeletonllm_core.motion.motion import Motion

    if not Path(onto).exists():
        return plugins.topology(onto)
    first = plugins.read_clips(Path(onto))[0].persons[0]
    return first.skeleton if isinstance(first, Motion) else first.topology


def candidate_labels(labels: str | None, labels_file: Path | None) -> list[str] | None:
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


def frame_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SkeletonLLMError(f"--frame-indices takes whole numbers with commas between them, got {text!r}") from None


def load(model: str, device: str, seed: int) -> SkeletonLLM:
    with needs_model():
        from skeletonllm_core.pipeline import load_model
    loaded = load_model(model, device=device, seed=seed)

    def tell_cost() -> None:
        if loaded.cost is not None and loaded.cost.requests:
            complain(str(loaded.cost))

    click.get_current_context().call_on_close(tell_cost)
    return loaded


@contextmanager
def needs_model(extras: str = "model") -> Iterator[None]:
    """Say what to install where the libraries of the model (or of other extras) are missing."""
    try:
        yield
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.partition(".")[0] == "skeletonllm_core":
            raise
        raise SkeletonLLMError(f'this command needs {problem.name}: pip install "skeletonllm[{extras}]"') from problem
