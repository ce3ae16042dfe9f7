"""Registries of models, losses and baselines, and of metrics (`metric_catalog`), by name.

The two modules are the only ones that refer to others by string.
"""

import dataclasses

from lowlight_tf import legacy_names
from lowlight_tf.contract import (
    ENHANCE,
    ENHANCE_PLANES,
    ENHANCE_PLANES_OVER_TIME,
    ENHANCE_WITH_BRIGHTNESS,
    ENHANCE_WITH_THUMBNAIL,
    FUSE,
    FUSE_WITH_THUMBNAILS,
    RAW_TO_RGB,
    RAW_TO_RGB_HALF,
    Contract,
)
from lowlight_tf.metric_catalog import FUSION_INPUTS, METRICS, Metric
from lowlight_tf.registry import Entry, Registry

__all__ = [
    "BASELINES",
    "DISCRIMINATORS",
    "ENGINES",
    "FUSION_INPUTS",
    "GAN_LOSSES",
    "LOSSES",
    "METRICS",
    "MODELS",
    "Baseline",
    "Loss",
    "Metric",
    "Model",
]


@dataclasses.dataclass(frozen=True)
class Model(Entry):
    """A function that builds a Keras model, and the contract of that model.

    Attributes:
        contract: Ports that it is trained and evaluated with.
        deployed_contract: Ports of its exported files, if they are others.
        needs_initial_weights: Only a part is trained; the rest gets the weights of another run.
    """

    contract: Contract
    deployed_contract: Contract | None = None
    needs_initial_weights: bool = False


@dataclasses.dataclass(frozen=True)
class Baseline(Entry):
    """A classical method, a function of images, and its contract."""

    contract: Contract


@dataclasses.dataclass(frozen=True)
class Loss(Entry):
    """A loss function of images, and the names of the images of a batch that it is called with."""

    inputs: tuple[str, ...]


MODELS = Registry(
    "model",
    am_fusion=Model("lowlight_tf.models.am_fusion:am_fusion", FUSE_WITH_THUMBNAILS),
    attention_unet=Model("lowlight_tf.models.attention_unet:attention_unet", RAW_TO_RGB),
    attention_unet_half=Model(
        "lowlight_tf.models.attention_unet:attention_unet_half", RAW_TO_RGB_HALF
    ),
    can24=Model("lowlight_tf.models.can24:can24", ENHANCE),
    dashcam_net=Model("lowlight_tf.models.dashcam_net:dashcam_net", ENHANCE_WITH_THUMBNAIL),
    dashcam_net_v2=Model(
        "lowlight_tf.models.dashcam_net_v2:dashcam_net_v2", ENHANCE_WITH_BRIGHTNESS
    ),
    dashcam_net_yuv=Model(
        "lowlight_tf.models.dashcam_net_yuv:dashcam_net_yuv",
        ENHANCE_WITH_BRIGHTNESS,
        ENHANCE_PLANES,
    ),
    dashcam_net_temporal=Model(
        "lowlight_tf.models.dashcam_net_temporal:dashcam_net_temporal",
        ENHANCE_WITH_BRIGHTNESS,
        ENHANCE_PLANES_OVER_TIME,
        needs_initial_weights=True,
    ),
    did_fuse=Model("lowlight_tf.models.did_fuse:did_fuse", FUSE),
    driving_unet=Model("lowlight_tf.models.driving_unet:driving_unet", ENHANCE),
    mirnet=Model("lowlight_tf.models.mirnet:mirnet", ENHANCE),
    sid_unet=Model("lowlight_tf.models.sid_unet:sid_unet", RAW_TO_RGB),
    zero_dce=Model("lowlight_tf.models.zero_dce:zero_dce", ENHANCE),
)
"""Name -> model."""

DISCRIMINATORS = Registry(
    "discriminator",
    patch_discriminator=Entry("lowlight_tf.models.patch_discriminator:patch_discriminator"),
)
"""Name -> discriminator."""

