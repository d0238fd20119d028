# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in the language of Blender's interface."""

from bpy.app.translations import pgettext_iface as iface_


def sentence(problem):
    """What a `Problem` says."""
    return iface_(problem.template).format(**problem.values)
