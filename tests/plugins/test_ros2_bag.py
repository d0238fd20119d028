"""`skeletonllm ros2 bag` with a real worker: sidecars, the bag with labels, the real G1, bad bags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import skeletonllm_core as sk
from skeletonllm_core.cli import cli
from skeletonllm_core.model.lexicon import match
from tests.plugins.ros2_bags import BEGIN, messages, write_states
from tests.robots import ARM
from tests.worker import Worker

pytest.importorskip("rosbags", reason='needs pip install "skeletonllm[ros2]"')


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Worker]:
    pytest.importorskip("uvicorn")
    running = Worker(tmp_path_factory.mktemp("worker"), "--model", model)
    yield running
    running.stop()


def run(worker: Worker, *words: object) -> Result:
    state = str(worker.token_file.parent.parent)
    given = ["ros2", "bag", *map(str, words), "--worker-url", worker.address]
    return CliRunner(env={"XDG_STATE_HOME": state}).invoke(cli, given)


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def mcap_messages(file: Path) -> dict[str, list[tuple[int, Any]]]:
    """(log time [ns], message) by topic, read by the `mcap` package, as Foxglove's tools do."""
    reading = pytest.importorskip("mcap.reader", reason='needs pip install "skeletonllm[test]"')
    decoding = pytest.importorskip("mcap_ros2.decoder", reason='needs pip install "skeletonllm[test]"')
    found: dict[str, list[tuple[int, Any]]] = {}
    with file.open("rb") as opened:
        reader = reading.make_reader(opened, decoder_factories=[decoding.DecoderFactory()])
        summary = reader.get_summary()
        # Foxglove shows what is CDR with a schema of ROS 2.
        assert {one.message_encoding for one in summary.channels.values()} == {"cdr"}
        assert {one.encoding for one in summary.schemas.values()} == {"ros2msg"}
        for _, channel, message, decoded in reader.iter_decoded_messages():
            found.setdefault(channel.topic, []).append((message.log_time, decoded))
    return found


def test_a_clip_made_into_a_bag_is_labelled(root: Path, worker: Worker, tmp_path: Path) -> None:
    made = CliRunner().invoke(
        cli, ["ros2", "make-bag", str(root / "examples/clips/walk.mixamo.bvh"), "-o", str(tmp_path / "walk")]
    )
    assert made.exit_code == 0 and made.stdout.endswith("walk: person0\n")
    (body,) = told(run(worker, tmp_path / "walk", "-o", tmp_path / "labelled", "--json"))["bodies"]
    assert (body["body"], body["label"], body["known"]) == ("person0", "walk", True)
    sidecar = tmp_path / "walk#person0.skel.json"
    assert body["sidecar"] == str(sidecar)
    document = json.loads(sidecar.read_text())
    (person,) = document["persons"]
    assert document["schema"] == "skeletonllm/annotation@1" and document["model"]["id"] == "default"
    assert person["label"]["text"] == "walk" and "walk" in person["caption"].lower() and person["warnings"] == []
    assert [one["label"] for one in person["segments"]] == ["walk"]
    assert person["facts"] and all(fact.startswith("0.0–3.0 s: ") for fact in person["facts"])
    assert any("moves forward" in fact for fact in person["facts"]), person["facts"]

    # The new bag: everything that was there, byte for byte, and the labels where their windows end.
    for topic in ("/humans/bodies/person0/joint_states", "/tf", "/humans/bodies/person0/urdf"):
        before, after = messages(tmp_path / "walk", topic), messages(tmp_path / "labelled", topic)
        assert len(before) == len(after) > 0
        assert [stamp for stamp, _ in before] == [stamp for stamp, _ in after]
    actions = messages(tmp_path / "labelled", "/humans/bodies/person0/action")
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for _, message in actions]  # type: ignore[attr-defined]
    assert stamps == [round((BEGIN + 3 + place * 0.5) * 1e9) for place in range(len(actions))] and len(actions) >= 2
    assert all(0 <= logged - stamp < 0.05e9 for (logged, _), stamp in zip(actions, stamps, strict=True))
    for _, message in actions:
        scores = [one.score for one in message.results]  # type: ignore[attr-defined]
        assert message.results[0].class_id == "walk" and scores == sorted(scores, reverse=True)  # type: ignore[attr-defined]
        assert message.header.frame_id == "person0"  # type: ignore[attr-defined]
    ((_, caption),) = messages(tmp_path / "labelled", "/humans/bodies/person0/caption")
    assert caption.data == person["caption"]  # type: ignore[attr-defined]
    ((_, segment),) = messages(tmp_path / "labelled", "/skeletonllm/segments")
    assert json.loads(segment.data)["label"] == "walk"  # type: ignore[attr-defined]

    # Other readers of MCAP see the same, and know the types of what was added.
    opened = mcap_messages(tmp_path / "labelled" / "labelled.mcap")
    assert [
        (at, seen.header.stamp.sec, seen.results[0].class_id) for at, seen in opened["/humans/bodies/person0/action"]
    ] == [
        (at, seen.header.stamp.sec, "walk")  # type: ignore[attr-defined]
        for at, seen in actions
    ]
    assert [seen.data for _, seen in opened["/skeletonllm/segments"]] == [segment.data]  # type: ignore[attr-defined]
    assert len(opened["/tf"]) == len(messages(tmp_path / "walk", "/tf"))

    # Again: the same bytes; and what a person has corrected stays.
    data = sidecar.read_bytes()
    told(run(worker, tmp_path / "walk", "--json"))
    assert sidecar.read_bytes() == data
    sidecar.write_text('{"locked": true}')
    told(run(worker, tmp_path / "walk", "--json"))
    assert sidecar.read_text() == '{"locked": true}'


