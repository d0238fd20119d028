"""The add-on in a real Blender, against a real worker: asking, showing, writing, undoing, and every way to fail."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import skeletonllm_core as sk
from skeletonllm_core.motion.orientation import UNITS
from skeletonllm_core.remote.client import Client
from tests.blender_addon import NAME, in_blender, needs_blender
from tests.clips import bvh, wave
from tests.worker import Worker

pytestmark = needs_blender


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    started = Worker(tmp_path_factory.mktemp("worker"), "--model", model)
    yield started
    started.stop()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "wave.bvh"
    path.write_text(bvh(wave, 1.0))
    return path


CYCLES = f"""
import bpy.app.handlers as handlers
before = block_counts()
kinds = lambda: sorted(name for name in dir(bpy.types) if "skeletonllm" in name.lower())
on = kinds()
classes = addon.classes
import base64, bpy.utils.previews
dot = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=")
for cycle in range(20):
    pictures = sys.modules["{NAME}"].pictures
    pictures.keep(("a", "b"), [dot])
    assert pictures.of(("a", "b")) and bpy.app.timers.is_registered(pictures.tick)
    assert bpy.ops.preferences.addon_disable(module="{NAME}") == {{"FINISHED"}}
    assert kinds() == [], kinds()
    assert not any(one.is_registered for one in classes)
    assert not bpy.app.timers.is_registered(pictures.tick) and not bpy.utils.previews._uuid_open
    assert not hasattr(bpy.types.Scene, "skeletonllm") and not hasattr(bpy.types.WindowManager, "skeletonllm")
    assert not [one for one in handlers.load_pre if "skeletonllm" in one.__module__]
    assert not hasattr(bpy.ops.skeletonllm, "label") or "label" not in dir(bpy.ops.skeletonllm)
    assert bpy.ops.preferences.addon_enable(module="{NAME}") == {{"FINISHED"}}
    classes = sys.modules["{NAME}"].classes
    assert kinds() == on and all(one.is_registered for one in classes)
    assert len([one for one in handlers.load_pre if "skeletonllm" in one.__module__]) == 1
assert block_counts() == before
told["kinds"] = on
"""


def test_twenty_times_on_and_off_leaves_nothing(tmp_path: Path) -> None:
    told = in_blender(tmp_path, CYCLES)
    assert {"SKELETONLLM_PT_ask", "SKELETONLLM_OT_label"} <= set(told["kinds"])


# A BVH in metres; the importer keeps the names, and frame 1 is the first.
IMPORTED = """
bpy.ops.import_anim.bvh(filepath=ARGS["clip"], update_scene_fps=True, update_scene_duration=True)
man = bpy.context.object
action = man.animation_data.action
"""

VERBS = """
import base64
import bpy.utils.previews
counts = block_counts()
assert ops.label() == {"FINISHED"}
(row,) = results.rows
told["label"], told["score"], told["known"], told["others"] = row.label, row.score, row.known, row.alternatives
# What the model saw moves in the panel.
pictures = addon.pictures
key, count = (row.armature_uid, row.action_uid), len(pictures._files[(row.armature_uid, row.action_uid)])
told["pictures"] = [base64.b64encode(file).decode() for file in pictures._files[key]]
assert bpy.app.timers.is_registered(pictures.tick)
seen = []
for turn in range(count + 1):
    seen.append(list(pictures.of(key).image_pixels_float))
    assert pictures.tick() == pictures.PERIOD
