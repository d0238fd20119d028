"""Hard negatives: from the labels' words, from the model's own confusions and from a file; never an unseen one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.checkpoint import DEFAULT, Checkpoint, load_checkpoint
from skeletonllm_core.train import negatives
from skeletonllm_core.train.items import Item, items_of, procedural_clips
from skeletonllm_core.train.negatives import (
    NEIGHBOURS,
    Negatives,
    check_unseen,
    from_confusions,
    from_file,
    from_text,
    read_negatives,
    same_action,
    unseen_wordings,
    write_negatives,
)

LABELS = (
    "wave left hand",
    "wave right hand",
    "wave",
    "side kick",
    "forward kick",
    "walk",
    "walk backward",
    "run",
    "jog",
)


def test_labels_that_share_words_are_hard() -> None:
    found = from_text(LABELS).neighbours
    assert found["wave left hand"] == ("wave right hand",)
    assert found["side kick"] == ("forward kick",)
    assert found["run"] == () == found["jog"], "a synonym is no negative"
    for label, others in found.items():
        assert not any(same_action(label, other) for other in others) and len(others) <= NEIGHBOURS
    assert "wave" not in found["wave left hand"], "a wave of the left hand is a wave"


def test_the_more_words_are_shared_the_harder() -> None:
    labels = ("raise up left hand", "raise up right hand", "wave right hand", "walk")
    assert from_text(labels).neighbours["raise up left hand"][0] == "raise up right hand"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load_checkpoint(DEFAULT)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    wanted = ("walk", "run", "march", "wave left hand", "wave right hand", "squat", "sit down", "kick")
    return items_of([clip for clip in procedural_clips(280, 0) if clip.label in wanted], 0)


def test_confusions_are_what_the_model_takes_the_clips_for(checkpoint: Checkpoint, items: Sequence[Item]) -> None:
    """Clips that go by another label's name are taken for what they show."""
    shows = {"march": "wave right hand", "kick": "sit down", "squat": "wave left hand"}
    misnamed = [
        replace(
            item, label=next((name for name, shown in shows.items() if shown == item.label and place % 2), item.label)
        )
        for place, item in enumerate(item for item in items if item.label not in shows)
    ]
    found = from_confusions(checkpoint, misnamed).neighbours
    assert set(found) == {item.label for item in items}
    assert {name: found[name][0] for name in shows} == shows
    assert found == from_confusions(checkpoint, misnamed).neighbours
    for label, others in found.items():
        assert len(others) == NEIGHBOURS and label not in others and not any(same_action(label, one) for one in others)


def test_few_clips_of_a_label_are_enough(checkpoint: Checkpoint, items: Sequence[Item], monkeypatch) -> None:
    shown: list[str] = []
    whole = negatives._probabilities

    def counting(model, item, labels):
        shown.append(item.label)
        return whole(model, item, labels)

    monkeypatch.setattr(negatives, "CLIPS_A_LABEL", 2)
    monkeypatch.setattr(negatives, "_probabilities", counting)
    from_confusions(checkpoint, items)
    assert {shown.count(label) for label in set(shown)} == {2}


def test_a_given_list_keeps_what_is_trained(tmp_path: Path) -> None:
    path = tmp_path / "similar.json"
    path.write_text(json.dumps({"walking": ["running", "swim", "wave left hand", "run"], "swim": ["walk"], "jog": []}))
    found = from_file(path, LABELS, unseen=["wave right hand"])
    assert found.neighbours["walk"] == ("run",), "renamed, once each, without what is unseen in the mirror"
    assert found.neighbours["jog"] == () and "swim" not in found.neighbours and "wave left hand" not in found.neighbours
    assert found.left_out == ("swim", "wave left hand") and found.source == "similar.json"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "cannot be read"),
        ('["walk"]', "JSON object like"),
        ('{"walk": "run"}', "JSON object like"),
        ('{"walk": [1]}', "JSON object like"),
        ('{"swim": ["dive"]}', "none of its labels is trained on"),
        (None, "cannot be read"),
    ],
)
def test_bad_lists(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "n.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SkeletonLLMError, match=says) as refused:
        from_file(path, LABELS, [])
    assert str(path) in str(refused.value)


def test_a_frozen_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = from_text(LABELS)
    write_negatives(made, tmp_path / "n.json")
    assert read_negatives(tmp_path / "n.json") == made
    (tmp_path / "n.json").write_text('{"source": "text"}')
    with pytest.raises(SkeletonLLMError, match="damaged list of hard negatives"):
        read_negatives(tmp_path / "n.json")


def test_an_unseen_label_in_a_list_stops_the_run() -> None:
    assert unseen_wordings(["Walking", "wave left hand"]) == {"walking", "walk", "wave left hand", "wave right hand"}
    check_unseen(from_text(("run", "walk")), ["kick"])
    for table in ({"walk": ("run",)}, {"run": ("jump", "walk")}):
        with pytest.raises(SkeletonLLMError, match="unseen label 'walk' stands in the hard negatives"):
            check_unseen(Negatives("text", table), ["walking"])
