"""Seconds to load the default model, and seconds a clip for label and caption, on one core.

    python benchmarks/clip_speed.py [CLIP ...]

The peer in the same run is the dense per-Gaussian form of the renderer (`render/reference.py`), which does the same
operations per pixel as the published renderer; the published one was measured at 7 to 14 s for the frames of one clip
of 12 × 448² on a machine of this kind.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import torch

import skeletonllm_core as sk
from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.pipeline import load_model

EXAMPLES = Path(__file__).parent.parent / "examples" / "clips"


def timed(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    torch.set_num_threads(1)
    clips = [Path(name) for name in sys.argv[1:]] or sorted(EXAMPLES.glob("*.bvh"))
    load = median(timed(load_model) for _ in range(3))
    model = load_model()
    people = [sk.read(clip)[0] for clip in clips]
    model.label(people[0])
    read = [timed(lambda clip=clip: sk.read(clip)) for clip in clips]
    shown = [(one.topology, one.joint_positions()) for one in people]
    rig = [min(timed(lambda one=one: map_rig(*one)) for _ in range(5)) for one in shown]
    facts = [min(timed(lambda one=one: measure(one)) for _ in range(5)) for one in people]
    label = [timed(lambda one=one: model.label(one)) for one in people]
    caption = [timed(lambda one=one: model.caption(one)) for one in people]
    scene = canonical_frames([people[0]], 12)
    with torch.no_grad():
        model.renderer(scene, size=448)
        ours = median(timed(lambda: model.renderer(scene, size=448)) for _ in range(5))
        dense = timed(lambda: model.renderer.render_reference(scene, size=448))
    print(f"load                         {load:8.3f} s")
    print(f"read a clip                  {median(read):8.3f} s   (median of {len(clips)})")
    print(f"map its rig                  {median(rig):8.4f} s   largest {max(rig):.4f}")
    print(f"measure its facts            {median(facts):8.4f} s   largest {max(facts):.4f}")
    print(f"label                        {median(label):8.3f} s   largest {max(label):.3f}")
    print(f"caption                      {median(caption):8.3f} s   largest {max(caption):.3f}")
    print(f"label + caption              {median(a + b for a, b in zip(label, caption, strict=True)):8.3f} s")
    print(f"render 12 × 448²             {ours:8.3f} s")
    print(f"the same, dense per Gaussian {dense:8.3f} s   {dense / ours:.0f} times ours")


if __name__ == "__main__":
    main()
