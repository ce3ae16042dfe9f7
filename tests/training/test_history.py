"""The history is read back from its file, and drawn against the epoch."""

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import ENHANCE, RAW_TO_RGB, RAW_TO_RGB_HALF
from lowlight_tf.imaging import image_io
from lowlight_tf.metrics.fidelity import HALF_RESOLUTION
from lowlight_tf.training.history import History, draw_curves


@pytest.fixture
def history():
    result = History()
    for step in (10, 20, 30):
        result.add(step, epoch=step / 20, loss=1 / step, psnr_batch=float(step))
    result.add(30, val_psnr=20.5, val_ssim=0.8)
    return result


def test_numbers_of_one_step_share_a_row(history, tmp_path):
    assert len(history.rows) == 3
    history.save(tmp_path / "history.csv")
    loaded = History.load(tmp_path / "history.csv")
    assert loaded.rows == history.rows
    assert loaded.column("val_psnr") == ([30], [20.5])


def test_a_step_between_two_lines_of_progress_has_an_epoch_too(history):
    history.add(35, val_psnr=20.6)
    assert history.epochs([30, 35]) == pytest.approx([1.5, 1.75])
    with pytest.raises(UsageError, match="holds no epoch yet"):
        History().epochs([1])


def test_learning_rate_cuts_are_the_steps_after_which_the_rate_was_lower():
    history = History()
    for step, rate in ((2, 1e-4), (4, 1e-4), (6, 5e-5), (8, 5e-5), (10, 2.5e-5)):
        history.add(step, learning_rate=rate)
    assert history.learning_rate_cuts == [6, 10]


def test_the_curves_are_an_image(history, tmp_path):
    draw_curves({"one": history}, tmp_path / "curves.png", tmp_path / "curves.svg")
    image = image_io.read_float_rgb(tmp_path / "curves.png")
    assert image.shape[1] > 1000
    assert image.min() < 0.5  # something is drawn
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_second_run_is_drawn_in_another_color(history, tmp_path):
    draw_curves({"one": history}, tmp_path / "one.svg")
    draw_curves({"one": history, "two": history}, tmp_path / "both.svg")
    second = "#ff7f0e"  # matplotlib's
    assert second not in (tmp_path / "one.svg").read_text()
    assert second in (tmp_path / "both.svg").read_text()


def test_the_protocol_is_that_of_the_model(history, tmp_path):
    history.save(tmp_path / "history.csv")
    for contract, protocol in (
        (ENHANCE, "plain"),
        (RAW_TO_RGB, "sid"),
        (RAW_TO_RGB_HALF, HALF_RESOLUTION),
    ):
        contract.save(tmp_path / "contract.json")
        draw_curves({"run": History.load(tmp_path / "history.csv")}, tmp_path / "curves.svg")
        drawn = (tmp_path / "curves.svg").read_text()
        assert f"<!-- PSNR (dB, {protocol}) -->" in drawn
        assert f"<!-- SSIM ({protocol}) -->" in drawn


def test_a_missing_history_is_reported(tmp_path):
    with pytest.raises(UsageError, match="No history at"):
        History.load(tmp_path / "history.csv")


@pytest.mark.parametrize("text", ["loss\n1\n", "step,loss\n1,low\n", "step,loss\n,\n"])
def test_a_file_that_is_not_a_history_is_reported(text, tmp_path):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(UsageError, match="is not the history of a run"):
        History.load(tmp_path / "history.csv")


def test_every_validation_metric_has_a_panel(tmp_path):
    history = History()
    for step in (1, 2):
        history.add(step, epoch=step, loss=1 / step, val_vif=step, val_scd=0.1)
    paths = [tmp_path / "curves.svg"]
    draw_curves({"run": history}, *paths)
    drawn = paths[0].read_text()
    assert drawn.count("<!-- epoch -->") == 3
    assert "<!-- vif -->" in drawn


def test_a_history_of_version_0_1_0_is_read_with_todays_names(tmp_path):
    former = "step,adversarial,critic,critic_fake,critic_features,critic_real,distilled"
    path = tmp_path / "history.csv"
    path.write_text(f"{former},gradient_critic,gradient_net,val_psnr\n1,2,3,4,5,6,7,8,9,10\n")
    history = History.load(path)
    assert history.rows == [
        {
            "step": 1,
            "adversarial": 2,
            "discriminator": 3,
            "discriminator_fake": 4,
            "discriminator_features": 5,
            "discriminator_real": 6,
            "distillation": 7,
            "discriminator_gradient_norm": 8,
            "generator_gradient_norm": 9,
            "val_psnr": 10,
        }
    ]
    history.save(path)
    assert History.load(path).rows == history.rows
