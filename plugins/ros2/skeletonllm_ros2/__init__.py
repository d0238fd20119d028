"""The ROS 2 plugin of SkeletonLLM."""
