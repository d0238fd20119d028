"""Optical markers → persons: subjects told apart, joints worked out for known marker sets, a spanning tree for all others.

Known are Plug-in Gait, Helen Hayes and the CMU database's set of 41; sets of the same names with markers missing or added
work as well. Each joint lies where a simple rule puts it:

    pelvis              mean of the four waist markers (three with one sacral marker)
    hips                regression of Harrington et al. from the width and depth of the pelvis
    knee, ankle, elbow  midway between the lateral and the medial marker; at the lateral one where there is no other
    wrist               midway between its two markers, or at the only one
    shoulder            the marker on the acromion
    chest               midway between C7 and the clavicle marker; without them midway between the shoulders
    spine               midway between T10 and the sternum marker
    head                mean of the head's markers
    hand, toes          the marker on the hand, on the toes

The markers themselves stay as further joints below the nearest of these; they are no body part, so they are not drawn.

Source: M. Harrington et al., "Prediction of the hip joint centre in adults, children, and patients with cerebral palsy based
on magnetic resonance imaging", J. Biomechanics 40 (2007), simplified equations; Vicon, "Plug-in Gait Reference Guide";
M. Kadaba et al., "Measurement of lower extremity kinematics during level walking", J. Orthopaedic Research 8 (1990).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm_core.motion.motion import Keypoints
from skeletonllm_core.motion.skeleton import BodyPart, Topology
from skeletonllm_mocap_io.skeleton_of_points import parents_by_name, spanning_tree

_P = BodyPart

_UNNAMED = re.compile(r"$|\*|(?:u|uname|unlabell?ed|unidentified)[\W_]*\d*$", re.IGNORECASE)

Rule = tuple[tuple[str, ...], ...]
"""Alternatives, the first that is there counts: each the markers whose mean is the joint. "?" stands for L or R."""

_ASIS: Rule = (("?ASI",), ("?ASIS",), ("?FWT",))
_PSIS: Rule = (
    ("LPSI", "RPSI"),
    ("LPSIS", "RPSIS"),
    ("LBWT", "RBWT"),
    ("SACR",),
    ("VSACRAL",),
    ("SACRAL",),
    ("SACRUM",),
)


def _paired(lateral: tuple[str, ...], medial: tuple[str, ...]) -> Rule:
    """Midway between a lateral and a medial marker, else the lateral one."""
    return (*((one, other) for one in lateral for other in medial), *((one,) for one in lateral))


# joint ("?" is left and right), parents to try, part, rule; hips and pelvis are worked out apart
_MIDDLE: tuple[tuple[str, tuple[str, ...], BodyPart, Rule], ...] = (
    ("spine", ("pelvis",), _P.SPINE, (("T10", "STRN"), ("T10", "STERNUM"), ("T10", "XIPH"))),
    (
        "chest",
        ("spine", "pelvis"),
        _P.CHEST,
        (("C7", "CLAV"), ("LSHO", "RSHO"), ("LSHOULDER", "RSHOULDER"), ("LACROMIUM", "RACROMIUM"), ("LACROMION", "RACROMION")),
    ),
    (
        "head",
        ("chest",),
        _P.HEAD,
        (
            ("LFHD", "RFHD", "LBHD", "RBHD"),
            ("LFHD", "RFHD"),
            ("LBHD", "RBHD"),
            ("FRONTHEAD", "REARHEAD"),
            ("TOPHEAD",),
            ("HEAD",),
        ),
    ),
)  # fmt: skip
_SIDE: tuple[tuple[str, tuple[str, ...], BodyPart, Rule], ...] = (
    ("?_shoulder", ("chest",), _P.LEFT_UPPER_ARM, (("?SHO",), ("?SHOULDER",), ("?ACROMIUM",), ("?ACROMION",))),
    (
        "?_elbow",
        ("?_shoulder",),
        _P.LEFT_FOREARM,
        _paired(("?ELB", "?ELBOW", "?ELBOWLAT"), ("?ELBM", "?MELB", "?IEL", "?ELBOWMED", "?ELBOWMEDIAL")),
    ),
    (
        "?_wrist",
        ("?_elbow",),
        _P.LEFT_HAND,
        (
            ("?WRA", "?WRB"),
            ("?IWR", "?OWR"),
            ("?WRISTLAT", "?WRISTMED"),
            ("?WRIST",),
            ("?WRI",),
            ("?WRA",),
            ("?WRB",),
        ),
    ),
    ("?_hand", ("?_wrist",), _P.LEFT_FINGERS, (("?FIN",), ("?FINGER",), ("?HAND",))),
    (
        "?_knee",
        ("?_hip", "pelvis"),
        _P.LEFT_SHIN,
        _paired(("?KNE", "?KNEE", "?KNEELAT"), ("?KNEM", "?KNM", "?MKNE", "?KNI", "?KNEEMED", "?KNEEMEDIAL")),
    ),
    (
        "?_ankle",
        ("?_knee",),
        _P.LEFT_FOOT,
        _paired(("?ANK", "?ANKLE", "?ANKLELAT"), ("?ANKM", "?MED", "?MANK", "?ANI", "?ANKLEMED", "?ANKLEMEDIAL")),
    ),
    ("?_toes", ("?_ankle",), _P.LEFT_TOES, (("?TOE",), ("?TOETIP",), ("?TOELAT", "?TOEMED"), ("?MT1", "?MT5"))),
)  # fmt: skip

_LOWER = ("pelvis", "left_knee", "right_knee", "left_ankle", "right_ankle")
_UPPER = ("chest", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow")

# Names that tell the sets apart.
_SETS = (("CMU", ("LFWT", "RFWT")), ("Plug-in Gait", ("LASI", "RASI")), ("Helen Hayes", ("LASIS", "RASIS")))


@dataclass
class _Joint:
    name: str
    parent: str
    part: BodyPart
    places: np.ndarray  # (T, 3)


def marker_persons(
    labels: Sequence[str], positions: np.ndarray, fps: float, metre: float, name: str
) -> tuple[list[Keypoints], list[int], list[str]]:
    """One Keypoints a subject, that with most markers first.

    Markers of several subjects are named ``Subject:LASI``. Subjects that are no body are left out (props: of no known set
    where another subject is of one, or with less than half the markers of the largest). So are markers without a name and
    those that are never seen.

    Args:
        labels: M names.
        positions: (T, M, 3) in the unit of the file, NaN = missing.
        fps: frames a second.
        metre: metres in the file's unit, for the regression of the hips.
        name: name of the take.

    Returns:
        The persons in the unit of the file, the place of each among the file's subjects, and notes; nobody where no
        marker is ever seen.
    """
    notes: list[str] = []
    seen = np.isfinite(positions).all(-1).any(0)
    kept = [index for index, label in enumerate(labels) if seen[index] and not _UNNAMED.match(_bare(label))]
    if not kept:
        kept = np.flatnonzero(seen).tolist()
    never = [label for label, known in zip(labels, seen, strict=True) if not known]
    if never:
        notes.append(f"Left out, never seen: {_listed(never)}.")
    unnamed = int(seen.sum()) - len(kept)
    if unnamed:
        notes.append(f"{unnamed} markers without a name were left out.")
    subjects: dict[str, list[int]] = {}
    for index in kept:
        subjects.setdefault(labels[index].rpartition(":")[0].strip(), []).append(index)
    ranked = sorted(enumerate(subjects.items()), key=lambda one: -len(one[1][1]))
    found = []
    for place, (subject, members) in ranked:
        bare = _distinct([_bare(labels[index]) for index in members])
        person, note = _person(bare, positions[:, members], fps, metre, name)
        found.append((place, subject, person, note))
    bodies = any(person.topology.parts is not None for _, _, person, _ in found)
    persons, ids = [], []
    for place, subject, person, note in found:
        named = f"{_listed([subject])}: " if len(subjects) > 1 else ""
        prop = person.topology.parts is None if bodies else 2 * len(person.topology) < len(found[0][2].topology)
        if prop:
            notes.append(f"{named}left out, for its {len(person.topology)} markers are of no known set.")
            continue
        persons.append(person)
        ids.append(place)
        notes.append(named + note)
    return persons, ids, notes


def _bare(label: str) -> str:
    """The name without its subject."""
    return label.rpartition(":")[2].strip()


def _distinct(names: list[str]) -> list[str]:
    """The names, with a number after those that came before."""
    counts: dict[str, int] = {}
    distinct = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        distinct.append(name if counts[name] == 1 else f"{name}_{counts[name]}")
    return distinct


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return (
        ", ".join("".join(letter if letter.isprintable() else "?" for letter in one[:40]) for one in names[:6]) + more
    )


def _person(names: list[str], positions: np.ndarray, fps: float, metre: float, take: str) -> tuple[Keypoints, str]:
    joints = _joints(names, positions, metre)
    found = {joint.name for joint in joints}
    if not (found.issuperset(_LOWER) or found.issuperset(_UPPER)):
        parents = parents_by_name(names, positions)
        how = "joined by what their names say"
        if parents is None:
            parents, how = spanning_tree(positions), "joined where they are nearest to each other"
        person = Keypoints.from_arrays(positions, names, parents, fps, take)
        return person, f"{len(names)} markers of no known set: {how}."
    order = [joint.name for joint in joints]
    centres = np.stack([joint.places for joint in joints], axis=1)
    nearest = [_nearest(positions[:, marker], centres) for marker in range(len(names))]
    topology = Topology(
        "markers",
        (*order, *(f"marker {one}" if one in found else one for one in names)),
        np.array([order.index(joint.parent) if joint.parent else -1 for joint in joints] + nearest),
        (*(joint.part for joint in joints), *(None for _ in names)),
    )
    upper = {_plain(one) for one in names}
    known = next((title for title, telling in _SETS if upper.issuperset(telling)), "upper body")
    person = Keypoints(topology, np.concatenate([centres, positions], axis=1), fps, take)
    return person, f"{len(names)} markers ({known}): {len(joints)} joints were worked out from them."


def _plain(name: str) -> str:
    return "".join(letter for letter in name.upper() if letter.isalnum())


def _joints(names: list[str], positions: np.ndarray, metre: float) -> list[_Joint]:
    """The joints that the rules give, parents first."""
    places = {_plain(name): positions[:, index] for index, name in enumerate(names)}

    def centre(rule: Rule, side: str = "") -> np.ndarray | None:
        for markers in rule:
            wanted = [marker.replace("?", side) for marker in markers]
            if all(marker in places for marker in wanted):
                return np.mean([places[marker] for marker in wanted], axis=0)
        return None

    joints: list[_Joint] = []

    def add(name: str, parents: Sequence[str], part: BodyPart, where: np.ndarray | None) -> None:
        above = next((one for one in parents if any(joint.name == one for joint in joints)), "")
        if where is not None and np.isfinite(where).all(-1).any() and (above or not joints):
            joints.append(_Joint(name, above, part, where))

    left, right, back = centre(_ASIS, "L"), centre(_ASIS, "R"), centre(_PSIS)
    if left is not None and right is not None and back is not None and np.isfinite(left + right + back).any():
        add("pelvis", (), _P.PELVIS, ((left + right) / 2 + back) / 2)
        for name, part, where in zip(
            ("left_hip", "right_hip"), (_P.LEFT_THIGH, _P.RIGHT_THIGH), _hips(left, right, back, metre), strict=True
        ):
            add(name, ("pelvis",), part, where)
    for name, parents, part, rule in _MIDDLE:
        add(name, parents, part, centre(rule))
    for letter, side in (("L", "left"), ("R", "right")):
        for name, parents, part, rule in _SIDE:
            above = [parent.replace("?", side) for parent in parents]
            add(name.replace("?", side), above, part if side == "left" else part.mirrored, centre(rule, letter))
    return joints


def _hips(left: np.ndarray, right: np.ndarray, back: np.ndarray, metre: float) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3) centres of the left and the right hip joint.

    With the pelvis' width w and depth d [mm] they lie 0.24 d + 9.9 behind, 0.30 w + 10.9 below and 0.33 w + 7.3 beside the
    middle of the front waist markers (Harrington et al. 2007).
    """
    middle = (left + right) / 2
    millimetres = metre * 1000.0
    width = float(np.nanmedian(np.linalg.norm(right - left, axis=-1))) * millimetres
    depth = float(np.nanmedian(np.linalg.norm(middle - back, axis=-1))) * millimetres
    to_right = _unit(right - left)
    forward = middle - back
    forward = _unit(forward - (forward * to_right).sum(-1, keepdims=True) * to_right)
    up = np.cross(to_right, forward)
    behind, below, beside = (0.24 * depth + 9.9, 0.30 * width + 10.9, 0.33 * width + 7.3)
    base = middle - (forward * behind + up * below) / millimetres
    return base - to_right * beside / millimetres, base + to_right * beside / millimetres


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _nearest(places: np.ndarray, centres: np.ndarray) -> int:
    """The joint from which a marker is least far, on average over the frames in which both are seen."""
    spans = np.linalg.norm(centres - places[:, None], axis=-1)
    known = np.isfinite(spans)
    mean = np.where(known, spans, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return int(np.argmin(np.where(known.any(0), mean, np.inf)))
