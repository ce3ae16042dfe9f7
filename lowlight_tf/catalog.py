"""Registries of models, losses, metrics and baselines. The only module that refers to others by string."""

import dataclasses

from lowlight_tf import legacy_names
from lowlight_tf.contract import (
    ENHANCE,
    ENHANCE_WITH_THUMBNAIL,
    FUSE,
    FUSE_WITH_THUMBNAILS,
    RAW_TO_RGB,
    RAW_TO_RGB_HALF,
    Contract,
)
from lowlight_tf.registry import Entry, Registry


@dataclasses.dataclass(frozen=True)
class Model(Entry):
    """A function that builds a Keras model, and what that model takes and gives."""

    contract: Contract


@dataclasses.dataclass(frozen=True)
class Baseline(Entry):
    """A function of images that has nothing to learn, and what it takes and gives."""

    contract: Contract


@dataclasses.dataclass(frozen=True)
class Loss(Entry):
    """A function of images, and which images of a batch it is called with."""

    inputs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Metric(Entry):
    """A function of images, uint8 or float in [0, 1], to one number, and how that is written.

    Attributes:
        unit: Of the number; "" where it has none.
        digits: How many decimals a table shows.
        inputs: Which images it is called with: "target", "low" (the dark picture), "enhanced"; or
            "visible", "infrared", "fused". With a target among them it goes by a protocol, see
            `metrics.fidelity.apply_protocol`; without, it is that of the 8-bit pictures as they are.
        protocols: Those that a metric without a target tells apart itself: it is called with
            `protocol=`.
        definition: Its card: what is measured, on which channels, in which unit, how that of two
            sources is joined, and which way is better.
    """

    unit: str
    digits: int = 3
    inputs: tuple[str, ...] = ("target", "enhanced")
    protocols: tuple[str, ...] = ()
    definition: str = dataclasses.field(kw_only=True)

    @property
    def no_reference(self) -> bool:
        """Whether it needs no target."""
        return "target" not in self.inputs

    @property
    def has_protocol(self) -> bool:
        """Whether its number means nothing without the protocol's name."""
        return not self.no_reference or bool(self.protocols)


FUSION_INPUTS = ("visible", "infrared", "fused")
"""What a metric of two cameras is called with."""

MODELS = Registry(
    "model",
    am_fusion=Model("lowlight_tf.models.am_fusion:am_fusion", FUSE_WITH_THUMBNAILS),
    attention_unet=Model("lowlight_tf.models.attention_unet:attention_unet", RAW_TO_RGB),
    attention_unet_half=Model(
        "lowlight_tf.models.attention_unet:attention_unet_half", RAW_TO_RGB_HALF
    ),
    can24=Model("lowlight_tf.models.can24:can24", ENHANCE),
    dashcam_net=Model("lowlight_tf.models.dashcam_net:dashcam_net", ENHANCE_WITH_THUMBNAIL),
    did_fuse=Model("lowlight_tf.models.did_fuse:did_fuse", FUSE),
    driving_unet=Model("lowlight_tf.models.driving_unet:driving_unet", ENHANCE),
    mirnet=Model("lowlight_tf.models.mirnet:mirnet", ENHANCE),
    sid_unet=Model("lowlight_tf.models.sid_unet:sid_unet", RAW_TO_RGB),
    zero_dce=Model("lowlight_tf.models.zero_dce:zero_dce", ENHANCE),
)
"""Name -> a net."""

DISCRIMINATORS = Registry(
    "discriminator",
    patch_discriminator=Entry("lowlight_tf.models.patch_discriminator:patch_discriminator"),
)
"""Name -> a net that a net is trained against."""

GAN_LOSSES = Registry(
    "adversarial loss",
    bce=Entry("lowlight_tf.losses.adversarial:BCE"),
    least_squares=Entry("lowlight_tf.losses.adversarial:LEAST_SQUARES"),
    hinge=Entry("lowlight_tf.losses.adversarial:HINGE"),
)
"""Name -> how the two are played against each other."""