assert seen[0] == seen[-1] and seen[0] != seen[1]
told["pixels"], told["size"] = seen[1], list(pictures.of(key).image_size)
assert ops.caption() == {"FINISHED"}
scene.skeletonllm.question = "Which hand is raised?"
assert ops.ask() == {"FINISHED"}
scene.skeletonllm.labels = "wave, walk"
assert ops.segment() == {"FINISHED"}
scene.skeletonllm.preview = False
(row,) = results.rows  # one row holds all that was asked about one action
told["caption"], told["question"], told["answer"] = row.caption, row.question, row.answer
told["segments"] = [[part.start, part.end, part.label] for part in row.segments]
# Candidates may be lines of a text too.
text = bpy.data.texts.new("Labels")
text.write("walk\\n\\n squat \\nwave")
scene.skeletonllm.labels, scene.skeletonllm.label_set = "", text
told["candidates"] = settings.candidates(scene.skeletonllm)
assert ops.label() == {"FINISHED"}
told["chosen"] = results.rows[0].label, results.rows[0].alternatives
scene.skeletonllm.label_set = None
bpy.data.texts.remove(text)
assert settings.candidates(scene.skeletonllm) is None
told["copied"] = settings.copied(results.rows[0])
assert ops.copy() == {"FINISHED"}
# Asking wrote nothing.
assert block_counts() == counts and not list(action.keys()) and not list(man.keys()), list(action.keys())
assert action.name == ARGS["name"], action.name

# The panel can be drawn: every property and operator that it names exists.
class Operator:
    def __init__(self, name):
        self.__dict__["known"] = getattr(ops, name).get_rna_type().properties
    def __setattr__(self, name, value): assert name in self.known, name
class Layout:
    use_property_split = False
    def __init__(self): self.seen = []
    def row(self, align=False): return self
    def box(self): return self
    def prop(self, data, name, text=None):
        assert name in data.bl_rna.properties, name
        self.seen.append(name)
    def operator(self, name, text=None):
        assert name.partition(".")[2] in dir(ops), name
        self.seen.append(name)
        return Operator(name.partition(".")[2])
    def label(self, text="", icon="NONE", translate=True): self.seen.append(text)
    def progress(self, factor=0.0, text=""): self.seen.append(text)
    def template_icon(self, icon_value, scale): self.seen.append("picture")
    def template_list(self, kind, key, data, rows, active, index):
        assert hasattr(bpy.types, kind) and hasattr(data, rows) and hasattr(active, index)
class Drawn:
    layout = Layout()
    _draw_row = staticmethod(addon.panel.SKELETONLLM_PT_answers._draw_row)
for name in ("ask", "reading", "answers", "write", "motion"):
    getattr(addon.panel, f"SKELETONLLM_PT_{name}").draw(Drawn, bpy.context)
addon.panel.SKELETONLLM_UL_results.draw_item(None, bpy.context, Drawn.layout, results, results.rows[0], 0, results, "active", 0)
class DrawnPreferences(Drawn):
    bl_rna = prefs.bl_rna
preferences.SKELETONLLM_preferences.draw(DrawnPreferences, bpy.context)
told["drawn"] = Drawn.layout.seen
bpy.types.SKELETONLLM_UL_results.draw_filter(types.SimpleNamespace(bl_rna=bpy.types.SKELETONLLM_UL_results.bl_rna),
                                             bpy.context, Layout())
# The list: ticks for all, a filter by name, the least sure first.
for number, (name, score) in enumerate((("run", 0.9), ("jump", 0.2))):
    settings.result_of("0", str(number), name).score = score
