"""Images → files: animations, contact sheets and arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm_core.atomic import whole_file, write_whole
from skeletonllm_core.errors import SkeletonLLMError


def write_images(frames: np.ndarray, path: Path, seconds: float) -> None:
    """Write the images of a clip in the form that the suffix of `path` names.

    Args:
        frames: (T, H, W, 3) float32 in [0, 1].
        path: .gif, .webp or .mp4 plays them over the length of the clip; .png is a contact sheet, row by row;
            .npz holds them as they are, key ``frames``.
        seconds: length of the clip [s].

    Raises:
        SkeletonLLMError: another suffix, or an extra is missing.
    """
    check_suffix(path)
    _WRITERS[path.suffix.lower()](np.asarray(frames, dtype=np.float32), path, seconds)


def check_suffix(path: Path) -> None:
    """Raise a SkeletonLLMError where `write_images` does not know the suffix."""
    if path.suffix.lower() not in _WRITERS:
        raise SkeletonLLMError(f"{path}: images are written as {', '.join(_WRITERS)}; the suffix chooses")


def animated_webp(frames: np.ndarray, seconds: float, quality: int = 90) -> bytes:
    """An endless animation of (T, H, W, 3) float32 frames in [0, 1] that lasts `seconds`."""
    images = [_image(frame) for frame in to_bytes(frames)]
    buffer = BytesIO()
    images[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=frame_milliseconds(len(images), seconds),
        loop=0,
        quality=quality,
        method=4,
    )
    return buffer.getvalue()


def still_webp(frame: np.ndarray, quality: int = 60) -> bytes:
    """One (H, W, 3) float32 image in [0, 1] as WebP."""
    buffer = BytesIO()
    _image(to_bytes(frame)).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def to_bytes(frames: np.ndarray) -> np.ndarray:
    """uint8 0..255 of values in [0, 1], same shape."""
    return (np.clip(frames, 0, 1) * 255 + 0.5).astype(np.uint8)


def frame_milliseconds(count: int, seconds: float) -> int:
    """How long each of `count` frames of a clip stands [ms]; at least 20, below which viewers slow down."""
    return min(max(round(1000 * seconds / count), 20), 2000)


def contact_sheet(frames: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) → one (rows·H, columns·W, 3) image, row by row; places left over are black."""
    count, height, width, _ = frames.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    filled = np.concatenate([frames, np.zeros((rows * columns - count, height, width, 3), frames.dtype)])
    return filled.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)


def _image(frame: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(frame)


def _gif(frames: np.ndarray, path: Path, seconds: float) -> None:
    images = [_image(frame) for frame in to_bytes(frames)]
    buffer = BytesIO()
    images[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=frame_milliseconds(len(images), seconds),
        loop=0,
        disposal=2,
    )
    write_whole(path, buffer.getvalue())


def _webp(frames: np.ndarray, path: Path, seconds: float) -> None:
    write_whole(path, animated_webp(frames, seconds))


def _png(frames: np.ndarray, path: Path, seconds: float) -> None:
    buffer = BytesIO()
    _image(to_bytes(contact_sheet(frames))).save(buffer, "PNG")
    write_whole(path, buffer.getvalue())


def _npz(frames: np.ndarray, path: Path, seconds: float) -> None:
    buffer = BytesIO()
    np.savez(buffer, frames=frames)
    write_whole(path, buffer.getvalue())


def _mp4(frames: np.ndarray, path: Path, seconds: float) -> None:
    try:
        import imageio_ffmpeg
    except ModuleNotFoundError as problem:
        raise SkeletonLLMError('writing .mp4 needs: pip install "skeletonllm[video]"') from problem
    # The codec wants even sides; a black line is added where one is odd.
    pixels = to_bytes(frames)
    pixels = np.pad(pixels, ((0, 0), (0, pixels.shape[1] % 2), (0, pixels.shape[2] % 2), (0, 0)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        film = imageio_ffmpeg.write_frames(
            str(temporary),
            (pixels.shape[2], pixels.shape[1]),
            fps=1000 / frame_milliseconds(len(pixels), seconds),
            macro_block_size=2,
            output_params=["-f", "mp4"],
            ffmpeg_log_level="error",
        )
        film.send(None)
        for frame in pixels:
            film.send(np.ascontiguousarray(frame))
        film.close()


_WRITERS: dict[str, Callable[[np.ndarray, Path, float], None]] = {
    ".gif": _gif,
    ".webp": _webp,
    ".mp4": _mp4,
    ".png": _png,
    ".npz": _npz,
}
