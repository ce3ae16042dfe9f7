"""Color filter arrays: packing a mosaic, (H, W), into channels, (h, w, 4) or (h, w, 9).

A pattern is the string of the filter colors at the top left corner, row by row: "RGGB" and its
three shifts (Bayer), or 36 letters (any shift of X-Trans). All patterns are packed into the same
channel order: R G1 G2 B for Bayer (G1 in the rows of red), and the nine channels of See-in-the-Dark
for X-Trans. Other shifts are not renamed, which would move each color by a pixel, but padded: up
to one period of rows and columns is added before the first one, repeated from the next period, and
after the last one. No pixel is lost: depth-to-space of a packed Bayer image is its mosaic, and
`crop_slices` returns the position of the image in it, and in the output of a model at full size.
"""

import itertools

import numpy as np

from lowlight_tf.checks import UsageError

BAYER = "RGGB"
XTRANS = "RBGBRG" + "GGRGGB" + "GGBGGR" + "BRGRBG" + "GGBGGR" + "GGRGGB"
BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")

CHANNEL_COLORS = {4: "RGGB", 9: "RGBRBGGGG"}
"""Number of packed channels -> color of each channel."""

CHANNEL_OFFSETS = {
    BAYER: ("01", "23"),
    XTRANS: ("021201", "563564", "784783", "201021", "564563", "783784"),
}
"""Packed channel of each pixel of a period."""


def packing_factor(pattern: str) -> int:
    """Return the side (pixels) of the cell packed into one pixel: 2 for Bayer, 3 for X-Trans.

    Raises:
        UsageError: If the pattern is neither.
    """
    return 2 if _base_pattern(pattern) == BAYER else 3


def pattern_offset(pattern: str) -> tuple[int, int]:
    """Return how many rows and columns to add before a mosaic to get the base pattern.

    Raises:
        UsageError: If the pattern is neither Bayer nor X-Trans.
    """
    base, grid = _grid(_base_pattern(pattern)), _grid(pattern)
    shifts = itertools.product(range(len(grid)), repeat=2)
    return next(
        shift
        for shift in sorted(shifts, key=sum)
        if np.array_equal(np.roll(grid, shift, (0, 1)), base)
    )


