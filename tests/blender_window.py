"""A real Blender in a real window (on a virtual screen), and a person before it: who sees by OCR and uses the mouse."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageGrab

from skeletonllm_blender.package import write_package

PROGRAMS = ("blender", "Xvfb", "xdotool", "tesseract")
SCREEN = (1280, 900)
_START_SECONDS = 60
_SEE_SECONDS = 40
_UI_SCALE = 1.25  # letters that OCR reads
_TAB = 40  # more than the width of a tab [pixels]

_PRELUDE = """
import builtins, importlib, json, os, sys, time, traceback
import bpy

ARGS = json.loads(sys.argv[sys.argv.index("--") + 1])
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.view.ui_scale = ARGS["ui_scale"]

def tell(name, told):
    path = os.path.join(ARGS["folder"], name + ".json")
    with open(path + ".part", "w") as file:
        json.dump(told, file)
    os.replace(path + ".part", path)

def viewport():
    window = bpy.context.window_manager.windows[0]
    area = max((one for one in window.screen.areas if one.type == "VIEW_3D"), key=lambda one: one.width)
    return window, area, {one.type: one for one in area.regions}

EXTENSIONS = bpy.app.version >= (4, 2)
NAME = "bl_ext.user_default.skeletonllm" if EXTENSIONS else "skeletonllm"

def addon():
    return importlib.import_module(NAME)

def install():
    if EXTENSIONS:
        bpy.ops.extensions.package_install_files(
            filepath=ARGS["package"], repo="user_default", enable_on_install=True)
    else:
        bpy.ops.preferences.addon_install(filepath=ARGS["package"])
        bpy.ops.preferences.addon_enable(module=NAME)
    preferences = bpy.context.preferences.addons[NAME].preferences
    preferences.address, preferences.token = ARGS["address"], ARGS["token"]

def import_bvh(path, scale):
    # The importer of Debian's Blender 3.4 opens files in mode "rU", which its Python 3.11 no longer knows.
    from io_anim_bvh import import_bvh
    import_bvh.open = lambda path, mode="r", **given: builtins.open(path, mode.replace("U", ""), **given)
    bpy.ops.import_anim.bvh(filepath=path, global_scale=scale, update_scene_fps=True, update_scene_duration=True)
    return bpy.context.object

def show_sidebar():
    # Where it is, is told again and again: [left, top, width, height].
    window, area, regions = viewport()
    area.spaces.active.show_region_ui = True
    def look():
        sidebar = viewport()[2]["UI"]
        tell("sidebar", [sidebar.x, window.height - sidebar.y - sidebar.height, sidebar.width, sidebar.height])
        if addon().jobs.last is not None:
            tell("pressed", True)
        return 0.2
    bpy.app.timers.register(look, first_interval=0.5)

def begin():
    try:
        for one in list(bpy.data.objects):
            bpy.data.objects.remove(one)
        install()
        main(addon())
    except BaseException:
        tell("failed", traceback.format_exc())
        raise

