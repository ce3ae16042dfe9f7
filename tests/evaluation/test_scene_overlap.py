"""A model that was trained on the scenes it is judged by is told of, wherever the pictures are."""

from lowlight_tf.evaluation.evaluator import load_models
from lowlight_tf.evaluation.scene_overlap import find_shared_scenes
from lowlight_tf.fileio import write_json


def test_a_shipped_net_that_learned_from_lol_v1_is_not_judged_by_lol_v2():
    models = ["input", "nano_int8", "clahe"]
    lines = find_shared_scenes(
        models, load_models(models), ["lol_v1", "lol_v2_real", "dicm", "a/folder"]
    )
    assert lines == [
        "dashcam_net_nano_int8 was trained on lol_v1, which shows scenes of lol_v2_real: its "
        "numbers there say nothing."
    ]


def test_a_run_is_known_by_what_it_wrote(tmp_path):
    engines = load_models(["input"])
    assert find_shared_scenes([str(tmp_path)], engines, ["lol_v1"]) == []
    write_json(tmp_path / "training.json", {"data": {"lol_v2_real": "research", "mine": "CC0"}})
    (line,) = find_shared_scenes([str(tmp_path)], engines, ["lol_v1"])
    assert "learned from lol_v2_real, which shows scenes of lol_v1" in line
