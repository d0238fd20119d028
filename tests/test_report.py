"""The report page, read by a real browser where there is one."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skeletonllm_core.media import animated_webp, still_webp
from skeletonllm_core.report import Row, report_page

EVIL = "</script><img src=x onerror=\"document.title='broken in'\"> & <!--@ROWS-->"


def row(path: str, label: str | None = "walk", score: float | None = 0.9, status: str = "ok", **extra: Any) -> Row:
    """A row as `annotate` makes it; `extra` goes into the person of the sidecar."""
    failed = status == "failed"
    record = {
        "path": path,
        "status": status,
        "error": f"{path}:3: expected 96 channels, found 93 (format 'bvh')" if failed else None,
        "label": None if failed else label,
        "score": None if failed else score,
        "caption": None if failed else f"The person does: {label}.",
        "sidecar": None if failed else path + ".skel.json",
    }
    if failed:
        return Row(record)
    person = {
        "id": 0,
        "joints": 31,
        "label": {"text": label, "score": score, "known": (score or 0) > 0.35},
        "alternatives": [{"text": "run", "score": 0.04}],
        "segments": [
            {"start_s": 0.0, "end_s": 1.9, "label": label, "score": 0.9, "caption": "First."},
            {"start_s": 1.9, "end_s": 2.8, "label": "stand", "score": 0.8, "caption": "Then."},
        ],
    }
    document = {
        "source": {"path": path, "format": "bvh", "seconds": 2.833},
        "persons": [{**person, **extra}],
        "locked": status == "locked",
    }
    frames = np.random.default_rng(len(path)).random((3, 16, 16, 3), dtype=np.float32)
    return Row({**record, "status": "ok"}, document, animated_webp(frames, 1.0), still_webp(frames[0]))


ROWS = (
    row("a/walk.bvh", "walk", 0.93),
    row("b/jump.bvh", "jump", 0.41),
    row("b/turn.bvh", "turn", 0.2),
    row("c/broken.bvh", status="failed"),
    row("d/wave.bvh", "wave", 0.77, status="locked"),
)


class Page(HTMLParser):
    """The rows of a page: their data, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[dict[str, str | None]] = []
        self.images = self.scripts = 0
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "tr" and "data-path" in values:
            self.rows.append(values)
        self.images += tag == "img"
        self.scripts += tag == "script"
        self.sources += [values[key] or "" for key in ("src", "href", "srcset", "action") if key in values]

    def shown(self) -> list[str]:
        return [str(one["data-path"]) for one in self.rows if "hidden" not in one]


def test_one_row_a_clip_with_its_data_and_nothing_from_the_network() -> None:
    text = report_page(ROWS, "default")
    page = Page(text)
    assert page.shown() == [one.record["path"] for one in ROWS]
    assert [one["data-status"] for one in page.rows] == ["ok", "ok", "ok", "failed", "locked"]
    assert page.images == 4
    assert all(source.startswith("data:image/webp;base64,") for source in page.sources)
    assert not re.search(r"https?:", text)
    assert "expected 96 channels, found 93" in text
    assert "perhaps turn" in text
    assert text.count('class="timeline"') == 4


def test_texts_from_files_are_escaped() -> None:
    text = report_page([row(EVIL, EVIL, 0.5)], EVIL)
    page = Page(text)
    assert page.scripts == 1
    assert page.images == 1
    assert [one["data-path"] for one in page.rows] == [EVIL]


@pytest.mark.parametrize(
    "damage",
    [
        {"segments": None},
        {"segments": [7, {"start_s": "x", "end_s": None}, {"start_s": 1, "end_s": float("nan")}]},
        {"label": "walk"},
        {"alternatives": {"text": 1}},
        {"joints": None, "id": None},
    ],
)
def test_a_sidecar_edited_by_hand_does_not_break_the_page(damage: dict[str, Any]) -> None:
    assert Page(report_page([row("walk.bvh", **damage)], "default")).shown() == ["walk.bvh"]


def test_thousands_of_rows_stay_small() -> None:
    few, many = (len(report_page([ROWS[0]] * count, "default")) for count in (1, 2001))
    picture = len(ROWS[0].moving or b"") + len(ROWS[0].still or b"")
    assert (many - few) / 2000 < 4 / 3 * picture + 2000


# ---- in a real browser


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium is installed")