assert ops.tick(on=False) == {"FINISHED"} and not any(row.chosen for row in results.rows)
assert ops.tick() == {"FINISHED"} and all(row.chosen for row in results.rows)
results.rows[0].score = 0.5
listing = types.SimpleNamespace(filter_name="j", bitflag_filter_item=1, by_score=True)
told["filter"] = addon.panel.SKELETONLLM_UL_results.filter_items(listing, bpy.context, results, "rows")
# Nothing stays when the list is forgotten.
assert len(bpy.utils.previews._uuid_open) == 1
assert ops.clear() == {"FINISHED"} and pictures.of(key) is None and not bpy.app.timers.is_registered(pictures.tick)
assert not bpy.utils.previews._uuid_open and not ops.copy.poll() and block_counts() == counts
"""


def test_the_answers_are_those_about_the_bvh(worker: Worker, clip: Path, tmp_path: Path) -> None:
    told = in_blender(
        tmp_path, IMPORTED + VERBS, address=worker.address, token=worker.token, clip=str(clip), name="wave"
    )
    client, persons = Client(worker.address, worker.token), sk.read(clip)
    expected = client.label(persons)
    assert (told["label"], told["known"]) == (expected.text, expected.known)
    assert told["score"] == pytest.approx(expected.score, abs=0.02)
    assert [one.rpartition(" ")[0] for one in told["others"].split(", ")] == [one.text for one in expected.alternatives]
    assert told["candidates"] == ["walk", "squat", "wave"]
    chosen = client.label(persons, told["candidates"])
    assert told["chosen"][0] == chosen.text and [one.split()[0] for one in told["chosen"][1].split(", ")] == [
        one.text for one in chosen.alternatives
    ]
    lines = told["copied"].splitlines()
    assert lines[0] == "wave" and lines[1].startswith(chosen.text) and {told["caption"], told["answer"]} < set(lines)
    assert told["filter"] == [[0, 0, 1], [1, 2, 0]]
    # The pictures are those that the model sees, and Blender shows just these files (from below upwards).
    drawn, seen = ([pixels(file) for file in files] for files in (client.render(persons), decoded(told["pictures"])))
    assert len(drawn) == len(seen) > 1
    assert max(np.abs(one - other).mean() for one, other in zip(drawn, seen, strict=True)) < 0.01
    shown = np.array(told["pixels"]).reshape(*told["size"], 4)[::-1, :, :3]
    np.testing.assert_allclose(shown, seen[1], atol=1.5 / 255)  # Blender rounds down
    assert told["caption"] == client.caption(persons).caption
    assert told["question"] == "Which hand is raised?" and told["answer"] == client.ask(persons, told["question"])
    parts = client.segment(persons, ["wave", "walk"])
    assert told["segments"] == [[1 + part.start_frame, 1 + part.end_frame, part.label] for part in parts]
    assert {"skeletonllm.label", "skeletonllm.write_back", "skeletonllm.start_worker", "rename"} <= set(told["drawn"])
    shown = " ".join(told["drawn"])  # long texts have several lines
    assert told["caption"] in shown and told["answer"] in shown


MARKERS = ("pose markers", "timeline markers")


REAL = """
bpy.ops.import_anim.bvh(filepath=ARGS["clip"], update_scene_fps=True, global_scale=ARGS["unit"])
scene.skeletonllm.preview = False
assert ops.label() == {"FINISHED"}
told["label"] = [results.rows[0].label, results.rows[0].score]
"""


def test_real_motion_gets_the_label_of_the_command(
    worker: Worker, model: str, shared_data: Path, tmp_path: Path
) -> None:
    path = min((shared_data / "original/bandai_bvh").glob("*.bvh"), key=lambda one: (one.stat().st_size, one.name))
    (clip,) = sk.read_clips(path)
    assert clip.origin is not None
    unit = dict(UNITS)[clip.origin.unit]
    told = in_blender(tmp_path, REAL, clip=str(path), unit=unit, address=worker.address, token=worker.token)
    command = [sys.executable, "-m", "skeletonllm_core", "label", path, "--json", "--model", model]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["label"]
    assert told["label"] == [said["text"], pytest.approx(said["score"], abs=0.02)]


def decoded(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


def pixels(file: bytes) -> np.ndarray:
    """(S, S, 3) in [0, 1]."""
    return np.asarray(Image.open(BytesIO(file)).convert("RGB")) / 255


WRITING = """
other = keyed(man, "Still", man.pose.bones[0].name, "location", [(0, 0, 0), (0, 0.1, 0), (0, 0, 0)])
lamp = bpy.data.actions.new("Lamp")
man.animation_data.action = action
folder = os.path.join(os.path.dirname(ARGS["told"]), "work")
os.mkdir(folder)
bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, "take.blend"))
chosen = scene.skeletonllm
chosen.tasks = {"LABEL", "CAPTION", "SEGMENT"}
chosen.labels = "wave, walk"
assert ops.annotate_actions() == {"FINISHED"}
told["rows"] = sorted(settings.owners(row)[1].name for row in results.rows)
assert man.animation_data.action == action
for row in results.rows:  # only the wave is to be written
    row.chosen = settings.owners(row)[1] == action
