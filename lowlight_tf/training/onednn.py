"""Faster arithmetic of the CPU, chosen before TensorFlow is loaded."""

import os
from pathlib import Path


def enable_onednn_bfloat16() -> str:
    """Let oneDNN compute in bfloat16 where the CPU has matrix instructions for it.

    Must be called before TensorFlow is loaded. A value set by the user stays.

    Returns:
        The decision, as a line to print.
    """
    mode = os.environ.get("ONEDNN_DEFAULT_FPMATH_MODE")
    if mode:
        return f"oneDNN computes in {mode}, set by ONEDNN_DEFAULT_FPMATH_MODE"
    cpuinfo = Path("/proc/cpuinfo")
    cpu_flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    # With AVX-512 alone bfloat16 was no faster (benchmarks/training.py); AMX tiles are needed.
    if "amx_bf16" not in cpu_flags:
        return "oneDNN computes in float32"
    os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "bf16"
    return "oneDNN computes in bfloat16 (ONEDNN_DEFAULT_FPMATH_MODE=strict turns it off)"
