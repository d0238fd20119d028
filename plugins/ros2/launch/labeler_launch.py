"""Starts the node, configures and activates it: `ros2 launch skeletonllm_ros2 labeler_launch.py worker_url:=http://…`."""

from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

from launch import LaunchDescription

ARGUMENTS = (
    ("worker_url", "", str, "of a running `skeletonllm serve`; empty starts one"),
    ("device", "auto", str, "of the worker that is started"),
    ("window_s", "3.0", float, "what a label is about [s]"),
    ("hop_s", "0.5", float, "from one window to the next [s]"),
    ("min_score", "0.0", float, "a label under it is none"),
    ("tf_root", "", str, "also make a body of the frames below this one"),
)


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(name, default_value=value, description=told) for name, value, _, told in ARGUMENTS
    ]
    parameters = {name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, _, kind, _ in ARGUMENTS}
    node = LifecycleNode(
        package="skeletonllm_ros2",
        executable="labeler",
        name="skeletonllm",
        namespace="",
        output="screen",
        parameters=[parameters],
    )

    def ask_for(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))

    once_configured = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state="configuring",
            goal_state="inactive",
            entities=[ask_for(Transition.TRANSITION_ACTIVATE)],
        )
    )
    return LaunchDescription([*declared, once_configured, node, ask_for(Transition.TRANSITION_CONFIGURE)])
