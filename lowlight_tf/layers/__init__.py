"""Keras parts that models share."""
