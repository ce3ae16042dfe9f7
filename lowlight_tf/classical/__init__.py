"""Baselines: what can be done without learning."""
