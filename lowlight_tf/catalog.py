"""Every name the house knows, one line each. The only file that names rooms by string."""

import dataclasses

from lowlight_tf.contract import ENHANCE, EXPOSE, Contract
from lowlight_tf.registry import Entry, Registry


@dataclasses.dataclass(frozen=True)
class Model(Entry):
    """A function that builds a Keras model, and what that model takes and gives."""

    contract: Contract


@dataclasses.dataclass(frozen=True)
class Loss(Entry):
    """A function of images, and which images of a batch it is called with."""

    takes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Metric(Entry):
    """A function of images, uint8 or float in [0, 1], to one number, and how that is written.

    Attributes:
        unit: Of the number; "" where it has none.
        digits: How many decimals a table shows.
        takes: Which images it is called with: "target", "low" (the dark picture), "enhanced".
            With a target among them it goes by a protocol, see `metrics.fidelity.under`; without,
            it is always that of the 8-bit pictures as they are.
    """

    unit: str
    digits: int = 3
    takes: tuple[str, ...] = ("target", "enhanced")

    @property
    def judges_alone(self) -> bool:
        """Whether it needs no target."""
        return "target" not in self.takes


MODELS = Registry(
    "model",
    dashcam_net=Model("lowlight_tf.models.dashcam_net:dashcam_net", EXPOSE),
    driving_unet=Model("lowlight_tf.models.driving_unet:driving_unet", ENHANCE),
    mirnet=Model("lowlight_tf.models.mirnet:mirnet", ENHANCE),
)

LOSSES = Registry(
    "loss",
    charbonnier=Loss("lowlight_tf.losses.fidelity:charbonnier", ("target", "enhanced")),
    distilled=Loss("lowlight_tf.losses.fidelity:charbonnier", ("taught", "enhanced")),
    l1=Loss("lowlight_tf.losses.fidelity:l1", ("target", "enhanced")),
    ssim=Loss("lowlight_tf.losses.fidelity:ssim", ("target", "enhanced")),
    ms_ssim=Loss("lowlight_tf.losses.fidelity:ms_ssim", ("target", "enhanced")),
    log_ms_ssim=Loss("lowlight_tf.losses.fidelity:log_ms_ssim", ("target", "enhanced")),
    psnr=Loss("lowlight_tf.losses.fidelity:psnr", ("target", "enhanced")),
    inverse_psnr=Loss("lowlight_tf.losses.fidelity:inverse_psnr", ("target", "enhanced")),
    lpips=Loss("lowlight_tf.losses.perceptual:lpips", ("target", "enhanced")),
    half_lpips=Loss("lowlight_tf.losses.perceptual:half_lpips", ("target", "enhanced")),
    frequency=Loss("lowlight_tf.losses.frequency:frequency", ("target", "enhanced")),
)

METRICS = Registry(
    "metric",
    psnr=Metric("lowlight_tf.metrics.fidelity:psnr", "dB", 2),
    ssim=Metric("lowlight_tf.metrics.fidelity:ssim", "", 4),
    mae=Metric("lowlight_tf.metrics.fidelity:mae", "", 4),
    lpips=Metric("lowlight_tf.metrics.perceptual:lpips", "", 4),
    niqe=Metric("lowlight_tf.metrics.naturalness:niqe", "", 2, ("enhanced",)),
    loe=Metric("lowlight_tf.metrics.naturalness:loe", "", 0, ("low", "enhanced")),
    brightness=Metric("lowlight_tf.metrics.naturalness:brightness", "", 3, ("enhanced",)),
    clipped=Metric("lowlight_tf.metrics.glare:clipped", "%", 2, ("enhanced",)),
    glare=Metric("lowlight_tf.metrics.glare:glare", "", 2, ("low", "enhanced")),
)

ENGINES = Registry(
    "engine",
    keras=Entry("lowlight_tf.export.keras_engine:KerasEngine"),
)
