"""What is mended in a recording before it is looked at: jitter is smoothed away, short gaps are bridged."""

from __future__ import annotations

import numpy as np

from skeletonllm_core.motion.motion import Keypoints, Person
from skeletonllm_core.motion.steadying import steadied
from skeletonllm_core.motion.tracks import MAX_GAP_S, across_gaps, runs


def repaired(person: Person) -> Person:
    """The person without jitter and without short gaps: itself where it has neither.

    Jitter goes first: what bridges a gap has none, and would hide how much there is.
    """
    return bridged(steadied(person))


def bridged(person: Person) -> Person:
    """The person with each joint's gaps of at most `MAX_GAP_S` filled by straight lines.

    Longer gaps stay, and so do those at the start and the end, where nothing says how far the joint moved.
    """
    if not isinstance(person, Keypoints):
        return person
    known = np.isfinite(person.positions).all(-1)
    gaps = [
        (joint, start, end)
        for joint in np.flatnonzero(known.any(0) & ~known.all(0))
        for start, end in runs(~known[:, joint])
        if start > 0 and end < len(person) and end - start <= max(1, round(MAX_GAP_S * person.fps))
    ]
    if not gaps:
        return person
    positions = person.positions.copy()
    for joint, start, end in gaps:
        around = slice(start - 1, end + 1)
        positions[start:end, joint] = across_gaps(positions[around, joint], known[around, joint])[1:-1]
    return Keypoints(person.topology, positions, person.fps, person.name)
