"""The Keras detector is the shipped file, frozen, and gives features of any size."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.models.nanodet import FILE, nanodet

PUBLISHED = Path(__file__).parents[3] / "shared/weights/nanodet_g/nanodet_g_416_fp16.tflite"
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # BGR


@pytest.fixture(scope="module")
def features():
    return nanodet(features=True)


def photograph(height, width):
    """Return (1, height, width, 3) float32 of a real picture."""
    import cv2

    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    return np.float32(cv2.resize(data.astronaut(), (width, height)))[None] / 255


def outputs(path, picture):
    """Return what a file makes of a picture, by shape."""
    file = Interpreter(model_path=str(path))
    file.allocate_tensors()
    blue_first = (255 * picture[..., ::-1] - MEAN) / DEVIATION
    file.set_tensor(0, np.float32(blue_first.transpose(0, 3, 1, 2)))
    file.invoke()
    found = [file.get_tensor(details["index"]) for details in file.get_output_details()]
    return {output.shape: output for output in found}


@pytest.mark.slow
def test_it_is_the_file():
    picture = photograph(416, 416)
    expected = outputs(FILE, picture)
    found = nanodet().predict(picture, verbose=0)
    assert len(found) == len(expected) == 6
    for name, actual in found.items():
        wanted = expected[1, actual.shape[1] * actual.shape[2], actual.shape[3]]
        scale = np.abs(wanted).max()
        assert scale > 0.1, name  # it sees something
        np.testing.assert_allclose(
            actual.reshape(wanted.shape), wanted, rtol=0, atol=1e-3 * scale, err_msg=name
        )


def test_the_file_packs_into_little_more_than_half():
    part = FILE.read_bytes()[4_000_000:4_500_000]
    assert len(zlib.compress(part)) < 0.6 * len(part)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"{PUBLISHED.name} is not here")
def test_the_file_finds_what_the_published_one_finds():
    picture = photograph(416, 416)
    found = outputs(FILE, picture)
    for shape, published in outputs(PUBLISHED, picture).items():
        away = np.square(found[shape] - published).mean()
        assert 0 < away < 0.1**2 * np.square(published).mean()


def test_features_are_of_three_sizes(features):
    shapes = {name: x.shape for name, x in features(photograph(64, 96)).items()}
    assert shapes == {
        "stride8": (1, 8, 12, 128),
        "stride16": (1, 4, 6, 128),
        "stride32": (1, 2, 3, 128),
    }


def test_nothing_of_it_learns(features):
    assert not features.trainable_weights
    assert len(features.weights) == 2 * 28  # a kernel and a bias each, no heads


def test_features_know_what_they_see(features):
    """The weights are a trained net's: another picture gives quite other features."""
    one, turned = photograph(64, 96), photograph(64, 96)[:, ::-1]
    a, b = (np.asarray(features(x)["stride32"]) for x in (one, turned))
    assert np.abs(a - b).mean() > 0.1 * np.abs(a).mean()


@pytest.mark.slow
def test_features_convert_to_operations_of_a_device(features, tmp_path):
    pytest.importorskip("tensorflow")
    from lowlight_tf.contract import Contract, Port
    from lowlight_tf.export.convert import convert

    ports = tuple(Port(f"stride{stride}", 128) for stride in (8, 16, 32))
    contract = Contract((Port("picture", 3),), ports, multiple_of=32)
    path = convert(features, contract, tmp_path / "f.tflite", size=(64, 96), quantization="float16")
    file = Interpreter(model_path=str(path))
    assert max(len(details["shape"]) for details in file.get_tensor_details()) == 4
    picture = photograph(64, 96)
    actual = file.get_signature_runner()(picture=picture)
    for name, expected in features(picture).items():
        np.testing.assert_allclose(actual[name], expected, atol=5e-3, err_msg=name)
