"""The reader matrix: one row a format. Every format must give the right persons, and one sentence for every bad file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from skeletonllm_core import plugins
from skeletonllm_core.errors import MotionFormatError
from skeletonllm_core.motion.motion import Keypoints, Motion
from tests.clips import RIG, bvh, walk
from tests.fbx_text import fbx
from tests.gltf_bytes import walker
from tests.plugins import made_files
from tests.robots import ARM

FRAMES = 6
FPS = {
    "bvh": 25.0,
    "fbx": 25.0,
    "gltf": 25.0,
    "ntu": 30.0,
    "humanml3d": 20.0,
    "humanml3d263": 20.0,
    "npz": 48.0,
    "smpl": 50.0,
}
FPS |= {"c3d": 50.0, "trc": 60.0, "amc": 120.0, "mot": 25.0, "csv": 40.0, "amp": 30.0, "msr_action3d": 15.0}
FPS |= {
    "utkinect": 15.0,
    "expmap": 120.0,
    "deepmimic": 25.0,
    "urdf": 50.0,
    "coco": 30.0,
    "openpose": 30.0,
    "mediapipe": 25.0,
}


def body(joints: int, seed: int = 0) -> np.ndarray:
    """(FRAMES, joints, 3) [m] places that no two joints share."""
    return np.random.default_rng(seed).uniform(-1, 1, (FRAMES, joints, 3)) + np.array([0.0, 1.0, 3.0])


def ntu(positions: np.ndarray, frames: int | None = None) -> bytes:
    """A .skeleton file of one body from (T, J, 3) places in file order."""
    lines = [str(len(positions) if frames is None else frames)]
    for frame in positions:
        lines += ["1", "72057594037927936 0 1 1 1 1 0 0.02 -0.2 2", str(len(frame))]
        lines += [" ".join([*(f"{x:.6g}" for x in joint), "0 0 0 0 0 0 0 0 2"]) for joint in frame]
    return ("\n".join(lines) + "\n").encode()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**changes: np.ndarray | None) -> bytes:
    """An own file of two persons with three joints; a change of None leaves an array out."""
    arrays: dict[str, np.ndarray | None] = {
        "names": np.array(["hips", "chest", "head"]),
        "parents": np.array([-1, 0, 1]),
        "rest_offsets": np.array([[0, 0, 0], [0, 0.4, 0], [0, 0.3, 0]]),
        "fps": np.array(FPS["npz"]),
        "positions": np.stack([body(3, 1), body(3, 2)]),
    }
    file = io.BytesIO()
    np.savez(file, **{key: array for key, array in (arrays | changes).items() if array is not None})  # type: ignore[arg-type]
    return file.getvalue()


def features() -> np.ndarray:
    """(FRAMES, 263) HumanML3D features of a body that goes 0.2 m a frame along +Z and rises by 1 cm a frame."""
    made = np.zeros((FRAMES, 263))
    made[:, 2] = 0.2
    made[:, 3] = 0.9 + 0.01 * np.arange(FRAMES)
    made[:, 4:67] = np.random.default_rng(3).uniform(-1, 1, 63)
    made[:, 67:193] = np.tile([1.0, 0, 0, 0, 1, 0], 21)
    return made


def smpl(**changes: np.ndarray | None) -> bytes:
    """Pose parameters of a body in its rest pose that goes along +X."""
    arrays: dict[str, np.ndarray | None] = {
        "poses": np.zeros((FRAMES, 72)),
        "trans": np.stack([0.1 * np.arange(FRAMES), np.full(FRAMES, 0.9), np.zeros(FRAMES)], axis=1),
        "betas": np.zeros(10),
        "mocap_framerate": np.array(FPS["smpl"]),
        "up_axis": np.array("y"),
    }
    file = io.BytesIO()
    np.savez(file, **{key: array for key, array in (arrays | changes).items() if array is not None})  # type: ignore[arg-type]
    return file.getvalue()


def figure() -> np.ndarray:
    """(J, 3) [m] the joints of `RIG` in its rest pose, around the hips."""
    places: dict[str, np.ndarray] = {}
    for joint, (parent, offset, _) in RIG.items():
        places[joint] = (places[parent] if parent else 0.0) + np.array(offset) / 100
    return np.stack(list(places.values()))


def changed(array: np.ndarray, value: float, at: tuple[int, ...] = (2, 1, 0)) -> np.ndarray:
    array = array.copy()
    array[at] = value
    return array


BVH = bvh(walk, FRAMES / 25, 25.0).encode()
BVH_WIDTH = 6 + 3 * (len(RIG) - 1)


def bvh_value(text: bytes) -> bytes:
    """The file with the first value of the third frame replaced."""
    head, _, rows = BVH.partition(b"Frame Time: 0.04000000\n")
    lines = rows.splitlines()
    lines[2] = text + lines[2][lines[2].index(b" ") :]
    return head + b"Frame Time: 0.04000000\n" + b"\n".join(lines)


LOW = body(5) - np.array([0.0, 0.0, 3.0])
MARKERS = ["m0", "m1", "m2", "m3", "m4"]
CMU = 0.0254 / 0.45
STANDING = np.array([[0.0, 0.92, 0.02 * frame] for frame in range(FRAMES)])[:, None] + figure()
TURNS = np.tile([0.0, 0.0, 0.0, 1.0], (FRAMES, 3, 1))
TRC = made_files.trc(1000 * LOW, MARKERS, FPS["trc"])
CSV = made_files.csv_table(STANDING, list(RIG), FPS["csv"])
AMC = made_files.amc(np.arange(FRAMES)[:, None] * np.eye(6)[0], np.zeros((FRAMES, 3)), np.zeros(FRAMES))
MOT = made_files.mot(
    {
        "time": np.arange(FRAMES) / FPS["mot"],
        "pelvis_tilt": np.full(FRAMES, 5.0),
        "pelvis_tx": np.arange(FRAMES) / 10,
        "pelvis_ty": np.full(FRAMES, 0.94),
        "pelvis_tz": np.zeros(FRAMES),
        "hip_flexion_r": np.full(FRAMES, 20.0),
        "hip_flexion_l": np.full(FRAMES, -20.0),
        "knee_angle_r": np.full(FRAMES, -10.0),
        "knee_angle_l": np.full(FRAMES, -30.0),
    }
)
PICTURE = np.stack([np.full(25, 300.0), 100 + 20.0 * np.arange(25), np.ones(25)], axis=1)  # seen from the side
PICTURE[[15, 21], 1] = 900.0  # the lowest points: COCO's left ankle, OpenPose's left heel


JOINT_VALUES = b"# fps=50\nframe,root_x,root_y,root_z,shoulder,slide\n" + b"".join(
    f"{frame},{frame / 10:g},0,0.5,0,0.1\n".encode() for frame in range(FRAMES)
)


@dataclass(frozen=True)
class Row:
    """What a sample of a format holds, and its malformed variants: what the message must say about each."""

    suffix: str
    sample: bytes
    kind: type
    persons: int
    joints: int
    place: tuple[int, int, str, tuple[float, float, float]]  # person, frame, joint, where [m]
    bad: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    lines: bool | None = False  # whether messages name a line; None where some do
    unit: str = "m"
    up: str = "y"
    beside: dict[str, bytes] = field(default_factory=dict)  # files that must lie in the same folder
    child: bool = False  # read in a process of its own, so a file takes a while


MATRIX = {
    "bvh": Row(
        ".bvh",
        BVH,
        Motion,
        1,
        len(RIG),
        (0, 5, "Hips", (0.0, 0.92, 0.24)),
        {
            "truncated": (BVH[:-60], "the file ends"),
            "truncated in the header": (BVH[:400], "the file ends where|expected"),
            "wrong number of values": (bvh_value(b"1 2"), rf"expected {BVH_WIDTH} channels, found {BVH_WIDTH + 1}"),
            "too few frames declared": (BVH.replace(b"Frames: 6", b"Frames: 5"), "5 frames are declared, but more"),
            "too many frames declared": (BVH.replace(b"Frames: 6", b"Frames: 7"), "ends after 6 of 7 frames"),
            "NaN": (bvh_value(b"nan"), "Hips Xposition is nan, which is no plausible value"),
            "1e30": (bvh_value(b"1e30"), r"Hips Xposition is 1e\+30, which is no plausible value"),
            "no number": (bvh_value(b"left"), "expected a number, found 'left'"),
            "0 frames": (BVH.replace(b"Frames: 6", b"Frames: 0"), "the clip has 0 frames"),
        },
        lines=True,
        unit="cm",
    ),
    "ntu": Row(
        ".skeleton",
        ntu(body(25)),
        Keypoints,
        1,
        25,
        (0, 4, "Head", tuple(body(25)[4, 3])),
        {
            "truncated": (ntu(body(25))[:-300], "the file ends where a joint should be|expected a joint of 12 values"),
            "wrong count": (ntu(body(24)), "expected 25 joints, found 24"),
            "too few frames declared": (ntu(body(25), 5), "5 frames are declared, but more follow"),
            "too many frames declared": (ntu(body(25), 7), "the file ends where the number of bodies in frame 7 of 7"),
            "NaN everywhere": (ntu(body(25) * np.nan), "no body is tracked"),
            "1e30": (ntu(changed(body(25), 1e30)), "joint 2 is at no plausible place"),
            "infinite": (ntu(changed(body(25), np.inf)), "joint 2 is at no plausible place"),
            "no number": (ntu(body(25)).replace(b" 2\n", b" two\n"), "holds something that is no number"),
            "0 frames": (b"0\n", "the clip has 0 frames"),
        },
        lines=True,
    ),
    "humanml3d": Row(
        ".npy",
        npy(body(22)),
        Keypoints,
        1,
        22,
        (0, 4, "head", tuple(body(22)[4, 15])),
        {
            "truncated": (npy(body(22))[:-5], "cut short"),
            "wrong count": (npy(body(21)), r"expected floats of shape \(T, 22, 3\), found float64 \(6, 21, 3\)"),
            "NaN everywhere": (npy(body(22) * np.nan), "no joint is known in any frame"),
            "1e30": (npy(changed(body(22), 1e30)), "no plausible place in frame 2"),
            "infinite": (npy(changed(body(22), np.inf)), "no plausible place in frame 2"),
            "0 frames": (npy(body(22)[:0]), "the clip has 0 frames"),
        },
    ),
    "npz": Row(
        ".npz",
        npz(),
        Keypoints,
        2,
        3,
        (1, 4, "head", tuple(body(3, 2)[4, 2])),
        {
            "truncated": (npz()[:-90], "no whole .npz file"),
            "wrong count": (npz(parents=np.array([-1, 0])), r"'parents' has shape \(2,\), expected \(3\)"),
            "NaN everywhere": (npz(positions=np.full((2, 6, 3, 3), np.nan)), "no joint is known in any frame"),
            "1e30": (npz(positions=changed(body(3), 1e30)[None]), "joint 'chest' is at no plausible place in frame 2"),
            "0 frames": (npz(positions=np.zeros((2, 0, 3, 3))), "the clip has 0 frames"),
            "0 persons": (npz(positions=np.zeros((0, 6, 3, 3))), "nobody is in it"),
            "no rate": (npz(fps=np.array(0.0)), "fps must be a positive number"),
            "rate out of this world": (npz(fps=np.array(1e-30)), "no plausible frame rate"),
        },
    ),
}

MATRIX["humanml3d263"] = Row(
    ".npy",
    npy(features()),
    Keypoints,
    1,
    22,
    (0, 4, "pelvis", (0.0, 0.9 + 0.01 * 4, 0.2 * 4)),
    {
        "truncated": (npy(features())[:-5], "cut short"),
        "wrong count": (npy(features()[:, :262]), r"expected floats of shape \(T, 263\), found float64 \(6, 262\)"),
        "NaN": (npy(changed(features(), np.nan, at=(2, 9))), "frame 2 holds no plausible numbers"),
        "1e30": (npy(changed(features(), 1e30, at=(2, 9))), "frame 2 holds no plausible numbers"),
        "0 frames": (npy(features()[:0]), "the clip has 0 frames"),
    },
)
MATRIX["smpl"] = Row(
    ".npz",
    smpl(),
    Motion,
    1,
    24,
    # The head lies above the origin of the model by the sum of its rest offsets.
    (0, 5, "head", (0.5, 0.9 - 0.223 + 0.576, 0.028 + 0.007)),
    {
        "truncated": (smpl()[:-90], "no whole .npz file"),
        "wrong count": (smpl(poses=np.zeros((6, 71))), "'poses' has 71 values a frame"),
        "NaN": (smpl(poses=np.full((6, 72), np.nan)), "'poses' holds something that is no number"),
        "1e30": (smpl(trans=np.full((6, 3), 1e30)), "'trans' holds something that is no number or no plausible one"),
        "0 frames": (smpl(poses=np.zeros((0, 72)), trans=np.zeros((0, 3))), "the clip has 0 frames"),
        "frames that differ": (smpl(trans=np.zeros((5, 3))), r"'trans' has shape \(5, 3\), expected \(6, 3\)"),
        "objects": (smpl(poses=np.array([{}] * 6)), "'poses' holds Python objects, which are never loaded"),
        "no rate": (smpl(mocap_framerate=np.array(0.0)), "'mocap_framerate' must be one positive number"),
        "no axis": (smpl(up_axis=np.array("up")), "'up_axis' is 'up', expected y or z"),
    },
)

MATRIX |= {
    "c3d": Row(
        ".c3d",
        made_files.c3d(1000 * LOW, MARKERS, FPS["c3d"]),
        Keypoints,
        1,
        5,
        (0, 4, "m3", tuple(LOW[4, 3])),
        {
            "truncated": (made_files.c3d(1000 * LOW, MARKERS, 50.0)[:600], "is no readable C3D file|failed on it"),
            "NaN everywhere": (made_files.c3d(LOW * np.nan, MARKERS, 50.0), "no marker is ever seen"),
            "1e30": (made_files.c3d(changed(LOW, 1e30), MARKERS, 50.0), "'m1' is at no plausible place in frame 3"),
            "no rate": (made_files.c3d(LOW, MARKERS, 0.0), "the frame rate must be a positive number, found 0"),
            "0 frames": (made_files.c3d(LOW[:0], MARKERS, 50.0), "the clip has 0 frames"),
            "angles only": (made_files.c3d(LOW[:, :1], ["LHip"], 50.0, group="ANGLES"), "no marker is ever seen"),
        },
        unit="mm",
        up="y",
        child=True,
    ),
    "trc": Row(
        ".trc",
        TRC,
        Keypoints,
        1,
        5,
        (0, 4, "m3", tuple(LOW[4, 3])),
        {
            "truncated": (TRC[:-40], "expected 17 values, found"),
            "truncated in the header": (TRC[:150], "the file ends inside the header"),
            "wrong count": (TRC.replace(b"\t5\tmm", b"\t6\tmm"), "6 markers are declared, but 5 are named"),
            "no table": (b"nonsense\n" + TRC, "expected a line that starts with PathFileType"),
            "no rate": (TRC.replace(b"\n60\t", b"\nfast\t"), "expected a number as DataRate, found 'fast'"),
            "1e30": (made_files.trc(changed(LOW, 1e30), MARKERS, 60.0), r"X of 'm1' is 1e\+30, which is no plausible"),
            "infinite": (
                made_files.trc(changed(LOW, np.inf), MARKERS, 60.0),
                "X of 'm1' is inf, which is no plausible",
            ),
            "NaN everywhere": (made_files.trc(LOW * np.nan, MARKERS, 60.0), "no marker is ever seen"),
            "no number": (TRC.replace(b"0.016667", b"later"), "expected a number, found 'later'"),
            "0 frames": (made_files.trc(LOW[:0], MARKERS, 60.0), "the clip has 0 frames"),
        },
        lines=True,
        unit="mm",
    ),
    "amc": Row(
        ".amc",
        AMC,
        Motion,
        1,
        4,
        (0, 4, "root", (4 * CMU, 0.0, 0.0)),
        {
            "truncated": (AMC[: AMC.rindex(b"larm")], "frame 6: expected bone 'larm' once"),
            "wrong number of values": (AMC.replace(b"larm 0", b"larm 0 1", 1), "expected 1 values, found 2"),
            "unknown bone": (AMC.replace(b"larm", b"tail", 1), "bone 'tail' does not move in sample.asf"),
            "bone twice": (AMC.replace(b"larm 0\n", b"larm 0\nlarm 0\n", 1), "frame 1: expected bone 'larm' once"),
            "no frame number": (AMC.replace(b"\n1\n", b"\n"), "expected the number of the first frame, found 'root"),
            "NaN": (AMC.replace(b"larm 0", b"larm nan", 1), "value 1 is missing"),
            "1e30": (AMC.replace(b"larm 0", b"larm 1e30", 1), r"value 1 is 1e\+30, which is no plausible value"),
            "no number": (AMC.replace(b"larm 0", b"larm up", 1), "expected a number, found 'up'"),
            "0 frames": (b":FULLY-SPECIFIED\n:DEGREES\n", "the clip has 0 frames"),
        },
        lines=True,
        unit="cmu",
        beside={"sample.asf": made_files.ASF},
    ),
    "mot": Row(
        ".mot",
        MOT,
        Motion,
        1,
        18,
        (0, 4, "pelvis", (0.4, 0.94, 0.0)),
        {
            "truncated": (MOT[:-40], "expected 9 values, found"),
            "no header": (MOT.partition(b"endheader\n")[2], "there is no line 'endheader'"),
            "other columns": (MOT.replace(b"hip", b"paw"), "unknown: paw_flexion_r, paw_flexion_l"),
            "forces": (
                made_files.mot({"time": np.arange(6.0), "ground_force_vx": np.ones(6), "ground_force_px": np.ones(6)}),
                "holds forces and moments",
            ),
            "NaN": (MOT.replace(b"0.4\t", b"nan\t"), "pelvis_tx' is missing|'pelvis_tx' is missing"),
            "1e30": (MOT.replace(b"0.4\t", b"1e30\t"), r"'pelvis_tx' is 1e\+30, which is no plausible value"),
            "no number": (MOT.replace(b"0.4\t", b"far\t"), "expected a number, found 'far'"),
            "times back": (MOT.replace(b"\n0.08\t", b"\n0.01\t"), "the times must grow from line to line"),
            "0 frames": (MOT[: MOT.index(b"knee_angle_l\n") + 13], "the clip has 0 frames"),
        },
        lines=True,
    ),
    "csv": Row(
        ".csv",
        CSV,
        Keypoints,
        1,
        len(RIG),
        (0, 4, "Head", tuple(STANDING[4, list(RIG).index("Head")])),
        {
            "truncated": (CSV[: CSV.rindex(b",")], "expected 5 cells, found 4"),
            "no frames": (CSV.replace(b"frame,", b"picture,", 1), "frame is missing"),
            "twice": (CSV + CSV.splitlines()[-1] + b"\n", "joint 'RightFoot' is there twice in this frame"),
            "no number": (CSV.replace(b"5,RightFoot,", b"5,RightFoot,left "), "x: expected a number, found 'left"),
            "half a frame": (CSV.replace(b"\n5,", b"\n5.5,"), "expected a frame number, found '5.5'"),
            "far frame": (CSV.replace(b"\n5,", b"\n5000000,"), "lines are too few for 5000001 frames"),
            "1e30": (
                made_files.csv_table(changed(STANDING, 1e30), list(RIG), 40.0),
                r"x is 1e\+30, which is no plausible",
            ),
            "NaN everywhere": (made_files.csv_table(STANDING * np.nan, list(RIG)), "no joint is known in any frame"),
            "no rate": (CSV.replace(b"fps=40", b"fps=fast"), "expected a frame rate, found 'fast'"),
            "0 frames": (b"frame,joint,x,y,z\n", "the clip has 0 frames"),
        },
        lines=True,
    ),
    "urdf": Row(
        ".csv",
        JOINT_VALUES,
        Motion,
        1,
        6,
        # Shoulder and elbow straight up at frame 0; the root walks along X; Z up became Y up.
        (0, 3, "upper", (0.3, 1.5, 0.0)),
        {
            "truncated": (JOINT_VALUES[: JOINT_VALUES.rindex(b",")], "expected 6 values, found 5"),
            "no number": (JOINT_VALUES.replace(b"\n3,", b"\nthree,"), "expected a number, found 'three'"),
            "NaN": (JOINT_VALUES.replace(b"0.3,0,", b"0.3,nan,"), "root_y is missing"),
            "1e30": (JOINT_VALUES.replace(b"0.3,0,", b"0.3,1e30,"), r"root_y is 1e\+30, which is no plausible"),
            "stray joint": (JOINT_VALUES.replace(b"slide", b"knee"), "the robot 'arm' has no moving joint 'knee'"),
            "no rate": (JOINT_VALUES.replace(b"# fps=50\n", b""), "the frame rate is missing"),
            "0 frames": (JOINT_VALUES[: JOINT_VALUES.index(b"\n0,") + 1], "there are no joint values"),
            "other robot": (b"# urdf=../sample.urdf\n" + JOINT_VALUES, "lies outside the table's folder"),
        },
        lines=None,
        up="z",
        beside={"sample.urdf": ARM.encode()},
    ),
    "amp": Row(
        ".npy",
        made_files.amp(TURNS, LOW[:, 0]),
        Motion,
        1,
        3,
        (0, 4, "pelvis", (LOW[4, 0, 0], LOW[4, 0, 2], -LOW[4, 0, 1])),
        {
            "truncated": (made_files.amp(TURNS, LOW[:, 0])[:-20], "is a damaged pickle"),
            "wrong count": (
                made_files.amp(TURNS[:-1], LOW[:, 0]),
                r"'root_translation' has shape \(6, 3\), expected \(5, 3\)",
            ),
            "NaN": (made_files.amp(changed(TURNS, np.nan), LOW[:, 0]), "'rotation' holds something that is no number"),
            "no skeleton": (made_files.amp(TURNS, LOW[:, 0], skeleton_tree=None), "there is no skeleton_tree"),
            "no rate": (made_files.amp(TURNS, LOW[:, 0], fps=0), "fps must be a positive number"),
            "0 frames": (made_files.amp(TURNS[:0], LOW[:0, 0]), "the clip has 0 frames"),
        },
        up="z",
    ),
    "msr_action3d": Row(
        ".txt",
        made_files.msr(body(20)),
        Keypoints,
        1,
        20,
        (0, 4, "Head", tuple(body(20)[4, 19])),
        {
            "truncated": (
                made_files.msr(body(20)).rsplit(b"\n", 3)[0],
                "ends inside frame 6: expected 20 joints, found 18",
            ),
            "wrong number of values": (made_files.msr(body(20)) + b"1 2 3\n", "expected 4 values, found 3"),
            "NaN": (made_files.msr(changed(body(20), np.nan)), "x is missing"),
            "1e30": (made_files.msr(changed(body(20), 1e30)), r"x is 1e\+30, which is no plausible value"),
            "screen": (made_files.msr(100 * body(20)), "holds screen coordinates"),
            "far": (made_files.msr(changed(body(20), 99.0)), "a joint is at no plausible place"),
            "no number": (made_files.msr(body(20)) + b"1 2 3 yes\n", "expected a number, found 'yes'"),
        },
        lines=True,
    ),
    "utkinect": Row(
        ".txt",
        made_files.utkinect(body(20)),
        Keypoints,
        1,
        20,
        (0, 4, "Head", tuple(body(20)[4, 3])),
        {
            "truncated": (made_files.utkinect(body(20))[:-30], "expected 61 values, found"),
            "wrong count": (made_files.utkinect(body(19)), "expected 61 values, found 58"),
            "NaN": (made_files.utkinect(changed(body(20), np.nan)), "x of joint 2 is missing"),
            "1e30": (
                made_files.utkinect(changed(body(20), 1e30)),
                r"x of joint 2 is 1e\+30, which is no plausible value",
            ),
            "far": (made_files.utkinect(changed(body(20), 99.0)), "a joint is at no plausible place"),
            "back": (made_files.utkinect(body(20), stride=-1), "frame 251 cannot follow frame 252"),
            "no number": (made_files.utkinect(body(20)) + b"x" + 60 * b" 1", "expected a number, found 'x'"),
        },
        lines=True,
    ),
    "expmap": Row(
        ".txt",
        made_files.expmap(LOW[:, 0] / CMU),
        Motion,
        1,
        31,
        (0, 4, "Hips", tuple(LOW[4, 0])),
        {
            "truncated": (made_files.expmap(LOW[:, 0])[:-30], "expected 117 values, found"),
            "wrong count": (made_files.expmap(LOW[:, 0], 31)[:-3], "expected 117 values|expected 117 or 99|found 9"),
            "NaN": (made_files.expmap(LOW[:, 0] * np.nan), "value 1 is missing"),
            "1e30": (made_files.expmap(LOW[:, 0] * 1e30), "which is no plausible value"),
            "no number": (made_files.expmap(LOW[:, 0]) + b"x" + 116 * b",0", "expected a number, found 'x'"),
        },
        lines=True,
        unit="cmu",
    ),
    "deepmimic": Row(
        ".txt",
        made_files.deepmimic(LOW[:, 0]),
        Motion,
        1,
        15,
        (0, 4, "root", tuple(LOW[4, 0])),
        {
            "truncated": (made_files.deepmimic(LOW[:, 0])[:-30], "is no whole JSON"),
            "wrong count": (made_files.deepmimic(LOW[:, 0]).replace(b"1.0,\n0.0,", b"1.0,", 1), "expected 44 values"),
            "NaN": (made_files.deepmimic(LOW[:, 0] * np.nan), "frame 1: value 2 is nan, which is no plausible value"),
            "1e30": (made_files.deepmimic(LOW[:, 0] * 1e30), "frame 1: value 2 is .*, which is no plausible value"),
            "text": (made_files.deepmimic(LOW[:, 0]).replace(b"0.04", b'"long"'), "holds something that is no number"),
            "no time": (made_files.deepmimic(LOW[:, 0], 0.0), "the frames last no time"),
            "character": (b'{"Skeleton": {"Joints": []}}', "is a DeepMimic character, which holds no motion"),
            "0 frames": (made_files.deepmimic(LOW[:, 0]).partition(b"[")[0] + b"[]}", "the clip has 0 frames"),
        },
        lines=None,
    ),
    "coco": Row(
        ".json",
        made_files.coco([[PICTURE[:17]]] * FRAMES),
        Keypoints,
        1,
        17,
        (0, 4, "left_ankle", (0.0, 0.0, 0.0)),
        {
            "truncated": (made_files.coco([[PICTURE[:17]]])[:-30], "is no whole JSON"),
            "wrong count": (made_files.coco([[PICTURE[:16]]]), "'keypoints' has 48 values, expected 51"),
            "NaN everywhere": (made_files.coco([[PICTURE[:17] * np.nan]]), "nobody is in it"),
            "1e30": (made_files.coco([[changed(PICTURE[None].repeat(3, 0), 1e30)[2, :17]]]), "no plausible place"),
            "no picture": (
                made_files.coco([[PICTURE[:17]]], images=[]).replace(b"image_id", b"image"),
                "'image_id' is missing",
            ),
            "text": (b'{"annotations": [{"image_id": 1, "keypoints": "none"}]}', "'keypoints' is no list of numbers"),
            "0 frames": (b'{"annotations": []}', "nobody is in it"),
        },
        lines=None,
        unit="px",
        up="-y",
    ),
    "openpose": Row(
        ".json",
        made_files.openpose([[PICTURE]] * FRAMES),
        Keypoints,
        1,
        25,
        (0, 4, "LHeel", (0.0, 0.0, 0.0)),
        {
            "truncated": (made_files.openpose([[PICTURE]])[:-30], "is no whole JSON"),
            "wrong count": (made_files.openpose([[PICTURE[:24]]]), "'pose_keypoints_2d' has 72 values"),
            "NaN everywhere": (made_files.openpose([[PICTURE * np.nan]]), "nobody is in it"),
            "infinite": (made_files.openpose([[PICTURE * 1e300]]).replace(b"+302", b"+400"), "nobody is in it"),
            "text": (b'{"people": [{"pose_keypoints_2d": [1, "x", 1]}]}', "is no list of numbers"),
            "nobody": (b'{"people": []}', "nobody is in it"),
            "two layouts": (made_files.openpose([[PICTURE], [PICTURE[:18]]]), "different numbers of points"),
        },
        lines=None,
        unit="px",
        up="-y",
    ),
    "mediapipe": Row(
        ".json",
        made_files.mediapipe(body(33), fps=25),
        Keypoints,
        1,
        33,
        (0, 4, "right_foot_index", tuple(body(33)[4, 32] * (1, -1, -1))),
        {
            "truncated": (made_files.mediapipe(body(33))[:-30], "is no whole JSON"),
            "wrong count": (made_files.mediapipe(body(32)), "frame 1: expected 33 landmarks, found 32"),
            "NaN everywhere": (made_files.mediapipe(body(33) * np.nan), "nobody is in it"),
            "1e30": (made_files.mediapipe(changed(body(33), 1e30)), "no plausible place"),
            "text": (
                made_files.mediapipe(body(33)).replace(b'"x": ', b'"x": "left", "w": '),
                "a landmark is no x, y, z",
            ),
            "no landmarks": (b'{"frames": [{"pose": []}], "visibility": 1}', "there are no landmarks called"),
            "0 frames": (b'{"frames": [], "visibility": 1}', "the clip has 0 frames"),
        },
        lines=None,
        up="-y",
    ),
}

WHOLE_FILE = (
    "no body is tracked",
    "no marker is ever seen",
    "no joint is known in any frame",
    "the clip has 0 frames",
    "there is no line 'endheader'",
    f"{FRAMES * len(RIG)} lines are too few",
)
"""Problems that lie in no line of their own."""

FBX = fbx()
GLB = walker().glb()

MATRIX |= {
    "fbx": Row(
        ".fbx",
        FBX,
        Motion,
        1,
        len(RIG),
        (0, 5, "Hips", (0.0, 0.92, 0.24)),
        {
            "truncated": (FBX[:-200], "is no readable FBX file"),
            "truncated early": (FBX[:900], "is no readable FBX file|there is no skeleton in it"),
            "no joints": (
                FBX.replace(b'"LimbNode"', b'"Camera"').replace(b'"Null"', b'"Camera"'),
                "no node of kind bone",
            ),
            "no take": (FBX.replace(b"AnimationStack:", b"Nothing:"), "there is no animation in it"),
            "1e30": (FBX.replace(b"a: 92.000000", b"a: 1e30"), "no number or no plausible one"),
            "a take of years": (
                FBX.replace(b",9237231600", b",99999999999999999"),
                "more than a file of this size can",
            ),
            "rate out of this world": (
                FBX.replace(b'"Number", "",25.0', b'"Number", "",1e9'),
                "no plausible frame rate",
            ),
        },
        unit="cm",
        child=True,
    ),
    "gltf": Row(
        ".glb",
        GLB,
        Motion,
        1,
        len(RIG),
        (0, 5, "Hips", (0.0, 0.92, 0.24)),
        {
            "truncated": (GLB[:-60], "is cut short: its header promises"),
            "truncated header": (GLB[:15], "the GLB header is not whole"),
            "a chunk that lies": (GLB[:12] + b"\xff\xff\xff\x7f" + GLB[16:], "a chunk at byte 12 promises"),
            "version 1": (GLB[:4] + b"\1" + GLB[5:], "is GLB of version 1"),
            "NaN": (GLB.replace(np.float32(0.24).tobytes(), np.float32(np.nan).tobytes()), "no plausible number"),
            "1e32": (GLB.replace(np.float32(0.24).tobytes(), np.float32(1e32).tobytes()), "no plausible number"),
            "times go back": (GLB.replace(np.float32(0.2).tobytes(), np.float32(0.1).tobytes()), "times that go back"),
        },
    ),
}

NOISE = np.random.default_rng(7).integers(0, 256, 3000, dtype=np.uint8).tobytes()


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / f"sample{MATRIX[name].suffix}"
    path.write_bytes(data)
    for other, content in MATRIX[name].beside.items():
        (folder / other).write_bytes(content)
    return path


def refusal(path: Path, format: str | None = None) -> MotionFormatError:
    """The error of a bad file, checked to be one sentence that names the file and is not made of its bytes."""
    with pytest.raises(MotionFormatError) as caught:
        plugins.read_clips(path, format)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text and text.isprintable() and len(text) < len(str(path)) + 300
    return caught.value


def test_every_installed_format_has_a_row() -> None:
    ours = {one.name for one in plugins.readers() if _home(one.read) == "skeletonllm_mocap_io"}
    assert ours == set(MATRIX) | {"blend"}  # needs Blender: test_blend.py


def _home(function: Callable) -> str:
    return function.__module__.partition(".")[0]


@pytest.mark.parametrize("name", MATRIX)
def test_a_sample_is_read(name: str, tmp_path: Path) -> None:
    row = MATRIX[name]
    (clip,) = plugins.read_clips(written(tmp_path, name, row.sample))
    assert clip.origin is not None and clip.origin.format == name
    assert (clip.origin.unit, clip.origin.up_axis) == (row.unit, row.up)
    assert len(clip.persons) == len(clip.person_ids) == row.persons
    for person in clip.persons:
        assert isinstance(person, row.kind) and len(person.topology) == row.joints
        assert len(person) == FRAMES and person.fps == pytest.approx(FPS[name], rel=1e-9)
    person, frame, joint, place = row.place
    one = clip.persons[person]
    np.testing.assert_allclose(one.joint_positions()[frame, one.topology.names.index(joint)], place, atol=2e-6)


@pytest.mark.parametrize("name", MATRIX)
def test_a_suffix_in_capitals_is_known_and_format_overrides_another(name: str, tmp_path: Path) -> None:
    row = MATRIX[name]
    loud = tmp_path / f"LOUD{row.suffix.upper()}"
    other = tmp_path / "motion.dat"
    for path in (loud, other):
        path.write_bytes(row.sample)
    for file, content in row.beside.items():
        (tmp_path / file).write_bytes(content)
    assert len(plugins.read(loud)) == len(plugins.read(other, format=name)) == row.persons


@pytest.mark.parametrize(("name", "variant"), [(name, bad) for name, row in MATRIX.items() for bad in row.bad])
def test_a_malformed_file_is_refused_with_its_place(name: str, variant: str, tmp_path: Path) -> None:
    row = MATRIX[name]
    data, expected = row.bad[variant]
    path = written(tmp_path, name, data)
    error = refusal(path)
    if error.format == "unknown":
        # No format claims a damaged file of a suffix that several share; asked by name, its reader says why.
        assert re.search("none of the formats with this suffix fits the file", error.problem), error
        error = refusal(path, name)
    assert re.search(expected, error.problem), error
    assert error.format == name
    whole_file = error.problem.startswith(WHOLE_FILE)
    assert row.lines is None or whole_file or (error.line is not None) == row.lines
    if error.line is not None:
        assert 1 <= error.line <= data.count(b"\n") + 1


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\0", NOISE, b"\xff\xfe" + NOISE], ids=["empty", "line", "0", "noise", "utf16"]
)
def test_what_is_no_motion_at_all_is_refused(name: str, data: bytes, tmp_path: Path) -> None:
    error = refusal(written(tmp_path, name, data))
    if not data:
        assert error.problem == "the file is empty"


@pytest.mark.parametrize("name", MATRIX)
def test_a_damaged_sample_is_read_or_refused_but_nothing_else(name: str, tmp_path: Path) -> None:
    """200 samples with a few bytes changed or a piece cut out: Clips or MotionFormatError."""
    rng = np.random.default_rng(11)
    sample = MATRIX[name].sample
    for _ in range(10 if MATRIX[name].child else 200):
        data = bytearray(sample)
        if rng.random() < 0.3:
            start = int(rng.integers(len(data)))
            del data[start : start + int(rng.integers(1, 400))]
        for place in rng.integers(0, max(1, len(data)), int(rng.integers(0, 5))):
            if place < len(data):
                data[place] = int(rng.integers(256))
        path = written(tmp_path, name, bytes(data))
        try:
            clips = plugins.read_clips(path)
        except MotionFormatError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            assert len(clips[0].persons) >= 1


@pytest.mark.parametrize("name", MATRIX)
def test_damage_to_the_first_and_last_bytes_is_read_or_refused(name: str, tmp_path: Path) -> None:
    """Headers and directories of archives lie there, so every byte of them is tried once."""
    sample = MATRIX[name].sample
    places = [*range(128), *range(len(sample) - 160, len(sample))]
    for place in places[:: 24 if MATRIX[name].child else 1]:
        data = bytearray(sample)
        data[place] ^= 0x95
        path = written(tmp_path, name, bytes(data))
        try:
            plugins.read_clips(path)
        except MotionFormatError as error:
            assert str(error).startswith(str(path))