(row,) = [row for row in results.rows if row.chosen]
row.known = True  # whatever the model of this test is sure of
first = row.segments[0]
first.label = "start"
chosen.rename = "PREFIX"
for choice in ("pose_markers", "timeline_markers", "nla_strips", "asset", "sidecar"):
    assert not getattr(chosen, choice)
    setattr(chosen, choice, True)

def state():
    action, man = bpy.data.actions[0], bpy.data.objects[0]
    action = next(one for one in bpy.data.actions if "wave" in one.name and one.name != "wave_2")
    data = action.asset_data
    return {
        "name": action.name,
        "properties": {key: action[key] for key in action.keys() if key.startswith("skeletonllm_") and "written" not in key},
        "pose": [[one.name, one.frame] for one in action.pose_markers],
        "scene": [[one.name, one.frame] for one in bpy.context.scene.timeline_markers],
        "strips": [[track.name, track.mute, [[s.name, s.frame_start, s.frame_end, s.action_frame_start, s.action_frame_end,
                    s.scale, s.action.name] for s in track.strips]] for track in man.animation_data.nla_tracks],
        "asset": data and [sorted(tag.name for tag in data.tags), data.description, data.catalog_id],
        "blocks": block_counts(),
        "others": [bpy.data.actions[name].users for name in ("Still", "Lamp")],
        "untouched": [list(bpy.data.actions[name].keys()) for name in ("Still", "Lamp")],
    }

bpy.ops.ed.undo_push(message="before")
def files():
    return {name: open(os.path.join(folder, name)).read() for name in os.listdir(folder)
            if not name.endswith(".blend") and not name.endswith(".blend1")}

told["before"] = state()
(changes,) = addon.write_back.planned(bpy.context)
told["planned"] = [change.told for change in changes.planned]
class Dialog:
    class layout:
        seen = []
        @classmethod
        def box(cls): return cls
        @classmethod
        def label(cls, text, icon="NONE", translate=True): cls.seen.append(text)
bpy.types.SKELETONLLM_OT_write_back.draw(Dialog, bpy.context)
assert Dialog.layout.seen == [changes.name, *told["planned"]] and changes.kept == []
assert state() == told["before"] and files() == {}
assert ops.write_back("EXEC_DEFAULT", True) == {"FINISHED"}
told["written"], told["files"] = state(), files()
told["segments"] = [[part.start, part.end, part.label] for part in row.segments]
told["caption"], told["score"] = row.caption, row.score
assert bpy.ops.ed.undo() == {"FINISHED"}
told["undone"] = state()
assert bpy.ops.ed.redo() == {"FINISHED"}
told["redone"] = state()

# A second time: what is ours is replaced, nothing is there twice.
results = bpy.context.window_manager.skeletonllm
(row,) = [row for row in results.rows if row.chosen]
row.label, row.caption = "run", "Another caption."
assert ops.write_back() == {"FINISHED"}
told["again"], told["files again"] = state(), files()
assert not addon.write_back.planned(bpy.context)[0].kept

# A person changes things: they stay.
action = settings.owners(row)[1]
man = bpy.data.objects[0]
action.name, action["skeletonllm_label"] = "my wave", "my label"
action.pose_markers[0].frame += 5
man.animation_data.nla_tracks[0].strips[0].name = "mine"
action.asset_data.description, action.asset_data.catalog_id = "mine", "11111111-2222-3333-4444-555555555555"
(sidecar,) = (name for name in os.listdir(folder) if name.endswith(".skel.json"))
with open(os.path.join(folder, sidecar), "a") as file:
    file.write(" ")