@contextmanager
def watched_folder(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on the loopback interface; gives its address and the list of what was asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def browse(chromium: str, address: str, profile: Path) -> str:
    """The document as the browser has it after scripts have run."""
    command = [chromium, "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    command += ["--virtual-time-budget=4000", "--dump-dom", address]
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def after(script: str) -> str:
    """The page of ROWS with something a user does added at its end (its own rules allow inline scripts only)."""
    return report_page(ROWS, "default").replace("</body>", f"<script>{script}</script></body>")


def typed(control: str, value: str) -> str:
    return (
        f"{{ const it = document.getElementById({control!r}); it.value = {value!r};"
        " it.dispatchEvent(new Event('input', { bubbles: true })); }"
    )


def pressed(key: str, times: int = 1) -> str:
    return f"document.querySelector('button[data-key={key}]').click();" * times


ALL = [str(one.record["path"]) for one in ROWS]


@pytest.mark.parametrize(
    ("does", "shown"),
    [
        ("", ALL),
        (typed("text", "channels expected"), ["c/broken.bvh"]),
        (typed("text", "THEN"), [path for path in ALL if path != "c/broken.bvh"]),
        (typed("label", "wa"), ["a/walk.bvh", "d/wave.bvh"]),
        (typed("least", "0.5"), ["a/walk.bvh", "d/wave.bvh"]),
        (typed("status", "failed"), ["c/broken.bvh"]),
        (typed("status", "locked") + typed("text", "nothing like it"), []),
        (pressed("score"), ["b/turn.bvh", "b/jump.bvh", "d/wave.bvh", "a/walk.bvh", "c/broken.bvh"]),
        (pressed("score", 2), ["a/walk.bvh", "d/wave.bvh", "b/jump.bvh", "b/turn.bvh", "c/broken.bvh"]),
        (pressed("label"), ["b/jump.bvh", "b/turn.bvh", "a/walk.bvh", "d/wave.bvh", "c/broken.bvh"]),
        (pressed("status"), ["c/broken.bvh", "d/wave.bvh", "a/walk.bvh", "b/jump.bvh", "b/turn.bvh"]),
        (pressed("path"), ALL[::-1]),
        (typed("least", "0.3") + pressed("score"), ["b/jump.bvh", "d/wave.bvh", "a/walk.bvh"]),
    ],
)
def test_filter_and_sort_in_the_browser(chromium: str, tmp_path: Path, does: str, shown: list[str]) -> None:
    (tmp_path / "report.html").write_text(after(does), encoding="utf-8")
    page = Page(browse(chromium, (tmp_path / "report.html").as_uri(), tmp_path / "profile"))
    assert page.shown() == shown


def test_a_long_report_shows_a_page_at_a_time_and_finds_everything(chromium: str, tmp_path: Path) -> None:
    many = [row(f"{index:04d}.bvh", "jump" if index % 100 == 99 else "walk", index / 1000) for index in range(700)]
    text = report_page(many, "default")
    assert Page(text).shown() == [one.record["path"] for one in many[:300]]

    def shown(does: str) -> list[str]:
        page = tmp_path / "report.html"
        page.write_text(text.replace("</body>", f"<script>{does}</script></body>"), encoding="utf-8")
        return Page(browse(chromium, page.as_uri(), tmp_path / "profile")).shown()

    assert len(shown("document.getElementById('more').click();")) == 600
    assert shown(typed("label", "jump")) == [f"{index:04d}.bvh" for index in range(99, 700, 100)]
    assert shown(pressed("score", 2))[:2] == ["0699.bvh", "0698.bvh"]


def test_the_browser_asks_for_nothing_but_the_page_and_shows_the_pictures(chromium: str, tmp_path: Path) -> None:
    told = "Promise.all([...document.images].map(image => { image.loading = 'eager'; return image.decode(); }))"
    told += ".then(() => document.body.dataset.pictures = [...document.images].map(i => i.naturalWidth).join())"
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "report.html").write_text(after(told), encoding="utf-8")
    with watched_folder(folder) as (address, asked):
        text = browse(chromium, f"{address}/report.html", tmp_path / "profile")
    assert 'data-pictures="16,16,16,16"' in text
    assert [path for path in asked if path != "/favicon.ico"] == ["/report.html"]


def test_scripts_in_names_do_not_run(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(report_page([row(EVIL, EVIL, 0.5)], EVIL), encoding="utf-8")
    text = browse(chromium, (tmp_path / "report.html").as_uri(), tmp_path / "profile")
    assert "<title>SkeletonLLM report</title>" in text
    assert Page(text).shown() == [EVIL]
