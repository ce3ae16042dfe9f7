"""Inference: engines, tasks, tiling, and what devices need."""
