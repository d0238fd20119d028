"""JSON from strangers: lists of numbers, and keys that stand somewhere in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_mocap_io.json_text import load_json, mentions, numbers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2.5], [1, 2.5]),
        ([], []),
        ([[1, 2], [3, None]], [[1, 2], [3, np.nan]]),
        ([None], [np.nan]),
        ([float("nan"), 10**25], [np.nan, 1e25]),
        ([[1], [2, 3]], None),
        (["1"], None),
        ([1, "2"], None),
        ([1, None, "2"], None),
        ([{}], None),
        ([1, [2]], None),
        ([10**400], None),
        ("12", None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_lists_of_numbers(value: Any, expected: list | None) -> None:
    found = numbers(value)
    if expected is None:
        assert found is None
    else:
        assert found is not None and found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


def test_keys_are_found_in_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"people": [], "other": 1}')
    assert mentions(path, b"people") and mentions(path, b"none", b"other") and not mentions(path, b"peo")
    path.write_bytes(b"")
    assert not mentions(path, b"people")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": 1,\n "b" 2}', "a.json:2: is no whole JSON: expecting ':' delimiter"),
        (b"\xff\xff", "a.json: is no utf"),
        (b"[" * 200_000, "a.json: is no JSON that can be a motion"),
    ],
)
def test_what_is_no_json_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(MotionFormatError) as caught:
        load_json(path, "made")
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)
