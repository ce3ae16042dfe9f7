"""What the processor can do faster, asked before TensorFlow is loaded."""

import os
from pathlib import Path


def enable_onednn_bfloat16() -> str:
    """Let oneDNN compute in bfloat16 where the processor has instructions for it.

    Must be called before TensorFlow is loaded. A value that the user has set stays.

    Returns:
        What was decided, in words.
    """
    chosen = os.environ.get("ONEDNN_DEFAULT_FPMATH_MODE")
    if chosen:
        return f"oneDNN computes in {chosen}, as ONEDNN_DEFAULT_FPMATH_MODE says"
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    # With AVX-512 alone bfloat16 was no faster (benchmarks/training.py); the matrix unit is needed.
    if "amx_bf16" not in flags:
        return "oneDNN computes in float32"
    os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "bf16"
    return "oneDNN computes in bfloat16 (ONEDNN_DEFAULT_FPMATH_MODE=strict turns it off)"
