# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers → the file, each part by choice. What was written is remembered there, and what a person changed is kept.

What would change is worked out first, so that it can be shown before anything does.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from . import catalogs, jobs, settings, sidecars
from .actions import fitting_slot
from .identity import uid_of
from .problems import Problem
from .wording import sentence

RECORD = "skeletonllm_written"
_UNKNOWN = "unknown"
_NO_CATALOG = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Change:
    """One thing that writing does, in words and as a function without arguments."""

    told: str
    make: Any


class Changes:
    """What writing the answers of one row changes, and what it leaves as it is.

    Args:
        row: the answers.
        scene: whose markers and choices are meant.

    Attributes:
        name: of what the answers are about.
        planned: the changes.
        kept: sentences on what is left as it is.
    """

    def __init__(self, row, scene):
        self.planned: list[Change] = []
        self.kept: list[str] = []
        self._row, self._scene = row, scene
        self._armature, self._action = settings.owners(row)
        self._owner = self._action or self._armature
        self.name = self._owner.name if self._owner else row.name
        try:
            self._check()
        except Problem as problem:
            self.kept.append(f"{self.name}: {sentence(problem)}")
            return
        self._record = _record(self._owner)
        chosen, action = scene.skeletonllm, self._action
        if chosen.custom_properties:
            self._try(self._properties)
        if chosen.pose_markers and action and row.segments:
            self._try(self._markers, action.pose_markers, "pose markers")
        if chosen.timeline_markers and row.segments:
            self._try(self._markers, scene.timeline_markers, "timeline markers")
        if chosen.nla_strips and action and row.segments:
            self._try(self._strips)
        if chosen.asset and action:
            self._try(self._asset)
            if chosen.catalog.strip() and row.label and row.known:
                self._try(self._catalog)
        if chosen.rename != "KEEP" and action and row.label and row.known:
            self._try(self._rename, chosen.rename)
        if chosen.sidecar and action and row.record:
            self._try(self._sidecar)

    def make(self, fitting):
        """Write; a change that fails after all is told among `kept`. `fitting` is what `sidecars.fits` says."""
        self._fitting = fitting
        for change in self.planned:
            try:
                change.make()
            except Problem as problem:
                self.kept.append(f"{self.name}: {sentence(problem)}")
        if self.planned:
            self._owner[RECORD] = json.dumps(self._record, sort_keys=True)

    def _check(self):
        owner, row = self._owner, self._row
        if owner is None or (row.action_uid and self._action is None):
            raise Problem("what it is about is no longer in the file")
        if owner.library is not None:
            raise Problem("linked from another file: write it there")
        if owner.override_library is not None:
            raise Problem("a library override, which is only read")

    def _try(self, part, *arguments):
        try:
            part(*arguments)
        except Problem as problem:
            self.kept.append(f"{self.name}: {sentence(problem)}")

    def _plan(self, told, make, **values):
        self.planned.append(Change(iface_(told).format(**values), make))

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
            if present is None or (present == self._record.get(key) and present != value):
                self._plan("{key} = {value}", lambda key=key, value=value: self._set(key, value), key=key, value=value)
            elif present != value:
                changed.append(key)
        if changed:
            raise Problem("{keys} kept, as they were changed", keys=", ".join(changed))

    def _set(self, key, value):
        self._owner[key] = self._record[key] = value

    def _markers(self, markers, what):
        """One at the start of each part; those that we wrote before go, unless one of them was changed."""
        before = self._record.get(what, [])
        ours = [marker for marker in markers if [marker.name, marker.frame] in before]
        if len(ours) != len(before):
            raise Problem("{what} kept, as they were changed", what=iface_(what))
        if before == [[part.label, part.start] for part in self._row.segments]:
            return

        def make():
            for marker in ours:
                markers.remove(marker)
            written = []
            for part in self._row.segments:
                marker = markers.new(part.label)
                marker.frame = part.start
                written.append([marker.name, marker.frame])
            self._record[what] = written

        parts = ", ".join(f"{part.start} {part.label}" for part in self._row.segments)
        self._plan("{what}: {parts}", make, what=iface_(what), parts=parts)

    def _strips(self):
        armature, action = self._armature, self._action
        if armature is None or armature.library is not None or armature.override_library is not None:
            raise Problem("no NLA strips, as the armature is linked, an override or gone")
        key = f"strips on {armature.name}"
        before = self._record.get(key)
        track = None
        if before is not None:
            track = armature.animation_data.nla_tracks.get(before["track"]) if armature.animation_data else None
            if track is None or _strips_of(track) != before["strips"]:
                raise Problem("NLA strips kept, as they were changed")

        def make():
            data = armature.animation_data or armature.animation_data_create()
            if track is not None:
                data.nla_tracks.remove(track)
            new = data.nla_tracks.new()
            new.name, new.mute = f"SkeletonLLM {action.name}", True
            fit = fitting_slot(action, armature)
            for part in self._row.segments:
                strip = new.strips.new(part.label, part.start, action)
                if fit is not None and fit[0] is not None:
                    strip.action_slot = fit[0]
                strip.action_frame_start, strip.action_frame_end = part.start, part.end
                strip.frame_start, strip.frame_end = part.start, part.end
            self._record[key] = {"track": new.name, "strips": _strips_of(new)}

        count = len(self._row.segments)
        self._plan("{count} NLA strips on a muted track of {armature}", make, count=count, armature=armature.name)

    def _asset(self):
        action, row, record = self._action, self._row, self._record
        if action.asset_data is None:
            self._plan("marked as an asset", action.asset_mark)
        tag = row.label if row.known else ""
        tags = [one.name for one in action.asset_data.tags] if action.asset_data else []
        if tag and tag not in tags:
            self._plan("tag: {tag}", lambda: self._tag(tag), tag=tag)
        elif record.get("tag") not in (None, tag):
            self._plan("no tag {tag}", lambda: self._tag(""), tag=record["tag"])
        described = action.asset_data.description if action.asset_data else ""
        if row.caption and row.caption != described:
            if described and described != record.get("description"):
                raise Problem("the asset's description kept, as it was changed")
            self._plan("description: {text}", self._describe, text=row.caption)

    def _tag(self, tag):
        """Put a tag in the place of the one that we wrote before; "" only removes that."""
        tags, before = self._action.asset_data.tags, self._record.pop("tag", None)
        if before is not None and before != tag and (old := tags.get(before)):
            tags.remove(old)
        if tag:
            self._record["tag"] = tags.new(tag, skip_if_exists=True).name

    def _describe(self):
        self._action.asset_data.description = self._record["description"] = self._row.caption

    def _catalog(self):
        blend, data = bpy.data.filepath, self._action.asset_data
        if not blend:
            raise Problem("no catalog, as this file was never saved")
        libraries = [bpy.path.abspath(one.path) for one in bpy.context.preferences.filepaths.asset_libraries]
        folder = catalogs.folder_of(blend, libraries)
        catalog = catalogs.catalog_path(self._scene.skeletonllm.catalog, self._row.label)
        wanted, present = catalogs.uuid_of(folder, catalog), data.catalog_id if data else _NO_CATALOG
        if present == wanted:
            return
        if present not in (_NO_CATALOG, self._record.get("catalog")):
            raise Problem("the asset's catalog kept, as it was changed")

        def make():
            catalogs.add(folder, catalog)
            self._action.asset_data.catalog_id = self._record["catalog"] = wanted

        self._plan("catalog: {catalog}", make, catalog=catalog)

    def _rename(self, where):
        action, record, label = self._action, self._record, self._row.label
        if "name" in record and action.name != record["name"]:
            raise Problem("the name kept, as it was changed")
        plain = record.get("plain name", action.name)
        name = f"{label}_{plain}" if where == "PREFIX" else f"{plain}_{label}"
        if name == action.name:
            return

        def make():
            action.name = name  # Blender may cut it, or add a number
            record["plain name"], record["name"] = plain, action.name
            self._row.action_uid = uid_of(action)  # where the name has to do

        self._plan("name: {name}", make, name=name)

    def _sidecar(self):
        if not bpy.data.filepath:
            raise Problem("no sidecar, as this file was never saved")
        before = self._record.get("sidecar")
        if before is not None:
            sidecars.refuse_corrected(Path(bpy.data.filepath).with_name(before["name"]), before["digest"])
        self._plan("a sidecar beside this file", self._write_sidecar)

    def _write_sidecar(self):
        """Last of all, because it is called after the action; one under an earlier name of the action goes."""
        blend, before = Path(bpy.data.filepath), self._record.get("sidecar")
        clip = sidecars.clip_of(self._armature, self._action, self._fitting)
        path = sidecars.path_of(blend, clip)
        ours = before is not None and before["name"] == path.name
        sidecars.refuse_corrected(path, before["digest"] if ours else None)
        text = sidecars.text_of(json.loads(self._row.record), clip, blend)
        catalogs.write_whole(path, text)
        if before is not None and not ours:
            blend.with_name(before["name"]).unlink(missing_ok=True)
        digest = sidecars.digest_of(text.encode("utf-8", "backslashreplace"))
        self._record["sidecar"] = {"name": path.name, "digest": digest}


