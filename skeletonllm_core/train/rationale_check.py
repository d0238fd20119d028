"""Does a rationale say what was measured? Finds wrong sides, limbs, ways and orders in free text.

A claim is held against a rationale only where the measurement clearly says otherwise; what was not measured, or lies
near the border, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from skeletonllm_core.motion.facts import Facts, Foot, Hand
from skeletonllm_core.motion.wording import raised_hands, waving_hands
from skeletonllm_core.train.claims import Claim, Limb, claims_of

NO_LABEL, WRONG_LABEL = "no label line", "wrong label"
SIDE, LIMB, WAY, ORDER, ABSENT = "wrong side", "wrong limb", "wrong way", "wrong order", "not there"
REASONS = (NO_LABEL, WRONG_LABEL, SIDE, LIMB, WAY, ORDER, ABSENT)
"""Why a rationale is rejected."""

ORDER_S = 0.3
"""Told one after the other, two events may be measured the other way round by this much [s]."""

MOMENT_S = 0.7
"""A moment that is told may be this far from the measured one [s]."""

_LABEL_LINE = re.compile(r"\W*label\s*[:=]\s*(.*)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[\n;]")
_BEGINS = re.compile(r"\W*(?:first(?:ly)?|initially|at first|to begin with|to start)\b", re.IGNORECASE)
_GOES_ON = re.compile(
    r"\W*(?:then|next|after that|afterwards?|subsequently|second(?:ly)?|third(?:ly)?|finally|lastly|in the end)\b",
    re.IGNORECASE,
)
_OPPOSITE = {"left": "right", "right": "left", "forward": "backward", "backward": "forward"}


@dataclass(frozen=True)
class Contradiction:
    """What a rationale says against the measurement: one of `REASONS`, and the words that say it."""

    reason: str
    words: str


def contradictions(rationale: str, facts: Facts, label: str) -> tuple[Contradiction, ...]:
    """Everything in a rationale that is clearly not so; empty where it can be learned from.

    Args:
        rationale: text whose last line is ``Label: <label>``.
        facts: what was measured in the clip that it is about.
        label: the true one.
    """
    lines = [line for line in rationale.splitlines() if line.strip()]
    told = [found[1] for line in lines if (found := _LABEL_LINE.fullmatch(line))]
    found_wrong: list[Contradiction] = []
    if not told or not _LABEL_LINE.fullmatch(lines[-1]):
        found_wrong.append(Contradiction(NO_LABEL, lines[-1] if lines else ""))
    elif any(_plain(one) != _plain(label) for one in told):
        found_wrong.append(Contradiction(WRONG_LABEL, lines[-1]))
    body = "\n".join(line for line in lines if not _LABEL_LINE.fullmatch(line))
    # The label's own words are no statement about this clip.
    body = re.sub(rf"[\"'“‘*]+{re.escape(label)}[\"'”’*]+", "it", body, flags=re.IGNORECASE)
    measured = _Measured(facts)
    chain: list[list[Claim]] = []
    for sentence in _SENTENCE_END.split(body):
        parts = claims_of(sentence)
        found_wrong += [wrong for part in parts for claim in part if (wrong := measured.wrong(claim)) is not None]
        if _BEGINS.match(sentence):
            found_wrong += measured.misordered(chain)
            chain = []
        if _BEGINS.match(sentence) or _GOES_ON.match(sentence):
            chain += parts
        elif len(parts) > 1:
            found_wrong += measured.misordered(parts)
    return (*found_wrong, *measured.misordered(chain))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


class _Measured:
    """Holds claims against the facts of one clip. An answer is True (it is so), False (it is not) or None (unknown)."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.height = facts.height or 1.7
        self.raised = raised_hands(facts)
        self.waving = waving_hands(facts)

    def wrong(self, claim: Claim) -> Contradiction | None:
        """What is wrong with a claim, if anything."""
        reason = self._reason(claim)
        if reason is None and (span := self._span(claim)) is not None and claim.at_s is not None:
            far = max(span[0] - claim.at_s, claim.at_s - span[1])
            reason = ORDER if far > MOMENT_S else None
        return None if reason is None else Contradiction(reason, claim.words)

    def misordered(self, chain: list[list[Claim]]) -> Iterator[Contradiction]:
        """Pairs that are told in one order and happened in the other."""
        spans = [[(claim, span) for claim in part if (span := self._told_span(claim))] for part in chain]
        for former, latter in combinations(spans, 2):
            for first, (begins, _) in former:
                for second, (_, ends) in latter:
                    if begins > ends + ORDER_S:
                        yield Contradiction(ORDER, f"{first.words} … {second.words}")

    def _reason(self, claim: Claim) -> str | None:
        if claim.limb is None:
            if self._body(claim) is not False:
                return None
            opposite = replace(claim, way=_OPPOSITE.get(claim.way, ""))
            if opposite.way and self._body(opposite):
                return SIDE if claim.way in ("left", "right") else WAY
            return ABSENT
        if self._holds(claim, claim.limb) is not False:
            return None
        other = "foot" if claim.limb.kind == "hand" else "hand"
        sides = [self._limb(claim, claim.limb.kind, side) for side in ("left", "right")]
        if claim.limb.side and True in sides:
            return SIDE
        if any(self._limb(claim, other, side) for side in ("left", "right")):
            return LIMB
        if claim.way and self._holds(replace(claim, way=""), claim.limb) is not False:
            return WAY
        return ABSENT

    def _holds(self, claim: Claim, limb: Limb) -> bool | None:
        answers = [self._limb(claim, limb.kind, side) for side in limb.sides]
        if limb.side == "":
            return True if True in answers else False if set(answers) == {False} else None
        return False if False in answers else None if None in answers else True

    # --- the whole body

    def _body(self, claim: Claim) -> bool | None:
        facts, way = self.facts, claim.way
        if claim.action == "turn":
            if facts.turn is None or facts.turn_range is None:
                return None
            if way in ("left", "right"):
                return None if facts.turn_side is None and facts.turn_range > 22 else facts.turn_side == way
            return False if facts.turn_range < 15 else None
        if claim.action in ("go", "move") and way in _OPPOSITE:
            heading = (facts.heading or facts.direction or "").removeprefix("to the ")
            return True if heading == way else False if heading == _OPPOSITE[way] else None
        if claim.action == "stay":
            return None if facts.distance is None else facts.distance < 0.6 * self.height
        if claim.action == "lean" and way in facts.lean:
            if facts.lean[way].degrees > 20:
                return True
            return False if facts.lean[way].degrees < 10 and facts.lean[_OPPOSITE[way]].degrees > 20 else None
        if claim.action == "jump" and facts.airborne is not None:
            return True if facts.airborne else False if facts.flight == 0.0 else None
        if claim.action in ("squat", "rise") and facts.hips_drop is not None and facts.postures == ("standing",):
            moved = max(facts.hips_drop, facts.hips_return or 0.0, facts.hips_rise or 0.0)
            return False if moved < 0.04 * self.height else None
        if claim.action == "tumble" and facts.tumble is not None:
            return False if abs(facts.tumble) < 60 and facts.lean else None
        return None

    # --- one limb

    def _limb(self, claim: Claim, kind: str, side: str) -> bool | None:
        facts = self.facts
        if claim.action == "most":
            lengths = dict(zip(facts.ranking, facts.paths, strict=True))
            length = lengths.get(f"{side} {kind}")
            return None if length is None or len(lengths) < 4 else length > 0.85 * facts.paths[0]
        if kind == "hand":
            return self._hand(claim, side, facts.hands[side])
        return self._foot(claim, facts.feet[side])

    def _hand(self, claim: Claim, side: str, hand: Hand) -> bool | None:
        up = self.raised[side]
        match claim.action:
            case "raise" | "keep":
                return self._raised(claim, up, hand)
            case "low":
                return None if up is None else not up
            case "wave":
                if side in self.waving or hand.waves != 0:
                    return True if side in self.waving else None
                # A slight wave of a raised hand may go unmeasured.
                return False if not up or self.waving else None
            case "clap":
                pair = self.facts.together
                if pair.claps is None or pair.least_distance is None:
                    return None
                return True if pair.claps else False if pair.least_distance > 0.2 * self.height else None
            case "kick":
                return None if any(foot.kicks is None for foot in self.facts.feet.values()) else False
            case "lift":
                return None if {"on all fours", "lying", "upside down"} & {*self.facts.postures} else False
            case "thrust":
                return self._thrust(side, hand)
            case "move":
                return self._reach(claim, side, hand)
        return None

    def _raised(self, claim: Claim, up: bool | None, hand: Hand) -> bool | None:
        if claim.level == "head" and hand.over_head is not None:
            return True if up and hand.over_head > 0 else False if hand.over_head < -0.12 * self.height else None
        if claim.level == "shoulder" and up is None and hand.over_shoulder is not None:
            return False if hand.over_shoulder < -0.09 * self.height else None
        if not claim.level and (claim.action == "keep" or (up is False and hand.excursion == "up")):
            return None
        return up

    def _thrust(self, side: str, hand: Hand) -> bool | None:
        if hand.thrusts is None or hand.thrusts:
            return None if hand.thrusts is None else True
        other = self.facts.hands["right" if side == "left" else "left"]
        still = (hand.excursion_distance or 0.0) < 0.15 * self.height
        return False if still or other.thrusts else None

    def _reach(self, claim: Claim, side: str, hand: Hand) -> bool | None:
        if hand.path is None or not claim.way:
            return None
        far = hand.excursion_distance or 0.0
        if self._reaches(claim, hand):
            return True
        other = self.facts.hands["right" if side == "left" else "left"]
        if claim.distance is not None and self._reaches(claim, other):
            return False
        return False if far < 0.12 * self.height and hand.path < 0.25 * self.height else None

    def _reaches(self, claim: Claim, hand: Hand) -> bool:
        """Whether the main way of a hand is the claimed one, and about as far; of both hands the farther one is told."""
        if hand.excursion != claim.way or hand.excursion_distance is None:
            return False
        both = claim.limb is not None and claim.limb.side == "both"
        return claim.distance is None or both or abs(claim.distance - hand.excursion_distance) < 0.06

    def _foot(self, claim: Claim, foot: Foot) -> bool | None:
        if foot.lift is None:
            return None
        high = foot.lift / self.height
        hands = self.facts.hands.values()
        match claim.action:
            case "raise" | "lift" | "keep":
                if claim.action == "keep" and not claim.level:
                    return None
                least = {"head": 0.7, "shoulder": 0.55, "": 0.1}[claim.level]
                return True if high > least else False if high < 0.7 * least else None
            case "kick":
                if foot.kicks is None:
                    return None
                if foot.kicks:
                    ways = {kick.direction for kick in foot.kicks}
                    return (
                        None if claim.way in ("", "sideways") and claim.way not in ways else _kicks_so(claim.way, ways)
                    )
                return False if high < 0.12 or any(one.kicks for one in self.facts.feet.values()) else None
            case "wave":
                return False if high < 0.12 else None
            case "clap":
                return False if self.facts.together.claps else None
            case "thrust":
                return False if high < 0.12 or (not foot.kicks and any(hand.thrusts for hand in hands)) else None
            case "move":
                if claim.distance is not None and any(self._reaches(claim, hand) for hand in hands):
                    return False
                return False if (foot.path or 0.0) < 0.1 * self.height else None
        return None

    # --- when

    def _told_span(self, claim: Claim) -> tuple[float, float] | None:
        return (claim.at_s, claim.at_s) if claim.at_s is not None else self._span(claim)

    def _span(self, claim: Claim) -> tuple[float, float] | None:
        """The first and last measured moment [s] of what is claimed; None where there is none."""
        moments = list(self._moments(claim))
        return (min(moments), max(moments)) if moments else None

    def _moments(self, claim: Claim) -> Iterator[float]:
        facts = self.facts
        if claim.limb is not None:
            for side in claim.limb.sides:
                if self._limb(claim, claim.limb.kind, side):
                    hand, foot = facts.hands[side], facts.feet[side]
                    yield from (
                        self._hand_moments(claim, hand) if claim.limb.kind == "hand" else _foot_moments(claim, foot)
                    )
        elif claim.action == "jump" and facts.airborne:
            yield from (facts.airborne[0].start_s, facts.airborne[-1].end_s)
        elif claim.action == "squat" and (facts.hips_drop or 0.0) > 0.09 * self.height:
            yield facts.hips_drop_at_s or 0.0
        elif claim.action == "rise" and (facts.hips_rise or 0.0) > 0.12 * self.height:
            yield facts.hips_rise_at_s or 0.0
        elif claim.action == "lean" and claim.way in facts.lean and facts.lean[claim.way].degrees > 20:
            yield facts.lean[claim.way].at_s

    def _hand_moments(self, claim: Claim, hand: Hand) -> Iterator[float]:
        if claim.action == "raise" and not hand.starts_raised and hand.raised_at_s is not None:
            yield hand.raised_at_s
        elif claim.action == "wave" and hand.waves_at_s is not None:
            yield max(hand.waves_at_s, hand.raised_at_s or 0.0)
        elif claim.action == "move" and hand.excursion_at_s is not None:
            yield hand.excursion_at_s
        elif claim.action == "thrust" and hand.thrust_at_s is not None:
            yield from (hand.thrust_at_s, self.facts.seconds if hand.thrusts != 1 else hand.thrust_at_s)
        elif claim.action == "clap" and (pair := self.facts.together).claps_at_s is not None:
            yield from (pair.claps_at_s, self.facts.seconds if pair.claps != 1 else pair.claps_at_s)


def _kicks_so(way: str, ways: set[str]) -> bool | None:
    if way in ways or not way:
        return True
    return False if _OPPOSITE.get(way) in ways and len(ways) == 1 else None


def _foot_moments(claim: Claim, foot: Foot) -> Iterator[float]:
    if claim.action == "kick":
        yield from (kick.at_s for kick in foot.kicks or () if claim.way in ("", kick.direction))
    elif claim.action == "lift" and foot.lift_at_s is not None:
        yield foot.lift_at_s
