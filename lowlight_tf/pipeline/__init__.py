"""Pairs of files -> batches of tensors."""
