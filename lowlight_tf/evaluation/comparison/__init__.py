"""Comparing models on images: previews, tables, plots, one HTML page."""
