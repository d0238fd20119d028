"""CanonicalFrames → which Gaussians lie where, for any rig; no learned values.

Each bone carries `ALONG` Gaussians in a row, elongated along it; the head, the hands and every joint where the tree
ends carry a ball; a few grey dots lie on the ground. A row is as bright as its line is long, whatever the number of
bones it is cut into, and a bone of no length shows nothing: with its Gaussians a distance d apart, each has
σ² = (SPREAD d)² + BLUR² along the bone and SPREAD d / σ of the full opacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.canonical import CanonicalFrames
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.render.camera import fitting_zoom

ALONG = 4
"""Gaussians on a bone."""

SPREAD = 0.6
"""Standard deviation along the bone, as a share of the spacing: at 0.6 the row is even to 0.2 %."""

BLUR = 0.025
"""Least standard deviation along the bone [m]."""

PARTS: tuple[str, ...] = (*(part.value for part in BodyPart), "other")
"""What a bone can be part of; the rows of the appearance."""

LIMIT = 100.0
"""Coordinates beyond this are no body's [m]; such joints are not drawn."""

FASTEST = 50.0
"""Velocities are clamped to this [m/s] along each axis."""

HARDEST = 500.0
"""Accelerations are clamped to this [m/s²] along each axis."""

FLOOR_SPACING = 0.7
"""From one dot on the ground to the next [m]."""

FLOOR_DOTS = 5
"""Dots in a row and rows."""

_OTHER = len(PARTS) - 1
_INDEX: dict[BodyPart | None, int] = {None: _OTHER, **{part: index for index, part in enumerate(BodyPart)}}
_SHOULDER = {
    "left": (BodyPart.LEFT_CLAVICLE, BodyPart.LEFT_UPPER_ARM),
    "right": (BodyPart.RIGHT_CLAVICLE, BodyPart.RIGHT_UPPER_ARM),
}
_HIPS = (BodyPart.LEFT_THIGH, BodyPart.RIGHT_THIGH)
_ROUND = (BodyPart.HEAD, BodyPart.LEFT_HAND, BodyPart.RIGHT_HAND)


@dataclass(frozen=True, eq=False)
class BoneBatch:
    """F frames, of one clip or of several one after the other; the persons of a frame side by side.

    B and K are those of the fullest frame; the others are filled up with what is not visible.

    Attributes:
        start, end: (F, B, 3) [m] ends of each bone, canonical.
        start_velocity, end_velocity: (F, B, 3) [m/s].
        start_acceleration, end_acceleration: (F, B, 3) [m/s²].
        part: (F, B) int64, index into `PARTS`.
        visible: (F, B) bool.
        ball, ball_velocity, ball_acceleration: (F, K, 3) [m], [m/s], [m/s²], centres of the balls.
        ball_part: (F, K) int64.
        ball_visible: (F, K) bool.
        floor: (F, 2) [m], where the origin is on the world's ground (x, z).
        zoom: (F,) at least 1: how many times `camera.DISTANCE` away the camera is.
    """

    start: torch.Tensor
    end: torch.Tensor
    start_velocity: torch.Tensor
    end_velocity: torch.Tensor
    start_acceleration: torch.Tensor
    end_acceleration: torch.Tensor
    part: torch.Tensor
    visible: torch.Tensor
    ball: torch.Tensor
    ball_velocity: torch.Tensor
    ball_acceleration: torch.Tensor
    ball_part: torch.Tensor
    ball_visible: torch.Tensor
    floor: torch.Tensor
    zoom: torch.Tensor

    def __len__(self) -> int:
        return len(self.start)

    @property
    def is_float32(self) -> bool:
        """Whether positions, velocities and accelerations all are."""
        return all(one.dtype == torch.float32 for one in (self.start, self.start_velocity, self.start_acceleration))


