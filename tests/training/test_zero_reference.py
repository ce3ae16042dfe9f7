"""A model can be trained without targets: no part of the step needs one."""

import pytest

from lowlight_tf.config import Recipe
from lowlight_tf.training.history import History
from lowlight_tf.training.trainer import train


@pytest.mark.slow
def test_it_is_trained_without_targets_and_validated_with_them(folder, tmp_path, capsys):
    settings = [
        f"data=['{folder}']",
        "options.filters=4",
        "pipeline.crop_size=32",
        "pipeline.batch_size=2",
    ]
    settings += ["training.steps=4", "training.log_every=2", "training.validate_every=2"]
    settings += ["training.learning_rate=1e-2", "training.jit_compile=false"]
    run = train(Recipe.load("zero_dce_lol_v1").replace(settings), tmp_path / "run")
    history = History.load(run / "history.csv")
    losses = ("spatial_consistency", "exposure", "color_constancy", "curve_smoothness")
    for name in ("loss", *losses, "val_psnr"):
        assert len(history.column(name)[1]) == 2, name
    total = sum(
        weight * history.column(name)[1][0]
        for name, weight in Recipe.load(run / "recipe.toml").losses.items()
    )
    assert history.column("loss")[1][0] == pytest.approx(total, rel=1e-3)
    assert "psnr_batch" not in history.rows[0]
    assert "validation  psnr" in capsys.readouterr().out
