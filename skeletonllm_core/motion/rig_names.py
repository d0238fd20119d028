"""What joint names say: words → what a joint is, for any common naming convention."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache


class Kind(StrEnum):
    """What a name calls a joint. Some words mean different joints in different conventions; `motion.rig` decides."""

    ROOT = "root"
    PELVIS = "pelvis"
    CENTRE = "centre"
    TRUNK = "trunk"
    CHEST = "chest"
    NECK = "neck"
    HEAD = "head"
    CLAVICLE = "clavicle"
    SHOULDER = "shoulder"
    ARM = "arm"
    UPPER_ARM = "upper arm"
    FOREARM = "forearm"
    WRIST = "wrist"
    HAND = "hand"
    FINGER = "finger"
    THUMB = "thumb"
    HIP = "hip"
    HIP_JOINT = "hip joint"
    LEG = "leg"
    THIGH = "thigh"
    SHIN = "shin"
    ANKLE = "ankle"
    FOOT = "foot"
    TOES = "toes"
    NOSE = "nose"
    TAIL = "tail"
    """A limb that people do not have: tail, wing, fin."""


@dataclass(frozen=True)
class Meaning:
    """What one name says.

    Attributes:
        kind: what the joint is, None where no word is known.
        side: "left", "right" or None.
        helper: no part of the body's line: twist, face, IK, cloth.
        end: marks the end of a bone ("Head_end", "Toe0Nub").
        number: the last number in the name, -1 where there is none.
        finger: which finger, for choosing the one that is drawn; 0 is preferred.
        animal: speaks of front legs, so this is no human body.
        prefix: the helper prefixes of Rigify ("def", "org", "mch"), else "".
        target: the end that inverse kinematics pulls a limb to; a pole target is none.
    """

    kind: Kind | None
    side: str | None = None
    helper: bool = False
    end: bool = False
    number: int = -1
    finger: int = 9
    animal: bool = False
    prefix: str = ""
    target: bool = False


_LEFT = frozenset(("l", "left", "lft", "lf", "lt", "links", "gauche", "sinistra", "izquierda", "izq"))
_RIGHT = frozenset(("r", "right", "rgt", "rt", "rght", "rechts", "droite", "destra", "derecha"))
_END = frozenset(("end", "nub", "effector", "site", "top", "endsite", "leaf", "terminal"))
_TWIST = frozenset(("twist", "twst", "roll", "corrective", "share", "shr", "ribs"))
_HELPER_WORDS = """
    face facial jaw tongue teeth tooth eye eyes eyeball eyelid lid eyebrow brow lip lips mouth cheek nose
    nostril ear ears chin forehead temple breast breasts boob pec pectoral bust nipple butt buttock glute hair
    ponytail bang beard skirt cloth cape coat dress sleeve ribbon belt tie weapon prop attach attachment socket
    ik pole target ctrl control controller handle helper dummy muscle mch wgt mechanism camera light imu logo
    lidar gun heel tweak corrective physics sec adj marker goal holder hat helmet backpack bag rein saddle horn
"""
_BODY_WORDS = """
    upper lower up low upp lo fore arm leg hand hands foot feet toe toes hip hips pelvis spine chest neck head
    shoulder shoulders clavicle clav collar collarbone scapula elbow wrist knee ankle thigh shin calf femur
    tibia humerus radius ulna finger fingers thumb index point pointer middle mid ring pinky pinkie little small
    big ball base tip joint jnt bone root link pitch yaw back torso thorax abdomen waist lumbar belly stomach
    body rib ribcage cage bend shldr uparm upleg carpal metacarpal metatarsal metatarsals palm knuckle center
    centre cog com hold skull trunk sternum biped bip mixamorig def org rig rear hind front valve master
    reference trajectory motion world armature skeleton skel geo main tail wing wings fin flipper feather sacrum
    cervical
