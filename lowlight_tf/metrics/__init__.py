"""Metrics of images and videos in NumPy, without Keras."""
