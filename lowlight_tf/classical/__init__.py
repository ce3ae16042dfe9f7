"""Baselines: low-light enhancement and image fusion without learning."""
