"""What the add-on leaves beside a .blend file, and studios' batches: sidecars, catalogs, scripts without a window."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blender_addon import in_blender, needs_blender
from tests.clips import bvh, walk, wave
from tests.worker import Worker

pytestmark = needs_blender


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    started = Worker(tmp_path_factory.mktemp("worker"), "--model", model)
    yield started
    started.stop()


LIBRARY = """
for name in ("wave", "walk"):
    bpy.ops.import_anim.bvh(filepath=ARGS[name], update_scene_fps=True, global_scale=0.01)
    if name == "walk":  # one rig, two actions
        action, twin = bpy.context.object.animation_data.action, bpy.context.object
        bpy.data.objects.remove(twin)
man = bpy.data.objects["wave"]
man.name = "Armature"
action.name = "50% w/ä:lk"
for one in bpy.data.actions:
    one.use_fake_user = True
bpy.context.view_layer.objects.active = man
bpy.ops.wm.save_as_mainfile(filepath=ARGS["blend"], compress=True)
"""

SIDECARS = """
chosen = scene.skeletonllm
chosen.tasks, chosen.custom_properties, chosen.sidecar = {"LABEL", "CAPTION", "SEGMENT"}, False, True
chosen.preview = False
assert ops.annotate_actions() == {"FINISHED"}
assert ops.write_back() == {"FINISHED"}
folder = os.path.dirname(ARGS["blend"])
# A corrected one is kept.
(name,) = (one for one in os.listdir(folder) if one.endswith("wave.skel.json"))
told["first"] = open(os.path.join(folder, name)).read()
with open(os.path.join(folder, name), "w") as file:
    file.write(told["first"].replace('"locked": false', '"locked": true'))
told["kept"] = [sentence for changes in addon.write_back.planned(bpy.context) for sentence in changes.kept]
assert ops.write_back() == {"FINISHED"}
told["kept file"] = open(os.path.join(folder, name)).read()
"""


def test_sidecars_are_those_of_annotate(worker: Worker, model: str, tmp_path: Path) -> None:
    clips, home, out = (tmp_path / name for name in ("clips", "home", "out"))
    clips.mkdir()
    home.mkdir()
    (clips / "wave.bvh").write_text(bvh(wave, 1.0))
    (clips / "walk.bvh").write_text(bvh(walk, 1.0))
    blend = home / "library.blend"
    told = in_blender(
        tmp_path,
        LIBRARY + SIDECARS,
        address=worker.address,
        token=worker.token,
        wave=str(clips / "wave.bvh"),
        walk=str(clips / "walk.bvh"),
        blend=str(blend),
    )
    command = [sys.executable, "-m", "skeletonllm_core", "annotate", blend, "-o", out, "--model", model]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, theirs = ({path.name: path for path in folder.glob("*.skel.json")} for folder in (home, out))
    assert len(ours) == 2 and set(ours) == set(theirs)
    for name, path in ours.items():
        one, other = json.loads(path.read_text()), json.loads(theirs[name].read_text())
        assert list(one) == list(other) and one["schema"] == other["schema"]
        assert one["model"] == other["model"] and one["options"] == other["options"]
        # What was read is the scene, not a file; so `annotate` would not take this sidecar for its own work.
        assert one["source"] == {**other["source"], "sha256": None}
        (mine,), (its,) = one["persons"], other["persons"]
        assert list(mine) == list(its) and mine["joints"] == its["joints"]
        assert mine["label"]["text"] == its["label"]["text"] and mine["label"]["known"] == its["label"]["known"]
        assert mine["label"]["score"] == pytest.approx(its["label"]["score"], abs=0.02)
        # A straight walk turns left as little as right, so the two may change places.
        scores, its_scores = ({row["text"]: row["score"] for row in rows["alternatives"]} for rows in (mine, its))
        assert scores == pytest.approx(its_scores, abs=0.02)
        assert mine["caption"] == its["caption"] and len(mine["segments"]) == len(its["segments"])
        for part, same in zip(mine["segments"], its["segments"], strict=True):
            assert list(part) == list(same)
            assert (part["start_frame"], part["end_frame"], part["label"]) == (
                same["start_frame"],
                same["end_frame"],
                same["label"],
            )
        assert mine["warnings"] == [one for one in its["warnings"] if "Scripts in the file" not in one]
    assert told["kept"] == ["wave: library.blend#wave.skel.json kept, as it is locked"]
    assert '"locked": true' in told["kept file"]


BATCH = """
scene.skeletonllm.preview = False
exec(ARGS["script"])
told["printed"] = [[row.label, row.score, row.caption] for row in bpy.context.window_manager.skeletonllm.rows]
bpy.ops.wm.open_mainfile(filepath=ARGS["blend"])
told["saved"] = {one.name: one.get("skeletonllm_label") for one in bpy.data.actions}
"""


def test_the_script_of_the_documents_names_a_library(worker: Worker, root: Path, tmp_path: Path) -> None:
    _, _, rest = (root / "docs/blender.md").read_text().partition("--python-expr '")
    script, end, _ = rest.partition("'\n")
    assert end and "annotate_actions" in script and "save_mainfile" in script
    for name, motion in (("wave", wave), ("walk", walk)):
        (tmp_path / f"{name}.bvh").write_text(bvh(motion, 1.0))
    told = in_blender(
        tmp_path,
        LIBRARY + BATCH,
        address=worker.address,
        token=worker.token,
        wave=str(tmp_path / "wave.bvh"),
        walk=str(tmp_path / "walk.bvh"),
        blend=str(tmp_path / "library.blend"),
        script=script,
    )
    assert len(told["printed"]) == 2 and all(label and caption for label, _, caption in told["printed"])
    for name, label in told["saved"].items():
        assert label is not None
        assert label == "unknown" or name.startswith(f"{label}_"), told
