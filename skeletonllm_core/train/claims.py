"""What a free text says about a motion: claims such as "raises the left hand above the head at 0.6 s".

Only plain statements are read. What is denied, or said about something else than limbs, trunk and ways, yields no claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Limb:
    """A limb that is spoken of: kind "hand" or "foot"; side "left", "right", "both", or "" for either."""

    kind: str
    side: str

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that can be meant."""
        return (self.side,) if self.side in ("left", "right") else ("left", "right")


@dataclass(frozen=True)
class Claim:
    """Something that a text says.

    Attributes:
        action: a name in `_ACTIONS`.
        limb: with which limb; None for the whole body.
        way: "forward", "backward", "left", "right", "up", "down", "outward", "inward", "sideways" or "".
        level: "head" or "shoulder" where the limb is said to come that high, else "".
        distance: how far [m], where that is said.
        at_s: when [s], where that is said.
        words: those of the claim.
    """

    action: str
    limb: Limb | None
    way: str
    level: str
    distance: float | None
    at_s: float | None
    words: str


_HAND = "hands?|arms?|wrists?|fists?|palms?|forearms?"
_FOOT = "foot|feet|legs?|ankles?|knees?|thighs?"
_TRUNK = "hips?|pelvis|trunk|torso|upper body|body|back|head|shoulders?|elbows?|spine|waist"
_LIMB = re.compile(
    rf"\b(?:(?P<side>left and(?: the)? right|right and(?: the)? left|left|right|both|two)(?:[- ](?:the )?(?:\w+[- ])?))?"
    rf"(?P<noun>{_HAND}|{_FOOT}|{_TRUNK})\b(?![- ]side)"
)
_PLACE = re.compile(
    rf"\b(?:above|over|below|under|beyond|past|to|at|towards?|near|of|beside|from|off)(?: the| their| his| her)?"
    rf"(?: left| right| own)? (?:{_TRUNK}|chest|face|knee|ground|floor)(?: (?:height|level))?\b"
)
_GROUND = "(?:ground|floor)"
_ACTIONS = {
    "tumble": r"turn\w* head over heels|somersaults?|flips?\b|rolls?\b|rolling",
    "low": r"(?:stay|remain|hang)\w* (?:down )?(?:below|under)",
    "most": r"moves?(?: the)? most|is (?:the )?most active",
    "clap": r"claps?\b|clapping|br(?:ings?|inging) (?=[^,.;]{0,24}together)|comes? (?=together)",
    "stay": r"(?:stays?|remains?) (?:in place|on the spot)",
    "kick": r"kick(?:s|ed|ing)?\b",
    "wave": r"wav(?:es?|ed|ing)\b",
    "thrust": r"thrust(?:s|ing)?\b|punch(?:es|ed|ing)?\b|jabs?\b|strik(?:es?|ing)\b",
    "keep": r"keep(?:s|ing)?\b|h[eo]ld(?:s|ing)?\b|kept\b",
    "lift": rf"lift(?:s|ing)? (?=[^,.;]{{0,40}}off the {_GROUND})",
    "rise": r"rais(?:es?|ing) (?=the (?:hips|pelvis))|(?:stand|gett?)(?:s|ing)? up\b",
    "raise": r"rais(?:es?|ing)\b|lift(?:s|ing)?\b|elevat(?:es?|ing)\b|(?:go|com)(?:es|ing) up\b|ris(?:es?|ing)\b"
    r"|(?:is|are|gets?) (?:raised|lifted)",
    "jump": rf"jump(?:s|ed|ing)?\b|leap(?:s|ing)?\b|leav(?:es?|ing) the {_GROUND}",
    "squat": r"squat(?:s|ting)?\b|crouch(?:es|ing)? down|sit(?:s|ting)? down|lower(?:s|ing)? (?=the (?:hips|pelvis|body))",
    "lean": r"bend(?:s|ing)?\b|lean(?:s|ing)?\b|bow(?:s|ing)?\b",
    "turn": r"turn(?:s|ed|ing)?\b|rotat(?:es?|ing)\b|spin(?:s|ning)?\b|pivot(?:s|ing)?\b",
    "go": r"walk(?:s|ing)?\b|runs?\b|running\b|jog(?:s|ging)?\b|crawl(?:s|ing)?\b|march(?:es|ing)?\b|stepp?(?:s|ing)\b"
    r"|travel(?:s|ling|ing)?\b",
    "move": r"mov(?:es?|ed|ing)\b|swing(?:s|ing)?\b|extend(?:s|ing)?\b|reach(?:es|ing)?\b|stretch(?:es|ing)?\b"
    r"|sweep(?:s|ing)?\b|bring(?:s|ing)?\b|push(?:es|ing)?\b",
    "other": r"lower(?:s|ing)?\b|starts?\b|ends?\b|lies\b|sits\b|stands?\b|takes?\b",
}
_VERB = re.compile(r"\b(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _ACTIONS.items()) + ")")
_OF_LIMBS = ("low", "most", "clap", "kick", "wave", "thrust", "keep", "lift", "raise")

