"""Write the example clips: motion made by this project itself, on three rigs.

    python examples/make_clips.py [OUT]

writes OUT/clips/*.bvh and OUT/labels.csv (path, expected label); OUT is the folder of this script unless given. The
same files come out each time. Their seeds lie above those that training draws: no model of ours was trained on them.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from skeletonllm_core import write
from skeletonllm_core.train.procedural import EXAMPLE_SEEDS, make_motion

FRAMES_A_SECOND = 30.0

# action, rig, seed
CLIPS = (
    ("walk", "mixamo", EXAMPLE_SEEDS + 4),
    ("run", "cmu", EXAMPLE_SEEDS + 2),
    ("walk turn left", "cmu", EXAMPLE_SEEDS + 9),
    ("turn right", "minimal", EXAMPLE_SEEDS + 4),
    ("sidestep left", "minimal", EXAMPLE_SEEDS + 13),
    ("jump", "mixamo", EXAMPLE_SEEDS + 4),
    ("wave right hand", "minimal", EXAMPLE_SEEDS + 7),
    ("raise up left hand", "cmu", EXAMPLE_SEEDS + 8),
    ("raise up both hands", "mixamo", EXAMPLE_SEEDS + 9),
    ("squat", "minimal", EXAMPLE_SEEDS + 9),
    ("sit down", "cmu", EXAMPLE_SEEDS + 13),
    ("kick", "mixamo", EXAMPLE_SEEDS + 12),
    ("hand clap", "minimal", EXAMPLE_SEEDS + 13),
    ("pick up", "cmu", EXAMPLE_SEEDS + 14),
)


def main(out: Path) -> None:
    """Write every clip and the table of labels under `out`."""
    (out / "clips").mkdir(parents=True, exist_ok=True)
    rows = []
    for action, rig, seed in CLIPS:
        name = f"{action.replace(' ', '-')}.{rig}.bvh"
        write([make_motion(action, rig, seed=seed, fps=FRAMES_A_SECOND)], out / "clips" / name)
        rows.append((f"clips/{name}", action))
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "label"))
        table.writerows(sorted(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