"""
_ROOT_WORDS = "root cog com master reference trajectory motion world armature skeleton skel main"
_HELPER = frozenset(_HELPER_WORDS.split())
_ROOTS = frozenset(_ROOT_WORDS.split())
_SENSOR = re.compile(r"d4[0-5]5|mid360|realsense|velodyne|sensor", re.IGNORECASE)
_INITIALS = frozenset(("pt",))
"""Helpers that are written as initials (pole target); too short to cut words by."""
_VOCABULARY = (
    ((_LEFT | _RIGHT) - {"l", "lf", "lt", "r", "rt"}) | _END | _TWIST | _HELPER | frozenset(_BODY_WORDS.split())
)
_SHORT = frozenset(
    ("up", "lo", "low", "com", "cog", "tie", "ear", "lid", "lip", "ik", "top", "org", "def", "rig", "end", "sec", "adj")
)
_LONGEST = max(len(word) for word in _VOCABULARY)
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_FINGERS = {
    "middle": 0,
    "mid": 0,
    "index": 1,
    "pointer": 1,
    "point": 1,
    "ring": 2,
    "pinky": 3,
    "pinkie": 3,
    "little": 3,
}

_JAPANESE_HELPERS = (
    "IK", "親", "捩", "ダミー", "目", "眼", "舌", "髪", "胸", "乳", "スカート", "袖", "操作", "キャンセル",
    "補助", "付与", "ネクタイ", "歯", "顎", "あご", "耳", "眉", "口", "まぶた", "EX",
)  # fmt: skip
_JAPANESE: tuple[tuple[str, Kind], ...] = (
    ("親指", Kind.THUMB),
    ("人指", Kind.FINGER),
    ("人差", Kind.FINGER),
    ("中指", Kind.FINGER),
    ("薬指", Kind.FINGER),
    ("小指", Kind.FINGER),
    ("つま先", Kind.TOES),
    ("爪先", Kind.TOES),
    ("足先", Kind.TOES),
    ("足首", Kind.ANKLE),
    ("手首", Kind.WRIST),
    ("手先", Kind.FINGER),
    ("ひざ", Kind.SHIN),
    ("膝", Kind.SHIN),
    ("ひじ", Kind.FOREARM),
    ("肘", Kind.FOREARM),
    ("肩", Kind.SHOULDER),
    ("腕", Kind.UPPER_ARM),
    ("足", Kind.THIGH),
    ("脚", Kind.THIGH),
    ("上半身", Kind.TRUNK),
    ("下半身", Kind.PELVIS),
    ("腰", Kind.CENTRE),
    ("首", Kind.NECK),
    ("頭", Kind.HEAD),
    ("センター", Kind.CENTRE),
    ("グルーブ", Kind.CENTRE),
)


@lru_cache(maxsize=4096)
def _cut(word: str) -> tuple[str, ...] | None:
    """A lower-case word cut into known words, as few as possible; None where that is impossible."""
    if word in _VOCABULARY:
        return (word,)
    if len(word) > 40:
        return None
    best: list[tuple[str, ...] | None] = [None] * (len(word) + 1)
    best[0] = ()
    for end in range(2, len(word) + 1):
        for start in range(max(0, end - _LONGEST), end - 1):
            head = best[start]
            if (
                head is not None
                and word[start:end] in _VOCABULARY
                and (best[end] is None or len(head) + 1 < len(best[end] or ()))
            ):
                best[end] = (*head, word[start:end])
    found = best[-1]
    return found if found and not all(piece in _SHORT for piece in found) else None


def words(name: str) -> list[str]:
    """The words of a joint name in lower case; CamelCase, snake_case, glued words, a glued l or r are taken apart."""
    plain = re.split(r"[:|]", unicodedata.normalize("NFKC", name))[-1]
    found: list[str] = []
    for piece in _SPLIT.findall(plain):
        word = piece.lower()
        if not word.isalpha() or len(word) == 1:
            found.append(word)
            continue
        cut = _cut(word)
        if cut is None and word[0] in "lr" and len(word) > 3:
            rest = _cut(word[1:])
            cut = (word[0], *rest) if rest else None
        if cut is None and word[-1] in "lr" and len(word) > 3:
            rest = _cut(word[:-1])
            cut = (*rest, word[-1]) if rest else None
        found.extend(cut or (word,))
    return found


def _japanese(name: str) -> Meaning | None:
    """What a MikuMikuDance name says; None where it is not Japanese."""
    plain = unicodedata.normalize("NFKC", name).strip()
    if not any("぀" <= letter <= "ヿ" or "一" <= letter <= "鿿" for letter in plain):
        return None
    side = "left" if "左" in plain else "right" if "右" in plain else None
    if "全ての親" in plain:
        return Meaning(Kind.ROOT)
    number = re.findall(r"\d+", plain)
    last = int(number[-1]) if number and len(number[-1]) < 6 else -1
    for word, kind in _JAPANESE:
        if word in plain:
            rest = plain.replace(word, "").replace("左", "").replace("右", "")
            helper = any(mark in rest for mark in _JAPANESE_HELPERS) or bool(re.search(r"[A-Z]", rest))
            finger = 0 if word == "中指" else 1 if word in ("人指", "人差") else 5
            return Meaning(kind, side, helper, number=last, finger=finger, end=word == "手先" or "先" in rest)
    return Meaning(None, side, any(mark in plain for mark in _JAPANESE_HELPERS))


_BESIDE_LEG = frozenset(
    ("ankle", "foot", "feet", "knee", "hip", "hips", "pelvis", "shoulder", "collar", "thigh", "shin")
)

_FRONT_LEGS = {
    Kind.THIGH: Kind.UPPER_ARM,
    Kind.LEG: Kind.ARM,
    Kind.SHIN: Kind.FOREARM,
    Kind.ANKLE: Kind.WRIST,
    Kind.FOOT: Kind.HAND,
    Kind.TOES: Kind.FINGER,
}
"""The front legs of an animal are its arms."""


def _kind(found: set[str], side: str | None) -> Kind | None:
    """Which kind of joint a set of words names."""
    upper = bool(found & {"upper", "up", "upp"})
    lower = bool(found & {"lower", "low", "lo"})
    if "thumb" in found:
        return Kind.THUMB
    if found & {"tail", "wing", "wings", "fin", "flipper", "feather"}:
        return Kind.TAIL
    if found & {"toe", "toes", "ball"}:
        return Kind.TOES
    if found & {"metatarsal", "metatarsals"}:
        return Kind.FOOT
    if found & {"finger", "fingers", "index", "pointer", "pinky", "pinkie", "knuckle", "carpal", "metacarpal", "palm"}:
        return Kind.FINGER
    if found & {"hand", "hands"} and found & {"tip", "middle", "mid", "ring", "little"}:
        return Kind.FINGER
    if "arm" in found or "uparm" in found:
        if "fore" in found or (lower and not upper):
            return Kind.FOREARM
        return Kind.UPPER_ARM if upper or "uparm" in found else Kind.ARM
    if found & {"leg", "upleg"} and not found & _BESIDE_LEG:
        if lower and not upper:
            return Kind.SHIN
        return Kind.THIGH if upper or "upleg" in found else Kind.LEG
    if found & {"elbow", "radius", "ulna"}:
        return Kind.FOREARM
    if found & {"humerus", "shldr"}:
        return Kind.UPPER_ARM
    if found & {"thigh", "femur"}:
        return Kind.THIGH
    if found & {"shin", "calf", "knee", "tibia"}:
        return Kind.SHIN
    if "ankle" in found:
        return Kind.ANKLE
    if found & {"foot", "feet"}:
        return Kind.FOOT
    if "wrist" in found:
        return Kind.WRIST
    if found & {"hand", "hands"}:
        return Kind.HAND
    if found & {"clavicle", "clav", "collar", "collarbone", "scapula"}:
        return Kind.CLAVICLE
    if found & {"shoulder", "shoulders"}:
        if found & {"back", "rear", "hind"}:
            return Kind.HIP
        return Kind.SHOULDER if side else Kind.CHEST
    if "neck" in found or "cervical" in found:
        return Kind.NECK
    if found & {"head", "skull"}:
        return Kind.HEAD
    if "nose" in found:
        return Kind.NOSE
    if found & {"hip", "hips"} or ("pelvis" in found and "leg" in found):
        if side is None:
            return Kind.PELVIS
        return Kind.HIP_JOINT if "joint" in found else Kind.HIP
    if found & {"pelvis", "sacrum"} or ("spine" in found and "base" in found):
        return Kind.PELVIS
    if found & {"chest", "thorax", "sternum", "ribcage"} or {"rib", "cage"} <= found:
        return Kind.CHEST
    if found & {"spine", "abdomen", "waist", "lumbar", "torso", "trunk", "back", "belly", "stomach"}:
        return Kind.TRUNK
    if side and found & {"middle", "mid", "ring", "little"}:
        return Kind.FINGER
    if side is None and found & {"center", "centre"}:
        return Kind.CENTRE
    return Kind.ROOT if found & _ROOTS else None


def _side(tokens: list[str]) -> str | None:
    left = [place for place, word in enumerate(tokens) if word in _LEFT]
    right = [place for place, word in enumerate(tokens) if word in _RIGHT]
    if left and right:
        # "l_r_hip" in ROS names: the side stands first, the axis (roll) second.
        return "left" if left[0] < right[0] else "right"
    return "left" if left else "right" if right else None


@lru_cache(maxsize=8192)
def meaning(name: str, robot: bool = False) -> Meaning:
    """What one joint name says.

    Args:
        name: any convention, for example ``"mixamorig:LeftForeArm"``, ``"DEF-shin.L.001"``, ``"左ひじ"``.
        robot: the rig's names speak of pitch and yaw, so "roll" is an axis and not a twist bone.
    """
    japanese = _japanese(name)
    if japanese is not None:
        return japanese
    tokens = words(name)
    if len(tokens) > 1 and tokens[0] == "cc" and tokens[1] == "base":
        tokens = tokens[2:]
    found = set(tokens)
    side = _side(tokens)
    numbers = [word for word in tokens if word.isdigit()]
    number = int(numbers[-1]) if numbers and len(numbers[-1]) < 6 else -1
    kind = _kind(found, side)
    animal = kind in _FRONT_LEGS and bool(found & {"front", "fore"})
    if kind in _FRONT_LEGS and animal:
        kind = _FRONT_LEGS[kind]
    prefix = tokens[0] if tokens and tokens[0] in ("def", "org", "mch") and "-" in name else ""
    helper = bool(found & (_HELPER | _INITIALS)) or prefix == "mch" or bool(_SENSOR.search(name))
    target = "ik" in found and not found & {"pole", "knee", "elbow"}
    if kind in (Kind.HEAD, Kind.NECK):
        side = None
    if found & _TWIST and kind is not Kind.NECK and not (robot and not found & (_TWIST - {"roll"})):
        helper = True
    finger = 9
    if kind is Kind.FINGER:
        finger = min((rank for word, rank in _FINGERS.items() if word in found), default=5)
        if "finger" in found and numbers:
            after = tokens[tokens.index("finger") + 1] if tokens[-1] != "finger" else ""
            # 3ds Max Biped: Finger0 is the thumb, Finger2 the middle finger, Finger21 its second joint.
            # MakeHuman: finger1-1 is the thumb, finger3-1 the middle finger.
            first = 0 if "bip" in found else 1 if len(numbers) > 1 else None
            if first is not None and after.isdigit():
                place = int(after[0]) - first
                kind = Kind.THUMB if place == 0 else kind
                finger = {2: 0, 1: 1, 3: 2}.get(place, 3)
        if found & {"carpal", "metacarpal", "palm", "knuckle"}:
            helper = True
    if kind is Kind.TOES and found & {"small", "index", "mid", "middle", "ring", "pinky", "little", "big", "thumb"}:
        helper = True
    if kind is Kind.THUMB and found & {"toe", "toes"}:
        kind, helper = Kind.TOES, True
    end = bool(found & (_END - {"top"} if kind is Kind.TAIL else _END)) and kind is not None
    return Meaning(kind, side, helper, end, number, finger, animal, prefix, target)


_MIDDLE = (Kind.PELVIS, Kind.TRUNK, Kind.CHEST)


def _shared_ending(names: tuple[str, ...]) -> str:
    """What all names end with, from an underscore on (ROS puts a person's id there), else ""."""
    if len(names) < 3:
        return ""
    shared = names[0]
    while not all(name.endswith(shared) for name in names):
        shared = shared[1:]
    cut = shared.find("_")
    ending = shared[cut:] if cut >= 0 else ""
    return "" if ending[1:].lower() in _LEFT | _RIGHT or any(len(name) <= len(ending) for name in names) else ending


@lru_cache(maxsize=256)
def meanings(names: tuple[str, ...]) -> tuple[Meaning, ...]:
    """What the names of one rig say, one Meaning a joint."""
    robot = any(axis in name.lower() for name in names for axis in ("pitch", "yaw"))
    ending = _shared_ending(names)
    bare = tuple(name[: len(name) - len(ending)] for name in names) if ending else names
    found = tuple(meaning(name, robot) for name in bare)
    if not any(one.side == "left" and one.kind in _MIDDLE for one in found):
        # "r_waist" without "l_waist" is the roll axis of the waist.
        found = tuple(
            replace(one, side=None, helper=False) if one.side == "right" and one.kind in _MIDDLE else one
            for one in found
        )
    else:
        found = tuple(
            replace(one, helper=True, kind=None) if one.side and one.kind in _MIDDLE else one for one in found
        )
    if any(one.kind is Kind.FOOT for one in found):
        # A leg that has a foot ends in its tip; without one the tip is the foot.
        found = tuple(
            replace(one, end=True) if one.kind in (Kind.LEG, Kind.ARM) and "tip" in words(name) else one
            for one, name in zip(found, bare, strict=True)
        )
    if any(one.prefix == "def" for one in found):
        return tuple(replace(one, helper=True) if one.prefix == "org" else one for one in found)
    return found


def convention(names: tuple[str, ...]) -> str | None:
    """The naming convention in words, None where it is not one of the well-known."""
    text = " ".join(names)
    found = set(names)
    tails = {re.split(r"[:|]", name)[-1] for name in names}
    if "mixamorig" in text:
        return "Mixamo"
    if "CC_Base_" in text:
        return "Character Creator"
    if re.search(r"Bip0*1?\b|Bip01|Bip001", text):
        return "3ds Max Biped"
    if "J_Bip_" in text:
        return "VRM"
    if any(name.startswith(("DEF-", "ORG-")) for name in names) or "upper_arm.L" in found:
        return "Rigify"
    if any("上半身" in unicodedata.normalize("NFKC", name) for name in names):
        return "MikuMikuDance"
    if "SpineBase" in found or "HipCenter" in found:
        return "Kinect"
    if {"lfemur", "lowerback"} <= found:
        return "CMU ASF"
    if "LHipJoint" in tails:
        return "CMU MotionBuilder" if "LeftUpLeg" in tails else "CMU"
    if {"upperarm_l", "calf_l"} <= found:
        return "Unreal"
    if {"left_hip", "left_collar"} <= found or "L_Collar" in found:
        return "SMPL"
    if {"lShldr", "lShin"} <= found or {"lShldrBend", "lShin"} <= found:
        return "Poser"
    if any(name.endswith("_link") for name in names):
        return "robot links"
    if {"LeftUpLeg", "LeftArm"} <= tails:
        return "HumanIK"
    if {"UpperArm_L", "LowerLeg_L"} <= found:
        return "Bandai-Namco"
    return None
