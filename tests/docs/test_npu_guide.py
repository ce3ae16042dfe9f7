"""The C code of the guide packs an NV12 frame as packed files expect it."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lowlight_tf.runtime.packed_engine import fold_image

GUIDE = Path(__file__).parents[2] / "docs/guides/npu.md"
HEADERS = "#include <stdint.h>\n#include <string.h>\n"


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_nv12_frames_with_strides_are_packed(tmp_path, rng):
    (code,) = re.findall(r"```c\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    (tmp_path / "pack.c").write_text(HEADERS + code, encoding="utf-8")
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", "pack.so", "pack.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    height, width = 32, 48
    y = rng.integers(0, 256, (height, width + 16), np.uint8)
    uv = rng.integers(0, 256, (height // 2, width + 32), np.uint8)
    luma = np.zeros((1, height // 4, width // 4, 16), np.uint8)
    chroma = np.zeros((1, height // 4, width // 4, 8), np.uint8)
    size_t = ctypes.c_size_t
    ctypes.CDLL(str(tmp_path / "pack.so")).pack_nv12(
        ctypes.c_void_p(y.ctypes.data), size_t(y.strides[0]),
        ctypes.c_void_p(uv.ctypes.data), size_t(uv.strides[0]),
        size_t(height), size_t(width),
        ctypes.c_void_p(luma.ctypes.data), ctypes.c_void_p(chroma.ctypes.data),
    )  # fmt: skip
    np.testing.assert_array_equal(luma, fold_image(y[None, :, :width, None], 4))
    pairs = uv[None, :, :width].reshape(1, height // 2, width // 2, 2)
    np.testing.assert_array_equal(chroma, fold_image(pairs, 2))
