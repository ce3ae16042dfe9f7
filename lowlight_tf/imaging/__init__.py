"""Pixels in NumPy and OpenCV; nothing learned."""
