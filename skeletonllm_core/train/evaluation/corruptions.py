"""What goes wrong with recordings: joints are lost, jitter, frames drop, clocks and scales are off, cameras turn."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from skeletonllm_core.motion.canonical import BODY_HEIGHT
from skeletonllm_core.motion.facts import mirrored_text
from skeletonllm_core.motion.motion import Keypoints, Person
from skeletonllm_core.motion.orientation import body_height
from skeletonllm_core.motion.rig import map_rig
from skeletonllm_core.motion.skeleton import BodyPart, Topology
from skeletonllm_core.train.corpus import LabelledClip

Change = Callable[[Keypoints, np.random.Generator], Keypoints]


@dataclass(frozen=True)
class Corruption:
    """One kind of damage at one strength.

    Attributes:
        name: what goes wrong.
        level: how much.
        change: does it.
        by_chance: whether it depends on the draw.
        mirrors: whether left and right are exchanged, and so in the label.
    """

    name: str
    level: str
    change: Change
    by_chance: bool = True
    mirrors: bool = False

    def applied(self, clip: LabelledClip, rng: np.random.Generator) -> LabelledClip:
        """The damaged clip."""
        label = mirrored_text(clip.label) if self.mirrors else clip.label
        return replace(clip, person=self.change(_keypoints(clip.person), rng), label=label)


def _keypoints(person: Person) -> Keypoints:
    return person if isinstance(person, Keypoints) else person.keypoints()


def without_joints(share: float) -> Change:
    """A share of the joints is missing throughout."""

    def change(person: Keypoints, rng: np.random.Generator) -> Keypoints:
        positions = person.positions.copy()
        count = positions.shape[1]
        positions[:, rng.permutation(count)[: round(share * count)]] = np.nan
        return replace(person, positions=positions)

    return change


def flickering_joints(share: float) -> Change:
    """Each joint is missing in a share of the frames, each frame by itself."""

    def change(person: Keypoints, rng: np.random.Generator) -> Keypoints:
        positions = person.positions.copy()
        positions[rng.random(positions.shape[:2]) < share] = np.nan
        return replace(person, positions=positions)

    return change


def noise(metres: float) -> Change:
    """Every joint is off by a normal distribution in each frame [m of a 1.7 m body]."""

    def change(person: Keypoints, rng: np.random.Generator) -> Keypoints:
        rig = map_rig(person.topology, person.positions)
        height = body_height(person.positions, rig)
        sigma = metres * (height / BODY_HEIGHT if np.isfinite(height) else 1.0)
        return replace(person, positions=person.positions + rng.normal(0, sigma, person.positions.shape))

    return change


def without_frames(share: float) -> Change:
    """A share of the frames holds nothing; the first and the last stay."""

    def change(person: Keypoints, rng: np.random.Generator) -> Keypoints:
        positions = person.positions.copy()
        gone = rng.random(len(positions)) < share
        gone[[0, -1]] = False
        positions[gone] = np.nan
        return replace(person, positions=positions)

    return change


def tempo(factor: float) -> Change:
    """The clip runs so much faster."""
    return lambda person, rng: replace(person, fps=person.fps * factor)


def turned(person: Keypoints, rng: np.random.Generator) -> Keypoints:
    """The clip is turned about the vertical by any angle."""
    yaw = rng.uniform(-np.pi, np.pi)
    cos, sin = np.cos(yaw), np.sin(yaw)
    about_y = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    return replace(person, positions=person.positions @ about_y.T)


def mirrored(person: Keypoints, rng: np.random.Generator) -> Keypoints:
    """The clip as a mirror shows it; every joint is named after its other side."""
    names = tuple(_other_side(name) for name in person.topology.names)
    parts = person.topology.parts
    swapped = None if parts is None else tuple(part.mirrored if part else None for part in parts)
    topology = Topology(person.topology.name, names, person.topology.parents, swapped, person.topology.drawn)
    return replace(person, topology=topology, positions=person.positions * [-1, 1, 1])


def scaled(factor: float) -> Change:
    """Everything is so much larger, as with a wrong unit."""
    return lambda person, rng: replace(person, positions=person.positions * factor)


_SIDES = {"left": "right", "right": "left"}


def _other_side(name: str) -> str:
    """A joint's name with its side exchanged: left and right written out, or a lone l or r at an end."""

    def swapped(found: re.Match[str]) -> str:
        word = found[0]
        other = _SIDES.get(word.lower()) or {"l": "r", "r": "l"}[word.lower()]
        return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other

    if re.search("left|right", name, re.IGNORECASE):
        return re.sub("left|right", swapped, name, flags=re.IGNORECASE)
    return re.sub(r"(?<![A-Za-z])[lLrR](?![a-z])|(?<=[ _.])[lLrR]$", swapped, name)


