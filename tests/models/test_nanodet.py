"""The Keras detector equals the .tflite file, is frozen, and returns features of any size."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.models.nanodet import WEIGHTS_PATH, nanodet

PUBLISHED = Path(__file__).parents[3] / "shared/weights/nanodet_g/nanodet_g_416_fp16.tflite"
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # BGR


@pytest.fixture(scope="module")
def features():
    return nanodet(features=True)


def photograph(height, width):
    """Return (1, height, width, 3) float32 of a real image."""
    import cv2

    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    return np.float32(cv2.resize(data.astronaut(), (width, height)))[None] / 255


def outputs(path, image):
    """Return the outputs of a file for a image, by shape."""
    file = Interpreter(model_path=str(path))
    file.allocate_tensors()
    bgr = (255 * image[..., ::-1] - MEAN) / DEVIATION
    file.set_tensor(0, np.float32(bgr.transpose(0, 3, 1, 2)))
    file.invoke()
    tensors = [file.get_tensor(details["index"]) for details in file.get_output_details()]
    return {output.shape: output for output in tensors}


@pytest.mark.slow
def test_the_keras_model_equals_the_file():
    image = photograph(416, 416)
    expected = outputs(WEIGHTS_PATH, image)
    actual_outputs = nanodet().predict(image, verbose=0)
    assert len(actual_outputs) == len(expected) == 6
    for name, actual in actual_outputs.items():
        reference = expected[1, actual.shape[1] * actual.shape[2], actual.shape[3]]
        scale = np.abs(reference).max()
        assert scale > 0.1, name  # not all scores are 0
        np.testing.assert_allclose(
            actual.reshape(reference.shape), reference, rtol=0, atol=1e-3 * scale, err_msg=name
        )


def test_the_file_can_be_compressed_to_sixty_percent():
    part = WEIGHTS_PATH.read_bytes()[4_000_000:4_500_000]
    assert len(zlib.compress(part)) < 0.6 * len(part)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"{PUBLISHED.name} is not available")
def test_the_outputs_of_the_file_are_close_to_those_of_the_published_one():
    image = photograph(416, 416)
    actual = outputs(WEIGHTS_PATH, image)
    for shape, published in outputs(PUBLISHED, image).items():
        error = np.square(actual[shape] - published).mean()
        assert 0 < error < 0.1**2 * np.square(published).mean()


def test_features_have_three_strides(features):
    shapes = {name: x.shape for name, x in features(photograph(64, 96)).items()}
    assert shapes == {
        "stride8": (1, 8, 12, 128),
        "stride16": (1, 4, 6, 128),
        "stride32": (1, 2, 3, 128),
    }


def test_the_detector_is_frozen(features):
    assert not features.trainable_weights
    assert len(features.weights) == 2 * 28  # a kernel and a bias each, no heads


def test_features_depend_on_the_image(features):
    """The weights are trained: another image gives clearly different features."""
    image, flipped = photograph(64, 96), photograph(64, 96)[:, ::-1]
    a, b = (np.asarray(features(x)["stride32"]) for x in (image, flipped))
    assert np.abs(a - b).mean() > 0.1 * np.abs(a).mean()


@pytest.mark.slow
def test_the_feature_model_converts_to_tflite(features, tmp_path):
    pytest.importorskip("tensorflow")
    from lowlight_tf.contract import Contract, Port
    from lowlight_tf.export.convert import convert

    ports = tuple(Port(f"stride{stride}", 128) for stride in (8, 16, 32))
    contract = Contract((Port("picture", 3),), ports, multiple_of=32)
    path = convert(features, contract, tmp_path / "f.tflite", size=(64, 96), quantization="float16")
    file = Interpreter(model_path=str(path))
    assert max(len(details["shape"]) for details in file.get_tensor_details()) == 4
    image = photograph(64, 96)
    actual = file.get_signature_runner()(picture=image)
    for name, expected in features(image).items():
        np.testing.assert_allclose(actual[name], expected, atol=5e-3, err_msg=name)
