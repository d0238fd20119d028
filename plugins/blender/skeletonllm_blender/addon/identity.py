# SPDX-License-Identifier: GPL-3.0-or-later
"""Which data-block is which, for as long as Blender runs."""


def uid_of(block):
    """What tells a data-block from its like, renamed or after an undo; before Blender 4.2 its name has to do."""
    return str(block.session_uid) if hasattr(block, "session_uid") else block.name_full


def by_uid(blocks, uid):
    """The data-block of that `uid_of`; None where it is gone."""
    return next((one for one in blocks if uid_of(one) == uid), None)
