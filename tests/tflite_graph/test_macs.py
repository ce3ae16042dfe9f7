"""MACs of files that the converter wrote are those worked out by hand."""

import pytest

from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime import pretrained
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.tflite_graph.macs import count_macs

HEIGHT, WIDTH = 12, 16


def convert_layer(layer, size=(HEIGHT, WIDTH)):
    """Return the .tflite file of a single layer on images of three channels."""
    keras, tf = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    shape = (1, *size, 3)
    model = keras.Sequential([keras.Input(shape[1:]), *layer(keras.layers)])
    call = tf.function(model, input_signature=[tf.TensorSpec(shape)]).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([call]).convert()  # constant weights


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda k: [k.Conv2D(5, 3, padding="same")], HEIGHT * WIDTH * 5 * 9 * 3),
        (lambda k: [k.Conv2D(5, 3, 2, padding="same")], HEIGHT * WIDTH // 4 * 5 * 9 * 3),
        (lambda k: [k.DepthwiseConv2D(3, padding="same")], HEIGHT * WIDTH * 3 * 9),
        (lambda k: [k.DepthwiseConv2D(5, 2, padding="same")], HEIGHT * WIDTH // 4 * 3 * 25),
        (lambda k: [k.Conv2DTranspose(4, 3, 2, padding="same")], HEIGHT * WIDTH * 3 * 9 * 4),
        (lambda k: [k.Flatten(), k.Dense(7)], HEIGHT * WIDTH * 3 * 7),
        (lambda k: [k.MaxPooling2D(2)], 0),
    ],
    ids=["conv", "strided", "depthwise", "depthwise_strided", "transposed", "dense", "pool"],
)
def test_each_kind_of_layer_has_the_macs_worked_out_by_hand(layer, expected):
    assert count_macs(convert_layer(layer)) == expected


def test_a_shipped_model_has_the_same_macs_in_float_and_in_int8():
    paths = [pretrained.find_pretrained(name) for name in ("driving_unet", "driving_unet_int8")]
    cards = [ModelCard.load(path.with_suffix(".json")) for path in paths]
    first, second = (
        LiteRTEngine(path).count_macs((card.height, card.width))
        for path, card in zip(paths, cards, strict=True)
    )
    assert first == second == count_macs(paths[0].read_bytes())
    assert LiteRTEngine(paths[0]).weights == cards[0].weights
    # Each convolution weight is used at least once per pixel of the coarsest feature map.
    assert first > cards[0].weights * cards[0].height * cards[0].width / 32**2
