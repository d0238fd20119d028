"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from skeletonllm_core.atomic import remove_leftovers, whole_file, write_whole


def test_a_file_appears_with_its_folder_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    for content in (b"first", b"second"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_bytes(b"ne")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_names_work(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_whole(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_are_ours_only(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.json") as temporary:
        temporary.write_bytes(b"half")
        (tmp_path / ("." + "0" * 16 + temporary.suffix)).write_bytes(b"half")
        (tmp_path / ".other.tmp").write_bytes(b"not ours")
        assert remove_leftovers(tmp_path) == 2
        temporary.write_bytes(b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.tmp", "a.json"]
