"""Kill `annotate` ten times with -9 at random moments of a 60-clip run, then resume it; any damage is an error."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.test_annotate import kill_and_resume


def main() -> None:
    """Run it with one process and with two; prints how far the run had come at each kill."""
    for jobs in ("1", "2"):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            done = kill_and_resume("default", Path(folder), clips=60, kills=10, seed=0, jobs=jobs)
        print(
            f"crash safety, --jobs {jobs}: 10 kills, clips done after each {done}; resumed: 60 of 60 once, nothing "
            f"half written, no process left, same bytes as an undisturbed run ({time.monotonic() - began:.0f} s)"
        )


if __name__ == "__main__":
    main()