LOSSES = Registry(
    "loss",
    aliases=legacy_names.LOSSES,
    charbonnier=Loss("lowlight_tf.losses.fidelity:charbonnier", ("target", "enhanced")),
    distillation=Loss("lowlight_tf.losses.fidelity:charbonnier", ("teacher_output", "enhanced")),
    l1=Loss("lowlight_tf.losses.fidelity:l1", ("target", "enhanced")),
    mse=Loss("lowlight_tf.losses.fidelity:mse", ("target", "enhanced")),
    ssim=Loss("lowlight_tf.losses.fidelity:ssim", ("target", "enhanced")),
    ms_ssim=Loss("lowlight_tf.losses.fidelity:ms_ssim", ("target", "enhanced")),
    log_ms_ssim=Loss("lowlight_tf.losses.fidelity:log_ms_ssim", ("target", "enhanced")),
    psnr=Loss("lowlight_tf.losses.fidelity:psnr", ("target", "enhanced")),
    inverse_psnr=Loss("lowlight_tf.losses.fidelity:inverse_psnr", ("target", "enhanced")),
    lpips=Loss("lowlight_tf.losses.perceptual:lpips", ("target", "enhanced")),
    lpips_half_res=Loss("lowlight_tf.losses.perceptual:lpips_half_res", ("target", "enhanced")),
    fft_l1=Loss("lowlight_tf.losses.fft:fft_l1", ("target", "enhanced")),
    spatial_consistency=Loss(
        "lowlight_tf.losses.zero_reference:spatial_consistency", ("low", "enhanced")
    ),
    exposure=Loss("lowlight_tf.losses.zero_reference:exposure", ("enhanced",)),
    color_constancy=Loss("lowlight_tf.losses.zero_reference:color_constancy", ("enhanced",)),
    curve_smoothness=Loss("lowlight_tf.losses.zero_reference:curve_smoothness", ("curves",)),
    max_intensity=Loss("lowlight_tf.losses.fusion:max_intensity", ("visible", "infrared", "fused")),
    max_gradient=Loss("lowlight_tf.losses.fusion:max_gradient", ("visible", "infrared", "fused")),
    source_ssim=Loss("lowlight_tf.losses.fusion:source_ssim", ("visible", "infrared", "fused")),
    regional_intensity=Loss(
        "lowlight_tf.losses.fusion:regional_intensity", ("visible", "infrared", "fused")
    ),
    regional_gradient=Loss(
        "lowlight_tf.losses.fusion:regional_gradient", ("visible", "infrared", "fused")
    ),
    illumination=Loss("lowlight_tf.losses.fusion:illumination", ("visible", "fused")),
    detector_consistency=Loss(
        "lowlight_tf.losses.semantic:DetectorConsistency", ("visible", "infrared", "fused")
    ),
    visible_reconstruction=Loss(
        "lowlight_tf.losses.fusion:reconstruction", ("visible", "visible_reconstructed")
    ),
    infrared_reconstruction=Loss(
        "lowlight_tf.losses.fusion:reconstruction", ("infrared", "infrared_reconstructed")
    ),
    visible_gradient=Loss(
        "lowlight_tf.losses.fusion:gradient", ("visible", "visible_reconstructed")
    ),
    base_difference=Loss(
        "lowlight_tf.losses.fusion:base_difference", ("visible_base", "infrared_base")
    ),
    detail_similarity=Loss(
        "lowlight_tf.losses.fusion:detail_similarity", ("visible_detail", "infrared_detail")
    ),
)
"""Name -> what training makes small."""

