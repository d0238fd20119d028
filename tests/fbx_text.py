"""FBX files that tests write for themselves: ASCII, 7400 and 6100, of the skeleton in `tests.clips`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.clips import RIG, Pose, walk

KTIME = 46186158000
"""FBX counts time in so many ticks a second."""

_ROTATION_ORDER = 3  # YXZ in FBX's count from the first applied: the product of Z, X and Y that `tests.clips` means
Z_UP = {"UpAxis": 2, "UpAxisSign": 1, "FrontAxis": 1, "FrontAxisSign": -1, "CoordAxis": 0, "CoordAxisSign": 1}
Y_UP = {"UpAxis": 1, "UpAxisSign": 1, "FrontAxis": 2, "FrontAxisSign": 1, "CoordAxis": 0, "CoordAxisSign": 1}

Take = tuple[str, Callable[[float], Pose], int]
"""Name, motion and number of frames."""


def fbx(
    takes: Sequence[Take] = (("Walk", walk, 6),),
    *,
    fps: float = 25.0,
    unit: float = 1.0,
    axes: Mapping[str, int] = Y_UP,
    armatures: Sequence[str] = ("",),
    scale: float = 1.0,
    kind: str = "LimbNode",
) -> bytes:
    """A 7400 file.

    Args:
        takes: the stacks of curves.
        fps: written as a custom rate.
        unit: centimetres per unit, as the file says.
        axes: the axis settings.
        armatures: prefix of the joint names of each person; an armature node "Armature<prefix>" holds them.
        scale: of the armatures.
        kind: of the joints.
    """
    objects: list[str] = []
    links: list[str] = []
    number = 1000

    def new() -> int:
        nonlocal number
        number += 1
        return number

    models: dict[str, int] = {}
    for prefix in armatures:
        holder = new()
        models["Armature" + prefix] = holder
        objects.append(_model(holder, "Armature" + prefix, "Null", {"Lcl Scaling": (scale,) * 3}))
        links.append(f'C: "OO",{holder},0')
        for name, (parent, offset, _) in RIG.items():
            model = models[prefix + name] = new()
            attribute = new()
            above = holder if parent is None else models[prefix + parent]
            objects.append(_model(model, prefix + name, kind, {"Lcl Translation": offset}))
            flags = "Skeleton" if kind == "LimbNode" else "Null"
            objects.append(f'NodeAttribute: {attribute}, "NodeAttribute::", "{kind}" {{\n TypeFlags: "{flags}"\n}}')
            links += [f'C: "OO",{model},{above}', f'C: "OO",{attribute},{model}']
    for take, motion, frames in takes:
        stack, layer = new(), new()
        stop = round((frames - 1) * KTIME / fps)
        objects.append(
            f'AnimationStack: {stack}, "AnimStack::{take}", "" {{\n Properties70: {{\n'
            f'  P: "LocalStart", "KTime", "Time", "",0\n  P: "LocalStop", "KTime", "Time", "",{stop}\n }}\n}}'
        )
        objects.append(f'AnimationLayer: {layer}, "AnimLayer::Base", "" {{\n}}')
        links.append(f'C: "OO",{layer},{stack}')
        times = [round(frame * KTIME / fps) for frame in range(frames)]
        for prefix in armatures:
            for name in RIG:
                poses = [motion(frame / fps) for frame in range(frames)]
                tracks = {"Lcl Rotation": [_xyz(pose.get(name, (0.0, 0.0, 0.0))) for pose in poses]}
                if name == "Hips":
                    tracks["Lcl Translation"] = [pose["at"] for pose in poses]
                for part, values in tracks.items():
                    node = new()
                    objects.append(f'AnimationCurveNode: {node}, "AnimCurveNode::T", "" {{\n}}')
                    links += [f'C: "OO",{node},{layer}', f'C: "OP",{node},{models[prefix + name]}, "{part}"']
                    for axis, column in zip("XYZ", zip(*values, strict=True), strict=True):
                        curve = new()
                        objects.append(_curve(curve, times, column))
                        links.append(f'C: "OP",{curve},{node}, "d|{axis}"')
    settings = "".join(f'  P: "{key}", "int", "Integer", "",{value}\n' for key, value in axes.items())
    return (
        "; FBX 7.4.0 project file\nFBXHeaderExtension: {\n FBXHeaderVersion: 1003\n FBXVersion: 7400\n}\n"
        f"GlobalSettings: {{\n Version: 1000\n Properties70: {{\n{settings}"
        f'  P: "UnitScaleFactor", "double", "Number", "",{unit}\n'
        f'  P: "TimeMode", "enum", "", "",14\n  P: "CustomFrameRate", "double", "Number", "",{fps}\n }}\n}}\n'
        "Objects: {\n" + "\n".join(objects) + "\n}\nConnections: {\n" + "\n".join(links) + "\n}\n"
    ).encode()


def _xyz(pose: tuple[float, float, float]) -> tuple[float, float, float]:
    """Rotations about X, Y, Z of one about Z, X, Y."""
    return pose[1], pose[2], pose[0]


def _model(number: int, name: str, kind: str, vectors: Mapping[str, Sequence[float]]) -> str:
    rows = "".join(f'  P: "{key}", "{key}", "", "A",{x},{y},{z}\n' for key, (x, y, z) in vectors.items())
    return (
        f'Model: {number}, "Model::{name}", "{kind}" {{\n Version: 232\n Properties70: {{\n'
        f'  P: "RotationActive", "bool", "", "",1\n  P: "RotationOrder", "enum", "", "",{_ROTATION_ORDER}\n{rows} }}\n}}'
    )


def _curve(number: int, times: Sequence[int], values: Sequence[float]) -> str:
    count = len(times)
    return (
        f'AnimationCurve: {number}, "AnimCurve::", "" {{\n Default: 0\n KeyVer: 4008\n'
        f" KeyTime: *{count} {{\n  a: {','.join(map(str, times))}\n }}\n"
        f" KeyValueFloat: *{count} {{\n  a: {','.join(f'{value:.6f}' for value in values)}\n }}\n"
        " KeyAttrFlags: *1 {\n  a: 4\n }\n KeyAttrDataFloat: *4 {\n  a: 0,0,0,0\n }\n"
        f" KeyAttrRefCount: *1 {{\n  a: {count}\n }}\n}}"
    )


def fbx6100(frames: int = 6, fps: int = 25, motion: Callable[[float], Pose] = walk) -> bytes:
    """A file of the time before 7000: objects known by name, curves inside a take. 25 frames a second are mode 10."""
    models = []
    links = ['Connect: "OO", "Model::Armature", "Model::Scene"']
    models.append('Model: "Model::Armature", "Null" {\n Version: 232\n Properties60: {\n }\n}')
    tracks = []
    for name, (parent, offset, _) in RIG.items():
        models.append(
            f'Model: "Model::{name}", "LimbNode" {{\n Version: 232\n Properties60: {{\n'
            f'  Property: "RotationActive", "bool", "",1\n  Property: "RotationOrder", "enum", "",{_ROTATION_ORDER}\n'
            f'  Property: "Lcl Translation", "Lcl Translation", "A+",{offset[0]},{offset[1]},{offset[2]}\n }}\n}}'
        )
        links.append(f'Connect: "OO", "Model::{name}", "Model::{parent or "Armature"}"')
        poses = [motion(frame / fps) for frame in range(frames)]
        parts = {"R": [_xyz(pose.get(name, (0.0, 0.0, 0.0))) for pose in poses]}
        if name == "Hips":
            parts["T"] = [pose["at"] for pose in poses]
        channels = ""
        for part, values in sorted(parts.items(), reverse=True):
            channels += f'Channel: "{part}" {{\n'
            for axis, column in zip("XYZ", zip(*values, strict=True), strict=True):
                keys = ",".join(f"{frame * KTIME // fps},{value:.6f},L" for frame, value in enumerate(column))
                channels += f'Channel: "{axis}" {{\nDefault: 0\nKeyVer: 4005\nKeyCount: {frames}\nKey: {keys}\n}}\n'
            channels += "}\n"
        tracks.append(f'Model: "Model::{name}" {{\nVersion: 1.1\nChannel: "Transform" {{\n{channels}}}\n}}')
    stop = (frames - 1) * KTIME // fps
    return (
        "; FBX 6.1.0 project file\nFBXHeaderExtension: {\n FBXHeaderVersion: 1003\n FBXVersion: 6100\n}\n"
        "Objects: {\n" + "\n".join(models) + "\n GlobalSettings: {\n  Version: 1000\n  Properties60: {\n"
        '   Property: "UnitScaleFactor", "double", "",1\n   Property: "TimeMode", "enum", "",10\n  }\n }\n}\n'
        "Connections: {\n"
        + "\n".join(links)
        + '\n}\nTakes: {\n Current: "Walk"\n Take: "Walk" {\n  FileName: "Walk.tak"\n'
        f"  LocalTime: 0,{stop}\n  ReferenceTime: 0,{stop}\n" + "\n".join(tracks) + "\n }\n}\n"
    ).encode()
