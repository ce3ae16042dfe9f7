"""Low-light camera simulation: light, sensor, processing and compression, in NumPy."""
