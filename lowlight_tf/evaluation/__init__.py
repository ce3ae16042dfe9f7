"""Engines x pairs x metrics -> numbers."""
