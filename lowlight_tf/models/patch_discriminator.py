"""The PatchGAN discriminator of pix2pix: classifies every patch of an image as real or fake."""

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
    """Build the discriminator of a generator, with a receptive field of 70x70 pixels.

    4x4 convolutions with LeakyReLU 0.2: `depth` of stride 2 and one of stride 1, with 64, 128, 256
    and 512 filters, all but the first normalized; one more of stride 1 outputs the logit of each
    patch. With 64 filters, conditioned on a color image, they have 2,768,705 weights, as published.

    The inputs of the generator are inputs of the discriminator too, so that it can classify whether
    an image is the right one and not only a plausible one. Where the generator's output is larger
    than its inputs, these are unfolded to its size by depth-to-space: packed Bayer becomes the
    mosaic again. For a fusion model the output is the only input: both real images would be equal
    to a condition.

    Args:
        contract: Of the generator. Thumbnail inputs are not used.
        filters: Channels of the first convolution; the others have up to eight times as many.
        depth: Number of convolutions of stride 2. The receptive field is 16, 34, 70 and 142 pixels
            for 1 to 4.
        normalization: "instance", independent of the other images of the batch; "batch", as the
            paper writes, which with its batches of one image is the former, and as in the attention
            U-Net GAN with batches of 16; or "none".
        conditional: Concatenate the generator's inputs; False uses the output only, as in SRGAN.
            The noise of the inputs hides what is left of it in the output.
        name: Name of the Keras model.

    Returns:
        A model from {port: (B, h, w, C)} of the inputs and {output port: (B, H, W, C)} to
        logits (B, ceil(H / 2**depth), ceil(W / 2**depth), 1); real if above 0.

    Raises:
        UsageError: If a number is less than 1, the normalization is unknown, or inputs cannot be
            unfolded to the size of the output.

    Reference:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
        https://arxiv.org/abs/1611.07004

    Differences from the paper:
        The last two convolutions pad by one pixel more, so that images of any size are accepted
        (the logits of 256 pixels are 32x32, not 30x30). Zero padding, as in the authors' code; the
        attention U-Net GAN uses reflection.
    """
    checks.check_min("filters", filters, 1)
    checks.check_min("depth", depth, 1)
    checks.check_choice("normalization", normalization, NORMALIZATIONS)

    def conv(channels: int, stride: int, name: str, use_bias: bool) -> layers.Layer:
        return layers.Conv2D(
            channels, 4, stride, padding="same", use_bias=use_bias, name=name,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
        )  # fmt: skip

    (output,) = contract.outputs
    ports = contract.image_inputs if conditional and not contract.is_fusion else ()
    inputs = {p.name: keras.Input((None, None, p.channels), name=p.name) for p in (*ports, output)}
    image = inputs[output.name]
    conditions = [inputs[port.name] for port in ports]
    if contract.scale > 1:
        for port in ports:
            if port.channels % contract.scale**2:
                raise checks.UsageError(
                    f"Inputs of a model with an output of {contract.scale} times their size must "
                    f"have a multiple of {contract.scale**2} channels, to be unfolded. Received: "
                    f"{port.name} of {port.channels} channels."
                )
        unfold = DepthToSpace(contract.scale, name="unfold")
        conditions = [unfold([condition, image]) for condition in conditions]
    x = layers.Concatenate(name="beside")([*conditions, image]) if conditions else image

    for level in range(depth + 1):
        channels = filters * min(2**level, 8)
        normalized = level > 0 and normalization != "none"
        x = conv(channels, 2 if level < depth else 1, f"conv{level}", not normalized)(x)
        if normalized:
            x = NORMALIZATIONS[normalization](channels, f"norm{level}")(x)
        x = layers.LeakyReLU(0.2, name=f"act{level}")(x)
    return keras.Model(inputs, conv(1, 1, "logits", True)(x), name=name)
