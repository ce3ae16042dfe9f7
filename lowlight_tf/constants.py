"""Constants that Keras code (layers, losses) and NumPy code (metrics) share. Imports no library."""

DARK_BELOW, GLARE_ABOVE = 0.25, 0.75
"""Blurred luma, in [0, 1], below which a region is dark and above which it is glare."""

DAY_ABOVE, DAY_STEEPNESS = 0.54, 20.0
"""Mean luma of a frame at which it is half day and half night, and the slope between them."""

NIGHT_BELOW = 0.44
"""Mean luma of a frame from which on `did_fuse` learns that it is no night, at twilight already."""

DAY_GLARE_SHIFT = 0.4
"""How much higher the limit of glare is by day, when the sky is brighter than most lamps."""

LPIPS_SHIFT = (-0.030, -0.088, -0.188)
LPIPS_SCALE = (0.458, 0.448, 0.450)
"""Input normalization of LPIPS: (x - shift) / scale for RGB in [-1, 1]."""

LPIPS_MIN_SIDE = 31
"""Shortest image side of LPIPS (pixels); below, the second pooling has no output."""
