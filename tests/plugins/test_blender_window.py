"""The add-on in a real window: a click on its tab, a click on Label, and the label can be read on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import skeletonllm_core as sk
from skeletonllm_core.remote.client import Client
from tests.blender_blocks import blocks
from tests.blender_window import blender_window, missing
from tests.worker import Worker

pytestmark = pytest.mark.skipif(missing() != "", reason=f"a window needs {missing()} (apt-get install)")

REAL = "original/cmu_cc_bvh/002_01.bvh"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    started = Worker(tmp_path_factory.mktemp("worker"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def clip(root: Path) -> Path:
    """Real motion where it is there, else an example."""
    real = root.parent / "shared" / "data" / REAL
    return real if real.is_file() else root / "examples" / "clips" / "walk.mixamo.bvh"


LABELING = """
def main(addon):
    man = import_bvh(ARGS["clip"], ARGS["scale"])
    window, area, regions = viewport()
    show_sidebar()
    with bpy.context.temp_override(window=window, area=area, region=regions["WINDOW"]):
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_selected()
    counts = lambda: {name: len(getattr(bpy.data, name)) for name in ("objects", "actions", "armatures", "texts")}
    before = counts()
    def look():
        rows = bpy.context.window_manager.skeletonllm.rows
        if rows and rows[0].label:
            action = man.animation_data.action
            tell("row", {"label": rows[0].label, "score": rows[0].score, "known": rows[0].known,
                         "untouched": [counts() == before, list(action.keys()), bpy.context.scene.frame_current]})
        return 0.1
    bpy.app.timers.register(look, first_interval=0.5)
"""


@pytest.mark.slow
def test_a_click_on_label_shows_the_label(worker: Worker, clip: Path, tmp_path: Path) -> None:
    persons = sk.read(clip)
    expected = Client(worker.address, worker.token).label(persons)
    with blender_window(
        tmp_path, LABELING, address=worker.address, token=worker.token, clip=str(clip), scale=0.01
    ) as window:
        window.widen_sidebar()
        panels = window.open_tab()
        window.press_label(panels)
        row = window.told("row")
        assert (row["label"], row["known"]) == (expected.text, expected.known)
        assert row["score"] == pytest.approx(expected.score, abs=0.02)
        assert row["untouched"] == [True, [], 1]
        window.see(panels, f"{row['score']:.2f}")
        seen = [word.text for word in window.words(panels)]
        assert set(expected.text.split()) <= set(seen), seen
        window.rest()
        picture = window.picture().crop((0, 32, panels[2] + 40, panels[3]))  # docs/blender-label.png is this one
        picture.quantize(128, dither=Image.Dither.NONE).save(tmp_path / "blender-label.png", optimize=True)


@pytest.mark.slow
def test_a_large_armature_is_read_in_many_short_turns(tmp_path: Path) -> None:
    """Blender gets its main thread back again and again; benchmarks/blender_ui.py tells after how many milliseconds."""
    found = blocks(tmp_path, frames=1500, plain=True)
    cpu = {kind: np.array(found[kind])[:, 1] for kind in ("press", "timer", "drawing")}
    assert len(cpu["press"]) == 1 and len(cpu["timer"]) > 50 and len(cpu["drawing"]) > 50
    for kind, took in cpu.items():
        assert took.max() <= cpu["timer"].sum() / 10, kind
