"""What a model is for: enhancing an image, fusing two, developing RAW. One class for each.

A contract names its task; everything at run time that depends on it is asked here. Evaluation,
calibration and training have counterparts in `evaluation.tasks`, `export.calibration_data` and
`training.tasks`.
"""

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Contract
from lowlight_tf.runtime import input_checks
from lowlight_tf.runtime.develop import develop
from lowlight_tf.runtime.engine import Engine
from lowlight_tf.runtime.enhance import enhance
from lowlight_tf.runtime.fuse import fuse


class Task(abc.ABC):
    """How a model of one kind is checked and run.

    Attributes:
        name: `Contract.task`.
        past_tense: What was done, for messages.
    """

    name: str
    past_tense: str

    @abc.abstractmethod
    def check_model(self, contract: Contract) -> None:
        """Refuse a model whose ports are not those of this task."""

    @abc.abstractmethod
    def run(self, engine: Engine, images: Mapping[str, Any], **options: Any) -> np.ndarray:
        """Return (H, W, 3), what an engine makes of full images.

        Args:
            engine: A model of this task.
            images: What `enhance`, `fuse` or `develop` takes; the first is the only one but for
                fusion, whatever its name.
            **options: Passed on to that function.
        """


class EnhanceTask(Task):
    """From one color image to one."""

    name = "enhance"
    past_tense = "enhanced"

    def check_model(self, contract: Contract) -> None:
        """See `Task`."""
        input_checks.check_enhancement_model(contract)

    def run(self, engine: Engine, images: Mapping[str, Any], **options: Any) -> np.ndarray:
        """See `Task` and `runtime.enhance`."""
        return enhance(engine, next(iter(images.values())), **options)


class FuseTask(Task):
    """From a visible and an infrared image to one color image."""

    name = "fuse"
    past_tense = "fused"

    def check_model(self, contract: Contract) -> None:
        """See `Task`."""
        input_checks.check_fusion_model(contract)

    def run(self, engine: Engine, images: Mapping[str, Any], **options: Any) -> np.ndarray:
        """See `Task` and `runtime.fuse`."""
        if "infrared" not in images:
            raise UsageError(
                f"{engine.name} fuses two cameras. Received images of one. Pass the infrared image."
            )
        return fuse(engine, next(iter(images.values())), images["infrared"], **options)


class RawToRgbTask(Task):
    """From a RAW image to a color image."""

    name = "raw_to_rgb"
    past_tense = "developed"

    def check_model(self, contract: Contract) -> None:
        """See `Task`."""
        input_checks.check_raw_model(contract)

    def run(self, engine: Engine, images: Mapping[str, Any], **options: Any) -> np.ndarray:
        """See `Task` and `runtime.develop`; `ratio` is among the options."""
        return develop(engine, next(iter(images.values())), **options)


TASKS = {task.name: task for task in (EnhanceTask(), FuseTask(), RawToRgbTask())}
"""`Contract.task` -> the task."""


def task_of(contract: Contract) -> Task:
    """Return the task that a model of this contract is for."""
    return TASKS[contract.task]
