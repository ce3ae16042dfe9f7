"""A custom imgaug augmenter for a test."""

try:
    from imgaug import augmenters
except ImportError:
    INVERT = None
else:
    INVERT = augmenters.Invert(1.0)
