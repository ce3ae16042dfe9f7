"""An imgaug augmenter of one's own, for the test that plugs it in."""

try:
    from imgaug import augmenters
except ImportError:
    INVERT = None
else:
    INVERT = augmenters.Invert(1.0)
