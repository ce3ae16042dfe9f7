"""Calibration samples span several exposures of any images."""

from dataclasses import replace

import numpy as np
import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import (
    ENHANCE,
    ENHANCE_PLANES_OVER_TIME,
    FUSE,
    FUSE_WITH_THUMBNAILS,
    RAW_TO_RGB,
    Contract,
    Port,
)
from lowlight_tf.export.calibration_data import (
    calibration_images,
    enlarge_and_center_crop,
    parity_samples,
    representative_dataset,
)
from lowlight_tf.fileio import write_json
from lowlight_tf.imaging import image_io
from lowlight_tf.imaging.raw import raw_image
from lowlight_tf.imaging.registration.camera_rig import CameraRig
from lowlight_tf.imaging.registration.pair_preprocessing import PairPreprocessing


def constant(value, size=(8, 8)):
    return {"low": np.full((*size, 3), value, np.float32)}


def test_few_images_are_repeated_at_several_exposures():
    samples = representative_dataset([constant(0.1), constant(0.2)], ENHANCE, (4, 4))
    means = sorted({round(float(s["low"][0, 1, 1, 0]), 3) for s in samples})
    assert means == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]
    assert len(samples) == 10


def test_many_images_are_used_once_each_at_exposures_in_turn():
    samples = representative_dataset([constant(0.1)] * 32, ENHANCE, (4, 4))
    means = [round(float(s["low"][0, 1, 1, 0]), 3) for s in samples]
    assert means == ([0.05, 0.1, 0.2, 0.4, 0.8] * 7)[:32]


def test_the_range_of_the_input_is_exactly_from_black_to_white():
    samples = representative_dataset([constant(0.3), constant(0.9)], ENHANCE, (4, 6))
    assert all(sample["low"].shape == (1, 4, 6, 3) for sample in samples)
    assert min(sample["low"].min() for sample in samples) == 0
    assert max(sample["low"].max() for sample in samples) == 1


def test_the_center_is_cropped_without_scaling(rng):
    image = rng.random((9, 12, 3), dtype=np.float32)
    np.testing.assert_array_equal(enlarge_and_center_crop(image, (5, 6)), image[2:7, 3:9])


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_that_is_too_small_is_enlarged_to_cover_the_size(channels, rng):
    image = rng.random((3, 10, channels), dtype=np.float32)
    assert enlarge_and_center_crop(image, (8, 8)).shape == (8, 8, channels)


def test_parity_samples_are_evenly_spaced_and_uint8():
    images = [constant(index / 255) for index in range(10)]
    batches = parity_samples(images, ENHANCE, (4, 4), max_images=4)
    assert [int(batch["low"].max()) for batch in batches] == [0, 3, 6, 9]
    assert batches[0]["low"].dtype == np.uint8


def test_images_come_from_the_training_pairs_of_the_run(untrained_run):
    images = calibration_images(ENHANCE, run=untrained_run, max_images=3)
    first = image_io.read_float_rgb(untrained_run / "images" / "0.png")
    assert len(images) == 3
    np.testing.assert_array_equal(images[0]["low"], first)


def test_a_daylight_image_is_darkened(tmp_path):
    day = tmp_path / "day.png"
    image_io.write_float_rgb(day, np.full((4, 4, 3), 0.6, np.float32))
    pair = {"name": "day", "inputs": {}, "target": str(day)}
    write_json(tmp_path / "pairs_training.json", {"pairs": [pair]})
    (image,) = calibration_images(ENHANCE, run=tmp_path)
    np.testing.assert_allclose(image["low"], 0.6**3, rtol=1e-5)


@pytest.mark.slow
def test_sample_photographs_replace_images_that_no_longer_exist(tmp_path):
    pair = {"name": "a", "inputs": {"low": str(tmp_path / "gone.png")}, "target": "gone.png"}
    write_json(tmp_path / "pairs_training.json", {"pairs": [pair]})
    images = calibration_images(ENHANCE, run=tmp_path, max_images=2)
    assert len(images) == 2
    assert 0 < images[0]["low"].mean() < 0.4