METRICS = Registry(
    "metric",
    aliases=legacy_names.METRICS,
    psnr=Metric(
        "lowlight_tf.metrics.fidelity:psnr",
        "dB",
        2,
        definition="peak 255, squared errors to the target pooled over RGB; higher is better",
    ),
    ssim=Metric(
        "lowlight_tf.metrics.fidelity:ssim",
        "",
        4,
        definition="to the target, 11x11 Gaussian windows, mean over RGB, to 1; higher is better",
    ),
    mae=Metric(
        "lowlight_tf.metrics.fidelity:mae",
        "",
        4,
        definition="error to the target of levels in [0, 1], pooled over RGB; lower is better",
    ),
    lpips=Metric(
        "lowlight_tf.metrics.perceptual:lpips",
        "",
        4,
        definition="learned distance to the target (AlexNet 0.1), RGB; lower is better",
    ),
    niqe=Metric(
        "lowlight_tf.metrics.naturalness:niqe",
        "",
        2,
        ("enhanced",),
        definition="from our good photographs' statistics of luma, not MATLAB's; lower is better",
    ),
    loe=Metric(
        "lowlight_tf.metrics.naturalness:loe",
        "",
        0,
        ("low", "enhanced"),
        definition="mean count of changes of order (largest of RGB), side 50; lower is better",
    ),
    brightness=Metric(
        "lowlight_tf.metrics.naturalness:brightness",
        "",
        3,
        ("enhanced",),
        definition="mean luma in [0, 1]; neither way is better",
    ),
    clipped_fraction=Metric(
        "lowlight_tf.metrics.glare:clipped_fraction",
        "%",
        2,
        ("enhanced",),
        definition="share of pixels with a channel of RGB at 255; lower is better",
    ),
    highlight_growth=Metric(
        "lowlight_tf.metrics.glare:highlight_growth",
        "",
        2,
        ("low", "enhanced"),
        definition="luma above 0.98 around lights, over the lights' own before; lower is better",
    ),
    entropy=Metric(
        "lowlight_tf.metrics.fusion:entropy",
        "bits",
        3,
        ("fused",),
        definition="EN, of the 256 levels of luma, bits; higher is better",
    ),
    mutual_information=Metric(
        "lowlight_tf.metrics.fusion:mutual_information",
        "bits",
        3,
        FUSION_INPUTS,
        definition="MI with each source, luma, bits (not nats), sum of both; higher is better",
    ),
    normalized_mutual_information=Metric(
        "lowlight_tf.metrics.fusion:normalized_mutual_information",
        "",
        3,
        FUSION_INPUTS,
        definition="Hossny's, 2 MI / (H + H), luma, 0 to 2, sum of both sources; higher is better",
    ),
    source_psnr=Metric(
        "lowlight_tf.metrics.fusion:source_psnr",
        "dB",
        2,
        FUSION_INPUTS,
        ("plain", "unit_range"),
        definition=(
            "luma, of the mean MSE of both sources, peak 255 of 8 bits (protocol unit_range: peak 255 of "
            "levels in [0, 1], 48.13 dB more); higher is better"
        ),
    ),
    source_mse=Metric(
        "lowlight_tf.metrics.fusion:source_mse",
        "",
        4,
        FUSION_INPUTS,
        definition="luma levels in [0, 1], mean of both sources; lower is better",
    ),
    standard_deviation=Metric(
        "lowlight_tf.metrics.fusion:standard_deviation",
        "",
        2,
        ("fused",),
        definition="SD of luma levels 0 to 255, over all pixels; higher is better",
    ),
    spatial_frequency=Metric(
        "lowlight_tf.metrics.fusion:spatial_frequency",
        "",
        2,
        ("fused",),
        definition="SF, root mean square of both steps, luma 0 to 255; higher is better",
    ),
    average_gradient=Metric(
        "lowlight_tf.metrics.fusion:average_gradient",
        "",
        2,
        ("fused",),
        definition="AG, sqrt((dx^2 + dy^2) / 2), central, luma 0 to 255; higher is better",
    ),
    scd=Metric(
        "lowlight_tf.metrics.fusion:scd",
        "",
        3,
        FUSION_INPUTS,
        definition="r(fused - one source, other source), luma, sum of both; higher is better",
    ),
    vif=Metric(
        "lowlight_tf.metrics.fusion_structure:vif",
        "",
        3,
        FUSION_INPUTS,
        definition="VIFp in pixels, 4 scales, luma, 1 for an equal, sum of both; higher is better",
    ),
    qabf=Metric(
        "lowlight_tf.metrics.fusion_structure:qabf",
        "",
        3,
        FUSION_INPUTS,
        definition="Xydeas and Petrovic, luma, both by their edges, to 0.975; higher is better",
    ),
    source_ssim=Metric(
        "lowlight_tf.metrics.fusion_structure:source_ssim",
        "",
        3,
        FUSION_INPUTS,
        definition="luma, Gaussian windows of 11x11, sum of both sources; higher is better",
    ),
    cross_entropy=Metric(
        "lowlight_tf.metrics.fusion:cross_entropy",
        "bits",
        3,
        FUSION_INPUTS,
        definition="CE, p log2(p / q) of histograms of luma, bits, mean of both; lower is better",
    ),
    dark_luma=Metric(
        "lowlight_tf.metrics.light:dark_luma",
        "",
        3,
        ("visible", "fused"),
        definition="mean, in [0, 1], where blurred visible luma is below 0.25; higher is lifted",
    ),
    normal_luma=Metric(
        "lowlight_tf.metrics.light:normal_luma",
        "",
        3,
        ("visible", "fused"),
        definition="mean, in [0, 1], where blurred visible luma is 0.25 to 0.75; to be kept",
    ),
    glare_luma=Metric(
        "lowlight_tf.metrics.light:glare_luma",
        "",
        3,
        ("visible", "fused"),
        definition="mean, in [0, 1], where blurred visible luma is above 0.75; lower is subdued",
    ),
    dark_detail=Metric(
        "lowlight_tf.metrics.light:dark_detail",
        "",
        3,
        FUSION_INPUTS,
        definition="of the stronger source's luma gradient kept in the dark; higher is better",
    ),
    normal_detail=Metric(
        "lowlight_tf.metrics.light:normal_detail",
        "",
        3,
        FUSION_INPUTS,
        definition="of the stronger source's luma gradient kept elsewhere; higher is better",
    ),
    glare_detail=Metric(
        "lowlight_tf.metrics.light:glare_detail",
        "",
        3,
        FUSION_INPUTS,
        definition="of the stronger source's luma gradient kept in glare; higher is better",
    ),
    dark_crushed=Metric(
        "lowlight_tf.metrics.light:dark_crushed",
        "%",
        2,
        ("visible", "fused"),
        definition="share of the visible's dark with a luma up to 0.02; lower is better",
    ),
    glare_saturated=Metric(
        "lowlight_tf.metrics.light:glare_saturated",
        "%",
        2,
        ("visible", "fused"),
        definition="share of the visible's glare with a luma from 0.98; lower is better",
    ),
)
"""Name -> what is measured, and its definition."""