def pad_for_pattern(size: tuple[int, int], pattern: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the padding (before, after) of rows and of columns for a mosaic of (height, width)."""
    period = len(_grid(pattern))
    return tuple(
        (before, -(before + side) % period)
        for before, side in zip(pattern_offset(pattern), size, strict=True)
    )


def crop_slices(size: tuple[int, int], pattern: str) -> tuple[slice, slice]:
    """Return the rows and columns of a mosaic of (height, width) in its packed image's pixels.

    They crop the output of a model at full size, (H', W', 3), to the image.
    """
    return tuple(
        slice(start, start + side)
        for start, side in zip(pattern_offset(pattern), size, strict=True)
    )


def pack(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """Pack a mosaic, (H, W) -> (h, w, 4) or (h, w, 9).

    Args:
        mosaic: (H, W) of any type, at least one period (2 or 6 pixels) high and wide.
        pattern: Colors at its top left corner.

    Returns:
        Of the same type. Bayer: (ceil((H + top) / 2), ceil((W + left) / 2), 4), R G1 G2 B. X-Trans:
        (h, w, 9), two cells per period of 6 pixels in each direction. top, left: `pattern_offset`.

    Raises:
        UsageError: If the pattern is neither, or the mosaic is too small.

    Reference:
        Chen et al., "Learning to See in the Dark", CVPR 2018, https://arxiv.org/abs/1805.01934.

    Differences from the reference:
        Its Bayer order is R G1 B G2, for the only pattern of its camera; here depth-to-space
        restores the mosaic. Incomplete periods are padded, not dropped.
    """
    side, orders = packing_factor(pattern), _channel_orders(pattern)
    cells = _cells(_pad(mosaic, pattern), side)
    packed = np.empty_like(cells)
    for (row, column), order in orders.items():
        at = np.s_[row :: side - 1, column :: side - 1]
        packed[at] = cells[at][..., order]
    return packed


def unpack(packed: np.ndarray, pattern: str, size: tuple[int, int]) -> np.ndarray:
    """Restore a packed mosaic, (h, w, 4) or (h, w, 9) -> (H, W): the inverse of `pack`.

    Args:
        packed: (h, w, 4) or (h, w, 9).
        pattern: Pattern of the mosaic.
        size: Height and width of the mosaic (pixels).

    Returns:
        (H, W) of the same type.

    Raises:
        UsageError: If the pattern is neither Bayer nor X-Trans, or does not match the channels.
    """
    side = packing_factor(pattern)
    if packed.shape[-1] != side**2:
        raise UsageError(
            f"A mosaic of this pattern is packed into {side**2} channels. "
            f"Received: {packed.shape[-1]}."
        )
    cells = np.empty_like(packed)
    for (row, column), order in _channel_orders(pattern).items():
        at = np.s_[row :: side - 1, column :: side - 1]
        part = np.empty_like(packed[at])
        part[..., order] = packed[at]
        cells[at] = part
    height, width = packed.shape[:2]
    mosaic = cells.reshape(height, width, side, side).swapaxes(1, 2)
    return mosaic.reshape(height * side, width * side)[crop_slices(size, pattern)]


def mosaic(image: np.ndarray, pattern: str) -> np.ndarray:
    """Sample an image through color filters, (H, W, 3) -> (H, W).

    Args:
        image: (H, W, 3) of any type, RGB.
        pattern: Colors of the filters at the top left corner.

    Returns:
        (H, W) of the same type.

    Raises:
        UsageError: If the pattern is neither Bayer nor X-Trans.
    """
    _base_pattern(pattern)
    grid = _grid(pattern)
    height, width = image.shape[:2]
    mosaic = np.empty((height, width), image.dtype)
    for row, column in np.ndindex(grid.shape):
        at = np.s_[row :: len(grid), column :: len(grid)]
        mosaic[at] = image[at][..., "RGB".index(grid[row, column])]
    return mosaic


def pack_period(values: np.ndarray, pattern: str) -> np.ndarray:
    """Return the values of the packed channels, given one value for each pixel of a period.

    Args:
        values: (2, 2) or (6, 6), in the order of the pattern.
        pattern: Pattern of the mosaic.

    Returns:
        (4,) or (9,).
    """
    aligned = np.roll(values, pattern_offset(pattern), (0, 1))
    return _cells(aligned, packing_factor(pattern))[0, 0][_channel_orders(pattern)[0, 0]]


def apply_white_balance(packed: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
    """Multiply the red, green and blue channels of a packed image by gains.

    Args:
        packed: (..., 4) or (..., 9) floats.
        gains: Of red, green and blue.

    Returns:
        The same shape and type; not clipped.
    """
    per_channel = [gains["RGB".index(color)] for color in CHANNEL_COLORS[packed.shape[-1]]]
    return packed * np.array(per_channel, packed.dtype)


def _base_pattern(pattern: str) -> str:
    """Return BAYER or XTRANS, of which the pattern is a shift."""
    if pattern in BAYER_PATTERNS:
        return BAYER
    if len(pattern) == len(XTRANS):
        base, grid = _grid(XTRANS), _grid(pattern)
        shifts = itertools.product(range(6), repeat=2)
        if any(np.array_equal(np.roll(grid, shift, (0, 1)), base) for shift in shifts):
            return XTRANS
    raise UsageError(
        f"The color filters must be Bayer's ({', '.join(BAYER_PATTERNS)}) or X-Trans's, "
        f"36 letters. Received: {pattern!r}."
    )


def _grid(pattern: str) -> np.ndarray:
    """Return the pattern as (2, 2) or (6, 6) letters."""
    side = 2 if len(pattern) == 4 else 6
    return np.array(list(pattern)).reshape(side, side)


def _channel_orders(pattern: str) -> dict[tuple[int, int], np.ndarray]:
    """Return, for each cell of a period, the index of each channel's pixel in raster order."""
    rows = CHANNEL_OFFSETS[_base_pattern(pattern)]
    channels = np.array([[int(channel) for channel in row] for row in rows])
    cells = _cells(channels, packing_factor(pattern))
    return {cell: np.argsort(cells[cell]) for cell in np.ndindex(cells.shape[:2])}


def _cells(mosaic: np.ndarray, side: int) -> np.ndarray:
    """Return the pixels of each cell in raster order, (H, W) -> (h, w, side^2)."""
    height, width = mosaic.shape[0] // side, mosaic.shape[1] // side
    return mosaic.reshape(height, side, width, side).swapaxes(1, 2).reshape(height, width, -1)


def _pad(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """Pad a mosaic to complete periods; padding is repeated from the adjacent period."""
    period = len(_grid(pattern))
    if min(mosaic.shape) < period:
        raise UsageError(
            f"A mosaic must be at least {period}x{period} pixels. "
            f"Received: {mosaic.shape[0]}x{mosaic.shape[1]}."
        )
    padding = pad_for_pattern(mosaic.shape, pattern)
    if not any(itertools.chain(*padding)):
        return mosaic
    indices = []
    for (before, after), side in zip(padding, mosaic.shape, strict=True):
        index = np.arange(-before, side + after)
        index[:before] += period
        index[before + side :] -= period
        indices.append(index)
    return mosaic[np.ix_(*indices)]
