"""Hostile files of every format: fifty fresh mutations, and every file that once did harm (`make fuzz` looks for more)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fuzzing import KEPT, ReadingProcess, fuzz, mutated
from tests.plugin_on_disk import install_plugin
from tests.plugins.test_readers import MATRIX
from tests.samples import samples

KEPT_FILES = sorted(path for path in KEPT.glob("*/*") if path.is_file())


@pytest.fixture(scope="module")
def reader() -> Iterator[ReadingProcess]:
    process = ReadingProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize("name", MATRIX)
def test_mutations_are_read_or_refused(
    name: str, reader: ReadingProcess, sample_files: dict[str, Path], tmp_path: Path
) -> None:
    outcomes, faults = fuzz(name, sample_files[name], 50, 1, tmp_path, reader)
    assert not faults, faults[0]
    assert outcomes["refused"] > 0 and sum(outcomes.values()) == 50


@pytest.mark.parametrize("path", KEPT_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_that_once_did_harm(path: Path, reader: ReadingProcess, tmp_path: Path) -> None:
    copied = tmp_path / f"sample{path.suffix}"
    copied.write_bytes(path.read_bytes())
    assert reader.verdict(copied, path.parent.name).fault == ""


def test_the_harness_notices_what_it_is_for(
    reader: ReadingProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that raises, that dies and that hangs is each a fault, and the next file is read all the same."""
    monkeypatch.setenv("PYTHONPATH", str(install_plugin(tmp_path / "site")))
    monkeypatch.setattr("tests.fuzzing.SECONDS", 1.0)
    process = ReadingProcess()
    said = {}
    try:
        for format in ("deadly", "slow", "mistaken"):
            path = tmp_path / f"sample.{format}"
            path.write_text("anything")
            said[format] = process.verdict(path, format).fault
    finally:
        process.close()
    assert said["deadly"] == "the process died (-9)"
    assert said["slow"] == "no answer within the time"
    assert said["mistaken"].startswith("IndexError")
    good = tmp_path / "good.bvh"
    good.write_bytes(MATRIX["bvh"].sample)
    assert reader.verdict(good, "bvh").outcome == "read"


def test_mutations_are_repeatable_and_differ() -> None:
    sample = MATRIX["bvh"].sample
    made = [mutated(sample, np.random.default_rng([0, index])) for index in range(50)]
    assert made == [mutated(sample, np.random.default_rng([0, index])) for index in range(50)]
    assert len(set(made)) > 45 and sample not in made