def test_each_port_may_have_a_subfolder(tmp_path, rng):
    for port in ("visible", "infrared"):
        (tmp_path / port).mkdir()
        image_io.write_float_rgb(
            tmp_path / port / "a.png", np.full((4, 4, 3), rng.random(), np.float32)
        )
    contract = Contract((Port("visible", 3), Port("infrared", 1, "thermal")), (Port("fused", 1),))
    (image,) = calibration_images(contract, folder=tmp_path)
    assert {name: image.shape[-1] for name, image in image.items()} == {
        "visible": 3,
        "infrared": 1,
    }


def test_of_two_cameras_only_the_visible_image_and_its_thumbnail_vary_in_exposure(rng):
    pair = {port.name: np.full((16, 16, 1), 0.1, np.float32) for port in FUSE.inputs}
    pair["infrared"][:8] = 0.2
    small = [replace(port, size=(4, 4)) for port in FUSE_WITH_THUMBNAILS.thumbnail_inputs]
    contract = replace(FUSE_WITH_THUMBNAILS, inputs=(*FUSE.inputs, *small), multiple_of=1)
    samples = representative_dataset([pair] * 16, contract, (8, 8))
    means = {
        name: sorted({round(float(sample[name][0, 1].mean()), 3) for sample in samples})
        for name in samples[0]
    }
    exposed = [0.05, 0.1, 0.2, 0.4, 0.8]
    assert means == {
        "visible": exposed,
        "visible_glance": exposed,
        "infrared": [0.2],
        "infrared_glance": [0.2],
    }
    for name in means:
        assert {float(sample[name].min()) for sample in samples} >= {0.0}
        assert (samples[0][name].min(), samples[0][name].max()) == (0, 1)
    assert pair["infrared"].min() == np.float32(0.1)  # the input is not modified


def test_images_of_two_cameras_are_preprocessed_as_for_training(fusing_run):
    from lowlight_tf.pipeline.fusion import MultiCameraCache
    from lowlight_tf.training.data import read_split_pairs

    how = PairPreprocessing(clahe_visible=4.0, normalize=True)
    plain, *images = (
        calibration_images(FUSE, run=fusing_run, max_images=4, preprocessing=one)[0]
        for one in (None, how)
    )
    pairs = read_split_pairs(fusing_run / "pairs_training.json")
    trained_on = MultiCameraCache(pairs, FUSE, preprocessing=how, cache_mb=1).read(0)
    for port, image in zip(FUSE.image_inputs, trained_on, strict=True):
        assert np.abs(plain[port.name] - image / 255).max() > 0.1
        np.testing.assert_allclose(images[0][port.name], image / 255, atol=0.51 / 255)


@pytest.mark.parametrize(("align", "size"), [("none", (8, 12)), ("rig.json", (16, 24))])
def test_images_of_two_sizes_are_brought_to_one(align, size, tmp_path, rng):
    for port, own in {"visible": (16, 24), "infrared": (8, 12)}.items():
        (tmp_path / port).mkdir()
        image = np.broadcast_to(rng.random((*own, 1), np.float32), (*own, 3))
        image_io.write_float_rgb(tmp_path / port / "a.png", np.ascontiguousarray(image))
    if align != "none":
        align = str(tmp_path / align)
        CameraRig(np.eye(3), (16, 24), (8, 12), 0.0, 1.0, "features", 1).save(tmp_path / "rig.json")
    (image,) = calibration_images(
        FUSE, folder=tmp_path, preprocessing=PairPreprocessing(align=align)
    )
    assert {image.shape for image in image.values()} == {(*size, 1)}


@pytest.mark.slow
def test_sample_photographs_of_two_cameras_are_the_default(tmp_path):
    (image,) = calibration_images(FUSE, max_images=1)
    assert {name: image.shape[2] for name, image in image.items()} == {
        "visible": 1,
        "infrared": 1,
    }
    assert np.abs(image["visible"] - image["infrared"]).mean() > 0.1


def write_gray(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write_float_rgb(path, np.full((8, 8, 3), level, np.float32))


def test_images_of_a_folder_that_cannot_be_read_are_reported_and_passed_over(tmp_path):
    lines = []
    for name, level in (("a", 0.2), ("b", 0.4), ("c", 0.6)):
        write_gray(tmp_path / f"{name}.png", level)
    (tmp_path / "b.png").write_bytes(b"damaged")
    images = calibration_images(ENHANCE, folder=tmp_path, report=lines.append)
    assert [round(float(image["low"].mean()), 1) for image in images] == [0.2, 0.6]
    (line,) = lines
    assert "b.png is not" in line
    with pytest.raises(UsageError, match=r"b\.png is not"):
        calibration_images(ENHANCE, folder=tmp_path)
    for name in "ac":
        (tmp_path / f"{name}.png").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"a\.png is not"):
        calibration_images(ENHANCE, folder=tmp_path, report=lines.append)


