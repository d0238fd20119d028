"""The hook file: what plugin authors rely on."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pluggy

from skeletonllm_core import hooks

HOOKS = {
    "skeletonllm_motion_readers": [],
    "skeletonllm_motion_writers": [],
    "skeletonllm_topologies": [],
    "skeletonllm_commands": ["cli"],
}


def test_the_hooks_and_their_arguments() -> None:
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    found = {name: getattr(manager.hook, name) for name in HOOKS}
    # Arguments may be added, never renamed or taken away: old plugins must go on working.
    assert {name: list(caller.spec.argnames) for name, caller in found.items()} == HOOKS
    specified = [name for name, value in vars(hooks).items() if hasattr(value, "skeletonllm_spec")]
    assert specified == list(HOOKS)
    assert all(inspect.getdoc(getattr(hooks, name)) for name in HOOKS)


def test_the_markers_belong_to_the_project() -> None:
    assert hooks.hookimpl.project_name == hooks.hookspec.project_name == hooks.PROJECT == "skeletonllm"


def test_plugins_import_neither_numpy_nor_click_through_it() -> None:
    code = "import sys, skeletonllm_core.hooks; print([m for m in ('numpy', 'click', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
