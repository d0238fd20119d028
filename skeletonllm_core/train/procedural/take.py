"""One take: channels over time → joint rotations of a rig.

An action writes anatomical angles [degrees] and lengths into channels (`Take.key`, `Take.add`), plans steps
(`Take.step`) and hand targets (`Take.reach`). `Take.solve` turns them into a motion: the trunk by forward kinematics on
the rig's own spine, legs by two-bone inverse kinematics on planted feet (or by angles where they are free), arms by
angles (or by inverse kinematics where a hand reaches for something).

Channels, all zero at rest:
    x, y, z             pelvis [m], on top of where the feet (or the path) put it
    yaw, pitch, roll    pelvis; positive: to the left, leaning forward, leaning left
    spine, bend, twist  trunk over the pelvis; positive: forward, to the left, to the left
    nod, tilt, look     head over the chest; positive: down, to the left, to the left
    air, tip            both feet: height above the plan [m], heel rise; l_air, r_air, l_tip, r_tip: one foot
    l_…, r_… (arm)      flex (forward and up), abd (sideways and up), hor (outwards about the chest's vertical),
                        rot (outward turn of the upper arm), elbow, pron (palm back and down), wrist (towards the palm),
                        shrug, protract
    l_…, r_… (leg)      free (0: foot on its plan, 1: by angles); hip (forward and up), splay, turn (outwards), knee,
                        ankle (toes down)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from skeletonllm_core.motion import rotation
from skeletonllm_core.motion.motion import Motion
from skeletonllm_core.train.procedural.body import Body
from skeletonllm_core.train.procedural.curves import dilated, keyframes, smoothed, smoothstep
from skeletonllm_core.train.procedural.rigs import SIDES, Rig, landmark

_OUTWARD = np.array([1.0, -1.0])
_MIRROR = np.array([1.0, 1.0, -1.0, -1.0])
_X, _Y, _Z = np.eye(3)


@dataclass(frozen=True)
class Step:
    """One foot leaves the ground and comes down elsewhere.

    Attributes:
        lift, land: when [s].
        x, z: where the flat ankle comes down [m].
        yaw: direction of the foot [degrees, left positive].
        height: highest the ankle rises on the way [m].
        off: heel rise at lift-off [degrees]; strike: toe rise at landing [degrees], negative lands on the toes.
    """

    lift: float
    land: float
    x: float
    z: float
    yaw: float
    height: float = 0.08
    off: float = 25.0
    strike: float = 10.0


@dataclass(eq=False)
class Foot:
    """A foot's plan: where it stands first, then its steps in time order."""

    x: float
    z: float
    yaw: float
    steps: list[Step] = field(default_factory=list)


@dataclass(eq=False)
class Reach:
    """A hand target: weight (T,) 0..1 and position (T, 3) [m] in `frame`: "world" or "chest".

    The chest frame has its origin between the shoulders and the chest's axes.
    """

    weight: np.ndarray
    position: np.ndarray
    frame: str


Times = Sequence[float] | np.ndarray
Values = Sequence[float] | np.ndarray | float


