"""SkeletonLLM: any skeleton motion in; a label, a caption, answers and segments out.

The data flow is the layout; the words of this map are the names of the folders and files:

    source file ─readers→ Motion ─canonical→ CanonicalFrames ─render→ images ─vision→ visual tokens ─language→ answer

    readers      plugins/mocap_io (found through `hooks.py` and `plugins.py`)
    Motion       motion/skeleton.py, motion/motion.py, motion/kinematics.py, motion/rig.py (which joint is which body part)
    canonical    motion/repair.py: without jitter and gaps; motion/completion.py: a guess in place of joints that lack;
                 motion/canonical.py: metres, Y up, facing the camera, one body height, exactly T frames
    facts        motion/facts.py: what can be measured of a Motion, told to the language model in words (motion/wording.py)
    render       render/: CanonicalFrames → Gaussians along bones → images (DrAction, differentiable)
    vision       model/vision.py: images → visual tokens
    language     model/language.py: visual tokens + question → text, label scores
    order        pipeline.py runs the arrows; annotate.py runs them over a library of clips; cli/ is the command line
    worker       serve/ answers over HTTP; remote/ is the messages and the client
    bodies       body_model.py: joints of SMPL models; fit.py, body_mesh.py: SMPL-X parameters and meshes for any skeleton
    hosts        plugins/blender, plugins/ros2: ask the worker from there
    training     train/: clips with labels → the models of model/default/ and model/free/

Names below are loaded on first use, so that `import skeletonllm_core` imports neither numpy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME_OF = {
    "BodyPart": "skeletonllm_core.motion.skeleton",
    "Skeleton": "skeletonllm_core.motion.skeleton",
    "Topology": "skeletonllm_core.motion.skeleton",
    "Clip": "skeletonllm_core.motion.motion",
    "Keypoints": "skeletonllm_core.motion.motion",
    "Motion": "skeletonllm_core.motion.motion",
    "Origin": "skeletonllm_core.motion.motion",
    "MotionReader": "skeletonllm_core.hooks",
    "MotionWriter": "skeletonllm_core.hooks",
    "hookimpl": "skeletonllm_core.hooks",
    "read": "skeletonllm_core.plugins",
    "read_clips": "skeletonllm_core.plugins",
    "write": "skeletonllm_core.plugins",
    "retarget": "skeletonllm_core.motion.retarget",
    "load_model": "skeletonllm_core.pipeline",
    "Client": "skeletonllm_core.remote.client",
    "MotionFormatError": "skeletonllm_core.errors",
    "PluginError": "skeletonllm_core.errors",
    "SkeletonLLMError": "skeletonllm_core.errors",
    "TopologyError": "skeletonllm_core.errors",
    "WorkerError": "skeletonllm_core.errors",
}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'skeletonllm_core' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
