"""The rigs that procedural motion is written on: joint names and rest poses of common conventions.

Each rig is a table: joint, parent, the body segment that turns it, the landmark where it lies, where its bone ends if
no joint says so. A line with ``{L}``, ``{l}`` or ``{Left}`` stands for both sides. Spine joints bend by equal parts.
``spine@0.4`` is the landmark at 0.4 of the way from the pelvis to the neck; ``~`` is a space in a name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.skeleton import Skeleton, Topology
from skeletonllm_core.train.procedural.body import FINGERS, Body

_CMU = """
Hips                -                   pelvis      pelvis
{L}HipJoint         Hips                pelvis      pelvis
{Left}UpLeg         {L}HipJoint         thigh       hip
{Left}Leg           {Left}UpLeg         shin        knee
{Left}Foot          {Left}Leg           foot        ankle
{Left}ToeBase       {Left}Foot          toes        ball        toe
LowerBack           Hips                spine       spine@0
Spine               LowerBack           spine       spine@0.35
Spine1              Spine               spine       spine@0.72
Neck                Spine1              chest       spine@0.72
Neck1               Neck                neck        neck
Head                Neck1               head        head        headtop
{Left}Shoulder      Spine1              clavicle    spine@0.72
{Left}Arm           {Left}Shoulder      upper_arm   shoulder
{Left}ForeArm       {Left}Arm           forearm     elbow
{Left}Hand          {Left}ForeArm       hand        wrist
{Left}FingerBase    {Left}Hand          hand        wrist
{L}Fingers          {Left}FingerBase    curl        palm        fingertip
{L}Thumb            {Left}Hand          hand        wrist       thumbtip
"""

_MIXAMO = """
Hips                -                   pelvis      pelvis
Spine               Hips                spine       spine@0.16
Spine1              Spine               spine       spine@0.38
Spine2              Spine1              spine       spine@0.64
Neck                Spine2              neck        neck
Head                Neck                head        head
HeadTop_End         Head                head        headtop
{Left}Shoulder      Spine2              clavicle    clavicle
{Left}Arm           {Left}Shoulder      upper_arm   shoulder
{Left}ForeArm       {Left}Arm           forearm     elbow
{Left}Hand          {Left}ForeArm       hand        wrist
"""
_MIXAMO_LEGS = """
{Left}UpLeg         Hips                thigh       hip
{Left}Leg           {Left}UpLeg         shin        knee
{Left}Foot          {Left}Leg           foot        ankle
{Left}ToeBase       {Left}Foot          toes        ball
{Left}Toe_End       {Left}ToeBase       toes        toe
"""

_MINIMAL = """
hips                -                   pelvis      pelvis
chest               hips                spine       spine@0.45
head                chest               head        neck        headtop
{l}_shoulder        chest               upper_arm   shoulder
{l}_elbow           {l}_shoulder        forearm     elbow
{l}_wrist           {l}_elbow           hand        wrist       fingertip
{l}_hip             hips                thigh       hip
{l}_knee            {l}_hip             shin        knee
{l}_ankle           {l}_knee            foot        ankle       toe
"""

_UNREAL = """
pelvis              -                   pelvis      pelvis
spine_01            pelvis              spine       spine@0.10
spine_02            spine_01            spine       spine@0.36
spine_03            spine_02            spine       spine@0.62
neck_01             spine_03            neck        neck
head                neck_01             head        head        headtop
clavicle_{l}        spine_03            clavicle    clavicle
upperarm_{l}        clavicle_{l}        upper_arm   shoulder
upperarm_twist_01_{l} upperarm_{l}      upper_arm   shoulder    elbow
lowerarm_{l}        upperarm_{l}        forearm     elbow
lowerarm_twist_01_{l} lowerarm_{l}      forearm     elbow       wrist
hand_{l}            lowerarm_{l}        hand        wrist       fingertip
thigh_{l}           pelvis              thigh       hip
thigh_twist_01_{l}  thigh_{l}           thigh       hip         knee
calf_{l}            thigh_{l}           shin        knee
foot_{l}            calf_{l}            foot        ankle
ball_{l}            foot_{l}            toes        ball        toe
"""

_SMPL = """
Pelvis              -                   pelvis      pelvis
{L}_Hip             Pelvis              thigh       hip
{L}_Knee            {L}_Hip             shin        knee
{L}_Ankle           {L}_Knee            foot        ankle
{L}_Foot            {L}_Ankle           toes        ball        toe
Spine1              Pelvis              spine       spine@0.20
Spine2              Spine1              spine       spine@0.46
Spine3              Spine2              spine       spine@0.58
Neck                Spine3              neck        neck
Head                Neck                head        head        headtop
{L}_Collar          Spine3              clavicle    clavicle
{L}_Shoulder        {L}_Collar          upper_arm   shoulder
{L}_Elbow           {L}_Shoulder        forearm     elbow
{L}_Wrist           {L}_Elbow           hand        wrist
{L}_Hand            {L}_Wrist           hand        palm        fingertip
"""

_BLENDER = """
hips                -                   pelvis      pelvis
spine               hips                spine       spine@0.18
chest               spine               spine       spine@0.55
neck                chest               neck        neck
head                neck                head        head        headtop
shoulder.{L}        chest               clavicle    clavicle
upper_arm.{L}       shoulder.{L}        upper_arm   shoulder
forearm.{L}         upper_arm.{L}       forearm     elbow
hand.{L}            forearm.{L}         hand        wrist       fingertip
thigh.{L}           hips                thigh       hip
shin.{L}            thigh.{L}           shin        knee
foot.{L}            shin.{L}            foot        ankle
toe.{L}             foot.{L}            toes        ball        toe
"""

_BIPED = """
Bip01               -                   pelvis      pelvis
Bip01~Pelvis        Bip01               pelvis      pelvis
Bip01~Spine         Bip01~Pelvis        spine       spine@0.12
Bip01~Spine1        Bip01~Spine         spine       spine@0.45
Bip01~Neck          Bip01~Spine1        neck        neck
Bip01~Head          Bip01~Neck          head        head        headtop
Bip01~{L}~Clavicle  Bip01~Spine1        clavicle    clavicle
Bip01~{L}~UpperArm  Bip01~{L}~Clavicle  upper_arm   shoulder
Bip01~{L}~Forearm   Bip01~{L}~UpperArm  forearm     elbow
Bip01~{L}~Hand      Bip01~{L}~Forearm   hand        wrist
Bip01~{L}~Finger1   Bip01~{L}~Hand      curl        palm        fingertip
Bip01~{L}~Thigh     Bip01~Pelvis        thigh       hip
Bip01~{L}~Calf      Bip01~{L}~Thigh     shin        knee
Bip01~{L}~Foot      Bip01~{L}~Calf      foot        ankle
Bip01~{L}~Toe0      Bip01~{L}~Foot      toes        ball        toe
"""

_ANCHORED = """
joint_Root          -                   anchor      origin
Hips                joint_Root          pelvis      pelvis
Spine               Hips                spine       spine@0.30
Chest               Spine               spine       spine@0.55
Neck                Chest               neck        neck
Head                Neck                head        head        headtop
Shoulder_{L}        Chest               clavicle    clavicle
UpperArm_{L}        Shoulder_{L}        upper_arm   shoulder
LowerArm_{L}        UpperArm_{L}        forearm     elbow
Hand_{L}            LowerArm_{L}        hand        wrist       fingertip
UpperLeg_{L}        Hips                thigh       hip
LowerLeg_{L}        UpperLeg_{L}        shin        knee
Foot_{L}            LowerLeg_{L}        foot        ankle
Toes_{L}            Foot_{L}            toes        ball        toe
"""

SIDES = ("l", "r")
PAIRED = frozenset({"clavicle", "upper_arm", "forearm", "hand", "curl", "thumb", "thigh", "shin", "foot", "toes"})
_WORDS = {
    "l": {"{L}": "L", "{l}": "l", "{Left}": "Left"},
    "r": {"{L}": "R", "{l}": "r", "{Left}": "Right"},
}


@dataclass(frozen=True)
class Joint:
    """One row of a rig: `segment` turns it, `place` and `tip` are landmarks of `body.Body` (or ``spine@share``)."""

    name: str
    parent: int
    segment: str
    place: str
    tip: str | None


@dataclass(frozen=True, eq=False)
class Rig:
    """A rig: its joints in depth-first order, and how far its rest pose differs from the T-pose.

    `rest` gives, per segment, the (4,) rotation from the T-pose's axes to the rig's rest axes; absent means none.
    """

    name: str
    joints: tuple[Joint, ...]
    rest: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def spine(self) -> tuple[str, ...]:
        """Landmarks of the spine joints, pelvis side first."""
        return tuple(joint.place for joint in self.joints if joint.segment == "spine")

    @property
    def neck(self) -> tuple[str, ...]:
        """Landmarks of the neck joints, where there are any, and of the head joint."""
        necks = [joint.place for joint in self.joints if joint.segment == "neck"]
        return (*necks, next(joint.place for joint in self.joints if joint.segment == "head"))

    @property
    def clavicle(self) -> str | None:
        """Landmark of the clavicle joints without its side, or None where the arm hangs on the chest."""
        places = [joint.place for joint in self.joints if joint.segment == "l_clavicle"]
        return places[0].removeprefix("l_") if places else None

    @property
    def anchored(self) -> bool:
        """True where joint 0 is a static world anchor above the pelvis."""
        return self.joints[0].segment == "anchor"

    def skeleton(self, body: Body) -> Skeleton:
        """The rig's rest pose in the proportions of `body`."""
        places = np.array([landmark(body, joint.place) for joint in self.joints])
        offsets = np.zeros_like(places)
        tip_joints, tips = [], []
        for index, joint in enumerate(self.joints):
            if joint.parent >= 0:
                offsets[index] = self._at_rest(self.joints[joint.parent].segment, places[index] - places[joint.parent])
            else:
                offsets[index] = places[index]
            if joint.tip:
                tip_joints.append(index)
                tips.append(self._at_rest(joint.segment, landmark(body, joint.tip) - places[index]))
        topology = Topology(self.name, tuple(j.name for j in self.joints), np.array([j.parent for j in self.joints]))
        return Skeleton(topology, offsets, np.array(tip_joints, dtype=np.int64), np.array(tips).reshape(-1, 3))

    def _at_rest(self, segment: str, offset: np.ndarray) -> np.ndarray:
        turn = self.rest.get(segment)
        return offset if turn is None else rotation.rotate(rotation.conjugate(turn), offset)


