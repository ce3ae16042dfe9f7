"""Keras models, one module per architecture."""
