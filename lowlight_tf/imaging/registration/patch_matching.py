"""Edge maps, and matching of patches between the edge maps of two cameras."""

import cv2
import numpy as np

EDGE_BLUR_SIGMA = 1.0  # pixels; of the Gaussian before the gradient
LOG_OFFSET = 0.02  # added before the logarithm, which would amplify the noise of dark pixels
NORMALIZATION_SIGMA = 12.0  # pixels; neighbourhood by whose mean edge strength is normalized
NOISE_EDGE_STRENGTH = 0.01  # gradient of the logarithm per pixel that is mostly noise
MAX_EDGE_STRENGTH = 4.0  # multiple of the mean around at which edge strength is clipped

COARSE_RADIUS_PX = 16  # search radius above which patches are larger, denser and more blurred
COARSE_BLUR_SIGMA = 1.5  # pixels
COARSE_HALF_SIDE_PX, FINE_HALF_SIDE_PX = 48, 32  # half of the side of a patch
MIN_PATCH_ENERGY = 0.02  # mean squared edge strength below which a patch has no structure
MIN_COVERAGE = 0.99  # weight of the warped image above which a pixel is inside it


def edge_map(image: np.ndarray, *, blur_sigma: float = EDGE_BLUR_SIGMA) -> np.ndarray:
    """Compute strength and direction of the edges of an image, (H, W) -> (H, W, 2).

    Strength is the gradient magnitude of the logarithm, divided by its local mean. The direction is
    represented by its doubled angle, which is the same for an edge from dark to bright and one from
    bright to dark: the polarity of an edge may differ between visible and infrared.

    Args:
        image: (H, W) in [0, 1].
        blur_sigma: Standard deviation of the Gaussian before the gradient (pixels).

    Returns:
        (H, W, 2) float32: strength, in [0, 4], times cosine and sine of the doubled angle.
    """
    log = np.log(np.clip(image, 0, 1, dtype=np.float32) + np.float32(LOG_OFFSET))
    log = cv2.GaussianBlur(log, (0, 0), blur_sigma)
    x, y = (cv2.Scharr(log, cv2.CV_32F, *axis) / 16 for axis in ((1, 0), (0, 1)))
    magnitude = np.hypot(x, y)
    local_mean = cv2.GaussianBlur(magnitude, (0, 0), NORMALIZATION_SIGMA)
    strength = np.minimum(magnitude / (local_mean + NOISE_EDGE_STRENGTH), MAX_EDGE_STRENGTH)
    factor = strength / np.maximum(magnitude, 1e-6) ** 2
    return np.dstack([factor * (x * x - y * y), factor * 2 * x * y])


def match_patches(
    visible: np.ndarray, infrared: np.ndarray, matrix: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find patches of the warped infrared image in the visible one, by template matching.

    Args:
        visible: (H, W) float32 in [0, 1].
        infrared: (h, w) float32 in [0, 1].
        matrix: (3, 3), warps the infrared image to the visible one.
        radius: Search radius (pixels).

    Returns:
        Centers of the patches in the warped infrared image and in the visible one, (N, 2) each,
        x before y (pixels).
    """
    height, width = visible.shape
    is_coarse = radius > COARSE_RADIUS_PX
    half = min(COARSE_HALF_SIDE_PX if is_coarse else FINE_HALF_SIDE_PX, min(height, width) // 6)
    radius = min(radius, half)
    blur_sigma = COARSE_BLUR_SIGMA if radius > COARSE_RADIUS_PX else EDGE_BLUR_SIGMA
    step = max(half // 2, 8) if radius > COARSE_RADIUS_PX else half
    size = width, height
    warped = cv2.warpPerspective(infrared, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    target = edge_map(visible, blur_sigma=blur_sigma)
    source = edge_map(warped, blur_sigma=blur_sigma)
    coverage = cv2.warpPerspective(np.ones_like(infrared), matrix, size)
    margin = half + radius
    centers, matches = [], []
    for y in range(margin, height - margin + 1, step):
        for x in range(margin, width - margin + 1, step):
            at = slice(y - half, y + half), slice(x - half, x + half)
            if coverage[at].min() < MIN_COVERAGE:
                continue
            if np.square(source[at]).mean() < MIN_PATCH_ENERGY:
                continue
            window = target[y - margin : y + margin, x - margin : x + margin]
            scores = cv2.matchTemplate(window, source[at], cv2.TM_CCORR_NORMED)
            *_, (column, row) = cv2.minMaxLoc(scores)
            if not (0 < row < 2 * radius and 0 < column < 2 * radius):
                continue
            dx, dy = subpixel_peak(scores, row, column)
            centers.append((x, y))
            matches.append((x + column - radius + dx, y + row - radius + dy))
    return np.array(centers).reshape(-1, 2), np.array(matches).reshape(-1, 2)


def subpixel_peak(scores: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """Return the offset (x, y) of the maximum from its pixel, by a parabola in each direction."""

    def vertex(before: float, peak: float, after: float) -> float:
        curvature = before - 2 * peak + after
        return float(0.5 * (before - after) / curvature) if curvature < 0 else 0.0

    return (
        vertex(*scores[row, column - 1 : column + 2]),
        vertex(*scores[row - 1 : row + 2, column]),
    )
