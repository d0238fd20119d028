"""Hostile files: mutations of a valid sample of every format, read in a process that may die without harm.

`python -m tests.fuzzing [--count 2000] [--format NAME …] [--seed 0]`, which is `make fuzz`. A file that a reader does
not either read or refuse in one sentence within the bounds is kept under tests/data/hostile/, and `make test` replays it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

KEPT = Path(__file__).parent / "data" / "hostile"
SECONDS = 5.0
"""A file may take this long."""

MEGABYTES = 1000
"""And the reading process may grow to this much."""

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_HOSTILE_NUMBERS = (
    b"0", b"-1", b"1", b"1e308", b"-1e39", b"nan", b"inf", b"4294967295", b"2147483648", b"99999999999999999999", b"1e-320",
    b"0x41", b"",
)  # fmt: skip
_HOSTILE_INTEGERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000)


def mutated(sample: bytes, rng: np.random.Generator) -> bytes:
    """A sample with one to four damages: bytes, numbers, lines or pieces changed, cut, doubled or moved."""
    data = bytearray(sample)
    damages = _TEXT if sample[:400].isascii() and b"\0" not in sample[:400] else _BINARY
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        damages[int(rng.integers(len(damages)))](data, rng)
    return bytes(data)


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))


def _truncate(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(len(data))) :]


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.geometric(0.01))]


def _double(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    piece = data[start : start + int(rng.geometric(0.005))]
    place = int(rng.integers(len(data)))
    data[place:place] = piece


def _noise(data: bytearray, rng: np.random.Generator) -> None:
    start, size = int(rng.integers(len(data))), int(rng.geometric(0.1))
    data[start : start + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()


def _integer(data: bytearray, rng: np.random.Generator) -> None:
    size = (1, 2, 4, 8)[int(rng.integers(4))]
    value = _HOSTILE_INTEGERS[int(rng.integers(len(_HOSTILE_INTEGERS)))] & ((1 << 8 * size) - 1)
    start = int(rng.integers(min(len(data), 2048) if rng.random() < 0.5 else len(data)))
    data[start : start + size] = value.to_bytes(size, "little")


def _number(data: bytearray, rng: np.random.Generator) -> None:
    found = list(_NUMBER.finditer(data, 0, min(len(data), 200_000)))
    if found:
        # The first numbers of a file are its counts, sizes and rates.
        one = found[
            min(int(rng.geometric(0.05)), len(found)) - 1 if rng.random() < 0.5 else int(rng.integers(len(found)))
        ]
        data[one.start() : one.end()] = _HOSTILE_NUMBERS[int(rng.integers(len(_HOSTILE_NUMBERS)))]


def _line(data: bytearray, rng: np.random.Generator) -> None:
    lines = data.split(b"\n")
    chosen, other = (int(rng.integers(len(lines))) for _ in range(2))
    match int(rng.integers(3)):
        case 0:
            del lines[chosen]
        case 1:
            lines.insert(other, lines[chosen])
        case _:
            lines[chosen], lines[other] = lines[other], lines[chosen]
    data[:] = b"\n".join(lines)


def _word(data: bytearray, rng: np.random.Generator) -> None:
    words = list(re.finditer(rb"[A-Za-z_]\w*", data[:200_000]))
    if words:
        one, other = (words[int(rng.integers(len(words)))] for _ in range(2))
        data[one.start() : one.end()] = bytes(other[0])


_TEXT = (_flip, _truncate, _cut, _double, _noise, _number, _number, _number, _line, _line, _word)
_BINARY = (_flip, _truncate, _cut, _double, _noise, _integer, _integer, _integer)


@dataclass(frozen=True)
class Verdict:
    """What became of a file: `fault` is "" when it was read or refused as it should be."""

    outcome: str
    fault: str


class ReadingProcess:
    """A process that reads one file after the other; it is started again when one of them ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def verdict(self, path: Path, format: str) -> Verdict:
        """Read a file in the process."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzzing", "--read"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=Path(__file__).parent.parent,
                start_new_session=True,
            )
            self._answer(30.0)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(path), format]) + "\n")
        self._process.stdin.flush()
        answer = self._answer(2 * SECONDS)
        if answer is None:
            ended = self._process.poll()
            self.close()
            return Verdict("ended", "no answer within the time" if ended is None else f"the process died ({ended})")
        if answer["fault"]:
            # What it grew to would be held against the next file.
            self.close()
        return Verdict(answer["outcome"], answer["fault"])

    def _answer(self, seconds: float) -> dict | None:
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            if not waiting.select(seconds):
                return None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            return None
        return json.loads(line)

    def close(self) -> None:
        """End the process and what it started."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, 9)
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None


