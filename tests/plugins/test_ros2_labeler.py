"""The labeler core: windows, steadiness, load, and every kind of bad stream. The model here is a rule on real joint values."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

import skeletonllm_core as sk
from skeletonllm_core.answers import Candidate, Caption, Label
from skeletonllm_core.motion.motion import Person
from skeletonllm_ros2.history import MOST_ROWS, SECOND, History
from skeletonllm_ros2.kinematics import JointSource
from skeletonllm_ros2.labeler import Labeler, Settings
from skeletonllm_ros2.services import ASK, SET_LABELS, answered
from skeletonllm_ros2.smoothing import Smoother
from tests.robots import ARM

HOUR = 3600 * SECOND
NAMES = ("shoulder", "slide", "twist")


class Slider:
    """Labels an arm by how far it has slid out: under 1 m it is "in", else "out"; the score says how clearly."""

    def __init__(self) -> None:
        self.fails = False
        self.asked: list[tuple[str, float]] = []
        self.wait: threading.Event | None = None

    def label(
        self, persons: Person, labels: Sequence[str] | None = None, *, top: int = 3, quick: bool = False
    ) -> Label:
        if self.wait is not None:
            self.wait.wait(10)
        if self.fails:
            raise sk.WorkerError("no worker answers", "gone")
        assert isinstance(persons, sk.Motion) and persons.local_translations is not None
        out = float(persons.local_translations[:, 2].max(-1).mean()) - 0.5
        self.asked.append((persons.name, out))
        near, far = Candidate("in", 1 - min(out / 2, 1)), Candidate("out", min(out / 2, 1))
        best, other = sorted((near, far), key=lambda one: -one.score)
        return Label(best.text, best.score, True, (other,))

    def caption(self, persons: Person) -> Caption:
        return Caption("it slides", ())

    def ask(self, persons: Person, question: str) -> str:
        return f"{persons.name}, {len(persons) / persons.fps:.1f} s: {question}"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def model() -> Slider:
    return Slider()


def labeler(model: Slider, **options: object) -> Labeler:
    made = Labeler(model, Settings(window_s=1.0, hop_s=0.25, **options), Clock())  # type: ignore[arg-type]
    made.set_source("arm", JointSource(ARM, "arm.urdf"))
    return made


def feed(
    made: Labeler, start: float, seconds: float, out: float, rate: float = 50, names: Sequence[str] = NAMES
) -> list:
    """Messages of an arm that stands `out` metres out; the answers, asked for as they fall due."""
    answers = []
    for index in range(round(seconds * rate)):
        values = dict(zip(NAMES, (0.1, out, 0.2), strict=True))
        made.add("arm", round((start + index / rate) * SECOND), names, [values.get(name, 0.5) for name in names])
        while made.pending:
            answers.append(made.step())
    return answers


# --- history


def test_irregular_stamps_come_out_even() -> None:
    history = History(10)
    rng = np.random.default_rng(0)
    stamps = np.sort(rng.integers(0, 4 * SECOND, 200))
    order = np.arange(200)
    order[50:60] = order[50:60][::-1]  # late messages
    for index in order:
        time = stamps[index] / SECOND
        names = ("a", "b") if index % 2 else ("b", "a")  # names change places
        both = {"a": 2 * time, "b": (3 * time + np.pi) % (2 * np.pi) - np.pi}
        history.add(int(stamps[index]), names, np.array([both[name] for name in names]))
    names, values = history.window(SECOND, 3 * SECOND, 30, angles=True)
    times = np.linspace(1, 3, 61)
    assert values.shape == (61, 2) and len(history) == 200
    inside = slice(3, -3)  # before the first message and after the last one values are held
    np.testing.assert_allclose(values[inside, names.index("a")], 2 * times[inside], atol=1e-6)
    turned = values[inside, names.index("b")] - 3 * times[inside]
    np.testing.assert_allclose(turned, turned[0], atol=1e-6)


def test_joints_that_appear_vanish_or_are_missing() -> None:
    history = History(10)
    for step in range(100):
        names = ("a", "b") if step < 50 else ("a",)
        values = np.array([1.0, step / 10])[: len(names)]
        if step % 3 == 0:
            values[0] = np.nan
        history.add(step * SECOND // 50, names, values)
    names, values = history.window(0, 2 * SECOND, 30, angles=True)
    assert set(names) == {"a", "b"} and np.isfinite(values).all()
    np.testing.assert_allclose(values[:, names.index("a")], 1)
    assert values[-1, names.index("b")] == pytest.approx(4.9)
    names, _ = history.window(SECOND * 3 // 2, 2 * SECOND, 30, angles=True)
    assert names == ("a",)


def test_the_history_does_not_grow() -> None:
    history = History(1)
    for step in range(5000):
        history.add(step * SECOND // 1000, ("a",), np.zeros(1))
    assert len(history) == 1001 and history.rate == pytest.approx(1000)
    for step in range(MOST_ROWS + 10):
        history.add(5 * SECOND + step, ("a",), np.zeros(1))
    assert len(history) == MOST_ROWS


# --- smoothing


def test_a_label_changes_only_after_several_windows() -> None:
    smoother = Smoother("b", 0.3, 2)
    said = ["walk", "walk", "run", "walk", "run", "run", "run", "?", "?", "sit"]
    shown, ended = [], []
    for place, text in enumerate(said):
        label = Label(text, 0.1 if text == "?" else 0.8, True, ())
        segment = smoother.update(place * SECOND, (place + 2) * SECOND, label)
        shown.append(smoother.current)
        ended += [segment] if segment else []
    assert shown == ["walk", "walk", "walk", "walk", "walk", "run", "run", "run", None, None]
    assert [(one.label, one.start / SECOND, one.end / SECOND) for one in ended] == [("walk", 0, 5), ("run", 5, 8)]
    assert ended[0].as_json() == {"body": "b", "start_s": 0.0, "end_s": 5.0, "label": "walk", "score": 0.8}
    assert ended[1].score == pytest.approx(0.8)
    assert smoother.close(20 * SECOND) is None, "there was no label"


def test_a_label_that_ends_right_after_it_changed() -> None:
    smoother = Smoother("b", 0.0, 2)
    for place, text in enumerate(["walk", "run", "run"]):
        smoother.update(place * SECOND, (place + 2) * SECOND, Label(text, 0.5, True, ()))
    segment = smoother.close(4 * SECOND)
    assert segment is not None and (segment.label, segment.score, segment.start) == ("run", 0.5, 2 * SECOND)


def test_an_unsure_label_is_none() -> None:
    smoother = Smoother("b", 0.0, 1)
    smoother.update(0, SECOND, Label("walk", 0.9, False, ()))
    assert smoother.current is None


# --- labeler


def test_windows_labels_and_segments(model: Slider) -> None:
    made = labeler(model)
    answers = feed(made, 10.0, 4, 0.2) + feed(made, 14.0, 4, 1.8)
    # The first window ends a second after the first message, then one every quarter of a second.
    assert [one.end for one in answers] == [round((11 + place * 0.25) * SECOND) for place in range(28)]
    assert all(one.end - one.start == SECOND for one in answers)
    assert [one.shown for one in answers[:3]] == ["in"] * 3 and answers[-1].shown == "out"
    changes = [one for one in answers if one.changed]
    assert [one.shown for one in changes] == ["in", "out"]
    assert [one.caption for one in answers if one.caption] == ["it slides"] * 2
    (segment,) = [one.segment for one in answers if one.segment]
    assert segment.label == "in" and segment.start == 10 * SECOND
    assert segment.end / SECOND == pytest.approx(14.0, abs=0.3)
    (status,) = made.status()
    (last,) = made.finish()
    assert (last.label, last.start) == ("out", segment.end) and last.end == round(17.98 * SECOND)
    assert status.rate == pytest.approx(50, rel=0.03) and status.counts.messages == 400
    assert status.counts.windows == 28 and not status.unknown_joints


def test_a_caption_of_less_than_a_window_is_followed_by_one_of_a_whole_one(model: Slider) -> None:
    answers = feed(labeler(model, live=True), 10.0, 4, 0.2)
    told = [(one.end - one.start) / SECOND for one in answers if one.caption]
    assert answers[0].end - answers[0].start == SECOND // 2
    assert len(told) == 2 and told[0] < 1.0 and told[1] == 1.0
    assert [one.changed for one in answers if one.caption] == [True, False]


def test_the_oldest_window_is_dropped_under_load(model: Slider) -> None:
    made = labeler(model)
    for index in range(200):
        made.add("arm", index * SECOND // 50, NAMES, [0.1, index / 100, 0.2])
    assert made.pending == 1
    answer = made.step()
    assert answer is not None and answer.end == round(3.75 * SECOND)
    assert made.step() is None
    (status,) = made.status()
    assert (status.counts.windows, status.counts.dropped, status.waiting) == (1, 11, 0)


def test_bodies_take_turns(model: Slider) -> None:
    made = labeler(model, queue=2)
    made.set_source("leg", JointSource(ARM, "leg.urdf"))
    for index in range(80):
        for body in ("arm", "leg"):
            made.add(body, index * SECOND // 50, NAMES, [0.1, 0.2, 0.2])
    assert made.pending == 4
    assert [made.step().body for _ in range(4)] == ["arm", "leg", "arm", "leg"]  # type: ignore[union-attr]


def test_a_clock_that_jumps_back_an_hour(model: Slider) -> None:
    made = labeler(model)
    feed(made, 7200.0, 2, 0.2)
    answers = feed(made, 3600.0, 2, 0.2)
    assert answers[0].start == HOUR and answers[0].changed
    (segment,) = made.ended()
    assert (segment.start, segment.end) == (2 * HOUR, 2 * HOUR + round(1.98 * SECOND))
    assert made.ended() == []
    (status,) = made.status()
    assert (status.counts.jumps, status.counts.gaps) == (1, 0)


def test_a_publisher_that_dies_and_returns(model: Slider) -> None:
    made = labeler(model)
    feed(made, 0.0, 2, 0.2)
    clock = made._clock
    assert isinstance(clock, Clock)
    clock.now = 2.5
    assert made.status()[0].stale
    answers = feed(made, 5.0, 1.5, 0.2)
    assert answers[0].start == 5 * SECOND, "no window spans the silence"
    assert len(made.ended()) == 1
    assert not made.status()[0].stale and made.status()[0].counts.gaps == 1


def test_bad_messages_are_counted_and_cost_nothing(model: Slider) -> None:
    made = labeler(model)
    for index in range(100):
        stamp = index * SECOND // 50
        made.add("arm", stamp, NAMES, [0.1, np.nan if index % 2 else 0.2, np.inf])
        made.add("arm", stamp, NAMES, [0.1])
        made.add("arm", stamp, (), ())
        made.add("arm", stamp, [f"joint_{one}" for one in range(3000)], np.zeros(3000))
    answer = made.step()
    assert answer is not None and answer.label.text == "in"
    counts = made.status()[0].counts
    assert (counts.messages, counts.malformed, counts.empty, counts.incomplete) == (400, 200, 100, 100)


def test_permuted_unknown_and_five_hundred_joints(model: Slider) -> None:
    made = labeler(model)
    more = tuple(f"extra_{one}" for one in range(497))
    answers = feed(made, 0.0, 2, 0.2) + feed(made, 2.0, 2, 0.2, names=("twist", "slide", "shoulder"))
    answers += feed(made, 4.0, 1.5, 0.2, names=(*NAMES, *more))
    assert {one.shown for one in answers} == {"in"}
    np.testing.assert_allclose([out for _, out in model.asked], 0.2, atol=1e-9)
    (status,) = made.status()
    assert status.unknown_joints == tuple(sorted(more)) and status.counts.renamed == 2


def test_a_stream_of_another_robot(model: Slider) -> None:
    made = labeler(model)
    for index in range(100):
        made.add("arm", index * SECOND // 50, ("knee",), [0.1])
    (status,) = made.status()
    assert made.pending == 0 and status.problem == "none of its values belongs to a joint of its kinematics"
    assert status.counts.failed > 0
    with pytest.raises(sk.SkeletonLLMError, match="arm: none of its values"):
        made.ask("arm", "What?")
    # Once it is the right robot again, all is well.
    feed(made, 2.0, 1.5, 0.2)
    assert made.status()[0].problem is None


def test_nothing_is_asked_before_the_kinematics_are_known(model: Slider) -> None:
    made = Labeler(model, Settings(window_s=1.0, hop_s=0.25), Clock())
    feed(made, 0.0, 2, 0.2)
    assert made.status()[0].waits_for_model and not made.has_source("arm") and not model.asked
    made.set_source("arm", JointSource(ARM, "arm.urdf"))
    assert feed(made, 2.0, 0.5, 0.2)


def test_a_worker_that_is_gone_for_a_while(model: Slider) -> None:
    made = labeler(model)
    feed(made, 0.0, 1, 0.2)
    model.fails = True
    with pytest.raises(sk.WorkerError, match="no worker answers"):
        feed(made, 1.0, 0.5, 0.2)
    assert made.problem == "no worker answers" and made.status()[0].counts.failed == 1
    model.fails = False
    assert feed(made, 1.5, 0.5, 0.2) and made.problem is None


def test_an_answer_about_a_time_that_is_gone_is_not_given(model: Slider) -> None:
    made = labeler(model)
    for index in range(60):
        made.add("arm", index * SECOND // 50, NAMES, [0.1, 0.2, 0.2])
    model.wait = threading.Event()
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(made.step()))
    asking.start()
    while made.pending:
        pass
    made.add("arm", HOUR, NAMES, [0.1, 0.2, 0.2])  # the stream restarts meanwhile
    model.wait.set()
    asking.join()
    assert answers == [None]


def test_a_live_stream_is_answered_sooner(model: Slider) -> None:
    made = labeler(model, live=True)
    answers = feed(made, 10.0, 2, 0.2)
    assert [(one.start / SECOND, one.end / SECOND) for one in answers[:4]] == [
        (10, 10.5), (10, 10.75), (10, 11), (10.25, 11.25)
    ]  # fmt: skip
    # After a break the first window is short again, and reaches not over it.
    assert feed(made, 20.0, 0.6, 0.2)[0].start == 20 * SECOND


def test_values_beyond_their_limits_are_held_and_told(model: Slider) -> None:
    made = labeler(model)
    for index in range(60):
        made.add("arm", index * SECOND // 50, NAMES, [1.7 if index < 30 else 0.3 + 2 * np.pi, 0.2, 40.0])
    assert made.step() is not None
    (status,) = made.status()
    assert status.beyond_limits == ("shoulder",) and status.counts.beyond == 1


def test_other_labels_and_questions(model: Slider) -> None:
    made = labeler(model)
    with pytest.raises(sk.SkeletonLLMError, match="nobody called '' is there: the bodies are none"):
        made.ask("", "What?")
    feed(made, 0.0, 2, 0.2)
    assert answered(made, ASK, "What?") == (True, "arm, 1.0 s: What?") == answered(made, ASK, "arm: What?")
    assert answered(made, ASK, "leg: What?").message.endswith(": leg: What?"), "leg is nobody"
    assert answered(made, SET_LABELS, " in , out") == (True, "labels: in, out")
    assert made.settings.labels == ("in", "out")
    assert answered(made, SET_LABELS, "").message == "labels: those of the model" and made.settings.labels is None
    made.forget("arm")
    assert answered(made, ASK, "What?").success is False


def test_bodies_come_and_go(model: Slider) -> None:
    made = labeler(model)
    feed(made, 0.0, 2, 0.2)
    (segment,) = made.forget("arm")
    assert segment.label == "in" and made.status() == [] and made.forget("arm") == []
    for number in range(100):
        made.add(f"b{number}", 0, NAMES, [0, 0, 0])
    assert len(made.status()) == 64


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window_s": 0.0}, "window_s must lie between 0.2 and 60"),
        ({"hop_s": float("nan")}, "hop_s must"),
        ({"labels": (" ",)}, "no candidate"),
    ],
)
def test_settings_out_of_range(options: dict, told: str) -> None:
    with pytest.raises(sk.SkeletonLLMError, match=told):
        Settings(**options)
