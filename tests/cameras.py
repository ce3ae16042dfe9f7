"""Two cameras that see one scene, for whoever lays their pictures over each other."""

import cv2
import numpy as np


def scene(size, rng):
    """Return what a visible (H, W, 3) and an infrared camera (H, W, 1) see, float32 in [0, 1].

    Things have brightness and warmth of their own: half of the edges turn around from one to the
    other, and some are missing.
    """
    light, warmth = (np.full(size, value, np.float32) for value in (0.3, 0.4))
    for _ in range(size[0] * size[1] // 400):
        x, y = (int(rng.integers(0, side)) for side in size[::-1])
        half = tuple(int(side) for side in rng.integers(4, 18, 2))
        turn = float(rng.uniform(0, 180))
        tones = rng.uniform(0.02, 0.9), rng.uniform(0.02, 0.9)
        for image, tone in zip((light, warmth), tones, strict=True):
            if rng.random() < 0.9:
                box = cv2.boxPoints(((x, y), (2 * half[0], 2 * half[1]), turn))
                cv2.fillPoly(image, [np.int32(box)], tone)
    visible = np.repeat(cv2.GaussianBlur(light, (0, 0), 0.8)[..., None], 3, axis=2)
    visible += rng.normal(0, 0.01, visible.shape)
    infrared = cv2.GaussianBlur(warmth, (0, 0), 1.0)[..., None]
    return np.float32(visible.clip(0, 1)), np.float32(infrared)
