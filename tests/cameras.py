"""Simulated images of two cameras with a common field of view, for tests of registration."""

import cv2
import numpy as np


def render_scene(size, rng):
    """Return a visible (H, W, 3) and an infrared image (H, W, 1) of one scene, float32 in [0, 1].

    Brightness and temperature of its rectangles are independent: half of the edges have opposite
    polarity in the two images, and some are missing in one of them.
    """
    visible_luma, temperature = (np.full(size, value, np.float32) for value in (0.3, 0.4))
    for _ in range(size[0] * size[1] // 400):
        x, y = (int(rng.integers(0, side)) for side in size[::-1])
        half = tuple(int(side) for side in rng.integers(4, 18, 2))
        angle = float(rng.uniform(0, 180))
        levels = rng.uniform(0.02, 0.9), rng.uniform(0.02, 0.9)
        for image, level in zip((visible_luma, temperature), levels, strict=True):
            if rng.random() < 0.9:
                box = cv2.boxPoints(((x, y), (2 * half[0], 2 * half[1]), angle))
                cv2.fillPoly(image, [np.int32(box)], level)
    visible = np.repeat(cv2.GaussianBlur(visible_luma, (0, 0), 0.8)[..., None], 3, axis=2)
    visible += rng.normal(0, 0.01, visible.shape)
    infrared = cv2.GaussianBlur(temperature, (0, 0), 1.0)[..., None]
    return np.float32(visible.clip(0, 1)), np.float32(infrared)
