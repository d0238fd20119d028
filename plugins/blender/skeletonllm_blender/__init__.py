"""The Blender plugin of SkeletonLLM. Add-on code belongs in `addon/`, under its own licence, GPL-3.0-or-later."""
