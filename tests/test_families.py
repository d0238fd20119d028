"""Vision-language models of transformers, small and random: what they see is what the renderer drew, and gradients go back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import BertConfig, BertModel

import skeletonllm_core as sk
from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.model.chat import SYSTEM, conversation, plain, with_choices
from skeletonllm_core.model.checkpoint import (
    Calibration,
    Checkpoint,
    checkpoint_sha256,
    load_checkpoint,
    pretrained,
    save_checkpoint,
)
from skeletonllm_core.model.foreground import foreground_patches
from skeletonllm_core.model.hf import HfModel, Look, parsed_look
from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.render.renderer import SkeletonRenderer
from skeletonllm_core.render.splats import BoneBatch, bone_batch
from skeletonllm_core.train.procedural import make_motion
from tests.tiny_families import SIZES, bpe_tokenizer, tiny

FORMS = {
    "internvl": ("internvl", {}),
    "internvl, sparse": ("internvl", {"sparse": True}),
    "qwen2.5-vl video": ("qwen2_5_vl", {}),
    "qwen2.5-vl images": ("qwen2_5_vl", {"images": True}),
    "qwen3-vl video": ("qwen3_vl", {}),
    "qwen3-vl video, sparse": ("qwen3_vl", {"sparse": True}),
    "qwen3-vl images": ("qwen3_vl", {"images": True}),
    "smolvlm": ("smolvlm", {}),
    "idefics3": ("idefics3", {}),
}
PROMPT = "2.5 seconds . what is the action ?"
ANSWERS = ["walk", "wave right hand", "raise up both hands ."]


@pytest.fixture(params=FORMS)
def model(request: pytest.FixtureRequest) -> HfModel:
    return made(request.param)


def made(form: str, frames: int = 4) -> HfModel:
    family, look = FORMS[form]
    return tiny(family, Look(frames=frames, size=SIZES[family], **look))


def images(model: HfModel, clips: int = 1) -> Tensor:
    shape = (clips, model.frames, 3, model.image_size, model.image_size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def touched(model: HfModel, clips: int = 1, share: float = 0.4) -> Tensor | None:
    if model.patch is None:
        return None
    cells = model.image_size // model.patch
    some = torch.rand(clips * model.frames, cells, cells, generator=torch.Generator().manual_seed(2)) < share
    some[:, cells // 2, cells // 2] = True
    return some


def scene(frames: int = 4):
    return canonical_frames([make_motion("wave right hand", "minimal", seed=700_000).keypoints()], frames)


# ---- gradients


def test_the_loss_is_differentiable_in_every_frame(model: HfModel) -> None:
    model = model.double()
    clip = images(model).double().requires_grad_()
    seen = touched(model)

    def loss(frames: Tensor) -> Tensor:
        return model.answer_losses(frames, [(0, PROMPT, ANSWERS[1]), (0, PROMPT, ANSWERS[0])], 0.1, seen).sum()

    loss(clip).backward()
    for frame in range(model.frames):
        slope = torch.zeros_like(clip)
        slope[:, frame] = clip.grad[:, frame] / clip.grad[:, frame].norm()
        with torch.no_grad():
            step = 1e-2
            change = (loss(clip + step * slope) - loss(clip - step * slope)) / (2 * step)
        assert float(change) > 0
        assert float((clip.grad * slope).sum()) == pytest.approx(float(change), rel=2e-3)


def test_the_loss_is_differentiable_in_every_renderer_parameter(model: HfModel) -> None:
    model = model.double()
    renderer = SkeletonRenderer(model.image_size).double()
    frames = scene()
    bones = bone_batch([frames])
    exact = {field.name: getattr(bones, field.name) for field in fields(bones)}
    exact = {name: value.double() if value.is_floating_point() else value for name, value in exact.items()}
    compiled = SkeletonRenderer(model.image_size)
    seen = None if model.patch is None else foreground_patches(compiled, frames, model.image_size, model.patch)

    def loss() -> Tensor:
        drawn = renderer.render_reference(BoneBatch(**exact))
        return model.answer_losses(drawn[None], [(0, PROMPT, ANSWERS[1])], touched=seen).sum()

    loss().backward()
    step = 2e-2  # the norms of some families round to float32
    for name, parameter in renderer.named_parameters():
        slope = parameter.grad / parameter.grad.norm()
        with torch.no_grad():
            parameter.add_(step * slope)
            above = loss()
            parameter.sub_(2 * step * slope)
            change = (above - loss()) / (2 * step)
            parameter.add_(step * slope)
        assert float(parameter.grad.norm()) == pytest.approx(float(change), rel=5e-3), name
    # The compiled renderer, which training uses, sends back the same.
    model.float().answer_losses(compiled(frames)[None], [(0, PROMPT, ANSWERS[1])], touched=seen).sum().backward()
    for (name, parameter), twin in zip(compiled.named_parameters(), renderer.parameters(), strict=True):
        size = float(twin.grad.norm())
        torch.testing.assert_close(parameter.grad.double(), twin.grad, atol=0.02 * size, rtol=0.05, msg=name)


# ---- the same as the model's own way


def own_patches(frames: Tensor, patch: int, video: bool) -> Tensor:
    """(N, 3, S, S) normalised → patches as the processors of Qwen2.5-VL and Qwen3-VL cut them, written out."""
    rows = []
    groups = frames.unflatten(0, (-1, 2)) if video else torch.stack([frames, frames], 1)
    cells = frames.shape[-1] // (2 * patch)
    for group in groups:
        for top in range(cells):
            for left in range(cells):
                for down in range(2):
                    for right in range(2):
                        y, x = (2 * top + down) * patch, (2 * left + right) * patch
                        rows.append(group[:, :, y : y + patch, x : x + patch].transpose(0, 1).flatten())
    return torch.stack(rows)


def own_inputs(model: HfModel, clip: Tensor, ids: Tensor) -> dict[str, Tensor]:
    """What the processors of the family make of a clip, for the model's own `forward` and `generate`."""
    kind = model.network.config.model_type
    pixels = model.family.normalised(clip)
    given = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
    if kind == "internvl":
        return {**given, "pixel_values": pixels}
    if kind in ("smolvlm", "idefics3"):
        return {**given, "pixel_values": pixels[None]}
    video = not model.family.as_images
    patch = model.network.config.vision_config.patch_size
    edge = model.image_size // patch
    grid = [[len(clip) // 2, edge, edge]] if video else [[1, edge, edge]] * len(clip)
    marks = torch.where(ids == model.family.token, 2 if video else 1, 0)[None]
    names = ("pixel_values_videos", "video_grid_thw") if video else ("pixel_values", "image_grid_thw")
    values = (own_patches(pixels, patch, video), torch.tensor(grid))
    return {**given, "mm_token_type_ids": marks, **dict(zip(names, values, strict=True))}


def asked(model: HfModel) -> Tensor:
    text = conversation(model.tokenizer, model.family.pictures(), plain(PROMPT))
    return torch.tensor(model.tokenizer(text, add_special_tokens=False)["input_ids"])


DENSE = [form for form in FORMS if "sparse" not in form]


@pytest.mark.parametrize("form", DENSE)
def test_likelihoods_are_those_of_the_model_s_own_forward(form: str) -> None:
    model = made(form)
    clips = images(model, 2)
    found = model.log_likelihoods(clips, PROMPT, ANSWERS)
    losses = model.answer_losses(clips, [(clip, PROMPT, answer) for clip in (0, 1) for answer in ANSWERS])
    prompt = asked(model)
    for clip in (0, 1):
        for index, answer in enumerate(ANSWERS):
            told = torch.tensor([*model.tokenizer(plain(answer))["input_ids"], model.tokenizer.eos_token_id])
            inputs = own_inputs(model, clips[clip], torch.cat([prompt, told]))
            with torch.no_grad():
                scores = model.network(**inputs).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            each = scores.gather(-1, told[:, None])[:, 0]
            assert float(found[clip, index]) == pytest.approx(float(each.sum()), abs=1e-3)
            assert float(losses[clip * len(ANSWERS) + index]) == pytest.approx(-float(each.mean()), abs=1e-4)


@pytest.mark.parametrize("form", DENSE)
def test_writing_is_the_model_s_own_greedy_generation(form: str) -> None:
    model = made(form)
    clip = images(model)
    prompt = asked(model)
    end = model.tokenizer.eos_token_id
    model.network.generation_config.eos_token_id = end
    made_of = model.network.generate(
        **own_inputs(model, clip[0], prompt), max_new_tokens=6, do_sample=False, pad_token_id=0, eos_token_id=end
    )[0, len(prompt) :]
    expected = model.tokenizer.decode(made_of, skip_special_tokens=True).strip()
    assert model.write(clip, PROMPT, limit=6) == expected != ""


def test_writing_among_choices_and_over_views(model: HfModel) -> None:
    clips = images(model, 2)
    seen = touched(model, 2)
    choices = [plain(answer) for answer in ANSWERS]
    assert model.write(clips, PROMPT, choices=choices, touched=seen) in choices
    alone = model.log_likelihoods(clips[:1], PROMPT, ANSWERS, None if seen is None else seen[: model.frames])
    both = model.log_likelihoods(clips, PROMPT, ANSWERS, seen)
    torch.testing.assert_close(both[:1], alone, atol=1e-4, rtol=0)
    assert (both[0] - both[1]).abs().max() > 1e-3, "another clip, another answer"


@pytest.mark.parametrize(
    ("form", "processor", "settings"),
    [
        ("internvl", "GotOcr2ImageProcessorPil", {"crop_to_patches": False, "size": {"height": 84, "width": 84}}),
        ("qwen2.5-vl images", "Qwen2VLImageProcessorPil", {"do_resize": False}),
        ("qwen3-vl images", "Qwen2VLImageProcessorPil", {"do_resize": False, "patch_size": 16, "half": True}),
        (
            "smolvlm",
            "SmolVLMImageProcessorPil",
            {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 128}, "do_image_splitting": False},
        ),
    ],
)
def test_pixels_are_those_of_the_family_s_processor(form: str, processor: str, settings: dict) -> None:
    import transformers

    model = made(form)
    frames = (images(model)[0] * 255).round().to(torch.uint8)
    settings = dict(settings)
    if settings.pop("half", False):
        settings |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    elif form == "internvl":
        settings |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    theirs = getattr(transformers, processor)(**settings)
    wanted = theirs(images=list(frames.numpy()), return_tensors="pt", input_data_format="channels_first")[
        "pixel_values"
    ]
    clip = frames[None].float() / 255
    ours = model.family._patches(clip) if form.startswith("qwen") else model.family.normalised(clip)
    torch.testing.assert_close(ours.reshape(wanted.shape), wanted, atol=1e-5, rtol=0)


# ---- the foreground


@pytest.mark.parametrize("form", ["internvl, sparse", "qwen3-vl video, sparse"])
@pytest.mark.parametrize("frames", [4, 3])
def test_all_patches_kept_is_the_dense_path(form: str, frames: int) -> None:
    sparse = made(form, frames)
    dense = HfModel(sparse.network, sparse.tokenizer, Look(frames=frames, size=sparse.image_size))
    clips = images(sparse, 2)
    cells = sparse.image_size // sparse.patch
    every = torch.ones(2 * frames, cells, cells, dtype=torch.bool)
    wanted = dense.log_likelihoods(clips, PROMPT, ANSWERS)
    torch.testing.assert_close(sparse.log_likelihoods(clips, PROMPT, ANSWERS, every), wanted, atol=1e-4, rtol=0)
    # Where nothing is drawn at all, there is nothing to leave out either.
    torch.testing.assert_close(sparse.log_likelihoods(clips, PROMPT, ANSWERS, ~every), wanted, atol=1e-4, rtol=0)


def test_all_patches_kept_is_the_dense_path_at_the_size_of_internvl() -> None:
    dense = tiny("internvl", Look(frames=12, size=448))
    sparse = HfModel(dense.network, dense.tokenizer, Look(frames=12, size=448, sparse=True))
    clip = images(dense)
    assert sparse.family.tokens == 3072
    every = torch.ones(12, 16, 16, dtype=torch.bool)
    wanted, found = (one.log_likelihoods(clip, PROMPT, ANSWERS, every) for one in (dense, sparse))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("family", "cell"), [("internvl", 28), ("qwen3_vl", 32)])
