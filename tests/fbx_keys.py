"""Which keys the curves of an FBX file have, read by Blender's parser: ``python -I fbx_keys.py FILE OUT.npz``, with bpy.

OUT: ``NODE|X``, ``NODE|Y``, ``NODE|Z``: the (K, 2) times [s] and degrees of the keys that turn a node.
"""

import sys

import bpy  # noqa: F401  (its add-ons can be imported after it)
import numpy as np
from io_scene_fbx import parse_fbx

_TICKS = 46186158000.0


def main(path, target):
    root, _ = parse_fbx.parse(path)
    parts = {one.id.decode(): one.elems for one in root.elems}
    objects = {one.props[0]: one for one in parts["Objects"]}
    names = {key: one.props[1].split(b"\0")[0].decode() for key, one in objects.items() if one.id == b"Model"}
    links = [one.props for one in parts["Connections"] if one.props[0] == b"OP"]
    turned = {child: names[parent] for _, child, parent, what in links if what == b"Lcl Rotation" and parent in names}
    found = {}
    for _, child, parent, what in links:
        if parent in turned and objects[child].id == b"AnimationCurve":
            held = {one.id: one.props[0] for one in objects[child].elems}
            keys = np.stack([np.array(held[b"KeyTime"]) / _TICKS, np.array(held[b"KeyValueFloat"])], axis=1)
            found[f"{turned[parent]}|{what.decode()[-1]}"] = keys
    np.savez(target, **found)


main(*sys.argv[1:])
