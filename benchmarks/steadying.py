"""How much of a sensor's noise is left after `motion.steadying`.

    python benchmarks/steadying.py [FOLDER] [--clips N]

FOLDER holds packs (default: ../shared/data); N clips of the training part of each large source are taken, drawn by a seed, and
N of our own. Normal noise is added to every joint in every frame, and the root mean square error to the clip without it is
given as a share of the noise. Peers: Savitzky-Golay cubics joint by joint (scipy), one window for all of a clip, the best one
in hindsight; nobody without the truth could choose it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.signal import savgol_filter

from skeletonllm_core.motion.steadying import WINDOWS, steadied
from skeletonllm_core.train.corpus import TRAIN, read_packs
from skeletonllm_core.train.evaluation.clips import procedural_asked, subsample
from skeletonllm_core.train.evaluation.corruptions import Corruption, noise

SEED = 1
LEVELS = (0.02, 0.05, 0.1)
SOURCES = ("bandai2", "msr_action3d")


def filtered(positions: np.ndarray, window: int) -> np.ndarray:
    """(n, J, 3) every joint filtered by itself; as it is where the clip is shorter than the window."""
    return positions if window > len(positions) else savgol_filter(positions, window, 3, axis=0, mode="interp")


def error(positions: np.ndarray, true: np.ndarray) -> float:
    """Root mean square of what is known."""
    return float(np.sqrt(np.nanmean((positions - true) ** 2)))


def main() -> int:
    """Print the table; 2 where the data is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--clips", type=int, default=25)
    asked = parser.parse_args()
    if not asked.folder.is_dir():
        print(f"{asked.folder}: not a folder of packs", file=sys.stderr)
        return 2
    packs = [clip for clip in read_packs(asked.folder) if clip.split == TRAIN]
    groups = {name: subsample([clip for clip in packs if clip.source == name], asked.clips, SEED) for name in SOURCES}
    groups["procedural"] = procedural_asked(asked.clips, SEED)
    print("data, noise [cm of a 1.7 m body]: share of the noise that is left; Savitzky-Golay's best in hindsight")
    for name, clips in groups.items():
        for level in LEVELS:
            ours, peer = [], []
            for index, clip in enumerate(clips):
                true = clip.person.joint_positions()
                noisy = Corruption("noise", "", noise(level)).applied(clip, np.random.default_rng([SEED, index])).person
                jittering = noisy.joint_positions()
                errors = [
                    error(positions, true) / error(jittering, true)
                    for positions in (
                        steadied(noisy).joint_positions(),
                        *(filtered(jittering, window) for window in WINDOWS),
                    )
                ]
                ours.append(errors[0])
                peer.append(min(errors[1:]))
            print(f"{name}, {100 * level:.0f}: {np.mean(ours):.2f}; {np.mean(peer):.2f}  ({len(clips)} clips)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
