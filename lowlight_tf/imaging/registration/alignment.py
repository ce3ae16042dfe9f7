"""Lay an infrared picture over a visible one: which pixel of one shows what a pixel of the other.

The two share no brightness: what is bright in one may be dark or missing in the other. What they
share is where edges lie and which way they run, so that is all that is compared.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color

METHODS = ("phase", "ecc", "features")
WORKING_SIZE = (
    640  # pixels of the longer side that is looked at; edges are fuzzier in larger pictures
)
FINE_BLUR_SIGMA, COARSE_BLUR_SIGMA = 1.0, 2.0  # pixels; blur before the gradient is taken
LOG_OFFSET = 0.02  # keeps the noise of the darkest pixels small in the logarithm
NORMALIZATION_SIGMA = 12.0  # pixels; edges are measured by the strength of those around them
NOISE_EDGE_STRENGTH = 0.01  # strength of an edge (of the logarithm, a pixel) that is mostly noise
MAX_RELATIVE_STRENGTH = 4.0  # times the strength around, above which an edge counts no more
MIN_PATCH_ENERGY = (
    0.02  # mean squared strength of the edges in a patch that has nothing to be found by
)
MIN_PATCHES = 8  # the fewest by which anything can be said
SEARCH_RADII_PX = (32, 12, 6)  # pixels that patches are searched around, each time with a better guess
MAX_RESIDUAL_PX = (
    3.0  # pixels (as looked at) that patches may lie apart; chance leaves them 4 apart
)
MIN_CORRELATION = (
    0.12  # likeness of edges; strangers have 0.09 at most, cameras of one street 0.14 or more
)
MIN_INLIERS = (
    20,
    0.25,
)  # keypoints, and their share of all matches, that must agree to be believed

Image = np.ndarray
ImagePairs = Sequence[tuple[Image, Image]]


@dataclasses.dataclass(frozen=True, eq=False)
class Alignment:
    """How an infrared picture lies over a visible one.

    Attributes:
        matrix: (3, 3) float64. Takes (x, y, 1) of the infrared picture to the visible one (pixels,
            the middle of the first one is (0, 0)), up to a factor.
        residual_px: Median distance (pixels of the visible picture) between patches of the two
            after that. It holds what noise and parallax do to a patch, too: 0.5 is good.
        score: Likeness of their edges after that, at most 1; some 0.3 for two real cameras.
    """

    matrix: np.ndarray
    residual_px: float
    score: float


def register_pair(visible: Image, infrared: Image, *, method: str = "ecc") -> Alignment:
    """Find how an infrared picture lies over a visible one of the same scene.

    Their sizes may differ: first one is stretched over the other.

    Args:
        visible: (H, W, 3) or (H, W, 1) in [0, 1].
        infrared: (h, w, 1) in [0, 1].
        method: "phase": a shift, by phase correlation, of any length. "features": a homography, by
            keypoints (SIFT) where the pictures are alike enough for that, else from that shift on,
            by patches that are found again. "ecc": from there on, by the enhanced correlation
            coefficient of the strengths of edges; the most exact.

    Raises:
        UsageError: If the pictures have too little in common to say, or the result is not to be
            trusted: edges do not meet, patches stay too far apart, or it folds the picture.

    References:
        Kuglin, Hines, "The Phase Correlation Image Alignment Method", 1975. Evangelidis, Psarakis,
        "Parametric Image Alignment using Enhanced Correlation Coefficient Maximization", IEEE TPAMI
        2008, https://doi.org/10.1109/TPAMI.2008.113. Barath et al., "MAGSAC++", CVPR 2020,
        https://arxiv.org/abs/1912.05909.

    Differences from the references:
        All compare edges (`edges`), not brightness. Phase correlation takes them as complex
        numbers, which OpenCV's does not: it finds the shift of more pairs of two cameras.
    """
    return register_pairs([(visible, infrared)], method=method)


def register_pairs(pairs: ImagePairs, *, method: str = "ecc") -> Alignment:
    """Find how the infrared pictures of a fixed rig lie over its visible ones, from all at once.

    What one pair shows too little of to say, another one may.

    Args:
        pairs: Pairs (visible, infrared) as for `align`; all of one camera have one size.
        method: As for `align`.

    Raises:
        UsageError: As `align`, or if the sizes are not all the same.
    """
    checks.check_choice("method", method, METHODS)
    visible_size, infrared_size = check_common_size(pairs)
    small = _working_size(visible_size)
    pairs = [(_preprocess(visible, small), _preprocess(i, small)) for visible, i in pairs]
    matrix = {"phase": _phase, "features": _features, "ecc": _ecc}[method](pairs)
    if not _is_sound(matrix, small):
        raise UsageError(
            f"The alignment by {method} did not converge: it would fold or squeeze the picture. "
            "Take pictures with more structure in both, or several pairs of the rig."
        )
    residual, score = _validate(pairs, matrix)
    scale = visible_size[1] / small[1]
    if not (residual <= MAX_RESIDUAL_PX and score >= MIN_CORRELATION):
        raise UsageError(
            f"The alignment by {method} did not converge: edges have a likeness of {score:.2f} "
            f"(at least {MIN_CORRELATION}) and lie {residual * scale:.1f} pixels apart (at most "
            f"{MAX_RESIDUAL_PX * scale:.1f}). Is it the same scene? Take pictures with more structure in "
            "both, several pairs of the rig, or another method."
        )
    matrix = scale_matrix(small, visible_size) @ matrix @ scale_matrix(infrared_size, small)
    return Alignment(matrix / matrix[2, 2], residual * scale, score)


def check_common_size(pairs: ImagePairs) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return height and width (pixels) of all visible pictures, and of all infrared ones.

    Raises:
        UsageError: If not all of one camera have one size.
    """
    sizes = sorted({(visible.shape[:2], infrared.shape[:2]) for visible, infrared in pairs})
    if len(sizes) != 1:
        raise UsageError(
            "All pictures of a rig's camera must have one size. Received: "
            f"{'; '.join(f'{v[0]}x{v[1]} with {i[0]}x{i[1]}' for v, i in sizes[:3])} (height x "
            "width of visible and infrared). Sort them by size."
        )
    return sizes[0]


