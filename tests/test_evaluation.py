"""`skeletonllm evaluate`: every suite from end to end, on few clips, with the embedded model and every baseline."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core import cli
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.pipeline import SkeletonLLM, load_model
from skeletonllm_core.train.appearances import FIXED, NO_MOTION, STICK_FIGURE
from skeletonllm_core.train.baselines import facts, graph_network
from skeletonllm_core.train.corpus import TEST, TRAIN, VALIDATION
from skeletonllm_core.train.evaluation import SUITES, caption_metrics, clips, corruptions, robustness, transfer
from skeletonllm_core.train.evaluation.clips import Request, material
from skeletonllm_core.train.evaluation.run import default_limit, evaluate, write_files
from skeletonllm_core.train.evaluation.scores import closeness, is_trained, scores_of
from skeletonllm_core.train.evaluation.statistics import Figure
from skeletonllm_core.train.evaluation.tables import Report, Table
from skeletonllm_core.train.procedural import make_motion


@pytest.fixture(scope="session")
def judged(model: str) -> SkeletonLLM:
    return load_model(model)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baselines that are fitted in a moment."""
    monkeypatch.setattr(graph_network, "STEPS", 4)
    monkeypatch.setattr(facts, "TREES", 20)
    for module in (clips, transfer):
        monkeypatch.setattr(module, "PROCEDURAL_KNOWN", 88)


BASELINES = {
    "ST-GCN, small",
    "1-NN DTW on bone directions",
    "random forest on facts",
    "1-NN on facts",
    "logistic regression on the facts as sentences",
}


def column(table: Table, name: str) -> list:
    place = table.columns.index(name)
    return [row[place] for row in table.rows]


