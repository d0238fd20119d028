"""Windows cover a clip, and their scores become segments."""

from __future__ import annotations

import numpy as np
import pytest

from skeletonllm_core.model.timeline import merged_segments, window_starts


@pytest.mark.parametrize("length", [0.03, 1.0, 2.9, 3.1, 10.0, 37.6])
def test_windows_cover_the_clip(length: float) -> None:
    starts, hop = window_starts(length, 2.4)
    assert starts[0] == 0
    if len(starts) > 1:
        assert starts[-1] + 2.4 == pytest.approx(length)
        np.testing.assert_allclose(np.diff(starts), hop)
        assert hop <= 0.5 + 1e-9


def test_two_actions_become_two_segments_that_meet() -> None:
    starts, hop = window_starts(12.0, 2.4)
    scores = np.zeros((len(starts), 3)) + 0.05
    half = len(starts) // 2
    scores[:half, 0] = 0.9
    scores[half:, 2] = 0.8
    segments = merged_segments(scores, starts, hop, 2.4, 12.0)
    assert [candidate for _, _, candidate, _ in segments] == [0, 2]
    assert segments[0][0] == 0 and segments[-1][1] == 12.0
    assert segments[0][1] == pytest.approx(segments[1][0])
    assert segments[0][3] == pytest.approx(0.9)


def test_one_doubtful_window_does_not_cut_a_segment() -> None:
    starts, hop = window_starts(12.0, 2.4)
    scores = np.full((len(starts), 2), 0.1)
    scores[:, 0] = 0.7
    scores[5] = [0.4, 0.6]
    assert len(merged_segments(scores, starts, hop, 2.4, 12.0)) == 1