GAN_LOSSES = Registry(
    "adversarial loss",
    bce=Entry("lowlight_tf.losses.adversarial:BCE"),
    least_squares=Entry("lowlight_tf.losses.adversarial:LEAST_SQUARES"),
    hinge=Entry("lowlight_tf.losses.adversarial:HINGE"),
)
"""Name -> losses of generator and discriminator."""

LOSSES = Registry(
    "loss",
    aliases=legacy_names.LOSSES,
    charbonnier=Loss("lowlight_tf.losses.fidelity:charbonnier", ("target", "enhanced")),
    gt_mean_charbonnier=Loss(
        "lowlight_tf.losses.fidelity:gt_mean_charbonnier", ("target", "enhanced")
    ),
    distillation=Loss("lowlight_tf.losses.fidelity:charbonnier", ("teacher_output", "enhanced")),
    l1=Loss("lowlight_tf.losses.fidelity:l1", ("target", "enhanced")),
    mse=Loss("lowlight_tf.losses.fidelity:mse", ("target", "enhanced")),
    ssim=Loss("lowlight_tf.losses.fidelity:ssim", ("target", "enhanced")),
    ms_ssim=Loss("lowlight_tf.losses.fidelity:ms_ssim", ("target", "enhanced")),
    log_ms_ssim=Loss("lowlight_tf.losses.fidelity:log_ms_ssim", ("target", "enhanced")),
    psnr=Loss("lowlight_tf.losses.fidelity:psnr", ("target", "enhanced")),
    inverse_psnr=Loss("lowlight_tf.losses.fidelity:inverse_psnr", ("target", "enhanced")),
    log_noise_ratio=Loss(
        "lowlight_tf.losses.fidelity:log_noise_ratio", ("low", "target", "enhanced")
    ),
    lpips=Loss("lowlight_tf.losses.perceptual:lpips", ("target", "enhanced")),
    lpips_half_res=Loss("lowlight_tf.losses.perceptual:lpips_half_res", ("target", "enhanced")),
    fft_l1=Loss("lowlight_tf.losses.fft:fft_l1", ("target", "enhanced")),
    spatial_consistency=Loss(
        "lowlight_tf.losses.zero_reference:spatial_consistency", ("low", "enhanced")
    ),
    exposure=Loss("lowlight_tf.losses.zero_reference:exposure", ("enhanced",)),
    color_constancy=Loss("lowlight_tf.losses.zero_reference:color_constancy", ("enhanced",)),
    curve_smoothness=Loss("lowlight_tf.losses.zero_reference:curve_smoothness", ("curves",)),
    max_intensity=Loss("lowlight_tf.losses.fusion:max_intensity", FUSION_INPUTS),
    max_gradient=Loss("lowlight_tf.losses.fusion:max_gradient", FUSION_INPUTS),
    max_contrast=Loss("lowlight_tf.losses.fusion:max_contrast", FUSION_INPUTS),
    edge_preservation=Loss("lowlight_tf.losses.fusion:edge_preservation", FUSION_INPUTS),
    source_vif=Loss("lowlight_tf.losses.fusion:source_vif", FUSION_INPUTS),
    source_ssim=Loss("lowlight_tf.losses.fusion:source_ssim", FUSION_INPUTS),
    regional_intensity=Loss(
        "lowlight_tf.losses.illumination:regional_intensity", (*FUSION_INPUTS, "visible_glance")
    ),
    regional_gradient=Loss(
        "lowlight_tf.losses.illumination:regional_gradient", (*FUSION_INPUTS, "visible_glance")
    ),
    illumination=Loss(
        "lowlight_tf.losses.illumination:illumination", ("visible", "fused", "visible_glance")
    ),
    daylight=Loss("lowlight_tf.losses.illumination:daylight", ("visible", "fused", "visible_mean")),
    structure_in_glare=Loss(
        "lowlight_tf.losses.illumination:structure_in_glare", (*FUSION_INPUTS, "visible_mean")
    ),
    detector_consistency=Loss("lowlight_tf.losses.semantic:DetectorConsistency", FUSION_INPUTS),
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
"""Name -> loss."""

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
"""Name -> classical method."""

ENGINES = Registry(
    "engine",
    keras=Entry("lowlight_tf.export.keras_engine:KerasEngine"),
)
