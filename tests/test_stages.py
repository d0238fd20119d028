"""The four stages: what each one trains, one command for all, kills, processes, and labels that must stay unseen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model import prompts
from skeletonllm_core.model.checkpoint import load_checkpoint
from skeletonllm_core.motion.facts import mirrored_text
from skeletonllm_core.motion.skeleton import BodyPart
from skeletonllm_core.motion.wording import Event, steps, telling_events
from skeletonllm_core.pipeline import load_model
from skeletonllm_core.train import draws, trainer
from skeletonllm_core.train.draws import (
    Draws,
    Sources,
    choice_task,
    draw_sample,
    leaked,
    trust_in_facts,
    yes_no_tasks,
)
from skeletonllm_core.train.evaluation.scores import pictures_alone
from skeletonllm_core.train.items import facts_of, items_of, procedural_clips
from skeletonllm_core.train.negatives import same_action
from skeletonllm_core.train.procedural import ACTIONS, make_motion
from skeletonllm_core.train.recipe import Recipe, read_recipe
from skeletonllm_core.train.stages import PUBLISHED, Lora, Stage
from skeletonllm_core.train.tasks import ordered_pairs
from tests.tiny_families import tiny

NAMES = ("0-pretrain", "1-warm-up", "2-disc-ft", "3-cr-distill", "4-refine")
WALKS_AND_WAVES = ("walk", "run", "wave left hand", "wave right hand", "kick", "squat")

EXAMPLES = Path(__file__).parent.parent / "examples"

RECIPE = """
out: {out}
data: {examples}
mix: {{procedural: 0.5, examples: 0.5}}
hold_out: false
temperature: 1.0
threshold: 0.35
tensorboard: {tensorboard}
procedural: 36
steps: 8
batch: 4
warm_up: 2
width: 32
vision_layers: 1
text_layers: 1
channels: [16, 16, 32]
frames: 4
image_size: 32
dropout: {dropout}
save_every: {save_every}
log_every: 1
accumulate: {accumulate}
gradient_checkpointing: {checkpointing}
stages:
  - {{stage: warm-up, steps: 8, batch: 4, learning_rate: 1e-3, candidates: 4, average: 0.5}}
  - {{stage: disc-ft, steps: 8, batch: 4, learning_rate: 1e-3}}
  - {{stage: cr-distill, steps: 8, batch: 4, learning_rate: 1e-3, lora: {{dropout: {dropout}}}}}
  - {{stage: refine, steps: 8, batch: 4, learning_rate: 1e-3, lora: {{dropout: {dropout}}}}}
"""


def recipe_file(folder: Path, **changes) -> Path:
    values = {
        "out": "run",
        "examples": EXAMPLES,
        "tensorboard": "false",
        "dropout": 0.1,
        "save_every": 3,
        "accumulate": 1,
        "checkpointing": "false",
        **changes,
    }
    path = folder / "recipe.yaml"
    text = RECIPE.format(**values)
    path.write_text(re.sub(r"\bsteps: 8\b", f"steps: {values.get('steps', 8)}", text))
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "skeletonllm_core", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def weights(folder: Path) -> dict[str, Tensor]:
    parts = ("model", "renderer")
    return {
        f"{part}.{name}": value for part in parts for name, value in load_file(folder / f"{part}.safetensors").items()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages in one go, in this process."""
    folder = tmp_path_factory.mktemp("whole")
    trainer.train(read_recipe(recipe_file(folder, tensorboard="true")), say=lambda text: None)
    return folder / "run"


# --- what the stages are


