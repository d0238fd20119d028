# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked and written (kept with the scene), and the answers (kept with this session of Blender, in no file)."""

import bpy

TASKS = (
    ("LABEL", "Label", "The action's name, with a score"),
    ("CAPTION", "Caption", "A sentence"),
    ("SEGMENT", "Timeline", "Which action happens when"),
)


class SKELETONLLM_PG_settings(bpy.types.PropertyGroup):
    labels: bpy.props.StringProperty(
        name="Labels", description="Candidates, separated by commas; empty for the model's own vocabulary"
    )
    question: bpy.props.StringProperty(
        name="Question", description="What to ask about the motion", default="Which hand is raised?", maxlen=1000
    )
    frame_step: bpy.props.IntProperty(name="Frame Step", description="Read every so many frames", default=1, min=1)
    frames: bpy.props.EnumProperty(
        name="Frames",
        description="Which frames are read",
        items=(
            ("ACTION", "Action", "From the first to the last key of the armature's action; the scene's without one"),
            ("SCENE", "Scene", "The frame range of the scene"),
        ),
    )
    deform_only: bpy.props.BoolProperty(
        name="Deform Bones Only",
        description="Read the bones that move the skin and those they hang from, not the controls of the rig",
        default=True,
    )
    tasks: bpy.props.EnumProperty(
        name="Ask For",
        description="What Annotate All Actions asks for",
        items=TASKS,
        options={"ENUM_FLAG"},
        default={"LABEL"},
    )
    rename: bpy.props.EnumProperty(
        name="Action Name",
        description="Put the label into the action's name",
        items=(
            ("KEEP", "Keep", "Leave the name alone"),
            ("PREFIX", "Prefix", "Write the label before the name"),
            ("SUFFIX", "Suffix", "Write the label behind the name"),
        ),
    )
    custom_properties: bpy.props.BoolProperty(
        name="Custom Properties",
        description="Write skeletonllm_label, _score, _caption and _segments to the action, or to an armature without one",
        default=True,
    )
    pose_markers: bpy.props.BoolProperty(
        name="Pose Markers", description="Mark in the action where each part of the timeline begins"
    )
    timeline_markers: bpy.props.BoolProperty(
        name="Timeline Markers", description="Mark in the scene where each part of the timeline begins"
    )
    nla_strips: bpy.props.BoolProperty(
        name="NLA Strips",
        description="Add a muted track with a strip for each part of the timeline, so that nothing moves otherwise",
    )
    asset: bpy.props.BoolProperty(
        name="Asset", description="Mark the action as an asset, with the label as a tag and the caption as description"
    )


class SKELETONLLM_PG_segment(bpy.types.PropertyGroup):
    start: bpy.props.IntProperty(name="Start", description="First frame in the scene")
    end: bpy.props.IntProperty(name="End", description="Frame in the scene after the last")
    label: bpy.props.StringProperty(name="Label")
    score: bpy.props.FloatProperty(name="Score", min=0.0, max=1.0)
    caption: bpy.props.StringProperty(name="Caption")


class SKELETONLLM_PG_result(bpy.types.PropertyGroup):
    """The answers about one armature, alone with an action or (action_uid 0) as the scene showed it."""

    armature_uid: bpy.props.StringProperty()  # session_uid, too large for an IntProperty
    action_uid: bpy.props.StringProperty()
    chosen: bpy.props.BoolProperty(name="Write", description="Write these answers into the file", default=True)
    label: bpy.props.StringProperty(name="Label")
    known: bpy.props.BoolProperty(name="Known", description="The score is above the model's reject threshold")
    score: bpy.props.FloatProperty(name="Score", min=0.0, max=1.0)
    alternatives: bpy.props.StringProperty(name="Runners-Up")
    caption: bpy.props.StringProperty(name="Caption")
    question: bpy.props.StringProperty(name="Question")
    answer: bpy.props.StringProperty(name="Answer")
    segments: bpy.props.CollectionProperty(type=SKELETONLLM_PG_segment)
    problem: bpy.props.StringProperty(name="Problem")


class SKELETONLLM_PG_results(bpy.types.PropertyGroup):
    rows: bpy.props.CollectionProperty(type=SKELETONLLM_PG_result)
    active: bpy.props.IntProperty(name="Result")


def result_of(armature_uid, action_uid):
    """The row of an armature and an action (0: as the scene shows it), made where there is none, and made active."""
    results = bpy.context.window_manager.skeletonllm
    wanted = str(armature_uid), str(action_uid)
    for index, row in enumerate(results.rows):
        if (row.armature_uid, row.action_uid) == wanted:
            results.active = index
            return row
    row = results.rows.add()
    row.armature_uid, row.action_uid = wanted
    results.active = len(results.rows) - 1
    return row


def owners(row):
    """(armature or None, action or None) of a row, as they are now."""
    armature = next((one for one in bpy.data.objects if str(one.session_uid) == row.armature_uid), None)
    action = next((one for one in bpy.data.actions if str(one.session_uid) == row.action_uid), None)
    return armature, action


def told(row):
    """The label of a row as the command line prints it."""
    return row.label if row.known else f"unknown ({row.label} {row.score:.2f})"
