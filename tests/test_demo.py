"""What a stranger sees first: the example clips through `make demo`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from skeletonllm_core import plugins


@pytest.fixture(scope="module")
def expected(root: Path) -> dict[str, str]:
    """Example file → the action in it."""
    with (root / "examples" / "labels.csv").open(encoding="utf-8", newline="") as table:
        return {row["path"]: row["label"] for row in csv.DictReader(table)}


def test_there_are_eight_examples_on_three_rigs(root: Path, expected: dict[str, str]) -> None:
    clips = sorted((root / "examples" / "clips").glob("*.bvh"))
    assert [clip.name for clip in clips] == sorted(Path(name).name for name in expected)
    assert len(clips) >= 8
    assert len({tuple(plugins.read(clip)[0].topology.names) for clip in clips}) >= 3


def test_the_demo_labels_seven_of_eight_right(root: Path, expected: dict[str, str], tmp_path: Path) -> None:
    from skeletonllm_core.model.lexicon import concepts

    program = [sys.executable, str(root / "examples" / "demo.py"), str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "annotations.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(expected)
    labels = {Path(name).name: label for name, label in expected.items()}
    wrong = {
        row["path"]: (labels[row["path"]], row["label"])
        for row in rows
        if concepts(row["label"]) != concepts(labels[row["path"]])
    }
    assert len(wrong) <= len(rows) / 8, wrong
    assert all(row["caption"] for row in rows)
    assert str(tmp_path / "report.html") in done.stdout
    assert all(row["path"] in "".join(done.stdout.split()) for row in rows)
    again = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0
