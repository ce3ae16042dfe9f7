"""The numbers that are reported, in NumPy."""
