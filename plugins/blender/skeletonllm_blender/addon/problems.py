# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong, told so that it can be translated. Knows no Blender."""


class Problem(Exception):
    """One sentence on what is wrong, and what to do.

    Args:
        template: the sentence, with {names} for what differs.
        values: what stands there.
    """

    def __init__(self, template, **values):
        super().__init__(template.format(**values))
        self.template, self.values = template, values