def read_forever() -> None:
    """The reading process: a path and a format a line in, a verdict a line out."""
    from skeletonllm_core import plugins
    from skeletonllm_core.errors import SkeletonLLMError

    # The soft limit alone: the processes that some readers start have limits of their own.
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
    plugins.readers()
    print(json.dumps({"outcome": "ready", "fault": ""}), flush=True)
    for line in sys.stdin:
        path, format = json.loads(line)
        began, fault = time.monotonic(), ""
        try:
            clips = plugins.read_clips(Path(path), format=format)
            outcome = "read"
            for clip in clips:
                for person in clip.persons:
                    if not len(person):
                        fault = "a clip without frames was returned"
                    elif np.isinf(person.joint_positions()).any():
                        fault = "infinite positions were returned"
        except SkeletonLLMError as error:
            outcome, text = "refused", str(error)
            if not text.startswith(path) or "\n" in text or not text.isprintable() or len(text) > len(path) + 500:
                fault = f"the message is not one sentence about the file: {text[:300]!r}"
        except BaseException as error:
            outcome, fault = "escaped", f"{type(error).__name__}: {error}"[:300]
        seconds = time.monotonic() - began
        grown = _most_memory()
        if not fault and seconds > SECONDS:
            fault = f"took {seconds:.1f} s"
        if not fault and grown > MEGABYTES:
            fault = f"grew to {grown} MB"
        print(json.dumps({"outcome": outcome, "fault": fault}), flush=True)


def _most_memory() -> int:
    """How large this process has been [MB]; what getrusage says of it begins with the size of the one it comes from."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) // 1024


def fuzz(
    format: str, sample: Path, count: int, seed: int, folder: Path, reader: ReadingProcess
) -> tuple[Counter[str], list[tuple[Path, str]]]:
    """Read `count` mutations of a sample.

    Args:
        sample: a valid file; what lies beside it (an .asf, a .urdf) is there for the mutations, too.
        folder: empty, for the mutated files.

    Returns:
        How many had which outcome; the files with a fault, and the fault.
    """
    shutil.copytree(sample.parent, folder, dirs_exist_ok=True)
    data = sample.read_bytes()
    outcomes: Counter[str] = Counter()
    faults = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        path = folder / f"{sample.stem}{sample.suffix}"
        path.write_bytes(mutated(data, rng))
        verdict = reader.verdict(path, format)
        outcomes[verdict.outcome] += 1
        if verdict.fault:
            kept = folder / f"fault-{index}{sample.suffix}"
            shutil.copy(path, kept)
            faults.append((kept, verdict.fault))
    return outcomes, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--format", action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_forever()
        return 0
    from tests.samples import samples

    bad = 0
    reader = ReadingProcess()
    with tempfile.TemporaryDirectory() as folder:
        for name, sample in samples(Path(folder) / "samples").items():
            if options.format and name not in options.format:
                continue
            began = time.monotonic()
            outcomes, faults = fuzz(name, sample, options.count, options.seed, Path(folder) / name, reader)
            told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
            print(f"{name}: {told}, {len(faults)} faults, {time.monotonic() - began:.0f} s", flush=True)
            for path, fault in faults:
                kept = KEPT / name / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}{path.suffix}"
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, kept)
                print(f"  {kept}: {fault}", flush=True)
            bad += len(faults)
    reader.close()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
