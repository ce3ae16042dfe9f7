"""NanoDet-g, a small detector of the 80 classes of COCO, with frozen weights."""

from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from keras import KerasTensor, layers, ops

WEIGHTS_PATH = Path(__file__).parents[1] / "weights" / "nanodet_g.tflite"
"""The file that `evaluation.detection.detector` runs. The Keras model reads its weights from it, so
that the package contains them once."""

STRIDES = (8, 16, 32)
NUM_CLASSES = 80
NUM_BOX_LOGITS = 44  # left, top, right, bottom, each a distribution over 11 bins
NECK_CHANNELS = 128
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # RGB in [0, 255]
STAGES = ((32, 1, 1), (64, 2, 2), (128, 2, 2), (256, 3, 2))  # channels, inner blocks, stride


def nanodet(*, features: bool = False, name: str = "nanodet") -> keras.Model:
    """Build the detector with its trained weights, frozen.

    The image is normalized inside. A stem to a quarter of the resolution is followed by four
    cross-stage partial stages (CSP); a neck (PAN) passes the features of the last three stages from
    coarse to fine and back; each scale has a head. Every activation is a LeakyReLU of 0.1.

    Args:
        features: Return the features of the neck instead of the outputs of the heads.
        name: Name of the Keras model.

    Returns:
        A model of (B, H, W, 3) sRGB in [0, 1], H and W multiples of 32. With `features` to
        {"stride8": (B, H / 8, W / 8, 128), "stride16": ..., "stride32": ...}; else to
        {"classes8": (B, H / 8, W / 8, 80), "edges8": (B, H / 8, W / 8, 44), ... 16 ..., ... 32},
        scores in [0, 1] and, for each of left, top, right and bottom, the logits of a distance of 0
        to 10 strides from the center of the cell. `evaluation.detection.detector` decodes them.

    Reference:
        NanoDet-g of https://github.com/RangiLyu/nanodet, trained on COCO at 416x416.

    Differences from the reference:
        Rounded weights, see `scripts/make_nanodet.py`, with the normalizations folded in. The image
        is RGB, and the channels of the first kernel are reversed. Bilinear downsampling is written
        as the mean of 2x2 pixels, and padding with minus infinity before the max pooling as
        reflection: equal numbers.
    """
    convolutions = []  # in the order of the file

    def conv(x: KerasTensor, channels: int, size: int, name: str, stride: int = 1) -> KerasTensor:
        if size == 3:
            x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        convolutions.append(layers.Conv2D(channels, size, stride, name=f"{name}_conv"))
        return convolutions[-1](x)

    def block(x: KerasTensor, channels: int, name: str, stride: int = 1) -> KerasTensor:
        return layers.LeakyReLU(0.1, name=f"{name}_act")(conv(x, channels, 3, name, stride))

    def join(x: KerasTensor, skip: KerasTensor, name: str) -> KerasTensor:
        return layers.Concatenate(name=f"{name}_join")([x, skip])

    image = keras.Input((None, None, 3), name="picture")
    mean, std = np.array(MEAN), np.array(STD)
    scale, offset = (255 / std).tolist(), (-mean / std).tolist()
    x = layers.Rescaling(scale, offset, name="normalize")(image)
    x = block(x, 32, "stem", stride=2)
    x = ops.pad(x, [(0, 0), (1, 0), (1, 0), (0, 0)], mode="reflect")
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)

    stage_outputs = []
    for stage, (channels, count, stride) in enumerate(STAGES):
        x = stage_input = block(x, channels, f"stage{stage}_in", stride)
        for index in range(count):
            prefix = f"stage{stage}_{index}"
            half = block(x, channels // 2, f"{prefix}a")
            x = join(block(half, channels // 2, f"{prefix}b"), half, prefix)
        x = join(block(x, channels, f"stage{stage}_out"), stage_input, f"stage{stage}")
        stage_outputs.append(x)

    top_down = []  # coarse to fine
    for stride, x in zip(reversed(STRIDES), stage_outputs[:0:-1], strict=True):
        x = conv(x, NECK_CHANNELS, 1, f"lateral{stride}")
        if top_down:
            up = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{stride}")(top_down[-1])
            x = layers.Add(name=f"sum_up{stride}")([x, up])
        top_down.append(x)
    neck = []
    for stride, x in zip(STRIDES, reversed(top_down), strict=True):
        if neck:
            down = layers.AveragePooling2D(2, name=f"down{stride}")(neck[-1])
            x = layers.Add(name=f"sum_down{stride}")([x, down])
        neck.append(x)
    outputs = {f"stride{stride}": x for stride, x in zip(STRIDES, neck, strict=True)}

    if not features:
        outputs = {}
        for stride, x in zip(STRIDES, neck, strict=True):
            x = block(x, NECK_CHANNELS, f"head{stride}")
            x = conv(x, NUM_CLASSES + NUM_BOX_LOGITS, 1, f"found{stride}")
            scores = layers.Activation("sigmoid", name=f"scores{stride}")(x[..., :NUM_CLASSES])
            outputs |= {f"classes{stride}": scores, f"edges{stride}": x[..., NUM_CLASSES:]}
    model = keras.Model(image, outputs, name=name)
    for layer, weights in zip(convolutions, _load_weights(), strict=False):  # `features`: no heads
        layer.set_weights(weights)
    model.trainable = False
    return model


def _load_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return kernel (H, W, in, out) and bias of each convolution, float32, in file order."""
    interpreter = Interpreter(model_path=str(WEIGHTS_PATH))
    tensors = [
        np.float32(interpreter.get_tensor(tensor["index"]))
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] == np.float16 and len(tensor["shape"])
    ]
    kernels = [tensor.transpose(1, 2, 3, 0) for tensor in tensors if tensor.ndim == 4]
    biases = [tensor for tensor in tensors if tensor.ndim == 1]
    kernels[0] = kernels[0][:, :, ::-1]  # the file was trained on BGR
    return list(zip(kernels, biases, strict=True))
