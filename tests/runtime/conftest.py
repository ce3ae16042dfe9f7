"""Tiny .tflite models."""

import tempfile
import warnings

import numpy as np
import pytest

from lowlight_tf.contract import ENHANCE, FUSE, Contract, Port
from lowlight_tf.fileio import sha256
from lowlight_tf.model_card import ModelCard

SIZE = (8, 12)
THUMBNAIL = (4, 6)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Write tiny models of float32 and of uint8, each with its card; return their folder.

    "float" and "bytes" are 1 - (1 - x)**2; "exposed" and "exposed_bytes" add the mean of a
    thumbnail to the image and subtract 0.5, which may leave [0, 1]. "fused_bytes" is the mean of
    the images of two cameras and of the means of a thumbnail of each.
    """
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("models")
    low = tf.TensorSpec((1, *SIZE, 3), tf.float32, name="low")
    thumbnail = tf.TensorSpec((1, *THUMBNAIL, 3), tf.float32, name="thumbnail")
    curve = tf.function(lambda low: {"enhanced": low + low - low * low}, [low])

    @tf.function(input_signature=[low, thumbnail])
    def add_thumbnail_mean(low, thumbnail):
        mean = tf.reduce_mean(thumbnail, (1, 2, 3), keepdims=True)
        return {"enhanced": low + mean - 0.5}

    cameras = [tf.TensorSpec((1, *SIZE, 1), tf.float32, name=port.name) for port in FUSE.inputs]
    thumbnails = tuple(
        Port(f"{port.name}_glance", 1, port.color_space, size=THUMBNAIL, thumbnail_of=port.name)
        for port in FUSE.inputs
    )
    thumbnail_specs = [
        tf.TensorSpec((1, *THUMBNAIL, 1), tf.float32, name=port.name) for port in thumbnails
    ]

    @tf.function(input_signature=[*cameras, *thumbnail_specs])
    def average(visible, infrared, visible_glance, infrared_glance):
        visible_mean, infrared_mean = (
            tf.reduce_mean(thumbnail, (1, 2, 3), keepdims=True)
            for thumbnail in (visible_glance, infrared_glance)
        )
        return {"fused": (visible + infrared + visible_mean + infrared_mean) / 4}

    with_thumbnail = Contract(
        (Port("low", 3), Port("thumbnail", 3, size=THUMBNAIL)), ENHANCE.outputs
    )
    _write(tf, folder / "float.tflite", curve, ENHANCE)
    _write(tf, folder / "bytes.tflite", curve, ENHANCE, quantize=True)
    _write(tf, folder / "exposed.tflite", add_thumbnail_mean, with_thumbnail)
    _write(tf, folder / "exposed_bytes.tflite", add_thumbnail_mean, with_thumbnail, quantize=True)
    with_thumbnails = Contract((*FUSE.inputs, *thumbnails), FUSE.outputs)
    _write(tf, folder / "fused_bytes.tflite", average, with_thumbnails, quantize=True)
    return folder


def _write(tf, path, model, contract, *, quantize=False):
    module = tf.Module()
    module.serve = model
    function = model.get_concrete_function()
    with tempfile.TemporaryDirectory() as saved, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own
        tf.saved_model.save(module, saved, function)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _samples(contract)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        path.write_bytes(converter.convert())
    ModelCard(
        name=path.stem,
        model="curve",
        contract=contract,
        height=SIZE[0],
        width=SIZE[1],
        quantization="int8" if quantize else "float32",
        dtype="uint8" if quantize else "float32",
        value_range=(0, 255) if quantize else (0, 1),
        sha256=sha256(path),
        size_bytes=path.stat().st_size,
        weights=0,
    ).save(path.with_suffix(".json"))


def _samples(contract):
    """Yield calibration images; those with a thumbnail contain 0 and 1: the scale is 1/255."""
    rng = np.random.default_rng(0)
    for brightness in (0, 0.4, 0.7, 1):
        sample = {
            port.name: rng.random((1, *port.shape(SIZE)), dtype=np.float32)
            for port in contract.image_inputs
        }
        for port in contract.thumbnail_inputs:
            sample[port.name] = np.full((1, *port.shape(SIZE)), brightness, np.float32)
            image = sample[contract.source_of(port)]
            image[0, 0, 0], image[0, 0, 1] = 0, 1
        yield "serving_default", sample
