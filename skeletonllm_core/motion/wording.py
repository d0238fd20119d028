"""Measured facts in plain words: sentences and caption clauses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skeletonllm_core.motion.facts import Facts

SIDES = ("left", "right")
MOST_SENTENCES = 10
MOST_CLAUSES = 3


@dataclass(frozen=True)
class Event:
    """Something measured, in words.

    Attributes:
        at_s: when it happens or begins [s]; what holds for the whole clip has the clip's start or end.
        kind: what sort of thing it is: "travel", "stay", "walking", "running", "steps", "turn", "jump", "hips",
            "posture", "tumble", "lean", "wave", "raise", "low", "clap", "thrust", "reach", "kick", "lift", "still", "most".
        weight: how telling it is; the lightest are left out first.
        text: "raises the right hand above the head at 0.6 s"; of the person unless `subject` says otherwise.
        clause: short form for a caption ("raises the right hand"), "" where a caption would not say it.
        subject: what the text is about where that is not the person; the text then contains it.
        state: holds for the whole clip, so it is no step of a chain of events.
    """

    at_s: float
    kind: str
    weight: float
    text: str
    clause: str = ""
    subject: str = ""
    state: bool = False


def metres(value: float) -> str:
    """A length in words, rounded as the eye would: "2.4 m", "0.45 m", "12 m"."""
    if value >= 9.95:
        return f"{value:.0f} m"
    return f"{value:.1f} m" if value >= 0.975 else f"{round(value / 0.05) * 0.05:.2f} m"


def degrees(value: float) -> str:
    """An angle in words, rounded to tens: "90°"."""
    return f"{round(abs(value) / 10) * 10:.0f}°"


def times(count: int) -> str:
    """How often in words: "once", "twice", "4 times"."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _once(angle: float) -> str:
    return times(max(1, round(angle / 360)))


def _at(seconds: float) -> str:
    return f"at {seconds:.1f} s"


def _hands(sides: tuple[str, ...]) -> str:
    return "both hands" if len(sides) == 2 else f"the {sides[0]} hand"


def raised_hands(facts: Facts) -> dict[str, bool | None]:
    """Whether each hand is clearly raised (True), clearly not (False), or neither can be said (None).

    Arms that swing in a walk or run come up to the shoulders without being raised.
    """
    answers: dict[str, bool | None] = {}
    for side, hand in facts.hands.items():
        if hand.over_shoulder is None or facts.height is None:
            answers[side] = None
            continue
        swing = facts.gait is not None and (hand.raised_share or 0.0) < 0.5
        top = hand.over_shoulder / facts.height
        low, high = (-0.02, 0.03) if swing else (-0.13, -0.06)
        answers[side] = True if top > high else False if top < low else None
    return answers


def waving_hands(facts: Facts) -> dict[str, int]:
    """The hands that wave, with how often they go to and fro; hands that meet below the shoulders clap instead."""
    found: dict[str, int] = {}
    if clapping(facts) >= 2 and not any(hand.raised in ("shoulder", "head") for hand in facts.hands.values()):
        return found
    for side, hand in facts.hands.items():
        if (hand.waves or 0) >= 2 and (facts.gait is None or hand.raised in ("shoulder", "head")):
            found[side] = hand.waves or 0
    return found


def clapping(facts: Facts) -> int:
    """How often the hands come together; arms that only swing past each other in a walk or run do not."""
    if facts.gait is not None and not any(raised_hands(facts).values()):
        return 0
    return facts.together.claps or 0


_LEVEL = {"head": "above the head", "shoulder": "above the shoulder", "level": "to shoulder height"}
_PLACE = {"head": "above the head", "shoulder": "above the shoulder", "level": "at shoulder height"}
_EXCURSION = {
    "up": "up",
    "down": "down",
    "forward": "forward",
    "backward": "backward",
    "outward": "out to the side",
    "inward": "inward",
}


