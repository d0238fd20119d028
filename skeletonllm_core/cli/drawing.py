"""The verb that draws: render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from skeletonllm_core.cli.inputs import (
    chosen_persons,
    frame_numbers,
    load,
    needs_model,
)
from skeletonllm_core.cli.options import PATH, as_json, one_file, one_person, with_model
from skeletonllm_core.cli.output import complain, tell_written
from skeletonllm_core.errors import SkeletonLLMError

if TYPE_CHECKING:
    from torch import Tensor

    from skeletonllm_core.motion.motion import Person
    from skeletonllm_core.pipeline import SkeletonLLM


@click.command()
@one_file
@click.option("-o", "--out", required=True, type=PATH, help=".gif .webp .mp4 .png or .npz")
@click.option("--size", default=448, show_default=True, type=click.IntRange(16, 4096), help="Edge of images [pixels].")
@click.option("--frames", default=12, show_default=True, type=click.IntRange(1, 10_000), help="How many images.")
@click.option("--frame-indices", metavar="I,J,…", help="Exactly these frames of the source instead.")
@click.option("--weights", type=PATH, help="Other renderer weights; published ones switch to their maths.")
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
    indices = None if frame_indices is None else frame_numbers(frame_indices)
    persons = chosen_persons(file, clip, format_, rig, person)
    if weights is not None and _is_published(weights):
        given = click.get_current_context().get_parameter_source("seed") is not ParameterSource.DEFAULT
        images = _draw_published(persons, weights, device, size, frames, indices, seed if given else None)
    else:
        loaded = load(model, device, seed)
        if weights is not None:
            _use_weights(loaded, weights)
        images = loaded.render(persons, size=size, frames=frames, frame_indices=indices).permute(0, 2, 3, 1)
    seconds = max(one.seconds for one in persons)
    write_images(images.detach().cpu().numpy(), out, seconds)
    tell_written(json_, out)


def _use_weights(model: SkeletonLLM, weights: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.renderer.load_state_dict(load_file(weights), strict=True)
    except (SafetensorError, RuntimeError, OSError) as problem:
        raise SkeletonLLMError(f"{weights}: no weights of this renderer: {str(problem).splitlines()[0]}") from problem


def _is_published(weights: Path) -> bool:
    with needs_model():
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
        complain(note)
    return renderer.render(scene.positions.to(where), scene.velocities.to(where), size=size, bones=scene.bones)
