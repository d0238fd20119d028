"""Left and right from anatomy: knees and toes point forward, elbows back, people walk forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from skeletonllm_core.motion.skeleton import BodyPart

_LEG = (BodyPart.LEFT_THIGH, BodyPart.LEFT_SHIN, BodyPart.LEFT_FOOT)
_ARM = (BodyPart.LEFT_UPPER_ARM, BodyPart.LEFT_FOREARM, BodyPart.LEFT_HAND)


@dataclass(frozen=True)
class SideEvidence:
    """What a body's movement says about its left and right.

    Attributes:
        score: positive where the parts called left are left; beyond ±1 is sure.
        cues: how much each cue says, by its name in words.
    """

    score: float
    cues: Mapping[str, float]

    def speaking(self, agreeing: bool = True) -> list[str]:
        """Names of the cues that say yes (or no), strongest first."""
        found = [(abs(vote), name) for name, vote in self.cues.items() if (vote > 0.25 if agreeing else vote < -0.25)]
        return [name for _, name in sorted(found, reverse=True)]


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return vectors / np.maximum(length, 1e-12)


def _triple(left: np.ndarray, up: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """(n,) left · (up × forward): positive for a right-handed body."""
    return (
        left[:, 0] * (up[:, 1] * forward[:, 2] - up[:, 2] * forward[:, 1])
        + left[:, 1] * (up[:, 2] * forward[:, 0] - up[:, 0] * forward[:, 2])
        + left[:, 2] * (up[:, 0] * forward[:, 1] - up[:, 1] * forward[:, 0])
    )


def _mean(values: np.ndarray) -> float:
    good = values[np.isfinite(values)]
    return float(good.mean()) if len(good) else 0.0


def _bulge(top: np.ndarray, middle: np.ndarray, bottom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the middle joint lies off the line from bottom to top, in limb lengths, and that line's direction."""
    length = np.sqrt(((middle - top) ** 2).sum(-1, keepdims=True)) + np.sqrt(
        ((bottom - middle) ** 2).sum(-1, keepdims=True)
    )
    axis = _unit(top - bottom)
    off = middle - bottom
    off = off - (off * axis).sum(-1, keepdims=True) * axis
    return off / np.maximum(length, 1e-12), axis


def side_evidence(positions: np.ndarray, primary: Mapping[BodyPart, int]) -> SideEvidence:
    """Do the parts called left lie on the body's left? No axis of the world is used.

    Args:
        positions: (n, J, 3) frames in time order, any unit, any up axis, NaN = missing.
        primary: joint of each part.
    """
    at = {part: positions[:, joint] for part, joint in primary.items()}

    def pair(part: BodyPart) -> tuple[np.ndarray, np.ndarray] | None:
        return (at[part], at[part.mirrored]) if part in at and part.mirrored in at else None

    hips, shoulders = pair(BodyPart.LEFT_THIGH), pair(BodyPart.LEFT_UPPER_ARM)
    cues: dict[str, float] = {}
    if not len(positions) or (hips is None and shoulders is None):
        return SideEvidence(0.0, cues)
    across_hips = _unit(hips[0] - hips[1]) if hips else None
    across_arms = _unit(shoulders[0] - shoulders[1]) if shoulders else None
    top = (shoulders[0] + shoulders[1]) / 2 if shoulders else None
    for part in (BodyPart.CHEST, BodyPart.NECK, BodyPart.HEAD):
        top = at.get(part) if top is None else top
    bottom = (hips[0] + hips[1]) / 2 if hips else at.get(BodyPart.PELVIS, at.get(BodyPart.SPINE))
    up = _unit(top - bottom) if top is not None and bottom is not None else None

    if across_hips is not None:
        knees, toes, leg_lengths = [], [], []
        for side in ("left", "right"):
            parts = [part if side == "left" else part.mirrored for part in _LEG]
            if not all(part in at for part in parts):
                continue
            hip, knee, ankle = (at[part] for part in parts)
            off, axis = _bulge(hip, knee, ankle)
            knees.append(_triple(across_hips, axis, off))
            leg_lengths.append(np.sqrt(((hip - knee) ** 2).sum(-1)) + np.sqrt(((knee - ankle) ** 2).sum(-1)))
            toe = at.get(BodyPart(f"{side}_toes"))
            if toe is not None:
                shin = _unit(knee - ankle)
                toes.append(_triple(across_hips, shin, toe - ankle) / np.maximum(leg_lengths[-1], 1e-12))
        if knees:
            cues["knees"] = float(np.clip(_mean(np.concatenate(knees)) / 0.03, -1, 1))
            leg = _mean(np.concatenate(leg_lengths))
            if up is not None and bottom is not None and leg > 0 and len(positions) > 2:
                step = np.diff(bottom, axis=0)
                forward = _triple(across_hips[:-1], up[:-1], step)
                forward = forward[np.isfinite(forward)]
                if np.abs(forward).sum() > 0.5 * leg:
                    cues["walking direction"] = float(np.clip(forward.sum() / np.abs(forward).sum(), -1, 1)) * 0.6
        if toes:
            cues["toes"] = float(np.clip(_mean(np.concatenate(toes)) / 0.08, -1, 1)) * 1.2
    if across_arms is not None and up is not None:
        elbows = []
        for side in ("left", "right"):
            parts = [part if side == "left" else part.mirrored for part in _ARM]
            if all(part in at for part in parts):
                off, axis = _bulge(*(at[part] for part in parts))
                hanging = (axis * up).sum(-1) > 0.6
                elbows.append(-_triple(across_arms, up, off)[hanging])
        if elbows and sum(len(one) for one in elbows) > 0:
            cues["elbows"] = float(np.clip(_mean(np.concatenate(elbows)) / 0.05, -1, 1)) * 0.4
    return SideEvidence(float(sum(cues.values())), cues)
