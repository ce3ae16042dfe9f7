"""A warning is returned if a model is evaluated on scenes that it was trained on."""

from lowlight_tf.evaluation.evaluator import load_models
from lowlight_tf.evaluation.scene_overlap import find_shared_scenes
from lowlight_tf.fileio import write_json


def test_a_warning_is_returned_if_a_model_trained_on_lol_v1_is_evaluated_on_lol_v2():
    models = ["input", "nano_int8", "clahe"]
    lines = find_shared_scenes(
        models, load_models(models), ["lol_v1", "lol_v2_real", "dicm", "a/folder"]
    )
    assert lines == [
        "dashcam_net_nano_int8 was trained on lol_v1, which shows scenes of lol_v2_real: its "
        "numbers there are not comparable."
    ]


def test_the_training_data_of_a_run_are_read_from_its_files(tmp_path):
    engines = load_models(["input"])
    assert find_shared_scenes([str(tmp_path)], engines, ["lol_v1"]) == []
    write_json(tmp_path / "training.json", {"data": {"lol_v2_real": "research", "mine": "CC0"}})
    (line,) = find_shared_scenes([str(tmp_path)], engines, ["lol_v1"])
    assert "was trained on lol_v2_real, which shows scenes of lol_v1" in line
