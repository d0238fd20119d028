"""DrAction: CanonicalFrames → Gaussians along bones → images, differentiable in joint positions and appearance.

    CanonicalFrames ─splats→ BoneBatch ─appearance→ Gaussians ─camera→ ellipses in pixels ─rasterize→ images

    splats       splats.py: which Gaussians lie where along which bone; no learned values
    appearance   appearance.py: colour, opacity and radius by body part and motion; learned
    camera       camera.py: where the picture is taken from
    rasterize    rasterize.py around kernels_cpu.py, and kernels_cuda.py on a GPU; reference.py is the same in plain torch
    all of it    renderer.py: `SkeletonRenderer`

    published.py draws with the authors' own weights and maths; patches.py tells beforehand what is drawn where

Nothing is imported here, so that `import skeletonllm_core.render` needs neither torch nor warp.
"""
