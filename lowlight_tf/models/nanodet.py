"""NanoDet-g, a small detector of 80 kinds of things: what guides a fusion to what matters."""

from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from keras import KerasTensor, layers, ops

FILE = Path(__file__).parents[1] / "weights" / "nanodet_g.tflite"
"""What `runtime.detect` runs. The net reads the constants in it, so that they are held once."""

STRIDES = (8, 16, 32)
CLASSES, EDGES = 80, 44  # 44 = left, top, right, bottom, each a distribution over 11 bins
CHANNELS = 128  # of the neck
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # RGB, of [0, 255]
STAGES = ((32, 1, 1), (64, 2, 2), (128, 2, 2), (256, 3, 2))  # channels, inner blocks, stride


def nanodet(*, features: bool = False, name: str = "nanodet") -> keras.Model:
    """Build the detector with its trained weights, frozen.

    The picture is normalized inside. A stem to a quarter of the size is followed by four stages
    whose blocks keep what they were given beside what they made of it; a neck (PAN) carries what
    was understood at the coarsest of the last three back to the finer ones and down again; a head
    for each says what is there. Every activation is a LeakyReLU of 0.1.

    Args:
        features: Stop at the neck, and return what it gives to the heads.
        name: Name of the Keras model.

    Returns:
        A model of (B, H, W, 3) sRGB in [0, 1], H and W multiples of 32. With `features` to
        {"stride8": (B, H / 8, W / 8, 128), "stride16": ..., "stride32": ...}; else to
        {"classes8": (B, H / 8, W / 8, 80), "edges8": (B, H / 8, W / 8, 44), ... 16 ..., ... 32},
        scores in [0, 1] and, for each of left, top, right and bottom, the logits of its distance
        being 0 to 10 strides from the center of the cell. `runtime.detect` says what to make of it.

    Reference:
        NanoDet-g of https://github.com/RangiLyu/nanodet, trained on COCO at 416x416.

    Differences from the reference:
        Weights rounded, see `scripts/make_nanodet.py`, their normalizations folded in. The picture
        is RGB: the first kernel is turned instead. Halving by bilinear interpolation is written as
        the mean of 2x2 pixels, and a border of minus infinity before the pooling as a mirrored one:
        equal numbers.
    """
    convolutions = []  # in the order of the file

    def conv(x: KerasTensor, channels: int, size: int, place: str, stride: int = 1) -> KerasTensor:
        if size == 3:
            x = layers.ZeroPadding2D(1, name=f"{place}_pad")(x)
        convolutions.append(layers.Conv2D(channels, size, stride, name=f"{place}_conv"))
        return convolutions[-1](x)

    def block(x: KerasTensor, channels: int, place: str, stride: int = 1) -> KerasTensor:
        return layers.LeakyReLU(0.1, name=f"{place}_act")(conv(x, channels, 3, place, stride))

    def join(x: KerasTensor, kept: KerasTensor, place: str) -> KerasTensor:
        return layers.Concatenate(name=f"{place}_join")([x, kept])

    picture = keras.Input((None, None, 3), name="picture")
    mean, deviation = np.array(MEAN), np.array(DEVIATION)
    scale, offset = (255 / deviation).tolist(), (-mean / deviation).tolist()
    x = layers.Rescaling(scale, offset, name="normalize")(picture)
    x = block(x, 32, "stem", stride=2)
    x = ops.pad(x, [(0, 0), (1, 0), (1, 0), (0, 0)], mode="reflect")
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)

    taken = []
    for stage, (channels, count, stride) in enumerate(STAGES):
        x = whole = block(x, channels, f"stage{stage}_in", stride)
        for index in range(count):
            place = f"stage{stage}_{index}"
            half = block(x, channels // 2, f"{place}a")
            x = join(block(half, channels // 2, f"{place}b"), half, place)
        x = join(block(x, channels, f"stage{stage}_out"), whole, f"stage{stage}")
        taken.append(x)

    fine = []  # from the coarsest on
    for stride, x in zip(reversed(STRIDES), taken[:0:-1], strict=True):
        x = conv(x, CHANNELS, 1, f"lateral{stride}")
        if fine:
            up = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{stride}")(fine[-1])
            x = layers.Add(name=f"sum_up{stride}")([x, up])
        fine.append(x)
    neck = []
    for stride, x in zip(STRIDES, reversed(fine), strict=True):
        if neck:
            down = layers.AveragePooling2D(2, name=f"down{stride}")(neck[-1])
            x = layers.Add(name=f"sum_down{stride}")([x, down])
        neck.append(x)
    results = {f"stride{stride}": x for stride, x in zip(STRIDES, neck, strict=True)}

    if not features:
        found = {}
        for stride, x in zip(STRIDES, neck, strict=True):
            x = block(x, CHANNELS, f"head{stride}")
            x = conv(x, CLASSES + EDGES, 1, f"found{stride}")
            scores = layers.Activation("sigmoid", name=f"scores{stride}")(x[..., :CLASSES])
            found |= {f"classes{stride}": scores, f"edges{stride}": x[..., CLASSES:]}
        results = found
    net = keras.Model(picture, results, name=name)
    for layer, weights in zip(convolutions, _weights(), strict=False):  # features have no heads
        layer.set_weights(weights)
    net.trainable = False
    return net


def _weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return kernel (H, W, in, out) and bias of each convolution, float32, in the file's order."""
    file = Interpreter(model_path=str(FILE))
    parts = [
        np.float32(file.get_tensor(tensor["index"]))
        for tensor in file.get_tensor_details()
        if tensor["dtype"] == np.float16 and len(tensor["shape"])
    ]
    kernels = [part.transpose(1, 2, 3, 0) for part in parts if part.ndim == 4]
    biases = [part for part in parts if part.ndim == 1]
    kernels[0] = kernels[0][:, :, ::-1]  # the file was trained on BGR
    return list(zip(kernels, biases, strict=True))
