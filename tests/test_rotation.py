"""Rotations against their definitions, and every conversion against its inverse."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from skeletonllm_core.motion import rotation


@pytest.fixture
def some() -> np.ndarray:
    return rotation.normalize(np.random.default_rng(0).normal(size=(200, 4)))


def same_rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs((a * b).sum(-1))


def test_rotate_is_the_matrix(some: np.ndarray) -> None:
    vectors = np.random.default_rng(1).normal(size=(200, 3))
    by_matrix = (rotation.to_matrix(some) @ vectors[..., None])[..., 0]
    np.testing.assert_allclose(rotation.rotate(some, vectors), by_matrix, atol=1e-12)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    turn = rotation.from_axis_angle(np.array([0.0, 0.0, 1.0]), np.array(np.pi / 2))
    np.testing.assert_allclose(rotation.rotate(turn, np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-12)


def test_multiply_applies_the_right_one_first(some: np.ndarray) -> None:
    a, b = some[:100], some[100:]
    v = np.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(
        rotation.rotate(rotation.multiply(a, b), v), rotation.rotate(a, rotation.rotate(b, v)), atol=1e-12
    )
    np.testing.assert_allclose(same_rotation(rotation.multiply(a, rotation.conjugate(a)), np.array([1.0, 0, 0, 0])), 1)


@pytest.mark.parametrize("order", ["".join(order) for order in permutations("XYZ")])
def test_euler_there_and_back(order: str, some: np.ndarray) -> None:
    np.testing.assert_allclose(same_rotation(rotation.from_euler(rotation.to_euler(some, order), order), some), 1)


@pytest.mark.parametrize("order", ["".join(order) for order in permutations("XYZ")])
@pytest.mark.parametrize("second", [np.pi / 2, -np.pi / 2])
def test_euler_at_the_gimbal_lock(order: str, second: float) -> None:
    locked = rotation.from_euler(np.array([0.4, second, -0.7]), order)
    back = rotation.from_euler(rotation.to_euler(locked, order), order)
    np.testing.assert_allclose(same_rotation(back, locked), 1, atol=1e-9)


def test_euler_order_is_that_of_the_matrix_product() -> None:
    angles = np.array([0.1, 0.2, 0.3])
    axes = np.eye(3)
    z, x, y = (
        rotation.to_matrix(rotation.from_axis_angle(axes[i], np.array(a)))
        for i, a in zip((2, 0, 1), angles, strict=False)
    )
    np.testing.assert_allclose(rotation.to_matrix(rotation.from_euler(angles, "ZXY")), z @ x @ y, atol=1e-12)


def test_no_channels_are_no_rotation() -> None:
    np.testing.assert_array_equal(rotation.from_euler(np.zeros((3, 0)), ""), np.tile([1.0, 0, 0, 0], (3, 1)))


def test_matrix_and_6d_there_and_back(some: np.ndarray) -> None:
    np.testing.assert_allclose(same_rotation(rotation.from_matrix(rotation.to_matrix(some)), some), 1)
    np.testing.assert_allclose(same_rotation(rotation.from_6d(rotation.to_6d(some)), some), 1)


def test_rotation_vector() -> None:
    vectors = np.array([[0.0, 0, 0], [0, np.pi, 0], [0.2, -0.1, 0.4]])
    turned = rotation.from_rotation_vector(vectors)
    angle = np.linalg.norm(vectors[2])
    np.testing.assert_allclose(turned[0], [1, 0, 0, 0])
    np.testing.assert_allclose(turned[1], [0, 0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(turned[2], rotation.from_axis_angle(vectors[2] / angle, np.array(angle)))


def test_rotation_vectors_come_back_the_short_way() -> None:
    vectors = np.array([[0.0, 0, 0], [1e-9, 0, 0], [0, 3.0, 0], [0.2, -0.1, 0.4], [0, 0, 4.0]])
    back = rotation.to_rotation_vector(rotation.from_rotation_vector(vectors))
    np.testing.assert_allclose(back[:4], vectors[:4], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(back[4], [0, 0, 4.0 - 2 * np.pi])
    np.testing.assert_allclose(rotation.to_rotation_vector(np.array([-1.0, 0, 0, 0])), 0)


def test_between_also_for_opposite_and_zero_directions() -> None:
    a = np.array([[1.0, 2, 3], [0, 0, 1], [1, 0, 0], [0, 0, 0]])
    b = np.array([[-2.0, 0.5, 1], [0, 0, -2], [1, 0, 0], [0, 1, 0]])
    turned = rotation.rotate(rotation.between(a, b), a)
    expected = b * (np.linalg.norm(a, axis=1) / np.maximum(np.linalg.norm(b, axis=1), 1e-9))[:, None]
    np.testing.assert_allclose(turned[:3], expected[:3], atol=1e-9)
    np.testing.assert_allclose(rotation.between(a, b)[3], [1, 0, 0, 0])


def test_a_zero_quaternion_is_the_identity() -> None:
    np.testing.assert_array_equal(rotation.normalize(np.zeros(4)), [1, 0, 0, 0])
