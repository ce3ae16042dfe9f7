"""dashcam_net_temporal: what its filter does to frames, whatever its weights are."""

import numpy as np
import pytest

from lowlight_tf.contract import DEPLOYED, ENHANCE_PLANES_OVER_TIME, MEMORY
from lowlight_tf.layers.yuv import GRAY
from lowlight_tf.models.dashcam_net_temporal import MAX_WEIGHT, dashcam_net_temporal
from lowlight_tf.models.dashcam_net_yuv import dashcam_net_yuv
from lowlight_tf.runtime.packed_engine import fold_image

SMALL = {"filters": 6, "blocks": 1, "deep_filters": 6, "deep_blocks": 1, "context": 4}


@pytest.fixture
def frame(rng):
    """Inputs of the deployed model for one frame, as zero bytes at the last three ports."""
    inputs = {
        port.name: np.float32(rng.uniform(0, 1, (1, *port.shape(port.size or (32, 48)))))
        for port in ENHANCE_PLANES_OVER_TIME.inputs
    }
    inputs[MEMORY][:] = 0
    return inputs


@pytest.fixture
def deployed():
    """The deployed model, its filter with a weight of the past that is not 0."""
    model = dashcam_net_temporal(**SMALL).get_layer(DEPLOYED)
    bias = model.get_layer("memory_weight").bias
    bias.assign(np.full(bias.shape, 20))
    return model


def test_without_memory_it_is_the_model_of_planes_with_the_same_weights(deployed, frame):
    single = dashcam_net_yuv(**SMALL).get_layer(DEPLOYED)
    for layer in single.layers:
        layer.set_weights(deployed.get_layer(layer.name).get_weights())
    expected = single({name: frame[name] for name in single.input})
    actual = deployed(frame)
    for name, image in expected.items():
        np.testing.assert_allclose(actual[name], image, atol=1e-6)


def test_a_full_weight_takes_three_quarters_of_the_past(deployed, frame):
    now = deployed(frame)["filtered_luma"]
    filtered = deployed({**frame, MEMORY: np.ones((1, 1, 1, 1), np.float32)})["filtered_luma"]
    expected = now + MAX_WEIGHT * (frame["past_luma"] - now)
    np.testing.assert_allclose(filtered, expected, atol=1e-5)


def test_still_noise_falls_frame_by_frame_and_is_what_is_enhanced(deployed, frame, rng):
    clean, spreads = frame["luma"], []
    frame = {**frame, "luma": clean + np.float32(rng.normal(0, 0.05, clean.shape))}
    for _ in range(12):
        results = deployed(frame)
        states = find_states(results)
        spreads.append(np.std(np.asarray(results["filtered_luma"]) - fold_image(clean, 4)))
        noisy = clean + np.float32(rng.normal(0, 0.05, clean.shape))
        memory = np.ones((1, 1, 1, 1), np.float32)
        frame = {**frame, "luma": noisy, MEMORY: memory, **states}
    assert spreads[-1] == pytest.approx(spreads[0] * (1 / 7) ** 0.5, rel=0.1)


def test_a_damaged_frame_is_forgotten_within_ten_even_if_the_gate_never_closes(deployed, frame):
    expected = fold_image(frame["luma"], 4)
    states = {port.name: np.ones_like(frame[port.name]) for port in ENHANCE_PLANES_OVER_TIME.states}
    memory = np.ones((1, 1, 1, 1), np.float32)
    for _ in range(10):
        results = deployed({**frame, MEMORY: memory, **states})
        states = find_states(results)
    assert np.abs(states["past_luma"] - expected).max() < 0.06


def test_a_frozen_camera_shows_the_same_image_all_the_time(deployed, frame):
    first = deployed(frame)
    states = find_states(first)
    for _ in range(3):
        results = deployed({**frame, MEMORY: np.ones((1, 1, 1, 1), np.float32), **states})
        states = find_states(results)
        for name, image in results.items():
            np.testing.assert_allclose(image, first[name], atol=1e-6)


def test_of_a_clip_the_output_is_what_the_deployed_model_filters_frame_by_frame(rng):
    model = dashcam_net_temporal(**SMALL, clip_frames=3)
    frames = np.float32(rng.uniform(0, 0.3, (3, 1, 32, 48, 1))).repeat(3, -1)  # gray: luma alone
    frames = np.round(frames * 219) / 219
    inputs = {
        "low": frames.reshape(1, 96, 48, 3),
        "thumbnail": np.zeros((1, 128, 192, 3), np.float32),
        "brightness": np.zeros((1, 1, 1, 2), np.float32),
    }
    clip = np.asarray(model(inputs)["enhanced"]).reshape(frames.shape)
    deployed = model.get_layer(DEPLOYED)
    gray = {
        "chroma": (1, 16, 24, 2),
        "planes_thumbnail": (1, 128, 192, 3),
        "past_chroma": (1, 8, 12, 8),
    }
    planes = {name: np.full(shape, GRAY, np.float32) for name, shape in gray.items()}
    planes |= {"brightness": inputs["brightness"], MEMORY: np.ones((1, 1, 1, 1), np.float32)}
    planes["past_luma"] = fold_image(frames[0, ..., :1], 4)
    for actual, frame in zip(clip, frames, strict=True):
        results = deployed({**planes, "luma": frame[..., :1]})
        planes |= find_states(results)
        filtered = fold_image(actual[..., :1], 4)
        np.testing.assert_allclose(filtered, results["filtered_luma"], atol=1e-5)
    assert np.abs(filtered - fold_image(frame[..., :1], 4)).max() > 0.01


def test_the_filter_alone_is_trained():
    names = {weight.path.split("/")[0] for weight in dashcam_net_temporal().trainable_variables}
    assert all(name.startswith("memory_") for name in names)


def find_states(results):
    """Return the inputs that carry the past to the next frame."""
    return {
        port.name: np.asarray(results[port.state_of]) for port in ENHANCE_PLANES_OVER_TIME.states
    }
