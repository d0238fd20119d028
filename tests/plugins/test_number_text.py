"""Tables of numbers in text: every layout reads alike, every mistake is named with its line, and large tables are quick."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_mocap_io.number_text import first_numbers, head_of, number_table, rows_of

HERE = Path("table.txt")


def table(text: str, width: int, **options: object) -> np.ndarray:
    rows = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return number_table(rows, width, path=HERE, format="made", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("1 2 3\n4 5 6", None),
        ("  1\t2   3 \n\n4 5 6\n", None),
        ("1,2,3\n4,5,6", ","),
        ("1, 2 ,3,\n4,5,6,,", ","),
        ("1\t2\t3\n4\t5\t6\t", "\t"),
        ("1;2;3\n4;5;6", ";"),
        ("1e0 +2 3.0\n4. .5e1 0006", None),
    ],
)
def test_layouts_of_the_same_table(text: str, separator: str | None) -> None:
    np.testing.assert_array_equal(table(text, 3, separator=separator), [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize("separator", [",", "\t"])
def test_empty_cells_are_gaps(separator: str) -> None:
    text = "1,,3\n,,6\nnan, ,nan\nnan,2,NaN".replace(",", separator)
    expected = [[1, np.nan, 3], [np.nan, np.nan, 6], [np.nan] * 3, [np.nan, 2, np.nan]]
    np.testing.assert_array_equal(table(text, 3, separator=separator, gaps=True), expected)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("1 2\n3", {}, "table.txt:2: expected 2 values, found 1"),
        ("1 2\n3 4 5", {}, "table.txt:2: expected 2 values, found 3"),
        ("1 2 3\n4", {}, "table.txt:1: expected 2 values, found 3"),
        ("1,2\n3,4,5", {"separator": ","}, "table.txt:2: expected 2 values, found 3"),
        ("1 2\n\n3 left", {}, "table.txt:3: expected a number, found 'left'"),
        ("1 2\n1_0 2", {}, "table.txt:2: expected a number, found '1_0'"),
        ("1 2\n3 ٤", {}, r"table.txt:2: expected a number, found '\u0664'"),
        ("1,2\n3 4,5", {"separator": ","}, "table.txt:2: expected a number, found '3 4'"),
        ("1 2\n3 nan", {}, "table.txt:2: value 2 is missing"),
        ("1,\n3,4", {"separator": ","}, "table.txt:1: value 2 is missing"),
        ("1 2\n1e30 4", {"names": ("x", "y")}, "table.txt:2: x is 1e+30, which is no plausible value"),
        ("1 -inf", {"gaps": True}, "table.txt:1: value 2 is -inf, which is no plausible value"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str, options: dict, said: str) -> None:
    with pytest.raises(MotionFormatError) as caught:
        table(text, 2, **options)
    assert str(caught.value) == f"{said} (format 'made')"


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from([",", "\t", ";"]),
)
def test_what_is_printed_is_read(rows: list[list[float]], separator: str) -> None:
    text = "\n".join(separator.join("" if np.isnan(value) else repr(value) for value in row) for row in rows)
    found = number_table(
        list(enumerate(text.split("\n"), start=1)), 3, path=HERE, format="made", separator=separator, gaps=True
    )
    np.testing.assert_array_equal(found, rows)


def test_no_rows_and_no_columns_are_empty_tables() -> None:
    assert table("", 3).shape == (0, 3)
    assert number_table([(1, "")], 0, path=HERE, format="made").shape == (1, 0)


def test_rows_of_counts_lines_and_passes_over_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(("\ufeffone" + end + end + " \t" + end + "tv\u00e5").encode())
        assert rows_of(path, "made") == [(1, "one"), (4, "två")]
    path.write_bytes("tv\u00e5".encode("latin-1"))
    assert rows_of(path, "made") == [(1, "två")]
    for data, said in (("a".encode("utf-16"), "text.txt:1: the text is UTF-16"), (b"a\nb\0", "text.txt:2: is no text")):
        path.write_bytes(data)
        with pytest.raises(MotionFormatError, match=said):
            rows_of(path, "made")


def test_the_head_ends_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\ufeff1 2\n3 4\n5 6\n")
    assert head_of(path, 12) == b"1 2\n3 4"
    assert head_of(path) == b"1 2\n3 4\n5 6\n"
    assert first_numbers(path) == [[1, 2], [3, 4], [5, 6]]
    path.write_text("1, 2\n\nleft 4\n5 6")
    assert first_numbers(path) == [[1, 2], []]


def test_a_large_table_is_quick() -> None:
    values = np.random.default_rng(0).uniform(-100, 100, (5000, 93)).round(6)
    text = "\n".join(" ".join(map(str, row)) for row in values.tolist())
    began = time.process_time()
    found = table(text, 93)
    # 465,000 numbers take 0.1 s on a quiet machine; this finds a slow path.
    assert time.process_time() - began < 2
    np.testing.assert_array_equal(found, values)
