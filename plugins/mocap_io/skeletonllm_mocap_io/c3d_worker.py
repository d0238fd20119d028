"""One C3D file → one .npz, by ezc3d, in a process of its own: ``python -I c3d_worker.py IN OUT MEGABYTES SECONDS``.

ezc3d 1.7 crashes on some damaged files and never ends on others, so the process gets so much memory and, for reading, so
much computing time (not time on the clock: a busy machine is no damaged file); SIGPROF ends it. Written are ``points``
(T, M, 3), NaN where a marker is not seen, and ``about`` (JSON: labels, others, fps, unit, up).
"""

from __future__ import annotations

import json
import os
import signal
import sys

_REFUSED = 3
_OTHER_GROUPS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS")


def refuse(problem: str) -> None:
    print(problem, file=sys.stderr, flush=True)
    os._exit(_REFUSED)


def limit_memory(megabytes: int) -> None:
    import resource

    most, allowed = megabytes << 20, resource.getrlimit(resource.RLIMIT_AS)[1]
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (most, allowed))


def main(source: str, target: str, seconds: float) -> None:
    import ezc3d
    import numpy as np

    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        file = ezc3d.c3d(source)
    except (OSError, RuntimeError, ValueError, KeyError, IndexError) as problem:
        said = " ".join(str(problem).split())
        if "bad_alloc" in said:
            raise MemoryError from problem
        refuse(f"is no readable C3D file: {said.partition('. If you want')[0].rstrip('.')[:120]}")
    group = file["parameters"].get("POINT", {})

    def texts(name: str) -> list[str]:
        value = group.get(name, {}).get("value", [])
        return [str(one) for one in value] if isinstance(value, list) else []

    points = file["data"]["points"][:3]
    residuals = file["data"]["meta_points"]["residuals"][0]
    points = np.where((residuals < 0) | ~points.any(0), np.nan, points)
    labels = [label for number in ("", *range(2, 10)) for label in texts(f"LABELS{number}")][: points.shape[1]]
    labels += [""] * (points.shape[1] - len(labels))
    rate = np.ravel(group.get("RATE", {}).get("value", []))
    about = {
        "labels": labels,
        "others": [label for name in _OTHER_GROUPS for label in texts(name)],
        "fps": float(rate[0]) if len(rate) else float(file["header"]["points"]["frame_rate"]),
        "unit": "".join(texts("UNITS")[:1]),
        "up": "".join(texts("Y_SCREEN")[:1]),
    }
    with open(target, "wb") as out:
        np.savez(out, points=points.transpose(2, 1, 0), about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8))


if __name__ == "__main__":
    limit_memory(int(sys.argv[3]))
    try:
        main(sys.argv[1], sys.argv[2], float(sys.argv[4]))
    except MemoryError:
        refuse(f"needs more than {sys.argv[3]} MB of memory to be read")
    os._exit(0)
