"""`python -m skeletonllm_core` is the `skeletonllm` command."""

from skeletonllm_core.cli import main

main()
