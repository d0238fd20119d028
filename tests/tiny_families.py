"""Every family of vision-language models in small: the real classes and geometry, random weights, a tokenizer of our own."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    Idefics3Config,
    InternVLConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen3VLConfig,
    SmolVLMConfig,
)

from skeletonllm_core.model.hf import HfModel, Look

SIGNS = (
    "<|end|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>", "<fake_token_around_image>", "<global-img>", "<image>",
)  # fmt: skip

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As the multimodal models have it: the content is a list of parts."""

TEXTS = [
    "You are an expert in video categorization and human action recognition.",
    "2.5 seconds. What is the action? wave right hand, wave left hand, walk, jump, raise up both hands.",
    "The person walks. Yes. No. Which hand is raised? Frame 1: user assistant system",
]


def bpe_tokenizer(template: str | None = TEMPLATE, without: str = "") -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained on a few sentences; `without` one of the signs."""
    signs = [sign for sign in SIGNS if sign != without]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=420, special_tokens=signs, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|end|>", chat_template=template
    )


def _text(words: int, **more: object) -> dict:
    return {
        "vocab_size": words, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 2048, "tie_word_embeddings": False,
        **more,
    }  # fmt: skip


def config(family: str, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
    """A small configuration with the patches of the real models."""
    image, video, context, picture = tokenizer.convert_tokens_to_ids(
        ["<|image_pad|>", "<|video_pad|>", "<IMG_CONTEXT>", "<image>"]
    )
    words = len(tokenizer)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    if family == "internvl":
        vision = {
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
            "image_size": (84, 84), "patch_size": (14, 14), "layer_scale_init_value": 1.0,
        }  # fmt: skip
        return InternVLConfig(
            vision_config=vision,
            text_config={"model_type": "qwen2", **_text(words)},
            image_token_id=context,
            tie_word_embeddings=False,
        )
    if family == "qwen2_5_vl":
        vision = {
            "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
            "window_size": 56, "fullatt_block_indexes": [1],
        }  # fmt: skip
        return Qwen2_5_VLConfig(
            vision_config=vision,
            text_config=_text(words, rope_parameters=rope),
            image_token_id=image,
            video_token_id=video,
            tie_word_embeddings=False,
        )
    if family == "qwen3_vl":
        vision = {
            "depth": 3, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
            "num_position_embeddings": 49, "deepstack_visual_indexes": [0, 1],
        }  # fmt: skip
        return Qwen3VLConfig(
            vision_config=vision,
            text_config=_text(words, head_dim=16, rope_parameters=rope),
            image_token_id=image,
            video_token_id=video,
            tie_word_embeddings=False,
        )
    vision = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": 128, "patch_size": 16,
    }  # fmt: skip
    kind = SmolVLMConfig if family == "smolvlm" else Idefics3Config
    return kind(
        vision_config=vision,
        text_config={"model_type": "llama", **_text(words)},
        scale_factor=4,
        image_token_id=picture,
        tie_word_embeddings=False,
    )


SIZES = {"internvl": 84, "qwen2_5_vl": 84, "qwen3_vl": 96, "smolvlm": 128, "idefics3": 128}
"""Edge of the frames that the tests use [pixels]."""


def tiny(family: str, look: Look | None = None, *, seed: int = 0) -> HfModel:
    """A small random model; all of its weights matter, position embeddings too."""
    tokenizer = bpe_tokenizer()
    torch.manual_seed(seed)
    network = AutoModelForImageTextToText.from_config(config(family, tokenizer)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            # Some families start position embeddings and class tokens at zero, where nothing could be told of them.
            weight.add_(torch.randn_like(weight) * 0.05)
    return HfModel(network, tokenizer, look or Look(frames=4, size=SIZES[family]))
