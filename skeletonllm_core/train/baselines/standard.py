"""The baselines of a table, fitted on the same clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skeletonllm_core.train.baselines.description import Baseline, Description
from skeletonllm_core.train.baselines.facts import FactsForest, FactsNeighbour, FactsSentences
from skeletonllm_core.train.baselines.graph_network import SmallGraphNetwork
from skeletonllm_core.train.baselines.warping import WarpedNeighbour


def fitted_baselines(
    known: Sequence[Description], labels: Sequence[str], seed: int, say: Callable[[str], None]
) -> list[Baseline]:
    """Every baseline, fitted.

    Args:
        known: clips to learn from.
        labels: of each.
        seed: of every random choice.
        say: told which one is being fitted.
    """
    baselines: list[Baseline] = [
        SmallGraphNetwork(), WarpedNeighbour(), FactsForest(), FactsNeighbour(), FactsSentences()
    ]  # fmt: skip
    for baseline in baselines:
        say(f"fitting: {baseline.name}")
        baseline.fit(known, labels, seed)
    return baselines
