"""Annotate the example clips with the embedded model and print what came out: `make demo`.

    python examples/demo.py [OUT]

writes into OUT, `runs/demo` unless given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from skeletonllm_core.annotate import annotate

ROOT = Path(__file__).resolve().parent.parent


def main(out: Path) -> int:
    """Annotate `examples/clips` into `out`; 1 where a clip failed."""
    console = Console()
    with Console(stderr=True).status("annotating the example clips …"):
        result = annotate([ROOT / "examples" / "clips"], out)
    table = Table(Column("clip", no_wrap=True), "label", "score", "caption", "seconds")
    for record in result.records:
        score = "" if record.score is None else f"{record.score:.2f}"
        said = record.caption if record.status == "ok" else f"failed: {record.error}"
        table.add_row(Text(record.path), Text(record.label or ""), score, Text(said or ""), f"{record.took:.2f}")
    console.print(table)
    console.print(f"{len(result.records)} clips in {result.seconds:.1f} s; the report: {result.report}", soft_wrap=True)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "demo"))
