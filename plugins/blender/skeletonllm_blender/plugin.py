"""What Blender adds to SkeletonLLM: nothing yet; the add-on and its `blender package` command are still to come."""
