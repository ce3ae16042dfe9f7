"""Reading, writing and processing images with NumPy and OpenCV."""