def test_kept_patches_keep_their_place(family: str, cell: int) -> None:
    """Behind an encoder without layers a token is what its own patches and their places make it."""
    model = tiny(family, Look(frames=4, size=SIZES[family], sparse=True))
    vision = model.family.vision
    if family == "internvl":
        vision.encoder.layer = torch.nn.ModuleList()
    else:
        vision.blocks = torch.nn.ModuleList()
        model.network.config.vision_config.deepstack_visual_indexes = []
    clip = images(model)
    kept = model.family.kept(touched(model))
    assert 0 < int(kept.sum()) < model.family.tokens
    with torch.no_grad():
        (dense,), (sparse,) = model.family.encode(clip, None), model.family.encode(clip, kept)
    torch.testing.assert_close(sparse.tokens, dense.tokens[kept[0]], atol=1e-5, rtol=0)
    ids, places = model._asked(PROMPT, sparse)
    whole, everywhere = model._asked(PROMPT, dense)
    shown = whole == model.family.token
    left = ~shown
    left[shown] = kept[0]
    torch.testing.assert_close(places, everywhere[..., left])
    assert len(ids) == len(whole) - int((~kept).sum())


def test_the_foreground_holds_the_body_and_not_the_ground() -> None:
    renderer = SkeletonRenderer(448)
    frames = scene(6)
    seen = foreground_patches(renderer, frames, 448, 28)
    faint = renderer.touched_patches(frames, 448, 28)
    assert (
        seen.shape == (6, 16, 16) and bool((faint | ~seen).all()) and seen.float().mean() < 0.5 * faint.float().mean()
    )
    with torch.no_grad():
        drawn = renderer(frames).sum(1)
    light = torch.nn.functional.avg_pool2d(drawn, 28)
    assert float((light * seen).sum() / light.sum()) > 0.85
    assert float(light[~seen].max()) < 0.25 * float(light.max())


