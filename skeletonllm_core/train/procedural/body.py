"""Random human proportions: the landmarks of a T-pose, from which every rig takes its rest pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "pinky")

# Where each finger leaves the hand in the T-pose, as shares of the hand's length: along the arm, up, forward.
_KNUCKLES = {
    "thumb": (0.16, -0.06, 0.18),
    "index": (0.50, 0.0, 0.15),
    "middle": (0.51, 0.0, 0.03),
    "ring": (0.49, 0.0, -0.08),
    "pinky": (0.45, 0.0, -0.18),
}
_FINGER_LENGTHS = {"thumb": 0.42, "index": 0.44, "middle": 0.49, "ring": 0.45, "pinky": 0.36}


@dataclass(frozen=True, eq=False)
class Body:
    """One person's proportions.

    Attributes:
        height: top of the head above the ground [m].
        points: landmark → (3,) float64 [m] in the T-pose, Y up, facing +Z, +X = the person's left, ground at y = 0,
            pelvis above the origin. Paired landmarks start with ``l_`` or ``r_``.
        thigh, shin, upper_arm, forearm: bone lengths [m], the same on both sides.
    """

    height: float
    points: dict[str, np.ndarray]
    thigh: float
    shin: float
    upper_arm: float
    forearm: float

    @property
    def leg(self) -> float:
        """Hip to ankle, stretched [m]."""
        return self.thigh + self.shin

    @property
    def arm(self) -> float:
        """Shoulder to wrist, stretched [m]."""
        return self.upper_arm + self.forearm

    @property
    def ankle_height(self) -> float:
        return float(self.points["l_ankle"][1])

    @property
    def hip_width(self) -> float:
        """Half the distance between the hip joints [m]."""
        return float(self.points["l_hip"][0])

    def spine(self, share: float) -> np.ndarray:
        """(3,) [m], the point at `share` of the spine: 0 = pelvis, 1 = base of the neck."""
        pelvis, neck = self.points["pelvis"], self.points["neck"]
        bow = np.array([0.0, 0.0, -0.05 * np.sin(np.pi * share)]) * np.linalg.norm(neck - pelvis)
        return pelvis + share * (neck - pelvis) + bow


def random_body(rng: np.random.Generator, *, spread: float = 0.12) -> Body:
    """A body of 1.5–1.95 m whose limbs differ from the average by up to `spread` (0.12 = ±12 %).

    Average proportions: R. Drillis and R. Contini, "Body Segment Parameters" (1966), as shares of the height.
    """

    def vary() -> float:
        return 1.0 + float(np.clip(rng.normal(0.0, spread / 2.2), -spread, spread))

    height = float(rng.uniform(1.5, 1.95))
    legs, trunk, arms, shoulders, hips, feet, head = (vary() for _ in range(7))
    balance = float(rng.uniform(-0.03, 0.03))
    ankle = 0.043
    shin = 0.243 * legs * (1 - balance)
    thigh = 0.245 * legs * (1 + balance)
    hip = ankle + shin + thigh
    pelvis = hip + 0.018
    neck = pelvis + 0.275 * trunk
    skull = neck + 0.052
    top = skull + 0.130 * head
    scale = height / top
    middle = {
        "pelvis": (0.0, pelvis, 0.0),
        "neck": (0.0, neck, -0.012),
        "head": (0.0, skull, 0.004),
        "headtop": (0.0, top, 0.010),
    }
    shoulder = 0.104 * shoulders
    elbow = shoulder + 0.176 * arms
    wrist = elbow + 0.150 * arms
    hand = 0.104 * arms
    side = {
        "clavicle": (0.016, neck - 0.014, -0.004),
        "shoulder": (shoulder, neck - 0.016, -0.012),
        "elbow": (elbow, neck - 0.016, -0.012),
        "wrist": (wrist, neck - 0.016, -0.012),
        "palm": (wrist + 0.5 * hand, neck - 0.016, -0.012),
        "fingertip": (wrist + hand, neck - 0.016, -0.012),
        "thumbtip": (wrist + 0.45 * hand, neck - 0.022, -0.012 + 0.45 * hand),
        "hip": (0.052 * hips, hip, 0.0),
        "knee": (0.052 * hips, ankle + shin, 0.0),
        "ankle": (0.052 * hips, ankle, 0.0),
        "heel": (0.052 * hips, 0.0, -0.035 * feet),
        "ball": (0.052 * hips, 0.012, 0.080 * feet),
        "toe": (0.052 * hips, 0.012, 0.122 * feet),
    }
    for finger in FINGERS:
        along, up, forward = _KNUCKLES[finger]
        direction = np.array([0.72, -0.1, 0.68]) if finger == "thumb" else np.array([1.0, 0.0, forward * 0.2])
        length = _FINGER_LENGTHS[finger]
        for joint, share in enumerate((0.0, 0.45, 0.75, 1.0), start=1):
            place = np.array([along, up, forward]) + share * length * direction / np.linalg.norm(direction)
            side[f"{finger}{joint}"] = tuple(np.array(side["wrist"]) + hand * place)
    points = {name: scale * np.array(place) for name, place in middle.items()}
    for name, landmark in side.items():
        points[f"l_{name}"] = scale * np.array(landmark)
        points[f"r_{name}"] = scale * np.array(landmark) * (-1.0, 1.0, 1.0)
    return Body(height, points, scale * thigh, scale * shin, scale * 0.176 * arms, scale * 0.150 * arms)
