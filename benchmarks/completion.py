"""How far from their true places `motion.completion` puts joints that a recording lacks.

    python benchmarks/completion.py [FOLDER] [--clips N]

FOLDER holds packs (default: ../shared/data); N clips of the training part of each large source are taken, drawn by a seed, and
N of our own, of other seeds than it learned from. A share of the joints is taken away throughout, and the mean distance of the
guess from the truth is given, for the body parts that lack. Peers know the same own clips, pose by pose, turned and centred
alike: the five nearest poses by the joints that are known (scikit-learn's KNNImputer), and the mean pose.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.impute import KNNImputer

from skeletonllm_core.motion.completion import PARTS, completed, features, turned
from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.repair import repaired
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.train.completion import poses_of
from skeletonllm_core.train.corpus import TRAIN, LabelledClip, read_packs
from skeletonllm_core.train.evaluation.clips import procedural_asked, subsample
from skeletonllm_core.train.evaluation.corruptions import without_joints
from skeletonllm_core.train.items import procedural_clips

SEED = 1
SHARES = (0.1, 0.3, 0.5)
SOURCES = ("bandai2", "msr_action3d")
KNOWN_CLIPS, KNOWN_POSES = 520, 4000


def framed(poses: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, P, 3) poses around the mean of their (P,) known joints, facing +Z, as the network sees them; and that frame."""
    rows = np.broadcast_to(known, poses.shape[:2])
    _, centre, yaw = features(np.nan_to_num(poses)[:, None], rows)
    return turned(poses - centre[:, None], -yaw), centre, yaw


def imputed(poses: np.ndarray, known: np.ndarray, learned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, P, 3) guesses by the nearest poses, and by the mean pose."""
    usable = learned[np.isfinite(learned[:, known]).all((1, 2))]
    given, _, _ = framed(usable, known)
    asked, centre, yaw = framed(np.where(known[:, None], poses, np.nan), known)
    nearest = KNNImputer(n_neighbors=5, keep_empty_features=True).fit(given.reshape(len(given), -1))
    near = nearest.transform(asked.reshape(len(asked), -1)).reshape(poses.shape)
    mean = np.broadcast_to(np.nanmean(given, axis=0), poses.shape)
    back = [turned(guess, yaw) + centre[:, None] for guess in (near, mean)]
    return back[0], back[1]


def errors(clip: LabelledClip, share: float, learned: np.ndarray, rng: np.random.Generator) -> list[float] | None:
    """Mean distances [m of a 1.7 m body] from the truth: ours, of the nearest poses, of the mean pose; None: nothing lacks."""
    whole = repaired(clip.person if isinstance(clip.person, Keypoints) else clip.person.keypoints())
    poorer = without_joints(share)(whole, rng)
    true = poses_of([replace(clip, person=whole)], {clip.source: 1.0}).places
    scale = _scale(whole, true)
    rig = map_rig(whole.topology, whole.positions)
    joints = np.array([rig.joint_of(part) if part in rig.primary() else -1 for part in PARTS])
    there = np.array([joint >= 0 and np.isfinite(poorer.positions[:, joint]).all() for joint in joints])
    lost = np.array([joint >= 0 for joint in joints]) & ~there & np.isfinite(true).all((0, 2))
    found = completed(poorer).positions
    lost &= np.array([joint >= 0 and bool(np.isfinite(found[:, joint]).all()) for joint in joints])
    if not lost.any() or there.sum() < 2:
        return None
    ours = np.linalg.norm(found - whole.positions, axis=-1)[:, joints[lost]].mean() * scale
    peers = imputed(true.astype(np.float64), there, learned)
    return [float(ours), *(float(np.linalg.norm(guess - true, axis=-1)[:, lost].mean()) for guess in peers)]


def _scale(person: Keypoints, poses: np.ndarray) -> float:
    """Metres of a 1.7 m body for a metre of the person."""
    own = np.linalg.norm(np.nanmax(poses, axis=(0, 1)) - np.nanmin(poses, axis=(0, 1)))
    rig = map_rig(person.topology, person.positions)
    drawn = person.positions[:, [joint for joint in rig.primary().values() if rig.drawn[joint]]]
    return float(own / np.linalg.norm(np.nanmax(drawn, axis=(0, 1)) - np.nanmin(drawn, axis=(0, 1))))


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
    poses = poses_of(procedural_clips(KNOWN_CLIPS, 0), {"procedural": 1.0}).places
    learned = poses[np.random.default_rng(SEED).permutation(len(poses))[:KNOWN_POSES]].astype(np.float64)
    print("data, share of the joints that lacks: mean distance from the truth [cm]: ours, 5 nearest poses, mean pose")
    for name, clips in groups.items():
        for share in SHARES:
            rows = [errors(clip, share, learned, np.random.default_rng([SEED, i])) for i, clip in enumerate(clips)]
            found = np.array([row for row in rows if row is not None])
            told = ", ".join(f"{100 * value:.1f}" for value in found.mean(0))
            print(f"{name}, {100 * share:.0f} %: {told}  ({len(found)} clips)", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
