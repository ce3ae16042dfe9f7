#!/usr/bin/env bash
# What a camera gets: a wheel below 20 MB, in an environment of its own, without TensorFlow or Keras,
# within 320 MB; there, with warnings as errors: a picture enhanced, every net that ships tested and
# one timed, and the device scripts, the camera's loop over a video. Leaves nothing behind.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
bin=$place/venv/bin
mkdir "$place/source"
tar -C "$here" --exclude=./.venv --exclude=./.git --exclude=./runs --exclude=./build -c . | tar -C "$place/source" -x
"$bin/pip" wheel --quiet --disable-pip-version-check --no-deps -w "$place" "$place/source"
bytes=$(stat -c %s "$place"/*.whl)
echo "the wheel: $bytes bytes"
[ "$bytes" -lt 20000000 ]
before=$(du -sm "$place/venv" | cut -f1)
"$bin/pip" install --quiet --disable-pip-version-check -c "$here/constraints.txt" "$place"/*.whl
size=$(($(du -sm "$place/venv" | cut -f1) - before))
echo "the base installation: $size MB"
[ "$size" -le 320 ]
cd "$place"
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
net=$("$bin/python" -c "from lowlight_tf.runtime.pretrained import find; print(find('tiny_int8'))")
"$bin/python" "$here/tflite/enhance.py" "$net" dark.png by_script.png
"$bin/python" "$here/tflite/camera.py" "$net" night.avi --seconds 20 --output last.png
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
print(f"a camera's installation enhances: mean {dark.mean():.0f} -> {bright.mean():.0f}")
PY
