"""Pure functions of images -> (B,)."""
