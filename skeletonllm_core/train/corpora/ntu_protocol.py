"""The published protocol of NTU RGB+D 60 and 120: action names, training subjects, classes that stay unseen.

Names and training subjects: A. Shahroudy et al., "NTU RGB+D", CVPR 2016; J. Liu et al., "NTU RGB+D 120", TPAMI 2019.
Unseen classes: 55/5, 48/12, 110/10 and 96/24 as SynSE (P. Gupta et al., ICIP 2021) drew them; 40/20, 30/30, 80/40 and
60/60 as PURLS (A. Zhu et al., CVPR 2024) did. Action numbers start at 1, as in the file names.
"""

from __future__ import annotations

from dataclasses import dataclass

_SINGLE_60 = (
    "drink water", "eat meal/snack", "brushing teeth", "brushing hair", "drop", "pickup", "throw", "sitting down",
    "standing up (from sitting position)", "clapping", "reading", "writing", "tear up paper", "wear jacket",
    "take off jacket", "wear a shoe", "take off a shoe", "wear on glasses", "take off glasses", "put on a hat/cap",
    "take off a hat/cap", "cheer up", "hand waving", "kicking something", "reach into pocket",
    "hopping (one foot jumping)", "jump up", "make a phone call/answer phone", "playing with phone/tablet",
    "typing on a keyboard", "pointing to something with finger", "taking a selfie", "check time (from watch)",
    "rub two hands together", "nod head/bow", "shake head", "wipe face", "salute", "put the palms together",
    "cross hands in front (say stop)", "sneeze/cough", "staggering", "falling", "touch head (headache)",
    "touch chest (stomachache/heart pain)", "touch back (backache)", "touch neck (neckache)",
    "nausea or vomiting condition", "use a fan (with hand or paper)/feeling warm",
)  # fmt: skip
_PAIRS_60 = (
    "punching/slapping other person", "kicking other person", "pushing other person", "pat on back of other person",
    "point finger at the other person", "hugging other person", "giving something to other person",
    "touch other person's pocket", "handshaking", "walking towards each other", "walking apart from each other",
)  # fmt: skip
_SINGLE_120 = (
    "put on headphone", "take off headphone", "shoot at the basket", "bounce ball", "tennis bat swing",
    "juggling table tennis balls", "hush (quite)", "flick hair", "thumb up", "thumb down", "make ok sign",
    "make victory sign", "staple book", "counting money", "cutting nails", "cutting paper (using scissors)",
    "snapping fingers", "open bottle", "sniff (smell)", "squat down", "toss a coin", "fold paper", "ball up paper",
    "play magic cube", "apply cream on face", "apply cream on hand back", "put on bag", "take off bag",
    "put something into a bag", "take something out of a bag", "open a box", "move heavy objects", "shake fist",
    "throw up cap/hat", "hands up (both hands)", "cross arms", "arm circles", "arm swings", "running on the spot",
    "butt kicks (kick backward)", "cross toe touch", "side kick", "yawn", "stretch oneself", "blow nose",
)  # fmt: skip
_PAIRS_120 = (
    "hit other person with something", "wield knife towards other person", "knock over other person (hit with body)",
    "grab other person's stuff", "shoot at other person with a gun", "step on foot", "high-five", "cheers and drink",
    "carry something with other person", "take a photo of other person", "follow other person",
    "whisper in other person's ear", "exchange things with other person", "support somebody with hand",
    "finger-guessing game (playing rock-paper-scissors)",
)  # fmt: skip

_TRAINING_60 = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
_TRAINING_120 = (
    *_TRAINING_60, 45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92,
    93, 94, 95, 97, 98, 100, 103,
)  # fmt: skip


@dataclass(frozen=True)
class Protocol:
    """One of the two data sets.

    Attributes:
        name: "ntu60" or "ntu120".
        actions: their names; action 1 is the first.
        setups, subjects: how many there are, numbered from 1.
        training: subjects of the cross-subject training set; the others are tested on.
        validation: subjects of the training set that are held out to choose by. The publications have none; the
            last tenth of the training subjects is ours.
        unseen: name of a class split ("seen/unseen") → the actions that no training sees.
    """

    name: str
    actions: tuple[str, ...]
    setups: int
    subjects: int
    training: frozenset[int]
    validation: frozenset[int]
    unseen: dict[str, frozenset[int]]


NTU60 = Protocol(
    name="ntu60",
    actions=_SINGLE_60 + _PAIRS_60,
    setups=17,
    subjects=40,
    training=frozenset(_TRAINING_60),
    validation=frozenset(_TRAINING_60[-2:]),
    unseen={
        "55/5": frozenset({11, 12, 20, 27, 57}),
        "48/12": frozenset({4, 6, 10, 13, 16, 41, 43, 48, 52, 57, 59, 60}),
        "40/20": frozenset({1, 13, 14, 15, 16, 17, 18, 23, 24, 27, 30, 31, 32, 36, 37, 43, 44, 49, 57, 58}),
        "30/30": frozenset({1, 2, 3, 7, 8, 9, 11, 13, 14, 16, 17, 19, 21, 22, 26, 27, 28, 32, 33, 34, 40, 43, 46, 48, 49,
                            52, 53, 56, 59, 60}),
    },
)  # fmt: skip
NTU120 = Protocol(
    name="ntu120",
    actions=NTU60.actions + _SINGLE_120 + _PAIRS_120,
    setups=32,
    subjects=106,
    training=frozenset(_TRAINING_120),
    validation=frozenset(_TRAINING_120[-5:]),
    unseen={
        "110/10": frozenset({5, 14, 38, 44, 50, 66, 89, 96, 100, 107}),
        "96/24": frozenset({6, 10, 12, 17, 19, 21, 23, 30, 36, 40, 46, 50, 60, 69, 71, 82, 85, 88, 94, 95, 105, 114, 115,
                            120}),
        "80/40": frozenset({12, 13, 19, 23, 24, 27, 29, 35, 38, 39, 43, 45, 47, 48, 49, 58, 60, 65, 67, 71, 74, 75, 76,
                            84, 87, 91, 93, 94, 96, 97, 103, 105, 108, 109, 111, 113, 116, 117, 119, 120}),
        "60/60": frozenset({1, 2, 5, 7, 8, 9, 10, 18, 19, 22, 24, 26, 27, 29, 31, 33, 34, 35, 38, 39, 40, 41, 42, 43, 45,
                            46, 51, 52, 53, 54, 57, 62, 63, 66, 68, 69, 70, 71, 75, 78, 79, 82, 84, 88, 90, 91, 92, 93,
                            95, 96, 97, 98, 101, 102, 110, 112, 115, 116, 117, 119}),
    },
)  # fmt: skip
PROTOCOLS = {protocol.name: protocol for protocol in (NTU60, NTU120)}