def warp(infrared: Image, matrix: np.ndarray, size: tuple[int, int]) -> Image:
    """Return an infrared picture as it lies over the visible one; black where it shows nothing.

    Args:
        infrared: (h, w, C).
        matrix: (3, 3), see `Alignment`.
        size: Height and width of the visible picture (pixels).

    Returns:
        (*size, C) of the same type.
    """
    return cv2.warpPerspective(infrared, matrix, size[::-1]).reshape(*size, -1)


def scale_matrix(old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Return the matrix (3, 3) that takes places in a picture to those after it was resized.

    Args:
        old: Height and width (pixels).
        new: The same after resizing.
    """
    y, x = new[0] / old[0], new[1] / old[1]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def sampling_grid(size: tuple[int, int], *, points: int = 9) -> np.ndarray:
    """Return (points^2, 2) places, x before y, spread evenly over a picture (pixels)."""
    y, x = np.meshgrid(*(np.linspace(0, side - 1, points) for side in size), indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return where a matrix (3, 3) takes (N, 2) places."""
    return cv2.perspectiveTransform(points[:, None].astype(np.float64), matrix)[:, 0]


def edge_map(image: np.ndarray, *, blur_sigma: float = FINE_BLUR_SIGMA) -> np.ndarray:
    """Return how strong the edges of a picture are and which way they run.

    Strength is that of the gradient of the logarithm, measured by the mean around. The direction is
    given by twice its angle, so that an edge from dark to bright is the same as one from bright to
    dark: which side is the brighter one, two cameras need not agree on.

    Args:
        image: (H, W) in [0, 1].
        blur_sigma: Standard deviation of a Gaussian (pixels).

    Returns:
        (H, W, 2) float32: strength, in [0, 4], times cosine and sine of twice the angle.
    """
    tones = np.log(np.clip(image, 0, 1, dtype=np.float32) + np.float32(LOG_OFFSET))
    tones = cv2.GaussianBlur(tones, (0, 0), blur_sigma)
    x, y = (cv2.Scharr(tones, cv2.CV_32F, *axis) / 16 for axis in ((1, 0), (0, 1)))
    strength = np.hypot(x, y)
    share = np.minimum(
        strength / (cv2.GaussianBlur(strength, (0, 0), NORMALIZATION_SIGMA) + NOISE_EDGE_STRENGTH),
        MAX_RELATIVE_STRENGTH,
    )
    factor = share / np.maximum(strength, 1e-6) ** 2
    return np.dstack([factor * (x * x - y * y), factor * 2 * x * y])


def _working_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1, WORKING_SIZE / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def _preprocess(image: Image, size: tuple[int, int]) -> np.ndarray:
    gray = color.luma(image) if image.shape[2] == 3 else image[..., 0]
    gray = np.asarray(gray, np.float32)
    shrinks = gray.shape[0] > size[0]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(gray, size[::-1], interpolation=way)


def _phase(pairs: ImagePairs) -> np.ndarray:
    """Return the shift, by the sum of the phase correlations of all pairs."""
    height, width = pairs[0][0].shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    spectrum = np.zeros((height, width), np.complex128)
    for visible, infrared in pairs:
        one, other = (
            np.fft.fft2(window * (field[..., 0] + 1j * field[..., 1]))
            for field in (edge_map(visible), edge_map(infrared))
        )
        product = one * other.conj()
        spectrum += product / np.maximum(np.abs(product), 1e-9)
    low = np.exp(-18 * (np.fft.fftfreq(height)[:, None] ** 2 + np.fft.fftfreq(width) ** 2))
    surface = np.fft.fftshift(np.fft.ifft2(spectrum * low).real)
    row, column = np.unravel_index(surface.argmax(), surface.shape)
    y, x = row - height // 2, column - width // 2
    if 0 < row < height - 1 and 0 < column < width - 1:
        dx, dy = _subpixel_peak(surface, row, column)
        x, y = x + dx, y + dy
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _features(pairs: ImagePairs) -> np.ndarray:
    """Return a homography, by patches of all pairs that are found again."""
    matrix = _keypoints(pairs)
    matrix = _phase(pairs) if matrix is None else matrix
    for reach in SEARCH_RADII_PX:
        here, there, known = [], [], 0
        for visible, infrared in pairs:
            found = _patches(visible, infrared, matrix, reach)
            here.append(found[0]), there.append(found[1])
            known += len(found[0])
        step = None
        if known >= MIN_PATCHES:
            step, _ = cv2.findHomography(
                np.concatenate(here), np.concatenate(there), cv2.USAC_MAGSAC, 2.0, maxIters=5000
            )
        if step is None:
            raise UsageError(
                f"The pictures cannot be aligned: only {known} patches with structure in both (at "
                f"least {MIN_PATCHES}). Take pictures with more structure, or several pairs of the rig."
            )
        matrix = step @ matrix
        if not _is_sound(matrix, visible.shape):
            break
    return matrix / matrix[2, 2]


def _ecc(pairs: ImagePairs) -> np.ndarray:
    """Return a homography, by the enhanced correlation coefficient; of several pairs the middle."""
    start = _features(pairs)
    if not _is_sound(start, pairs[0][0].shape):
        return start
    places = sampling_grid(pairs[0][0].shape)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4)
    results = []
    for pair in pairs:
        visible, infrared = (
            np.linalg.norm(edge_map(i, blur_sigma=COARSE_BLUR_SIGMA), axis=2) for i in pair
        )
        back = np.linalg.inv(start).astype(np.float32)
        try:
            _, back = cv2.findTransformECC(
                visible, infrared, back, cv2.MOTION_HOMOGRAPHY, criteria, None, 5
            )
        except cv2.error:
            continue
        results.append(transform_points(places, back.astype(np.float64)))
    if not results:
        raise UsageError(
            "The alignment by ecc did not converge on any pair. Take pictures with more structure "
            "in both, several pairs of the rig, or the method features."
        )
    middle, _ = cv2.findHomography(np.median(results, axis=0), places)
    return middle