_WAY = re.compile(
    r"\b(?:(?P<outward>out to the side|outwards?)|(?P<sideways>sideways|laterally|to the side)"
    r"|(?P<left>left|leftwards?|counter-?clockwise|anti-?clockwise)|(?P<right>right|rightwards?|clockwise)"
    r"|(?P<inward>inwards?)|(?P<up>upwards?|up(?! to))|(?P<down>downwards?|down)"
    r"|(?P<forward>forwards?|ahead)|(?P<backward>backwards?))\b"
)
_HEAD = re.compile(r"\b(?:above|over|beyond|past) (?:the |his |her |their )?head\b")
_SHOULDER = re.compile(r"\b(?:above|over|to|at) (?:the |his |her |their )?shoulders?\b")
_MOMENT = re.compile(r"\b(?:at|from|around|after)(?: about| around)? (\d+(?:\.\d+)?) ?(?:s|sec|seconds?)\b")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?) ?(?:m|met(?:re|er)s?)\b")
_DENIED = re.compile(r"\b(?:not|never|without|neither|nor|no|rather than|instead of|unlike|hardly)\b|n't\b")
_LATER = re.compile(r"\b(?:and )?then\b|\bfollowed by\b|\bbefore\b")
_EARLIER = re.compile(r"(?<=\w )after\b(?! that\b)(?!(?: about)? \d)")


def claims_of(sentence: str) -> list[list[Claim]]:
    """The claims of one sentence, in parts that it tells one after the other in time ("…, then …", "… before …")."""
    text = " ".join(sentence.lower().split())
    parts = _LATER.split(text)
    earlier = _EARLIER.search(text)
    if len(parts) == 1 and earlier:
        parts = [text[earlier.end() :], text[: earlier.start()]]
    return [list(_claims(part)) for part in parts]


def _claims(part: str) -> Iterator[Claim]:
    """The claims of a part, verb by verb: the limb that stands before a verb does it, else the first one after it."""
    places = [found.span() for found in _PLACE.finditer(part)]
    limbs = [
        found for found in _LIMB.finditer(part) if not any(a <= found.start() and found.end() <= b for a, b in places)
    ]
    verbs = list(_VERB.finditer(part))
    used: set[int] = set()
    last: Limb | None = None
    for place, verb in enumerate(verbs):
        action = str(verb.lastgroup)
        begin = verbs[place - 1].end() if place else 0
        end = verbs[place + 1].start() if place + 1 < len(verbs) else len(part)
        subjects = [found for found in limbs if begin <= found.start() < verb.start() and found.start() not in used]
        objects = [found for found in limbs if verb.start() <= found.start() < end]
        named = subjects[-1] if subjects else objects[0] if objects else None
        if named is not None:
            used.add(named.start())
        limb = _limb(named) if named is not None else last if action in _OF_LIMBS else None
        last = limb or last
        before, scope = part[begin : verb.start()], part[verb.start() : end]
        of_trunk = named is not None and limb is None
        about_part = of_trunk and (
            action in (*_OF_LIMBS, "move") or (action == "turn" and named and named["noun"] != "body")
        )
        if action == "other" or about_part or _DENIED.search(before):
            continue
        moment = _number(_MOMENT, scope)
        if moment is None and place == 0:
            moment = _number(_MOMENT, before)
        level = "head" if _HEAD.search(scope) else "shoulder" if _SHOULDER.search(scope) else ""
        words = (before[-30:] + scope).strip(" ,")
        yield Claim(action, limb, _way(scope), level, _number(_LENGTH, scope), moment, words)


def _limb(found: re.Match[str]) -> Limb | None:
    """The limb of a match; None for a part of the trunk."""
    noun, side = found["noun"], found["side"] or ""
    if re.fullmatch(_TRUNK, noun):
        return None
    return Limb("hand" if re.fullmatch(_HAND, noun) else "foot", side if side in ("left", "right", "") else "both")


def _way(scope: str) -> str:
    """The first way that is named; the side of a limb is none."""
    found = _WAY.search(_LIMB.sub(" ", _PLACE.sub(" ", scope)))
    return str(found.lastgroup) if found else ""


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return float(found[1]) if found else None
