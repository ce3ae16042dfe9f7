"""The head of models that brighten by a bounded tone curve, in which nothing can burn."""

from typing import NamedTuple

import keras
from keras import KerasTensor, layers
from keras.constraints import Constraint

from lowlight_tf.layers.clip import UnitClip
from lowlight_tf.layers.initialization import ChromaPixels

SLOPE = 16.0
"""Slope at black of the tone curve 1 - exp(-16 x), which is white to 1e-7."""

STRENGTH_BIAS = -2.0
"""Starts the strengths at 0.1. Curves amplify noise; from 0.5 a model learns to denoise half as
fast, for it has to undo them before its residual helps."""

RESIDUAL_GAIN = 40.0
"""Factor on a block's mean change by the full curve, at which its residual is let through: none
where the block is black or white, all where its mean is above half a code value. With less the
noise of dark surfaces decides block by block, and its pattern shows."""


CHROMA_GAIN = 12.0
"""Largest gain of chroma beside itself: with the slope of the curve at black, its color is kept."""


CHROMA_GATE_GAIN = 100.0
"""Factor on a pixel's change by the full curve, up to which its chroma is amplified: by half of
`CHROMA_GAIN` at 1 of 219 levels, by all from 2 on."""


class Curve(NamedTuple):
    """What `predict_curve` returns.

    Attributes:
        enhanced: The enhanced image in blocks of pixels, (B, h, w, C) in [0, 1].
        lowering: The image less its full curve.
    """

    enhanced: KerasTensor
    lowering: KerasTensor


def falling_curve(x: KerasTensor, name: str = "curve") -> KerasTensor:
    """Return -curve = exp(-16 x) - 1, an operation that int8 files keep to all 256 codes."""
    return layers.ELU(name=name)(x * -SLOPE)


def predict_curve(
    features: KerasTensor,
    folded: KerasTensor,
    falling: KerasTensor,
    *,
    strength_constraint: Constraint | None = None,
    residual_constraint: Constraint | None = None,
    clip: bool = True,
) -> Curve:
    """Predict from features how much of the tone curve, and which residual, an image gets.

    With a strength b in [0, 1] and a residual r for each value x:

        curve    = 1 - exp(-16 x)
        enhanced = clip(x + b (curve - x) + r)

    Without r, black and white stay what they are and the curve of each value rises everywhere,
    whatever the weights are; its slope at black is between 1 and 16. r is computed from features
    that are multiplied by the block's mean of 40 (curve - x), at most 1: it is 0 in blocks that are
    black or white.

    Args:
        features: (B, h, w, F).
        folded: The image in blocks of pixels, (B, h, w, C).
        falling: `falling_curve` of it.
        strength_constraint: On the kernel that predicts the logits of b.
        residual_constraint: On the kernel that predicts r.
        clip: Whether the result is clipped; else whoever reads it has to.

    Returns:
        The enhanced image, and what it was made of.

    Reference:
        Ours. Curves that keep 0 and 1 are from Guo et al., "Zero-Reference Deep Curve Estimation
        for Low-Light Image Enhancement", CVPR 2020.

    Differences from the reference:
        One fixed curve is mixed with the image instead of iterating a weak one; the strengths are
        predicted for blocks of pixels; a gated residual is added.
    """
    colors, filters = folded.shape[-1], features.shape[-1]
    strength = layers.Conv2D(
        colors, 1, activation="sigmoid", name="strength", kernel_constraint=strength_constraint,
        bias_initializer=keras.initializers.Constant(STRENGTH_BIAS),
    )(features)  # fmt: skip
    lowering = layers.Add(name="lowering")([folded, falling])  # x - curve
    change = layers.Multiply(name="change")([strength, lowering])
    result = layers.Subtract(name="lifted")([folded, change])
    gate = layers.Conv2D(
        filters, 1, use_bias=False, trainable=False, name="gate_mean",
        kernel_initializer=keras.initializers.Constant(-RESIDUAL_GAIN / colors),
    )(lowering)  # fmt: skip
    gate = UnitClip(straight_through=False, name="gate")(gate)
    residual = layers.Conv2D(
        colors, 1, use_bias=False, name="residual", kernel_constraint=residual_constraint,
        kernel_initializer=keras.initializers.RandomNormal(0, 0.3 / filters),
    )(layers.Multiply(name="gated")([features, gate]))  # fmt: skip
    result = layers.Add(name="enhanced_raw")([result, residual])
    return Curve(UnitClip(name="limited")(result) if clip else result, lowering)


def predict_chroma(
    features: KerasTensor,
    lowering: KerasTensor,
    chroma: KerasTensor,
    *,
    gray: float,
    gain_constraint: Constraint | None = None,
    residual_constraint: Constraint | None = None,
) -> KerasTensor:
    """Predict from features how much more color an image gets whose luma is lifted by a curve.

    With a strength g in [0, 1] and a residual r for each value c, and c of gray:

        enhanced = c + gate (g (c - gray) + r)

    The gate is 100 times what the full curve adds to the luma of the value's four pixels, at most
    12: where they are black or white the color stays as it is, or noise would become bright color.

    Args:
        features: (B, h, w, F).
        lowering: Of the luma's `Curve`.
        chroma: Cb and Cr of 4:2:0 video in blocks of half as many pixels, (B, h, w, C).
        gray: Value of `chroma` without color.
        gain_constraint: On the kernel that predicts the logits of g.
        residual_constraint: On the kernel that predicts r.

    Returns:
        The enhanced chroma in blocks of pixels, (B, h, w, C), not clipped.
    """
    values, filters = chroma.shape[-1], features.shape[-1]
    gain = layers.Conv2D(
        values, 1, activation="sigmoid", name="chroma_gain", kernel_constraint=gain_constraint,
        bias_initializer=keras.initializers.Constant(STRENGTH_BIAS),
    )(features)  # fmt: skip
    residual = layers.Conv2D(
        values, 1, use_bias=False, name="chroma_residual", kernel_constraint=residual_constraint,
        kernel_initializer=keras.initializers.RandomNormal(0, 0.3 / filters / CHROMA_GAIN),
    )(features)  # fmt: skip
    gate = layers.Conv2D(
        values, 1, use_bias=False, trainable=False, name="chroma_gate_mean",
        kernel_initializer=ChromaPixels(-CHROMA_GATE_GAIN / 4),
    )(lowering)  # fmt: skip
    gate = UnitClip(straight_through=False, maximum=CHROMA_GAIN, name="chroma_gate")(gate)
    change = layers.Multiply(name="chroma_gained")([gain, chroma - gray])
    change = layers.Add(name="chroma_change")([change, residual])
    change = layers.Multiply(name="chroma_gated")([gate, change])
    return layers.Add(name="chroma_raw")([chroma, change])