row.label, row.caption = "jump", "A third."
assert ops.write_back() == {"FINISHED"}
told["kept"], told["files kept"] = state(), files()
told["reasons"] = addon.write_back.Changes(row, bpy.context.scene).kept
"""


def test_writing_is_by_choice_undone_in_one_step_and_keeps_what_a_person_changed(
    worker: Worker, clip: Path, tmp_path: Path
) -> None:
    told = in_blender(tmp_path, IMPORTED + WRITING, address=worker.address, token=worker.token, clip=str(clip))
    assert told["rows"] == ["Still", "wave"]
    before, written = told["before"], told["written"]
    assert before["name"] == "wave" and before["properties"] == {} and before["asset"] is None
    assert before["pose"] == before["scene"] == before["strips"] == []
    marks = [[label, start] for start, _, label in told["segments"]]
    assert written["name"] == "wave_wave" and written["pose"] == written["scene"] == marks and marks[0][0] == "start"
    assert written["properties"]["skeletonllm_label"] == "wave"
    assert written["properties"]["skeletonllm_score"] == pytest.approx(told["score"], abs=1e-4)
    assert written["properties"]["skeletonllm_caption"] == told["caption"]
    tags, description, catalog = written["asset"]
    assert (tags, description) == (["wave"], told["caption"])
    assert f"\n{catalog}:SkeletonLLM/wave:SkeletonLLM-wave\n" in told["files"]["blender_assets.cats.txt"]
    assert "\nVERSION 1\n" in told["files"]["blender_assets.cats.txt"]
    assert set(told["files"]) == {"blender_assets.cats.txt", "take.blend#wave_wave.skel.json"}
    assert told["planned"] == [
        "skeletonllm_label = wave",
        f"skeletonllm_score = {written['properties']['skeletonllm_score']}",
        f"skeletonllm_caption = {told['caption']}",
        f"skeletonllm_segments = {written['properties']['skeletonllm_segments']}",
        *(f"{what}: " + ", ".join(f"{frame} {name}" for name, frame in marks) for what in MARKERS),
        f"{len(marks)} NLA strips on a muted track of wave",
        "marked as an asset",
        "tag: wave",
        f"description: {told['caption']}",
        "catalog: SkeletonLLM/wave",
        "name: wave_wave",
        "a sidecar beside this file",
    ]
    ((name, mute, strips),) = written["strips"]
    assert name == "SkeletonLLM wave" and mute
    assert strips == [
        [label, start, end, start, end, pytest.approx(1.0), "wave_wave"] for start, end, label in told["segments"]
    ]
    assert written["blocks"] == before["blocks"] and written["untouched"] == [[], []]
    assert told["undone"] == before and told["redone"] == written
    again = told["again"]
    assert again["name"] == "run_wave" and again["properties"]["skeletonllm_label"] == "run"
    assert again["pose"] == again["scene"] == marks and len(again["strips"]) == 1
    assert again["asset"][:2] == [["run"], "Another caption."]
    lines = told["files again"]["blender_assets.cats.txt"].splitlines()[-2:]
    assert lines == [
        f"{catalog}:SkeletonLLM/wave:SkeletonLLM-wave",
        f"{again['asset'][2]}:SkeletonLLM/run:SkeletonLLM-run",
    ]
    assert set(told["files again"]) == {"blender_assets.cats.txt", "take.blend#run_wave.skel.json"}
    kept = told["kept"]
    assert kept["name"] == "my wave" and kept["properties"]["skeletonllm_label"] == "my label"
    assert kept["properties"]["skeletonllm_caption"] == "A third."
    assert kept["pose"][0] == [marks[0][0], marks[0][1] + 5] and len(kept["pose"]) == len(marks)
    assert kept["scene"] == marks and kept["strips"][0][2][0][0] == "mine"
    assert kept["asset"] == [["jump"], "mine", "11111111-2222-3333-4444-555555555555"]
    assert told["files kept"] == {
        name: text + " " * name.endswith(".json") for name, text in told["files again"].items()
    }
    assert sorted(told["reasons"]) == [
        "my wave: NLA strips kept, as they were changed",
        "my wave: pose markers kept, as they were changed",
        "my wave: skeletonllm_label kept, as they were changed",
        "my wave: take.blend#run_wave.skel.json kept, as it was changed",
        "my wave: the asset's catalog kept, as it was changed",
        "my wave: the asset's description kept, as it was changed",
        "my wave: the name kept, as it was changed",
    ]


FAULTS = """
def state():
    return [block_counts(), scene.frame_current, list(man.keys()), list(action.keys()), action.name, len(results.rows)]