def _travel_events(facts: Facts) -> list[Event]:
    found: list[Event] = []
    height, seconds = facts.height or 1.7, facts.seconds
    if facts.distance is None or facts.path is None:
        return found
    turning = facts.turn is not None and abs(facts.turn) >= 60
    verb = {"walk": "walks", "run": "runs", None: "moves"}[facts.gait]
    kind = {"walk": "walking", "run": "running", None: "steps"}[facts.gait]
    crawling = "on all fours" in facts.postures and "standing" not in facts.postures
    if crawling:
        verb = "crawls"
    moved = facts.distance > 0.3 * height or (turning and facts.path > 0.5 * height)
    way = facts.heading
    if moved:
        weight = 9.0 if facts.gait or crawling or facts.distance > 0.6 * height else 5.0
        clause = f"{verb} {way}" if way else f"{verb} along"
        if turning:
            text = f"moves {way + ' ' if way else ''}along a path of {metres(facts.path)} in {seconds:.1f} s"
        else:
            text = f"moves {way + ' ' if way else ''}{metres(facts.distance)} in {seconds:.1f} s"
        found.append(Event(0.0, "travel", weight, text, clause, state=True))
    elif facts.distance < 0.15 * height and facts.path < 0.6 * height:
        in_place = f"{verb} in place" if facts.gait and (facts.treadmill or (facts.steps or 0) >= 4) else ""
        if facts.gait and facts.treadmill:
            found.append(Event(0.0, kind, 8.0, in_place, in_place, state=True))
        else:
            found.append(Event(0.0, "stay", 8.0 if in_place else 2.0, "stays in place", in_place, state=True))
    if facts.steps and facts.steps >= 2 and (facts.gait or moved):
        doing = {"walk": ", walking", "run": ", running", None: ""}[facts.gait]
        found.append(Event(0.01, kind, 7.0 if facts.gait else 3.0, f"takes {facts.steps} steps{doing}", state=True))
    if facts.turn is not None and facts.turn_side is not None:
        joined = moved and verb != "moves"
        clause = f"turning {facts.turn_side}" if joined else f"turns {facts.turn_side}"
        sure = abs(facts.turn) >= 40
        text = f"turns {facts.turn_side} by about {degrees(facts.turn)}"
        found.append(Event(0.02, "turn", 8.5 if sure else 3.0, text, clause if sure else "", state=moved))
    return found


def _jump_events(facts: Facts) -> list[Event]:
    jumps = facts.airborne or ()
    if not jumps:
        return []
    top = max(jump.height for jump in jumps)
    first = jumps[0].start_s
    if len(jumps) == 1:
        text = f"leaves the ground once, {metres(top)} high, {_at(first)}"
    else:
        text = f"leaves the ground {times(len(jumps))}, up to {metres(top)} high"
    return [Event(first, "jump", 9.5, text, "jumps" if len(jumps) == 1 else "jumps up and down")]


def _hip_events(facts: Facts) -> list[Event]:
    height = facts.height or 1.7
    found: list[Event] = []
    drop, back, rise = facts.hips_drop or 0.0, facts.hips_return or 0.0, facts.hips_rise or 0.0
    start, end = facts.posture_start, facts.posture_end
    when = facts.hips_drop_at_s or 0.0
    bent = "bent over" in facts.postures and "crouching or sitting" not in facts.postures
    if drop > 0.09 * height:
        returns = back > 0.6 * drop
        text = f"lowers the hips by {metres(drop)}"
        text += " and comes back up" if returns else " and stays down" if back < 0.25 * drop else ""
        clause = ""
        crouched = drop > 0.14 * height or "crouching or sitting" in facts.postures
        if crouched and not facts.airborne:
            if end == "lying":
                clause = "lies down"
            elif returns:
                clause = "" if bent else "crouches down and stands up"
            elif end == "crouching or sitting":
                clause = "crouches or sits down"
            elif end == "on all fours":
                clause = "goes down on all fours"
        found.append(Event(when, "hips", 8.0 if clause else 4.0, text, clause))
    elif rise > 0.12 * height:
        up = {"lying": "gets up", "on all fours": "gets up", "crouching or sitting": "stands up"}
        clause, when = up.get(start or "", ""), facts.hips_rise_at_s or 0.0
        found.append(Event(when, "hips", 8.0 if clause else 4.0, f"raises the hips by {metres(rise)}", clause))
    if start is not None and end is not None and start != end:
        found.append(Event(0.0, "posture", 4.5, f"starts {start} and ends {end}", state=True))
    elif start is not None and start == end and start != "standing":
        found.append(Event(0.0, "posture", 4.0, f"is {start} at the start and at the end", state=True))
    return found


