"""Check of an int8 .tflite file for neural processors: what each would leave to the CPU.

For Arm's Ethos-U processors their compiler, Vela, is run: it needs no processor, and estimates time
and memory too. For the Edge TPU, whose compiler is not on PyPI, the operations are looked up.
"""

import csv
import dataclasses
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lowlight_tf.tflite_graph.flatbuffer import operator_name, read_model

ETHOS_U = {
    "ethos-u55-256": "Ethos_U55_High_End_Embedded",
    "ethos-u85-256": "Ethos_U85_SYS_DRAM_Mid",
}
"""Processors as Vela names them, and the system that it assumes around each by default."""

INSTALL_ADVICE = "pip install 'lowlight-tf[npu]'"

EDGE_TPU_OPS = frozenset({
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "EXPAND_DIMS",
    "FULLY_CONNECTED", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN",
    "MINIMUM", "MUL", "PACK", "PAD", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU",
    "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT",
    "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SQUARED_DIFFERENCE", "SQUEEZE",
    "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
})  # fmt: skip
"""Operations of the Edge TPU: https://coral.ai/docs/edgetpu/models-intro/#supported-operations, as
of compiler 16. The limits that it states for some of them are not checked."""


class VelaUnavailableError(RuntimeError):
    """Vela is not installed."""


@dataclasses.dataclass(frozen=True)
class EthosUReport:
    """What Vela makes of a file.

    Attributes:
        processor: A key of `ETHOS_U`.
        npu_ops: Number of operations on the NPU, as Vela splits and joins them.
        fallback_ops: Name and reason of each that is left to the CPU; empty if none is.
        time_ms: Its estimate of the time for one image on the NPU (ms).
        sram_bytes: On-chip memory for tensors.
        dram_bytes: Other memory for tensors.
    """

    processor: str
    npu_ops: int
    fallback_ops: tuple[str, ...]
    time_ms: float
    sram_bytes: int
    dram_bytes: int

    @property
    def summary(self) -> str:
        """One line: where the operations run, and the estimate."""
        count = len(self.fallback_ops)
        where = "every operation runs on it" if not count else f"{count} operations fall back"
        memory = f"{self.sram_bytes / 2**20:.1f} MiB SRAM"
        if self.dram_bytes:
            memory += f", {self.dram_bytes / 2**20:.1f} MiB DRAM"
        return f"{where}; Vela estimates {self.time_ms:.1f} ms an image, {memory}"


def check_ethos_u(path: Path, processor: str, *, timeout_s: float = 600) -> EthosUReport:
    """Compile an int8 .tflite file for an Ethos-U processor, and report.

    Args:
        path: The file; it is not changed.
        processor: A key of `ETHOS_U`.
        timeout_s: Time limit (seconds).

    Raises:
        VelaUnavailableError: If Vela is not installed.
        RuntimeError: If it fails or takes too long.
    """
    if importlib.util.find_spec("ethosu") is None:
        raise VelaUnavailableError(f"Vela is not installed: {INSTALL_ADVICE}")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ethosu.vela", str(path.resolve())]
        command += ["--accelerator-config", processor, "--system-config", ETHOS_U[processor]]
        command += ["--output-dir", folder]
        try:
            process = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"Vela took more than {timeout_s:.0f} s") from None
        summaries = list(Path(folder).glob("*_summary_*.csv"))
        if process.returncode or not summaries:
            lines = (process.stderr.strip() or process.stdout.strip()).splitlines()
            raise RuntimeError(f"Vela ended with status {process.returncode}: {lines[-1:]}")
        with summaries[0].open() as file:
            (row,) = csv.DictReader(file)
    return _parse_report(processor, process.stdout, row)


def _parse_report(processor: str, stdout: str, row: dict[str, str]) -> EthosUReport:
    npu_ops = re.search(r"NPU operators = (\d+)", stdout)
    fallbacks = re.findall(r"operator: (\w+), ofm: '([^']*)'\s*Reason: ([^\n]*)", stdout)
    return EthosUReport(
        processor,
        int(npu_ops[1]) if npu_ops else 0,
        tuple(f"{name} ({tensor}): {reason}" for name, tensor, reason in fallbacks),
        1000 * float(row["inference_time"]),
        round(1024 * float(row["sram_memory_used"])),
        round(1024 * float(row["dram_memory_used"])),
    )


def find_edge_tpu_fallbacks(content: bytes) -> list[str]:
    """Return the operations of a .tflite file that no Edge TPU has, each once, sorted."""
    model = read_model(content)
    (graph,) = model.subgraphs
    names = {operator_name(model, operator) for operator in graph.operators}
    return sorted(names - EDGE_TPU_OPS)
