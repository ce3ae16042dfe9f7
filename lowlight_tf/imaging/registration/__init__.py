"""Aligning the images of two cameras."""
