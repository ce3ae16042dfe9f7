"""Mosaics of color filters: a pixel sees one color; packed, a whole cell of them is one pixel.

A phase names the colors of the top left corner, row by row: "RGGB" and its three shifts (Bayer),
or 36 letters (any shift of X-Trans). Packed, all phases lie alike: Bayer always has the channels
R G1 G2 B (G1 in the rows of red) and X-Trans the nine of See-in-the-Dark. That is not done by
naming planes anew, which would leave red where blue is expected, a pixel off, but by putting up
to a period of rows and columns before the first, repeated from the next period, and after the
last. So nothing is lost: depth-to-space of a packed Bayer picture is its mosaic, and `frame` says
where in there, and in what a net makes of it, the picture lies.
"""

import itertools

import numpy as np

from lowlight_tf.checks import UsageError

BAYER = "RGGB"
XTRANS = "RBGBRG" + "GGRGGB" + "GGBGGR" + "BRGRBG" + "GGBGGR" + "GGRGGB"
BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")

COLORS = {4: "RGGB", 9: "RGBRBGGGG"}
"""What the channels of a packed picture saw, by their number."""

CHANNEL_OFFSETS = {
    BAYER: ("01", "23"),
    XTRANS: ("021201", "563564", "784783", "201021", "564563", "783784"),
}
"""The channel into which each pixel of a period goes."""


def packing_factor(pattern: str) -> int:
    """Return the side (pixels) of what is packed into one pixel: 2 for Bayer, 3 for X-Trans.

    Raises:
        UsageError: If the phase is neither.
    """
    return 2 if _kind(pattern) == BAYER else 3


def pattern_offset(pattern: str) -> tuple[int, int]:
    """Return how many rows and columns are put before a mosaic to make all phases lie alike.

    Raises:
        UsageError: If the phase is neither Bayer's nor X-Trans's.
    """
    wanted, here = _grid(_kind(pattern)), _grid(pattern)
    shifts = itertools.product(range(len(here)), repeat=2)
    return next(
        shift
        for shift in sorted(shifts, key=sum)
        if np.array_equal(np.roll(here, shift, (0, 1)), wanted)
    )


