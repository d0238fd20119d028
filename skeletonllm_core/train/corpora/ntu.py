"""NTU RGB+D 60 and 120: folders of `.skeleton` files named SsssCcccPpppRrrrAaaa, split cross-subject as published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from skeletonllm_core import plugins
from skeletonllm_core.errors import MotionFormatError, SkeletonLLMError
from skeletonllm_core.train.corpora.clip import TEST, TRAIN, VALIDATION, LabelledClip, listed
from skeletonllm_core.train.corpora.ntu_protocol import PROTOCOLS, Protocol

SUFFIX = ".skeleton"
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
_CAMERAS = (1, 2, 3)
_FIRST_OF_120 = 18
"""Setups from this one on belong to NTU RGB+D 120 alone."""


@dataclass(frozen=True, order=True)
class _Sample:
    setup: int
    camera: int
    subject: int
    repeat: int
    action: int
    path: Path

    @property
    def take(self) -> tuple[int, int, int, int]:
        """What three cameras saw at once: setup, subject, repeat, action."""
        return self.setup, self.subject, self.repeat, self.action


def kind_of(folder: Path) -> str:
    """ "ntu60" or "ntu120", by the setups that are there."""
    setups = [int(found[1]) for path in folder.rglob(f"*{SUFFIX}") if (found := _NAME.fullmatch(path.stem))]
    return "ntu120" if max(setups, default=0) >= _FIRST_OF_120 else "ntu60"


def protocol_of(kind: str) -> tuple[Protocol, frozenset[int]]:
    """Protocol and unseen actions of a kind: "ntu60", "ntu120", or with a class split, "ntu60:55/5".

    Raises:
        SkeletonLLMError: there is no such data set or class split.
    """
    name, _, split = kind.partition(":")
    protocol = PROTOCOLS.get(name)
    if protocol is None or (split and split not in protocol.unseen):
        known = [
            known for one in PROTOCOLS.values() for known in (one.name, *(f"{one.name}:{cut}" for cut in one.unseen))
        ]
        raise SkeletonLLMError(f"there is no corpus {kind!r}; known are {', '.join(known)}")
    return protocol, protocol.unseen[split] if split else frozenset()


def unseen_labels(kind: str) -> tuple[str, ...]:
    """The labels that training never sees under a class split, in order of action number; what zero-shot tests ask for."""
    protocol, unseen = protocol_of(kind)
    return tuple(protocol.actions[action - 1] for action in sorted(unseen))


def read_ntu(folder: Path, kind: str) -> Iterator[LabelledClip]:
    """The clips in order of setup, camera, subject, repeat and action.

    Training subjects are trained on, less the held-out ones (`Protocol.validation`); the others are the test. Under a
    class split, training and validation leave the unseen actions out; the test holds all, so that the zero-shot test
    (unseen only) and the generalised one can be taken from it. A clip has the first two bodies in the file's order.

    Samples that a file ``*missing_skeletons*.txt`` of the data set names are left out.

    Args:
        folder: holds the files, at any depth.
        kind: "ntu60", "ntu120", or with a class split, "ntu60:55/5".

    Raises:
        SkeletonLLMError: setups, subjects, actions or cameras are missing (names them), or a file is bad.
    """
    protocol, unseen = protocol_of(kind)
    broken = {
        found[0] for path in folder.rglob("*missing_skeletons*.txt") for found in _NAME.finditer(path.read_text())
    }
    samples = sorted(_samples(folder, protocol))
    _refuse_half(folder, protocol, samples)
    for sample in samples:
        trained = sample.subject in protocol.training
        if sample.path.stem in broken or (trained and sample.action in unseen):
            continue
        held_out = sample.subject in protocol.validation
        try:
            people = plugins.read_clips(sample.path, "ntu")[0].persons
        except MotionFormatError as problem:
            told = f"{problem}; copy the file again, or name its sample in missing_skeletons.txt to leave it out"
            raise SkeletonLLMError(told) from problem
        yield LabelledClip(
            sample.path.stem,
            protocol.name,
            (VALIDATION if held_out else TRAIN) if trained else TEST,
            protocol.actions[sample.action - 1],
            (),
            people[0],
            subject=f"{sample.subject:03d}",
            take="S{:03d}P{:03d}R{:03d}A{:03d}".format(*sample.take),
            others=tuple(people[1:2]),
        )


def _samples(folder: Path, protocol: Protocol) -> Iterator[_Sample]:
    for path in folder.rglob(f"*{SUFFIX}"):
        found = _NAME.fullmatch(path.stem)
        if found is None:
            raise SkeletonLLMError(f"{path}: not named SsssCcccPpppRrrrAaaa, as every sample of NTU RGB+D is")
        setup, camera, subject, repeat, action = map(int, found.groups())
        sample = _Sample(setup, camera, subject, repeat, action, path)
        if sample.setup <= protocol.setups:
            if not (0 < sample.subject <= protocol.subjects and 0 < sample.action <= len(protocol.actions)):
                raise SkeletonLLMError(f"{path}: {protocol.name} has no such subject or action")
            yield sample


def _refuse_half(folder: Path, protocol: Protocol, samples: list[_Sample]) -> None:
    """Raise unless every setup, subject and action is there, and every performance from all three cameras."""
    missing: list[str] = []
    for what, most, there in (
        ("setups", protocol.setups, {sample.setup for sample in samples}),
        ("subjects", protocol.subjects, {sample.subject for sample in samples}),
        ("actions", len(protocol.actions), {sample.action for sample in samples}),
    ):
        lacking = [f"{number:03d}" for number in range(1, most + 1) if number not in there]
        if lacking:
            missing.append(f"{what} {listed(lacking)}")
    seen: dict[tuple[int, int, int, int], set[int]] = {}
    for sample in samples:
        seen.setdefault(sample.take, set()).add(sample.camera)
    lacking = [
        "S{:03d}C{:03d}P{:03d}R{:03d}A{:03d}".format(take[0], camera, *take[1:])
        for take, cameras in seen.items()
        for camera in _CAMERAS
        if camera not in cameras
    ]
    if lacking:
        missing.append(f"samples {listed(lacking)}")
    if missing:
        raise SkeletonLLMError(f"{folder}: {protocol.name} is not whole: missing {'; '.join(missing)}")
