"""Registration of an infrared image to a visible one: the homography between their pixels.

The brightness of both images is unrelated: what is bright in one may be dark or missing in the
other. Position and direction of edges are what they have in common, so only these are compared.
"""

import contextlib
import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from lowlight_tf import checks
from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import color
from lowlight_tf.imaging.registration.homography import (
    FLIPS,
    flip_matrix,
    is_plausible,
    sampling_grid,
    scale_matrix,
    transform_points,
)
from lowlight_tf.imaging.registration.patch_matching import (
    MAX_EDGE_STRENGTH,
    MIN_COVERAGE,
    edge_map,
    match_patches,
    subpixel_peak,
)

METHODS = ("phase", "ecc", "features")
WORKING_SIZE_PX = 640  # longer side at which images are registered; larger ones have softer edges

LOWPASS_FACTOR = 18.0  # of the Gaussian low-pass filter of the phase correlation
MAX_KEYPOINTS = 2000
MAX_KEYPOINT_PAIRS = 4  # pairs of a rig whose keypoints are matched
MAX_DISTANCE_RATIO = 0.8  # best to second best match, Lowe's ratio test
KEYPOINT_INLIER_PX, PATCH_INLIER_PX = 3.0, 2.0  # MAGSAC++ thresholds
MIN_INLIERS, MIN_INLIER_FRACTION = 20, 0.25  # keypoints, and fraction of all matches, that agree
SEARCH_RADII_PX = (32, 12, 6)  # of patches, in one round of refinement each
MIN_PATCHES = 8
ECC_BLUR_SIGMA, ECC_FILTER_SIZE = 2.0, 5  # pixels
ECC_ITERATIONS, ECC_EPSILON = 60, 1e-4

MAX_RESIDUAL_PX = 3.0  # median distance of patches at working size; chance leaves 4
MIN_CORRELATION = 0.12  # of edge maps; unrelated images reach 0.09, aligned ones 0.14 or more

Image = np.ndarray
ImagePairs = Sequence[tuple[Image, Image]]


@dataclasses.dataclass(frozen=True, eq=False)
class Alignment:
    """Homography from an infrared image to a visible one.

    Attributes:
        matrix: (3, 3) float64. Maps (x, y, 1) of the infrared image to the visible one, up to a
            factor (pixels; the center of the first pixel is (0, 0)).
        residual_px: Median distance between matched patches of the aligned images (pixels of the
            visible image). It includes the effect of noise and parallax: 0.5 is good.
        score: Correlation of the aligned edge maps, at most 1; about 0.3 for two real cameras.
    """

    matrix: np.ndarray
    residual_px: float
    score: float


def register_pair(visible: Image, infrared: Image, *, method: str = "ecc") -> Alignment:
    """Register an infrared image, (h, w, 1), to a visible one, (H, W, C), of the same scene.

    Their sizes may differ: the infrared image is first stretched to the size of the other.

    Args:
        visible: (H, W, 3) or (H, W, 1) in [0, 1].
        infrared: (h, w, 1) in [0, 1].
        method: "phase": a translation of any length, by phase correlation. "features": a
            homography, by SIFT keypoints where they can be matched, else initialized by that
            translation, refined by template matching of patches. "ecc": refines the result of
            "features" by the enhanced correlation coefficient of edge strengths; most accurate.

    Raises:
        UsageError: If the images have too little structure in common, or the result is not
            plausible: low correlation of edges, large residual, or a degenerate homography.

    References:
        Kuglin, Hines, "The Phase Correlation Image Alignment Method", 1975. Evangelidis, Psarakis,
        "Parametric Image Alignment using Enhanced Correlation Coefficient Maximization", IEEE TPAMI
        2008, https://doi.org/10.1109/TPAMI.2008.113. Barath et al., "MAGSAC++", CVPR 2020,
        https://arxiv.org/abs/1912.05909.

    Differences from the references:
        All methods compare edges (`edge_map`), not brightness. Phase correlation treats edge maps
        as complex images, which OpenCV's does not: it finds the shift of more pairs.
    """
    return register_pairs([(visible, infrared)], method=method)