@pytest.mark.slow
def test_the_real_g1_in_a_sqlite3_bag(shared_data: Path, worker: Worker, tmp_path: Path) -> None:
    pack = np.load(shared_data / "motion" / "g1_robot.npz")
    urdf = (shared_data / "original" / "g1_pkl" / "g1_29dof_anneal_23dof.urdf").read_text()
    # The last take of each action: those of the test split.
    wanted = {4: "jump forward", 7: "kick", 10: "squat", 14: "walk"}
    offsets = pack["clip_offsets"]
    spans = [slice(int(offsets[take]), int(offsets[take + 1])) for take in wanted]
    pose = np.concatenate([pack["root_pos_zup"], pack["root_quat_xyzw"]], -1)
    starts = write_states(
        tmp_path / "g1",
        urdf,
        list(map(str, pack["dof_names"])),
        [pack["dof"][span] for span in spans],
        sqlite3=True,
        root=[pose[span] for span in spans],
    )
    (body,) = told(run(worker, tmp_path / "g1", "--no-captions", "--json"))["bodies"]
    assert body["body"] == "robot"
    right = 0
    for start, span, label in zip(starts, spans, wanted.values(), strict=True):
        inside = [
            one for one in body["segments"] if start - 0.01 <= one["start_s"] < start + (span.stop - span.start) / 30
        ]
        spent: dict[str, float] = {}
        for one in inside:
            spent[one["label"]] = spent.get(one["label"], 0.0) + one["end_s"] - one["start_s"]
        # Its 71 labels know a side kick beside the kick.
        right += bool(spent) and match(label, max(spent, key=lambda one: spent[one])) >= 0.8
        assert all(one["end_s"] <= start + (span.stop - span.start) / 30 + 0.01 for one in inside), "ends with its take"
    assert right >= 3, body["segments"]


def test_an_arm_without_a_description_needs_one(worker: Worker, tmp_path: Path) -> None:
    # Half a turn is more than the shoulder can.
    values = np.stack([np.linspace(0, np.pi, 150), np.zeros(150), np.linspace(0, 2, 150), np.zeros(150)], -1)
    names = ("shoulder", "slide", "twist", "gripper")
    write_states(tmp_path / "arm", None, names, [values], stamped=False)
    result = run(worker, tmp_path / "arm")
    assert isinstance(result.exception, sk.MotionFormatError)
    assert "no URDF on /robot_description: give it with --urdf FILE" in str(result.exception)
    (tmp_path / "arm.urdf").write_text(ARM)
    (body,) = told(run(worker, tmp_path / "arm", "--urdf", tmp_path / "arm.urdf", "--no-captions", "--json"))["bodies"]
    document = json.loads(Path(body["sidecar"]).read_text())
    # Messages without a stamp count from when they were recorded.
    assert document["source"]["seconds"] == pytest.approx(4.967, abs=1e-3)
    assert document["source"]["start_stamp_ns"] == round(BEGIN * 1e9) + 500
    assert document["persons"][0]["warnings"] == [
        "1 names are no joints of its URDF and were left out: gripper.",
        "1 joints went beyond their limits and were held there: shoulder.",
    ]
    told(
        run(worker, tmp_path / "arm" / "arm.mcap", "--urdf", tmp_path / "arm.urdf", "--labels", "reach,rest", "--json")
    )


