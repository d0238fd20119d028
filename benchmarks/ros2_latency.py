"""How soon after the end of a window its label is on the wire: one human at 100 Hz, real worker, node and DDS on loopback.

    python benchmarks/ros2_latency.py [--seconds 30]

Latency is from the stamp that ends a window to the label's arrival in another process. Wall-clock time only means something
on a quiet machine: the share of the cores that other processes took is printed beside it, and so is the CPU time that worker
and node spend a label, which does not depend on it. The peer is the same label asked of the worker with all its looks.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import skeletonllm_core as sk
from skeletonllm_core.motion.resample import resampled
from tests.plugins.ros2_wire import Listener, human_stream, own_domain, start_node, start_publisher
from tests.worker import Worker

ROOT = Path(__file__).parent.parent
WARM = 5
"""Labels before those that count."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float:
    """CPU time that the machine has spent so far [s], on everything."""
    user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def main(seconds: float) -> None:
    from skeletonllm_ros2 import dds_messages as msg

    clip = resampled(sk.read(ROOT / "examples/clips/walk.mixamo.bvh")[0], 30.0)
    with tempfile.TemporaryDirectory() as folder, own_domain() as domain:
        place = Path(folder)
        worker = Worker(place / "worker")
        node = start_node(worker, domain, place / "node.txt", "--hop", "0.5", "--no-captions")
        publisher = start_publisher(ROOT, domain, human_stream(place / "a.npz", clip, "a", 100.0))
        listener = Listener(domain)
        listener.listen("/humans/bodies/a/action", msg.Classification)
        took: list[float] = []
        running = [worker.process.pid, node.pid]
        try:
            began, spent, others = 0.0, 0.0, 0.0
            (reader,) = listener.readers.values()
            while not began or time.monotonic() - began < seconds:
                assert node.poll() is None, (place / "node.txt").read_text()
                for label in reader.take(100):
                    if isinstance(label, msg.Classification):
                        stamp = label.header.stamp.sec * 10**9 + label.header.stamp.nanosec
                        took.append((time.time_ns() - stamp) / 1e9)
                if not began and len(took) >= WARM:
                    took.clear()
                    began, spent, others = time.monotonic(), sum(map(cpu_seconds, running)), busy_seconds()
                    mine = cpu_seconds(os.getpid()) + cpu_seconds(publisher.pid)
                time.sleep(0.001)
            passed = time.monotonic() - began
            spent = sum(map(cpu_seconds, running)) - spent
            mine = cpu_seconds(os.getpid()) + cpu_seconds(publisher.pid) - mine
            others = busy_seconds() - others - spent - mine
        finally:
            for process in (publisher, node):
                process.kill()
                process.wait()
        client = sk.Client(worker.address, worker.token)
        asked = {}
        for quick in (True, False):
            client.label(clip, quick=quick)
            before = cpu_seconds(worker.process.pid)
            for _ in range(20):
                client.label(clip, quick=quick)
            asked[quick] = (cpu_seconds(worker.process.pid) - before) / 20
        worker.stop()
    cores = os.cpu_count() or 1
    print(
        f"{len(took)} labels in {passed:.0f} s, {cores} cores; others took {others / passed / cores:.0%} of the machine"
    )
    print(
        f"window end → label received: p50 {np.percentile(took, 50) * 1e3:.0f} ms, p99 {np.percentile(took, 99) * 1e3:.0f} ms"
    )
    print(
        f"CPU time a label, worker and node together: {spent / len(took) * 1e3:.0f} ms (100 messages a second included)"
    )
    print(
        f"of the worker alone: {asked[True] * 1e3:.0f} ms looking once, {asked[False] * 1e3:.0f} ms with all looks "
        f"({asked[True] / asked[False]:.2f})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    sys.exit(main(parser.parse_args().seconds))
