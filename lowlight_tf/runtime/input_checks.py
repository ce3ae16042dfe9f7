"""Checks that a model and an image fit what is to be done, with one-line errors."""

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract

IMAGE_DTYPES = (np.uint8, np.uint16, np.float32)


def check_enhancement_model(contract: Contract) -> None:
    """Refuse a model that is not from one color image to another of its size."""
    ports = (*contract.image_inputs, *contract.outputs)
    if len(ports) != 2 or {port.channels for port in ports} != {3} or contract.scale != 1:
        raise UsageError(
            "Enhancing takes a model from one color image to one. "
            f"Received: {_describe_ports(contract)}."
        )


def check_fusion_model(contract: Contract) -> None:
    """Refuse a model that is not from a luma and an infrared image to one image of their size."""
    sides = contract.image_inputs, contract.outputs
    channels = [[port.channels for port in side] for side in sides]
    if channels != [[1, 1], [1]] or contract.scale != 1:
        raise UsageError(
            "Fusing takes a model from two images of one channel to one. "
            f"Received: {_describe_ports(contract)}."
        )


def check_raw_model(contract: Contract) -> None:
    """Refuse a model that is not from packed Bayer pixels to one color image."""
    channels = [[port.channels for port in side] for side in (contract.inputs, contract.outputs)]
    if not contract.is_raw or channels != [[4], [3]] or contract.scale not in (1, 2):
        raise UsageError(
            "Developing takes a model from a RAW image to a color image. "
            f"Received: {_describe_ports(contract)}."
        )


def check_image(image: np.ndarray, channels: int = 3) -> None:
    """Refuse an array that is no image of so many channels."""
    has_shape = image.ndim == 3 and image.shape[2] == channels and 0 not in image.shape
    if not has_shape or image.dtype not in IMAGE_DTYPES:
        raise UsageError(
            f"An image must be (H, W, {channels}), uint8, uint16 or float32 in [0, 1]. "
            f"Received: {image.shape}, {image.dtype}."
        )


def _describe_ports(contract: Contract) -> str:
    return " to ".join(
        ", ".join(f"{port.name} ({port.channels} channels)" for port in side)
        for side in (contract.inputs, contract.outputs)
    )
