"""The Blender plugin of SkeletonLLM; the add-on itself lives in `addon/` under its own licence, GPL-3.0-or-later."""
