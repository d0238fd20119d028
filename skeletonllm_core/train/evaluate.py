"""Tables of how good a model is, with baselines beside it in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model import prompts
from skeletonllm_core.model.lexicon import match
from skeletonllm_core.motion.canonical import prepare
from skeletonllm_core.motion.facts import measure
from skeletonllm_core.pipeline import PHASES, SkeletonLLM, body_seconds
from skeletonllm_core.train.baselines import predictions
from skeletonllm_core.train.corpus import TEST, TRAIN, VALIDATION, data_hash, read_packs

RECOGNITION_SOURCES = ("bandai2", "msr_action3d")


@dataclass(frozen=True)
class Row:
    """One figure: share of clips that were right, with its 95 % interval."""

    source: str
    method: str
    right: float
    low: float
    high: float
    clips: int


def interval(right: int, clips: int) -> tuple[float, float]:
    """95 % Wilson interval of a share.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    z = 1.959964
    share = right / clips
    centre = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    half = z * np.sqrt(share * (1 - share) / clips + z * z / (4 * clips * clips)) / (1 + z * z / clips)
    return float(centre - half), float(centre + half)


def recognition(
    model: SkeletonLLM, data: Path, *, split: str = TEST, seed: int = 0, say: Callable[[str], None] = lambda text: None
) -> dict:
    """Top-1 over each source's own labels: by label likelihood, by greedy generation, and by baselines on the facts.

    Args:
        model: what is judged; clips go through `SkeletonLLM.label`, as in `annotate`.
        data: pack folder.
        split: "test", or "validation" to choose by.
        seed: of the random forest.

    Returns:
        `rows` (see `Row`), `milliseconds` a clip for the label, `data`, `split`, `seed`, `model`.
    """
    if split not in (TEST, VALIDATION):
        raise SkeletonLLMError(f"the split {split!r} is unknown: use test or validation")
    rows: list[Row] = []
    clips = list(read_packs(data, sources=RECOGNITION_SOURCES))
    spent: list[float] = []
    for source in RECOGNITION_SOURCES:
        own = [clip for clip in clips if clip.source == source]
        asked = [clip for clip in own if clip.split == split]
        known = [clip for clip in own if clip.split == TRAIN or (split == TEST and clip.split == VALIDATION)]
        labels = sorted({clip.label for clip in own})
        truth = np.array([clip.label for clip in asked])
        scored, chosen, written = [], [], []
        for index, clip in enumerate(asked):
            began = time.perf_counter()
            scored.append(model.label(clip.person, labels).text)
            spent.append(time.perf_counter() - began)
            body = prepare([clip.person])[0]
            prompt = prompts.label_prompt(body_seconds(body))
            chosen.append(model.write(body, prompt, phases=PHASES, choices=labels))
            written.append(model.write(body, prompt, phases=PHASES))
            if (index + 1) % 50 == 0:
                say(f"{source}: {index + 1}/{len(asked)} clips")
        rows.append(_row(source, "label likelihood", np.array(scored) == truth))
        rows.append(_row(source, "greedy generation among the labels", np.array(chosen) == truth))
        # Free text may be another source's word for the same action: read as `label` reads it, and letter by letter.
        meant = [labels[int(np.argmax([match(label, text) for label in labels]))] for text in written]
        rows.append(_row(source, "free greedy generation", np.array(meant) == truth))
        rows.append(_row(source, "free greedy generation, same letters", np.array(written) == truth))
        if source == "bandai2" and split == TEST:
            unseen = np.array([clip.style == "elderly" for clip in asked])
            rows.append(_row("bandai2, unseen style", "label likelihood", (np.array(scored) == truth)[unseen]))
        say(f"{source}: baselines")
        facts_known, facts_asked = ([measure(clip.person) for clip in some] for some in (known, asked))
        told = predictions(facts_known, [clip.label for clip in known], facts_asked, seed)
        rows.extend(_row(source, method, says == truth) for method, says in told.items())
        rows.append(_row(source, "most frequent label", truth == max(labels, key=[c.label for c in known].count)))
    return {
        "rows": [asdict(row) for row in rows],
        "milliseconds": round(1000 * float(np.median(spent)), 1),
        "data": data_hash(clips),
        "split": split,
        "seed": seed,
        "model": {"id": model.id, "sha256": model.sha256},
    }


def _row(source: str, method: str, right: np.ndarray) -> Row:
    low, high = interval(int(right.sum()), len(right))
    return Row(source, method, round(float(right.mean()), 4), round(low, 4), round(high, 4), len(right))


def markdown(result: dict) -> str:
    """The result as a Markdown table."""
    lines = ["| data | method | top-1 | 95 % interval | clips |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['source']} | {row['method']} | {row['right']:.3f} | {row['low']:.3f}–{row['high']:.3f} | {row['clips']} |"
        for row in result["rows"]
    ]
    lines.append("")
    lines.append(
        f"split {result['split']}, data {result['data']}, seed {result['seed']}, model {result['model']['id']} "
        f"{result['model']['sha256'][:12]}, {result['milliseconds']} ms a clip for the label"
    )
    return "\n".join(lines)
