"""`skeletonllm ros2 …`. What each command needs is imported when it runs, so that `--help` answers at once."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

_MOST_WINDOWS = 1000
_PATH = click.Path(path_type=Path, readable=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def ros2() -> None:
    """Label joint states of ROS 2: recorded bags, and live without ROS (docs/ros2.md)."""


def with_windows(command: Command) -> Command:
    """How the streams are cut and what is asked."""
    for option in (
        click.option("--no-captions", is_flag=True, help="Labels and segments only."),
        click.option("--min-score", default=0.0, show_default=True, help="A label under it is none."),
        click.option("--labels", metavar='"A,B,C"', help="Candidate labels, open text; default: the model's own."),
        click.option("--hop", default=0.5, show_default=True, metavar="S", help="From one window to the next [s]."),
        click.option("--window", default=3.0, show_default=True, metavar="S", help="What a label is about [s]."),
    ):
        command = option(command)
    return command


def with_worker(command: Command) -> Command:
    """Which model answers."""
    for option in (
        click.option("--device", default="auto", show_default=True, help="Of the worker that is started."),
        click.option("--model", default="default", show_default=True, help="Of the worker that is started."),
        click.option(
            "--worker-url",
            metavar="URL",
            help="A running `skeletonllm serve`; without it one is started and ended again.",
        ),
    ):
        command = option(command)
    return command


def with_bodies(command: Command) -> Command:
    """Where the kinematics come from."""
    for option in (
        click.option("--tf-root", metavar="FRAME", help="Also make a body of the frames below this one of /tf."),
        click.option("--urdf", type=_PATH, metavar="FILE", help="Of a robot that publishes no robot_description."),
    ):
        command = option(command)
    return command


def settings_of(
    window: float, hop: float, labels: str | None, min_score: float, no_captions: bool, *, live: bool
) -> Any:
    from skeletonllm_ros2.labeler import Settings

    listed = None if labels is None else tuple(one.strip() for one in labels.split(",") if one.strip())
    # Of a recording every window is looked at; live, only the newest.
    return Settings(
        window, hop, listed, min_score, captions=not no_captions, queue=1 if live else _MOST_WINDOWS, live=live
    )


@ros2.command()
@click.argument("bag", type=_PATH)
@click.option("-o", "--out", type=_PATH, metavar="BAG", help="Also write a bag with the label topics added.")
@click.option("--sidecars", type=_PATH, metavar="DIR", help="Folder of the sidecars; default: beside the bag.")
@with_bodies
@with_windows
@with_worker
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
def bag(
    bag: Path,
    out: Path | None,
    sidecars: Path | None,
    urdf: Path | None,
    tf_root: str | None,
    window: float,
    hop: float,
    labels: str | None,
    min_score: float,
    no_captions: bool,
    worker_url: str | None,
    model: str,
    device: str,
    json_: bool,
) -> None:
    """Label every body of a bag (a folder, or one .mcap or .db3 file); writes a sidecar each."""
    from skeletonllm_ros2.bag import annotate_bag
    from skeletonllm_ros2.worker import worker_at

    settings = settings_of(window, hop, labels, min_score, no_captions, live=False)
    with worker_at(worker_url, model, device) as worker:
        done = annotate_bag(
            bag, worker, settings, out=out, sidecars=sidecars, urdf=urdf, tf_root=tf_root, progress=_told_progress()
        )
    bodies = []
    for record, place in done:
        text, score, known = record.label
        rows = [{**one.as_json(), "caption": caption} for one, caption in record.segments]
        bodies.append({"body": record.body, "label": text, "score": round(score, 4), "known": known,
                       "segments": rows, "sidecar": str(place)})  # fmt: skip
        if not json_:
            click.echo(f"{record.body}: {text if known else f'unknown ({text} {score:.2f})'}  → {place}")
            for one, caption in record.segments:
                begin, end = (one.start - record.first) / 1e9, (one.end - record.first) / 1e9
                click.echo(f"  {begin:7.2f} – {end:7.2f} s  {one.label} ({one.score:.2f})  {caption}")
    if json_:
        click.echo(json.dumps({"bodies": bodies, "bag": None if out is None else str(out)}, ensure_ascii=False))


@ros2.command()
@click.option("--domain", type=click.IntRange(0, 232), help="Of DDS; default: ROS_DOMAIN_ID, else 0.")
@click.option(
    "--bodies", metavar="A,B", help="Only these: ids of humans, namespaces of robots, `robot` for /joint_states."
)
@with_bodies
@with_windows
@with_worker
def run(
    domain: int | None,
    bodies: str | None,
    urdf: Path | None,
    tf_root: str | None,
    window: float,
    hop: float,
    labels: str | None,
    min_score: float,
    no_captions: bool,
    worker_url: str | None,
    model: str,
    device: str,
) -> None:
    """Run the node without ROS: labels joint states on the DDS wire until Ctrl-C."""
    from skeletonllm_core.errors import PluginError, SkeletonLLMError

    try:
        from skeletonllm_ros2.dds_node import DdsNode, ros_domain
    except ImportError as problem:
        cure = 'pip install "skeletonllm[ros2]" (Linux on ARM: build cyclonedds, there is no wheel)'
        raise PluginError(f"the node on the DDS wire needs: {cure}") from problem
    from skeletonllm_ros2.labeler import Labeler
    from skeletonllm_ros2.worker import worker_at

    settings = settings_of(window, hop, labels, min_score, no_captions, live=True)
    number = ros_domain() if domain is None else domain
    try:
        text = None if urdf is None else urdf.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SkeletonLLMError(f"{urdf}: the URDF cannot be read: {problem}") from problem
    listed = None if bodies is None else {one.strip() for one in bodies.split(",")}
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    with worker_at(worker_url, model, device) as worker:
        node = DdsNode(Labeler(worker, settings), number, bodies=listed, urdf=text, tf_root=tf_root)
        stop = threading.Event()
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_, lambda *_: stop.set())
        click.echo(f"ready: domain {number}", err=True)
        node.run(stop)


@ros2.command(name="make-bag")
@click.argument("file", type=_PATH)
@click.option("-o", "--out", type=_PATH, required=True, metavar="BAG", help="The new bag, an MCAP one.")
@click.option("--clip", metavar="NAME", help="Which clip of a file that holds several.")
@click.option("--rate", default=30.0, show_default=True, help="Messages a second.")
def make_bag(file: Path, out: Path, clip: str | None, rate: float) -> None:
    """Make a bag of a motion file: its persons as humans after REP-155, to try things without a robot."""
    import skeletonllm_core as sk
    from skeletonllm_ros2.make_bag import make_bag as make

    ids = make(sk.read(file, clip), out, rate)
    click.echo(f"{out}: {', '.join(ids)}")


def _told_progress() -> Callable[[int, int], None]:
    """Progress on stderr: a line every few seconds."""
    last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 3:
            last = now
            print(f"{done} of {total} messages", file=sys.stderr, flush=True)

    return told
