"""Clips with labels → the checkpoint of model/default/."""
