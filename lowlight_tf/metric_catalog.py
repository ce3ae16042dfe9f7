"""The registry of metrics: what each measures, in which unit and range, and which way is better."""

import dataclasses
from math import inf

from lowlight_tf import legacy_names
from lowlight_tf.registry import Entry, Registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric(Entry):
    """A function from images, uint8 or float in [0, 1], to one number, and how it is reported.

    Attributes:
        higher_is_better: True or False, or None if neither direction is better.
        value_range: Lowest and highest possible value, in the unit.
        unit: Of the number; "" if it has none.
        digits: Decimals in tables.
        inputs: Names of the images that it is called with: "target", "low" (the low-light input),
            "enhanced"; or "visible", "infrared", "fused". With a target, it is computed under a
            protocol, see `metrics.fidelity.apply_protocol`; without, on the 8-bit images.
        protocols: Protocols of a metric without a target: it is called with `protocol=`.
        definition: What is measured, on which channels, and how two sources are combined.
    """

    higher_is_better: bool | None
    value_range: tuple[float, float]
    unit: str = ""
    digits: int = 3
    inputs: tuple[str, ...] = ("target", "enhanced")
    protocols: tuple[str, ...] = ()
    definition: str

    @property
    def no_reference(self) -> bool:
        """Whether it is computed without a target."""
        return "target" not in self.inputs

    @property
    def has_protocol(self) -> bool:
        """Whether its values must be reported with the name of the protocol."""
        return not self.no_reference or bool(self.protocols)

    @property
    def direction(self) -> str:
        """The better direction, "higher" or "lower"; "" if neither is."""
        return {True: "higher", False: "lower", None: ""}[self.higher_is_better]

    @property
    def range_text(self) -> str:
        """The range for tables, such as "0 to 8" or "from 0"; "" if it is unlimited."""
        low, high = self.value_range
        if high == inf:
            return f"from {low:g}" if low > -inf else ""
        return f"{low:g} to {high:.4g}"

    def describe(self) -> str:
        """Return the definition with the better direction, if there is one."""
        return (
            f"{self.definition}; {self.direction} is better" if self.direction else self.definition
        )


FUSION_INPUTS = ("visible", "infrared", "fused")
"""Inputs of a fusion metric that compares with both sources."""