def planned(context):
    """The `Changes` of every row that is ticked."""
    rows = context.window_manager.skeletonllm.rows
    return [Changes(row, context.scene) for row in rows if row.chosen and not row.problem]


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
    """Show what writing the ticked answers would change, then write them; one step to undo. What a person changed is kept"""

    bl_idname = "skeletonllm.write_back"
    bl_label = "Write"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        rows = context.window_manager.skeletonllm.rows
        return jobs.current is None and any(row.chosen and not row.problem for row in rows)

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self, width=500)

    def draw(self, context):
        layout = self.layout
        for changes in planned(context):
            box = layout.box()
            box.label(text=changes.name, icon="ACTION", translate=False)
            for change in changes.planned:
                box.label(text=change.told, translate=False)
            for told in changes.kept:
                box.label(text=told, icon="LOCKED", translate=False)
            if not changes.planned and not changes.kept:
                box.label(text="Nothing changes")

    def execute(self, context):
        # Each row is worked out when its turn comes: the one before may have written to the same markers.
        written, kept = 0, []
        fitting = sidecars.fits() if context.scene.skeletonllm.sidecar else []
        for row in context.window_manager.skeletonllm.rows:
            if row.chosen and not row.problem:
                changes = Changes(row, context.scene)
                changes.make(fitting)
                kept += changes.kept
                written += bool(changes.planned)
        told = iface_("{count} written").format(count=written) + "".join(f"; {one}" for one in kept)
        self.report({"WARNING" if kept else "INFO"}, told)
        return {"FINISHED"}