def packs(folder: Path) -> Path:
    """Two sources of 8 training and 4 test clips; "moonwalk" is a label that no model has learned."""
    (folder / "motion").mkdir()
    rows = []
    for source, rig, actions in (
        ("alpha", "cmu", {"walk": "walk", "jump": "jump", "moonwalk": "walk backward", "heimlich": "bow"}),
        ("beta", "smpl", {"walk": "walk", "jump": "jump", "squat": "squat"}),
    ):
        names = sorted(actions)
        stacks, offsets, first = [], [0], None
        for index in range(12):
            name = names[index % len(names)]
            person = make_motion(actions[name], rig, seed=710_000 + index + 100 * len(source), fps=30.0).keypoints()
            first = first or person
            stacks.append(person.positions)
            offsets.append(offsets[-1] + len(person))
            rows.append(
                {
                    "id": f"{source}-{index}", "npz": source, "index": index, "split": TRAIN if index < 8 else TEST,
                    "label": name, "captions": [f"a person does a {name}"] if source == "alpha" else [], "fps": 30.0,
                    "style": "old" if index >= 10 else "young",
                }
            )  # fmt: skip
        assert first is not None
        moved = np.concatenate(stacks)
        np.savez(
            folder / "motion" / f"{source}.npz",
            pos_rel=(moved - moved[:, :1]).astype(np.float16),
            root=moved[:, 0].astype(np.float32),
            clip_offsets=np.array(offsets),
            names=np.array(first.topology.names),
            parents=first.topology.parents,
        )
    (folder / "index.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(clips, "LEAST_CLIPS", 4)
    return packs(tmp_path)


def test_recognition_has_every_method_and_finds_the_labels_that_are_new(judged: SkeletonLLM, few: Path) -> None:
    assert is_trained(judged, "walking") and not is_trained(judged, "moonwalk") and not is_trained(judged, "kick left")
    assert closeness(judged, "moonwalk") == 0 and closeness(judged, "kick left") > 0
    report = evaluate("recognition", Request(judged, few))
    closed, opened, zero_shot = report.tables
    methods = set(column(closed, "method"))
    assert methods >= BASELINES | {"label likelihood", "free generation, same letters", "most frequent label", "chance"}
    assert "alpha, unseen style" in column(closed, "data")
    exact, loose = column(closed, "exact"), column(closed, "published scoring")
    for strict, wide in zip(exact, loose, strict=True):
        if isinstance(strict, Figure):
            assert strict.low <= strict.value <= strict.high and wide.value >= strict.value and strict.count in (2, 4)
    beta = next(row for row in closed.rows if row[:2] == ("beta", "label likelihood"))[2]
    assert isinstance(beta, Figure) and beta.value >= 0.75  # the model has learned these actions
    assert {"label likelihood", "free generation"} == set(column(opened, "method"))
    assert column(zero_shot, "method") == ["label likelihood", "chance"]
    assert "heimlich, moonwalk" in " ".join(zero_shot.notes)
    alone, unseen, seen, both = zero_shot.rows[0][1:5]
    assert all(isinstance(one, Figure) and one.count == 5 for one in (alone, unseen, seen, both))
    assert report.settings["data hash"] == material(Request(judged, few)).data
    assert report.settings["command"].startswith("skeletonllm evaluate recognition --data PACKS --split test")


def test_transfer_learns_from_one_source_and_asks_about_the_other(judged: SkeletonLLM, few: Path) -> None:
    matrix, *reduced = evaluate("transfer", Request(judged, few, limit=4)).tables
    assert {"procedural → beta"} <= set(column(matrix, "pair"))
    assert set(column(matrix, "method")) == BASELINES | {"model", "chance"}
    assert not any("→ alpha" in pair and pair.startswith("alpha") for pair in column(matrix, "pair"))
    for table in reduced:
        assert column(table, "level") == ["–", "20", "17", "13"]
        first = table.rows[0][table.columns.index("model")]
        kept = column(table, "model keeps")
        assert kept[0] == 1.0 and isinstance(first, Figure)
        assert kept[3] == pytest.approx(table.rows[3][table.columns.index("model")].value / first.value)


def test_captions_are_compared_with_what_people_wrote_and_with_controls(
    judged: SkeletonLLM, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_metrics.shutil, "which", lambda name: None)  # a machine without Java
    written, composed = evaluate("caption", Request(judged, few, limit=5)).tables
    assert "people wrote" in written.title and len(written.rows) == len(composed.rows) == 5
    score = {row[0]: row[1] for row in written.rows}
    # The known captions are those of other clips of the same four actions, word for word.
    assert score["nearest clip's caption (DTW)"].value > score["model"].value
    assert "METEOR is left out: it needs Java." in written.notes and not any("METEOR" in one for one in written.columns)
    assert all(column(composed, "clips")) and column(written, "clips") == [4] * 5
    nobody = evaluate("caption", Request(judged, few, split=VALIDATION, limit=2)).tables[0]
    assert not nobody.rows and "No table" in nobody.notes[0]


@pytest.mark.skipif(shutil.which("java") is None, reason="METEOR needs Java")
def test_meteor_lies_in_its_interval(judged: SkeletonLLM, few: Path) -> None:
    composed = evaluate("caption", Request(judged, few, limit=5)).tables[1]
    found = column(composed, "METEOR, mean of clips")
    assert all(figure.low <= figure.value <= figure.high for figure in found) and max(one.value for one in found) > 0


def test_robustness_asks_everybody_about_the_same_damaged_clips(judged: SkeletonLLM, monkeypatch) -> None:
    monkeypatch.setattr(robustness, "DRAWS", 2)
    chosen = [one for one in corruptions.CORRUPTIONS if one.level in ("50%", "10 cm", "left for right")]
    chosen = [one for one in chosen if one.name in ("joints missing throughout", "noise", "mirrored")]
    monkeypatch.setattr(robustness, "CORRUPTIONS", chosen)
    (table,) = evaluate("robustness", Request(judged, limit=3)).tables
    assert set(table.columns) >= BASELINES | {"model", "model keeps"}
    assert column(table, "clips × draws") == ["3 × 1", "3 × 2", "3 × 2", "3 × 1"]
    (again,) = evaluate("robustness", Request(judged, limit=3)).tables
    assert again.rows == table.rows
    mirror = table.rows[3][table.columns.index("model")]
    assert mirror == table.rows[0][table.columns.index("model")]  # the mirrored clip gets the mirrored label


def test_questions_have_controls(judged: SkeletonLLM) -> None:
    (table,) = evaluate("qa", Request(judged, limit=8)).tables
    groups = column(table, "about")
    assert {"sides", "direction", "other"} <= set(groups)
    asked = sum(column(table, "questions"))
    model, blind = (
        sum(figure.value * figure.count for figure in column(table, name)) / asked
        for name in ("model", "model, another clip")
    )
    assert model > blind  # the pictures matter
    assert all(0 < chance <= 0.5 for chance in column(table, "chance"))


def test_calibration_knows_labels_that_were_never_trained(judged: SkeletonLLM, few: Path) -> None:
    inside, outside = evaluate("calibration", Request(judged, few)).tables
    assert set(column(inside, "method")) == BASELINES | {"model"}
    assert all(0 <= figure.value <= 1 for figure in column(inside, "ECE, 15 bins"))
    new = [row for row in outside.rows if row[0] == "labels never trained"]
    assert len(new) == 1 and new[0][-1] == 2 and "moonwalk" in " ".join(outside.notes)


def test_cost_counts_what_a_look_takes(judged: SkeletonLLM) -> None:
    sizes, times = evaluate("cost", Request(judged, limit=2)).tables
    rows = {row[0]: row for row in sizes.rows}
    assert rows["vision and projector"][3] == judged.model.frames  # the embedded model reads one token a frame
    total = sum(parameter.numel() for parameter in (*judged.model.parameters(), *judged.renderer.parameters()))
    assert rows["all"][1] == total
    # The projector alone multiplies every token with a square matrix, twice an operation.
    assert rows["vision and projector"][2] * 1e9 > 2 * judged.model.frames * judged.model.tiny.config.width**2
    assert rows["all"][2] == pytest.approx(rows["vision and projector"][2] + rows["language"][2])
    assert column(times, "share of the label's time")[0] == 1.0
    assert set(column(times, "what")) >= BASELINES


RECIPE = """out: unused
batch: 4
procedural: 24
warm_up: 2
width: 32
vision_layers: 1
text_layers: 1
channels: [8, 8, 16]
frames: 4
image_size: 32
stages:
  - {stage: warm-up, steps: 2, learning_rate: 1e-3}
  - {stage: refine, steps: 2, learning_rate: 1e-3, trains: [projector]}
"""


def test_the_ablation_trains_what_is_missing_and_compares_seed_by_seed(judged: SkeletonLLM, tmp_path: Path) -> None:
    from skeletonllm_core.model.checkpoint import load_checkpoint
    from skeletonllm_core.render.appearance import Appearance

    recipe, runs = tmp_path / "r.yaml", tmp_path / "runs"
    recipe.write_text(RECIPE)
    request = Request(judged, limit=2, runs=runs, recipe=recipe, steps=3, seeds=2)
    said: list[str] = []
    drawn, staged = evaluate("ablation", replace(request, say=said.append)).tables
    assert column(drawn, "run") == ["DrAction", "DrAction without motion", "fixed 3D and velocity", "stick figure"]
    assert column(staged, "run") == ["DrAction", "stages 1, 4"]
    assert drawn.rows[0][3] is None and all(
        isinstance(gain, Figure) for gain in column(drawn, "difference from DrAction")[1:]
    )
    assert column(drawn, "seeds") == [2] * 4 and sum("training:" in text for text in said) == 10
    first = Appearance().state_dict()
    looks = {
        name: load_checkpoint(runs / f"{name}-0" / "checkpoint").renderer.appearance.state_dict()
        for name in ("draction", "draction-without-motion", "fixed-3d-and-velocity", "stick-figure")
    }
    assert not looks["draction"]["motion"].equal(first["motion"])
    assert not looks["draction-without-motion"]["motion"].any()
    assert not looks["draction-without-motion"]["colour"].equal(first["colour"])
    assert all(value.equal(first[name]) for name, value in looks["fixed-3d-and-velocity"].items())
    assert len(looks["stick-figure"]["colour"].unique()) == 1
    # Without --steps the runs are only read, to the same figures.
    again = evaluate("ablation", replace(request, steps=None, say=said.append)).tables
    assert [table.rows for table in again] == [drawn.rows, staged.rows]
    with pytest.raises(SkeletonLLMError, match="holds no run of this comparison"):
        evaluate("ablation", replace(request, steps=None, runs=tmp_path / "none"))
    with pytest.raises(SkeletonLLMError, match="name their folder with --runs"):
        evaluate("ablation", Request(judged, limit=2))


def test_of_a_held_out_rig_family_nothing_is_learned(judged: SkeletonLLM, few: Path, tmp_path: Path) -> None:
    recipe, runs = tmp_path / "r.yaml", tmp_path / "runs"
    recipe.write_text(RECIPE.split("stages:")[0] + "facts: 0.5\nmix: {alpha: 0.4, beta: 0.3, procedural: 0.3}\n")
    request = Request(judged, few, limit=4, runs=runs, recipe=recipe, steps=2, seeds=1)
    said: list[str] = []
    (table,) = evaluate("rigs", replace(request, say=said.append)).tables
    assert column(table, "held out") == ["alpha"] * 8 + ["beta"] * 8
    assert set(column(table, "method")) == BASELINES | {"model, seed 0", "model, seed 0, pictures alone", "chance"}
    assert [text for text in said if text.startswith("training")] == [
        "training: without alpha, seed 0",
        "training: without beta, seed 0",
    ]
    told = [text for text in said if "clips to train on" in text]
    assert "alpha" not in told[0] and "beta 8" in told[0] and "alpha 8" in told[1] and "beta" not in told[1]
    assert load_model(str(runs / "without-beta-0" / "checkpoint")).facts
    assert evaluate("rigs", replace(request, steps=None)).tables[0].rows == table.rows
    with pytest.raises(SkeletonLLMError, match="holds no run of this comparison"):
        evaluate("rigs", replace(request, steps=None, runs=tmp_path / "none"))
    with pytest.raises(SkeletonLLMError, match="name the folder of their clips with --data"):
        evaluate("rigs", replace(request, data=None))


@pytest.mark.parametrize("name", [NO_MOTION, FIXED, STICK_FIGURE])
def test_a_fixed_appearance_does_not_go_with_a_start(tmp_path: Path, name: str) -> None:
    from skeletonllm_core.train.recipe import read_recipe

    path = tmp_path / "r.yaml"
    path.write_text(f"out: x\nappearance: {name}\n")
    assert read_recipe(path).appearance == name
    path.write_text(f"out: x\nstart: default\nappearance: {name}\nstages: [{{stage: warm-up}}]\n")
    with pytest.raises(SkeletonLLMError, match="does not go with 'start'"):
        read_recipe(path)
    path.write_text("out: x\nappearance: pretty\n")
    with pytest.raises(SkeletonLLMError, match="'appearance' is one of learned, without motion"):
        read_recipe(path)


def test_scores_are_those_of_label(judged: SkeletonLLM) -> None:
    person = make_motion("walk", "cmu", seed=700_000)
    candidates = ["walk", "run", "moonwalk"]
    (scores,) = scores_of(judged, person, [candidates])
    answer = judged.label(person, candidates, top=3)
    assert scores.max() == pytest.approx(answer.score) and candidates[int(scores.argmax())] == answer.text


def test_bad_requests_are_one_sentence(judged: SkeletonLLM, few: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(SkeletonLLMError, match="no suite 'speed': use recognition"):
        evaluate("speed", Request(judged))
    with pytest.raises(SkeletonLLMError, match="split 'train' is unknown"):
        material(Request(judged, few, split="train"))
    with pytest.raises(SkeletonLLMError, match="there is no such folder"):
        material(Request(judged, tmp_path / "nowhere"))
    monkeypatch.setattr(clips, "LEAST_CLIPS", 50)
    with pytest.raises(SkeletonLLMError, match="no source has 50 clips in the split 'test'"):
        material(Request(judged, few))


def test_the_real_data_has_both_large_sources(judged: SkeletonLLM, shared_data: Path) -> None:
    found = material(Request(judged, shared_data, split=VALIDATION, limit=7))
    assert [exam.source for exam in found.exams] == ["bandai2", "msr_action3d"]
    assert [len(exam.asked) for exam in found.exams] == [7, 7]
    bandai, msr = found.exams
    assert bandai.unseen_styles() == {"exhausted"} and len(msr.labels) == 20
    assert {clip.split for clip in bandai.known} == {TRAIN} and {clip.split for clip in msr.asked} == {VALIDATION}


def test_the_command_prints_writes_and_fills_in(capsys, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- tables: qa -->\n<!-- end: qa -->\nafter\n")
    arguments = ["evaluate", "qa", "--limit", "2", "--json", "-o", str(tmp_path / "out"), "--into", str(page)]
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "qa.json").read_text())
    assert printed["suite"] == "qa" and printed["seed"] == 0 and printed["tables"][0]["rows"]
    told = (tmp_path / "out" / "qa.md").read_text()
    assert (
        printed["command"] == "skeletonllm evaluate qa --model default --seed 0 --limit 2"
        and printed["command"] in told
    )
    assert told in page.read_text() and page.read_text().endswith("<!-- end: qa -->\nafter\n")
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", "ablation"])
    assert end.value.code == 2 and "--runs" in capsys.readouterr().err


def test_files_are_the_same_bytes_again(tmp_path: Path) -> None:
    table = Table("t", ("a",))
    table.add(0.123456)
    for _ in range(2):
        written = write_files(Report("qa", {"command": "c", "seed": 0}, [table]), tmp_path)
    assert [path.name for path in written] == ["qa.md", "qa.json"]
    assert json.loads(written[1].read_text())["tables"][0]["rows"] == [{"a": 0.1235}]


def test_every_suite_has_a_limit_of_its_own() -> None:
    assert {suite for suite in SUITES if default_limit(suite) is None} == {"recognition", "calibration"}
