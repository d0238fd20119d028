"""A standing person as optical systems see it: markers of the known sets on a body whose joints are known."""

from __future__ import annotations

import numpy as np

_MIDDLE = {
    "LFHD": (0.07, 1.68, 0.09),
    "RFHD": (-0.07, 1.68, 0.09),
    "LBHD": (0.07, 1.68, -0.09),
    "RBHD": (-0.07, 1.68, -0.09),
    "C7": (0.0, 1.48, -0.06),
    "T10": (0.0, 1.25, -0.10),
    "CLAV": (0.0, 1.42, 0.06),
    "STRN": (0.0, 1.28, 0.10),
    "RBAK": (-0.08, 1.38, -0.09),
}
_LEFT = {
    "SHO": (0.18, 1.46, 0.0),
    "UPA": (0.22, 1.30, 0.0),
    "ELB": (0.24, 1.12, -0.02),
    "FRM": (0.25, 1.00, 0.0),
    "WRA": (0.27, 0.88, 0.04),
    "WRB": (0.27, 0.88, -0.02),
    "FIN": (0.27, 0.80, 0.02),
    "ASI": (0.12, 1.00, 0.10),
    "PSI": (0.05, 1.02, -0.10),
    "THI": (0.16, 0.75, 0.0),
    "KNE": (0.14, 0.50, 0.0),
    "TIB": (0.13, 0.30, 0.0),
    "ANK": (0.13, 0.08, -0.02),
    "HEE": (0.10, 0.04, -0.07),
    "TOE": (0.10, 0.03, 0.13),
}
_CMU = {"ASI": "FWT", "PSI": "BWT", "TIB": "SHN", "RBAK": "RBAC"}
_HELEN_HAYES = {
    "ASI": "ASIS",
    "SHO": "Shoulder",
    "ELB": "Elbow",
    "WRA": "Wrist",
    "THI": "Thigh",
    "KNE": "Knee",
    "TIB": "Shank",
    "ANK": "Ankle",
    "HEE": "Heel",
    "TOE": "Toe",
}


def _mirrored(place: tuple[float, float, float]) -> tuple[float, float, float]:
    return (-place[0], place[1], place[2])


def plug_in_gait(walked: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names of the 39 markers and their (T, 39, 3) places [m], Y up, on a body that is moved along (T, 3) places."""
    places = _MIDDLE | {f"L{name}": place for name, place in _LEFT.items()}
    places |= {f"R{name}": _mirrored(place) for name, place in _LEFT.items()}
    return list(places), np.array(list(places.values()))[None] + walked[:, None]


def cmu(walked: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The same with the CMU database's names, and its further markers on the feet."""
    names, places = plug_in_gait(walked)
    more = np.array([(0.13, 0.03, 0.08), (-0.13, 0.03, 0.08)])[None] + walked[:, None]
    renamed = [name[0] + _CMU.get(name[1:], name[1:]) if name not in _CMU else _CMU[name] for name in names]
    return [*renamed, "LMT5", "RMT5"], np.concatenate([places, more], axis=1)


def helen_hayes(walked: np.ndarray) -> tuple[list[str], np.ndarray]:
    """A set with a sacral marker, one marker a wrist and dots in its names."""
    names, places = plug_in_gait(walked)
    kept = [index for index, name in enumerate(names) if name not in _MIDDLE and name[1:] in _HELEN_HAYES]
    more = {"V.Sacral": (0.0, 1.02, -0.10), "Top.Head": (0.0, 1.75, 0.0)}
    renamed = [f"{names[index][0]}.{_HELEN_HAYES[names[index][1:]]}" for index in kept]
    return [*renamed, *more], np.concatenate(
        [places[:, kept], np.array(list(more.values()))[None] + walked[:, None]], axis=1
    )
