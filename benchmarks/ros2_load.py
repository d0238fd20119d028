"""Eight humans at once: labels a second each, what is dropped, and whether memory stays flat in a long soak.

    python benchmarks/ros2_load.py [--minutes 10]

First 8 bodies at 30 Hz in real time for 30 s: each should be labelled at least once a second, windows that the model cannot
keep up with being dropped. Then a soak: the same at four times real time (stamps and messages), with the memory of node and
worker over its course. The peer of the labels a second is one body alone in the same run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ros2_latency import ROOT, busy_seconds, cpu_seconds

import skeletonllm_core as sk
from skeletonllm_core.motion.resample import resampled
from tests.plugins.ros2_wire import Listener, human_stream, own_domain, start_node, start_publisher
from tests.worker import Worker

BODIES, RATE, SPEED = 8, 30.0, 4.0
REAL_TIME_S = 30.0
CLIPS = ("walk.mixamo", "squat.minimal", "wave-right-hand.minimal")


def memory(pid: int) -> float:
    """Resident memory of a process [MiB]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Phase:
    """A publisher process with some bodies, and what comes of it."""

    def __init__(self, place: Path, domain: int, listener: Listener, prefix: str, bodies: int, speed: float) -> None:
        from skeletonllm_ros2 import dds_messages as msg

        self.listener = listener
        self.bodies = [f"{prefix}{number}" for number in range(bodies)]
        files = []
        for number, body in enumerate(self.bodies):
            clip = resampled(sk.read(ROOT / f"examples/clips/{CLIPS[number % len(CLIPS)]}.bvh")[0], 30.0)
            files.append(human_stream(place / f"{body}.npz", clip, body, RATE, speed=speed))
            listener.listen(self.action(body), msg.Classification)
        self.publisher = start_publisher(ROOT, domain, *files)
        listener.until(lambda: all(listener.got[self.action(body)] for body in self.bodies), 120, "labels of all")

    @staticmethod
    def action(body: str) -> str:
        return f"/humans/bodies/{body}/action"

    def counted(self) -> np.ndarray:
        """Labels of each body since the last call."""
        self.listener.take()
        found = [len(self.listener.got[self.action(body)]) for body in self.bodies]
        for topic in self.listener.got:
            del self.listener.got[topic][:-1]
        kept = [len(self.listener.got[self.action(body)]) for body in self.bodies]
        return np.array(found) - np.array(kept)

    def rates(self, seconds: float) -> np.ndarray:
        """Labels a second of each body, over so many seconds from now."""
        self.counted()
        began, total = time.monotonic(), np.zeros(len(self.bodies))
        while time.monotonic() - began < seconds:
            time.sleep(0.25)
            total += self.counted()
        return total / (time.monotonic() - began)

    def end(self) -> None:
        self.publisher.kill()
        self.publisher.wait()
        for body in self.bodies:
            del self.listener.readers[self.action(body)], self.listener.got[self.action(body)]


def main(minutes: float) -> None:
    from skeletonllm_ros2 import dds_messages as msg

    with tempfile.TemporaryDirectory() as folder, own_domain() as domain:
        place = Path(folder)
        worker = Worker(place / "worker")
        node = start_node(worker, domain, place / "node.txt", "--hop", "0.5")
        listener = Listener(domain)
        listener.listen("/diagnostics", msg.DiagnosticArray)
        try:
            alone = Phase(place, domain, listener, "alone", 1, 1.0)
            (one,) = alone.rates(10.0)
            alone.end()
            many = Phase(place, domain, listener, "many", BODIES, 1.0)
            spent, others, began = cpu_seconds(os.getpid()), busy_seconds(), time.monotonic()
            ours = [worker.process.pid, node.pid, many.publisher.pid]
            spent += sum(map(cpu_seconds, ours))
            rates = many.rates(REAL_TIME_S)
            spent = sum(map(cpu_seconds, ours)) + cpu_seconds(os.getpid()) - spent
            others = (busy_seconds() - others - spent) / (time.monotonic() - began) / (os.cpu_count() or 1)
            listener.take()
            dropped = sum(int(listener.status(body)["dropped"]) for body in many.bodies)
            print(f"1 body at {RATE:g} Hz: {one:.2f} labels a second")
            print(
                f"{BODIES} bodies: {rates.min():.2f} to {rates.max():.2f} labels a second each, in all "
                f"{rates.sum() / one:.1f} times as many as of one; {dropped} windows dropped; others took {others:.0%} "
                "of the machine"
            )
            many.end()
            soak = Phase(place, domain, listener, "soak", BODIES, SPEED)
            began, rows = time.monotonic(), []
            print(f"soak at {SPEED:g} times real time, {minutes:g} min; memory of node, worker [MiB]")
            while time.monotonic() - began < minutes * 60:
                rates = soak.rates(min(10.0, minutes * 6))
                rows.append((time.monotonic() - began, memory(node.pid), memory(worker.process.pid)))
                if len(rows) % 6 == 1:
                    passed, *used = rows[-1]
                    print(
                        f"  {passed:4.0f} s  {used[0]:.1f}  {used[1]:.1f}  (labels a second: {rates.min():.2f})",
                        flush=True,
                    )
            assert node.poll() is None, (place / "node.txt").read_text()
            # What is still being filled at the beginning does not count.
            kept = np.array(rows[len(rows) // 3 :])
            grown = [float(np.polyfit(kept[:, 0] / 60, kept[:, column], 1)[0]) for column in (1, 2)]
            print(f"growth in the last two thirds: node {grown[0]:+.2f}, worker {grown[1]:+.2f} MiB a minute")
            soak.end()
        finally:
            node.kill()
            node.wait()
            worker.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the soak")
    sys.exit(main(parser.parse_args().minutes))
