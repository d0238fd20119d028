"""A process of its own: what it refuses, how it dies and how long it takes reaches the user as one sentence."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from skeletonllm_core.errors import MotionFormatError
from skeletonllm_mocap_io.child import run_script


def run(folder: Path, code: str, seconds: float = 20.0, python: str = sys.executable) -> str:
    """What is said about a script; "" where it ends well."""
    script = folder / "script.py"
    script.write_text(f"import os, signal, sys, time\n{code}\n")
    try:
        run_script(script, ["one", folder], Path("walk.xyz"), format="xyz", seconds=seconds, python=python)
    except MotionFormatError as error:
        assert str(error).startswith("walk.xyz: ") and "\n" not in str(error) and str(error).isprintable()
        return error.problem
    return ""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.exit(0)", ""),
        ("print('x' * 100_000); print('noise', file=sys.stderr); sys.exit(0)", ""),
        ("print('noise\\nis cut short', file=sys.stderr); sys.exit(3)", "is cut short"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed on it (SIGSEGV)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed on it (SIGKILL)"),
        ("raise ValueError('bad \\x07 thing')", "failed on it: ValueError: bad ? thing"),
        ("sys.exit(7)", "failed on it: exit code 7"),
        ("sys.stderr.buffer.write(b'\\xff' * 9000); sys.exit(5)", "failed on it: \ufffd"),
    ],
)
def test_how_it_ends(code: str, said: str, tmp_path: Path) -> None:
    found = run(tmp_path, code)
    assert found.endswith(said) if len(said) > 30 or not said else said in found


def test_one_that_hangs_is_stopped(tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = f"time.sleep(3); open({str(note)!r}, 'w').close()"
    assert run(tmp_path, code, seconds=0.5) == "took more than 0.5 seconds and was stopped"
    time.sleep(3)
    assert not note.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets one process limit another")
def test_one_that_is_left_alone_ends_some_day(tmp_path: Path) -> None:
    code = (
        "import resource; time.sleep(0.5); print(resource.getrlimit(resource.RLIMIT_CPU), file=sys.stderr); sys.exit(3)"
    )
    assert run(tmp_path, code, seconds=20) == "(40, 40)"
    assert "too much computing time" in run(tmp_path, "os.kill(os.getpid(), signal.SIGXCPU)")


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be started: no such file or directory" in run(tmp_path, "", python=str(tmp_path / "python9"))


def test_it_sees_packages_but_no_modules_beside_it_and_no_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, "import numpy; numpy.zeros(3)") == ""