def landmark(body: Body, place: str) -> np.ndarray:
    """(3,) [m], a landmark of the T-pose by the name a rig's table gives it."""
    if place == "origin":
        return np.zeros(3)
    if place.startswith("spine@"):
        return body.spine(float(place.removeprefix("spine@")))
    return body.points[place]


def _joints(table: str) -> tuple[Joint, ...]:
    rows: list[tuple[str, str, str, str, str | None]] = []
    for line in table.strip().splitlines():
        for side in SIDES if "{" in line else ("",):
            filled = line
            for word, value in _WORDS.get(side, {}).items():
                filled = filled.replace(word, value)
            name, parent, segment, place, *tip = filled.split()
            mark = f"{side}_" if side else ""
            paired = place == "origin" or place.startswith("spine@") or place in ("pelvis", "neck", "head")
            rows.append(
                (
                    name.replace("~", " "),
                    parent.replace("~", " "),
                    mark + segment if segment in PAIRED else segment,
                    place if paired else mark + place,
                    mark + tip[0] if tip else None,
                )
            )
    children: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        children.setdefault(row[1], []).append(index)
    joints: list[Joint] = []

    def visit(index: int, parent: int) -> None:
        name, _, segment, place, tip = rows[index]
        here = len(joints)
        joints.append(Joint(name, parent, segment, place, tip))
        for child in children.get(name, ()):
            visit(child, here)

    visit(children["-"][0], -1)
    return tuple(joints)


