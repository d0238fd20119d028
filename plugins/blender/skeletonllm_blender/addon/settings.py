# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked and written (kept with the scene), and the answers (kept with this session of Blender, in no file)."""

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .identity import by_uid

TASKS = (
    ("LABEL", "Label", "The action's name, with a score"),
    ("CAPTION", "Caption", "A sentence"),
    ("SEGMENT", "Timeline", "Which action happens when"),
)


class SKELETONLLM_PG_settings(bpy.types.PropertyGroup):
    labels: bpy.props.StringProperty(
        name="Labels", description="Candidates, separated by commas; empty for the model's own vocabulary"
    )
    label_set: bpy.props.PointerProperty(
        name="Label Set", description="A text of this file with more candidates, one a line", type=bpy.types.Text
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
    preview: bpy.props.BoolProperty(
        name="Preview",
        description="Fetch the pictures that the model saw, and show them with the answers",
        default=True,
    )
    onto: bpy.props.EnumProperty(
        name="Onto",
        description="Where an imported motion goes",
        items=(
            ("NEW", "New Armature", "Make an armature with the skeleton of the motion"),
            ("SELECTED", "Selected Rig", "Carry the motion over to the bones of the selected armature"),
        ),
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
    catalog: bpy.props.StringProperty(
        name="Catalog",
        description="Catalog of the asset browser: an asset goes to that of its label below it; empty leaves assets where "
        "they are. Catalogs are in a text file beside saved files, which Undo leaves alone",
        default="SkeletonLLM",
    )
    sidecar: bpy.props.BoolProperty(
        name="Sidecar",
        description='Write a file beside this one as "skeletonllm annotate" does; Undo leaves it alone',
    )


class SKELETONLLM_PG_segment(bpy.types.PropertyGroup):
    start: bpy.props.IntProperty(name="Start", description="First frame in the scene")
    end: bpy.props.IntProperty(name="End", description="Frame in the scene after the last")
    label: bpy.props.StringProperty(name="Label", description="What happens in it")
    score: bpy.props.FloatProperty(name="Score", description="How sure the model is", min=0.0, max=1.0)
    caption: bpy.props.StringProperty(name="Caption", description="What happens in it, in a sentence")


class SKELETONLLM_PG_result(bpy.types.PropertyGroup):
    """The answers about one armature, alone with an action or (action_uid "") as the scene showed it."""

    armature_uid: bpy.props.StringProperty()  # as `uid_of` says, which is too large for an IntProperty
    action_uid: bpy.props.StringProperty()
    chosen: bpy.props.BoolProperty(name="Write", description="Write these answers into the file", default=True)
    label: bpy.props.StringProperty(name="Label", description="The best candidate")
    known: bpy.props.BoolProperty(name="Known", description="The score is above the model's reject threshold")
    score: bpy.props.FloatProperty(name="Score", description="How sure the model is", min=0.0, max=1.0)
    alternatives: bpy.props.StringProperty(name="Runners-Up", description="The next best candidates and their scores")
    caption: bpy.props.StringProperty(name="Caption", description="What happens, in a sentence or more")
    question: bpy.props.StringProperty(name="Question", description="What was asked")
    answer: bpy.props.StringProperty(name="Answer", description="The answer to the question")
    segments: bpy.props.CollectionProperty(type=SKELETONLLM_PG_segment)
    warnings: bpy.props.StringProperty(name="Warnings", description="What is doubtful about the bones, a line each")
    problem: bpy.props.StringProperty(name="Problem", description="Why there is no answer")
    record: bpy.props.StringProperty()  # JSON: what a sidecar says


class SKELETONLLM_PG_results(bpy.types.PropertyGroup):
    rows: bpy.props.CollectionProperty(type=SKELETONLLM_PG_result)
    active: bpy.props.IntProperty(name="Result", description="The answers that are shown")


def result_of(armature_uid, action_uid, name):
    """The row of an armature and an action (None: as the scene shows it), made where there is none, and made active."""
    results = bpy.context.window_manager.skeletonllm
    wanted = armature_uid, action_uid or ""
    for index, row in enumerate(results.rows):
        if (row.armature_uid, row.action_uid) == wanted:
            row.name, results.active = name, index
            return row
    row = results.rows.add()
    row.name = name
    row.armature_uid, row.action_uid = wanted
    results.active = len(results.rows) - 1
    return row


def owners(row):
    """(armature or None, action or None) of a row, as they are now."""
    return by_uid(bpy.data.objects, row.armature_uid), by_uid(bpy.data.actions, row.action_uid)


def told(row):
    """The label of a row as the command line prints it."""
    return row.label if row.known else iface_("unknown ({label} {score:.2f})").format(label=row.label, score=row.score)


def copied(row):
    """The answers of a row as text."""
    lines = [row.name]
    if row.label:
        lines += [f"{told(row)} {row.score:.2f}", row.alternatives]
    lines += [row.caption, row.question if row.answer else "", row.answer]
    lines += [f"{part.start} – {part.end}  {part.label} {part.score:.2f}" for part in row.segments]
    return "\n".join(line for line in [*lines, row.problem] if line)


def candidates(chosen):
    """The labels to choose from, each once; None for the model's own."""
    given = chosen.labels.split(",")
    if chosen.label_set is not None:
        given += [line.body for line in chosen.label_set.lines]
    return list(dict.fromkeys(text.strip() for text in given if text.strip())) or None