def _keypoints(pairs: ImagePairs) -> np.ndarray | None:
    """Return a homography by SIFT, or None where its keypoints do not agree, as mostly at night."""
    sift = cv2.SIFT_create(2000)
    here, there = [], []
    for pair in pairs[:4]:
        eight = [
            np.uint8(255 / MAX_RELATIVE_STRENGTH * np.linalg.norm(edge_map(i), axis=2))
            for i in pair
        ]
        (goals, wanted), (points, offered) = (sift.detectAndCompute(i, None) for i in eight)
        if wanted is None or offered is None or len(goals) < 2:
            continue
        for best, *second in cv2.BFMatcher().knnMatch(offered, wanted, 2):
            if second and best.distance < 0.8 * second[0].distance:
                here.append(points[best.queryIdx].pt), there.append(goals[best.trainIdx].pt)
    if len(here) < MIN_INLIERS[0]:
        return None
    matrix, agree = cv2.findHomography(np.array(here), np.array(there), cv2.USAC_MAGSAC, 3.0)
    believed = matrix is not None and agree.sum() >= max(MIN_INLIERS[0], MIN_INLIERS[1] * len(here))
    return matrix if believed and _is_sound(matrix, pairs[0][0].shape) else None


def _patches(
    visible: np.ndarray, infrared: np.ndarray, matrix: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find patches of the warped infrared picture in the visible one, `reach` pixels around.

    Returns:
        Their places in the warped infrared picture and in the visible one, (N, 2) each, and the
        likeness of each, (N,).
    """
    height, width = visible.shape
    half = min(48 if reach > 16 else 32, min(height, width) // 6)
    reach = min(reach, half)
    blur = 1.5 if reach > 16 else FINE_BLUR_SIGMA
    size = width, height
    wanted, offered = (
        edge_map(visible, blur_sigma=blur),
        edge_map(
            cv2.warpPerspective(infrared, matrix, size, borderMode=cv2.BORDER_REPLICATE), blur_sigma=blur
        ),
    )
    seen = cv2.warpPerspective(np.ones_like(infrared), matrix, size)
    margin = half + reach
    step = max(half // 2, 8) if reach > 16 else half
    here, there, scores = [], [], []
    for y in range(margin, height - margin + 1, step):
        for x in range(margin, width - margin + 1, step):
            at = slice(y - half, y + half), slice(x - half, x + half)
            if seen[at].min() < 0.99 or np.square(offered[at]).mean() < MIN_PATCH_ENERGY:
                continue
            around = wanted[y - margin : y + margin, x - margin : x + margin]
            likeness = cv2.matchTemplate(around, offered[at], cv2.TM_CCORR_NORMED)
            _, score, _, (column, row) = cv2.minMaxLoc(likeness)
            if not (0 < row < 2 * reach and 0 < column < 2 * reach):
                continue
            dx, dy = _subpixel_peak(likeness, row, column)
            here.append((x, y))
            there.append((x + column - reach + dx, y + row - reach + dy))
            scores.append(score)
    return np.array(here).reshape(-1, 2), np.array(there).reshape(-1, 2), np.array(scores)


def _subpixel_peak(surface: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """Return how far (x, y) from its highest pixel a surface is highest, by parabolas."""

    def top(low: float, middle: float, high: float) -> float:
        bend = low - 2 * middle + high
        return float(0.5 * (low - high) / bend) if bend < 0 else 0.0

    return (
        top(*surface[row, column - 1 : column + 2]),
        top(*surface[row - 1 : row + 2, column]),
    )


def _validate(pairs: ImagePairs, matrix: np.ndarray) -> tuple[float, float]:
    """Return the median distance of patches and the mean likeness of edges, after the warp."""
    distances, scores = [], []
    for visible, infrared in pairs:
        here, there, _ = _patches(visible, infrared, matrix, SEARCH_RADII_PX[-1])
        distances.append(np.linalg.norm(here - there, axis=1))
        size = visible.shape[::-1]
        seen = cv2.warpPerspective(np.ones_like(infrared), matrix, size) > 0.99
        warped = cv2.warpPerspective(infrared, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        one, other = edge_map(visible)[seen], edge_map(warped)[seen]
        scores.append((one * other).sum() / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-6))
    found = np.concatenate(distances)
    if len(found) < MIN_PATCHES:
        raise UsageError(
            f"The pictures cannot be aligned: only {len(found)} patches with structure in both (at "
            f"least {MIN_PATCHES}). Take pictures with more structure, or several pairs of the rig."
        )
    return float(np.median(found)), float(np.mean(scores))


def _is_sound(matrix: np.ndarray, size: tuple[int, int]) -> bool:
    """Say whether a picture stays a picture: not folded, mirrored, or a quarter of its area."""
    height, width = size
    corners = np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], float)
    if not np.isfinite(matrix).all() or (np.c_[corners, np.ones(4)] @ matrix[2] <= 0).any():
        return False
    new = transform_points(corners, matrix)
    sides = np.roll(new, -1, axis=0) - new
    turns = np.cross(np.c_[sides, np.zeros(4)], np.c_[np.roll(sides, -1, axis=0), np.zeros(4)])[
        :, 2
    ]
    area = cv2.contourArea(new.astype(np.float32)) / ((height - 1) * (width - 1))
    return bool((turns > 0).all() and 0.25 < area < 4)