def register_pairs(pairs: ImagePairs, *, method: str = "ecc") -> Alignment:
    """Register the infrared images of a fixed rig to its visible ones, by all pairs jointly.

    Structure that is missing in one pair may be present in another. A camera that is mounted upside
    down or mirrors its image (through a beam splitter, or by a setting) is found as well: if the
    images do not match as they are, each of `FLIPS` is tried.

    Args:
        pairs: Pairs (visible, infrared) as for `register_pair`; the images of each camera have
            one size.
        method: As for `register_pair`.

    Raises:
        UsageError: As `register_pair`, or if the sizes differ.
    """
    checks.check_choice("method", method, METHODS)
    _, (height, width) = check_common_size(pairs)
    try:
        return _register(pairs, method)
    except UsageError as error:
        failure = error
    flipped = []
    for x, y in FLIPS.values():
        turned = [(visible, infrared[:: 1 - 2 * y, :: 1 - 2 * x]) for visible, infrared in pairs]
        with contextlib.suppress(UsageError):
            flipped.append((_register(turned, method), flip_matrix((height, width), x=x, y=y)))
    if not flipped:
        raise failure
    alignment, flip = max(flipped, key=lambda result: result[0].score)
    return dataclasses.replace(alignment, matrix=alignment.matrix @ flip)


def _register(pairs: ImagePairs, method: str) -> Alignment:
    """Register pairs whose cameras have the same side up."""
    visible_size, infrared_size = check_common_size(pairs)
    size = _working_size(visible_size)
    pairs = [(_preprocess(visible, size), _preprocess(other, size)) for visible, other in pairs]
    matrix = {"phase": _phase, "features": _features, "ecc": _ecc}[method](pairs)
    if not is_plausible(matrix, size):
        raise UsageError(
            f"The alignment by {method} did not converge: the homography is degenerate. "
            "Use images with more structure in both, or several pairs of the rig."
        )
    residual, score = _evaluate(pairs, matrix)
    scale = visible_size[1] / size[1]
    if not (residual <= MAX_RESIDUAL_PX and score >= MIN_CORRELATION):
        raise UsageError(
            f"The alignment by {method} did not converge: edges correlate by {score:.2f} "
            f"(at least {MIN_CORRELATION}), with a residual of {residual * scale:.1f} pixels (at "
            f"most {MAX_RESIDUAL_PX * scale:.1f}). Do both show the same scene? Use images with "
            "more structure in both, several pairs of the rig, or another method."
        )
    matrix = scale_matrix(size, visible_size) @ matrix @ scale_matrix(infrared_size, size)
    return Alignment(matrix / matrix[2, 2], residual * scale, score)


def measure_shift(visible: Image, infrared: Image) -> tuple[np.ndarray, float]:
    """Measure how far an aligned infrared image is from the visible one.

    Args:
        visible: (H, W, 3) or (H, W, 1) in [0, 1].
        infrared: (h, w, 1) in [0, 1] with the same field of view, as after `warp`.

    Returns:
        The median (x, y) by which patches of the infrared image must be moved (pixels of the
        visible image; shifts of up to 12 pixels of 640 are found), and the correlation of the edge
        maps after that: about 0.3 for two real cameras, below 0.1 for images that do not show the
        same.

    Raises:
        UsageError: If the images have too little structure in common.
    """
    size = _working_size(visible.shape[:2])
    pair = _preprocess(visible, size), _preprocess(infrared, size)
    centers, matches = match_patches(*pair, np.eye(3), SEARCH_RADII_PX[1])
    if len(centers) < MIN_PATCHES:
        raise _too_few_patches(len(centers))
    shift = np.median(matches - centers, axis=0)
    matrix = np.eye(3)
    matrix[:2, 2] = shift
    return shift * visible.shape[1] / size[1], _edge_correlation(*pair, matrix)