def test_a_body_that_is_known_from_tf_only(root: Path, worker: Worker, tmp_path: Path) -> None:
    from skeletonllm_core.motion.orientation import reoriented
    from skeletonllm_core.motion.rotation import from_axis_angle
    from skeletonllm_ros2 import bag_files

    (walk,) = sk.read(root / "examples" / "clips" / "walk.mixamo.bvh")
    assert isinstance(walk, sk.Motion)
    walk = reoriented(walk, from_axis_angle(np.array([1.0, 0, 0]), np.array(np.pi / 2)), 1.0)
    store = bag_files.message_types()
    types = store.types
    with bag_files.new_bag(tmp_path / "tf") as writer:
        sent = writer.add_connection("/tf", bag_files.TF_MESSAGE, typestore=store)
        for frame in range(len(walk)):
            stamp = round((BEGIN + frame / walk.fps) * 1e9)
            header_of = types["std_msgs/msg/Header"]
            time = types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
            rows = []
            for joint, parent in enumerate(walk.skeleton.parents):
                place = walk.root_translation[frame] if parent < 0 else walk.skeleton.rest_offsets[joint]
                transform = types["geometry_msgs/msg/Transform"](
                    types["geometry_msgs/msg/Vector3"](*place),
                    types["geometry_msgs/msg/Quaternion"](*walk.rotations[frame, joint][[1, 2, 3, 0]]),
                )
                above = "map" if parent < 0 else walk.topology.names[parent]
                rows.append(
                    types["geometry_msgs/msg/TransformStamped"](
                        header_of(time, above), walk.topology.names[joint], transform
                    )
                )
            message = types[bag_files.TF_MESSAGE](rows)
            writer.write(sent, stamp, store.serialize_cdr(message, bag_files.TF_MESSAGE))
    (body,) = told(run(worker, tmp_path / "tf", "--tf-root", walk.topology.names[0], "--json"))["bodies"]
    assert body["label"] == "walk"
    result = run(worker, tmp_path / "tf")
    assert "its topics: /tf (for /tf: --tf-root)" in str(result.exception)


def test_bad_bags(worker: Worker, tmp_path: Path) -> None:
    def problem(*words: object) -> str:
        result = run(worker, *words)
        assert isinstance(result.exception, sk.SkeletonLLMError), result.output
        return str(result.exception)

    assert problem(tmp_path / "none") == f"{tmp_path}/none: there is no such bag (format 'ros2-bag')"
    (tmp_path / "empty").mkdir()
    assert "is no bag: a bag is a folder with a metadata.yaml" in problem(tmp_path / "empty")
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    assert "is a bag of ROS 1" in problem(tmp_path / "old.bag")
    names, values = ("shoulder", "slide", "twist"), np.zeros((40, 3))
    write_states(tmp_path / "short", ARM, names, [values])
    assert "no body is there for 3 s without a break" in problem(tmp_path / "short")
    assert not list(tmp_path.glob("*.skel.json"))
    # A bag that is not to be overwritten, and none that is left half done.
    (tmp_path / "there").mkdir()
    assert "is there already" in problem(tmp_path / "short", "-o", tmp_path / "there")
    problem(tmp_path / "short", "-o", tmp_path / "half")
    assert not (tmp_path / "half").exists() and not list(tmp_path.glob(".*"))
    write_states(tmp_path / "other", "<robot", names, [values])
    assert "other:/robot_description" in problem(tmp_path / "other")
    # Cut short, or with damaged bytes.
    data = (tmp_path / "short" / "short.mcap").read_bytes()
    for number, bad in enumerate((b"", data[: len(data) // 2], data[:200], b"x" * 500)):
        (tmp_path / f"bad{number}.mcap").write_bytes(bad)
        assert f"bad{number}.mcap" in problem(tmp_path / f"bad{number}.mcap")


def test_a_worker_that_is_not_there(worker: Worker, tmp_path: Path) -> None:
    write_states(tmp_path / "arm", ARM, ("shoulder",), [np.zeros((120, 1))])
    result = CliRunner(env={"XDG_STATE_HOME": str(tmp_path)}).invoke(
        cli, ["ros2", "bag", str(tmp_path / "arm"), "--worker-url", "http://127.0.0.1:9"]
    )
    assert isinstance(result.exception, sk.WorkerError) and "skeletonllm serve" in str(result.exception)
