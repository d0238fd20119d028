"""The tiny vision-language model: what it reads, what it says, what is saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.checkpoint import (
    Calibration,
    Checkpoint,
    checkpoint_sha256,
    load_checkpoint,
    save_checkpoint,
)
from skeletonllm_core.model.embedded import EmbeddedModel, cheapest_cut
from skeletonllm_core.model.language import generate, log_likelihoods, other_side_ids, word_ids
from skeletonllm_core.model.prompts import label_prompt, seconds_in_words
from skeletonllm_core.model.tiny import SIZES, TinyConfig, TinySkeletonLM
from skeletonllm_core.model.words import known_wording, sentence, word_tokenizer
from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.motion.facts import mirrored_text
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.train.procedural import make_motion

TEXTS = [label_prompt(2.5), "walk turn left", "raise up both hands", "it's 1 2 3 4 5 6 7 8 9 0, no?"]


@pytest.fixture
def tokenizer():
    return word_tokenizer(TEXTS)


@pytest.fixture
def model(tokenizer) -> TinySkeletonLM:
    torch.manual_seed(0)
    config = TinyConfig(
        image_size=32,
        frames=4,
        channels=(8, 8, 16),
        width=32,
        vision_layers=1,
        text_layers=2,
        vocab_size=len(tokenizer),
    )
    return TinySkeletonLM(config).eval()


def images(clips: int = 1) -> torch.Tensor:
    return torch.rand(clips, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_the_tokenizer_reads_and_writes_sentences(tokenizer) -> None:
    ids = word_ids(tokenizer, "Walk turn LEFT, 2.5 seconds?")
    assert tokenizer.unk_token_id not in ids
    assert sentence(tokenizer.decode(ids)) == "Walk turn left, 2.5 seconds?"
    assert word_ids(tokenizer, "xyzzy") == [tokenizer.unk_token_id]
    assert word_tokenizer(TEXTS).get_vocab() == tokenizer.get_vocab()


def test_questions_are_put_into_known_words() -> None:
    tokenizer = word_tokenizer(["which hand does the person raise ?"])
    assert known_wording(tokenizer, "Which arm does he lift?") == "which hand does person raise?"
    assert known_wording(tokenizer, "Is it Tuesday?") == "is it tuesday?"


def test_seconds_are_told_in_half_seconds() -> None:
    assert [seconds_in_words(s) for s in (0.0, 0.4, 2.6, 1e9)] == ["0.0", "0.5", "2.5", "30.0"]
    assert [seconds_in_words(s) for s in (0.7499998, 0.75, 0.7500002)] == ["1.0"] * 3


def test_cached_likelihoods_are_those_of_one_pass(model: TinySkeletonLM, tokenizer) -> None:
    visual = model.visual_tokens(images(2)).detach()
    prompt = label_prompt(2.5)
    answers = ["walk", "walk turn left", "raise up both hands"]
    found = log_likelihoods(model, tokenizer, visual, prompt, answers)
    for answer, value in zip(answers, found.T, strict=True):
        asked, told = word_ids(tokenizer, prompt), [*word_ids(tokenizer, answer), tokenizer.eos_token_id]
        words = torch.tensor([asked + told] * 2)
        expected = torch.zeros_like(words, dtype=torch.bool)
        expected[:, len(asked) :] = True
        with torch.no_grad():
            logits = model.answer_logits(visual, words, torch.ones_like(words), expected).log_softmax(-1)
        whole = logits.gather(-1, words[expected][:, None]).view(2, -1).sum(1)
        torch.testing.assert_close(value, whole, atol=1e-4, rtol=0)


def test_padding_does_not_change_an_answer(model: TinySkeletonLM, tokenizer) -> None:
    visual = model.visual_tokens(images(1)).detach()
    short = torch.tensor([word_ids(tokenizer, "walk turn left")])
    long = torch.nn.functional.pad(short, (0, 5), value=tokenizer.pad_token_id)
    wanted = torch.zeros_like(long, dtype=torch.bool)
    wanted[:, 1:3] = True
    with torch.no_grad():
        padded = model.answer_logits(visual, long, (long != tokenizer.pad_token_id).long(), wanted)
        bare = model.answer_logits(visual, short, torch.ones_like(short), wanted[:, :3])
    torch.testing.assert_close(padded, bare, atol=1e-5, rtol=1e-5)


def test_greedy_generation_takes_the_likeliest_word_each_time(model: TinySkeletonLM, tokenizer) -> None:
    visual = model.visual_tokens(images(1)).detach()
    same = torch.arange(len(tokenizer))
    words = generate(model, tokenizer, visual, ["walk"], 1, same, limit=4).split()
    read = word_ids(tokenizer, "walk")
    for word in words:
        ids = torch.tensor([[*read, 0]])
        wanted = torch.zeros_like(ids, dtype=torch.bool)
        wanted[:, -1] = True
        with torch.no_grad():
            best = int(model.answer_logits(visual, ids, torch.ones_like(ids), wanted).argmax())
        assert best == tokenizer.convert_tokens_to_ids(word)
        read.append(best)
    assert words


def test_greedy_generation_among_choices_writes_one_of_them(model: TinySkeletonLM, tokenizer) -> None:
    visual = model.visual_tokens(images(2)).detach()
    swap = other_side_ids(tokenizer, mirrored_text)
    choices = ["walk turn left", "raise up both hands", "walk"]
    for prompt in ("walk", "hands", "0"):
        assert generate(model, tokenizer, visual.repeat(2, 1, 1), [prompt] * 4, 2, swap, choices=choices) in choices


def test_swapping_the_views_swaps_the_sides_in_the_text(model: TinySkeletonLM) -> None:
    tokenizer = word_tokenizer([*TEXTS, "right"])
    torch.manual_seed(0)
    model = TinySkeletonLM(
        TinyConfig(**{**{name: getattr(model.config, name) for name in SIZES}, "vocab_size": len(tokenizer)})
    )
    one, other = model.eval().visual_tokens(images(2)).detach().split(1)
    swap = other_side_ids(tokenizer, mirrored_text)
    texts = [
        generate(model, tokenizer, torch.cat(views), ["walk"] * 2, 1, swap, limit=6)
        for views in ((one, other), (other, one))
    ]
    assert texts[0] and texts[1] == mirrored_text(texts[0])


def test_rows_of_any_length_have_the_loss_they_have_alone(model: TinySkeletonLM, tokenizer) -> None:
    asked = EmbeddedModel(model, tokenizer)
    samples = [
        (0, "walk", "turn"),
        (1, label_prompt(2.5), "raise up both hands"),
        (0, "walk turn left " * 9, "walk"),
        (1, "hands", "walk turn left"),
    ]
    clips = images(2)
    together = asked.answer_losses(clips, samples, 0.1)
    alone = torch.cat([asked.answer_losses(clips, [sample], 0.1) for sample in samples])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("lengths", [[3], [2, 2, 2], [1, 2, 9, 9], [1, 1, 1, 8], [2, 5, 5, 6, 30]])
def test_rows_are_divided_where_padding_is_least(lengths: list[int]) -> None:
    def padded(cut: int) -> int:
        return sum(len(part) * max(part, default=0) for part in (lengths[:cut], lengths[cut:]))

    assert padded(cheapest_cut(lengths)) == min(padded(cut) for cut in range(len(lengths)))


def test_the_loss_reaches_every_frame_and_every_renderer_parameter(model: TinySkeletonLM, tokenizer) -> None:
    renderer = SkeletonRenderer(32)
    drawn = renderer(canonical_frames([make_motion("wave right hand", "cmu", seed=700_000).keypoints()], 4))
    drawn.retain_grad()
    words = torch.tensor([word_ids(tokenizer, label_prompt(2.5) + " walk")])
    expected = torch.zeros_like(words, dtype=torch.bool)
    expected[:, -1] = True
    visual = model.visual_tokens(drawn.unflatten(0, (1, 4)))
    logits = model.answer_logits(visual, words, torch.ones_like(words), expected)
    torch.nn.functional.cross_entropy(logits, words[expected]).backward()
    assert (drawn.grad.abs().flatten(1).amax(1) > 0).all()
    for name, parameter in renderer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_a_checkpoint_comes_back_as_it_was(model: TinySkeletonLM, tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder).mkdir()
    (folder / "README.md").write_text("card")
    renderer = SkeletonRenderer(32)
    with torch.no_grad():
        renderer.appearance.colour.add_(0.1)
    save_checkpoint(Checkpoint(EmbeddedModel(model, tokenizer), renderer, ("walk",), Calibration(1.5, 0.4)), folder)
    again = load_checkpoint(folder)
    assert (folder / "README.md").read_text() == "card"
    assert [entry.name for entry in tmp_path.iterdir()] == ["made"], "nothing temporary is left"
    assert again.labels == ("walk",) and again.calibration == Calibration(1.5, 0.4)
    torch.testing.assert_close(
        again.model.tiny.visual_tokens(images()), model.visual_tokens(images()), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(again.renderer.appearance.colour, renderer.appearance.colour, atol=0, rtol=0)
    assert again.model.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert len(checkpoint_sha256(folder)) == 64


def test_loading_is_strict(model: TinySkeletonLM, tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    made = Checkpoint(EmbeddedModel(model, tokenizer), SkeletonRenderer(32), ("walk",))
    save_checkpoint(made, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "text_layers": 1}))
    with pytest.raises(SkeletonLLMError, match=r"model\.safetensors: does not fit"):
        load_checkpoint(folder)
    save_checkpoint(made, folder)
    (folder / "renderer.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(SkeletonLLMError, match=r"renderer\.safetensors"):
        load_checkpoint(folder)
    save_checkpoint(made, folder)
    (folder / "labels.json").write_text("{")
    with pytest.raises(SkeletonLLMError, match="damaged"):
        load_checkpoint(folder)
    (folder / "labels.json").unlink()
    with pytest.raises(SkeletonLLMError, match=r"labels\.json is missing"):
        load_checkpoint(folder)
