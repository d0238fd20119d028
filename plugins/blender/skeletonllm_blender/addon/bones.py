# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bones of a rig are its body, and how they hang together."""

_DEFORMS, _STANDS_IN = "DEF-", "ORG-"


def body(bones, deform_only):
    """(indices of the bones to read, parents before children; the place there of the parent of each, -1 at a root).

    The bones that move the skin, and those they hang from; all of them where none does. Rigify hangs its DEF- bones from
    ORG- bones of the same name, and those from controls: there a DEF- bone hangs from the next DEF- bone above.

    Args:
        bones: those of an armature.
        deform_only: False takes the controls of the rig too.
    """
    number = {bone.name: index for index, bone in enumerate(bones)}
    hangs = [number[bone.parent.name] if bone.parent else -1 for bone in bones]
    kept = set(range(len(bones)))
    if deform_only and any(bone.use_deform for bone in bones):
        named = {bone.name: bone for bone in bones if bone.use_deform}
        above = [_above(bone, named) for bone in bones]
        rehung = [-1 if one is None else number[one.name] for one in above]
        hangs = rehung if all(_chain(index, rehung) for index in range(len(bones))) else hangs
        kept = {one for bone in named.values() for one in _chain(number[bone.name], hangs)}
    order = sorted(kept, key=lambda index: (len(_chain(index, hangs)), index))
    place = {index: joint for joint, index in enumerate(order)}
    return order, [place[hangs[index]] if hangs[index] >= 0 else -1 for index in order]


def _above(bone, deforming):
    """What a bone hangs from."""
    nearest, parent = None, bone.parent
    while parent is not None and not parent.use_deform:
        stands_in = parent.name.startswith(_STANDS_IN)
        twin = deforming.get(_DEFORMS + parent.name[len(_STANDS_IN) :]) if stands_in else None
        if twin is not None and twin != bone:
            return twin
        if twin is None:
            nearest = nearest or parent
        parent = parent.parent
    return nearest or parent


def _chain(index, hangs):
    """A bone and all that it hangs from; empty where they hang from each other in a circle."""
    found = []
    while index >= 0:
        found.append(index)
        index = hangs[index]
        if len(found) > len(hangs):
            return []
    return found
