"""ROS 2 bags, MCAP and sqlite3, through `rosbags`: reading, and writing a copy with more topics."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from skeletonllm_core.errors import MotionFormatError, PluginError

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection, Qos
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore

FORMAT = "ros2-bag"

JOINT_STATE = "sensor_msgs/msg/JointState"
STRING = "std_msgs/msg/String"
TF_MESSAGE = "tf2_msgs/msg/TFMessage"
CLASSIFICATION = "vision_msgs/msg/Classification"

_VISION = {
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
    CLASSIFICATION: "std_msgs/Header header\nvision_msgs/ObjectHypothesis[] results\n",
}


def check_rosbags() -> None:
    """Raise a PluginError with the cure where rosbags is not installed."""
    try:
        import rosbags  # noqa: F401
    except ImportError as problem:
        raise PluginError('reading ROS 2 bags needs: pip install "skeletonllm[ros2]"') from problem


def message_types() -> Typestore:
    """The messages of ROS 2 Jazzy, and those of vision_msgs that labels travel in."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in _VISION.items():
        store.register(get_types_from_msg(text, name))
    return store


def fail(path: Path, problem: str) -> NoReturn:
    raise MotionFormatError(path, problem, format=FORMAT)


@contextmanager
def opened_bag(path: Path) -> Iterator[AnyReader]:
    """A bag: the folder with its metadata.yaml, or one .mcap or .db3 file.

    Raises:
        PluginError: rosbags is not installed.
        MotionFormatError: there is no bag, or it cannot be read.
    """
    check_rosbags()
    from rosbags.highlevel import AnyReader, AnyReaderError

    if not path.exists():
        fail(path, "there is no such bag")
    if path.suffix == ".bag":
        fail(path, "is a bag of ROS 1: convert it with `rosbags-convert`")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        fail(path, "is no bag: a bag is a folder with a metadata.yaml, or one .mcap or .db3 file")
    try:
        with AnyReader([path], default_typestore=message_types()) as reader:
            yield reader
    except (AnyReaderError, OSError, UnicodeDecodeError) as problem:
        raise MotionFormatError(path, f"cannot be read: {' '.join(str(problem).split())}", format=FORMAT) from problem


def decoded(reader: AnyReader, path: Path, connection: Connection, stamp: int, data: bytes) -> Any:
    """One message.

    Raises:
        MotionFormatError: its bytes are no message of its type.
    """
    from rosbags.highlevel import AnyReaderError

    try:
        return reader.deserialize(data, connection.msgtype)
    except (AnyReaderError, AssertionError, IndexError, ValueError, KeyError, struct.error):
        fail(path, f"the message on {connection.topic} at {stamp / 1e9:.3f} s is no {connection.msgtype}")


def sha256_of_bag(path: Path) -> str:
    """The SHA-256 of a bag's storage files, one after the other by name."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(one for one in path.iterdir() if one.suffix in (".mcap", ".db3"))
    for one in files:
        with one.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


@contextmanager
def new_bag(path: Path) -> Iterator[Writer]:
    """A new MCAP bag; the folder takes its name when the block ends well, and is gone otherwise.

    Raises:
        PluginError: rosbags is not installed.
        MotionFormatError: there is something of that name, or it cannot be written.
    """
    check_rosbags()
    from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

    if path.exists():
        fail(path, "is there already: choose another name, or remove it")
    # The files of a bag carry its name, so the temporary folder is one above them.
    temporary = path.parent / f".{path.name}.skeletonllm-tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        with Writer(temporary / path.name, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            yield writer
        (temporary / path.name).rename(path)
    except (WriterError, OSError) as problem:
        raise MotionFormatError(path, f"cannot be written: {problem}", format=FORMAT) from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def kept_for_latecomers() -> list[Qos]:
    """The offered QoS of what stays true until the next message: reliable, transient-local, the latest one."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    never = QosTime(2147483647, 4294967295)
    return [
        Qos(
            QosHistory.KEEP_LAST,
            1,
            QosReliability.RELIABLE,
            QosDurability.TRANSIENT_LOCAL,
            never,
            never,
            QosLiveliness.AUTOMATIC,
            never,
            False,
        )
    ]
