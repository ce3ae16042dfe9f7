"""Inference: engines, tasks, tiling, and what devices need."""

import lowlight_tf.imaging  # noqa: F401  refuses an older OpenCV, in one line
