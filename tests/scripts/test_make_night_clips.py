"""The training clips of `dashcam_net_temporal`, from tiny stand-ins of their sources."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_night_clips.py"


def test_clips_and_targets_are_frames_below_each_other_and_halves_are_apart(tmp_path, rng):
    for name in ("bsds/train/a.jpg", "bsds/train/dark.jpg", "bsds/test/b.jpg"):
        _write(tmp_path / name, rng, level=20 if "dark" in name else 120)
    for sequence in ("0001TP", "0006R0", "0016E5"):
        _write(tmp_path / "camvid" / "image" / f"{sequence}_f1.png", rng)
    sources = ["--bsds500", tmp_path / "bsds", "--camvid", tmp_path / "camvid"]
    command = [sys.executable, SCRIPT, *sources, "--output", tmp_path / "clips"]
    command += ["--frames", "2", "--variants", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "5/5 clips" in done.stdout
    names = {
        half: sorted(path.name for path in (tmp_path / "clips" / half / "low").iterdir())
        for half in ("train", "val")
    }
    # Of BSDS500, the last 40 images are held out: here all.
    assert names["train"] == ["0016E5_f1_0.png", "0016E5_f1_1.png"]
    assert names["val"] == ["0006R0_f1_0.png", "a_0.png", "b_0.png"]
    for path in (tmp_path / "clips").rglob("*.png"):
        assert cv2.imread(str(path)).shape == (288, 192, 3)
    low, high = (
        cv2.imread(str(tmp_path / "clips" / "train" / side / "0016E5_f1_0.png"))
        for side in ("low", "high")
    )
    # Both are dark; the target is less rough.
    assert high.mean() < 100
    assert (
        np.abs(np.diff(np.float32(high), axis=1)).mean()
        < np.abs(np.diff(np.float32(low), axis=1)).mean()
    )


def _write(path, rng, level=120):
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.uint8(np.clip(rng.normal(level, 25, (9, 12, 3)), 0, 255))
    cv2.imwrite(str(path), cv2.resize(blocks, (360, 270), interpolation=cv2.INTER_CUBIC))
