"""Developed RAW images and their targets under the protocols of RAW.

- `sid`: at the sensor's full size, the exposure ratio at most 300, as in Chen et al., "Learning to
  See in the Dark", CVPR 2018, https://arxiv.org/abs/1805.01934.
- `half_resolution`: targets downscaled to half by means of 2x2 pixels before they are rounded to 8
  bits, results of full size likewise; any ratio. As in the generator of
  https://github.com/yashthesia/computer-vision-project-fall21, which returns that size. Difference:
  full images are measured, where that project drew random crops.

Numbers of the two are not comparable: downscaling removes noise and sharp errors.
"""

from collections.abc import Sequence

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.datasets import exposure_pairs
from lowlight_tf.datasets.pairing import Pair
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.imaging.resize import resize_area
from lowlight_tf.metrics.fidelity import HALF_RESOLUTION, RAW_PROTOCOLS, SID_PROTOCOL
from lowlight_tf.runtime.develop import develop
from lowlight_tf.runtime.engine import Engine

MAX_RATIOS = {SID_PROTOCOL: raw_image.MAX_EXPOSURE_RATIO, HALF_RESOLUTION: None}
"""The largest exposure ratio of each protocol; None for any."""

OUTPUT_KEYS = "target", "enhanced", "fused"
"""Images that metrics may take: of RAW there is no dark image, only raw values."""


def default_protocol(contract: Contract) -> str:
    """Return the protocol of a model's output size; "plain" for models of images."""
    if not contract.is_raw:
        return "plain"
    return HALF_RESOLUTION if contract.scale == 1 else SID_PROTOCOL


def check_raw_protocol(
    contract: Contract, pairs: Sequence[Pair], takes: Sequence[str], protocols: Sequence[str]
) -> None:
    """Refuse what cannot be measured of a RAW model.

    Raises:
        UsageError: If a protocol is not one of RAW, or the model's output size is not the
            protocol's; if a metric takes an image that there is not, or a pair has no known
            exposure ratio.
    """
    wrong = [protocol for protocol in protocols if protocol not in RAW_PROTOCOLS]
    if wrong:
        raise UsageError(
            f"RAW images are measured under the protocol {' or '.join(RAW_PROTOCOLS)}. "
            f"Received: {', '.join(wrong)}."
        )
    if SID_PROTOCOL in protocols and contract.scale == 1:
        raise UsageError(
            f"A model of half the sensor's size is not measured under {SID_PROTOCOL}. Pass "
            f"{HALF_RESOLUTION}."
        )
    wrong = [name for name in takes if name not in OUTPUT_KEYS]
    if wrong:
        raise UsageError(
            f"RAW files have no image for {', '.join(wrong)}. Pass metrics that take none."
        )
    for pair in pairs:
        if pair.path_of(exposure_pairs.RAW_PORT) is not None:
            exposure_pairs.exposure_ratio(pair)


def protocol_images(
    engine: Engine, pair: Pair, protocols: Sequence[str], *, target: bool
) -> dict[str, dict[str, np.ndarray]]:
    """Develop a pair's RAW file under some protocols.

    Args:
        engine: A model of RAW.
        pair: A short exposure, and its target if that is needed.
        protocols: Some of `fidelity.RAW_PROTOCOLS`. Those of one ratio share one run.
        target: Whether the target is read.

    Returns:
        Protocol -> "enhanced", and "target": (H, W, 3) uint16 sRGB, upright.

    Raises:
        UsageError: If a file cannot be read or developed.
    """
    image = raw_image.read_raw(pair.inputs[exposure_pairs.RAW_PORT])
    bright = read_upright_target(pair) if target else None
    developed: dict[float, np.ndarray] = {}
    found = {}
    for protocol in protocols:
        ratio = exposure_pairs.exposure_ratio(pair, cap=MAX_RATIOS[protocol])
        if ratio not in developed:
            developed[ratio] = develop(engine, image, ratio=ratio)
        images = {"enhanced": developed[ratio]} | ({"target": bright} if target else {})
        if protocol == HALF_RESOLUTION:
            full_size = {"target"} if engine.contract.scale == 1 else set(images)
            images = {
                name: _downscale_by_two(each) if name in full_size else each
                for name, each in images.items()
            }
        found[protocol] = images
    return found


def read_upright_target(pair: Pair) -> np.ndarray:
    """Return a pair's target, (H, W, 3) uint16 sRGB: an image, or a RAW file developed by LibRaw.

    Raises:
        UsageError: If it cannot be read.
    """
    if exposure_pairs.is_raw(pair.target):
        return raw_image.read_raw(pair.target, black_level=0).metadata.orient(
            raw_image.develop_with_libraw(pair.target)
        )
    pixels = image_io.load_image(pair.target).pixels
    return dtypes.img_as_uint16(pixels)


def _downscale_by_two(image: np.ndarray) -> np.ndarray:
    height, width = (side // 2 for side in image.shape[:2])
    image = np.ascontiguousarray(image[: 2 * height, : 2 * width])
    return resize_area(image, (height, width))
