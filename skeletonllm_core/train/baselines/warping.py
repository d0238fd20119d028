"""1-NN with dynamic time warping on the directions of bones, which do not depend on the rig's proportions.

Source of the recursion: H. Sakoe, S. Chiba, "Dynamic programming algorithm optimization for spoken word recognition",
IEEE Trans. Acoustics, Speech, and Signal Processing 26 (1978).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeletonllm_core.train.baselines.description import MOMENTS, Baseline, Description

# Pairs of `description.JOINTS`: trunk, neck, shoulders, hips, both bones of each limb.
_DIRECTIONS = np.array(
    [(0, 1), (1, 2), (6, 3), (12, 9), (3, 4), (4, 5), (6, 7), (7, 8), (9, 10), (10, 11), (12, 13), (13, 14)]
)

_AT_ONCE = 512
"""Known clips that are compared with one clip at a time; keeps the table of costs below 2 MB."""


def directions(described: Description) -> tuple[np.ndarray, np.ndarray]:
    """(MOMENTS, 12, 3) unit vectors, 0 where a joint is missing; (MOMENTS, 12) float32, 1 where known."""
    joints = described.joints
    vectors = joints.positions[:, _DIRECTIONS[:, 1]] - joints.positions[:, _DIRECTIONS[:, 0]]
    lengths = np.linalg.norm(vectors, axis=-1)
    known = joints.visible[:, _DIRECTIONS].all(-1) & (lengths > 1e-6)
    units = np.where(known[..., None], vectors / np.maximum(lengths, 1e-6)[..., None], 0)
    return units.astype(np.float32), known.astype(np.float32)


def warped_distances(costs: np.ndarray) -> np.ndarray:
    """(K,) least sums of costs along a path through each of K tables (K, T, T), from one corner to the opposite one."""
    tables, rows, columns = costs.shape
    best = np.full((tables, rows + 1, columns + 1), np.inf, np.float32)
    best[:, 0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.minimum(np.minimum(best[:, i - 1, j], best[:, i, j - 1]), best[:, i - 1, j - 1])
        best[:, i, j] = costs[:, i - 1, j - 1] + before
    return best[:, rows, columns]


class WarpedNeighbour(Baseline):
    """The label of the clip that is nearest after warping; a frame costs the mean of 1 - cosine over common bones."""

    name = "1-NN DTW on bone directions"

    def fit(self, known: Sequence[Description], labels: Sequence[str], seed: int) -> None:
        pairs = [directions(one) for one in known]
        self._units = np.stack([units for units, _ in pairs]).reshape(len(pairs), MOMENTS, -1)
        self._there = np.stack([there for _, there in pairs])
        self._labels = list(labels)
        self.classes = tuple(sorted(set(labels)))

    def nearest(self, asked: Description) -> int:
        """Place among the known clips of the one that is nearest; the first of equals."""
        return int(self.distances(asked).argmin())

    def distances(self, asked: Description) -> np.ndarray:
        """(K,) from a clip to every known one."""
        units, there = directions(asked)
        found = []
        for start in range(0, len(self._units), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            common = np.einsum("ib,kjb->kij", there, self._there[part], optimize=True)
            cosines = np.einsum("ic,kjc->kij", units.reshape(MOMENTS, -1), self._units[part], optimize=True)
            found.append(warped_distances(np.where(common > 0, 1 - cosines / np.maximum(common, 1), 1.0)))
        return np.concatenate(found)

    def probabilities(self, asked: Sequence[Description]) -> np.ndarray:
        sure = np.zeros((len(asked), len(self.classes)))
        for row, one in enumerate(asked):
            sure[row, self.classes.index(self._labels[self.nearest(one)])] = 1
        return sure
