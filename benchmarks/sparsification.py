"""How much of the vision side's work is left when only the patches with the body on them are encoded.

    python benchmarks/sparsification.py [FOLDER] [--clips N]

FOLDER holds packs (default: ../shared/data); all clips of its test split are measured, or the first N. Every clip is drawn by
the embedded renderer, 12 frames of 448 × 448. The encoders have the geometry of the published models and no weights
(meta tensors): `torch.utils.flop_counter` counts the operations of the very code that runs, patch embedding and projector
included. What the saving costs in accuracy is not measured here: that needs trained weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForImageTextToText, InternVLConfig, PretrainedConfig, Qwen3VLConfig

from skeletonllm_core.model.checkpoint import embedded_renderer
from skeletonllm_core.model.families import Family, InternVL, Qwen3VL
from skeletonllm_core.model.foreground import FAINTEST, foreground_patches
from skeletonllm_core.motion.canonical import canonical_frames
from skeletonllm_core.train.corpus import TEST, read_packs

FRAMES, SIZE = 12, 448


def internvl() -> PretrainedConfig:
    """InternVL3: InternViT-300M, 24 layers of width 1024; the language model is left small, it is not run."""
    text = {"model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 1, "num_attention_heads": 28}
    return InternVLConfig(text_config={**text, "num_key_value_heads": 4, "intermediate_size": 64, "vocab_size": 64})


def qwen3_vl() -> PretrainedConfig:
    """Qwen3-VL-8B: 27 layers of width 1152."""
    vision = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "out_hidden_size": 4096}
    text = {"hidden_size": 4096, "num_hidden_layers": 1, "num_attention_heads": 32, "num_key_value_heads": 8}
    return Qwen3VLConfig(vision_config=vision, text_config={**text, "intermediate_size": 64, "vocab_size": 64})


class Signs:
    """Stands where a tokenizer would: no text is read here."""

    unk_token_id = None

    def convert_ids_to_tokens(self, number: int) -> str:
        return f"<{number}>"

    def convert_tokens_to_ids(self, sign: str) -> int:
        return 0


class Measured:
    """Tokens, operations and light of a family's vision side, clip by clip.

    What is done for one row of tokens (a frame, or two together) depends on their number alone.
    """

    def __init__(self, kind: type[Family], config: PretrainedConfig) -> None:
        with torch.device("meta"):
            network = AutoModelForImageTextToText.from_config(config).eval()
        self.clip = kind(network, Signs(), SIZE, FRAMES, False)
        self.row = kind(network, Signs(), SIZE, FRAMES // self.clip.runs, False)
        self.known: dict[int, int] = {}
        self.tokens: list[int] = []
        self.flops: list[int] = []
        self.light: list[float] = []

    @torch.no_grad()
    def of(self, tokens: int) -> int:
        """Floating point operations (two a multiplication with its sum) for one row with so many tokens kept."""
        if tokens not in self.known:
            images = torch.empty(1, self.row.frames, 3, SIZE, SIZE, device="meta")
            kept = (torch.arange(self.row.tokens) < tokens)[None]
            with FlopCounterMode(display=False) as counter:
                self.row.encode(images, kept)
            self.known[tokens] = counter.get_total_flops()
        return self.known[tokens]

    def add(self, seen: torch.Tensor, drawn: torch.Tensor) -> None:
        """One clip: (F, rows, columns) bool and its (F, S, S) brightness."""
        counts = self.clip.kept(seen).reshape(self.clip.runs, -1).sum(1).tolist()
        self.tokens.append(sum(counts))
        self.flops.append(sum(self.of(count) for count in counts if count))
        bright = torch.nn.functional.avg_pool2d(drawn, self.clip.cell)
        self.light.append(float((bright * seen).sum() / bright.sum()))

    def result(self) -> dict[str, float]:
        """What there is to tell."""
        dense = self.clip.runs * self.of(self.row.tokens)
        return {
            "tokens_dense": self.clip.tokens,
            "tokens_mean": round(float(np.mean(self.tokens)), 1),
            "tokens_fewer": round(1 - float(np.mean(self.tokens)) / self.clip.tokens, 4),
            "tokens_fewer_5th_percentile": round(1 - float(np.percentile(self.tokens, 95)) / self.clip.tokens, 4),
            "tflops_dense": round(dense / 1e12, 3),
            "tflops_mean": round(float(np.mean(self.flops)) / 1e12, 3),
            "flops_fewer": round(1 - float(np.mean(self.flops)) / dense, 4),
            "light_kept": round(float(np.mean(self.light)), 4),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--clips", type=int, help="only the first N clips")
    arguments = parser.parse_args()
    if not (arguments.folder / "index.jsonl").is_file():
        print(f"{arguments.folder}: no motion data here")
        sys.exit(2)
    renderer = embedded_renderer(SIZE)
    clips = [clip for clip in read_packs(arguments.folder) if clip.split == TEST][: arguments.clips]
    families = {"InternVL3": Measured(InternVL, internvl()), "Qwen3-VL": Measured(Qwen3VL, qwen3_vl())}
    for clip in clips:
        frames = canonical_frames([clip.person], FRAMES)
        with torch.no_grad():
            drawn = renderer([frames]).sum(1)
        for family in families.values():
            family.add(foreground_patches(renderer, [frames], SIZE, family.clip.cell), drawn)
    for name, family in families.items():
        print(json.dumps({"model": name, "clips": len(clips), "faintest": FAINTEST, **family.result()}))


if __name__ == "__main__":
    main()
