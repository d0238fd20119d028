"""Tables of how good a model is, with baselines beside it in the same run: `skeletonllm evaluate SUITE`."""

SUITES = ("recognition", "transfer", "caption", "qa", "robustness", "calibration", "cost", "rigs", "ablation")
"""The modules of this package that hold a suite; each has `DEFAULT_LIMIT` and `tables(request)`."""