def _hand_with_fingers() -> str:
    rows = []
    for finger in FINGERS:
        parent = "{Left}Hand"
        for number in range(1, 5):
            name = "{Left}Hand" + f"{finger.capitalize()}{number}"
            segment = "hand" if number == 4 else "thumb" if finger == "thumb" else "curl"
            rows.append(f"{name} {parent} {segment} {finger}{number}")
            parent = name
    return "\n".join(rows)


def _leaning(degrees: float, segments: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Rest rotations of a rest pose whose limbs are turned `degrees` about Z, mirrored on the right."""
    rest = {}
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        turn = rotation.from_axis_angle(np.array([0.0, 0.0, 1.0]), np.radians(sign * degrees))
        rest.update({f"{side}_{segment}": turn for segment in segments})
    return rest


_ARM = ("upper_arm", "forearm", "hand", "curl", "thumb")
_LEG = ("thigh", "shin", "foot", "toes")


def _along_x() -> dict[str, np.ndarray]:
    """Rest rotations of a rig whose bones all run along their own X axis, as game studios' rigs do."""
    rest = {}
    along = {"pelvis": (0, 1, 0), "spine": (0, 1, 0), "neck": (0, 1, 0), "head": (0, 1, 0)}
    for segment, direction in along.items():
        rest[segment] = rotation.between(np.array([1.0, 0.0, 0.0]), np.array(direction, dtype=float))
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        for segment in (*_ARM, "clavicle"):
            rest[f"{side}_{segment}"] = np.array([1.0, 0.0, 0.0, 0.0])
        down = rotation.between(np.array([sign, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
        for segment in ("thigh", "shin"):
            rest[f"{side}_{segment}"] = down
        for segment in ("foot", "toes"):
            rest[f"{side}_{segment}"] = rotation.between(np.array([sign, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    return rest


def _mixamo_rows() -> str:
    lines = (_MIXAMO + _hand_with_fingers() + _MIXAMO_LEGS).strip().splitlines()
    rows = []
    for line in lines:
        name, parent, *rest = line.split()
        rows.append(" ".join([f"mixamorig:{name}", parent if parent == "-" else f"mixamorig:{parent}", *rest]))
    return "\n".join(rows)


_BUILDERS: dict[str, Callable[[], Rig]] = {
    "cmu": lambda: Rig("cmu", _joints(_CMU), _leaning(-20.0, _LEG)),
    "mixamo": lambda: Rig("mixamo", _joints(_mixamo_rows())),
    "minimal": lambda: Rig("minimal", _joints(_MINIMAL)),
    "unreal": lambda: Rig("unreal", _joints(_UNREAL), _leaning(45.0, _ARM)),
    "smpl": lambda: Rig("smpl", _joints(_SMPL)),
    "blender": lambda: Rig("blender", _joints(_BLENDER)),
    "biped": lambda: Rig("biped", _joints(_BIPED)),
    "anchored": lambda: Rig("anchored", _joints(_ANCHORED), _along_x()),
}

RIGS: tuple[str, ...] = tuple(_BUILDERS)


@cache
def rig_named(name: str) -> Rig:
    """The rig called `name`, one of `RIGS`; ValueError for another name."""
    if name not in _BUILDERS:
        raise ValueError(f"unknown rig {name!r}; there are: {', '.join(RIGS)}")
    return _BUILDERS[name]()
