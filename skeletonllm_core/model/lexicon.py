"""Open-text labels: how well a candidate text names the same action as a label that the model was trained on.

A model of a few million parameters has read a few thousand sentences and knows no synonyms. So its likelihood is spread
over the labels it was trained on, and this lexicon says which of them a user's words mean: "jog" means "jogging",
"wave" covers "high arm wave", "pick up" covers "pick up and throw". Words that no label contains match nothing, and
such a candidate scores low.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

SYNONYM = 0.85
"""Match of a synonym that is not quite the same word (jog for run)."""
BROADER = 0.8
"""Match of a candidate that says less than the label (wave for high arm wave)."""
NARROWER = 0.35
"""Match of a candidate that says more than the label (kick a ball for kick): the rest is unproven."""
SHARED = 0.25
"""Match of two texts that name the same action with different details (side kick for forward kick)."""

_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "on",
        "in",
        "at",
        "to",
        "with",
        "and",
        "or",
        "his",
        "her",
        "their",
        "its",
        "one",
        "s",
        "person",
        "someone",
        "people",
        "human",
        "man",
        "woman",
        "motion",
        "movement",
        "action",
        "doing",
        "does",
        "do",
        "being",
        "is",
        "are",
        "clip",
        "animation",
        "way",
        "fashion",
        "style",
        "something",
        "object",
        "thing",
        "by",
        "from",
        "for",
    ]
)

# Different spellings and forms of one word → one word. Regular endings (-s, -ing, -ed, -er) need no entry.
_FORMS = {
    "ran": "run", "jogger": "jog", "went": "go", "stood": "stand", "sat": "sit", "lay": "lie", "lying": "lie",
    "lies": "lie", "laying": "lie", "threw": "throw", "thrown": "throw", "swung": "swing", "caught": "catch",
    "got": "get", "bent": "bend", "drew": "draw", "drank": "drink", "fought": "fight", "crept": "creep",
    "arms": "hand", "arm": "hand", "hands": "hand", "palm": "hand", "palms": "hand", "legs": "leg", "foot": "leg",
    "feet": "leg", "two": "both", "double": "both", "onto": "on", "upward": "up", "upwards": "up", "forwards": "forward",
    "ahead": "forward", "front": "forward", "backwards": "backward", "back": "backward", "reverse": "backward",
    "sideways": "side", "sideway": "side", "lateral": "side", "leftward": "left", "leftwards": "left", "lefthand": "left",
    "rightward": "right", "rightwards": "right", "downwards": "down", "downward": "down", "anticlockwise": "left",
    "counterclockwise": "left", "clockwise": "right", "tick": "tick", "jumpingjack": "jumpingjack",
}  # fmt: skip

# Words that mean the same action.
_SAME = (
    ("raise", "lift", "elevate", "hoist"), ("wave", "greet", "hello", "goodbye"), ("clap", "applaud", "applause"),
    ("punch", "strike", "jab", "hit"), ("throw", "toss", "pitch", "hurl", "lob"), ("walk", "stroll", "amble"),
    ("jump", "leap"), ("bend", "stoop"), ("squat", "crouch"), ("turn", "rotate"), ("sidestep", "sidle"),
    ("spin", "twirl", "whirl", "pirouette"), ("box", "boxing", "spar"), ("stand", "idle", "wait", "still"),
    ("creep", "sneak", "stealthy", "tiptoe"), ("pick", "grab", "fetch", "collect"), ("cross", "x"),
    ("sprint", "dash"), ("drink", "sip"), ("point", "indicate"), ("crawl",), ("soccer", "football"),
    ("star", "jumpingjack"), ("somersault", "flip"), ("march",), ("swordplay", "fence"),
)  # fmt: skip

# Words that are close, not the same.
_CLOSE = (
    ("run", "jog", "sprint"), ("walk", "march", "creep", "step"), ("jump", "hop", "skip"), ("punch", "box"),
    ("spin", "turn"), ("bow", "bend"), ("sit", "squat"), ("dance", "spin"),
)  # fmt: skip

# Whole phrases that mean one action.
_PHRASES = {
    "jumping jacks": "jumpingjack", "jumping jack": "jumpingjack", "star jump": "jumpingjack",
    "star jumps": "jumpingjack", "side step": "sidestep", "step sideways": "sidestep", "move sideways": "sidestep",
    "get up": "getup", "stand up": "standup", "getting up": "getup", "standing up": "standup", "rise": "standup",
    "sit down": "sit", "sitting down": "sit", "take a seat": "sit", "lie down": "lie", "lying down": "lie",
    "raise up": "raise", "put up": "raise", "hold up": "raise", "hands up": "raise both hand", "arms up": "raise both hand",
    "work out": "exercise", "say hello": "wave", "say goodbye": "wave", "crouch walk": "creep", "sneaking": "creep",
    "walk stealthily": "creep", "pick up": "pickup", "picking up": "pickup", "picks up": "pickup", "lift up": "raise",
    "both hands": "both hand", "two hands": "both hand", "both arms": "both hand", "two hand": "both hand",
    "turn around": "turn", "turn round": "turn", "go backwards": "walk backward", "check mark": "tick",
}  # fmt: skip

_ACTION_WORDS_LAST = frozenset(
    [
        "left",
        "right",
        "both",
        "hand",
        "leg",
        "high",
        "low",
        "side",
        "forward",
        "backward",
        "up",
        "down",
        "slow",
        "fast",
        "brisk",
        "straight",
        "big",
        "small",
        "hard",
    ]
)


@lru_cache(4096)
def concepts(text: str) -> frozenset[str]:
    """The words of a label without fillers, endings and spelling: "Waving both of the arms" → {wave, both, hand}."""
    words = re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()
    for phrase in sorted(_PHRASES, key=len, reverse=True):
        words = re.sub(rf"\b{phrase}\b", _PHRASES[phrase], words)
    return frozenset(_same_word(_stem(word)) for word in words.split() if word not in _FILLERS)


def _stem(word: str) -> str:
    if word in _FORMS:
        return _FORMS[word]
    for ending in ("ing", "ers", "ed", "er", "es", "s"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= 3 and not word.endswith("ss"):
            if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "ls":
                root = root[:-1]
            for base in (root, root + "e"):
                if base in _KNOWN:
                    return _FORMS.get(base, base)
    return word


def _same_word(word: str) -> str:
    for group in _SAME:
        if word in group:
            return group[0]
    return word


_KNOWN = (
    {word for group in (*_SAME, *_CLOSE) for word in group}
    | set(_FORMS)
    | set(_ACTION_WORDS_LAST)
    | set(
        [
            "kick",
            "golf",
            "swing",
            "tennis",
            "serve",
            "hammer",
            "catch",
            "draw",
            "circle",
            "tick",
            "bend",
            "box",
            "pickup",
            "throw",
            "jog",
            "run",
            "walk",
            "hop",
            "skip",
            "swim",
            "climb",
            "dance",
            "dribble",
            "basketball",
            "soccer",
            "direct",
            "traffic",
            "wash",
            "window",
            "referee",
            "signal",
            "backflip",
            "cartwheel",
            "crawl",
            "getup",
            "roll",
            "sideflip",
            "spinkick",
            "zombie",
            "playground",
            "dab",
            "play",
            "bow",
            "push",
            "pull",
            "stretch",
            "balance",
            "ride",
            "drive",
            "cook",
            "read",
            "write",
            "type",
            "sleep",
            "eat",
            "talk",
            "sing",
        ]
    )
)


def match(candidate: str, label: str) -> float:
    """How far a label's likelihood counts for a candidate text, 0 to 1.

    1 for the same words, `SYNONYM` for close ones, `BROADER` where the candidate leaves details out, `NARROWER` where it
    adds some, `SHARED` where both name one action with different details, 0 where no action is shared or the sides
    contradict each other.
    """
    asked, known = concepts(candidate), concepts(label)
    if not asked or not known:
        return 0.0
    if asked == known:
        return 1.0
    sides = ({"left"}, {"right"}, {"both"})
    said = [side for side in sides if side & asked]
    meant = [side for side in sides if side & known]
    if said and meant and said != meant:
        return 0.0
    closeness = 1.0
    for group in _CLOSE:
        here, there = asked & set(group), known & set(group)
        if here and there and here != there:
            asked = (asked - here) | {group[0]}
            known = (known - there) | {group[0]}
            closeness = SYNONYM
    if asked == known:
        return closeness
    actions = (asked - _ACTION_WORDS_LAST) & (known - _ACTION_WORDS_LAST)
    if not actions:
        return 0.0
    if asked < known:
        return BROADER * closeness
    if known < asked:
        return NARROWER * closeness
    return SHARED * closeness


_IS_IT = re.compile(
    r"is\s+(?:this|it)\s+(?:the\s+action\s+|an?\s+|somebody\s+|someone\s+)?(?P<action>.+?)\s*\?*", re.IGNORECASE
)
_IS_DOING = re.compile(
    r"is\s+(?:the\s+|a\s+)?(?:person|he|she|someone|somebody|man|woman)\s+(?P<action>\w+ing\b.*?)\s*\?*", re.IGNORECASE
)


def asked_action(question: str) -> str | None:
    """The action that a yes-no question names ("Is the person walking?" → "walking"), or None.

    Such a question is answered from the scores of the labels. A choice ("walking or running?") is none.
    """
    if re.search(r"\bor\b|\bfast\b|\bslow", question, re.IGNORECASE):
        return None
    for form in (_IS_IT, _IS_DOING):
        found = form.fullmatch(question.strip())
        if found:
            return found["action"]
    return None


def candidate_scores(probabilities: np.ndarray, labels: Sequence[str], candidates: Sequence[str]) -> np.ndarray:
    """Spread the probability of the known labels over candidate texts.

    Each label's probability goes to the candidates that match it best, shared among equals, times the match.

    Args:
        probabilities: (L,) of the labels that the model was trained on, summing to at most 1.
        labels: those labels.
        candidates: texts of a user.

    Returns:
        (C,) scores, each 0 to 1; together at most the sum of the probabilities.
    """
    return _shares(tuple(labels), tuple(candidates)) @ probabilities


@lru_cache(maxsize=64)
def _shares(labels: tuple[str, ...], candidates: tuple[str, ...]) -> np.ndarray:
    """(C, L) how much of each label's probability each candidate gets; the same lists are asked about again and again."""
    table = np.array([[match(candidate, label) for label in labels] for candidate in candidates])
    best = table.max(0)
    shares = (table == best) & (best > 0)
    return table * shares / np.maximum(shares.sum(0), 1)
