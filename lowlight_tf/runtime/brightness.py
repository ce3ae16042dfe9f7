"""The brightness control of models that have one."""

from collections.abc import Mapping

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import MAX_BRIGHTNESS_EV, MEMORY, Contract


def check_brightness(contract: Contract, ev: float) -> None:
    """Refuse a setting of the brightness control that a model cannot follow.

    Args:
        contract: The model's ports.
        ev: In [-MAX_BRIGHTNESS_EV, MAX_BRIGHTNESS_EV].

    Raises:
        UsageError: If the model has no control and `ev` is not 0, or `ev` is out of range.
    """
    if not -MAX_BRIGHTNESS_EV <= ev <= MAX_BRIGHTNESS_EV:
        raise UsageError(
            f"`brightness` must be from {-MAX_BRIGHTNESS_EV:g} to {MAX_BRIGHTNESS_EV:g} EV. "
            f"Received: {ev}."
        )
    if ev and not contract.controls:
        raise UsageError(
            "`brightness` is for models with a brightness control, such as dashcam_net_v2. "
            f"Received: {ev} for a model that takes "
            f"{', '.join(port.name for port in contract.inputs)}. Leave it out."
        )


def with_brightness(
    contract: Contract, inputs: Mapping[str, np.ndarray], ev: float
) -> dict[str, np.ndarray]:
    """Return inputs with the control set.

    Args:
        contract: The model's ports.
        inputs: Port -> image.
        ev: In [-MAX_BRIGHTNESS_EV, MAX_BRIGHTNESS_EV]; 0 keeps a control that is among the inputs,
            and else makes it automatic.

    Returns:
        Port -> image; the control as (1, 1, 1, 2) float32.

    Raises:
        UsageError: See `check_brightness`.
    """
    check_brightness(contract, ev)
    level = np.float32(ev / MAX_BRIGHTNESS_EV)
    setting = np.float32([max(0, level), max(0, -level)]).reshape(1, 1, 1, 2)
    settings = {port.name: setting for port in contract.controls if port.name != MEMORY}
    return {**inputs, **settings} if ev else {**settings, **inputs}
