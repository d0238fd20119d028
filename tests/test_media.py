"""Image files, read back by other means than they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.media import contact_sheet, frame_milliseconds, write_images


def bars(count: int = 5, height: int = 32, width: int = 48) -> np.ndarray:
    """(count, height, width, 3): a red bar that wanders to the right on dark blue."""
    frames = np.full((count, height, width, 3), (0.0, 0.0, 0.25), np.float32)
    for index in range(count):
        start = index * width // count
        frames[index, :, start : start + width // count] = (1.0, 0.0, 0.0)
    return frames


@pytest.mark.parametrize(("suffix", "tolerance"), [(".gif", 0.02), (".webp", 0.25)])
def test_animations_hold_every_frame_and_last_as_long_as_the_clip(
    tmp_path: Path, suffix: str, tolerance: float
) -> None:
    frames = bars()
    path = tmp_path / "new" / f"clip{suffix}"
    write_images(frames, path, seconds=2.0)
    with Image.open(path) as image:
        played, milliseconds = [], []
        for one in ImageSequence.Iterator(image):
            played.append(np.asarray(one.convert("RGB"), np.float32) / 255)
            milliseconds.append(one.info["duration"])
        assert image.info["loop"] == 0
    assert sum(milliseconds) == 2000
    assert np.abs(np.stack(played) - frames).mean() < tolerance / 5
    assert list(path.parent.iterdir()) == [path]


def test_mp4_plays_every_frame_also_with_odd_sides(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frames = bars(6, 33, 49)
    path = tmp_path / "clip.mp4"
    write_images(frames, path, seconds=3.0)
    reader = ffmpeg.read_frames(str(path))
    about = next(reader)
    assert about["size"] == (50, 34)
    assert about["fps"] == pytest.approx(2.0)
    played = np.stack([np.frombuffer(one, np.uint8).reshape(34, 50, 3) for one in reader])
    assert len(played) == 6
    assert np.abs(played[:, :33, :49] / 255 - frames).mean() < 0.06


def test_contact_sheet_goes_row_by_row(tmp_path: Path) -> None:
    frames = np.stack([np.full((4, 6, 3), index / 10, np.float32) for index in range(5)])
    sheet = contact_sheet(frames)
    assert sheet.shape == (8, 18, 3)
    corners = sheet[::4, ::6, 0]
    np.testing.assert_allclose(corners, [[0.0, 0.1, 0.2], [0.3, 0.4, 0.0]], atol=1e-6)
    write_images(frames, tmp_path / "sheet.png", 1.0)
    with Image.open(tmp_path / "sheet.png") as image:
        np.testing.assert_allclose(np.asarray(image) / 255, sheet, atol=1 / 255)


def test_npz_holds_the_frames_as_they_are_and_always_the_same_bytes(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((3, 8, 8, 3), dtype=np.float32)
    write_images(frames, tmp_path / "a.npz", 1.0)
    write_images(frames, tmp_path / "b.npz", 1.0)
    stored = np.load(tmp_path / "a.npz")["frames"]
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, frames)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_another_suffix_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SkeletonLLMError, match=r"\.gif, \.webp, \.mp4, \.png, \.npz"):
        write_images(bars(), tmp_path / "clip.tiff", 1.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("seconds", "expected"), [(1.2, 100), (0.0, 20), (1e9, 2000)])
def test_frames_stand_neither_too_short_nor_too_long(seconds: float, expected: int) -> None:
    assert frame_milliseconds(12, seconds) == expected
