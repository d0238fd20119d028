"""What ROS 2 adds to SkeletonLLM: nothing yet; the node and its `ros2` commands are still to come."""
