"""The check that nothing of the test is trained on: people, recordings and motions that are in two splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from skeletonllm_core.errors import SkeletonLLMError
from skeletonllm_core.motion.motion import Keypoints, Person
from skeletonllm_core.train.corpora.clip import LabelledClip


def without_leaks(clips: Iterable[LabelledClip]) -> Iterator[LabelledClip]:
    """The same clips; stops the run at the first that shares its subject, its take or its motion with another split.

    Subjects and takes are compared where the corpus names them, motions always, bit by bit.

    Raises:
        SkeletonLLMError: names both clips and what they share.
    """
    homes: dict[tuple[str, str], LabelledClip] = {}
    for clip in clips:
        for what, key in (("subject", clip.subject), ("take", clip.take), ("motion", _fingerprint(clip.person))):
            if not key:
                continue
            home = homes.setdefault((what, key if what == "motion" else f"{clip.source}/{key}"), clip)
            if home.split != clip.split:
                told = "the same motion" if what == "motion" else f"the same {what} {key!r}"
                raise SkeletonLLMError(
                    f"the splits leak: {home.name} ({home.split}) and {clip.name} ({clip.split}) have {told}; "
                    "put both into one split or leave one out"
                )
        yield clip


def _fingerprint(person: Person) -> str:
    """Sixteen bytes as text that two motions share only where all their numbers are equal."""
    if isinstance(person, Keypoints):
        arrays = [person.positions]
    else:
        arrays = [person.rotations, person.root_translation, person.skeleton.rest_offsets]
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.shape}{person.fps:.6f}".encode())
        digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return digest.hexdigest()
