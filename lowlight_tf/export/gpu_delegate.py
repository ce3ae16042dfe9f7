"""Check of a .tflite file on the LiteRT GPU delegate: supported operations, agreement with the CPU.

The delegate is part of ai-edge-litert and runs on Vulkan; on a machine without a GPU it runs on
SwiftShader, the software Vulkan driver of Chromium. The check runs in a subprocess: the delegate
reads its environment when it is loaded, reports unsupported operations on standard error only, and
may crash. This module imports nothing that the subprocess does not need.
"""

import ctypes
import dataclasses
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

DRIVER_FILES = (
    "/usr/lib*/chromium*/vk_swiftshader_icd.json",
    "/opt/google/chrome*/vk_swiftshader_icd.json",
    "/snap/chromium/current/usr/lib/chromium-browser/vk_swiftshader_icd.json",
)
"""Glob patterns of software Vulkan drivers."""

INSTALL_ADVICE = (
    "On Debian run: apt-get install chromium libvulkan1. Elsewhere install Chromium and the Vulkan "
    "loader, or set VK_DRIVER_FILES to the .json of a Vulkan driver."
)
"""How to install a driver."""

_DRIVER_ENV = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
_RESULT_PREFIX = "lowlight_tf delegate: "


class VulkanUnavailableError(RuntimeError):
    """No Vulkan driver is installed, or none that the delegate accepts."""


@dataclasses.dataclass(frozen=True)
class DelegateReport:
    """Result of a run on the GPU delegate.

    Attributes:
        device: Name of the Vulkan device, as its driver reports it.
        unsupported_ops: Each operation that the delegate does not support, with its reason; empty
            if the entire graph runs on it.
        summary: The delegate's own count of operations by processor; "" if all run on it.
        max_difference: Largest difference between the outputs of GPU and CPU, in [0, 1] units.
        psnr_db: PSNR between these outputs (dB). Both are None if an operation is unsupported.
    """

    device: str
    unsupported_ops: tuple[str, ...] = ()
    summary: str = ""
    max_difference: float | None = None
    psnr_db: float | None = None


def find_vulkan_driver() -> str | None:
    """Return the Vulkan driver file to use: the environment's, else SwiftShader's, else None."""
    configured = next((os.environ[name] for name in _DRIVER_ENV if os.environ.get(name)), None)
    installed = [path for pattern in DRIVER_FILES for path in sorted(glob.glob(pattern))]
    return configured or next(iter(installed), None)


def check_vulkan_loader() -> None:
    """Raise VulkanUnavailableError if the Vulkan loader library is not installed."""
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        raise VulkanUnavailableError(
            f"The Vulkan loader, libvulkan.so.1, was not found. {INSTALL_ADVICE}"
        ) from None


def check_gpu_delegate(
    path: Path, images: Mapping[str, np.ndarray], *, timeout_s: float = 600
) -> DelegateReport:
    """Run a .tflite file on the GPU delegate and on the CPU, and compare.

    Args:
        path: The file.
        images: Input name -> (1, H, W, C) of the type of the file's inputs.
        timeout_s: Time limit (seconds).

    Raises:
        VulkanUnavailableError: If there is no Vulkan driver that the delegate accepts.
        RuntimeError: If the delegate timed out or ended without a report.
    """
    driver = find_vulkan_driver()
    if driver is None:
        raise VulkanUnavailableError(f"No Vulkan driver was found. {INSTALL_ADVICE}")
    check_vulkan_loader()
    with tempfile.TemporaryDirectory() as folder:
        inputs_path = Path(folder) / "images.npz"
        np.savez(inputs_path, **images)
        env = {
            "XDG_RUNTIME_DIR": folder,
            **os.environ,
            **dict.fromkeys(_DRIVER_ENV, driver),
        }
        try:
            process = subprocess.run(
                [sys.executable, "-m", __name__, str(path), str(inputs_path)],
                env=env,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the GPU delegate took more than {timeout_s:.0f} s") from None
    return _parse_report(process.returncode, process.stdout, process.stderr)


def _parse_report(status: int, stdout: str, stderr: str) -> DelegateReport:
    """Return the report in the output of the finished subprocess."""
    device = re.search(r"Selected adapter: ([^,\n]+)", stderr)
    if device is None and re.search("No adapters found|initialize WebGPU environment", stderr):
        raise VulkanUnavailableError(
            f"The delegate accepts none of the installed Vulkan drivers. {INSTALL_ADVICE}"
        )
    name = device[1] if device else "unknown"
    unsupported = re.search(
        r"not supported by GPU delegate:\n(.*?)\n([^\n]*operations? will run on[^\n]*)",
        stderr,
        re.S,
    )
    if unsupported:
        return DelegateReport(name, tuple(unsupported[1].splitlines()), unsupported[2])
    result = re.search(re.escape(_RESULT_PREFIX) + "(.*)", stdout)
    if status or not result:
        tail = " | ".join(stderr.strip().splitlines()[-3:])
        raise RuntimeError(f"the GPU delegate ended with status {status}: {tail}")
    return DelegateReport(name, **json.loads(result[1]))


def _compare_with_cpu(path: str, inputs_path: str) -> dict[str, float]:
    """Run a file on GPU and CPU in this process; the delegate logs to standard error."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.interpreter import Interpreter

    with np.load(inputs_path) as file:
        images = {name: np.ascontiguousarray(file[name]) for name in file.files}
    interpreter = Interpreter(model_path=path)
    key = next(iter(interpreter.get_signature_list()))
    runner = interpreter.get_signature_runner(key)
    expected = runner(**images)

    model = CompiledModel.from_file(path, hardware_accel=HardwareAccelerator.GPU)
    inputs = {name: model.create_input_buffer_by_name(key, name) for name in images}
    outputs = {name: model.create_output_buffer_by_name(key, name) for name in expected}
    for name, image in images.items():
        inputs[name].write(image)
    model.run_by_name(key, inputs, outputs)
    differences = []
    for name, array in expected.items():
        scale = runner.get_output_details()[name]["quantization"][0] or 1.0
        actual = outputs[name].read(array.size, array.dtype.type).reshape(array.shape)
        differences.append((np.float64(actual) - array).ravel() * scale)
    difference = np.concatenate(differences)
    return {
        "max_difference": float(np.abs(difference).max()),
        "psnr_db": round(float(-10 * np.log10(max(np.square(difference).mean(), 1e-12))), 2),
    }


if __name__ == "__main__":
    print(_RESULT_PREFIX + json.dumps(_compare_with_cpu(*sys.argv[1:])))
