"""Run a suite and keep its tables."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

from skeletonllm_core.atomic import write_whole
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.train.evaluation import SUITES
from skeletonllm_core.train.evaluation.clips import Request
from skeletonllm_core.train.evaluation.tables import Report


def default_limit(suite: str) -> int | None:
    """How many clips of a source a suite asks about unless it is told otherwise; None: all."""
    return _module(suite).DEFAULT_LIMIT


def evaluate(suite: str, request: Request) -> Report:
    """The tables of a suite.

    Raises:
        SkeletonLLMError: there is no such suite, or the data is missing or incomplete.
    """
    tables, data = _module(suite).tables(request)
    options = [f"--model {request.model.id}", f"--seed {request.seed}"]
    options += [f"--limit {request.limit}"] if request.limit is not None else ["--limit 0"]
    if request.data is not None:
        options = ["--data PACKS", f"--split {request.split}", *options]
    if suite in ("rigs", "ablation"):
        options += [f"--recipe {request.recipe}", f"--runs {request.runs}", f"--seeds {request.seeds}"]
        options += [f"--steps {request.steps}"] if request.steps is not None else []
    settings = {
        "command": " ".join(["skeletonllm evaluate", suite, *options]),
        "data": "procedural clips" if request.data is None else "packs",
        "data hash": data,
        "split": request.split if request.data is not None else "unseen seeds",
        "seed": request.seed,
        "clips of a source": "all" if request.limit is None else f"at most {request.limit}, drawn by the seed",
        "model": f"{request.model.id} {request.model.sha256[:12]}",
    }
    return Report(suite, settings, tables)


def write_files(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write `SUITE.md` and `SUITE.json` into a folder; both are whole or not there."""
    markdown, object_ = folder / f"{report.suite}.md", folder / f"{report.suite}.json"
    write_whole(markdown, report.markdown().encode())
    write_whole(object_, (json.dumps(report.as_json(), ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode())
    return markdown, object_


def _module(suite: str):
    if suite not in SUITES:
        raise SkeletonLLMError(f"there is no suite {suite!r}: use {', '.join(SUITES)}")
    return import_module(f"skeletonllm_core.train.evaluation.{suite}")
