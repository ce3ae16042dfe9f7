"""`lowlight-tf calibrate` calibrates a camera rig, reports the residual and writes a file."""

import cv2
import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.imaging import dtypes, image_io
from lowlight_tf.imaging.registration.camera_rig import CameraRig
from tests.cameras import render_scene


@pytest.fixture
def rig(rng, tmp_path):
    """Folders of two pairs, whose infrared camera looks 4 pixels to the left and 3 down."""
    for name in "ab":
        visible, infrared = render_scene((128, 160), rng)
        (tmp_path / "infrared").mkdir(exist_ok=True), (tmp_path / "visible").mkdir(exist_ok=True)
        image_io.write_float_rgb(tmp_path / "visible" / f"{name}.png", visible)
        shifted = np.uint8(255 * np.roll(infrared, (-3, 4), (0, 1)))
        cv2.imwrite(str(tmp_path / "infrared" / f"{name}.png"), shifted)
    return tmp_path


def test_folders_are_calibrated_to_a_rig_file(rig, capsys):
    output = rig / "rig.json"
    folders = [str(rig / "visible"), str(rig / "infrared")]
    assert main(["calibrate", *folders, "--output", str(output), "--method", "phase"]) == 0
    report = capsys.readouterr().out
    assert "phase of 2 pairs, 128x160 over 128x160, residual " in report
    measured = CameraRig.load(output)
    np.testing.assert_allclose(measured.matrix[:2, 2], [-4, 3], atol=0.3)
    assert f"{measured.residual_px:.2f} pixels" in report
    assert main(["calibrate", *folders, "--output", str(output)]) == 2
    assert "exists. Pass --overwrite" in capsys.readouterr().err


def test_two_videos_are_calibrated_and_a_mirrored_camera_is_named(rng, tmp_path, capsys):
    pytest.importorskip("av")
    from tests.clips import write_video

    visible, infrared = render_scene((240, 320), rng)
    frames = [dtypes.img_as_uint8(visible)] * 10, [dtypes.img_as_uint8(infrared)] * 10
    mirrored = [np.repeat(frame[:, ::-1], 3, axis=2) for frame in frames[1]]
    blank = [np.zeros_like(frames[0][0])] * 3
    paths = (
        write_video(tmp_path / "v.mp4", frames[0]),
        write_video(tmp_path / "i.mp4", [*blank, *mirrored[3:]]),
    )
    words = ["calibrate", *map(str, paths), "--output", str(tmp_path / "rig.json")]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "ecc of 7 pairs" in output
    assert "The infrared camera is mirrored; --align" in output
    matrix = CameraRig.load(tmp_path / "rig.json").matrix
    np.testing.assert_allclose(matrix[0, [0, 2]], [-1, 319], rtol=0.01)


def test_a_covered_camera_is_named(tmp_path, capsys):
    pytest.importorskip("av")
    from tests.clips import write_video

    covered = [np.zeros((48, 64, 3), np.uint8)] * 3
    paths = write_video(tmp_path / "v.mp4"), write_video(tmp_path / "i.mp4", covered)
    assert main(["calibrate", *map(str, paths), "--output", str(tmp_path / "rig.json")]) == 2
    error = capsys.readouterr().err
    assert "i.mp4. Check that both run and neither is covered." in error
    assert not (tmp_path / "rig.json").exists()


def test_unusable_pairs_are_reported_and_the_rest_is_used(rig, capsys):
    (rig / "visible" / "unpaired.png").write_bytes((rig / "visible" / "a.png").read_bytes())
    (rig / "infrared" / "b.png").write_bytes(b"no image")
    folders = [str(rig / "visible"), str(rig / "infrared")]
    line = ["calibrate", *folders, "--output", str(rig / "rig.json"), "--method", "phase"]
    assert main(line) == 1
    output = capsys.readouterr()
    assert "unpaired.png has no partner of that name" in output.err
    assert "b.png" in output.err
    assert "of 1 pairs" in output.out


def test_a_calibration_that_does_not_converge_writes_no_file(rig, capsys):
    blank = rig / "blank.png"
    cv2.imwrite(str(blank), np.zeros((128, 160), np.uint8))
    line = ["calibrate", str(rig / "visible" / "a.png"), str(blank)]
    assert main([*line, "--output", str(rig / "rig.json")]) == 2
    assert "patches with structure in both" in capsys.readouterr().err
    assert not list(rig.glob("*.json*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.png", "--output", "rig.json"], "or two folders. Received: 1 paths"),
        (["a.png", "b.png", "--output", "rig.txt"], "--output must end in .json"),
        (["a.png", "b.png", "--output", "gone/rig.json"], "a file of an existing folder"),
        (["a.png", "b.png", "--output", "rig.json"], "No pair can be read"),
        (["a.png", "b.png", "--output", "rig.json", "--chessboard", "9"], "such as 9x6"),
    ],
)
def test_invalid_arguments_are_reported(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", *words]) == 2
    assert message in capsys.readouterr().err
