"""Questions about a motion whose answers are computed from the measured facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from skeletonllm_core.motion.wording import SIDES, clapping, raised_hands, times, waving_hands

if TYPE_CHECKING:
    from skeletonllm_core.motion.facts import Facts


class Chooser(Protocol):
    """`random.Random` and `numpy.random.Generator` alike."""

    def random(self) -> float: ...


PHRASINGS: dict[str, tuple[str, ...]] = {
    "raised": ("Which hand is raised?", "Which hand does the person raise?", "Which hand goes up?"),
    "turn": ("Does the person turn?", "Is there a turn, and to which side?", "Does the body turn, and which way?"),
    "turn_amount": ("How far does the person turn?", "By how many degrees does the body turn?"),
    "steps": ("How many steps are taken?", "How many steps does the person take?", "Count the steps."),
    "jump": ("Does the person jump?", "Do both feet leave the ground in a jump?", "Is there a jump?"),
    "limb": ("Which limb moves most?", "Which hand or foot moves the most?", "What moves most?"),
    "direction": (
        "Which way does the person move?",
        "In which direction does the person go?",
        "Where does the person move to?",
    ),
    "distance": ("How far does the person move?", "What distance is covered?"),
    "gait": ("Is the person walking or running?", "Walking or running?", "What gait is it, a walk or a run?"),
    "bend": ("Does the person bend forward?", "Is the trunk bent forward?", "Does the upper body bend forward?"),
    "squat": ("Does the person squat or sit down?", "Do the hips go down?", "Does the person crouch or sit down?"),
    "kick": ("Which foot kicks?", "Which foot does the person kick with?", "With which foot is a kick made?"),
    "kick_direction": ("Which way does the kick go?", "In which direction does the person kick?"),
    "waving_hand": ("Which hand waves?", "Which hand is waved?", "Which hand does the person wave?"),
    "waves": ("How often does the hand wave?", "How many times does the hand wave?", "How often is the hand waved?"),
    "pace": ("Is the person moving fast or slowly?", "Fast or slow?", "How fast does the person move?"),
    "together": ("Do the hands come together?", "Does the person clap or bring the hands together?"),
    "height": ("How high is the hand raised?", "How high does the hand go?"),
    "first": ("Which hand is raised first?", "Which hand goes up first?"),
    "end": ("How does the person end up?", "What is the posture at the end?", "In which posture does the person end?"),
}
"""Every kind of question with its wordings."""


def _sides(sides: list[str], what: str) -> str:
    if len(sides) == 2:
        return f"both {'feet' if what == 'foot' else what + 's'}"
    return f"the {sides[0]} {what}" if sides else f"neither {what}"


def _about_hands(facts: Facts, height: float) -> Iterator[tuple[str, str]]:
    raised = raised_hands(facts)
    if None not in raised.values():
        up = [side for side in SIDES if raised[side]]
        yield "raised", _sides(up, "hand")
        tops = [(facts.hands[side].over_shoulder or 0.0) / height for side in up]
        heads = [facts.hands[side].over_head for side in up]
        if up and all(head is not None and head > 0.08 * height for head in heads):
            yield "height", "above the head"
        elif up and min(tops) > 0.04 and all(head is not None and head < 0.04 * height for head in heads):
            yield "height", "above the shoulder"
        elif up and all(-0.06 < top < 0.0 for top in tops):
            yield "height", "to the shoulder"
        starts = {side: facts.hands[side].raised_at_s for side in up if not facts.hands[side].starts_raised}
        if len(starts) == 2 and None not in starts.values():
            gap = (starts["left"] or 0.0) - (starts["right"] or 0.0)
            if abs(gap) > 0.5:
                yield "first", f"the {'right' if gap > 0 else 'left'} hand"
    waving = waving_hands(facts)
    counts = [facts.hands[side].waves for side in SIDES]
    if None not in counts:
        still = [side for side in SIDES if (facts.hands[side].waves or 0) == 0]
        sure = [side for side in SIDES if waving.get(side, 0) >= 3]
        if len(sure) + len(still) == 2:
            yield "waving_hand", _sides(sure, "hand")
            if sure and max(waving.values()) - min(waving.values()) <= 1:
                yield "waves", times(max(waving.values()))
    pair = facts.together
    if pair.claps is not None and pair.least_distance is not None:
        if clapping(facts) >= 2:
            yield "together", f"yes, {times(pair.claps)}"
        elif pair.least_distance > 0.2 * height:
            yield "together", "no"


def _about_going(facts: Facts, height: float) -> Iterator[tuple[str, str]]:
    if facts.turn is not None and facts.turn_range is not None:
        if abs(facts.turn) > 45 and facts.turn_range < abs(facts.turn) + 40:
            yield "turn", f"yes, to the {facts.turn_side}"
            nearest = 90 * round(abs(facts.turn) / 90)
            if nearest and abs(abs(facts.turn) - nearest) < 25:
                yield "turn_amount", f"by about {nearest} degrees"
        elif facts.turn_range < 22:
            yield "turn", "no"
    if facts.distance is not None and facts.path is not None:
        far, path = facts.distance / height, facts.path / height
        agreed = facts.direction is not None and facts.direction == facts.heading and abs(facts.turn or 0.0) < 120
        if far > 0.35 and agreed and facts.direction is not None:
            yield "direction", facts.direction
        elif far < 0.08 and path < 0.3:
            yield "direction", "it stays in place"
        halves = facts.distance * 2
        straight = facts.path < 1.25 * facts.distance
        if far > 0.35 and straight and halves >= 0.8 and abs(halves - round(halves)) < 0.3:
            yield "distance", f"about {round(halves) / 2:g} m"
    if facts.steps is not None:
        if facts.gait and 2 <= facts.steps <= 20:
            yield "steps", str(facts.steps)
        elif facts.steps == 0 and all((foot.top_speed or 0.0) < 0.3 * height for foot in facts.feet.values()):
            yield "steps", "0"
    if facts.gait and facts.swinging is not None and facts.flight is not None and facts.heading is not None:
        if facts.gait == "run" and (facts.swinging > 0.45 or facts.flight > 0.12):
            yield "gait", "running"
        elif facts.gait == "walk" and facts.swinging < 0.22 and facts.flight < 0.03:
            yield "gait", "walking"
    if facts.mean_speed is not None and facts.path is not None and facts.path > 0.5 * height:
        pace = facts.mean_speed / height
    else:
        tops = [foot.top_speed for foot in facts.feet.values()] + [hand.top_speed for hand in facts.hands.values()]
        known = [top for top in tops if top is not None]
        pace = max(known) / height / 2.4 if len(known) == 4 else 0.75
    if pace > 1.05 or pace < 0.5:
        yield "pace", "fast" if pace > 1.05 else "slowly"


def _about_body(facts: Facts, height: float) -> Iterator[tuple[str, str]]:
    jumps = facts.airborne
    if jumps is not None and facts.flight is not None:
        if jumps and max(jump.height for jump in jumps) > 0.07 * height:
            yield "jump", "yes" if len(jumps) == 1 else f"yes, {times(len(jumps))}"
        elif not jumps and (facts.flight == 0.0 or facts.gait == "run"):
            yield "jump", "no"
    if len(facts.paths) == 4 and facts.paths[0] > 0.25 * height and facts.paths[0] > 1.35 * facts.paths[1]:
        yield "limb", f"the {facts.ranking[0]}"
    seen = {*facts.postures, facts.posture_start, facts.posture_end}
    upright = seen <= {"standing", "bent over", "crouching or sitting"}
    if facts.lean and upright:
        forward = facts.lean["forward"].degrees
        if forward > 52 or forward < 25:
            yield "bend", "yes" if forward > 52 else "no"
    if facts.hips_drop is not None and facts.posture_start is not None and upright:
        if facts.hips_drop > 0.15 * height and not jumps:
            yield "squat", "yes"
        elif facts.hips_drop < 0.05 * height and facts.postures == ("standing",):
            yield "squat", "no"
    if all(foot.kicks is not None for foot in facts.feet.values()):
        kicking = [side for side in SIDES if facts.feet[side].kicks]
        lifts = [foot.lift for foot in facts.feet.values()]
        if kicking or all(lift is not None and lift < 0.12 * height for lift in lifts):
            yield "kick", _sides(kicking, "foot")
        ways = {kick.direction for side in kicking for kick in facts.feet[side].kicks or ()}
        if len(ways) == 1:
            yield "kick_direction", ways.pop()
    if facts.posture_end is not None and facts.postures and facts.postures[-1] == facts.posture_end:
        yield "end", facts.posture_end


def questions(facts: Facts, rng: Chooser) -> list[tuple[str, str]]:
    """Questions with short lower-case answers, each true by measurement.

    A kind of question is left out where joints are missing or the measured value is close to the border between two
    answers.

    Args:
        facts: what was measured.
        rng: chooses among the wordings of each kind; one number is drawn for each question.
    """
    if facts.height is None:
        return []
    found = [*_about_hands(facts, facts.height), *_about_going(facts, facts.height), *_about_body(facts, facts.height)]
    return [(PHRASINGS[kind][int(rng.random() * len(PHRASINGS[kind]))], answer) for kind, answer in found]
