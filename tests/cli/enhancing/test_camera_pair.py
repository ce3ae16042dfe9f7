"""`lowlight-tf enhance --infrared`, from the files of two cameras to files."""

import shutil

import cv2
import numpy as np
import pytest

from lowlight_tf.cli.main import main
from lowlight_tf.imaging.registration.alignment import warp
from lowlight_tf.imaging.registration.camera_rig import CameraRig

SHAPE = (24, 32)


def write_image(path, rng, *, gray=False, shape=SHAPE, dtype=np.uint8):
    """Write an image of little squares."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = rng.integers(0, np.iinfo(dtype).max, (shape[0] // 4, shape[1] // 4, 3), dtype=dtype)
    pixels = small.repeat(4, axis=0).repeat(4, axis=1)
    assert cv2.imwrite(str(path), pixels[..., 0] if gray else pixels)
    return path


def read_gray(path):
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(int)


@pytest.fixture
def fuse(tmp_path):
    """Run the command with a baseline into tmp_path/out."""
    words = ["--output", str(tmp_path / "out"), "--model", "average"]
    return lambda *more: main(["enhance", *words, *map(str, more)])


def test_one_image_is_fused_with_its_partner(fuse, tmp_path, rng, capsys):
    visible = write_image(tmp_path / "day.png", rng)
    infrared = write_image(tmp_path / "heat.png", rng, gray=True)
    assert fuse(visible, "--infrared", infrared) == 0
    assert "1 of 1 images fused by average" in capsys.readouterr().out
    result = cv2.imread(str(tmp_path / "out/day.png")).astype(int)
    inside = (result > 0).all(axis=2) & (result < 255).all(axis=2)  # nothing was cut
    expected = (read_gray(visible) + read_gray(infrared)) / 2
    assert inside.mean() > 0.2
    assert np.abs(read_gray(tmp_path / "out/day.png") - expected)[inside].max() <= 1.5


def test_a_blank_infrared_image_is_reported_and_left_out(fuse, tmp_path, rng, capsys):
    visible = write_image(tmp_path / "day.png", rng)
    cv2.imwrite(str(tmp_path / "heat.png"), np.full(read_gray(visible).shape, 255, np.uint8))
    assert fuse(visible, "--infrared", tmp_path / "heat.png") == 0
    errors = capsys.readouterr().err
    assert "heat.png is of one value, 100% of white: is the lens covered?" in errors
    assert "out/day.png shows the visible image alone" in errors
    np.testing.assert_array_equal(read_gray(tmp_path / "out/day.png"), read_gray(visible))


def test_an_overlay_of_the_infrared_camera_is_left_out(fuse, tmp_path, rng):
    visible = write_image(tmp_path / "day.png", rng)
    size = read_gray(visible).shape
    heat, mask = np.full(size, 60, np.uint8), np.zeros(size, np.uint8)
    heat[0, 0] = 90  # not blank
    heat[4:20, -6:] = mask[4:20, -6:] = 255
    for name, pixels in (("heat", heat), ("mask", mask)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
    words = "--infrared", tmp_path / "heat.png", "--mask", tmp_path / "mask.png"
    assert fuse(visible, *words) == 0
    covered = read_gray(tmp_path / "out/day.png")[4:20, -6:]
    expected = (read_gray(visible)[4:20, -6:] + 60) / 2
    assert np.abs(covered - expected).max() <= 6  # the corner of 90 is near; an overlay adds 97


def test_partners_in_folders_are_matched_by_stem(fuse, tmp_path, rng, capsys):
    for name in ("one.jpg", "deep/two.png", "three.png"):
        write_image(tmp_path / "visible" / name, rng)
    for name in ("one.png", "deep/two.tif", "four.png"):
        write_image(tmp_path / "infrared" / name, rng, gray=True)
    write_image(tmp_path / "visible/wide.png", rng, shape=(24, 40))
    write_image(tmp_path / "infrared/wide.png", rng, gray=True)
    write_image(tmp_path / "visible/red.png", rng)
    write_image(tmp_path / "infrared/red.png", rng)
    assert fuse(tmp_path / "visible", "--infrared", tmp_path / "infrared") == 1
    output = capsys.readouterr()
    out = tmp_path / "out"
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert found == ["deep/two.png", "one.jpg"]
    assert "2 of 5 images fused" in output.out
    lines = [line for line in output.err.splitlines() if line.startswith("lowlight-tf enhance: ")]
    assert len(lines) == 4
    for words in (
        "visible/three.png has no infrared partner",
        "infrared/four.png has no visible partner",
        "visible 24x40, infrared 24x32",
        "infrared/red.png: An infrared image must have one channel",
    ):
        assert sum(words in line for line in lines) == 1


def test_16_bits_and_alpha_are_kept(fuse, tmp_path, rng):
    deep = write_image(tmp_path / "deep.png", rng, dtype=np.uint16)
    clear = rng.integers(0, 255, (*SHAPE, 4), dtype=np.uint8)
    assert cv2.imwrite(str(tmp_path / "clear.png"), clear)
    for name in ("deep", "clear"):
        write_image(tmp_path / "infrared" / f"{name}.png", rng, gray=True)
    assert fuse(deep, tmp_path / "clear.png", "--infrared", tmp_path / "infrared") == 0
    results = [cv2.imread(str(tmp_path / f"out/{n}.png"), -1) for n in ("deep", "clear")]
    assert results[0].dtype == np.uint16
    np.testing.assert_array_equal(results[1][..., 3], clear[..., 3])


def test_a_rig_aligns_infrared_images_of_another_size(fuse, tmp_path, rng):
    visible = write_image(tmp_path / "a.png", rng, gray=True)
    infrared = write_image(tmp_path / "b.png", rng, gray=True, shape=(12, 16))
    matrix = np.float64([[2, 0, 8], [0, 2, 0], [0, 0, 1]])
    CameraRig(matrix, SHAPE, (12, 16), 0.1, 0.5, "ecc", 3).save(tmp_path / "rig.json")
    words = ("--infrared", infrared, "--align", tmp_path / "rig.json", "--model", "infrared")
    assert fuse(visible, *words) == 0
    expected = warp(np.uint8(read_gray(infrared))[..., None], matrix, SHAPE)[..., 0]
    result = read_gray(tmp_path / "out/a.png")
    assert np.abs(result - expected).max() <= 1
    assert result[:, :7].max() == 0  # there the infrared camera shows nothing


def test_infrared_images_of_the_same_field_and_another_size_are_resized(
    fuse, tmp_path, rng, capsys
):
    visible = write_image(tmp_path / "a.png", rng, gray=True)
    infrared = write_image(tmp_path / "b.png", rng, gray=True, shape=(12, 16))
    words = (visible, "--infrared", infrared, "--model", "infrared")
    assert fuse(*words) == 2
    assert "pass --resize-infrared" in capsys.readouterr().err
    assert fuse(*words, "--resize-infrared") == 0
    result = read_gray(tmp_path / "out/a.png")
    assert result.shape == SHAPE
    expected = cv2.resize(np.uint8(read_gray(infrared)), SHAPE[::-1]).astype(int)
    assert np.abs(result - expected).mean() < 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "average fuses the images of two cameras. Pass --infrared"),
        (["--model", "dashcam_net_nano", "--infrared", "b.png"], "the images of one camera"),
        (["--model", "dashcam_net_nano", "--resize-infrared"], "the images of one camera"),
        (["--infrared", "b.png", "--align", "rig"], "`align` must be none, phase"),
        (["--infrared", "b.png", "--align", "rig.json"], "rig.json cannot be read"),
        (["--infrared", "empty"], "No image in empty"),
        (["--infrared", "two"], "have one name"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(
    fuse, tmp_path, rng, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "two/a.png", "two/a.jpg"):
        write_image(tmp_path / name, rng, gray=True)
    (tmp_path / "empty").mkdir()
    assert fuse("a.png", *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_infrared_image_is_never_overwritten(fuse, tmp_path, rng, capsys):
    visible = write_image(tmp_path / "a.png", rng)
    infrared = write_image(tmp_path / "out" / "a.png", rng, gray=True)
    before = infrared.read_bytes()
    assert fuse(visible, "--infrared", tmp_path / "out", "--overwrite") == 2
    assert "is an input itself" in capsys.readouterr().err
    assert fuse(visible, "--infrared", infrared, "--overwrite") == 2
    assert infrared.read_bytes() == before


def test_two_videos_are_fused_and_a_lost_camera_is_reported(tmp_path, capsys):
    pytest.importorskip("av")
    from tests.clips import make_frame, read_frames, write_video

    visible = write_video(tmp_path / "v.mp4", [make_frame(step) for step in range(12)])
    infrared = write_video(tmp_path / "i.mp4", [make_frame(step, level=150) for step in range(6)])
    out = tmp_path / "out.mp4"
    words = ["enhance", str(visible), "--infrared", str(infrared), "--model=average"]
    assert main([*words, "--output", str(out), "--smoothing=0", "--tolerance=0.05"]) == 0
    output = capsys.readouterr()
    assert "1 of 1 files fused by average" in output.out
    assert "i.mp4 has no frame within 0.05 s at 0.3 s" in output.err
    assert "of 12 frames, only one camera had: 5 visible, 0 infrared" in output.err
    frames, _ = read_frames(out)
    assert len(frames) == 12
    assert frames[2].mean() == pytest.approx(105, abs=4)
    assert frames[9][8:].mean() == pytest.approx(60, abs=4)


def test_an_infrared_video_of_the_same_field_and_another_size_is_resized(tmp_path, capsys):
    pytest.importorskip("av")
    from tests.clips import make_frame, read_frames, write_video

    frames = [make_frame(step) for step in range(4)]
    visible = write_video(tmp_path / "v.mp4", frames)
    infrared = write_video(tmp_path / "i.mp4", [frame[: len(frame) // 4 * 2] for frame in frames])
    words = ["enhance", str(visible), "--infrared", str(infrared), "--model=average"]
    words += ["--output", str(tmp_path / "out.mp4")]
    assert main(words) == 2
    assert "pass --resize-infrared" in capsys.readouterr().err
    assert main([*words, "--resize-infrared"]) == 0
    results, _ = read_frames(tmp_path / "out.mp4")
    assert len(results) == 4
    assert results[0].shape == frames[0].shape


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sync-tolerance", "-1"], "`tolerance_s` must be at least 0"),
        (["--auto-night"], "--auto-night is for one camera"),
        (["--align", "ecc"], "not aligned frame by frame"),
        (["b.png"], "must both be images or both videos"),
        (["v.mp4", "v.mp4"], "One video takes one --infrared video. Received: 2"),
        (["none.mp4"], "none.mp4 cannot be opened"),
    ],
)
def test_invalid_video_pairs_are_reported_in_one_line(
    tmp_path, monkeypatch, capsys, rng, words, message
):
    pytest.importorskip("av")
    from tests.clips import write_video

    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "v.mp4")
    write_image(tmp_path / "b.png", rng, gray=True)
    flags = words if words[0].startswith("--") else []
    infrared = words if not flags else ["v.mp4"]
    begin = ["enhance", "v.mp4", "--model=average", "--output=o.mp4"]
    assert main([*begin, *flags, "--infrared", *infrared]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.png", "v.mp4"]


@pytest.mark.slow
def test_a_run_without_input_fuses_the_embedded_images(fusing_run, tmp_path, capsys):
    pytest.importorskip("skimage")
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.keras", "contract.json"):
        shutil.copy(fusing_run / name, run)
    assert main(["enhance", "--checkpoint_dir", str(run)]) == 0
    assert "sample images of the package" in capsys.readouterr().out
    assert len(list((run / "predictions").iterdir())) == 8
