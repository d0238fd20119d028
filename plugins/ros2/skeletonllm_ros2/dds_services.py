"""Services on the DDS wire, as rmw_cyclonedds sends them: a topic of requests and a topic of replies.

Names, header and the ids in the user data are those of rmw_cyclonedds_cpp/src/{rmw_node,serdata}.cpp.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cyclonedds.core import DDSException
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

from skeletonllm_ros2 import dds_messages as msg
from skeletonllm_ros2.services import Reply

_log = logging.getLogger("skeletonllm.ros2")

_WAITING = 16
"""Requests that may wait; a further one is refused at once."""

_MATCH_S = 0.5
"""A client that asked before its end of the reply was known is given this long [s]."""

_CLIENT = re.compile(rb"clientid=([^;]*);")


class _Request(NamedTuple):
    service: str
    message: msg.AddDiagnosticsRequest
    writer: int


class DdsServices:
    """Answers requests, one after the other.

    Args:
        participant: of DDS.
        services: their names.
        answer: text of a request to a service → its reply; called in the thread of `run`.
    """

    def __init__(
        self, participant: DomainParticipant, services: Sequence[str], answer: Callable[[str, str], Reply]
    ) -> None:
        self._answer = answer
        self._waiting: queue.Queue[_Request] = queue.Queue(_WAITING)
        self._ends: dict[str, tuple[DataReader, DataWriter]] = {}
        for number, service in enumerate(services):
            # As rmw does it: the participant's part of the GUID, and a number of its own.
            own = participant.guid.bytes[:12] + number.to_bytes(4, "big")
            qos = service_qos("serviceid", own)
            reader = DataReader(participant, Topic(participant, f"rq{service}Request", msg.AddDiagnosticsRequest), qos)
            writer = DataWriter(participant, Topic(participant, f"rr{service}Reply", msg.AddDiagnosticsReply), qos)
            self._ends[service] = reader, writer

    @property
    def readers(self) -> list[DataReader]:
        """What requests arrive at."""
        return [reader for reader, _ in self._ends.values()]

    def take(self) -> None:
        """Takes in the requests that have arrived."""
        for service, (reader, writer) in self._ends.items():
            try:
                samples = reader.take(_WAITING)
            except (DDSException, ValueError) as problem:
                _log.warning("%s: a request cannot be read: %s", service, problem)
                continue
            for sample in samples:
                if not isinstance(sample, msg.AddDiagnosticsRequest):
                    continue
                try:
                    self._waiting.put_nowait(_Request(service, sample, sample.sample_info.publication_handle))
                except queue.Full:
                    told = f"busy: {_WAITING} requests wait already; ask again later"
                    writer.write(msg.AddDiagnosticsReply(sample.guid, sample.seq, False, told))

    def run(self, stop: threading.Event) -> None:
        """Answers until `stop` is set."""
        while not stop.is_set():
            try:
                service, asked, by = self._waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            success, message = self._answer(service, asked.load_namespace)
            reader, writer = self._ends[service]
            deadline = time.monotonic() + _MATCH_S
            while not _reaches(reader, writer, by) and time.monotonic() < deadline:
                time.sleep(0.01)
            writer.write(msg.AddDiagnosticsReply(asked.guid, asked.seq, success, message))


def service_qos(key: str, own: bytes) -> Qos:
    """The default QoS of services, for both ends of both topics.

    Args:
        key: "serviceid" or "clientid".
        own: 16 bytes that no other has; they tell which reader and which writer belong together.
    """
    told = ".".join(f"{one:x}" for one in own)
    return Qos(
        Policy.Reliability.Reliable(duration(milliseconds=100)),
        Policy.Durability.Volatile,
        Policy.History.KeepLast(_WAITING),
        Policy.Userdata(f"{key}={told};".encode()),
    )


def _reaches(reader: DataReader, writer: DataWriter, by: int) -> bool:
    """Whether a reply would reach the client whose writer `by` asked; true where it says no id, or has gone."""
    asking = reader.get_matched_publication_data(by)
    client = None if asking is None else _client(asking.qos)
    if client is None:
        return True
    ends = (writer.get_matched_subscription_data(one) for one in writer.get_matched_subscriptions())
    return any(end is not None and _client(end.qos) == client for end in ends)


def _client(qos: Qos) -> bytes | None:
    found = _CLIENT.search(qos[Policy.Userdata].data) if Policy.Userdata in qos else None
    return None if found is None else found[1]