def _lean_events(facts: Facts) -> list[Event]:
    if facts.tumble is not None and abs(facts.tumble) > 250:
        way = "forward" if facts.tumble > 0 else "backward"
        when = facts.action[0] if facts.action else 0.0
        clause = f"{'flips' if facts.airborne else 'rolls'} {way}"
        return [Event(when, "tumble", 9.6, f"turns head over heels {way} {_once(abs(facts.tumble))}", clause)]
    if not facts.lean or {"lying", "upside down"} & {*facts.postures, facts.posture_start, facts.posture_end}:
        return []
    name, lean = max(facts.lean.items(), key=lambda item: item[1].degrees)
    if lean.degrees < 25:
        return []
    way = name if name in ("forward", "backward") else f"to the {name}"
    verb = "bends" if lean.degrees >= 45 else "leans"
    text = f"{verb} the trunk {way} by up to {degrees(lean.degrees)} {_at(lean.at_s)}"
    clause = f"bends {way}" if lean.degrees >= 45 else ""
    return [Event(lean.at_s, "lean", 7.5 if lean.degrees >= 45 else 3.5, text, clause)]


def _raise_text(sides: tuple[str, ...], level: str, at_s: float, starts: bool, ends: bool) -> str:
    hands = _hands(sides)
    if starts and ends:
        return f"keeps {hands} {_PLACE[level]}" if level != "level" else f"keeps {hands} at shoulder height or above"
    if starts:
        return f"starts with {hands} raised and lowers {'them' if len(sides) == 2 else 'it'}"
    return f"raises {hands} {_LEVEL[level]} {_at(at_s)}"


def _hand_events(facts: Facts) -> list[Event]:
    found: list[Event] = []
    height = facts.height or 1.7
    waving, raised = waving_hands(facts), raised_hands(facts)
    if waving:
        sides = tuple(side for side in SIDES if side in waving)
        hands = [facts.hands[side] for side in sides]
        begin = min(max(hand.waves_at_s or 0.0, (hand.raised_at_s or 0.0) + 0.01) for hand in hands)
        doing = f"waves {_hands(sides)}"
        found.append(Event(begin, "wave", 9.2, f"{doing} {times(max(waving.values()))}", doing))
    up = [side for side in SIDES if raised[side] and facts.hands[side].raised is not None]
    groups: list[tuple[str, ...]] = [(side,) for side in up]
    if len(up) == 2:
        left, right = facts.hands["left"], facts.hands["right"]
        close = abs((left.raised_at_s or 0.0) - (right.raised_at_s or 0.0)) <= 0.5
        same = (left.starts_raised, left.ends_raised) == (right.starts_raised, right.ends_raised)
        if close and same:
            groups = [("left", "right")]
    for sides in groups:
        hands = [facts.hands[side] for side in sides]
        order = ("level", "shoulder", "head")
        level = order[min(order.index(hand.raised or "level") for hand in hands)]
        when = min(hand.raised_at_s or 0.0 for hand in hands)
        starts, ends = bool(hands[0].starts_raised), bool(hands[0].ends_raised)
        clause = f"{'keeps' if starts and ends else 'lowers' if starts else 'raises'} {_hands(sides)}"
        clause += " up" if starts and ends else ""
        if set(sides) & set(waving):
            clause = ""
        found.append(Event(when, "raise", 8.8, _raise_text(sides, level, when, starts, ends), clause))
    low = [side for side in SIDES if raised[side] is False]
    if len(low) == 2:
        text = "both hands stay below the shoulders"
        found.append(Event(facts.seconds, "low", 2.0, text, subject="both hands", state=True))
    elif low:
        text = f"{low[0]} hand stays below the shoulder"
        found.append(Event(facts.seconds, "low", 6.0, text, subject=f"{low[0]} hand", state=True))
    if facts.gait is None:
        found += _reach_events(facts, [side for side in SIDES if side not in waving], height)
    claps, when = clapping(facts), facts.together.claps_at_s or 0.0
    if claps:
        often = times(claps) if claps > 1 else _at(when)
        clause = "claps the hands" if claps > 1 else "brings the hands together"
        clause = "" if len(waving) == 2 else clause
        found.append(Event(when, "clap", 8.82, f"brings the hands together {often}", clause))
    return found


