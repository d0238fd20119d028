"""Why a motion deserves its label: a causal chain in order of time, composed from the measured facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from skeletonllm_core.motion.wording import SIDES, Event, caption_clauses, telling_events

if TYPE_CHECKING:
    from skeletonllm_core.motion.facts import Facts

# Beginnings of words in a label → the kinds of events that speak for it, the most telling first.
_SPEAKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("walk|march|stroll|sidestep|strid|stagger|stealth", ("walking", "travel", "steps")),
    ("run|jog|sprint", ("running", "travel")),
    ("crawl|creep", ("travel", "posture", "steps")),
    ("crouch|squat|sit|kneel|stoop", ("hips", "posture")),
    ("stand up|standing up|get up|getup|getting up|rise", ("hips", "posture")),
    ("lie|lying|fall|collaps", ("hips", "posture")),
    ("jumping jack", ("jump", "raise")),
    ("jump|leap|skip", ("jump",)),
    ("hop", ("jump", "lift")),
    ("turn|spin|pivot|twirl|rotat", ("turn",)),
    ("kick", ("kick", "lift")),
    ("wav", ("wave", "raise")),
    ("rais|hands up|arms up|cheer|salut|stretch", ("raise", "reach")),
    ("clap|pray|palm", ("clap",)),
    ("punch|box|hit|strik|push|slap|thrust|stab|shoot", ("thrust", "wave", "raise", "reach")),
    ("throw|toss|pitch|catch|swing|serv|bat|golf|tennis|hammer|draw|fling", ("raise", "thrust", "wave", "turn", "reach")),
    ("point|drink|eat|phone|selfie|brush|wip|wash|touch|comb|dribbl", ("raise", "thrust", "wave", "reach")),
    ("bend|bow|nod|pick|lean", ("lean", "hips", "reach")),
    ("flip|somersault|roll|cartwheel|handstand|backflip|sideflip", ("tumble", "kick", "lean", "jump", "raise")),
    ("danc|salsa|waltz|ballet", ("turn", "wave", "raise", "lift", "kick", "travel")),
    ("stand|still|idle|wait|rest", ("still", "stay")),
    ("step|pace|pacing|climb", ("steps", "walking", "travel", "lift")),
)  # fmt: skip


def explain(facts: Facts, label: str) -> str:
    """Reason step by step for a label: what the body does in order of time, which limb, how far, and what decides.

    Every statement is measured; the last line is ``Label: <label>``. Where no measured fact speaks for the label, the
    text says so.
    """
    kept = telling_events(facts)
    lines: list[str] = []
    if facts.posture_start is not None:
        lines.append(f"At the start the person is {facts.posture_start}.")
    # A turn has no single moment, so it is no step of the chain.
    steps = [event for event in kept if not event.state and event.kind != "turn"]
    whole = [event for event in kept if event not in steps and event.kind != "posture"]
    lines += [f"Over the whole clip the person {event.text}." for event in whole if event.at_s < facts.seconds]
    words = ["First", "Then", "Next", "After that"]
    for place, event in enumerate(steps):
        start = words[min(place, 3)] if len(steps) > 1 else "Here"
        lines.append(f"{start}, {_told(event)}{_when(event)}.")
    for event in (event for event in whole if event.at_s >= facts.seconds):
        text = _told(event)
        lines.append(f"{text[0].upper()}{text[1:]}.")
    if facts.posture_end is not None and facts.posture_end != facts.posture_start:
        lines.append(f"At the end the person is {facts.posture_end}.")
    clauses = caption_clauses(facts)
    if clauses:
        lines.append(f"In short, the person {', '.join(clauses)}.")
    if kept:
        lines.append(_decision(kept, clauses, label))
    lines.append(f"Label: {label}")
    return "\n".join(lines)


def speaking_for(events: list[Event], label: str) -> list[Event] | None:
    """The events that speak for a label, the most telling first, at most three; None where the label is not understood.

    A label with a side is only spoken for by what happens on that side.
    """
    words = label.lower()
    kinds = [kind for start, found in _SPEAKS if re.search(rf"\b(?:{start})", words) for kind in found]
    if not kinds:
        return None
    named = [side for side in SIDES if re.search(rf"\b{side}\b", words)]
    order = {kind: place for place, kind in reversed(list(enumerate(kinds)))}
    fitting = [event for event in events if event.kind in order and _on_side(event, named)]
    return sorted(fitting, key=lambda event: (order[event.kind], event.at_s))[:3]


def _on_side(event: Event, named: list[str]) -> bool:
    """Whether an event that names a side names that of the label too."""
    if len(named) != 1 or "both" in event.text:
        return True
    sides = [side for side in SIDES if re.search(rf"\b{side}\b", event.text)]
    return not sides or named[0] in sides


def _told(event: Event) -> str:
    if not event.subject:
        return f"the person {event.text}"
    return event.text if event.subject.startswith("both") else f"the {event.text}"


def _when(event: Event) -> str:
    """The moment of an event whose text has none."""
    if re.search(r" at \d+\.\d s$", event.text):
        return ""
    return f", {'from' if event.kind in ('wave', 'clap', 'jump', 'thrust') else 'at'} {event.at_s:.1f} s"


def _decision(events: list[Event], clauses: tuple[str, ...], label: str) -> str:
    """The line that joins the facts to the label."""
    speaking = speaking_for(events, label)
    if speaking:
        return f'This speaks for "{label}": {"; ".join(_told(event) for event in speaking)}.'
    heaviest = max(events, key=lambda event: event.weight)
    standing_out = f"the person {clauses[0]}" if clauses else _told(heaviest)
    if speaking is None:
        return f'What stands out for "{label}" is that {standing_out}.'
    return f'No measured fact speaks for "{label}" by itself; what stands out is that {standing_out}.'
