"""How long the add-on keeps Blender's window waiting while it labels an armature of 5,000 frames and 65 bones.

    python benchmarks/blender_ui.py

A real Blender on a virtual screen, a real worker, a real click on Label. Every call into the add-on on Blender's main
thread is timed: its timers, the button, its panels. The peer of the same run is one round of Blender's own main loop, with
a frame set in each, when the add-on has done its work; here Blender draws by software, so most of a round is drawing.
Wall-clock times; the CPU time of the thread beside them does not depend on what else the machine does.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.blender_blocks import BONES, FRAMES, blocks
from tests.blender_window import missing

ROWS = {
    "press": "press of Label",
    "timer": "a call of the add-on's timers",
    "drawing": "a drawing of its panels",
    "loop": "a round of Blender's loop, labelling",
    "loop without": "the same, before (peer)",
}


def main() -> int:
    if missing():
        print(f"not on this machine: {missing()} missing")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        found = blocks(Path(folder))
    print(f"{FRAMES} frames, {BONES} bones; {found['status']}")
    print(f"{'milliseconds':40} {'calls':>6} {'median':>8} {'99 %':>8} {'worst':>8} {'worst CPU':>10}")
    for key, name in ROWS.items():
        wall, cpu = 1000 * np.array(found[key]).T
        row = f"{name:40} {len(wall):6} {np.median(wall):8.1f} {np.percentile(wall, 99):8.1f} {wall.max():8.1f}"
        print(row if key.startswith("loop") else f"{row} {cpu.max():10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
