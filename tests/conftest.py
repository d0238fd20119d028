"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--model", default="default", help="the model that the tests of the commands use")


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> str:
    """The model that commands are tested with: the embedded one, or the folder given by `pytest --model`."""
    return request.config.getoption("--model")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real motion data beside the repository; a test that needs it is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "index.jsonl").is_file():
        pytest.skip(f"the real motion data is not here ({folder})")
    return folder