def _reach_events(facts: Facts, sides: list[str], height: float) -> list[Event]:
    """Thrusts of the hands and their main excursions."""
    found: list[Event] = []
    for side in sides:
        hand = facts.hands[side]
        if hand.thrusts and hand.thrust in ("forward", "outward") and hand.thrust_at_s is not None:
            doing = f"thrusts the {side} hand {_EXCURSION[hand.thrust]}"
            often = _at(hand.thrust_at_s) if hand.thrusts == 1 else times(hand.thrusts)
            found.append(Event(hand.thrust_at_s, "thrust", 8.7, f"{doing} {often}", doing))
    far = [side for side in sides if (facts.hands[side].excursion_distance or 0.0) > 0.22 * height]
    together = len(far) == 2 and facts.hands["left"].excursion == facts.hands["right"].excursion
    for group in [("left", "right")] if together else [(side,) for side in far]:
        hands = [facts.hands[side] for side in group]
        way = _EXCURSION[hands[0].excursion or "up"]
        when = min(hand.excursion_at_s or 0.0 for hand in hands)
        distance = max(hand.excursion_distance or 0.0 for hand in hands)
        doing = f"moves {_hands(group)} {way}"
        raised = all(hand.raised is not None for hand in hands)
        if raised and way == "up":
            continue
        weight = (4.0 if raised else 5.5) + min(distance / height, 1.0) * 0.01
        found.append(
            Event(when, "reach", weight, f"{doing} by {metres(distance)} {_at(when)}", "" if raised else doing)
        )
    return found


def _foot_events(facts: Facts) -> list[Event]:
    found: list[Event] = []
    height = facts.height or 1.7
    for side, foot in facts.feet.items():
        for kick in foot.kicks or ():
            way = kick.direction
            text = f"{side} foot kicks {way}, up to {kick.level} height, {_at(kick.at_s)}"
            clause = f"kicks {way} with the {side} foot"
            found.append(Event(kick.at_s, "kick", 9.3, text, clause, subject=f"{side} foot"))
        if not foot.kicks and facts.gait is None and not facts.airborne and (foot.lift or 0.0) > 0.14 * height:
            text = f"lifts the {side} foot {metres(foot.lift or 0.0)} off the ground {_at(foot.lift_at_s or 0.0)}"
            clause = f"lifts the {side} foot" if "standing" in facts.postures else ""
            found.append(Event(foot.lift_at_s or 0.0, "lift", 5.0, text, clause))
    return found


def _overall_events(facts: Facts) -> list[Event]:
    found: list[Event] = []
    height = facts.height or 1.7
    if facts.stillness is not None and facts.stillness > 0.9:
        posture = {"standing": "stands still", "lying": "lies still"}.get(facts.posture_start or "", "keeps still")
        found.append(Event(0.0, "still", 3.0, posture + " most of the time", posture, state=True))
    clear_first = len(facts.paths) >= 2 and facts.paths[0] > 1.25 * facts.paths[1] and facts.paths[0] > 0.3 * height
    if clear_first:
        first = facts.ranking[0]
        text = f"{first} moves most, {metres(facts.paths[0])} in all"
        found.append(Event(facts.seconds, "most", 4.2, text, subject=first, state=True))
    return found


def events(facts: Facts) -> list[Event]:
    """Everything worth saying, in order of time."""
    found = [
        *_travel_events(facts),
        *_jump_events(facts),
        *_hip_events(facts),
        *_lean_events(facts),
        *_hand_events(facts),
        *_foot_events(facts),
        *_overall_events(facts),
    ]
    return sorted(found, key=lambda event: event.at_s)


def telling_events(facts: Facts) -> list[Event]:
    """The most telling events, at most ten, in order of time."""
    found = events(facts)
    kept = sorted(found, key=lambda event: -event.weight)[:MOST_SENTENCES]
    return [event for event in found if event in kept]


def steps(facts: Facts) -> list[Event]:
    """What happens one after the other and has a short form, in order of time."""
    return [event for event in events(facts) if event.clause and not event.state]


def sentences(facts: Facts) -> tuple[str, ...]:
    """The most telling facts, at most ten, in order of time."""
    return tuple(event.text for event in telling_events(facts))


def caption_clauses(facts: Facts) -> tuple[str, ...]:
    """One to three short clauses in the third person without a subject: "walks forward", "turning left".

    Getting about comes first, then the most telling in order of time. Empty where nothing can be known.
    """
    named = [event for event in events(facts) if event.clause]
    picked: list[Event] = []
    for event in sorted(named, key=lambda event: -event.weight):
        if event.clause not in [one.clause for one in picked] and (event.weight >= 5.0 or not picked):
            picked.append(event)
    picked = sorted(picked[:MOST_CLAUSES], key=lambda event: (not event.state, event.at_s))
    if picked:
        return tuple(event.clause for event in picked)
    still = {"standing": "stands", "lying": "lies", "crouching or sitting": "crouches or sits"}
    posture = still.get(facts.posture_start or "")
    return (posture,) if posture else ()
