"""Rotations: quaternions (w, x, y, z) ↔ matrices ↔ 6D ↔ Euler angles. All arrays may carry leading dimensions."""

from __future__ import annotations

import numpy as np


def normalize(quaternions: np.ndarray) -> np.ndarray:
    """(..., 4) quaternions scaled to unit length; a zero quaternion becomes the identity."""
    quaternions = np.asarray(quaternions, dtype=np.float64)
    length = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    identity = np.zeros_like(quaternions)
    identity[..., 0] = 1.0
    return np.where(length > 1e-12, quaternions / np.maximum(length, 1e-12), identity)


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of (..., 4) quaternions: the rotation `b` first, then `a`."""
    aw, ax, ay, az = np.moveaxis(np.asarray(a, dtype=np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b, dtype=np.float64), -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def conjugate(quaternions: np.ndarray) -> np.ndarray:
    """The inverse rotation of (..., 4) unit quaternions."""
    return np.asarray(quaternions, dtype=np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(quaternions: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(..., 3) vectors turned by (..., 4) unit quaternions."""
    quaternions = np.asarray(quaternions, dtype=np.float64)
    vectors = np.asarray(vectors, dtype=np.float64)
    w, axis = quaternions[..., :1], quaternions[..., 1:]
    twice = 2.0 * np.cross(axis, vectors)
    return vectors + w * twice + np.cross(axis, twice)


def to_matrix(quaternions: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation matrices of (..., 4) unit quaternions."""
    w, x, y, z = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def from_matrix(matrices: np.ndarray) -> np.ndarray:
    """(..., 4) unit quaternions with w ≥ 0 of (..., 3, 3) rotation matrices.

    Source: S. W. Shepperd, "Quaternion from rotation matrix", J. Guidance and Control 1 (1978).
    """
    m = np.asarray(matrices, dtype=np.float64)
    diagonal = np.stack([m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], axis=-1)
    trace = diagonal.sum(axis=-1)
    squares = np.concatenate([(1 + trace)[..., None], 1 - trace[..., None] + 2 * diagonal], axis=-1)
    off: list[list] = [
        [None, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]],
        [m[..., 2, 1] - m[..., 1, 2], None, m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0]],
        [m[..., 0, 2] - m[..., 2, 0], m[..., 0, 1] + m[..., 1, 0], None, m[..., 1, 2] + m[..., 2, 1]],
        [m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1], None],
    ]
    candidates = np.stack(
        [np.stack([squares[..., i] if i == j else off[i][j] for j in range(4)], axis=-1) for i in range(4)],
        axis=-2,
    )
    best = np.argmax(squares, axis=-1)
    chosen = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    chosen = normalize(chosen)
    return np.where(chosen[..., :1] < 0, -chosen, chosen)


def from_axis_angle(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """(..., 4) quaternions turning by `angle` [rad] (...,) about the unit `axis` (..., 3)."""
    half = np.asarray(angle, dtype=np.float64)[..., None] / 2
    axis = np.asarray(axis, dtype=np.float64)
    return np.concatenate([np.cos(half) + 0 * axis[..., :1], np.sin(half) * axis], axis=-1)


def from_rotation_vector(vectors: np.ndarray) -> np.ndarray:
    """(..., 4) quaternions of (..., 3) rotation vectors (axis times angle [rad])."""
    vectors = np.asarray(vectors, dtype=np.float64)
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * vectors], axis=-1)


def to_rotation_vector(quaternions: np.ndarray) -> np.ndarray:
    """(..., 3) rotation vectors, at most π long, of (..., 4) unit quaternions, inverse of `from_rotation_vector`."""
    q = np.asarray(quaternions, dtype=np.float64)
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)


def from_euler(angles: np.ndarray, order: str) -> np.ndarray:
    """(..., 4) quaternions of (..., n) Euler angles [rad] about moving axes.

    Args:
        angles: one angle per letter of `order`.
        order: axes in the order in which a BVH file lists its channels, for example ``"ZXY"``: the matrix is
            R_Z · R_X · R_Y, so the last axis is applied to a vector first.
    """
    angles = np.asarray(angles, dtype=np.float64)
    half = angles / 2
    cosines, sines = np.cos(half), np.sin(half)
    result = None
    for column, letter in enumerate(order.upper()):
        step = np.zeros((*angles.shape[:-1], 4))
        step[..., 0] = cosines[..., column]
        step[..., 1 + "XYZ".index(letter)] = sines[..., column]
        result = step if result is None else multiply(result, step)
    if result is None:
        result = np.zeros((*angles.shape[:-1], 4))
        result[..., 0] = 1.0
    return result


def to_euler(quaternions: np.ndarray, order: str) -> np.ndarray:
    """(..., 3) Euler angles [rad] of (..., 4) quaternions, inverse of `from_euler` for three different axes.

    At the gimbal lock (second angle ±90°) the third angle is 0.
    """
    i, j, k = ("XYZ".index(letter) for letter in order.upper())
    sign = 1.0 if (i, j, k) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1.0
    m = to_matrix(quaternions)
    second = np.arcsin(np.clip(sign * m[..., i, k], -1.0, 1.0))
    locked = np.abs(m[..., i, k]) > 1 - 1e-12
    first = np.where(
        locked,
        np.arctan2(sign * m[..., k, j], m[..., j, j]),
        np.arctan2(-sign * m[..., j, k], m[..., k, k]),
    )
    third = np.where(locked, 0.0, np.arctan2(-sign * m[..., i, j], m[..., i, i]))
    return np.stack([first, second, third], axis=-1)


def to_6d(quaternions: np.ndarray) -> np.ndarray:
    """(..., 6): the first two columns of the rotation matrix, one after the other.

    Source: Zhou et al., "On the Continuity of Rotation Representations in Neural Networks", CVPR 2019.
    """
    m = to_matrix(quaternions)
    return np.concatenate([m[..., :, 0], m[..., :, 1]], axis=-1)


def from_6d(sixes: np.ndarray) -> np.ndarray:
    """(..., 4) quaternions of (..., 6) two-column rotations (Gram-Schmidt), inverse of `to_6d`."""
    sixes = np.asarray(sixes, dtype=np.float64)
    first = sixes[..., :3] / np.linalg.norm(sixes[..., :3], axis=-1, keepdims=True)
    second = sixes[..., 3:] - (first * sixes[..., 3:]).sum(-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return from_matrix(np.stack([first, second, np.cross(first, second)], axis=-1))


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., 4) shortest rotations that turn directions `a` (..., 3) onto `b` (..., 3); identity where one is zero."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    length = np.linalg.norm(a, axis=-1, keepdims=True) * np.linalg.norm(b, axis=-1, keepdims=True)
    dot = (a * b).sum(-1, keepdims=True)
    opposite = dot < -length * (1 - 1e-12)
    helper = np.where(np.abs(a[..., :1]) < 0.9 * np.linalg.norm(a, axis=-1, keepdims=True), [1.0, 0, 0], [0, 1.0, 0])
    axis = np.where(opposite, np.cross(a, helper), np.cross(a, b))
    real = np.where(opposite, 0.0, length + dot)
    return normalize(np.concatenate([real, axis], axis=-1))
