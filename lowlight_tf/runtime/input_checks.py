"""Checks that a model and an image fit a task, with one-line errors."""

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract


def _describe_ports(contract: Contract) -> str:
    return " to ".join(
        ", ".join(f"{port.name} ({port.channels} channels)" for port in side)
        for side in (contract.inputs, contract.outputs)
    )


def check_enhancement_model(contract: Contract) -> None:
    """Refuse a net that is not from one color image to another of its size."""
    ports = (*contract.image_inputs, *contract.outputs)
    if len(ports) != 2 or {port.channels for port in ports} != {3} or contract.scale != 1:
        raise UsageError(
            f"Enhancing takes a net from one color image to one. Received: {_describe_ports(contract)}."
        )


def check_fusion_model(contract: Contract) -> None:
    """Refuse a net that is not from a luma and an infrared image to one of their size."""
    sides = contract.image_inputs, contract.outputs
    channels = [[port.channels for port in side] for side in sides]
    if channels != [[1, 1], [1]] or contract.scale != 1:
        raise UsageError(
            "Fusing takes a net from two images of one channel to one. "
            f"Received: {_describe_ports(contract)}."
        )


def check_raw_model(contract: Contract) -> None:
    """Refuse a net that is not from packed Bayer pixels to one color image."""
    channels = [[port.channels for port in side] for side in (contract.inputs, contract.outputs)]
    if not contract.is_raw or channels != [[4], [3]] or contract.scale not in (1, 2):
        raise UsageError(
            f"Developing takes a net from a RAW picture to one. Received: {_describe_ports(contract)}."
        )


def check_task_model(contract: Contract) -> None:
    """Refuse a net that neither enhances nor fuses nor develops one picture."""
    if contract.is_raw:
        check_raw_model(contract)
    elif contract.is_fusion:
        check_fusion_model(contract)
    else:
        check_enhancement_model(contract)


def check_image(image: np.ndarray) -> None:
    """Refuse what is no color image."""
    kinds = (np.uint8, np.uint16, np.float32)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype not in kinds:
        raise UsageError(
            "A picture must be (H, W, 3), uint8, uint16 or float32 in [0, 1]. "
            f"Received: {image.shape}, {image.dtype}."
        )
