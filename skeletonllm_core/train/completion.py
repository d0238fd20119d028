"""Teaches the network of `motion/completion.py` where joints are that a recording lacks: on the project's own clips alone, or on
the training clips of a recipe, too.

python -m skeletonllm_core.train.completion OUT.npz [--recipe RECIPE]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from skeletonllm_core.atomic import whole_file
from skeletonllm_core.motion.canonical import prepare
from skeletonllm_core.motion.completion import MOMENTS, PARTS, features, turned
from skeletonllm_core.motion.repair import repaired
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.train.corpus import LabelledClip
from skeletonllm_core.train.draws import source_of
from skeletonllm_core.train.items import procedural_clips
from skeletonllm_core.train.recipe import read_recipe
from skeletonllm_core.train.trainer import load_clips

WIDTH = 448
BATCH = 512
RATE = 2e-3
MOST_LACKING = 0.75
"""Largest share of a body's joints that is lacking."""


class Network(nn.Module):
    """(n, F) features → (n, P · 3) places; `motion/completion.py` computes the same without torch."""

    def __init__(self) -> None:
        super().__init__()
        count = len(PARTS)
        self.first = nn.Linear(len(MOMENTS) * count * 3 + count, WIDTH)
        self.second = nn.Linear(WIDTH, WIDTH)
        self.third = nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, count * 3)

    def forward(self, seen: Tensor) -> Tensor:
        hidden = torch.relu(self.first(seen))
        for layer in (self.second, self.third):
            hidden = hidden + torch.relu(layer(hidden))
        return self.last(hidden)


@dataclass(frozen=True, eq=False)
class Poses:
    """Clips behind one another.

    Attributes:
        places: (N, P, 3) float32 [m of a 1.7 m body] by `PARTS`, NaN where a rig has no such part.
        first, last: (C,) frames of each clip.
        fps: (C,).
        weight: (C,) how often each clip is drawn; their sum is 1.
    """

    places: np.ndarray
    first: np.ndarray
    last: np.ndarray
    fps: np.ndarray
    weight: np.ndarray


def poses_of(clips: Iterable[LabelledClip], mix: Mapping[str, float]) -> Poses:
    """The poses of clips, drawn by the shares of a recipe's mix."""
    places, rates, entries = [], [], []
    for clip in clips:
        person = repaired(clip.person)
        world = person.joint_positions()
        rig = map_rig(person.topology, world)
        body = prepare([person], [rig])[0]
        shown = rig.drawn & np.isfinite(world).all(-1).any(0)
        own = np.full((len(body), len(PARTS), 3), np.nan, np.float32)
        column = np.cumsum(shown) - 1
        for part, joint in rig.primary().items():
            if shown[joint]:
                own[:, PARTS.index(part)] = body.positions[:, int(column[joint])]
        places.append(own)
        rates.append(person.fps)
        entries.append(source_of(clip.source, mix))
    ends = np.cumsum([len(own) for own in places])
    count = Counter(entries)
    weight = np.array([mix.get(entry, 0.0) / count[entry] for entry in entries])
    return Poses(
        np.concatenate(places), np.concatenate([[0], ends[:-1]]), ends - 1, np.array(rates), weight / weight.sum()
    )


def drawn(poses: Poses, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moments of clips at other tempos, by bodies of other sizes and proportions, that face anywhere and lack joints.

    Returns:
        (n, M, P, 3) [m] the poses around each moment; (n, P) which parts the body has, and which of them are known.
    """
    clip = rng.choice(len(poses.first), size=count, p=poses.weight)
    first, last = poses.first[clip], poses.last[clip]
    pace = poses.fps[clip] * np.exp(rng.normal(0, 0.3, count))
    moment = rng.uniform(first, last + 1)
    frames = np.rint(moment[:, None] + np.array(MOMENTS) * pace[:, None])
    around = np.clip(frames, first[:, None], last[:, None]).astype(np.int64)
    size = np.exp(rng.normal(0, 0.12, (count, 1, 1, 1)) + rng.normal(0, 0.06, (count, 1, 1, 3)))
    seen = poses.places[around] * size.astype(np.float32)
    flat = turned(seen.reshape(count, -1, 3), rng.uniform(-np.pi, np.pi, count)).reshape(seen.shape)
    has = np.asarray(np.isfinite(flat).all((1, 3)))
    known = has & (rng.random(has.shape) >= rng.uniform(0.05, MOST_LACKING, (count, 1)))
    known |= has & (known.sum(1, keepdims=True) < 2)
    return flat.astype(np.float32), has, known


def taught(poses: Poses, steps: int, seed: int) -> Network:
    """A network that was shown poses; what counts is the mean distance [m] of the joints that lacked."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    off = 0.0
    for step in range(1, steps + 1):
        seen, has, known = drawn(poses, BATCH, rng)
        wobble = rng.normal(0, 1, seen.shape) * rng.uniform(0, 0.03, (BATCH, 1, 1, 1))
        given, centre, yaw = features(seen + wobble, known)
        true = turned(np.nan_to_num(seen[:, 0]) - centre[:, None], -yaw).astype(np.float32)
        guess = network(torch.from_numpy(given)).view(BATCH, len(PARTS), 3)
        wanted = torch.from_numpy(has & ~known)
        distance = ((guess - torch.from_numpy(true)) ** 2).sum(-1).add(1e-4).sqrt()
        loss = distance[wanted].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        off += (loss.item() - off) * max(0.01, 1 / step)
        if step % 500 == 0:
            print(f"step {step}/{steps}: joints that lack are {100 * off:.1f} cm off", flush=True)
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", type=Path)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    clips, mix = list(procedural_clips(given.clips, given.seed)), {"procedural": 1.0}
    if given.recipe:
        recipe = read_recipe(given.recipe)
        clips, mix = clips + load_clips(recipe)[0], dict(recipe.mix)
    network = taught(poses_of(clips, mix), given.steps, given.seed)
    weights = {name: value.numpy().astype(np.float16) for name, value in network.state_dict().items()}
    with whole_file(given.out) as temporary, temporary.open("wb") as file:
        np.savez(file, **weights)


if __name__ == "__main__":
    main()