def test_the_published_recipe_is_what_a_stage_is_without_changes(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("out: x\nstages: [{stage: warm-up}, {stage: disc-ft}, {stage: cr-distill}, {stage: refine}]\n")
    stages = read_recipe(path).stages
    assert [stage.number for stage in stages] == [1, 2, 3, 4]
    assert [stage.epochs for stage in stages] == [1, 1, 1, 3]
    assert {(stage.learning_rate, stage.weight_decay, stage.warm_up, stage.batch) for stage in stages} == {
        (2e-5, 0.05, 0.03, 2)
    }
    assert [set(stage.trains) for stage in stages] == [
        {"renderer", "projector"},
        {"renderer", "projector"},
        {"renderer", "projector", "lora"},
        {"projector", "lora"},
    ]
    lora = stages[2].lora
    assert (lora.rank, lora.alpha, lora.dropout) == (32, 64, 0.05)
    assert set(lora.layers) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert stages[3].steps_on(100) == 150 and replace(stages[3], steps=7).steps_on(100) == 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stages: [{stage: warmup}]", "one of warm-up, disc-ft, cr-distill, refine"),
        ("stages: [{stage: refine}, {stage: warm-up}]", "in the order warm-up, disc-ft"),
        ("stages: [{stage: refine}, {stage: refine}]", "stand once each"),
        ("stages: [{stage: refine, rate: 1}]", "refine: unknown key 'rate'"),
        ("stages: [{stage: refine, trains: [head]}]", "'trains' names some of vision"),
        ("stages: [{stage: refine, tasks: {poem: 1}}]", "'tasks' names some of label"),
        ("stages: [{stage: refine, steps: many}]", "'steps' is a whole number, not 'many'"),
        ("stages: [{stage: refine, steps: 0}]", "must be 1 or more"),
        ("stages: [{stage: refine, lora: {r: 1}}]", "lora: unknown key 'r'"),
        ("stages: refine", "'stages' is a list"),
        ("start: default", "needs 'stages'"),
        ("negatives: guess", "confusions, text or a .json file"),
        ("device: tpu", "auto, cpu or cuda"),
        ("corpus: ntu60", "there is no 'data'"),
        ("bfloat16: 1", "'bfloat16' is true or false"),
        ("channels: [1, 2]", "'channels' is a list"),
    ],
)
def test_stages_with_mistakes(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(f"out: x\n{text}\n")
    with pytest.raises(SkeletonLLMError, match=re.escape(says)):
        read_recipe(path)


def test_the_shipped_recipes_can_be_read(root: Path) -> None:
    for path in sorted((root / "recipes").glob("*.yaml")):
        recipe = read_recipe(path)
        assert [stage.number for stage in recipe.all_stages()] in ([0], [0, 4], [0, 1, 2, 3, 4], [1, 2, 3, 4])


# --- what each stage trains


def test_each_stage_trains_its_parts_and_nothing_else(whole: Path) -> None:
    before = weights(whole / NAMES[0] / "checkpoint")
    words = {"model.language.lm_head.weight", "model.language.model.embed_tokens.weight"}  # see the next test
    for name, trains in zip(NAMES[1:], [stage.trains for stage in PUBLISHED.values()], strict=True):
        after = weights(whole / name / "checkpoint")
        assert after.keys() == before.keys(), "an adapter was left unmerged"
        changed = {key for key in after.keys() - words if not torch.equal(after[key], before[key])}
        parts = {
            "renderer": {key for key in after if key.startswith("renderer.")},
            "projector": {key for key in after if key.startswith("model.projector.")},
            "lora": {key for key in after if re.search(r"(?:q|k|v|o|gate|up|down)_proj\.weight$", key)},
        }
        for part, keys in parts.items():
            assert keys and bool(keys & changed) == (part in trains), (name, part)
        assert changed <= set().union(*(keys for part, keys in parts.items() if part in trains)), name
        before = after


def test_new_words_are_learned_and_old_ones_left_alone(whole: Path) -> None:
    first, last = (weights(whole / name / "checkpoint") for name in (NAMES[2], NAMES[3]))
    old = json.loads((whole / "run.json").read_text())["first_new_word"]
    for name in ("model.language.lm_head.weight", "model.language.model.embed_tokens.weight"):
        torch.testing.assert_close(first[name][:old], last[name][:old], rtol=0, atol=0)
        assert len(last[name]) > len(first[name]) > old  # the words of rationales came with stage 3
        assert not torch.equal(first[name][old:], last[name][old : len(first[name])])
    tokenizer = load_checkpoint(whole / "checkpoint").model.tokenizer
    words = (whole / NAMES[3] / "rationales.jsonl").read_text()
    assert "speaks" in words and "speaks" in tokenizer.get_vocab()
    assert tokenizer.unk_token_id not in tokenizer("first , the person jumps . label : jump")["input_ids"]


def test_the_result_labels_a_clip(whole: Path) -> None:
    model = load_model(str(whole / "checkpoint"))
    assert model.label(make_motion("walk", "cmu", seed=700_001)).text in model.labels


def test_every_step_of_every_stage_is_in_the_log_once(whole: Path) -> None:
    assert [(row["number"], row["step"]) for row in rows(whole)] == [(n, s) for n in range(5) for s in range(1, 9)]
    asked = [set(row) - {"stage", "number", "step", "loss", "rate"} for row in rows(whole)[::8]]
    assert asked[0] >= {"label", "helper"} and asked[1:] == [{"choice"}, {"yes_no"}, {"rationale"}, {"choice"}]


def test_tensorboard_is_told_what_the_log_holds(whole: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(whole / "tensorboard"))
    board.Reload()
    told = [(point.step, point.value) for point in board.Scalars("3 cr-distill/loss")]
    logged = [(row["step"], row["loss"]) for row in rows(whole) if row["number"] == 3]
    assert [step for step, _ in told] == [step for step, _ in logged]
    assert [value for _, value in told] == pytest.approx([value for _, value in logged])


def test_a_finished_run_is_left_alone_and_other_values_are_refused(whole: Path) -> None:
    log, stamp = (whole / "log.jsonl").read_text(), (whole / NAMES[3] / "state.pt").stat().st_mtime_ns
    recipe = read_recipe(whole.parent / "recipe.yaml")
    clips = trainer.load_items(recipe)

    def again(changed: Recipe, some: tuple[list, list] = clips) -> None:
        trainer.train(changed, say=lambda text: None, clips=some)

    again(recipe)
    assert (whole / "log.jsonl").read_text() == log and (whole / NAMES[3] / "state.pt").stat().st_mtime_ns == stamp
    with pytest.raises(SkeletonLLMError, match=r"other values \(seed\)"):
        again(replace(recipe, seed=1))
    stages = (replace(recipe.stages[0], steps=9), *recipe.stages[1:])
    with pytest.raises(SkeletonLLMError, match=r"other values \(stage warm-up\)"):
        again(replace(recipe, stages=stages))
    with pytest.raises(SkeletonLLMError, match=r"other values \(clips\)"):
        again(recipe, (clips[0][:-1], []))


# --- killed, and more than one process


@pytest.mark.slow
def test_killed_three_times_in_different_stages_it_ends_with_the_same_loss(whole: Path, tmp_path: Path) -> None:
    path, out = recipe_file(tmp_path), tmp_path / "run"
    for number, step in ((0, 5), (2, 4), (3, 5)):
        run = subprocess.Popen(command("train", str(path)), env=environment(), stderr=subprocess.DEVNULL)
        until = time.monotonic() + 240
        while time.monotonic() < until:
            text = (out / "log.jsonl").read_text() if (out / "log.jsonl").is_file() else ""
            lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
            if any((row["number"], row["step"]) >= (number, step) for row in lines):
                break
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, "the run ended before it was killed"
    done = subprocess.run(command("train", str(path)), env=environment(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "going on at step" in done.stderr and "min left" in done.stderr
    assert rows(out)[-1]["loss"] == pytest.approx(rows(whole)[-1]["loss"], abs=1e-6)
    for ours, theirs in zip(rows(out), rows(whole), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)
    for name in ("model.safetensors", "renderer.safetensors", "labels.json", "tokenizer.json"):
        assert (out / "checkpoint" / name).read_bytes() == (whole / "checkpoint" / name).read_bytes()


@pytest.mark.slow
def test_two_processes_or_pieces_give_the_weights_of_one(tmp_path: Path) -> None:
    """20 steps in every stage: one process; two with half a batch each; one that goes through a batch in two pieces,
    with gradient checkpointing. Without dropout, whose chance is each process's own."""
    outs = []
    for name, changes in (
        ("one", {}), ("two", {}), ("pieces", {"accumulate": 2, "checkpointing": "true"}),
    ):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        path = recipe_file(folder, dropout=0.0, save_every=100, steps=20, **changes)
        outs.append(folder / "run")
        if name != "two":
            trainer.train(read_recipe(path), say=lambda text: None)
            continue
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
        start += ["--nproc_per_node=2", "-m", "skeletonllm_core", "train", str(path)]
        done = subprocess.run(start, env=environment(), capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stderr.count("clips to train on") == 1, "every process speaks"
    # In a softmax over keys the bias of the keys cancels out: its gradient is rounding, which Adam blows up.
    attention = "model.vision.temporal.layers.0.self_attn.in_proj_bias"
    for stage in NAMES:
        one, *others = (weights(out / stage / "checkpoint") for out in outs)
        for other in others:
            for key, value in one.items():
                real = [slice(0, 32), slice(64, 96)] if key == attention else [slice(None)]
                for part in real:
                    torch.testing.assert_close(other[key][part], value[part], rtol=0, atol=1e-5, msg=f"{stage} {key}")
    losses = [[row["loss"] for row in rows(out)] for out in outs]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4) and losses[2] == pytest.approx(losses[0], abs=1e-4)


def test_a_batch_that_does_not_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SkeletonLLMError, match="4 clips does not split evenly over 1 processes times 3 pieces"):
        trainer.train(read_recipe(recipe_file(tmp_path, accumulate=3)), say=lambda text: None)


def test_clips_drawn_ahead_by_workers_are_the_same(whole: Path, tmp_path: Path) -> None:
    recipe = replace(read_recipe(recipe_file(tmp_path)), workers=2, stages=())
    trainer.train(recipe, say=lambda text: None)
    assert [row["loss"] for row in rows(tmp_path / "run")] == [row["loss"] for row in rows(whole)[:8]]


# --- other models to start from


def a_stage(name: str, **changes) -> Stage:
    return replace(PUBLISHED[name], **{"steps": 2, "batch": 2, "learning_rate": 1e-3, **changes})


def test_a_recipe_starts_from_the_default_and_learns_labels_of_its_own(tmp_path: Path) -> None:
    clips = [replace(clip, source="mine") for clip in procedural_clips(6, 0)]
    items = [
        replace(item, label="flamingo dance" if index % 2 else item.label)
        for index, item in enumerate(items_of(clips, 0))
    ]
    stages = (a_stage("warm-up"), a_stage("cr-distill"), a_stage("refine", tasks={"choice": 1.0, "caption": 0.5}))
    recipe = Recipe(out=tmp_path, start="default", stages=stages, mix={"mine": 1.0})
    made = trainer.train(recipe, say=lambda text: None, clips=(items, []))
    before, after = load_model("default"), load_model(str(made))
    assert set(after.trained_labels) == {*before.trained_labels, "flamingo dance", *(item.label for item in items)}
    assert after.calibration == before.calibration
    assert "flamingo" in after.model.tokenizer.get_vocab() and "flamingo" not in before.model.tokenizer.get_vocab()
    count = len(before.model.tokenizer)
    old, new = (model.model.language.get_input_embeddings().weight for model in (before, after))
    assert torch.equal(old, new[:count]) and len(new) > count
    assert not (tmp_path / "0-pretrain").exists()


def test_a_transformers_model_goes_through_a_stage_with_adapters(tmp_path: Path) -> None:
    """LoRA, gradient checkpointing and bfloat16 together; the renderer and the projector learn, the rest is merged."""
    (tmp_path / "start").mkdir()
    start = tiny("internvl")
    start.save(tmp_path / "start")
    stages = (a_stage("warm-up", candidates=3), a_stage("cr-distill", lora=Lora(rank=4)))
    recipe = Recipe(
        out=tmp_path / "run", start=str(tmp_path / "start"), stages=stages, procedural=4, bfloat16=True,
        gradient_checkpointing=True, log_every=1,
    )  # fmt: skip
    made = trainer.train(recipe, say=lambda text: None)
    after = load_checkpoint(made).model
    assert all(np.isfinite(row["loss"]) for row in rows(tmp_path / "run"))
    moved = {
        part: any(not torch.equal(a, b.cpu()) for a, b in zip(start.parts()[part], after.parts()[part], strict=True))
        for part in ("vision", "projector", "language")
    }
    assert moved == {"vision": False, "projector": True, "language": True}
    drawn = [
        load_file(tmp_path / "run" / name / "checkpoint" / "renderer.safetensors") for name in (NAMES[1], NAMES[3])
    ]
    assert any(not torch.equal(drawn[0][key], drawn[1][key]) for key in drawn[0])


# --- what is asked


@pytest.fixture(scope="module")
def items():
    clips = [clip for clip in procedural_clips(140, 0) if clip.label in WALKS_AND_WAVES]
    assert {clip.label for clip in clips} == set(WALKS_AND_WAVES)
    return items_of(clips, 0)


def test_a_choice_lists_the_truth_once_and_no_other_right_answer() -> None:
    labels = ["high arm wave", "wave", "run", "walk", "jog", "sit down", "kick"]
    for seed in range(30):
        prompt, answer = choice_task("high arm wave", labels, 4, 2.0, np.random.default_rng(seed))
        listed = re.fullmatch(r"2\.0 seconds \. which of these is the action : (.+) \?", prompt)[1].split(" , ")
        assert answer == "high arm wave" and listed.count(answer) == 1 and len(set(listed)) == 4
        assert not any(same_action(answer, other) for other in listed if other != answer)
    prompt, _ = choice_task("walk", labels, 0, 2.0, np.random.default_rng(0))
    assert all(label in prompt for label in labels)


def test_disc_ft_asks_one_yes_and_one_no_evenly_from_the_neighbours() -> None:
    rng = np.random.default_rng(0)
    asked: dict[str, int] = {}
    for _ in range(3000):
        (yes, first), (no, second) = yes_no_tasks("walk", ("run", "march", "hop"), 1.0, rng)
        assert (first, second) == ("yes", "no") and "is this the action walk ?" in yes
        asked[no] = asked.get(no, 0) + 1
    assert len(asked) == 3 and all(abs(count - 1000) < 120 for count in asked.values())
    assert [answer for _, answer in yes_no_tasks("walk", (), 1.0, rng)] == ["yes"]


def test_tasks_of_a_mirrored_clip_speak_of_the_other_side(items) -> None:
    item = next(item for item in items if item.label == "wave left hand")
    told = dict.fromkeys([(item.name, 0), (item.name, 1)], "the left hand . Label: wave left hand")
    sources = Sources(WALKS_AND_WAVES, {"wave left hand": ("wave right hand",)}, told)
    stage = replace(PUBLISHED["warm-up"], tasks={"choice": 1.0, "yes_no": 1.0, "rationale": 1.0})
    seen = set()
    for seed in range(12):
        sample = draw_sample(item, 4, stage, sources, np.random.default_rng(seed))
        here, there = sample.label, mirrored_text(sample.label)
        answers = {(kind, answer): prompt for kind, prompt, answer in sample.tasks}
        assert ("choice", here) in answers
        assert f"action {here} ?" in answers["yes_no", "yes"] and f"action {there} ?" in answers["yes_no", "no"]
        told = [answer for kind, answer in answers if kind == "rationale"]
        assert told in ([], [f"the {here.split()[1]} hand . Label: {here}"])
        seen |= {here} if told else set()
    assert seen == {"wave left hand", "wave right hand"}


def test_facts_stand_in_the_prompts_in_order_of_time(items, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "LACKING_SHARE", 0)
    monkeypatch.setattr(draws, "FIGURE_SHARE", 0)
    item = next(item for item in items if item.label == "wave left hand")
    stage = replace(PUBLISHED["warm-up"], tasks={"label": 1.0})
    known = [prompts.told_facts(telling_events(view.facts)) for view in item.views]
    known += [
        list(map(mirrored_text, prompts.told_facts(telling_events(view.facts), mirror=True))) for view in item.views
    ]
    assert [event.at_s for event in telling_events(item.views[0].facts)] == sorted(
        event.at_s for event in telling_events(item.views[0].facts)
    )
    told = set()
    for seed in range(40):
        (task,) = draw_sample(item, 4, stage, Sources((), {}, {}), np.random.default_rng(seed), 0.5).tasks
        found = re.fullmatch(r"[\d.]+ seconds \. (?:(.+) \. )?what is the action \?", task[1])[1]
        facts = found.split(" , ") if found else []
        assert any([one for one in whole if one in facts] == facts for whole in known)
        told.add(len(facts))
    assert 0 in told and max(told) > 2, "both with and without"


def test_facts_of_one_moment_stand_in_one_order_for_both_sides() -> None:
    steps = [Event(1.0, "kick", 1.0, f"{side} foot kicks at 1.0 s") for side in ("right", "left")]
    later = Event(2.0, "jump", 1.0, "jumps at 2.0 s")
    straight = prompts.told_facts([later, *steps])
    swapped = prompts.told_facts([later, *steps], mirror=True)
    assert straight == ["left foot kicks at 1.0 s", "right foot kicks at 1.0 s", "jumps at 2.0 s"]
    assert list(map(mirrored_text, swapped)) == straight


def test_questions_about_order_are_told_what_happens_when() -> None:
    clips = [clip for clip in procedural_clips(140, 0) if clip.label in ("cartwheel", "sit down", "throw")]
    item = next(item for item in items_of(clips, 0) if ordered_pairs(steps(item.views[0].facts)))
    stage = replace(PUBLISHED["warm-up"], tasks={"question": 1.0})
    read = 0
    for seed in range(40):
        (task,) = draw_sample(item, 4, stage, Sources((), {}, {}), np.random.default_rng(seed), 0.5).tasks
        found = re.fullmatch(r"[\d.]+ seconds \. (.+ s) \. what comes first , (.+) or (.+) \?", task[1])
        if found:
            begun = [re.fullmatch(r"(.+) at ([\d.]+) s", step) for step in found[1].split(" , ")]
            seconds = [float(step[2]) for step in begun]
            clauses = [step[1] for step in begun]
            assert seconds == sorted(seconds) and task[2] in found.groups()[1:]
            assert clauses.index(task[2]) == min(clauses.index(found[2]), clauses.index(found[3]))
            read += 1
    assert read > 10, "asked often, always with the steps in the prompt"


def happening(*moments: tuple[float, str]) -> tuple[Event, ...]:
    return tuple(Event(at, clause, 1.0, clause, clause) for at, clause in moments)


def test_what_happens_again_is_asked_for_by_its_first_time() -> None:
    assert ordered_pairs(happening((0.2, "waves"), (1.0, "jumps"), (2.0, "waves"))) == [("waves", "jumps")]


def test_some_questions_can_only_be_answered_by_reading(items) -> None:
    stage = replace(PUBLISHED["warm-up"], tasks={"question": 1.0})
    others = happening((0.5, "waves"), (1.5, "jumps"), (1.7, "kneels"))
    sources = Sources((), orders=(others,))
    first, asked = set(), 0
    for seed in range(60):
        (task,) = draw_sample(items[0], 4, stage, sources, np.random.default_rng(seed), 0.5).tasks
        found = re.fullmatch(r"[\d.]+ seconds \. (.+ s) \. what comes first , (.+) or (.+) \?", task[1])
        if found and "waves" in found[1]:
            told = {step.rsplit(" at ", 1)[0]: step.rsplit(" at ", 1)[1] for step in found[1].split(" , ")}
            assert sorted(told) == ["jumps", "kneels", "waves"]
            assert sorted(told.values()) == ["0.5 s", "1.5 s", "1.7 s"]
            assert told[task[2]] == "0.5 s" and told[(set(found.groups()[1:]) - {task[2]}).pop()] != "0.5 s"
            first.add(task[2])
            asked += 1
    assert 10 < asked < 40
    assert first == {"waves", "jumps", "kneels"}, "whatever the clip shows"
    without = draw_sample(items[0], 4, stage, replace(sources, orders=()), np.random.default_rng(0), 0.5)
    assert "kneels" not in without.tasks[0][1]


def test_some_actions_can_only_be_told_by_reading(items) -> None:
    runs = next(item for item in items if item.label == "run")
    kick = next(item for item in items if item.label == "kick")
    kick = replace(kick, views=(replace(kick.views[0], end=0.2),))
    stage = replace(PUBLISHED["warm-up"], tasks={"label": 1.0, "caption": 1.0, "question": 1.0})
    whole = [prompts.told_facts(telling_events(view.facts)) for view in runs.views]
    decided = Sources((), decided=frozenset((runs.name, number) for number in range(len(runs.views))))
    for seed in range(20):
        sample = draw_sample(runs, 4, stage, decided, np.random.default_rng(seed), 0.5, strange=kick)
        ((kind, prompt, answer),) = sample.tasks
        seconds, told = re.fullmatch(r"([\d.]+) seconds \. (.+) \. what is the action \?", prompt).groups()
        assert (kind, answer) == ("label", "run") and "running" in told and float(seconds) > 0.6
        told = told.split(" , ")
        assert told in whole or list(map(mirrored_text, told)) in whole, "nothing that is measured is left out"
        assert sample.scene.seconds < 0.6, "the moment of the kick"
    sample = draw_sample(runs, 4, stage, Sources(()), np.random.default_rng(0), 1.0, strange=kick)
    assert sample.scene.seconds > 0.6, "what is told does not decide"


def test_of_a_poorly_measured_source_the_pictures_are_believed(items) -> None:
    runs = next(item for item in items if item.label == "run")
    kick = next(item for item in items if item.label == "kick")
    stage = replace(PUBLISHED["warm-up"], tasks={"label": 1.0, "caption": 1.0, "question": 1.0})
    poor = Sources((), poorly_measured=frozenset({"procedural"}))
    for seed in range(20):
        sample = draw_sample(runs, 4, stage, poor, np.random.default_rng(seed), 0.5, strange=kick)
        ((kind, prompt, answer),) = sample.tasks
        assert (kind, answer) == ("label", "run") and "kick" in prompt and "running" not in prompt
        assert sample.scene.seconds > 0.6
    nameless = draw_sample(replace(runs, label=None), 4, stage, poor, np.random.default_rng(0), 0.5, strange=kick)
    assert nameless.tasks and "kick" not in nameless.tasks[0][1], "it has no action to ask for"


def test_what_is_told_decides_where_it_is_told_of_one_action() -> None:
    clips = [clip for clip in procedural_clips(9 * len(ACTIONS), 0) if clip.label in ("run", "jog", "walk backward")]
    items = [item for seed in range(5) for item in items_of(clips, seed)]
    items = [replace(item, name=str(place)) for place, item in enumerate(items)]
    decided, poor = trust_in_facts(items)
    shares = {
        label: np.mean([(item.name, number) in decided for item in items if item.label == label for number in (0, 1)])
        for label in ("run", "jog", "walk backward")
    }
    assert shares["walk backward"] > 0.8 and shares["run"] < 0.3 and shares["jog"] < 0.3, (
        "a run and a jog are told alike"
    )
    assert not poor
    decided, poor = trust_in_facts([item for item in items if item.label != "walk backward"])
    assert not decided and poor == {"procedural"}
    assert trust_in_facts(items[:2]) == (frozenset(), frozenset()), "too few to tell"


def test_only_a_model_that_is_told_facts_learns_to_trust_them(tmp_path: Path, items) -> None:
    recipe = replace(read_recipe(recipe_file(tmp_path)), mix={"procedural": 1.0})
    stage = replace(PUBLISHED["warm-up"], tasks={"label": 1.0}, batch=200)
    decided = Sources((), decided=frozenset((item.name, number) for item in items for number in range(2)))
    told = []
    for facts in (0.0, 1e-9):
        batch = Draws(items, recipe, stage, frames=4, facts=facts, steps=1, sources=decided)[0]
        told.append(sum("seconds . what" not in sample.tasks[0][1] for sample in batch.samples))
    assert told[0] == 0 and 15 < told[1] < 50


@pytest.mark.parametrize(
    ("question", "about_order"),
    [("Which hand is raised first?", True), ("What happens before the jump?", True), ("Is it the right hand?", False)],
)
def test_a_question_about_order_is_told_from_others(question: str, about_order: bool) -> None:
    assert prompts.asks_order(question) is about_order


def test_a_guess_is_shown_of_joints_that_lack_and_nothing_is_measured_on_it(
    items, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "FIGURE_SHARE", 0)
    monkeypatch.setattr(draws, "LACKING_SHARE", 1)
    item = next(item for item in items if item.label == "wave left hand")
    made = []
    for share in (0, 1):
        monkeypatch.setattr(draws, "GUESSED_SHARE", share)
        made.append([draws.recorded_otherwise(item, item.views[0], np.random.default_rng(seed)) for seed in range(12)])
    for (poor, measured, lacks), (guessed, told, also) in zip(*made, strict=True):
        assert lacks and also
        assert told.facts.sentences() == measured.facts.sentences()
        assert set(poor.parts) <= set(guessed.parts) == set(item.body.parts)
    assert np.mean([len(poor.parts) for poor, _, _ in made[0]]) < 0.8 * len(item.body.parts)


def test_a_clip_that_lacks_joints_is_only_asked_for_its_action(items, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "FIGURE_SHARE", 0)
    monkeypatch.setattr(draws, "GUESSED_SHARE", 0)
    item = next(item for item in items if item.label == "wave left hand")
    stage = replace(PUBLISHED["warm-up"], tasks={"label": 1.0, "caption": 1.0, "question": 1.0})
    samples = [draw_sample(item, 4, stage, Sources(()), np.random.default_rng(seed), 1.0) for seed in range(80)]
    poor = [sample for sample in samples if [kind for kind, _, _ in sample.tasks] == ["label"]]
    assert 10 < len(poor) < 30
    joints = [len(sample.scene.persons[0].parts) for sample in poor]
    assert min(joints) < 0.6 * len(item.body.parts) <= 0.95 * len(item.body.parts) < 1 + max(joints)
    lost = 0
    for sample in poor:
        there = {part for person in sample.scene.persons for part in person.parts}
        for side in ("left", "right"):
            if not {BodyPart(f"{side}_{joint}") for joint in ("hand", "forearm", "fingers")} & there:
                assert f"{side} hand" not in sample.tasks[0][1], "nothing is told of a hand that is not there"
                lost += 1
    assert lost
    assert any("hand" in sample.tasks[0][1] for sample in poor), "what can still be measured is told"


def test_what_is_measured_of_a_prepared_body_is_what_is_measured_of_the_clip(items) -> None:
    for item in items:
        for view in item.views:
            again = facts_of(item.body, view.start, view.end)
            assert again.sentences() == view.facts.sentences()


def test_clips_are_also_acted_by_figures_out_of_proportion(items, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "LACKING_SHARE", 0)
    monkeypatch.setattr(draws, "FIGURE_SHARE", 1)
    item = next(item for item in items if item.label == "kick")
    stage = replace(PUBLISHED["warm-up"], tasks={"label": 1.0, "caption": 1.0, "rationale": 1.0})
    sources = Sources((), rationales={(item.name, number): "why ." for number in range(len(item.views))})
    told = set()
    for seed in range(20):
        figure, view, lacking = draws.recorded_otherwise(item, item.views[0], np.random.default_rng(seed))
        assert (view.start, view.end) == (item.views[0].start, item.views[0].end) and not lacking
        assert view.facts.sentences() == facts_of(figure, view.start, view.end).sentences()
        assert any("kicks" in sentence for sentence in view.facts.sentences())
        told.add(view.facts.sentences())
        sample = draw_sample(item, 4, stage, sources, np.random.default_rng(seed), 1.0)
        assert [kind for kind, _, _ in sample.tasks] == ["label", "caption"], "no rationale, which states distances"
    assert len(told) > 10, "what is told is measured of each figure"


def test_gaits_are_also_shown_as_loops_in_place(items, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "LACKING_SHARE", 0)
    monkeypatch.setattr(draws, "FIGURE_SHARE", 0)
    stage = replace(PUBLISHED["warm-up"], tasks={"label": 1.0, "caption": 1.0})
    item = next(item for item in items if item.label == "run")
    item = replace(item, views=item.views[:1])
    samples = [draw_sample(item, 4, stage, Sources(()), np.random.default_rng(seed), 1.0) for seed in range(80)]
    in_place = [sample for sample in samples if np.abs(sample.scene.ground - sample.scene.ground[0]).max() < 0.1]
    assert 8 < len(in_place) < 40
    for sample in in_place:
        (_, prompt, answer), (_, _, caption) = sample.tasks
        assert answer == "run"
        assert "forward" not in prompt.split("hand")[0], "and that is what is told"
        assert "runs" in caption and "forward" not in caption
    kick = next(item for item in items if item.label == "kick")
    for seed in range(20):
        body, view, lacking = draws.recorded_otherwise(kick, kick.views[0], np.random.default_rng(seed))
        assert body is kick.body and view is kick.views[0] and not lacking


def test_a_stage_whose_prompts_tell_facts_makes_a_model_that_is_told_them(tmp_path: Path) -> None:
    recipe = read_recipe(recipe_file(tmp_path, steps=1))
    recipe = replace(recipe, stages=(replace(recipe.stages[-1], facts=0.5),))
    made = trainer.train(recipe, say=lambda line: None)
    assert not load_model(str(recipe.out / "0-pretrain/checkpoint")).facts, "the stage before is not told any"
    told = load_model(str(made))
    assert told.facts and told.model.facts
    clip = make_motion("wave left hand", "cmu", seed=900_000)
    alone = pictures_alone(told)
    labels = ["wave left hand", "squat", "walk"]
    with_facts, without = ([one.score for one in model.label(clip, labels).alternatives] for model in (told, alone))
    assert told.facts and with_facts != without, "the copy alone is changed, and it is asked something else"


# --- unseen labels


def test_unseen_labels_are_never_learned(tmp_path: Path, items) -> None:
    items = [replace(item, source="mine") for item in items]
    stages = (a_stage("warm-up"), a_stage("disc-ft"), a_stage("cr-distill"))
    recipe = Recipe(
        out=tmp_path, stages=stages, mix={"mine": 1.0}, unseen=("wave right hand", "Kick"), steps=12, batch=8, warm_up=1,
        width=32, vision_layers=1, text_layers=1, channels=(8, 8, 16), frames=4, image_size=32,
    )  # fmt: skip
    said: list[str] = []
    made = trainer.train(recipe, say=said.append, clips=(items, []))
    hidden = {"wave right hand", "wave left hand", "kick"}  # the mirror image of one unseen label is unseen too
    assert set(load_checkpoint(made).labels) == set(WALKS_AND_WAVES) - hidden
    gone = sum(item.label in hidden for item in items)
    assert f"{gone} clips left out" in " ".join(said)
    table = json.loads((tmp_path / NAMES[2] / "negatives.json").read_text())["neighbours"]
    assert not hidden & {name for label, others in table.items() for name in (label, *others)}
    assert not re.search("Label: (?:wave|kick)", (tmp_path / NAMES[3] / "rationales.jsonl").read_text())


def test_a_leak_stops_the_run(monkeypatch, items) -> None:
    walk = next(item for item in items if item.label == "walk")
    unseen = frozenset({"kick"})
    for name, sources in (
        ("disc-ft", Sources(WALKS_AND_WAVES, {"walk": ("kick",)}, unseen=unseen)),
        ("warm-up", Sources(WALKS_AND_WAVES, unseen=unseen)),
        (
            "cr-distill",
            Sources(("walk",), {}, {(walk.name, 0): "a\nLabel: kick", (walk.name, 1): "Label: Kick ."}, unseen),
        ),
    ):
        with pytest.raises(SkeletonLLMError, match=r"unseen label 'kick' leaked into a task of the clip 'walk-"):
            draw_sample(walk, 4, PUBLISHED[name], sources, np.random.default_rng(0))
    # Stage 0 asks about labels that no clip has: those that are unseen are left out of its questions.
    asked = []
    monkeypatch.setattr(draws, "question_tasks", lambda *_: [("is this the action kick ?", "no"), ("fine ?", "yes")])
    stage = Recipe(out=Path("unused")).all_stages()[0]
    for seed in range(20):
        sample = draw_sample(walk, 4, stage, Sources(("walk",), unseen=unseen), np.random.default_rng(seed))
        asked += [prompt for kind, prompt, _ in sample.tasks if kind == "question"]
    assert asked and set(asked) == {"fine ?"}


def test_only_whole_labels_leak() -> None:
    unseen = frozenset({"walk", "jump"})
    assert leaked("1.0 seconds . is this the action walk ?", "no", unseen) == {"walk"}
    assert not leaked("1.0 seconds . is this the action walk backward ?", "no", unseen)
    assert leaked("which of these is the action : run , jump , hop ?", "run", unseen) == {"jump"}
    assert not leaked("describe the motion .", "the person walks and then jumps", unseen)


def test_a_model_that_knows_an_unseen_label_is_no_start(tmp_path: Path) -> None:
    recipe = Recipe(out=tmp_path, start="default", stages=(a_stage("warm-up"),), procedural=70, unseen=("walk",))
    with pytest.raises(SkeletonLLMError, match="'default' has already learned the unseen label 'walk'"):
        trainer.train(recipe, say=lambda text: None)