BASELINES = Registry(
    "baseline",
    bimef=Baseline("lowlight_tf.classical.exposure_fusion:bimef", ENHANCE),
    clahe=Baseline("lowlight_tf.classical.tone:clahe", ENHANCE),
    gamma=Baseline("lowlight_tf.classical.tone:gamma", ENHANCE),
    histogram_equalization=Baseline("lowlight_tf.classical.tone:histogram_equalization", ENHANCE),
    inverted_dehaze=Baseline("lowlight_tf.classical.dehaze:inverted_dehaze", ENHANCE),
    lime=Baseline("lowlight_tf.classical.retinex:lime", ENHANCE),
    msr=Baseline("lowlight_tf.classical.retinex:msr", ENHANCE),
    msrcr=Baseline("lowlight_tf.classical.retinex:msrcr", ENHANCE),
    ssr=Baseline("lowlight_tf.classical.retinex:ssr", ENHANCE),
    average=Baseline("lowlight_tf.classical.fusion:average", FUSE),
    laplacian_pyramid=Baseline("lowlight_tf.classical.fusion:laplacian_pyramid", FUSE),
    guided_filter=Baseline("lowlight_tf.classical.fusion:guided_filter", FUSE),
    visible=Baseline("lowlight_tf.classical.fusion:visible", FUSE),
    infrared=Baseline("lowlight_tf.classical.fusion:infrared", FUSE),
    libraw=Baseline("lowlight_tf.classical.raw:libraw", RAW_TO_RGB),
    libraw_bt709=Baseline("lowlight_tf.classical.raw:libraw_bt709", RAW_TO_RGB),
)
"""Name -> what has nothing to learn."""

ENGINES = Registry(
    "engine",
    keras=Entry("lowlight_tf.export.keras_engine:KerasEngine"),
)
