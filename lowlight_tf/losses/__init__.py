"""Loss functions in Keras operations: images (B, H, W, C) -> (B,)."""
