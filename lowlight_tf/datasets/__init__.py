"""Knows files, not tensors: which picture belongs to which."""