def test_images_of_two_cameras_pair_by_name(tmp_path):
    lines = []
    for name in ("visible/b.png", "visible/c.png", "infrared/a.png", "infrared/b.png"):
        write_gray(tmp_path / name, 0.5 if "b" in name.partition("/")[2] else 0.2)
    write_gray(tmp_path / "infrared" / "c.jpg", 0.2)
    images = calibration_images(FUSE, folder=tmp_path, report=lines.append)
    for image in images:
        np.testing.assert_allclose(image["visible"], image["infrared"], atol=0.01)
    assert len(images) == 2
    assert "a.png has no partner in visible/" in lines[0]
    with pytest.raises(UsageError, match=r"no partner in visible/: a"):
        calibration_images(FUSE, folder=tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match="must hold images"):
        calibration_images(ENHANCE, folder=tmp_path)
    with pytest.raises(UsageError, match="nothing there"):
        calibration_images(ENHANCE, folder=tmp_path / "nowhere")


def test_raw_images_are_exposed_by_their_ratios(developing_run):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    images = calibration_images(RAW_TO_RGB, run=developing_run, max_images=2)
    assert len(images) == 2
    first = raw_image.read_raw(developing_run / "raw" / "0.dng")
    np.testing.assert_array_equal(
        images[0]["raw"], raw_image.amplify(first.packed, first.metadata, 50)
    )


def test_raw_files_of_a_folder_are_exposed_to_gray_and_photographs_become_synthetic_raw(
    developing_run,
):
    pytest.importorskip("rawpy", reason="rawpy is not installed ([raw] extra)")
    (image,) = calibration_images(RAW_TO_RGB, folder=developing_run, max_images=1)
    assert image["raw"].shape == (20, 24, 4)
    np.testing.assert_allclose(image["raw"].mean(), 0.18, atol=0.005)
    (synthetic,) = calibration_images(RAW_TO_RGB, folder=developing_run / "high", max_images=1)
    assert synthetic["raw"].shape == (20, 24, 4)
    again = calibration_images(RAW_TO_RGB, folder=developing_run / "high", max_images=1)
    np.testing.assert_array_equal(again[0]["raw"], synthetic["raw"])


def test_known_exposures_vary_less_than_unknown_ones():
    image = {"raw": np.full((4, 4, 4), 0.1, np.float32)}
    samples = representative_dataset([image], RAW_TO_RGB, (2, 2))
    means = {round(float(sample["raw"][0, 0, 1, 1]), 3) for sample in samples}
    assert means == {0.05, 0.1, 0.2}


@pytest.mark.slow
def test_without_a_run_synthetic_raw_is_made_from_the_sample_photographs():
    pytest.importorskip("skimage")
    images = calibration_images(RAW_TO_RGB, max_images=2)
    assert [image["raw"].shape for image in images] == [(144, 192, 4)] * 2


@pytest.mark.parametrize("is_parity", [False, True])
def test_models_with_memory_get_a_past_that_differs_by_noise_and_motion(is_parity):
    contract = ENHANCE_PLANES_OVER_TIME
    images = calibration_images(contract, max_images=2)
    make = parity_samples if is_parity else representative_dataset
    for sample in make(images, contract, (32, 48)):
        assert {name: image.shape[1:] for name, image in sample.items()} == {
            port.name: port.shape(port.size or (32, 48)) for port in contract.inputs
        }
        luma, past = (np.float32(sample[name]) for name in ("luma", "past_luma"))
        assert sample["memory"].max() == (255 if is_parity else 1)
        assert sample["past_luma"].dtype == sample["luma"].dtype
        assert not np.array_equal(np.sort(luma.ravel()), np.sort(past.ravel()))
        assert past.mean() == pytest.approx(luma.mean(), rel=0.05, abs=0.5 if is_parity else 0.01)
