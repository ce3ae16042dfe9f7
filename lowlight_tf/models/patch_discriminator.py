"""The critic of pix2pix: says of every patch of a picture whether it is real."""

import keras
from keras import layers

from lowlight_tf import checks
from lowlight_tf.contract import Contract
from lowlight_tf.layers.normalization import GroupNormalization
from lowlight_tf.layers.resample import DepthToSpace

NORMALIZATIONS = {
    "instance": lambda channels, name: GroupNormalization(channels, name=name),
    "batch": lambda _, name: layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name),
    "none": lambda _, name: layers.Identity(name=name),
}


def patch_discriminator(
    contract: Contract,
    *,
    filters: int = 64,
    depth: int = 3,
    normalization: str = "instance",
    conditional: bool = True,
    name: str = "patch_discriminator",
) -> keras.Model:
    """Build the critic of a net, blind to all but patches of 70x70 pixels.

    Convolutions of 4x4 with LeakyReLU 0.2: `depth` of stride 2 and one of stride 1, with 64, 128,
    256 and 512 filters, all but the first normalized; one more of stride 1 gives the logit of each
    patch. With 64 filters beside a color picture they have 2,768,705 weights, as published.

    The critic sees what the net saw, so that it can tell whether a picture is the right one and not
    only a good one. Where the net's output is larger than its inputs they are laid out to its size
    by depth-to-space: packed Bayer becomes the mosaic again. Of a net that fuses it sees the output
    alone: both real pictures would lie beside themselves.

    Args:
        contract: Of the net that it judges. Thumbnails are not looked at.
        filters: Feature maps of the first convolution; the others have up to eight times as many.
        depth: How many convolutions halve the picture. Patches are of 16, 34, 70 and 142 pixels for
            1 to 4.
        normalization: "instance", by which a picture is judged alike in every batch; "batch", as
            the paper writes, whose batches of one picture make it the former, and as the attention
            U-Net GAN has it with batches of 16; or "none".
        conditional: Show it what the net saw; False shows it the output alone, as in SRGAN. Noise
            of the inputs, which lies over everything else, hides what is left of it in the output.
        name: Name of the Keras model.

    Returns:
        A model from {port: (B, h, w, C)} of the inputs and {output port: (B, H, W, C)} to
        logits (B, ceil(H / 2**depth), ceil(W / 2**depth), 1); above 0 is real.

    Raises:
        UsageError: If a number is less than 1, the normalization is unknown, or inputs cannot be
            laid out to the size of the output.

    Reference:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
        https://arxiv.org/abs/1611.07004

    Differences from the paper:
        The last two convolutions pad by one pixel more, so that pictures of any size can be judged
        (the logits of 256 pixels are 32x32, not 30x30). Borders are zeros, as in the authors' code;
        the attention U-Net GAN mirrors them.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("depth", depth, 1)
    checks.check_choice("normalization", normalization, NORMALIZATIONS)

    def conv(channels: int, stride: int, name: str, biased: bool) -> layers.Layer:
        return layers.Conv2D(
            channels, 4, stride, padding="same", use_bias=biased, name=name,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
        )  # fmt: skip

    (output,) = contract.outputs
    seen = contract.image_inputs if conditional and not contract.is_fusion else ()
    inputs = {p.name: keras.Input((None, None, p.channels), name=p.name) for p in (*seen, output)}
    picture = inputs[output.name]
    laid = [inputs[port.name] for port in seen]
    if contract.scale > 1:
        for port in seen:
            if port.channels % contract.scale**2:
                raise checks.UsageError(
                    f"Inputs are laid beside an output of {contract.scale} times their size by "
                    f"folding {contract.scale**2} channels into one. Received: {port.name} of "
                    f"{port.channels} channels."
                )
        unfold = DepthToSpace(contract.scale, name="unfold")
        laid = [unfold([image, picture]) for image in laid]
    x = layers.Concatenate(name="beside")([*laid, picture]) if laid else picture

    for level in range(depth + 1):
        channels = filters * min(2**level, 8)
        plain = level == 0 or normalization == "none"
        x = conv(channels, 2 if level < depth else 1, f"conv{level}", plain)(x)
        if not plain:
            x = NORMALIZATIONS[normalization](channels, f"norm{level}")(x)
        x = layers.LeakyReLU(0.2, name=f"act{level}")(x)
    return keras.Model(inputs, conv(1, 1, "logits", True)(x), name=name)
