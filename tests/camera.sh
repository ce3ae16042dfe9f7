#!/usr/bin/env bash
# The installation of a camera: a wheel below 20 MB, installed without TensorFlow or Keras in a new
# environment of at most 320 MB. There, with warnings as errors: enhance an image, run the self-test
# of all pretrained models, time one, and run the device scripts. Removes everything that it writes.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
workdir=$(mktemp -d)
trap 'rm -rf "$workdir"' EXIT
"${PYTHON:-python3}" -m venv "$workdir/venv"
bin=$workdir/venv/bin
mkdir "$workdir/source"
tar -C "$here" --exclude=./.venv --exclude=./.git --exclude=./runs --exclude=./build -c . | tar -C "$workdir/source" -x
"$bin/pip" wheel --quiet --disable-pip-version-check --no-deps -w "$workdir" "$workdir/source"
bytes=$(stat -c %s "$workdir"/*.whl)
echo "wheel: $bytes bytes"
[ "$bytes" -lt 20000000 ]
before=$(du -sm "$workdir/venv" | cut -f1)
"$bin/pip" install --quiet --disable-pip-version-check -c "$here/constraints.txt" "$workdir"/*.whl
size=$(($(du -sm "$workdir/venv" | cut -f1) - before))
echo "base installation: $size MB"
[ "$size" -le 320 ]
cd "$workdir"
"$bin/python" - <<'PY'
import importlib.util

import cv2
import numpy as np

for name in ("tensorflow", "keras", "av", "matplotlib"):
    assert importlib.util.find_spec(name) is None, name
rng = np.random.default_rng(0)
cv2.imwrite("dark.png", rng.integers(0, 40, (300, 500, 3), np.uint8))
video = cv2.VideoWriter("night.avi", cv2.VideoWriter_fourcc(*"MJPG"), 30, (600, 400))
for _ in range(10):
    video.write(rng.integers(0, 40, (400, 600, 3), np.uint8))
video.release()
PY
export PYTHONWARNINGS=error
"$bin/lowlight-tf" enhance dark.png --output bright
"$bin/lowlight-tf" selftest
"$bin/lowlight-tf" benchmark tiny_int8 --size 400x600 --threads 1,2 --runs 10 --json t.json
model=$("$bin/python" -c "from lowlight_tf.runtime.pretrained import find_pretrained; print(find_pretrained('tiny_int8'))")
"$bin/python" "$here/tflite/enhance.py" "$model" dark.png by_script.png
PYTHONIOENCODING=ascii "$bin/python" "$here/tflite/enhance.py" "$model" dark.png hell_grün.png
"$bin/python" "$here/tflite/camera.py" "$model" night.avi --seconds 20 --output last.png
"$bin/python" - <<'PY'
import cv2

dark = cv2.imread("dark.png")
for name, shape in {
    "bright/dark.png": dark.shape,
    "by_script.png": dark.shape,
    "last.png": (400, 600, 3),
}.items():
    bright = cv2.imread(name)
    assert bright.shape == shape, (name, bright.shape)
    assert bright.mean() > 2 * dark.mean(), (name, dark.mean(), bright.mean())
print(f"the installation enhances: mean {dark.mean():.0f} -> {bright.mean():.0f}")
PY