before = state()
told["faults"] = {}
for name, (address, token, timeout) in ARGS["faults"].items():
    prefs.address, prefs.token, prefs.timeout = address, token, timeout
    told["faults"][name] = failing(ops.label)
    assert state()[:5] == before[:5]
prefs.address, prefs.token, prefs.timeout = ARGS["address"], ARGS["token"], 120
# A script that asks for what is refused about the motion gets an error; a batch goes on.
man.data.pose_position = "REST"
told["faults"]["rest"] = failing(ops.label)
man.data.pose_position = "POSE"
told["problem"] = results.rows[0].problem
assert ops.label() == {"FINISHED"} and results.rows[0].problem == "" and results.rows[0].label
endless = keyed(man, "Endless", man.pose.bones[0].name, "location", [(0, 0, 0)])
man.pose.bones[0].keyframe_insert("location", frame=150000)
man.animation_data.action = action
assert ops.annotate_actions() == {"FINISHED"}
told["batch"] = {settings.owners(row)[1].name: [row.label != "", row.problem] for row in results.rows}
told["status"] = jobs.last.status
told["retried"] = failing(ops.retry)  # asks about that one only
"""


@contextmanager
def listening(reply: bytes | None) -> Iterator[str]:
    """Something that answers every request with the same bytes; None: never."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                content = b""
                while b"\r\n\r\n" not in content:
                    content += connection.recv(65536)
                if reply is not None:
                    connection.sendall(reply)
                    connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_every_fault_is_one_sentence_and_changes_nothing(worker: Worker, clip: Path, tmp_path: Path) -> None:
    busy = b'{"error": "the worker is busy: 8 requests wait already; ask again later"}'
    with (
        listening(b"\x00\x01 nothing of the kind\r\n\r\n") as noise,
        listening(http("200 OK", b"<html>")) as page,
        listening(http("200 OK", b'{"version": 2}')) as newer,
        listening(http("200 OK", b'{"version": 1, "label": {"text": 5}}')) as strange,
        listening(http("503 Busy", busy)) as full,
        listening(http("200 OK", b'{"version": 1}')[:-5]) as cut,
        listening(None) as silent,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        taken.close()
        places = {
            "noise": noise,
            "page": page,
            "newer": newer,
            "strange": strange,
            "full": full,
            "cut": cut,
            "silent": silent,
        }
        faults = {name: (address, "t", 20) for name, address in places.items()}
        faults["silent"] = (silent, "t", 1)
        faults |= {
            "nobody": (nobody, "t", 20),
            "token": (worker.address, "wrong", 20),
            "no token": (nobody, "", 20),
            "far": ("http://192.0.2.1:8765", "t", 20),
            "address": ("worker", "t", 20),
        }
        told = in_blender(
            tmp_path, IMPORTED + FAULTS, faults=faults, clip=str(clip), address=worker.address, token=worker.token
        )
    for name, said in {
        "noise": f"what listens at {noise} is no SkeletonLLM worker: check the port",
        "page": f"what listens at {page} is no SkeletonLLM worker: check the port",
        "newer": f"the worker at {newer} speaks version 2, and this add-on version 1: update the older of the two",
        "strange": f"the answer of the worker at {strange} makes no sense: check its version",
        "full": "the worker is busy: 8 requests wait already; ask again later",
        "cut": f"the worker at {cut} went away before it answered: see its log, and start it again",
        "silent": f"the worker at {silent} did not answer within 1 s",
        "nobody": f"no worker answers at {nobody}: start it in the preferences",
        "token": "the token is wrong",
        "no token": f"no worker keeps a token for {nobody}",
        "far": "http://192.0.2.1:8765 is on another machine, and Blender is to stay offline",
        "address": "'worker' is no address of a worker",
        "rest": "is in its rest position: choose Pose Position",
    }.items():
        assert said in told["faults"][name], name
    assert "rest position" in told["problem"]
    sentence = (
        "150000 frames of 17 bones are more than a worker takes (2,000,000 places): read fewer frames, or with a larger "
        "frame step"
    )
    assert told["batch"] == {"wave": [True, ""], "Endless": [False, sentence]}
    assert told["status"] == f"1 answered, 1 not; Endless: {sentence}"
    assert f"0 answered, 1 not; Endless: {sentence}" in told["retried"]


TIMER = """
import signal
prefs.address, prefs.token = "http://127.0.0.1:9", ""
prefs.python = "/nowhere/python"
told["no python"] = failing(ops.start_worker)
prefs.python, prefs.model = ARGS["python"], ARGS["model"]
assert ops.start_worker() == {"FINISHED"} and not ops.start_worker.poll()
told["starting"] = failing(ops.label)
def ready():
    assert preferences.started.state != "ended", list(preferences.started.log)
    return preferences.started.state == "ready"
end = time.monotonic() + 120
while not ready():
    assert time.monotonic() < end
    time.sleep(0.1)
assert not any(preferences.started.token in line for line in preferences.started.log)

def ask():
    plan = jobs.plan(bpy.context, ["label"])
    return jobs.run(jobs.Job(preferences.worker(bpy.context), [jobs.as_shown(bpy.context)], plan), wait=False)

counts = block_counts()
frame = scene.frame_current
usual, jobs.BITE = jobs.BITE, 0.0  # a frame a bite
job = ask()
assert bpy.app.timers.is_registered(jobs.tick) and not ops.label.poll() and ops.cancel.poll()
states = []
while jobs.current is not None:
    pause = jobs.tick()
    assert scene.frame_current == frame
    states.append((job.status, job.progress))
    time.sleep(pause or 0)
assert job.finished and not job.problem and job.answered == 1, job.status
progress = [share for _, share in states]
told["rising"] = progress == sorted(progress) and progress[-1] == 1.0
told["states"] = sorted({status.partition(" (")[0] for status, _ in states})
jobs.BITE = usual
assert results.rows[0].label
results.rows.clear()

# Cancelled while the worker is asked.
job = ask()
tick_until(lambda: job._asking is not None)
assert ops.cancel() == {"FINISHED"} and jobs.current is None and jobs.tick() is None
told["cancelled"] = [job.status, len(results.rows), ops.retry.poll()]

# The worker is killed while it is asked; another one is started, and Retry asks it.
process = preferences.started._process
os.kill(process.pid, signal.SIGSTOP)  # so that it has not answered yet
job = ask()
tick_until(lambda: job._asking is not None)
time.sleep(2)  # the request is on its way
os.kill(process.pid, signal.SIGKILL)
tick_until(lambda: jobs.current is None)
while preferences.started.state == "ready":  # the connection may end before the process
    time.sleep(0.01)
told["killed"] = [job.problem, len(results.rows), preferences.started.state]
told["ended"] = failing(ops.retry)
assert ops.stop_worker() == {"FINISHED"} and not ops.stop_worker.poll()
prefs.address, prefs.token = ARGS["address"], ARGS["token"]
assert ops.retry() == {"FINISHED"} and results.rows[0].label and not ops.retry.poll()
assert block_counts() == counts and not list(action.keys())

# Another file ends what runs, and forgets answers about this one.
job = ask()
tick_until(lambda: job._sampler is not None)
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
told["another"] = [job.problem, len(bpy.context.window_manager.skeletonllm.rows), jobs.current is None]
"""


def test_the_timer_the_worker_process_cancel_and_retry(worker: Worker, clip: Path, tmp_path: Path, model: str) -> None:
    told = in_blender(
        tmp_path,
        IMPORTED + TIMER,
        address=worker.address,
        token=worker.token,
        clip=str(clip),
        model=model,
        python=sys.executable,
    )
    assert "/nowhere/python: cannot be started: no such file or directory" in told["no python"]
    assert "the worker is still starting: wait a moment" in told["starting"]
    assert told["rising"] and told["states"] == ["1 answered", "asking about wave", "reading wave"]
    assert told["cancelled"] == ["cancelled", 0, True]
    problem, rows, state = told["killed"]
    assert "went away before it answered: see its log, and start it again" in problem and (rows, state) == (0, "ended")
    assert "the worker has ended" in told["ended"]
    assert told["another"] == ["another file was opened", 0, True]


QUITTING = """
prefs.python = ARGS["python"]
assert ops.start_worker() == {"FINISHED"}
told["process"] = preferences.started._process.pid
time.sleep(1)
told["state"] = preferences.started.state
"""


def test_a_started_worker_ends_with_blender(tmp_path: Path) -> None:
    told = in_blender(tmp_path, QUITTING, python=sys.executable, quit=True)
    assert told["state"] == "starting"
    with pytest.raises(ProcessLookupError):
        os.kill(told["process"], 0)


LINKED = """
rig = armature("Rig", [("root", None, (0, 0, 1), (0, 0, 2)), ("top", "root", (0, 0, 2), (0, 0, 3))])
keyed(rig, "Shared", "root", "location", [(0, 0, 0), (0, 1, 0)])
path = os.path.join(os.path.dirname(ARGS["told"]), "library.blend")
bpy.ops.wm.save_as_mainfile(filepath=path)
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.preferences.addon_enable(module=addon.__name__)
scene = bpy.context.scene
with bpy.data.libraries.load(path, link=True) as (source, target):
    target.objects = ["Rig"]
rig = bpy.data.objects["Rig"]
scene.collection.objects.link(rig)
bpy.context.view_layer.objects.active = rig
take = jobs.as_shown(bpy.context)
sampler = sampling.Sampler(scene, bpy.context.view_layer, rig, None, take.frames, 1, True)
assert sampler.work(1e9)
told["roots"] = [list(offsets[:3]) for _, offsets in sampler.motion.frames]
told["batch"] = bpy.ops.skeletonllm.annotate_actions.poll()
row = settings.result_of(take.armature_uid, take.about_uid, take.name)
row.label, row.known = "jump", True
scene.skeletonllm.rename = "PREFIX"
assert ops.write_back() == {"FINISHED"}
told["kept"] = addon.write_back.Changes(row, scene).kept
told["name"] = [rig.animation_data.action.name, *rig.animation_data.action.keys()]
"""


def test_a_linked_rig_is_read_and_not_written(tmp_path: Path) -> None:
    told = in_blender(tmp_path, LINKED)
    assert told["roots"] == [pytest.approx([0, 0, 1], abs=1e-6), pytest.approx([0, 0, 2], abs=1e-6)]
    assert told["batch"] is False
    assert told["kept"] == ["Shared: linked from another file: write it there"] and told["name"] == ["Shared"]