def pad_for_pattern(size: tuple[int, int], pattern: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how many rows, then columns, are put before and after a mosaic of some size."""
    period = len(_grid(pattern))
    return tuple(
        (before, -(before + side) % period)
        for before, side in zip(pattern_offset(pattern), size, strict=True)
    )


def crop_slices(size: tuple[int, int], pattern: str) -> tuple[slice, slice]:
    """Return where a mosaic of some size (height, width) lies in its packed picture's pixels.

    Of what a net makes of a packed picture at full size, (H', W', 3), that part is the picture.
    """
    return tuple(
        slice(first, first + side)
        for first, side in zip(pattern_offset(pattern), size, strict=True)
    )


def pack(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """Pack a mosaic, cell by cell.

    Args:
        mosaic: (H, W) of any type, at least one period (2 or 6) high and wide.
        pattern: Of its top left corner.

    Returns:
        (ceil((H + top) / 2), ceil((W + left) / 2), 4) of the same type for Bayer: R G1 G2 B; for
        X-Trans (H', W', 9), whole periods of 6 pixels: 2 each way. top, left: `margin`.

    Raises:
        UsageError: If the phase is neither, or the mosaic too small.

    Reference:
        Chen et al., "Learning to See in the Dark", CVPR 2018, https://arxiv.org/abs/1805.01934.

    Differences from the reference:
        Its Bayer order is R G1 B G2, of the one phase of its camera; here depth-to-space gives the
        mosaic. Rows and columns that fill no period are filled up, not dropped.
    """
    side, orders = packing_factor(pattern), _orders(pattern)
    whole = _filled(mosaic, pattern)
    cells = _cells(whole, side)
    packed = np.empty_like(cells)
    for (row, column), order in orders.items():
        place = np.s_[row :: side - 1, column :: side - 1]
        packed[place] = cells[place][..., order]
    return packed


def unpack(packed: np.ndarray, pattern: str, size: tuple[int, int]) -> np.ndarray:
    """Return the mosaic that was packed: the inverse of `pack`.

    Args:
        packed: (h, w, 4) or (h, w, 9).
        pattern: Of the mosaic.
        size: Its height and width (pixels).

    Returns:
        (H, W) of the same type.

    Raises:
        UsageError: If the phase is neither, or has another number of channels.
    """
    side = packing_factor(pattern)
    if packed.shape[-1] != side**2:
        raise UsageError(
            f"A mosaic of this phase is packed into {side**2} channels. "
            f"Received: {packed.shape[-1]}."
        )
    cells = np.empty_like(packed)
    for (row, column), order in _orders(pattern).items():
        place = np.s_[row :: side - 1, column :: side - 1]
        part = np.empty_like(packed[place])
        part[..., order] = packed[place]
        cells[place] = part
    height, width = packed.shape[:2]
    whole = cells.reshape(height, width, side, side).swapaxes(1, 2)
    return whole.reshape(height * side, width * side)[crop_slices(size, pattern)]


def mosaic(image: np.ndarray, pattern: str) -> np.ndarray:
    """Return what a sensor behind color filters sees of an image.

    Args:
        image: (H, W, 3) of any type, red first.
        pattern: Of the filters at the top left corner.

    Returns:
        (H, W) of the same type.

    Raises:
        UsageError: If the phase is neither Bayer's nor X-Trans's.
    """
    _kind(pattern)
    grid = _grid(pattern)
    height, width = image.shape[:2]
    mosaic = np.empty((height, width), image.dtype)
    for row, column in np.ndindex(grid.shape):
        place = np.s_[row :: len(grid), column :: len(grid)]
        mosaic[place] = image[place][..., "RGB".index(grid[row, column])]
    return mosaic


def num_channels(values: np.ndarray, pattern: str) -> np.ndarray:
    """Return what belongs to each packed channel, of what belongs to each pixel of a period.

    Args:
        values: (2, 2) or (6, 6), as the phase lies at the top left corner.
        pattern: Of the mosaic.

    Returns:
        (4,) or (9,).
    """
    aligned = np.roll(values, pattern_offset(pattern), (0, 1))
    return _cells(aligned, packing_factor(pattern))[0, 0][_orders(pattern)[0, 0]]


def apply_white_balance(packed: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
    """Return a packed picture whose reds, greens and blues are multiplied.

    Args:
        packed: (..., 4) or (..., 9) floats.
        gains: Of red, green and blue.

    Returns:
        The same shape and type; not clipped.
    """
    each = [gains["RGB".index(color)] for color in COLORS[packed.shape[-1]]]
    return packed * np.array(each, packed.dtype)


def _kind(phase: str) -> str:
    """Return BAYER or XTRANS."""
    if phase in BAYER_PATTERNS:
        return BAYER
    if len(phase) == len(XTRANS):
        wanted, here = _grid(XTRANS), _grid(phase)
        shifts = itertools.product(range(6), repeat=2)
        if any(np.array_equal(np.roll(here, shift, (0, 1)), wanted) for shift in shifts):
            return XTRANS
    raise UsageError(
        f"The color filters must be Bayer's ({', '.join(BAYER_PATTERNS)}) or X-Trans's, 36 letters. "
        f"Received: {phase!r}."
    )


def _grid(phase: str) -> np.ndarray:
    side = 2 if len(phase) == 4 else 6
    return np.array(list(phase)).reshape(side, side)


def _orders(phase: str) -> dict[tuple[int, int], np.ndarray]:
    """Return for each cell of a period which of its pixels, in raster order, each channel is."""
    places = CHANNEL_OFFSETS[_kind(phase)]
    numbers = _cells(
        np.array([[int(digit) for digit in row] for row in places]), packing_factor(phase)
    )
    return {place: np.argsort(numbers[place]) for place in np.ndindex(numbers.shape[:2])}


def _cells(whole: np.ndarray, side: int) -> np.ndarray:
    """Return (h, w, side^2): the pixels of each cell in raster order."""
    height, width = whole.shape[0] // side, whole.shape[1] // side
    return whole.reshape(height, side, width, side).swapaxes(1, 2).reshape(height, width, -1)


def _filled(mosaic: np.ndarray, phase: str) -> np.ndarray:
    """Return whole periods: what is missing at an edge is repeated from the next period."""
    period = len(_grid(phase))
    if min(mosaic.shape) < period:
        raise UsageError(
            f"A mosaic must be at least {period}x{period} pixels. "
            f"Received: {mosaic.shape[0]}x{mosaic.shape[1]}."
        )
    places = []
    for (before, after), side in zip(
        pad_for_pattern(mosaic.shape, phase), mosaic.shape, strict=True
    ):
        place = np.arange(-before, side + after)
        place[:before] += period
        place[before + side :] -= period
        places.append(place)
    untouched = all(len(place) == side for place, side in zip(places, mosaic.shape, strict=True))
    return mosaic if untouched else mosaic[np.ix_(*places)]
