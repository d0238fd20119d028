"""Rationales that are wrong on purpose, and rationales in other words; both made from true ones.

Nothing here knows the checker: what is falsified follows from the events that `explain` tells.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

from skeletonllm_core.motion.facts import Facts, explain, mirrored_text
from skeletonllm_core.motion.wording import Event, telling_events

Clips = Sequence[tuple[str, Facts]]
"""Labels and measured facts."""

Case = tuple[str, Facts, str, str]
"""Label, facts, rationale, and what was falsified in it."""

STEP = re.compile(r"^(First|Then|Next|After that), ")
OF_LIMBS = {"wave", "raise", "thrust", "reach", "kick", "lift", "most", "clap"}
SIDED = OF_LIMBS | {"low", "travel", "turn", "lean"}


def wrong_sides(clips: Clips) -> list[Case]:
    """One line of a true rationale with left and right exchanged, for every line that then is false."""
    return [case for case in _falsified(clips, mirrored_text, SIDED) if not _of_both_sides(case)]


def wrong_limbs(clips: Clips) -> list[Case]:
    """One line of a true rationale with hands and feet exchanged, for every line that then is false."""
    return [case for case in _falsified(clips, _other_limb, OF_LIMBS) if not _feet_are_high(case)]


def wrong_orders(clips: Clips, moments: bool) -> list[Case]:
    """Two steps that are at least 0.6 s apart told the other way round, with or without the moments."""
    cases = []
    for label, facts, lines, events in _told(clips):
        steps = [place for place in events if STEP.match(lines[place])]
        for former, latter in permutations(steps, 2):
            if events[latter].at_s - events[former].at_s < 0.6:
                continue
            wrong = list(lines)
            for to, of in ((former, latter), (latter, former)):
                wrong[to] = "".join(STEP.findall(lines[to])) + ", " + STEP.sub("", lines[of])
            text = "\n".join(wrong)
            if not moments:
                text = re.sub(r",? (?:at|from) \d+\.\d s", "", text)
            cases.append((label, facts, text, f"{wrong[former]} {wrong[latter]}"))
    return cases


def _other_limb(text: str) -> str:
    swapped = {"hands": "feet", "hand": "foot", "feet": "hands", "foot": "hand"}
    return re.sub(r"\b(hands?|foot|feet)\b", lambda found: swapped[found[0]], text)


def _told(clips: Clips) -> Iterator[tuple[str, Facts, list[str], dict[int, Event]]]:
    """Label, facts, the lines of the true rationale and which event each line tells."""
    for label, facts in clips:
        lines = explain(facts, label).splitlines()
        found = {event.text.lower(): event for event in telling_events(facts)}
        events = {
            place: event
            for place, line in enumerate(lines)
            if not line.startswith(("In short", "This speaks", "No measured", "What stands", "Label"))
            for text, event in found.items()
            if text in line.lower()
        }
        yield label, facts, lines, events


def _falsified(clips: Clips, falsify: Callable[[str], str], kinds: set[str]) -> Iterator[Case]:
    """Every true rationale with one line falsified, for each line of these kinds."""
    for label, facts, lines, events in _told(clips):
        for place, event in events.items():
            wrong = falsify(lines[place])
            if event.kind in kinds and wrong != lines[place]:
                yield label, facts, "\n".join([*lines[:place], wrong, *lines[place + 1 :]]), wrong


def _of_both_sides(case: Case) -> bool:
    """Both hands or feet did it, so that naming the other one is no falsehood."""
    _, facts, _, line = case
    if "raises the" in line or "starts with" in line:
        return all(hand.raised is not None for hand in facts.hands.values())
    return "lifts the" in line and min(_lifts(facts)) > 0.1


def _feet_are_high(case: Case) -> bool:
    """The feet come above the head or shoulders as the hands do, in a cartwheel for instance."""
    return re.search("(feet|foot) above the", case[3]) is not None and min(_lifts(case[1])) > 0.7


def _lifts(facts: Facts) -> list[float]:
    """How high the feet come [body heights]."""
    return [(foot.lift or 0.0) / (facts.height or 1.7) for foot in facts.feet.values()]


REWORDED = [
    (r"\braises (the \w+ hand|both hands)", (r"lifts \1", r"elevates \1", r"is raising \1")),
    (r"\bthe (left|right) foot kicks (\w+)", (r"the \1 leg kicks \2", r"the person kicks \2 with the \1 leg")),
    (r"\bwaves the (\w+) hand\b", (r"waves the \1 arm", r"is waving the \1 hand")),
    (r"\bthrusts the (\w+) hand\b", (r"punches with the \1 fist", r"jabs the \1 arm")),
    (r"\bmoves (the \w+ hand|both hands)\b", (r"brings \1", r"swings \1", r"extends \1")),
    (r"\bbends the trunk\b", ("bends the upper body", "leans the torso")),
    (r"\bturns (left|right)\b", (r"rotates to the \1", r"pivots to the \1", r"spins \1")),
    (r"\bmoves (forward|backward|to the)\b", (r"travels \1", r"steps \1")),
    (r"\blowers the hips\b", ("squats down, lowers the hips", "lowers the pelvis")),
    (r"\bleaves the ground\b", ("jumps", "leaps")),
    (r"\babove the head\b", ("over the head", "past his head")),
    (r"\bthe person\b", ("he", "she", "the actor", "the figure")),
    (r"^First, ", ("Initially, ", "To begin with, ", "At first, ")),
    (r"^Then, ", ("Next, ", "Afterwards, ", "Subsequently, ")),
    (r"^After that, ", ("Finally, ", "Then, ")),
    (r" (?:at|from) (\d+\.\d) s\b", (r" around \1 seconds", r" at about \1 s", "")),
    (r" by (?:up to |about )?\d[\d.]*(?: m|°)", (" clearly", "")),
    (r"^(Both|The) ", (r"Meanwhile \1 ", r"\1 ")),
]


def reworded(text: str, rng: random.Random) -> str:
    """The same in other words, without most of the figures, in numbered or plain lines."""
    lines = []
    for line in text.splitlines():
        if line.startswith("Label"):
            lines.append(line)
            continue
        for words, others in REWORDED:
            line = re.sub(words, rng.choice(others), line)
        lines.append(rng.choice(("", "- ", "* ")) + line)
    return "\n".join(lines)
