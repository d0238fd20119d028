"""Skeletons and motion, on numpy only."""