CORRUPTIONS = (
    *(Corruption("joints missing throughout", f"{share:.0%}", without_joints(share)) for share in (0.1, 0.2, 0.3, 0.5)),
    *(Corruption("joints missing now and then", f"{share:.0%}", flickering_joints(share)) for share in (0.1, 0.3, 0.5)),
    *(Corruption("noise", f"{100 * sigma:.0f} cm", noise(sigma)) for sigma in (0.02, 0.05, 0.1)),
    *(Corruption("frames missing", f"{share:.0%}", without_frames(share)) for share in (0.1, 0.3, 0.5)),
    *(Corruption("tempo", f"× {factor:g}", tempo(factor), by_chance=False) for factor in (0.5, 2.0)),
    Corruption("turned about the vertical", "any angle", turned),
    Corruption("mirrored", "left for right", mirrored, by_chance=False, mirrors=True),
    *(Corruption("scale", f"× {factor:g}", scaled(factor), by_chance=False) for factor in (0.5, 2.0)),
)
"""Every kind of damage that `robustness` tries."""


# A joint of a poorer rig hangs from the first of these that the rig has; without any it is a root.
_HANGS_FROM = {
    "spine": ("pelvis",),
    "chest": ("spine", "pelvis"),
    "neck": ("chest", "spine", "pelvis"),
    "head": ("neck", "chest", "spine", "pelvis"),
    "clavicle": ("chest", "neck", "spine"),
    "upper_arm": ("clavicle", "chest", "neck", "head"),
    "forearm": ("upper_arm",),
    "hand": ("forearm",),
    "fingers": ("hand", "forearm"),
    "thigh": ("pelvis", "upper_arm"),
    "shin": ("thigh",),
    "foot": ("shin",),
    "toes": ("foot", "shin"),
}
_LIMBS = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
REDUCTIONS: dict[int, tuple[str, ...]] = {
    20: ("pelvis", "spine", "chest", "head", *_LIMBS, "fingers", "toes"),
    17: ("pelvis", "spine", "chest", "neck", "head", *_LIMBS),
    13: ("head", *_LIMBS),
}
"""Number of joints → kinds of body parts that are left, limbs on both sides: like Kinect, Human3.6M, and the least."""


def on_fewer_joints(person: Person, kinds: tuple[str, ...]) -> Keypoints:
    """The clip on a rig of one joint a body part; parts that the rig lacks stay missing.

    Args:
        person: on any rig.
        kinds: body parts without their side; see `REDUCTIONS`.
    """
    positions = person.joint_positions()
    joints = map_rig(person.topology, positions).primary()
    kept = [part for part in BodyPart if part in joints and _kind(part) in kinds]
    # Head first, because the limbs of a rig without a trunk hang from it; then as `BodyPart` orders them.
    kept.sort(key=lambda part: part is not BodyPart.HEAD if "pelvis" not in kinds else part is not BodyPart.PELVIS)
    parents = []
    for part in kept:
        above = ["_".join(filter(None, (part.side, kind))) for kind in _HANGS_FROM.get(_kind(part), ())]
        above += list(_HANGS_FROM.get(_kind(part), ()))
        parents.append(next((kept.index(BodyPart(name)) for name in above if name in kept), -1))
    names = [str(part.value) for part in kept]
    return Keypoints.from_arrays(positions[:, [joints[part] for part in kept]], names, parents, person.fps, person.name)


def _kind(part: BodyPart) -> str:
    return part.value.removeprefix("left_").removeprefix("right_")