def check_common_size(pairs: ImagePairs) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (height, width) in pixels of all visible images, and of all infrared ones.

    Raises:
        UsageError: If the images of one camera differ in size.
    """
    sizes = sorted({(visible.shape[:2], infrared.shape[:2]) for visible, infrared in pairs})
    if len(sizes) != 1:
        raise UsageError(
            "All images of a rig's camera must have one size. Received: "
            f"{'; '.join(f'{v[0]}x{v[1]} with {i[0]}x{i[1]}' for v, i in sizes[:3])} (height x "
            "width of visible and infrared). Sort them by size."
        )
    return sizes[0]


def warp(infrared: Image, matrix: np.ndarray, size: tuple[int, int]) -> Image:
    """Warp an infrared image, (h, w, C), to the visible one; black outside of its field of view.

    Args:
        infrared: (h, w, C).
        matrix: (3, 3), see `Alignment`.
        size: Height and width of the visible image (pixels).

    Returns:
        (*size, C) of the same type.
    """
    return cv2.warpPerspective(infrared, matrix, size[::-1]).reshape(*size, -1)


def _working_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1, WORKING_SIZE_PX / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def _preprocess(image: Image, size: tuple[int, int]) -> np.ndarray:
    """Return an image as gray of the working size, (H, W, C) -> (*size) float32."""
    gray = color.luma(image) if image.shape[2] == 3 else image[..., 0]
    gray = np.asarray(gray, np.float32)
    is_smaller = gray.shape[0] > size[0]
    interpolation = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return cv2.resize(gray, size[::-1], interpolation=interpolation)


def _phase(pairs: ImagePairs) -> np.ndarray:
    """Estimate a translation by the sum of the phase correlations of all pairs."""
    height, width = pairs[0][0].shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    spectrum = np.zeros((height, width), np.complex128)
    for visible, infrared in pairs:
        first, second = (
            np.fft.fft2(window * (edges[..., 0] + 1j * edges[..., 1]))
            for edges in (edge_map(visible), edge_map(infrared))
        )
        product = first * second.conj()
        spectrum += product / np.maximum(np.abs(product), 1e-9)
    frequency = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.fftfreq(width) ** 2
    lowpass = np.exp(-LOWPASS_FACTOR * frequency)
    scores = np.fft.fftshift(np.fft.ifft2(spectrum * lowpass).real)
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    y, x = row - height // 2, column - width // 2
    if 0 < row < height - 1 and 0 < column < width - 1:
        dx, dy = subpixel_peak(scores, row, column)
        x, y = x + dx, y + dy
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _features(pairs: ImagePairs) -> np.ndarray:
    """Estimate a homography by keypoints or phase correlation, refined by patches of all pairs."""
    matrix = _keypoints(pairs)
    matrix = _phase(pairs) if matrix is None else matrix
    for radius in SEARCH_RADII_PX:
        matched = [match_patches(visible, infrared, matrix, radius) for visible, infrared in pairs]
        centers, matches = map(np.concatenate, zip(*matched, strict=True))
        update = None
        if len(centers) >= MIN_PATCHES:
            update, _ = cv2.findHomography(
                centers, matches, cv2.USAC_MAGSAC, PATCH_INLIER_PX, maxIters=5000
            )
        if update is None:
            raise _too_few_patches(len(centers))
        matrix = update @ matrix
        if not is_plausible(matrix, pairs[0][0].shape):
            break
    return matrix / matrix[2, 2]


def _ecc(pairs: ImagePairs) -> np.ndarray:
    """Estimate a homography by the enhanced correlation coefficient; the median of all pairs."""
    initial = _features(pairs)
    if not is_plausible(initial, pairs[0][0].shape):
        return initial
    grid = sampling_grid(pairs[0][0].shape)
    count_and_eps = cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS
    criteria = (count_and_eps, ECC_ITERATIONS, ECC_EPSILON)
    results = []
    for pair in pairs:
        visible, infrared = (
            np.linalg.norm(edge_map(image, blur_sigma=ECC_BLUR_SIGMA), axis=2) for image in pair
        )
        inverse = np.linalg.inv(initial).astype(np.float32)
        motion = cv2.MOTION_HOMOGRAPHY
        try:
            _, inverse = cv2.findTransformECC(
                visible, infrared, inverse, motion, criteria, None, ECC_FILTER_SIZE
            )
        except cv2.error:  # not converged
            continue
        results.append(transform_points(grid, inverse.astype(np.float64)))
    if not results:
        raise UsageError(
            "The alignment by ecc did not converge on any pair. Use images with more structure "
            "in both, several pairs of the rig, or the method features."
        )
    median, _ = cv2.findHomography(np.median(results, axis=0), grid)
    return median


def _keypoints(pairs: ImagePairs) -> np.ndarray | None:
    """Estimate a homography by SIFT; None if the matches do not agree, as mostly at night."""
    sift = cv2.SIFT_create(MAX_KEYPOINTS)
    sources, targets = [], []
    for pair in pairs[:MAX_KEYPOINT_PAIRS]:
        strengths = [  # truncated to 8 bits as an input of SIFT, not converted as an image
            np.uint8(255 / MAX_EDGE_STRENGTH * np.linalg.norm(edge_map(image), axis=2))
            for image in pair
        ]
        visible, infrared = (sift.detectAndCompute(image, None) for image in strengths)
        if visible[1] is None or infrared[1] is None or len(visible[0]) < 2:
            continue
        for best, *second in cv2.BFMatcher().knnMatch(infrared[1], visible[1], 2):
            if second and best.distance < MAX_DISTANCE_RATIO * second[0].distance:
                sources.append(infrared[0][best.queryIdx].pt)
                targets.append(visible[0][best.trainIdx].pt)
    if len(sources) < MIN_INLIERS:
        return None
    matrix, inliers = cv2.findHomography(
        np.array(sources), np.array(targets), cv2.USAC_MAGSAC, KEYPOINT_INLIER_PX
    )
    min_inliers = max(MIN_INLIERS, MIN_INLIER_FRACTION * len(sources))
    if matrix is None or inliers.sum() < min_inliers:
        return None
    return matrix if is_plausible(matrix, pairs[0][0].shape) else None


def _evaluate(pairs: ImagePairs, matrix: np.ndarray) -> tuple[float, float]:
    """Return the median distance of patches and the mean correlation of edges after warping."""
    distances, scores = [], []
    for visible, infrared in pairs:
        centers, matches = match_patches(visible, infrared, matrix, SEARCH_RADII_PX[-1])
        distances.append(np.linalg.norm(centers - matches, axis=1))
        scores.append(_edge_correlation(visible, infrared, matrix))
    distances = np.concatenate(distances)
    if len(distances) < MIN_PATCHES:
        raise _too_few_patches(len(distances))
    return float(np.median(distances)), float(np.mean(scores))


def _edge_correlation(visible: np.ndarray, infrared: np.ndarray, matrix: np.ndarray) -> float:
    """Return the correlation of the edge maps after warping."""
    size = visible.shape[::-1]
    inside = cv2.warpPerspective(np.ones_like(infrared), matrix, size) > MIN_COVERAGE
    warped = cv2.warpPerspective(infrared, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    first, second = edge_map(visible)[inside], edge_map(warped)[inside]
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    return float((first * second).sum() / max(norm, 1e-6))


def _too_few_patches(count: int) -> UsageError:
    return UsageError(
        f"The images cannot be aligned: only {count} patches with structure in both (at least "
        f"{MIN_PATCHES}). Use images with more structure, or several pairs of the rig."
    )
