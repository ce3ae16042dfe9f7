#!/usr/bin/env bash
# What a camera gets: `pip install .` into an environment of its own, without TensorFlow or Keras,
# and a picture enhanced by the shipped net and by the device script. Leaves nothing behind.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
bin=$place/venv/bin
mkdir "$place/source"
tar -C "$here" --exclude=./.venv --exclude=./.git --exclude=./runs -c . | tar -C "$place/source" -x
"$bin/pip" install --quiet --disable-pip-version-check -c "$here/constraints.txt" "$place/source"
cd "$place"
"$bin/python" - <<'PY'
import importlib.util

import cv2
import numpy as np

assert importlib.util.find_spec("tensorflow") is None
assert importlib.util.find_spec("keras") is None
cv2.imwrite("dark.png", np.random.default_rng(0).integers(0, 40, (300, 500, 3), np.uint8))
PY
"$bin/lowlight-tf" enhance dark.png --output bright
"$bin/python" - <<'PY'
import cv2

dark, bright = cv2.imread("dark.png"), cv2.imread("bright/dark.png")
assert bright.shape == dark.shape
assert bright.mean() > 2 * dark.mean(), (dark.mean(), bright.mean())
print(f"a camera's installation enhances: mean {dark.mean():.0f} -> {bright.mean():.0f}")
PY