def bone_batch(
    frames: CanonicalFrames | Sequence[CanonicalFrames],
    device: torch.device | str | None = None,
    *,
    positions: Sequence[torch.Tensor] | None = None,
    velocities: Sequence[torch.Tensor] | None = None,
    accelerations: Sequence[torch.Tensor] | None = None,
) -> BoneBatch:
    """Arrange clips for the renderer.

    Args:
        frames: one clip or several.
        device: where the tensors go.
        positions: instead of the clips' own, one (T, J, 3) tensor [m] for each person of each clip in turn; gradients
            flow back to them.
        velocities, accelerations: likewise [m/s], [m/s²].

    Raises:
        SkeletonLLMError: no clip, or positions that do not fit the clips.
    """
    clips = [frames] if isinstance(frames, CanonicalFrames) else list(frames)
    if not clips:
        raise SkeletonLLMError("there is no clip to draw")
    persons = [(index, person) for index, clip in enumerate(clips) for person in clip.persons]
    shapes = [person.positions.shape for _, person in persons]
    lengths = [len(clip.ground) for clip in clips]
    first_frame = np.concatenate([[0], np.cumsum(lengths)])
    for (index, _), shape in zip(persons, shapes, strict=True):
        if shape[0] != lengths[index]:
            raise SkeletonLLMError(f"a person has {shape[0]} frames in a clip of {lengths[index]}")

    bodies = [_rig(person.bones.tobytes(), person.bones.dtype.str, person.parts) for _, person in persons]
    bone_column, ball_column = [], []
    bone_fill, ball_fill = [0] * len(clips), [0] * len(clips)
    for (index, _), (ends, _, balls, _) in zip(persons, bodies, strict=True):
        bone_column.append(bone_fill[index])
        ball_column.append(ball_fill[index])
        bone_fill[index] += ends.shape[1]
        ball_fill[index] += len(balls)
    total, bones, balls_wide = int(first_frame[-1]), max(bone_fill), max(ball_fill)

    # Row 0 of the joints is no joint; what is not filled in below points to it and is not visible.
    joint = np.zeros((2, total, bones), np.int64)
    part = np.full((total, bones), _OTHER, np.int64)
    ball_joint = np.zeros((total, balls_wide), np.int64)
    ball_part = np.full((total, balls_wide), _OTHER, np.int64)
    base = 1
    person_row = []
    for (index, _), shape, body, column, ball_at in zip(persons, shapes, bodies, bone_column, ball_column, strict=True):
        ends, end_parts, balls, round_parts = body
        rows = slice(first_frame[index], first_frame[index + 1])
        steps = base + shape[1] * np.arange(shape[0])
        joint[:, rows, column : column + ends.shape[1]] = steps[None, :, None] + ends[:, None, :]
        part[rows, column : column + ends.shape[1]] = end_parts
        ball_joint[rows, ball_at : ball_at + len(balls)] = steps[:, None] + balls
        ball_part[rows, ball_at : ball_at + len(balls)] = round_parts
        person_row.append(base)
        base += shape[0] * shape[1]

    own = _stacked([person.positions for _, person in persons])
    seen = np.concatenate([[False], *(person.visible.reshape(-1) for _, person in persons)])
    if positions is None:
        where = torch.from_numpy(own)
    else:
        where = _given(positions, shapes, "positions")
        own = where.detach().cpu().numpy()
    if velocities is None:
        speed = torch.from_numpy(_stacked([person.velocities for _, person in persons])).to(where.dtype)
    else:
        speed = _given(velocities, shapes, "velocities")
    if accelerations is None:
        push = torch.from_numpy(_stacked([person.accelerations for _, person in persons])).to(where.dtype)
    else:
        push = _given(accelerations, shapes, "accelerations")

    with np.errstate(invalid="ignore"):
        seen = seen & (np.abs(own) < LIMIT).all(-1)
    where = torch.where(torch.from_numpy(seen)[:, None].to(where.device), where, where.new_zeros(()))
    speed = torch.nan_to_num(speed, nan=0.0, posinf=FASTEST, neginf=-FASTEST).clamp(-FASTEST, FASTEST)
    push = torch.nan_to_num(push, nan=0.0, posinf=HARDEST, neginf=-HARDEST).clamp(-HARDEST, HARDEST)

    zoom = np.ones(len(clips), np.float32)
    needed = np.where(seen, fitting_zoom(own), np.float32(1))
    for (index, _), shape, row in zip(persons, shapes, person_row, strict=True):
        if shape[0] * shape[1]:
            zoom[index] = max(zoom[index], needed[row : row + shape[0] * shape[1]].max())

    def to(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(device)

    where, speed, push = where.to(device), speed.to(device), push.to(device)
    starts, stops, round_joints = to(joint[0]), to(joint[1]), to(ball_joint)
    return BoneBatch(
        start=_rows(where, starts),
        end=_rows(where, stops),
        start_velocity=_rows(speed, starts),
        end_velocity=_rows(speed, stops),
        start_acceleration=_rows(push, starts),
        end_acceleration=_rows(push, stops),
        part=to(part),
        visible=to(seen[joint[0]] & seen[joint[1]]),
        ball=_rows(where, round_joints),
        ball_velocity=_rows(speed, round_joints),
        ball_acceleration=_rows(push, round_joints),
        ball_part=to(ball_part),
        ball_visible=to(seen[ball_joint]),
        floor=to(np.nan_to_num(np.concatenate([clip.ground for clip in clips])).astype(np.float32)),
        zoom=to(np.repeat(zoom, lengths)),
    )


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """(1 + joints of all frames, 3) float32 out of one (T, J, 3) array a person, the first row 0."""
    return np.concatenate([np.zeros((1, 3)), *(array.reshape(-1, 3) for array in arrays)], dtype=np.float32)


def _given(tensors: Sequence[torch.Tensor], shapes: Sequence[tuple[int, ...]], what: str) -> torch.Tensor:
    """One (1 + joints of all frames, 3) tensor out of one (T, J, 3) tensor a person, the first row 0."""
    if [tuple(tensor.shape) for tensor in tensors] != [tuple(shape) for shape in shapes]:
        raise SkeletonLLMError(
            f"{what} need one (T, J, 3) tensor for each person of each clip, of shapes {shapes}, "
            f"got {[tuple(tensor.shape) for tensor in tensors]}"
        )
    if not tensors:
        return torch.zeros(1, 3)
    return torch.cat([tensors[0].new_zeros(1, 3), *(tensor.reshape(-1, 3) for tensor in tensors)])


def _rows(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return table.index_select(0, index.reshape(-1)).reshape(*index.shape, 3)


@lru_cache(maxsize=256)
def _rig(
    bones: bytes, dtype: str, parts: tuple[BodyPart | None, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """((2, B) joints at both ends, (B,) parts, (K,) joints with a ball, (K,) parts) of a rig."""
    ends = np.frombuffer(bones, dtype=dtype).reshape(-1, 2).astype(np.int64)
    bone_parts = [_part_of_bone(parts[start], parts[end]) for start, end in ends]
    round_joints = set(range(len(parts))) - set(ends[:, 0].tolist())
    round_joints |= {parts.index(part) for part in _ROUND if part in parts}
    balls = sorted(round_joints)
    return (
        np.ascontiguousarray(ends.T),
        np.asarray(bone_parts, np.int64),
        np.asarray(balls, np.int64),
        np.asarray([_INDEX[parts[joint]] for joint in balls], np.int64),
    )


def _part_of_bone(start: BodyPart | None, end: BodyPart | None) -> int:
    """A bone is what its first joint moves; from the body's middle to a side it is a shoulder, a hip, or the side's."""
    if start is None or end is None:
        return _INDEX[start or end]
    if start.side is None and end.side is not None and end not in _HIPS:
        shoulder = _SHOULDER[end.side]
        return _INDEX[shoulder[0] if end in shoulder else end]
    return _INDEX[start]


def dots(floor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The dots on the ground that are near the origin.

    Args:
        floor: (F, 2) [m], where the origin is on the world's ground.

    Returns:
        x and z (F, n) [m] canonical, and (F, n) in 0..1 how much of each is seen: fading out at the rim, so that none
        appears or goes at once, and every second one fainter, so that a step of one spacing shows.
    """
    reach = FLOOR_DOTS // 2
    nearest = torch.round(floor / FLOOR_SPACING)
    step = torch.arange(-reach, reach + 1, device=floor.device, dtype=floor.dtype)
    along = (nearest[:, :, None] + step) * FLOOR_SPACING - floor[:, :, None]
    fade = (1 - (along / ((reach + 0.5) * FLOOR_SPACING)) ** 2).clamp(min=0)
    odd = torch.remainder(nearest[:, :, None] + step, 2)
    x, z = along[:, 0, :, None].expand(-1, -1, FLOOR_DOTS), along[:, 1, None, :].expand(-1, FLOOR_DOTS, -1)
    checker = torch.remainder(odd[:, 0, :, None] + odd[:, 1, None, :], 2)
    seen = fade[:, 0, :, None] * fade[:, 1, None, :] * (1 - 0.5 * checker)
    return x.flatten(1), z.flatten(1), seen.flatten(1)
