"""How well the checker of rationales tells true ones from false ones, in their own words and in others.

Clips: eight bodies doing each of the 52 procedural actions on every rig in turn, and every ninth clip of the shared packs
where they are there. True: what `label --explain` says of them. False: one line with left and right or hands and feet
exchanged, or two steps told in the wrong order. The peer is the published check, which asks for a label line only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from skeletonllm_core.motion.facts import explain, measure
from skeletonllm_core.train.corpus import read_packs
from skeletonllm_core.train.procedural import ACTIONS, RIGS, make_motion
from skeletonllm_core.train.rationale_check import contradictions
from tests.falsified import Case, Clips, reworded, wrong_limbs, wrong_orders, wrong_sides

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEDS = range(500, 508)


def procedural() -> Clips:
    """Labels and facts of clips that the project makes itself."""
    pairs = [(seed, place, action) for seed in SEEDS for place, action in enumerate(sorted(ACTIONS))]
    return [
        (action, measure(make_motion(action, RIGS[(place + seed) % len(RIGS)], seed=seed)))
        for seed, place, action in pairs
    ]


def recorded() -> Clips:
    """Labels and facts of every ninth clip of the shared packs."""
    return [(clip.label, measure(clip.person)) for place, clip in enumerate(read_packs(DATA)) if place % 9 == 7]


def truths(clips: Clips) -> list[Case]:
    """The true rationales."""
    return [(label, facts, explain(facts, label), "") for label, facts in clips]


def in_other_words(cases: list[Case]) -> list[Case]:
    """The same in other words, most figures left out."""
    rng = random.Random(0)
    return [(label, facts, reworded(text, rng), line) for label, facts, text, line in cases]


KINDS: dict[str, Callable[[Clips], list[Case]]] = {
    "true": truths,
    "true, other words": lambda clips: in_other_words(truths(clips)),
    "wrong side": wrong_sides,
    "wrong side, other words": lambda clips: in_other_words(wrong_sides(clips)),
    "wrong limb": wrong_limbs,
    "wrong order": lambda clips: wrong_orders(clips, moments=True),
    "wrong order, no moments told": lambda clips: wrong_orders(clips, moments=False),
}


def main() -> None:
    sources = {"procedural": procedural()}
    if (DATA / "index.jsonl").is_file():
        sources["shared packs"] = recorded()
    print("| rationales | of | number | rejected | by the published check |\n|---|---|---|---|---|")
    for name, make in KINDS.items():
        for source, clips in sources.items():
            cases = make(clips)
            ours = sum(bool(contradictions(text, facts, label)) for label, facts, text, _ in cases)
            published = sum("label:" not in text.lower() for _, _, text, _ in cases)
            shares = f"{ours / len(cases):.1%} | {published / len(cases):.1%}"
            print(f"| {name} | {source} ({len(clips)} clips) | {len(cases)} | {shares} |")


if __name__ == "__main__":
    main()
