"""Learned against fixed appearance at equal budget: what the renderer's own training is worth.

   python benchmarks/learned_appearance.py PACKS [--steps 400] [--seeds 3] [--out runs/learned_appearance]

Every seed trains recipes/held_out.yaml twice from the same start, once with the appearance learned and once with it
held at its initial values, and labels every second clip of the validation part with the result. A run that was
stopped goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t as student

from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.pipeline import SkeletonLLM, load_model
from skeletonllm_core.render.measures import colour_spread, motion_visibility
from skeletonllm_core.train.corpus import VALIDATION, LabelledClip, read_packs
from skeletonllm_core.train.evaluate import RECOGNITION_SOURCES
from skeletonllm_core.train.recipe import read_recipe
from skeletonllm_core.train.trainer import load_items, train

RECIPE = Path(__file__).parent.parent / "recipes" / "held_out.yaml"


def top_1(model: SkeletonLLM, clips: list[LabelledClip], labels: list[str]) -> float:
    return float(np.mean([model.label(clip.person, labels).text == clip.label for clip in clips]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="PACKS")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/learned_appearance"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = list(read_packs(options.data, sources=RECOGNITION_SOURCES))
    items = load_items(replace(read_recipe(RECIPE), data=options.data))
    right: dict[tuple[str, str], list[float]] = {}
    for seed in range(options.seeds):
        for appearance, rate in (("learned", None), ("fixed", 0.0)):
            recipe = replace(
                read_recipe(RECIPE), data=options.data, steps=options.steps, seed=seed, temperature=1.0, threshold=0.5,
                out=options.out / f"{appearance}-{seed}",
            )  # fmt: skip
            if rate is not None:
                recipe = replace(recipe, renderer_learning_rate=rate)
            model = load_model(str(train(recipe, clips=items)))
            scenes = [canonical_frames([clip.person], 16) for clip in clips if clip.split == VALIDATION][::10]
            print(
                f"seed {seed}, {appearance}: motion visibility {motion_visibility(model.renderer, scenes):.1f}/255, "
                f"colour spread {colour_spread(model.renderer.appearance):.3f}",
                flush=True,
            )
            for source in RECOGNITION_SOURCES:
                own = [clip for clip in clips if clip.source == source]
                labels = sorted({clip.label for clip in own})
                asked = [clip for clip in own if clip.split == VALIDATION][::2]
                right.setdefault((source, appearance), []).append(top_1(model, asked, labels))
    print(f"\nvalidation top-1 after {options.steps} steps, seeds 0 to {options.seeds - 1}")
    print("| data | learned | fixed | difference | 95 % interval |\n|---|---|---|---|---|")
    for source in RECOGNITION_SOURCES:
        learned, fixed = (np.array(right[source, appearance]) for appearance in ("learned", "fixed"))
        gain = learned - fixed
        half = student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
        print(
            f"| {source} | {learned.mean():.3f} | {fixed.mean():.3f} | {gain.mean():+.3f} | "
            f"{gain.mean() - half:+.3f} to {gain.mean() + half:+.3f} |"
        )


if __name__ == "__main__":
    main()