METRICS = Registry(
    "metric",
    aliases=legacy_names.METRICS,
    psnr=Metric(
        path="lowlight_tf.metrics.fidelity:psnr",
        higher_is_better=True,
        value_range=(0, inf),
        unit="dB",
        digits=2,
        definition="peak 255, squared errors to the target pooled over RGB",
    ),
    ssim=Metric(
        path="lowlight_tf.metrics.fidelity:ssim",
        higher_is_better=True,
        value_range=(-1, 1),
        digits=4,
        definition="to the target, Gaussian windows of 11x11, mean over RGB",
    ),
    mae=Metric(
        path="lowlight_tf.metrics.fidelity:mae",
        higher_is_better=False,
        value_range=(0, 1),
        digits=4,
        definition="absolute error to the target of levels in [0, 1], pooled over RGB",
    ),
    lpips=Metric(
        path="lowlight_tf.metrics.perceptual:lpips",
        higher_is_better=False,
        value_range=(0, inf),
        digits=4,
        definition="learned perceptual distance to the target (AlexNet 0.1), RGB",
    ),
    niqe=Metric(
        path="lowlight_tf.metrics.naturalness:niqe",
        higher_is_better=False,
        value_range=(0, inf),
        digits=2,
        inputs=("enhanced",),
        definition="distance from our statistics of photographs (luma), not MATLAB's",
    ),
    loe=Metric(
        path="lowlight_tf.metrics.naturalness:loe",
        higher_is_better=False,
        value_range=(0, inf),
        digits=0,
        inputs=("low", "enhanced"),
        definition="mean count of changes of order (maximum of RGB), shorter side of 50 pixels",
    ),
    brightness=Metric(
        path="lowlight_tf.metrics.naturalness:brightness",
        higher_is_better=None,
        value_range=(0, 1),
        inputs=("enhanced",),
        definition="mean luma in [0, 1]",
    ),
    clipped_fraction=Metric(
        path="lowlight_tf.metrics.glare:clipped_fraction",
        higher_is_better=False,
        value_range=(0, 100),
        unit="%",
        digits=2,
        inputs=("enhanced",),
        definition="pixels with a channel of RGB at 255",
    ),
    highlight_growth=Metric(
        path="lowlight_tf.metrics.glare:highlight_growth",
        higher_is_better=False,
        value_range=(0, inf),
        digits=2,
        inputs=("low", "enhanced"),
        definition="area with a luma from 0.98 near the highlights of the input, over their area",
    ),
    entropy=Metric(
        path="lowlight_tf.metrics.fusion:entropy",
        higher_is_better=True,
        value_range=(0, 8),
        unit="bits",
        inputs=("fused",),
        definition="EN, of the 256 levels of luma, bits",
    ),
    mutual_information=Metric(
        path="lowlight_tf.metrics.fusion:mutual_information",
        higher_is_better=True,
        value_range=(0, 16),
        unit="bits",
        inputs=FUSION_INPUTS,
        definition="MI with each source, luma, bits (not nats), sum of both",
    ),
    normalized_mutual_information=Metric(
        path="lowlight_tf.metrics.fusion:normalized_mutual_information",
        higher_is_better=True,
        value_range=(0, 2),
        inputs=FUSION_INPUTS,
        definition="Hossny's, 2 MI / (H + H), luma, sum of both sources",
    ),
    source_psnr=Metric(
        path="lowlight_tf.metrics.fusion:source_psnr",
        higher_is_better=True,
        value_range=(0, inf),
        unit="dB",
        digits=2,
        inputs=FUSION_INPUTS,
        protocols=("plain", "unit_range"),
        definition=(
            "luma, of the mean MSE of both sources, peak 255 of 8 bits (protocol unit_range: peak "
            "255 of levels in [0, 1], 48.13 dB more)"
        ),
    ),
    source_mse=Metric(
        path="lowlight_tf.metrics.fusion:source_mse",
        higher_is_better=False,
        value_range=(0, 1),
        digits=4,
        inputs=FUSION_INPUTS,
        definition="squared error of luma levels in [0, 1], mean of both sources",
    ),
    standard_deviation=Metric(
        path="lowlight_tf.metrics.fusion:standard_deviation",
        higher_is_better=True,
        value_range=(0, 127.5),
        digits=2,
        inputs=("fused",),
        definition="SD of luma levels 0 to 255, over all pixels",
    ),
    spatial_frequency=Metric(
        path="lowlight_tf.metrics.fusion:spatial_frequency",
        higher_is_better=True,
        value_range=(0, 255 * 2**0.5),
        digits=2,
        inputs=("fused",),
        definition="SF, RMS of the differences in both directions, luma 0 to 255",
    ),
    average_gradient=Metric(
        path="lowlight_tf.metrics.fusion:average_gradient",
        higher_is_better=True,
        value_range=(0, 255),
        digits=2,
        inputs=("fused",),
        definition="AG, sqrt((dx^2 + dy^2) / 2), central differences, luma 0 to 255",
    ),
    edge_intensity=Metric(
        path="lowlight_tf.metrics.fusion:edge_intensity",
        higher_is_better=True,
        value_range=(0, 1020 * 2**0.5),
        digits=2,
        inputs=("fused",),
        definition="EI, mean strength of Sobel edges, luma 0 to 255",
    ),
    scd=Metric(
        path="lowlight_tf.metrics.fusion:scd",
        higher_is_better=True,
        value_range=(-2, 2),
        inputs=FUSION_INPUTS,
        definition="correlation of (fused - one source) and the other source, luma, sum of both",
    ),
    vif=Metric(
        path="lowlight_tf.metrics.fusion_structure:vif",
        higher_is_better=True,
        value_range=(0, inf),
        inputs=FUSION_INPUTS,
        definition="VIFp in the pixel domain, 4 scales, luma, 1 for an equal source, sum of both",
    ),
    qabf=Metric(
        path="lowlight_tf.metrics.fusion_structure:qabf",
        higher_is_better=True,
        value_range=(0, 0.975),
        inputs=FUSION_INPUTS,
        definition="Xydeas and Petrovic, luma, both sources weighed by their edges",
    ),
    source_ssim=Metric(
        path="lowlight_tf.metrics.fusion_structure:source_ssim",
        higher_is_better=True,
        value_range=(-2, 2),
        inputs=FUSION_INPUTS,
        definition="luma, Gaussian windows of 11x11, sum of both sources",
    ),
    qcb=Metric(
        path="lowlight_tf.metrics.fusion_perception:qcb",
        higher_is_better=True,
        value_range=(0, 1),
        inputs=FUSION_INPUTS,
        definition="Chen and Blum, perceived local contrast, stretched luma, both sources",
    ),
    qcv=Metric(
        path="lowlight_tf.metrics.fusion_perception:qcv",
        higher_is_better=False,
        value_range=(0, inf),
        digits=1,
        inputs=FUSION_INPUTS,
        definition="Chen and Varshney, perceived difference in salient regions, stretched luma",
    ),
    cross_entropy=Metric(
        path="lowlight_tf.metrics.fusion:cross_entropy",
        higher_is_better=False,
        value_range=(-inf, inf),
        unit="bits",
        inputs=FUSION_INPUTS,
        definition="CE, p log2(p / q) of histograms of luma, bits, mean of both",
    ),
    dark_luma=Metric(
        path="lowlight_tf.metrics.light:dark_luma",
        higher_is_better=None,
        value_range=(0, 1),
        inputs=("visible", "fused"),
        definition="mean luma where blurred visible luma is below 0.25; higher is brighter",
    ),
    normal_luma=Metric(
        path="lowlight_tf.metrics.light:normal_luma",
        higher_is_better=None,
        value_range=(0, 1),
        inputs=("visible", "fused"),
        definition="mean luma where blurred visible luma is 0.25 to 0.75; should not change",
    ),
    glare_luma=Metric(
        path="lowlight_tf.metrics.light:glare_luma",
        higher_is_better=None,
        value_range=(0, 1),
        inputs=("visible", "fused"),
        definition="mean luma where blurred visible luma is above 0.75; lower is less glare",
    ),
    dark_detail=Metric(
        path="lowlight_tf.metrics.light:dark_detail",
        higher_is_better=True,
        value_range=(0, 1),
        inputs=FUSION_INPUTS,
        definition="fraction of the larger source's luma gradient preserved in dark regions",
    ),
    normal_detail=Metric(
        path="lowlight_tf.metrics.light:normal_detail",
        higher_is_better=True,
        value_range=(0, 1),
        inputs=FUSION_INPUTS,
        definition="fraction of the larger source's luma gradient preserved in normal regions",
    ),
    glare_detail=Metric(
        path="lowlight_tf.metrics.light:glare_detail",
        higher_is_better=True,
        value_range=(0, 1),
        inputs=FUSION_INPUTS,
        definition="fraction of the larger source's luma gradient preserved in glare",
    ),
    dark_crushed=Metric(
        path="lowlight_tf.metrics.light:dark_crushed",
        higher_is_better=False,
        value_range=(0, 100),
        unit="%",
        digits=2,
        inputs=("visible", "fused"),
        definition="pixels of the visible image's dark regions with a luma up to 0.02",
    ),
    glare_saturated=Metric(
        path="lowlight_tf.metrics.light:glare_saturated",
        higher_is_better=False,
        value_range=(0, 100),
        unit="%",
        digits=2,
        inputs=("visible", "fused"),
        definition="pixels of the visible image's glare with a luma from 0.98",
    ),
    sky_luma_ratio=Metric(
        path="lowlight_tf.metrics.light:sky_luma_ratio",
        higher_is_better=None,
        value_range=(0, inf),
        inputs=("visible", "fused"),
        definition="luma of a bright sky by day, relative to the visible image's; 1 is unchanged",
    ),
)
"""Name -> metric."""
