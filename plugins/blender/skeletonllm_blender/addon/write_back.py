# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers → the file, each part by choice. What was written is remembered there, and what a person changed is kept."""

import json

import bpy

from . import jobs, settings
from .actions import fitting_slot

RECORD = "skeletonllm_written"
_UNKNOWN = "unknown"


class _Kept(Exception):
    """Something is left as it is, and why."""


class _Writer:
    """Writes the answers of one row.

    Args:
        row: the answers.
        scene: whose markers and choices are meant.

    Attributes:
        kept: sentences on what was left as it is.
    """

    def __init__(self, row, scene):
        self.kept = []
        self._row, self._scene = row, scene
        self._armature, self._action = settings.owners(row)
        self._owner = self._action or self._armature

    def write(self):
        chosen, row, action = self._scene.skeletonllm, self._row, self._action
        if self._owner is None or (row.action_uid != "0" and action is None):
            self.kept.append(f"{row.label or 'an answer'}: what it is about is no longer in the file")
            return
        if self._owner.library is not None:
            self.kept.append(f"{self._owner.name} is linked from another file: write it there")
            return
        self._record = _record(self._owner)
        if chosen.custom_properties:
            self._try(self._properties)
        if chosen.pose_markers and action and row.segments:
            self._try(self._markers, action.pose_markers, "pose markers")
        if chosen.timeline_markers and row.segments:
            self._try(self._markers, self._scene.timeline_markers, "timeline markers")
        if chosen.nla_strips and action and row.segments:
            self._try(self._strips)
        if chosen.asset and action:
            self._try(self._asset)
        if chosen.rename != "KEEP" and action and row.known:
            self._try(self._rename, chosen.rename)
        if self._record:
            self._owner[RECORD] = json.dumps(self._record, sort_keys=True)

    def _try(self, part, *arguments):
        try:
            part(*arguments)
        except _Kept as reason:
            self.kept.append(f"{self._owner.name}: {reason}")

    def _properties(self):
        row = self._row
        values = {}
        if row.label:
            values = {
                "skeletonllm_label": row.label if row.known else _UNKNOWN,
                "skeletonllm_score": round(row.score, 4),
            }
        if row.caption:
            values["skeletonllm_caption"] = row.caption
        if row.segments:
            values["skeletonllm_segments"] = json.dumps(
                [
                    {"start_frame": s.start, "end_frame": s.end, "label": s.label, "score": round(s.score, 4)}
                    for s in row.segments
                ]
            )
        changed = []
        for key, value in values.items():
            present = self._owner.get(key)
            if present is None or present == self._record.get(key):
                self._owner[key] = self._record[key] = value
            elif present != value:
                changed.append(key)
        if changed:
            raise _Kept(f"{', '.join(changed)} kept, as they were changed")

    def _markers(self, markers, what):
        """One at the start of each part; those that we wrote before go, unless one of them was changed."""
        before = [tuple(one) for one in self._record.get(what, [])]
        ours = [marker for marker in markers if (marker.name, marker.frame) in before]
        if len(ours) != len(before):
            raise _Kept(f"{what} kept, as they were changed")
        for marker in ours:
            markers.remove(marker)
        written = []
        for part in self._row.segments:
            marker = markers.new(part.label)
            marker.frame = part.start
            written.append([marker.name, marker.frame])
        self._record[what] = written

    def _strips(self):
        armature, action = self._armature, self._action
        if armature is None or armature.library is not None:
            raise _Kept("no NLA strips, as the armature is linked or gone")
        key = f"strips on {armature.name}"
        data = armature.animation_data or armature.animation_data_create()
        before = self._record.get(key)
        if before is not None:
            track = data.nla_tracks.get(before["track"])
            if track is None or _strips_of(track) != before["strips"]:
                raise _Kept("NLA strips kept, as they were changed")
            data.nla_tracks.remove(track)
        track = data.nla_tracks.new()
        track.name, track.mute = f"SkeletonLLM {action.name}", True
        fit = fitting_slot(action, armature)
        for part in self._row.segments:
            strip = track.strips.new(part.label, part.start, action)
            if fit is not None and fit[0] is not None:
                strip.action_slot = fit[0]
            strip.action_frame_start, strip.action_frame_end = part.start, part.end
            strip.frame_start, strip.frame_end = part.start, part.end
        self._record[key] = {"track": track.name, "strips": _strips_of(track)}

    def _asset(self):
        action, row, record = self._action, self._row, self._record
        if action.asset_data is None:
            action.asset_mark()
        data = action.asset_data
        tag = row.label if row.known else ""
        if record.get("tag") not in (None, tag) and (old := data.tags.get(record["tag"])):
            data.tags.remove(old)
        if tag:
            record["tag"] = data.tags.new(tag, skip_if_exists=True).name
        if row.caption and row.caption != data.description:
            if data.description and data.description != record.get("description"):
                raise _Kept("the asset's description kept, as it was changed")
            data.description = record["description"] = row.caption

    def _rename(self, where):
        action, record = self._action, self._record
        if "name" in record and action.name != record["name"]:
            raise _Kept("the name kept, as it was changed")
        plain = record.setdefault("plain name", action.name)
        action.name = f"{self._row.label}_{plain}" if where == "PREFIX" else f"{plain}_{self._row.label}"
        record["name"] = action.name


def _record(owner):
    """What was written to a data-block before."""
    try:
        found = json.loads(owner.get(RECORD, "{}"))
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _strips_of(track):
    return [[strip.name, strip.frame_start, strip.frame_end] for strip in track.strips]


class SKELETONLLM_OT_write_back(bpy.types.Operator):
    """Write the chosen answers into the file, as chosen above; one step to undo. What a person changed is kept"""

    bl_idname = "skeletonllm.write_back"
    bl_label = "Write"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        rows = context.window_manager.skeletonllm.rows
        return jobs.current is None and any(row.chosen and not row.problem for row in rows)

    def execute(self, context):
        kept, count = [], 0
        for row in context.window_manager.skeletonllm.rows:
            if row.chosen and not row.problem:
                writer = _Writer(row, context.scene)
                writer.write()
                kept += writer.kept
                count += 1
        told = f"{count} written" + "".join(f"; {one}" for one in kept)
        self.report({"WARNING" if kept else "INFO"}, told)
        return {"FINISHED"}