bpy.app.timers.register(begin, first_interval=0.5)
"""


def missing() -> str:
    """The programs that are not installed, separated by commas."""
    return ", ".join(name for name in PROGRAMS if shutil.which(name) is None)


class Word(NamedTuple):
    """A word that can be read on the screen, and the place of its middle."""

    text: str
    x: int
    y: int


class Window:
    """Blender in a window; see `blender_window`."""

    def __init__(self, display: str, folder: Path) -> None:
        self._display, self._folder = display, folder

    def told(self, name: str, seconds: float = _START_SECONDS) -> Any:
        """What the script told under a name, once it has."""
        end = time.monotonic() + seconds
        path, failed = self._folder / f"{name}.json", self._folder / "failed.json"
        while not path.exists():
            assert not failed.exists(), json.loads(failed.read_text())
            assert time.monotonic() < end, f"{name} was not told:\n{(self._folder / 'log.txt').read_text()[-4000:]}"
            time.sleep(0.1)
        return json.loads(path.read_text())

    def picture(self) -> Image.Image:
        """The screen."""
        return ImageGrab.grab(xdisplay=self._display)

    def words(self, box: tuple[int, int, int, int], turned: bool = False) -> list[Word]:
        """The words in a part of the screen (left, top, right, bottom), from the top; `turned`: read from below."""
        left, top, _, bottom = box
        seen = self.picture().crop(box).convert("L")
        if turned:
            seen = seen.rotate(-90, expand=True)
        seen = seen.resize((2 * seen.width, 2 * seen.height), Image.Resampling.BICUBIC)
        content = io.BytesIO()
        seen.save(content, "PNG")
        program = ["tesseract", "-", "-", "--psm", "11", "tsv"]
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        read = subprocess.run(program, input=content.getvalue(), capture_output=True, check=True, env=environment)
        found = []
        for row in csv.DictReader(io.StringIO(read.stdout.decode()), delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["text"].strip():
                across = (int(row["left"]) + int(row["width"]) / 2) / 2
                down = (int(row["top"]) + int(row["height"]) / 2) / 2
                x, y = (down, bottom - top - across) if turned else (across, down)
                found.append(Word(row["text"].strip(), round(left + x), round(top + y)))
        return sorted(found, key=lambda word: (word.y, word.x))

    def see(self, box: tuple[int, int, int, int], wanted: str, *, turned: bool = False) -> Word:
        """The first word from the top that reads so, once it is there."""
        end = time.monotonic() + _SEE_SECONDS
        while True:
            words = self.words(box, turned)
            for word in words:
                if word.text == wanted:
                    return word
            assert time.monotonic() < end, f"{wanted!r} is not to be seen, but {' '.join(word.text for word in words)}"

    def click(self, x: int, y: int) -> None:
        """The mouse goes there, as a hand moves it, and its left button is pressed."""
        self._mouse(f"mousemove {x - 6} {y - 6}", f"mousemove {x} {y}", "mousedown 1", "mouseup 1")

    def press_label(self, panels: tuple[int, int, int, int]) -> None:
        """Click on Label in the row of Segment (there are two of that name), again where nothing happens."""
        row = self.see(panels, "Segment").y
        button = self.see((panels[0], row - 14, panels[2], row + 14), "Label")
        for _ in range(3):
            self.click(button.x, button.y)
            end = time.monotonic() + 10
            while time.monotonic() < end:
                if (self._folder / "pressed.json").exists():
                    return
                time.sleep(0.1)
        raise AssertionError("Label was clicked three times, and nothing happened")

    def rest(self) -> None:
        """The mouse leaves the buttons, which then look as they are."""
        self._mouse("mousemove 400 600")

    def drag(self, x: int, y: int, to_x: int) -> None:
        """Something is drawn to the left or right."""
        moves = [f"mousemove {x + (to_x - x) * step // 6} {y}" for step in range(1, 7)]
        self._mouse(f"mousemove {x - 6} {y}", f"mousemove {x} {y}", "mousedown 1", *moves, "mouseup 1")

    def open_tab(self) -> tuple[int, int, int, int]:
        """Click the add-on's tab in the sidebar (`show_sidebar`); the part of the screen that its panels are in."""
        left, top, width, height = self.told("sidebar")
        right, bottom = left + width, top + height
        strip = right - _TAB, top, right, bottom
        tab = self.see(strip, "SkeletonLLM", turned=True)
        self.click(tab.x, tab.y)
        panels = left, top, right - _TAB, bottom
        self.see(panels, "Caption")
        return panels

    def widen_sidebar(self) -> None:
        """Draw its edge to the left; the edge is thin, so a hand may miss it."""
        left, top, width, height = self.told("sidebar")
        self.see((left, top, left + width, top + height), "Transform")
        for inside in (12, 14, 10, 8, 13, 11, 9):
            self.drag(left + inside, top + 250, left - 100)
            time.sleep(2)
            if self.told("sidebar")[2] > width:
                return
        raise AssertionError("the sidebar was not drawn wider")

    def _mouse(self, *acts: str) -> None:
        """Blender sees where the mouse is once it has drawn, so a hand that is too quick misses the button."""
        for act in acts:
            subprocess.run(["xdotool", *act.split()], check=True, env={**os.environ, "DISPLAY": self._display})
            time.sleep(0.4)


@contextmanager
def blender_window(folder: Path, main: str, **given: Any) -> Iterator[Window]:
    """Blender with clean settings and the add-on, in a window that fills a screen of 1280 x 900.

    Args:
        folder: an empty one, for its settings and files.
        main: defines `main(addon)`, which Blender runs once the window is there. It finds `given` in ARGS, and what the
            prelude defines; what it tells with `tell(name, value)` is awaited by `Window.told`.
    """
    package, script = folder / "skeletonllm.zip", folder / "script.py"
    write_package(package)
    for name in ("config", "scripts/addons"):
        (folder / name).mkdir(parents=True)
    script.write_text(_PRELUDE + main, encoding="utf-8")
    arguments = {
        "package": str(package),
        "folder": str(folder),
        "ui_scale": _UI_SCALE,
        "address": "",
        "token": "",
        **given,
    }
    with _screen() as display, (folder / "log.txt").open("wb") as log:
        width, height = SCREEN
        place = ["-p", "0", "0", str(width), str(height)]
        run = ["--python-exit-code", "1", "--python", str(script), "--", json.dumps(arguments)]
        blender = subprocess.Popen(
            ["blender", "--factory-startup", *place, *run],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "DISPLAY": display,
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "BLENDER_USER_RESOURCES": str(folder),
                "BLENDER_USER_CONFIG": str(folder / "config"),
                "BLENDER_USER_SCRIPTS": str(folder / "scripts"),
            },
        )
        window = Window(display, folder)
        try:
            yield window
        except AssertionError as problem:
            window.picture().save(folder / "screen.png")
            problem.add_note(f"the screen was then: {folder / 'screen.png'}")
            raise
        finally:
            blender.kill()
            blender.wait()


@contextmanager
def _screen() -> Iterator[str]:
    """A virtual screen on a free display; its name."""
    reading, writing = os.pipe()
    width, height = SCREEN
    screen = ["-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "+extension", "GLX"]
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), *screen],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()
