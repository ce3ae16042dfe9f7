"""Parsers and writers of image file formats."""
