"""Captions against sentences that people wrote, with controls that never look at the clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from skeletonllm_core.motion.facts import caption_clauses
from skeletonllm_core.train.baselines.description import Description
from skeletonllm_core.train.baselines.warping import WarpedNeighbour
from skeletonllm_core.train.corpus import TRAIN, LabelledClip, data_hash, read_corpus
from skeletonllm_core.train.evaluation.caption_metrics import Metric, metrics
from skeletonllm_core.train.evaluation.clips import PROCEDURAL_KNOWN, Request, procedural_asked, subsample
from skeletonllm_core.train.evaluation.progress import counted
from skeletonllm_core.train.evaluation.statistics import Figure, bootstrapped
from skeletonllm_core.train.evaluation.tables import Table
from skeletonllm_core.train.items import procedural_clips
from skeletonllm_core.train.procedural import ACTIONS
from skeletonllm_core.train.tasks import caption as composed_caption
from skeletonllm_core.train.tasks import learned_label

DEFAULT_LIMIT: int | None = 100

BLEU_RESAMPLES = 200
"""BLEU has no score of a single clip, so every draw of its bootstrap is scored anew."""


def tables(request: Request) -> tuple[list[Table], str]:
    """The tables, and the hash of the data."""
    measures, missing = metrics()
    ours = list(procedural_clips(PROCEDURAL_KNOWN, request.seed))
    asked = procedural_asked(request.limit or 2 * len(ACTIONS), request.seed)
    composed = "Captions composed from the action's name and measured facts, as in training; our own clips"
    made = [_table(request, composed, _composed(ours), _composed(asked), measures, missing)]
    if request.data is None:
        return made, data_hash([*ours, *asked])
    clips = list(read_corpus(request.data))
    written = [(clip, clip.captions) for clip in clips if clip.captions]
    known = [pair for pair in written if pair[0].split == TRAIN]
    wanted = [pair for pair in written if pair[0].split == request.split]
    chosen = {clip.name for clip in subsample([clip for clip, _ in wanted], request.limit, request.seed)}
    wanted = [pair for pair in wanted if pair[0].name in chosen]
    title = f"Captions that people wrote, split {request.split}"
    if known and wanted:
        made.insert(0, _table(request, title, known, wanted, measures, missing))
    else:
        reason = "no clip of this split, or none to learn from, has a caption that a person wrote."
        made.insert(0, Table(title, ("captions by",), notes=[f"No table: {reason}"]))
    return made, data_hash(clips)


Captioned = Sequence[tuple[LabelledClip, Sequence[str]]]


def _composed(clips: Sequence[LabelledClip]) -> Captioned:
    """Each clip with three captions composed from its label and facts, as training composes them."""
    told = []
    for index, clip in enumerate(clips):
        clauses = caption_clauses(Description(clip.person).facts)
        rng = np.random.default_rng(index)
        told.append((clip, [composed_caption(learned_label(clip.label), clauses, rng) for _ in range(3)]))
    return told


def _table(
    request: Request, title: str, known: Captioned, wanted: Captioned, measures: Sequence[Metric], missing: list[str]
) -> Table:
    table = Table(title, ("captions by", *(one.name for one in measures), "clips"), notes=list(missing))
    references = [list(texts) for _, texts in wanted]
    for who, said in _captions(request, known, wanted).items():
        table.add(who, *(_figure(one, said, references, request.seed) for one in measures), len(said))
    table.notes.append(
        f"Controls take their captions from {len(known)} other clips. Words are compared in lower case, without signs; "
        "with few clips CIDEr, which weighs words by how rare they are among the references, says little."
    )
    return table


def _captions(request: Request, known: Captioned, wanted: Captioned) -> dict[str, list[str]]:
    """Who says it → the caption of each clip."""
    own = [
        request.model.caption(clip.person).caption for clip, _ in counted("captions", wanted, len(wanted), request.say)
    ]
    described = [Description(clip.person) for clip, _ in wanted]
    facts = ["a person " + " and ".join(caption_clauses(one.facts) or ("moves",)) for one in described]
    nearest = WarpedNeighbour()
    nearest.fit([Description(clip.person) for clip, _ in known], [texts[0] for _, texts in known], request.seed)
    counts = Counter(texts[0] for _, texts in known)
    usual = min(counts, key=lambda text: (-counts[text], text))
    drawn = np.random.default_rng([request.seed, len(known)]).integers(len(known), size=len(wanted))
    return {
        "model": own,
        "measured facts, by a template": facts,
        "nearest clip's caption (DTW)": [known[nearest.nearest(one)][1][0] for one in described],
        "random clip's caption": [known[index][1][0] for index in drawn],
        "most frequent caption": [usual] * len(wanted),
    }


def _figure(metric: Metric, said: Sequence[str], references: Sequence[Sequence[str]], seed: int) -> Figure:
    score, each = metric.measure(said, references)
    if each is not None:
        found = bootstrapped(lambda rows: float(each[rows].mean()), len(said), seed)
    else:

        def drawn(rows: np.ndarray) -> float:
            return metric.measure([said[row] for row in rows], [references[row] for row in rows])[0]

        found = bootstrapped(drawn, len(said), seed, BLEU_RESAMPLES)
    return Figure(score, found.low, found.high, len(said))
