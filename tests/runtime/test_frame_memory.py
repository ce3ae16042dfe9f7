"""What a model returned for one frame is what it gets with the next."""

import numpy as np

from lowlight_tf.contract import ENHANCE_PLANES, ENHANCE_PLANES_OVER_TIME, MEMORY
from lowlight_tf.runtime.frame_memory import FrameMemory, zero_states


def test_states_have_the_size_of_the_model_and_go_from_output_to_input():
    memory = FrameMemory(ENHANCE_PLANES_OVER_TIME, (30, 40), np.uint8)
    assert memory.outputs["filtered_luma"].shape == (1, 8, 12, 16)
    assert memory.outputs["filtered_chroma"].shape == (1, 8, 12, 8)
    assert memory.inputs[MEMORY] == 0
    memory.outputs["filtered_luma"][:] = 7
    memory.step()
    assert memory.inputs[MEMORY] == 1
    assert (memory.inputs["past_luma"] == 7).all()
    assert not (memory.outputs["filtered_luma"] == 7).any()


def test_what_is_forgotten_is_without_weight():
    memory = FrameMemory(ENHANCE_PLANES_OVER_TIME, (16, 16), np.float32)
    memory.step()
    memory.forget()
    assert memory.inputs[MEMORY] == 0
    memory.step()
    assert memory.inputs[MEMORY] == 1


def test_single_images_get_zeros_and_other_models_nothing():
    zeros = zero_states(ENHANCE_PLANES_OVER_TIME, (32, 48), np.dtype(np.uint8), 2)
    assert {name: image.shape for name, image in zeros.items()} == {
        MEMORY: (2, 1, 1, 1),
        "past_luma": (2, 8, 12, 16),
        "past_chroma": (2, 8, 12, 8),
    }
    assert not any(image.any() for image in zeros.values())
    assert zero_states(ENHANCE_PLANES, (32, 48), np.dtype(np.uint8), 2) == {}