class Take:
    """The channels of one take of `seconds` at `fps` for one body; see the module's text."""

    def __init__(self, body: Body, seconds: float, fps: float, *, stance: float, toe_out: tuple[float, float]) -> None:
        self.body = body
        self.fps = fps
        self.t = np.arange(max(round(seconds * fps), 2)) / fps
        self.channels: dict[str, np.ndarray] = {}
        self.half_stance = half = body.hip_width * stance
        self.feet = {"l": Foot(half, 0.0, toe_out[0]), "r": Foot(-half, 0.0, -toe_out[1])}
        self.reaches: dict[str, Reach] = {}
        self.path: np.ndarray | None = None
        self.heading: np.ndarray | None = None
        self.pivots: dict[str, np.ndarray] = {}
        self.tracks: dict[str, np.ndarray] = {}
        self.curl = {"l": 15.0, "r": 15.0}
        self.settle = 0.12

    def key(self, times: Times, lag: float = 0.0, /, **values: Values) -> None:
        """Add smooth curves through keys: `values` gives each channel one value per time (or one for all)."""
        table = np.stack(
            [np.broadcast_to(np.asarray(v, dtype=np.float64), len(times)) for v in values.values()], axis=1
        )
        curves = keyframes(times, table, self.t - lag)
        for column, name in enumerate(values):
            self.add(name, curves[:, column])

    def arm(self, side: str, times: Times, lag: float = 0.0, /, **values: Values) -> None:
        """`key` for one arm or leg: channel names without their side; elbow, wrist and knee follow a little later."""
        late = {name: value for name, value in values.items() if name in ("elbow", "wrist", "pron", "knee", "ankle")}
        early = {name: value for name, value in values.items() if name not in late}
        for part, delay in ((early, lag), (late, lag + 0.03)):
            if part:
                self.key(times, delay, **{f"{side}_{name}": value for name, value in part.items()})

    def add(self, name: str, curve: np.ndarray | float) -> None:
        """Add a (T,) curve, or a constant, to a channel."""
        self.channels[name] = self.get(name) + curve

    def get(self, name: str) -> np.ndarray:
        """(T,) the channel so far."""
        found = self.channels.get(name)
        return np.zeros(len(self.t)) if found is None else found

    def step(self, side: str, step: Step) -> None:
        """Append a step to a foot's plan."""
        self.feet[side].steps.append(step)

    def reach(
        self, side: str, times: Sequence[float], weight: Sequence[float], position: np.ndarray, frame: str
    ) -> None:
        """Give a hand a target: weight (K,) and position (K, 3) or (T, 3) [m] at (K,) times in `frame`."""
        position = np.asarray(position, dtype=np.float64)
        if len(position) != len(self.t):
            position = keyframes(times, position, self.t)
        weights = keyframes(times, np.asarray(weight, dtype=np.float64)[:, None], self.t)[:, 0]
        self.reaches[side] = Reach(weights, position, frame)

    def shorten(self, frames: int) -> None:
        """Keep only the first `frames` frames of everything."""
        self.t = self.t[:frames]
        self.channels = {name: curve[:frames] for name, curve in self.channels.items()}
        self.pivots = {side: curve[:frames] for side, curve in self.pivots.items()}
        self.tracks = {side: curve[:frames] for side, curve in self.tracks.items()}
        self.path = None if self.path is None else self.path[:frames]
        self.heading = None if self.heading is None else self.heading[:frames]
        for reach in self.reaches.values():
            reach.weight, reach.position = reach.weight[:frames], reach.position[:frames]

    # -- solving ------------------------------------------------------------------------------------------------

    def _degrees(self, *names: str) -> np.ndarray:
        """(T, n) channels in radians."""
        return np.radians(np.stack([self.get(name) for name in names], axis=1))

    def _paired(self, *names: str) -> np.ndarray:
        """(2, T, n) channels of both sides, as they are."""
        return np.stack([np.stack([self.get(f"{side}_{name}") for name in names], axis=1) for side in SIDES])

    def _foot_plans(self) -> np.ndarray:
        """(2, T, 5): x, z [m], yaw [degrees], height [m], pitch [degrees, heel up positive] of both feet."""
        plans = np.zeros((2, len(self.t), 5))
        for row, side in enumerate(SIDES):
            foot = self.feet[side]
            plan = plans[row]
            here = np.array([foot.x, foot.z, foot.yaw])
            plan[:, :3] = here
            times, pitches = [-1e3], [0.0]
            for step in foot.steps:
                there = np.array([step.x, step.z, step.yaw])
                u = (self.t - step.lift) / (step.land - step.lift)
                after = np.searchsorted(u, 0.0)
                blend = (0.15 * np.clip(u[after:], 0, 1) + 0.85 * smoothstep(u[after:]))[:, None]
                plan[after:, :3] = here + blend * (there - here)
                moving = slice(after, np.searchsorted(u, 1.0))
                plan[moving, 3] += step.height * np.sin(np.pi * u[moving] ** 0.85) ** 1.25
                swing = step.land - step.lift
                roll_off = max(min(0.22, 0.55 * swing), 0.1)
                for time, pitch in (
                    (step.lift - roll_off, 0.0),
                    (step.lift + 0.05 * swing, step.off),
                    (step.lift + 0.6 * swing, -0.3 * step.strike + 0.15 * step.off),
                    (step.land, -step.strike),
                    (step.land + min(0.12, 0.4 * swing), 0.0),
                ):
                    if time > times[-1] + 1e-3:
                        times.append(time)
                        pitches.append(pitch)
                here = there
            plan[:, 4] = keyframes(times, np.array(pitches)[:, None], self.t)[:, 0]
            if side in self.tracks:
                plan[:, [0, 1, 3]] = self.tracks[side]
            plan[:, 2] += self.pivots.get(side, 0.0)
            plan[:, 3] += self.get("air") + self.get(f"{side}_air")
            plan[:, 4] += self.get("tip") + self.get(f"{side}_tip")
        return plans

    def _root(self, plans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pelvis (T, 3) [m] before its height is known, and its world rotation (T, 4)."""
        frames = self.settle * self.fps
        ground = smoothed(plans[:, :, :2].mean(axis=0), frames) if self.path is None else self.path
        if self.heading is None:
            start = 0.5 * (self.feet["l"].yaw + self.feet["r"].yaw)
            heading = smoothed(plans[:, :, 2].mean(axis=0) - start, frames)
        else:
            heading = self.heading
        yaw, pitch, roll = self._degrees("yaw", "pitch", "roll").T
        turn = rotation.from_euler(np.stack([np.radians(heading) + yaw, pitch, -roll], axis=1), "YXZ")
        place = np.zeros((len(self.t), 3))
        place[:, 0] = ground[:, 0] + self.get("x")
        place[:, 2] = ground[:, 1] + self.get("z")
        return place, turn

    def solve(self, rig: Rig, *, name: str, yaw: float = 0.0, place: tuple[float, float] = (0.0, 0.0)) -> Motion:
        """The take on a rig, turned by `yaw` [rad] and moved to `place` (x, z) [m] on the ground."""
        body = self.body
        plans = self._foot_plans()
        pelvis, turn = self._root(plans)
        world = {"pelvis": turn}
        self._legs(world, pelvis, plans)
        chest = self._trunk(rig, world, pelvis)
        self._arms(rig, world, chest)
        return _write(rig, body, world, pelvis, self, name, yaw, place)

    def _legs(self, world: dict[str, np.ndarray], pelvis: np.ndarray, plans: np.ndarray) -> None:
        """Set the pelvis' height from what the legs can reach, and the rotations of both legs."""
        body, turn = self.body, world["pelvis"]
        points = body.points
        root = points["pelvis"]
        yaw, pitch = np.radians(plans[..., 2]), np.radians(plans[..., 4])
        foot = rotation.from_euler(np.stack([yaw, pitch], axis=-1), "YX")
        flat = rotation.from_euler(yaw[..., None], "Y")
        planned = np.array([[side not in self.tracks] for side in SIDES])
        ankle = np.stack([plans[..., 0], body.ankle_height + plans[..., 3], plans[..., 1]], axis=-1)
        for pivot, active in (("l_ball", pitch > 0), ("l_heel", pitch < 0)):
            arm = points["l_ankle"] - points[pivot]
            shift = rotation.rotate(foot, arm) - rotation.rotate(flat, arm)
            ankle += np.where((active & planned)[..., None], shift, 0.0)

        sockets = np.stack([rotation.rotate(turn, points[f"{side}_hip"] - root) for side in SIDES])
        free = self._paired("free")[..., 0]
        length = body.leg * 0.992
        apart = ((ankle - sockets - pelvis)[..., [0, 2]] ** 2).sum(-1)
        limit = ankle[..., 1] + np.sqrt(np.maximum(length**2 - apart, (0.3 * length) ** 2)) - sockets[..., 1]
        limit = (limit + 5.0 * free).min(axis=0)
        wanted = root[1] - 0.005 * body.leg + self.get("y")
        # Sink early and rise late enough that the blurred curve is nowhere above what the legs reach.
        short = dilated(np.maximum(wanted - limit, 0.0), round(0.045 * self.fps))
        pelvis[:, 1] = wanted - smoothed(short, 0.022 * self.fps)

        front = np.broadcast_to(rotation.rotate(turn, _Z), sockets.shape)
        hips = pelvis + sockets
        angles = np.radians(self._paired("hip", "splay", "turn", "knee", "ankle"))
        turned = angles[..., 2].any()
        if free.any():
            spin = rotation.from_euler(np.stack([angles[..., 2], -angles[..., 0], angles[..., 1]], axis=-1), "YXZ")
            spin[1] *= _MIRROR
            thigh = rotation.multiply(turn, spin)
            shin = rotation.multiply(thigh, rotation.from_euler(angles[..., 3:4], "X"))
            by_angles = hips - rotation.rotate(thigh, body.thigh * _Y) - rotation.rotate(shin, body.shin * _Y)
            loose = rotation.multiply(shin, rotation.from_euler(angles[..., 4:5], "X"))
            foot = _blend(foot, loose, free[..., None])
            ankle = ankle + free[..., None] * (by_angles - ankle)
            tips = [rotation.rotate(foot, points[place] - points["l_ankle"])[..., 1] for place in ("l_toe", "l_heel")]
            ankle[..., 1] = np.maximum(ankle[..., 1], 0.008 - np.minimum(*tips) * np.minimum(4 * free, 1.0))
        elif turned:
            out = rotation.from_euler(angles[..., 2:3] * _OUTWARD[:, None, None], "Y")
            front = rotation.rotate(rotation.multiply(turn, out), _Z)
        line = ankle - hips
        lead = 0.7 * front + 0.3 * rotation.rotate(foot, _Z)
        pole = rotation.rotate(rotation.between(-rotation.rotate(turn, _Y), line), lead)
        upper, lower = _two_bones(line, body.thigh, body.shin, pole)
        toes_up = np.where(plans[..., 3] > 0, 0.6, 0.0) * np.maximum(pitch, 0.0) - np.maximum(pitch, 0.0)
        toes = rotation.multiply(foot, rotation.from_euler((toes_up * (1 - free) * planned)[..., None], "X"))
        for row, side in enumerate(SIDES):
            world[f"{side}_thigh"], world[f"{side}_shin"] = upper[row], lower[row]
            world[f"{side}_foot"], world[f"{side}_toes"] = foot[row], toes[row]

    def _trunk(self, rig: Rig, world: dict[str, np.ndarray], pelvis: np.ndarray) -> np.ndarray:
        """Rotations of spine, neck and head; returns the last spine joint's position (T, 3) [m]."""
        body = self.body
        spine = self._degrees("twist", "spine", "bend") * (1.0, 1.0, -1.0) / len(rig.spine)
        share = rotation.from_euler(spine, "YXZ")
        here, at, turn = body.points["pelvis"], pelvis, world["pelvis"]
        for number, place in enumerate(rig.spine):
            there = landmark(body, place)
            at = at + rotation.rotate(turn, there - here)
            turn = rotation.multiply(turn, share)
            here = there
            world[f"spine{number}"] = turn
        world["chest"] = turn
        necks = len(rig.neck)
        head = self._degrees("look", "nod", "tilt") * (1.0, 1.0, -1.0) / necks
        share = rotation.from_euler(head, "YXZ")
        for segment in ("neck", "head")[2 - necks :]:
            turn = rotation.multiply(turn, share)
            world[segment] = turn
        return at

    def _arms(self, rig: Rig, world: dict[str, np.ndarray], chest_at: np.ndarray) -> None:
        body, chest = self.body, world["chest"]
        points = body.points
        flex, abd, hor, rot, elbow, pron, wrist, shrug, protract = np.moveaxis(
            np.radians(self._paired("flex", "abd", "hor", "rot", "elbow", "pron", "wrist", "shrug", "protract")), -1, 0
        )
        elbow = np.maximum(elbow, np.radians(2.0))
        spin = rotation.from_euler(np.stack([hor, -flex, abd, rot], axis=-1), "YXZY")
        spin[1] *= _MIRROR
        upper = rotation.multiply(chest, spin)
        # The shoulder girdle follows a raised arm: about a third of what is above 30 degrees (scapulohumeral rhythm).
        raised = np.arccos(np.clip(np.cos(flex) * np.cos(abd), -1.0, 1.0))
        lift = shrug + np.maximum(raised - np.radians(30.0), 0.0) * 0.16
        base = landmark(body, rig.spine[-1])
        shoulders = []
        for row, side in enumerate(SIDES):
            sign = _OUTWARD[row]
            if rig.clavicle is None:
                girdle = chest
                shoulder = chest_at + rotation.rotate(chest, points[f"{side}_shoulder"] - base)
            else:
                place = rig.clavicle if rig.clavicle.startswith("spine@") else f"{side}_{rig.clavicle}"
                joint = landmark(body, place)
                shift = np.stack([-sign * protract[row], sign * lift[row]], axis=-1)
                girdle = rotation.multiply(chest, rotation.from_euler(shift, "YZ"))
                shoulder = (
                    chest_at
                    + rotation.rotate(chest, joint - base)
                    + rotation.rotate(girdle, points[f"{side}_shoulder"] - joint)
                )
            world[f"{side}_clavicle"] = girdle
            shoulders.append(shoulder)
        shoulder_at = np.stack(shoulders)
        fore = rotation.multiply(upper, rotation.from_euler(-elbow[..., None], "X"))
        by_angles = shoulder_at - rotation.rotate(upper, body.upper_arm * _Y) - rotation.rotate(fore, body.forearm * _Y)
        floor = 0.042 * body.height
        if self.reaches or (by_angles[..., 1] < floor).any():
            middle = chest_at + rotation.rotate(chest, 0.5 * (points["l_shoulder"] + points["r_shoulder"]) - base)
            line = by_angles - shoulder_at
            aim = line.copy()
            for row, side in enumerate(SIDES):
                reach = self.reaches.get(side)
                if reach is not None:
                    target = reach.position
                    if reach.frame == "chest":
                        target = middle + rotation.rotate(chest, target)
                    aim[row] += reach.weight[:, None] * (target - by_angles[row])
            # A wrist stays above the floor, whatever the angles say.
            aim[..., 1] = np.maximum(aim[..., 1], floor - shoulder_at[..., 1])
            back = -rotation.rotate(upper, _Z)
            pole = rotation.rotate(rotation.between(line, aim), back)
            upper, fore = _two_bones(aim, body.upper_arm, body.forearm, pole, bends=-1.0)
        # Half of the forearm's turn is taken by the forearm itself, the rest by the hand.
        half = rotation.from_euler(0.5 * pron[..., None] * -_OUTWARD[:, None, None], "Y")
        fore = rotation.multiply(fore, half)
        bent = rotation.from_euler(wrist[..., None] * -_OUTWARD[:, None, None], "Z")
        hand = rotation.multiply(rotation.multiply(fore, half), bent)
        for row, side in enumerate(SIDES):
            hang = rotation.from_euler(np.array([-_OUTWARD[row] * np.pi / 2]), "Z")
            world[f"{side}_upper_arm"] = rotation.multiply(upper[row], hang)
            world[f"{side}_forearm"] = rotation.multiply(fore[row], hang)
            world[f"{side}_hand"] = rotation.multiply(hand[row], hang)


def _blend(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(..., 4) from `a` (weight 0) to `b` (weight 1) along the shorter way."""
    near = np.where((a * b).sum(-1, keepdims=True) < 0, -b, b)
    return rotation.normalize(a + weight * (near - a))


def _two_bones(
    line: np.ndarray, upper: float, lower: float, pole: np.ndarray, *, bends: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """World rotations of two bones from a socket to a target, in axes where the bones hang along -Y and hinge about X.

    Law of cosines; a target out of reach is approached as far as it goes.

    Args:
        line: (..., 3) [m], target minus socket.
        upper, lower: bone lengths [m].
        pole: (..., 3), where the middle joint should point; only its part across `line` counts.
        bends: 1 for a knee, whose front is +Z; -1 for an elbow, which points to -Z.

    Returns:
        two (..., 4) arrays.
    """
    reach = np.linalg.norm(line, axis=-1, keepdims=True)
    along = line / np.maximum(reach, 1e-9)
    reach = np.clip(reach, abs(upper - lower) + 0.12 * (upper + lower), 0.9995 * (upper + lower))
    across = pole - (pole * along).sum(-1, keepdims=True) * along
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    cosine = (upper**2 + reach**2 - lower**2) / (2 * upper * reach)
    middle = upper * (cosine * along + np.sqrt(1 - np.minimum(cosine**2, 1.0)) * across)
    first, second = middle / upper, (reach * along - middle) / lower
    hinge = np.cross(-along, bends * across)
    bones = np.stack([first, second])
    axes = np.stack([np.broadcast_to(hinge, bones.shape), -bones, np.cross(hinge, -bones)], axis=-1)
    found = rotation.from_matrix(axes)
    return found[0], found[1]


def _write(
    rig: Rig,
    body: Body,
    world: Mapping[str, np.ndarray],
    pelvis: np.ndarray,
    take: Take,
    name: str,
    yaw: float,
    place: tuple[float, float],
) -> Motion:
    """World rotations of body segments → local rotations of the rig's joints."""
    frames = len(pelvis)
    whirl = rotation.from_axis_angle(_Y, np.asarray(yaw))
    skeleton = rig.skeleton(body)
    local = np.zeros((frames, len(rig.joints), 4))
    local[..., 0] = 1.0
    keys: list[str] = []
    spine = 0
    driven: dict[tuple[str, str], list[int]] = {}
    for index, joint in enumerate(rig.joints):
        key = joint.segment
        if key == "spine":
            key = f"spine{spine}"
            spine += 1
        elif key[2:] in ("curl", "thumb"):
            degrees = take.curl[key[0]] * (0.4 if key.endswith("thumb") else 1.0)
            turn = rotation.from_euler(np.radians([-degrees if key[0] == "l" else degrees]), "Z")
            local[:, index] = _in_rest(rig, turn, key, key)
            key = f"{key[0]}_hand"
            keys.append(key)
            continue
        keys.append(key)
        parent = keys[joint.parent] if joint.parent >= 0 else "anchor"
        if parent != key:
            driven.setdefault((parent, key), []).append(index)
    here = np.array([np.cos(yaw), np.sin(yaw)])
    root = np.stack(
        [
            place[0] + here[0] * pelvis[:, 0] + here[1] * pelvis[:, 2],
            pelvis[:, 1],
            place[1] - here[1] * pelvis[:, 0] + here[0] * pelvis[:, 2],
        ],
        axis=1,
    )
    still = np.broadcast_to(np.array([1.0, 0.0, 0.0, 0.0]), (frames, 4))
    pairs = list(driven)
    before = np.stack([world.get(parent, still) for parent, _ in pairs])
    after = np.stack([world[key] for _, key in pairs])
    relative = rotation.multiply(rotation.conjugate(before), after)
    for (parent, key), turn in zip(pairs, relative, strict=True):
        turn = rotation.multiply(whirl, turn) if parent == "anchor" else turn
        turn = _in_rest(rig, turn, _plain(parent), _plain(key))
        for index in driven[parent, key]:
            local[:, index] = turn
    translations = None
    if rig.anchored:
        translations = np.broadcast_to(skeleton.rest_offsets, (frames, *skeleton.rest_offsets.shape)).copy()
        translations[:, 1] = root
        root = np.zeros_like(root)
    return Motion(skeleton, rotation.normalize(local), root, take.fps, name, translations)


def _plain(key: str) -> str:
    """The rig table's word for a key of `world`: every spine joint is "spine", the chest too."""
    return "spine" if key.startswith("spine") or key == "chest" else key


def _in_rest(rig: Rig, turn: np.ndarray, parent: str, segment: str) -> np.ndarray:
    """A relative rotation in T-pose axes → the same in the rig's own rest axes."""
    if parent in rig.rest:
        turn = rotation.multiply(rotation.conjugate(rig.rest[parent]), turn)
    return rotation.multiply(turn, rig.rest[segment]) if segment in rig.rest else turn
