"""Fast reading of decimal numbers: the same floats as Python's own, or a refusal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skeletonllm_mocap_io.decimals import parsed

WORDS = st.one_of(
    st.from_regex(r"-?[0-9]{1,14}", fullmatch=True),
    st.from_regex(r"-?[0-9]{0,7}\.[0-9]{1,8}", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,20}\.[0-9]{0,3}", fullmatch=True),
    st.floats(-1e9, 1e9).map(repr),
)


@given(st.lists(WORDS), st.sampled_from([" ", "\n", "\t", "  ", " \r\n"]))
def test_every_number_is_the_nearest_float(words: list[str], gap: str) -> None:
    found = parsed(gap.join(words).encode())
    assert found is not None
    np.testing.assert_array_equal(found, [float(word) for word in words])


@pytest.mark.parametrize("text", ["1.5.2", "--1", "1-.5 .", "-", ".", "-. 5.5", "1 two 3", "1,5", "0x10", "1.0 -"])
def test_what_is_no_number_is_refused(text: str) -> None:
    assert parsed(text.encode()) is None


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_nothing(text: str) -> None:
    found = parsed(text.encode())
    assert found is not None
    assert len(found) == 0


def test_exponents_and_long_numbers_go_the_long_way() -> None:
    found = parsed(b"1e3 -2.5E-2 123456789012345678901234567890.5 0.1")
    assert found is not None
    assert found.tolist() == [1000.0, -0.025, 123456789012345678901234567890.5, 0.1]


@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    """Whatever stands there, each number is one that float() reads, or there is no answer."""
    found = parsed(data)
    if found is not None and not set(data) - set(b"0123456789.- \n"):
        assert found.tolist() == [float(word) for word in data.split()]