# ---- checkpoints and training


def test_a_fine_tuned_model_comes_back_as_it_was(model: HfModel, tmp_path: Path) -> None:
    clips = images(model)
    adapted = get_peft_model(
        model.language, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    renderer = SkeletonRenderer(model.image_size)
    with torch.no_grad():
        renderer.appearance.colour.add_(0.1)
        model.parts()["projector"][0].add_(0.1)
    whole = Checkpoint(model, renderer, ("walk", "run"), Calibration(1.5, 0.4))
    with pytest.raises(SkeletonLLMError, match="merged"):
        save_checkpoint(whole, tmp_path / "made")
    adapted.merge_and_unload()
    wanted = model.log_likelihoods(clips, PROMPT, ANSWERS, touched(model))
    save_checkpoint(whole, tmp_path / "made")
    again = load_checkpoint(tmp_path / "made")
    assert isinstance(again.model, HfModel)
    found = again.model.log_likelihoods(clips, PROMPT, ANSWERS, touched(model))
    torch.testing.assert_close(found, wanted, atol=0, rtol=0)
    torch.testing.assert_close(again.renderer.appearance.colour, renderer.appearance.colour)
    assert again.labels == ("walk", "run") and again.calibration == Calibration(1.5, 0.4)
    assert (again.model.frames, again.model.image_size, again.model.patch, again.model.family.as_images) == (
        model.frames,
        model.image_size,
        model.patch,
        model.family.as_images,
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["made"], "nothing temporary is left"
    before = checkpoint_sha256(tmp_path / "made")
    save_checkpoint(replace(again, labels=("walk",)), tmp_path / "made")
    assert checkpoint_sha256(tmp_path / "made") != before


def test_adapters_train_in_bfloat16_with_checkpointed_activations(model: HfModel) -> None:
    model = model.to(torch.bfloat16).train()
    seen = touched(model)
    clip = images(model).requires_grad_()
    samples = [(0, PROMPT, ANSWERS[1])]
    plainly = model.answer_losses(clip, samples, touched=seen)
    get_peft_model(model.language, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    model.network.gradient_checkpointing_enable({"use_reentrant": False})
    loss = model.answer_losses(clip, samples, touched=seen)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, plainly, atol=0.02, rtol=0.01)
    loss.sum().backward()
    assert (clip.grad.abs().flatten(2).amax(2) > 0).all()
    adapters = {name: one for name, one in model.named_parameters() if "lora_B" in name}
    assert adapters and all(one.grad is not None and one.grad.abs().max() > 0 for one in adapters.values())
    # The renderer may be frozen: then only the adapters learn.
    model.zero_grad(set_to_none=True)
    model.answer_losses(clip.detach(), samples, touched=seen).sum().backward()
    assert all(one.grad is not None and one.grad.abs().max() > 0 for one in adapters.values())


def test_every_parameter_belongs_to_one_part(model: HfModel) -> None:
    parts = model.parts()
    listed = [id(one) for part in parts.values() for one in part]
    assert sorted(listed) == sorted(id(one) for one in model.network.parameters())
    assert set(parts) == {"vision", "projector", "language"} and all(parts.values())
    inside = {id(one) for one in model.language.parameters()}
    assert inside <= {id(one) for one in parts["language"]}


# ---- the conversation


def test_the_conversation_fits_the_template() -> None:
    listed = bpe_tokenizer()
    text = conversation(listed, "PICTURES", "what ?")
    assert (
        text
        == f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nPICTURES\nwhat ?<|im_end|>\n<|im_start|>assistant\n"
    )
    spoken = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}ASSISTANT:"
    assert conversation(bpe_tokenizer(spoken), "P", "what ?") == f"system: {SYSTEM}\nuser: P\nwhat ?\nASSISTANT:"
    assert conversation(bpe_tokenizer(None), "P", "what ?") == f"{SYSTEM}\nP\nwhat ?\n"
    with pytest.raises(SkeletonLLMError, match="no place for a system prompt"):
        conversation(bpe_tokenizer("{{ raise_exception('no system role') }}"), "P", "what ?")
    assert plain("2.5 seconds . what , then ?") == "2.5 seconds. what, then?"
    assert with_choices("what?", ["a", "b"]).endswith("\n- a\n- b")


def test_an_answer_after_a_word_begins_with_a_space() -> None:
    model = tiny("smolvlm")
    ids = model._told(PROMPT, "walk")
    assert model.tokenizer.decode(ids[:-1]) == "walk"
    model.tokenizer.chat_template = "{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}Assistant:"
    assert model.tokenizer.decode(model._told(PROMPT, "walk")[:-1]) == " walk"


def test_a_question_cannot_bring_its_own_pictures() -> None:
    model = tiny("internvl")
    clip = images(model)
    with pytest.raises(SkeletonLLMError, match="IMG_CONTEXT"):
        model.write(clip, "what is <IMG_CONTEXT> ?")


# ---- loading


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as its makers publish it."""
    where = tmp_path_factory.mktemp("hub") / "tiny-qwen3"
    model = tiny("qwen3_vl")
    model.network.save_pretrained(where)
    model.tokenizer.save_pretrained(where)
    return where


def test_a_published_model_labels_captions_and_answers(folder: Path) -> None:
    model = sk.load_model(f"hf:{folder}#frames=4,size=96")
    walk = make_motion("walk", "cmu", seed=800_001)
    found = model.label(walk, ["walk", "juggle three balls", "run"])
    assert {found.text, *(one.text for one in found.alternatives)} == {"walk", "juggle three balls", "run"}
    assert sum([found.score, *(one.score for one in found.alternatives)]) == pytest.approx(1, abs=1e-5)
    assert "walk" in model.labels and model.label(walk).text in model.labels
    assert model.caption(walk).facts and isinstance(model.ask(walk, "What happens?"), str)
    segments = model.segment(walk, ["walk", "run"])
    assert segments[0].start_frame == 0 and segments[-1].end_frame == len(walk)
    assert model.render(walk).shape == (4, 3, 96, 96)
    assert sk.load_model(f"hf:{folder}#frames=4,size=96").sha256 == model.sha256


def test_the_ways_to_name_a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = sk.load_model(str(folder))
    assert (usual.model.frames, usual.model.image_size, usual.model.patch) == (12, 448, None)
    assert usual.model.family.tokens == 1176, "12 frames of 448 pixels, two frames together"
    other = sk.load_model(f"hf:{folder}#images,sparse,size=224")
    assert other.model.family.tokens == 588 and other.model.patch == 32
    assert other.sha256 != usual.sha256
    assert parsed_look("org/name") == ("org/name", Look())
    assert not usual.facts and sk.load_model(f"hf:{folder}#frames=1,size=32,facts").facts
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name, says in (
        (f"hf:{folder}#frames=0", "frames=N"),
        (f"hf:{folder}#size=100", "multiple of 32"),
        ("hf:", "needs a name"),
        ("hf:no/such-model", "no/such-model: this model cannot be loaded"),
    ):
        with pytest.raises(SkeletonLLMError, match=says):
            sk.load_model(name)


@pytest.mark.parametrize(
    ("family", "size", "tokens"),
    [("internvl", 448, 3072), ("internvl", 224, 768), ("qwen2_5_vl", 448, 1536), ("smolvlm", 512, 768)],
)
def test_tokens_of_a_clip(family: str, size: int, tokens: int) -> None:
    assert tiny(family, Look(frames=12, size=size)).family.tokens == tokens


def test_models_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    def refused(says: str, make: Callable[[], object]) -> None:
        with pytest.raises(SkeletonLLMError, match=says):
            make()

    refused("always shown whole frames", lambda: tiny("smolvlm", Look(sparse=True, size=128)))
    refused("multiple of 64", lambda: tiny("smolvlm", Look(size=224)))
    bare = tmp_path / "bert"
    BertModel(
        BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    ).save_pretrained(bare)
    refused("no adapter for models of the type 'bert'", lambda: pretrained(str(bare), Look()))
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    values = json.loads((broken / "config.json").read_text())
    values["vision_config"]["depth"] = 4
    (broken / "config.json").write_text(json.dumps(values))
    refused("damaged checkpoint, the weights of model.visual.blocks.3", lambda: pretrained(str(broken), Look()))
    (broken / "model.safetensors").write_bytes(b"\0" * 64)
    refused("broken: this model cannot be loaded", lambda: pretrained(str(broken), Look()))
    (broken / "config.json").write_text("{")
    refused("broken: this model cannot be loaded", lambda: pretrained(str(broken), Look()))


def test_a_damaged_look_is_told(tmp_path: Path) -> None:
    made_ = tmp_path / "made"
    save_checkpoint(Checkpoint(tiny("internvl"), SkeletonRenderer(84), ("walk",)), made_)
    (made_ / "skeletonllm.json").write_text('{"frame": 3}')
    with pytest.raises(SkeletonLLMError, match=r"skeletonllm\.json: missing or damaged"):
        load_checkpoint(made_)
    (made_ / "labels.json").unlink()
    with pytest.raises(SkeletonLLMError, match=r"labels\.json is missing"):
        load_checkpoint(made_)


def test_a_tokenizer_without_the_signs_is_refused() -> None:
    model = tiny("internvl")
    strange = bpe_tokenizer(without="</img>")
    model.network.config.image_token_id = strange.convert_tokens_to_ids("<IMG_CONTEXT>")
    with pytest.raises(SkeletonLLMError, match="does not know the sign </img>"):
        HfModel(model.network, strange, Look(frames=4, size=84))
